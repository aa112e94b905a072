"""Measuring edits: what a perfect translator, an idle one and a destroying one get."""

import types

import numpy as np
import pytest

from kgan.data import Data
from kgan.metrics import pictures as distance
from kgan.metrics.editing import measure_edits

MEASURES = (
    "edit_accuracy_a2b", "edit_accuracy_b2a", "preservation_l1", "counterfactual_psnr",
    "counterfactual_ssim",
)


class Marked:
    """Says B where the upper left corner is white."""

    def is_b(self, pictures):
        return pictures[:, 0, 0, 0] == 255


@pytest.fixture
def data():
    """Noise; the attribute is a square of 4 px, white in B and grey in A."""
    random = np.random.default_rng(0)

    def domain(level, count):
        x = random.integers(0, 200, (count, 16, 16, 3), np.uint8)
        x[:, :4, :4] = level
        return x

    def switched(x, level):
        y = x.copy()
        y[:, :4, :4] = level
        return y

    a, b = domain(90, 60), domain(255, 70)
    return Data(
        spec="marks", train={}, test={"a": a, "b": b},
        truth={"a": switched(a, 255), "b": switched(b, 90)}, deterministic="b2a",
    )


def edit(pictures, direction):
    made = pictures.copy()
    made[:, :4, :4] = 255 if direction == "a2b" else 90
    return made


def test_a_perfect_translator(data):
    figures, pictures = measure_edits(edit, data, Marked())
    assert figures.keys() == {p + m for p in ("", "identity_") for m in MEASURES}
    assert [figures[m] for m in MEASURES] == [1, 1, 0, 100, pytest.approx(1)]
    # The same for doing nothing: no edit, nothing changed, and the distance to the truth.
    assert figures["identity_edit_accuracy_a2b"] == figures["identity_edit_accuracy_b2a"] == 0
    assert figures["identity_preservation_l1"] == 0
    error = 165**2 * 16 / 256  # of b2a, the direction in which the truth is unique
    assert figures["identity_counterfactual_psnr"] == pytest.approx(10 * np.log10(255**2 / error))
    assert pictures["a2b"].keys() == {"input", "output", "truth"}
    assert (pictures["a2b"]["output"] == data.truth["a"]).all()
    assert len(pictures["b2a"]["input"]) == 70


def test_an_idle_translator_gets_what_doing_nothing_gets(data):
    figures, _ = measure_edits(lambda pictures, _: pictures, data, Marked())
    for measure in MEASURES:
        assert figures[measure] == figures[f"identity_{measure}"], measure
    assert figures["edit_accuracy_a2b"] == 0


def test_a_destroying_translator_edits_and_preserves_nothing(data):
    def white(pictures, direction):
        return np.full_like(pictures, 255 if direction == "a2b" else 90)

    figures, _ = measure_edits(white, data, Marked())
    assert figures["edit_accuracy_a2b"] == figures["edit_accuracy_b2a"] == 1
    outside = []  # the pixels that the true edit leaves alone
    for domain, level in (("a", 255.0), ("b", 90.0)):
        rest = data.test[domain].astype(float)
        rest[:, :4, :4] = np.nan
        outside.append(np.nanmean(np.abs(level - rest)))
    assert figures["preservation_l1"] == pytest.approx(np.mean(outside), rel=1e-5)
    assert figures["counterfactual_psnr"] < figures["identity_counterfactual_psnr"]
    assert figures["counterfactual_ssim"] < 0.2


def test_one_way_and_the_other_are_told_apart(data):
    def half(pictures, direction):
        return edit(pictures, "a2b") if direction == "a2b" else pictures

    figures, _ = measure_edits(half, data, Marked())
    assert (figures["edit_accuracy_a2b"], figures["edit_accuracy_b2a"]) == (1, 0)
    unique = distance.psnr(data.test["b"], data.truth["b"])
    assert figures["counterfactual_psnr"] == unique
    flipped = Data(**{**data.__dict__, "deterministic": "a2b"})
    assert measure_edits(half, flipped, Marked())[0]["counterfactual_psnr"] == 100


def test_some_pictures_in_batches(data):
    sizes = []

    def counted(pictures, direction):
        sizes.append((direction, len(pictures)))
        return edit(pictures, direction)

    _, pictures = measure_edits(counted, data, Marked(), n=55)
    assert sizes == [("a2b", 50), ("a2b", 5), ("b2a", 50), ("b2a", 5)]
    assert (pictures["b2a"]["truth"] == data.truth["b"][:55]).all()
    _, pictures = measure_edits(edit, data, Marked(), n=1000)
    assert len(pictures["a2b"]["input"]) == 60


def test_data_without_truth_gives_the_accuracies_alone(data):
    photos = Data(spec="photos", train={}, test=data.test)
    figures, pictures = measure_edits(edit, photos, Marked())
    assert figures == {
        "edit_accuracy_a2b": 1.0, "edit_accuracy_b2a": 1.0,
        "identity_edit_accuracy_a2b": 0.0, "identity_edit_accuracy_b2a": 0.0,
    }
    assert "truth" not in pictures["a2b"]


def test_accuracy_counts_what_the_classifier_says(data):
    second = types.SimpleNamespace(is_b=lambda pictures: np.arange(len(pictures)) % 4 == 0)
    figures, _ = measure_edits(edit, data, second, n=20)
    assert (figures["edit_accuracy_a2b"], figures["edit_accuracy_b2a"]) == (0.25, 0.75)
