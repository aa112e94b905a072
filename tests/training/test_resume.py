"""Going on with a run: from older layouts, in another precision, with a lower rate, from a step."""

import dataclasses
import errno
import json
import os
import pathlib
import shutil
import signal
import threading
from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Knobs, Machine, Recipe, knob, read_recipe
from kgan.models import generators
from kgan.models.source import Source
from kgan.models.weights import load
from kgan.training.callbacks import Report
from kgan.training.rewind import rewind
from kgan.training.run import RunOptions, train

OLDER = pathlib.Path(__file__).parent / "older_run"


def values(folder, step):
    path = folder / "checkpoints" / f"step_{step:09d}" / "state"
    reader = tf.train.load_checkpoint(str(path))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()
            if name.startswith("state/")}


def networks(folder, step):
    return {n: v for n, v in values(folder, step).items() if "nets." in n or "nets/" in n}


def test_a_run_of_an_older_layout_goes_on(toy, tmp_path):
    """Its first steps were another processor's, whose last bits may differ."""
    shutil.copytree(OLDER / "float32", tmp_path / "older")
    toy(tmp_path / "older")
    toy(tmp_path / "whole")
    older, whole = (values(tmp_path / name, 6) for name in ("older", "whole"))
    assert older.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_allclose(older[name], value, rtol=1e-4, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("before, after", [
    ("float32", "mixed_float16"), ("mixed_float16", "float32"), ("mixed_float16", "mixed_float16"),
    ("float32", "mixed_bfloat16"),
])
def test_a_run_goes_on_in_another_precision(toy, tmp_path, before, after):
    toy(tmp_path, precision=before, steps=3)
    done = toy(tmp_path, precision=after, steps=6)
    assert (done["status"], done["step"]) == ("done", 6)


def test_an_older_float16_run_goes_on_in_float32(toy, tmp_path):
    shutil.copytree(OLDER / "mixed_float16", tmp_path / "run")
    assert toy(tmp_path / "run")["step"] == 6


@pytest.mark.parametrize("rate", [1e30, 1e6])
def test_a_rate_that_is_too_high_ends_the_run_and_a_lower_one_goes_on(toy, tmp_path, rate):
    toy(tmp_path, steps=2, learning_rate=rate / rate)  # a rate of 1, whose weights are still good
    good = networks(tmp_path, 2)
    with pytest.raises(UsageError, match="learning_rate"):  # higher is no way on
        toy(tmp_path, steps=6, learning_rate=rate)
    other = tmp_path / "high"
    with pytest.raises(UserError, match="learning_rate") as caught:
        toy(other, steps=6, learning_rate=rate, save_minutes=0)
    assert "\n" not in str(caught.value)
    assert json.loads((other / "run.json").read_text())["status"] == "failed"
    for step in (1, 2, 3, 4, 5, 6):
        if (other / "checkpoints" / f"step_{step:09d}").exists():
            assert max(np.abs(v).max() for v in networks(other, step).values()) < 1e4
    assert toy(tmp_path, steps=4, learning_rate=1e-4)["step"] == 4
    assert good.keys() == networks(tmp_path, 4).keys()


def test_from_an_earlier_checkpoint(toy, tmp_path):
    toy(tmp_path, save_minutes=0)
    before = values(tmp_path, 6)
    options = RunOptions(out=str(tmp_path), export=False, resume_from=4)
    recipe = registry.recipe("toy")
    assert train("toy", recipe, Machine(), options)["step"] == 6
    for name, value in before.items():
        np.testing.assert_array_equal(values(tmp_path, 6)[name], value)
    with pytest.raises(UsageError, match="no checkpoint of step 99"):
        train("toy", recipe, Machine(), options.replace(resume_from=99))


def test_fine_tuning_begins_with_the_weights_of_another_run(toy, tmp_path):
    toy(tmp_path / "first", learning_rate=0.1)
    toy(tmp_path / "second", init=str(tmp_path / "first"), learning_rate=0.0, steps=1)
    first, second = networks(tmp_path / "first", 6), networks(tmp_path / "second", 1)
    same = [name for name in first if np.array_equal(first[name], second[name])]
    assert any("nets.Sg.S" in name for name in same), sorted(first)
    assert "g" in json.loads((tmp_path / "second" / "run.json").read_text())["init"]["taken"]


def test_a_training_in_a_thread(toy, tmp_path):
    found = {}
    thread = threading.Thread(target=lambda: found.update(toy(tmp_path)))
    thread.start()
    thread.join()
    assert found["status"] == "done"
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "done"


def test_a_run_that_was_killed_is_not_called_running(toy, tmp_path):
    from kgan.core.status import read_status

    toy(tmp_path)
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "running"}))
    assert read_status(tmp_path)["status"] == "stopped"


def test_any_end_is_recorded(toy, tmp_path, monkeypatch):
    from kgan.training import callbacks

    def broken(self, step, *_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(callbacks.Samples, "draw", broken)
    with pytest.raises(RuntimeError):
        toy(tmp_path)
    found = json.loads((tmp_path / "run.json").read_text())
    assert found["status"] == "failed" and "a bug" in found["message"]


# What may change


def other(field, value):
    """Another value of a knob."""
    if field.metadata["choices"]:
        return next(x for x in field.metadata["choices"] if x not in ("auto", value))
    return not value if isinstance(value, bool) else value + 1


ELSEWHERE = {"out", "resume_from", "strategy", "devices"}  # those of devices are in test_drills
CHEAP = {"keep"}
CHANGES = [
    pytest.param(kind, f.name, id=f.name, marks=() if f.name in CHEAP else pytest.mark.slow)
    for kind in (Machine, RunOptions, Recipe) for f in dataclasses.fields(kind)
    if (kind is RunOptions or f.metadata["may_change"]) and f.name not in ELSEWHERE
]


@pytest.mark.parametrize(("kind", "field"), CHANGES)
def test_a_run_goes_on_with_another(toy, tmp_path, kind, field):
    settings = {
        Recipe: registry.recipe("toy").replace(steps=2), Machine: Machine(),
        RunOptions: RunOptions(out=str(tmp_path), export=False, sample_every=50, save_minutes=0),
    }

    def go():
        return train("toy", settings[Recipe], settings[Machine], settings[RunOptions])

    assert go()["step"] == 2
    shutil.rmtree(tmp_path / "checkpoints" / "step_000000002")
    (changed,) = (f for f in dataclasses.fields(kind) if f.name == field)
    value = other(changed, getattr(settings[kind], field))
    settings[kind] = settings[kind].replace(**{field: value})
    assert (go()["status"], go()["step"]) == ("done", settings[Recipe].steps)


# Of pix2pixHD, whose own tests hold the step to be the same; of CoGAN, which inverts after it.
SAME_STEP = {"remat", "invert_steps", "invert_rate"}


def test_no_family_lets_more_change_than_is_tested():
    """A new knob that may change needs a case above."""
    common = {f.name for f in dataclasses.fields(Recipe)} | SAME_STEP
    for name in registry.names():
        for f in dataclasses.fields(registry.recipe(name)):
            assert f.name in common or not f.metadata["may_change"], (name, f.name)


# Recipes that hold recipes, fields that were renamed


@dataclasses.dataclass(frozen=True)
class Held(Knobs):
    renamed: ClassVar[dict] = {"breadth": "width"}

    width: int = knob(8, "maps")
    patience: int = knob(3, "steps", may_change=True)


@pytest.fixture
def holder(toy, monkeypatch, tmp_path):
    """`holder(**changes)` trains the toy with a recipe that holds one, in `tmp_path / "run"`."""
    entry = registry.entry("toy")

    @dataclasses.dataclass(frozen=True)
    class Recipes(type(entry.recipe)):
        renamed: ClassVar[dict] = {"former_gain": "gain"}

        gain: float = knob(1.0, "a number")
        held: Held = knob(Held(width=4), "what it holds")

    recipe = Recipes(**entry.recipe.as_dict())
    monkeypatch.setitem(registry._entries, "toy", dataclasses.replace(entry, recipe=recipe))
    options = RunOptions(out=str(tmp_path / "run"), export=False, sample_every=50, save_minutes=0)
    return lambda **changes: train("toy", recipe.replace(**changes), Machine(), options)


def test_a_run_knows_what_its_recipe_holds(holder, tmp_path):
    holder(**{"held.width": 5, "steps": 2})
    assert read_recipe(tmp_path / "run" / "recipe.json")[1]["held"] == {"width": 5, "patience": 3}
    with pytest.raises(UsageError, match=r"--held\.width 5, not 6"):
        holder(**{"held.width": 6, "steps": 3})
    done = holder(**{"held.width": 5, "held.patience": 9, "steps": 3})
    assert done["step"] == 3
    changed = json.loads((tmp_path / "run" / "run.json").read_text())["changed"][0]
    assert changed == {"step": 2, "steps": [2, 3], "held.patience": [3, 9]}


def test_runs_weights_and_exports_with_former_names_go_on(holder, tmp_path, rehash):
    def older(path):
        content = json.loads(path.read_text())
        values = content["recipe"]
        values["former_gain"] = values.pop("gain")
        values["held"]["breadth"] = values["held"].pop("width")
        path.write_text(json.dumps(content))

    changes, run = {"gain": 2.5, "held.width": 7}, tmp_path / "run"
    holder(**changes, steps=2)
    older(run / "recipe.json")
    with pytest.raises(UsageError, match=r"--gain 2\.5, not 1\.5"):
        holder(**{**changes, "gain": 1.5}, steps=3)
    assert holder(**changes, steps=3)["step"] == 3  # and writes the names of today
    assert read_recipe(run / "recipe.json")[1]["gain"] == 2.5
    older(run / "weights" / "config.json")
    rehash(run / "weights")
    exported = tmp_path / "out" / "toy" / "1" / "assets.extra" / "weights"
    shutil.copytree(run / "weights", exported)
    for folder in (run / "weights", tmp_path / "out"):
        recipe = load(str(folder)).recipe
        assert (recipe.gain, recipe.held.width) == (2.5, 7)


# A model below


@pytest.fixture
def press(monkeypatch):
    """`press(step)`: SIGTERM after a step of whatever is trained, once."""
    told, at = Report.after_step, []

    def after_step(self, step, logs):
        told(self, step, logs)
        if at == [step]:
            at.clear()
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Report, "after_step", after_step)
    return at.append


def test_what_was_begun_below_goes_on_after_the_zoo_has_changed(toy, tmp_path, monkeypatch, press):
    entry, changes = registry.entry("toy"), {"learning_rate": 1e-3, "steps": 9, "flip": False}

    class Above(entry.model):
        @classmethod
        def needs(cls, recipe):
            how = registry.recipe("toy").replace(data=recipe.data, seed=recipe.seed)
            return Source("toy", "", how, None, "name")

    monkeypatch.setitem(registry._entries, "above", dataclasses.replace(
        entry, name="above", model=Above))
    options = RunOptions(out=str(tmp_path), export=False, sample_every=50)
    press(3)
    recipe = entry.recipe.replace(steps=1)
    assert train("above", recipe, Machine(), options)["status"] == "interrupted"
    monkeypatch.setitem(registry._entries, "toy", dataclasses.replace(
        entry, recipe=entry.recipe.replace(**changes)))
    with pytest.raises(UsageError, match="--seed 0, not 5"):  # that is its user's wish
        train("above", recipe.replace(seed=5), Machine(), options)
    assert train("above", recipe, Machine(), options)["status"] == "done"
    below = read_recipe(tmp_path / "toy" / "recipe.json")[1]
    assert [below[field] for field in changes] == [getattr(entry.recipe, f) for f in changes]
    assert (tmp_path / "toy" / "checkpoints" / "step_000000006").exists()


@pytest.mark.slow
def test_an_encoder_is_built_for_the_generator_that_was_begun(tmp_path, monkeypatch, press):
    dcgan, encoder = registry.entry("dcgan"), registry.entry("fc_encoder")
    data = "avatars:Smiling,No_Beard?n=48&test=8"
    older = dcgan.recipe.replace(**{**dcgan.tiny, "data": data, "steps": 4})
    known = registry._entries
    monkeypatch.setitem(known, "dcgan", dataclasses.replace(dcgan, recipe=older, weights=()))
    recipe = encoder.recipe.replace(**{
        **encoder.tiny, "data": data, "generator": "dcgan", "generator_recipe": "", "steps": 2})
    options = RunOptions(out=str(tmp_path), export=False, sample_every=50)
    press(2)
    assert train("fc_encoder", recipe, Machine(), options)["status"] == "interrupted"
    newer = older.replace(filters=2 * older.filters, latent=older.latent + 3)
    monkeypatch.setitem(known, "dcgan", dataclasses.replace(dcgan, recipe=newer, weights=()))
    assert train("fc_encoder", recipe, Machine(), options)["status"] == "done"
    text = read_recipe(tmp_path / "recipe.json")[1]["generator_recipe"]
    below = generators.from_text(text)[1]
    assert (below.filters, below.latent) == (older.filters, older.latent)


# A full disk


def full(*arguments, **keywords):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("place", [
    "kgan.training.callbacks.open",  # metrics.jsonl
    "kgan.core.paths.tempfile.mkdtemp",  # all else, run.json among it
    pytest.param("kgan.training.callbacks.write_page", marks=pytest.mark.slow),
    pytest.param("PIL.Image.Image.save", marks=pytest.mark.slow),
])
def test_a_full_disk_is_one_line_and_is_recorded(toy, tool, tmp_path, monkeypatch, place):
    monkeypatch.setattr("kgan.training.callbacks.Keeper.on_train_begin", lambda self, logs=None: (
        monkeypatch.setattr(place, full, raising=False), setattr(self, "saved", 0.0)))
    command = ("train", "--model", "toy", "--out", tmp_path, "--sample_every", 2, "--log_every", 2,
               "--noexport")
    failed = tool(*command)
    assert (failed.code, failed.json) == (1, None)
    last = failed.stderr.splitlines()[-1]
    assert last.startswith(f"error: The run in {tmp_path} stopped") and "No space left" in last
    told = json.loads((tmp_path / "run.json").read_text())
    assert (told["status"], f"error: {told['message']}") == ("failed", last)
    monkeypatch.undo()
    assert tool(*command).json["status"] == "done"


# What is told twice


def test_what_comes_again_is_taken_back(tmp_path):
    def note(first, last):
        writer = tf.summary.create_file_writer(str(tmp_path / "tensorboard"))
        with open(tmp_path / "metrics.jsonl", "a") as file, writer.as_default():
            for step in range(first, last + 1):
                file.write(json.dumps({"step": step}) + "\n")
                tf.summary.scalar("a", float(step), step)
        writer.close()

    def told():
        steps = [e.step for path in tmp_path.glob("tensorboard/*")
                 for e in tf.compat.v1.train.summary_iterator(str(path)) if e.summary.value]
        lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
        return sorted(steps), [json.loads(line)["step"] for line in lines]

    note(1, 4)
    (cut,) = tmp_path.glob("tensorboard/*")
    cut.write_bytes(cut.read_bytes()[:-3])
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"step": 5, "ter')
    rewind(tmp_path, 3)
    assert told() == ([1, 2, 3], [1, 2, 3])
    note(4, 9)
    rewind(tmp_path, 6)
    note(7, 8)
    assert told() == ([*range(1, 9)], [*range(1, 9)])
    rewind(tmp_path, 0)
    assert told() == ([], [])
