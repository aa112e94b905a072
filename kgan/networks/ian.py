"""The networks of introspective adversarial networks (Brock, Lim, Ritchie, Weston 2017).

Layers, widths and first weights, N(0, 0.02), are those of the authors' code for 64 px: 5x5 kernels
of stride 2, batch norm (epsilon 1e-4, momentum 0.9) between a layer without biases and its
activation. The discriminator and the encoder are a trunk that they share and a head each.

The authors' code has an inverse autoregressive flow between codes and the decoder whose weights are
drawn once and never trained: `RandomFlow`, here a part of the decoder. Its masks leave each number
of a code to a linear function of those before it and to hidden units that see the first one alone.

Other sizes than 64 px have larger or smaller maps to begin from (ours).
"""

import math

import keras
import numpy as np
from keras import layers, ops

from kgan.networks.blocks import conv, leaky, logits, relu, transposed_conv
from kgan.networks.dcgan import BatchNormalization
from kgan.networks.layers import NORMAL_002

COLOUR_SCALES = (2, 3, 4)  # of the layers that make colours


@keras.saving.register_keras_serializable("kgan")
class MultiscaleConv2D(layers.Layer):
    """One 3x3 kernel at several dilations, the results added up (section 3.3).

    Each dilation and the kernel as it is have a learned coefficient for each map, at first one over
    how many there are. No biases, zero padding.

    Args:
        filters: maps out.
        scales: dilations; 0 = the kernel's mean as a 1x1 kernel.
    """

    def __init__(self, filters, scales, **keywords):
        super().__init__(**keywords)
        self.filters, self.scales = filters, tuple(scales)

    def build(self, shape):
        count = 1 + len(self.scales)
        self.kernel = self.add_weight(
            name="kernel", shape=(3, 3, shape[-1], self.filters), initializer=NORMAL_002)
        self.coefficients = self.add_weight(
            name="coefficients", shape=(count, self.filters),
            initializer=keras.initializers.Constant(1.0 / count))

    def call(self, x):
        kernel, (own, *shares) = self.kernel, ops.unstack(self.coefficients, axis=0)
        undilated, made = kernel * own, []
        for scale, share in zip(self.scales, shares, strict=True):
            if scale:
                made.append(ops.conv(x, kernel * share, padding="same", dilation_rate=scale))
            else:  # a 1x1 kernel is the middle of a 3x3 one
                mean = ops.mean(kernel, axis=(0, 1), keepdims=True) * share
                undilated += ops.pad(mean, ((1, 1), (1, 1), (0, 0), (0, 0)))
        return sum(made, ops.conv(x, undilated, padding="same"))

    def compute_output_shape(self, shape):
        return *shape[:-1], self.filters

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "scales": self.scales}


@keras.saving.register_keras_serializable("kgan")
class MinibatchDiscrimination(layers.Layer):
    """Adds to features how near those of the other rows of a batch are (Salimans et al. 2016).

    Distances are L1 in `dims` numbers of each kernel, closeness is the sum of exp(-distance) over
    the other rows, and a bias that begins at -1. Kernels are normalised and have a learned scale.

    Args:
        kernels: how many numbers are added.
        dims: see above.
    """

    def __init__(self, kernels, dims=5, **keywords):
        super().__init__(**{"dtype": "float32", **keywords})
        self.kernels, self.dims = kernels, dims

    def build(self, shape):
        self.theta = self.add_weight(
            name="theta", shape=(shape[-1], self.kernels, self.dims),
            initializer=keras.initializers.RandomNormal(0.0, 0.05))
        self.log_scale = self.add_weight(
            name="log_scale", shape=(self.kernels, self.dims), initializer="zeros")
        self.bias = self.add_weight(
            name="bias", shape=(self.kernels,), initializer=keras.initializers.Constant(-1.0))

    def call(self, x):
        length = ops.sqrt(ops.sum(ops.square(self.theta), axis=0))
        seen = ops.tensordot(x, self.theta * (ops.exp(self.log_scale) / length), [[1], [0]])
        apart = ops.sum(ops.abs(seen[:, None] - seen[None]), axis=-1)
        itself = 1e6 * ops.eye(ops.shape(x)[0])[:, :, None]
        return ops.concatenate([x, ops.sum(ops.exp(-apart - itself), axis=1) + self.bias], -1)

    def compute_output_shape(self, shape):
        return *shape[:-1], shape[-1] + self.kernels

    def get_config(self):
        return {**super().get_config(), "kernels": self.kernels, "dims": self.dims}


@keras.saving.register_keras_serializable("kgan")
class RandomFlow(layers.Layer):
    """(z - m(z)) / exp(s(z)), where number i of m and s follows from the numbers before it.

    m and s are random functions: weights as Glorot and Bengio draw them, which nobody trains. Codes
    [n, latent] in and out, float32.
    """

    def __init__(self, **keywords):
        super().__init__(**{"dtype": "float32", **keywords})

    def build(self, shape):
        latent = shape[-1]
        limit = math.sqrt(3.0 / latent)  # sqrt(6 / (in + out))

        def weight(name, *shape):
            return self.add_weight(
                name=name, shape=shape, trainable=False, aggregation="only_first_replica",
                initializer=keras.initializers.RandomUniform(-limit, limit))

        self.direct = weight("direct", 2, latent, latent)
        self.into, self.out = weight("into", 2, 1, latent), weight("out", 2, latent, latent)
        self.before = np.triu(np.ones((latent, latent), np.float32), 1)  # [from, to]
        self.later = (np.arange(latent) > 0).astype(np.float32)

    def call(self, z):
        first = z[:, :1]
        shift, log_scale = (
            ops.matmul(z, self.direct[i] * self.before)
            + ops.matmul(ops.relu(ops.matmul(first, self.into[i])), self.out[i]) * self.later
            for i in range(2)
        )
        return (z - shift) * ops.exp(-log_scale)

    def compute_output_shape(self, shape):
        return shape


@keras.saving.register_keras_serializable("kgan")
class BetaMean(layers.Layer):
    """2 a / (a + b + 1e-8) - 1 of maps [..., (a, b)]: the mean of a beta distribution, [-1, 1]."""

    def __init__(self, **keywords):
        super().__init__(**{"dtype": "float32", **keywords})

    def call(self, x):
        return 2.0 * x[..., :1] / (ops.sum(x, axis=-1, keepdims=True) + 1e-8) - 1.0

    def compute_output_shape(self, shape):
        return *shape[:-1], 1


def ian_trunk(name, *, size=64, filters=128):
    """What discriminator and encoder share: four strided convolutions.

    17,216,512 trainable parameters as it stands.

    Args:
        name: of the network.
        size: side of the pictures, a multiple of 16.
        filters: maps of the first layer; they double with each.

    Returns:
        A functional `keras.Model`: [n, size, size, 3] -> the four maps, the last one
        [n, size / 16, size / 16, 8 filters].
    """
    x = picture = keras.Input((size, size, 3), name="picture")
    found = []
    for i in range(4):
        x = conv(x, filters * 2**i, 5, 2, padding="same", use_bias=not i, name=f"conv{i + 1}")
        x = leaky(_norm(x, f"norm{i + 1}") if i else x, name=f"active{i + 1}")
        found.append(x)
    return keras.Model(picture, found, name=name)


def ian_encoder_head(name, shape, *, latent=100, units=1000):
    """The trunk's last maps to a distribution of codes. 16,586,400 parameters as published.

    Args:
        name: of the network.
        shape: of the maps, (h, w, c).
        latent: numbers of a code.
        units: of the hidden layer.

    Returns:
        A functional `keras.Model`: maps -> float32 (mean, log of the deviation), each [n, latent].
    """
    maps = keras.Input(shape, name="maps")
    x = _dense(layers.Flatten(name="flatten")(maps), units, "hidden")
    x = relu(_norm(x, "hidden_norm"), name="hidden_active")
    found = [logits(_norm(_dense(x, latent, word), f"{word}_norm"), f"{word}_out")
             for word in ("mean", "log_deviation")]
    return keras.Model(maps, found, name=name)


def ian_discriminator_head(name, shape, *, kernels=500):
    """The trunk's last maps to real, reconstructed, drawn. 2,567,572 parameters as published.

    Args:
        name: of the network.
        shape: of the maps, (h, w, c).
        kernels: of minibatch discrimination.

    Returns:
        A functional `keras.Model`: maps -> float32 logits [n, 3].
    """
    maps = keras.Input(shape, name="maps")
    x = layers.GlobalAveragePooling2D(name="pool", dtype="float32")(maps)
    x = MinibatchDiscrimination(kernels, name="minibatch")(x)
    x = layers.Dense(3, use_bias=False, kernel_initializer=NORMAL_002, dtype="float32",
                     name="logits")(x)
    return keras.Model(maps, x, name=name)


def ian_decoder(name, *, size=64, latent=100, filters=128, flow=True):
    """Codes to pictures: transposed convolutions with multiscale blocks between them.

    Colours are made one after the other, each by two maps that are a beta distribution. 18,099,476
    trainable parameters as it stands.

    Args:
        name: of the network.
        size: side of the pictures, a multiple of 16.
        latent: numbers of a code.
        filters: maps of the last layers; the first ones have four times as many.
        flow: whether codes go through a `RandomFlow` first.

    Returns:
        A functional `keras.Model`: [n, latent] -> float32 [n, size, size, 3] in [-1, 1].
    """
    side = size // 16
    code = keras.Input((latent,), name="code")
    x = RandomFlow(name="flow")(code) if flow else code
    x = layers.Dense(side * side * 4 * filters, kernel_initializer=NORMAL_002, name="dense")(x)
    x = layers.Reshape((side, side, 4 * filters), name="maps")(leaky(x, name="dense_active"))
    wide = ((4, (0, 2)), (2, (0, 2, 3)), (1, (0, 2, 3)))
    for i, (width, scales) in enumerate(wide, 1):
        x = transposed_conv(x, width * filters, 5, use_bias=False, name=f"up{i}")
        x = _norm(x, f"norm{i}", center=False)  # norms of the block would take a shift away again
        x = _block(x, scales, f"block{i}")
    x = transposed_conv(x, filters, 5, use_bias=False, name="up4")
    x = leaky(_norm(x, "norm4"), name="active4")
    return keras.Model(code, _colours(x), name=name)


def _block(x, scales, name):
    """A residual block of two multiscale convolutions, norm and activation before each and after
    the sum."""
    y, width = x, x.shape[-1]
    for i in (1, 2):
        y = leaky(_norm(y, f"{name}_norm{i}"), name=f"{name}_active{i}")
        y = MultiscaleConv2D(width, scales, name=f"{name}_multiscale{i}")(y)
    x = layers.Add(name=f"{name}_sum")([x, y])
    return leaky(_norm(x, f"{name}_norm3"), name=f"{name}_active3")


def _colours(x):
    def multiscale(x, name):
        return MultiscaleConv2D(2, COLOUR_SCALES, name=name)(x)

    def beta(x, name):
        return layers.Activation("sigmoid", name=name, dtype="float32")(x)

    red = beta(multiscale(x, "red_maps"), "red")
    green = layers.Add(name="green_sum")([multiscale(x, "green_maps"), multiscale(red, "of_red")])
    green = beta(green, "green")
    both = layers.Concatenate(name="red_green")([red, green])
    blue = layers.Add(name="blue_sum")([multiscale(x, "blue_maps"), multiscale(both, "of_both")])
    found = [BetaMean(name=f"{word}_mean")(maps)
             for word, maps in (("red", red), ("green", green), ("blue", beta(blue, "blue")))]
    return layers.Concatenate(name="picture", dtype="float32")(found)


def _norm(x, name, center=True):
    return BatchNormalization(epsilon=1e-4, momentum=0.9, center=center, name=name)(x)


def _dense(x, units, name):
    return layers.Dense(units, use_bias=False, kernel_initializer=NORMAL_002, name=name)(x)
