"""What clips are made by, as it is in one of their frames."""

import numpy as np
import pytest

from kgan.data import open_data
from kgan.data.factors import factors_of
from kgan.data.signals import Signal


def test_turning_faces():
    signals = (Signal("clip", "frames", frames=4, height=16, width=16),)
    data = open_data("avatars:turning?n=4&test=3", size=16, signals=signals)
    first, faces = factors_of(data, "test", np.arange(3), 0)
    third, again = factors_of(data, "test", np.arange(3), 2)
    assert list(first) == ["angle", "speed", "scale"]
    np.testing.assert_allclose(third["angle"], first["angle"] + 2 * first["speed"])
    np.testing.assert_array_equal(faces, again)
    np.testing.assert_array_equal(faces, data.labels["test"][:, 3:])


@pytest.mark.parametrize("kind", ["balls", "glyphs"])
def test_what_bounces(kind):
    signals = (Signal("clip", "frames", frames=4, height=16, width=16),)
    data = open_data(f"bouncing:{kind}?n=2&test=40&speed=0.3&count=2", size=16, signals=signals)
    here, rest = factors_of(data, "test", np.arange(40), 5)
    begin, _ = factors_of(data, "test", np.arange(40), 0)
    after, _ = factors_of(data, "test", np.arange(40), 6)
    assert rest.shape == (40, 0) and list(here) == list(data.label_names)
    for i, name in enumerate(data.label_names):
        np.testing.assert_allclose(begin[name], data.labels["test"][:, i], atol=1e-6)
    moved = after["x1"] - here["x1"]
    straight = np.abs(moved - here["vx1"]) < 1e-6  # where it meets no wall in between
    assert straight.mean() > 0.3
    assert not straight.all() and (here["vx1"] * begin["vx1"] < 0).any()
    still = np.sign(after["vx1"]) == np.sign(here["vx1"])
    np.testing.assert_array_equal(still, straight | (np.abs(moved) < 1e-9))
