"""Encoders: pictures float32 in [-1, 1] in, z out.

Four that invert a DCGAN (Roman Roman, Yang, Zhang: Photoshop 2.0, section 4): fully connected, deep
convolutional, transferred from the discriminator and extended. The text gives their kinds of
layers; widths, kernels and the output's activation are our choice: linear for z from N(0, 1), tanh
for z from U(-1, 1). IcGAN's, `strided_encoder`, for codes and for labels.

And the cyclic reverse generator's (Dogan, Keles 2020, section 3.2.2): the first four blocks of
VGG-16 and new ones, batch norm (Keras' momentum and epsilon) and spatial dropout at the end of each
block, the greatest value of each last map. Our reading where the text leaves it open: how many
blocks are VGG's and what the new ones hold. Layers of VGG carry its names and new ones never do, so
that `transfer` finds them.
"""

import keras
from keras import layers

from kgan.networks import vgg
from kgan.networks.blocks import HE, conv, leaky, relu
from kgan.networks.dcgan import BatchNormalization, halving_widths
from kgan.networks.layers import NORMAL_002


def fc_encoder(name, *, size=64, latent=100, filters=64, prior="normal"):
    """Four fully connected layers, 16, 8 and 4 times `filters` wide, ReLU between them.

    Args:
        name: of the network.
        size: side of the pictures.
        latent: length of z.
        filters: scales the widths.
        prior: `"normal"` = linear output, `"uniform"` = tanh.

    Returns:
        A functional `keras.Model`: [n, size, size, 3] -> float32 z [n, latent].
    """
    picture = keras.Input((size, size, 3), name="picture")
    x = layers.Flatten(name="flatten")(picture)
    for i in (1, 2, 3):
        x = layers.Dense(
            filters * 2 ** (5 - i), "relu", kernel_initializer=HE, name=f"hidden{i}"
        )(x)
    return keras.Model(picture, _latent(x, latent, prior), name=name)


def deep_conv_encoder(name, *, size=64, latent=100, filters=64, prior="normal"):
    """Pairs of a 3x3 and a strided 4x4 convolution down to 4x4 maps, one more 3x3, dense.

    Each with batch norm and LeakyReLU 0.2; nine convolutions at 64 px.

    Args:
        size: side of the pictures, a power of two from 8 up.
        filters: maps of the first pair; they double with each, up to eight times that.
        name, latent, prior: as `fc_encoder`.

    Returns:
        As `fc_encoder`.
    """
    pairs = size.bit_length() - 3
    if pairs < 1 or size != 4 * 2**pairs:
        raise ValueError(f"size must be a power of two from 8 up, not {size}")
    x = picture = keras.Input((size, size, 3), name="picture")
    for i in range(pairs):
        width = filters * min(2**i, 8)
        x = _conv(x, width, 3, 1, f"wide{i + 1}")
        x = _conv(x, width, 4, 2, f"down{i + 1}")
    x = _conv(x, width, 3, 1, "last")
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(picture, _latent(x, latent, prior), name=name)


def transfer_encoder(name, discriminator, *, latent=100, prior="normal"):
    """A copy of a discriminator's convolutions, frozen, and a dense layer in place of its logit.

    The copy has the weights of now; `transfer(discriminator, encoder)` brings later ones. Its batch
    norm always uses moving statistics.

    Args:
        discriminator: of `kgan.networks.dcgan`, without classes.
        name, latent, prior: as `fc_encoder`.

    Returns:
        As `fc_encoder`, for the discriminator's size.
    """
    trunk = _frozen(discriminator, discriminator.get_layer("flatten").output)
    return keras.Model(trunk.input, _latent(trunk.output, latent, prior), name=name)


def extended_transfer_encoder(name, discriminator, *, latent=100, prior="normal"):
    """As `transfer_encoder`, with a 3x3 convolution and a dense layer more before the last one.

    Both with batch norm and LeakyReLU 0.2; as wide as the discriminator's last maps and twice that.
    """
    trunk = _frozen(discriminator, discriminator.get_layer("flatten").input)
    x = trunk.output
    width = x.shape[-1]
    x = layers.Flatten(name="extra_flatten")(_conv(x, width, 3, 1, "extra"))
    x = layers.Dense(2 * width, kernel_initializer=NORMAL_002, name="hidden")(x)
    x = _norm_leaky(x, "hidden")
    return keras.Model(trunk.input, _latent(x, latent, prior), name=name)


def strided_encoder(name, *, size=64, outputs=100, filters=32, width=4096, channels=3):
    """IcGAN's (Perarnau et al. 2016): 5x5 convolutions of stride 2 to 4x4 maps, two dense layers.

    Batch norm and ReLU after all but the last, which is linear.

    Args:
        name: of the network.
        size: side of the pictures, a power of two from 16 up.
        outputs: numbers that come out.
        filters: maps of the first layer; they double up to eight times that.
        width: of the first dense layer.
        channels: of the pictures.

    Returns:
        A functional `keras.Model`: [n, size, size, channels] in [-1, 1] -> float32
        [n, outputs].
    """
    def normed(x, what):
        x = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{what}_norm")(x)
        return relu(x, name=f"{what}_active")

    x = picture = keras.Input((size, size, channels), name="picture")
    for i, maps in enumerate(halving_widths(size, filters), 1):
        x = normed(conv(x, maps, 5, 2, padding="same", name=f"conv{i}"), f"conv{i}")
    x = layers.Flatten(name="flatten")(x)
    x = normed(layers.Dense(width, kernel_initializer=NORMAL_002, name="hidden")(x), "hidden")
    return keras.Model(picture, _latent(x, outputs, "normal"), name=name)


def crg_encoder(
    name, *, latent=128, filters=64, variant="paper", dropout=0.5, imagenet_range=False,
    pool="max", slope=0.0, depth=16, head="max",
):
    """The encoder of the cyclic reverse generator.

    Blocks 1 to 4 of a VGG without the last pooling, new blocks of 3x3 convolutions, a transposed
    1x1 convolution to `latent` maps, linear, since only so can z be negative, and each map's
    maximum or mean. 21,924,288 parameters as it stands, batch norm aside.

    `keras.layers.SpatialDropout2D` counts its calls in a weight, so that each call of a step and
    each step has a mask of its own.

    Args:
        name: of the network.
        latent: length of z.
        filters: maps of the first block.
        variant: `"paper"`: one new block, two convolutions of 16 * filters maps; `"code"`: before
            it another, of 8 * filters, as the authors' later code suggests (26,643,904 parameters).
        dropout: share of maps that are dropped; 0 = none.
        imagenet_range: begin with `vgg.ImageNetRange`, for weights of `keras.applications`.
        pool: `"max"`, or `"average"` in VGG*.
        slope: of the leaky ReLU; 0 = ReLU, 0.2 in VGG*.
        depth: of the VGG, 16 or 19.
        head: what of each last map is a number of z: its `"max"`, as published, or its `"mean"`.

    Returns:
        A functional `keras.Model`: float [n, h, w, 3] in [-1, 1], any sides from 8 up -> float32 z
        [n, latent].
    """
    new = {"paper": (16,), "code": (8, 16)}
    if variant not in new:
        raise ValueError(f"variant must be paper or code, not {variant!r}")
    if pool not in ("max", "average"):
        raise ValueError(f"pool must be max or average, not {pool!r}")
    if head not in ("max", "mean"):
        raise ValueError(f"head must be max or mean, not {head!r}")
    pooling = layers.MaxPooling2D if pool == "max" else layers.AveragePooling2D
    last = layers.GlobalMaxPooling2D if head == "max" else layers.GlobalAveragePooling2D
    blocks = list(zip(vgg.DEPTHS[depth], vgg.widths(filters), strict=True))[:4]
    plan = [(f"block{i}", count, width) for i, (count, width) in enumerate(blocks, 1)]
    plan += [(f"new{i}", 2, times * filters) for i, times in enumerate(new[variant], 1)]
    picture = keras.Input((None, None, 3), name="picture")
    x = vgg.ImageNetRange(name="imagenet_range")(picture) if imagenet_range else picture
    for block, count, width in plan:
        for i in range(1, count + 1):
            x = conv(x, width, 3, padding="same", first=HE, name=f"{block}_conv{i}")
            x = relu(x, slope)
        x = BatchNormalization(name=f"{block}_norm")(x)
        x = layers.SpatialDropout2D(dropout, name=f"{block}_dropout")(x) if dropout else x
        if block in ("block1", "block2", "block3"):
            x = pooling(2, name=f"{block}_pool")(x)
    x = layers.Conv2DTranspose(latent, 1, name="latent", dtype="float32")(x)
    return keras.Model(picture, last(dtype="float32", name="z")(x), name=name)


def transfer(source, target):
    """Copies the weights of each layer of `source` that has a namesake in `target`.

    From a VGG of `kgan.networks.vgg` to `crg_encoder`: the convolutions of blocks 1 to 4, 10 of
    depth 16 and 12 of depth 19; depth, filters, `pool`, `slope` and `imagenet_range` should be the
    same in both. From a discriminator to its transfer encoders: convolutions and norms.

    Args:
        source: a network that is not changed.
        target: an encoder of this file.

    Returns:
        How many layers were copied.

    Raises:
        ValueError: namesakes have weights of different shapes (nothing is copied then).
    """
    namesakes = {layer.name: layer for layer in target.layers if layer.weights}
    pairs = [(x, namesakes[x.name]) for x in source.layers if x.weights and x.name in namesakes]
    for old, new in pairs:
        shapes = [[tuple(w.shape) for w in layer.weights] for layer in (old, new)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{old.name} of {source.name} has weights {shapes[0]}, that of {target.name} "
                f"{shapes[1]}: make both with the same filters"
            )
    for old, new in pairs:
        new.set_weights(old.get_weights())
    return len(pairs)


def _frozen(discriminator, output):
    """A copy of a discriminator up to `output`, with its weights, not trainable."""
    if len(discriminator.inputs) != 1:
        raise ValueError(f"{discriminator.name} takes labels too: make it with classes=0")
    trunk = keras.Model(discriminator.input, output)
    copy = keras.models.clone_model(trunk)
    copy.set_weights(trunk.get_weights())
    copy.trainable = False
    return copy


def _conv(x, width, kernel, stride, name):
    return _norm_leaky(conv(x, width, kernel, stride, padding="same", name=f"{name}_conv"), name)


def _norm_leaky(x, name):
    x = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
    return leaky(x, name=f"{name}_active")


def _latent(x, latent, prior):
    if prior not in ("normal", "uniform"):
        raise ValueError(f"prior must be normal or uniform, not {prior!r}")
    x = layers.Dense(latent, kernel_initializer=NORMAL_002, name="latent")(x)
    activation = "linear" if prior == "normal" else "tanh"
    return layers.Activation(activation, dtype="float32", name="z")(x)
