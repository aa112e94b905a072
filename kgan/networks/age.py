"""The networks of adversarial generator-encoder networks (Ulyanov, Vedaldi, Lempitsky 2018).

Those of the authors' code for 64 px, which are PyTorch's DCGAN: 4x4 kernels of stride 2, no biases
but the encoder's last, batch norm (momentum 0.9, epsilon 1e-5) whose scales begin as N(1, 0.02),
all kernels as N(0, 0.02). Codes lie on the unit sphere on both sides: the encoder ends by bringing
them to length 1, and the generator begins so, which changes none of the codes that it is trained
on.

Other sizes than 64 px have fewer or more layers of the same kind (ours).
"""

import keras
from keras import layers

from kgan.networks.blocks import conv, leaky, relu, transposed_conv
from kgan.networks.dcgan import BatchNormalization, halving_widths
from kgan.networks.layers import UnitLength

_SCALE = {"class_name": "RandomNormal", "config": {"mean": 1.0, "stddev": 0.02}}


def age_encoder(name, *, size=64, latent=64, filters=64):
    """Strided convolutions to 4x4 maps, LeakyReLU 0.2, and one of all of them.

    3,281,728 trainable parameters as it stands.

    Args:
        name: of the network.
        size: side of the pictures, a power of two from 16 up.
        latent: numbers of a code.
        filters: maps of the first layer; they double up to eight times that.

    Returns:
        A functional `keras.Model`: [n, size, size, 3] -> float32 codes [n, latent] of length 1.
    """
    x = picture = keras.Input((size, size, 3), name="picture")
    for i, width in enumerate(halving_widths(size, filters), 1):
        x = conv(x, width, 4, 2, padding="same", use_bias=False, name=f"conv{i}")
        x = leaky(_norm(x, f"norm{i}") if i > 1 else x, name=f"active{i}")
    x = conv(x, latent, 4, name="latent")
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(picture, UnitLength(name="z")(x), name=name)


def age_generator(name, *, size=64, latent=64, filters=64):
    """A transposed convolution to 4x4 maps, strided ones to the picture, ReLU, tanh.

    3,281,792 trainable parameters as it stands.

    Args:
        filters: maps before the last layer; they double towards the code, up to eight times that.
        name, size, latent: as `age_encoder`.

    Returns:
        A functional `keras.Model`: codes [n, latent], of any length above 0, -> float32
        [n, size, size, 3] in [-1, 1].
    """
    code = keras.Input((latent,), name="z")
    x = layers.Reshape((1, 1, latent), name="square")(UnitLength(name="unit")(code))
    first, *others = reversed(halving_widths(size, filters))
    x = transposed_conv(x, first, 4, 1, padding="valid", use_bias=False, name="conv1")
    for i, width in enumerate([*others, 3], 1):
        x = relu(_norm(x, f"norm{i}"), name=f"active{i}")
        x = transposed_conv(x, width, 4, use_bias=False, name=f"conv{i + 1}")
    return keras.Model(code, layers.Activation("tanh", dtype="float32", name="picture")(x),
                       name=name)


def _norm(x, name):
    return BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=_SCALE, name=name)(x)
