"""Averages and the best weights so far: one kind of object, statistics of norms among them."""

import keras
import numpy as np
import pytest

from kgan.models.kept import Averages, Best, Kept
from kgan.models.plateau import Plateau


@pytest.fixture
def network():
    """A layer of one weight and a batch norm without scale and offset; its weights are 1, 0, 1."""
    given = keras.Input((1,))
    inner = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(given)
    norm = keras.layers.BatchNormalization(center=False, scale=False, epsilon=0.0)
    return keras.Model(given, norm(inner))


def put(network, *numbers):
    kernel, mean, variance = network.weights
    for v, x in zip((kernel, mean, variance), numbers, strict=True):
        v.assign(np.full(v.shape, x))


def numbers(variables):
    return [float(np.squeeze(v.numpy())) for v in variables]


def test_averages_follow_weights_and_statistics(network):
    kept = Averages([network], 0.5)
    assert numbers(kept.variables) == [1, 0, 1]
    put(network, 3, 10, 21)
    kept.follow(0)  # a tenth of what was stays
    assert numbers(kept.variables) == pytest.approx([2.8, 9, 19])
    kept.follow(1000)  # half
    assert numbers(kept.variables) == pytest.approx([2.9, 9.5, 20])
    with kept.lent():
        assert float(network(np.array([[6.5]]))[0, 0]) == pytest.approx(9.35 / 20**0.5)
    assert numbers(network.weights) == [3, 10, 21]


def test_the_best_are_those_that_were_taken(network):
    plateau = Plateau(1.0, 0, 0, 0.0)
    kept = Best([network], plateau)
    put(network, 2, 3, 4)
    with kept.lent():  # no loss was seen: none are the best
        assert numbers(network.weights) == [2, 3, 4]
    for loss, weights in ((5.0, (2, 3, 4)), (1.0, (5, 6, 7)), (3.0, (8, 9, 10))):
        put(network, *weights)
        kept.follow(0)  # steps move nothing
        if plateau.heed(loss):
            kept.take()
    assert numbers(network.weights) == [8, 9, 10]
    with pytest.raises(RuntimeError), kept.lent():
        assert numbers(network.weights) == [5, 6, 7]
        raise RuntimeError
    assert numbers(network.weights) == [8, 9, 10]
    kept.adopt()
    assert numbers(network.weights) == [5, 6, 7]


def test_nothing_is_kept_of_nothing(network):
    kept = Kept()
    with kept.lent():
        kept.take(), kept.follow(0), kept.adopt()
    assert (kept.variables, kept.there) == ([], False)
    assert numbers(network.weights) == [1, 0, 1]
