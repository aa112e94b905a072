"""How much a linear classifier can read from features of a network.

Radford, Metz, Chintala 2016 (arXiv 1511.06434), section 5.1: "a regularized linear L2-SVM" on
features of a discriminator. Here it is scikit-learn's `LinearSVC`: squared hinge, one class against
the rest. The paper says neither how features are scaled nor how the penalty is chosen; our choice:

- each feature is brought to mean 0 and variance 1 over the training rows, and all are divided by
  the root of their number, so that a row's mean square is 1 and one C means the same for 3,072
  numbers and for 28,672;
- C goes up from 0.001 in tens until a fifth of the training rows, held out at random, is recognised
  less well; then all of them are learnt from. The test rows have no part in it.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from kgan.core.batches import parts
from kgan.core.errors import UserError

CHOICES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)
HELD_OUT = 0.2
FEWEST = 5  # rows that have an attribute, and that have it not, to learn it from


def linear_probe(train, train_labels, test, test_labels, *, seed=0):
    """Fits an L2-SVM to features and says how many test rows it recognises.

    Args:
        train, test: [n, d] and [m, d], numbers of any range.
        train_labels, test_labels: int [n] and [m], the classes.
        seed: of the held-out rows and of the solver.

    Returns:
        `accuracy`: share of test rows in their class; `c`: the C that was chosen;
        `validation_accuracy`: of the held-out rows with it; `features`: d; `train`, `test`: n and
        m; `converged`: whether the last fit did.

    Raises:
        UserError: fewer than two classes in what is learnt from.
    """
    train, test = scaled(train, test)
    rows = np.random.default_rng(seed).permutation(len(train))
    count = round(HELD_OUT * len(rows))
    held, kept = rows[:count], rows[count:]
    if not count or len(np.unique(train_labels[kept])) < 2:
        raise UserError("A linear classifier needs training pictures of two classes or more: "
                        "take more of them.")
    best, chosen = -1.0, None
    for c in CHOICES:
        model = _fit(train[kept], train_labels[kept], c, seed)
        found = float(np.mean(model.predict(train[held]) == train_labels[held]))
        if found < best:
            break
        if found > best:
            best, chosen = found, c
    model = _fit(train, train_labels, chosen, seed)
    return {
        "accuracy": float(np.mean(model.predict(test) == test_labels)), "c": chosen,
        "validation_accuracy": best, "features": train.shape[1], "train": len(train),
        "test": len(test), "converged": bool(model.n_iter_ < model.max_iter),
    }


def linear_probes(train, train_labels, test, test_labels, *, seed=0):
    """`linear_probe` of classes, or one for each attribute.

    Args:
        train, test, seed: as `linear_probe`.
        train_labels, test_labels: int [n] and [m], classes; or [n, k] and [m, k] of 0 and 1,
            attributes, of which those that fewer than `FEWEST` training rows have, or have not,
            are left out.

    Returns:
        The figures of `linear_probe`; of attributes `accuracy`, the mean over them, `accuracy_3`
        of the fourth and so on, `features`, `train` and `test`.

    Raises:
        UserError: nothing to tell apart in what is learnt from.
    """
    if train_labels.ndim == 1:
        return linear_probe(train, train_labels, test, test_labels, seed=seed)
    found, figures = {}, {}
    for i in _both(train_labels):
        figures = linear_probe(train, train_labels[:, i], test, test_labels[:, i], seed=seed)
        found[f"accuracy_{i}"] = figures["accuracy"]
    if not found:
        raise UserError("A linear classifier needs attributes that some of the training pictures "
                        "have and others have not: take more of them.")
    shared = {name: figures[name] for name in ("features", "train", "test")}
    return {"accuracy": float(np.mean([*found.values()])), **found, **shared}


def most_frequent(train_labels, test_labels):
    """Share of test rows that have the most frequent label of the training rows.

    Args:
        train_labels, test_labels: as `linear_probes`; of attributes the mean over the same ones.
    """
    if train_labels.ndim == 1:
        labels, counts = np.unique(train_labels, return_counts=True)
        return float(np.mean(test_labels == labels[counts.argmax()]))
    kept = _both(train_labels)
    guess = train_labels[:, kept].mean(0) > 0.5
    return float(np.mean((test_labels[:, kept] > 0.5) == guess))


def _both(labels):
    """The attributes that `FEWEST` of the rows have at least, and as many have not."""
    counts = np.minimum(labels.sum(0), (1 - labels).sum(0))
    return np.flatnonzero(counts >= FEWEST)


def scaled(train, test):
    """float32 copies of features, [n, d] and [m, d], each brought to mean 0 and variance 1 over the
    training rows and divided by the root of d; what is constant becomes 0."""
    mean = train.mean(0, dtype=np.float64)
    squares = sum(np.square(some - mean).sum(0) for some in parts(train, 256))
    deviation = np.sqrt(squares / len(train))
    constant = deviation <= 1e-12 * np.maximum(np.abs(mean), 1)
    scale = np.where(constant, 0, 1 / np.where(constant, 1, deviation) / train.shape[1] ** 0.5)
    found = [x.astype(np.float32) for x in (train, test)]  # LinearSVC makes float64 of them
    for x in found:
        x -= mean.astype(np.float32)
        x *= scale.astype(np.float32)
    return found


def _fit(features, labels, c, seed):
    """The dual problem where there are fewer rows than features: it has a variable for each row.

    200 passes at most: a large C takes thousands and seldom is the best.
    """
    model = LinearSVC(C=c, dual=len(features) < features.shape[1], tol=1e-2, max_iter=200,
                      random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(features, labels)
