"""How varied generated pictures are, not only how good: what a generator that always makes the same
few fine pictures does not pass.

Distances among generated pictures beside the same among real ones; nearest-neighbour precision and
recall of Kynkaanniemi, Karras, Laine, Lehtinen, Aila: Improved precision and recall metric for
assessing generative models, NeurIPS 2019 (arXiv 1904.06991), equations 1 and 2; shares of
attributes. Precision and recall depend on the features and on how many pictures there are: compare
figures of the same features and number, never with those of the paper (VGG-16, 50 000 pictures).

Nothing here sees quality: noise is more varied than faces are. Read it beside `distribution`.
"""

import numpy as np
from sklearn.metrics import euclidean_distances, pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors

from kgan.core.errors import UserError
from kgan.metrics.reconstruction import hash_bits


def diversity(real, made, *, features=None, n=500, seed=0):
    """Compares how far generated pictures lie from each other with how far real ones do.

    As many pictures of each kind are drawn: `n`, or all of the smaller set.

    Args:
        real: uint8 [a, h, w, 3].
        made: uint8 [b, h, w, 3].
        features: (of real, of generated pictures), [c, d] and [e, d], for `precision_recall`; not
            drawn from, and they need not be of these pictures. None = leave it out.
        n: pictures of each kind at most.
        seed: of the draw.

    Returns:
        `pictures`: how many of each kind were compared; `l2_real`, `l2_made`: mean over pairs of
        the Euclidean distance of pictures in [-1, 1]; `dhash_real`, `dhash_made`: mean over pairs
        of the share of bits of the difference hash that differ; `l2_ratio`, `dhash_ratio`: made
        over real, near 1 = as varied, near 0 = collapse; `near_duplicates`: share of generated
        pictures with another one no farther (L2) than the 1st percentile of real pictures'
        distances to their nearest; `near_duplicates_real`: the same share of the real ones, about
        0.01 in hundreds of different ones. With features also what `precision_recall` returns.

    Raises:
        UserError: fewer than 2 pictures of a kind, or real pictures all alike.
        ValueError: pictures of different sizes.
    """
    if real.shape[1:] != made.shape[1:]:
        raise ValueError(f"pictures of {real.shape[1:]} and of {made.shape[1:]}")
    count = min(n, len(real), len(made))
    if count < 2:
        raise UserError(f"Diversity needs at least 2 pictures of each kind, not {count}.")
    random = np.random.default_rng(seed)
    drawn = [x[np.sort(random.choice(len(x), count, replace=False))] for x in (real, made)]
    figures, l2 = {"pictures": count}, [_l2(pictures) for pictures in drawn]
    pairs = np.triu_indices(count, 1)
    for name, (among_real, among_made) in {"l2": l2, "dhash": map(_dhash, drawn)}.items():
        of_real, of_made = (float(d[pairs].mean()) for d in (among_real, among_made))
        if not of_real:
            raise UserError(f"The real pictures are all alike by {name}: measure with others.")
        figures |= {
            f"{name}_real": of_real, f"{name}_made": of_made, f"{name}_ratio": of_made / of_real
        }
    nearest_real, nearest_made = (_to_nearest(d) for d in l2)
    near = np.percentile(nearest_real, 1)
    figures["near_duplicates"] = float(np.mean(nearest_made <= near))
    figures["near_duplicates_real"] = float(np.mean(nearest_real <= near))
    return figures | (precision_recall(*features) if features else {})


def precision_recall(features_real, features_made, *, k=3):
    """Improved precision and recall: does each kind lie where the other one does?

    A set covers the balls around its rows that reach to the k-th nearest other row. Where one set
    is larger, evenly spaced rows of it are taken, for a larger set covers more.

    Args:
        features_real, features_made: [n, d] and [m, d].
        k: which neighbour a ball reaches to.

    Returns:
        `precision`: share of generated rows that the real ones cover (are they real?); `recall`:
        share of real rows that the generated ones cover (are all kinds made?).

    Raises:
        UserError: no more than k rows of a kind.
    """
    count = min(len(features_real), len(features_made))
    if count <= k:
        raise UserError(f"Precision and recall by neighbour {k} need more than {k} pictures of "
                        f"each kind, not {count}.")
    real, made = (
        np.asarray(f, np.float64)[np.arange(count) * len(f) // count]
        for f in (features_real, features_made)
    )
    real, made = real - real.mean(0), made - real.mean(0)  # small numbers lose fewer digits
    return {"precision": _covered(made, real, k), "recall": _covered(real, made, k)}


def attribute_shares(probabilities_real, probabilities_made):
    """How often a classifier finds each attribute in real and in generated pictures.

    Args:
        probabilities_real, probabilities_made: [n, k] and [m, k] of the same k attributes; one is
            found above 0.5.

    Returns:
        `real`, `made`: lists of k shares; `largest_difference`: of the two, absolute;
        `largest_at`: the column where it is. Shares p of n and m pictures differ by about
        sqrt(p (1 - p) (1/n + 1/m)) by chance alone, the largest of k by more.
    """
    real, made = (
        np.mean(np.asarray(p) > 0.5, axis=0) for p in (probabilities_real, probabilities_made)
    )
    difference = np.abs(real - made)
    return {
        "real": real.tolist(), "made": made.tolist(),
        "largest_difference": float(difference.max()), "largest_at": int(difference.argmax()),
    }


def _l2(pictures):
    """Distances [n, n] of pictures in [-1, 1]; whole numbers until the root, so exact."""
    flat = pictures.reshape(len(pictures), -1).astype(np.float64)
    return euclidean_distances(flat) / 127.5


def _dhash(pictures):
    """[n, n]: shares of the 64 bits that differ."""
    signs = 2.0 * hash_bits(pictures, "dhash") - 1
    return (1 - signs @ signs.T / signs.shape[1]) / 2


def _to_nearest(distances):
    """[n]: from each row of [n, n] distances to the nearest other."""
    return np.where(np.eye(len(distances), dtype=bool), np.inf, distances).min(1)


def _covered(points, by, k):
    """The share of points in any of the balls around the rows of `by`."""
    radii = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(by).kneighbors()[0][:, -1]
    radii += 1e-6 * np.linalg.norm(by, axis=1)  # what a distance of such rows may be rounded by
    inside = pairwise_distances_chunked(
        points, by, reduce_func=lambda some, _: (some <= radii).any(1), working_memory=64
    )
    return float(np.mean(np.concatenate([*inside])))
