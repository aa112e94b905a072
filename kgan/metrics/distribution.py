"""Distances between two sets of features: KID and Frechet distance.

KID: Binkowski, Sutherland, Arbel, Gretton: Demystifying MMD GANs, ICLR 2018 (arXiv 1801.01401).
Frechet distance of Gaussians: Heusel et al., NeurIPS 2017 (arXiv 1706.08500), equation 6. What
these papers publish is taken on the features of one particular Inception network from 2015.
None of the networks of this package is that one (`kgan.evaluation.features`): such figures compare
models with each other on the same pictures; never set them beside a published FID or KID.
"""

import numpy as np

from kgan.core.errors import UserError


def kid(features_real, features_fake, *, subsets=100, subset_size=None, seed=0):
    """Kernel distance: unbiased squared MMD with the kernel (x.y / d + 1)^3.

    Args:
        features_real, features_fake: [n, d] and [m, d].
        subsets: how many pairs of random subsets it is taken on.
        subset_size: rows of a subset, without repetition; None = 1000, or half of the smaller set
            where that is less.
        seed: of the subsets.

    Returns:
        (mean, standard deviation) over the subsets. The mean may be below 0: that is what an
        unbiased estimate of 0 does.

    Raises:
        UserError: fewer than 4 rows, and no `subset_size`.
        ValueError: subsets of fewer than 2 rows, or of more than there are.
    """
    x, y = (np.asarray(f, np.float64) for f in (features_real, features_fake))
    least = min(len(x), len(y))
    if subset_size is None and least < 4:
        raise UserError(f"KID needs at least 4 pictures of each kind, not {least}.")
    size = min(1000, least // 2) if subset_size is None else subset_size
    if not 2 <= size <= least:
        raise ValueError(f"subsets of {size} rows out of {least}")
    random = np.random.default_rng(seed)
    found = [
        _squared_mmd(*(z[random.choice(len(z), size, replace=False)] for z in (x, y)))
        for _ in range(subsets)
    ]
    return float(np.mean(found)), float(np.std(found))


def _squared_mmd(x, y):
    def kernel(u, v):
        k = u @ v.T / u.shape[1] + 1
        return k * k * k  # several times faster than a power

    def among(u):  # the mean over pairs of different rows
        k = kernel(u, u)
        return (k.sum() - np.trace(k)) / (len(u) * (len(u) - 1))

    return among(x) + among(y) - 2 * kernel(x, y).mean()


def frechet(features_real, features_fake):
    """Frechet distance of two Gaussians fitted to features (covariances divided by n - 1).

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)). The trace of the root is the sum of the singular
    values of A B^T where S1 = A^T A and S2 = B^T B, which needs no root of a matrix and holds for
    singular covariances (fewer pictures than features) too. Biased upwards in small sets: compare
    figures of the same number of pictures.

    Args:
        features_real, features_fake: [n, d] and [m, d], at least 2 rows each.

    Returns:
        A float >= 0 but for rounding.

    Raises:
        UserError: fewer than 2 rows.
    """
    x, y = (np.asarray(f, np.float64) for f in (features_real, features_fake))
    if min(len(x), len(y)) < 2:
        raise UserError("A Frechet distance needs at least 2 pictures of each kind, not "
                        f"{min(len(x), len(y))}.")
    a, b = (np.linalg.qr((z - z.mean(0)) / np.sqrt(len(z) - 1), mode="r") for z in (x, y))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    return float(np.sum((x.mean(0) - y.mean(0)) ** 2) + np.sum(a**2) + np.sum(b**2) - 2 * root)
