"""Layers that Keras does not have, or not in the form that image translation needs."""

import keras
import tensorflow as tf
from keras import ops

NORMAL_002 = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.02}}
"""Initial weights of the CycleGAN and pix2pix family: N(0, 0.02)."""


def together(network, *parts):
    """Applies a network to several batches in one call and splits the result again.

    The same arithmetic as one call a part with fewer, larger kernels. Valid only for networks whose
    normalisation looks at one picture at a time (instance, layer, none): batch norm would mix the
    statistics of the parts.

    Args:
        network: a callable, [n, h, w, c] in, a tensor of the same batch out.
        *parts: tensors of one shape except for the batch.

    Returns:
        A list with the result for each part.
    """
    result = network(ops.concatenate(parts, axis=0))
    ends = [sum(p.shape[0] for p in parts[: i + 1]) for i in range(len(parts) - 1)]
    return ops.split(result, ends, axis=0)


@keras.saving.register_keras_serializable("kgan")
class ReflectionPadding2D(keras.layers.Layer):
    """Pads height and width by `padding` mirrored pixels (the edge itself is not repeated).

    Every side of the input must be longer than `padding`.
    """

    def __init__(self, padding, **keywords):
        super().__init__(**keywords)
        self.padding = padding

    def call(self, x):
        p = self.padding
        return ops.pad(x, ((0, 0), (p, p), (p, p), (0, 0)), mode="reflect")

    def compute_output_shape(self, shape):
        n, h, w, c = shape
        grow = 2 * self.padding
        return n, None if h is None else h + grow, None if w is None else w + grow, c

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}


@keras.saving.register_keras_serializable("kgan")
class InstanceNormalization(keras.layers.Layer):
    """Instance normalisation (Ulyanov et al. 2016): each map of each picture to mean 0, variance 1.

    The same function as `keras.layers.GroupNormalization(groups=-1)` by another way: the maps of
    all pictures become the channels of one, and TensorFlow's fused batch normalisation does the
    rest, faster on a CPU than two moments. Statistics are float32 whatever the compute type. The
    defaults are those of the PyTorch CycleGAN: epsilon 1e-5, no learned scale or offset.

    Args:
        epsilon: added to the variance.
        affine: learn a scale and an offset for each channel.
    """

    def __init__(self, epsilon=1e-5, affine=False, **keywords):
        super().__init__(**keywords)
        self.epsilon = epsilon
        self.affine = affine

    def build(self, shape):
        if self.affine:
            self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")
            self.beta = self.add_weight(shape=(shape[-1],), initializer="zeros", name="beta")

    def call(self, x):
        n, h, w, c = (s or d for s, d in zip(x.shape, tf.unstack(tf.shape(x)), strict=True))
        ones, zeros = tf.ones([n * c]), tf.zeros([n * c])
        result = tf.raw_ops.FusedBatchNormV3(
            x=tf.reshape(tf.transpose(x, (1, 2, 0, 3)), (1, h, w, n * c)),
            scale=tf.tile(tf.cast(self.gamma, tf.float32), [n]) if self.affine else ones,
            offset=tf.tile(tf.cast(self.beta, tf.float32), [n]) if self.affine else zeros,
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=self.epsilon,
        ).y
        return tf.transpose(tf.reshape(result, (h, w, n, c)), (2, 0, 1, 3))

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon, "affine": self.affine}


class ImagePool(keras.layers.Layer):
    """A history of fakes for the discriminator (Shrivastava et al. 2017; CycleGAN section 4).

    Until it is full, pictures are stored and returned. Then each picture is, with probability 1/2,
    exchanged for a stored one that it replaces; else it is returned and forgotten. The pool is a
    weight, so that it is saved with a run, and its choices are a function of `key` alone (another
    one under XLA, where TensorFlow draws other numbers).

    Two deviations for batches: the places that one batch draws are distinct, where a loop over its
    pictures could draw a place twice; the batch that fills the pool up goes on from its first
    place. On several replicas the pool keeps the first one's pictures.

    Args:
        capacity: number of pictures, at least the batch of one replica.
        shape: (height, width, channels) of a picture.
        salt: tells the choices of pools apart that are called with the same key.
    """

    def __init__(self, capacity, shape, salt=0, **keywords):
        super().__init__(dtype="float32", **keywords)
        self.capacity = capacity
        self.salt = salt
        share = {"trainable": False, "aggregation": "only_first_replica"}
        self.stored = self.add_weight(
            shape=(capacity, *shape), initializer="zeros", name="stored", **share
        )
        self.count = self.add_weight(
            shape=(), initializer="zeros", dtype="int32", name="count", **share
        )
        self.built = True

    def call(self, pictures, key):
        """Returns pictures of the pool's choice.

        Args:
            pictures: float32 [n, h, w, c], n <= capacity.
            key: int32 [2], the randomness of this step.
        """
        n = pictures.shape[0]
        stored, count = ops.convert_to_tensor(self.stored), ops.convert_to_tensor(self.count)
        key = tf.random.experimental.stateless_fold_in(key, self.salt, alg="philox")
        draw = tf.random.stateless_uniform([self.capacity + n], key, alg="philox")
        filling = count < self.capacity
        place = ops.where(
            filling,
            (count + ops.arange(n, dtype="int32")) % self.capacity,
            ops.cast(ops.argsort(draw[: self.capacity])[:n], "int32"),
        )
        swap = ops.logical_and(ops.logical_not(filling), draw[self.capacity :] < 0.5)
        swap = ops.reshape(swap, (n, 1, 1, 1))
        old = ops.take(stored, place, axis=0)
        keep = ops.logical_or(filling, swap)
        stored = ops.scatter_update(stored, place[:, None], ops.where(keep, pictures, old))
        self.stored.assign(stored)
        self.count.assign(ops.minimum(count + n, self.capacity))
        return ops.where(swap, old, pictures)
