"""PGN: networks by formula, losses by hand, any number of frames, what is read from its state, its
suite, its export."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan import losses
from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Machine
from kgan.data import open_data
from kgan.evaluation.evaluate import measured
from kgan.evaluation.suite.definitions import SUITES
from kgan.evaluation.suite.kinds import KINDS
from kgan.evaluation.suite.measure import measure
from kgan.export.saved_model import export_model
from kgan.models import weights
from kgan.networks import pgn
from kgan.training.run import RunOptions, train


def recipe(**changes):
    entry = registry.entry("pgn")
    return entry.recipe.replace(**{**entry.tiny, **changes})


def test_networks_have_the_parameters_that_follow_from_their_numbers():
    def lstm(features, units):
        return 4 * units * (features + units + 1)

    shape = {"size": 32, "filters": 6, "kernel": 5, "levels": 3}
    assert pgn.frame_encoder("e", **shape).count_params() == (25 * 3 + 1 + 2 * (25 * 6 + 1)) * 6
    decoder = pgn.frame_decoder("g", units=20, **shape)
    assert decoder.count_params() == (
        (20 + 1) * 16 * 6 + 2 * (25 * 6 + 1) * 6 + (25 * 6 + 1) * 3)
    assert pgn.recurrent("r", 9 * 32, 56).count_params() == lstm(288, 56)
    assert lstm(9 * 9 * 32, 1568) == 26_097_792  # of the full one, whose first weights take long
    assert pgn.judge("d", 7, 5).count_params() == 13 * 5 + 6 * 5 + 6
    made = decoder(np.random.default_rng(0).normal(0, 3, (4, 20)).astype(np.float32)).numpy()
    assert made.shape == (4, 32, 32, 3) and made.min() >= -1 and made.max() <= 1


@pytest.fixture(scope="module")
def model(tiny):
    return tiny("pgn", trains=False)


@pytest.fixture(scope="module")
def clip():
    return tf.constant(np.random.default_rng(0).uniform(-1, 1, (2, 4, 16, 16, 3)), tf.float32)


def test_what_the_players_pay(model, clip):
    flat = tf.reshape(clip, (8, 16, 16, 3))
    state = model.r(tf.reshape(model.e(flat), (2, 4, -1)))[:, 2]
    made = model.g(state)
    mse = float(np.mean(np.square(made - clip[:, 3]))) / 4  # of values in [0, 1]
    assert float(model.pretraining_terms({"clip": clip})["generator"]["mse"]) == pytest.approx(
        mse, rel=1e-4)
    features = tf.reshape(model.de(flat), (2, 4, -1))
    past = model.dr(features[:, :3])[:, -1]
    real, fake = model.d([past, features[:, 3]]), model.d([past, model.de(made)])
    paid = model.loss_terms({"clip": clip})
    assert float(paid["generator"]["mse"]) == pytest.approx(mse, rel=1e-4)
    assert float(paid["generator"]["adversarial"]) == pytest.approx(
        2e-4 * float(losses.real_loss("bce", fake)), rel=1e-4)
    assert float(paid["discriminator"]["real"]) == pytest.approx(
        float(losses.real_loss("bce", real)), rel=1e-4)
    assert float(paid["discriminator"]["fake"]) == pytest.approx(
        float(losses.fake_loss("bce", fake)), rel=1e-4)


def test_a_prediction_after_each_frame(tiny, clip):
    model = tiny("pgn", least=2, trains=False)
    seen, made, truth = model.made({"clip": clip})
    assert seen.shape[1] == 3 and made.shape == truth.shape == (2, 2, 16, 16, 3)
    np.testing.assert_array_equal(truth, clip[:, 2:])
    for i, t in enumerate((2, 3)):
        np.testing.assert_allclose(made[:, i], model.next_frame(clip[:, :t]), atol=1e-5)
    real, fake = model.opinions(seen, truth, made)  # row by row, the past until then
    own = model.opinions(clip[:1, :2], truth[:1, :1])[0]
    assert real.shape == fake.shape == (4, 1)
    np.testing.assert_allclose(real[0], own[0], atol=1e-5)


def test_the_autoencoder_gives_the_last_frame_back(tiny, clip):
    model = tiny("pgn", target="last", lambda_adversarial=0.0, trains=False)
    assert list(model.optimizers) == ["generator"] and [s.name for s in model.stages()] == [
        "training"]
    _, _, truth = model.made({"clip": clip})
    np.testing.assert_array_equal(truth, clip[:, 2:3])
    assert model.measures == ("readout",) and list(model.directions) == ["last"]
    assert list(model.show({"clip": clip})) == ["last", "given back"]
    assert model.show_moving({"clip": clip}) == ({}, 0)


def test_wrong_recipes_are_refused():
    for changes, words in (
        ({"size": 18}, "--size 18 must be a multiple of 4"),
        ({"least": 4}, "--least 4 must be at most --history 3"),
        ({"target": "last"}, "say --lambda_adversarial 0"),
        ({"lambda_mse": 0.0, "lambda_adversarial": 0.0}, "Nothing to learn from"),
        ({"lambda_mse": 0.0}, "--pretrain_steps learn from --lambda_mse"),
        ({"pretrain_steps": 20}, "must be fewer"),
    ):
        with pytest.raises(UsageError, match=words):
            recipe(**changes)


def test_stages_and_optimizers(model):
    assert [(s.name, s.steps) for s in model.stages()] == [("pretraining", 4), ("adversarial", 16)]
    assert {p: type(o).__name__ for p, o in model.optimizers.items()} == {
        "generator": "RMSprop", "discriminator": "SGD"}
    assert float(model.optimizers["discriminator"].learning_rate) == pytest.approx(0.01)


def test_any_number_of_frames_of_any_size(model):
    random = np.random.default_rng(1)
    clips = random.integers(0, 256, (2, 5, 21, 35, 3), dtype=np.uint8)
    made = model.predict_frames(clips, 2)
    assert made.dtype == tf.uint8 and made.shape == (2, 2, 21, 35, 3)
    assert model.predict_frames(clips[:, :1], 1).shape == (2, 1, 21, 35, 3)
    own = tf.constant(random.uniform(-1, 1, (1, 4, 16, 16, 3)), tf.float32)
    first = model.predict_frames(own, 2)
    second = model.predict_frames(tf.concat([own, first[:, :1]], 1), 1)
    np.testing.assert_allclose(first[:, 1], second[:, 0], atol=1e-5)
    assert np.abs(first[:, 0] - model.predict_frames(own[:, 1:], 1)[:, 0]).max() > 0  # all count
    named = {f"frame{i + 1}": own[:, i] for i in range(3)}
    np.testing.assert_allclose(model.translate(named), model.predict_frames(own[:, :3])[:, 0],
                               atol=1e-5)
    with pytest.raises(UsageError, match=r"sees clips \[n, 1 or more, h, w, 3\]"):
        model.predict_frames(own[:, :0])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pgn") / "run"
    keras.utils.set_random_seed(0)
    train("pgn", recipe(steps=3, pretrain_steps=1), Machine(precision="float32"), RunOptions(
        out=str(folder), log_every=1, sample_every=100, export=False))
    return folder


def test_a_run_is_measured_by_frames_and_by_what_its_state_knows(run):
    figures, _ = measured(str(run), n=6)
    assert {"psnr_1", "last_psnr_2", "r_angle", "pixels_r_angle", "r_pc4"} <= set(figures)
    assert (figures["readout_train"], figures["readout_test"]) == (12, 6)
    assert figures["readout_numbers"] == 8
    assert all(-1 <= x <= 1 for name, x in figures.items() if name.startswith(("r_", "pixels_r_")))
    loaded = weights.load(str(run), "required")
    with pytest.raises(UserError, match="nobody knows what they are made by"):
        data = open_data("bouncing:balls?n=12&test=2", size=16, signals=loaded.signals)
        object.__setattr__(data, "spec", "video:clips")
        measure_of(loaded, data)


def measure_of(model, data):
    from kgan.evaluation.readout import measure_readout

    return measure_readout(model, data)


def test_the_suite_has_the_rows_of_the_paper(run, tmp_path):
    rows = {row.key: row.recipe for row in SUITES["pgn"].rows}
    assert {key: (r.target, r.lambda_adversarial > 0) for key, r in rows.items()} == {
        "pgn_small-mse": ("next", False), "pgn_small-al_mse": ("next", True),
        "pgn_small-autoencoder": ("last", False)}
    assert KINDS["readout"].lacks(open_data("bouncing:balls?n=2&test=2", size=16)) == ""
    tiny = registry.entry("pgn").tiny
    asked = {"spec": tiny["data"], "bad_images": "skip", "n": 5, "n_svm": 10}
    changes = {k: v for k, v in tiny.items() if k not in ("data", "steps", "load_size")}
    for name, job in (("row", {"asked": {**asked, "name": "pgn", "changes": changes, "label": ""},
                               "run": str(run)}),
                      ("pixels", {"asked": {**asked, "size": 16, "like": ["pgn", changes]},
                                  "run": ""})):
        measure({"kind": "readout", "out": str(tmp_path / name), **job})
    row, guess = (json.loads((tmp_path / f"{n}.json").read_text()) for n in ("row", "pixels"))
    assert row["n"] == guess["n"] == 5 and row["figures"]["readout_train"] == 10
    assert {"r_angle", "r_speed", "r_scale", "psnr_1"} <= set(row["figures"])
    assert "r_pc1" in guess["figures"] and "psnr_1" not in guess["figures"]
    (table,) = KINDS["readout"].tables({"rows": [{"mean": row["figures"]}]})
    assert "r, angle" in [c.head for c in table.columns]
    assert "r, places" not in [c.head for c in table.columns]
    assert (tmp_path / "truth.png").exists()


def test_an_export_serves_next_frames_of_any_number(run, tmp_path):
    model = weights.load(str(run), "required")
    loaded = tf.saved_model.load(export_model(model, tmp_path / "models"))
    assert set(loaded.signatures) == {"serving_default", "images", "predict"}
    clips = np.random.default_rng(3).integers(0, 256, (2, 5, 19, 30, 3), dtype=np.uint8)
    for t in (3, 5):
        frames = loaded.signatures["predict"](frames=tf.constant(clips[:, :t]))["frames"]
        expected = model.predict_frames(clips[:, :t], 2).numpy().astype(int)
        assert np.abs(frames.numpy() - expected).max() <= 1
    assert loaded.signatures["predict"](frames=tf.constant(clips[:0]))["frames"].shape[0] == 0
    again = weights.load(str(tmp_path / "models/pgn/1"), "required")
    np.testing.assert_array_equal(again.predict_frames(clips, 2), expected)
    made = loaded.signatures["images"](
        **{f"frame{i + 1}": tf.constant(clips[:, i]) for i in range(3)})["images"]
    assert np.abs(made.numpy() - model.predict_frames(clips[:, :3]).numpy()[:, 0].astype(int)
                  ).max() <= 1
