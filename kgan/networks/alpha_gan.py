"""The networks of alpha-GAN (Rosca et al. 2017) in the code that the CRG paper compared with.

Munjal's TensorFlow code for CelebA at 64 px: 5x5 kernels, 3x3 ones next to 4x4 maps, biases, batch
norm in every layer of encoder, generator and discriminator (momentum 0.99, epsilon 1e-3), ReLU, in
the discriminator, too. All their kernels begin as N(0, 0.01), cut at two deviations. The code
discriminator has neither norm nor cut normal weights, but Glorot's. Other sizes are ours.
"""

import math

import keras
from keras import layers

from kgan.networks.blocks import conv, leaky, logits, relu, transposed_conv
from kgan.networks.dcgan import BatchNormalization

_FIRST = {"class_name": "TruncatedNormal", "config": {"mean": 0.0, "stddev": 0.01}}


def alpha_encoder(name, *, size=64, latent=128, filters=64):
    """Five convolutions to 4x4 maps and a dense layer.

    Args:
        name: of the network.
        size: side of the pictures, a power of two from 16 up.
        latent: numbers of a code.
        filters: maps of the first layer; they double in each.

    Returns:
        A functional `keras.Model`: [n, size, size, 3] in [-1, 1] -> float32 codes [n, latent].
    """
    return _judged(name, size, filters, latent, "latent")


def alpha_discriminator(name, *, size=64, filters=64):
    """The encoder's convolutions and one logit.

    Returns:
        A functional `keras.Model`: [n, size, size, 3] in [-1, 1] -> float32 logits [n, 1].
    """
    return _judged(name, size, filters, 1, "logit")


def alpha_generator(name, *, size=64, latent=128, filters=64):
    """A dense layer to 4x4 maps, transposed convolutions, one of stride 1 to the picture, tanh.

    Returns:
        A functional `keras.Model`: codes [n, latent] -> float32 [n, size, size, 3] in [-1, 1].
    """
    *widths, first = _widths(size, filters)
    code = keras.Input((latent,), name="z")
    x = layers.Dense(16 * first, kernel_initializer=_FIRST, name="project")(code)
    x = relu(BatchNormalization(name="norm0")(x), name="active0")
    x = layers.Reshape((4, 4, first), name="maps")(x)
    for i, width in enumerate(reversed(widths), 1):
        x = transposed_conv(x, width, 3 if i == 1 else 5, first=_FIRST, name=f"conv{i}")
        x = relu(BatchNormalization(name=f"norm{i}")(x), name=f"active{i}")
    x = transposed_conv(x, 3, 5, 1, first=_FIRST, name="colours")
    return keras.Model(code, layers.Activation("tanh", dtype="float32", name="picture")(x),
                       name=name)


def code_discriminator(name, *, latent=128, width=750):
    """Three dense layers with LeakyReLU 0.2, one logit, no norm.

    Returns:
        A functional `keras.Model`: codes [n, latent] -> float32 logits [n, 1].
    """
    x = code = keras.Input((latent,), name="z")
    for i in (1, 2, 3):
        x = leaky(layers.Dense(width, name=f"hidden{i}")(x), name=f"active{i}")
    return keras.Model(code, logits(layers.Dense(1, name="logit")(x), name="output"), name=name)


def _judged(name, size, filters, width, what):
    """Convolutions to 4x4 maps and a dense layer `what` of `width` numbers."""
    x = picture = keras.Input((size, size, 3), name="picture")
    widths = _widths(size, filters)
    for i, maps in enumerate(widths, 1):
        last, before = i == len(widths), i == len(widths) - 1
        x = conv(x, maps, 3 if last else 5, 1 if before else 2, padding="same", first=_FIRST,
                 name=f"conv{i}")
        x = relu(BatchNormalization(name=f"norm{i}")(x), name=f"active{i}")
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(width, kernel_initializer=_FIRST, name=what)(x)
    return keras.Model(picture, logits(x, name="output"), name=name)


def _widths(size, filters):
    """Maps of the convolutions: all but the last but one halve the sides, down to 4x4."""
    count = int(math.log2(max(size, 1)))
    if count < 4 or size != 2**count:
        raise ValueError(f"size must be a power of two from 16 up, not {size}")
    return [filters * 2**i for i in range(count - 1)]
