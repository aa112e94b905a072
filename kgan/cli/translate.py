"""`tools/translate`: pictures in, translated pictures out, of any size and with their alpha."""

import collections
import pathlib
import sys
import time

import numpy as np

from kgan import registry
from kgan.cli.flags import Flags, tool
from kgan.data.listing import left_out, list_pictures
from kgan.data.pictures import BrokenPicture, read_with_alpha, write_png
from kgan.errors import UsageError, UserError
from kgan.machine import quiet
from kgan.source import resolve

ABOUT = """Translate a picture or all pictures of a folder. Results are PNG files of the same size;
transparency is carried over. A result that exists already stays, unless --overwrite."""


@tool
def main(arguments):
    flags = Flags("translate", ABOUT, "tools/translate --model cyclegan --input faces --output out")
    flags.add("model", "cyclegan", "a name of the zoo, or the folder of a run or of an export")
    flags.add("input", None, "a picture or a folder of pictures (searched to the bottom)")
    flags.add("output", None, "folder of the results; made if it does not exist")
    flags.add("direction", None, "a2b or b2a; default: the model's first")
    flags.add("data", None, "of a model that is not trained (dfi): pictures without and with what "
              "is to change, as folder:PATH; default: its recipe's")
    flags.add("overwrite", False, "replace results that exist")
    flags.parse(arguments)
    if not flags.input or not flags.output:
        raise UsageError("--input and --output are needed; see tools/translate --help.")
    source, out = pathlib.Path(flags.input), pathlib.Path(flags.output)
    _check_model(flags.model, flags.direction)
    jobs = jobs_of(source, out)
    there = [target for _, target in jobs if target.exists()]
    if there and not flags.overwrite:
        raise UserError(f"{len(there)} of {len(jobs)} results exist already, such as {there[0]}: "
                        "choose another --output or say --overwrite.")
    quiet()
    return _translate(flags.model, flags.direction, jobs, out, flags.data)


def _check_model(name, direction):
    found = resolve(name)
    known = registry.entry(found.name).model.directions_of(found.recipe)
    if not known:
        raise UsageError(f"{found.name} does not translate pictures; tools/zoo show "
                         f"{found.name} says what it does.")
    if direction and direction not in known:
        raise UsageError(f"--direction {direction} is not one of {', '.join(known)}.")


def jobs_of(source, out):
    """[(picture, result)], results keeping the folders of their pictures."""
    if source.is_file():
        return [(source, out / f"{source.stem}.png")]
    if not source.is_dir():
        raise UserError(f"There is no file or folder {source}.")
    found = list_pictures(source, exclude=[out])
    for line in left_out(found.folders, found.others):
        print(line, file=sys.stderr)
    pictures = list(found.files)
    if not pictures:
        raise UserError(f"{source} holds no pictures (JPEG, PNG, WebP, BMP, TIFF or GIF).")
    short = {p: (out / p.relative_to(source)).with_suffix(".png") for p in pictures}
    targets = short
    while len(set(targets.values())) < len(pictures):  # a.jpg beside a.png: a.jpg.png, a.png.png
        doubles = {t for t, count in collections.Counter(targets.values()).items() if count > 1}
        targets = {
            p: short[p].with_name(f"{p.name}.png") if t in doubles else t
            for p, t in targets.items()
        }
    return list(targets.items())


def _translate(name, direction, jobs, out, spec=None):
    import tensorflow as tf

    from kgan.data import open_data
    from kgan.weights import load

    model = load(name, weights="required")
    if not model.directions:
        raise UserError(f"{name} is a {model.name_in_zoo}, which does not translate pictures.")
    direction = direction or next(iter(model.directions))
    if direction not in model.directions:
        raise UsageError(f"--direction {direction} is not one of {', '.join(model.directions)}.")
    if spec:
        if model.trains:
            raise UsageError(f"--data is for models that are not trained; {name} is.")
        model.prepare(open_data(spec, size=model.recipe.size, seed=model.recipe.seed))

    def run(images):
        return model.translate(images, direction)

    if model.graph:
        spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
        run = tf.function(run, input_signature=[spec], autograph=False)
    begun, done, broken = time.perf_counter(), 0, []
    for i, (picture, target) in enumerate(jobs):
        try:
            rgb, alpha = read_with_alpha(picture)
        except BrokenPicture as error:
            print(f"skipped: {error}", file=sys.stderr)
            broken.append(str(picture))
            continue
        result = np.asarray(run(rgb[None]))[0]
        if alpha is not None:
            result = np.dstack([result, alpha])
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_png(target, result)
        except OSError as error:
            raise UserError(f"{target} cannot be written: {error.strerror}.") from None
        done += 1
        if sys.stderr.isatty():
            left = (time.perf_counter() - begun) / (i + 1) * (len(jobs) - i - 1)
            print(f"\r{i + 1}/{len(jobs)}  {left:.0f} s left ", end="", file=sys.stderr)
    if not done:
        raise UserError(f"None of the {len(jobs)} pictures could be read.")
    return {
        "status": "done", "model": name, "direction": direction, "translated": done,
        "skipped": broken, "output": str(out), "seconds": round(time.perf_counter() - begun, 2),
    }
