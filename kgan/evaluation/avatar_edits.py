"""Latent edits of the embedded faces beside the true ones.

Each picture goes to the middle of the pictures with the attribute, or of those without it, along
one direction (`kgan.editing.directions`); then its true counterfactual is known. One classifier an
attribute, trained on real pictures alone, says whether the edit is done and what else moved. Hair
colours exclude each other, and a hat or a bald head hides them: when one of these is edited, the
others are not counted as moved.
"""

import numpy as np

from kgan.data import open_data
from kgan.data.avatars import ATTRIBUTES
from kgan.editing.directions import from_pairs, spread
from kgan.evaluation.judge import domain_classifier
from kgan.evaluation.label_edits import to_the_middle
from kgan.metrics import pictures as distance
from kgan.metrics.latent_editing import attribute_moves, latent_edit_error

PAIRS = 20


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
        `{name: {"add" and "remove": {figures of latent_edit_error and attribute_moves}, "pairs":
        {figures of measure_pairs}}}`.
    """
    names = known_attributes(directions)
    data, judges = {}, {}
    for name in names:
        data[name] = open_data(f"avatars:{_spec(name)}", size=size)
        judges[name] = domain_classifier(data[name])
    return {
        name: {
            **{what: _measure(encode, decode, directions, name, what, data[name], judges, n)
               for what in ("add", "remove")},
            "pairs": measure_pairs(encode, decode, directions[name], data[name], judges[name], n),
        } for name in names
    }


def measure_pairs(encode, decode, direction, data, judge, n=None):
    """Does one pair of pictures suffice for a direction (CRG, section 4.3)?

    The last `PAIRS` held-out faces and their true counterfactuals each give a direction, by which
    the first ones are edited, as far as the pair lies apart.

    Returns:
        `cosine`, `cosine_least`: of each pair's direction to the mean of all, mean and least;
        `to_labels`: of that mean to `direction`; `accuracy`, `accuracy_std`, `accuracy_least`: of
        adding the attribute by one pair, over the pairs; `accuracy_all`: by the mean of all,
        `accuracy_none`: of reconstructions; `error`, `error_std`, `error_most`, `error_all`,
        `error_none`: of the same pictures, mean absolute difference to the true edit in levels of
        255.
    """
    inverse = direction.name not in ATTRIBUTES
    without = "b" if inverse else "a"
    total = len(data.test[without])
    count = min(PAIRS, total // 2)
    rows = np.arange(total - count, total)
    codes = [encode(pictures[rows]) for pictures in (data.test[without], data.truth[without])]
    mean, length = from_pairs(*codes)
    agree = spread(*codes)
    edited = np.arange(min(n or total, total - count))
    start, truth = encode(data.test[without][edited]), data.truth[without][edited]

    def judged(vector, length):
        """Share of edited faces with the attribute, and their distance to the true ones."""
        made = decode((start + length * vector).astype(np.float32))
        hit = _probability(judge, direction.name, made) > 0.5
        return float(np.mean(hit)), distance.l1(made, truth)

    single = [judged(*from_pairs(*(c[i : i + 1] for c in codes))) for i in range(count)]
    accuracy, error = np.array(single).T
    for_all, for_none = judged(mean, length), judged(mean, 0.0)
    return {
        "pairs": count, "cosine": float(agree.mean()), "cosine_least": float(agree.min()),
        "to_labels": float(mean @ direction.vector),
        "accuracy": float(accuracy.mean()), "accuracy_std": float(accuracy.std()),
        "accuracy_least": float(accuracy.min()), "accuracy_all": for_all[0],
        "accuracy_none": for_none[0],
        "error": float(error.mean()), "error_std": float(error.std()),
        "error_most": float(error.max()), "error_all": for_all[1], "error_none": for_none[1],
    }


def _spec(name):
    return name if name in ATTRIBUTES else f"No_{name}"


def _measure(encode, decode, directions, name, what, data, judges, n):
    inverse = name not in ATTRIBUTES
    domain = "a" if (what == "add") != inverse else "b"
    rows = np.arange(min(n or len(data.test[domain]), len(data.test[domain])))
    original, truth = data.test[domain][rows], data.truth[domain][rows]
    reconstruction, edited, k = to_the_middle(encode, decode, directions[name], what, original)
    others = [x for x in judges if x == name or not (_on_top(x) and _on_top(name))]
    before, after = (
        np.stack([_probability(judges[x], x, pictures) for x in others], axis=1)
        for pictures in (reconstruction, edited)
    )
    moves = attribute_moves(before, after, others, name, goal=np.full(len(rows), what == "add"))
    return {
        "n": len(rows), "k": float(k.mean()), **moves,
        **latent_edit_error(original, reconstruction, edited, truth),
    }


def _on_top(name):
    return name.endswith("_Hair") or name in ("Wearing_Hat", "Bald")


def _probability(judge, name, pictures):
    """That pictures have an attribute, [n]."""
    p = judge.probability(pictures)
    return p if name in ATTRIBUTES else 1.0 - p
