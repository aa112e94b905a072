"""Networks of pix2pixHD (Wang, Liu, Zhu, Tao, Kautz, Catanzaro 2018, arXiv 1711.11585).

Section 3.2, the coarse-to-fine generator, and section 3.4, the encoder of what objects look like;
widths and padding, which the text leaves out, are those of the authors' code. Instance norm without
scale and offset, reflection padding in the 7x7 and the residual convolutions, ReLU, biases kept.

The generator comes in parts, so that they can be trained one after the other: each level gives maps
at its resolution, from which a head makes the picture. Only the head of the last level is used in
the end. Each unit of a level (a convolution with its norm, a residual block) is a `Recomputed`.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from kgan.networks.blocks import conv, norm_relu, padded_conv
from kgan.networks.generators import doubled, residual
from kgan.networks.layers import ReflectionPadding2D

MOST_IDS = 65_536
"""Ids of instances are below it, as in a PNG of 16 bits."""


@keras.saving.register_keras_serializable("kgan")
class Recomputed(layers.Layer):
    """A network; in training its inner maps may be forgotten and computed again for the gradient.

    `keras.remat` and `keras.RematScope` do that for layers that read variables. Here a step is a
    function of tensors (`kgan.models.trainer`), and what is recomputed must be given its weights,
    or they would have no gradient.

    Args:
        network: a `keras.Model` of one input, without state that a call changes.
        again: compute its maps again; it then keeps its input alone.
    """

    def __init__(self, network, again=False, **keywords):
        super().__init__(**{**keywords, "dtype": "float32", "autocast": False})
        self.network, self.again = network, again

    def call(self, x, training=None):
        if not (self.again and training):
            return self.network(x, training=training)
        variables = self.network.trainable_variables

        @tf.recompute_grad
        def run(x, *values):
            with keras.StatelessScope(zip(variables, values, strict=True)):
                return self.network(x, training=True)

        return run(x, *map(tf.convert_to_tensor, variables))

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        return {**super().get_config(), "network": network, "again": self.again}

    @classmethod
    def from_config(cls, config):
        network = keras.saving.deserialize_keras_object(config.pop("network"))
        return cls(network, **config)


def _unit(x, make, again=False):
    """`make(x)` as a `Recomputed`."""
    inner = keras.Input(x.shape[1:])
    return Recomputed(keras.Model(inner, make(inner)), again)(x)


def _begin(x, filters):
    return norm_relu(conv(ReflectionPadding2D(3)(x), filters, 7))


def _halve(x, filters):
    return norm_relu(padded_conv(x, filters, 3, 2))


def _double(x, filters, upsample):
    return norm_relu(doubled(x, filters, upsample))


def global_generator(
    name, *, channels, filters=64, downsamplings=4, blocks=9, upsample="transpose", remat=False
):
    """G1 without its head: `c7s1-64, d128, d256, d512, d1024, R1024 x 9, u512, u256, u128, u64`.

    182,546,755 parameters with 36 channels and its head.

    Args:
        name: of the network.
        channels: of what it draws by: a map for each class, boundaries, features.
        filters: maps of the first layer; they double with each downsampling.
        downsamplings: sides must be multiples of 2 to this power, and twice that at least.
        blocks: residual blocks.
        upsample: `"transpose"` (the paper's) or `"nearest"`.
        remat: forget maps and compute them again, see `Recomputed`.

    Returns:
        A functional `keras.Model`: [n, h, w, channels] -> [n, h, w, filters].
    """
    given = keras.Input((None, None, channels), name="conditions")
    widths = [filters * 2**i for i in range(downsamplings + 1)]
    x = _unit(given, lambda x: _begin(x, widths[0]), remat)
    for width in widths[1:]:
        x = _unit(x, lambda x, width=width: _halve(x, width), remat)
    for _ in range(blocks):
        x = _unit(x, lambda x: residual(x, widths[-1]), remat)
    for width in reversed(widths[:-1]):
        x = _unit(x, lambda x, width=width: _double(x, width, upsample), remat)
    return keras.Model(given, x, name=name)


def local_enhancer(
    name, *, channels, filters=32, blocks=3, upsample="transpose", remat=False
):
    """G2 or G3 without its head: `c7s1-32, d64`, the maps of the level below added, `R64 x 3, u32`.

    G1 and G2 with the head of G2 have 182,857,059 parameters with 36 channels.

    Args:
        name: of the network.
        channels: as of `global_generator`.
        filters: maps of the first layer, half of those that the level below gives.
        blocks: residual blocks.
        upsample: as of `global_generator`.
        remat: see `Recomputed`.

    Returns:
        A functional `keras.Model`: [n, h, w, channels] and the maps of the level below
        [n, h / 2, w / 2, 2 * filters] -> [n, h, w, filters].
    """
    given = keras.Input((None, None, channels), name="conditions")
    below = keras.Input((None, None, 2 * filters), name="below")
    x = _unit(given, lambda x: _begin(x, filters), remat)
    x = layers.Add()([_unit(x, lambda x: _halve(x, 2 * filters), remat), below])
    for _ in range(blocks):
        x = _unit(x, lambda x: residual(x, 2 * filters), remat)
    x = _unit(x, lambda x: _double(x, filters, upsample), remat)
    return keras.Model([given, below], x, name=name)


def head(name, *, filters, channels=3, remat=False):
    """The last layer of a level, `c7s1-3` and tanh: its maps -> float32 pictures in [-1, 1]."""
    maps = keras.Input((None, None, filters), name="maps")
    x = _unit(maps, lambda x: conv(ReflectionPadding2D(3)(x), channels, 7), remat)
    return keras.Model(maps, layers.Activation("tanh", dtype="float32")(x), name=name)


def feature_encoder(name, *, features=3, filters=16, downsamplings=4, remat=False):
    """E: `c7s1-16, d32, d64, d128, d256, u128, u64, u32, u16, c7s1-3` and tanh.

    788,803 parameters. The means over instances are taken afterwards, by `instance_means`.

    Args:
        name: of the network.
        features: numbers for each pixel.
        filters, downsamplings, remat: as of `global_generator`.

    Returns:
        A functional `keras.Model`: pictures [n, h, w, 3] in [-1, 1] -> float32 [n, h, w, features]
        in [-1, 1].
    """
    picture = keras.Input((None, None, 3), name="picture")
    body = global_generator(f"{name}_body", channels=3, filters=filters, blocks=0,
                            downsamplings=downsamplings, remat=remat)
    x = head(f"{name}_head", filters=filters, channels=features, remat=remat)(body(picture))
    return keras.Model(picture, x, name=name)


@keras.saving.register_keras_serializable("kgan")
class Styles(layers.Layer):
    """What objects of each class usually look like: centres of features, the most usual first.

    Input: float32 [n, h, w] from 0 to below 1, the number of the centre as a share of how many the
    class has; class ids int32 [n, h, w]. Output: float32 [n, h, w, features], 0 of classes of
    which nothing is known.

    Args:
        classes: how many there are.
        most: centres of a class.
        features: numbers of a centre.
    """

    def __init__(self, classes, most, features, **keywords):
        super().__init__(**{**keywords, "dtype": "float32", "trainable": False})
        self.classes, self.most, self.features = classes, most, features
        self.centres = self.add_weight(
            shape=(classes, most, features), initializer="zeros", trainable=False, name="centres"
        )
        self.counts = self.add_weight(
            shape=(classes,), initializer="zeros", trainable=False, name="counts"
        )
        self.built = True

    def call(self, share, labels):
        known = ops.take(ops.convert_to_tensor(self.counts), labels, axis=0)
        number = ops.cast(ops.floor(share * known), "int32")
        flat = ops.reshape(ops.convert_to_tensor(self.centres), (-1, self.features))
        return ops.take(flat, labels * self.most + number, axis=0)

    def get_config(self):
        return {**super().get_config(), "classes": self.classes, "most": self.most,
                "features": self.features}


def shrunk(x, factor):
    """A batch at a whole part of its sides: pictures by means, ids of whole numbers by nearest.

    Args:
        x: [n, h, w, c], sides multiples of
        factor: this.
    """
    if factor == 1:
        return x
    if "int" in keras.backend.standardize_dtype(x.dtype):
        return x[:, factor // 2 :: factor, factor // 2 :: factor]
    return layers.AveragePooling2D(factor)(x)


def boundaries(ids):
    """Where instances end: 1 where one of the four neighbours is of another instance, else 0.

    Args:
        ids: int [n, h, w, 1].

    Returns:
        float32 [n, h, w, 1].
    """
    down = ops.cast(ids[:, 1:] != ids[:, :-1], "float32")
    right = ops.cast(ids[:, :, 1:] != ids[:, :, :-1], "float32")
    found = ops.maximum(ops.pad(down, [[0, 0], [1, 0], [0, 0], [0, 0]]),
                        ops.pad(down, [[0, 0], [0, 1], [0, 0], [0, 0]]))
    found = ops.maximum(found, ops.pad(right, [[0, 0], [0, 0], [1, 0], [0, 0]]))
    return ops.maximum(found, ops.pad(right, [[0, 0], [0, 0], [0, 1], [0, 0]]))


def instance_means(maps, ids):
    """Maps in which each pixel has the mean over its instance: instance-wise average pooling.

    Args:
        maps: float [n, h, w, c].
        ids: int32 [n, h, w, 1] below `MOST_IDS`; instances of different pictures are different.

    Returns:
        float32 [n, h, w, c].
    """
    n, c = tf.shape(maps)[0], maps.shape[-1]
    flat = tf.reshape(tf.cast(maps, tf.float32), [-1, c])
    place = tf.reshape(ids + MOST_IDS * tf.range(n)[:, None, None, None], [-1])
    count = tf.math.unsorted_segment_sum(tf.ones_like(flat[:, :1]), place, n * MOST_IDS)
    total = tf.math.unsorted_segment_sum(flat, place, n * MOST_IDS)
    return tf.reshape(tf.gather(total / tf.maximum(count, 1.0), place), tf.shape(maps))
