"""DeePSiM: the three terms by hand, each by itself, who is held back, what is inverted."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.data import open_data
from kgan.evaluation.suite.definitions import SUITES
from kgan.models import reference as references
from kgan.models import weights

FACES = "avatars:Smiling,Eyeglasses?n=24&test=8"


def fresh(name, prepared=False, **changes):
    """A tiny model whose step is not compiled."""
    entry = registry.entry(name)
    keras.utils.set_random_seed(0)
    model = entry.model(entry.recipe.replace(**{**entry.tiny, **changes}))
    if prepared:
        model.prepare(open_data(FACES, size=model.recipe.size, signals=model.signals))
    return model


def paid(model, batch):
    return {player: {term: float(x) for term, x in its.items()}
            for player, its in model.loss_terms(batch).items()}


@pytest.fixture(scope="module")
def autoencoder(tiny_batch):
    """A model with its reference, a batch, and what it makes of it."""
    model = fresh("deepsim_autoencoder", prepared=True)
    batch = tiny_batch(model)
    return model, batch, np.asarray(model.g(model.e(batch["a"])))


def test_three_terms(autoencoder):
    model, batch, made = autoencoder
    x, calls, judge = batch["a"].numpy(), [], model.d
    model.__dict__["d"] = lambda x: calls.append(x) or judge(x, training=False)
    try:
        terms = paid(model, batch)
    finally:
        model.__dict__["d"] = judge
    seen = [np.asarray(model.reference(p)) for p in (made, x)]
    real, fake = (np.asarray(judge(p, training=False)) for p in (x, made))
    softplus = lambda x: float(np.logaddexp(0, x).mean())  # noqa: E731
    levels = 127.5 * (made - x)
    assert terms["autoencoder"] == pytest.approx({
        "features": 0.01 / 2 * np.square(seen[0] - seen[1]).sum((1, 2, 3)).mean(),
        "picture": 2e-6 / 2 * np.square(levels).sum((1, 2, 3)).mean(),
        "adversarial": 100 * softplus(-fake),
    }, rel=1e-3)
    squares = sum(float(np.square(v).sum()) for v in judge.trainable_variables)
    assert terms["discriminator"] == pytest.approx({
        "real": 100 * softplus(-real), "fake": 100 * softplus(fake), "decay": 2e-4 * squares,
    }, rel=1e-3)
    (both,) = calls  # one pass for both
    np.testing.assert_array_equal(both, np.concatenate([x, made]))


def test_features_are_calibrated_on_training_pictures(autoencoder):
    model, *_ = autoencoder
    pictures = open_data(FACES, size=32, signals=model.signals).train["a"][np.arange(24)]
    maps = np.asarray(model.reference(pictures / np.float32(127.5) - 1))
    np.testing.assert_allclose(maps.mean((0, 1, 2)), 0, atol=1e-3)
    assert np.median(maps.std((0, 1, 2))) == pytest.approx(1, abs=1e-3)
    assert not model.reference.trainable_variables


@pytest.mark.parametrize(("tag", "terms"), [
    ("l2", {"picture"}), ("l1", {"picture"}), ("features", {"features"}),
    ("deepsim", {"features", "picture", "adversarial"}),
])
def test_the_suites_rows_are_flags_of_one_model(tiny_batch, tag, terms):
    (row,) = (row for row in SUITES["deepsim"].rows if row.tag == tag)
    model = fresh(row.name, **row.changes)
    batch = tiny_batch(model)
    found = paid(model, batch)
    assert set(found["autoencoder"]) == terms
    assert ("discriminator" in found) == ("adversarial" in terms) == bool(model.gates(
        {p: {t: tf.constant(x) for t, x in its.items()} for p, its in found.items()}))
    assert ("reference" in model.nets) == ("features" in terms)
    players = {"autoencoder", "discriminator"} if "adversarial" in terms else {"autoencoder"}
    assert {p for stage in model.stages() for p in stage.phases[0].players} == players
    difference = 127.5 * (np.asarray(model.g(model.e(batch["a"]))) - batch["a"].numpy())
    if tag in ("l1", "l2"):
        error = np.abs(difference) if tag == "l1" else np.square(difference) / 2
        assert found["autoencoder"]["picture"] == pytest.approx(
            2e-6 * error.sum((1, 2, 3)).mean(), rel=1e-3)


def test_rates_are_halved_in_stages():
    entry = registry.entry("deepsim_autoencoder")
    stages = entry.model.stages_of(entry.recipe)
    assert [(s.steps, s.rate) for s in stages] == [
        (300_000, None), (200_000, 1e-4), (200_000, 5e-5), (200_000, 2.5e-5), (100_000, 1.25e-5)]
    assert len({s.name for s in stages}) == 5
    short = entry.model.stages_of(entry.recipe.replace(steps=300_000))
    assert [(s.name, s.steps) for s in short] == [("training", 300_000)]


def test_what_a_step_finds_holds_from_the_next_on():
    model = fresh("deepsim_autoencoder")

    def closed(real, fool):
        terms = {"autoencoder": {"adversarial": tf.constant(fool)},
                 "discriminator": {"real": tf.constant(real), "fake": tf.constant(0.0)}}
        return {player for player, gate in model.gates(terms).items() if gate}

    assert [closed(1.0, 20.0), closed(1.0, 5.0), closed(1.0, 1.0), closed(20.0, 1.0),
            closed(1.0, 1.0)] == [set(), {"discriminator"}, {"discriminator"}, set(),
                                  {"autoencoder"}]
    assert fresh("deepsim_autoencoder", balance=False).gates({}) == {}


def test_without_a_prior_nothing_is_drawn():
    model = fresh("deepsim_autoencoder")
    assert model.encode(np.zeros((2, 40, 32, 3), np.uint8)).shape == (2, model.latent) == (2, 128)
    with pytest.raises(UsageError, match="has no prior"):
        model.sample(2)
    assert list(model.show({"a": tf.zeros((2, 32, 32, 3))})) == ["a", "reconstruct"]
    assert model.example_codes().shape == (2, 128)


def test_a_vae_pays_the_divergence_too(tiny_batch):
    model = fresh("vae_deepsim", lambda_kl=0.5)
    batch = tiny_batch(model)
    found = paid(model, batch)["autoencoder"]
    _, divergence = model.posterior(batch)
    assert found["divergence"] == pytest.approx(0.5 * float(divergence), rel=1e-4)
    assert set(found) == {"divergence", "features", "picture", "adversarial"}
    assert model.sample(2).shape == (2, 32, 32, 3)


# Inversion


@pytest.fixture(scope="module")
def inversion():
    return fresh("deepsim_inversion", prepared=True, feature_scale="raw", layer="fc1")


def test_codes_are_the_features_of_the_classifier(inversion):
    whole = weights.load("vgg_star_small.avatars", "required").classifier
    dense = whole.layers.index(whole.get_layer("fc1"))
    features = keras.Model(whole.input, whole.layers[dense + 1].output)
    x = open_data(FACES, size=32, signals=inversion.signals).test["a"][np.arange(4)]
    codes = inversion.encode(x)
    assert codes.shape == (4, inversion.latent) == (4, 256)
    np.testing.assert_allclose(codes, features(x / np.float32(127.5) - 1), rtol=1e-3, atol=1e-4)
    assert not inversion.e.trainable_variables
    assert inversion.decode(codes).shape == (4, 32, 32, 3)


def test_the_classifier_goes_with_the_weights(inversion, tmp_path):
    recipe = inversion.recipe.complete(None)
    assert json.loads(recipe.layout)["top"] == 256
    model = weights.build("deepsim_inversion", recipe.replace(inverted="gone"), deployed_only=True)
    model.e.set_weights(inversion.e.get_weights())
    model.g.set_weights(inversion.g.get_weights())
    weights.write(model, tmp_path / "weights")
    again = weights.load(str(tmp_path / "weights"))
    x = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    np.testing.assert_array_equal(again.translate(x), inversion.translate(x))


def test_layers_that_cannot_be_inverted_are_refused():
    with pytest.raises(UsageError, match="has no layer relu9_1"):
        fresh("deepsim_inversion", layer="relu9_1")
    with pytest.raises(UsageError, match="say --size 224"):
        fresh("deepsim_inversion", layer="fc1", inverted="vgg16")
    with pytest.raises(UsageError, match="fc1 of vgg19 sees pictures of 224 px"):
        fresh("deepsim_autoencoder", compared="fc1", reference="vgg19")
    with pytest.raises(UsageError, match="Nothing to learn from"):
        registry.recipe("deepsim_autoencoder").replace(
            lambda_features=0.0, lambda_adversarial=0.0, lambda_picture=0.0)


def test_the_reference_of_imagenet_has_224_px():
    how = references.layout("vgg16")
    assert (how["size"], how["top"], how["classes"], how["imagenet_range"]) == (
        224, 4096, 1000, True)
