"""AGE: its networks, what each of the two pays, the stages of its training."""

import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.networks import age


@pytest.fixture(scope="module")
def model(tiny):
    return tiny("age", trains=False)


def trainable(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def test_parameters():
    # 4x4 kernels of the layers, scales and offsets of norms, the bias of the code
    halves = [(3, 64), (64, 128), (128, 256), (256, 512)]
    kernels, norms = sum(16 * a * b for a, b in halves), 2 * (128 + 256 + 512)
    assert trainable(age.age_encoder("e")) == kernels + norms + 16 * 512 * 64 + 64 == 3_281_728
    norms = 2 * (64 + 128 + 256 + 512)
    assert trainable(age.age_generator("g")) == kernels + norms + 16 * 512 * 64 == 3_281_792
    scales = age.age_generator("g").get_layer("norm1").gamma.numpy()
    assert abs(scales.mean() - 1) < 0.01 and abs(scales.std() - 0.02) < 0.005


def test_codes_lie_on_the_sphere(model, tiny_batch):
    batch = tiny_batch(model)
    for codes in (model.codes(5), model.noise(batch), model.encode(batch["a"])):
        np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1.0, atol=1e-5)
    codes = model.codes(3)
    np.testing.assert_allclose(model.decode(3.0 * codes), model.decode(codes), atol=1e-5)


def divergence(codes, power):
    """The published formula, with s (power 1) or in its place s^2 (power 2)."""
    codes = np.asarray(codes, np.float64)
    m, s = codes.mean(axis=0), codes.std(axis=0) ** power
    return float(np.mean((s**2 + m**2) / 2 - np.log(s) - 0.5))


@pytest.mark.parametrize(("moments", "power"), [("std", 1), ("variance", 2)])
def test_what_each_pays(tiny, tiny_batch, moments, power):
    model = tiny("age", moments=moments, lambda_code=100.0, trains=False)
    batch = tiny_batch(model)
    z = model.noise(batch)
    codes, found = (model.e(x, training=True) for x in (batch["a"], model.g(z, training=True)))
    again = model.g(codes, training=True)
    paid = model.encoder_terms(batch, weight=7.0)["encoder"]
    assert {n: float(v) for n, v in paid.items()} == pytest.approx({
        "real": divergence(codes, power), "fake": -divergence(found, power),
        "picture": 7.0 * float(tf.reduce_mean(tf.abs(batch["a"] - again))),
    }, rel=1e-4)
    paid = model.generator_terms(batch)["generator"]
    assert {n: float(v) for n, v in paid.items()} == pytest.approx({
        "fake": divergence(found, power),
        "code": 100.0 * (2.0 - float(tf.reduce_mean(z * found))),
    }, rel=1e-4)


def test_the_encoder_changes_no_generated_picture_that_it_judges(model, tiny_batch, network_calls):
    batch = tiny_batch(model)
    terms = model.stage.phases[0].loss_terms
    assert network_calls(model, terms, batch) == {"e": 2, "g": 2}
    assert network_calls(model, type(model).generator_terms, batch) == {"e": 1, "g": 1}
    with tf.GradientTape(persistent=True) as tape:
        paid = terms(model, batch)["encoder"]
    weights = model.g.trainable_variables
    assert all(g is None for g in tape.gradient(paid["fake"], weights))
    assert all(g is None for g in tape.gradient(paid["real"], weights))
    assert all(g is not None for g in tape.gradient(paid["picture"], weights))


def test_one_update_of_the_encoder_three_of_the_generator(model):
    assert (model.batches_per_step, model.plays_per_step) == (1, 4)
    assert [(phase.players, phase.repeat) for phase in model.stage.phases] == [
        (("encoder",), 1), (("generator",), 3)]


def test_stages():
    """CelebA's 162,770 pictures: four epochs of 64, one at half the rate, one of 256."""
    entry = registry.entry("age")
    found = [(s.name, s.steps, s.batch, s.rate) for s in entry.model.stages_of(entry.recipe)]
    epoch = 162_770 // 64
    assert found == [("training", 4 * epoch, None, None),
                     ("half the rate", epoch, None, 1e-4),
                     ("finetuning", 162_770 // 256, 256, None)]
    weights = [s.phases[0].loss_terms.keywords["weight"]
               for s in entry.model.stages_of(entry.recipe)]
    assert weights == [10.0, 10.0, 15.0]
    short = entry.recipe.replace(steps=5, finetune=0.0, halve_from=1.0)
    assert [s.name for s in entry.model.stages_of(short)] == ["training"]
    with pytest.raises(UsageError, match="moments over it"):
        entry.recipe.replace(batch=1)
