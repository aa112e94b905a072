"""IcGAN: codes that hold labels, what its encoders pay, edits of labels, the run above a cgan."""

import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Machine
from kgan.data import Data, open_data
from kgan.models import weights
from kgan.models.labelled import in_turn, with_labels
from kgan.models.latent import draw
from kgan.networks import strided_encoder
from kgan.training.run import RunOptions, train

FACES = "avatars:Smiling,No_Beard?n=24&test=8"


@pytest.fixture(scope="module")
def model(tiny):
    found = tiny("icgan", trains=False)
    found.conclude(None, None)
    return found


@pytest.fixture(scope="module")
def cgan(tmp_path_factory):
    """The weights of a tiny cgan of smiles and beards."""
    folder = tmp_path_factory.mktemp("cgan") / "weights"
    entry = registry.entry("cgan")
    made = weights.build("cgan", entry.recipe.replace(
        **{**entry.tiny, "data": FACES, "labels": "Smiling,No_Beard"}))
    weights.write(made, folder)
    return str(folder)


def test_parameters():
    trunk = 25 * (3 * 32 + 32 * 64 + 64 * 128 + 128 * 256) + 3 * (32 + 64 + 128 + 256)
    for outputs, width in ((100, 4096), (18, 512)):
        found = strided_encoder("e", outputs=outputs, width=width)
        assert sum(int(np.prod(v.shape)) for v in found.trainable_variables) == (
            trunk + 4096 * width + 3 * width + width * outputs + outputs)


def test_a_code_is_z_and_labels(model, tiny_batch):
    batch = tiny_batch(model)
    assert (model.latent, model.label_names, model.conditions) == (10, ("Smiling", "Eyeglasses"), 0)
    codes = model.encode(batch["a"]).numpy()
    np.testing.assert_allclose(codes[:, :8], model.e(batch["a"], training=False), atol=1e-6)
    told = model.y(batch["a"], training=False).numpy()
    np.testing.assert_array_equal(codes[:, 8:], np.where(told > 0, 1, -1))
    z, y = codes[:, :8], codes[:, 8:]
    np.testing.assert_allclose(model.decode(codes), model.g([z, y], training=False), atol=1e-6)
    np.testing.assert_array_equal(model.codes(4)[:, 8:], [[-1, -1], [1, -1], [-1, 1], [-1, -1]])


def test_what_encoders_pay(model, tiny_batch, network_calls):
    batch = tiny_batch(model)
    labels = 2 * batch["labels"].numpy() - 1
    paid = model.loss_terms(batch)
    told = model.y(batch["a"], training=True).numpy()
    assert float(paid["label_encoder"]["label"]) == pytest.approx(
        np.mean((told - labels) ** 2), rel=1e-4)
    key = tf.random.experimental.stateless_fold_in(batch["key"], 7, alg="philox")
    z = draw("uniform", (4, 8), key)
    found = model.e(model.g([z, tf.constant(labels)], training=False), training=True)
    assert float(paid["encoder"]["code"]) == pytest.approx(
        float(tf.reduce_mean((found - z) ** 2)), rel=1e-4)
    assert network_calls(model, type(model).loss_terms, batch) == {"e": 1, "g": 1, "y": 1}
    other = model.loss_terms({**batch, "a": -batch["a"]})  # codes are of generated pictures alone
    assert float(other["encoder"]["code"]) == float(paid["encoder"]["code"])
    assert float(other["label_encoder"]["label"]) != float(paid["label_encoder"]["label"])
    turned = model.loss_terms({**batch, "labels": 1 - batch["labels"]})
    assert float(turned["encoder"]["code"]) != float(paid["encoder"]["code"])
    assert model.g.trainable_variables == []


def test_validation_by_hand(model, tiny_batch):
    x, codes = tiny_batch(model)["a"], model.codes(4, seed=3)
    labels = tf.constant([[1.0, -1], [1, 1], [-1, 1], [-1, -1]])
    found = {n: float(v) for n, v in model.validation_terms(x, codes, labels).items()}
    z = codes[:, :8]
    again = model.e(model.g([z, labels], training=False), training=False)
    assert found["code"] == pytest.approx(float(tf.reduce_mean((again - z) ** 2)), rel=1e-4)
    told = model.y(x, training=False)
    assert found["label"] == pytest.approx(float(tf.reduce_mean((told - labels) ** 2)), rel=1e-4)
    assert found["total"] == pytest.approx(found["code"] + found["label"])


def test_a_validation_takes_labels_along(model):
    """Pictures that are held out keep their labels, by which codes of other pictures are made."""
    faces = open_data("avatars:Smiling,Eyeglasses?n=24&test=8", size=16)
    train_on, held = model.hold_out(faces)
    assert (len(train_on.train["a"]), len(held.train["a"])) == (16, 8)
    found, rows = model.validate(held), np.arange(8)
    labels = tf.constant(2 * held.labels_of("train", rows) - 1, tf.float32)
    x = tf.constant(held.train["a"][rows] / 127.5 - 1, tf.float32)
    wanted = model.validation_terms(x, model.codes(8, seed=1), labels)
    assert found == pytest.approx({n: float(v) for n, v in wanted.items()}, rel=1e-4)


def test_edits_of_labels(model, tiny_batch):
    x = tiny_batch(model)["a"]
    codes = model.encode(x).numpy()
    for value in (0, 1):
        wanted = codes.copy()
        wanted[:, 8] = 2 * value - 1
        np.testing.assert_allclose(model.edit(x, labels={"Smiling": value}), model.decode(wanted),
                                   atol=1e-6)
    each = model.edit(x, labels={"Eyeglasses": [0, 1, 0, 1]})
    wanted = codes.copy()
    wanted[:, 9] = [-1, 1, -1, 1]
    np.testing.assert_allclose(each, model.decode(wanted), atol=1e-6)
    smiling = model.attributes["Smiling"]  # the direction of a label is its own number
    np.testing.assert_array_equal(smiling.vector, np.eye(10)[8])
    moved = codes + np.eye(10)[8] * 2.0
    np.testing.assert_allclose(model.edit(x, [("Smiling", 2.0)]), model.decode(moved), atol=1e-5)
    with pytest.raises(UserError, match=r"no label Smilin\. Did you mean Smiling"):
        model.edit(x, labels={"Smilin": 1})


def test_labels_of_a_model_that_has_none(tiny, tiny_batch):
    model = tiny("age", trains=False)
    with pytest.raises(UserError, match="age has no labels to set: edit along directions"):
        model.edit(tiny_batch(model)["a"], labels={"Smiling": 1})


def test_labels_by_name():
    names, rows = ("Smiling", "No_Beard"), -np.ones((2, 2))
    np.testing.assert_array_equal(with_labels(rows, names, {"Smiling": 1}), [[1, -1], [1, -1]])
    np.testing.assert_array_equal(with_labels(rows, names, {"Beard": [0, 1]}), [[-1, 1], [-1, -1]])
    assert (rows == -1).all()
    with pytest.raises(UserError, match="set to 1 or to 0"):
        with_labels(rows, names, {"Smiling": 0.5})
    classes = in_turn(3, 3, exclusive=True)
    np.testing.assert_array_equal(with_labels(classes, "abc", {"b": 1}, exclusive=True),
                                  [[-1, 1, -1]] * 3)
    for wanted, says in (({"b": 0}, "b is a class"), ({"a": 1, "b": 1}, "set one of a, b")):
        with pytest.raises(UserError, match=says):
            with_labels(classes, "abc", wanted, exclusive=True)


def test_served_edits_of_labels(model, tiny_batch):
    function, example = model.served()["edit_labels"]
    pictures, labels = example["images"], np.float32([[1, 0], [0, -1]])
    own = model.encode(pictures).numpy()
    own[0, 8], own[1, 9] = 1, -1
    wanted = np.round((np.asarray(model.decode(own)) + 1) * 127.5)
    found = function(tf.constant(pictures), tf.constant(labels))["images"].numpy()
    assert np.abs(found - wanted).max() <= 1


def test_the_generator_must_have_the_labels_of_the_pictures(cgan, tmp_path):
    entry = registry.entry("icgan")
    recipe = entry.recipe.replace(**{
        **entry.tiny, "generator_recipe": "", "labels": "", "data": FACES, "generator": cgan})
    faces = open_data(FACES, size=16)
    done = recipe.complete(faces)
    assert done.labels == "Smiling,No_Beard" and '"model": "cgan"' in done.generator_recipe
    pictures = {"a": np.zeros((2, 16, 16, 3), np.uint8)}
    one = {"train": np.zeros((2, 1), np.float32), "test": np.zeros((2, 1), np.float32)}
    with pytest.raises(UsageError, match="labels Smiling,No_Beard, and those of x are Bald"):
        recipe.complete(Data("x", pictures, pictures, labels=one, label_names=("Bald",)))
    with pytest.raises(UsageError, match="no attributes to edit"):
        recipe.complete(Data("x", pictures, pictures))
    with pytest.raises(UsageError, match="--generator dcgan takes no labels"):
        recipe.replace(generator="dcgan").complete(faces)
    fresh = recipe.replace(generator="cgan").complete(faces)  # to be trained, on these labels
    assert '"labels": "Smiling,No_Beard"' in fresh.generator_recipe


@pytest.mark.slow
def test_a_run_above_a_generator(cgan, tmp_path):
    entry = registry.entry("icgan")
    recipe = entry.recipe.replace(**{
        **entry.tiny, "generator_recipe": "", "labels": "", "data": FACES, "generator": cgan,
        "steps": 4, "validate_every": 2})
    options = RunOptions(out=str(tmp_path / "run"), export=False, sample_every=100)
    assert train("icgan", recipe, Machine(precision="float32"), options)["status"] == "done"
    model = weights.load(str(tmp_path / "run"))
    assert model.label_names == ("Smiling", "No_Beard")
    for mine, its in zip(model.g.weights, weights.load(cgan).g.weights, strict=True):
        np.testing.assert_array_equal(mine, its)
    np.testing.assert_array_equal(model.attributes["Beard"].vector, -np.eye(10)[9])
    faces = open_data(FACES, size=16).test["a"][np.arange(3)]
    np.testing.assert_array_equal(model.edit(faces, labels={"Beard": 1}),
                                  model.edit(faces, labels={"No_Beard": 0}))
