"""Networks of VAE/GAN (Larsen et al. 2016), which the plain VAE has, too.

`"published"`: as in the authors' code, 5x5 kernels, biases only where no batch norm follows,
ReLU, batch norm with momentum 0.9 and epsilon 1e-6, first weights uniform within 1 / sqrt(3 inputs)
of 0. `"plain"`: as in the code of Munjal, on which the comparison of the cyclic reverse generator
(Dogan, Keles 2020) stands: a fourth convolution of stride 1 instead of the dense layers, batch norm
also in the discriminator's first layer, biases everywhere, first weights N(0, 0.02), cut off at two
deviations, Keras' momentum and epsilon of batch norm.

The discriminator is two networks, one after the other: what the learned similarity looks at, and
the rest, since batch norm sees other pictures in the one than in both.
"""

import keras
from keras import layers, ops

from kgan.networks.blocks import conv, logits, relu, transposed_conv
from kgan.networks.dcgan import BatchNormalization

UNIFORM = {"class_name": "VarianceScaling", "config": {
    "scale": 1 / 9, "mode": "fan_in", "distribution": "uniform"}}
TRUNCATED = {"class_name": "TruncatedNormal", "config": {"mean": 0.0, "stddev": 0.02}}
VARIANTS = ("published", "plain")


@keras.saving.register_keras_serializable("kgan")
class LogVarianceOfSoftplus(layers.Layer):
    """Numbers whose softplus is a standard deviation, to the logarithm of its square."""

    def call(self, x):
        return 2.0 * ops.log(ops.softplus(ops.cast(x, "float32")) + 1e-6)


def vae_encoder(name, *, size=64, latent=128, filters=64, variant="published"):
    """Three strided convolutions, and a dense layer or another convolution.

    18,071,360 trainable parameters as it stands, 12,697,344 of the plain one.

    Args:
        name: of the network.
        size: side of the pictures, a multiple of 8.
        latent: length of a code.
        filters: maps of the first layer; they double with each.
        variant: see the module.

    Returns:
        A functional `keras.Model`: [n, size, size, 3] -> [mean, logarithm of the variance], each
        float32 [n, latent].
    """
    published, first = _of(variant, size)
    x = picture = keras.Input((size, size, 3), name="picture")
    x = _trunk(x, [(filters, 2), (2 * filters, 2), (4 * filters, 2)], published)
    if not published:
        x = _trunk(x, [(8 * filters, 1)], published, begin=4)
    x = layers.Flatten(name="flatten")(x)
    if published:
        x = layers.Dense(16 * filters, use_bias=False, kernel_initializer=first, name="dense")(x)
        x = _norm_relu(x, "dense", published)
    mean, spread = (layers.Dense(latent, kernel_initializer=first, dtype="float32", name=what)(x)
                    for what in ("mean", "log_variance" if published else "deviation"))
    if not published:
        spread = LogVarianceOfSoftplus(dtype="float32", name="log_variance")(spread)
    return keras.Model(picture, [mean, spread], name=name)


def vae_decoder(name, *, size=64, latent=128, filters=64, variant="published"):
    """A dense layer to maps of an eighth of the side, three transposed convolutions, tanh.

    4,693,155 trainable parameters as it stands, 8,599,555 of the plain one.

    Args:
        name, size, latent, filters, variant: as `vae_encoder`.

    Returns:
        A functional `keras.Model`: [n, latent] -> float32 [n, size, size, 3] in [-1, 1].
    """
    published, first = _of(variant, size)
    side, width = size // 8, 4 * filters if published else 8 * filters
    widths = (4 * filters, 2 * filters, filters // 2 if published else filters)
    x = z = keras.Input((latent,), name="z")
    x = layers.Dense(side * side * width, use_bias=not published, kernel_initializer=first,
                     name="dense")(x)
    x = _norm_relu(x, "dense", published)
    x = layers.Reshape((side, side, width), name="square")(x)
    for i, width in enumerate(widths, 1):
        x = transposed_conv(x, width, 5, first=first, use_bias=not published, name=f"conv{i}")
        x = _norm_relu(x, f"conv{i}", published)
    last = conv if published else transposed_conv
    x = last(x, 3, 5, 1, padding="same", first=first, name="conv4")
    return keras.Model(z, layers.Activation("tanh", dtype="float32", name="picture")(x), name=name)


def vae_similarity(name, *, size=64, filters=64, variant="published"):
    """The discriminator up to the layer whose maps pictures are compared in.

    The third convolution of stride 2, before its batch norm (the plain one: the fourth convolution,
    after its ReLU). 2,563,200 trainable parameters as it stands, 4,308,480 of the plain one.

    Args:
        name, size, variant: as `vae_encoder`.
        filters: those of the encoder; the first layer of the published one has half as many.

    Returns:
        A functional `keras.Model`: [n, size, size, 3] -> float32 [n, size / 8, size / 8, maps].
    """
    published, first = _of(variant, size)
    x = picture = keras.Input((size, size, 3), name="picture")
    if published:
        x = relu(conv(x, filters // 2, 5, padding="same", first=first, name="conv1"), name="relu1")
        x = _trunk(x, [(2 * filters, 2), (4 * filters, 2)], published, begin=2)
        x = conv(x, 4 * filters, 5, 2, padding="same", first=first, use_bias=False, name="conv4")
    else:
        plan = [(filters, 2), (2 * filters, 2), (4 * filters, 2), (8 * filters, 1)]
        x = _trunk(x, plan, published)
    return keras.Model(picture, logits(x, name="maps"), name=name)


def vae_discriminator(name, *, size=64, filters=64, variant="published"):
    """What follows upon `vae_similarity`: one dense layer and the logit, or the logit alone.

    8,390,657 trainable parameters as it stands, 32,769 of the plain one.

    Args:
        name, size, filters, variant: as `vae_similarity`.

    Returns:
        A functional `keras.Model`: the maps -> float32 logits [n, 1].
    """
    published, first = _of(variant, size)
    side, width = size // 8, (4 if published else 8) * filters
    x = maps = keras.Input((side, side, width), name="maps")
    if published:
        x = _norm_relu(x, "conv4", published)
    x = layers.Flatten(name="flatten")(x)
    if published:
        x = layers.Dense(8 * filters, use_bias=False, kernel_initializer=first, name="dense")(x)
        x = _norm_relu(x, "dense", published)
    x = layers.Dense(1, kernel_initializer=first, name="logit")(x)
    return keras.Model(maps, logits(x, name="output"), name=name)


def _of(variant, size):
    """(whether it is the published variant, first weights)."""
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, not {variant!r}")
    if size < 16 or size % 8:
        raise ValueError(f"size must be a multiple of 8 from 16 up, not {size}")
    return variant == "published", UNIFORM if variant == "published" else TRUNCATED


def _trunk(x, plan, published, begin=1):
    """5x5 convolutions of (maps, stride), each with batch norm and ReLU."""
    first = UNIFORM if published else TRUNCATED
    for i, (width, stride) in enumerate(plan, begin):
        x = conv(x, width, 5, stride, padding="same", first=first, use_bias=not published,
                 name=f"conv{i}")
        x = _norm_relu(x, f"conv{i}", published)
    return x


def _norm_relu(x, name, published):
    how = {"momentum": 0.9, "epsilon": 1e-6} if published else {"momentum": 0.99, "epsilon": 1e-3}
    return relu(BatchNormalization(name=f"{name}_norm", **how)(x), name=f"{name}_relu")
