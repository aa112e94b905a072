"""Levels of uint8 and floats in [-1, 1]: TensorFlow's way and NumPy's are the same."""

import numpy as np

from kgan.core import pixels

LEVELS = np.arange(256, dtype=np.uint8)


def test_levels_and_floats_by_hand():
    np.testing.assert_array_equal(pixels.array_to_float(LEVELS[[0, 51, 255]]),
                                  np.array([-1, -0.6, 1], np.float32))
    # Halves go to the even level; what is out of range is clipped.
    given = np.array([-1.2, -1, 0, 1, 1.2, -125 / 127.5], np.float32)
    np.testing.assert_array_equal(pixels.array_to_uint8(given), [0, 0, 128, 255, 255, 2])


def test_tensorflow_and_numpy_agree_to_the_bit():
    floats = pixels.array_to_float(LEVELS)
    np.testing.assert_array_equal(pixels.to_float(LEVELS), floats)
    assert floats.dtype == np.float32
    between = np.linspace(-1.1, 1.1, 4097, dtype=np.float32)
    for x in (floats, between, (LEVELS[:-1] + np.float32(0.5)) / np.float32(127.5) - 1):
        np.testing.assert_array_equal(pixels.array_to_uint8(x), pixels.to_uint8(x))
    np.testing.assert_array_equal(pixels.array_to_uint8(floats), LEVELS)
