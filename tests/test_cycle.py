"""Passes of two generators that undo each other: terms by hand."""

import pytest
import tensorflow as tf

from kgan import cycle

SHAPE = (8, 32, 32, 3)


def double(x):
    return 2 * x


def shift(x):
    return x + 0.25


def passes(**changes):
    a, b = tf.fill(SHAPE, 0.5), tf.fill(SHAPE, -0.125)
    weights = {"cycle": 10.0, "identity": 3.0, **changes}
    return cycle.two_way(double, shift, a, b, **weights)


def test_terms_by_hand():
    fake_b, fake_a, terms = passes()
    assert (float(fake_b[0, 0, 0, 0]), float(fake_a[0, 0, 0, 0])) == (1.0, 0.125)
    # shift(0.5) - 0.5 and double(-0.125) + 0.125; shift(1.0) - 0.5 and double(0.125) + 0.125
    assert float(terms["identity"]) == pytest.approx(3 * (0.25 + 0.125))
    assert float(terms["cycle"]) == pytest.approx(10 * (0.75 + 0.375))
    assert set(passes(cycle=0)[2]) == {"identity"}
    assert set(passes(identity=0)[2]) == {"cycle"}
