"""Latent edits beside true ones, with an encoder that knows the truth and one that does not."""

import dataclasses

import numpy as np
import pytest

from kgan.data import open_data
from kgan.editing.directions import Direction
from kgan.evaluation import avatar_edits
from kgan.evaluation.avatar_edits import known_attributes, measure_avatar_edits

SIZE = 16


@pytest.fixture
def few(monkeypatch):
    """Sets of few faces, and judges that look up what a face has."""
    sets = {}

    def opened(spec, size):
        sets[spec] = open_data(f"{spec}?n=8&test=12", size=size)
        return sets[spec]

    class Judge:
        def __init__(self, data):
            both = [*zip(data.test["a"], data.truth["a"], strict=True),
                    *zip(data.truth["b"], data.test["b"], strict=True)]
            self.known = {p.tobytes(): value for pair in both for value, p in enumerate(pair)}

        def probability(self, pictures):
            return np.array([self.known.get(p.tobytes(), 0.5) for p in pictures], float)

    monkeypatch.setattr(avatar_edits, "open_data", opened)
    monkeypatch.setattr(avatar_edits, "domain_classifier", Judge)
    return sets


def test_names_of_the_faces():
    assert known_attributes(["Beard", "Smiling", "Sunglasses"]) == ["Beard", "Smiling"]


def means(pictures):
    """Codes that differ wherever pictures do."""
    return pictures[..., :2].mean((1, 2)).astype(np.float32)


def direction(name):
    return Direction(name, np.array([1.0, 0.0]), 1.0, "0", 0.0, 0.1, 1.0, 0.1)


@pytest.mark.parametrize("name", ["Smiling", "Beard"])
def test_a_perfect_editor(few, name):
    """A code is (has it, which face); the picture of it is the true one."""

    def faces():
        data = next(iter(few.values()))
        without, with_ = "ab" if name == "Smiling" else "ba"
        return [
            np.concatenate([data.test[without], data.truth[with_]]),
            np.concatenate([data.truth[without], data.test[with_]]),
        ]

    def encode(pictures):
        codes = []
        for picture in pictures:
            has, row = next((h, i) for h in (0, 1) for i, other in enumerate(faces()[h])
                            if (other == picture).all())
            codes.append((has, row))
        return np.array(codes, np.float32)

    def decode(codes):
        both = faces()
        return np.stack([both[round(float(has))][int(row)] for has, row in codes])

    found = measure_avatar_edits(encode, decode, {name: direction(name)}, size=SIZE)[name]
    assert found["pairs"]["pairs"] == 6
    assert found["pairs"]["cosine_least"] == found["pairs"]["to_labels"] == 1.0
    assert found["pairs"]["accuracy_least"] == found["pairs"]["accuracy_all"] == 1.0
    assert found["pairs"]["accuracy_none"] == 0.0
    assert found["pairs"]["error_most"] == found["pairs"]["error_all"] == 0.0
    assert found["pairs"]["error_none"] > 0
    for what, k in (("add", 1.0), ("remove", -1.0)):
        figures = found[what]
        assert figures["k"] == k
        assert figures["n"] == 12
        assert (figures["target_accuracy"], figures["accuracy_before"]) == (1.0, 0.0)
        assert figures["edit_error"] == figures["edit_part"] == 0.0
        assert figures["reconstruction_part"] == 0.0
        assert figures["identity_edit_error"] > 0


def test_an_editor_that_does_nothing(few):
    found = measure_avatar_edits(
        means,
        lambda codes: np.full((len(codes), SIZE, SIZE, 3), 127, np.uint8),
        {"Smiling": direction("Smiling"), "Eyeglasses": direction("Eyeglasses")}, size=SIZE, n=5,
    )["Smiling"]["add"]
    assert found["n"] == 5
    assert found["edit_part"] == pytest.approx(found["identity_edit_part"])
    assert found["mean_change"] == 0.0
    assert set(found["change"]) == {"Eyeglasses"}


def test_a_hair_colour_may_take_the_place_of_another(few):
    directions = {n: dataclasses.replace(direction(n)) for n in ("Black_Hair", "Blond_Hair",
                                                                 "Smiling")}
    found = measure_avatar_edits(
        means,
        lambda codes: np.zeros((len(codes), SIZE, SIZE, 3), np.uint8), directions, size=SIZE, n=4,
    )
    assert set(found["Black_Hair"]["add"]["change"]) == {"Smiling"}
    assert set(found["Smiling"]["add"]["change"]) == {"Black_Hair", "Blond_Hair"}


def test_what_a_reconstruction_lost_is_no_feat_of_the_edit(few):
    """An encoder that takes glasses off every face: it has done nothing when it removes them."""
    found = measure_avatar_edits(
        means, lambda codes: np.repeat(few["avatars:Eyeglasses"].test["a"][:1], len(codes), 0),
        {"Eyeglasses": direction("Eyeglasses")}, size=SIZE, n=5,
    )["Eyeglasses"]
    assert (found["remove"]["target_accuracy"], found["remove"]["accuracy_before"]) == (1.0, 1.0)
    assert (found["add"]["target_accuracy"], found["add"]["accuracy_before"]) == (0.0, 0.0)
    assert found["pairs"]["error"] == found["pairs"]["error_none"] > 0
