"""`tools/translate`: pictures in, translated pictures out, of any size and with their alpha."""

import collections
import dataclasses
import pathlib
import sys
import time

import numpy as np
from PIL import Image

from kgan.cli.flags import Flags, scan
from kgan.cli.results import Results, refuse_replacing
from kgan.core import registry
from kgan.core.devices import quiet
from kgan.core.errors import UsageError, UserError
from kgan.core.memory import available_memory, bytes_per_pixel
from kgan.core.process import tool
from kgan.core.recipe import Recipe
from kgan.data.listing import left_out, list_pictures
from kgan.data.pictures import BrokenPicture, picture_size, read_with_alpha, write_png
from kgan.models.source import resolve

ABOUT = """Translate a picture or all pictures of a folder. Results are PNG files of the same size;
transparency is carried over. A result that exists already stays, unless --overwrite."""
SOLVER = ("data", "size", "batch", "seed")  # of every recipe, what models need that do not train


@tool
def main(arguments):
    flags = Flags("translate", ABOUT, "tools/translate --model cyclegan --input faces --output out")
    flags.add("model", "cyclegan", "a name of the zoo, or the folder of a run or of an export")
    flags.add("input", None, "a picture or a folder of pictures (searched to the bottom)")
    flags.add("output", None, "folder of the results; made if it does not exist")
    flags.add("direction", None, "a2b or b2a; default: the model's first")
    flags.add("max_side", 0, "shrink pictures whose longer side is longer, pixels; their results "
              "stay as small; 0 = never", low=0)
    flags.add("overwrite", False, "replace results that exist")
    recipe, knobs = _untrained(scan(arguments, "model"))
    flags.add_knobs(recipe, knobs)
    flags.parse(arguments)
    if not flags.input or not flags.output:
        raise UsageError("--input and --output are needed; see tools/translate --help.")
    source, out = pathlib.Path(flags.input), pathlib.Path(flags.output)
    _check_model(flags.model, flags.direction)
    jobs = jobs_of(source, out)
    refuse_replacing([result for _, result in jobs], [picture for picture, _ in jobs])
    results = Results(jobs, overwrite=flags.overwrite)
    begun = time.perf_counter()
    direction = flags.direction
    if results.left:
        quiet()
        direction = _translate(flags, flags.read(recipe, knobs) if knobs else None, results)
    return {
        **results.summary(), "model": flags.model, "direction": direction, "output": str(out),
        "seconds": round(time.perf_counter() - begun, 2),
    }


def _untrained(name):
    """(recipe, fields that are flags) of a model that is not trained; of others no fields."""
    base = {field.name for field in dataclasses.fields(Recipe)}
    if name and name.partition(".")[0] in registry.names():
        entry = registry.entry(name)
        if not entry.model.trains:
            own = [f.name for f in dataclasses.fields(entry.recipe) if f.name not in base]
            return entry.recipe, (*SOLVER, *own)
    return Recipe(), ()


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


def _translate(flags, recipe, results):
    """Translates what is left; returns the direction."""
    from kgan.models.weights import build, load

    model = build(flags.model, recipe) if recipe else load(flags.model, weights="required")
    if not model.directions:
        raise UserError(f"{flags.model} is a {model.name_in_zoo}, which does not translate "
                        "pictures.")
    direction = flags.direction or next(iter(model.directions))
    if direction not in model.directions:
        raise UsageError(f"--direction {direction} is not one of {', '.join(model.directions)}.")
    run, most = _function(model, direction)
    begun, live = time.perf_counter(), sys.stderr.isatty()
    for i, (picture, result) in enumerate(results.left, 1):
        with results.attempt(picture, result):
            rgb, alpha = _read(picture, flags.max_side, model, most)
            made = np.asarray(run(rgb[None]))[0]
            made = made if alpha is None else np.dstack([made, alpha])
            result.parent.mkdir(parents=True, exist_ok=True)
            write_png(result, made)
        if live:
            left = (time.perf_counter() - begun) / i * (len(results.left) - i)
            print(f"\r{i}/{len(results.left)}  {left:.0f} s left ", end="", file=sys.stderr)
    return direction


def _function(model, direction):
    """(`run(uint8 [1, h, w, 3])`, bytes that it needs a pixel or None if that is not known)."""
    import tensorflow as tf

    def run(images):
        return model.translate(images, direction)

    if not model.graph:
        return run, None
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
    needed = None if tf.config.list_physical_devices("GPU") else bytes_per_pixel(run)
    return tf.function(run, input_signature=[spec], autograph=False), needed


def _read(picture, max_side, model, needed):
    """RGB and alpha or None of a picture, shrunk to `max_side`.

    Args:
        picture: its path.
        max_side: of the result, 0 = any.
        model: what sees it, extended to the sides that it needs.
        needed: bytes of memory a pixel, or None.

    Raises:
        BrokenPicture: it cannot be read, or what is free of the memory does not suffice.
    """
    from kgan.core.pixels import extended

    width, height = picture_size(picture)
    shrink = min(1.0, max_side / max(width, height)) if max_side else 1.0
    size = [max(1, round(shrink * side)) for side in (width, height)]
    seen = np.asarray(extended(np.array(size), model.multiple, model.smallest))
    needs, free = (needed or 0) * int(np.prod(seen)), available_memory()
    if free is not None and needs > free:
        side = int(max(size) * (0.9 * free / needs) ** 0.5)
        side = max(1, side // model.multiple * model.multiple)  # which extends no further
        raise BrokenPicture(picture, f"{size[0]}x{size[1]} pixels need {needs / 1e9:.1f} GB and "
                            f"{free / 1e9:.1f} GB are free: take a smaller picture, or say "
                            f"--max_side {side}")
    rgb, alpha = read_with_alpha(picture)
    if shrink < 1:
        rgb, alpha = (None if x is None else np.asarray(Image.fromarray(x).resize(
            size, Image.Resampling.BICUBIC)) for x in (rgb, alpha))
    return rgb, alpha
