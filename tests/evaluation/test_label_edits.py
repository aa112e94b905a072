"""Latent edits of labelled pictures, with an encoder whose codes are two attributes."""

import dataclasses

import numpy as np
import pytest

from kgan.data import Data
from kgan.editing.directions import Direction
from kgan.evaluation.label_edits import measure_label_edits


class Levels:
    """Sees the first channel as the one attribute and the second as the other; knows one badly."""

    names, accuracy = ("Male", "Smiling", "Young"), {"Male": 0.95, "Smiling": 0.85, "Young": 0.9}

    def probabilities(self, pictures):
        return pictures.mean((1, 2)) / 255.0


def encode(pictures):
    return (pictures.mean((1, 2)) / 255.0).astype(np.float32)


def decode(codes):
    levels = np.rint(255 * np.clip(codes, 0, 1)).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None], (len(codes), 8, 8, 3)).copy()


def direction(name, vector):
    vector = np.float32(vector) / np.linalg.norm(vector)
    return Direction(name, vector, 1.0, "0", 0.1, 0.1, 0.9, 0.1)


@pytest.fixture
def data():
    known = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 0], [1, 1, 0], [0, 0, 0]], np.float32)
    return Data("celeba:x", {}, {"a": decode(0.1 + 0.8 * known)},
                labels={"train": known, "test": known}, label_names=Levels.names)


def test_an_edit_that_changes_one_attribute_alone(data):
    found = measure_label_edits(encode, decode, {"Male": direction("Male", [1, 0, 0]),
                                                 "Bald": direction("Bald", [0, 0, 1])},
                                data, judge=Levels())
    assert found.keys() == {"Male"} and found["Male"]["judge"] == 0.95  # nobody knows who is bald
    assert "rough" not in found["Male"]
    add, remove = found["Male"]["add"], found["Male"]["remove"]
    assert (add["n"], remove["n"]) == (3, 2)
    for part in (add, remove):
        assert part["target_accuracy"] == part["real_accuracy"] == 1
        assert part["accuracy_before"] == part["mean_flips"] == 0
        assert part["change_l1"] == pytest.approx(0.8 * 255 / 3, abs=0.5)
    assert add["k"] == pytest.approx(0.8, abs=0.01) and remove["k"] == pytest.approx(-0.8, abs=0.01)


def test_a_label_that_is_known_by_its_absence(data):
    """The direction of `No_Young` is called Young: adding it takes the label away."""
    judge = Levels()
    judge.names = ("Male", "Smiling", "No_Young")
    judge.accuracy = dict(zip(judge.names, (0.95, 0.95, 0.93), strict=True))
    data = dataclasses.replace(data, label_names=judge.names)
    young = dataclasses.replace(direction("Young", [0, 0, -1]), mean_with=-0.1, mean_without=-0.9)
    found = measure_label_edits(encode, decode, {"Young": young}, data, judge=judge)["Young"]
    assert found["judge"] == 0.93 and (found["add"]["n"], found["remove"]["n"]) == (2, 3)
    for part in (found["add"], found["remove"]):
        assert part["target_accuracy"] == part["real_accuracy"] == 1
        assert part["accuracy_before"] == part["mean_flips"] == 0


def test_what_moves_along_is_named(data):
    found = measure_label_edits(encode, decode, {"Smiling": direction("Smiling", [0, 1, 1])},
                                data, n=2, judge=Levels())["Smiling"]
    assert found["rough"].endswith("pictures: Smiling 85.0 %")
    assert found["add"]["n"] == 2 and found["add"]["most_flipped"]["Male"] == 0
    assert found["add"]["most_flipped"]["Young"] > 0
