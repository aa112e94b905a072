"""Batches: the order, cropping and mirroring of training pictures, a pure function of (seed, step).

Because step 1,000 has the same pictures whether it was reached in one go or after an interruption,
a run needs to save no iterator. Augmentation comes after the cache of decoded pictures, so that
every visit to a picture differs.
"""

import functools

import numpy as np
import tensorflow as tf
from PIL import Image

from kgan.core.devices import cores


class Sampler:
    """Chooses, crops and mirrors the pictures of a step.

    Each domain is visited in an order of its own, every picture once before any a second time;
    paired domains share order, crop and mirror.

    Args:
        pictures: `{domain: pictures}`, see `kgan.data.Data`.
        batch: pictures of each domain in a batch.
        size: side of the crop, pixels.
        flip: mirror each picture with probability 1/2.
        flip_vertical: turn each upside down with probability 1/2.
        rotate: rotate each by up to so many degrees, corners filled by reflection.
        seed: of order and augmentation.
        paired: whether `a[i]` and `b[i]` show the same.
        labels: `labels(rows)` gives float32 [n, k] for pictures of the first domain; None = none.
        shift: how many pictures of each domain were seen before step 0, had all steps this batch;
            below 0 where steps before had smaller ones.
        part: (which, of how many) parts of every batch is made; all draw the same numbers.
    """

    def __init__(
        self, pictures, *, batch, size, flip=True, flip_vertical=False, rotate=0.0, seed=0,
        paired=False, labels=None, shift=0, part=(0, 1),
    ):
        self.shift = shift
        self.pictures, self.batch, self.size, self.labels = pictures, batch, size, labels
        self.flip, self.seed, self.paired = flip, seed, paired
        self.flip_vertical, self.rotate = flip_vertical, rotate
        which, parts = part
        self.own = slice(which * batch // parts, (which + 1) * batch // parts)
        self._order = functools.lru_cache(maxsize=8)(self._draw_order)

    def __call__(self, step):
        """uint8 [batch / parts, size, size, 3] for each domain, as in `pictures`; then labels."""
        loaded = [self._domain(i, int(step)) for i in range(len(self.pictures))]
        return loaded if self.labels is None else [*loaded, self.labels(self._rows(0, int(step)))]

    def _rows(self, index, step):
        """Which pictures of a domain a part of a step sees."""
        stream = 0 if self.paired else index
        count = len(list(self.pictures.values())[index])
        places = np.arange(step * self.batch, (step + 1) * self.batch)[self.own] + self.shift
        return np.array([self._order(stream, p // count, count)[p % count] for p in places])

    def _draw_order(self, stream, epoch, count):
        return np.random.default_rng([self.seed, 1, stream, epoch]).permutation(count)

    def _domain(self, index, step):
        pictures = list(self.pictures.values())[index]
        stream = 0 if self.paired else index
        loaded = pictures[self._rows(index, step)]
        random = np.random.default_rng([self.seed, 2, stream, step])
        room = np.array(loaded.shape[1:3]) - self.size
        corners = random.integers(0, room + 1, (self.batch, 2))[self.own]
        mirrored = random.random(self.batch)[self.own] < 0.5
        if room.any():
            s = self.size
            crops = zip(loaded, corners, strict=True)
            loaded = np.stack([x[y : y + s, z : z + s] for x, (y, z) in crops])
        if self.flip and mirrored.any():
            loaded = np.where(mirrored[:, None, None, None], loaded[:, :, ::-1], loaded)
        if self.flip_vertical:
            upside = random.random(self.batch)[self.own] < 0.5
            loaded = np.where(upside[:, None, None, None], loaded[:, ::-1], loaded)
        if self.rotate:
            angles = random.uniform(-self.rotate, self.rotate, self.batch)[self.own]
            loaded = np.stack([_rotated(x, a) for x, a in zip(loaded, angles, strict=True)])
        return np.ascontiguousarray(loaded)


def _rotated(picture, degrees):
    """A picture [side, side, 3] turned about its middle, bilinear, with mirrored corners."""
    side = len(picture)
    margin = -(-side // 4)  # the corners of a square reach 21 % of its side over its edges
    wide = np.pad(picture, ((margin, margin), (margin, margin), (0, 0)), "reflect")
    turned = Image.fromarray(wide).rotate(degrees, Image.Resampling.BILINEAR)
    return np.asarray(turned)[margin : margin + side, margin : margin + side]


def _shrunk(pictures, size):
    if pictures.shape[1] == size:
        return pictures
    return tf.image.resize(pictures, [size, size], "area")


def batches(
    data, recipe, *, start=0, per_step=1, paired=False, batch=None, size=None, position=None,
    part=(0, 1),
):
    """The training batches of a recipe from step `start` on.

    Args:
        data: a `kgan.data.Data`.
        recipe: a `kgan.core.recipe.Recipe`.
        start: the first step.
        per_step: batches that the model takes in a step; they come joined into one.
        paired: whether the model learns from pairs. Only then does it see those of paired data
            together, cut and mirrored alike; others draw each domain by itself.
        batch: pictures of each domain in a batch; None = the recipe's.
        size: what pictures of the recipe's size are shrunk to, by means over areas; None = not.
        position: pictures of each domain that the steps before `start` took, in a batch of each;
            None = `start` batches.
        part: (which, of how many) parts of each batch; a worker reads no more than its own.

    Returns:
        An endless `tf.data.Dataset` of `{domain: float32 [batch * per_step, size, size, 3]}` in
        [-1, 1], and `"labels"`, float32 [batch * per_step, k], where the data has them.
    """
    batch, size = batch or recipe.batch, size or recipe.size
    shift = 0 if position is None else (position - start * batch) * per_step
    batch *= per_step
    sampler = Sampler(
        data.train, batch=batch, size=recipe.size, flip=recipe.flip,
        flip_vertical=recipe.flip_vertical, rotate=recipe.rotate, seed=recipe.seed,
        paired=paired and data.paired, shift=shift, part=part,
        labels=functools.partial(data.labels_of, "train") if data.labels else None,
    )
    types = [tf.uint8] * len(data.train) + [tf.float32] * bool(data.labels)
    count = batch // part[1]
    shape = [count, recipe.size, recipe.size, 3]

    def load(step):
        loaded = tf.numpy_function(sampler, [step], types)
        found = {
            domain: _shrunk(tf.ensure_shape(tf.cast(x, tf.float32) / 127.5 - 1.0, shape), size)
            for domain, x in zip(data.train, loaded, strict=False)
        }
        if data.labels:
            found["labels"] = tf.ensure_shape(loaded[-1], [count, len(data.label_names)])
        return found

    steps = tf.data.Dataset.range(start, np.iinfo(np.int64).max)
    return steps.map(load, num_parallel_calls=cores(), deterministic=True).prefetch(4)
