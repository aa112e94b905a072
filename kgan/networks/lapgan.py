"""The networks of LAPGAN (Denton, Chintala, Szlam, Fergus 2015, arXiv 1506.05751), a pair a level.

The coarsest level is of dense layers, the others are convolutions that are given the enlarged
picture of the level below and a plane of noise and say what is to be added to it, or judge the sum.
Kernels and maps for CIFAR-10 are those of the authors' code, as are unpadded convolutions in the
discriminators; where the maps have fewer than two kernels to a side they are padded (ours). N(0,
0.02), biases; the stride of 2 from the second convolution on is the code's for two of them.
"""

import keras
import numpy as np
from keras import layers, ops

from kgan.networks.blocks import conv, logits, relu
from kgan.networks.dcgan import BatchNormalization
from kgan.networks.layers import NORMAL_002


def resampled(x, side):
    """Square pictures [n, h, h, c] at another side, by triangles that widen where they shrink.

    TensorFlow's antialiased bilinear resizing, as two products of matrices, which XLA compiles for
    any pair of sides.

    Returns:
        float32 [n, side, side, c].
    """
    x = ops.cast(x, "float32")
    if x.shape[1] == side:
        return x
    weights = ops.convert_to_tensor(triangles(x.shape[1], side))
    return ops.einsum("yh,nhwc,xw->nyxc", weights, x, weights)


def triangles(given, side):
    """What each of `side` places takes of each of `given`: float32 [side, given], rows of sum 1."""
    scale = given / side
    centres = (np.arange(side) + 0.5) * scale - 0.5
    width = max(scale, 1.0)
    weights = np.maximum(1.0 - np.abs(centres[:, None] - np.arange(given)) / width, 0.0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def coarsest_generator(name, *, size=8, noise=100, width=1200, channels=3):
    """Two dense layers with ReLU and one to the pixels, tanh (ours).

    Returns:
        A functional `keras.Model`: codes [n, noise] -> float32 [n, size, size, channels] in
        [-1, 1].
    """
    x = code = keras.Input((noise,), name="z")
    for i in (1, 2):
        x = relu(_dense(x, width, f"dense{i}"), name=f"active{i}")
    x = _dense(x, size * size * channels, "pixels")
    x = layers.Activation("tanh", dtype="float32", name="tanh")(x)
    return keras.Model(code, layers.Reshape((size, size, channels), dtype="float32",
                                            name="picture")(x), name=name)


def coarsest_discriminator(name, *, size=8, width=600, dropout=0.5, channels=3):
    """Two dense layers with ReLU and dropout, one logit.

    Returns:
        A functional `keras.Model`: [n, size, size, channels] -> float32 logits [n, 1].
    """
    picture = keras.Input((size, size, channels), name="picture")
    x = layers.Flatten(name="flatten")(picture)
    for i in (1, 2):
        x = _dropped(relu(_dense(x, width, f"dense{i}"), name=f"active{i}"), dropout, i)
    return keras.Model(picture, logits(_dense(x, 1, "logit"), name="output"), name=name)


def residual_generator(
    name, *, size, filters=(64, 64), kernel=7, last_kernel=5, batch_norm=False, dropout=0.0,
    channels=3,
):
    """What is to be added to an enlarged picture: convolutions with ReLU, a linear one at the end.

    Args:
        name: of the network.
        size: side of the pictures of its level.
        filters: maps of the hidden convolutions.
        kernel, last_kernel: sides of their kernels, and of the last one's.
        batch_norm: normalise hidden maps.
        dropout: share of them that is dropped.
        channels: of the pictures.

    Returns:
        A functional `keras.Model`: [pictures [n, size, size, channels], noise [n, size, size, 1]]
        -> float32 [n, size, size, channels].
    """
    given = [keras.Input((size, size, channels), name="coarse"),
             keras.Input((size, size, 1), name="noise")]
    x = layers.Concatenate(name="join")(given)
    for i, width in enumerate(filters, 1):
        x = conv(x, width, kernel, padding="same", use_bias=not batch_norm, name=f"conv{i}")
        if batch_norm:
            x = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"norm{i}")(x)
        x = _dropped(relu(x, name=f"active{i}"), dropout, i)
    x = conv(x, channels, last_kernel, padding="same", name="residual")
    return keras.Model(given, logits(x, name="output"), name=name)


def residual_discriminator(name, *, size, filters=(64, 64), kernel=5, dropout=0.5, channels=3):
    """Judges the sum of an enlarged picture and what was added: convolutions, ReLU, one logit.

    Args:
        dropout: share that is dropped before the logit.
        name, size, filters, kernel, channels: as `residual_generator`.

    Returns:
        A functional `keras.Model`: [n, size, size, channels] -> float32 logits [n, 1].
    """
    x = picture = keras.Input((size, size, channels), name="picture")
    for i, width in enumerate(filters, 1):
        padding = "valid" if x.shape[1] >= 2 * kernel else "same"
        x = conv(x, width, kernel, 1 if i == 1 else 2, padding=padding, name=f"conv{i}")
        x = relu(x, name=f"active{i}")
    x = _dropped(layers.Flatten(name="flatten")(x), dropout, 0)
    return keras.Model(picture, logits(_dense(x, 1, "logit"), name="output"), name=name)


def _dense(x, width, name):
    return layers.Dense(width, kernel_initializer=NORMAL_002, name=name)(x)


def _dropped(x, share, i):
    return layers.Dropout(share, name=f"drop{i}")(x) if share else x
