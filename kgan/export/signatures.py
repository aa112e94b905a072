"""The signatures of a SavedModel: what they compute, and how much one request may ask for.

A request is refused, before anything of its size is made, if it would take more than
`REQUEST_BYTES` of memory beside the loaded model: pictures are counted as the networks see them,
extended to the sides that they need, so that a strip of 1 x 1,000,000 pixels counts what it costs.
"""

import functools
from dataclasses import asdict, dataclass

import tensorflow as tf

from kgan.core import pixels
from kgan.core.memory import bytes_per_pixel, bytes_per_row
from kgan.export import decoding, files
from kgan.models.translation import sources_of

REQUEST_BYTES = 2 * 10**9


@dataclass(frozen=True)
class Limits:
    """What one request may ask for.

    Attributes:
        bytes_per_pixel: memory that translating takes, see `kgan.core.memory`; None if the model
            does not translate.
        max_pixels: pixels of a picture, or of all pictures of an array; None likewise.
        max_rows: `{signature: rows of its inputs}`, of what a model serves besides translating.
        multiple, smallest: of the sides that pixels are counted by (`kgan.core.pixels.extended`).
    """

    bytes_per_pixel: float | None
    max_pixels: int | None
    max_rows: dict
    multiple: int
    smallest: int

    def as_dict(self):
        return asdict(self)


def limits(model, max_pixels=None):
    """The `Limits` of a model.

    Args:
        model: a built `kgan.models.gan.GAN`.
        max_pixels: instead of what `REQUEST_BYTES` hold, which is at least a picture of the size of
            the training and at most `decoding.MAX_PIXELS`.
    """
    size = model.recipe.size
    kinds = {(model.nets[how.network].count_params(), _taken(model, d), how.scale): d
             for d, how in model.directions.items()}
    costs = [cost_of(model, d) for d in kinds.values()]
    cost = round(max(costs), 1) if costs else None
    if costs and not max_pixels:
        max_pixels = max(min(int(REQUEST_BYTES // max(cost, 1)), decoding.MAX_PIXELS), size**2)
    rows = {name: max(2, int(REQUEST_BYTES // max(bytes_per_row(function, size), 1)))
            for name, (function, _) in model.served().items()}
    return Limits(cost, max_pixels if costs else None, rows, model.multiple, model.smallest)


def cost_of(model, direction):
    """Bytes of memory that a direction takes for each pixel of its input."""
    signals = sources_of(model.directions[direction], model.signals)

    def translate(*images):
        given = {signal.name: x for signal, x in zip(signals, images, strict=True)}
        return model.translate(given, direction)

    return bytes_per_pixel(translate, _taken(model, direction), model.multiple)


def _taken(model, direction):
    """(type, channels) of each thing that a direction takes."""
    signals = sources_of(model.directions[direction], model.signals)
    return tuple((signal.dtype, 1) if signal.ids else ("uint8", 3) for signal in signals)


def module(model, direction, allowed):
    """A `tf.Module` of the functions of a model and of the variables that they read.

    Args:
        model: a built `kgan.models.gan.GAN`.
        direction: what `serving_default` and `images` do, or None.
        allowed: its `Limits`.

    Returns:
        (the module with `translate`, `signatures_to_save`, `examples` and `weights`; the precision
        that it computes in).
    """
    made = tf.Module()
    order = sorted(model.directions, key=lambda d: d != direction)
    made.translate = {d: _translate(model, d) for d in order}
    served = model.served()
    made.examples = {name: example for name, (_, example) in served.items()}
    functions = [*made.translate.values(), *(function for function, _ in served.values())]
    traced = [f.get_concrete_function() for f in functions]
    made.weights = list({id(v): v for f in traced for v in f.graph.variables}.values())
    signatures = {name: _guarded(function, allowed, allowed.max_rows[name])
                  for name, (function, _) in served.items()}
    for d in order:
        end, how = suffix(d, direction), model.directions[d]
        signals = sources_of(how, model.signals)
        signatures[f"serving{end or '_default'}"] = _of_bytes(
            made.translate[d], signals, how.scale, allowed)
        signatures[f"images{end}"] = _guarded(_of_images(made.translate[d], signals), allowed)
    # Traced here: while it saves, TensorFlow would trace what they call once more.
    made.signatures_to_save = {k: f.get_concrete_function() for k, f in signatures.items()}
    graph = str(traced[0].graph.as_graph_def())
    halves = {"bfloat16": "DT_BFLOAT16", "float16": "DT_HALF"}
    return made, next((p for p, dtype in halves.items() if dtype in graph), "float32")


def suffix(direction, default):
    """How the names of the signatures of a direction end: of the default one with nothing."""
    return "" if direction == default else f"_{direction}"


def inputs_of(signals):
    """The names of what a direction takes: `[(of arrays, of bytes)]`, of a lone picture the usual.

    Args:
        signals: its sources, see `kgan.models.translation.sources_of`.
    """
    if len(signals) == 1 and not signals[0].ids:
        return [("images", "image_bytes")]
    return [(signal.name, f"{signal.name}_bytes") for signal in signals]


def example_request(signals, sides, number=0):
    """One row for each input of a direction: `({of arrays: array}, {of bytes: [string]})`.

    Args:
        signals: its sources.
        sides: (height, width).
        number: another one than the first.
    """
    arrays, strings = {}, {}
    for signal, (array, string) in zip(signals, inputs_of(signals), strict=True):
        make = functools.partial(files.example_ids, classes=signal.classes) if signal.ids else (
            files.example_picture)
        x = make(*sides)
        x = x[::-1, ::-1] if number else x
        arrays[array] = x[None]
        png = tf.io.encode_png(tf.cast(x, tf.uint16) if signal.ids else x)
        strings[string] = [png.numpy()]
    return arrays, strings


def _specs(signals, levels):
    """Of arrays: ids are int32, pictures float32 or, as `levels`, uint8."""
    return [
        tf.TensorSpec([None, None, None, 1], tf.int32, name=name) if signal.ids else
        tf.TensorSpec([None, None, None, 3], tf.uint8 if levels else tf.float32, name=name)
        for signal, (name, _) in zip(signals, inputs_of(signals), strict=True)
    ]


def _translate(model, direction):
    signals = sources_of(model.directions[direction], model.signals)

    def translate(*images):
        given = {signal.name: x for signal, x in zip(signals, images, strict=True)}
        with tf.control_dependencies(_known(given, signals)):
            given = {name: tf.identity(x) for name, x in given.items()}
        return tf.cast(model.translated(given, direction), tf.float32)

    return tf.function(translate, input_signature=_specs(signals, False), autograph=False)


def _known(given, signals):
    """Assertions that ids are those of classes that a model knows."""
    return [
        tf.debugging.Assert(
            tf.reduce_all((x >= 0) & (x < signal.classes)),
            [f"{signal.name}: ids are 0 to {signal.classes - 1}, and these are, at the least and "
             "the most:", tf.reduce_min(x), tf.reduce_max(x)])
        for signal, x in ((signal, given[signal.name]) for signal in signals)
        if signal.ids and signal.classes
    ]


def _floats(images):
    """Pictures of uint8 as float; ids as they are."""
    return [pixels.to_float(x) if x.dtype == tf.uint8 else x for x in images]


def _of_images(translate, signals):
    def images_to_images(*images):
        return {"images": pixels.to_uint8(translate(*_floats(images)))}

    return tf.function(images_to_images, input_signature=_specs(signals, True), autograph=False)


def _of_bytes(translate, signals, scale, allowed):
    limits = allowed.max_pixels, allowed.multiple, allowed.smallest

    def one(datas):
        given, alpha = [], None
        for signal, data in zip(signals, tf.unstack(datas), strict=True):
            if signal.ids:
                given.append(decoding.decode_ids(data, *limits))
                continue
            rgb, its = decoding.decode_picture(data, *limits)
            given.append(rgb)
            alpha = its if alpha is None else alpha
        same = [tf.debugging.assert_equal(tf.shape(x)[:2], tf.shape(given[0])[:2],
                                          "pictures and maps of one request differ in size")
                for x in given[1:]]
        with tf.control_dependencies(same):
            rgb = pixels.to_uint8(translate(*_floats(x[tf.newaxis] for x in given)))[0]
        if alpha is None or rgb.shape[-1] == 1:
            return tf.io.encode_png(rgb)
        return decoding.encode_picture(rgb, pixels.enlarge(alpha, scale))

    def bytes_to_bytes(*image_bytes):
        # One at a time: pictures differ in size, and the memory needed is that of the largest.
        return {"image_bytes": tf.map_fn(one, tf.stack(image_bytes, 1), parallel_iterations=1)}

    specs = [tf.TensorSpec([None], tf.string, name=name) for _, name in inputs_of(signals)]
    return tf.function(bytes_to_bytes, input_signature=specs, autograph=False)


def _guarded(function, allowed, rows=None):
    """A function of batches that refuses too much and takes no rows, too.

    Networks need a row at least: of a batch without any they are given one of zeros, and what they
    make of it is cut off again.
    """

    def run(*given):
        count = tf.shape(given[0])[0]
        with tf.control_dependencies(_checks(given, allowed, rows)):
            first = [[0, tf.cast(tf.equal(count, 0), tf.int32)]]
            given = [tf.pad(x, first + [[0, 0]] * (x.shape.rank - 1)) for x in given]
        return {key: x[:count] for key, x in function(*given).items()}

    return tf.function(run, input_signature=function.input_signature, autograph=False)


def _checks(given, allowed, rows):
    """Assertions on batches; those of four axes are pictures, those of five clips of frames."""
    checks, count = [], tf.shape(given[0], tf.int64)[0]
    if rows is not None:
        checks.append(tf.debugging.Assert(
            count <= rows, [f"more than {rows} rows in one request, send fewer at once:", count]))
    for x in given:
        if x.shape.rank not in (4, 5) or allowed.max_pixels is None:
            continue
        shape = tf.shape(x, tf.int64)
        frames = tf.reduce_prod(shape[1:-3])  # of each row, 1 of pictures
        seen = pixels.extended(shape[-3:-1], allowed.multiple, allowed.smallest)
        checks.append(tf.debugging.Assert(
            tf.reduce_all(shape[-3:-1] > 0),
            ["images have sides of at least 1 (number, height, width, channels):", shape]))
        checks.append(tf.debugging.Assert(
            tf.maximum(count, 1) * frames * tf.reduce_prod(seen) <= allowed.max_pixels,
            [f"images have more than {allowed.max_pixels} pixels in all, send smaller or fewer at "
             f"once (sides count as at least {allowed.smallest}, in steps of {allowed.multiple}; "
             "number, height, width, channels):", shape]))
    return checks
