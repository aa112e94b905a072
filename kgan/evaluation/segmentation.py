"""Whether made photographs show what their maps of labels say, and made maps what photographs show.

pix2pix (Isola et al. 2017, section 4) gives its photographs to a network that segments real ones:
what is well made is recognised (their "FCN scores", by an FCN-8s of Cityscapes). Here the segmenter
is a small U-Net, trained on first use on the real training pairs of the very data and kept in the
cache. So figures of one data set compare with each other, and not with published ones. How it does
on real held-out photographs stands beside every figure that it gives.

Made maps need no segmenter: each pixel is of the class whose colour is nearest. Where maps are
pictures, that holds for the true ones as well: what JPEG or resizing mixes at a border may become a
third class.
"""

import sys
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from kgan.core import pixels
from kgan.core.batches import in_parts
from kgan.core.errors import UserError, printable
from kgan.core.paths import cache_dir
from kgan.core.progress import progress
from kgan.data import palettes
from kgan.data.palettes import Palette
from kgan.data.signals import Signal
from kgan.data.stream import Sampler
from kgan.evaluation.pairs import results
from kgan.evaluation.trained import begin, fingerprint, trained_once
from kgan.metrics.segmentation import confusion, scores

VERSION = 1  # of the network and its training
LARGEST = 256  # longer side at which pictures are segmented, pixels; larger ones are reduced
_PIXELS, _BATCH = 2**17, 16  # of a training batch: pixels, and pictures at most
_WIDTHS = (32, 64, 128, 128)  # at 1/2, 1/4 and so on of the sides
_SHOWN = 8  # pictures


@dataclass(frozen=True)
class Maps:
    """The maps of labels of a data set.

    Attributes:
        name: of the signal.
        classes: how many there are.
        void: ids that count in no score.
        palette: the colours of the classes; None = not known.
        painted: whether the data hold colours, not ids.
    """

    name: str
    classes: int
    void: tuple
    palette: Palette | None
    painted: bool

    def ids(self, held, void=True):
        """Ids [n, h, w, 1] of maps as the data hold them; without the void classes if asked."""
        if not self.painted:
            return held
        return in_parts(lambda some: self.palette.nearest(some, void), held, 16)

    def shown(self, ids):
        """Some maps to look at: in their colours, or ids."""
        some = ids[:_SHOWN].astype(np.int32)
        return self.palette.paint(some) if self.palette else some


def maps_of(data, signals, palette=""):
    """The `Maps` of a data set: the ids that a model takes, or pictures in known colours.

    Args:
        data: a `kgan.data.Data`.
        signals: those of the model.
        palette: the name of one of `kgan.data.palettes.KNOWN`; empty = the one that is found.

    Raises:
        UserError: there are no maps.
    """
    known = palettes.KNOWN.get(palette)
    for signal in signals:
        if signal.kind == "labels" and (known or signal.classes):
            known = known or (palettes.AVATARS if data.spec.startswith("avatars:") else None)
            classes = len(known.classes) if known else signal.classes
            return Maps(signal.name, classes, known.void if known else (), known, False)
    best = ("", None, 0.0)
    for signal in signals:
        if signal.kind == "picture" and signal.name in data.train:
            held = data.train[signal.name]
            found = palettes.found_in(held, [known], 0.0) if known else palettes.found_in(held)
            best = max(best, (signal.name, *found), key=lambda one: one[2])
    name, found, share = best
    if not share:
        raise UserError(f"segmentation needs maps of labels, and {data.spec} has neither class ids "
                        f"nor pictures in the colours of {', '.join(palettes.KNOWN)} (--palette "
                        "names one).")
    return Maps(name, len(found.classes), found.void, found, True)


class Segmenter:
    """Says of each pixel of photographs which class it is of.

    Args:
        network: see `_network`.
        classes: how many it tells apart.
        void: ids that it never says.
    """

    def __init__(self, network, classes, void):
        self._network = network
        self._never = tf.constant([-1e9 * (i in void) for i in range(classes)])
        self._find = tf.function(self._found, reduce_retracing=True, autograph=False)

    def ids(self, pictures):
        """uint8 [n, h, w, 1] for uint8 pictures [n, h, w, 3]."""
        batch = _batch(pictures.shape[1:3])
        return in_parts(lambda x: self._find(tf.constant(x)), pictures, batch)

    def _found(self, pictures):
        logits = _logits(self._network, _reduced(pixels.to_float(pictures)), training=False)
        logits = tf.image.resize(logits, tf.shape(pictures)[1:3]) + self._never
        return tf.cast(tf.argmax(logits, axis=-1)[..., tf.newaxis], tf.uint8)


def segmenter(data, photos, maps, steps, stream=None):
    """The `Segmenter` of the photographs of a data set, trained or taken from the cache.

    Args:
        data: a paired `kgan.data.Data`.
        photos: the name of their signal.
        maps: the `Maps` that they belong to.
        steps: of its training.
        stream: where it is said that it is trained; None = stderr.
    """
    network = _network(maps.classes)
    about = f"{photos} {maps.name} {maps.classes} {maps.void} {maps.painted} {steps}"

    def train():
        print(f"training the segmenter of {printable(data.spec)} (once) …",
              file=stream or sys.stderr)
        height, width = data.test[photos].shape[1:3]
        pair = tuple(
            Signal(name, kind, height=height, width=width, group="pair") for name, kind in
            ((photos, "picture"), (maps.name, "picture" if maps.painted else "labels"))
        )
        sampler = Sampler({s.name: data.train[s.name] for s in pair}, pair,
                          batch=_batch((height, width)))
        _train(network, sampler, maps, steps)
        return {"data": data.spec, "of": about}

    folder = cache_dir() / f"segmenter-v{VERSION}-{fingerprint(data, about)}"
    trained_once(folder, network, train)
    return Segmenter(network, maps.classes, maps.void)


def measure_segmentation(model, data, n=None, *, palette="", steps=1000, stream=None):
    """Measures the directions of a model that take or make maps of labels, on held-out pairs.

    Args:
        model: a `kgan.models.gan.GAN`.
        data: a paired `kgan.data.Data` of its signals.
        n: the first n held-out pairs; None = all.
        palette: see `maps_of`.
        steps: of the training of the segmenter.
        stream: see `segmenter`.

    Returns:
        (figures, pictures): of each direction `pixel_accuracy_<direction>`, `class_accuracy_...`
        and `class_iou_...`, see `kgan.metrics.segmentation.scores`. With `real_` in front: of the
        real photographs instead of the made ones, the most that can be expected. With `other_` in
        front: of the real results that belong to another input each, what a model would have that
        made perfect pictures and did not heed its input. Pictures: `{"segmentation <direction>":
        {"map", "made", "real"}}`.

    Raises:
        UserError: the data are not paired, or without maps, or the maps are of another size.
    """
    if not data.paired:
        raise UserError(f"segmentation needs pairs, and the pictures of {data.spec} belong to "
                        "nobody.")
    maps, figures, kept = maps_of(data, model.signals, palette), {}, {}
    for direction, how in model.directions.items():
        if maps.name not in (*how.sources, how.target):
            continue
        given, made, truth = results(model, data, direction, n)
        wanted = maps.ids(truth if how.target == maps.name else given[maps.name])
        if wanted.shape[1:3] != made.shape[1:3]:
            raise UserError(f"segmentation needs maps of the size of the pictures; {maps.name} of "
                            f"{data.spec} are of another.")
        if how.target == maps.name:
            found = {"": maps.ids(made, void=False), "other_": np.roll(wanted, 1, axis=0)}
        else:
            judge = segmenter(data, how.target, maps, steps, stream)
            real = judge.ids(truth)
            found = {"": judge.ids(made), "real_": real, "other_": np.roll(real, 1, axis=0)}
        for prefix, ids in found.items():
            its = scores(confusion(wanted, ids, maps.classes, maps.void))
            figures |= {f"{prefix}{name}_{direction}": value for name, value in its.items()}
        seen = {"map": wanted, "made": found[""], "real": found.get("real_")}
        kept[f"segmentation {direction}"] = {
            name: maps.shown(ids) for name, ids in seen.items() if ids is not None}
    if not kept:
        raise UserError(f"no direction of {model.name_in_zoo} takes or makes {maps.name}, the maps "
                        f"of {data.spec}.")
    return figures, kept


def _network(classes):
    """A U-Net that adds its skips, on squares of 2x2 pixels that `_logits` folds into channels."""
    def block(x, width, strides=1):
        x = layers.Conv2D(width, 3, strides, padding="same", use_bias=False)(x)
        return layers.ReLU()(layers.GroupNormalization(8)(x))

    x = squares = keras.Input((None, None, 12))
    skips = []
    for width in _WIDTHS:
        x = block(x, width, 2 if skips else 1)
        skips.append(x)
    for width, skip in zip(_WIDTHS[-2::-1], skips[-2::-1], strict=True):
        x = layers.UpSampling2D()(layers.Conv2D(width, 1)(x))
        x = block(layers.Add()([x, skip]), width)
    return keras.Model(squares, layers.Conv2D(4 * classes, 1)(x))


def _train(network, sampler, maps, steps):
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps,
                                                                             alpha=0.01))
    optimizer.build(network.trainable_variables)
    begin(network)
    counts = tf.constant([float(i not in maps.void) for i in range(maps.classes)])

    @tf.function(reduce_retracing=True, autograph=False)
    def step(pictures, ids):
        x = _reduced(pixels.to_float(pictures))
        ids = tf.image.resize(ids, tf.shape(x)[1:3], "nearest")[..., 0]
        known = tf.minimum(ids, maps.classes - 1)
        weights = tf.where(ids == known, tf.gather(counts, known), 0.0)
        with tf.GradientTape() as tape:
            logits = _logits(network, x, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(known, logits)
            loss = tf.math.divide_no_nan(tf.reduce_sum(weights * losses), tf.reduce_sum(weights))
        variables = [v.value for v in network.trainable_variables]
        optimizer.apply(tape.gradient(loss, variables), network.trainable_variables)

    for number in progress(range(steps), steps, "training the segmenter"):
        photos, held = sampler(number)
        step(tf.constant(photos), tf.constant(maps.ids(held).astype(np.int32)))


def _batch(sides):
    """How many pictures of (height, width) are segmented at a time."""
    height, width = _sides(*sides)
    return max(1, min(_BATCH, _PIXELS // (height * width)))


def _sides(height, width):
    """The sides at which pictures are segmented."""
    scale = min(1.0, LARGEST / max(height, width))
    return max(1, round(scale * height)), max(1, round(scale * width))


def _reduced(x):
    """Float pictures of known sides at `_sides`."""
    sides = _sides(*x.shape[1:3])
    return x if tuple(x.shape[1:3]) == sides else tf.image.resize(x, sides, antialias=True)


def _logits(network, x, training):
    """What a network says of float pictures, in as many pixels."""
    height, width = x.shape[1:3]
    multiple = 2 ** len(_WIDTHS)
    x = tf.nn.space_to_depth(pixels.extend(x, multiple, multiple), 2)
    return tf.nn.depth_to_space(network(x, training=training), 2)[:, :height, :width]
