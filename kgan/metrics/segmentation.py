"""How well maps of classes agree: accuracy by pixels and by classes, intersection over union.

The three figures of Long, Shelhamer and Darrell (2015), section 5, of one confusion matrix over all
pixels of all pictures, as pix2pix reports them ("FCN scores"). A class that is nowhere counts in
none of the means; the released code of pix2pix counts it as 0.
"""

import numpy as np


def confusion(truth, found, classes, void=()):
    """Counts pixels by what they are and what they were found to be.

    Args:
        truth: ids, an integer array of any shape.
        found: the same shape, ids below `classes`.
        classes: how many there are.
        void: ids of `truth` whose pixels are left out, as those from `classes` on are.

    Returns:
        int64 [classes, classes], a row for each class of `truth`.
    """
    truth, found = (np.asarray(x, np.int64).ravel() for x in (truth, found))
    counts = (truth < classes) & ~np.isin(truth, void)
    pairs = truth[counts] * classes + found[counts]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def scores(matrix):
    """The figures of a confusion matrix.

    Args:
        matrix: see `confusion`; of at least one pixel.

    Returns:
        `{"pixel_accuracy": share of pixels that are right, "class_accuracy": mean of that share
        over the classes of the truth, "class_iou": mean over the classes of the truth and of what
        was found of the pixels that are of the class in both, as a share of those in either}`.
    """
    right = np.diag(matrix).astype(np.float64)
    true, found = matrix.sum(axis=1), matrix.sum(axis=0)
    there, either = true > 0, true + found > 0
    return {
        "pixel_accuracy": float(right.sum() / matrix.sum()),
        "class_accuracy": float(np.mean(right[there] / true[there])),
        "class_iou": float(np.mean(right[either] / (true + found - right)[either])),
    }
