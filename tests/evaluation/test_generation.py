"""Measures of generated pictures: the best and the worst that a generator can do."""

import numpy as np
import pytest

from kgan.core.errors import UserError
from kgan.evaluation.generation import measure_samples
from kgan.metrics.figures import gather

NAME = "vgg_star_small_avatars"


def pictures(n, seed):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (n, 8, 8, 3), np.uint8).repeat(4, 1).repeat(4, 2)


@pytest.fixture(scope="module")
def figures():
    real = pictures(24, 0)
    made = {"same": real, "one": real[:1].repeat(24, 0), "dark": pictures(24, 1) // 8}
    return {k: measure_samples(real, x, reference="vgg_star_small.avatars")
            for k, x in made.items()}


def test_real_pictures_are_at_no_distance_from_themselves(figures):
    same = figures["same"]
    assert same[f"frechet_{NAME}"] == pytest.approx(0, abs=1e-3)
    assert same["l2_ratio"] == same["dhash_ratio"] == same["precision"] == same["recall"] == 1
    assert same[f"real_frechet_{NAME}"] > same[f"frechet_{NAME}"]


def test_a_collapse_and_another_set_show(figures):
    one, dark = figures["one"], figures["dark"]
    assert one["l2_ratio"] == 0 and one["near_duplicates"] == 1
    for other in (one, dark):
        assert other[f"frechet_{NAME}"] > 10 * abs(figures["same"][f"frechet_{NAME}"])
        assert other[f"kid_{NAME}"] > figures["same"][f"kid_{NAME}"]
        assert other[f"half_frechet_{NAME}"] > other[f"real_frechet_{NAME}"]


@pytest.mark.parametrize(
    ("count", "missing"),
    [
        (3, {f"kid_{NAME}": "4 pictures of each kind, not 3", "precision_recall": "more than 3",
             f"real_frechet_{NAME}": "2 pictures of each kind, not 1"}),
        (1, {f"kid_{NAME}": "not 1", "precision_recall": "more than 3",
             f"real_frechet_{NAME}": "not 0", f"frechet_{NAME}": "2 pictures of each kind, not 1",
             "diversity": "2 pictures of each kind, not 1"}),
    ],
)
def test_few_pictures_cost_what_they_do_not_suffice_for(capsys, count, missing):
    skipped = {}
    found = measure_samples(pictures(count, 0), pictures(count, 1), skipped=skipped,
                            reference="vgg_star_small.avatars")
    assert skipped.keys() == missing.keys()
    assert all(words in skipped[name] for name, words in missing.items())
    assert not found.keys() & {*missing, "precision"}
    assert ("l2_ratio" in found) == (f"frechet_{NAME}" in found) == (count == 3)
    said = capsys.readouterr().err.splitlines()
    assert said == [f"left out {name}: {reason}" for name, reason in skipped.items()]


def test_features_of_too_small_pictures_cost_no_diversity():
    skipped, real = {}, pictures(8, 0)[:, :8, :8]
    found = measure_samples(real, real, reference="vgg_star_small.avatars", skipped=skipped)
    assert found["l2_ratio"] == 1
    assert "at least 16 px, not of 8" in skipped["precision_recall"]


def test_without_a_place_for_them_errors_are_raised():
    def fails():
        raise UserError("no")

    with pytest.raises(UserError, match="no"):
        gather({"a": fails})
