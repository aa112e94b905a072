"""What a text means that names a model: a name of the zoo, one of its weights, or a folder.

A folder is what has a path separator in it, begins with `~`, or is `.` or `..`; everything else is
a name, whatever lies in the working directory. Whoever takes such a text asks here, and then looks
whether the model is one that will do. Nothing here imports TensorFlow.
"""

import os
import pathlib
from dataclasses import dataclass

from kgan.core import registry
from kgan.core.errors import UsageError, UserError, printable
from kgan.core.recipe import Recipe, nearest, read_recipe

WEIGHTS = "model.weights.h5"


@dataclass(frozen=True)
class Source:
    """Where a model comes from.

    Attributes:
        name: in the zoo.
        tag: of packaged weights; else "".
        recipe: of the weights, of the run, or the name's own.
        folder: absolute path of the weights folder, or of the run; None = there are no weights.
        kind: `"name"` (no weights), `"packaged"`, `"weights"`, `"run"` or `"export"`.
    """

    name: str
    tag: str
    recipe: Recipe
    folder: pathlib.Path | None
    kind: str


def resolve(text):
    """The `Source` that a text or a path means.

    Args:
        text: `"cyclegan"`, `"cyclegan.avatars_smiling_64"`, or the folder of a run, of weights, or
            of an export: of one version, of a model (its newest version) or of one served model.

    Raises:
        UsageError: no such name or tag, or a recipe that does not fit its name.
        UserError: no such folder, it holds no model, or several.
    """
    if is_folder(text):
        return _in_folder(text)
    if not registry.knows(text) and os.path.isdir(text):
        raise UsageError(f"The zoo has no model {printable(text, 80)}; a folder is ./{text}")
    entry, tag = registry.entry(text), text.partition(".")[2]
    folder = packaged(text)
    if folder is None:
        return Source(entry.name, tag, entry.recipe, None, "name")
    return _read(folder / "config.json", folder, "packaged", tag or entry.weights[0])


def with_weights(text):
    """The `Source` that a text means, which must have weights if its model is trained at all.

    Raises:
        UsageError, UserError: as `resolve`, or there are no packaged weights of the name.
    """
    found = resolve(text)
    if found.folder is None and registry.entry(found.name).model.trains:
        raise UserError(f"There are no packaged weights for {text}; train it: "
                        f"tools/train --model {found.name}")
    return found


def located(text):
    """A text that means the same from any working directory: of a folder its absolute path."""
    return os.path.abspath(os.path.expanduser(text)) if is_folder(text) else text


def is_folder(text):
    """Whether a text means a folder, not a name; a `pathlib.Path` always does."""
    separators = (os.sep, os.altsep or os.sep)
    return isinstance(text, os.PathLike) or text in (".", "..") or text.startswith("~") or any(
        separator in text for separator in separators
    )


def packaged(name):
    """The folder of the packaged weights of a name or `name.tag`; None if it has none."""
    entry = registry.entry(name)
    tag = name.partition(".")[2]
    if tag and tag not in entry.weights:
        near = nearest(tag, entry.weights)
        raise UsageError(f"{entry.name} has no weights {printable(tag, 80)}. {near}")
    if not entry.weights:
        return None
    folder = registry.folder() / "weights" / f"{entry.name}.{tag or entry.weights[0]}"
    return folder if folder.is_dir() else None


def _in_folder(text):
    place = located(text)
    if not os.path.isdir(place):
        raise UserError(f"There is no folder {printable(text, 300)}.")
    path = pathlib.Path(place)
    if (path / WEIGHTS).exists():
        return _read(path / "config.json", path, "weights")
    if (path / "recipe.json").exists():
        return _read(path / "recipe.json", path, "run")
    if (path / "weights" / WEIGHTS).exists():
        return _read(path / "weights" / "config.json", path / "weights", "weights")
    runs = sorted(p.parent for p in path.glob("*/recipe.json"))
    exports = _exports(path)
    below = [*runs, *(versions[-1].parent for versions in exports.values())]
    if len(below) > 1:
        shown = ", ".join(str(p) for p in below[:8]) + (", ..." if len(below) > 8 else "")
        raise UserError(f"{text} holds {len(below)} models, name one: {shown}")
    if runs:
        raise UserError(f"{text} holds no model itself; a run is {runs[0]}")
    if exports:
        (versions,) = exports.values()
        folder = versions[-1] / "assets.extra" / "weights"
        return _read(folder / "config.json", folder, "export")
    raise UserError(f"{text} holds neither weights nor a run with checkpoints.")


def _exports(path):
    """`{model: its versions, oldest first}` of the exports that a folder is or holds."""
    found = {}
    if (path / "assets.extra" / "weights" / WEIGHTS).exists():
        return {path: [path]}
    for pattern in ("*", "*/*"):
        for weights in path.glob(f"{pattern}/assets.extra/weights/{WEIGHTS}"):
            version = weights.parents[2]
            if version.name.isdigit():
                found.setdefault(version.parent, []).append(version)
    return {model: sorted(versions, key=lambda v: int(v.name)) for model, versions in found.items()}


def _read(file, folder, kind, tag=""):
    name, values = read_recipe(file)
    entry = registry.entry(name)
    return Source(entry.name, tag, entry.recipe.replace(**values), folder, kind)
