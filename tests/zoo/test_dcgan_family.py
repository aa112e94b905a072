"""DCGAN and its relatives: who pays what, in which order, and what leaves the model."""

import numpy as np
import pytest
import tensorflow as tf

from kgan import networks
from kgan.core import pixels, registry
from kgan.core.errors import UsageError
from kgan.data import Data


def sigmoid_cost(logits, label):
    p = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    return -np.mean(np.log(p if label else 1 - p))


def enough(model, batch):
    """What a step of several phases takes."""
    return {"a": tf.concat([batch["a"]] * model.batches_per_step, 0)}


def test_one_pass_is_the_textbooks(tiny, tiny_batch):
    model = tiny("dcgan", trains=False)
    batch = tiny_batch(model)
    terms = model.loss_terms(batch)
    fake = model.g(model.noise(batch), training=True)
    real_logits = model.d(batch["a"], training=True)
    fake_logits = model.d(fake, training=True)
    assert float(terms["discriminator"]["real"]) == pytest.approx(sigmoid_cost(real_logits, 1))
    assert float(terms["discriminator"]["fake"]) == pytest.approx(sigmoid_cost(fake_logits, 0))
    assert float(terms["generator"]["adversarial"]) == pytest.approx(sigmoid_cost(fake_logits, 1))


def test_neural_face_moves_the_generator_twice(tiny, tiny_batch):
    model = tiny("dcgan", generator_steps=2)
    assert (model.batches_per_step, model.plays_per_step) == (1, 3)  # codes need no pictures
    model.train_step(enough(model, tiny_batch(model)))
    moves = {player: int(optimizer.iterations) for player, optimizer in model.optimizers.items()}
    assert moves == {"generator": 2, "discriminator": 1}


def test_a_critic_pays_for_its_slope_and_stays_in_its_bounds(tiny, tiny_batch):
    steep = tiny("wgan_gp", lambda_penalty=3.0, trains=False)
    terms = steep.discriminator_terms(tiny_batch(steep))["discriminator"]
    assert set(terms) == {"real", "fake", "penalty"}
    without = tiny("wgan_gp", lambda_penalty=0.0, trains=False)
    assert set(without.discriminator_terms(tiny_batch(without))["discriminator"]) == {
        "real", "fake"}
    clipped = tiny("wgan", learning_rate=1.0, discriminator_steps=1, generator_steps=2)
    clipped.train_step(enough(clipped, tiny_batch(clipped)))
    largest = [np.abs(v.numpy()).max() for v in clipped.d.trainable_variables]
    assert max(largest) == pytest.approx(0.01)
    assert max(np.abs(v.numpy()).max() for v in clipped.g.trainable_variables) > 0.02


def test_wasserstein_signs(tiny, tiny_batch):
    model = tiny("wgan", trains=False)
    batch = tiny_batch(model)
    terms = model.discriminator_terms(batch)["discriminator"]
    real = float(tf.reduce_mean(model.d(batch["a"], training=True)))
    fake = model.judge(model.make(batch, []), [])
    assert float(terms["real"]) == pytest.approx(-real)
    assert float(terms["fake"]) == pytest.approx(float(tf.reduce_mean(fake)))
    paid = model.generator_terms(batch)["generator"]["adversarial"]
    assert float(paid) == pytest.approx(-float(tf.reduce_mean(fake)))


def test_conditions_reach_both_players(tiny, tiny_batch):
    model = tiny("cgan", trains=False)
    batch = tiny_batch(model)
    terms = model.loss_terms(batch)["discriminator"]
    assert set(terms) == {"real", "fake", "wrong"}
    turned = model.loss_terms({**batch, "labels": 1.0 - batch["labels"]})["discriminator"]
    assert all(float(terms[name]) != float(turned[name]) for name in terms)
    codes = model.codes(3)
    in_turn = tf.constant([[-1.0, -1], [1, -1], [-1, 1]])
    shown = model.g([codes, in_turn], training=False)
    np.testing.assert_allclose(model.decode(codes), shown, atol=1e-6)
    np.testing.assert_allclose(model.decode(codes, in_turn), shown, atol=1e-6)
    assert (model.decode(codes, -in_turn).numpy() != shown.numpy()).any()


def test_samples_by_labels(tiny):
    model = tiny("cgan", trains=False)
    codes = model.codes(7, seed=2)
    rows = np.float32([[1, 1], [-1, 1]])
    cycled = np.concatenate([rows] * 4)[:7]
    np.testing.assert_array_equal(model.sample(7, 2, rows, batch=3),
                                  pixels.to_uint8(model.decode(codes, cycled)))
    whole = model.sample(7, seed=2)
    np.testing.assert_array_equal(model.sample(7, seed=2, batch=2), whole)  # in turn, all over
    np.testing.assert_array_equal(whole, pixels.to_uint8(model.decode(codes)))


def test_of_classes_no_sample_has_none(tiny):
    model = tiny("cgan", one_label=True, trains=False)
    codes = model.codes(3)
    wanted = model.decode(codes, [[1.0, -1], [-1, 1], [1, -1]])
    np.testing.assert_array_equal(model.decode(codes), wanted)
    np.testing.assert_array_equal(model.sample(3), pixels.to_uint8(wanted))
    assert (tiny("cgan", trains=False).decode(codes).numpy() != wanted.numpy()).any()
    pictures = {"a": np.zeros((2, 16, 16, 3), np.uint8)}
    classes = {"train": np.zeros(2, int), "test": np.zeros(2, int)}
    data = Data("c", pictures, pictures, labels=classes, label_names=("x", "y"), exclusive=True)
    assert registry.recipe("cgan").complete(data).one_label
    assert not registry.recipe("dcgan").complete(data).one_label


def test_labels_of_the_data_fill_the_recipe():
    recipe = registry.recipe("cgan")
    pictures = {"a": np.zeros((2, 16, 16, 3), np.uint8)}
    labels = {"train": np.zeros((2, 2), np.float32), "test": np.zeros((2, 2), np.float32)}
    named = Data("named", pictures, pictures, labels=labels, label_names=("Hat", "Bald"))
    assert recipe.complete(named).labels == "Hat,Bald"
    assert recipe.complete(named).classes == 2
    plain = Data("plain", pictures, pictures)
    with pytest.raises(UsageError, match="has no labels to condition on"):
        recipe.complete(plain)
    assert registry.recipe("dcgan").complete(plain).labels == ""


@pytest.mark.parametrize("prior", ["uniform", "normal"])
def test_samples_are_of_the_prior_and_the_same_for_a_seed(tiny, prior):
    model = tiny("dcgan", prior=prior, latent=64, trains=False)
    codes = model.codes(500, seed=1).numpy()
    assert codes.shape == (500, 64)
    assert codes.mean() == pytest.approx(0, abs=0.03)
    assert codes.std() == pytest.approx(1 if prior == "normal" else 1 / np.sqrt(3), rel=0.03)
    assert (np.abs(codes).max() <= 1) == (prior == "uniform")
    first = model.sample(5, seed=1, batch=2)
    np.testing.assert_array_equal(first, model.sample(5, seed=1, batch=5))
    assert (first != model.sample(5, seed=2)).any()
    assert first.dtype == np.uint8 and first.shape == (5, 16, 16, 3)


def test_the_discriminator_whose_features_are_evaluated(tiny, tiny_batch):
    recipe = registry.recipe("dcgan_features")
    assert (recipe.size, recipe.latent, recipe.prior) == (32, 256, "uniform")
    assert (recipe.filters, recipe.discriminator_filters, recipe.batch) == (128, 128, 128)
    small = registry.recipe("dcgan_features_small")
    assert (small.size, small.latent, small.discriminator_filters) == (32, 256, 32)
    model = tiny("dcgan_features", trains=False)
    pictures = tiny_batch(model)["a"]
    maps = networks.discriminator_features(model.d)(pictures, training=False)
    assert [x.shape[1:] for x in maps] == [
        (side, side, 4 * k) for side, k in ((32, 1), (16, 1), (16, 2), (8, 2), (8, 4), (4, 4))
    ]
    assert networks.pooled(maps).shape == (4, 16 * 4 * 14)
    classes = {"train": np.zeros(2, int), "test": np.zeros(2, int)}
    data = Data("c", {"a": pictures}, {"a": pictures}, labels=classes, label_names=("x", "y"),
                exclusive=True)
    assert recipe.complete(data).classes == 0  # it sees no labels


@pytest.mark.parametrize("changes, says", [
    ({"size": 48}, "power of two"),
    ({"lambda_penalty": 1.0}, "needs --discriminator_norm layer"),
    ({"discriminator": "features"}, "32 px: say --size 32"),
    ({"discriminator": "features", "size": 32, "clip": 0.1}, "takes neither --clip nor --cond"),
    ({"discriminator": "features", "size": 32, "condition": True}, "neither --clip nor --cond"),
    ({"discriminator": "features", "size": 32, "discriminator_norm": "none"}, "has batch norm"),
])
def test_what_a_recipe_refuses(changes, says):
    with pytest.raises(UsageError, match=says):
        registry.recipe("dcgan").replace(**changes)


def test_noise_on_what_the_discriminator_sees_falls_to_none(tiny, tiny_batch):
    model = tiny("dcgan", input_noise=0.5, steps=20, trains=False)
    batch = tiny_batch(model)
    pictures = tf.zeros((4, 16, 16, 3))
    for step, deviation in ((0, 0.5), (10, 0.25), (20, 0.0)):
        seen = model.veiled(pictures, {**batch, "step": tf.constant(step)}, 9)
        assert float(tf.math.reduce_std(seen)) == pytest.approx(deviation, rel=0.1, abs=1e-9)
    real = model.veiled(batch["a"], batch, 10)
    of_real = sigmoid_cost(model.d(real, training=True), 1)
    assert float(model.loss_terms(batch)["discriminator"]["real"]) == pytest.approx(of_real)
    assert (model.veiled(pictures, batch, 9) != model.veiled(pictures, batch, 10)).numpy().any()


def test_the_recipes_of_the_two_papers_with_critics():
    clipped, penalised = registry.recipe("wgan"), registry.recipe("wgan_gp")
    assert (clipped.optimizer, clipped.learning_rate, clipped.clip) == ("rmsprop", 5e-5, 0.01)
    assert (penalised.optimizer, penalised.learning_rate) == ("adam", 1e-4)
    assert (penalised.beta_1, penalised.beta_2, penalised.lambda_penalty) == (0.0, 0.9, 10.0)
    assert clipped.discriminator_steps == penalised.discriminator_steps == 5
    assert (penalised.latent, penalised.steps, penalised.batch) == (128, 200_000, 64)


@pytest.mark.parametrize("name", ["dcgan", "wgan", "wgan_gp", "cgan", "dcgan_features"])
def test_generators_see_pictures_as_they_are(name):
    for full in (name, f"{name}_small"):
        assert not registry.recipe(full).flip
    assert registry.recipe(name).replace(flip=True).flip
