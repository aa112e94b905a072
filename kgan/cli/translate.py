"""`tools/translate`: pictures in, translated pictures out, of any size and with their alpha; and
videos, see `translate_video`."""

import collections
import dataclasses
import pathlib
import sys
import time

import numpy as np
from PIL import Image

from kgan.cli.flags import Flags, scan
from kgan.cli.results import Results, refuse_replacing
from kgan.cli.translate_video import translate_video, video_job
from kgan.core import registry
from kgan.core.devices import quiet
from kgan.core.errors import UsageError, UserError
from kgan.core.memory import available_memory, bytes_per_pixel
from kgan.core.process import tool
from kgan.core.recipe import Recipe
from kgan.data.aligned import named
from kgan.data.listing import left_out, list_pictures
from kgan.data.pictures import (
    BrokenPicture,
    picture_size,
    read_ids,
    read_with_alpha,
    resize_cover,
    write_png,
)
from kgan.models.predicting import names_of
from kgan.models.source import resolve
from kgan.models.translation import sources_of, translations

ABOUT = """Translate a picture or all pictures of a folder. Results are PNG files of the same size;
transparency is carried over. A model that takes maps of ids reads PNG files of ids; one that takes
several signals wants a folder with a folder for each of them and files of the same names. A file of
a video, or a folder of frames with an --output that ends in .mp4, .webm, .webp or .gif, is
translated frame by frame into a video. A result that exists already stays, unless --overwrite."""


@tool
def main(arguments):
    flags = Flags("translate", ABOUT, "tools/translate --model cyclegan --input faces --output out")
    flags.add("model", "cyclegan", "a name of the zoo, or the folder of a run or of an export")
    flags.add("input", None, "a picture, a folder of pictures (searched to the bottom), or a video")
    flags.add("output", None, "folder of the results; made if it does not exist; or a file of a "
              "video")
    flags.add("direction", None, "a direction of the model, as a2b; default: its first")
    flags.add("max_side", 0, "shrink pictures whose longer side is longer, pixels; their results "
              "stay as small; 0 = never", low=0)
    flags.add("tile", 0, "translate in tiles of about so many pixels a side, which bounds the "
              "memory; the result is that of the whole, which not every model allows; 0 = whole",
              low=0)
    flags.add("rate", 0.0, "frames a second of a video; 0 = as the input's, 25 of a folder of "
              "frames", low=0, high=1000)
    flags.add("overwrite", False, "replace results that exist")
    recipe, knobs = _untrained(scan(arguments, "model"))
    flags.add_knobs(recipe, knobs)
    flags.parse(arguments)
    if not flags.input or not flags.output:
        raise UsageError("--input and --output are needed; see tools/translate --help.")
    source, out = pathlib.Path(flags.input), pathlib.Path(flags.output)
    signals = _sources(flags.model, flags.direction)
    video = video_job(source, out)
    history = _history(signals, source, video)
    if video:
        jobs, beside = [video], {}
    elif len(signals) > 1:
        jobs, beside = jobs_of_several(source, out, [signal.name for signal in signals])
    else:
        jobs, beside = jobs_of(source, out), {}
    refuse_replacing([result for _, result in jobs], [picture for picture, _ in jobs])
    results = Results(jobs, overwrite=flags.overwrite)
    begun = time.perf_counter()
    direction, found = flags.direction, {}
    if results.left:
        quiet()
        recipe = flags.read(recipe, knobs) if knobs else None
        direction, found = _translate(flags, recipe, results, beside, video, history)
    return {
        **results.summary(), **found, "model": flags.model, "direction": direction,
        "output": str(out), "seconds": round(time.perf_counter() - begun, 2),
    }


def _untrained(name):
    """(recipe, fields that are flags) of a model that is not trained; of others no fields."""
    base = {field.name for field in dataclasses.fields(Recipe)}
    if name and registry.knows(name):
        entry = registry.entry(name)
        if not entry.model.trains:
            own = [f.name for f in dataclasses.fields(entry.recipe) if f.name not in base]
            return entry.recipe, (*entry.model.solves_by, *own)
    return Recipe(), ()


def _history(signals, source, video):
    """How many frames a direction takes that predicts the next; 0 = it takes a picture.

    Raises:
        UsageError: a video is to be translated that the model does not take, or the other way.
    """
    names = [signal.name for signal in signals]
    frames = tuple(names) == names_of(len(names))
    if frames and not video and source.exists() and not (source / names[0]).is_dir():
        raise UsageError(f"The model predicts the frame behind {len(names)} others: give a video, "
                         "or a folder of frames and an --output that ends in .mp4, .webm, .webp "
                         "or .gif.")
    if not video:
        return 0
    if frames:
        return len(names)
    if len(names) > 1 or signals[0].ids:
        raise UsageError("Videos are for models that translate pictures or frames, and this one "
                         f"takes {', '.join(signal.described() for signal in signals)}.")
    return 0


def _sources(name, direction):
    """The signals that a direction of a model takes."""
    found = resolve(name)
    model = registry.entry(found.name).model
    signals = model.signals_of(found.recipe)
    known = translations(model.directions_of(found.recipe), signals)
    if not known:
        raise UsageError(f"{found.name} does not translate pictures; tools/zoo show "
                         f"{found.name} says what it does.")
    if direction and direction not in known:
        raise UsageError(f"--direction {direction} is not one of {', '.join(known)}.")
    return sources_of(known[direction or next(iter(known))], signals)


def jobs_of_several(source, out, names):
    """`jobs_of` the folder of the first signal, and `{picture: paths of the others}`."""
    for name in names:
        if not (source / name).is_dir():
            raise UserError(f"There is no folder {source / name}: the model takes "
                            f"{' and '.join(names)}, a folder for each in --input.")
    jobs = jobs_of(source / names[0], out)
    first = named([picture for picture, _ in jobs], source / names[0])
    others = [named(list_pictures(source / name).files, source / name) for name in names[1:]]
    beside = {}
    for key, picture in first.items():
        if lacking := [n for n, files in zip(names[1:], others, strict=True) if key not in files]:
            raise UserError(f"{picture} has no partner of its name in {source / lacking[0]}.")
        beside[picture] = [files[key] for files in others]
    return jobs, beside


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


def _translate(flags, recipe, results, beside, video, history):
    """Translates what is left; returns the direction, and of a video how many `frames` it has."""
    from kgan.core.pixels import enlarge
    from kgan.models.weights import build, load

    model = build(flags.model, recipe) if recipe else load(flags.model, weights="required")
    if not model.directions:
        raise UserError(f"{flags.model} is a {model.name_in_zoo}, which does not translate "
                        "pictures.")
    direction = flags.direction or next(iter(model.directions))
    if direction not in model.directions:
        raise UsageError(f"--direction {direction} is not one of {', '.join(model.directions)}.")
    tiles = model.tiles(direction, flags.tile) if flags.tile else None
    run, most = _function(model, direction)
    if video:
        with results.attempt(*video):
            one = _of_frames(video[0], model, most, tiles, run)
            count = translate_video(*video, one, rate=flags.rate, history=history,
                                    fit=lambda frame: _shrunk(frame, flags.max_side))
            return direction, {"frames": count}
        return direction, {}
    begun, live = time.perf_counter(), sys.stderr.isatty()
    for i, (picture, result) in enumerate(results.left, 1):
        with results.attempt(picture, result):
            paths = [picture, *beside.get(picture, ())]
            given, alpha = _read(paths, flags.max_side, model, direction, most, tiles)
            given = [x[None] for x in given]
            made = np.asarray(tiles.through(run, given) if tiles else run(*given))[0]
            if alpha is not None and made.shape[-1] == 3:
                scale = model.directions[direction].scale
                made = np.dstack([made, np.asarray(enlarge(alpha[..., None], scale))])
            result.parent.mkdir(parents=True, exist_ok=True)
            write_png(result, made)
        if live:
            left = (time.perf_counter() - begun) / i * (len(results.left) - i)
            print(f"\r{i}/{len(results.left)}  {left:.0f} s left ", end="", file=sys.stderr)
    return direction, {}


def _within(width, height, max_side):
    """[width, height] of what is shrunk so that no side is longer than `max_side`; 0 = any."""
    shrink = min(1.0, max_side / max(width, height)) if max_side else 1.0
    return [max(1, round(shrink * side)) for side in (width, height)]


def _shrunk(picture, max_side):
    """A picture, uint8 [h, w] or [h, w, 3], whose longer side is `max_side` at most; 0 = any."""
    size = _within(*picture.shape[1::-1], max_side)
    if size == [*picture.shape[1::-1]]:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def _of_frames(source, model, needed, tiles, run):
    """A function of frames, uint8 [h, w, 3] each, that gives one; see `_read` for the arguments."""
    def translate(*frames):
        _check_memory(source, frames[0].shape[1::-1], model, needed, tiles)
        given = [x[None] for x in frames]
        return np.asarray(tiles.through(run, given) if tiles else run(*given))[0]

    return translate


def _function(model, direction):
    """(`run(one batch of each source)`, bytes that it needs a pixel or None if that is unknown)."""
    import tensorflow as tf

    signals = sources_of(model.directions[direction], model.signals)

    def run(*images):
        given = {signal.name: x for signal, x in zip(signals, images, strict=True)}
        return model.translate(given if len(given) > 1 else images[0], direction)

    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    if not model.graph:
        return run, None if on_gpu else model.bytes_per_pixel(direction)
    inputs = [("int32", 1) if signal.ids else ("uint8", 3) for signal in signals]
    specs = [tf.TensorSpec([None, None, None, channels], dtype) for dtype, channels in inputs]
    function = tf.function(run, input_signature=specs, autograph=False)
    if on_gpu:
        return function, None
    return function, bytes_per_pixel(run, inputs, model.multiple)


def _read(paths, max_side, model, direction, needed, tiles=None):
    """What a direction takes of files: ([pixels or ids of each], alpha of the picture or None).

    Args:
        paths: one for each of its sources.
        max_side: of what it takes, 0 = any; larger ones are shrunk.
        model: what sees them, extended to the sides that it needs.
        direction: one of its directions.
        needed: bytes of memory a pixel, or None.
        tiles: a `kgan.models.tiling.Tiles`, if what sees them sees no more than one at a time.

    Raises:
        BrokenPicture: it cannot be read, or what is free of the memory does not suffice.
    """
    picture, (width, height) = paths[0], picture_size(paths[0])
    size = _within(width, height, max_side)
    _check_memory(picture, size, model, needed, tiles)
    signals, given, alpha = sources_of(model.directions[direction], model.signals), [], None
    for signal, path in zip(signals, paths, strict=True):
        x, its = (read_ids(path), None) if signal.ids else read_with_alpha(path)
        if x.shape[:2] != (height, width):
            raise BrokenPicture(path, f"is {x.shape[1]}x{x.shape[0]}, and {picture.name} beside it "
                                f"{width}x{height}")
        if signal.ids:
            x = resize_cover(x, size[::-1])
        else:
            x, its = (None if y is None else _shrunk(y, max_side) for y in (x, its))
        check_classes(signal, x, path)
        given.append(x.astype(np.int32) if signal.ids else x)
        alpha = its if alpha is None else alpha
    return given, alpha


def check_classes(signal, ids, path):
    """Raises `BrokenPicture` if ids of a file are beyond the classes of its signal."""
    if signal.ids and signal.classes and ids.max() >= signal.classes:
        raise BrokenPicture(path, f"holds the id {ids.max()}, and the model knows "
                            f"{signal.classes} classes, ids 0 to {signal.classes - 1}")


def _check_memory(picture, size, model, needed, tiles):
    from kgan.core.pixels import extended

    seen = np.asarray(extended(np.array(size), model.multiple, model.smallest))
    needs, free = (needed or 0) * int(np.prod(seen)), available_memory()
    if tiles:  # and the result, which Pillow copies with four bytes a pixel
        needs = (needed or 0) * int(np.prod(np.minimum(seen, tiles.window)))
        needs += 7 * tiles.scale**2 * int(np.prod(size))
    if free is not None and needs > free:
        side = int(max(size) * (0.9 * free / needs) ** 0.5)
        side = max(1, side // model.multiple * model.multiple)  # which extends no further
        tile = "" if tiles else ", say --tile 256 if the model allows it"
        raise BrokenPicture(picture, f"{size[0]}x{size[1]} pixels need {needs / 1e9:.1f} GB and "
                            f"{free / 1e9:.1f} GB are free: take a smaller picture{tile}, or say "
                            f"--max_side {side}")
