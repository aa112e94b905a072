"""Generators: picture in, picture out, both float32 in [-1, 1]."""

import keras
from keras import layers, ops

from kgan.networks.blocks import conv, norm, norm_relu, padded_conv, relu, transposed_conv
from kgan.networks.layers import CropFirst, ReflectionPadding2D


def residual(x, filters):
    """`R`: two 3x3 convolutions with instance norm, added to what they are given."""
    y = norm_relu(conv(ReflectionPadding2D(1)(x), filters, 3))
    y = norm(conv(ReflectionPadding2D(1)(y), filters, 3))
    return layers.Add()([x, y])


def doubled(x, filters, upsample):
    """Twice the size: the paper's transposed convolution, or nearest neighbours and a convolution.

    The second never makes a checkerboard (Odena et al. 2016).
    """
    if upsample == "nearest":
        return conv(ReflectionPadding2D(1)(layers.UpSampling2D(2)(x)), filters, 3)
    return CropFirst()(transposed_conv(x, filters, 3, padding="valid"))


@keras.saving.register_keras_serializable("kgan")
class Blend(layers.Layer):
    """`mask * change + (1 - mask) * picture`: a generator that edits instead of drawing anew.

    Input: the picture [n, h, w, c] and maps [n, h, w, c + 1], the change before its tanh and the
    mask before its sigmoid. Output float32 [n, h, w, c].
    """

    def __init__(self, **keywords):
        super().__init__(**{**keywords, "dtype": "float32"})

    def call(self, picture, maps):
        change, mask = ops.tanh(maps[..., :-1]), ops.sigmoid(maps[..., -1:])
        return mask * change + (1.0 - mask) * picture


def drawn(picture, maps, blend):
    """The picture that a generator makes of its last maps: their tanh, or what `Blend` makes."""
    if blend:
        return Blend(name="blend")(picture, maps)
    return layers.Activation("tanh", dtype="float32")(maps)


def resnet_generator(
    name, *, filters=64, blocks=9, channels_in=3, channels_out=3, upsample="transpose", blend=False
):
    """The ResNet generator of CycleGAN (Zhu et al. 2017, section 7.2; after Johnson et al. 2016).

    `c7s1-64, d128, d256, R256 x blocks, u128, u64, c7s1-3`, instance norm, reflection padding in
    the 7x7 and the residual convolutions, convolutions keep their bias. Padding and cropping follow
    the PyTorch code to the pixel, so that its weights would fit. 11,378,179 parameters with 9
    blocks, 7,837,699 with 6.

    Args:
        name: of the network.
        filters: maps of the first layer.
        blocks: residual blocks.
        channels_in, channels_out: of the pictures.
        upsample: `"transpose"` (the paper's) or `"nearest"`.
        blend: end in `Blend` (our addition) instead of tanh; needs as many channels out as in.

    Returns:
        A functional `keras.Model`: [n, h, w, channels_in] -> [n, h, w, channels_out] in [-1, 1];
        sides must be multiples of 4 and at least 8.
    """
    picture = keras.Input((None, None, channels_in), name="picture")
    x = norm_relu(conv(ReflectionPadding2D(3)(picture), filters, 7))
    for width in (2 * filters, 4 * filters):
        x = norm_relu(padded_conv(x, width, 3, 2))
    for _ in range(blocks):
        x = residual(x, 4 * filters)
    for width in (2 * filters, filters):
        x = norm_relu(doubled(x, width, upsample))
    x = conv(ReflectionPadding2D(3)(x), channels_out + int(blend), 7)
    return keras.Model(picture, drawn(picture, x, blend), name=name)


def plain_generator(
    name, *, filters=32, downsamplings=3, blocks=7, channels=3, upsample="transpose", blend=False
):
    """The generator of perceptual discriminators (Sungatullina et al. 2018, the authors' code).

    `c7s1-32`, 4x4 convolutions of stride 2 to 64, 128, 256, residual blocks, 4x4 transposed
    convolutions back, a 7x7 convolution, tanh; zero padding and no normalisation at all; the first
    and the last convolution have no bias. 9,647,456 parameters as it stands (faces), 2,993,888 with
    two downsamplings and 9 blocks (Monet).

    Args:
        name: of the network.
        filters: maps of the first layer; they double with each downsampling.
        downsamplings: the sides must be multiples of 2 to this power.
        blocks: residual blocks.
        channels: of the pictures.
        upsample: `"transpose"` (the paper's) or `"nearest"`, then a 3x3 convolution.
        blend: end in `Blend` (our addition) instead of tanh.

    Returns:
        A functional `keras.Model`: [n, h, w, channels] -> the same in [-1, 1].
    """
    def double(x, width):
        if upsample == "nearest":
            return conv(layers.UpSampling2D(2)(x), width, 3, padding="same")
        return transposed_conv(x, width, 4)

    picture = keras.Input((None, None, channels), name="picture")
    widths = [filters * 2**i for i in range(downsamplings + 1)]
    x = relu(conv(picture, widths[0], 7, padding="same", use_bias=False))
    for width in widths[1:]:
        x = relu(conv(x, width, 4, 2, padding="same"))
    for _ in range(blocks):
        y = relu(conv(x, widths[-1], 3, padding="same"))
        x = layers.Add()([x, conv(y, widths[-1], 3, padding="same")])
    for width in reversed(widths[:-1]):
        x = relu(double(x, width))
    x = conv(x, channels + int(blend), 7, padding="same", use_bias=False)
    return keras.Model(picture, drawn(picture, x, blend), name=name)
