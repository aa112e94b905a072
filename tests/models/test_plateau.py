"""What a training does about its validation loss, beside Keras' own callbacks."""

import types

import keras
import numpy as np
import pytest

from kgan.models.plateau import Plateau

LOSSES = [3.0, 2.0, 2.5, 1.99995, 2.1, 2.2, 1.0, 1.5, 1.6, 1.7, 0.9999, 1.8, 1.9, 2.0]


def keras_rates(losses, factor, patience, least):
    """The learning rate after each loss, by `ReduceLROnPlateau` from 1."""
    model = types.SimpleNamespace(optimizer=types.SimpleNamespace(learning_rate=np.float64(1.0)))
    callback = keras.callbacks.ReduceLROnPlateau(
        "val_loss", factor=factor, patience=patience, min_delta=least, min_lr=0.0
    )
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for i, loss in enumerate(losses):
        callback.on_epoch_end(i, {"val_loss": loss})
        rates.append(float(model.optimizer.learning_rate))
    return rates


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_rates_fall_as_with_keras(patience):
    plateau = Plateau(0.5, patience, 0, 1e-3)
    rates = []
    for loss in LOSSES:
        plateau.heed(loss)
        rates.append(float(plateau.scale))
    assert rates == pytest.approx(keras_rates(LOSSES, 0.5, patience, 1e-3))
    assert rates[-1] < 1


def test_the_best_is_better_by_more_than_a_little():
    plateau = Plateau(0.5, 0, 0, 1e-3)
    found = [plateau.heed(loss) for loss in LOSSES]
    assert [i for i, best in enumerate(found) if best] == [0, 1, 6]
    assert float(plateau.scale) == 1.0  # patience 0: never


def test_it_stops_after_so_many_without_a_new_best_and_cuts_do_not_count():
    plateau = Plateau(0.5, 1, 3, 0.0)
    stopped = []
    for loss in [1.0, 2.0, 2.0, 0.5, 0.6, 0.6, 0.6]:
        plateau.heed(loss)
        stopped.append(plateau.stopped)
    assert stopped == [False] * 6 + [True]
    assert not Plateau(0.5, 1, 0, 0.0).stopped


def test_what_it_remembers_is_in_its_variables():
    one, two = Plateau(0.5, 2, 4, 0.0), Plateau(0.5, 2, 4, 0.0)
    for loss in LOSSES[:8]:
        one.heed(loss)
    for to, source in zip(two.variables, one.variables, strict=True):
        to.assign(source)
    assert all(np.isfinite(v.numpy()).all() for v in Plateau(0.5, 2, 4, 0.0).variables)
    for loss in LOSSES[8:]:
        assert one.heed(loss) == two.heed(loss)
        assert float(one.scale) == float(two.scale)
        assert one.stopped == two.stopped
