"""Latent edits of real pictures whose attributes are known, but not what a true edit would be.

Each held-out picture without an attribute goes to the middle of those with it along one direction
(`kgan.editing.directions`), and the other way round. A judge of all attributes, trained on real
pictures alone, says whether the edit is done, what else moved, and how it sees the real pictures
that the edit should lead to.
"""

import numpy as np

from kgan.editing.directions import moved, projections
from kgan.evaluation.judge import label_judge
from kgan.metrics import pictures as distance
from kgan.metrics.figures import rough
from kgan.metrics.latent_editing import attribute_moves, most_flipped


def measure_label_edits(encode, decode, directions, data, n=None, judge=None):
    """Measures the edits of each direction that is named after a label.

    Args:
        encode: uint8 [n, size, size, 3] -> codes [n, latent].
        decode: codes -> uint8 pictures.
        directions: `{name: Direction}` with their populations, "Beard" for a label "No_Beard".
        data: a `kgan.data.Data` with labels of attributes.
        n: held-out pictures without and with each attribute; None = all.
        judge: a `kgan.evaluation.judge.LabelJudge`; None = that of the data.

    Returns:
        `{name: {"judge": its balanced accuracy on real pictures, "rough": a line if that is too
        low, "add" and "remove"}}`, each of these two with `n`, `k` (mean length of the step),
        `target_accuracy` (share of edited pictures that the judge sees as wanted),
        `accuracy_before` (of reconstructions), `real_accuracy` (of real pictures that are so),
        `mean_flips` and `most_flipped` (other attributes that cross 0.5 between reconstruction and
        result, as shares), and `change_l1`, between these two, in levels of 255.
    """
    judge, names = judge or label_judge(data), list(data.label_names)
    known, pictures = data.labels["test"] > 0.5, data.test["a"]
    found = {}
    for name in directions:
        label = name if name in names else f"No_{name}"
        if label not in names:
            continue
        column, has = names.index(label), label == name
        sides = [np.flatnonzero(known[:, column] == side)[:n] for side in (not has, has)]
        if not all(map(len, sides)):
            continue
        accuracy = judge.accuracy[label]
        found[name] = {"judge": accuracy}
        if said := rough({label: accuracy}):
            found[name]["rough"] = said
        for what, wanted in (("add", True), ("remove", False)):
            rows, real = sides[not wanted], sides[wanted]
            original = pictures[rows]
            reconstruction, edited, k = to_the_middle(encode, decode, directions[name], what,
                                                      original)
            before, after = judge.probabilities(reconstruction), judge.probabilities(edited)
            moves = attribute_moves(before, after, names, label, goal=wanted == has)
            seen = judge.probabilities(pictures[real])[:, column] > 0.5
            found[name][what] = {
                "n": len(rows), "k": float(k.mean()),
                "target_accuracy": moves["target_accuracy"],
                "accuracy_before": moves["accuracy_before"],
                "real_accuracy": float(np.mean(seen == (wanted == has))),
                "mean_flips": moves["mean_flips"], "most_flipped": most_flipped(moves),
                "change_l1": distance.l1(edited, reconstruction),
            }
    return found


def to_the_middle(encode, decode, direction, what, original):
    """Edits pictures to the middle of those with an attribute, `what` "add", or without it.

    Returns:
        Reconstructions, edited pictures and the lengths of the steps, [n].
    """
    codes = encode(original)
    middle = direction.mean_with if what == "add" else direction.mean_without
    k = middle - projections(codes, direction.vector)
    return decode(codes), decode(moved(codes, [(direction, k)])), k
