"""StarGAN's networks (Choi et al. 2018, appendix; where it is silent, the authors' PyTorch code).

A generator that takes a picture and the labels that its result should have, and a discriminator
that says how real a picture is and which labels it shows. Padding is by zeros: instance norm
removes what a map has everywhere, so in a reflected frame the labels, which are maps of one value,
would be removed by the first norm. Weights begin as PyTorch leaves them, uniform within
1/sqrt(fan in), biases at 0 (there: as the weights).
"""

import keras
from keras import layers, ops

from kgan.networks.generators import Blend
from kgan.networks.layers import InstanceNormalization

_UNIFORM = {
    "class_name": "VarianceScaling",
    "config": {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"},
}


@keras.saving.register_keras_serializable("kgan")
class JoinLabels(layers.Layer):
    """Adds labels to a picture, each as a map of its value.

    Input: the picture [n, h, w, c] and labels [n, k]. Output [n, h, w, c + k].
    """

    def call(self, picture, labels):
        maps = ops.zeros_like(picture[..., :1]) + labels[:, None, None, :]
        return ops.concatenate([picture, maps], axis=-1)


def stargan_generator(name, labels, *, filters=64, blocks=6, channels=3, blend=False):
    """The generator: `c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-3`.

    4x4 kernels where the size changes, affine instance norm, no bias. 8,430,528 parameters with 5
    labels.

    Args:
        name: of the network.
        labels: how many labels it takes.
        filters: maps of the first layer.
        blocks: residual blocks.
        channels: of the pictures.
        blend: end in `Blend` (our addition) instead of tanh.

    Returns:
        A functional `keras.Model`: `[picture [n, h, w, channels], labels [n, labels]]` -> float32
        [n, h, w, channels] in [-1, 1]; sides must be multiples of 4.
    """
    picture = keras.Input((None, None, channels), name="picture")
    wanted = keras.Input((labels,), name="labels")
    x = _norm(_conv(JoinLabels()(picture, wanted), filters, 7))
    for width in (2 * filters, 4 * filters):
        x = _norm(_conv(x, width, 4, 2))
    for _ in range(blocks):
        y = _norm(_conv(x, 4 * filters, 3))
        x = layers.Add()([x, _norm(_conv(y, 4 * filters, 3), relu=False)])
    for width in (2 * filters, filters):
        x = layers.Conv2DTranspose(
            width, 4, 2, padding="same", use_bias=False, kernel_initializer=_UNIFORM
        )(x)
        x = _norm(x)
    x = _conv(x, channels + int(blend), 7)
    if blend:
        output = Blend(name="blend")(picture, x)
    else:
        output = layers.Activation("tanh", dtype="float32")(x)
    return keras.Model([picture, wanted], output, name=name)


def stargan_discriminator(name, labels, *, size=128, filters=64, strided=6, channels=3):
    """The discriminator: strided 4x4 convolutions with LeakyReLU 0.01, no norm, and two heads.

    The maps double in each layer. 44,762,048 parameters with 5 labels.

    Args:
        name: of the network.
        labels: how many labels it tells.
        size: side of the pictures, a multiple of `2**strided`.
        filters: maps of the first layer.
        strided: how many layers.
        channels: of the pictures.

    Returns:
        A functional `keras.Model`: [n, size, size, channels] -> (how real each part is, float32
        [n, s, s, 1] with s = size / 2**strided, any value; logits of the labels, float32
        [n, labels]).
    """
    picture = keras.Input((size, size, channels), name="picture")
    x = picture
    for i in range(strided):
        x = _conv(x, filters * 2**i, 4, 2, use_bias=True)
        x = layers.LeakyReLU(negative_slope=0.01)(x)
    real = layers.Activation("linear", dtype="float32", name="real")(_conv(x, 1, 3))
    logits = layers.Flatten()(_conv(x, labels, size // 2**strided, padding="valid"))
    logits = layers.Activation("linear", dtype="float32", name="logits")(logits)
    return keras.Model(picture, [real, logits], name=name)


def _conv(x, filters, kernel, stride=1, *, padding="same", use_bias=False):
    # On even sides "same" pads a strided 4x4 by one pixel all around, as PyTorch does.
    return layers.Conv2D(
        filters, kernel, stride, padding=padding, use_bias=use_bias, kernel_initializer=_UNIFORM
    )(x)


def _norm(x, relu=True):
    x = InstanceNormalization(affine=True)(x)
    return layers.ReLU()(x) if relu else x
