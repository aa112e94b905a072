"""Networks of DeePSiM (Dosovitskiy, Brox 2016): the generator of features, the discriminator.

Layers of the generator are those of the released definitions for CaffeNet's fc6 and pool5, of the
discriminator those of the training code that Kamitani's laboratory made of the authors' and
published: it sees pictures alone. First weights N(0, c sqrt(2 / inputs)), c = 1.8 before a stride,
0.9 in 3x3 layers, 1 in dense ones; 0.1 in the first and in the dense layers of the discriminator;
leaky ReLU of slope 0.3 in the generator, ReLU in the discriminator.

Ours: which layers smaller pictures and maps of other sides get (those that the published generator
has at the same side); the stride of the discriminator's first layer for them; one logit instead of
two before a softmax; the autoencoder, of whose layers no definition was at hand.
"""

import keras
import tensorflow as tf
from keras import layers

from kgan.networks.blocks import conv, logits, relu, transposed_conv

# Of 4 * filters maps and so on: at a side, those of the 4x4 layer that leads there, those after it.
WIDTHS = {4: (4, 8), 8: (4, 8), 16: (4, 4), 32: (2, 2), 64: (1, 0), 128: (0.5, 0)}


def _first(gain):
    return {"class_name": "VarianceScaling", "config": {
        "scale": 2 * gain**2, "mode": "fan_in", "distribution": "untruncated_normal"}}


def feature_generator(name, shape, *, size=224, filters=64, top=4096, levels=True):
    """The generator that makes pictures of features.

    Of a fully connected layer with 4,096 features: 56,096,256 trainable parameters as it stands.

    Args:
        name: of the network.
        shape: (h, w, maps) of the features; (1, 1, n) of a fully connected layer.
        size: side of the pictures; a square of the next power of two is made and its middle cut.
        filters: scales the maps of all layers, 64 as published.
        top: units of the dense layers of a fully connected layer's features.
        levels: the network computes in levels of 255, whose middle is 0, as published.

    Returns:
        A functional `keras.Model`: features in a row, [n, h w maps] -> float32
        [n, size, size, 3], about in [-1, 1].

    Raises:
        ValueError: maps that no such generator can begin with.
    """
    height, width, maps = shape
    x = features = keras.Input((height * width * maps,), name="features")
    if height == width == 1:
        x = _dense(x, top, filters)
    else:
        x = _convolved(layers.Reshape(shape, name="square")(x), filters)
    side, whole = x.shape[1], 1 << (size - 1).bit_length()
    while side < whole:
        side *= 2
        last = side == whole
        made, more = (int(w * filters) for w in WIDTHS.get(side, (0.5, 0)))
        made, more = (3, 0) if last else (max(made, 1), more)
        x = _up(x, made, f"up{side}", active=not last)
        x = _same(x, more, f"conv{side}") if more else x
    if shape[0] >= whole:  # features at the side of the picture
        x = transposed_conv(x, 3, 3, 1, first=_first(0.9), use_bias=False, name="last")
    if size < whole:
        low = (whole - size) // 2
        x = layers.Cropping2D(((low, whole - size - low),) * 2, name="middle")(x)
    x = layers.Rescaling(1 / 127.5, dtype="float32", name="range")(x) if levels else x
    return keras.Model(features, logits(x, name="picture"), name=name)


def deepsim_encoder(name, *, size=64, filters=64, channels=8):
    """The encoder of the autoencoder: three strided convolutions and two more, 8x8 codes at 64 px.

    Args:
        name: of the network.
        size: side of the pictures, a multiple of 8.
        filters: maps of the first layer.
        channels: numbers at each place of a code.

    Returns:
        A functional `keras.Model`: [n, size, size, 3] -> float32 [n, channels (size / 8)^2].
    """
    x = picture = keras.Input((size, size, 3), name="picture")
    for i, (width, kernel, stride) in enumerate(((1, 5, 2), (2, 5, 2), (4, 3, 2), (4, 3, 1)), 1):
        x = conv(x, width * filters, kernel, stride, padding="same", first=_first(1.0),
                 name=f"conv{i}")
        x = relu(x, 0.3, name=f"active{i}")
    x = conv(x, channels, 3, padding="same", first=_first(0.5), name="code")
    x = layers.Flatten(name="flatten", dtype="float32")(x)
    return keras.Model(picture, logits(x, name="codes"), name=name)


def deepsim_decoder(name, *, size=64, filters=64, channels=8):
    """The decoder of the autoencoder: up-convolutions with a 3x3 layer after each, linear.

    Args:
        name, size, filters, channels: as `deepsim_encoder`.

    Returns:
        A functional `keras.Model`: codes -> float32 [n, size, size, 3], about in [-1, 1].
    """
    side = size // 8
    x = codes = keras.Input((side * side * channels,), name="codes")
    x = layers.Reshape((side, side, channels), name="square")(x)
    x = _same(x, 4 * filters, "conv0")
    for i, width in enumerate((2 * filters, filters), 1):
        x = _same(_up(x, width, f"up{i}"), width, f"conv{i}")
    x = _up(x, 3, "up3", active=False)
    return keras.Model(codes, logits(x, name="picture"), name=name)


def deepsim_discriminator(name, *, size=224, filters=32):
    """The discriminator: five convolutions without padding, means over the maps, two dense layers.

    1,081,153 trainable parameters as it stands, at any size.

    Args:
        name: of the network.
        size: side of the pictures, 21 or more; the first layer has stride 4 from 128 px on, 2 from
            64 on, else 1.
        filters: maps of the first layer.

    Returns:
        A functional `keras.Model`: [n, size, size, 3] -> float32 logits [n, 1].
    """
    if size < 21:
        raise ValueError(f"the discriminator needs pictures of at least 21 px, not of {size}")
    stride = 4 if size >= 128 else 2 if size >= 64 else 1
    x = picture = keras.Input((size, size, 3), name="picture")
    plan = ((1, 7, stride, 0.1), (2, 5, 1, 1.0), (4, 3, 2, 1.0), (8, 3, 1, 1.0), (8, 3, 2, 1.0))
    for i, (width, kernel, step, gain) in enumerate(plan, 1):
        x = conv(x, width * filters, kernel, step, first=_first(gain), name=f"conv{i}")
        x = relu(x, name=f"active{i}")
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    x = layers.Dropout(0.5, name="dropout1")(x)
    x = layers.Dense(8 * filters, kernel_initializer=_first(0.1), name="dense")(x)
    x = layers.Dropout(0.5, name="dropout2")(relu(x, name="active6"))
    x = layers.Dense(1, kernel_initializer=_first(0.1), name="logit")(x)
    return keras.Model(picture, logits(x, name="output"), name=name)


class Balance(layers.Layer):
    """Which of two players move, as the published training code switches them.

    By r, what the discriminator pays over what the generator pays for its fakes: below 0.1 the
    discriminator stays, above 0.5 it moves again, above 10 the generator stays, until r is below
    0.1. What is found in a step holds from the next one on, and is saved with a run.
    """

    def __init__(self, **keywords):
        super().__init__(dtype="float32", **keywords)
        self.generator, self.discriminator = (
            self.add_weight(shape=(), initializer="ones", trainable=False, name=name,
                            aggregation="only_first_replica")
            for name in ("generator", "discriminator")
        )
        self.built = True

    @property
    def stays(self):
        """(whether the generator stays as it is, whether the discriminator does), bool scalars."""
        return tuple(tf.convert_to_tensor(v) < 0.5 for v in (self.generator, self.discriminator))

    def update(self, ratio):
        """Takes note of r, a scalar that is the same on all replicas."""
        generator, discriminator = (tf.convert_to_tensor(v) > 0.5
                                    for v in (self.generator, self.discriminator))
        strong = (ratio < 0.1) & discriminator
        generator, discriminator = generator | strong, discriminator & ~strong
        back = (ratio > 0.5) & ~discriminator
        generator, discriminator = generator | back, discriminator | back
        weak = (ratio > 10.0) & generator
        generator, discriminator = generator & ~weak, discriminator | weak
        self.generator.assign(tf.cast(generator, tf.float32))
        self.discriminator.assign(tf.cast(discriminator, tf.float32))


def _dense(x, top, filters):
    """The published three dense layers and the 4x4 maps that they end in."""
    width = 4 * filters
    for i, units in enumerate((top, top, 16 * width), 1):
        x = layers.Dense(units, kernel_initializer=_first(1.0), name=f"dense{i}")(x)
        x = relu(x, 0.3, name=f"dense{i}_active")
    return layers.Reshape((4, 4, width), name="square")(x)


def _convolved(x, filters):
    """Three 3x3 layers; the last brings maps of 5 to 7 places to 4x4, as published those of 6."""
    side = x.shape[1]
    if x.shape[2] != side or (side not in (2, 5, 6, 7) and side & (side - 1)):
        raise ValueError(f"maps of {side}x{x.shape[2]} cannot be doubled up to a square picture")
    for i in (1, 2):
        x = _same(x, 8 * filters, f"first{i}")
    if side in (5, 6, 7):
        x = conv(x, 8 * filters, side - 3, use_bias=False, first=_first(0.9), name="first3")
        return relu(x, 0.3, name="first3_active")
    return _same(x, 8 * filters, "first3")


def _same(x, width, name):
    x = transposed_conv(x, width, 3, 1, first=_first(0.9), use_bias=False, name=name)
    return relu(x, 0.3, name=f"{name}_active")


def _up(x, width, name, active=True):
    x = transposed_conv(x, width, 4, first=_first(1.8), use_bias=False, name=name)
    return relu(x, 0.3, name=f"{name}_active") if active else x


def in_a_row(name, network, size):
    """A network of maps as one of rows: float [n, size, size, 3] -> float32 [n, h w maps]."""
    picture = keras.Input((size, size, 3), name="picture")
    x = layers.Flatten(name="flatten", dtype="float32")(network(picture))
    return keras.Model(picture, logits(x, name="codes"), name=name, trainable=network.trainable)
