"""Gatys' descent and Johnson's network: what they pay, what is kept of a style, tools, figures."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kgan import losses, networks
from kgan.cli import translate
from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.core.recipe import Machine
from kgan.data import open_data
from kgan.data.patterns import pattern
from kgan.editing import style
from kgan.evaluation.style import Distances
from kgan.evaluation.suite.definitions import SUITES
from kgan.evaluation.suite.kinds import KINDS
from kgan.models import weights
from kgan.models.checkpoint import RunState
from kgan.training.run import RunOptions, train

DATA = "avatars:Smiling,Eyeglasses?n=24&test=8"


# Networks


def test_parameters_are_the_published_ones():
    make = networks.johnson.transformer
    assert make("g").count_params() == 1_679_235
    assert make("g", filters=16).count_params() == 424_899
    assert make("g", filters=8).count_params() == 108_771


@pytest.mark.parametrize("how", [
    {}, {"padding": "reflect"}, {"padding": "zero", "upsample": "nearest"},
    {"padding": "reflect", "upsample": "nearest", "levels": "plain"}, {"batch_norm": True},
])
def test_results_have_the_size_of_pictures(how):
    network = networks.johnson.transformer("g", filters=2, blocks=2, **how)
    least = networks.johnson.smallest(how.get("padding", "start"), 2)
    x = tf.random.stateless_uniform((1, least, least + 12, 3), (0, 1), -1, 1)
    made = network(x)
    assert made.shape == x.shape and made.dtype == tf.float32


def test_residual_blocks_lose_what_the_picture_is_padded_by():
    # the published one: 256 px, 336 with 40 mirrored ones, 84 and then 64 at a quarter
    network = networks.johnson.transformer("g", filters=2)
    sizes = [layer.output.shape for layer in network.layers]
    assert all(shape[1] is None for shape in sizes)
    by = network.get_layer("to_levels").output
    first = next(x for x in network.layers if type(x).__name__ == "ReflectionPadding2D")
    assert first.padding == 40 and first.input is by
    assert sum(type(x).__name__ == "Cropping2D" for x in network.layers) == 5


def test_levels_go_out_as_they_came_in():
    picture = tf.constant([[[[1.0, 0.0, -1.0]]]])
    levels = networks.johnson.ToLevels(True)(picture)
    expected = [255 - 123.68, 127.5 - 116.779, -103.939]
    np.testing.assert_allclose(levels[0, 0, 0], expected, rtol=1e-5)
    np.testing.assert_allclose(
        networks.johnson.FromLevels(False)(networks.johnson.ToLevels(False)(picture)), picture)
    back = networks.johnson.FromLevels(True)(tf.atanh(levels / 150))
    np.testing.assert_allclose(back, picture, atol=1e-5)


# Johnson


@pytest.fixture(scope="module")
def batch():
    return {"a": tf.random.stateless_uniform((2, 16, 16, 3), (0, 1), -1, 1)}


@pytest.mark.parametrize("units", ["published", "relative"])
def test_what_the_network_pays(tiny, batch, units):
    model = tiny("johnson", units=units, lambda_content=2.0, lambda_style=3.0, lambda_tv=0.5,
                 trains=False)
    model.prepare(None)
    taps = model._looks.taps
    assert taps == ("relu1_1", "relu2_1")
    made = model.g(batch["a"])
    seen, truth = (dict(zip(taps, model.reference(x), strict=True)) for x in (made, batch["a"]))
    wave = style.resized(pattern("waves"), 16, min) / 127.5 - 1
    goal = dict(zip(taps, model.reference(wave[None].astype(np.float32)), strict=True))
    far = losses.l2 if units == "published" else losses.relative_l2
    found = {k: float(x) for k, x in model.loss_terms(batch)["generator"].items()}
    content = 2 * float(far(seen["relu2_1"], truth["relu2_1"]))
    like = 3 * sum(float(far(losses.gram_matrix(seen[t]), losses.gram_matrix(goal[t])))
                   for t in taps)
    variation = 0.5 * float(tf.reduce_mean(tf.square(made[:, 1:] - made[:, :-1]))) * 15 / 16
    variation += 0.5 * float(tf.reduce_mean(tf.square(made[:, :, 1:] - made[:, :, :-1]))) * 15 / 16
    assert found == {"content": pytest.approx(content, rel=1e-4),
                     "style": pytest.approx(like, rel=1e-4),
                     "variation": pytest.approx(variation, rel=1e-4)}
    plain = tiny("johnson", lambda_tv=0.0, trains=False)
    assert "variation" not in plain.loss_terms(batch)["generator"]


@pytest.mark.slow  # two trainings; how runs go on is tested by toys
def test_the_style_is_looked_at_once_and_kept_with_the_run(tmp_path, tiny):
    wave = tmp_path / "style.png"
    Image.fromarray(pattern("waves", 32)).save(wave)
    entry = registry.entry("johnson")
    recipe = entry.recipe.replace(**{**entry.tiny, "style": str(wave), "steps": 2})
    options = RunOptions(out=str(tmp_path / "run"), log_every=2, sample_every=100, export=False)
    train("johnson", recipe, Machine(precision="float32"), options)
    model = tiny("johnson", style=str(wave))
    model.prepare(None)
    goal = [x.numpy() for x in model.grams.kept]
    wave.unlink()
    train("johnson", recipe.replace(steps=3), Machine(precision="float32"), options)
    made = weights.load(tmp_path / "run", "required")
    assert set(made.nets) == {"g"} and made.trained
    state = RunState(tmp_path / "run", None)
    state.model = kept = weights.build("johnson", recipe)
    state.restore(networks_only=True)
    assert all(x.any() for x in goal)
    for x, y in zip(kept.grams.kept, goal, strict=True):
        np.testing.assert_array_equal(x, y)


def test_sizes_that_do_not_fit_are_said():
    recipe = registry.recipe("johnson")
    with pytest.raises(UsageError, match="--size 40 must be a multiple of 4 and, with --padding "
                                         "start, at least 44"):
        recipe.replace(size=40)
    with pytest.raises(UsageError, match="--size 62 must be"):
        recipe.replace(size=62, padding="zero")
    with pytest.raises(UsageError, match="lacks a layer: VGG-16 has no relu3_4"):
        weights.build("johnson", recipe.replace(content_layers="relu3_4"))
    with pytest.raises(UsageError, match="--style names no picture"):
        recipe.replace(style=" ,")


# Gatys


def test_pictures_are_drawn_one_by_one():
    recipe = registry.recipe("gatys_small").replace(**registry.entry("gatys_small").tiny)
    model = weights.build("gatys_small", recipe)
    x = np.random.default_rng(0).integers(0, 256, (2, 20, 24, 3), np.uint8)
    made = model.translate(x).numpy()
    assert made.shape == x.shape and made.dtype == np.uint8 and np.any(made != x)
    np.testing.assert_array_equal(model.translate(x[1:]), made[1:])
    with pytest.raises(UsageError, match=r"outside of tf\.function"):
        tf.function(model.translate)(tf.zeros((1, 16, 16, 3)))


def test_the_tool_takes_styles_and_refuses_what_the_memory_does_not_hold(
        tool, tmp_path, monkeypatch):
    face, wave = tmp_path / "in" / "face.png", tmp_path / "wave.png"
    face.parent.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8)).save(face)
    Image.fromarray(pattern("waves", 32)).save(wave)
    flags = ["--model", "gatys_small", "--input", face.parent, "--reference",
             "vgg_star_small.avatars", "--iterations", 2, "--content_layers", "relu1_2",
             "--style_layers", "relu1_1"]
    done = tool("translate", *flags, "--style", f"{wave},mosaic", "--style_weights", "2,1",
                "--output", tmp_path / "out")
    assert done.code == 0, done.stderr
    made = np.asarray(Image.open(tmp_path / "out" / "face.png"))
    assert made.shape == (24, 20, 3) and np.any(made != np.asarray(Image.open(face)))
    for more, says in ((["--style", "none.png"], "--style none.png"), (["--data", "x"], "--data"),
                       (["--style_weights", "1,2"], "--style_weights 1,2: one number")):
        wrong = tool("translate", *flags, *more, "--output", tmp_path / "none")
        assert wrong.code in (1, 2) and says in wrong.stderr
    monkeypatch.setattr(translate, "available_memory", lambda: 1e6)
    refused = tool("translate", *flags, "--output", tmp_path / "small")
    assert refused.code == 1 and "24 pixels need 0.0 GB" in refused.stderr
    assert "or say --max_side" in refused.stderr


# Figures


@pytest.fixture
def quick(monkeypatch):
    """`gatys_small` looks at two layers."""
    entry = registry.entry("gatys_small")
    two = entry.recipe.replace(content_layers="relu2_1", style_layers="relu1_1,relu2_1")
    monkeypatch.setitem(registry._entries, "gatys_small", dataclasses.replace(entry, recipe=two))


def test_distances_are_none_to_oneself(quick):
    recipe = registry.recipe("gatys_small").replace(style="waves")
    wave, faces = pattern("waves", 32), open_data(DATA, size=32).test["a"][np.arange(3)]
    far = Distances(recipe, (32, 32))
    assert far(style.resized(pattern("waves"), 32)[None], wave[None])["style"] < 1e-6
    assert far(faces, faces)["content"] == 0 and far(faces, faces)["style"] > 0.05


def test_evaluation_stands_beside_doing_nothing(tool, tmp_path):
    recipe = registry.recipe("johnson").replace(**registry.entry("johnson").tiny)
    folder = weights.write(weights.build("johnson", recipe), tmp_path / "w", finished=True)
    done = tool("evaluate", "--model", folder, "--data", DATA, "--n", 3)
    assert done.code == 0, done.stderr
    assert {"content", "style", "seconds", "identity_style"} <= set(done.json)
    assert done.json["n"] == 3


def test_a_suite_measures_all_rows_by_one_reference(quick):
    kind, rows = KINDS["style"], SUITES["style"].rows
    asked = {"spec": DATA, "bad_images": "skip", "n": 2, "style": "waves"}
    nothing, _ = kind.measure({**asked, "size": 32}, "")
    assert nothing["figures"]["content"] == 0
    changes = {**rows[0].changes, "iterations": 8, "size": 32, "style": "waves"}
    found, strips = kind.measure({**asked, "name": rows[0].name, "changes": changes}, "")
    assert found["figures"]["style"] < 0.8 * nothing["figures"]["style"]
    assert found["figures"]["content"] > 0 and strips[""].shape == (2, 32, 32, 3)
    (table,) = kind.tables({})
    assert {c.figure for c in table.columns} == set(found["figures"])
    assert len({row.key for row in rows}) == len(rows)
    assert {row.recipe.size for row in rows} == {64}
    assert "mosaic" in dict(kind.about({"asked": {"style": "mosaic"}}))["Style"]


def test_another_suite_takes_no_style(tool, tmp_path):
    refused = tool("evaluate", "--suite", "table1", "--style", "waves", "--output", tmp_path)
    assert refused.code == 2 and "--style is for models of a style; table1 has" in refused.stderr


def test_descent_and_network_of_the_suite_have_one_aim():
    aims = {tuple(row.recipe.as_dict()[name] for name in (
        "reference", "units", "content_layers", "style_layers", "lambda_content", "lambda_style",
        "lambda_tv")) for row in SUITES["style"].rows}
    assert len(aims) == 1
