"""DCGAN (Radford et al. 2016, section 3) in the layout of carpedm20's TensorFlow code.

5x5 kernels of stride 2, maps of 4x4 to start from, biases beside batch norm, epsilon 1e-5, momentum
0.9. The same two networks serve WGAN (`clip`) and WGAN-GP (`norm="layer"`), and with classes a
conditional GAN.

Deviations: all weights begin as N(0, 0.02), where carpedm20 truncates those of the discriminator;
scales of batch norm begin at 1, where the authors draw N(1, 0.02); widths stop doubling at eight
times the first, which only pictures of more than 64 px notice.
"""

import math

import keras
import tensorflow as tf
from keras import layers, ops

from kgan.networks.blocks import leaky, logits, relu, transposed_conv
from kgan.networks.layers import NORMAL_002
from kgan.networks.stargan import JoinLabels


@keras.saving.register_keras_serializable("kgan")
class BatchNormalization(layers.BatchNormalization):
    """Keras' batch normalisation whose moving statistics are one on all replicas.

    Each replica normalises its own share; a new moving statistic that replicas assign is the mean
    of theirs. With Keras' own layer each replica keeps another one, and the first one's is saved.

    Pictures are normalised in training by TensorFlow's fused kernel: the same function with float32
    statistics, and much faster on a CPU.
    """

    def add_weight(self, *, trainable=True, **keywords):
        aggregation = "none" if trainable else "mean"
        return super().add_weight(trainable=trainable, aggregation=aggregation, **keywords)

    def call(self, x, training=None, mask=None):
        if not (training and self.trainable and mask is None and len(x.shape) == 4):
            return super().call(x, training=training, mask=mask)
        # For half precision with other numbers of maps, the CPU has but a kernel that is very slow.
        wide = x if x.shape[-1] % 16 == 0 else ops.cast(x, "float32")
        fused = tf.raw_ops.FusedBatchNormV3(
            x=wide, scale=ops.cast(self.gamma, "float32"), offset=self._offset(),
            mean=tf.zeros([0]), variance=tf.zeros([0]), epsilon=self.epsilon,
        )
        count = tf.cast(tf.size(x) // x.shape[-1], tf.float32)
        variance = fused.batch_variance * (count - 1.0) / count  # the kernel's is unbiased
        for moving, now in (
            (self.moving_mean, fused.batch_mean), (self.moving_variance, variance)
        ):
            moving.assign(moving * self.momentum + now * (1.0 - self.momentum))
        return ops.cast(fused.y, x.dtype)

    def _offset(self):
        beta = self.beta if self.center else ops.zeros(self.gamma.shape)
        return ops.cast(beta, "float32")


@keras.saving.register_keras_serializable("kgan")
class Clip(keras.constraints.Constraint):
    """Weights stay within +-`limit` after each update (Arjovsky et al. 2017, algorithm 1)."""

    def __init__(self, limit):
        self.limit = limit

    def __call__(self, weights):
        return ops.clip(weights, -self.limit, self.limit)

    def get_config(self):
        return {"limit": self.limit}


def dcgan_generator(name, *, size=64, latent=100, filters=64, classes=0):
    """The generator: z to 4x4 maps, transposed convolutions to the picture, batch norm, ReLU.

    5,135,363 trainable parameters as it stands, and 1,920 moving statistics beside them. Call it
    with `training=True` in a training step.

    Args:
        name: of the network.
        size: side of the pictures, a power of two from 16 up.
        latent: length of z.
        filters: maps of the last hidden layer; they double towards z, up to eight times that.
        classes: labels that it is given beside z; 0 = unconditional.

    Returns:
        A functional `keras.Model`: z [n, latent], or with classes `[z, y]` with y float
        [n, classes] in {-1, 1} as in IcGAN, -> float32 [n, size, size, 3] in [-1, 1].
    """
    widths = halving_widths(size, filters)
    x = inputs = keras.Input((latent,), name="z")
    if classes:
        inputs = [x, keras.Input((classes,), name="y")]
        x = layers.Concatenate(name="join")(inputs)
    x = layers.Dense(16 * widths[-1], kernel_initializer=NORMAL_002, name="project")(x)
    x = layers.Reshape((4, 4, widths[-1]), name="square")(x)
    for i, width in enumerate(reversed([3, *widths[:-1]]), 1):
        x = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"norm{i}")(x)
        x = transposed_conv(relu(x, name=f"active{i}"), width, 5, name=f"conv{i}")
    output = layers.Activation("tanh", dtype="float32", name="picture")(x)
    return keras.Model(inputs, output, name=name)


def dcgan_discriminator(
    name, *, size=64, filters=64, norm="batch", classes=0, clip=0.0, constant=True
):
    """The discriminator: strided convolutions to 4x4 maps, LeakyReLU 0.2, one logit.

    4,316,545 trainable parameters as it stands. No norm in the first layer. With batch norm, call
    it with `training=True` in a step, for real and fake pictures apart.

    Args:
        name: of the network.
        size: side of the pictures, a power of two from 16 up.
        filters: maps of the first layer; they double up to eight times that.
        norm: `"batch"`, `"none"`, or `"layer"`, over height, width and maps of a picture with a
            scale and an offset for each map, as in WGAN-GP's code: for a gradient penalty, which
            batch norm would make depend on the other pictures.
        classes: labels that it is given beside a picture, tiled as maps beside those of the first
            layer as in IcGAN; 0 = unconditional.
        clip: bound on every weight after each update, scales of norms too, as in WGAN's code; 0 =
            none. The first weights are not clipped.
        constant: the logit has a bias; a Wasserstein loss, of differences, would never move it.

    Returns:
        A functional `keras.Model`: pictures [n, size, size, 3], or with classes `[picture, y]` with
        y float [n, classes] in {-1, 1}, -> float32 logits [n, 1].
    """
    labels = keras.Input((classes,), name="y") if classes else None
    plan = [(width, 2) for width in halving_widths(size, filters)]
    return _discriminator(
        name, size, plan, 5, norm, labels=labels, clip=clip, constant=constant
    )


def cifar_discriminator(name, *, filters=128):
    """The discriminator for 32 px whose features the paper evaluates on CIFAR-10 (section 5.1).

    Six 3x3 convolutions of 128, 128, 256, 256, 512, 512 maps, every other of stride 2, batch norm
    from the second on; `pooled` makes 28,672 features of it. Convolutions have biases here, which
    the released weights have not.

    Returns:
        A functional `keras.Model`: [n, 32, 32, 3] -> float32 logits [n, 1].
    """
    plan = [(filters * 2**i, stride) for i in range(3) for stride in (1, 2)]
    return _discriminator(name, 32, plan, 3, "batch")


def discriminator_features(network):
    """The maps of a discriminator of this file after each of its nonlinearities.

    Returns:
        A functional `keras.Model` that shares the layers of `network` and takes what it takes ->
        list of float32 maps [n, h, w, c], the largest first.
    """
    maps = [x.output for x in network.layers if isinstance(x, layers.LeakyReLU)]
    return keras.Model(network.input, [logits(x) for x in maps], name=f"{network.name}_features")


def pooled(features):
    """Each map max-pooled to a 4x4 grid, all in one row: the features of the paper's section 5.1.

    Args:
        features: list of maps [n, h, w, c] whose sides are multiples of 4.

    Returns:
        [n, 16 * (c of the first + c of the second + ...)].
    """
    rows = []
    for x in features:
        h, w, c = x.shape[1:]
        x = ops.max(ops.reshape(x, (-1, 4, h // 4, 4, w // 4, c)), axis=(2, 4))
        rows.append(ops.reshape(x, (-1, 16 * c)))
    return ops.concatenate(rows, axis=-1)


def _discriminator(name, size, plan, kernel, norm, *, labels=None, clip=0.0, constant=True):
    """`plan`: (maps, stride) of each convolution; `labels`: the input of labels or None."""
    bound = Clip(clip) if clip else None
    bounds = {"kernel_constraint": bound, "bias_constraint": bound}
    x = picture = keras.Input((size, size, 3), name="picture")
    for i, (width, stride) in enumerate(plan, 1):
        x = layers.Conv2D(
            width, kernel, stride, padding="same", kernel_initializer=NORMAL_002, name=f"conv{i}",
            **bounds,
        )(x)
        if i > 1:
            x = _normalised(x, norm, bound, f"norm{i}")
        x = leaky(x, name=f"active{i}")
        if i == 1 and labels is not None:
            x = JoinLabels(name="join")(x, labels)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(
        1, use_bias=constant, kernel_initializer=NORMAL_002, name="logit", **bounds
    )(x)
    inputs = picture if labels is None else [picture, labels]
    return keras.Model(inputs, logits(x, name="output"), name=name)


def _normalised(x, norm, bound, name):
    bounds = {"gamma_constraint": bound, "beta_constraint": bound}
    if norm == "batch":
        return BatchNormalization(momentum=0.9, epsilon=1e-5, name=name, **bounds)(x)
    if norm == "layer":
        return layers.GroupNormalization(groups=1, epsilon=1e-5, name=name, **bounds)(x)
    if norm == "none":
        return x
    raise ValueError(f"norm must be batch, layer or none, not {norm!r}")


def halving_widths(size, filters):
    """Maps at half the side of the picture, a quarter and so on down to 4x4."""
    steps = int(math.log2(max(size, 1))) - 2
    if steps < 2 or size != 4 * 2**steps:
        raise ValueError(f"size must be a power of two from 16 up, not {size}")
    return [filters * min(2**i, 8) for i in range(steps)]
