"""The embedded clips `avatars:turning`: drawn faces that turn about their vertical axis.

After the turning heads of Lotter et al. 2016 (rendered by a program that is sold), whose angles,
speeds and shapes are known. Here a face is a flat drawing that turns and is seen in perspective,
from `DISTANCE` half-sides away: a homography of the picture, by Pillow's bicubic filter, with the
background of the face around it.

Of a clip are drawn: the face, as they come (`kgan.data.avatars.sample`); its `scale`, of the side
of a frame; its `speed`, radians a frame; the `angle` of the first frame, radians, such that all
frames of a clip lie between -`MOST` and `MOST`. Frame t is at angle + t * speed. In the paper
angles begin anywhere between -pi/2 and pi/2 and speeds are up to pi/6: a flat face would be seen
from its edge.
"""

import numpy as np
from PIL import Image

from kgan.core.hashing import digest_of
from kgan.data import avatars
from kgan.data.clips import Clips, clip_signal, square
from kgan.data.signals import loaded_sides
from kgan.data.spec import options_of
from kgan.data.types import Data

VERSION = 1  # of the clips: raise it with any change of what a seed draws
DISTANCE = 3.0  # of the eye from the axis, in half-sides of a frame
MOST = np.pi / 3
SCALES = (0.75, 1.0)
FACTORS = ("angle", "speed", "scale")
OPTIONS = {"n": (4000, 1, 2**20), "test": (500, 1, 2**20)}


def open_turning(rest, *, size, load_size=None, seed=0, bad_images="skip", signals=None):
    """Opens `turning`, perhaps with `?n=` and `&test=`, how many clips.

    Args:
        rest, size, load_size, seed, bad_images: see `kgan.data.avatars.open_avatars`.
        signals: what a model declares, a tuple of `Signal` with one of frames.

    Returns:
        A `kgan.data.Data`; labels are float32 [n, 14]: `FACTORS`, then the attributes of the face
        (`kgan.data.avatars.ATTRIBUTES`), 0 or 1.

    Raises:
        UsageError: an unknown option, a number out of range.
        UserError: the model takes no square clips.
    """
    query, spec = rest.partition("?")[2], f"avatars:{rest}"
    options = options_of(spec, query, OPTIONS)
    signal = clip_signal(spec, signals, size)
    side = square(spec, signal)
    loaded = side if not load_size else loaded_sides((signal,), size, load_size)[signal.name][0]
    found, labels = {}, {}
    for split, its in (("train", loaded), ("test", side)):
        count = options["n" if split == "train" else "test"]
        faces, known = avatars.sample(count, size=its, seed=seed, split=split)
        drawn = factors(count, signal.frames, seed, split)
        found[split] = {signal.name: _clips(faces, drawn, its, signal)}
        labels[split] = np.concatenate([drawn, known], 1).astype(np.float32)
    return Data(
        spec=spec, **found, labels=labels, label_names=(*FACTORS, *avatars.ATTRIBUTES),
        summary=(
            f"avatars: turning faces, seed {seed}, between {np.degrees(-MOST):.0f} and "
            f"{np.degrees(MOST):.0f} degrees",
            f"train {options['n']} clips of {signal.frames} frames from {loaded} px, test "
            f"{options['test']} at {side} px",
        ),
        digest=digest_of(["turning", VERSION, avatars.VERSION, options, signal.frames, seed]),
    )


def factors(count, frames, seed, split):
    """What is drawn of each clip: float64 [count, 3], `FACTORS`; the first of any larger number.

    Args:
        count: how many clips.
        frames: of a clip.
        seed, split: integer >= 0; "train" or "test".
    """
    draws = np.stack([
        np.random.default_rng([seed, ("train", "test").index(split), row, 31]).random(3)
        for row in range(count)
    ])
    steps = max(frames - 1, 1)
    speed = draws[:, 1] * MOST / steps  # half of what there is, at the most
    angle = -MOST + draws[:, 0] * (2 * MOST - steps * speed)
    return np.stack([angle, speed, SCALES[0] + (SCALES[1] - SCALES[0]) * draws[:, 2]], 1)


def turned(face, angle, scale=1.0):
    """A flat picture, turned about its vertical axis and seen from `DISTANCE` half-sides away.

    A point (X, Y) of it, from -1 to 1, is seen at (X cos(angle), Y) scale D / (D + X sin(angle)).

    Args:
        face: uint8 [side, side, 3].
        angle: radians, less than pi/2 to both sides; above 0 the right half goes away.
        scale: its side as a share of the frame's.

    Returns:
        uint8 [side, side, 3]; around it the colour of the upper left pixel.
    """
    half, k = len(face) / 2, np.tan(angle) / (scale * DISTANCE)
    wide, high = 1 / (scale * np.cos(angle)), 1 / scale
    seen = np.array([wide - k, 0, half * (1 + k - wide), -k, high, half * (1 + k - high),
                     -k / half, 0]) / (1 + k)
    return np.asarray(Image.fromarray(face).transform(
        (len(face), len(face)), Image.Transform.PERSPECTIVE, seen.tolist(),
        Image.Resampling.BICUBIC, fillcolor=tuple(map(int, face[0, 0]))))


def _clips(faces, drawn, side, signal):
    """The `Clips` of a split."""
    def read(row, frames, box):
        angle, speed, scale = drawn[row]
        face, (top, left, height, width) = np.asarray(faces[row]), box
        found = np.stack([turned(face, angle + t * speed, scale) for t in range(frames)])
        return found[:, top : top + height, left : left + width]

    return Clips(read, np.full((len(faces), 2), side), signal.frames, signal.sides)
