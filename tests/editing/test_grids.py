"""Ways between codes, tails of projections, far and near."""

import numpy as np
import pytest
from PIL import Image

from kgan.core.errors import UserError
from kgan.editing.directions import Direction
from kgan.editing.grids import MARK, Order, Panel, interpolated
from kgan.report.sheet import GAP, LINE

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


def test_labels_that_disagree_with_a_tail_are_counted_and_framed(tmp_path):
    codes = np.stack([np.arange(40.0), np.zeros(40)], 1)
    labels = np.arange(40) >= 20
    labels[[0, 39, 20]] = True, False, False  # the lowest and the highest are labelled wrongly
    order = Order.of(ONE, codes, labels)
    assert order.disagreeing() == {"share": 0.05, "pictures": 2, "highest": 0.5, "lowest": 0.5,
                                   "labelled": 0.475}
    assert order.disagreeing(0.1)["lowest"] == 0.25
    pictures = np.full((40, 64, 64, 3), 200, np.uint8)
    order.draw(tmp_path / "sorted.png", pictures, 2)
    sheet = np.asarray(Image.open(tmp_path / "sorted.png")).astype(int)
    head, side = 3 * LINE + GAP, 128
    tops = [head + i * (head + side + GAP) for i in range(3)]
    marks = [[tuple(sheet[top, left + 9]) == MARK for left in (0, side + GAP)] for top in tops]
    assert marks == [[True, False], [False, False], [False, True]]
    inside = sheet[tops[0] + 4 : tops[0] + side - 4, 4 : side - 4]
    assert (inside == 200).all() and (pictures == 200).all()


def test_directions_of_a_panel_do_not_add_up():
    two = Direction("Two", np.array([0.6, 0.8]), 2.0, "0", 0.0, 1.0, 1.0, 0.5)
    panel = Panel([(two, 1.0), (two, -0.5)], (1.0, 3.0))
    codes = np.zeros((1, 2), np.float32)
    places = panel._places(codes, panel._far(codes))
    lengths = [float(place[0] @ two.vector) for place in places]
    np.testing.assert_allclose(lengths, [0, 1, 3, -0.5, -1.5], atol=1e-6)
    safe = Panel([(two, 1.0)] * 2, ("safe_low", "safe_middle", "safe_high"))
    np.testing.assert_allclose(safe._far(codes)[:, 0], [[0, 1, 2]] * 2, atol=1e-6)
