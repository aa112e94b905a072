"""Edits of many pictures: directions from names, files and reference pictures; strips and files.

The directions that are given are added up. Each edit of a picture moves its code along all of them,
by a k of each (`kgan.editing.directions`).
"""

import contextlib
import math
from dataclasses import dataclass

import numpy as np

from kgan.core.errors import UserError
from kgan.data.pictures import write_png
from kgan.editing.directions import (
    Direction,
    from_labels,
    from_pairs,
    moved,
    orthogonalised,
    safe_range,
    with_populations,
)
from kgan.report.sheet import draw_strip

SAFE = ("safe_low", "safe_middle", "safe_high")
LENGTH = ("length",)
FEWEST = 6  # reference pictures of a side of which a third can be kept to measure a direction


# Directions


def from_pictures(coder, pairs, name):
    """The `Direction` between pairs of files, [(without, with)]; all must be readable."""
    without, with_ = (
        coder.encode(np.stack([coder.read(path) for path in side]), refine=False)
        for side in zip(*pairs, strict=True)
    )
    how = f"{len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} of pictures"
    return Direction(name, *from_pairs(without, with_), coder.generator, how=how)


def from_populations(coder, without, with_, name):
    """The `Direction` between the mean codes of two sets of pictures.

    Every third picture is left out of it to measure it; of few pictures none is, and then all do.

    Args:
        coder: a `kgan.models.codec.Coder`.
        without, with_: codes [n, latent] and [m, latent].
        name: of the direction.

    Returns:
        (the `Direction`, (without, with) that may measure it).
    """
    learnt = measured = (without, with_)
    if min(len(without), len(with_)) >= FEWEST:
        learnt = [codes[np.arange(len(codes)) % 3 > 0] for codes in learnt]
        measured = [codes[::3] for codes in measured]
    labels = np.repeat([0, 1], [len(codes) for codes in learnt])
    how = (f"mean codes of {len(learnt[1])} pictures with it and {len(learnt[0])} without; measured"
           f" by {'the same' if learnt is measured else 'others'}")
    found = from_labels(np.concatenate(learnt), labels)
    return Direction(name, *found, coder.generator, how=how), measured


def without_others(direction, others, populations):
    """A direction with others taken out, measured by populations (without, with) if there are."""
    direction = orthogonalised(direction, others)
    return with_populations(direction, *populations) if populations else direction


# Strips


@dataclass(frozen=True)
class Edits:
    """What is done to each picture.

    Attributes:
        steps: [(`Direction`, factor)].
        ks: numbers, each an edit: k of a direction is the number times its factor; or `SAFE`: the
            ends and the middle of the safe range of each picture; or `LENGTH`: each direction
            whole, its length times its factor.
        n_sigma: how wide that range is.
        separate: whether each picture of a strip is also a file, of the model's size.

    Raises:
        UserError: `SAFE` of a direction that does not know it.
    """

    steps: list
    ks: tuple
    n_sigma: float = 2.0
    separate: bool = False

    def __post_init__(self):
        for direction, _ in self.steps:
            if self.safe and not _known(direction):
                raise UserError(
                    f"Nothing says where pictures with {direction.name} are, so no k is known to be"
                    " safe: give --without FOLDER --with FOLDER, or numbers to --k."
                )

    @property
    def safe(self):
        return self.ks == SAFE

    def write(self, coder, codes, targets, pictures=None, attempt=contextlib.nullcontext):
        """Writes strips.

        Args:
            coder: a `kgan.models.codec.Coder`.
            codes: float32 [n, latent].
            targets: paths of the strips.
            pictures: uint8 [n, size, size, 3], what the codes are of; None = of none, they
                were drawn.
            attempt: `attempt(strip)` is a context in which that strip is written; one that holds an
                error back leaves the strip out.

        Returns:
            A dict for each strip that is written: its `target`; `mae` of the reconstruction, of
            values in [-1, 1] (None without `pictures`); and by direction, in the order of `steps`,
            its `k`s and its `safe` range (low, middle, high) or None.
        """
        ks = self._far(codes)
        places = self._places(codes, ks)
        made = coder.decode(np.concatenate(places)).reshape(
            len(places), len(codes), coder.size, coder.size, 3
        )
        safe = [safe_range(d, codes, self.n_sigma) if _known(d) else None for d, _ in self.steps]
        records = []
        for i, target in enumerate(targets):
            mine = [k[i] for k in ks]
            error = None if pictures is None else _mae(pictures[i], made[0, i])
            with attempt(target):
                self._draw(target, None if pictures is None else pictures[i], made[:, i], mine)
                records.append({
                    "target": target, "mae": error, "k": [_plain(k) for k in mine],
                    "safe": [None if s is None else _plain([end[i] for end in s]) for s in safe],
                })
        return records

    def _places(self, codes, ks):
        """The codes of a strip: those given, and what each edit makes of them, [n, latent] each."""
        return [codes] + [
            moved(codes, [(d, k[:, i]) for (d, _), k in zip(self.steps, ks, strict=True)])
            for i in range(len(self.ks))
        ]

    def _far(self, codes):
        """k of each code and edit by direction, [directions, n, edits].

        Directions are not at right angles: safe ks are those that bring a code to the safe place
        of every one of them once it has moved along all.
        """
        if not self.safe:
            whole = self.ks == LENGTH
            factors = [factor * (d.length if whole else 1.0) for d, factor in self.steps]
            ks = (1.0,) if whole else self.ks
            return np.multiply.outer(np.array(factors), np.tile(ks, (len(codes), 1)))
        wanted = np.stack([
            np.stack(safe_range(d, codes, self.n_sigma), axis=1) for d, _ in self.steps
        ])
        vectors = np.stack([d.vector for d, _ in self.steps]).astype(np.float64)
        between = vectors @ vectors.T
        if np.linalg.cond(between) > 1e3:
            raise UserError("The directions are nearly the same: leave one out for --k safe.")
        return np.tensordot(np.linalg.inv(between), wanted, 1)

    def _first(self, picture, made):
        """[(picture, its caption)] before any edit: the input, if there is one, and its code's."""
        if picture is None:
            return [(made[0], ["generated"])]
        return [(picture, ["input"]), (made[0], ["reconstruction"])]

    def _draw(self, target, picture, made, ks):
        shown, captions = zip(*self._first(picture, made), strict=True)
        captions = list(captions)
        for i in range(len(self.ks)):
            lines = [f"{d.name} {k[i]:+.4g}" for (d, _), k in zip(self.steps, ks, strict=True)]
            captions.append([*lines, SAFE[i].replace("_", ", ")] if self.safe else lines)
        write_png(target, np.asarray(draw_strip(np.stack([*shown, *made[1:]]), captions)))
        for path, one in zip(self.files(target), made, strict=False):
            write_png(path, one)

    def files(self, target):
        """Files that `separate` adds to a strip: what the code makes, then its edits."""
        named = self.ks in (SAFE, LENGTH)
        ends = ["k0", *(self.ks if named else [f"k{k:+g}" for k in self.ks])]
        ends = ends if self.separate else []
        return [target.with_name(f"{target.stem}.{end}.png") for end in ends]

    def described(self):
        """The directions for a JSON file; what is unknown is None."""
        return [
            {
                "name": d.name, "factor": factor, "length": d.length, "how": d.how,
                **{name: None if math.isnan(value) else value for name, value in (
                    ("mean_without", d.mean_without), ("std_without", d.std_without),
                    ("mean_with", d.mean_with), ("std_with", d.std_with),
                )},
            }
            for d, factor in self.steps
        ]


def _known(direction):
    return math.isfinite(direction.mean_with + direction.std_with)


def _mae(a, b):
    return round(float(np.abs(a.astype(np.float32) - b).mean()) / 127.5, 6)


def _plain(numbers):
    return [round(float(x), 6) for x in numbers]
