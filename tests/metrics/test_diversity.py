"""Variety: collapse, exact copies, numbers by hand, precision and recall against a brute force."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from kgan.core.errors import UserError
from kgan.metrics.diversity import attribute_shares, diversity, precision_recall


def flat(*levels):
    """Of one level but for a pixel, one level brighter, in a row of its own for the dhash."""
    found = np.stack([np.full((8, 9, 3), level, np.uint8) for level in levels])
    found[np.arange(len(levels)), np.arange(len(levels)), 4] += 1
    return found


def noise(n, side=12, seed=0):
    return np.random.default_rng(seed).integers(0, 128, (n, side, side, 3), np.uint8) * 2


def ramp(down):
    row = np.arange(9, dtype=np.uint8) * 20
    return np.broadcast_to((row[::-1] if down else row)[None, :, None], (8, 9, 3))


def test_by_hand():
    """Three pictures 10, 20 and 30 levels apart; the others 2, 4 and 6."""
    rows = [np.stack([ramp(down) // part for down in (0, 1, 1)]) for part in (1, 5)]
    shift = np.array([0, 0, 10], np.uint8)[:, None, None, None]
    real = rows[0] + 3 * shift
    made = rows[1] + shift
    found = diversity(real, made)
    root = np.sqrt(8 * 9 * 3) / 127.5

    def rms(x, y):
        return np.sqrt(np.mean((x.astype(float) - y) ** 2)) * root

    for name, x in (("real", real), ("made", made)):
        pairs = [rms(x[0], x[1]), rms(x[0], x[2]), rms(x[1], x[2])]
        assert found[f"l2_{name}"] == pytest.approx(np.mean(pairs))
        assert found[f"dhash_{name}"] == pytest.approx(2 / 3)  # all bits of two of three pairs
    assert rms(real[1], real[2]) == pytest.approx(30 * root)
    assert found["l2_ratio"] == found["l2_made"] / found["l2_real"]
    assert found["dhash_ratio"] == 1
    assert found["pictures"] == 3


def test_copies_are_as_varied():
    x = noise(30)
    found = diversity(x, x[::-1])
    assert (found["l2_ratio"], found["dhash_ratio"]) == pytest.approx((1, 1))
    assert found["near_duplicates"] == found["near_duplicates_real"] <= 2 / 30


def test_collapse():
    x, features = noise(30), np.random.default_rng(0).normal(size=(30, 5))
    same = np.repeat(features[:1], 30, 0)
    found = diversity(x, np.repeat(x[:1], 30, 0), features=(features, same))
    assert (found["l2_ratio"], found["dhash_ratio"], found["near_duplicates"]) == (0, 0, 1)
    assert found["near_duplicates_real"] < 0.1
    assert found["precision"] == 1  # what is made is fine,
    assert found["recall"] == 1 / 30  # but it is one thing


def test_half_the_contrast_is_half_as_varied():
    x = noise(20)
    assert diversity(x, 60 + x // 2)["l2_ratio"] == pytest.approx(0.5)


def test_near_duplicates_are_those_nearer_than_real_ones():
    """Real neighbours are 10 or more levels apart; 3 of 5 generated have one within 2."""
    real = flat(0, 10, 20, 40, 80)
    found = diversity(real, flat(0, 1, 3, 100, 200))
    assert found["near_duplicates"] == 0.6
    assert found["near_duplicates_real"] == 0.6  # 0, 10 and 20: at the percentile itself
    assert diversity(real, flat(0, 20, 40, 100, 200))["near_duplicates"] == 0


def test_repeated_real_pictures_do_not_hide_a_collapse():
    real = noise(10)
    real[1] = real[0]  # the 1st percentile is 0
    assert diversity(real, np.repeat(real[:1], 10, 0))["near_duplicates"] == 1


def test_a_draw_of_the_same_number_of_each():
    real, made = noise(60), noise(40, seed=1)
    assert diversity(real, made)["pictures"] == 40
    few = [diversity(real, made, n=10, seed=seed) for seed in (0, 0, 1)]
    assert few[0]["pictures"] == 10
    assert few[0] == few[1]
    assert few[0]["l2_real"] != few[2]["l2_real"]
    assert few[0]["l2_ratio"] == pytest.approx(1, abs=0.02)
    # Each is drawn once: a repeated one would be a pair at no distance.
    assert diversity(flat(0, 10), flat(0, 20, 40), n=2, seed=5)["l2_made"] > 0


def test_what_cannot_be_measured():
    with pytest.raises(UserError, match=r"at least 2 pictures of each kind, not 1\."):
        diversity(noise(4), noise(1))
    with pytest.raises(UserError, match="all alike"):
        diversity(np.repeat(noise(1), 3, 0), noise(3))
    with pytest.raises(ValueError, match="pictures of"):
        diversity(noise(3, 8), noise(3, 12))


# Precision and recall


def test_precision_recall_by_hand():
    """Real balls: 0 +- 1, 1 +- 1, 3 +- 2, 10 +- 7. Made: 2 +- 3, 5 +- 3, 20 +- 1, 21 +- 1."""
    real, made = np.array([[0.0], [1], [3], [10]]), np.array([[2.0], [5], [20], [21]])
    found = precision_recall(real, made, k=1)
    assert found == {"precision": 0.5, "recall": 0.75}  # 2, 5 (at the rim); all but 10
    # The second nearest: real balls of 3, 2, 3, 9; the first made one of 18 covers all.
    assert precision_recall(real, made, k=2) == {"precision": 0.5, "recall": 1}


def test_precision_and_recall_are_not_swapped():
    """Made: two of the many kinds of the real, all of them right."""
    random = np.random.default_rng(0)
    real = random.normal(size=(200, 2)) + 20 * np.repeat(np.arange(10), 20)[:, None]
    made = random.normal(size=(200, 2)) + 20 * np.repeat([2, 5], 100)[:, None]
    found = precision_recall(real, made)
    assert found["precision"] > 0.8
    assert 0.1 < found["recall"] < 0.25
    turned = precision_recall(made, real)
    assert turned == {"precision": found["recall"], "recall": found["precision"]}


def test_precision_recall_by_brute_force():
    random = np.random.default_rng(1)
    real = random.normal(0, 1, (90, 6)) + 500  # far from 0
    made = random.normal(0.4, 0.8, (90, 6)) + 500

    def covered(points, by):
        radii = np.sort(cdist(by, by), 1)[:, 3]  # the first is the row itself
        return np.mean((cdist(points, by) <= radii).any(1))

    expected = {"precision": covered(made, real), "recall": covered(real, made)}
    assert precision_recall(real.astype(np.float32), made.astype(np.float32)) == expected
    assert 0.1 < expected["recall"] < expected["precision"] < 0.99


def test_copies_are_covered():
    x = np.random.default_rng(0).normal(1000, 1, (40, 300)).astype(np.float32)
    assert precision_recall(x, x[::-1]) == {"precision": 1, "recall": 1}


def test_repeated_rows_are_at_no_distance():
    """Balls of no radius cover their copies, whichever way distances are rounded."""
    random = np.random.default_rng(0)
    for _ in range(8):
        rows = np.repeat(random.normal(size=(6, 291)), 30, 0)
        real, made = (rows[random.permutation(180)] for _ in range(2))
        assert precision_recall(real, made) == {"precision": 1, "recall": 1}


def test_larger_sets_are_thinned_evenly():
    real = np.arange(12.0)[:, None]
    made = np.array([[0.0], [0.4], [100], [200]])
    # Of real remain 0, 3, 6, 9 with balls of 3.
    assert precision_recall(real, made, k=1) == precision_recall(real[::3], made, k=1)
    assert precision_recall(real, made, k=1)["precision"] == 0.5


def test_too_few_rows():
    with pytest.raises(UserError, match="more than 3 pictures of each kind, not 3"):
        precision_recall(np.zeros((9, 2)), np.zeros((3, 2)))


# Attributes


def test_attribute_shares_by_hand():
    real = np.array([[0.9, 0.1, 0.6], [0.8, 0.2, 0.4], [0.7, 0.5, 0.4], [0.1, 0.9, 0.6]])
    made = np.array([[0.9, 0.1, 0.9], [0.9, 0.1, 0.9]])
    found = attribute_shares(real, made)
    assert found == {
        "real": [0.75, 0.25, 0.5], "made": [1, 0, 1], "largest_difference": 0.5, "largest_at": 2
    }
    assert attribute_shares(real, real)["largest_difference"] == 0
