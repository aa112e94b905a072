"""The progressive GAN's networks (Karras et al. 2018), as the cyclic reverse generator used them.

Generator and discriminator grow from pictures of 4x4, level by level: level l has 4 * 2^l px, a new
one is faded in by `alpha`. Layout and numbers are those of the authors' TensorFlow code; with
`spectral`, of Dogan and Keles' (2020), where every kernel has spectral norm 1, those next to
pictures and the last one too. `ProgressiveEncoder` and `norm_first` are Pioneer's (Heljakka, Solin,
Kannala 2018). All weights exist from the beginning, whichever level is called.
"""

import math

import keras
import tensorflow as tf
from keras import layers, ops

from kgan.networks.equalized import ROOT_2, EqualizedConv2D, EqualizedDense
from kgan.networks.layers import UnitLength, leaky_relu


def doubled(x):
    """[n, h, w, c] at twice the size, by nearest neighbours."""
    h, w, c = x.shape[1:]
    x = ops.broadcast_to(x[:, :, None, :, None, :], (ops.shape(x)[0], h, 2, w, 2, c))
    return ops.reshape(x, (-1, 2 * h, 2 * w, c))


def halved(x):
    """[n, h, w, c] at half the size, by means of 2x2."""
    h, w, c = x.shape[1:]
    return ops.mean(ops.reshape(x, (-1, h // 2, 2, w // 2, 2, c)), axis=(2, 4))


@tf.custom_gradient
def _pixel_norm(x):
    def mean(y):
        return tf.reduce_mean(y, -1, keepdims=True)

    scale = tf.math.rsqrt(tf.cast(mean(tf.square(x)), tf.float32) + 1e-8)
    scale = tf.cast(scale, x.dtype)
    y = x * scale
    # Written out: TensorFlow's own gradient goes over the maps more often.
    return y, lambda upstream: scale * (upstream - y * mean(upstream * y))


@keras.saving.register_keras_serializable("kgan")
class PixelNorm(layers.Layer):
    """x / sqrt(mean of x^2 over the last axis + 1e-8); float16 in float32: squares overflow."""

    def call(self, x):
        wide = "float32" if self.compute_dtype == "float16" else self.compute_dtype
        return ops.cast(_pixel_norm(ops.cast(x, wide)), self.compute_dtype)

    def compute_output_shape(self, shape):
        return shape


@keras.saving.register_keras_serializable("kgan")
class MinibatchDeviation(layers.Layer):
    """Adds one map: how much the pictures of a group differ, the same number at every place.

    The standard deviation of each value over the group (1e-8 under the root), averaged over places
    and maps. Picture i is grouped with i + n/4, i + n/2, ... A batch of n pictures that are no
    multiple of the group is one group of n; so results depend on the rest of the batch, and real
    and fake pictures need calls of their own.
    """

    def __init__(self, group=4, **keywords):
        super().__init__(**keywords)
        self.group = group

    def call(self, x):
        n, (h, w, c) = tf.shape(x)[0], x.shape[1:]
        group = tf.where(n % self.group == 0, self.group, n)
        y = tf.reshape(tf.cast(x, tf.float32), (group, -1, h, w, c))
        y = tf.reduce_mean(tf.square(y - tf.reduce_mean(y, 0, keepdims=True)), 0)
        y = tf.tile(tf.reduce_mean(tf.sqrt(y + 1e-8), (1, 2, 3)), [group])
        y = tf.cast(y[:, None, None, None], x.dtype) + tf.zeros_like(x[..., :1])
        return tf.concat([x, y], -1)

    def compute_output_shape(self, shape):
        return (*shape[:-1], shape[-1] + 1)

    def get_config(self):
        return {**super().get_config(), "group": self.group}


class _Progressive(keras.Model):
    """What both networks share: numbers, widths, levels, the layers next to pictures."""

    def __init__(self, size, cap, base, spectral, **keywords):
        super().__init__(autocast=False, **keywords)
        self.levels = int(math.log2(max(size, 1))) - 1
        if self.levels < 1 or size != 2 ** (self.levels + 1):
            raise ValueError(f"size must be a power of two from 4 up, not {size}")
        self.size, self.cap, self.base, self.spectral = size, cap, base, spectral
        # of the discriminator's hidden dense layer, then of each level
        self.widths = [max(min(base // 2**i, cap), 1) for i in range(self.levels + 1)]

    def conv(self, width_in, filters, kernel_size=3, resample=None, gain=ROOT_2, dtype=None,
             spectral=None):
        """A built convolution; with spectral norm as all others, unless it says otherwise."""
        layer = EqualizedConv2D(
            filters, kernel_size, resample, gain=gain,
            spectral=self.spectral if spectral is None else spectral,
            dtype=dtype or self.dtype_policy,
        )
        layer.build((None, None, None, width_in))
        return layer

    def dense(self, width_in, units, gain=ROOT_2, use_bias=True, dtype=None):
        """A built dense layer."""
        layer = EqualizedDense(
            units, gain, use_bias, self.spectral, dtype=dtype or self.dtype_policy
        )
        layer.build((None, width_in))
        return layer

    def checked(self, level, pictures=None):
        """`level`, the highest for None; a `ValueError` if it is none, or not that of pictures."""
        level = self.levels - 1 if level is None else level
        if level not in range(self.levels):
            raise ValueError(f"level must be from 0 to {self.levels - 1}, not {level}")
        if pictures is not None and pictures.shape[1] != 4 * 2**level:
            raise ValueError(f"level {level} has {4 * 2**level} px, not {pictures.shape[1]}")
        return level

    def get_config(self):
        return {
            **super().get_config(), "size": self.size, "cap": self.cap, "base": self.base,
            "spectral": self.spectral,
        }


@keras.saving.register_keras_serializable("kgan")
class ProgressiveGenerator(_Progressive):
    """z to pictures; no tanh, so values may leave [-1, 1].

    z is normalised first, so only its direction counts. 22,933,394 trainable parameters as it
    stands, 1,888,018 with `latent` and `cap` of 128.

    Args:
        latent: length of z.
        size: side of the highest level's pictures, a power of two.
        cap: most maps of a layer.
        base: a layer of level l has min(base / 2^(l + 1), cap) maps.
        spectral: spectral norm in every layer; see `kgan.networks.equalized`.
        norm_first: pixel norm before each leaky ReLU, as in Pioneer, not after it.
    """

    def __init__(self, latent=512, size=128, cap=512, base=8192, spectral=False, norm_first=False,
                 **keywords):
        super().__init__(size, cap, base, spectral, **keywords)
        self.latent, self.norm_first = latent, norm_first
        width, *higher = self.widths[1:]
        self.direction = PixelNorm(dtype="float32")
        self.norm = PixelNorm(dtype=self.dtype_policy)
        self.first = self.dense(latent, 16 * width, gain=ROOT_2 / 4, use_bias=False)
        self.first_bias = self.add_weight(shape=(width,), initializer="zeros", name="first_bias")
        self.blocks = [[self.conv(width, width)]]
        for below, width in zip(self.widths[1:], higher, strict=False):
            self.blocks.append([self.conv(below, width, resample="up"), self.conv(width, width)])
        self.to_rgb = [
            self.conv(width, 3, 1, gain=1.0, dtype="float32") for width in self.widths[1:]
        ]
        self.built = True

    def call(self, z, level=None, alpha=None, training=None):
        """Draws pictures.

        Args:
            z: float [n, latent], from N(0, 1).
            level: Python int, 0 for 4x4; None = the highest.
            alpha: scalar in [0, 1], how far the level is faded in over the one below, doubled in
                size; None = 1. Without effect on level 0.
            training: whether the power iteration of spectral norm goes on.

        Returns:
            float32 [n, s, s, 3], s = 4 * 2^level.
        """
        level = self.checked(level)
        x = self.first(self.direction(z), training=training)
        x = ops.reshape(x, (-1, 4, 4, self.widths[1]))
        x = below = self._active(x + ops.cast(self.first_bias, x.dtype))
        for block in self.blocks[: level + 1]:
            below = x
            for conv in block:
                x = self._active(conv(x, training=training))
        picture = self.to_rgb[level](x, training=training)
        if alpha is None or not level:
            return picture
        old = doubled(self.to_rgb[level - 1](below, training=training))
        return old + alpha * (picture - old)

    def _active(self, x):
        return _leaky(self.norm(x)) if self.norm_first else self.norm(_leaky(x))

    def get_config(self):
        return {**super().get_config(), "latent": self.latent, "norm_first": self.norm_first}


@keras.saving.register_keras_serializable("kgan")
class ProgressiveDiscriminator(_Progressive):
    """Pictures to one logit each: the generator mirrored, `MinibatchDeviation` at 4x4, no norms.

    22,941,313 trainable parameters as it stands.

    Args:
        size, cap, base, spectral: as `ProgressiveGenerator`.
    """

    def __init__(self, size=128, cap=512, base=8192, spectral=False, **keywords):
        super().__init__(size, cap, base, spectral, **keywords)
        hidden, width, *higher = self.widths
        self.from_rgb = [self.conv(3, width, 1) for width in self.widths[1:]]
        self.blocks = [[
            self.conv(width, width), self.conv(width, below, resample="down")
        ] for below, width in zip(self.widths[1:], higher, strict=False)]
        self.deviation = MinibatchDeviation(dtype=self.dtype_policy)
        self.last = self.conv(width + 1, width)
        self.hidden = self.dense(16 * width, hidden)
        self.logit = self.dense(hidden, 1, gain=1.0, dtype="float32")
        self.built = True

    def call(self, pictures, level=None, alpha=None, training=None):
        """Judges pictures.

        Args:
            pictures: float [n, s, s, 3], s = 4 * 2^level; real and fake ones in separate calls.
            level, alpha, training: as the generator's; while a level fades in, its maps are mixed
                with those of the picture at half the size.

        Returns:
            float32 logits [n, 1].
        """
        level = self.checked(level, pictures)
        x = _leaky(self.from_rgb[level](pictures, training=training))
        for i in range(level, 0, -1):
            for conv in self.blocks[i - 1]:
                x = _leaky(conv(x, training=training))
            if i == level and alpha is not None:
                old = _leaky(self.from_rgb[i - 1](halved(pictures), training=training))
                x = old + ops.cast(alpha, x.dtype) * (x - old)
        x = _leaky(self.last(self.deviation(x), training=training))
        x = ops.reshape(x, (-1, 16 * self.widths[1]))
        x = _leaky(self.hidden(x, training=training))
        return self.logit(x, training=training)


@keras.saving.register_keras_serializable("kgan")
class ProgressiveEncoder(_Progressive):
    """Pictures to codes of length 1, Pioneer's: the generator mirrored.

    No norms of maps and no statistics of the batch; sizes are halved by means of 2x2 after the
    convolutions of a level. Spectral norm in all layers but those next to pictures. 22,936,192
    trainable parameters as it stands.

    Args:
        latent: length of a code.
        size, cap, base: as `ProgressiveGenerator`.
        spectral: False leaves spectral norm out.
    """

    def __init__(self, latent=512, size=128, cap=512, base=8192, spectral=True, **keywords):
        super().__init__(size, cap, base, spectral, **keywords)
        self.latent = latent
        width, *higher = self.widths[1:]
        self.from_rgb = [self.conv(3, width, 1, spectral=False) for width in self.widths[1:]]
        self.blocks = [[
            self.conv(width, width), self.conv(width, below)
        ] for below, width in zip(self.widths[1:], higher, strict=False)]
        self.last = self.conv(width, width)
        self.code = self.dense(16 * width, latent, gain=1.0, dtype="float32")
        self.unit = UnitLength(dtype="float32")
        self.built = True

    def call(self, pictures, level=None, alpha=None, training=None):
        """Codes of pictures.

        Args:
            pictures: float [n, s, s, 3], s = 4 * 2^level.
            level, alpha, training: as the discriminator's.

        Returns:
            float32 [n, latent], each of length 1.
        """
        level = self.checked(level, pictures)
        x = _leaky(self.from_rgb[level](pictures, training=training))
        for i in range(level, 0, -1):
            for conv in self.blocks[i - 1]:
                x = _leaky(conv(x, training=training))
            x = halved(x)
            if i == level and alpha is not None:
                old = _leaky(self.from_rgb[i - 1](halved(pictures), training=training))
                x = old + ops.cast(alpha, x.dtype) * (x - old)
        x = _leaky(self.last(x, training=training))
        x = self.code(ops.reshape(x, (-1, 16 * self.widths[1])), training=training)
        return self.unit(x)

    def get_config(self):
        return {**super().get_config(), "latent": self.latent}


def _leaky(x):
    return leaky_relu(x, 0.2)
