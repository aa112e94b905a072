"""Directions of labels: of whose pictures they are made, and whose measure them."""

import numpy as np
import pytest

from kgan.data import Data
from kgan.editing.attributes import from_data, labels_of

LABELS = ("Hat", "No_Beard", "Rare")


def data(train, test):
    """Pictures whose one value is their code's first number."""
    def side(values):
        labels = np.zeros((len(values), 3), np.float32)
        labels[::2, 0], labels[1::2, 1], labels[0, 2] = 1, 1, 1
        return np.array(values, np.float32), labels

    (train, known), (test, told) = side(train), side(test)
    return Data("x", {"a": train}, {"a": test}, labels={"train": known, "test": told},
                label_names=LABELS)


def encode(pictures, rows):
    return np.stack([pictures[rows], np.zeros(len(rows))], 1)


def test_held_out_pictures_measure_what_training_pictures_make(capsys):
    found = from_data(encode, (given := data([4, 0] * 10, [3, 1] * 10)), "sha", (given, "test"))
    assert set(found) == {"Hat", "Beard"} and "no direction of Rare" in capsys.readouterr().err
    for direction in found.values():  # no beard is where no hat is
        np.testing.assert_allclose(direction.vector, [1, 0])
        assert (direction.length, direction.generator) == (4, "sha")
        assert (direction.mean_with, direction.mean_without) == (3, 1)
        assert direction.how == "mean codes of 10 pictures with it and 10 without"


@pytest.mark.parametrize("measured", [None, [3, 1] * 9])
def test_without_enough_others_the_same_pictures_measure(measured):
    given = data([4, 0] * 10, measured or [3])
    found = from_data(encode, given, "sha", (given, "test") if measured else None)
    assert (found["Hat"].mean_with, found["Hat"].mean_without) == (4, 0)


def test_who_has_an_attribute():
    given = data([4, 0] * 2, [3])
    assert labels_of(given, "train", "Hat").tolist() == [True, False] * 2
    assert labels_of(given, "train", "Beard").tolist() == [True, False] * 2
    assert labels_of(given, "train", "No_Beard") is None
