"""The transformer of perceptual losses: a picture in, the same in one style out.

Johnson, Alahi, Fei-Fei: Perceptual losses for real-time style transfer and super-resolution, ECCV
2016 (arXiv 1603.08155), its supplement and the authors' fast-neural-style: `c9s1-32, d64, d128,
R128 x5, u64, u32, c9s1-3`. The forms that PyTorch's examples gave it are here as well.
"""

import keras
from keras import layers, ops

from kgan.networks.blocks import conv, norm, padded_conv, relu
from kgan.networks.dcgan import BatchNormalization
from kgan.networks.generators import doubled
from kgan.networks.layers import ReflectionPadding2D

_MEANS = (123.68, 116.779, 103.939)  # ImageNet's, RGB
_REACH = 150.0  # of the tanh, levels


@keras.saving.register_keras_serializable("kgan")
class ToLevels(layers.Layer):
    """[-1, 1] to levels of 0..255, less ImageNet's means if `centred`."""

    def __init__(self, centred=True, **keywords):
        super().__init__(**keywords)
        self.centred = centred

    def call(self, x):
        x = (ops.cast(x, "float32") + 1.0) * 127.5
        x = x - ops.array(_MEANS, "float32") if self.centred else x
        return ops.cast(x, self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "centred": self.centred}


@keras.saving.register_keras_serializable("kgan")
class FromLevels(layers.Layer):
    """Back to about [-1, 1], float32; if `centred`, of 150 tanh(x) and ImageNet's means."""

    def __init__(self, centred=True, **keywords):
        super().__init__(**{**keywords, "dtype": "float32"})
        self.centred = centred

    def call(self, x):
        x = ops.cast(x, "float32")
        x = _REACH * ops.tanh(x) + ops.array(_MEANS, "float32") if self.centred else x
        return x / 127.5 - 1.0

    def get_config(self):
        return {**super().get_config(), "centred": self.centred}


@keras.saving.register_keras_serializable("kgan")
class Grams(layers.Layer):
    """Keeps Gram matrices, which are so saved with a run.

    Args:
        channels: of the maps of each.

    Attributes:
        kept: variables, float32 [1, c, c].
    """

    def __init__(self, channels, **keywords):
        super().__init__(**{**keywords, "dtype": "float32"})
        self.kept = [
            self.add_weight(shape=(1, c, c), initializer="zeros", trainable=False, name=f"gram_{i}")
            for i, c in enumerate(channels, 1)
        ]
        self.built = True


def smallest(padding, blocks):
    """The shortest side that a transformer takes, a multiple of 4."""
    return 8 * blocks + 4 if padding == "start" else 8


def transformer(
    name, *, filters=32, blocks=5, batch_norm=False, padding="start", upsample="transpose",
    levels="centred",
):
    """The transformer; 1,679,235 parameters as it stands, 424,899 with 16 filters.

    Args:
        name: of the network.
        filters: maps of the first layer; 32 in the paper.
        blocks: residual blocks of 4 * filters maps.
        batch_norm: the paper's, in the place of instance norm with scales and offsets.
        padding: `"start"`, the published one: the picture is reflected by what residual blocks
            lose, whose convolutions have no padding, and others have zeros; `"reflect"` or
            `"zero"`: every convolution is padded so.
        upsample: `"transpose"` (the paper's) or `"nearest"`, then a 3x3 convolution.
        levels: `"centred"`, the published one: levels less ImageNet's means in, 150 tanh and these
            means out; `"plain"`, that of PyTorch's examples: levels in and out.

    Returns:
        A functional `keras.Model`: [n, h, w, 3] in [-1, 1] -> the same, float32, not clipped if
        `levels` is plain; sides are multiples of 4 and at least `smallest`.
    """
    def padded(x, width, kernel, stride=1, wide=padding):
        if wide == "reflect":
            return conv(ReflectionPadding2D(kernel // 2)(x), width, kernel, stride)
        return padded_conv(x, width, kernel, stride, zeros=kernel // 2)

    def normed(x):
        return BatchNormalization(momentum=0.9, epsilon=1e-5)(x) if batch_norm else norm(x, True)

    def twice(x, width):
        if upsample == "nearest":
            return padded(layers.UpSampling2D(2)(x), width, 3)
        return doubled(x, width, upsample)

    def residual(x):
        if padding != "start":
            y = relu(normed(padded(x, 4 * filters, 3)))
            return layers.Add()([x, normed(padded(y, 4 * filters, 3))])
        y = relu(normed(conv(x, 4 * filters, 3)))
        return layers.Add()([layers.Cropping2D(2)(x), normed(conv(y, 4 * filters, 3))])

    picture = keras.Input((None, None, 3), name="picture")
    x = ToLevels(levels == "centred", name="to_levels")(picture)
    if padding == "start" and blocks:
        x = ReflectionPadding2D(8 * blocks)(x)
    x = relu(normed(padded(x, filters, 9)))
    for width in (2 * filters, 4 * filters):
        x = relu(normed(padded(x, width, 3, 2)))
    for _ in range(blocks):
        x = residual(x)
    for width in (2 * filters, filters):
        x = relu(normed(twice(x, width)))
    x = padded(x, 3, 9)
    made = FromLevels(levels == "centred", name="from_levels")(x)
    return keras.Model(picture, made, name=name)
