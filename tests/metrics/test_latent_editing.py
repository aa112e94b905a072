"""Errors of latent edits in their parts: numbers by hand, and what each kind of failure shows."""

import numpy as np
import pytest

from kgan.core.errors import UsageError
from kgan.metrics.latent_editing import attribute_moves, latent_edit_error

PARTS = ("edit_error", "reconstruction_part", "edit_part")
KEYS = [f"{part}{suffix}" for suffix in ("", "_region") for part in PARTS]


@pytest.fixture
def faces():
    """(originals, truth): the true edit adds 80 levels in a quarter of the pixels."""
    original = np.random.default_rng(0).integers(40, 150, (5, 8, 8, 3), np.uint8)
    truth = original.copy()
    truth[:, :4, :4] += 80
    return original, truth


def values(figures, prefix=""):
    return [figures[prefix + key] for key in KEYS]


def test_a_perfect_edit(faces):
    original, truth = faces
    found = latent_edit_error(original, original, truth, truth)
    assert found.keys() == {*KEYS, *(f"identity_{key}" for key in KEYS)}
    assert values(found) == [0] * 6
    # Doing nothing: 80 levels in a quarter, nothing of it by reconstructing.
    assert values(found, "identity_") == [20, 0, 20, 80, 0, 80]


def test_doing_nothing_is_the_same_whatever_the_edit(faces):
    original, truth = faces
    found = latent_edit_error(original, original, original, truth)
    assert values(found) == values(found, "identity_")
    other = latent_edit_error(original, original // 2, original // 3, truth)
    assert values(found, "identity_") == values(other, "identity_")


def test_a_true_step_from_a_poor_reconstruction(faces):
    """The encoder is 6 levels too dark in the upper half; the step itself is right."""
    original, truth = faces
    poor, edited = original.copy(), truth.copy()
    poor[:, :4] -= 6
    edited[:, :4] -= 6
    found = latent_edit_error(original, poor, edited, truth)
    assert values(found) == [3, 3, 0, 6, 6, 0]


def test_no_step_from_a_poor_reconstruction(faces):
    """Brighter by 6 everywhere, no edit: the parts need not add up."""
    original, truth = faces
    found = latent_edit_error(original, original + 6, original + 6, truth)
    assert values(found) == pytest.approx([(74 + 3 * 6) / 4, 6, 20, 74, 6, 80])


def test_a_poor_step_from_a_perfect_reconstruction(faces):
    """Half of the wanted change in one channel, and 9 levels down where nothing is to change."""
    original, truth = faces
    edited = truth.copy()
    edited[:, :4, :4, 1] -= 40
    edited[:, 4:, :, 2] -= 9
    found = latent_edit_error(original, original, edited, truth)
    error = (40 / 3) / 4 + (9 / 3) / 2
    assert values(found) == pytest.approx([error, 0, error, 40 / 3, 0, 40 / 3])


def test_differences_do_not_wrap_around():
    black, white = np.zeros((1, 4, 4, 3), np.uint8), np.full((1, 4, 4, 3), 255, np.uint8)
    # A step from white to black where one from black to white was wanted.
    found = latent_edit_error(black, white, black, white)
    assert values(found) == [255, 255, 510] * 2


def test_the_parts_bound_the_error(faces):
    original, truth = faces
    random = np.random.default_rng(1)
    for spread in (2, 20, 80):
        reconstruction, edited = (
            np.uint8(np.clip(x + random.normal(0, spread, x.shape), 0, 255)) for x in faces
        )
        found = latent_edit_error(original, reconstruction, edited, truth)
        for suffix in ("", "_region"):
            error, first, second = (found[part + suffix] for part in PARTS)
            assert abs(first - second) < error < first + second


def test_the_region_is_of_each_picture(faces):
    """One picture with a large region weighs by its pixels."""
    original, truth = faces
    truth = original.copy()
    truth[0] += 10  # 64 pixels
    truth[1, 0, :2, 1] += 90  # 2 pixels, in one channel
    found = latent_edit_error(original, original, original, truth)
    assert found["edit_error_region"] == pytest.approx((64 * 10 + 2 * 30) / 66)


def test_errors(faces):
    original, truth = faces
    with pytest.raises(ValueError, match="changes no pixel"):
        latent_edit_error(original, original, truth, original)
    with pytest.raises(ValueError, match=r"\(4, 8, 8, 3\) and of \(5, 8, 8, 3\)"):
        latent_edit_error(original, original, truth[:4], truth)


# Attributes

NAMES = ("Hat", "Smiling", "Beard")
BEFORE = np.array([[0.1, 0.2, 0.9], [0.4, 0.8, 0.6], [0.2, 0.1, 0.1], [0.0, 0.9, 0.3]])
AFTER = np.array([[0.1, 0.7, 0.4], [0.6, 0.3, 0.7], [0.2, 0.4, 0.1], [0.0, 0.8, 0.3]])


def test_moves_by_hand():
    found = attribute_moves(BEFORE, AFTER, NAMES, "Smiling")
    assert found["target_accuracy"] == 0.5  # the first two are switched
    assert found["change"] == pytest.approx({"Hat": 0.2 / 4, "Beard": 0.6 / 4})
    assert found["flips"] == {"Hat": 0.25, "Beard": 0.25}
    assert found["mean_change"] == pytest.approx(0.1)
    assert found["mean_flips"] == 0.25
    other = attribute_moves(BEFORE, AFTER, NAMES, "Beard")
    assert other["target_accuracy"] == 0.25
    assert other["flips"] == {"Hat": 0.25, "Smiling": 0.5}
    assert other["change"]["Smiling"] == pytest.approx(1.4 / 4)
    assert other["mean_flips"] == 0.375


def test_a_goal_of_ones_own():
    def accuracy(goal):
        return attribute_moves(BEFORE, AFTER, NAMES, "Smiling", goal=goal)["target_accuracy"]

    assert accuracy(True) == 0.5  # the first and the last
    assert accuracy(np.array([1.0, 0, 0, 0])) == 0.75
    assert accuracy([True, False, False, True]) == 1
    found = attribute_moves(BEFORE, AFTER, NAMES, "Smiling", goal=True)
    assert found["accuracy_before"] == 0.5  # the second and the last had it


def test_doing_nothing_moves_nothing():
    found = attribute_moves(BEFORE, BEFORE, NAMES, "Hat")
    assert found == {
        "target_accuracy": 0, "accuracy_before": 0, "change": {"Smiling": 0, "Beard": 0},
        "flips": {"Smiling": 0, "Beard": 0}, "mean_change": 0, "mean_flips": 0,
    }


def test_one_attribute_alone():
    found = attribute_moves(BEFORE[:, :1], AFTER[:, :1], ["Hat"], "Hat")
    assert found == {
        "target_accuracy": 0.25, "accuracy_before": 0, "change": {}, "flips": {},
        "mean_change": 0, "mean_flips": 0
    }


def test_errors_of_attributes():
    with pytest.raises(UsageError, match=r"no attribute smiling\. Did you mean Smiling"):
        attribute_moves(BEFORE, AFTER, NAMES, "smiling")
    with pytest.raises(ValueError, match="of 2 attributes"):
        attribute_moves(BEFORE, AFTER, NAMES[:2], "Hat")
    with pytest.raises(ValueError, match="of 3 attributes"):
        attribute_moves(BEFORE, AFTER[:3], NAMES, "Hat")
