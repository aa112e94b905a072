"""Pioneer: levels with batches of their own, what both players pay, codes on the sphere."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.losses import normal_divergence
from kgan.models.growing import Level
from kgan.models.stages import laid_out
from kgan.networks import ProgressiveEncoder, ProgressiveGenerator
from kgan.networks.pggan import doubled, halved


def recipe(**changes):
    entry = registry.entry("pioneer")
    return entry.recipe.replace(**{**entry.tiny, "size": 16, "steps": 16, **changes})


@pytest.fixture(scope="module")
def model():
    """A model that is not compiled, so that no step is traced; with a level that fades in."""
    made = registry.entry("pioneer").model(
        recipe(pool=0, fade_images=16, steps=40, spectral=False))
    made.part = made.parts()[-1]
    return made


@pytest.fixture(scope="module")
def networks():
    return (ProgressiveGenerator(5, 16, 4, 16, norm_first=True),
            ProgressiveEncoder(5, 16, 4, 16))


def trainable(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def test_parameters_are_those_of_the_layers():
    assert trainable(ProgressiveGenerator(512, 128, 512, norm_first=True)) == 22_933_394
    encoder = ProgressiveEncoder()
    widths = [512, 512, 512, 512, 256, 128]
    colours = sum(3 * w + w for w in widths)
    blocks = sum(9 * w * w + w + 9 * w * below + below
                 for below, w in itertools.pairwise(widths))
    last = 9 * 512 * 512 + 512 + 4 * 4 * 512 * 512 + 512
    assert trainable(encoder) == colours + blocks + last == 22_936_192
    spectral = [v for v in encoder.non_trainable_variables if v.name == "u"]
    assert len(spectral) == 2 * 5 + 2  # none of the layers next to pictures


def test_norms_come_before_the_activation(networks):
    generator, _ = networks
    x = tf.constant([[[[3.0, -4.0]]]])
    length = np.sqrt((9 + 16) / 2)
    np.testing.assert_allclose(generator._active(x), [[[[3 / length, -0.8 / length]]]], rtol=1e-5)
    generator.norm_first = False
    np.testing.assert_allclose(generator._active(x)[0, 0, 0],
                               np.array([3, -0.8]) / np.sqrt((9 + 0.64) / 2), rtol=1e-5)
    generator.norm_first = True
    again = ProgressiveGenerator.from_config(generator.get_config())
    assert again.norm_first and again.latent == 5


def test_codes_have_length_1_at_every_level(networks):
    generator, encoder = networks
    z = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    for level in range(3):
        picture = generator(z, level=level)
        codes = encoder(picture, level=level)
        np.testing.assert_allclose(tf.norm(codes, axis=1), 1, rtol=1e-4)
    np.testing.assert_array_equal(encoder(picture), codes)
    with pytest.raises(ValueError, match="level 1 has 8 px, not 16"):
        encoder(picture, level=1)


def test_a_level_of_the_encoder_fades_in(networks):
    _, encoder = networks
    x = tf.random.stateless_uniform((2, 8, 8, 3), [0, 1])
    np.testing.assert_allclose(encoder(x, level=1, alpha=0.0), encoder(halved(x), level=0),
                               atol=1e-5)
    np.testing.assert_allclose(encoder(x, level=1, alpha=1.0), encoder(x, level=1), atol=1e-5)
    assert np.abs(encoder(x, level=1, alpha=0.5) - encoder(x, level=1)).max() > 1e-3


def test_levels_have_batches_and_rates_of_their_own():
    full = registry.recipe("pioneer")
    assert [full.at(level)[0] for level in range(6)] == [128, 128, 128, 64, 32, 16]
    entry = registry.entry("pioneer")
    parts = laid_out(entry.model.stages_of(full), full)
    assert [p.end - p.begin for p in parts] == [
        9375, 9375, 9375, 9375, 9375, 18750, 18750, 37500, 37500, 75000, 1_437_500]
    assert parts[-1].position(full.steps) == 35_000_000
    small = recipe(batches="8,4", rates="0.1,0.2", stable_images=16, pool=0)
    parts = laid_out(entry.model.stages_of(small), small)
    assert [(p.batch, p.rate, p.end - p.begin) for p in parts] == [
        (8, 0.1, 2), (4, 0.2, 4), (4, 0.2, 10)]  # the last one stands for all beyond


@pytest.mark.parametrize("changes, says", [
    ({"batches": "4,none"}, "--batches 4,none must be numbers above 0"),
    ({"rates": "0.1,-1"}, "--rates 0.1,-1 must be numbers above 0"),
    ({"batches": "4,3", "accumulate": 2}, "cannot be divided into --accumulate 2"),
    ({"batches": "8,4", "pool": 4}, r"as large as a batch \(8\)"),
    ({"batch": 2, "accumulate": 2, "steps": 99}, "2 pictures at least"),
    ({"steps": 8}, "must be more than 8"),
])
def test_what_a_recipe_refuses(changes, says):
    with pytest.raises(UsageError, match=says):
        recipe(**changes)


@pytest.mark.parametrize("fading", [True, False])
def test_what_is_paid(model, tiny_batch, fading):
    batch, level = tiny_batch(model), Level(2, 0 if fading else None, 10)
    batch["step"] = tf.constant(4)
    alpha = 0.4 if fading else None
    z = model.noise(batch)
    np.testing.assert_allclose(tf.norm(z, axis=1), 1, rtol=1e-5)
    x = batch["a"]
    real = 0.4 * x + 0.6 * doubled(halved(x)) if fading else x
    fake = model.g(z, alpha=alpha)
    paid = {k: float(v) for k, v in model.encoder_terms(batch, level)["encoder"].items()}
    codes = model.e(tf.concat([real, fake], 0), alpha=alpha)
    again = model.g(codes[:4], alpha=alpha)
    assert paid == pytest.approx({
        "real": 0.1 * float(normal_divergence(codes[:4])),
        "fake": -0.1 * float(normal_divergence(codes[4:])),
        "picture": (1.0 if fading else 1.5) * np.abs(real - again).mean(),
    }, rel=1e-4)
    paid = {k: float(v) for k, v in model.generator_terms(batch, level)["generator"].items()}
    again = model.e(fake, alpha=alpha)
    assert paid == pytest.approx({
        "fake": 0.1 * float(normal_divergence(again)),
        "code": 100 * (2 - float(tf.reduce_mean(again * z))),
    }, rel=1e-4)


def test_one_update_of_the_encoder_and_two_of_the_generator(model):
    for stage in model.stages():
        assert [(p.players, p.repeat, p.fresh) for p in stage.phases] == [
            (("encoder",), 1, True), (("generator",), 2, False)]
    assert model.kept.followed == model.g.trainable_variables  # the encoder has no averages


def test_the_history_is_that_of_a_level_that_is_there(tiny_batch):
    model = registry.entry("pioneer").model(recipe(fade_images=16, steps=40))
    model.part = model.parts()[-1]
    batch = tiny_batch(model)
    model.encoder_terms(batch, Level(2, 0, 10))
    assert int(model.nets["pool_2"].count) == 0
    u = next(v.numpy() for v in model.e.last.non_trainable_variables)
    model.encoder_terms(batch, Level(2, None, 10))
    assert int(model.nets["pool_2"].count) == 4
    assert (model.e.last.u.numpy() != u).any()  # the power iteration goes on
    assert [model.nets[f"pool_{i}"].stored.shape[1] for i in range(3)] == [4, 8, 16]


def test_edits_stay_on_the_sphere(model):
    z = model.codes(3)
    np.testing.assert_allclose(tf.norm(z, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(model.decode(2.0 * z), model.decode(z), atol=1e-4)
    shown = model.show({"a": tf.zeros((2, 16, 16, 3))})
    assert set(shown) == {"a", "reconstruct", "generated", "its reconstruction"}
