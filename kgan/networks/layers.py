"""Layers that Keras does not have, or not in the form that image translation needs."""

import keras
import tensorflow as tf
from keras import ops

MOST_PARTS = 64
"""Pictures of a batch that are normalised one by one."""

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


def leaky_relu(x, slope):
    """Leaky ReLU of a slope above 0, whose gradient looks at what came out: the signs are the same.

    TensorFlow's own looks at what went in. In a training TensorFlow 2.21 then fails to merge a
    convolution, its bias and the ReLU, and with that all that its remapper would merge in a step.
    """
    def forward(x):
        y = tf.nn.leaky_relu(x, slope)
        return y, lambda upstream: tf.raw_ops.LeakyReluGrad(
            gradients=upstream, features=y, alpha=slope)

    return tf.custom_gradient(forward)(x)


@keras.saving.register_keras_serializable("kgan")
class LeakyReLU(keras.layers.LeakyReLU):
    """Keras' layer with the gradient of `leaky_relu`."""

    def call(self, x):
        return leaky_relu(x, self.negative_slope)


def sides_of(x):
    """The shape of a tensor, ints where they are known."""
    if x.shape.is_fully_defined():
        return x.shape.as_list()
    known = x.shape.as_list()
    return [d if s is None else s for s, d in zip(known, tf.unstack(tf.shape(x)), strict=True)]


def _fixed(make, sides):
    """What `make` gives; where all sides are known it is computed once, and is a constant."""
    if not all(isinstance(side, int) for side in sides):
        return make()
    with tf.init_scope():
        return make().numpy()


def _reflected(x, padding):
    """`tf.pad(mode="REFLECT")` of height and width, by a gather, which is faster on CPUs.

    Its gradient is the inner part, to which that of the border is added.
    """
    n, h, w, c = sides_of(x)
    tall, wide = h + 2 * padding, w + 2 * padding

    def mirrored(side):
        place = tf.abs(tf.range(-padding, side + padding))
        return side - 1 - tf.abs(side - 1 - place)

    def places():
        return tf.reshape(mirrored(h)[:, None] * w + mirrored(w)[None, :], [-1])

    def outside():
        beside = tf.concat([tf.range(padding), tf.range(padding + w, wide)], axis=0)
        beside += tf.range(padding, padding + h)[:, None] * wide
        above, below = tf.range(padding * wide), tf.range((padding + h) * wide, tall * wide)
        return tf.concat([above, tf.reshape(beside, [-1]), below], axis=0)

    source = _fixed(places, (h, w))

    @tf.custom_gradient
    def reflect(x):
        taken = tf.gather(tf.reshape(x, [n, h * w, c]), source, axis=1)
        return tf.reshape(taken, [n, tall, wide, c]), fold

    def fold(upstream):
        inner = tf.slice(upstream, [0, padding, padding, 0], [n, h, w, c])
        border = _fixed(outside, (h, w))
        rows = _fixed(lambda: tf.reshape(
            tf.range(n)[:, None] * (h * w) + tf.gather(source, border), [-1, 1]), (n, h, w))
        added = tf.gather(tf.reshape(upstream, [n, tall * wide, c]), border, axis=1)
        return tf.reshape(
            tf.tensor_scatter_nd_add(
                tf.reshape(inner, [n * h * w, c]), rows, tf.reshape(added, [-1, c])
            ),
            [n, h, w, c],
        )

    return reflect(x)


def _mean(x):
    """Of each map of each picture."""
    return tf.reduce_mean(x, axis=(1, 2), keepdims=True)


def normalised(x, epsilon):
    """Each map of each picture to mean 0, variance 1, by what scale; statistics in float32."""
    wide = tf.cast(x, tf.float32)
    centre = _mean(wide)
    scale = tf.math.rsqrt(_mean(tf.math.squared_difference(wide, centre)) + epsilon)
    return tf.cast(wide * scale - centre * scale, x.dtype), scale  # two maps in memory at a time


def _normalised_in_training(x, epsilon):
    """The same with a gradient of its own, in the way that is quick for this tensor."""
    # CPUs have a kernel for batches, which is an instance norm of a batch of one picture; for half
    # precision with other numbers of maps it is very slow. On GPUs many small kernels are.
    fits = x.dtype == tf.float32 or (x.dtype == tf.bfloat16 and x.shape[-1] % 16 == 0)
    known = x.shape[0] is not None and x.shape[0] <= MOST_PARTS
    alone = fits and known and not tf.config.list_physical_devices("GPU")
    way = _normalised_one_by_one if alone else _normalised_together
    return tf.custom_gradient(lambda x: way(x, epsilon))(x)


def _normalised_one_by_one(x, epsilon):
    """Each picture by the kernel for batches, whose statistics are float32, and its gradient."""
    count, ones = x.shape[0], tf.ones([x.shape[-1]])
    none = tf.zeros([0])
    parts = tf.split(x, count)
    made = [tf.raw_ops.FusedBatchNormV3(x=part, scale=ones, offset=tf.zeros_like(ones), mean=none,
                                        variance=none, epsilon=epsilon) for part in parts]

    def gradient(upstream):
        found = [tf.raw_ops.FusedBatchNormGradV3(
            y_backprop=up, x=part, scale=ones, epsilon=epsilon,
            **{f"reserve_space_{i}": getattr(one, f"reserve_space_{i}") for i in (1, 2, 3)},
        ).x_backprop for up, part, one in zip(tf.split(upstream, count), parts, made, strict=True)]
        return tf.concat(found, axis=0)

    return tf.concat([one.y for one in made], axis=0), gradient


def _normalised_together(x, epsilon):
    """All pictures at once; the gradient keeps the result and nothing else."""
    result, scale = normalised(x, epsilon)

    def gradient(upstream):
        upstream, kept = tf.cast(upstream, tf.float32), tf.cast(result, tf.float32)
        along = _mean(upstream * kept)
        return tf.cast(scale * (upstream - _mean(upstream) - kept * along), x.dtype)

    return result, gradient


@keras.saving.register_keras_serializable("kgan")
class ReflectionPadding2D(keras.layers.Layer):
    """Pads height and width by `padding` mirrored pixels (the edge itself is not repeated).

    Every side of the input must be longer than `padding`.
    """

    def __init__(self, padding, **keywords):
        super().__init__(**keywords)
        self.padding = padding

    def call(self, x):
        return _reflected(x, self.padding)

    def compute_output_shape(self, shape):
        n, h, w, c = shape
        grow = 2 * self.padding
        return n, None if h is None else h + grow, None if w is None else w + grow, c

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}


@keras.saving.register_keras_serializable("kgan")
class InstanceNormalization(keras.layers.Layer):
    """Instance normalisation (Ulyanov et al. 2016): each map of each picture to mean 0, variance 1.

    The same function as `keras.layers.GroupNormalization(groups=-1)`; in training, with a gradient
    of its own that keeps the result and nothing else. Statistics are float32 whatever the compute
    type. The defaults are those of the PyTorch CycleGAN: epsilon 1e-5, no learned scale or offset.

    Args:
        epsilon: added to the variance.
        affine: learn a scale and an offset for each channel.
        gamma_initializer: what the scales begin as.
    """

    def __init__(self, epsilon=1e-5, affine=False, gamma_initializer="ones", **keywords):
        super().__init__(**keywords)
        self.epsilon = epsilon
        self.affine = affine
        self.gamma_initializer = gamma_initializer

    def build(self, shape):
        if self.affine:
            self.gamma = self.add_weight(
                shape=(shape[-1],), initializer=self.gamma_initializer, name="gamma"
            )
            self.beta = self.add_weight(shape=(shape[-1],), initializer="zeros", name="beta")

    def call(self, x, training=None):
        if training:
            result = _normalised_in_training(x, self.epsilon)
        else:  # TensorFlow keeps what a custom gradient is of, whether one is asked for or not
            result, _ = normalised(x, self.epsilon)
        if self.affine:
            result = result * ops.cast(self.gamma, x.dtype) + ops.cast(self.beta, x.dtype)
        return result

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon, "affine": self.affine,
                "gamma_initializer": self.gamma_initializer}


@keras.saving.register_keras_serializable("kgan")
class UnitLength(keras.layers.Layer):
    """Codes [n, latent] brought to length 1, computed in float32 whatever comes in."""

    def __init__(self, **keywords):
        super().__init__(**{"dtype": "float32", **keywords})

    def call(self, codes):
        return codes * ops.rsqrt(ops.sum(ops.square(codes), axis=-1, keepdims=True) + 1e-12)

    def compute_output_shape(self, shape):
        return shape


@keras.saving.register_keras_serializable("kgan")
class CropFirst(keras.layers.Layer):
    """Drops the first row and the first column, as a transposed convolution of PyTorch does.

    `keras.layers.Cropping2D(((1, 0), (1, 0)))` with a cheaper gradient: that of a slice is a pad.
    """

    def call(self, x):
        n, h, w, c = sides_of(x)
        return tf.slice(x, [0, 1, 1, 0], [n, h - 1, w - 1, c])

    def compute_output_shape(self, shape):
        n, h, w, c = shape
        return n, None if h is None else h - 1, None if w is None else w - 1, c


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
