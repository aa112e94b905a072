"""Latent edits of the embedded faces beside the true ones.

Each picture goes to the middle of the pictures with the attribute, or of those without it, along
one direction (`kgan.editing.directions`); then its true counterfactual is known. One classifier an
attribute, trained on real pictures alone, says whether the edit is done and what else moved. Hair
colours exclude each other: when one is edited, the others are not counted as moved.
"""

import numpy as np

from kgan.data import open_data
from kgan.data.avatars import ATTRIBUTES
from kgan.editing.directions import moved, projections
from kgan.metrics.classifier import domain_classifier
from kgan.metrics.latent_editing import attribute_moves, latent_edit_error


def known_attributes(directions):
    """Those names of `directions` that the embedded faces have, "Beard" as "No_Beard"."""
    return [name for name in directions if name in ATTRIBUTES or f"No_{name}" in ATTRIBUTES]


def measure_avatar_edits(encode, decode, directions, *, size, n=None):
    """Measures the edits of each direction that the embedded faces know.

    Args:
        encode: uint8 [n, size, size, 3] -> codes [n, latent].
        decode: codes -> uint8 pictures.
        directions: `{name: Direction}` with their populations.
        size: side of the pictures.
        n: held-out faces without and with each attribute; None = all, 500.

    Returns:
        `{name: {"add" and "remove": {figures of latent_edit_error and attribute_moves}}}`.
    """
    names = known_attributes(directions)
    data, judges = {}, {}
    for name in names:
        data[name] = open_data(f"avatars:{_spec(name)}", size=size)
        judges[name] = domain_classifier(data[name])
    return {
        name: {
            what: _measure(encode, decode, directions, name, what, data[name], judges, n)
            for what in ("add", "remove")
        } for name in names
    }


def _spec(name):
    return name if name in ATTRIBUTES else f"No_{name}"


def _measure(encode, decode, directions, name, what, data, judges, n):
    inverse = name not in ATTRIBUTES
    domain = "a" if (what == "add") != inverse else "b"
    rows = np.arange(min(n or len(data.test[domain]), len(data.test[domain])))
    original, truth = data.test[domain][rows], data.truth[domain][rows]
    direction, codes = directions[name], encode(original)
    middle = direction.mean_with if what == "add" else direction.mean_without
    k = middle - projections(codes, direction.vector)
    reconstruction, edited = decode(codes), decode(moved(codes, [(direction, k)]))
    others = [x for x in judges if x == name or not (_is_hair(x) and _is_hair(name))]
    before, after = (
        np.stack([_probability(judges[x], x, pictures) for x in others], axis=1)
        for pictures in (reconstruction, edited)
    )
    moves = attribute_moves(before, after, others, name, goal=np.full(len(rows), what == "add"))
    return {
        "n": len(rows), "k": float(k.mean()), **moves,
        **latent_edit_error(original, reconstruction, edited, truth),
    }


def _is_hair(name):
    return name.endswith("_Hair")


def _probability(judge, name, pictures):
    """That pictures have an attribute, [n]."""
    p = judge.probability(pictures)
    return p if name in ATTRIBUTES else 1.0 - p
