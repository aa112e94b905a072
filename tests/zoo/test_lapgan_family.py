"""LAPGAN: the pyramid, who pays what at which level, codes of several planes."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan import networks
from kgan.core import pixels, registry
from kgan.core.errors import UsageError


@pytest.fixture(scope="module")
def model(tiny):
    return tiny("lapgan", trains=False)


@pytest.mark.parametrize("given, side", [(28, 14), (14, 8), (8, 14), (64, 96), (5, 5)])
def test_resampling_is_that_of_tensorflow(given, side):
    x = tf.constant(np.random.default_rng(0).uniform(-1, 1, (2, given, given, 3)), tf.float32)
    wanted = tf.image.resize(x, (side, side), "bilinear", antialias=True)
    np.testing.assert_allclose(networks.lapgan.resampled(x, side), wanted, atol=2e-5)


def test_networks_of_the_authors_code():
    entry = registry.entry("lapgan")
    model = entry.model(entry.recipe)
    kernels = {name: [v.shape for v in net.trainable_variables if v.name == "kernel"]
               for name, net in model.nets.items()}
    assert kernels["g0"] == [(100, 1200), (1200, 1200), (1200, 192)]
    assert kernels["d0"] == [(192, 600), (600, 600), (600, 1)]
    assert kernels["g1"] == kernels["g2"] == [(7, 7, 4, 64), (7, 7, 64, 64), (5, 5, 64, 3)]
    assert kernels["d1"] == [(5, 5, 3, 64), (5, 5, 64, 64), (3 * 3 * 64, 1)]
    assert kernels["d2"] == [(5, 5, 3, 64), (5, 5, 64, 64), (10 * 10 * 64, 1)]
    assert model.latent == 100 + 14 * 14 + 28 * 28
    assert isinstance(model.build_optimizer("generator_0", 0.02), keras.optimizers.SGD)


@pytest.mark.parametrize("levels", ["8,16,32,64,96", "4,8,16,32,64"])
def test_other_pyramids_of_the_paper_can_be_built(levels):
    entry = registry.entry("lapgan")
    size = int(levels.rpartition(",")[2])
    recipe = entry.recipe.replace(**{
        **entry.tiny, "size": size, "levels": levels, "filters": "4,8,4,4", "batch_norm": True,
        "generator_dropout": 0.5, "discriminator_filters": "4,8,8"})
    model = entry.model(recipe)
    assert model.decode(model.codes(2)).shape == (2, size, size, 3)


def test_a_level_pays_for_its_own_pictures(model, tiny_batch, monkeypatch):
    batch = tiny_batch(model)
    coarse, real = model.pictures(batch["a"], 1)
    small = tf.image.resize(batch["a"], (4, 4), antialias=True)
    np.testing.assert_allclose(coarse, tf.image.resize(small, (8, 8)), atol=1e-5)
    np.testing.assert_allclose(real, tf.image.resize(batch["a"], (8, 8), antialias=True), atol=1e-5)
    judged = {}

    def judge(x, k):
        judged[k] = x
        return tf.reduce_mean(x, axis=(1, 2, 3))[:, None]

    for k in range(3):
        monkeypatch.setitem(model.nets, f"d{k}", functools.partial(judge, k=k))
    paid = model.loss_terms(batch)
    assert set(paid) == set(model.players) and len(paid) == 6
    n = len(batch["a"])
    np.testing.assert_allclose(judged[1][:n], real, atol=1e-6)
    noise = judged[1][n:] - coarse  # what was added is all that the generator says
    assert np.isfinite(noise).all() and np.abs(noise).max() > 0
    made = tf.reduce_mean(judged[2][n:], axis=(1, 2, 3))
    assert float(paid["generator_2"]["adversarial"]) == pytest.approx(
        float(tf.reduce_mean(tf.math.softplus(-made))), rel=1e-5)


def test_levels_one_after_the_other_or_together(model, tiny):
    stages = model.stages()
    assert [s.steps for s in stages] == [6, 7, 7]
    assert [s.phases[0].players for s in stages] == [
        (f"generator_{k}", f"discriminator_{k}") for k in range(3)]
    (whole,) = tiny("lapgan", together=True, trains=False).stages()
    assert whole.steps == 20 and not whole.phases[0].players


def test_a_code_is_all_noise_side_by_side(model):
    assert model.latent == 4 + 8 * 8 + 16 * 16
    codes = model.codes(3, seed=1)
    x = model.g0(codes[:, :4])
    for k, side, at in ((1, 8, 4), (2, 16, 68)):
        x = networks.lapgan.resampled(x, side)
        plane = tf.reshape(codes[:, at : at + side * side], (-1, side, side, 1))
        x += model.nets[f"g{k}"]([x, plane], training=False)
    np.testing.assert_allclose(model.decode(codes), tf.clip_by_value(x, -1, 1), atol=1e-6)
    np.testing.assert_array_equal(model.sample(3, seed=1), pixels.to_uint8(model.decode(codes)))
    assert len(model.generator_sha256) == 64


@pytest.mark.parametrize("changes, says", [
    ({"levels": "8,14"}, "must end in --size 28"),
    ({"levels": "14,8,28"}, "each larger than"),
    ({"levels": "28"}, "two sides or more"),
    ({"levels": "8, 28"}, "two sides or more"),
    ({"filters": "64,"}, "maps of a layer at least"),
    ({"steps": 2}, "leaves a level without one"),
])
def test_what_a_recipe_refuses(changes, says):
    with pytest.raises(UsageError, match=says):
        registry.recipe("lapgan").replace(**changes)
