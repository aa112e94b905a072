"""How near a translator of pairs comes to the pictures that its results should be."""

import functools

import numpy as np
import tensorflow as tf

from kgan.core import pixels
from kgan.core.errors import UserError
from kgan.data.pictures import resize_cover
from kgan.data.signals import as_batch
from kgan.metrics import pictures as distance
from kgan.metrics.figures import gather
from kgan.models.translation import learns_pairs, sources_of

BATCH = 8


def measure_pairs(model, data, n=None, skipped=None):
    """Measures the directions whose truth the data hold, on the first n held-out pairs.

    Args:
        model: a `kgan.models.gan.GAN`.
        data: a `kgan.data.Data` of its signals.
        n: at most so many; None = all.
        skipped: see `kgan.metrics.figures.gather`.

    Returns:
        (figures, pictures): of each direction `psnr_<direction>` in dB, `ssim_<direction>` and
        `l1_<direction>` in levels of 255, and with `identity_` in front those of the input instead
        of the result, where it is a picture: enlarged by bicubic interpolation, if that is needed.
        Pictures: `{direction: {"input", "output", "truth"}}`.

    Raises:
        UserError: the data are not paired.
    """
    if not data.paired:
        raise UserError(f"{model.name_in_zoo} learns from pairs, and the pictures of {data.spec} "
                        "belong to nobody: name a folder of pairs, as --data folder:PATH.")
    figures, kept = {}, {}
    for direction, how in model.directions.items():
        if not learns_pairs(how, model.signals):
            continue
        given, made, truth = results(model, data, direction, n)
        figures |= against(made, truth, direction, "", skipped)
        signals = sources_of(how, model.signals)
        pictures = next((given[s.name] for s in signals if not s.ids), None)
        if pictures is not None:
            same = np.stack([resize_cover(x, truth.shape[1:3]) for x in pictures])
            same = _in_channels(same, how.channels)
            figures |= against(same, truth, direction, "identity_", skipped)
        kept[direction] = {"input": given[how.sources[0]], "output": made, "truth": truth}
    return figures, kept


def results(model, data, direction, n=None):
    """What a direction makes of the first n held-out pictures, beside what it should.

    Args:
        model, data, n: see `measure_pairs`.
        direction: one of the model's.

    Returns:
        (`{source: uint8 pictures or int32 ids}`, results and truth: uint8 [n, h, w, 3]).
    """
    how = model.directions[direction]
    count = min(n or len(data.test[how.target]), len(data.test[how.target]))
    rows, given = np.arange(count), {}
    for signal in sources_of(how, model.signals):
        held = data.test[signal.name][rows]
        given[signal.name] = as_batch(signal, held) if signal.ids else held
    truth = _in_channels(data.test[how.target][rows], how.channels)
    return given, _translated(model, direction, given), truth


def _translated(model, direction, given):
    count = len(next(iter(given.values())))
    run = functools.partial(model.translate, direction=direction)
    run = tf.function(run, reduce_retracing=True, autograph=False) if model.graph else run
    return _in_channels(np.concatenate([
        np.asarray(run({name: tf.constant(x[i : i + BATCH]) for name, x in given.items()}))
        for i in range(0, count, BATCH)
    ]), model.directions[direction].channels)


def _in_channels(pictures, channels):
    """Pictures of RGB, all grey if the result has one channel."""
    if channels == 1:
        pictures = np.asarray(pixels.to_uint8(pixels.to_channels(pixels.to_float(pictures), 1)))
    return np.repeat(pictures, 3, axis=3) if pictures.shape[3] == 1 else pictures


def against(made, truth, direction, prefix="", skipped=None):
    """Figures of results beside what they should be, both uint8 [n, h, w, 3], see `measure_pairs`.

    Args:
        made, truth: in the same order.
        direction: with which the names of the figures end.
        prefix: with which they begin.
        skipped: see `kgan.metrics.figures.gather`.
    """
    named = f"{prefix}ssim_{direction}"
    return {
        f"{prefix}psnr_{direction}": distance.psnr(made, truth),
        f"{prefix}l1_{direction}": distance.l1(made, truth),
        **gather({named: lambda: {named: distance.ssim(made, truth)}}, skipped),
    }
