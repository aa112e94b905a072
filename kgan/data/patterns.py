"""Patterns: pictures that are drawn by their names, as styles where no picture is at hand.

Pure functions of the name; nothing of them is anybody's. `mosaic`: tiles of few colours with dark
joints. `waves`: bent bands of colours with light edges.
"""

import numpy as np

SIDE = 512  # pixels of the largest that is drawn
_TILES = 700
_MOSAIC = ((24, 60, 110), (38, 120, 160), (222, 180, 70), (196, 80, 52), (236, 226, 200),
           (90, 140, 90))
_WAVES = ((18, 30, 78), (30, 84, 140), (92, 160, 180), (240, 214, 150), (222, 120, 70))


def pattern(name, side=SIDE):
    """A pattern: uint8 [side, side, 3].

    Args:
        name: one of `PATTERNS`.
        side: pixels.
    """
    return np.rint(255 * PATTERNS[name](side)).astype(np.uint8)


def _places(side):
    """Coordinates of the pixels' middles in [0, 1]: two arrays [side, side]."""
    line = (np.arange(side) + 0.5) / side
    return np.meshgrid(line, line, indexing="ij")


def _mosaic(side):
    from scipy.spatial import cKDTree

    random = np.random.default_rng(7)
    middles, colours = random.uniform(0, 1, (_TILES, 2)), np.array(_MOSAIC) / 255
    # which colour a tile has follows from where it is, so that there are shapes of many tiles
    field = np.sin(5 * middles[:, 0] + 3 * np.sin(4 * middles[:, 1])) + middles[:, 1]
    order = np.argsort(np.argsort(field + random.normal(0, 0.12, _TILES)))
    own = colours[order * len(colours) // _TILES]
    own = np.clip(own + random.normal(0, 0.06, own.shape), 0, 1)
    places = np.stack(_places(side), axis=-1)
    distance, nearest = cKDTree(middles).query(places, k=2)
    joint = np.clip(180 * (distance[..., 1] - distance[..., 0]), 0.12, 1)
    return own[nearest[..., 0]] * joint[..., None]


def _waves(side):
    y, x = _places(side)
    bend = y + 0.09 * np.sin(9 * x + 3 * np.sin(5 * y)) + 0.04 * np.sin(23 * x - 11 * y)
    phase = 14 * bend
    colours = np.array(_WAVES) / 255
    within = phase % 1
    picture = colours[(np.floor(phase).astype(int) * 2) % len(colours)]
    edge = np.exp(-((within - 0.06) ** 2) / 0.002)[..., None]
    return np.clip(picture * (0.75 + 0.25 * within[..., None]) + 0.5 * edge, 0, 1)


PATTERNS = {"mosaic": _mosaic, "waves": _waves}
