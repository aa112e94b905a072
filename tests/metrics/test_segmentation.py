"""Scores of maps of classes, by hand and by scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from kgan.metrics.segmentation import confusion, scores


def test_by_hand():
    truth = np.array([[0, 0, 0, 1], [1, 1, 1, 3]])  # class 2 is nowhere
    found = np.array([[0, 0, 1, 1], [1, 1, 0, 0]])
    matrix = confusion(truth, found, 4)
    assert matrix.tolist() == [[2, 1, 0, 0], [1, 3, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert scores(matrix) == pytest.approx({
        "pixel_accuracy": 5 / 8,
        "class_accuracy": (2 / 3 + 3 / 4 + 0) / 3,
        "class_iou": (2 / 5 + 3 / 5 + 0) / 3,
    })


def test_void_pixels_count_for_nothing():
    truth = np.array([0, 0, 1, 2, 2, 9])
    found = np.array([0, 1, 1, 0, 1, 1])
    matrix = confusion(truth, found, 3, void=(2,))
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert scores(matrix) == pytest.approx({
        "pixel_accuracy": 2 / 3, "class_accuracy": 3 / 4, "class_iou": 1 / 2})


def test_a_class_that_is_only_found_lowers_the_iou_alone():
    found = scores(confusion([0, 0, 0, 0], [0, 0, 0, 1], 2))
    assert found == {"pixel_accuracy": 0.75, "class_accuracy": 0.75, "class_iou": 0.375}


@pytest.mark.parametrize("classes", [2, 7, 35])
def test_as_scikit_learn_has_it(classes):
    random = np.random.default_rng(classes)
    truth = random.integers(0, classes, (3, 20, 30, 1)).astype(np.uint8)
    found = np.where(random.random(truth.shape) < 0.6, truth, random.integers(0, classes, (1,)))
    flat = truth.ravel(), found.ravel()
    np.testing.assert_array_equal(
        confusion(truth, found, classes), metrics.confusion_matrix(*flat, labels=range(classes)))
    assert scores(confusion(truth, found, classes)) == pytest.approx({
        "pixel_accuracy": metrics.accuracy_score(*flat),
        "class_accuracy": metrics.balanced_accuracy_score(*flat),
        "class_iou": metrics.jaccard_score(*flat, average="macro"),
    })
