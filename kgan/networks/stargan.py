"""StarGAN's networks (Choi et al. 2018, appendix; where it is silent, the authors' PyTorch code).

A generator that takes a picture and the labels that its result should have, and a discriminator
that says how real a picture is and which labels it shows. Padding is by zeros: instance norm
removes what a map has everywhere, so in a reflected frame the labels, which are maps of one value,
would be removed by the first norm. Weights begin as PyTorch leaves them, uniform within
1/sqrt(fan in), biases at 0 (there: as the weights).
"""

import keras
from keras import layers, ops

from kgan.networks.blocks import conv, logits, norm, norm_relu, relu, transposed_conv
from kgan.networks.generators import drawn

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
    x = norm_relu(_conv(JoinLabels()(picture, wanted), filters, 7), affine=True)
    for width in (2 * filters, 4 * filters):
        x = norm_relu(_conv(x, width, 4, 2), affine=True)
    for _ in range(blocks):
        y = norm_relu(_conv(x, 4 * filters, 3), affine=True)
        x = layers.Add()([x, norm(_conv(y, 4 * filters, 3), affine=True)])
    for width in (2 * filters, filters):
        x = transposed_conv(x, width, 4, first=_UNIFORM, use_bias=False)
        x = norm_relu(x, affine=True)
    x = _conv(x, channels + int(blend), 7)
    return keras.Model([picture, wanted], drawn(picture, x, blend), name=name)


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
        x = relu(_conv(x, filters * 2**i, 4, 2, use_bias=True), 0.01)
    real = logits(_conv(x, 1, 3), name="real")
    seen = layers.Flatten()(_conv(x, labels, size // 2**strided, padding="valid"))
    return keras.Model(picture, [real, logits(seen, name="logits")], name=name)


def _conv(x, filters, kernel, stride=1, *, padding="same", use_bias=False):
    # On even sides "same" pads a strided 4x4 by one pixel all around, as PyTorch does.
    return conv(x, filters, kernel, stride, padding=padding, use_bias=use_bias, first=_UNIFORM)
