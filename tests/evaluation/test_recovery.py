"""Codes found again: by a generator that is a rotation, of which everything is known."""

import types

import numpy as np
import pytest
import tensorflow as tf

from kgan.core.errors import UsageError
from kgan.evaluation.recovery import measure_recovery

TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))[0][:4]


def generator(codes_beyond=0.0):
    """Pictures [n, 2, 2, 3] of codes [n, 4], and codes of which some lie outside the prior."""
    codes = np.random.default_rng(1).uniform(-1, 1, (8, 4)).astype(np.float32)
    codes[0, 0] = codes_beyond or codes[0, 0]
    return types.SimpleNamespace(
        latent=4, prior="uniform", conditions=0, normalises=False,
        codes=lambda count, seed: tf.constant(codes[:count]),
        generate=lambda z: tf.reshape(z @ tf.constant(TURN, tf.float32), (-1, 2, 2, 3)),
    )


def test_all_are_found_where_pictures_tell_codes_apart():
    found = measure_recovery(generator(), 8, 200)
    for method in ("none", "standard", "stochastic"):
        assert found[method]["below_0.0001"] == 1.0
        assert found[method]["mse"] == pytest.approx(0.0, abs=1e-8)
        assert found[method]["code_mse"] == pytest.approx(0.0, abs=1e-4)
    assert (found["pictures"], found["steps"]) == (8, 200)


def test_what_lies_outside_is_not_found_by_clipping():
    found = measure_recovery(generator(codes_beyond=2.0), 8, 200)
    assert found["none"]["below_0.0001"] == 1.0
    assert found["standard"]["below_0.1"] == found["stochastic"]["below_0.1"] == 7 / 8


def test_too_few_steps_find_nothing():
    assert measure_recovery(generator(), 8, 1)["none"]["below_0.0001"] == 0.0


def test_only_the_direction_counts_where_the_generator_normalises():
    model = generator()
    model.normalises = True
    plain = model.generate
    model.generate = lambda z: plain(z / tf.sqrt(tf.reduce_mean(z**2, 1, keepdims=True)))
    assert measure_recovery(model, 8, 400)["none"]["below_0.001"] == 1.0


def test_a_generator_that_needs_labels_is_refused():
    model = generator()
    model.conditions, model.name_in_zoo = 2, "cgan"
    with pytest.raises(UsageError, match="cgan needs labels"):
        measure_recovery(model, 8, 1)
