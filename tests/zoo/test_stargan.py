"""StarGAN: its networks, what its players pay, phases, directions, labels that a translation asks
for.
"""

import functools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan import losses, networks
from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.data import Data
from kgan.models.weights import parameters


def pictures(count, size=8, seed=0):
    random = np.random.default_rng(seed)
    return tf.constant(random.uniform(-1, 1, (count, size, size, 3)), tf.float32)


def batch_of(labels, seed=0):
    labels = tf.constant(labels, tf.float32)
    return {"a": pictures(len(labels), seed=seed), "labels": labels, "key": tf.constant([seed, 0])}


FOUR = [[1, 0], [0, 1], [1, 1], [0, 0]]


def values(model):
    return {p: [np.array(v) for v in model.variables_of(p)] for p in model.players}


def sees(model, logits):
    """Makes the discriminator see these logits in every picture; returns the model.

    Its last strided layer is made to answer 1 everywhere, and the head weighs the parts.
    """
    convolutions = [x for x in model.d.layers if isinstance(x, keras.layers.Conv2D)]
    last = next(x for x in convolutions if x.filters == max(y.filters for y in convolutions))
    last.kernel.assign(tf.zeros_like(last.kernel))
    last.bias.assign(tf.ones_like(last.bias))
    head = next(x for x in convolutions if x.padding == "valid")
    parts = math.prod(head.kernel.shape[:3])
    head.kernel.assign(tf.ones_like(head.kernel) * tf.constant(logits, tf.float32) / parts)
    np.testing.assert_allclose(model.d(pictures(2))[1], [logits] * 2, rtol=1e-5)
    return model


# Small and not compiled; tests that step use `tiny`.
SMALL = {"size": 8, "filters": 2, "blocks": 0, "discriminator_layers": 2}


def made(**changes):
    entry = registry.entry("stargan")
    keras.utils.set_random_seed(0)
    return entry.model(entry.recipe.replace(**{**entry.tiny, **SMALL, **changes}))


@pytest.fixture(scope="module")
def model():
    """A model that no test changes."""
    return made()


# Networks


def test_the_papers_networks():
    model = registry.entry("stargan").model(registry.recipe("stargan"))
    assert parameters(model) == {"g": 8_430_528, "d": 44_762_048}
    assert model.d.output_shape == [(None, 2, 2, 1), (None, 5)]
    assert len(model.directions) == 10


@pytest.mark.parametrize("size, strided, side", [(64, 5, 2), (64, 4, 4), (16, 3, 2), (48, 4, 3)])
def test_the_discriminator_has_as_many_layers_as_asked(size, strided, side):
    network = networks.stargan_discriminator("d", 3, size=size, filters=1, strided=strided)
    assert network.output_shape == [(None, side, side, 1), (None, 3)]


@pytest.mark.parametrize("blend", [False, True])
def test_the_generator_minds_labels_on_an_even_picture(blend):
    # where reflection would leave every map even, and instance norm nothing of it
    keras.utils.set_random_seed(1)
    generator = networks.stargan_generator("g", 2, filters=4, blocks=1, blend=blend)
    even = tf.fill((2, 8, 12, 3), 0.5)
    first, second = generator([even, tf.constant([[0.0, 1.0], [1.0, 0.0]])])
    assert first.shape == even.shape[1:]
    assert first.dtype == tf.float32
    assert np.abs(first - second).max() > 0.01


def test_the_generator_is_saved_and_read_back(tmp_path):
    generator = networks.stargan_generator("g", 2, filters=2, blocks=0)
    generator.save(tmp_path / "g.keras")
    given = [pictures(2, 8), tf.constant([[0.0, 1.0], [1.0, 1.0]])]
    same = keras.models.load_model(tmp_path / "g.keras")(given)
    np.testing.assert_array_equal(generator(given), same)


# Losses


def test_wasserstein():
    logits = tf.constant([[1.0, 2.0], [-4.0, 5.0]])
    assert float(losses.real_loss("wasserstein", logits)) == -1.0
    assert float(losses.fake_loss("wasserstein", logits)) == 1.0


def test_the_penalty_of_a_linear_critic_is_that_of_its_slope():
    weights = np.random.default_rng(0).normal(size=(4, 4, 3)).astype("float32")
    norm = float(np.linalg.norm(weights))
    for scale in (1.0, 0.5 / norm, 1.0 / norm):
        penalty = losses.gradient_penalty(
            lambda x, s=scale: tf.reduce_sum(x * s * weights, (1, 2, 3)), pictures(3, 4),
            pictures(3, 4, seed=1), tf.constant([0, 1]),
        )
        assert float(penalty) == pytest.approx((scale * norm - 1) ** 2, rel=1e-5, abs=1e-6)


def test_the_penalty_is_taken_once_between_each_pair():
    # The slope of sum(x^2) / 2 is x, which tells where it was taken.
    real, fake, seen = tf.ones((64, 2, 2, 1)), tf.zeros((64, 2, 2, 1)), []

    def critic(x):
        seen.append(x.numpy())
        return tf.reduce_sum(x**2, (1, 2, 3)) / 2

    found = [losses.gradient_penalty(critic, real, fake, tf.constant([k, 7])) for k in (0, 0, 1)]
    places = seen[0][:, 0, 0, 0]
    assert (seen[0] == places[:, None, None, None]).all()
    assert 0 <= places.min() < 0.1 < 0.9 < places.max() < 1
    assert float(found[0]) == pytest.approx(np.mean((2 * places - 1) ** 2), rel=1e-4)
    assert float(found[0]) == float(found[1]) != float(found[2])


def test_the_penalty_moves_the_critic():
    slope = tf.Variable(3.0)
    with tf.GradientTape() as tape:
        penalty = losses.gradient_penalty(
            lambda x: slope * x, tf.ones((2, 1, 1, 1)), tf.zeros((2, 1, 1, 1)), tf.constant([0, 0])
        )
    assert float(penalty) == pytest.approx(4.0)  # (3 - 1)^2
    assert float(tape.gradient(penalty, slope)) == pytest.approx(4.0)  # 2 (3 - 1)
    slope.assign(0.0)
    with tf.GradientTape() as tape:
        penalty = losses.gradient_penalty(
            lambda x: slope * x, tf.ones((2, 1, 1, 1)), tf.zeros((2, 1, 1, 1)), tf.constant([0, 0])
        )
    assert np.isfinite(tape.gradient(penalty, slope))


def test_attributes_cost_the_sum_of_their_cross_entropies(model):
    labels, logits = tf.constant([[1.0, 0.0], [0.0, 0.0]]), tf.constant([[2.0, -1.0], [0.5, 3.0]])
    by_hand = sum(math.log1p(math.exp(x)) for x in (-2.0, -1.0, 0.5, 3.0)) / 2
    assert float(model.label_loss(labels, logits)) == pytest.approx(by_hand, rel=1e-6)


def test_classes_cost_their_softmax_cross_entropy():
    labels, logits = tf.constant([[1.0, 0.0], [0.0, 1.0]]), tf.constant([[2.0, -1.0], [0.5, 3.0]])
    by_hand = (math.log1p(math.exp(-3.0)) + math.log1p(math.exp(-2.5))) / 2
    model = made(classes=True)
    assert float(model.label_loss(labels, logits)) == pytest.approx(by_hand, rel=1e-6)


def test_what_the_players_pay_is_the_papers():
    model = made(lambda_class=0.5, lambda_reconstruction=3.0, lambda_penalty=2.0)
    batch = batch_of(FOUR)
    real, labels, wanted = batch["a"], batch["labels"], model.other_labels(batch)
    fake = model.g([real, wanted])
    (real_says, real_logits), (fake_says, fake_logits) = model.d(real), model.d(fake)

    def cross_entropy(labels, logits):
        each = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
        return float(tf.reduce_mean(tf.reduce_sum(each, 1)))

    paid = model.discriminator_terms(batch)["discriminator"]
    assert float(paid.pop("penalty")) > 0
    assert {k: float(x) for k, x in paid.items()} == pytest.approx({
        "real": -float(tf.reduce_mean(real_says)), "fake": float(tf.reduce_mean(fake_says)),
        "class": 0.5 * cross_entropy(labels, real_logits),
    }, rel=1e-4)
    back = model.g([fake, labels])
    paid = model.generator_terms(batch)["generator"]
    assert {k: float(x) for k, x in paid.items()} == pytest.approx({
        "adversarial": -float(tf.reduce_mean(fake_says)),
        "class": 0.5 * cross_entropy(wanted, fake_logits),
        "reconstruction": 3 * float(tf.reduce_mean(tf.abs(real - back))),
    }, rel=1e-4)


def test_pictures_exchange_their_labels(model):
    batch = batch_of([[i, -i] for i in range(8)])
    orders = []
    for seed in range(6):
        other = model.other_labels({**batch, "key": tf.constant([seed, 3])}).numpy()
        assert sorted(other[:, 0]) == list(range(8))
        assert (other[:, 1] == -other[:, 0]).all()
        orders.append(tuple(other[:, 0]))
    assert len(set(orders)) == 6


def test_terms_of_weight_0_are_not_computed():
    model = made(lambda_penalty=0.0, lambda_reconstruction=0.0)
    batch = batch_of(FOUR)
    assert set(model.discriminator_terms(batch)["discriminator"]) == {"real", "fake", "class"}
    assert set(model.generator_terms(batch)["generator"]) == {"adversarial", "class"}


# Steps


def test_the_discriminator_moves_five_times_and_the_generator_once(tiny):
    model = tiny("stargan", precision="mixed_bfloat16", n_critic=5, batch=2, **SMALL)
    assert model.batches_per_step == 6
    moved, play = [], model._play

    def watched(phase, gradients_of, batch):
        before = values(model)
        play(phase, gradients_of, batch)
        assert batch["a"].shape[0] == batch["labels"].shape[0] == 2
        now = values(model)
        moved.append({
            p for p in now for x, y in zip(before[p], now[p], strict=True) if (x != y).any()
        })

    model._play = watched
    before = values(model)
    reported = model.train_step(batch_of(FOUR * 3))
    assert moved == [{"discriminator"}] * 5 + [{"generator"}]
    assert {name: int(o.iterations) for name, o in model.optimizers.items()} == {
        "generator": 1, "discriminator": 5
    }
    for player, now in values(model).items():
        for old, new in zip(before[player], now, strict=True):
            assert np.isfinite(new).all()
            assert (new != old).any()
    assert all(x.dtype == tf.float32 and np.isfinite(x) for x in reported.values())
    assert all(v.dtype == "float32" for v in model.trainable_variables)


# Replicas and XLA draw other numbers. Where nothing may depend on them, pictures have the same
# labels, which are the same in any order, and the discriminator is linear, whose slope, and so the
# penalty, is the same anywhere.


def linear(model):
    for layer in model.d.layers:
        if isinstance(layer, keras.layers.LeakyReLU):
            layer.negative_slope = 1.0
    return model


@pytest.mark.parametrize("place", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_xla_computes_the_same(tiny, place):
    model = linear(tiny("stargan", trains=False, **SMALL))
    given = {p: [tf.convert_to_tensor(v) for v in model.variables_of(p)] for p in model.players}
    whole = functools.partial(model._gradients, model.stage.phases[place])
    batch = batch_of([[1, 0]] * 4)
    terms, gradients, _ = whole(given, [], batch)
    again, compiled, _ = tf.function(whole, jit_compile=True, autograph=False)(given, [], batch)
    (player,) = terms
    assert {k: float(x) for k, x in again[player].items()} == pytest.approx(
        {k: float(x) for k, x in terms[player].items()}, rel=1e-4
    )
    for x, y in zip(gradients[player], compiled[player], strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5, rtol=1e-3)
        assert np.abs(x).max() > 1e-4


@pytest.mark.slow
def test_two_replicas_are_one(tiny, mirrored, monkeypatch):
    def build(self, player, schedule):
        return keras.optimizers.Adam(schedule, beta_1=0.5, epsilon=1e-3)

    monkeypatch.setattr(registry.entry("stargan").model, "build_optimizer", build)
    one = linear(tiny("stargan", learning_rate=1e-3, **SMALL))
    with mirrored.scope():
        two = linear(tiny("stargan", learning_rate=1e-3, **SMALL))
    start, reported = values(one), []
    given = batch_of([[1, 0]] * 8)
    dataset = tf.data.Dataset.from_tensors({"a": given["a"], "labels": given["labels"]})
    for model in (one, two):
        history = model.fit(dataset, epochs=1, verbose=0, shuffle=False).history
        reported.append({name: x[0] for name, x in history.items()})
    assert reported[0] == pytest.approx(reported[1], rel=1e-3)
    for player, variables in values(one).items():
        for x, y, old in zip(variables, values(two)[player], start[player], strict=True):
            np.testing.assert_allclose(x, y, atol=2e-5)
            assert np.abs(x - old).max() > 1e-5


# Directions


def test_directions(model):
    assert list(model.directions) == [
        "add_Smiling", "remove_Smiling", "add_Eyeglasses", "remove_Eyeglasses"
    ]
    assert model.direction_for("Eyeglasses", "a2b") == "add_Eyeglasses"
    assert model.direction_for("Eyeglasses", "b2a") == "remove_Eyeglasses"
    with pytest.raises(UsageError, match=r"no label Eyeglass\. Did you mean Eyeglasses"):
        model.direction_for("Eyeglass")
    assert model.deployed() == ["d", "g"]
    classes = made(labels="angry,very happy", classes=True)
    assert list(classes.directions) == ["to_angry", "to_very_happy"]
    assert classes.direction_for("very happy") == "to_very_happy"
    assert classes.deployed() == ["g"]
    with pytest.raises(UsageError, match="angry is a class"):
        classes.direction_for("angry", "b2a")


@pytest.mark.parametrize("changes, expected", [
    ({}, {"add_B": [1, 1, 1, 0], "add_C": [1, 0, 1, 0],
          "remove_A": [0, 0, 1, 0], "remove_D": [1, 0, 1, 0]}),
    ({"exclusive": "B,C"}, {"add_B": [1, 1, 0, 0], "add_D": [1, 0, 1, 1],
                            "remove_C": [1, 0, 0, 0]}),
    ({"classes": True}, {"to_B": [0, 1, 0, 0]}),
])
def test_a_translation_asks_for_the_other_labels_as_they_are(changes, expected):
    model = sees(made(labels="A,B,C,D", **changes), [0.1, -9.0, 9.0, -0.1])
    given = pictures(3)
    for direction, labels in expected.items():
        np.testing.assert_array_equal(model.wanted(given, direction), [labels] * 3)
        np.testing.assert_array_equal(
            model.translate(given, direction),
            model.g([given, tf.constant([labels] * 3, tf.float32)], training=False),
        )


def test_labels_are_seen_in_the_central_square():
    model = made()
    middle = pictures(2)
    wide = tf.concat([tf.ones((2, 8, 4, 3)), middle, -tf.ones((2, 8, 4, 3))], axis=2)
    seen, plain = [], model.d
    model.d = lambda x, training: seen.append(x) or plain(x, training=training)
    model.labels_of(wide)
    model.labels_of(tf.repeat(tf.repeat(middle, 2, 1), 2, 2))
    np.testing.assert_allclose(seen[0], middle, atol=1e-6)
    assert seen[1].shape == middle.shape


def test_edit_takes_all_labels():
    model = made()
    given = np.random.default_rng(0).integers(0, 256, (2, 13, 18, 3), np.uint8)
    one = model.edit(given, [1.0, 0.0])
    assert one.shape == given.shape
    assert one.dtype == tf.uint8
    each = model.edit(given, [[1.0, 0.0], [0.0, 1.0]]).numpy()
    np.testing.assert_array_equal(each[0], one[0])
    assert (each[1] != one[1].numpy()).any()
    sees(model, [-9.0, 9.0])
    np.testing.assert_array_equal(model.edit(given, [1, 1]), model.translate(given, "add_Smiling"))


def test_what_a_run_shows(model):
    shown = model.show({"a": pictures(2), "labels": tf.zeros((2, 2))})
    assert list(shown) == ["input", *model.directions]
    assert {x.shape for x in shown.values()} == {(2, 8, 8, 3)}


# Recipe


def recipe(**changes):
    return registry.recipe("stargan_small").replace(**changes)


def data(names, exclusive=False):
    return Data("folder:x", {}, {}, label_names=names, exclusive=exclusive)


def test_labels_come_from_the_data():
    assert registry.recipe("stargan").names == (
        "Smiling", "Eyeglasses", "No_Beard", "Wearing_Hat", "Pale_Skin"
    )
    assert recipe(data="avatars:Bald,Smiling?n=9").names == ("Bald", "Smiling")
    done = recipe(data="folder:x").complete(data(("cat", "dog"), exclusive=True))
    assert (done.labels, done.classes, done.names) == ("cat,dog", True, ("cat", "dog"))
    assert done.complete(data(("cat", "dog"), exclusive=True)) == done
    with pytest.raises(UsageError, match="labels of folder:x are not known yet: name them"):
        recipe(data="folder:x").names  # noqa: B018
    with pytest.raises(UsageError, match="--labels cat,dog are not those of folder:x: dog,cat"):
        done.complete(data(("dog", "cat")))
    with pytest.raises(UsageError, match="folder:x has no labels"):
        recipe().complete(data(()))


@pytest.mark.parametrize("changes, words", [
    ({"size": 68}, "must be a multiple of 4 and, with --discriminator_layers 4, of 16"),
    ({"batch": 1}, "--batch must be at least 2"),
    ({"labels": "A,B,A"}, "each label needs a name of its own"),
    ({"labels": "A,,B"}, "each label needs a name of its own"),
    ({"labels": "a b,a-b"}, "each label needs a name of its own"),
    ({"labels": "Black,Blond", "exclusive": "Blak"}, "no label. Did you mean Black"),
])
def test_recipes_that_cannot_be(changes, words):
    with pytest.raises(UsageError, match=words):
        recipe(**changes)
