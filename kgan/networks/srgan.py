"""SRResNet and the discriminator of SRGAN (Ledig et al. 2017, figure 4).

Kernels, maps and strides are the figure's. PReLU has one slope a layer. What the text leaves open
is ours: first weights by He et al. 2015, slopes that begin at 0.25 as there, batch norm with an
epsilon of 1e-5, no activation at the end.
"""

import math

import keras
import tensorflow as tf
from keras import layers

from kgan.networks.blocks import HE, conv, leaky, logits
from kgan.networks.dcgan import BatchNormalization


@keras.saving.register_keras_serializable("kgan")
class PixelShuffle(layers.Layer):
    """Maps [n, h, w, c r^2] to [n, r h, r w, c] (Shi et al. 2016, eq. 4).

    Map c of pixel (r y + i, r x + j) is map (r i + j) c_out + c of (y, x), as the equation has it.
    PyTorch's layer takes them in another order; weights from there are to be sorted.

    Args:
        factor: r.
    """

    def __init__(self, factor, **keywords):
        super().__init__(**keywords)
        self.factor = factor

    def call(self, x):
        return tf.nn.depth_to_space(x, self.factor)

    def compute_output_shape(self, shape):
        n, h, w, c = shape
        larger = (None if side is None else self.factor * side for side in (h, w))
        return n, *larger, c // self.factor**2

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def srresnet(name, *, scale=4, filters=64, blocks=16):
    """The generator: residual blocks at low resolution, then sub-pixel convolutions.

    1,549,462 trainable parameters as it stands.

    Args:
        name: of the network.
        scale: how many times as large the result is, a power of two.
        filters: maps of all layers but the sub-pixel convolutions, which have four times as many.
        blocks: residual blocks.

    Returns:
        A functional `keras.Model`: float [n, h, w, 3] in [-1, 1] -> float32
        [n, scale h, scale w, 3], about in [-1, 1].
    """
    def same(x, width, kernel):
        return conv(x, width, kernel, padding="same", first=HE)

    picture = keras.Input((None, None, 3), name="picture")
    x = layers.Rescaling(0.5, 0.5, name="unit_range")(picture)  # low resolution is in [0, 1]
    x = first = _prelu(same(x, filters, 9))
    for _ in range(blocks):
        y = _prelu(_norm(same(x, filters, 3)))
        x = layers.Add()([x, _norm(same(y, filters, 3))])
    x = layers.Add()([first, _norm(same(x, filters, 3))])
    for _ in range(int(math.log2(scale))):
        x = _prelu(PixelShuffle(2)(same(x, 4 * filters, 3)))
    return keras.Model(picture, logits(same(x, 3, 9), name="larger"), name=name)


def srgan_discriminator(name, *, size=96, filters=64):
    """The discriminator: eight 3x3 convolutions, every other of stride 2, two dense layers.

    23,565,505 trainable parameters as it stands. Call it with `training=True` in a step, for real
    and fake pictures apart.

    Args:
        name: of the network.
        size: side of the pictures.
        filters: maps of the first layer; they double three times.

    Returns:
        A functional `keras.Model`: [n, size, size, 3] -> float32 logits [n, 1].
    """
    x = picture = keras.Input((size, size, 3), name="picture")
    for i in range(8):
        x = conv(x, filters * 2 ** (i // 2), 3, 1 + i % 2, padding="same", first=HE)
        x = leaky(_norm(x) if i else x)
    x = leaky(layers.Dense(16 * filters, kernel_initializer=HE)(layers.Flatten()(x)))
    x = layers.Dense(1, kernel_initializer="glorot_uniform", name="logit")(x)
    return keras.Model(picture, logits(x, name="output"), name=name)


def _norm(x):
    return BatchNormalization(epsilon=1e-5)(x)


def _prelu(x):
    return layers.PReLU(
        alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2, 3]
    )(x)
