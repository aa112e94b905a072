"""Suites: a tiny one of each kind goes through, goes on, fails in part; what they ask for.

Jobs run in this process here, which knows the toy and has quick judges; how they run in processes
of their own is tested apart.
"""

import contextlib
import dataclasses
import functools
import importlib
import io
import json
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Recipe
from kgan.data import open_data
from kgan.evaluation import edits
from kgan.evaluation import judge as classifier
from kgan.evaluation.suite import jobs as suite_job
from kgan.evaluation.suite import suite
from kgan.evaluation.suite import time as suite_time
from kgan.evaluation.suite.compare import _for_photographs, _on, compare
from kgan.evaluation.suite.definitions import SUITES, Row, Suite, sized, sized_rows
from kgan.evaluation.suite.kinds import KINDS
from kgan.evaluation.suite.options import SuiteOptions
from kgan.metrics.c2st import c2st
from kgan.models.gan import GAN, Stage
from kgan.training import callbacks

SMILES = "avatars:Smiling?n=24&test=20"
GLASSES = "avatars:Eyeglasses?n=24&test=20"
TOY = Row("Toy <b>*", "toy", {"size": 16})
BAD = Row("Bad", "toy", {"size": 16, "bad_term_at": 2}, tag="bad")


class MeanFace(GAN):
    """Not trained: every result is the mean training picture of the target domain."""

    directions = {"a2b": "none", "b2a": "none"}
    trains = False
    graph = False

    def build_networks(self, recipe):
        return {}

    def prepare(self, data):
        self.mean = {d: data.train[d].mean(0) / 127.5 - 1 for d in data.train}

    def forward(self, x, direction):
        return tf.broadcast_to(tf.constant(self.mean[direction[-1]], tf.float32), x.shape)


@pytest.fixture
def mean_face():
    registry.register("mean_face", MeanFace, Recipe(size=16), card="dfi.md", phrase="a test")
    yield Row("Mean", "mean_face")
    del registry._entries["mean_face"]


def in_process(main, arguments, log):
    """`run_child` without a child. A training that is told to stop stops the suite, too."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        serve = importlib.import_module(suite_job.MAINS[main]).main
        code = serve(json.loads(json.dumps(arguments)))
    result = json.loads((out.getvalue().splitlines() or ["{}"])[-1])
    if result.get("status") == "interrupted":
        raise KeyboardInterrupt
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(err.getvalue())
    why = err.getvalue().splitlines()[-1].removeprefix("error: ") if code else ""
    return (None if code else result), why


@pytest.fixture
def tiny(monkeypatch, tmp_path, toy, tool):
    """`tiny(*rows)(*flags)`: runs the suite of these rows in `tmp_path`; of translators if no other
    kind is named."""
    monkeypatch.setattr(suite, "run_child", in_process)
    monkeypatch.setattr(suite, "LEAST", 4)
    monkeypatch.setattr(suite, "ROUNDS", 1)
    monkeypatch.setattr(classifier, "_STEPS", 5)
    monkeypatch.setattr(edits, "c2st", functools.partial(c2st, steps=3))

    def declare(*rows, kind="edits", data=SMILES):
        monkeypatch.setitem(SUITES, "tiny", Suite(kind, rows))
        flags = ["--suite", "tiny", "--minutes", 0, "--seeds", 1, "--n_dfi", 10]
        return lambda *more: tool(
            "evaluate", *flags, "--data", data, "--output", tmp_path, *more
        )

    return declare


def timed(job, cost=0.5):
    """What a timing of steps says if all cost the same."""
    return {"steps": [{"cost": cost, "devices": "none"} for _ in job["calls"]]}, ""


def recorded(monkeypatch):
    """The calls of `run_child` from now on; every one succeeds and makes nothing."""
    calls = []

    def child(main, arguments, log):
        calls.append((main, arguments))
        return timed(arguments) if main == "time" else ({}, "")

    monkeypatch.setattr(suite, "run_child", child)
    return calls


def never(*arguments):
    raise AssertionError("nothing is left to do")


def flags_of(call):
    """Of a training's (main, flags), or of one of a timing's lists of flags."""
    flags = call[1] if isinstance(call, tuple) else call
    if isinstance(flags, dict):
        return {name: str(value) for name, value in flags.items()}
    return dict(flag.removeprefix("--").split("=", 1) for flag in flags)


# A suite in whole


def test_a_suite_goes_through_and_is_not_done_again(tiny, mean_face, tmp_path, monkeypatch):
    run = tiny(TOY, BAD, mean_face)
    planned = run("--dry_run").json
    assert planned["dry_run"] and len(planned["jobs"]) == 7  # timing, 2 trainings, 4 measurings
    assert not (tmp_path / "suite.json").exists()
    done = run()
    assert done.code == 0, done.stderr
    assert list(run("--dry_run").json["jobs"]) == [
        f"train toy-bad on {SMILES}, seed 0", f"measure toy-bad on {SMILES}, seed 0"]
    assert done.json["page"] == str(tmp_path / "index.html")
    # What fails is a row with its reason, and the rest goes on.
    folder = "avatars-Smiling-n=24-test=20"
    assert list(done.json["failed"]) == [f"{folder}/toy-bad-seed0"]
    assert "discriminator/real became not-a-number at step 2" in done.stderr
    content = json.loads((tmp_path / "suite.json").read_text())
    (data,) = content["data"]
    toy, bad, mean = data["rows"]
    assert [(t["step"], t["n"]) for t in toy["trainings"]] == [(4, 20)]
    assert [(t["step"], t["n"]) for t in mean["trainings"]] == [(None, 10)]
    assert bad["trainings"] == [] and "not-a-number" in bad["failed"][0]
    assert {timing["steps"] for timing in content["timings"].values()} == {4}
    figures = toy["trainings"][0]["figures"]
    assert {"c2st_log_loss_a2b", "edit_accuracy_a2b", "region_l1"} <= figures.keys()
    # Doing nothing and real pictures.
    nothing, real = data["sanity"]["figures"], data["sanity"]["real"]
    assert nothing["preservation_l1_a2b"] == nothing["preservation_l1_b2a"] == 0
    assert nothing["edit_accuracy_a2b"] == figures["identity_edit_accuracy_a2b"]
    right = (real["edit_accuracy_a2b"] + real["edit_accuracy_b2a"]) / 2
    assert right == pytest.approx(data["sanity"]["classifier_accuracy"])
    assert "c2st_accuracy_b2a" in real
    strip = np.asarray(Image.open(tmp_path / folder / "measured/mean_face-seed0.png"))
    faces = open_data(SMILES, size=16).train["b"].mean(0)
    assert np.abs(strip[:, 32:48] - faces).max() < 1  # the third of ten results, a2b
    # The files show it: a model of one direction is in one table only.
    text = (tmp_path / "table.md").read_text()
    assert text.count("| Toy \\<b\\>\\* |") == 1
    assert text.count("| Mean <sup>") == 2
    assert "| Bad | failed: discriminator/real became not-a-number" in text
    shown = (tmp_path / "index.html").read_text(encoding="utf-8")
    for row in (toy, bad, mean):
        assert f"<small>{row['key']}</small>" in shown
    assert "Toy &lt;b&gt;*" in shown and "<b>*" not in shown
    assert f'href="{folder.replace("=", "%3D")}/toy-seed0/index.html"' in shown
    sheet = Image.open(tmp_path / folder / "faces.png")
    assert sheet.height == 4 * 130  # input, truth, toy, mean: 16 px shown as 128

    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*seed*/weights/*")}
    assert len(stamps) == 4
    tiny(TOY, mean_face)
    monkeypatch.setattr(suite, "run_child", never)
    again = run()
    assert again.code == 0, again.stderr
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*seed*/weights/*")} == stamps
    known = json.loads((tmp_path / "suite.json").read_text())["data"][0]["rows"]
    assert known == [toy, mean]
    # Other weights and other questions are measured anew, and nothing else.
    metadata = tmp_path / folder / "toy-seed0/weights/metadata.json"
    weights = '"model.weights.h5": "'
    metadata.write_text(metadata.read_text().replace(weights, f"{weights}0"))
    calls = recorded(monkeypatch)
    run()
    assert [(main, job["run"][-9:]) for main, job in calls] == [("measure", "toy-seed0")]
    calls.clear()
    run("--seeds", 2, "--only", "mean_face")
    assert [main for main, _ in calls] == ["measure", "measure"]
    # So is a row that has changed: its run then says what it was begun with.
    calls.clear()
    tiny(Row("Toy", "toy", {"size": 16, "batch": 4}))("--only", "toy")
    assert [main for main, _ in calls] == ["time", "train", "measure"]


def test_an_interrupted_suite_goes_on(tiny, tmp_path, monkeypatch):
    run = tiny(Row("Toy", "toy", {"size": 16}))
    after_step = callbacks.Report.after_step

    def stop_at_2(report, step, logs):
        after_step(report, step, logs)
        if step == 2:
            signal.raise_signal(signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(callbacks.Report, "after_step", stop_at_2)
    stopped = run("--seeds", 0)
    assert (stopped.code, stopped.json["status"]) == (1, "interrupted")
    assert stopped.stderr.splitlines()[-1] == (
        "stopped with 2 of 4 jobs done; the same command goes on from there"
    )
    assert signal.getsignal(signal.SIGTERM) is before
    assert "Not measured yet: Toy." in (tmp_path / "index.html").read_text(encoding="utf-8")
    (folder,) = tmp_path.glob("*/toy-seed0")
    assert [p.name for p in (folder / "checkpoints").iterdir()] == ["step_000000002"]
    monkeypatch.setattr(callbacks.Report, "after_step", after_step)
    done = run("--seeds", 0)
    assert done.code == 0, done.stderr
    assert "[3/4] train toy" in done.stderr and "[1/4]" not in done.stderr
    steps = [json.loads(x)["step"] for x in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4]
    (data,) = json.loads((tmp_path / "suite.json").read_text())["data"]
    (training,) = data["rows"][0]["trainings"]
    assert training["step"] == 4
    assert not any("c2st" in name for name in training["figures"])


# Other kinds

FACES = "avatars:Smiling,Eyeglasses?n=24&test=20"
FC = {"size": 16, "batch": 4, "filters": 4, "validate_every": 10, "generator": "pocket"}


@pytest.fixture
def pocket():
    """A tiny generator of which there are no weights."""
    entry = registry.entry("dcgan")
    tiny = {k: v for k, v in entry.tiny.items() if k != "labels"}
    recipe = entry.recipe.replace(**{**tiny, "data": FACES, "steps": 3})
    registry.register("pocket", entry.model, recipe,
                      card="dcgan.md", phrase="a test")
    yield
    del registry._entries["pocket"]


@pytest.mark.slow  # as the other kinds, with a generator to train first
def test_a_suite_of_encoders(tiny, pocket, tmp_path, monkeypatch):
    rows = [Row(f"FC {x}", "fc_encoder", {**FC, "loss": x}, tag=x) for x in ("l2", "l1")]
    run = tiny(*rows, kind="encoders", data=FACES)
    done = run()
    assert done.code == 0, done.stderr
    assert done.json["failed"] == {}
    assert done.stderr.count("train pocket on") == 1  # for both
    content = json.loads((tmp_path / "suite.json").read_text())
    (data,) = content["data"]
    below = tmp_path / data["folder"] / "pocket"
    for row in data["rows"]:
        (training,) = row["trainings"]
        assert (training["generator"], training["step"], training["n"]) == (str(below), 4, 20)
        assert row["mean"]["ssim_loss"] > row["mean"]["ssim_term"] > 0
        assert row["mean"]["mse_unit"] == row["mean"]["mse"] / 4
    l2, l1 = (row["mean"] for row in data["rows"])
    assert l2["mse"] != l1["mse"] and l2["code_error"] != l1["code_error"]
    name = "frechet_vgg_star_small_avatars"
    assert l2[name] == l1[name] > l2[f"real_{name}"] > 0  # one generator
    random, mean = (data["sanity"][guess] for guess in ("random", "mean"))
    assert random["mse"] > mean["mse"] > 0 and "code_error" not in mean
    text = (tmp_path / "table.md").read_text()
    assert text.count("| mean training picture <sup>1</sup> |") == 1 and "###" not in text
    assert f"{mean['l2_sum']:,.1f}" in text and str(below) in text.replace("\\", "")
    strip = np.asarray(Image.open(tmp_path / data["folder"] / "measured/input.png"))
    faces = open_data(FACES, size=16).test["a"]
    np.testing.assert_array_equal(strip[:, 16:32], faces[1])

    monkeypatch.setattr(suite, "run_child", never)
    assert run().code == 0
    other = run("--generator", "pocket")
    assert other.code == 2 and "was begun with --generator ''" in other.stderr
    # A generator that is there is not trained, and all of a run follow from it.
    calls = recorded(monkeypatch)
    with_it = run("--output", tmp_path / "other", "--generator", below)
    assert with_it.code == 0, with_it.stderr
    assert [main for main, _ in calls] == ["time", "measure", *["train", "measure"] * 2]
    asked = [*calls[0][1]["calls"], *(call for call in calls if call[0] == "train")]
    assert len(asked) == 4
    for call in asked:
        assert (flags_of(call)["generator"], flags_of(call)["data"]) == (str(below), FACES)


def test_steps_that_take_turns_cost_the_same_on_a_machine_that_is_slow_at_times():
    true = np.array([0.1, 0.4, 0.8])
    slowed = np.array([1.0, 1.9, 1.0, 1.7, 1.0, 1.0, 1.8])[:, None]
    np.testing.assert_allclose(suite_time.costs(true * slowed), true)
    times = true * slowed
    times[3, 0] *= 20  # and one step alone
    np.testing.assert_allclose(suite_time.costs(times), true)


def test_a_generator_that_fails_fails_its_encoders(tiny, pocket, monkeypatch):
    run = tiny(Row("FC", "fc_encoder", FC), kind="encoders", data=FACES)
    tried = []

    def child(main, arguments, log):
        tried.append(main)
        if main == "train":
            return None, "no room"
        return timed(arguments) if main == "time" else ({}, "")

    monkeypatch.setattr(suite, "run_child", child)
    done = run()
    assert tried == ["time", "measure", "train"]
    assert list(done.json["failed"].values()) == ["no room"]
    assert next(iter(done.json["failed"])).endswith("/pocket")


@pytest.fixture
def classes(tmp_path):
    """The specification of two classes: dark pictures and bright ones."""
    random = np.random.default_rng(0)
    for split, count in (("train", 30), ("test", 8)):
        for name, level in (("dark", 0), ("bright", 120)):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                noise = random.integers(0, 130, (32, 32, 3)) + level
                Image.fromarray(noise.astype(np.uint8)).save(folder / f"{i}.png")
    return f"folder:{tmp_path / 'pictures'}?layout=classes"


def test_a_suite_of_features(tiny, classes, tmp_path, monkeypatch):
    name, tiny_net = "dcgan_features", {"batch": 4, "filters": 4, "discriminator_filters": 4}
    run = tiny(
        Row("DCGAN", name, tiny_net),
        Row("Fresh", name, tiny_net, tag="untrained", trained=False),
        kind="features", data=classes,
    )
    real = suite.run_child
    monkeypatch.setattr(suite, "run_child", lambda main, *more: (
        timed(*more[:1]) if main == "time" else real(main, *more)
    ))
    done = run("--n_svm", 40, "--n", 10)
    assert done.code == 0, done.stderr
    assert done.json["failed"] == {}
    (data,) = json.loads((tmp_path / "suite.json").read_text())["data"]
    trained, fresh = (row["trainings"][0] for row in data["rows"])
    assert (trained["step"], fresh["step"], fresh["run"]) == (4, None, None)
    for figures in (trained["figures"], fresh["figures"], data["sanity"]["figures"]):
        assert (figures["train"], figures["test"]) == (40, 10)
        assert figures["accuracy"] == 1  # both classes, though files come class by class
    assert trained["figures"]["features"] == fresh["figures"]["features"] == 16 * 4 * 14
    assert data["sanity"]["figures"]["features"] == 32 * 32 * 3
    assert "| raw pixels <sup>1</sup> |  |  |  | 100.00 | 3,072 |" in (
        tmp_path / "table.md").read_text()
    # What is learnt from belongs to the figures.
    calls = recorded(monkeypatch)
    run("--n_svm", 30, "--n", 10)
    assert [(main, job["asked"]["n_svm"]) for main, job in calls] == [("measure", 30)] * 3


def test_features_need_classes(tiny):
    refused = tiny(Row("DCGAN", "dcgan_features"), kind="features", data=FACES)()
    assert refused.code == 1 and "has no classes; name pictures in class" in refused.stderr


@pytest.fixture
def pairs(tmp_path):
    """The specification of pairs of 16 px: b is the negative of a."""
    random = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 20)):
        folder = tmp_path / "pairs" / split
        folder.mkdir(parents=True)
        for i in range(count):
            a = random.integers(0, 256, (4, 4, 3), np.uint8).repeat(4, 0).repeat(4, 1)
            Image.fromarray(np.concatenate([a, 255 - a], 1)).save(folder / f"{i}.png")
    return f"folder:{tmp_path / 'pairs'}"


def test_a_suite_of_pairs(tiny, pairs, tmp_path):
    small = registry.entry("pix2pix_small").tiny
    run = tiny(Row("L1", "pix2pix_small", {**small, "lambda_adversarial": 0.0}), kind="pairs",
               data=pairs)
    done = run("--direction", "b2a")
    assert done.code == 0, done.stderr
    assert done.json["failed"] == {}
    (data,) = json.loads((tmp_path / "suite.json").read_text())["data"]
    (l1,) = (row["mean"] for row in data["rows"])
    wanted = {"psnr_b2a", "ssim_b2a", "l1_b2a", "colours_l_b2a", "c2st_log_loss_b2a",
              "frechet_vgg_star_small_cifar10_b2a"}
    assert wanted <= l1.keys()
    a = open_data(pairs, size=16).test["a"][np.arange(20)]
    nothing = data["sanity"]["figures"]
    assert nothing["l1_b2a"] == pytest.approx(np.abs(2.0 * a - 255).mean(), rel=1e-5)
    assert nothing["l1_b2a"] == l1["identity_l1_b2a"]
    assert data["sanity"]["real"].keys() >= {"c2st_log_loss_b2a"}
    for name, pictures in (("input", 255 - a), ("truth", a)):
        strip = np.asarray(Image.open(tmp_path / data["folder"] / f"measured/{name}.png"))
        np.testing.assert_array_equal(strip[:, 16:32], pictures[1])
    text = (tmp_path / "table.md").read_text()
    assert "| model | runs | steps | seconds | PSNR, dB" in text and "class IoU" not in text
    other = run()
    assert other.code == 2 and "was begun with --direction b2a" in other.stderr


def test_pairs_are_needed_and_have_a_direction(tiny):
    row = Row("pix2pix", "pix2pix_small")
    refused = tiny(row, kind="pairs")()
    assert refused.code == 1 and "holds no pairs; name a folder of pairs" in refused.stderr
    refused = tiny(TOY)("--direction", "b2a")
    assert refused.code == 2 and "--direction is for pairs; tiny has none" in refused.stderr


def test_suites_of_pix2pix_are_the_papers():
    recipes = {name: [row.recipe for row in sized_rows(SUITES[f"pix2pix_{name}"].rows, "small")]
               for name in ("losses", "generator", "patch")}
    paid = [(r.lambda_l1, r.lambda_adversarial, r.conditional) for r in recipes["losses"]]
    assert paid == [(100, 0, True), (0, 1, False), (0, 1, True), (100, 1, False), (100, 1, True)]
    assert [(r.generator, r.lambda_adversarial) for r in recipes["generator"]] == [
        ("encoder_decoder", 0), ("encoder_decoder", 1), ("unet", 0), ("unet", 1)]
    assert [r.discriminator_layers for r in recipes["patch"]] == [0, 1, 2, 3]
    for name in recipes:
        keys = {row.key for row in SUITES[f"pix2pix_{name}"].rows}
        for published in SUITES[f"pix2pix_{name}"].published:
            assert published.values.keys() <= keys


def test_rows_of_generators_have_the_batch_that_their_card_says():
    paper, small = ({row.recipe.batch for row in sized_rows(
        SUITES["pix2pix_generator"].rows, size)} for size in ("paper", "small"))
    text = " ".join(registry.card("pix2pix").split())
    assert f"batch of the recipe, {paper.pop()} at `--size paper` and {small.pop()} in" in text
    assert not paper | small


def test_patches_of_286_px_are_of_the_papers_size_alone():
    suite = SUITES["pix2pix_patch"]
    layers = {size: {row.key: row.recipe.discriminator_layers
                     for row in sized_rows(suite.rows, size)} for size in ("small", "128", "paper")}
    assert layers["paper"] == {"pix2pix-1px": 0, "pix2pix-16px": 1, "pix2pix-34px": 2,
                               "pix2pix-70px": 3, "pix2pix-286px": 5}
    assert list(layers["small"]) == list(layers["128"]) == [
        f"pix2pix_small-{patch}px" for patch in (1, 16, 34, 70)]
    assert [p.values["pix2pix_small-286px"] for p in suite.published] == [.42, .16, .11]


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_names_models_of_the_zoo(name):
    missing = [row.name for row in SUITES[name].rows if not registry.knows(row.name)]
    assert not missing, f"--suite {name} has rows of models that nobody registers: {missing}"
    keys = {row.key for row in SUITES[name].rows}
    assert all(published.values.keys() <= keys for published in SUITES[name].published)
    large = [sized(row, "paper") for row in SUITES[name].rows]
    assert len({row.key for row in large}) == len(large)
    for row, small in zip(large, SUITES[name].rows, strict=True):
        assert row.name != small.name and row.model is small.model
        assert row.recipe.steps > small.recipe.steps or not row.trains
    for rows in (sized_rows(SUITES[name].rows, "small"), large):
        alike = {(r.name, r.trained, *r.shares, str(r.recipe.as_dict())) for r in rows}
        assert len(alike) == len(rows)


def test_the_other_suites_can_be_trained():
    for name, count, size in (("encoders", 6, 64), ("crg", 10, 64), ("generators", 7, 64),
                              ("dcgan_features", 2, 32)):
        rows = SUITES[name].rows
        assert len({row.key for row in rows}) == len(rows) == count
        assert {row.recipe.size for row in rows} == {size}
        assert SUITES[name].kind in KINDS
    paid = [row.recipe.loss for row in SUITES["encoders"].rows]
    assert paid == ["l2", "l2", "ssim", "l1", "l2", "l2"]
    both = [{r.key: r.repeated for r in SUITES[name].rows} for name in ("crg", "generators")]
    assert sum(both[0].values()) == 5
    assert all(both[0][key] == both[1][key] for key in both[0].keys() & both[1].keys())
    trained, fresh = SUITES["dcgan_features"].rows
    assert (trained.trains, fresh.trains) == (True, False)


def test_small_recipes_at_another_side():
    rows = {row.key: sized(row, "128") for row in SUITES["cyclegan_baselines"].rows}
    assert {row.recipe.size for row in rows.values()} == {128}
    pairs = [row.recipe for row in rows.values() if row.name == "pix2pix_small"]
    assert pairs and {recipe.load_size for recipe in pairs} == {144}  # 72 of 64
    assert rows["cyclegan_small-all"].recipe.load_size == 0
    for size, says in (("large", "neither small nor paper"), ("50", "--size 50 must be a")):
        with pytest.raises(UsageError, match=says):
            [sized(row, size) for row in rows.values()]


# What a suite asks for


def test_budget_direction_and_labels(tiny, tmp_path, monkeypatch):
    run = tiny(
        Row("One way", "vgg_gan_small", {"lambda_identity": 5.0}, repeated=True),
        Row("Two ways", "vgg_ms_cyclegan_small", shares={"pretrain_steps": 0.25}, tag="pretrained"),
        Row("All", "stargan_small", joint=True),
    )
    monkeypatch.setattr(suite, "open_data", functools.partial(at_16_px, suite.open_data))
    calls = recorded(monkeypatch)
    run("--minutes", 2, "--data", f"{GLASSES};{SMILES}", "--precision", "mixed_bfloat16")
    (steps,) = [job["calls"] for main, job in calls if main == "time"]
    asked = {flags_of(call)["model"]: flags_of(call) for call in steps}
    assert len(asked) == len(steps) == 3
    assert asked["vgg_ms_cyclegan_small"]["pretrain_steps"] == "0"
    assert asked["vgg_gan_small"]["lambda_identity"] == "5.0"
    trained = {flags_of(c)["out"].removeprefix(f"{tmp_path}/"): flags_of(c)
               for c in calls if c[0] == "train"}
    glasses, smiles = "avatars-Eyeglasses-n=24-test=20", "avatars-Smiling-n=24-test=20"
    both = "avatars-Eyeglasses,Smiling-n=48-test=40"
    assert trained.keys() == {
        *(f"{folder}/vgg_gan_small-seed{k}" for folder in (glasses, smiles) for k in (0, 1)),
        f"{glasses}/vgg_ms_cyclegan_small-pretrained-seed0",
        f"{smiles}/vgg_ms_cyclegan_small-pretrained-seed0", f"{both}/stargan_small-seed0",
    }
    one = trained[f"{glasses}/vgg_gan_small-seed0"]
    assert (one["direction"], one["steps"], one["export"]) == ("b2a", "240", "false")
    assert (one["precision"], one["seed"]) == ("mixed_bfloat16", "0")
    assert list(trained)[-1] == f"{smiles}/vgg_gan_small-seed1"  # every row once before that
    assert trained[f"{smiles}/vgg_gan_small-seed0"]["direction"] == "a2b"
    two = trained[f"{smiles}/vgg_ms_cyclegan_small-pretrained-seed0"]
    assert (two["steps"], two["pretrain_steps"]) == ("240", "60") and "direction" not in two
    every = trained[f"{both}/stargan_small-seed0"]
    assert (every["steps"], every["data"]) == ("480", "avatars:Eyeglasses,Smiling?n=48&test=40")
    measured = [job for main, job in calls if main == "measure" and "stargan" in job["out"]]
    assert [(job["asked"]["label"], job["asked"]["direction"]) for job in measured] == [
        ("Eyeglasses", "b2a"), ("Smiling", "a2b"),
    ]


def test_what_a_step_costs_decides_how_many_there_are(tiny, tmp_path, monkeypatch):
    name = "vgg_ms_cyclegan_small"
    run = tiny(Row("Plain", name), Row("Other", name, {"lambda_cycle": 2.0}, tag="other"),
               Row("Broken", name, {"lambda_cycle": 3.0}, tag="broken"),
               Row("Pretrained", name, shares={"pretrain_steps": 0.25}, tag="pretrained"))
    monkeypatch.setattr(suite, "open_data", functools.partial(at_16_px, suite.open_data))
    calls = []

    def child(main, arguments, log):
        calls.append((main, arguments))
        found = [{"cost": 0.25}, {"cost": 0.4}, {"error": "no room"}]
        return {"steps": found} if main == "time" else {}, ""

    monkeypatch.setattr(suite, "run_child", child)
    done = run("--minutes", 1, "--data", SMILES)
    job = calls[0][1]
    assert [flags_of(call).get("lambda_cycle") for call in job["calls"]] == [None, "2.0", "3.0"]
    trained = [flags_of(call)["steps"] for call in calls if call[0] == "train"]
    assert trained == ["240", "150", "240"]
    assert list(done.json["failed"].values()) == ["no room"]


def at_16_px(open_data, spec, size, **more):
    return open_data(spec, size=16, **more)


def test_levels_grow_as_much_slower_as_there_are_more_steps(tiny, tmp_path, monkeypatch):
    rows = [row for row in SUITES["generators"].rows if row.scaled and row.name == "pggan_small"]
    run = tiny(*rows, kind="generators", data=FACES)
    calls = recorded(monkeypatch)
    assert run("--minutes", 150).code == 0
    (steps,) = [job["calls"] for main, job in calls if main == "time"]
    assert all(call["model"] == "pggan_small" for call in steps)
    assert [call.get("fade_images") for call in steps] == [8000, None, None]
    trained = [flags_of(call) for call in calls if call[0] == "train"]
    grown = [(x["steps"], x["fade_images"], x["stable_images"]) for x in trained]
    ratio = 18_000 / registry.recipe("pggan_small").steps
    half, whole = ((str(round(x * ratio)), str(round(2 * x * ratio))) for x in (8000, 16_000))
    assert grown == [("18000", *half), ("18000", *whole), ("18000", *whole)]
    for row in rows:  # however few steps there are, the last level is reached
        given = row.recipe
        given.replace(steps=50, **{
            name: round(50 * given.as_dict()[name] / given.steps) for name in row.scaled})


@pytest.fixture
def staged(toy):
    """A name whose last stage, of three quarters of the steps, has larger pictures."""
    entry = registry.entry("toy")

    class Staged(entry.model):
        @classmethod
        def stages_of(cls, recipe):
            steps = recipe.steps // 8
            return (Stage("first", steps, cls.phases, size=8),
                    Stage("second", steps, cls.phases, size=8),
                    Stage("third", 6 * steps, cls.phases))

    registry.register("staged", Staged, entry.recipe.replace(size=16, steps=16),
                      card="cyclegan.md", phrase="a test")
    yield {"model": "staged", "precision": "float32"}
    del registry._entries["staged"]


def test_steps_of_all_stages_are_timed(staged):
    step = suite_time._step(staged)
    assert step.shares == pytest.approx([1 / 4, 3 / 4])
    assert len(step.spend_each()) == 2 and min(step.spend()) >= 0
    assert int(step.model.step) == 2 + 1 + 2 * 2 + 2 + 1  # traced, the first one, warm, and these
    step.spend_each = lambda: [(0, 1.0), (0, 3.0)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suite_time, "_step", lambda call: step)
        patch.setattr(suite_time, "cores", lambda: 1)
        (found,) = suite_time.time_steps({"calls": [staged], "rounds": 2})["steps"]
    assert found["cost"] == pytest.approx(1 / 4 + 3 * 3 / 4)


def test_a_suite_of_generators(tiny, pocket, tmp_path):
    run = tiny(Row("Pocket", "pocket", {"steps": 3}), kind="generators", data=FACES)
    done = run("--reference", "vgg_star_small.cifar10")
    assert done.code == 0, done.stderr
    (data,) = json.loads((tmp_path / "suite.json").read_text())["data"]
    (row,) = data["rows"]
    name = "vgg_star_small_cifar10"
    assert row["mean"][f"frechet_{name}"] > data["sanity"]["real"][f"frechet_{name}"] > 0
    assert f"kid_{name}" in row["mean"] and "keras_fid" not in row["mean"]
    text = (tmp_path / "table.md").read_text().replace("\\", "")
    assert f"Frechet, {name}" in text and "in features of vgg_star_small.cifar10" in text
    assert "Keras' Inception" not in text.partition("## How")[0]
    assert text.count("| real pictures <sup>1</sup> |") == 1
    figures = ("keras_fid", "frechet_x", "kid_x", "recall", "precision")
    known = {"sanity": {}, "rows": [{"mean": dict.fromkeys(figures, 1.0)}]}
    (table,) = KINDS["generators"].tables(known)
    assert [c.figure for c in table.columns] == [
        "frechet_x", "kid_x", "keras_fid", "precision", "recall"]


def test_what_another_suite_has_trained_is_taken(tiny, pocket, tmp_path, monkeypatch):
    first, other = tmp_path / "first", tmp_path / "other"
    row = Row("Pocket", "pocket")
    assert tiny(row, kind="generators", data=FACES)("--output", first).code == 0
    calls = recorded(monkeypatch)
    run = tiny(row, Row("Pocket", "pocket", {"ema": 0.5}, tag="mean"),
               kind="generators", data=FACES)
    assert run("--output", other, "--trained", first).code == 0
    trained = [flags_of(call) for call in calls if call[0] == "train"]
    assert [flags["ema"] for flags in trained] == ["0.5"]
    (taken,) = other.glob("*/pocket-seed0")
    assert taken.resolve() == (first / taken.relative_to(other)).resolve()
    with_other_steps = tiny(dataclasses.replace(row, changes={"ema": 0.25}),
                            kind="generators", data=FACES)
    last = tmp_path / "last"
    assert with_other_steps("--output", last, "--trained", first).code == 0
    assert not list(last.glob("*/pocket-seed0"))  # another recipe
    none = run("--output", tmp_path / "none", "--trained", tmp_path / "nowhere")
    assert none.code == 2 and "nowhere is not the folder of a suite" in none.stderr


def test_two_calls_do_rows_of_one_suite_at_the_same_time(
        tiny, pocket, tmp_path, monkeypatch):
    """Each keeps what the other has measured meanwhile of steps."""
    rows = [Row("One", "pocket", {"ema": share}, tag=str(share)) for share in (0.25, 0.5)]
    run = tiny(*rows, kind="generators", data=FACES)
    recorded(monkeypatch)
    alone = suite.run_child

    def meanwhile(main, arguments, log):
        if main == "train" and not any("0.5" in flag for flag in arguments):
            assert run("--only", "pocket-0.5").code == 0
        return alone(main, arguments, log)

    monkeypatch.setattr(suite, "run_child", meanwhile)
    assert run("--only", "pocket-0.25").code == 0
    content = json.loads((tmp_path / "suite.json").read_text())
    assert sorted(content["timings"]) == ["pocket ema=0.25", "pocket ema=0.5"]
    assert len(content["commands"]) == 2


def test_inception_is_for_generators(tiny, tmp_path, monkeypatch):
    refused = tiny(Row("CRG", "crg_encoder_small"), kind="crg", data=FACES)("--keras_fid")
    assert refused.code == 2 and "tiny has no figures that heed --keras_fid" in refused.stderr
    run = tiny(Row("Pocket", "pggan_small", {"size": 16}), kind="generators", data=FACES)
    monkeypatch.setattr(suite, "open_data", functools.partial(at_16_px, suite.open_data))
    calls = recorded(monkeypatch)
    assert run("--keras_fid").code == 0
    asked = next(job["asked"] for main, job in calls if main == "measure")
    assert asked["keras_fid"] is True and asked["reference"] == "vgg_star_small.avatars"


def test_encoders_alone_stand_on_the_generator_that_is_given():
    encoder, other = (Row("", name) for name in ("crg_encoder_small", "pioneer_small"))
    assert _on(encoder, "runs/x").changes == {"generator": "runs/x"}
    assert _on(other, "runs/x") is other


def test_labels_of_several_sets():
    assert suite.joint_spec(["avatars:Bald", "avatars:Smiling"]) == "avatars:Bald,Smiling"
    assert suite.joint_spec(["avatars:Bald?n=3", "avatars:Bald"]) == ""
    assert suite.joint_spec(["avatars:Bald", "folder:there"]) == ""
    real = [f"celeba:x?attribute={name}&crop=160" for name in ("Male", "Smiling")]
    assert suite.joint_spec(real) == "celeba:x?labels=Male,Smiling&crop=160"
    assert suite.joint_spec([real[0], "celeba:x?attribute=Smiling"]) == ""  # other pictures
    assert suite.joint_spec([*real, "celeba:x?attribute=Male"]) == ""  # one attribute of two crops


def test_one_set_has_no_labels_to_train_on(tiny, monkeypatch):
    run = tiny(TOY, Row("All", "stargan_small", joint=True))
    calls = recorded(monkeypatch)
    done = run("--only", "stargan_small")
    assert "it needs two data sets or more" in done.json["failed"]["stargan_small on "]
    assert [main for main, _ in calls] == ["measure"]  # doing nothing


def test_table1_can_be_trained():
    rows = SUITES["table1"].rows
    assert len({row.key for row in rows}) == len(rows) == 12
    assert {row.recipe.size for row in rows} == {64}
    assert [row.key for row in rows if row.repeated] == [
        "cyclegan_small", "rand_ms_cyclegan_small", "ms_cyclegan_small",
        "vgg_star_ms_cyclegan_small",
    ]
    assert [row.key for row in rows if not row.model.trains] == ["dfi_small"]
    assert [row.key for row in rows if row.joint] == ["stargan_small"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--suite", "tabel1"], "There is no suite tabel1. Did you mean table1"),
        (["--suite", "table1", "--only", "cycelgan_small"], "Did you mean cyclegan_small"),
        (["--suite", "table1", "--data", " "], "--data names no data set"),
        (["--suite", "table1", "--data", "avatar:Hat"], "names no source"),
        (["--suite", "table1", "--data", "folder:a/b folder:a-b"], "have one folder, folder-a-b"),
        (["--suite", "table1", "--data", "avatars:Bald,Smiling?n=4&test=4"], "has one domain"),
        (["--suite", "table1", "--training_seeds", "0"], "training_seeds"),
        (["--suite", "table1", "--generator", "dcgan"], "--generator is for encoders; table1 has"),
    ],
)
def test_wrong_calls_are_one_line(tool, tmp_path, flags, says):
    refused = tool("evaluate", "--output", tmp_path, *flags)
    assert refused.code in (1, 2) and refused.json is None
    assert says in refused.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_keeps_its_settings(tiny, tmp_path, monkeypatch):
    run = tiny(TOY)
    recorded(monkeypatch)
    assert run().code == 0
    other = run("--minutes", 5)
    assert other.code == 2
    assert f"{tmp_path} was begun with --minutes 0.0" in other.stderr


def test_a_folder_keeps_its_pictures(tiny, classes, tmp_path, monkeypatch):
    run = tiny(Row("Pocket", "toy", {"size": 16}), kind="features", data=classes)
    recorded(monkeypatch)
    assert run().code == 0
    assert run().code == 0
    moved = next(tmp_path.rglob("train/*/*.png"))
    moved.rename(moved.with_name("other.png"))
    other = run()
    assert other.code == 1
    assert f"does not hold the pictures that {tmp_path} was begun with" in other.stderr


# Processes


def test_a_child_answers_or_says_why_not(tmp_path):
    found, why = suite_job.run_child("train", ["--dry_run", "--steps=7"], tmp_path / "logs/a.log")
    assert (found["recipe"]["steps"], why) == (7, "")
    found, why = suite_job.run_child("train", ["--stepz=7"], tmp_path / "b.log")
    assert found is None
    assert why == f"There is no flag --stepz. Did you mean steps? (see {tmp_path / 'b.log'})"


def test_a_child_that_is_killed_is_told_by_its_signal(tmp_path, monkeypatch):
    monkeypatch.setattr(suite_job, "CALL", "import os; os.kill(os.getpid(), 9)")
    assert suite_job.run_child("train", [], tmp_path / "log")[1].startswith("ended by SIGKILL")


def test_a_suite_leaves_tensorflow_to_its_children():
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; import kgan.cli.evaluate; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_what_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    options = SuiteOptions(suite="table1")
    with pytest.raises(UserError, match="The suite cannot be written to"):
        compare(SMILES, tmp_path / "file", options)
    with pytest.raises(UsageError, match="--minutes must be at least 0"):
        SuiteOptions(suite="table1", minutes=-1.0)


def test_on_photographs_rows_look_through_what_knows_them():
    changed = {row.key: _for_photographs(row).recipe.as_dict().get("reference")
               for row in SUITES["table1"].rows}
    assert changed["vgg_star_gan_small"] == changed["dfi_small"] == "vgg_star_small.cifar10"
    assert changed["vgg_gan_small"] == "vgg_small.avatars"  # there is no other
    assert changed["cyclegan_small"] is None


@pytest.mark.slow  # as the other kinds
def test_a_suite_of_super_resolution(tiny, tmp_path):
    small = {"size": 32, "batch": 2, "filters": 4, "blocks": 1}
    look = {**small, "reference": "vgg_star_small.avatars", "vgg_scale": "measured"}
    rows = [Row("MSE", "srresnet_small", small), Row(
        "GAN", "srgan_small", {**look, "content": "vgg22", "discriminator_filters": 4},
        shares={"pretrain_steps": 0.5})]
    done = tiny(*rows, kind="super_resolution", data=FACES)()
    assert done.code == 0, done.stderr
    assert done.json["failed"] == {}
    (data,) = json.loads((tmp_path / "suite.json").read_text())["data"]
    bicubic = data["sanity"]["figures"]
    for row in data["rows"]:
        assert row["trainings"][0]["n"] == 20
        assert row["mean"].keys() == bicubic.keys() >= {
            "psnr_y", "ssim_y", "kid_vgg_star_small_avatars", "frechet_vgg_star_small_avatars"}
        assert row["mean"]["psnr_y"] < bicubic["psnr_y"]  # after four steps
    text = (tmp_path / "table.md").read_text()
    assert f"{bicubic['psnr_y']:.2f}" in text and "| bicubic interpolation" in text
    strip = np.asarray(Image.open(tmp_path / data["folder"] / "measured/truth.png"))
    assert strip.shape == (32, 10 * 32, 3)
