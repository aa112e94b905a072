"""Passes of two generators that undo each other: terms by hand, and the noise on the way back."""

import numpy as np
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


def test_noise_is_on_what_goes_back_alone():
    back = {}

    def spy(name, network):
        def call(x):
            back[name] = x.numpy()
            return network(x)

        return call

    def noisy(key):
        zeros = tf.zeros(SHAPE)
        fakes = cycle.two_way(spy("b", double), spy("a", shift), zeros, zeros, cycle=1.0,
                              identity=0, noise=0.1, key=tf.constant(key))
        np.testing.assert_array_equal(fakes[0], 0)
        np.testing.assert_array_equal(fakes[1], 0.25)
        return back["b"] - 0.25, back["a"]  # the last call of each is the way back

    first, again, other = noisy([0, 1]), noisy([0, 1]), noisy([0, 2])
    for x, y, z in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(x, y)
        assert np.abs(np.corrcoef(x.ravel(), z.ravel())[0, 1]) < 0.03
        assert x.mean() == pytest.approx(0, abs=0.003)
        assert x.std() == pytest.approx(0.1, rel=0.03)
    assert np.abs(np.corrcoef(first[0].ravel(), first[1].ravel())[0, 1]) < 0.03


@pytest.mark.parametrize("name", ["cyclegan", "ms_cyclegan"])
def test_the_field_reaches_the_step(tiny, tiny_batch, name):
    cost = []
    for noise in (0.0, 0.0, 1.0):
        model = tiny(name, cycle_noise=noise)
        cost.append(float(model.loss_terms(tiny_batch(model))["generator"]["cycle"]))
    assert cost[0] == cost[1] != cost[2]
