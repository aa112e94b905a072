"""`tools/zoo`: what there is, what a model is, whether its weights are whole; packs new weights."""

import json
import pathlib
import sys

from kgan import registry
from kgan.cli.flags import Flags, tool
from kgan.errors import UsageError, UserError
from kgan.machine import quiet
from kgan.recipe import nearest

ABOUT = """list            all names, their weights and what they are
  show NAME       card and recipe of a model
  verify [NAME]   check the sha256 of packaged weights
  pack RUN NAME.TAG   put a finished run's weights into the zoo (float16, with its figures)"""


@tool
def main(arguments):
    flags = Flags("zoo", ABOUT, "tools/zoo list")
    flags.add("licence", "Apache-2.0", "pack: licence of the weights")
    words = flags.parse(arguments, positional=3)
    actions = {"list": (_list, 0, 0), "show": (_show, 1, 1), "verify": (_verify, 0, 1),
               "pack": (_pack, 2, 2)}
    if not words:
        raise UsageError("Say what: list, show NAME, verify [NAME] or pack RUN NAME.TAG.")
    if words[0] not in actions:
        raise UsageError(f"tools/zoo cannot {words[0]}. {nearest(words[0], actions)}")
    action, least, most = actions[words[0]]
    if not least <= len(words) - 1 <= most:
        raise UsageError(f"tools/zoo {words[0]} takes {least} to {most} names; see --help.")
    if action is _pack:
        return _pack(*words[1:], licence=flags.licence)
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
    from PIL import Image

    quiet()
    from kgan.weights import load, write

    entry, tag = registry.entry(name), name.partition(".")[2]
    if not tag:
        raise UsageError(f"{name} has no tag: say NAME.TAG, as in cyclegan.avatars_eyeglasses_64.")
    run = pathlib.Path(run)
    if not (run / "metrics.json").exists():
        raise UserError(f"{run} is not the folder of a finished run.")
    model = load(run)
    trained_as = model.name_in_zoo
    model.name_in_zoo = entry.name
    figures = json.loads((run / "metrics.json").read_text()).get("evaluation", {})
    facts = {**model.metadata, "name": entry.name, "trained_as": trained_as, "tag": tag,
             "licences": {"weights": licence}, "figures": figures}
    facts.pop("sha256", None)
    folder = registry.folder() / "weights" / f"{entry.name}.{tag}"
    preview = run / "weights" / "preview.png"
    write(model, folder, facts=facts, half=True,
          preview=Image.open(preview) if preview.exists() else None)
    megabytes = (folder / "model.weights.h5").stat().st_size / 1e6
    return {"status": "done", "weights": str(folder), "megabytes": round(megabytes, 2)}
