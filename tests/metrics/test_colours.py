"""What two sets of pictures have in common of their colours, by hand."""

import numpy as np
import pytest

from kgan.metrics.colours import in_common


def grey(*levels):
    return np.stack([np.full((4, 4, 3), level, np.uint8) for level in levels])


def test_the_share_of_pixels_of_one_lightness():
    found = in_common(grey(0, 0, 255, 255), grey(0, 255, 255, 255))
    assert found == {"l": pytest.approx(0.75), "a": 1, "b": 1}
    assert in_common(grey(*[0] * 20), grey(*[255] * 3))["l"] == 0


def test_colours_are_told_by_a_and_b():
    red, green = (np.zeros((1, 4, 4, 3), np.uint8) for _ in range(2))
    red[..., 0] = green[..., 1] = 200
    assert in_common(red, red) == {"l": 1, "a": 1, "b": 1}
    half = np.concatenate([red, green])
    assert in_common(red, half) == pytest.approx({"l": 0.5, "a": 0.5, "b": 0.5})
