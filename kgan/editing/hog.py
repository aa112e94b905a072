"""Histograms of oriented gradients that gradients pass through, by which iGAN compares edges.

The authors' code of Zhu et al. 2016: Sobel's derivatives over 4 of the mean of the channels at 8
orientations; a gradient counts for those that are nearer to it than pi / 8; sums over cells with
triangular weights twice as wide as the cells' distance.

What the texts leave open: sums are not divided, so that an edge of black and white through the
middle of a cell gives about 16, and in cells other than of 8 px are scaled to that; divided, a
sketch would weigh nothing beside colours and the distance of codes. Borders are mirrored, so that
they are no edges.
"""

import math

import numpy as np

from kgan.core.lazy import tf

ORIENTATIONS = 8
CELL = 8  # pixels between cells


def hog(pictures, cell=CELL):
    """Edges of pictures.

    Args:
        pictures: float32 [n, h, w, c] in [-1, 1], sides multiples of `cell`.
        cell: pixels from one cell to the next, even.

    Returns:
        float32 [n, h / cell, w / cell, 8].
    """
    grey = tf.reduce_mean(pictures, axis=-1, keepdims=True) / 2.0 + 0.5
    grey = tf.pad(grey, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    across = np.outer([1.0, 2.0, 1.0], [-1.0, 0.0, 1.0]) / 4.0
    kernel = np.stack([across, across.T], axis=-1)[:, :, None]
    gx, gy = tf.split(tf.nn.conv2d(grey, tf.constant(kernel, tf.float32), 1, "VALID"), 2, axis=-1)
    length = tf.sqrt(gx**2 + gy**2 + 1e-3)
    angles = np.arange(ORIENTATIONS) * math.pi / ORIENTATIONS
    along = tf.abs(gx * np.cos(angles).astype(np.float32) + gy * np.sin(angles).astype(np.float32))
    near = math.cos(math.pi / ORIENTATIONS)
    return _pooled(tf.nn.relu((along - near * length) / (1.0 - near)), cell)


def _pooled(maps, cell):
    line = 1.0 - np.abs(np.arange(2 * cell) - (cell - 0.5)) / cell
    kernel = np.outer(line, line) * CELL / cell
    kernel = np.repeat(kernel[:, :, None, None], ORIENTATIONS, axis=2).astype(np.float32)
    half = cell // 2
    maps = tf.pad(maps, [[0, 0], [half, half], [half, half], [0, 0]])
    return tf.nn.depthwise_conv2d(maps, kernel, [1, cell, cell, 1], "VALID")


def cells_of(mask, cell=CELL):
    """Which cells a mask touches: float32 [h / cell, w / cell] of 0 and 1 of [h, w]."""
    h, w = mask.shape
    mean = mask.reshape(h // cell, cell, w // cell, cell).mean(axis=(1, 3))
    return (mean > 1e-5).astype(np.float32)
