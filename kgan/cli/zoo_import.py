"""`tools/zoo import`: weights of others' files as a weights folder, compared with the file."""

import pathlib
import sys

import numpy as np

from kgan.core import registry
from kgan.core.devices import quiet
from kgan.core.errors import UsageError, UserError, printable

TOLERANCE = 1e-3  # of results in [-1, 1], between theirs and ours
SIDES = (96, 128)  # of the picture that is compared


def import_file(file, name, out):
    """Reads an ONNX file as a model of the zoo and writes a weights folder.

    Args:
        file: its path.
        name: of the zoo, whose model reads such files.
        out: the folder, which must not exist.

    Returns:
        What the tool prints.

    Raises:
        UsageError, UserError: the file is no such model, or what is made of it differs.
    """
    if not out:
        raise UsageError("tools/zoo import FILE.onnx --out FOLDER: --out is needed.")
    file, out = pathlib.Path(file), pathlib.Path(out)
    if out.exists():
        raise UsageError(f"{out} exists already: choose another --out.")
    entry = registry.entry(name)
    quiet()
    from kgan.models import onnx, weights

    operations, sha256 = onnx.read(file)
    try:
        model = entry.model.of_onnx(entry.recipe, operations)
    except UsageError:
        raise
    except UserError as error:
        raise UserError(f"{file}: {error}") from None
    model.name_in_zoo, model.trained = entry.name, True
    far = _difference(model, file, onnx)
    if not far <= TOLERANCE:
        raise UserError(f"{file}: what it makes of a picture differs from what is made of its "
                        f"weights here by {far:.4f}, more than {TOLERANCE}: it is another network.")
    source = {"file": file.name, "bytes": file.stat().st_size, "sha256": sha256}
    try:
        folder = weights.write(model, out, facts={"imported": source}, finished=True)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}.") from None
    print(f"read {printable(file)} as {entry.name} of {model.recipe.filters} filters; largest "
          f"difference from what onnxruntime makes of it {far:.1e}", file=sys.stderr)
    return {"status": "done", "weights": str(folder), "model": entry.name, "difference": far,
            "imported": source, "recipe": model.recipe.as_dict()}


def _difference(model, file, onnx):
    """The largest difference of results for a picture, in [-1, 1] after it is cut to that."""
    random = np.random.default_rng(0)
    coarse = random.uniform(0, 255, (1, 3, SIDES[0] // 8, SIDES[1] // 8))
    levels = coarse.repeat(8, 2).repeat(8, 3) + random.normal(0, 5, (1, 3, *SIDES))
    given, theirs = onnx.run(file, np.clip(levels, 0, 255).astype(np.float32))
    picture = given.transpose(0, 2, 3, 1) / 127.5 - 1
    ours = np.asarray(model.translate(picture.astype(np.float32)))
    theirs = np.clip(theirs.transpose(0, 2, 3, 1) / 127.5 - 1, -1, 1)
    if theirs.shape != ours.shape:
        raise UserError(f"{file} makes {list(theirs.shape)} of {list(picture.shape)}.")
    return float(np.abs(ours - theirs).max())
