"""What batches hold and what translations make, by toys: low and high resolution, maps of ids.

`Enlarge` makes pictures of four times the sides, and grey ones of twice, from low resolution;
`Paint` makes photographs twice as wide as high from class ids and instance ids.
"""

import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kgan.core import pixels, registry
from kgan.core.errors import UserError
from kgan.core.recipe import Machine, Recipe
from kgan.data import Data, Signal, open_data
from kgan.evaluation.evaluate import measured
from kgan.evaluation.pairs import measure_pairs
from kgan.export.saved_model import export_model
from kgan.models.gan import GAN
from kgan.models.translation import Translation, translations
from kgan.report.sheet import grid
from kgan.training.run import RunOptions, train
from kgan.training.run_data import check_signals


def network(name, channels, sides, takes=1, kind="float32"):
    """Nearest neighbours `sides` times as large, and a layer of 1x1 on them."""
    inputs = [keras.Input((None, None, 1 if kind == "int32" else 3), dtype=kind)
              for _ in range(takes)]
    x = [keras.ops.cast(x, "float32") / 1000.0 if kind == "int32" else x for x in inputs]
    x = keras.layers.Concatenate()(x) if takes > 1 else x[0]
    x = keras.layers.UpSampling2D(sides)(x) if sides > 1 else x
    x = keras.layers.Conv2D(channels, 1, activation="tanh", dtype="float32")(x)
    return keras.Model(inputs if takes > 1 else inputs[0], x, name=name)


class Enlarge(GAN):
    players = {"generator": ("g", "grey")}
    directions = {
        "enlarge": Translation(("low",), "high", "g", scale=4),
        "grey": Translation(("low",), "half", "grey", scale=2, channels=1),
    }
    multiple, smallest = 4, 8

    @classmethod
    def signals_of(cls, recipe):
        made = {"group": "scene", "source": "high"}
        high = Signal("high", height=recipe.size, width=2 * recipe.size, group="scene")
        return (Signal("low", height=recipe.size // 4, width=recipe.size // 2, **made), high,
                Signal("half", channels=1, height=recipe.size // 2, width=recipe.size, **made))

    def build_networks(self, recipe):
        return {"g": network("g", 3, 4), "grey": network("grey", 1, 2)}

    def loss_terms(self, batch):
        made, small = self.nets["g"](batch["low"]), self.nets["grey"](batch["low"])
        return {"generator": {"pixel": tf.reduce_mean(tf.abs(made - batch["high"])),
                              "grey": tf.reduce_mean(tf.abs(small - batch["half"]))}}


class Paint(GAN):
    players = {"generator": ("g",)}
    directions = {"paint": Translation(("labels", "instances"), "photos", "g")}

    @classmethod
    def signals_of(cls, recipe):
        sides = {"height": recipe.size, "width": 2 * recipe.size, "group": "street"}
        return (Signal("labels", "labels", classes=35, **sides),
                Signal("instances", "instances", **sides), Signal("photos", **sides))

    def build_networks(self, recipe):
        return {"g": network("g", 3, 1, takes=2, kind="int32")}

    def loss_terms(self, batch):
        made = self.nets["g"]([batch["labels"], batch["instances"]])
        return {"generator": {"pixel": tf.reduce_mean(tf.abs(made - batch["photos"]))}}


class Pairs(Enlarge):
    """a and b of pairs; b stays what it is."""

    directions = {"a2b": "g"}

    @classmethod
    def signals_of(cls, recipe):
        return tuple(Signal(d, height=recipe.size, width=recipe.size, group="pair") for d in "ab")

    def build_networks(self, recipe):
        return {"g": network("g", 3, 1), "grey": network("grey", 1, 1)}


@pytest.fixture(scope="module", autouse=True)
def registered():
    for model, name in ((Enlarge, "enlarge"), (Paint, "paint"), (Pairs, "pairs")):
        registry.register(name, model, Recipe(size=16, batch=2, steps=4), card="cyclegan.md",
                          phrase="a toy")
    yield
    for name in ("enlarge", "paint", "pairs"):
        del registry._entries[name]


def make(model, **changes):
    keras.utils.set_random_seed(0)
    made = model(Recipe(size=16, batch=2, steps=4).replace(**changes))
    made.name_in_zoo, made.trained = model.__name__.lower(), True
    return made


def smooth(height, width, seed=0):
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Photographs twice as wide as high, and maps of class ids and instance ids of them."""
    root = tmp_path_factory.mktemp("scenes")
    for part, count in (("train", 6), ("test", 2)):
        for name in ("labels", "instances", "photos"):
            (root / part / name).mkdir(parents=True)
        for n in range(count):
            photo = smooth(32, 64, n)
            ids = np.array([0, 7, 26], np.uint8)[photo[..., 0] // 90 % 3]
            Image.fromarray(photo).save(root / part / f"photos/{n}.png")
            Image.fromarray(ids).save(root / part / f"labels/{n}.png")
            wide = np.where(ids == 26, 26001, ids).astype(np.uint16)
            Image.fromarray(wide).save(root / part / f"instances/{n}.png")
    return root


def test_a_network_alone_stands_for_the_usual_translation():
    signals = make(Enlarge).signals
    short = translations({"a2b": "g_ab", "b2a": "g_ba", "add_Smiling": "g"}, signals)
    assert short == {
        "a2b": Translation(("a",), "b", "g_ab"), "b2a": Translation(("b",), "a", "g_ba"),
        "add_Smiling": Translation(("low",), "low", "g"),
    }
    with pytest.raises(ValueError, match="takes a tuple of signals"):
        Translation("low", "high", "g")
    with pytest.raises(ValueError, match="enlarges 1 times or more"):
        Translation(("low",), "high", "g", scale=0)
    with pytest.raises(ValueError, match=r"makes low \(pictures, 8x4\) 2 times as large, which is "
                                         r"not the size of high \(pictures, 32x16\)"):
        translations({"x2": Translation(("low",), "high", "g", scale=2)}, signals)


@pytest.mark.parametrize("height, width", [(1, 1), (5, 7), (8, 12)])
def test_the_result_is_scale_times_the_input(height, width):
    model = make(Enlarge)
    x = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    for direction, scale, channels in (("enlarge", 4, 3), ("grey", 2, 1)):
        made = model.translate(x, direction)
        assert made.dtype == tf.uint8
        assert made.shape == (2, scale * height, scale * width, channels)
        net = model.nets[model.directions[direction].network]
        exact = pixels.to_uint8(net(pixels.to_float(x)))  # 1x1: what is padded changes nothing
        np.testing.assert_array_equal(made, exact)
    assert model.translate(x[:0], "enlarge").shape == (0, 4 * height, 4 * width, 3)
    unknown = tf.function(model.translate, autograph=False, input_signature=[
        tf.TensorSpec([None, None, None, 3], tf.uint8)])
    np.testing.assert_allclose(np.int32(unknown(x)), model.translate(x), atol=1)


def test_ids_reach_the_network_as_they_are():
    model, seen = make(Paint, size=8), []
    model.nets["g"] = lambda x, training: seen.append(x) or tf.zeros((*x[0].shape[:3], 3))
    model.nets["g"].inputs = make(Paint).nets["g"].inputs
    labels = np.array([[[0, 26, 34]]])
    made = model.translate({"labels": labels, "instances": np.uint16([[[7, 26001, 65535]]])})
    assert made.dtype == tf.uint8 and made.shape == (1, 1, 3, 3)
    assert [x.dtype for x in seen[0]] == [tf.int32] * 2
    assert [x.numpy().ravel().tolist() for x in seen[0]] == [[0, 26, 34], [7, 26001, 65535]]
    for wrong, error, words in (
        ({"labels": labels}, ValueError, "dictionaries of labels, instances"),
        ({"labels": labels + 1, "instances": labels}, ValueError, "0 to 34, and the largest is 35"),
        ({"labels": labels + 0.5, "instances": labels}, TypeError, "ids are whole numbers"),
        ({"labels": labels, "instances": labels[:, :, 1:]}, ValueError, "differ in number or size"),
    ):
        with pytest.raises(error, match=words):
            model.translate(wrong)


def test_a_run_of_low_and_high_resolution(scenes, tmp_path, tool):
    run = tmp_path / "run"
    data = f"folder:{scenes}/train/photos"
    recipe = registry.recipe("enlarge").replace(data=data, load_size=24)
    options = RunOptions(out=str(run), log_every=2, sample_every=4, export=False)
    assert train("enlarge", recipe, Machine(), options)["status"] == "done"
    page = (run / "index.html").read_text()
    assert "low to high" in page and "4 times as wide and high" in page
    with Image.open(run / "samples/step_000004.png") as sheet:
        # low, enlarge, high, grey, half: all of them enlarged to 256 x 128
        assert sheet.size == (5 * 258 + 2, 18 + 130 + 2)
    figures, pictures = measured(str(run))
    assert pictures["enlarge"]["output"].shape[1:] == (16, 32, 3)
    assert {"psnr_enlarge", "ssim_enlarge", "l1_enlarge", "identity_psnr_enlarge"} <= set(figures)
    picture = tmp_path / "in/small.png"
    picture.parent.mkdir()
    alpha = np.zeros((5, 7), np.uint8)
    alpha[:, 3:] = 255
    Image.fromarray(np.dstack([smooth(8, 8)[:5, :7], alpha])).save(picture)
    done = tool("translate", "--model", run, "--input", picture, "--output", tmp_path / "out")
    assert done.code == 0, done.stderr
    with Image.open(tmp_path / "out/small.png") as made:
        assert made.size == (28, 20) and made.mode == "RGBA"
        assert np.asarray(made)[:, :8, 3].max() <= 20 and np.asarray(made)[:, 20:, 3].min() == 255
    done = tool("translate", "--model", run, "--input", picture, "--direction", "larger",
                "--output", tmp_path / "out")
    assert done.code and "--direction larger is not one of enlarge, grey" in done.stderr


def test_an_export_of_scale_4(tmp_path):
    model = make(Enlarge)
    folder = export_model(model, tmp_path / "models", check=True)
    metadata = json.loads((folder / "assets.extra/metadata.json").read_text())
    assert metadata["translations"]["enlarge"]["scale"] == 4
    assert metadata["signatures"] == [
        "serving_default", "images", "serving_grey", "images_grey"]
    loaded = tf.saved_model.load(folder)
    x = smooth(8, 12)[None, :5]
    made = loaded.signatures["images"](images=tf.constant(x))["images"]
    np.testing.assert_allclose(np.int32(made), model.translate(x), atol=1)
    assert made.shape == (1, 20, 48, 3)
    alpha = np.full((5, 12, 1), 255, np.uint8)
    alpha[:, :6] = 0
    for transparent in (False, True):
        png = tf.io.encode_png(np.dstack([x[0], alpha]) if transparent else x[0])
        (made,) = loaded.signatures["serving_default"](image_bytes=png[None])["image_bytes"]
        found = tf.io.decode_png(made).numpy()
        assert found.shape == (20, 48, 4 if transparent else 3)
        np.testing.assert_allclose(np.int32(found[..., :3]), model.translate(x)[0], atol=1)
        if transparent:
            assert found[:, :20, 3].max() <= 20 and found[:, 28:, 3].min() >= 235


def test_ids_are_trained_on_translated_and_exported(scenes, tmp_path, tool):
    run = tmp_path / "run"
    recipe = registry.recipe("paint").replace(data=f"folder:{scenes}")
    options = RunOptions(out=str(run), log_every=2, sample_every=4, export=True, check_export=True)
    assert train("paint", recipe, Machine(), options)["status"] == "done"
    assert "labels, instances to photos" in (run / "index.html").read_text()
    out = tmp_path / "out"
    done = tool("translate", "--model", run, "--input", scenes / "test", "--output", out)
    assert done.code == 0, done.stderr
    ids = [np.asarray(Image.open(scenes / f"test/{name}/1.png")).astype(np.int32)
           for name in ("labels", "instances")]
    (folder,) = (run / "export/paint").glob("1")
    loaded = tf.saved_model.load(folder)
    given = {name: tf.constant(x[None, ..., None])
             for name, x in zip(("labels", "instances"), ids, strict=True)}
    whole = loaded.signatures["images"](**given)["images"][0]
    with Image.open(out / "1.png") as made:
        np.testing.assert_allclose(np.int32(np.asarray(made)), np.int32(whole), atol=1)
    files = {f"{name}_bytes": tf.constant([(scenes / f"test/{name}/1.png").read_bytes()])
             for name in ("labels", "instances")}
    (png,) = loaded.signatures["serving_default"](**files)["image_bytes"].numpy()
    np.testing.assert_allclose(np.int32(tf.io.decode_png(png)), np.int32(whole), atol=1)
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels: ids are 0 to 34"):
        loaded.signatures["images"](**{**given, "labels": given["labels"] + 30})
    photo = tf.constant([(scenes / "test/photos/1.png").read_bytes()])
    with pytest.raises(tf.errors.InvalidArgumentError, match="a map of ids is a grey PNG"):
        loaded.signatures["serving_default"](**{**files, "labels_bytes": photo})
    os.makedirs(tmp_path / "in/labels")
    done = tool("translate", "--model", run, "--input", tmp_path / "in", "--output", tmp_path / "o")
    assert done.code and "a folder for each in --input" in done.stderr


def test_pairs_are_refused_by_name_where_there_are_none():
    model = make(Pairs)
    unpaired = open_data("avatars:Smiling?n=4&test=2", size=16, signals=model.signals)
    for check in (check_signals, lambda data, model: measure_pairs(model, data)):
        with pytest.raises(UserError, match=r"pairs learns from pairs.* avatars:Smiling\?n=4"):
            check(unpaired, model)
    lacks = Data("folder:x", {"low": None}, {})
    with pytest.raises(UserError, match="trained on half, high, low and folder:x has low"):
        check_signals(lacks, make(Enlarge))


def test_pairs_are_measured_against_their_pair():
    model = make(Pairs)
    kernel, bias = model.nets["g"].layers[-1].get_weights()
    model.nets["g"].layers[-1].set_weights([0 * kernel, 0 * bias])  # makes 128 of everything
    a, b = (np.full((3, 16, 16, 3), level, np.uint8) for level in (100, 133))
    data = Data("folder:x", {"a": a, "b": b}, {"a": a, "b": b}, paired=True)
    check_signals(data, model)
    figures, pictures = measure_pairs(model, data, 2)
    assert figures["l1_a2b"] == 5 and figures["identity_l1_a2b"] == 33
    assert figures["psnr_a2b"] == pytest.approx(20 * np.log10(255 / 5))
    assert figures["identity_psnr_a2b"] == pytest.approx(20 * np.log10(255 / 33))
    np.testing.assert_array_equal(pictures["a2b"]["truth"], b[:2])
    shown = model.show({"a": pixels.to_float(a), "b": pixels.to_float(b)})
    assert list(shown) == ["a", "a2b", "b"]


def test_a_sheet_shows_ids_in_colours_and_sizes_side_by_side():
    ids = np.int32([[[[0], [26], [26001], [26001]]]]).repeat(2, 1)
    sheet = np.asarray(grid({"labels": ids, "high": np.zeros((1, 8, 16, 3), np.uint8)}))
    assert sheet.shape == (18 + 128 + 2 + 2, 2 * (256 + 2) + 2, 3)
    colours = [tuple(sheet[40, x]) for x in (10, 80, 150, 200)]
    assert colours[0] == (0, 0, 0) and colours[2] == colours[3] and len(set(colours)) == 3
