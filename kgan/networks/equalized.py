"""Layers with equalised learning rate (Karras et al. 2018, section 4.1), spectral norm if wanted.

The free weight is drawn from N(0, 1), stays so and is scaled at run time. `spectral` divides the
kernel that is used by its largest singular value (Miyato et al. 2018, algorithm 1), which cancels
that scale and leaves it only in the gradient. The gradient goes through that division and through
the one power iteration of the call, as in the code of the cyclic reverse generator (Dogan, Keles
2020), but not into the stored vector: Keras' own layer passes none and overwrites the weight.

Convolutions change the size themselves, as in the authors' TensorFlow code: nearest-neighbour
doubling and a 3x3 convolution are one transposed 4x4 convolution, a 3x3 convolution and box halving
are one strided 4x4 convolution, the same function with fewer multiplications. Spectral norm is that
of the merged kernel. Variables and all work on kernels are float32 in any precision.
"""

import math

import keras
from keras import layers, ops

ROOT_2 = math.sqrt(2.0)


class _Equalized(layers.Layer):
    """A kernel drawn from N(0, 1) and multiplied by gain / sqrt(fan in) whenever it is used."""

    def __init__(self, units, gain, use_bias, spectral, **keywords):
        super().__init__(**keywords)
        self.units = units
        self.gain = gain
        self.use_bias = use_bias
        self.spectral = spectral

    def make(self, shape, fan_in):
        def weight(name, shape, initializer, **how):
            return self.add_weight(
                name=name, shape=shape, initializer=initializer, autocast=False, **how
            )

        self.scale = self.gain / math.sqrt(fan_in)
        self.kernel = weight("kernel", shape, keras.initializers.RandomNormal(0.0, 1.0))
        if self.use_bias:
            self.bias = weight("bias", (self.units,), "zeros")
        if self.spectral:
            start = keras.initializers.TruncatedNormal(0.0, 1.0)
            self.u = weight(
                "u", shape[-1:], start, trainable=False, aggregation="only_first_replica"
            )

    def divided(self, kernel, training):
        """`kernel`, over its spectral norm if that is asked for, in the compute type."""
        if self.spectral:
            rows = ops.reshape(kernel, (-1, kernel.shape[-1]))
            u = _unit(ops.stop_gradient(ops.convert_to_tensor(self.u))[:, None])
            v = _unit(ops.matmul(rows, u))
            if training:
                u = _unit(ops.matmul(ops.transpose(rows), v))
                self.u.assign(ops.stop_gradient(u[:, 0]))
            kernel = kernel / ops.sum(v * ops.matmul(rows, u))
        return ops.cast(kernel, self.compute_dtype)

    def biased(self, x):
        return x + ops.cast(self.bias, x.dtype) if self.use_bias else x

    def get_config(self):
        return {
            **super().get_config(), "gain": self.gain, "use_bias": self.use_bias,
            "spectral": self.spectral,
        }


def _neighbours(kernel, axis):
    """Sums of neighbours along an axis, one more than there were, with 0 beyond the ends.

    By padding, whose gradient is a slice; that of slices fills all the rest with zeros.
    """
    before, after = ([(0, 0)] * len(kernel.shape) for _ in range(2))
    before[axis], after[axis] = (1, 0), (0, 1)
    return ops.pad(kernel, before) + ops.pad(kernel, after)


def _unit(x):
    return x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-12)


@keras.saving.register_keras_serializable("kgan")
class EqualizedDense(_Equalized):
    """[n, k] -> [n, units] with equalised learning rate.

    Args:
        units: how many.
        gain: of the run-time scale gain / sqrt(k).
        use_bias: add a bias, which is not scaled.
        spectral: divide the kernel by its spectral norm: one power iteration in each call with
            `training=True`, from the vector `u` that the last one left (a non-trainable weight);
            the stored `u` as it is in other calls.
    """

    def __init__(self, units, gain=ROOT_2, use_bias=True, spectral=False, **keywords):
        super().__init__(units, gain, use_bias, spectral, **keywords)

    def build(self, shape):
        self.make((shape[-1], self.units), shape[-1])

    def call(self, x, training=None):
        kernel = self.divided(self.kernel * self.scale, training)
        return self.biased(ops.matmul(x, kernel))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("kgan")
class EqualizedConv2D(_Equalized):
    """A convolution with equalised learning rate, zero padding, the size kept, doubled or halved.

    Args:
        filters: maps out.
        kernel_size: odd; 3 if the size changes.
        resample: None, `"up"` (nearest neighbours first) or `"down"` (means of 2x2 after). The
            kernel of `"up"` is [k, k, out, in] and lies mirrored.
        gain, use_bias, spectral: as `EqualizedDense`; the matrix whose norm is taken has a column
            for each entry of the last axis of the kernel.
    """

    def __init__(
        self, filters, kernel_size, resample=None, gain=ROOT_2, use_bias=True, spectral=False,
        **keywords,
    ):
        super().__init__(filters, gain, use_bias, spectral, **keywords)
        if resample not in (None, "up", "down"):
            raise ValueError(f"resample must be None, up or down, not {resample!r}")
        self.kernel_size = kernel_size
        self.resample = resample

    def build(self, shape):
        maps = (self.units, shape[-1]) if self.resample == "up" else (shape[-1], self.units)
        size = self.kernel_size
        self.make((size, size, *maps), size**2 * shape[-1])

    def call(self, x, training=None):
        kernel = self.kernel * self.scale
        if self.resample:
            kernel = _neighbours(_neighbours(kernel, 0), 1)
        if self.resample == "down":
            kernel = 0.25 * kernel
        kernel = self.divided(kernel, training)
        if self.resample == "up":
            return self.biased(ops.conv_transpose(x, kernel, 2, padding="same"))
        return self.biased(ops.conv(x, kernel, 2 if self.resample else 1, padding="same"))

    def get_config(self):
        return {
            **super().get_config(), "filters": self.units, "kernel_size": self.kernel_size,
            "resample": self.resample,
        }
