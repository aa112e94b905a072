"""Grids of edits: ways between two codes, pictures in the order of a direction, panels of a face.

`interpolated` is CRG's figure 4 (Dogan, Keles 2020), `Order` its figure 8: pictures of the right
tail of an attribute's projections, of the middle and of the left tail. `Panel` is figure 13 of
"Photoshop 2.0" (Roman Roman, Yang, Zhang): every attribute of one face.

Codes of a generator that sees their direction alone, as on a sphere, lie on a great circle between
two ends, whose lengths are mixed evenly; others on a line (`PATHS`). Of the tails, which the paper
draws from by chance, here the outermost pictures are taken. Labelled with an attribute but lying
among those without it, a picture has a wrong label, says the paper: `Order` marks such.
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
TAIL = 0.05  # of the pictures of an order that are one of its tails
MARK = (220, 0, 0)  # the frame of a picture whose label disagrees with its tail


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
        labels: whether each picture is labelled with the attribute, bool [n]; None if unknown.
    """

    projections: np.ndarray
    mean: float
    deviation: float
    labels: np.ndarray | None = None

    @classmethod
    def of(cls, direction, codes, labels=None):
        """The order of codes [n, latent], three or more, along a `Direction`; see `labels`."""
        if len(codes) < 3:
            raise UserError(f"An order needs three pictures or more, not {len(codes)}.")
        found = projections(codes, direction.vector)
        mean, deviation = direction.mean_with, direction.std_with
        if not math.isfinite(mean + deviation):
            mean, deviation = float(found.mean()), float(found.std())
        return cls(found, mean, deviation, labels)

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

    def disagreeing(self, share=TAIL):
        """How far labels disagree with the outermost pictures.

        Args:
            share: of the pictures that are a tail; it has one picture at least.

        Returns:
            `{"share", "pictures": in a tail, "highest": the share of the upper tail that is
            labelled without the attribute, "lowest": that of the lower tail that is labelled with
            it, "labelled": that of all pictures that is labelled with it}`.
        """
        count, ranked = max(1, round(share * len(self.labels))), self.ranked
        found = {"highest": ~self.labels[ranked[:count]], "lowest": self.labels[ranked[-count:]],
                 "labelled": self.labels}
        return {"share": share, "pictures": count,
                **{name: round(float(rows.mean()), 4) for name, rows in found.items()}}

    def draw(self, target, pictures, most):
        """Writes a grid: a row of each of the `tails`, with projections, deviations and labels.

        A picture of the highest that is labelled without the attribute, or of the lowest that is
        labelled with it, has a frame.

        Args:
            target: path.
            pictures: uint8 [n, side, side, 3], in the order of the codes.
            most: pictures in a row, at most.
        """
        sigmas, rows = self.sigmas(), []
        for chosen, wanted in zip(self.tails(most), (True, None, False), strict=True):
            captions = [[f"{self.projections[i]:+.2f}", f"{sigmas[i]:+.1f} sigma"] for i in chosen]
            shown = pictures[chosen]
            if self.labels is not None:
                labels = self.labels[chosen]
                captions = [[*lines, f"label: {'yes' if label else 'no'}"]
                            for lines, label in zip(captions, labels, strict=True)]
                shown = [x if wanted in (None, label) else _framed(x)
                         for x, label in zip(shown, labels, strict=True)]
            rows.append((np.stack(shown), captions))
        write_png(target, np.asarray(draw_rows(rows)))


def _framed(picture):
    """A picture [side, side, 3] with an edge of `MARK`."""
    wide = max(1, len(picture) // 32)
    framed = np.full_like(picture, MARK)
    framed[wide:-wide, wide:-wide] = picture[wide:-wide, wide:-wide]
    return framed


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
