"""Strokes on a picture: what a person paints, and the constraints that it puts on a picture.

Zhu et al. 2016 (iGAN), section 4.1: a colour brush asks for a colour, a sketch brush for edges, a
warp brush for what is elsewhere in the picture, in its colours and edges. Places are shares of the
side of the picture, x to the right and y down, from 0 to 1, so that strokes fit any size.

What the texts leave open: a sketched edge is a white line on black, as in the authors' code; the
edges of a warp are those of the whole picture moved, where the code takes them of the cut patch,
whose border then is an edge.
"""

import json
import math
import pathlib
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from kgan.core.errors import UserError
from kgan.core.reading import size_of

RADII = {"colour": 1 / 64, "sketch": 1 / 64, "warp": 12 / 64}  # the authors' 2 px and 24 px of 64
KEYS = {"colour": {"tool", "points", "radius", "colour"}, "sketch": {"tool", "points", "radius"},
        "warp": {"tool", "from", "to", "radius"}}
FINER = 4  # masks are drawn so many times larger, then averaged
MOST = 1000  # strokes of a file, and points of one
MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class Stroke:
    """One stroke.

    Attributes:
        tool: "colour", "sketch" or "warp".
        points: ((x, y), ...), shares of the side; of a warp two: from where, to where.
        radius: half the width of the brush, share of the side; of a warp half the side of the
            square that is moved; 0 = the authors'.
        colour: (red, green, blue), levels of 0..255, of the colour brush.

    Raises:
        ValueError: one of these is wrong, in words.
    """

    tool: str
    points: tuple
    radius: float = 0.0
    colour: tuple = None

    def __post_init__(self):
        if self.tool not in RADII:
            raise ValueError(f"tool is one of {', '.join(RADII)}, not {self.tool!r}")
        points = np.asarray(self.points, np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or not 1 <= len(points) <= MOST:
            raise ValueError(f"points are 1 to {MOST} pairs [x, y]")
        if not ((points >= 0) & (points <= 1)).all():
            raise ValueError("places are shares of the picture's side, from 0 to 1")
        if self.tool == "warp" and len(points) != 2:
            raise ValueError("a warp has two places, from and to")
        if not (math.isfinite(self.radius) and 0 <= self.radius <= 1):
            raise ValueError("radius is a share of the picture's side, above 0 and at most 1")
        if (self.tool == "colour") != (self.colour is not None):
            raise ValueError("the colour brush has a colour, the others have none")

    @property
    def reach(self):
        """The radius that counts."""
        return self.radius or RADII[self.tool]


def read_strokes(path):
    """The strokes of a JSON file, a list of objects.

    `{"tool": "colour", "colour": "#a01010", "points": [[0.3, 0.2], [0.7, 0.2]], "radius": 0.05}`,
    `{"tool": "sketch", "points": ...}`, `{"tool": "warp", "from": [0.5, 0.7], "to": [0.5, 0.6],
    "radius": 0.15}`; a radius may be left out, a colour may be [red, green, blue] of 0..255.

    Raises:
        UserError: the file cannot be read, or which stroke of it is wrong and how.
    """
    try:
        size_of(path, MAX_BYTES)
        found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"--strokes {path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"--strokes {path} is no JSON file of strokes ({reason}).") from None
    if not isinstance(found, list) or not 1 <= len(found) <= MOST:
        raise UserError(f"--strokes {path} must hold a list of 1 to {MOST} strokes, as "
                        '[{"tool": "colour", "colour": "#a01010", "points": [[0.3, 0.2]]}].')
    strokes = []
    for i, given in enumerate(found, 1):
        try:
            strokes.append(_stroke(given))
        except (ValueError, TypeError, OverflowError) as error:
            raise UserError(f"--strokes {path}, stroke {i}: {error}.") from None
    return strokes


def _stroke(given):
    if not isinstance(given, dict) or not isinstance(given.get("tool"), str):
        raise ValueError(f"a stroke is an object with a tool, one of {', '.join(RADII)}")
    tool = given["tool"]
    unknown = sorted(set(given) - KEYS.get(tool, set(given)))
    if unknown:
        raise ValueError(f"a {tool} has no {unknown[0]!r}, it has {', '.join(sorted(KEYS[tool]))}")
    warp = tool == "warp"
    points = [given.get("from"), given.get("to")] if warp else given.get("points")
    if not isinstance(points, list) or not all(
        isinstance(p, list) and len(p) == 2 and all(map(_is_number, p)) for p in points
    ):
        raise ValueError("from and to are pairs [x, y]" if warp else
                         "points are a list of pairs [x, y]")
    if "radius" in given and not (_is_number(given["radius"]) and given["radius"] > 0):
        raise ValueError("radius is a share of the picture's side, above 0 and at most 1")
    colour = _colour(given.get("colour")) if tool == "colour" else None
    return Stroke(tool, tuple(map(tuple, points)), float(given.get("radius", 0.0)), colour)


def _is_number(x):
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def _colour(given):
    if isinstance(given, str) and re.fullmatch("#[0-9a-fA-F]{6}", given):
        return tuple(bytes.fromhex(given[1:]))
    if isinstance(given, list) and len(given) == 3 and all(
        isinstance(c, int) and not isinstance(c, bool) and 0 <= c <= 255 for c in given
    ):
        return tuple(given)
    raise ValueError('colour is "#rrggbb" or [red, green, blue] of 0 to 255')


# Masks


def mask(stroke, size):
    """How much of each pixel a stroke covers, float32 [size, size] in [0, 1].

    A colour or sketch stroke is the way through its points with round ends; a warp covers the
    square of where it goes.
    """
    side = size * FINER
    drawn = Image.new("L", (side, side))
    draw = ImageDraw.Draw(drawn)
    radius = max(stroke.reach * side, 0.5)  # what is drawn has a pixel at least
    points = [(x * side, y * side) for x, y in stroke.points]
    if stroke.tool == "warp":
        x, y = points[1]
        draw.rectangle((x - radius, y - radius, x + radius - 1, y + radius - 1), fill=255)
    else:
        if len(points) > 1:
            draw.line(points, fill=255, width=max(1, round(2 * radius)), joint="curve")
        for x, y in points:
            draw.ellipse((x - radius, y - radius, x + radius - 1, y + radius - 1), fill=255)
    fine = np.asarray(drawn, np.float32).reshape(size, FINER, size, FINER)
    return fine.mean(axis=(1, 3)) / 255.0


def moved(picture, stroke):
    """A picture [size, size, c], all of it moved as a warp says; its border is repeated."""
    size = len(picture)
    (x0, y0), (x1, y1) = stroke.points
    rows = np.clip(np.arange(size) - round((y1 - y0) * size), 0, size - 1)
    columns = np.clip(np.arange(size) - round((x1 - x0) * size), 0, size - 1)
    return picture[rows][:, columns]


def painted(picture, strokes):
    """A picture with strokes drawn on it, to be looked at: uint8 [size, size, 3].

    Args:
        picture: uint8 [size, size, 3].
        strokes: [`Stroke`]; sketches are white with a black rim, and warps are what they move.
    """
    shown = picture.astype(np.float32)
    for stroke in strokes:
        over = mask(stroke, len(picture))[..., None]
        if stroke.tool == "sketch":
            wider = Stroke("sketch", stroke.points, min(1.0, 2 * stroke.reach))
            shown = shown * (1 - mask(wider, len(picture))[..., None])
        ink = {"colour": stroke.colour, "sketch": (255, 255, 255)}.get(stroke.tool)
        ink = moved(picture, stroke) if ink is None else np.asarray(ink, np.float32)
        shown = (1 - over) * shown + over * ink
    return np.uint8(np.rint(shown))
