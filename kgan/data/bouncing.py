"""The embedded clips `bouncing`: balls or digits that move evenly and bounce off the walls.

`bouncing:balls` are discs after the bouncing balls of Sutskever et al. 2008 (three of them, a
radius of 0.12 of the side), `bouncing:glyphs` digits after the Moving MNIST of Srivastava et al.
2015. Both are drawn in colours on black, the later object over the earlier one.

Deviation: objects pass through each other. So each place follows from the beginning in closed
form, and clips may be of any length: a coordinate is the reflection of x + v t between the walls.
Frames are a pure function of (seed, split, number of the clip), drawn when they are asked for, and
exact: a disc's edge is the share of a pixel that lies inside along its radius, a digit's the area.
The labels are where each object is in the first frame and how it moves there.
"""

import numpy as np

from kgan.core.errors import UsageError
from kgan.core.hashing import digest_of
from kgan.data.clips import Clips, clip_signal, square
from kgan.data.signals import loaded_sides
from kgan.data.spec import options_of
from kgan.data.types import Data

VERSION = 1  # of the clips: raise it with any change of what a seed draws
KINDS = ("balls", "glyphs")
RADIUS = 0.12  # of a ball; all lengths are shares of the side of a frame
GLYPH = (0.32, 0.32 * 5 / 7)  # height and width of a digit
COLOURS = ((255, 90, 80), (90, 200, 110), (90, 140, 255), (250, 210, 70), (220, 110, 230),
           (90, 220, 220))
OPTIONS = {"n": (4000, 1, 2**20), "test": (200, 1, 2**20), "count": (3, 1, 20),
           "speed": (0.05, 0.0, 0.5)}
_DIGITS = (  # five columns of seven dots, a row of a digit in five bits
    (14, 17, 19, 21, 25, 17, 14), (4, 12, 4, 4, 4, 4, 14), (14, 17, 1, 2, 4, 8, 31),
    (31, 2, 4, 2, 1, 17, 14), (2, 6, 10, 18, 31, 2, 2), (31, 16, 30, 1, 1, 17, 14),
    (6, 8, 16, 30, 17, 17, 14), (31, 1, 2, 4, 8, 8, 8), (14, 17, 17, 14, 17, 17, 14),
    (14, 17, 17, 15, 1, 2, 12),
)


def open_bouncing(rest, *, size, load_size=None, seed=0, bad_images="skip", signals=None):
    """Opens `balls` or `glyphs`, perhaps with `?n=&test=&count=&speed=`.

    Args:
        rest: the kind and options: how many clips to train on and to test with, how many objects,
            and the largest speed, in sides a frame; the least is half of it.
        size: side in pixels where a model declares nothing.
        load_size: side that training clips are drawn at before a crop; None = that of the signal.
        seed: integer >= 0 that everything follows from.
        bad_images: not used, no drawn frame is broken.
        signals: what a model declares, a tuple of `Signal` with one of frames.

    Returns:
        A `kgan.data.Data`; labels are float32 `x1, y1, vx1, vy1, x2, ...`: the middle of each
        object in the first frame, in sides of a frame from the left and from the top, and how it
        moves, in sides a frame.

    Raises:
        UsageError: another kind, an unknown option, a number out of range.
        UserError: the model takes no square clips.
    """
    kind, _, query = rest.partition("?")
    if kind not in KINDS:
        raise UsageError(f"bouncing:{kind} is not one of "
                         f"{', '.join(f'bouncing:{known}' for known in KINDS)}.")
    options = options_of(f"bouncing:{rest}", query, OPTIONS)
    signal = clip_signal(f"bouncing:{rest}", signals, size)
    side = square(f"bouncing:{rest}", signal)
    loaded = side if not load_size else loaded_sides((signal,), size, load_size)[signal.name][0]
    found, labels = {}, {}
    for split, its in (("train", loaded), ("test", side)):
        count = options["n" if split == "train" else "test"]
        found[split] = {signal.name: _clips(kind, options, count, seed, split, its, signal)}
        starts = [begin(kind, options, seed, split, row) for row in range(count)]
        labels[split] = np.float32([np.hstack(start).ravel() for start in starts])
    names = [f"{name}{i + 1}" for i in range(options["count"]) for name in ("x", "y", "vx", "vy")]
    return Data(
        spec=f"bouncing:{rest}", **found, labels=labels, label_names=tuple(names),
        summary=(
            f"bouncing: {options['count']} {kind} of {options['speed'] / 2:g} to "
            f"{options['speed']:g} sides a frame, seed {seed}",
            f"train {options['n']} clips of {signal.frames} frames at {loaded} px, test "
            f"{options['test']} at {side} px",
        ),
        digest=digest_of(["bouncing", VERSION, kind, options, seed]),
    )


def begin(kind, options, seed, split, row):
    """Where the objects of a clip are in its first frame, and how they move: a pure function.

    Args:
        kind: "balls" or "glyphs".
        options: with `count` and `speed`.
        seed, split, row: of the data, "train" or "test", the number of the clip.

    Returns:
        float64 [count, 2], (x, y) of the middles; the same, (vx, vy).
    """
    random = np.random.default_rng([seed, ("train", "test").index(split), row, KINDS.index(kind)])
    count, margin = options["count"], _margin(kind)
    places = margin + (1 - 2 * margin) * random.random((count, 2))
    angle, share = 2 * np.pi * random.random(count), random.uniform(0.5, 1.0, count)
    ways = np.stack([np.cos(angle), np.sin(angle)], 1)
    return places, options["speed"] * share[:, None] * ways


def digits(options, seed, split, row):
    """Which digits the glyphs of a clip are: int [count]."""
    random = np.random.default_rng([seed, ("train", "test").index(split), row, len(KINDS)])
    return random.integers(0, 10, options["count"])


def tracks(kind, places, ways, frames):
    """Where objects are in each frame: float64 [frames, count, 2], (x, y) in sides.

    Args:
        kind: "balls" or "glyphs".
        places, ways: see `begin`.
        frames: how many.
    """
    margin = _margin(kind)
    free = 1 - 2 * margin
    along = places - margin + np.arange(frames)[:, None, None] * ways
    return margin + free - np.abs(along % (2 * free) - free)


def turned_ways(kind, places, ways, frame):
    """How objects move in a frame, after what they bounced off: float64 [count, 2].

    Args:
        kind, places, ways: see `tracks`.
        frame: which, 0 = the first.
    """
    margin = _margin(kind)
    free = 1 - 2 * margin
    back = (places - margin + frame * ways) % (2 * free) >= free
    return np.where(back, -ways, ways)


def draw(kind, middles, side, shown=()):
    """Draws frames.

    Args:
        kind: "balls" or "glyphs".
        middles: float [frames, count, 2], see `tracks`.
        side: of a frame in pixels.
        shown: the digits, of glyphs.

    Returns:
        uint8 [frames, side, side, 3].
    """
    frames = np.zeros((len(middles), side, side, 3))
    for i in range(middles.shape[1]):
        x, y = middles[:, i, 0], middles[:, i, 1]
        cover = _disc(x, y, side) if kind == "balls" else _glyph(shown[i], x, y, side)
        colour = np.array(COLOURS[i % len(COLOURS)], float)
        frames += cover[..., None] * (colour - frames)
    return np.uint8(np.rint(frames))


def _margin(kind):
    """(of x, of y): how near to a wall the middle of an object comes."""
    return np.array([RADIUS, RADIUS] if kind == "balls" else [GLYPH[1] / 2, GLYPH[0] / 2])


def _disc(x, y, side):
    """How much of each pixel a disc covers, [frames, side, side]."""
    middles = (np.arange(side) + 0.5) / side
    far = np.hypot(middles[None, None, :] - x[:, None, None],
                   middles[None, :, None] - y[:, None, None])
    return np.clip((RADIUS - far) * side + 0.5, 0.0, 1.0)


def _glyph(digit, x, y, side):
    """How much of each pixel a digit covers, [frames, side, side]."""
    dots = np.array([[row >> (4 - i) & 1 for i in range(5)] for row in _DIGITS[digit]], float)
    down, right = _shares(y, GLYPH[0], 7, side), _shares(x, GLYPH[1], 5, side)
    return np.einsum("fph,hw,fqw->fpq", down, dots, right)


def _shares(middle, length, cells, side):
    """[frames, side, cells]: what share of each pixel lies in each cell, along one axis."""
    edges = (middle[:, None] + length * (np.arange(cells + 1) / cells - 0.5)) * side
    low = np.arange(side)[None, :, None]
    inside = np.minimum(low + 1, edges[:, None, 1:]) - np.maximum(low, edges[:, None, :-1])
    return np.clip(inside, 0.0, 1.0)


def _clips(kind, options, count, seed, split, side, signal):
    """The `Clips` of a split."""
    def read(row, frames, box):
        row = int(row)
        places, ways = begin(kind, options, seed, split, row)
        shown = digits(options, seed, split, row) if kind == "glyphs" else ()
        top, left, height, width = box
        drawn = draw(kind, tracks(kind, places, ways, frames), side, shown)
        return drawn[:, top : top + height, left : left + width]

    return Clips(read, np.full((count, 2), side), signal.frames, signal.sides)
