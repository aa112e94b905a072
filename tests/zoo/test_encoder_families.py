"""What each encoder pays, by hand: the four of Photoshop 2.0, the reverse generator's family."""

import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.data import Data
from kgan.losses import ssim
from kgan.models import inverting
from kgan.models import reference as references

CRGS = ("crg_encoder", "crg_tg_encoder", "lr_encoder", "aegan_encoder")


@pytest.mark.parametrize("kind", ["l2", "l1", "ssim"])
def test_losses_of_photoshop(tiny, tiny_batch, kind):
    model = tiny("fc_encoder", loss=kind, trains=False)
    batch = tiny_batch(model)
    x, y = batch["a"].numpy(), model.g(model.e(batch["a"]), training=False).numpy()
    l2 = ((x - y) ** 2).sum() / len(x)
    wanted = {
        "l2": {"l2": l2}, "l1": {"l1": np.abs(x - y).sum() / len(x)},
        "ssim": {"ssim": float(ssim(x, y, 0.001)), "l2": 5e-5 * l2},
    }[kind]
    paid = model.loss_terms(batch)["encoder"]
    assert {n: float(v) for n, v in paid.items()} == pytest.approx(wanted, rel=1e-4)
    measured = model.validation_terms(batch["a"], model.codes(4))
    assert float(measured["total"]) == pytest.approx(sum(wanted.values()), rel=1e-4)
    assert float(measured["l2"]) == pytest.approx(l2, rel=1e-4)


def test_terms_of_the_reverse_generator(tiny, tiny_batch):
    model = tiny("crg_encoder", dropout=0.0, trains=False)
    batch = tiny_batch(model)
    z = model.noise(batch)
    code = model.code_terms(batch)["encoder"]["code"]
    found = model.e(model.g(z, training=False), training=True)
    assert float(code) == pytest.approx(float(tf.reduce_mean((z - found) ** 2)), rel=1e-4)
    picture = model.picture_terms(batch)["encoder"]["picture"]
    again = model.g(model.e(batch["a"], training=True), training=False)
    assert float(picture) == pytest.approx(float(tf.reduce_mean(tf.abs(batch["a"] - again))),
                                           rel=1e-4)


@pytest.mark.parametrize("name, path", [("crg_encoder", "sphere"), ("fc_encoder", "line")])
def test_codes_are_mixed_as_the_generator_sees_them(tiny, name, path):
    assert tiny(name, trains=False).path == path


def test_generated_pictures_alone(tiny, tiny_batch):
    model = tiny("aegan_encoder", dropout=0.0, trains=False)
    batch = tiny_batch(model)
    paid = float(model.picture_terms(batch)["encoder"]["picture"])
    assert paid == float(model.picture_terms({**batch, "a": -batch["a"]})["encoder"]["picture"])
    x = model.g(model.noise(batch), training=False)
    again = model.g(model.e(x, training=True), training=False)
    assert paid == pytest.approx(float(tf.reduce_mean((x - again) ** 2)), rel=1e-4)


@pytest.mark.parametrize(("name", "moves", "plays"), [
    ("crg_encoder", {"encoder": 2}, 2),
    pytest.param("crg_tg_encoder", {"encoder": 2, "generator": 1}, 2, marks=pytest.mark.slow),
    ("lr_encoder", {"encoder": 1}, 1),
    ("aegan_encoder", {"encoder": 1}, 1),
])
def test_updates_of_a_step(tiny, tiny_batch, name, moves, plays):
    """Two updates of the encoder share a batch of pictures and one optimizer."""
    model = tiny(name)
    assert model.batches_per_step == 1
    assert model.plays_per_step == plays
    before = [v.numpy() for v in model.g.trainable_variables]
    model.train_step({"a": tiny_batch(model)["a"]})
    assert {p: int(o.iterations) for p, o in model.optimizers.items()} == moves
    changed = any((v.numpy() != old).any() for v, old in zip(model.g.trainable_variables, before,
                                                             strict=True))
    assert changed == ("generator" in moves)


def test_both_updates_see_the_same_pictures_and_other_codes(tiny, tiny_batch, monkeypatch):
    model = tiny("crg_encoder", trains=False)
    seen = []

    def note(self, phase, gradients_of, batch):
        seen.append(batch)

    monkeypatch.setattr(type(model), "_play", note)
    model.train_step({"a": tiny_batch(model)["a"]})
    assert len(seen) == 2
    np.testing.assert_array_equal(seen[0]["a"], seen[1]["a"])
    assert seen[0]["key"][1] != seen[1]["key"][1]


@pytest.mark.parametrize("name", CRGS)
def test_what_validation_watches(tiny, tiny_batch, name):
    model = tiny(name, trains=False)
    pictures, codes = tiny_batch(model)["a"], model.codes(4, seed=5)
    found = {n: float(v) for n, v in model.validation_terms(pictures, codes).items()}
    total = {"lr_encoder": found["code"], "aegan_encoder": found.get("generated")}
    assert found["total"] == pytest.approx(total.get(name, found["code"] + found["picture"]))
    again = model.g(model.e(pictures, training=False), training=False)
    assert found["picture"] == pytest.approx(float(tf.reduce_mean(tf.abs(pictures - again))),
                                             rel=1e-4)


def test_the_trunk_is_taken_over(tiny):
    """The packaged classifier of photographs gives its convolutions."""
    model = tiny("crg_encoder", trunk="vgg_star_small.cifar10", trains=False)
    model.prepare(None)
    trunk = references.build("vgg_star_small.cifar10")
    references.load(trunk, "vgg_star_small.cifar10")
    for name in ("block1_conv1", "block4_conv4"):
        np.testing.assert_array_equal(
            model.e.get_layer(name).kernel, trunk.get_layer(name).kernel)


def test_drawn_faces_are_split_70_15_15():
    data = Data("x", {"a": np.zeros((8500, 1, 1, 3), "u1")}, {"a": np.zeros((1500, 1, 1, 3), "u1")})
    for name in ("fc", "deep_conv", "transfer", "extended_transfer"):
        recipe = registry.recipe(f"{name}_encoder")
        assert recipe.data.endswith("?n=8500&test=1500")
        parts = inverting._split(data, recipe.validation, recipe.seed)
        assert [len(part.train["a"]) for part in parts] == [7000, 1500]
