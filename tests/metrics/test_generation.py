"""Measures of generated pictures: the best and the worst that a generator can do."""

import numpy as np
import pytest

from kgan.metrics.generation import measure_samples

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
