"""The networks of BiGAN (Donahue, Krähenbühl, Darrell 2017), those of the authors' code at 64 px.

Kernels begin as N(0, 0.02); no biases but those of batch norm (momentum 0.9 and epsilon 1e-5, ours:
the code takes its statistics from passes after the training). A code enters every layer of the
generator but the last, and every layer of the discriminator but the first: as a linear map of it,
added to each map before batch norm, whose weights begin as N(0, 0.02 k^2), k the side of the
layer's kernel. Padding is TensorFlow's "same"; other sizes than 64 px are ours.
"""

import keras
from keras import layers, ops

from kgan.networks.blocks import conv, leaky, logits, relu, transposed_conv
from kgan.networks.dcgan import BatchNormalization, halving_widths
from kgan.networks.layers import NORMAL_002


@keras.saving.register_keras_serializable("kgan")
class HalvesConv2D(layers.Layer):
    """A convolution in two groups, stride 1, zeros around, no bias.

    As two convolutions and not by `groups`, for which TensorFlow has no kernel on CPUs.

    Args:
        filters: maps of the result, an even number.
        kernel: its side.
    """

    def __init__(self, filters, kernel, **keywords):
        super().__init__(**keywords)
        self.filters, self.side = filters, kernel

    def build(self, shape):
        self.kernel = self.add_weight(
            shape=(self.side, self.side, shape[-1] // 2, self.filters),
            initializer=keras.initializers.get(NORMAL_002), name="kernel",
        )

    def call(self, x):
        halves = zip(ops.split(x, 2, axis=-1), ops.split(self.kernel, 2, axis=-1), strict=True)
        return ops.concatenate([ops.conv(y, w, padding="same") for y, w in halves], axis=-1)

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "kernel": self.side}


def bigan_generator(name, *, size=64, latent=200, filters=64):
    """Dense to 4x4 maps, 5x5 transposed convolutions, ReLU, a sigmoid.

    Args:
        name: of the network.
        size: side of the pictures, a power of two from 16 up.
        latent: numbers of a code.
        filters: maps before the last layer; they double towards the code, up to eight times that.

    Returns:
        A functional `keras.Model`: codes [n, latent] -> float32 [n, size, size, 3] in [-1, 1].
    """
    code = keras.Input((latent,), name="z")
    *others, first = halving_widths(size, filters)
    x = _dense(code, 16 * first, "project")
    x = relu(_norm(x, "norm1"), name="active1")  # each place by itself
    x = layers.Reshape((4, 4, first), name="maps")(x)
    for i, width in enumerate(reversed(others), 2):
        x = transposed_conv(x, width, 5, use_bias=False, name=f"conv{i}")
        x = relu(_norm(_with_code(x, code, i), f"norm{i}"), name=f"active{i}")
    x = transposed_conv(x, 3, 5, use_bias=False, name="colours")
    return keras.Model(code, _from_sigmoid(x, "picture"), name=name)


def bigan_encoder(name, *, size=64, latent=200, filters=96):
    """The convolutions of AlexNet, LeakyReLU 0.2, batch norm from the second on, one dense layer.

    The second, fourth and fifth are in two groups. The code comes out of a sigmoid that is brought
    to [-1, 1], the range of the prior.

    Args:
        filters: maps of the first layer, a multiple of 6; the others have 8/3, 4, 4 and 8/3 times
            as many.
        name, size, latent: as `bigan_generator`.

    Returns:
        A functional `keras.Model`: [n, size, size, 3] -> float32 codes [n, latent] in [-1, 1].
    """
    if filters % 6:
        raise ValueError(f"filters must be a multiple of 6, not {filters}")
    third = 8 * filters // 3
    x = picture = keras.Input((size, size, 3), name="picture")
    x = conv(x, filters, 11, 4, padding="same", use_bias=False, name="conv1")
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool1")(leaky(x, name="active1"))
    x = HalvesConv2D(third, 5, name="conv2")(x)
    x = leaky(_norm(x, "norm2"), name="active2")
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool2")(x)
    x = conv(x, 4 * filters, 3, padding="same", use_bias=False, name="conv3")
    for i, width in ((4, 4 * filters), (5, third)):
        x = leaky(_norm(x, f"norm{i - 1}"), name=f"active{i - 1}")
        x = HalvesConv2D(width, 3, name=f"conv{i}")(x)
    x = layers.Flatten(name="flatten")(leaky(_norm(x, "norm5"), name="active5"))
    return keras.Model(picture, _from_sigmoid(_dense(x, latent, "latent"), "z"), name=name)


def bigan_discriminator(name, *, size=64, latent=200, filters=64):
    """5x5 convolutions of stride 2, LeakyReLU 0.2, to all but the first of which the code is added.

    Args:
        filters: maps of the first layer; they double up to eight times that.
        name, size, latent: as `bigan_generator`.

    Returns:
        A functional `keras.Model`: [[n, size, size, 3] in [-1, 1], [n, latent]] -> float32 logits
        [n, 1]. Pairs of each kind by themselves: batch norm mixes what is called together.
    """
    picture, code = keras.Input((size, size, 3), name="picture"), keras.Input((latent,), name="z")
    x = picture
    for i, width in enumerate(halving_widths(size, filters), 1):
        x = conv(x, width, 5, 2, padding="same", use_bias=False, name=f"conv{i}")
        x = leaky(_norm(_with_code(x, code, i), f"norm{i}") if i > 1 else x, name=f"active{i}")
    x = layers.Flatten(name="flatten")(x)
    return keras.Model([picture, code], logits(_dense(x, 1, "logit"), name="output"), name=name)


def _with_code(x, code, i):
    """Maps of a 5x5 convolution with a linear map of the code added to each."""
    first = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.02 * 5**2}}
    width = x.shape[-1]
    y = layers.Dense(width, use_bias=False, kernel_initializer=first, name=f"code{i}")(code)
    return layers.Add(name=f"sum{i}")([x, layers.Reshape((1, 1, width), name=f"code{i}_map")(y)])


def _dense(x, width, name):
    return layers.Dense(width, use_bias=False, kernel_initializer=NORMAL_002, name=name)(x)


def _from_sigmoid(x, name):
    """A sigmoid, brought from [0, 1] to [-1, 1], float32."""
    x = layers.Activation("sigmoid", dtype="float32", name="from_0_to_1")(x)
    return layers.Rescaling(2.0, -1.0, dtype="float32", name=name)(x)


def _norm(x, name):
    return BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)
