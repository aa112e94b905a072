"""How well a classifier tells labels on held-out pictures."""

import numpy as np

from kgan.core.batches import in_parts


def measure_labels(classify, data, n=None):
    """Accuracy on the held-out pictures of a labelled data set.

    Args:
        classify: `classify(uint8 [n, h, w, 3])` -> probabilities [n, k].
        data: a `kgan.data.Data` with labels.
        n: how many pictures; None = all.

    Returns:
        For classes: `{"top_1": share right, "top_5"}` (the second from 10 classes on). For
        attributes: `{"accuracy": {name: share right}, "balanced_accuracy": {name: mean of the
        shares right among the pictures with and without it}, "mean_accuracy",
        "mean_balanced_accuracy"}`.
    """
    pictures = data.test["a"]
    rows = np.arange(min(n or len(pictures), len(pictures)))
    found = in_parts(lambda some: classify(pictures[some]), rows, 100)
    truth = data.labels_of("test", rows)
    if data.exclusive:
        ranks = (found > (found * truth).sum(axis=1, keepdims=True)).sum(axis=1)
        figures = {"top_1": float(np.mean(ranks < 1))}
        return figures | ({"top_5": float(np.mean(ranks < 5))} if truth.shape[1] >= 10 else {})
    right = (found > 0.5) == (truth > 0.5)
    plain, balanced = {}, {}
    for i, name in enumerate(data.label_names):
        sides = [right[truth[:, i] == side, i] for side in (0, 1)]
        plain[name] = float(right[:, i].mean())
        balanced[name] = float(np.mean([side.mean() for side in sides if len(side)]))
    return {
        "accuracy": plain, "balanced_accuracy": balanced,
        "mean_accuracy": float(np.mean(list(plain.values()))),
        "mean_balanced_accuracy": float(np.mean(list(balanced.values()))),
    }
