"""Accuracy of classifiers, by hand."""

import numpy as np
import pytest

from kgan.data import Data
from kgan.metrics.classification import measure_labels


def data(labels, names, exclusive):
    pictures = {"a": np.arange(len(labels), dtype=np.uint8).reshape(-1, 1, 1, 1)}
    return Data("test", pictures, pictures, labels={"test": labels}, label_names=names,
                exclusive=exclusive)


def answers(table):
    return lambda pictures: np.array(table)[pictures[:, 0, 0, 0]]


def test_classes():
    names = tuple("abcdefghijkl")
    likely = np.tile(np.linspace(0.2, 0.1, 12), (4, 1))  # a most, l least
    truth = np.array([0, 1, 4, 11])
    found = measure_labels(answers(likely), data(truth, names, True))
    assert found == {"top_1": 0.25, "top_5": 0.75}
    assert measure_labels(answers(likely), data(truth, names, True), n=2)["top_1"] == 0.5


def test_attributes():
    truth = np.array([[1, 0], [0, 0], [0, 0], [0, 1]], np.float32)
    likely = [[0.9, 0.1], [0.8, 0.2], [0.1, 0.3], [0.2, 0.4]]
    found = measure_labels(answers(likely), data(truth, ("x", "y"), False))
    assert found["accuracy"] == {"x": 0.75, "y": 0.75}
    assert found["balanced_accuracy"] == pytest.approx({"x": (1 + 2 / 3) / 2, "y": 0.5})
    assert found["mean_accuracy"] == 0.75
    assert found["mean_balanced_accuracy"] == pytest.approx((5 / 6 + 0.5) / 2)
