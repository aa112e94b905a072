"""Grids of edits: ways between two codes, pictures in the order of a direction, panels of a face.

`interpolated` is CRG's figure 4 (Dogan, Keles 2020), `Order` its figure 8: pictures of the right
tail of an attribute's projections, of the middle and of the left tail. `Panel` is figure 13 of
"Photoshop 2.0" (Roman Roman, Yang, Zhang): every attribute of one face.

Codes of a generator that sees their direction alone, as on a sphere, lie on a great circle between
two ends, whose lengths are mixed evenly; others on a line (`PATHS`). Of the tails, which the paper
draws from by chance, here the outermost pictures are taken.
"""

import math
from dataclasses import dataclass

import numpy as np

from kgan.core.errors import UserError
from kgan.data.pictures import write_png
from kgan.editing.directions import moved, projections
from kgan.editing.strips import Edits
from kgan.report.sheet import draw_rows

PATHS = ("sphere", "line")
COLUMNS = 8  # of a panel of one edit of each attribute


def interpolated(a, b, count, path):
    """Codes from one to another, both among them, evenly apart.

    Args:
        a, b: [latent].
        count: how many, 2 or more.
        path: one of `PATHS`.

    Returns:
        float32 [count, latent].

    Raises:
        UserError: on a sphere, a code of length 0, or two that are opposite to each other.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    share = np.linspace(0.0, 1.0, count)[:, None]
    if path == "line":
        return ((1.0 - share) * a + share * b).astype(np.float32)
    lengths = [np.linalg.norm(code) for code in (a, b)]
    if min(lengths) == 0:
        raise UserError("A code of length 0 has no direction: take --path line.")
    a, b = a / lengths[0], b / lengths[1]
    angle = 2.0 * math.atan2(np.linalg.norm(a - b), np.linalg.norm(a + b))
    if math.pi - angle < 1e-6:
        raise UserError("The two codes are opposite to each other, and no way between them is the "
                        "shortest: take --path line.")
    if angle < 1e-6:
        between = np.broadcast_to(a, (count, len(a)))
    else:
        between = (np.sin((1.0 - share) * angle) * a + np.sin(share * angle) * b) / math.sin(angle)
    return (((1.0 - share) * lengths[0] + share * lengths[1]) * between).astype(np.float32)


@dataclass(frozen=True)
class Order:
    """Pictures by how much of an attribute they have.

    Attributes:
        projections: of their codes on a direction, float64 [n].
        mean, deviation: what they are compared with: those of pictures with the attribute where the
            direction knows them, else their own.
    """

    projections: np.ndarray
    mean: float
    deviation: float

    @classmethod
    def of(cls, direction, codes):
        """The order of codes [n, latent], three or more, along a `Direction`."""
        if len(codes) < 3:
            raise UserError(f"An order needs three pictures or more, not {len(codes)}.")
        found = projections(codes, direction.vector)
        mean, deviation = direction.mean_with, direction.std_with
        if not math.isfinite(mean + deviation):
            mean, deviation = float(found.mean()), float(found.std())
        return cls(found, mean, deviation)

    @property
    def ranked(self):
        """Rows of the pictures, the greatest projection first."""
        return np.argsort(-self.projections, kind="stable")

    def sigmas(self):
        """How many deviations from the mean each one is, float64 [n]."""
        return (self.projections - self.mean) / max(self.deviation, 1e-12)

    def tails(self, most):
        """Rows of the highest, of those nearest to the mean, and of the lowest, at most `most`."""
        count = min(most, len(self.projections) // 3)
        ranked = self.ranked
        left = ranked[count:-count]
        near = np.argsort(np.abs(self.sigmas()[left]), kind="stable")[:count]
        return ranked[:count], left[np.sort(near)], ranked[-count:]

    def draw(self, target, pictures, most):
        """Writes a grid: a row of each of the `tails`, with projections and deviations.

        Args:
            target: path.
            pictures: uint8 [n, side, side, 3], in the order of the codes.
            most: pictures in a row, at most.
        """
        sigmas, rows = self.sigmas(), []
        for chosen in self.tails(most):
            captions = [[f"{self.projections[i]:+.2f}", f"{sigmas[i]:+.1f} sigma"] for i in chosen]
            rows.append((pictures[chosen], captions))
        write_png(target, np.asarray(draw_rows(rows)))


@dataclass(frozen=True)
class Panel(Edits):
    """Each direction by itself: a grid of a picture with every attribute.

    With one edit of each direction they follow each other, `COLUMNS` in a row, behind the picture
    and its reconstruction; with several each direction has a row of its own.
    """

    def _far(self, codes):
        return np.concatenate([
            Edits([step], self.ks, self.n_sigma)._far(codes) for step in self.steps
        ])

    def _places(self, codes, ks):
        return [codes, *(
            moved(codes, [(direction, k[:, i])])
            for (direction, _), k in zip(self.steps, ks, strict=True) for i in range(len(self.ks))
        )]

    def _draw(self, target, picture, made, ks):
        first = self._first(picture, made)
        edits = [(one, [direction.name, f"{k:+.4g}"]) for one, (direction, k) in zip(
            made[1:], [(d, k) for (d, _), mine in zip(self.steps, ks, strict=True) for k in mine],
            strict=True)]
        if len(self.ks) == 1:
            cells = [*first, *edits]
            rows = [cells[i : i + COLUMNS] for i in range(0, len(cells), COLUMNS)]
        else:
            wide = len(self.ks)
            rows = [first, *(edits[i : i + wide] for i in range(0, len(edits), wide))]
        write_png(target, np.asarray(draw_rows([
            (np.stack([one for one, _ in row]), [lines for _, lines in row]) for row in rows
        ])))

    def files(self, target):
        return []
