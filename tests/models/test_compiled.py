"""Models whose steps are hard to compile or to share: what XLA and replicas compute of them."""

import functools

import numpy as np
import pytest
import tensorflow as tf


def values(variables):
    return [tf.convert_to_tensor(v).numpy() for v in variables]


COMPILED = {  # (what its recipe is to be, the phase of its last stage)
    "wgan_gp": ({}, 0),
    "pggan": ({}, 0),
    "crg_encoder": ({"dropout": 0.0}, 1),
    "fc_encoder": ({"loss": "ssim"}, 0),
}


@pytest.mark.parametrize("name", [
    "wgan_gp", *(pytest.param(n, marks=pytest.mark.slow) for n in [*COMPILED][1:])
])
def test_gradients_under_xla_are_the_same(tiny, tiny_batch, monkeypatch, name):
    """Second order, growing, two updates a step, SSIM: what a GPU compiles by default."""
    changes, place = COMPILED[name]
    model = tiny(name, **changes)
    stage = model.stages()[-1]
    model.enter_stage(stage.name)
    given = {p: [tf.convert_to_tensor(v) for v in model.variables_of(p)] for p in model.players}
    state = [tf.convert_to_tensor(v) for v in model._state()]
    whole = functools.partial(model._gradients, stage.phases[place])
    batch = tiny_batch(model)
    codes = model.noise(batch)  # XLA draws other numbers
    model.noise = lambda batch: codes
    monkeypatch.setattr(tf.random, "stateless_uniform", lambda shape, key: tf.fill(shape, 0.3))
    terms, found, _ = whole(given, state, batch)
    compiles = tf.function(whole, jit_compile=True, autograph=False)
    again, compiled, _ = compiles(given, state, batch)
    (player,) = terms
    assert {k: float(x) for k, x in again[player].items()} == pytest.approx(
        {k: float(x) for k, x in terms[player].items()}, rel=1e-3
    )
    largest = max(np.abs(x).max() for x in found[player])
    assert largest > 1e-6
    for x, y in zip(found[player], compiled[player], strict=True):
        np.testing.assert_allclose(x, y, atol=5e-3 * largest)


@pytest.mark.slow
def test_a_penalised_critic_on_two_replicas(tiny, mirrored, tiny_batch):
    with mirrored.scope():
        model = tiny("wgan_gp", batch=4, discriminator_steps=1)
    before = values(model.d.trainable_variables)
    batch = {"a": tf.concat([tiny_batch(model)["a"]] * model.batches_per_step, 0)}
    history = model.fit(tf.data.Dataset.from_tensors(batch), verbose=0, shuffle=False).history
    assert all(np.isfinite(x).all() for x in history.values())
    after = values(model.d.trainable_variables)
    assert np.median([np.abs(x - y).max() for x, y in zip(before, after, strict=True)]) > 1e-5
    for v in model.d.trainable_variables:  # both hold the same
        one, other = values(mirrored.experimental_local_results(v.value))
        np.testing.assert_array_equal(one, other)
