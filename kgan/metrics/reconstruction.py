"""How alike reconstructions and their originals are; means over pairs of pictures.

The hashes are those of "Semi-supervised image attribute editing using generative adversarial
networks" (CRG, Neurocomputing; section 4.1, table 2), by the ImageHash library: grey (BT.601 luma),
64 bits, similarity 1 - Hamming distance / 64; the paper prints no formula, this one fits its
figures. Unrelated pictures agree in about half of the bits by chance, faces cropped alike in more:
a figure says something beside the `baselines` alone.

MAE and MSE are given in [-1, 1] and in [0, 1], and in either range mae <= sqrt(mse) holds for a set
of pictures. The paper's two columns break that, so they are in different ranges; never hold ours
against them. The sums are how the encoders of "Photoshop 2.0" are reported: they grow with the
number of pixels. SSIM is the usual one (`kgan.metrics.pictures`, k1 = 0.01), not their loss.
"""

import imagehash
import numpy as np
from PIL import Image

from kgan.metrics import pictures as distance

_HASHES = {"dhash": imagehash.dhash, "phash": imagehash.phash, "whash": imagehash.whash}
_CHUNK = 100


def similarity(real, made):
    """Compares each picture with the one of the same row.

    Args:
        real: uint8 [n, h, w, 3], sides of at least 11 px (the window of SSIM).
        made: uint8 of the same shape.

    Returns:
        Means over the n pairs: `dhash`, `phash`, `whash`: share of equal bits, 1 = alike; `mae`,
        `mse`: of values in [-1, 1]; `mae_unit`, `mse_unit`: in [0, 1]; `ssim`; `l1_sum`, `l2_sum`:
        sums over a picture's h * w * 3 absolute and squared differences in [-1, 1].

    Raises:
        ValueError: arrays of different shapes, or of no pictures.
    """
    if real.shape != made.shape or not len(real):
        raise ValueError(f"pictures of {real.shape} and of {made.shape}")
    figures = {kind: float(np.mean(hash_bits(real, kind) == hash_bits(made, kind)))
               for kind in _HASHES}
    mae, mse = _errors(real, made)
    values = np.prod(real.shape[1:])
    return figures | {
        "mae": mae, "mse": mse, "mae_unit": mae / 2, "mse_unit": mse / 4,
        "ssim": distance.ssim(made, real),
        "l1_sum": float(mae * values), "l2_sum": float(mse * values),
    }


def baselines(real, train, *, seed=0):
    """The same figures for two things that know nothing of the picture they should be.

    Args:
        real: uint8 [n, h, w, 3], the originals of `similarity`, 2 or more.
        train: pictures of the training, uint8 [m, h, w, 3] or what `kgan.data.Data` holds.
        seed: of the random pairs.

    Returns:
        The figures of `similarity` with `random_` in front for another one of the originals (each
        is taken once, none for itself) and with `mean_` for the mean training picture.

    Raises:
        ValueError: fewer than 2 pictures, or training pictures of another size.
    """
    if len(real) < 2:
        raise ValueError(f"a random other picture needs 2 or more, not {len(real)}")
    order = np.random.default_rng(seed).permutation(len(real))
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)  # one cycle through all
    mean = np.broadcast_to(_mean_picture(train), (len(real), *train.shape[1:]))
    guesses = {"random": real[other], "mean": mean}
    return {
        f"{name}_{figure}": value
        for name, made in guesses.items() for figure, value in similarity(real, made).items()
    }


def hash_bits(pictures, kind):
    """bool [n, 64]: the "dhash", "phash" or "whash" of each of uint8 [n, h, w, 3]."""
    return np.array([
        _HASHES[kind](Image.fromarray(picture), hash_size=8).hash.ravel() for picture in pictures
    ])


def _errors(x, y):
    """(mean absolute, mean squared) difference of values in [-1, 1]."""
    sums = np.zeros(2)
    for i in range(0, len(x), _CHUNK):
        difference = np.abs(x[i : i + _CHUNK].astype(np.int64) - y[i : i + _CHUNK])
        sums += difference.sum(), (difference**2).sum()
    mae, mse = sums / x.size
    return float(mae / 127.5), float(mse / 127.5**2)


def _mean_picture(pictures):
    """uint8 [h, w, 3], rounded."""
    total, count = np.zeros(pictures.shape[1:], np.int64), len(pictures)
    for i in range(0, count, _CHUNK):
        total += pictures[np.arange(i, min(i + _CHUNK, count))].sum(axis=0, dtype=np.int64)
    return np.uint8(np.rint(total / count))
