"""How alike reconstructions and their originals are; means over pairs of pictures.

The hashes are those of "Semi-supervised image attribute editing using generative adversarial
networks" (CRG, Neurocomputing; section 4.1, table 2), by the ImageHash library: grey (BT.601 luma),
64 bits, similarity 1 - Hamming distance / 64; the paper prints no formula, this one fits its
figures. Unrelated pictures agree in about half of the bits by chance, faces cropped alike in more:
a figure says something beside the `baselines` alone.

MAE and MSE are given in [-1, 1] and in [0, 1], and in either range mae <= sqrt(mse) holds for a set
of pictures. The paper's two columns break that, so they are in different ranges; never hold ours
against them. The sums are how the encoders of "Photoshop 2.0" are reported: they grow with the
number of pixels. Blur costs little in all of these: `sharpness`, the variance of the Laplacian over
that of the original, tells it (ours; CRG's paper finds CRG(TG) and Pioneer blurred, and measures it
nowhere). SSIM is the usual one (`kgan.metrics.pictures`, k1 = 0.01); beside it stands their
loss, 1 - SSIM + 5e-5 * L2 with the k1 = 0.001 that they print, of values in [-1, 1].
"""

import imagehash
import numpy as np
from PIL import Image
from skimage.metrics import structural_similarity

from kgan.core.batches import in_parts, parts
from kgan.core.errors import UserError
from kgan.core.pixels import array_to_float, array_to_uint8
from kgan.metrics import pictures as distance
from kgan.metrics.figures import gather

_HASHES = {"dhash": imagehash.dhash, "phash": imagehash.phash, "whash": imagehash.whash}
_CHUNK = 100


def similarity(real, made, skipped=None, prefix=""):
    """Compares each picture with the one of the same row.

    Args:
        real: uint8 [n, h, w, 3], sides of at least 11 px (the window of SSIM).
        made: uint8 of the same shape.
        skipped: see `kgan.metrics.figures.gather`.
        prefix: of the names of all figures.

    Returns:
        Means over the n pairs: `dhash`, `phash`, `whash`: share of equal bits, 1 = alike; `mae`,
        `mse`: of values in [-1, 1]; `mae_unit`, `mse_unit`: in [0, 1]; `ssim`; `l1_sum`, `l2_sum`:
        sums over a picture's h * w * 3 absolute and squared differences in [-1, 1]; `ssim_loss`:
        that of "Photoshop 2.0", 1 - SSIM + 5e-5 * L2; `ssim_term`: its 1 - SSIM alone; and
        `sharpness`, see there.

    Raises:
        ValueError: arrays of different shapes, or of no pictures.
    """
    if real.shape != made.shape or not len(real):
        raise ValueError(f"pictures of {real.shape} and of {made.shape}")
    mae, mse = _errors(real, made)
    values = float(np.prod(real.shape[1:]))

    def errors():
        return {kind: float(np.mean(hash_bits(real, kind) == hash_bits(made, kind)))
                for kind in _HASHES} | {
            "mae": mae, "mse": mse, "mae_unit": mae / 2, "mse_unit": mse / 4,
            "l1_sum": mae * values, "l2_sum": mse * values, "sharpness": sharpness(real, made),
        }

    def structure():
        usual, term = distance.ssim(made, real), _ssim_term(real, made)
        return {"ssim": usual, "ssim_loss": term + 5e-5 * mse * values, "ssim_term": term}

    found = gather({f"{prefix}errors": errors, f"{prefix}ssim": structure}, skipped)
    return {prefix + figure: value for figure, value in found.items()}


def sharpness(real, made):
    """The mean variance of the Laplacian of luma of `made` over that of `real`; 1 = as sharp.

    Args:
        real, made: uint8 [n, h, w, 3], sides of at least 3 px; without the border of one pixel.

    Returns:
        A float, below 1 of what is blurred.
    """
    made, real = (np.mean([_laplacian(one).var() for one in some]) for some in (made, real))
    return float((made + 1e-6) / (real + 1e-6))  # flat ones are as sharp as flat ones


def _laplacian(picture):
    y = picture @ np.array([0.299, 0.587, 0.114])
    return y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4.0 * y[1:-1, 1:-1]


def reconstruct(encode, decode, pictures):
    """decode(encode(pictures)) in parts: uint8 [n, h, w, 3].

    Args:
        encode: uint8 [n, h, w, 3] -> codes [n, k].
        decode: codes -> float [n, h, w, 3] in [-1, 1].
        pictures: uint8 [n, h, w, 3].
    """
    return array_to_uint8(in_parts(lambda x: decode(encode(x)), pictures, _CHUNK))


def code_error(encode, decode, codes):
    """How well codes survive being made pictures: mean of (z - E(G(z)))^2 over that of z^2.

    Args:
        encode: float [n, h, w, 3] in [-1, 1] -> codes [n, k].
        decode: codes -> such pictures.
        codes: [n, k], draws from the prior.

    Returns:
        A float: 0 = they are the same again, 1 = as far off as the prior's mean, 0, would be.
    """
    again = in_parts(lambda z: encode(decode(z)), codes, _CHUNK)
    codes = np.asarray(codes, np.float64)
    return float(np.mean((again - codes) ** 2) / np.mean(codes**2))


def baselines(real, train, *, seed=0, skipped=None):
    """The same figures for two things that know nothing of the picture they should be.

    Args:
        real: uint8 [n, h, w, 3], the originals of `similarity`; 2 or more for a random other one.
        train: pictures of the training, uint8 [m, h, w, 3] or what `kgan.data.Data` holds.
        seed: of the random pairs.
        skipped: see `kgan.metrics.figures.gather`.

    Returns:
        The figures of `similarity` with `random_` in front for another one of the originals (each
        is taken once, none for itself) and with `mean_` for the mean training picture.

    Raises:
        UserError: fewer than 2 pictures, without `skipped`.
        ValueError: training pictures of another size.
    """
    def other():
        if len(real) < 2:
            raise UserError(f"A random other picture needs 2 or more, not {len(real)}.")
        order = np.random.default_rng(seed).permutation(len(real))
        another = np.empty_like(order)
        another[order] = np.roll(order, 1)  # one cycle through all
        return similarity(real, real[another], skipped, "random_")

    def mean():
        made = np.broadcast_to(_mean_picture(train), (len(real), *train.shape[1:]))
        return similarity(real, made, skipped, "mean_")

    return gather({"random": other, "mean": mean}, skipped)


def hash_bits(pictures, kind):
    """bool [n, 64]: the "dhash", "phash" or "whash" of each of uint8 [n, h, w, 3]."""
    return np.array([
        _HASHES[kind](Image.fromarray(picture), hash_size=8).hash.ravel() for picture in pictures
    ])


def _errors(x, y):
    """(mean absolute, mean squared) difference of values in [-1, 1]."""
    sums = np.zeros(2)
    for some in parts(np.arange(len(x)), _CHUNK):
        difference = np.abs(x[some].astype(np.int64) - y[some])
        sums += difference.sum(), (difference**2).sum()
    mae, mse = sums / x.size
    return float(mae / 127.5), float(mse / 127.5**2)


def _ssim_term(x, y):
    """Mean of 1 - SSIM of values in [-1, 1] with k1 = 0.001, Gaussian window of sigma 1.5, RGB."""
    found = [
        structural_similarity(
            *(array_to_float(p, np.float64) for p in pair), data_range=2, K1=0.001,
            channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
        for pair in zip(x, y, strict=True)
    ]
    return float(1 - np.mean(found))


def _mean_picture(pictures):
    """uint8 [h, w, 3], rounded."""
    total = np.zeros(pictures.shape[1:], np.int64)
    for some in parts(np.arange(len(pictures)), _CHUNK):
        total += pictures[some].sum(axis=0, dtype=np.int64)
    return np.uint8(np.rint(total / len(pictures)))
