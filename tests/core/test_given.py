"""Pictures that people give: types, ranges, shapes; what a model checks of itself."""

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan.core import pixels
from kgan.core.errors import UsageError
from kgan.core.recipe import Recipe
from kgan.editing import dfi
from kgan.editing.directions import Direction
from kgan.evaluation.judge import DomainClassifier, _network
from kgan.models.codec import Coder
from kgan.models.gan import GAN, Phase

LEVELS = np.random.default_rng(0).integers(0, 256, (3, 5, 4, 3), np.uint8)


@pytest.mark.parametrize("images", [
    LEVELS, LEVELS.astype(np.int64), LEVELS.astype(np.int32), list(LEVELS),
    tf.constant(LEVELS), [tf.constant(x) for x in LEVELS],
], ids=["uint8", "int64", "int32", "list", "tensor", "tensors"])
def test_integers_are_levels(images):
    x, dtype = pixels.given(images)
    assert dtype == tf.uint8
    np.testing.assert_allclose(x, LEVELS / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(pixels.as_given(x, dtype), LEVELS)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_are_of_minus_one_to_one(kind):
    images = (LEVELS / 127.5 - 1).astype(kind)
    x, dtype = pixels.given(images)
    np.testing.assert_array_equal(x, images.astype(np.float32))
    assert pixels.as_given(x, dtype).dtype == kind


@pytest.mark.parametrize("images, error, word", [
    (LEVELS.astype(np.float32), ValueError, "127.5"),
    (np.full((1, 4, 4, 3), np.nan), ValueError, "NaN"),
    (LEVELS.astype(np.int64) - 1, ValueError, "0..255"),
    (LEVELS > 3, TypeError, "bool"),
    (LEVELS[0], ValueError, "batch axis"),
    (LEVELS[..., :1], ValueError, "n, h, w, 3"),
    ([LEVELS[0], LEVELS[0, :2]], ValueError, "one size"),
    (LEVELS[:, :0], ValueError, "at least 1"),
    ("face.png", TypeError, "uint8"),
])
def test_what_is_no_pictures_is_said_in_one_line(images, error, word):
    with pytest.raises(error, match=word) as caught:
        pixels.given(images)
    assert "\n" not in str(caught.value)


def test_a_graph_takes_no_integers_whose_range_nobody_knows():
    with pytest.raises(TypeError, match="uint8"):
        tf.function(lambda x: pixels.given(x)[0])(tf.constant(LEVELS.astype(np.int32)))


def test_translate_takes_levels_of_any_type(tiny):
    model = tiny()
    pictures = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), np.uint8)
    wanted = model.translate(pictures).numpy()
    for images in (pictures.astype(np.int64), list(pictures)):
        np.testing.assert_array_equal(model.translate(images), wanted)
    assert model.translate(pictures[:0]).shape == (0, 16, 16, 3)
    with pytest.raises(ValueError, match=r"127\.5"):
        model.translate(pictures.astype(np.float32))


# Everything that takes pictures takes the same ones


@pytest.fixture(scope="module")
def takers(tiny):
    """`{name: function of pictures}`."""
    model, labelled = tiny("fc_encoder"), tiny("stargan")
    direction = Direction("x", np.eye(model.latent)[0], 1.0, model.generator_sha256)
    return {
        "encode": model.encode,
        "encode_all": model.encode_all,
        "edit": lambda x: model.edit(x, [(direction, 0.5)]),
        "labelled edit": lambda x: labelled.edit(x, [1, 0]),
        "coder": Coder(model).encode,
        "dfi": lambda x: dfi.resized(x, (8, 8)),
        "classify": tiny("vgg_star_small").classify,
        "judge": DomainClassifier(_network(), 1.0).probability,
    }


@pytest.mark.parametrize("name", ["encode", "encode_all", "edit", "labelled edit", "coder", "dfi",
                                  "classify", "judge"])
def test_all_take_levels_of_any_type_and_refuse_what_is_no_pictures(takers, name):
    side = 32 if name == "classify" else 16  # it halves five times
    pictures = np.random.default_rng(1).integers(0, 256, (3, side, side, 3), np.uint8)
    take = takers[name]
    wanted = np.asarray(take(pictures))
    assert len(wanted) == 3 and wanted.std() > 0
    for images in (pictures.astype(np.int64), pictures.astype(np.int32), list(pictures)):
        found = np.asarray(take(images))
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    with pytest.raises(ValueError, match=r"127\.5"):
        take(pictures.astype(np.float32))
    with pytest.raises(ValueError, match="batch axis"):
        take(pictures[0])
    assert np.asarray(take(pictures[:0])).shape == (0, *wanted.shape[1:])


def test_an_edit_has_the_type_of_its_pictures(takers):
    pictures = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), np.uint8)
    for name in ("edit", "labelled edit"):
        levels = takers[name](pictures)
        floats = takers[name](pictures / 127.5 - 1)
        assert (levels.dtype, floats.dtype) == (tf.uint8, tf.float64)
        np.testing.assert_allclose((floats + 1) * 127.5, levels, atol=0.51)


def test_labels_of_another_shape_are_said(tiny):
    model = tiny("stargan")
    for labels in ([1], [[1, 0, 1]], [[1, 0]] * 3, 1, [[[1, 0]]]):
        with pytest.raises(ValueError, match=r"labels of 2 pictures are \[2\] or \[n, 2\]"):
            model.edit(np.zeros((2, 16, 16, 3), np.uint8), labels)


@pytest.mark.parametrize("name", ["dcgan", "cgan"])
def test_numbers_and_shapes_of_codes(tiny, name):
    model = tiny(name)
    none = model.sample(0)
    assert (none.dtype, none.shape) == (np.uint8, (0, 16, 16, 3))
    assert model.decode(model.codes(0)).shape == (0, 16, 16, 3)
    for call in (model.codes, model.sample):
        with pytest.raises(ValueError, match="0 or more, not -1"):
            call(-1)
    for codes in (np.zeros(8), np.zeros((2, 7)), np.zeros((1, 2, 8)), [[0.0] * 8, [0.0]], "code"):
        with pytest.raises(ValueError, match=r"codes are .*\[n, 8\]"):
            model.decode(codes)
    np.testing.assert_array_equal(model.decode(model.codes(3).numpy().tolist()),
                                  model.decode(model.codes(3)))


def test_shapes_of_labels_beside_codes(tiny):
    model, codes = tiny("cgan"), np.zeros((2, 8), np.float32)
    for labels in (np.ones(2), np.ones((2, 3)), "x"):
        for call in (lambda x: model.decode(codes, x), lambda x: model.sample(2, labels=x)):
            with pytest.raises(ValueError, match=r"labels are .*\[n, 2\]"):
                call(labels)
    with pytest.raises(ValueError, match="2 codes need as many rows of labels, not 3"):
        model.decode(codes, np.ones((3, 2)))
    with pytest.raises(ValueError, match="a row at least"):
        model.sample(1, labels=np.ones((0, 2)))
    plain = tiny("dcgan")
    for call in (lambda: plain.decode(codes, np.ones((2, 2))),
                 lambda: plain.sample(2, labels=np.ones((2, 2)))):
        with pytest.raises(ValueError, match="takes no labels"):
            call()


def test_a_coder_takes_pictures_of_its_size_and_codes_of_its_length(tiny):
    coder = Coder(tiny("fc_encoder"))
    with pytest.raises(ValueError, match=r"\[n, 16, 16, 3\], not \[1, 8, 8, 3\]"):
        coder.encode(np.zeros((1, 8, 8, 3), np.uint8))
    for codes in (np.zeros(coder.model.latent), np.zeros((2, 3))):
        with pytest.raises(ValueError, match=r"codes are \[n, "):
            coder.decode(codes)
    assert coder.decode(coder.encode(np.zeros((0, 16, 16, 3), np.uint8))).shape == (0, 16, 16, 3)
    with pytest.raises(UsageError, match="has no encoder"):
        Coder(tiny("dcgan")).encode(np.zeros((0, 16, 16, 3), np.uint8))


def test_a_picture_has_one_key_wherever_it_is():
    x = pixels.to_float(LEVELS)
    keys = pixels.keys_of(x).numpy()
    assert len(np.unique(keys, axis=0)) == len(LEVELS)
    for i in range(len(LEVELS)):
        np.testing.assert_array_equal(pixels.keys_of(x[i : i + 1])[0], keys[i])
    np.testing.assert_array_equal(tf.function(pixels.keys_of)(x), keys)


# What a model checks of itself


class Normed(GAN):
    """A generator with dropout and batch norm, whose losses say nothing of training."""

    players = {"generator": ("g",)}
    directions = {"a2b": "g"}

    def build_networks(self, recipe):
        picture = keras.Input((None, None, 3))
        x = keras.layers.BatchNormalization(momentum=0.5)(picture)
        x = keras.layers.Dropout(0.5, seed=1)(x)
        return {"g": keras.Model(picture, keras.layers.Conv2D(3, 1)(x))}

    def loss_terms(self, batch):
        made, inference = self.g(batch["a"]), self.g(batch["a"], training=False)
        return {"generator": {"difference": tf.reduce_mean(tf.abs(made - inference))}}


def test_networks_are_in_training_mode_inside_losses():
    model = Normed(Recipe(size=8, batch=4))
    model.compile()
    norm = next(x for x in model.g.layers if isinstance(x, keras.layers.BatchNormalization))
    before = norm.moving_mean.numpy().copy()
    batch = {d: tf.random.stateless_uniform((4, 8, 8, 3), [0, i], 0.2, 1)
             for i, d in enumerate("ab")}
    found = model.train_step(batch)
    assert float(found["generator/difference"]) > 0.01  # dropout acted
    assert np.abs(norm.moving_mean.numpy() - before).max() > 0.1
    wanted = model.g(batch["a"], training=False)
    np.testing.assert_array_equal(model.translate(batch["a"]), np.clip(wanted, -1, 1))


def test_levels_in_fit_are_pictures():
    models = []
    for scale in (False, True):
        keras.utils.set_random_seed(0)
        model = Normed(Recipe(size=8, batch=2))
        model.compile()
        levels = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
        x = levels / np.float32(127.5) - 1 if scale else levels
        model.fit(tf.data.Dataset.from_tensors({"a": x, "b": x}), verbose=0)
        models.append(model.g.get_weights())
    for a, b in zip(*models, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_batch_of_unknown_size_is_one_line():
    model = Normed(Recipe(size=8, batch=2))
    model.compile()
    rows = {d: np.zeros((3, 8, 8, 3), np.float32) for d in "ab"}
    with pytest.raises((TypeError, ValueError), match="drop_remainder"):
        model.fit(tf.data.Dataset.from_tensor_slices(rows).batch(2), verbose=0)


@pytest.mark.parametrize("how", [
    lambda m: m.save("model.keras"), pickle.dumps, copy.deepcopy, lambda m: m.get_config(),
    lambda m: type(m).from_config({}),
])
def test_what_keras_cannot_save_says_what_to_do_instead(how):
    with pytest.raises((NotImplementedError, TypeError), match=r"kgan|tools"):
        how(Normed(Recipe(size=8)))


def test_a_phase_takes_the_name_of_a_method():
    class Named(Normed):
        phases = (Phase(loss_terms="other_terms"),)

        def other_terms(self, batch):
            return {"generator": {"other": tf.reduce_mean(self.g(batch["a"]) ** 2)}}

    model = Named(Recipe(size=8, batch=2))
    model.compile()
    assert set(model.trackers) == {"generator/other"}


@pytest.mark.parametrize("changes, word", [
    ({"players": {"generator": ("g", "h")}}, "h"),
    ({"directions": {"a2b": "network"}}, "network"),
    ({"phases": (Phase(players=("critic",)),)}, "critic"),
    ({"phases": (Phase(loss_terms="no_such_terms"),)}, "no_such_terms"),
    ({"loss_terms": lambda self, batch: {"critic": {"x": tf.zeros(())}}}, "generator|critic"),
    ({"loss_terms": lambda self, batch: {"generator": {"x": tf.zeros((2,))}}}, "scalar"),
])
def test_a_slip_in_a_model_is_named_when_it_is_compiled(changes, word):
    with pytest.raises((TypeError, ValueError), match=word) as caught:
        type("Slipped", (Normed,), changes)(Recipe(size=8, batch=2)).compile()
    assert "Slipped" in str(caught.value)
