"""`tools/zoo`: what there is, what a model is, whether its weights are whole; packs new weights."""

import json
import pathlib
import shlex
import sys

from kgan import registry
from kgan.cli import zoo_new
from kgan.cli.flags import Flags, tool
from kgan.errors import UsageError, UserError
from kgan.machine import quiet
from kgan.recipe import differences, nearest

LOCAL = ("folder:", "celeba:")  # data whose specification has a path
PLACES = ("generator", "trunk", "reference", "vgg_weights")  # fields that may be paths
LARGEST = 8_000_000  # bytes of weights as float16

ABOUT = """list            all names, their weights and what they are
  show NAME       card and recipe of a model
  verify [NAME]   check the sha256 of packaged weights
  pack RUN NAME.TAG   put a finished run's weights into the zoo (float16, with its figures)
  new NAME        begin a model of your own as a copy of --like
  check NAME      run the tests of every model for one (needs pytest)"""


@tool
def main(arguments):
    flags = Flags("zoo", ABOUT, "tools/zoo list")
    flags.add("licence", "Apache-2.0", "pack: licence of the weights")
    flags.add("like", "cyclegan", "new: the model whose file is copied")
    words = flags.parse(arguments, positional=3)
    actions = {"list": (_list, 0, 0), "show": (_show, 1, 1), "verify": (_verify, 0, 1),
               "pack": (_pack, 2, 2), "new": (zoo_new.new, 1, 1),
               "check": (zoo_new.check, 1, 1)}
    if not words:
        raise UsageError("Say what: list, show NAME, verify [NAME], pack RUN NAME.TAG, new NAME or "
                         "check NAME.")
    if words[0] not in actions:
        raise UsageError(f"tools/zoo cannot {words[0]}. {nearest(words[0], actions)}")
    action, least, most = actions[words[0]]
    if not least <= len(words) - 1 <= most:
        raise UsageError(f"tools/zoo {words[0]} takes {least} to {most} names; see --help.")
    if action is _pack:
        return _pack(*words[1:], licence=flags.licence)
    if action is zoo_new.new:
        return zoo_new.new(words[1], flags.like)
    return action(*words[1:])


def _list():
    models = {}
    for name in registry.names():
        entry = registry.entry(name)
        models[name] = {"about": entry.phrase, "weights": list(entry.weights)}
        tags = "".join(f"\n{'':24}  .{tag}" for tag in entry.weights)
        print(f"{name:24}  {entry.phrase}{tags}", file=sys.stderr)
    return {"status": "done", "models": models}


def _show(name):
    from kgan.weights import packaged, verify

    entry = registry.entry(name)
    print(registry.card(name), file=sys.stderr)
    result = {"status": "done", "model": entry.name, "recipe": entry.recipe.as_dict()}
    folder = packaged(name)
    if folder:
        trained = json.loads((folder / "config.json").read_text())["recipe"]
        result |= {"weights": folder.name, "trained_with": trained, "metadata": verify(folder)}
    return result


def _verify(name=None):
    from kgan.weights import packaged, verify

    names = [name] if name else [
        f"{n}.{tag}" for n in registry.names() for tag in registry.entry(n).weights
    ]
    checked = {}
    for full in names:
        folder = packaged(full)
        if folder is None:
            raise UsageError(f"{full} has no packaged weights.")
        checked[full] = verify(folder)["sha256"]["model.weights.h5"]
        print(f"whole  {full}", file=sys.stderr)
    return {"status": "done", "sha256": checked}


def _pack(run, name, *, licence):
    """Writes a run's weights as float16 into the zoo and measures what was written."""
    from PIL import Image

    quiet()
    from kgan.cli.evaluate import evaluate
    from kgan.weights import load, write

    entry, tag = registry.entry(name), name.partition(".")[2]
    if tag not in entry.weights:
        raise UsageError(
            f"{name} is not registered: name the tag in the weights of {entry.name} in zoo/ first. "
            + nearest(tag, entry.weights)
        )
    model = load(run)
    size = 2 * sum(w.size for net in model.deployed() for w in model.nets[net].get_weights())
    if size > LARGEST:
        raise UserError(f"{run} has {size / 1e6:.1f} MB of weights; the zoo takes "
                        f"{LARGEST / 1e6:.0f} MB.")
    preview = pathlib.Path(run) / "weights" / "preview.png"
    ours = model.recipe.data.startswith("avatars:")  # pictures of others stay where they are
    facts = {k: v for k, v in model.metadata.items() if k not in ("sha256", "figures")}
    facts |= {"name": entry.name, "tag": tag, "licences": {"weights": licence}}
    spec = model.recipe.data
    place = _place(spec)
    model.recipe = _without_paths(model)
    facts["data"] = [_public(x, place) for x in facts["data"] if not x.startswith("decoded to")]
    facts["command"] = _command(model)
    model.name_in_zoo = entry.name
    folder = registry.folder() / "weights" / name
    write(model, folder, facts=facts, half=True,
          preview=Image.open(preview) if ours and preview.exists() else None)
    figures = evaluate(name, spec)
    figures = {k: v for k, v in figures.items() if k not in ("status", "model")}
    figures["data"] = _public(spec, place)
    path = folder / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "figures": figures}, indent=2))
    megabytes = (folder / "model.weights.h5").stat().st_size / 1e6
    return {"status": "done", "weights": str(folder), "megabytes": round(megabytes, 2), **figures}


def _place(spec):
    """The path in a specification of data; "" if it has none."""
    return spec.partition(":")[2].partition("?")[0] if spec.startswith(LOCAL) else ""


def _public(text, place):
    """A text with the name of a folder instead of its path, which is nobody else's."""
    return text.replace(place, pathlib.Path(place).name) if place else text


def _without_paths(model):
    """The recipe of a model with names instead of paths, a packaged generator's by its tag."""
    from kgan import generators

    recipe = model.recipe.replace(data=_public(model.recipe.data, _place(model.recipe.data)))
    values = recipe.as_dict()
    told = {field: pathlib.Path(values[field]).name for field in PLACES
            if "/" in values.get(field, "")}
    if "generator" in told:
        told["generator"] = _packaged_generator(model) or told["generator"]
    if values.get("generator_recipe"):
        name, below = generators.from_text(values["generator_recipe"])
        below = below.replace(data=_public(below.data, _place(below.data)))
        told["generator_recipe"] = generators.to_text(name, below)
    return recipe.replace(**told)


def _packaged_generator(model):
    """The packaged generator that is the one below an encoder; None if it is not packaged."""
    from kgan.encoder import EncoderGAN
    from kgan.generators import sha256
    from kgan.latent import LatentGAN
    from kgan.weights import load, packaged

    for name in registry.names():
        entry = registry.entry(name)
        if issubclass(entry.model, LatentGAN) and not issubclass(entry.model, EncoderGAN):
            for tag in entry.weights:
                full = f"{name}.{tag}"
                if packaged(full) and sha256(load(full).g) == sha256(model.g):
                    return full
    return None


def _command(model):
    """The command that trains such a model."""
    changed = differences(registry.recipe(model.name_in_zoo), model.recipe)
    told = {n: new for n, (_, new) in changed.items() if n not in model.recipe.from_data}
    precision = model.metadata.get("precision", "float32")
    told |= {"precision": precision} if precision != "float32" else {}
    words = ["tools/train", "--model", model.name_in_zoo]
    for name, new in told.items():
        if isinstance(new, bool):
            words.append(f"--{'' if new else 'no'}{name}")
        else:
            words += [f"--{name}", str(new)]
    return shlex.join(words)
