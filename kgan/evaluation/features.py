"""Features of pictures, in which sets of pictures are compared.

A figure carries the name of its network: `feature_name` for those of `kgan.models.reference`,
`keras_fid` for Keras' InceptionV3.
"""

import contextlib
import functools
import sys

import keras
import tensorflow as tf

from kgan.core.batches import in_parts
from kgan.core.errors import UserError
from kgan.core.pixels import array_to_float
from kgan.metrics.distribution import frechet
from kgan.models import reference as references

SMALLEST = 16  # side that five blocks of a reference network can halve four times, pixels
_BATCH = 50


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
    return in_parts(lambda x: network(tf.constant(array_to_float(x))), pictures, _BATCH)


def _compiled(function):
    return tf.function(function, reduce_retracing=True, autograph=False)


@functools.lru_cache(maxsize=1)
def _reference(spec):
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
