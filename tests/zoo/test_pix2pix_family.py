"""pix2pix: what both players pay, by hand; what is done at test; pairs of any shape."""

import math
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kgan.core import pixels, registry
from kgan.core.errors import UsageError
from kgan.export.saved_model import export_model
from kgan.models import reference as references
from kgan.models import weights

GIVEN, TRUTH, MADE = 0.5, -0.25, 0.125


def made(name="pix2pix", **changes):
    """A tiny model that is not compiled."""
    entry = registry.entry(name)
    keras.utils.set_random_seed(0)
    return weights.build(name, entry.recipe.replace(**{**entry.tiny, **changes}))


def flat(value, n=2, channels=3):
    return tf.fill((n, 16, 16, channels), value)


def with_toys(model, real=2.0, fake=-1.0):
    """Networks whose results are known: (the model, what the discriminator is given)."""
    seen = []

    def judge(x):
        seen.append(x.numpy())
        return tf.where(x[:, :1, :1, -1:] == TRUTH, real, fake)

    model.g = lambda x: tf.fill(x.shape, MADE)
    model.d = judge
    return model, seen


def pay(model, batch):
    terms = model.loss_terms(batch)
    return {f"{p}/{term}": float(x) for p, paid in terms.items() for term, x in paid.items()}


@pytest.mark.parametrize("name", ["pix2pix", "pix2pix_small"])
@pytest.mark.parametrize("conditional", [True, False])
def test_losses_by_hand(name, conditional):
    model, seen = with_toys(made(name, conditional=conditional, adversarial="bce"))
    assert pay(model, {"a": flat(GIVEN), "b": flat(TRUTH)}) == pytest.approx({
        "generator/l1": 100 * 0.375, "generator/adversarial": math.log1p(math.exp(1)),
        "discriminator/real": math.log1p(math.exp(-2)) / 2,
        "discriminator/fake": math.log1p(math.exp(-1)) / 2,
    })
    calls = [2, 2] if name == "pix2pix" else [4]  # batch norm sees real and fake apart
    assert [len(x) for x in seen] == calls
    pairs = np.concatenate(seen)[:, 0, 0]
    assert pairs.shape[1] == (6 if conditional else 3)
    assert pairs[:, -1].tolist() == [TRUTH] * 2 + [MADE] * 2
    if conditional:
        assert (pairs[:, :3] == GIVEN).all()


def test_the_papers_losses_are_fields():
    batch = {"a": flat(GIVEN), "b": flat(TRUTH)}
    assert pay(with_toys(made(lambda_adversarial=0.0))[0], batch) == {
        "generator/l1": 37.5}
    model, _ = with_toys(made(lambda_l1=0.0, lambda_adversarial=2.0, adversarial="lsgan"))
    assert pay(model, batch) == {"generator/adversarial": 2 * 4.0, "discriminator/real": 0.5,
                                 "discriminator/fake": 0.5}
    (phase,) = made(lambda_adversarial=0.0).stages()[0].phases
    assert phase.players == ("generator",)


@pytest.mark.parametrize("direction", ["a2b", "b2a"])
def test_a_perceptual_term_compares_maps_of_a_reference(direction):
    look = {"reference": "vgg_star_small.avatars", "direction": direction}
    model = made(**look, lambda_vgg=2.0, lambda_l1=0.0)
    random = np.random.default_rng(0)
    faces = random.integers(0, 256, (40, 20, 20, 3)).astype(np.uint8)
    other = np.zeros_like(faces)
    given, target = direction.split("2")
    model.prepare(types.SimpleNamespace(train={given: other, target: faces}))
    at_rest = [x.mean((0, 1, 2)) for x in map(np.asarray, model.reference(
        pixels.array_to_float(faces[:32])))]
    assert max(np.abs(x).max() for x in at_rest) < 1e-3  # calibrated on what is made
    model, _ = with_toys(model)
    truth = tf.constant(random.uniform(-1, 1, (2, 16, 16, 3)), tf.float32)
    paid = pay(model, {given: flat(GIVEN), target: truth})
    maps = zip((1 / 32, 1 / 16, 1 / 8, 1 / 4, 1), model.reference(truth),
               model.reference(flat(MADE)), strict=True)
    wanted = 2 * sum(w * np.abs(x - y).mean() for w, x, y in maps)
    assert wanted > 0 and paid["generator/vgg"] == pytest.approx(wanted, rel=1e-4)
    assert set(paid) == {"generator/vgg", "generator/adversarial", "discriminator/real",
                         "discriminator/fake"}
    assert not model.reference.trainable_variables
    assert set(made(**look, lambda_vgg=2.0, lambda_adversarial=0.0).stages()[0].phases[
        0].players) == {"generator"}


def test_without_a_perceptual_term_there_is_no_reference(monkeypatch):
    def never(*arguments, **more):
        raise AssertionError("a reference was asked for")

    for what in ("build", "load", "shape"):
        monkeypatch.setattr(references, what, never)
    model = made()
    model.prepare(None)
    assert set(model.nets) == {"g", "d"}


@pytest.mark.parametrize("direction", ["a2b", "b2a"])
def test_it_learns_the_direction_of_its_recipe(direction):
    model = made(direction=direction, channels_b=1, lambda_adversarial=0.0)
    assert list(model.directions) == [direction]
    source, target = (3, 1) if direction == "a2b" else (1, 3)
    assert (model.g.input.shape[-1], model.g.output.shape[-1]) == (source, target)
    assert model.d.input.shape[-1] == 4
    model.g = lambda x: tf.fill((*x.shape[:3], target), MADE)
    truth = {"a2b": -0.25, "b2a": 0.5}[direction]
    paid = pay(model, {"a": flat(0.5), "b": flat(-0.25, channels=1)})
    assert paid["generator/l1"] == pytest.approx(100 * abs(MADE - truth))


@pytest.mark.parametrize("changes", [{}, {"statistics": "picture"}, {"conditional": False}])
def test_a_shared_step_is_the_papers_two(tiny, tiny_batch, changes):
    """Gradients of a step from one forward pass are those of each player's own loss."""
    model = tiny("pix2pix", dropout=0.0, trains=False, **changes)
    batch = tiny_batch(model)
    a, b, bce = batch["a"], batch["b"], tf.nn.sigmoid_cross_entropy_with_logits

    def judge(x, label):
        x = tf.concat([a, x], -1) if model.recipe.conditional else x
        logits = model.d(x, training=True)
        return tf.reduce_mean(bce(tf.fill(logits.shape, label), logits))

    values = {p: [tf.convert_to_tensor(v) for v in model.variables_of(p)] for p in model.players}
    state = [tf.convert_to_tensor(v) for v in model._state()]
    _, found, _ = model._gradients(model.stage.phases[0], values, state, batch)
    with tf.GradientTape(persistent=True) as tape:
        fake = model.g(a, training=True)
        generator = judge(fake, 1.0) + 100 * tf.reduce_mean(tf.abs(fake - b))
        discriminator = (judge(b, 1.0) + judge(tf.stop_gradient(fake), 0.0)) / 2
    for player, total in (("generator", generator), ("discriminator", discriminator)):
        wanted = tape.gradient(total, [v.value for v in model.variables_of(player)])
        for x, y in zip(found[player], wanted, strict=True):
            np.testing.assert_allclose(x, y, rtol=2e-3, atol=2e-5)


# At test


def used(model):
    """With weights that make pictures of pictures, and moving statistics of a training."""
    for v in model.g.trainable_variables:
        v.assign(v * (1.0 if "gamma" in v.path else 10.0))
    for v in model.g.non_trainable_variables:
        if "moving" in v.path:
            v.assign(v + 0.5)
    model.name_in_zoo, model.trained = "pix2pix", True
    return model


@pytest.fixture
def pictures():
    coarse = np.random.default_rng(0).integers(0, 256, (4, 4, 4, 3), np.uint8)
    return coarse.repeat(4, 1).repeat(4, 2)


@pytest.mark.parametrize("changes", [
    {}, {"test_statistics": "moving"}, {"test_dropout": True},
])
def test_a_picture_alone_is_the_picture_of_a_batch_and_of_an_export(
    pictures, tmp_path, changes
):
    model = used(made(**changes))
    together = model.translate(pictures)
    assert np.std(together) > 20
    alone = np.concatenate([model.translate(pictures[i : i + 1]) for i in range(4)])
    np.testing.assert_array_equal(together, alone)
    floats = pixels.to_float(pictures)
    shown = model.show({"a": floats, "b": floats})["a2b"]
    assert np.abs(np.int32(pixels.to_uint8(shown)) - together).max() <= 1
    if not model.recipe.test_dropout:  # nothing else to an export
        return
    loaded = tf.saved_model.load(export_model(model, tmp_path))
    served = loaded.signatures["images"](images=tf.constant(pictures))["images"]
    assert np.abs(np.int32(served) - together).max() <= 1


def test_a_picture_at_test_is_the_papers_without_dropout(pictures):
    model = used(made(dropout=0.0))
    x = pixels.to_float(pictures[:1])
    np.testing.assert_allclose(model.translate(x), model.g(x, training=True), atol=1e-5)


def test_what_is_done_at_test_can_be_chosen_later(pictures):
    model = used(made())
    plain = np.int32(model.translate(pictures))
    dropped = model.tested(test_dropout=True)
    assert dropped.trained and dropped.name_in_zoo == "pix2pix"
    noisy = np.int32(dropped.translate(pictures))
    assert np.abs(noisy - plain).mean() > 1
    np.testing.assert_array_equal(noisy, dropped.translate(pictures))
    moving = np.int32(model.tested(test_statistics="moving").translate(pictures))
    assert np.abs(moving - plain).mean() > 1
    np.testing.assert_array_equal(model.tested().translate(pictures), plain)
    with pytest.raises(UsageError, match="depth is more than"):
        model.tested(depth=3)


@pytest.mark.parametrize("height, width", [(1, 1), (5, 37), (16, 32)])
def test_any_size_and_shape_is_translated(height, width):
    model = used(made())
    x = np.random.default_rng(0).uniform(-1, 1, (2, height, width, 3)).astype("float32")
    result = model.translate(x)
    assert result.shape == x.shape
    if (height, width) == (16, 32):
        np.testing.assert_allclose(result, model.g(x), atol=1e-6)


# Runs


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Pairs of 2:1: b is a with its colours turned round."""
    root = tmp_path_factory.mktemp("pairs")
    random = np.random.default_rng(0)
    for part, count in (("train", 6), ("test", 3)):
        for name in "AB":
            (root / part / name).mkdir(parents=True)
        for n in range(count):
            a = random.integers(0, 256, (4, 8, 3), np.uint8).repeat(9, 0).repeat(9, 1)
            Image.fromarray(a).save(root / part / f"A/{n}.png")
            Image.fromarray(255 - a).save(root / part / f"B/{n}.png")
    return f"folder:{root}"


def test_pairs_of_two_to_one_are_trained_and_measured(pairs, tmp_path, tool):
    tiny = registry.entry("pix2pix").tiny
    flags = {**tiny, "width": 32, "load_size": 18, "direction": "b2a", "steps": 4, "batch": 1}
    done = tool("train", "--model", "pix2pix", "--data", pairs, "--out", tmp_path / "run",
                "--noexport", *(f"--{k}={v}" for k, v in flags.items()))
    assert done.code == 0, done.stderr
    model = weights.load(str(tmp_path / "run"), "required")
    assert (list(model.directions), model.multiple) == (["b2a"], 16)
    done = tool("evaluate", "--model", tmp_path / "run")
    assert done.code == 0, done.stderr
    assert {"psnr_b2a", "ssim_b2a", "l1_b2a", "identity_l1_b2a"} <= done.json.keys()


def test_half_precision_trains(tiny, tiny_batch):
    model = tiny("pix2pix_small", precision="mixed_bfloat16")
    terms = {n: float(x) for n, x in model.train_step(tiny_batch(model)).items()}
    assert all(map(math.isfinite, terms.values()))
    assert model.translate(tiny_batch(model)["a"]).dtype == "float32"


# Recipes


def test_the_depth_follows_from_the_sides():
    recipe = registry.recipe("pix2pix")
    assert recipe.halvings == 8
    assert recipe.replace(size=512, load_size=0).halvings == 8
    assert recipe.replace(size=64, load_size=72).halvings == 6
    assert recipe.replace(size=256, width=192).halvings == 6
    assert recipe.replace(depth=5).halvings == 5


def test_the_paper_is_the_default():
    r = registry.recipe("pix2pix")
    assert (r.size, r.load_size, r.flip, r.batch, r.steps) == (256, 286, True, 1, 200 * 400)
    assert (r.learning_rate, r.beta_1, r.decay_from) == (2e-4, 0.5, 1.0)
    assert (r.filters, r.discriminator_layers, r.lambda_l1, r.adversarial) == (64, 3, 100, "bce")


@pytest.mark.parametrize("changes, says", [
    ({"size": 66, "load_size": 0}, "must be multiples of 4"),
    ({"width": 80, "depth": 5}, "multiples of 32 with --depth 5"),
    ({"size": 64, "load_size": 0, "discriminator_layers": 5}, "leave no patch"),
    ({"statistics": "picture", "test_statistics": "moving"}, "needs --statistics batch"),
    ({"dropout": 0.0, "test_dropout": True}, "needs --dropout above 0"),
    ({"lambda_l1": 0.0, "lambda_adversarial": 0.0}, "Nothing to learn from"),
    ({"lambda_vgg": 1.0, "channels_b": 1}, "looks at RGB pictures of 16 px or more"),
    ({"lambda_vgg": 1.0, "size": 8, "load_size": 0, "discriminator_layers": 0}, "of 16 px or more"),
])
def test_recipes_that_cannot_be(changes, says):
    with pytest.raises(UsageError, match=says):
        registry.recipe("pix2pix").replace(**changes)
