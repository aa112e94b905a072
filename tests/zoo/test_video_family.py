"""Video prediction: the published networks, losses by hand, recursion, measures, a run, its export.
"""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kgan import losses
from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Machine
from kgan.data import open_data
from kgan.evaluation.evaluate import measured
from kgan.evaluation.prediction import measure_prediction
from kgan.export.saved_model import export_model
from kgan.models import weights
from kgan.networks.video_gan import video_discriminator, video_generator
from kgan.training.run import RunOptions, train


def recipe(**changes):
    entry = registry.entry("video_gan")
    return entry.recipe.replace(**{**entry.tiny, **changes})


def test_the_networks_have_the_published_parameters():
    generator = video_generator("g")
    assert generator.count_params() == 12_569_740
    assert video_generator("g", filters=16).count_params() == 223_644
    by_scale = [sum(layer.count_params() for layer in generator.layers
                    if layer.name.startswith(f"g{k}_")) for k in range(1, 5)]
    assert by_scale == [607_619, 647_939, 3_008_003, 8_306_179]
    judges = [video_discriminator("d", k) for k in range(4)]
    assert [d.count_params() for d in judges] == [271_873, 1_280_769, 7_226_881, 11_860_865]
    assert [d.input.shape[1:] for d in judges] == [(s, s, 15) for s in (4, 8, 16, 32)]


def test_each_scale_adds_to_the_one_before():
    net = video_generator("g", filters=2, history=2)
    for layer in net.layers:
        if layer.name.endswith("_frame"):  # nothing is added
            layer.kernel.assign(tf.zeros_like(layer.kernel))
            layer.bias.assign([0.3, 0.0, 0.0] if layer.name == "g1_frame" else [0.0] * 3)
    made = net(np.zeros((1, 16, 24, 6), np.float32))
    assert [tuple(y.shape) for y in made] == [(1, 2, 3, 3), (1, 4, 6, 3), (1, 8, 12, 3),
                                              (1, 16, 24, 3)]
    expected = 0.3
    for y in made:  # tanh of the one before, again and again
        expected = np.tanh(expected)
        np.testing.assert_allclose(y[..., 0], expected, rtol=1e-5)


def test_gradient_difference_by_hand():
    truth = np.zeros((1, 2, 3, 1), np.float32)
    made = np.zeros((1, 2, 3, 1), np.float32)
    truth[0, :, :, 0] = [[0, 1, 3], [2, 2, 2]]  # down 2 1 1; right 1 2, 0 0
    made[0, :, :, 0] = [[0, -1, 0], [1, 1, 1]]  # down 1 2 1; right 1 1, 0 0
    assert float(losses.gradient_difference(made, truth)) == pytest.approx(2 / 3 + 1 / 4)
    squared = losses.gradient_difference(2 * made, 2 * truth, alpha=2.0)
    assert float(squared) == pytest.approx(4 * (2 / 3 + 1 / 4))
    assert float(losses.gradient_difference(-truth, truth)) == 0  # the sizes of steps alone


@pytest.fixture(scope="module")
def model(tiny):
    return tiny("video_gan", batch=3, trains=False)


@pytest.fixture(scope="module")
def clip():
    return tf.constant(np.random.default_rng(0).uniform(-1, 1, (3, 3, 32, 32, 3)), tf.float32)


def pooled(x):
    x = np.asarray(x)
    n, h, w, c = x.shape
    return [x.reshape(n, h // k, k, w // k, k, c).mean((2, 4)) for k in (8, 4, 2, 1)]


def test_what_the_players_pay(model, clip):
    x = np.concatenate([clip[:, 0], clip[:, 1]], -1)
    made, true, seen = [np.asarray(y) for y in model.g(x)], pooled(clip[:, 2]), pooled(x)
    paid = model.generator_terms({"clip": clip})["generator"]
    assert float(paid["distance"]) == pytest.approx(
        sum(np.abs(y - t).mean() for y, t in zip(made, true, strict=True)), rel=1e-4)
    assert float(paid["gdl"]) == pytest.approx(sum(
        np.abs(np.abs(np.diff(y, axis=a)) - np.abs(np.diff(t, axis=a))).mean()
        for y, t in zip(made, true, strict=True) for a in (1, 2)), rel=1e-4)

    def opinion(frames, sign):
        logits = [model.nets[f"d{k + 1}"](np.concatenate([seen[k], frames[k]], -1))
                  for k in range(4)]
        return sum(np.log1p(np.exp(sign * np.asarray(x))).mean() for x in logits)

    assert float(paid["adversarial"]) == pytest.approx(0.05 * opinion(made, -1), rel=1e-4)
    judged = model.discriminator_terms({"clip": clip})["discriminator"]
    assert float(judged["real"]) == pytest.approx(opinion(true, -1), rel=1e-4)
    assert float(judged["fake"]) == pytest.approx(0.5 * opinion(made, 1), rel=1e-4)
    others = [np.roll(t, 1, 0) for t in true]
    assert float(judged["mismatched"]) == pytest.approx(0.5 * opinion(others, 1), rel=1e-4)
    with pytest.raises(UsageError, match="2 clips at least on each device"):
        model.discriminator_terms({"clip": clip[:1]})


def test_variants_are_fields(tiny, clip):
    plain = tiny("video_gan", lambda_adversarial=0.0, lambda_gdl=0.0, distance="l2", trains=False)
    assert plain.batches_per_step == 1 and list(plain.optimizers) == ["generator"]
    paid = plain.generator_terms({"clip": clip})["generator"]
    x = np.concatenate([clip[:, 0], clip[:, 1]], -1)
    assert list(paid) == ["distance"] and float(paid["distance"]) == pytest.approx(sum(
        np.square(np.asarray(y) - t).mean()
        for y, t in zip(plain.g(x), pooled(clip[:, 2]), strict=True)), rel=1e-4)
    whole = tiny("video_gan", mismatched=False, trains=False)
    assert whole.batches_per_step == 2  # each player sees pieces of its own
    assert "mismatched" not in whole.discriminator_terms({"clip": clip})["discriminator"]
    for changes, words in (({"size": 36}, "--size 36 must be a multiple of 8"),
                           ({"batch": 1}, "--mismatched shows frames of other clips"),
                           ({"lambda_distance": 0.0, "lambda_gdl": 0.0, "lambda_adversarial": 0.0},
                            "Nothing to learn from")):
        with pytest.raises(UsageError, match=words):
            recipe(**changes)


def test_rates_and_optimizers(tiny, tiny_batch):
    model = tiny("video_gan", steps=4)
    assert {type(o).__name__ for o in model.optimizers.values()} == {"SGD"}
    rates = []
    for _ in range(4):
        rates.append([float(model.optimizers[p].learning_rate)
                      for p in ("generator", "discriminator")])
        batch = tiny_batch(model)
        model.train_step({"clip": tf.concat([batch["clip"]] * 2, 0)})
    np.testing.assert_allclose(np.transpose(rates), [
        [0.04, 0.03125, 0.0225, 0.01375], [0.02] * 4], rtol=1e-5)


def test_frames_are_predicted_of_those_that_were_made(model):
    random = np.random.default_rng(1)
    clip = random.integers(0, 256, (2, 3, 21, 35, 3), dtype=np.uint8)
    made = model.predict_frames(clip, 3)
    assert made.dtype == tf.uint8 and made.shape == (2, 3, 21, 35, 3)
    alone = model.translate({"frame1": clip[:, 1], "frame2": clip[:, 2]})
    np.testing.assert_array_equal(made[:, 0], alone)
    small = tf.constant(random.uniform(-1, 1, (1, 2, 16, 16, 3)), tf.float32)
    first = model.predict_frames(small, 2)
    second = model.predict_frames(tf.concat([small[:, 1:], first[:, :1]], 1), 1)
    np.testing.assert_allclose(first[:, 1], second[:, 0], atol=1e-6)
    with pytest.raises(UsageError, match=r"sees clips \[n, 2 or more, h, w, 3\]"):
        model.predict_frames(clip[:, :1])


def test_predictions_are_measured_beside_the_last_frame(model):
    data = open_data("bouncing:balls?n=2&test=5&count=2", size=32, signals=model.signals)
    figures, pictures = measure_prediction(model, data, 3)
    assert figures["n"] == 3 and figures["last_psnr_1"] > figures["last_psnr_2"]
    assert figures["last_psnr_1"] > 10 and 0 < figures["moving_1"] < 0.5
    assert {f"{p}{name}_{where}{k}" for p in ("", "last_") for k in (1, 2)
            for name in ("psnr", "ssim", "sharpness") for where in ("", "moving_")} | {
        "n", "moving_1", "moving_2"} == set(figures)
    assert list(pictures["next"]) == ["last", "predicted +1", "truth +1", "predicted +2",
                                      "truth +2"]
    truth = data.test["clip"].lasting(4).whole(0)[2:]
    np.testing.assert_array_equal(pictures["next"]["truth +2"][0], truth[1])
    np.testing.assert_array_equal(
        pictures["next"]["predicted +1"][0],
        model.predict_frames(data.test["clip"].lasting(2).whole(0)[None])[0, 0])
    data.test["clip"].fits = np.full(5, 3)
    with pytest.raises(UserError, match="has no test clip of 4 frames"):
        measure_prediction(model, data)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("video") / "run"
    keras.utils.set_random_seed(0)
    train("video_gan", recipe(steps=2), Machine(precision="float32"), RunOptions(
        out=str(folder), log_every=1, sample_every=100, export=False))
    return folder


def test_a_run_shows_frames_that_move_and_is_measured(run):
    with Image.open(run / "samples/step_000002.webp") as image:
        assert image.n_frames == 4 and image.format == "WEBP"  # two seen, two predicted
    page = (run / "index.html").read_text()
    assert "samples/step_000002.webp" in page and "frame1, frame2 to next" in page
    figures, _ = measured(str(run), n=2)
    assert figures["n"] == 2 and "last_psnr_moving_2" in figures
    terms = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["terms"]
    assert {"generator/distance", "discriminator/mismatched"} <= set(terms)


def test_an_export_serves_next_frames(run, tmp_path):
    model = weights.load(str(run), "required")
    folder = export_model(model, tmp_path / "models")
    loaded = tf.saved_model.load(folder)
    assert set(loaded.signatures) == {"serving_default", "images", "predict"}
    clip = np.random.default_rng(3).integers(0, 256, (2, 2, 19, 30, 3), dtype=np.uint8)
    made = loaded.signatures["images"](
        frame1=tf.constant(clip[:, 0]), frame2=tf.constant(clip[:, 1]))["images"]
    expected = model.predict_frames(clip, 2).numpy().astype(int)
    assert np.abs(made.numpy() - expected[:, 0]).max() <= 1
    frames = loaded.signatures["predict"](frames=tf.constant(clip))["frames"]
    assert np.abs(frames.numpy() - expected).max() <= 2
    assert loaded.signatures["predict"](frames=tf.constant(clip[:0]))["frames"].shape[0] == 0
    again = weights.load(str(folder), "required")
    np.testing.assert_array_equal(again.predict_frames(clip, 2), expected)
    (png,) = loaded.signatures["serving_default"](**{
        f"frame{i + 1}_bytes": tf.io.encode_png(clip[0, i])[None] for i in range(2)})["image_bytes"]
    assert np.abs(tf.io.decode_png(png).numpy() - expected[0, 0]).max() <= 1
    huge = tf.zeros([1, 2, 5000, 5000, 3], tf.uint8)
    with pytest.raises(tf.errors.InvalidArgumentError, match="images have more than"):
        loaded.signatures["predict"](frames=huge)
