"""The networks of adversarially learned inference (Dumoulin et al. 2017), for CelebA at 64 px.

Convolutions without padding, LeakyReLU 0.02, batch norm with a momentum of 0.95 (epsilon 1e-4,
ours), kernels that begin as N(0, 0.01). Inside, pictures are in [0, 1]: encoder and discriminator
begin by bringing them there, and the generator, which ends in a sigmoid, is brought to [-1, 1]. The
bias before that sigmoid is one number for each value of a picture; `set_log_odds` makes it the log
odds of a mean picture, with which the authors begin.

Paper and code differ about the discriminator: here, as in the code, its first convolution has no
batch norm, and each of its layers drops inputs, those of pictures too. Other sizes than 64 px are
ours.
"""

import keras
import numpy as np
from keras import layers

from kgan.networks.blocks import conv, logits, relu, transposed_conv
from kgan.networks.dcgan import BatchNormalization

KERNELS = {16: (9,), 32: (7, 7), 64: (7, 5, 7), 128: (7, 5, 5, 7)}
"""Of the strided layers between size - 1 and 4 px, by the size of the pictures."""
_FIRST = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.01}}


@keras.saving.register_keras_serializable("kgan")
class PictureBias(layers.Layer):
    """Adds a number of its own to each value of a picture [n, h, w, c]."""

    def build(self, shape):
        self.bias = self.add_weight(shape=tuple(shape[1:]), initializer="zeros", name="bias")

    def call(self, x):
        return x + self.bias

    def compute_output_shape(self, shape):
        return shape


def ali_encoder(name, *, size=64, latent=256, filters=64):
    """Five convolutions to one place, then the mean and the log deviation of a code.

    Args:
        name: of the network.
        size: side of the pictures, one of `KERNELS`.
        latent: numbers of a code.
        filters: maps of the first layer; later ones have 2, 4 and at the end 8 times as many.

    Returns:
        A functional `keras.Model`: [n, size, size, 3] in [-1, 1] -> [float32 [n, latent], float32
        [n, latent]], the mean and the logarithm of the standard deviation.
    """
    picture = keras.Input((size, size, 3), name="picture")
    x = layers.Rescaling(0.5, 0.5, name="from_0_to_1")(picture)
    for i, (width, kernel, stride) in enumerate(_plan(size, filters), 1):
        x = conv(x, width, kernel, stride, first=_FIRST, use_bias=False, name=f"conv{i}")
        x = relu(_norm(x, f"norm{i}"), 0.02, name=f"active{i}")
    x = layers.Flatten(name="flatten")(x)
    found = [logits(layers.Dense(latent, kernel_initializer=_FIRST, name=what)(x), f"{what}_out")
             for what in ("mean", "log_deviation")]
    return keras.Model(picture, found, name=name)


def ali_generator(name, *, size=64, latent=256, filters=64):
    """The encoder's layers the other way round, a 1x1 convolution, a bias, a sigmoid.

    Returns:
        A functional `keras.Model`: codes [n, latent] -> float32 [n, size, size, 3] in [-1, 1].
    """
    code = keras.Input((latent,), name="z")
    x = layers.Reshape((1, 1, latent), name="square")(code)
    for i, (width, kernel, stride) in enumerate(reversed(_plan(size, filters)), 1):
        x = transposed_conv(x, width, kernel, stride, padding="valid", first=_FIRST,
                            use_bias=False, name=f"conv{i}")
        x = relu(_norm(x, f"norm{i}"), 0.02, name=f"active{i}")
    x = conv(x, 3, 1, first=_FIRST, use_bias=False, name="colours")
    x = PictureBias(dtype="float32", name="log_odds")(x)
    x = layers.Activation("sigmoid", dtype="float32", name="from_0_to_1")(x)
    return keras.Model(code, layers.Rescaling(2.0, -1.0, dtype="float32", name="picture")(x),
                       name=name)


def ali_discriminator(name, *, size=64, latent=256, filters=64, picture_dropout=0.2, dropout=0.2):
    """Says of pictures and codes together whether the code was inferred from the picture.

    Args:
        picture_dropout: share of the inputs of each layer of the pictures' branch that is dropped.
        dropout: the same of the codes' branch and of what follows both.
        name, size, latent, filters: as `ali_encoder`.

    Returns:
        A functional `keras.Model`: [[n, size, size, 3] in [-1, 1], [n, latent]] -> float32 logits
        [n, 1].
    """
    picture, code = keras.Input((size, size, 3), name="picture"), keras.Input((latent,), name="z")
    x = layers.Rescaling(0.5, 0.5, name="from_0_to_1")(picture)
    for i, (width, kernel, stride) in enumerate(_plan(size, filters), 1):
        x = layers.Dropout(picture_dropout, name=f"drop{i}")(x)
        x = conv(x, width, kernel, stride, first=_FIRST, use_bias=i == 1, name=f"conv{i}")
        x = relu(_norm(x, f"norm{i}") if i > 1 else x, 0.02, name=f"active{i}")
    z = _dense(code, 16 * filters, dropout, "code1", use_bias=False)
    z = _dense(z, 16 * filters, dropout, "code2", use_bias=False)
    x = layers.Concatenate(name="join")([layers.Flatten(name="flatten")(x), z])
    for i in (1, 2):
        x = _dense(x, 32 * filters, dropout, f"joint{i}")
    x = layers.Dropout(dropout, name="logit_drop")(x)
    x = layers.Dense(1, kernel_initializer=_FIRST, name="logit")(x)
    return keras.Model([picture, code], logits(x, name="output"), name=name)


def set_log_odds(generator, mean):
    """Makes the bias of a generator's pictures the log odds of a mean picture.

    Args:
        generator: of `ali_generator`.
        mean: [size, size, 3] in [0, 1]; cut to 1e-7 from both ends, as in the authors' code.
    """
    mean = np.clip(np.asarray(mean, np.float64), 1e-7, 1 - 1e-7)
    generator.get_layer("log_odds").bias.assign(np.log(mean / (1 - mean)).astype(np.float32))


def _plan(size, filters):
    """(maps, kernel, stride) of the convolutions from a picture to one place."""
    if size not in KERNELS:
        raise ValueError(f"size must be one of {', '.join(map(str, KERNELS))}, not {size}")
    kernels = KERNELS[size]
    widths = [min(2 ** (i + 1), 4) for i in range(len(kernels))]
    plan = [(1, 2, 1), *((w, k, 2) for w, k in zip(widths, kernels, strict=True)), (8, 4, 1)]
    return [(filters * width, kernel, stride) for width, kernel, stride in plan]


def _dense(x, width, dropout, name, use_bias=True):
    x = layers.Dropout(dropout, name=f"{name}_drop")(x)
    x = layers.Dense(width, use_bias=use_bias, kernel_initializer=_FIRST, name=name)(x)
    return relu(x, 0.02, name=f"{name}_active")


def _norm(x, name):
    return BatchNormalization(momentum=0.95, epsilon=1e-4, name=name)(x)
