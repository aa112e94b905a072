"""Distances between two sets of pictures by the features of a network: KID and Frechet distance.

KID: Binkowski, Sutherland, Arbel, Gretton: Demystifying MMD GANs, ICLR 2018 (arXiv 1801.01401).
Frechet distance of Gaussians: Heusel et al., NeurIPS 2017 (arXiv 1706.08500), equation 6. What
these papers publish is taken on the features of one particular Inception network from 2015.
None of the networks here is that one, so a figure carries the name of its network: `feature_name`
for those of `kgan.models.reference`, `keras_fid` for Keras' InceptionV3. Such figures compare models with
each other on the same pictures; never set them beside a published FID or KID.
"""

import contextlib
import functools
import sys

import keras
import numpy as np
import tensorflow as tf

from kgan.core.errors import UserError

SMALLEST = 16  # side that five blocks of a reference network can halve four times, pixels
_BATCH = 50


def kid(features_real, features_fake, *, subsets=100, subset_size=None, seed=0):
    """Kernel distance: unbiased squared MMD with the kernel (x.y / d + 1)^3.

    Args:
        features_real, features_fake: [n, d] and [m, d].
        subsets: how many pairs of random subsets it is taken on.
        subset_size: rows of a subset, without repetition; None = 1000, or half of the smaller set
            where that is less.
        seed: of the subsets.

    Returns:
        (mean, standard deviation) over the subsets. The mean may be below 0: that is what an
        unbiased estimate of 0 does.

    Raises:
        UserError: fewer than 4 rows, and no `subset_size`.
        ValueError: subsets of fewer than 2 rows, or of more than there are.
    """
    x, y = (np.asarray(f, np.float64) for f in (features_real, features_fake))
    least = min(len(x), len(y))
    if subset_size is None and least < 4:
        raise UserError(f"KID needs at least 4 pictures of each kind, not {least}.")
    size = min(1000, least // 2) if subset_size is None else subset_size
    if not 2 <= size <= least:
        raise ValueError(f"subsets of {size} rows out of {least}")
    random = np.random.default_rng(seed)
    found = [
        _squared_mmd(*(z[random.choice(len(z), size, replace=False)] for z in (x, y)))
        for _ in range(subsets)
    ]
    return float(np.mean(found)), float(np.std(found))


def _squared_mmd(x, y):
    def kernel(u, v):
        k = u @ v.T / u.shape[1] + 1
        return k * k * k  # several times faster than a power

    def among(u):  # the mean over pairs of different rows
        k = kernel(u, u)
        return (k.sum() - np.trace(k)) / (len(u) * (len(u) - 1))

    return among(x) + among(y) - 2 * kernel(x, y).mean()


def frechet(features_real, features_fake):
    """Frechet distance of two Gaussians fitted to features (covariances divided by n - 1).

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)). The trace of the root is the sum of the singular
    values of A B^T where S1 = A^T A and S2 = B^T B, which needs no root of a matrix and holds for
    singular covariances (fewer pictures than features) too. Biased upwards in small sets: compare
    figures of the same number of pictures.

    Args:
        features_real, features_fake: [n, d] and [m, d], at least 2 rows each.

    Returns:
        A float >= 0 but for rounding.

    Raises:
        UserError: fewer than 2 rows.
    """
    x, y = (np.asarray(f, np.float64) for f in (features_real, features_fake))
    if min(len(x), len(y)) < 2:
        raise UserError("A Frechet distance needs at least 2 pictures of each kind, not "
                        f"{min(len(x), len(y))}.")
    a, b = (np.linalg.qr((z - z.mean(0)) / np.sqrt(len(z) - 1), mode="r") for z in (x, y))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(np.sum((x.mean(0) - y.mean(0)) ** 2) + np.sum(a**2) + np.sum(b**2) - 2 * root)


def reference_features(pictures, spec):
    """Features of a reference network: the means over the picture of its five taps, concatenated.

    Args:
        pictures: uint8 [n, h, w, 3], sides of at least 16 px.
        spec: what `kgan.models.reference` knows, as "vgg_star_small.avatars".

    Returns:
        float32 [n, d], d = all channels of the taps.

    Raises:
        UserError: the pictures are smaller, or the network cannot be had.
    """
    if min(pictures.shape[1:3]) < SMALLEST:
        raise UserError(f"Features of {spec} need pictures of at least {SMALLEST} px, not of "
                        f"{min(pictures.shape[1:3])}.")
    return _features(pictures, _reference(spec))


def feature_name(spec):
    """What a figure by these features is called after `kid_` or `frechet_`.

    `vgg_star_small_avatars` for "vgg_star_small.avatars"; of a folder, its last part.
    """
    last = spec.rstrip("/").rpartition("/")[-1]
    return "".join(c if c.isalnum() else "_" for c in last)


def keras_fid(real, fake):
    """Frechet distance by the 2048 pooled features of `keras.applications.InceptionV3` (ImageNet).

    Pictures are resized to 299 px by TensorFlow's bilinear filter (averaging where it shrinks).
    These are not the weights, nor is it the resizing, of the published FID.

    Args:
        real, fake: uint8 [n, h, w, 3]; 2048 or more of each for covariances of full rank.

    Returns:
        A float.

    Raises:
        UserError: Keras has no weights on disk and cannot download them.
    """
    network = _inception()
    return frechet(_features(real, network), _features(fake, network))


def _features(pictures, network):
    return np.concatenate([
        network(tf.constant(pictures[i : i + _BATCH].astype(np.float32) / 127.5 - 1.0)).numpy()
        for i in range(0, len(pictures), _BATCH)
    ])


def _compiled(function):
    return tf.function(function, reduce_retracing=True, autograph=False)


@functools.lru_cache(maxsize=1)
def _reference(spec):
    from kgan.models import reference as references

    network = references.build(spec, name="measuring_reference")
    references.load(network, spec, instead="compare in the features of --reference "
                    "vgg_star_small.avatars, which is packaged")

    def pooled(x):
        taps = network(x, training=False)
        return tf.concat([tf.reduce_mean(tf.cast(t, tf.float32), (1, 2)) for t in taps], -1)

    return _compiled(pooled)


@functools.lru_cache(maxsize=1)
def _inception():
    try:
        with contextlib.redirect_stdout(sys.stderr):  # Keras tells stdout of its download
            network = keras.applications.InceptionV3(include_top=False, pooling="avg")
    except Exception as error:  # a refused download and a wrong hash are bare exceptions in Keras
        reason = " ".join(str(error).split())[:200]
        raise UserError("keras_fid needs the weights of Keras' InceptionV3, and they cannot be "
                        f"had ({reason}): go online once.") from None
    return _compiled(
        lambda x: network(tf.image.resize(x, (299, 299), antialias=True), training=False)
    )
