"""The linear probe: what it can read, what it must not depend on."""

import numpy as np
import pytest

from kgan.core.errors import UserError
from kgan.metrics import linear_probe as module
from kgan.metrics.linear_probe import CHOICES, linear_probe


def clusters(n, d=12, classes=3, spread=0.2, seed=0):
    """Rows around a corner of a simplex for each class, and their classes in turn."""
    labels = np.arange(n) % classes
    noise = np.random.default_rng(seed).normal(0, spread, (n, d))
    return (np.eye(d)[labels] + noise).astype(np.float32), labels


def test_what_a_line_parts_is_recognised():
    found = linear_probe(*clusters(90), *clusters(30, seed=1))
    assert found.keys() == {
        "accuracy", "c", "validation_accuracy", "features", "train", "test", "converged"
    }
    assert (found["accuracy"], found["validation_accuracy"]) == (1, 1)
    assert (found["features"], found["train"], found["test"]) == (12, 90, 30)
    assert found["c"] == CHOICES[0] and found["converged"]  # the least that does it


def test_labels_that_mean_nothing_are_guessed():
    x, y = clusters(240, spread=1.0)
    test, labels = clusters(300, spread=1.0, seed=1)
    chance = linear_probe(x, np.random.default_rng(2).permutation(y), test, labels)["accuracy"]
    assert chance == pytest.approx(1 / 3, abs=0.12)
    assert linear_probe(x, y, test, labels)["accuracy"] > 0.5


def test_units_of_features_do_not_matter():
    (x, y), (test, labels) = clusters(120, spread=0.7), clusters(60, spread=0.7, seed=1)
    scale, shift = 10.0 ** np.arange(-6, 6), np.arange(12) * 100.0
    other = linear_probe(x * scale + shift * scale, y, test * scale + shift * scale, labels)
    assert other == linear_probe(x, y, test, labels)
    assert 0.5 < other["accuracy"] < 1


def test_a_constant_feature_says_nothing():
    (x, y), (test, labels) = clusters(60), clusters(30, seed=1)
    x[:, 5:], test[:, 5:] = 1 / 3, 7.0  # what only the test rows have is no evidence
    assert linear_probe(x, y, test, labels)["accuracy"] == 1


def test_scaled_rows_by_hand():
    x = np.array([[1.0, 9, 0, 5], [3, 9, 0, 5], [4, 9, 1, 5]])
    train, test = module.scaled(x[:2], x[2:])
    np.testing.assert_allclose(train, [[-0.5, 0, 0, 0], [0.5, 0, 0, 0]])
    np.testing.assert_allclose(test, [[1, 0, 0, 0]])


def test_test_rows_choose_nothing():
    x, y = clusters(120, spread=0.7)
    first = linear_probe(x, y, *clusters(60, spread=0.7, seed=1))
    second = linear_probe(x, y, x[:9] * 100, 2 - y[:9])
    assert all(first[name] == second[name] for name in ("c", "validation_accuracy", "converged"))


@pytest.mark.parametrize("d", [30, 300])  # fewer and more features than rows
def test_both_problems_have_one_answer(d):
    x, y = clusters(90, d=d, spread=1.0)
    x, _ = module.scaled(x, x)
    margins = [module.LinearSVC(C=1.0, dual=dual, tol=1e-6, max_iter=10_000, random_state=0)
               .fit(x, y).decision_function(x) for dual in (True, False)]
    np.testing.assert_allclose(*margins, atol=1e-3)
    np.testing.assert_allclose(module._fit(x, y, 1.0, 0).decision_function(x), margins[0],
                               atol=0.02)


def test_c_rises_while_that_helps(monkeypatch):
    tried = []

    class Judge:
        n_iter_, max_iter = 1, 2

        def __init__(self, c):
            self.right = {0.001: 0.4, 0.01: 0.6, 0.1: 0.6, 1.0: 0.2}[c]

        def predict(self, x):
            return np.where(np.arange(len(x)) < round(self.right * len(x)), 0, 9)

    monkeypatch.setattr(module, "_fit", lambda x, y, c, seed: tried.append(c) or Judge(c))
    labels = np.zeros(50, int)
    monkeypatch.setattr(module.np, "unique", lambda labels: [0, 1])
    found = linear_probe(np.eye(50), labels, np.eye(50), labels)
    assert tried == [0.001, 0.01, 0.1, 1.0, 0.01]
    assert (found["c"], found["validation_accuracy"], found["accuracy"]) == (0.01, 0.6, 0.6)


def test_one_class_cannot_be_told_apart():
    for x, y in ((np.eye(10), np.zeros(10, int)), (np.eye(2), np.arange(2))):
        with pytest.raises(UserError, match="two classes or more"):
            linear_probe(x, y, x, y)
