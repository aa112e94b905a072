"""The classifier two-sample test: it finds what is there, and nothing where nothing is."""

import random as python_random
import types

import numpy as np
import pytest

from kgan.core.errors import UserError
from kgan.metrics import c2st as module
from kgan.metrics.c2st import c2st

QUICK = {"seeds": 1, "steps": 100}
CHANCE = 100 * np.log(2)


def pictures(n, side=16, seed=0):
    """Squares of 4 px in random colours: edges, and flat areas as drawings have them."""
    coarse = np.random.default_rng(seed).integers(30, 220, (n, side // 4, side // 4, 3), np.uint8)
    return coarse.repeat(4, 1).repeat(4, 2)


def specked(clean, top=5, left=9, size=2):
    made = clean.copy()
    made[:, top : top + size, left : left + size] += np.array([25, 0, 25], np.uint8)
    return made


def test_the_same_distribution_cannot_be_told_apart():
    found = c2st(pictures(200), pictures(200, seed=1), seeds=2, steps=100)
    assert found["log_loss"] == pytest.approx(CHANCE, abs=3)
    assert found["accuracy"] == pytest.approx(0.5, abs=0.1)
    assert (found["seeds"], found["train"], found["test"]) == (2, 100, 100)
    assert 0 <= found["log_loss_std"] < 3


def test_a_faint_speck_is_found():
    found = c2st(pictures(200), specked(pictures(200, seed=1)), **QUICK)
    assert found["log_loss"] < 0.4 * CHANCE
    assert found["accuracy"] > 0.85
    assert found["log_loss_std"] == found["accuracy_std"] == 0  # of one classifier


def test_pictures_larger_than_a_crop_are_neither_reduced_nor_cut():
    """A checkerboard of 5 levels, which half the size would average away."""
    checks = np.uint8(5 * (np.indices((96, 96)).sum(0) % 2))[:, :, None]
    found = c2st(pictures(50, 96), pictures(50, 96, seed=1) + checks, **QUICK)
    assert found["log_loss"] < 0.4 * CHANCE
    shape = (1, 40, 96, 3)
    index = np.arange(np.prod(shape)).reshape(shape)
    seen = module._grid(index)
    assert [crop.shape for crop in seen] == [(1, 32, 32, 3)] * 6
    assert set(np.concatenate(seen, None)) == set(index.ravel())


def test_it_follows_from_its_seed_whatever_came_before():
    real, fake = pictures(40, 8), specked(pictures(40, 8, seed=1), 3, 3)
    python_random.seed(0)
    before = np.random.get_state()[1].copy(), python_random.getstate()
    first = c2st(real, fake, seeds=2, steps=30)
    c2st(real, pictures(30, 8, seed=2), **QUICK)  # other pictures with the same compiled functions
    again = c2st(real, fake, seeds=2, steps=30)
    for figure, value in first.items():
        assert again[figure] == pytest.approx(value, rel=1e-3), figure
    assert first["log_loss_std"] > 0
    other = c2st(real, fake, seeds=2, steps=30, seed=1)
    assert other["log_loss"] != pytest.approx(first["log_loss"], rel=1e-3)
    assert (np.random.get_state()[1] == before[0]).all()
    assert python_random.getstate() == before[1]


def test_what_was_compiled_is_used_again():
    judge = module._judge(100)
    for side, n in ((8, 20), (12, 30)):
        c2st(pictures(n, side), pictures(n, side, seed=1), **QUICK)
    assert module._judge(100) is judge
    assert judge.train.experimental_get_tracing_count() == 1
    assert judge._logits.experimental_get_tracing_count() == 1


class Recorder:
    """A judge that notes which pictures (by their level) train and which are judged."""

    steps = 60

    def __init__(self):
        self.network = types.SimpleNamespace(get_weights=list, set_weights=lambda weights: None)
        self.trained, self.judged = set(), []

    def reset(self, random):
        pass

    def train(self, *batches):
        self.trained.update(np.rint((np.concatenate(batches)[:, 0, 0, 0] + 1) * 127.5))

    def logits(self, pictures):
        self.judged.append(set(pictures[:, 0, 0, 0]))
        return np.zeros((1, len(pictures)))


def test_what_trains_validates_and_tests_is_apart_for_pairs_too():
    """Row i of both sets has the level i, as if they were pairs."""
    judge, levels = Recorder(), np.uint8(np.arange(41))[:, None, None, None]
    pairs = levels * np.ones((1, 8, 8, 3), np.uint8)
    module._trial(judge, pairs, pairs, np.random.default_rng(0))
    *validated, tested_real, tested_fake = judge.judged
    assert len(validated) == 2 * 4  # both sets at steps 0, 25, 50, 60
    assert all(held == validated[0] for held in validated)
    assert tested_real == tested_fake
    assert [len(judge.trained), len(validated[0]), len(tested_real)] == [16, 4, 21]
    assert len(judge.trained | validated[0] | tested_real) == 41


def test_the_larger_set_is_thinned_evenly():
    found = c2st(pictures(35, 8), pictures(21, 8, seed=1), **QUICK)
    assert (found["train"], found["test"]) == (10, 11)
    bright = np.full((20, 8, 8, 3), 250, np.uint8)
    half = np.concatenate([np.zeros_like(bright), bright])  # sorted: its first half is all dark
    assert c2st(half, bright, **QUICK)["accuracy"] < 0.9  # half of them cannot be told


def test_log_loss_by_hand():
    log_loss = module._log_loss
    assert log_loss(np.zeros(3), np.zeros(3)) == pytest.approx(np.log(2))
    assert log_loss(np.array([np.log(3)]), np.array([0.0])) == pytest.approx(
        (np.log(4 / 3) + np.log(2)) / 2
    )
    assert log_loss(np.array([500.0]), np.array([-500.0])) == pytest.approx(1e-4, rel=1e-3)
    assert log_loss(np.array([-500.0]), np.array([500.0])) == pytest.approx(-np.log(1e-4))


def test_what_it_refuses():
    with pytest.raises(UserError, match="at least 10 pictures of each kind, not 9"):
        c2st(pictures(9), pictures(30))
    with pytest.raises(ValueError, match="pictures of"):
        c2st(pictures(10, 16), pictures(10, 8))
