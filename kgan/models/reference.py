"""Reference networks: the frozen features that a perceptual discriminator or loss looks through.

A specification names one: `vgg_star_small.avatars`, `vgg_star_small.cifar10`, `vgg_small.avatars`
(packaged with the zoo, hash-checked), `vgg19`, `vgg16` (ImageNet weights of `keras.applications`),
`vgg_star19` (VGG* with the weights of VGG-19, not tuned), or the folder of a run or of weights of
`vgg_star`, fine-tuned. Pictures are float [n, h, w, 3] in [-1, 1]; features are the maps after
relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1.

Our choice: each map is brought to mean 0 and variance 1 over some pictures, by numbers that then
stay (`calibrate`). The weights of `keras.applications` give features a hundred times larger than
those that the authors of perceptual discriminators used, and a discriminator without normalisation
expects values near 1.
"""

import contextlib
import sys
from dataclasses import dataclass

from kgan.core import registry
from kgan.core.batches import parts
from kgan.core.errors import UsageError, UserError, printable
from kgan.core.hashing import sha256_of_file
from kgan.core.lazy import keras, losses, networks, np, ops, pixels, tf
from kgan.core.recipe import Recipe, knob, nearest
from kgan.models import source

IMAGENET = {
    "vgg16": {"depth": 16},
    "vgg19": {"depth": 19},
    "vgg_star19": {"depth": 19, "pool": "average", "slope": 0.2},
}
OFFICIAL = {  # md5 of Keras' files without and with the fully connected layers
    "6d6bbae143d832006294945121d1f1fc", "64373286793e3c8b2b4e3219cbf3544b",
    "253f8cb515780f3b799900260a226db6", "cbe5617147190e668d6c5d5026f83318",
}

LATER_COUNT_MORE = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1)  # weights of relu1_1 to relu5_1, pix2pixHD's


@dataclass(frozen=True)
class VGGRecipe(Recipe):
    """A recipe of what looks through a reference network."""

    vgg_weights: str = knob("", "an .h5 file with VGG weights in the layout of keras.applications; "
                            "empty = Keras downloads its own")
    vgg_sha256: str = knob("", "sha256 of --vgg_weights if it is none of Keras' own files")

    @property
    def vgg_file(self):
        """What `load` takes: (the file of ImageNet weights, its sha256)."""
        return self.vgg_weights, self.vgg_sha256


def shape(spec):
    """`{"depth", "filters", "pool", "slope", "imagenet_range"}` of a specification."""
    if spec in IMAGENET:
        published = {"filters": 64, "pool": "max", "slope": 0.0, "imagenet_range": True}
        return {**published, **IMAGENET[spec]}
    found = _source(spec)
    r = found.recipe
    if not hasattr(r, "slope"):
        raise UsageError(f"{spec} is a {found.name}, not a classifier that can serve as a "
                         "reference.")
    return {"depth": r.depth, "filters": r.filters, "pool": r.pooling, "slope": r.slope,
            "imagenet_range": r.imagenet_range}


def channels(spec):
    """Maps of the five taps, at 1, 1/2, 1/4, 1/8, 1/16 of the pictures' side."""
    return networks.vgg.widths(shape(spec)["filters"])


def labels(spec):
    """Names of what a reference was trained to see, if it was trained here; `()` for ImageNet's."""
    if spec in IMAGENET:
        return ()
    return tuple(_source(spec).recipe.labels.split(","))


def build(spec, name="reference", taps=None, trainable=False):
    """The feature network of a specification, with fresh weights; see `load`.

    Args:
        spec: see the module.
        name: of the network.
        taps: other activations than `kgan.networks.vgg.TAPS`.
        trainable: whether an optimizer may have it.

    Returns:
        A `keras.Model`: float [n, h, w, 3] in [-1, 1] -> list of maps.

    Raises:
        UsageError: it has no such activations.
    """
    try:
        network = networks.vgg_features(name, taps=taps or networks.vgg.TAPS, **shape(spec))
    except ValueError as error:
        raise UsageError(f"The reference {spec} lacks a layer: {error}.") from None
    network.trainable = trainable
    return network


def layout(spec):
    """What `build_layer` needs to know of a reference; all can be written as JSON."""
    if spec in IMAGENET:
        return {**shape(spec), "top": 4096, "classes": 1000, "size": 224}
    found = shape(spec)
    r = _source(spec).recipe
    return {**found, "top": r.top, "classes": len(r.labels.split(",")),
            "size": r.size if r.flatten else None}


def build_layer(layer, how, name="reference"):
    """A reference up to one of its layers, frozen, with fresh weights; see `load`.

    Args:
        layer: as `kgan.networks.vgg.vgg_layer` takes it.
        how: its `layout`.
        name: of the network.

    Returns:
        A `keras.Model`: float [n, h, w, 3] in [-1, 1] -> maps.

    Raises:
        UsageError: a reference of such a kind has no such layer.
    """
    try:
        network = networks.vgg.vgg_layer(name, layer, **how)
    except ValueError as error:
        raise UsageError(f"The reference has no layer {layer}: {error}.") from None
    network.trainable = False
    return network


def features(spec, size, layer="relu4_1"):
    """A reference up to one of its layers, as a function of pictures.

    Those of ImageNet see pictures that are enlarged to about 256 px by repeating pixels, as iGAN
    shows 64 px to AlexNet; those that were trained here see them as they are.

    Args:
        spec: see the module.
        size: side of the pictures.
        layer: as `build_layer` takes it.

    Returns:
        A graph function: float32 [n, size, size, 3] in [-1, 1] -> float32 [n, d].
    """
    network = build_layer(layer, layout(spec))
    load(network, spec)
    by = max(1, 256 // size) if spec in IMAGENET else 1

    @tf.function(input_signature=[tf.TensorSpec([None, size, size, 3])], autograph=False)
    def find(pictures):
        large = tf.repeat(tf.repeat(pictures, by, axis=1), by, axis=2)
        maps = tf.cast(network(large, training=False), tf.float32)
        return tf.reshape(maps, [tf.shape(maps)[0], int(np.prod(maps.shape[1:]))])

    return find


def load(network, spec, vgg_weights="", vgg_sha256="", instead=""):
    """Gives a network of `build` the weights of its specification.

    Args:
        network: from `build(spec)`.
        spec: see the module.
        vgg_weights: for ImageNet references, an .h5 file in the layout of `keras.applications`,
            with or without the fully connected layers; "" = Keras' own, downloaded.
        vgg_sha256: of a file that is none of Keras' own.
        instead: what its user may do where nothing can be downloaded, in words.

    Raises:
        UserError: the weights are missing, damaged or cannot be downloaded.
    """
    if spec in IMAGENET:
        load_imagenet(network, IMAGENET[spec]["depth"], vgg_weights, vgg_sha256, instead)
    else:
        from kgan.models import weights

        _copy(weights.load(_source(spec).folder, "required").nets["classifier"], network)


def load_imagenet(network, depth, vgg_weights="", vgg_sha256="", instead=""):
    """Gives a VGG the ImageNet weights of the layers that it has; see `load`."""
    names = {layer.name for layer in network.layers}
    _copy(_imagenet(depth, vgg_weights, vgg_sha256, instead, top="fc1" in names), network)


def _copy(source, network):
    """The weights of the layers that have the same name and the same shapes in both."""
    known, left = {layer.name: layer for layer in source.layers}, []
    for layer in network.layers:
        values = known[layer.name].get_weights() if layer.name in known else []
        if values and [v.shape for v in values] == [tuple(w.shape) for w in layer.weights]:
            layer.set_weights(values)
        elif layer.weights and not isinstance(layer, networks.vgg.Scale):
            left.append(layer.name)
    if left:
        print(f"note: {printable(', '.join(left))} of {network.name}: no such weights, so they "
              "begin at random", file=sys.stderr)


def calibrate(network, pictures, batch=8):
    """Sets the `Scale` of each tap to mean and deviation of its maps on some pictures.

    Args:
        network: from `build`, with its weights.
        pictures: float [n, h, w, 3] in [-1, 1].
        batch: pictures that are looked at at a time.
    """
    scales = [layer for layer in network.layers if isinstance(layer, networks.vgg.Scale)]
    for scale in scales:
        scale.centre.assign(ops.zeros_like(scale.centre))
        scale.by.assign(ops.ones_like(scale.by))
    sums = [[0.0, 0.0] for _ in scales]  # over the pictures, of means of maps and of squares
    for some in parts(pictures, batch):
        found = network(some)
        found = found if isinstance(found, (list, tuple)) else [found]  # of one tap
        for total, maps in zip(sums, found, strict=True):
            maps = np.asarray(ops.cast(maps, "float32"), np.float64)
            total[0] += maps.mean((1, 2)).sum(0)
            total[1] += np.square(maps).mean((1, 2)).sum(0)
    for scale, total in zip(scales, sums, strict=True):
        mean, square = (part / len(pictures) for part in total)
        deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
        scale.centre.assign(mean)
        # a map that hardly ever answers stays small
        scale.by.assign(np.maximum(deviation, 0.1 * deviation.mean()) + 1e-6)


def prepare(network, recipe, pictures, instead=""):
    """Makes a network of `build` ready for a perceptual loss: `load`, then `calibrate`.

    Args:
        network: from `build(recipe.reference)`.
        recipe: a `VGGRecipe` with a `reference`.
        pictures: uint8 [n, h, w, 3] to train on; the first 32 are looked at.
        instead: see `load`.
    """
    load(network, recipe.reference, *recipe.vgg_file, instead=instead)
    calibrate(network, pixels.array_to_float(pictures[np.arange(min(32, len(pictures)))]))


def perceptual_loss(network, truth, made):
    """L1 distances of the maps of two batches, the later maps weighing more, as in pix2pixHD.

    Args:
        network: from `build`, with the usual taps.
        truth, made: float [n, h, w, 3] in [-1, 1].
    """
    both = zip(LATER_COUNT_MORE, network(truth), network(made), strict=True)
    return sum(weight * losses.l1(x, y) for weight, x, y in both)


def _source(spec):
    """The `kgan.models.source.Source` of a reference that was trained here."""
    if source.is_folder(spec) or registry.knows(spec):
        found = source.resolve(spec)
        if found.folder is not None:
            return found
    small = ("vgg_star_small", "vgg_small")
    known = [tagged for name in small for tagged in registry.entry(name).tagged]
    raise UsageError(f"There is no reference {spec}. {nearest(spec, [*known, *IMAGENET])} "
                     "Or the folder of a run of vgg_star.")


def _imagenet(depth, path, sha256, instead="", top=False):
    """The `keras.applications` model with its weights; `top`: downloaded with all layers."""
    make = keras.applications.VGG16 if depth == 16 else keras.applications.VGG19
    if not path:
        try:
            with contextlib.redirect_stdout(sys.stderr):  # Keras tells stdout of its download
                return make(include_top=top, weights="imagenet")
        except Exception as error:  # whatever a download meets
            raise UserError(
                f"Keras cannot download its VGG-{depth} weights ({type(error).__name__}): go "
                f"online once{', or ' if instead else ''}{instead}."
            ) from error
    check(path, sha256)
    for whole in (False, True):
        try:
            return make(include_top=whole, weights=str(path))
        except (ValueError, KeyError, IndexError, OSError):
            continue
    raise UserError(f"{path} does not hold VGG-{depth} weights in the layout of "
                    "keras.applications.")


def check(path, sha256=""):
    """Raises `UserError` unless a file is one of Keras' own VGG files or has the hash given."""
    try:
        found = sha256_of_file(path)
        official = sha256 or sha256_of_file(path, "md5") in OFFICIAL
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read: {reason}.") from None
    if sha256:
        if found != sha256.lower():
            raise UserError(f"{path} is not what --vgg_sha256 says: its sha256 is {found}.")
    elif not official:
        raise UserError(f"{path} is not one of Keras' VGG files, or damaged. If it is your own, "
                        f"say --vgg_sha256 {found}.")
