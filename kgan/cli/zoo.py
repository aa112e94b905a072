"""`tools/zoo`: what there is, what a model is, whether its weights are whole; packs new weights."""

import json
import pathlib
import shlex
import sys

from kgan.cli import zoo_import, zoo_new
from kgan.cli.flags import Flags
from kgan.core import registry
from kgan.core.devices import quiet
from kgan.core.errors import UsageError, UserError
from kgan.core.paths import replacing
from kgan.core.process import tool
from kgan.core.reading import read_json
from kgan.core.recipe import differences, leaves, nearest
from kgan.data import place, resolved
from kgan.models.source import WEIGHTS, is_folder, packaged, resolve

LARGEST = 8_000_000  # bytes of weights as float16
PATHS = ("vgg_weights", "style")  # fields that may be paths of files

ABOUT = """list            all names, their weights and what they are
  show NAME       card and recipe of a model
  verify [NAME]   check the sha256 of packaged weights
  pack RUN NAME.TAG   put a finished run's weights into the zoo (float16, with its figures)
  import FILE     weights of an ONNX file as a folder --out, for --model (johnson)
  new NAME        begin a model of your own as a copy of --like
  check NAME      run the tests of every model for one (needs pytest)
  cache           what lies in the cache, how large, when last opened; --clear removes it"""


@tool
def main(arguments):
    flags = Flags("zoo", ABOUT, "tools/zoo list")
    flags.add("licence", "Apache-2.0", "pack: licence of the weights")
    flags.add("clear", False, "cache: remove all of it")
    flags.add("like", "cyclegan", "new: the model whose file is copied")
    flags.add("model", "johnson", "import: the model that the file is one of")
    flags.add("out", None, "import: the folder of the weights")
    words = flags.parse(arguments, positional=3)
    actions = {"list": (_list, 0, 0), "show": (_show, 1, 1), "verify": (_verify, 0, 1),
               "pack": (_pack, 2, 2), "import": (zoo_import.import_file, 1, 1),
               "new": (zoo_new.new, 1, 1),
               "check": (zoo_new.check, 1, 1), "cache": (_cache, 0, 0)}
    if not words:
        raise UsageError("Say what: list, show NAME, verify [NAME], pack RUN NAME.TAG, import "
                         "FILE, new NAME, check NAME or cache.")
    if words[0] not in actions:
        raise UsageError(f"tools/zoo cannot {words[0]}. {nearest(words[0], actions)}")
    action, least, most = actions[words[0]]
    if not least <= len(words) - 1 <= most:
        raise UsageError(f"tools/zoo {words[0]} takes {least} to {most} names; see --help.")
    if action is _pack:
        return _pack(*words[1:], licence=flags.licence)
    if action is zoo_import.import_file:
        return zoo_import.import_file(words[1], flags.model, flags.out)
    if action is _cache:
        return _cache(remove=flags.clear)
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
    return _for_programs({"status": "done", "models": models})


def _show(name):
    from kgan.models.weights import verify

    entry = registry.entry(name)
    print(registry.card(name), file=sys.stderr)
    result = {"status": "done", "model": entry.name, "recipe": entry.recipe.as_dict()}
    folder = packaged(name)
    if folder:
        trained = resolve(name).recipe.as_dict()
        result |= {"weights": folder.name, "trained_with": trained, "metadata": verify(folder)}
    return _for_programs(result)


def _for_programs(result):
    """A result of many lines if it goes to a program; a person has read it already."""
    return None if sys.stdout.isatty() else result


def _verify(name=None):
    from kgan.models.weights import verify

    names = [name] if name else [t for n in registry.names() for t in registry.entry(n).tagged]
    checked = {}
    for full in names:
        folder = packaged(full)
        if folder is None:
            raise UsageError(f"{full} has no packaged weights.")
        checked[full] = verify(folder)["sha256"]["model.weights.h5"]
        print(f"whole  {full}", file=sys.stderr)
    return {"status": "done", "sha256": checked}


def _cache(*, remove):
    from kgan.core import cache

    lines, result = cache.listing(remove)
    print("\n".join(lines), file=sys.stderr)
    return {"status": "done", **result}


def _pack(run, name, *, licence):
    """Measures a run's weights as float16 and puts them into the zoo with their figures."""
    from PIL import Image

    quiet()
    from kgan.models.weights import load, write

    entry, tag = registry.entry(name), name.partition(".")[2]
    if tag not in entry.weights:
        raise UsageError(
            f"{name} is not registered: name the tag in the weights of {entry.name} in zoo/ first. "
            + nearest(tag, entry.weights)
        )
    source = resolve(run)
    model = load(run)
    _check_packable(run, model)
    spec = resolved(model.recipe.data)
    preview = source.folder / "weights" / "preview.png"
    ours = spec.startswith("avatars:")  # pictures of others stay where they are
    facts = {k: v for k, v in model.metadata.items() if k not in ("sha256", "figures")}
    facts |= {"name": entry.name, "tag": tag, "licences": {"weights": licence}}
    model.recipe = _without_paths(model)
    seen = facts.get("data") or ()  # a checkpoint does not say it
    facts["data"] = [_public(x, spec) for x in seen if not x.startswith("decoded to")]
    facts["command"] = _command(model)
    model.name_in_zoo = entry.name
    folder = registry.folder() / "weights" / name
    with replacing(folder) as new:
        write(model, new, facts=facts, half=True,
              preview=Image.open(preview) if ours and preview.exists() else None)
        figures = {"data": _public(spec, spec), **_figures(new, model, spec)}
        path = new / "metadata.json"
        path.write_text(json.dumps({**read_json(path), "figures": figures}, indent=2) + "\n")
    megabytes = (folder / WEIGHTS).stat().st_size / 1e6
    return {"status": "done", "weights": str(folder), "megabytes": round(megabytes, 2), **figures}


def _check_packable(run, model):
    if not model.trained:
        raise UserError(f"{run} is not trained to its end ({model.state}): train it further first.")
    if "sha256" not in model.metadata:  # of a checkpoint, before what follows the last step
        raise UserError(f"{run} has done its last step but not written its weights: give the "
                        "command that trains it once more.")
    size = 2 * sum(w.size for net in model.deployed() for w in model.nets[net].get_weights())
    if size > LARGEST:
        raise UserError(f"{run} has {size / 1e6:.1f} MB of weights; the zoo takes "
                        f"{LARGEST / 1e6:.0f} MB.")


def _figures(folder, model, spec):
    """What `tools/evaluate` says of a weights folder; of a model of many labels, of each label."""
    from kgan.evaluation.evaluate import evaluate

    def measured(one):
        found = evaluate(folder, one)
        return {k: v for k, v in found.items() if k not in ("status", "model", "data")}

    if not model.labels_edited:
        return measured(spec)
    return {label: measured(_of_label(spec, label)) for label in model.labels_edited}


def _of_label(spec, label):
    """The specification of two domains, without and with one of the labels of a data set."""
    place, mark, options = spec.partition("?")
    if place.startswith("avatars:"):
        return f"avatars:{label}{mark}{options}"
    if place.startswith("celeba:"):
        return f"{place}?{options}{'&' * bool(options)}attribute={label}"
    raise UserError(f"Its edits cannot be measured on {spec}: only avatars: and celeba: give the "
                    "pictures without and with a label.")


def _public(text, spec):
    """A text with the name of the folder of some data instead of its path, which is nobody's."""
    folder = place(spec)
    return text.replace(str(folder), folder.name) if folder else text


def _without_paths(model):
    """The recipe of a model with names instead of paths, a packaged generator's by its tag."""
    from kgan.models import generators

    data = resolved(model.recipe.data)
    recipe = model.recipe.replace(data=_public(data, data))
    told = {name: pathlib.Path(value).name for name, field, value in leaves(recipe)
            if (field.metadata["source"] or name in PATHS) and is_folder(value)}
    if "style" in told:
        told["style"] = ",".join(pathlib.Path(x).name for x in recipe.style.split(","))
    if "generator" in told:
        told["generator"] = generators.packaged(model.g) or told["generator"]
    if how := getattr(recipe, "generator_recipe", ""):
        name, below = generators.from_text(how)
        data = resolved(below.data)
        below = below.replace(data=_public(data, data))
        told["generator_recipe"] = generators.to_text(name, below)
    return recipe.replace(**told)


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
