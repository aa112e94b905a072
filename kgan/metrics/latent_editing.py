"""How far a latent edit is from the true edit, and how much of that the encoder alone explains.

An edit by an encoder E and a generator G changes a picture twice: G(E(x)) is not x, and the step in
the latent space is not the attribute alone. With the true picture at hand (embedded faces) the two
are told apart. For original o, reconstruction r, edited picture e and truth t, pixel by pixel,

    e - t = (r - o) + ((e - r) - (t - o)),

so that edit_error <= reconstruction_part + edit_part, and no less than their difference.
"""

import numpy as np

from kgan.core.errors import UsageError
from kgan.core.recipe import nearest
from kgan.metrics import pictures as distance


def latent_edit_error(original, reconstruction, edited, truth):
    """The mean absolute error of an edit in its two parts, in levels of 0..255.

    Args:
        original: uint8 [n, h, w, 3].
        reconstruction: decoded from the original's code as it is, of the same shape.
        edited: decoded from the edited code.
        truth: the original with the attribute switched.

    Returns:
        `edit_error`: |edited - truth|; `reconstruction_part`: |reconstruction - original|;
        `edit_part`: |(edited - reconstruction) - (truth - original)|; each also with `_region` at
        the end, inside the pixels that the true edit changes; and all with `identity_` in front for
        doing nothing, which leaves the original as it is. An edit is worth something where
        `edit_part` is below `identity_edit_part`, of use where `edit_error` is below
        `identity_edit_error`.

    Raises:
        ValueError: arrays of different shapes, or a truth that is the original.
    """
    shapes = {x.shape for x in (original, reconstruction, edited, truth)}
    if len(shapes) > 1:
        raise ValueError(f"pictures of {' and of '.join(map(str, sorted(shapes)))}")
    changed = (original != truth).any(axis=-1)
    if not changed.any():
        raise ValueError("the true edit changes no pixel")
    wanted = truth.astype(np.int16) - original
    figures = {}
    for prefix, start, end in (("", reconstruction, edited), ("identity_", original, original)):
        pairs = {
            "edit_error": (end, truth),
            "reconstruction_part": (start, original),
            "edit_part": (end.astype(np.int16) - start, wanted),
        }
        for suffix, where in (("", None), ("_region", changed)):
            for name, (x, y) in pairs.items():
                figures[f"{prefix}{name}{suffix}"] = distance.l1(x, y, where)
    return figures


def attribute_moves(before, after, labels_names, target, *, goal=None):
    """What an attribute classifier says of an edit: is it done, and what else moved?

    Args:
        before: probabilities [n, k] before the edit: of the reconstructions for the edit alone, of
            the originals for what encoder and edit do together.
        after: the same of the edited pictures.
        labels_names: names of the k attributes.
        target: the one that the edit is to switch.
        goal: whether pictures are to have it, bool or [n]; None = the opposite of what the
            classifier says before.

    Returns:
        `target_accuracy`: share of pictures in which the target is as it is to be (0 for doing
        nothing if goal is None); `accuracy_before`: the same before the edit; of the other
        attributes, by name, `change`: mean absolute change of the probability, and `flips`: share
        of pictures that cross 0.5; `mean_change`, `mean_flips`: means over them, 0 if there are
        none.

    Raises:
        UsageError: no attribute of that name.
        ValueError: arrays of different shapes, or another number of names.
    """
    before, after = np.asarray(before), np.asarray(after)
    if before.shape != after.shape or before.shape[1:] != (len(labels_names),):
        raise ValueError(
            f"probabilities {before.shape} and {after.shape} of {len(labels_names)} attributes"
        )
    if target not in labels_names:
        raise UsageError(f"There is no attribute {target}. {nearest(target, labels_names)}")
    was, found = before > 0.5, after > 0.5
    column = list(labels_names).index(target)
    wanted = ~was[:, column] if goal is None else np.asarray(goal, bool)
    moved, flipped = np.abs(after - before).mean(0), (was != found).mean(0)
    others = [i for i in range(len(labels_names)) if i != column]
    return {
        "target_accuracy": float(np.mean(found[:, column] == wanted)),
        "accuracy_before": float(np.mean(was[:, column] == wanted)),
        "change": {labels_names[i]: float(moved[i]) for i in others},
        "flips": {labels_names[i]: float(flipped[i]) for i in others},
        "mean_change": float(moved[others].sum() / max(len(others), 1)),
        "mean_flips": float(flipped[others].sum() / max(len(others), 1)),
    }


def most_flipped(moves, count=5):
    """`{name: share}` of the attributes that flip most, of what `attribute_moves` returned."""
    return dict(sorted(moves["flips"].items(), key=lambda item: -item[1])[:count])
