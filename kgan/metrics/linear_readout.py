"""How well numbers can be read from features by a linear map.

Lotter, Kreiman, Cox 2015 (arXiv 1511.06380) read angle, speed and components of identity from the
state of an LSTM and give the correlation r of what is read with the truth on clips that it has not
seen. Here the map is scikit-learn's ridge regression, for each number with the penalty that does
best in leaving out one training row (generalised cross-validation); features are brought to one
scale as in `kgan.metrics.linear_probe`.
"""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV

from kgan.core.errors import UserError
from kgan.metrics.linear_probe import scaled

PENALTIES = tuple(10.0**k for k in range(-6, 4))
FEWEST = 10  # training rows


def linear_readout(train, train_numbers, test, test_numbers):
    """Learns to read numbers from features, and says how well that goes for other rows.

    Args:
        train, test: [n, d] and [m, d], features of any range.
        train_numbers, test_numbers: `{name: float [n]}` and `{name: float [m]}`.

    Returns:
        `{name: r}`, the correlation of what is read from the test rows with what it should be; 0
        if the same is read from all. Numbers that are the same in all training or in all test rows
        are left out.

    Raises:
        UserError: fewer than `FEWEST` training rows, or one test row.
    """
    if len(train) < FEWEST or len(test) < 2:
        raise UserError(f"Reading numbers from features takes {FEWEST} training clips and 2 test "
                        f"clips at least, not {len(train)} and {len(test)}.")
    names = [name for name, values in train_numbers.items()
             if np.ptp(values) > 0 and np.ptp(test_numbers[name]) > 0]
    if not names:
        return {}
    truth = np.stack([train_numbers[name] for name in names], 1)
    mean, deviation = truth.mean(0), truth.std(0)
    x, y = scaled(train, test)
    model = RidgeCV(alphas=PENALTIES, alpha_per_target=True).fit(x, (truth - mean) / deviation)
    read = model.predict(y).reshape(len(y), -1)
    return {name: correlation(read[:, i], test_numbers[name]) for i, name in enumerate(names)}


def correlation(x, y):
    """Pearson's r of two rows of numbers; 0 if one of them is constant."""
    x, y = (np.asarray(a, float) - np.mean(a) for a in (x, y))
    size = np.sqrt(np.sum(x * x) * np.sum(y * y))
    return float(np.sum(x * y) / size) if size > 1e-12 * len(x) else 0.0


def components(train, test, count):
    """Principal components of the training rows, of both sets: float32 [n, k] and [m, k].

    Args:
        train, test: [n, d] and [m, d], numbers.
        count: k, or as many as there can be.
    """
    count = min(count, *train.shape)
    found = PCA(count, svd_solver="auto", random_state=0).fit(train)
    return found.transform(train), found.transform(test)
