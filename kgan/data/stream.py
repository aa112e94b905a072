"""Batches: the order, cropping and mirroring of training pictures, a pure function of (seed, step).

Because step 1,000 has the same pictures whether it was reached in one go or after an interruption,
a run needs to save no iterator. Augmentation comes after the cache of decoded pictures, so that
every visit to a picture differs.
"""

import functools

import numpy as np
import tensorflow as tf
from PIL import Image

from kgan.core import pixels
from kgan.core.devices import cores
from kgan.core.errors import UsageError
from kgan.data.clips import TRIES, Clips
from kgan.data.native import Native
from kgan.data.signals import at_size, grids, pictures_of, usual


class Sampler:
    """Chooses, crops and mirrors the pictures of a step.

    Each group of signals is visited in an order of its own, every picture once before any a second
    time; signals of one group share order, crop, mirror and rotation, each at its own scale: a
    crop begins at a whole pixel of the smallest. Of pictures of their own sizes
    (`kgan.data.native`) a crop may begin anywhere. All frames of a clip (`kgan.data.clips`) share
    crop, mirror and rotation.

    Args:
        pictures: `{name: pictures}`, see `kgan.data.Data`.
        signals: what to give, a tuple of `kgan.data.signals.Signal`.
        batch: of each signal in a batch.
        flip: mirror each picture with probability 1/2.
        flip_vertical: turn each upside down with probability 1/2.
        rotate: rotate each by up to so many degrees, corners filled by reflection.
        turn: turn each by 0, 90, 180 or 270 degrees.
        seed: of order and augmentation.
        vectors: `vectors(rows)` gives float32 [n, k], for signals that are vectors.
        shift: how many pictures of each signal were seen before step 0, had all steps this batch;
            below 0 where steps before had smaller ones.
        part: (which, of how many) parts of every batch is made; all draw the same numbers.

    Raises:
        ValueError: paired pictures differ in number, or not as much in size as their signals do.
        UsageError: `turn` with pictures that are not square.
    """

    def __init__(
        self, pictures, signals, *, batch, flip=True, flip_vertical=False, rotate=0.0, turn=False,
        seed=0, vectors=None, shift=0, part=(0, 1),
    ):
        self.shift, (which, parts) = shift, part
        self.own = slice(which * batch // parts, (which + 1) * batch // parts)
        self.pictures, self.signals, self.batch, self.vectors = pictures, signals, batch, vectors
        self.flip, self.seed = flip, seed
        self.flip_vertical, self.rotate, self.turn = flip_vertical, rotate, turn
        groups = [signal.group for signal in signals]
        self._streams = {group: groups.index(group) for group in groups}
        self._grids = grids(signals)
        for name, (least, factor) in self._grids.items():
            mine, its = pictures[name].shape, pictures[least.name].shape
            if mine[:3] != (its[0], factor * its[1], factor * its[2]):
                raise ValueError(f"{name} {mine} and {least.name} {its} are paired: as many, and "
                                 f"{factor} times the sides")
        if turn and any(s.height != s.width for s in pictures_of(signals)):
            raise UsageError("--turn is for square pictures; --flip and --flip_vertical are for "
                             "all.")
        self._order = functools.lru_cache(maxsize=8)(self._draw_order)

    def __call__(self, step):
        """In the order of `signals`: [batch / parts, (frames,) height, width, c], uint8 or int32;
        vectors."""
        step = int(step)
        return [self.vectors(self._rows(signal, step)) if signal.kind == "vector"
                else self._pictures(signal, step) for signal in self.signals]

    def _rows(self, signal, step):
        """Which pictures of a signal a part of a step sees."""
        stream = self._streams[signal.group]
        count = len(self.pictures[self.signals[stream].name])
        places = np.arange(step * self.batch, (step + 1) * self.batch)[self.own] + self.shift
        return np.array([self._order(stream, p // count, count)[p % count] for p in places])

    def _draw_order(self, stream, epoch, count):
        return np.random.default_rng([self.seed, 1, stream, epoch]).permutation(count)

    def _pictures(self, signal, step):
        random = np.random.default_rng([self.seed, 2, self._streams[signal.group], step])
        loaded = self._cropped(signal, self._rows(signal, step), random)
        mirrored = random.random(self.batch)[self.own] < 0.5
        one = (-1,) + (1,) * (loaded.ndim - 1)
        if self.flip and mirrored.any():
            loaded = np.where(mirrored.reshape(one), loaded[..., ::-1, :], loaded)
        if self.flip_vertical:
            upside = random.random(self.batch)[self.own] < 0.5
            loaded = np.where(upside.reshape(one), loaded[..., ::-1, :, :], loaded)
        if self.rotate:
            angles = random.uniform(-self.rotate, self.rotate, self.batch)[self.own]
            loaded = np.stack([_rotated(x, a, signal.ids)
                               for x, a in zip(loaded, angles, strict=True)])
        if self.turn:
            quarters = random.integers(0, 4, self.batch)[self.own]
            loaded = np.stack([np.rot90(x, q, (-3, -2))
                               for x, q in zip(loaded, quarters, strict=True)])
        return np.ascontiguousarray(loaded, np.int32 if signal.ids else None)

    def _cropped(self, signal, rows, random):
        """Random crops of the pictures at `rows`; `random` draws the same for a whole group."""
        images, (least, factor) = self.pictures[signal.name], self._grids[signal.name]
        if isinstance(images, Clips):
            return images.drawn(rows, random.random((self.batch, TRIES, 2))[self.own])
        if isinstance(images, Native):  # each has another room
            places = random.random((self.batch, 2))[self.own] * (images.room(rows) + 1)
            return images.cut(rows, places.astype(np.int64))
        loaded = images[rows]
        room = np.array(self.pictures[least.name].shape[1:3]) - least.sides
        corners = random.integers(0, room + 1, (self.batch, 2))[self.own] * factor
        if not room.any():
            return loaded
        h, w = signal.sides
        crops = zip(loaded, corners, strict=True)
        return np.stack([x[y : y + h, z : z + w] for x, (y, z) in crops])


def _rotated(picture, degrees, ids):
    """A picture [h, w, c] turned about its middle, with mirrored corners; bilinear, ids nearest.

    Of a clip [frames, h, w, c] each frame is.
    """
    if picture.ndim == 4:
        return np.stack([_rotated(frame, degrees, ids) for frame in picture])
    short, long = sorted(picture.shape[:2])
    margin = -(-long * long // (4 * short))  # the corners of a square reach 21 % over its edges
    wide = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), "reflect")
    if picture.shape[2] == 1:
        wide = wide[:, :, 0]
    how = Image.Resampling.NEAREST if ids else Image.Resampling.BILINEAR
    turned = Image.fromarray(wide.astype(np.int32) if ids else wide).rotate(degrees, how)
    turned = np.asarray(turned).reshape((*wide.shape[:2], picture.shape[2]))
    return turned[margin : margin + picture.shape[0], margin : margin + picture.shape[1]]


def _resized(x, signal):
    """A batch at the sides of a signal: pictures by means over areas, ids by nearest neighbour."""
    if tuple(x.shape[-3:-1]) == signal.sides:
        return x
    flat = tf.reshape(x, [-1, *x.shape[-3:]])
    made = tf.image.resize(flat, signal.sides, "nearest" if signal.ids else "area")
    return tf.reshape(made, [*x.shape[:-3], *made.shape[1:]])


def batches(
    data, recipe, signals=None, *, start=0, per_step=1, batch=None, size=None, position=None,
    part=(0, 1),
):
    """The training batches of a recipe from step `start` on.

    Args:
        data: a `kgan.data.Data`.
        recipe: a `kgan.core.recipe.Recipe`.
        signals: what a batch holds, a tuple of `kgan.data.signals.Signal`; None: all sets of the
            data, by themselves, as square RGB pictures of `recipe.size`, and its labels.
        start: the first step.
        per_step: batches that the model takes in a step; they come joined into one.
        batch: pictures of each signal in a batch; None = the recipe's.
        size: what signals of the recipe's size are shrunk to; None = they are not.
        position: pictures of each signal that the steps before `start` took, in a batch of each;
            None = `start` batches.
        part: (which, of how many) parts of each batch; a worker reads no more than its own.

    Returns:
        An endless `tf.data.Dataset` of `{name: tensor [batch * per_step / parts, ...]}`: pictures
        and clips are float32 in [-1, 1], ids int32, labels float32.
    """
    batch = batch or recipe.batch
    shift = 0 if position is None else (position - start * batch) * per_step
    batch *= per_step
    count = batch // part[1]
    if signals is None:
        labels = len(data.label_names) if data.labels else 0
        signals = usual(recipe.size, dict.fromkeys(data.train, 3), labels)
    sampler = Sampler(
        data.train, signals, batch=batch, flip=recipe.flip, flip_vertical=recipe.flip_vertical,
        rotate=recipe.rotate, turn=recipe.turn, seed=recipe.seed,
        vectors=functools.partial(data.labels_of, "train") if data.labels else None,
        shift=shift, part=part,
    )
    wanted = at_size(signals, size or recipe.size, recipe.size)
    sides = {s.name: [count, *s.shape[:-1], data.train[s.name].shape[-1]]
             for s in pictures_of(signals)}
    types = [tf.int32 if s.ids else tf.uint8 if s.name in sides else tf.float32 for s in signals]

    def load(step):
        found = {}
        for signal, x in zip(wanted, tf.numpy_function(sampler, [step], types), strict=True):
            x = tf.ensure_shape(x, sides.get(signal.name, [count, *signal.shape]))
            x = pixels.to_float(x) if x.dtype == tf.uint8 else x
            found[signal.name] = x if signal.kind == "vector" else _resized(x, signal)
        return found

    steps = tf.data.Dataset.range(start, np.iinfo(np.int64).max)
    return steps.map(load, num_parallel_calls=cores(), deterministic=True).prefetch(4)
