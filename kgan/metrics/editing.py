"""How well a translator edits: does the edit happen, is the rest left alone, is it the true edit.

Each figure stands beside the same figure for doing nothing (`identity_` in front), without which it
says little: an edit that changes few pixels has a high PSNR before anything is done.
"""

import numpy as np

from kgan.metrics import pictures as distance

DIRECTIONS = ("a2b", "b2a")


def measure_edits(translate, data, classifier, n=None):
    """Measures a translator between the domains of a data set on held-out pictures.

    Args:
        translate: `translate(uint8 [n, h, w, 3], direction)` -> uint8 of the same shape.
        data: a `kgan.data.Data` with domains a and b.
        classifier: `kgan.metrics.classifier.DomainClassifier` of the same data.
        n: how many held-out pictures of each domain; None = all.

    Returns:
        (figures, pictures). Figures, each also with `identity_` in front:
        `edit_accuracy_a2b`, `edit_accuracy_b2a`: share of pictures that the classifier puts in the
        target domain; and where the data set knows the truth, `preservation_l1`: mean absolute
        change, in levels of 255, outside the pixels that the true edit changes, both directions;
        `counterfactual_psnr`, `counterfactual_ssim`: to the true picture, in the direction in which
        it is unique. Pictures: `{direction: {"input", "output", "truth"}}`.
    """
    figures, kept = {}, {}
    for direction in DIRECTIONS:
        domain = direction[0]
        count = len(data.test[domain])
        held = data.test[domain][np.arange(min(n or count, count))]
        output = np.concatenate(
            [translate(held[i : i + 50], direction) for i in range(0, len(held), 50)]
        )
        kept[direction] = {"input": held, "output": output}
        if data.truth:
            kept[direction]["truth"] = data.truth[domain][np.arange(len(held))]
    for prefix, which in (("", "output"), ("identity_", "input")):
        for direction, seen in kept.items():
            hit = classifier.is_b(seen[which]) == (direction[-1] == "b")
            figures[f"{prefix}edit_accuracy_{direction}"] = float(np.mean(hit))
        if data.truth:
            figures |= _against_truth(kept, which, prefix, data.deterministic)
    return figures, kept


def _against_truth(kept, which, prefix, deterministic):
    outside = []
    for seen in kept.values():
        same = (seen["input"] == seen["truth"]).all(axis=-1)
        outside.append(distance.l1(seen[which], seen["input"], where=same))
    unique = kept[deterministic]
    return {
        f"{prefix}preservation_l1": float(np.mean(outside)),
        f"{prefix}counterfactual_psnr": distance.psnr(unique[which], unique["truth"]),
        f"{prefix}counterfactual_ssim": distance.ssim(unique[which], unique["truth"]),
    }
