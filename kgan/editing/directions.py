"""Latent directions: what an attribute is to a generator, and how far one can safely go.

Dogan, Keles: Semi-supervised image attribute editing using generative adversarial networks (CRG),
Neurocomputing 2020, sections 3.3, 3.4 and 4.4. The direction of an attribute is the unit vector
from the code of a picture without it to the code of a picture with it, and an edit is z + k d. The
projections <z, d> of pictures without and with the attribute make two normal-looking heaps; since d
has length 1, the k that brings a picture to a projection t is t less its own projection. The safe
range goes to mean_with -/+ n_sigma std_with.
Roman, Yang, Zhang: Photoshop 2.0: generative adversarial networks for photo editing: the mean code
of all pictures with a label less that of all without it (`from_labels`), added whole: k = `length`.

Deviations and what the texts leave open:

- The average over several pairs is the mean of their unit differences; that it is made a unit
  vector again is ours, without it k would have no scale.
- The multiplier of sigma is lost in the text that we have; 2 is our reading.
- Differences of means inherit what goes together in the data (beards are on men): `orthogonalised`
  takes other directions out, which neither paper does.

Far edits converge: a generator that normalises its code maps z + k d to G(d) for large k and to
G(-d) for large -k, whatever z was. Such a generator does not see the length of a code either, so
codes of different lengths take a different k for the same change.
"""

import dataclasses
import math
import pathlib
import zipfile
from dataclasses import dataclass

import numpy as np

from kgan.core.errors import UserError
from kgan.core.paths import replacing

MAX_BYTES = 1_000_000  # of a file; a direction of 512 numbers takes 5 kB
FARTHEST = 1e6  # that codes lie from 0 or from each other, those of a prior within 100
LONGEST = 200  # characters of a name
LEAST = 1e-3  # of a direction that must be left when others are taken out


@dataclass(frozen=True, eq=False)
class Direction:
    """An attribute of the pictures of one generator.

    Attributes:
        name: of the attribute, as "Smiling".
        vector: float32 [latent], of length 1.
        length: how far the codes without and with it lie apart along `vector`, in units of codes.
        generator: sha256 of the weights of the generator that the codes belong to.
        mean_without, std_without: of the projections of pictures without it; NaN if unknown.
        mean_with, std_with: of pictures with it.
        how: a line on where it comes from.

    Raises:
        ValueError: `vector` is not a finite vector of length 1, a number is out of bounds, or the
            name cannot be shown on one line.
    """

    name: str
    vector: np.ndarray
    length: float
    generator: str
    mean_without: float = math.nan
    std_without: float = math.nan
    mean_with: float = math.nan
    std_with: float = math.nan
    how: str = ""

    def __post_init__(self):
        vector = np.array(self.vector, np.float32)
        if vector.ndim != 1 or not abs(np.linalg.norm(vector) - 1.0) < 1e-3:
            raise ValueError("its vector is not one of length 1")
        object.__setattr__(self, "vector", vector)
        if not 0 < self.length <= FARTHEST:
            raise ValueError(f"its length is not in (0, {FARTHEST:g}]")
        means, deviations = (self.mean_without, self.mean_with), (self.std_without, self.std_with)
        if any(abs(mean) > FARTHEST for mean in means):
            raise ValueError(f"a mean is beyond {FARTHEST:g}")
        if any(deviation < 0 or deviation > FARTHEST for deviation in deviations):
            raise ValueError(f"a deviation is not in [0, {FARTHEST:g}]")
        if any(math.isnan(m) != math.isnan(d) for m, d in zip(means, deviations, strict=True)):
            raise ValueError("a mean is known without its deviation, or the reverse")
        if not self.name.strip() or not self.name.isprintable() or len(self.name) > LONGEST:
            raise ValueError(f"its name is not 1 to {LONGEST} printable characters")

    def save(self, path):
        """Writes it as .npz, whole or not at all."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        with replacing(path) as new, open(new, "wb") as file:
            np.savez(file, **values)

    @classmethod
    def load(cls, path):
        """Reads what `save` wrote; runs no code and reads at most `MAX_BYTES`.

        Raises:
            UserError: there is no such file, or it is not a direction.
        """
        path = pathlib.Path(path)
        if not path.is_file():
            raise UserError(f"There is no direction {path}.")
        try:
            found = _read(path)
            return cls(**{f.name: _value(f.type, found[f.name]) for f in dataclasses.fields(cls)})
        except Exception as error:  # readers of zip and npy raise nearly anything
            reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
            raise UserError(f"{path} is not a direction or is damaged ({reason}); make it again "
                            "or get it again.") from None

    def check(self, generator_sha256):
        """Raises `UserError` if it belongs to another generator than the one of that sha256."""
        if self.generator != generator_sha256:
            raise UserError(
                f"The direction {self.name} belongs to another generator ({self.generator[:12]}, "
                f"not {generator_sha256[:12]}): make it again with this one."
            )


def _read(path):
    """`{name: array}` of an .npz file of bounded size, before and after decompression."""
    with zipfile.ZipFile(path) as archive:
        inside = sum(entry.file_size for entry in archive.infolist())
    if max(inside, path.stat().st_size) > MAX_BYTES:
        raise ValueError("it is too large")
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def _value(kind, array):
    """A field of a direction from its array."""
    if kind is np.ndarray:
        return array.astype(np.float32, casting="same_kind")
    if array.ndim or array.dtype.kind != {str: "U", float: "f"}[kind]:
        raise ValueError("a field is of the wrong type")
    value = array.item()
    if kind is str and value and not value.isprintable():
        raise ValueError("a field holds control characters")
    return value


# Making directions


def from_pairs(without, with_):
    """The direction between reference pictures, CRG's equation (3) averaged over pairs.

    Args:
        without: codes of pictures without the attribute, [pairs, latent].
        with_: codes of pictures with it, [pairs, latent], row by row.

    Returns:
        (vector, length): float32 [latent] of length 1; how far the two sides lie apart along it, of
        one pair the length of its difference.

    Raises:
        UserError: not as many with as without, two codes are the same, or the pairs cancel out.
    """
    units, differences = _unit_differences(without, with_)
    opposite = "The pairs point in opposite ways: choose others."
    vector, _ = _unit(units.mean(axis=0), opposite)
    length = float(differences.mean(axis=0) @ vector)
    if length <= 0:
        raise UserError(opposite)
    return vector.astype(np.float32), length


def spread(without, with_):
    """How much pairs agree: cosine of each pair's difference to `from_pairs`, float64 [pairs]."""
    units, _ = _unit_differences(without, with_)
    return units @ from_pairs(without, with_)[0].astype(np.float64)


def from_labels(codes, labels):
    """The mean code with a label less the mean code without it, as in Photoshop 2.0.

    Args:
        codes: [n, latent].
        labels: 0 or 1, [n].

    Returns:
        (vector, length): float32 [latent] of length 1; the length of the difference.

    Raises:
        UserError: labels are not 0 and 1, not one a code, all alike, or make no difference.
    """
    codes, labels = np.asarray(codes, np.float64), np.asarray(labels)
    if labels.shape != codes.shape[:1] or not np.isin(labels, (0, 1)).all():
        raise UserError("A direction from labels needs a label of 0 or 1 for each picture.")
    if len(np.unique(labels)) < 2:
        raise UserError("A direction from labels needs pictures with the label and without it.")
    difference = codes[labels == 1].mean(axis=0) - codes[labels == 0].mean(axis=0)
    vector, length = _unit(difference, "Pictures with the label and without it have the same mean.")
    return vector.astype(np.float32), float(length)


def orthogonalised(direction, others):
    """What is left of a direction once others are taken out.

    Args:
        direction: a `Direction`.
        others: `Direction`s of the same generator.

    Returns:
        A `Direction` at right angles to each of `others`, with what is left of its length; its
        populations are unknown.

    Raises:
        UserError: nothing is left, or another belongs to another generator.
    """
    if not others:
        return direction
    for other in others:
        other.check(direction.generator)
    vector = direction.vector.astype(np.float64)
    _, sizes, basis = np.linalg.svd(
        np.stack([other.vector for other in others]).astype(np.float64), full_matrices=False
    )
    basis = basis[sizes > LEAST * sizes[0]]
    vector = vector - basis.T @ (basis @ vector)
    names, left = ", ".join(other.name for other in others), float(np.linalg.norm(vector))
    if left < LEAST:
        raise UserError(f"Nothing is left of {direction.name} without {names}: leave one out.")
    return Direction(
        direction.name, vector / left, direction.length * left, direction.generator,
        how="; ".join(filter(None, [direction.how, f"orthogonal to {names}"])),
    )


def _unit_differences(without, with_):
    """The differences of pairs, of length 1 and as they are, float64 [pairs, latent]."""
    without, with_ = (np.asarray(codes, np.float64) for codes in (without, with_))
    if without.shape != with_.shape or without.ndim != 2 or not len(without):
        raise UserError(f"A direction needs as many pictures with as without, at least one: "
                        f"not {len(with_)} and {len(without)}.")
    differences = with_ - without
    same = "The pictures of pair {} have the same code: choose others."
    units = [_unit(d, same.format(i))[0] for i, d in enumerate(differences, 1)]
    return np.stack(units), differences


def _unit(vector, complaint):
    """(`vector` at length 1, its length); a `UserError` if it has none or is not finite."""
    length = np.linalg.norm(vector)
    if not 1e-6 < length < math.inf:
        raise UserError(complaint)
    return vector / length, length


# Projections and edits


def projections(codes, vector):
    """<z, d>, in units of codes: float64 [n] of codes [n, latent], a number of one code [latent].

    Args:
        codes: [n, latent] or [latent].
        vector: of length 1, [latent].
    """
    return np.asarray(codes, np.float64) @ np.asarray(vector, np.float64)


def with_populations(direction, codes_without, codes_with):
    """A direction that knows the projections of pictures without and with its attribute.

    Args:
        direction: a `Direction`.
        codes_without, codes_with: [n, latent] and [m, latent], of pictures that it was not made of.

    Raises:
        UserError: fewer than two pictures of either.
    """
    if min(len(codes_without), len(codes_with)) < 2:
        raise UserError(f"{direction.name}: two pictures with the attribute and two without it are "
                        "the least that projections can be described by.")
    without, with_ = (projections(c, direction.vector) for c in (codes_without, codes_with))
    return dataclasses.replace(
        direction,
        mean_without=float(without.mean()), std_without=float(without.std()),
        mean_with=float(with_.mean()), std_with=float(with_.std()),
    )


def moved(codes, steps):
    """z + sum of k d, CRG's equation (4).

    Args:
        codes: [n, latent].
        steps: [(`Direction`, k)]; k is a number, below 0 to take the attribute away, or [n], one a
            code; [n] also moves a single code to n places.

    Returns:
        float32 [n, latent].
    """
    z = np.asarray(codes, np.float64)
    for direction, k in steps:
        z = z + np.reshape(k, (-1, 1)) * direction.vector
    return z.astype(np.float32)


def safe_range(direction, code, n_sigma=2.0):
    """The k that bring a picture to where pictures with the attribute are.

    Args:
        direction: a `Direction` that knows its populations.
        code: [latent]; or [n, latent], which gives arrays [n].
        n_sigma: how many deviations from their mean still count.

    Returns:
        (lo, middle, hi), in units of codes.

    Raises:
        UserError: the populations are unknown.
    """
    if not math.isfinite(direction.mean_with + direction.std_with):
        raise UserError(f"The direction {direction.name} does not say where pictures with the "
                        "attribute are, so no k is known to be safe: give a k.")
    middle = direction.mean_with - projections(code, direction.vector)
    reach = n_sigma * direction.std_with
    return middle - reach, middle, middle + reach
