"""How far each picture is moved: numbers times factors, and safe places of several directions."""

import numpy as np
import pytest

from kgan.core.errors import UserError
from kgan.editing.directions import Direction, moved, projections, safe_range
from kgan.editing.strips import SAFE, Edits

CODES = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def direction(name, vector, mean=2.0, std=0.5):
    vector = np.array(vector, np.float64) / np.linalg.norm(vector)
    return Direction(name, vector, 1.0, "0", 0.0, 1.0, mean, std)


ONE, TWO = direction("One", [1, 0, 0]), direction("Two", [1, 1, 0], mean=-1.0)


def test_numbers_times_factors():
    ks = Edits([(ONE, 1.0), (TWO, -0.5)], (2.0, 4.0))._far(CODES)
    assert ks.shape == (2, 5, 2)
    assert (ks[0] == [2.0, 4.0]).all() and (ks[1] == [-1.0, -2.0]).all()


def test_all_directions_end_in_their_safe_places():
    """One at 45 degrees to the other: each alone would push the other on."""
    ks = Edits([(ONE, 1.0), (TWO, 1.0)], SAFE)._far(CODES)
    middle = moved(CODES, [(ONE, ks[0][:, 1]), (TWO, ks[1][:, 1])])
    np.testing.assert_allclose(projections(middle, ONE.vector), 2.0, atol=1e-5)
    np.testing.assert_allclose(projections(middle, TWO.vector), -1.0, atol=1e-5)
    highest = moved(CODES, [(ONE, ks[0][:, 2]), (TWO, ks[1][:, 2])])
    np.testing.assert_allclose(projections(highest, ONE.vector), 3.0, atol=1e-5)


def test_one_direction_goes_to_its_safe_range():
    ks = Edits([(ONE, 1.0)], SAFE)._far(CODES)
    np.testing.assert_allclose(ks[0], np.stack(safe_range(ONE, CODES), axis=1))


def test_nearly_the_same_directions_have_no_safe_place():
    twin = direction("Twin", [1, 1e-3, 0])
    with pytest.raises(UserError, match="nearly the same"):
        Edits([(ONE, 1.0), (twin, 1.0)], SAFE)._far(CODES)
