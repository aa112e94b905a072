"""VGG-16 and VGG-19 (Simonyan, Zisserman 2015) and VGG*, as features and as classifiers.

VGG* (Sungatullina et al. 2018, section 3.3) has average instead of max pooling and leaky ReLU of
slope 0.2 instead of ReLU, so that gradients reach every pixel. Layers carry the names of
`keras.applications` (`block3_conv1`), whose weights fit.

Deviation: the narrow versions are classified from the mean of their last maps instead of a
flattened square, so that they take pictures of any size.
"""

import keras
from keras import layers, ops

from kgan.networks.blocks import HE, conv, logits, relu

DEPTHS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
TOP = ("fc1", "fc2", "predictions")
_BGR_MEANS = (103.939, 116.779, 123.68)


def widths(filters):
    """Maps of the five blocks of a VGG whose first layer has `filters`."""
    return tuple(filters * min(2**i, 8) for i in range(5))


@keras.saving.register_keras_serializable("kgan")
class ImageNetRange(layers.Layer):
    """RGB in [-1, 1] to what Keras' VGG weights expect: BGR of 0..255 less ImageNet's means."""

    def call(self, x):
        x = ops.flip(ops.cast(x, "float32") + 1.0, axis=-1) * 127.5
        return ops.cast(x - ops.array(_BGR_MEANS, "float32"), self.compute_dtype)


@keras.saving.register_keras_serializable("kgan")
class Scale(layers.Layer):
    """(x - centre) / by for each map, fixed numbers; see `kgan.models.reference.calibrate`."""

    def build(self, shape):
        def fixed(name, initializer):
            return self.add_weight(
                shape=shape[-1:], initializer=initializer, trainable=False, name=name
            )

        self.centre, self.by = fixed("centre", "zeros"), fixed("by", "ones")

    def call(self, x):
        x = (ops.cast(x, "float32") - self.centre) / self.by
        return ops.cast(x, self.compute_dtype)


def _convolutions(x, depth, filters, pool, slope, last=None):
    """The blocks of a VGG up to the layer `last`; yields (name of the activation, maps)."""
    if pool not in ("max", "average"):
        raise ValueError(f"pool must be max or average, not {pool!r}")
    for block, (count, width) in enumerate(zip(DEPTHS[depth], widths(filters), strict=True), 1):
        for i in range(1, count + 1):
            name = f"block{block}_conv{i}"
            x = relu(conv(x, width, 3, padding="same", first=HE, name=name), slope)
            yield f"relu{block}_{i}", x
            if f"relu{block}_{i}" == last:
                return
        x = (layers.MaxPooling2D if pool == "max" else layers.AveragePooling2D)(2)(x)
        yield f"pool{block}", x
        if f"pool{block}" == last:
            return


def vgg_features(
    name, *, depth=19, filters=64, pool="max", slope=0.0, taps=TAPS, imagenet_range=False
):
    """The maps of a VGG after some of its activations, each through a `Scale`.

    Args:
        name: of the network.
        depth: 16 or 19.
        filters: maps of the first block, 64 in the paper; 64, 128, 256, 512, 512 from block 1 on.
        pool: `"max"`, or `"average"` in VGG*.
        slope: of the leaky ReLU; 0 = ReLU, 0.2 in VGG*.
        taps: names of activations, `relu1_1` to `relu5_4`, in their order.
        imagenet_range: begin with `ImageNetRange`, for weights of `keras.applications`.

    Returns:
        A functional `keras.Model`: float [n, h, w, 3] in [-1, 1] -> list of maps; a tap of block b
        has sides h / 2^(b-1), w / 2^(b-1), rounded down.
    """
    picture = keras.Input((None, None, 3), name="picture")
    x = ImageNetRange(name="imagenet_range")(picture) if imagenet_range else picture
    found = dict(_convolutions(x, depth, filters, pool, slope, last=taps[-1]))
    unknown = [tap for tap in taps if tap not in found]
    if unknown:
        raise ValueError(f"VGG-{depth} has no {', '.join(unknown)} before {taps[-1]}")
    return keras.Model(picture, [Scale(name=f"scale_{tap}")(found[tap]) for tap in taps], name=name)


def vgg_layer(
    name, layer, *, depth=19, filters=64, pool="max", slope=0.0, imagenet_range=False, top=4096,
    classes=1000, size=None,
):
    """A VGG up to one of its layers, through a `Scale`.

    Args:
        name: of the network.
        layer: `relu1_1` to `relu5_4`, `pool1` to `pool5`, `fc1` and `fc2`, each after its ReLU, or
            `predictions`, before the softmax.
        depth, filters, pool, slope, imagenet_range: as `vgg_features`.
        top, classes, size: as `vgg_classifier`.

    Returns:
        A functional `keras.Model`: float [n, h, w, 3] in [-1, 1] -> maps [n, h', w', c]; those of a
        fully connected layer are [n, 1, 1, c].
    """
    if layer not in TOP:
        taps = vgg_features(name, depth=depth, filters=filters, pool=pool, slope=slope,
                            taps=(layer,), imagenet_range=imagenet_range)
        return keras.Model(taps.input, taps.outputs[0], name=name)
    picture = keras.Input((size, size, 3), name="picture")
    x = ImageNetRange(name="imagenet_range")(picture) if imagenet_range else picture
    x = dict(_convolutions(x, depth, filters, pool, slope))["pool5"]
    x = layers.Flatten(name="flatten")(x) if size else layers.GlobalAveragePooling2D(name="mean")(x)
    for i, width in enumerate((top, top, classes)[: TOP.index(layer) + 1]):
        x = layers.Dense(width, name=TOP[i], kernel_initializer=HE)(x)
        x = relu(x, slope, name=f"{TOP[i]}_active") if TOP[i] != "predictions" else x
    x = layers.Reshape((1, 1, x.shape[-1]), name="square")(x)
    return keras.Model(picture, Scale(name=f"scale_{layer}")(x), name=name)


def vgg_classifier(
    name, *, classes, depth=19, filters=64, pool="max", slope=0.0, top=4096, dropout=0.5,
    size=None, imagenet_range=False,
):
    """A VGG with its fully connected layers.

    Args:
        name: of the network.
        classes: logits.
        depth, filters, pool, slope, imagenet_range: as `vgg_features`.
        top: units of the two hidden layers.
        dropout: after each of them.
        size: side of the pictures, which are then flattened as published (224 px, 64 filters and
            1,000 classes give 143,667,240 parameters); None = means over the maps, any size.

    Returns:
        A functional `keras.Model`: float [n, h, w, 3] in [-1, 1] -> float32 logits [n, classes].
    """
    picture = keras.Input((size, size, 3), name="picture")
    x = ImageNetRange(name="imagenet_range")(picture) if imagenet_range else picture
    x = dict(_convolutions(x, depth, filters, pool, slope))["pool5"]
    x = layers.Flatten(name="flatten")(x) if size else layers.GlobalAveragePooling2D()(x)
    for i in (1, 2):
        x = relu(layers.Dense(top, name=f"fc{i}", kernel_initializer=HE)(x), slope)
        x = layers.Dropout(dropout, name=f"dropout{i}")(x) if dropout else x
    x = layers.Dense(classes, name="predictions", kernel_initializer="glorot_uniform")(x)
    return keras.Model(picture, logits(x), name=name)
