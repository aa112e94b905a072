"""SRResNet and the discriminator of SRGAN (Ledig et al. 2017, figure 4).

Kernels, maps and strides are the figure's. PReLU has one slope a layer. What the text leaves open
is ours: first weights by He et al. 2015 (those of the last layer a tenth of that, so that the first
results are not far off), slopes that begin at 0.25 as there, batch norm with an epsilon of 1e-5, no
activation at the end. Layers have names: numbers that Keras counts on decide in which order
TensorFlow adds up, and a run that is resumed beside another would differ in its last bits.
"""

import math

import keras
import tensorflow as tf
from keras import layers

from kgan.networks.blocks import HE, conv, leaky, logits
from kgan.networks.dcgan import BatchNormalization

TENTH = {"class_name": "VarianceScaling", "config": {"scale": 0.02, "mode": "fan_in"}}


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


@keras.saving.register_keras_serializable("kgan")
class PReLU(layers.PReLU):
    """Keras' PReLU of one slope for all maps (`shared_axes=[1, 2, 3]`), faster on a CPU.

    Its gradient passes over the maps three times less, and what the slope pays is a product of
    matrices, which adds up in float32 whatever the maps are.
    """

    def call(self, x):
        return _sloped(x, tf.convert_to_tensor(self.alpha))


@tf.custom_gradient
def _sloped(x, slope):
    """Maps [n, h, w, c], times the slope [1, 1, 1] where they are below 0."""
    factor = tf.cast(slope, x.dtype)

    def gradient(g):
        above = tf.raw_ops.ReluGrad(gradients=g, features=x)
        below = g - above
        rows = [tf.reshape(maps, (-1, x.shape[-1])) for maps in (below, x)]
        paid = tf.linalg.trace(tf.cast(tf.matmul(*rows, transpose_a=True), slope.dtype))
        return above + factor * below, tf.reshape(paid, slope.shape)

    return tf.where(x > 0, x, factor * x), gradient


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
    def same(x, width, kernel, name, first=HE):
        return conv(x, width, kernel, padding="same", first=first, name=name)

    picture = keras.Input((None, None, 3), name="picture")
    x = layers.Rescaling(0.5, 0.5, name="unit_range")(picture)  # low resolution is in [0, 1]
    x = first = _prelu(same(x, filters, 9, "first_conv"), "first_slope")
    for i in range(1, blocks + 1):
        y = _norm(same(x, filters, 3, f"block{i}_conv1"), f"block{i}_norm1")
        y = same(_prelu(y, f"block{i}_slope"), filters, 3, f"block{i}_conv2")
        x = layers.Add(name=f"block{i}")([x, _norm(y, f"block{i}_norm2", first="zeros")])
    x = _norm(same(x, filters, 3, "trunk_conv"), "trunk_norm", first="zeros")
    x = layers.Add(name="trunk")([first, x])
    for i in range(1, int(math.log2(scale)) + 1):
        x = PixelShuffle(2, name=f"double{i}")(same(x, 4 * filters, 3, f"double{i}_conv"))
        x = _prelu(x, f"double{i}_slope")
    x = same(x, 3, 9, "last_conv", TENTH)
    return keras.Model(picture, logits(x, name="larger"), name=name)


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
    for i in range(1, 9):
        x = conv(x, filters * 2 ** ((i - 1) // 2), 3, 2 - i % 2, padding="same", first=HE,
                 name=f"conv{i}")
        x = leaky(_norm(x, f"norm{i}") if i > 1 else x, name=f"active{i}")
    x = layers.Flatten(name="flatten")(x)
    x = leaky(layers.Dense(16 * filters, kernel_initializer=HE, name="dense")(x), name="active9")
    x = layers.Dense(1, kernel_initializer="glorot_uniform", name="logit")(x)
    return keras.Model(picture, logits(x, name="output"), name=name)


def _norm(x, name, first="ones"):
    """Batch norm; `first` are its first scales."""
    return BatchNormalization(epsilon=1e-5, gamma_initializer=first, name=name)(x)


def _prelu(x, name):
    return PReLU(
        alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2, 3], name=name
    )(x)
