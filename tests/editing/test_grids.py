"""Ways between codes, tails of projections, far and near."""

import numpy as np
import pytest

from kgan.core.errors import UserError
from kgan.editing.directions import Direction
from kgan.editing.grids import Order, Panel, interpolated

ONE = Direction("One", np.array([1.0, 0.0]), 1.0, "0")


def test_a_line_is_a_mixture():
    found = interpolated([0.0, 2.0], [4.0, 0.0], 5, "line")
    np.testing.assert_allclose(found, [[0, 2], [1, 1.5], [2, 1], [3, 0.5], [4, 0]])
    assert found.dtype == np.float32


def test_a_great_circle_has_even_angles_and_lengths():
    found = interpolated([2.0, 0.0], [0.0, 4.0], 4, "sphere")
    angle = np.radians([0, 30, 60, 90])
    length = np.array([2, 8 / 3, 10 / 3, 4])
    wanted = length[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    same = interpolated([3.0, 4.0], [3.0, 4.0], 3, "sphere")
    np.testing.assert_allclose(same, [[3, 4]] * 3, rtol=1e-6)


@pytest.mark.parametrize("b, says", [([0.0, 0.0], "length 0"), ([-2.0, 0.0], "opposite")])
def test_ways_that_there_are_not(b, says):
    with pytest.raises(UserError, match=says):
        interpolated([1.0, 0.0], b, 3, "sphere")


def test_tails_are_the_outermost_and_the_middle_is_nearest_to_the_mean():
    codes = np.array([[3.0, 9], [-1, 9], [0, 9], [5, 9], [1, 9], [2, 9], [7, 9]])
    order = Order.of(ONE, codes)
    assert (order.mean, order.deviation) == (codes[:, 0].mean(), codes[:, 0].std())
    assert [list(codes[rows, 0]) for rows in order.tails(2)] == [[7, 5], [3, 2], [0, -1]]
    assert [len(rows) for rows in order.tails(9)] == [2, 2, 2]  # of seven
    known = Direction("One", np.array([1.0, 0.0]), 1.0, "0", 0.0, 1.0, 1.0, 2.0)
    np.testing.assert_allclose(Order.of(known, codes).sigmas(), (codes[:, 0] - 1) / 2)
    assert list(codes[Order.of(known, codes).tails(1)[1], 0]) == [1]


def test_directions_of_a_panel_do_not_add_up():
    two = Direction("Two", np.array([0.6, 0.8]), 2.0, "0", 0.0, 1.0, 1.0, 0.5)
    panel = Panel([(two, 1.0), (two, -0.5)], (1.0, 3.0))
    codes = np.zeros((1, 2), np.float32)
    places = panel._places(codes, panel._far(codes))
    lengths = [float(place[0] @ two.vector) for place in places]
    np.testing.assert_allclose(lengths, [0, 1, 3, -0.5, -1.5], atol=1e-6)
    safe = Panel([(two, 1.0)] * 2, ("safe_low", "safe_middle", "safe_high"))
    np.testing.assert_allclose(safe._far(codes)[:, 0], [[0, 1, 2]] * 2, atol=1e-6)
