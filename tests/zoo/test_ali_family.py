"""ALI and BiGAN: their networks, what the three players pay, where training begins and ends."""

import math

import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.data import Data
from kgan.models.schedules import LinearDecay
from kgan.networks import ali, bigan


@pytest.fixture(scope="module")
def models(tiny):
    """Without dropout, the only thing in a step of theirs that is not drawn from its key."""
    return {"ali": tiny("ali", dropout=0.0, picture_dropout=0.0, trains=False),
            "bigan": tiny("bigan", decay=0.01, steps=10, trains=False)}


def trainable(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def test_parameters_of_ali():
    # kernels: 2, 7, 5, 7, 4; maps: 64, 128, 256, 256, 512
    trunk = 4 * 3 * 64 + 49 * 64 * 128 + 25 * 128 * 256 + 49 * 256 * 256 + 16 * 256 * 512
    norms = 2 * (64 + 128 + 256 + 256 + 512)
    assert trainable(ali.ali_encoder("e")) == trunk + norms + 512 * 512 + 512 == 6_794_880
    way_back = trunk - 4 * 3 * 64 + 4 * 64 * 128 - 49 * 64 * 128  # the 2x2 layer has 128 to 64
    way_back += 49 * 128 * 256 - 25 * 128 * 256 + 25 * 256 * 256 - 49 * 256 * 256
    way_back += 49 * 256 * 512 - 16 * 256 * 512 + 16 * 512 * 256
    picture = 64 * 3 + 64 * 64 * 3  # the 1x1 convolution and a bias for each value
    assert trainable(ali.ali_generator("g")) == way_back + norms + picture == 11_811_392
    codes = 256 * 1024 + 1024 * 1024
    joint = 1536 * 2048 + 2048 + 2048 * 2048 + 2048 + 2048 + 1
    assert trainable(ali.ali_discriminator("d")) == (
        trunk + 64 + norms - 2 * 64 + codes + joint) == 15_189_057


def test_parameters_of_bigan():
    # groups of two: half of the inputs
    alexnet = 121 * 3 * 96 + 9 * 256 * 384 + (25 * 96 * 256 + 9 * 384 * 384 + 9 * 384 * 256) // 2
    norms = 2 * (256 + 384 + 384 + 256)
    assert trainable(bigan.bigan_encoder("e")) == alexnet + norms + 4096 * 200 == 3_154_464
    halves = 25 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512)
    codes = 200 * (64 + 128 + 256)
    norms = 2 * (8192 + 64 + 128 + 256)
    assert trainable(bigan.bigan_generator("g")) == halves + 200 * 8192 + codes + norms
    codes, norms = 200 * (128 + 256 + 512), 2 * (128 + 256 + 512)
    assert trainable(bigan.bigan_discriminator("d")) == halves + codes + norms + 8192 == 4_494_784


def test_a_convolution_in_two_groups():
    x = np.random.default_rng(0).normal(size=(2, 5, 5, 6)).astype(np.float32)
    layer = bigan.HalvesConv2D(4, 3)
    found = layer(x).numpy()
    for i in (0, 1):
        part = tf.nn.conv2d(x[..., 3 * i : 3 * i + 3], layer.kernel[..., 2 * i : 2 * i + 2], 1,
                            "SAME")
        np.testing.assert_allclose(found[..., 2 * i : 2 * i + 2], part, atol=1e-5)


def test_the_generator_begins_with_the_mean_picture():
    entry = registry.entry("ali")
    model = entry.model(entry.recipe.replace(**entry.tiny), deployed_only=True)
    pictures = np.random.default_rng(0).integers(0, 256, (6, 20, 20, 3), dtype=np.uint8)
    pictures[:, 2, 2, 0] = 255  # of which the log odds are not finite
    model.prepare(Data("x", {"a": pictures}, {"a": pictures[:2]}))
    mean = pictures[:, 2:18, 2:18].mean(axis=0) / 127.5 - 1
    for kernel in (v for v in model.g.trainable_variables if v.name == "kernel"):
        kernel.assign(0 * kernel)
    np.testing.assert_allclose(model.decode(model.codes(1))[0], mean, atol=1e-4)
    assert model.g.get_layer("log_odds").bias.numpy()[0, 0, 0] == pytest.approx(
        math.log((1 - 1e-7) / 1e-7), rel=1e-4)


def softplus(x):
    return float(np.mean(np.log1p(np.exp(np.asarray(x, np.float64)))))


def test_what_players_of_ali_pay(models, tiny_batch, network_calls):
    model = models["ali"]
    batch = tiny_batch(model)
    z, inferred = model.noise(batch), model.inferred(batch)
    pictures = tf.concat([batch["a"], model.g(z, training=True)], 0)
    logits = model.d([pictures, tf.concat([inferred, z], 0)], training=True).numpy()
    q, p = logits[:4], logits[4:]
    paid = model.loss_terms(batch)
    wanted = {
        "discriminator": {"inferred": softplus(-q), "generated": softplus(p)},
        "encoder": {"inferred": softplus(q), "generated": softplus(-p)},
    }
    wanted["generator"] = wanted["encoder"]
    for player, terms in wanted.items():
        assert {n: float(v) for n, v in paid[player].items()} == pytest.approx(terms, rel=1e-5)
    calls = network_calls(model, type(model).loss_terms, batch)
    assert calls == {"e": 1, "g": 1, "d": 1}
    assert (model.batches_per_step, model.plays_per_step) == (1, 1)


def test_codes_of_ali_are_drawn_in_training_and_means_after_it(models, tiny_batch):
    model = models["ali"]
    batch = tiny_batch(model)
    mean, log_deviation = model.e(batch["a"], training=False)
    np.testing.assert_allclose(model.encode(batch["a"]), mean, atol=1e-6)
    mean, log_deviation = model.e(batch["a"], training=True)
    many = model.inferred({**batch, "a": tf.tile(batch["a"], [300, 1, 1, 1])})
    drawn = many.numpy().reshape(300, *mean.shape)
    np.testing.assert_allclose(drawn.mean(axis=0), mean, atol=0.3)
    np.testing.assert_allclose(drawn.std(axis=0), np.exp(log_deviation), rtol=0.2)


def test_what_players_of_bigan_pay(models, tiny_batch, network_calls):
    model = models["bigan"]
    batch = tiny_batch(model)
    z, codes = model.noise(batch), model.e(batch["a"], training=True)
    assert np.abs(codes).max() <= 1.0 and np.abs(z).max() <= 1.0
    q = model.d([batch["a"], codes], training=True).numpy()
    p = model.d([model.g(z, training=True), z], training=True).numpy()
    paid = model.loss_terms(batch)
    own = {player: 0.005 * sum(float(tf.reduce_sum(v**2)) for v in model.variables_of(player)
                               if v.name != "gamma") for player in model.players}
    both = {"inferred": softplus(q) / 2, "generated": softplus(-p) / 2}
    wanted = {
        "discriminator": {"inferred": softplus(-q) / 2, "generated": softplus(p) / 2},
        "encoder": both, "generator": both,
    }
    for player, terms in wanted.items():
        terms = {**terms, "decay": own[player]}
        assert {n: float(v) for n, v in paid[player].items()} == pytest.approx(terms, rel=1e-4)
    calls = network_calls(model, type(model).loss_terms, batch)
    assert calls == {"e": 1, "g": 1, "d": 2}


def test_noise_is_on_what_the_discriminator_sees_and_falls(tiny, tiny_batch, monkeypatch):
    model = tiny("bigan", input_noise=0.5, trains=False)
    batch, seen = tiny_batch(model), {}
    for step in (0, 10, 20):  # of 20
        with monkeypatch.context() as patch:
            patch.setattr(type(model), "judge", lambda self, *pairs, step=step: (
                seen.update({step: pairs}) or (tf.zeros((4, 1)),) * 2))
            model.loss_terms({**batch, "step": tf.constant(step)})
    clean = batch["a"], model.g(model.noise(batch), training=True)
    for step, deviation in ((0, 0.5), (10, 0.25), (20, 0.0)):
        added = [pair[0] - x for pair, x in zip(seen[step], clean, strict=True)]
        assert [float(tf.math.reduce_std(x)) for x in added] == pytest.approx([deviation] * 2,
                                                                              rel=0.1, abs=1e-6)
    assert np.abs(np.corrcoef(*(np.ravel(pair[0] - x) for pair, x in zip(
        seen[0], clean, strict=True)))[0, 1]) < 0.1  # each its own
    codes = model.e(batch["a"], training=True)  # of pictures without noise
    np.testing.assert_allclose(seen[0][0][1], codes, atol=1e-5)


@pytest.mark.parametrize(("name", "mixed"), [("ali", True), ("bigan", False)])
def test_norms_of_the_discriminator_see_both_kinds_or_one(models, tiny_batch, name, mixed):
    """In `ali` they are normalised together, so that generated pairs move the encoder, too."""
    model = models[name]
    batch = tiny_batch(model)
    with tf.GradientTape() as tape:
        paid = model.loss_terms(batch)["encoder"]["generated"]
    found = [g is not None for g in tape.gradient(paid, model.e.trainable_variables)]
    assert set(found) == {mixed}


def test_rates_of_bigan_fall_exponentially(models):
    schedule = LinearDecay(2.0, 100, 0.5).exponential()
    for step, rate in ((0, 2.0), (50, 2.0), (75, 0.2), (100, 0.02)):
        assert float(schedule(step)) == pytest.approx(rate, rel=1e-5)
    assert float(schedule.times(0.5)(75)) == pytest.approx(0.1, rel=1e-5)
    for optimizer in models["bigan"].optimizers.values():
        optimizer.iterations.assign(10)
        assert float(optimizer.learning_rate) == pytest.approx(2e-6, rel=1e-4)


@pytest.mark.parametrize("name", ["ali", "bigan"])
def test_the_discriminator_has_a_rate_of_its_own(tiny, name):
    model = tiny(name, trains=False, learning_rate=1e-3, discriminator_rate=0.2)
    rates = {player: float(o.learning_rate) for player, o in model.optimizers.items()}
    assert rates == pytest.approx({"encoder": 1e-3, "generator": 1e-3, "discriminator": 2e-4})


@pytest.mark.parametrize(("name", "changes", "says"), [
    ("ali", {"size": 48}, "--size 48 is not one of 16, 32, 64, 128"),
    ("bigan", {"size": 48, "load_size": 0}, "power of two"),
    ("bigan", {"encoder_filters": 16}, "multiple of 6"),
])
def test_sizes_that_networks_have(name, changes, says):
    with pytest.raises(UsageError, match=says):
        registry.recipe(name).replace(**changes)
