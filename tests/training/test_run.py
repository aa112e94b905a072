"""A run can be killed, stopped, damaged and taken up again, and says in one line what is wrong."""

import contextlib
import dataclasses
import errno
import fcntl
import io
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time
import types
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kgan.core import devices as machine
from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Machine, Recipe, knob, read_recipe
from kgan.models import weights
from kgan.models.checkpoint import RunState
from kgan.models.gan import GAN, Phase, Stage
from kgan.models.weights import load, verify
from kgan.training import run
from kgan.training.callbacks import Report

TRAIN = pathlib.Path(__file__).resolve().parents[2] / "tools" / "train"


class Child:
    """A process that is waited for and sent a signal."""

    def __init__(self, command, env=None):
        self.process = subprocess.Popen(
            [str(word) for word in command], env=env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )

    def wait_for(self, seen, seconds=120):
        """Waits until `seen()` is true."""
        until = time.monotonic() + seconds
        while not seen():
            if self.process.poll() is not None or time.monotonic() > until:
                self.process.kill()
                raise AssertionError("\n".join(self.process.communicate()))
            time.sleep(0.005)
        return seen()

    def end(self, number):
        """Sends a signal; exit code, stdout, stderr."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, err


def steps(folder):
    return sorted(int(p.name[5:]) for p in folder.glob("checkpoints/step_*"))


def state_of(folder, step):
    """`{room/number: array}` of a checkpoint."""
    reader = tf.train.load_checkpoint(str(folder / f"checkpoints/step_{step:09}/state"))
    head, tail = "state/", "/.ATTRIBUTES/VARIABLE_VALUE"
    return {
        name.removeprefix(head).removesuffix(tail).replace(".S", "/"): reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map() if name.startswith(head)
    }


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


# Interruptions


@pytest.mark.slow  # the same of toys, encoders and stages is in the default tests
def test_killed_and_stopped_and_taken_up_again_bit_for_bit(
    finished, tiny_flags, tool, tmp_path, monkeypatch
):
    folder = tmp_path / "run"
    flags = [*tiny_flags, "--out", folder, "--save_minutes", "0", "--keep", "100", "--noexport"]

    first = Child([sys.executable, TRAIN, *flags])
    first.wait_for(lambda: 13 in steps(folder))
    assert first.end(signal.SIGKILL)[0] == -signal.SIGKILL
    killed_at = steps(folder)[-1]
    assert 13 <= killed_at < 40

    second = Child([sys.executable, TRAIN, *flags])
    second.wait_for(lambda: steps(folder)[-1] > killed_at)
    code, out, err = second.end(signal.SIGTERM)
    assert code == 1, err
    result = json.loads(out)
    assert result["status"] == "interrupted"
    assert killed_at < result["step"] == steps(folder)[-1] < 40
    assert f"from step {killed_at} " in err
    assert f"stopped at step {result['step']}; the same command goes on from there" in err
    page = json.loads((folder / "run.json").read_text())
    assert page["status"] == "interrupted"
    assert "SIGTERM" in page["message"]
    assert not (folder / "weights").exists()

    third = tool("train", *flags)
    assert (third.code, third.json["status"], third.json["step"]) == (0, "done", 40)
    assert f"from step {result['step']} " in third.stderr

    one_go, in_parts = state_of(finished, 40), state_of(folder, 40)
    assert one_go.keys() == in_parts.keys()
    assert [n for n in one_go if one_go[n].tobytes() != in_parts[n].tobytes()] == []
    assert {name.rpartition("/")[0] for name in one_go} == {
        "nets/g_ab", "nets/g_ba", "nets/d_a", "nets/d_b", "nets/pool_a", "nets/pool_b",
        "averages", "step",
        *(f"optimizers/{player}/{slot}" for player in ("generator", "discriminator")
          for slot in ("iteration", "momentum", "velocity")),
    }
    earlier = state_of(folder, 13)
    changed = [n for n in one_go if not np.array_equal(one_go[n], earlier[n])]
    assert len(changed) > 0.5 * len(one_go)  # else equal bits would mean little

    def no_training(*arguments, **keywords):
        raise AssertionError("trained again")

    monkeypatch.setattr(keras.Model, "fit", no_training)
    before = {p: p.stat().st_mtime_ns for p in folder.glob("*/**/*") if p.is_file()}
    fourth = tool("train", *flags)
    assert (fourth.code, fourth.json["status"], fourth.json["step"]) == (0, "done", 40)
    assert before == {p: p.stat().st_mtime_ns for p in folder.glob("*/**/*") if p.is_file()}


SAVER = """
import sys, types
import keras, numpy as np
from kgan.models.checkpoint import RunState
step = keras.Variable(0, dtype="int64")
large = keras.Variable(np.zeros(300_000, "float32"))
model = types.SimpleNamespace(step=step, run_variables={"step/0": step, "large/0": large})
state = RunState(sys.argv[1], model, keep=2)
while True:
    step.assign_add(1)
    large.assign_add(np.ones(300_000, "float32"))
    state.save()
"""


@pytest.mark.parametrize("times", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_what_a_kill_leaves_is_whole(tmp_path, times):
    """Checkpoints written without pause, killed at any time: the newest one can be read."""
    chance, root = random.Random(times), TRAIN.parents[1]
    for attempt in range(times):
        folder = tmp_path / str(attempt)
        child = Child([sys.executable, "-c", SAVER, folder], env={**os.environ, "PYTHONPATH": root})
        child.wait_for(lambda folder=folder: len(steps(folder)) > 1)
        time.sleep(chance.uniform(0, 0.1))
        child.end(signal.SIGKILL)
        step, large = keras.Variable(0, dtype="int64"), keras.Variable(np.zeros(300_000, "float32"))
        model = types.SimpleNamespace(step=step, run_variables={"step/0": step, "large/0": large})
        with contextlib.redirect_stderr(io.StringIO()) as warnings:
            RunState(folder, model).restore()
        assert warnings.getvalue() == ""
        assert int(step) == steps(folder)[-1]
        assert (large.numpy() == int(step)).all()
        run.sweep(folder / "checkpoints")
        assert len(list((folder / "checkpoints").iterdir())) in (2, 3)  # 3: the oldest not yet gone


@pytest.mark.slow
def test_a_run_goes_on_after_each_of_many_kills(tiny_flags, tmp_path):
    chance, newest = random.Random(0), 0
    flags = [*tiny_flags, "--out", tmp_path, "--steps", "100000", "--save_minutes", "0"]
    for _ in range(8):
        child = Child([sys.executable, TRAIN, *flags])
        child.wait_for(lambda newest=newest: steps(tmp_path)[-1:] > [newest])
        time.sleep(chance.uniform(0, 2))
        _, _, err = child.end(signal.SIGKILL)
        assert "warning" not in err
        assert newest == 0 or f"from step {newest} " in err
        newest = steps(tmp_path)[-1]


def test_what_a_kill_left_is_cleared_away(toy, tmp_path):
    for name in ("checkpoints/.step_000000003.ab12cd_9", ".run.json.abcdefgh"):
        (tmp_path / name).mkdir(parents=True)
    toy(tmp_path, steps=1)
    hidden = [str(p.relative_to(tmp_path)) for p in tmp_path.rglob(".*")]
    assert hidden == [".lock"]


# Damage


def test_a_damaged_newest_checkpoint_costs_what_came_after_the_one_before(
    toy, tmp_path, capsys, monkeypatch
):
    toy(tmp_path, save_minutes=0.0)
    whole = state_of(tmp_path, 6)
    flip(tmp_path / "checkpoints/step_000000006/state.data-00000-of-00001")
    trained = counted_steps(monkeypatch)
    assert toy(tmp_path, save_minutes=0.0)["step"] == 6
    assert trained == [6]
    err = capsys.readouterr().err
    assert "step_000000006 cannot be read" in err
    assert "from step 5" in err
    again = state_of(tmp_path, 6)
    assert all(whole[n].tobytes() == again[n].tobytes() for n in whole)


def test_all_checkpoints_damaged_is_one_line(run_folder, tool, tiny_flags):
    for path in run_folder.glob("checkpoints/*/state.index"):
        path.write_bytes(b"")
    result = tool("train", *tiny_flags, "--out", run_folder)
    assert result.code == 1
    assert result.json is None
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: None of the 1 checkpoints in ")
    assert "Move the folder away" in last


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def counted_steps(monkeypatch):
    """A list that gets the number of every step that is trained from now on."""
    seen, report = [], Report.after_step

    def after_step(self, step, logs):
        seen.append(step)
        report(self, step, logs)

    monkeypatch.setattr(Report, "after_step", after_step)
    return seen


# Not a number


def test_a_term_that_is_not_a_number_stops_the_run(toy, tmp_path):
    with pytest.raises(UserError) as error:
        toy(tmp_path, save_minutes=0.0, bad_term_at=4)
    assert str(error.value).startswith(
        "discriminator/real became not-a-number at step 4; the last good checkpoint is of step 3."
    )
    assert steps(tmp_path) == [1, 2, 3]
    assert all(np.isfinite(v).all() for v in state_of(tmp_path, 3).values())
    status = json.loads((tmp_path / "run.json").read_text())
    assert status["status"] == "failed"
    assert status["message"] == str(error.value)
    assert "failed" in (tmp_path / "index.html").read_text()


def test_a_gradient_that_is_not_a_number_is_not_saved(toy, tmp_path):
    """Its step still shows finite terms; saved, it would pass for a good checkpoint."""
    with pytest.raises(UserError) as error:
        toy(tmp_path, save_minutes=0.0, bad_gradient_at=4)
    message = str(error.value)
    assert "nets/g" in message
    assert "became not-a-number at step 4; the last good checkpoint is of step 3." in message
    assert steps(tmp_path) == [1, 2, 3]


def test_not_a_number_between_two_looks(toy, tmp_path):
    with pytest.raises(UserError, match=r"discriminator/real .* in steps 3 to 4; none was saved"):
        toy(tmp_path / "term", bad_term_at=3)
    with pytest.raises(UserError, match=r"nets/g.* in steps 1 to 6; none was saved"):
        toy(tmp_path / "gradient", bad_gradient_at=6)
    assert not steps(tmp_path / "term") and not steps(tmp_path / "gradient")


def test_steps_between_two_reports_are_not_read(toy, tmp_path, monkeypatch):
    """A number made of a tensor waits for the device."""
    seen, after_step = [], Report.after_step

    def spy(self, step, logs):
        seen.append({type(value).__module__.split(".")[0] for value in logs.values()})
        after_step(self, step, logs)

    monkeypatch.setattr(Report, "after_step", spy)
    toy(tmp_path)
    assert seen == [{"tensorflow"}] * 6


def test_not_a_number_before_anything_was_saved(toy, tmp_path):
    with pytest.raises(UserError, match=r"discriminator/real .* in steps 1 to 2; none was saved"):
        toy(tmp_path, bad_term_at=2)
    # Nothing is lost by another recipe then, and the advice to change it can be followed.
    assert toy(tmp_path, bad_term_at=0, learning_rate=1e-4, steps=2)["status"] == "done"


# Recipes


def test_another_recipe_is_refused(run_folder, tool, tiny_flags):
    before = (run_folder / "recipe.json").read_bytes()
    flags = [*tiny_flags, "--out", run_folder, "--lambda_cycle", "5", "--batch", "4"]
    refused = tool("train", *flags)
    assert refused.code == 2
    assert refused.stderr.count("\n") == 1
    assert "--batch 2, not 4, --lambda_cycle 10.0, not 5.0" in refused.stderr
    assert f"--recipe {run_folder}" in refused.stderr
    assert (run_folder / "recipe.json").read_bytes() == before


def test_another_model_is_refused(run_folder, tool):
    refused = tool("train", "--model", "cyclegan_small", "--out", run_folder)
    assert refused.code == 2
    assert "is a run of cyclegan, not of cyclegan_small" in refused.stderr


def test_a_run_may_be_made_longer(toy, tmp_path):
    assert toy(tmp_path, steps=2, export=True)["step"] == 2
    before = state_of(tmp_path, 2)
    assert toy(tmp_path, steps=4, export=True)["step"] == 4
    assert [line["step"] for line in lines(tmp_path)] == [2, 4]
    assert read_recipe(tmp_path / "recipe.json")[1]["steps"] == 4
    after = state_of(tmp_path, 4)
    assert any(before[n].tobytes() != after[n].tobytes() for n in before if "nets/g" in n)
    # What leaves the run follows: the weights, and a new version beside the exported one.
    assert verify(tmp_path / "weights")["step"] == 4
    exported = [
        json.loads((tmp_path / f"export/toy/{v}/assets.extra/metadata.json").read_text())
        for v in (1, 2)
    ]
    assert [e["metadata"]["step"] for e in exported] == [2, 4]
    toy(tmp_path, steps=4, export=True)
    assert sorted(p.name for p in (tmp_path / "export/toy").iterdir()) == ["1", "2"]


def test_an_export_that_was_killed_is_made_the_next_time(toy, tmp_path, monkeypatch):
    def killed(*arguments, **keywords):
        (tmp_path / "export" / "toy").mkdir(parents=True)  # as the first thing of an export
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("kgan.export.saved_model.export_model", killed)
        with pytest.raises(KeyboardInterrupt):
            toy(tmp_path, steps=2, export=True)
    toy(tmp_path, steps=2, export=True)
    assert (tmp_path / "export/toy/1/saved_model.pb").exists()


def test_an_export_that_is_refused_is_no_done_run(toy, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("kgan.export.check.FRESH", "raise ValueError('no such op')")
        with pytest.raises(UserError, match=r"toy was not exported: .*no such op.* --noexport"):
            toy(tmp_path, steps=2, export=True, check_export=True)
    status = json.loads((tmp_path / "run.json").read_text())
    assert status["status"] == "failed" and "no such op" in status["message"]
    assert verify(tmp_path / "weights")["step"] == 2
    assert not (tmp_path / "export").exists()
    assert toy(tmp_path, steps=2, export=True)["status"] == "done"
    assert (tmp_path / "export/toy/1/saved_model.pb").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000])
def test_what_is_broken_in_a_finished_run_is_made_anew(toy, tmp_path, content):
    assert toy(tmp_path)["status"] == "done"
    kept = (tmp_path / "weights/model.weights.h5").read_bytes()
    for name in ("weights/model.weights.h5", "weights/metadata.json", "metrics.json"):
        (tmp_path / name).write_bytes(content)
        assert toy(tmp_path)["status"] == "done"
        assert verify(tmp_path / "weights")["finished"] is True
        assert (tmp_path / "weights/model.weights.h5").stat().st_size == len(kept)
        assert json.loads((tmp_path / "metrics.json").read_text())["training"]["step"] == 6


def test_a_wrong_data_folder_does_not_bind_the_run(toy, tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        toy(tmp_path, data=f"folder:{tmp_path}/nowhere")
    assert toy(tmp_path, steps=1)["status"] == "done"


def test_keep(toy, tmp_path):
    toy(tmp_path, save_minutes=0.0, keep=2)
    assert steps(tmp_path) == [5, 6]


def test_save_minutes(toy, tmp_path):
    toy(tmp_path, save_minutes=60.0)
    assert steps(tmp_path) == [6]


# The folder


def test_what_a_run_leaves(finished):
    assert {p.name for p in finished.iterdir()} == {
        ".lock", "checkpoints", "export", "index.html", "metrics.json", "metrics.jsonl",
        "recipe.json", "run.json", "samples", "tensorboard", "weights",
    }
    name, values = read_recipe(finished / "recipe.json")
    recipe = registry.recipe(name).replace(**values)
    assert (name, recipe.pool, recipe.ema, recipe.load_size, recipe.size) == (
        "cyclegan", 4, 0.9, 18, 16
    )
    status = json.loads((finished / "run.json").read_text())
    assert (status["status"], status["precision"]) == ("done", "float32")
    assert [line.split()[0] for line in status["plan"]] == [
        "model", "recipe", "data", "data", "devices", "steps", "run"
    ]
    assert "g_ab 8,739" in status["plan"][0]
    assert {p.name for p in (finished / "weights").iterdir()} == {
        "config.json", "metadata.json", "model.weights.h5", "preview.png"
    }
    metadata = verify(finished / "weights")
    assert (metadata["step"], metadata["images"]) == (40, 80)
    training = json.loads((finished / "metrics.json").read_text())["training"]
    assert (training["status"], training["step"]) == ("done", 40)
    assert (finished / "export/cyclegan/1/saved_model.pb").exists()
    page = (finished / "index.html").read_text()
    assert "samples/step_000040.png" in page
    assert "g_ab 8,739" in page


def test_the_curves_of_a_run(finished):
    told = lines(finished)
    assert [line["step"] for line in told] == [10, 20, 30, 40]
    terms = {"adversarial", "cycle", "identity", "real", "fake", "total"}
    assert {t.split("/")[1] for t in told[0]["terms"]} == terms
    for line in told:
        terms = line["terms"]
        parts = [v for t, v in terms.items() if t.startswith("generator/") and "total" not in t]
        assert sum(parts) == pytest.approx(terms["generator/total"], rel=1e-5)
    seconds = [line["seconds"] for line in told]
    assert seconds == sorted(seconds)
    rates = [line["learning_rate"] for line in told]
    assert rates == pytest.approx([2e-4, 2e-4, 1e-4, 0.0], abs=1e-9)

    found = {}
    for path in finished.glob("tensorboard/events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                found[value.tag, event.step] = value.tensor
    for line in told:
        for term, value in line["terms"].items():
            logged = float(tf.make_ndarray(found[term, line["step"]]))
            assert logged == pytest.approx(value, rel=1e-6)
    assert {step for tag, step in found if tag == "samples"} == {0, 20, 40}


def test_samples_show_the_averages(finished):
    assert sorted(p.name for p in (finished / "samples").iterdir()) == [
        "step_000000.png", "step_000020.png", "step_000040.png"
    ]
    first, last = (Image.open(finished / f"samples/step_0000{n}.png") for n in ("00", "40"))
    assert first.size == last.size
    first, last = np.asarray(first).astype(int), np.asarray(last).astype(int)
    column = 130  # inputs stay, results move
    assert (first[:, :column] == last[:, :column]).all()
    assert (first[:, column : 2 * column] != last[:, column : 2 * column]).any()
    # The weights that are shown, the preview's, are the averages of the checkpoint.
    state, deployed = state_of(finished, 40), load(str(finished))
    for i, v in enumerate(deployed.nets["g_ab"].trainable_variables):
        assert (v.numpy() == state[f"averages/{i}"]).all()
    assert not (state["averages/0"] == state["nets/g_ab/0"]).all()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("avatars:Eyeglasses", "avatars-Eyeglasses"),
        ("avatars:Eyeglasses?n=40&test=8", "avatars-Eyeglasses-n=40-test=8"),
        ("folder:/some where/my faces/", "folder-faces"),
        ("celeba:/data/celeba?attribute=Smiling", "celeba-celeba-attribute=Smiling"),
        ("tfds:cycle_gan/apple2orange", "tfds-apple2orange"),
    ],
)
def test_default_folder(data, name):
    recipe = registry.recipe("cyclegan").replace(data=data)
    assert run.default_folder("cyclegan", recipe) == pathlib.Path(f"runs/cyclegan-{name}-256")


def test_one_process_a_folder(run_folder, tool, tiny_flags):
    with open(run_folder / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        refused = tool("train", *tiny_flags, "--out", run_folder)
    assert (refused.code, refused.json) == (1, None)
    assert refused.stderr == f"error: {run_folder} is being trained by another process.\n"


def test_a_folder_that_cannot_be_made(tmp_path, tool, tiny_flags):
    (tmp_path / "file").touch()
    refused = tool("train", *tiny_flags, "--out", tmp_path / "file" / "run")
    assert (refused.code, refused.json) == (1, None)
    assert refused.stderr == (
        f"error: The run cannot be written to {tmp_path}/file/run: Not a directory.\n"
    )


@pytest.mark.parametrize("by", ["python", "tensorflow"])
def test_a_full_disk(toy, tmp_path, monkeypatch, by):
    toy(tmp_path, steps=2)
    whole = state_of(tmp_path, 2)

    def full(self, path):
        with open(f"{path}.data-00000-of-00001", "wb") as file:
            file.write(b"half of it")
        reason = os.strerror(errno.ENOSPC)
        if by == "python":
            raise OSError(errno.ENOSPC, reason, path)
        raise tf.errors.ResourceExhaustedError(None, None, f"{path}; {reason}")

    with monkeypatch.context() as patch:
        patch.setattr(tf.train.Checkpoint, "write", full)
        with pytest.raises(UserError) as error:
            toy(tmp_path, steps=4, save_minutes=0.0)
    message = str(error.value)
    assert message.startswith(f"The run in {tmp_path} stopped")
    assert "No space left on device" in message
    assert "\n" not in message
    assert not isinstance(error.value, UsageError)
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["step_000000002"]
    kept = state_of(tmp_path, 2)
    assert all(whole[n].tobytes() == kept[n].tobytes() for n in whole)
    assert toy(tmp_path, steps=4)["status"] == "done"


def test_other_errors_keep_their_traceback(toy, tmp_path, monkeypatch):
    def out_of_memory(*arguments, **keywords):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(keras.Model, "fit", out_of_memory)
    with pytest.raises(tf.errors.ResourceExhaustedError, match="OOM"):
        toy(tmp_path)


def test_one_domain_is_not_enough(tmp_path, tool):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(6):
        Image.new("RGB", (20, 20), (40 * i, 0, 0)).save(pictures / f"{i}.png")
    refused = tool(
        "train", "--model", "cyclegan", "--size", 16, "--load_size", 0, "--filters", 4,
        "--blocks", 1, "--discriminator_layers", 1, "--data", f"folder:{pictures}",
        "--out", tmp_path / "run",
    )
    assert refused.code == 1
    assert "needs two sets of pictures" in refused.stderr.splitlines()[-1]
    assert not (tmp_path / "run" / "recipe.json").exists()


def test_a_batch_that_devices_cannot_share(toy, tmp_path, monkeypatch):
    class Two:
        num_replicas_in_sync = 2

    monkeypatch.setattr("kgan.core.devices.prepare", lambda machine: (Two(), False, "two"))
    with pytest.raises(UsageError, match="--batch 3 cannot be shared by 2 devices"):
        toy(tmp_path, batch=3)


def test_signals_go_back_to_whoever_had_them(toy, tmp_path):
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(UserError):
        toy(tmp_path, bad_term_at=1)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_ctrl_c_saves_and_the_rest_comes_later(toy, tmp_path, monkeypatch):
    told = Report.after_step

    def press(self, step, logs):
        told(self, step, logs)
        if step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Report, "after_step", press)
        stopped = toy(tmp_path)
    assert (stopped["status"], stopped["step"]) == ("interrupted", 2)
    assert steps(tmp_path) == [2]
    assert toy(tmp_path)["step"] == 6


def test_a_run_on_two_devices(toy, mirrored, monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "prepare", lambda _: (mirrored, False, "2 x CPU mirrored"))
    assert toy(tmp_path, export=True)["status"] == "done"
    assert (tmp_path / "weights/model.weights.h5").exists()
    assert toy(tmp_path, steps=8)["step"] == 8


def test_a_translator_that_does_nothing_is_named(toy, tmp_path, monkeypatch, capsys):
    from kgan.models.gan import GAN

    monkeypatch.setattr(GAN, "show", lambda self, batch: {"a": batch["a"], "a2b": batch["a"]})
    toy(tmp_path / "idle", sample_every=2)
    assert capsys.readouterr().err.count("a2b returns its input") == 1
    monkeypatch.setattr(GAN, "show", lambda self, batch: {"a": batch["a"], "a2b": -batch["a"]})
    toy(tmp_path / "busy", sample_every=2)
    assert "returns its input" not in capsys.readouterr().err


# Stages


@dataclasses.dataclass(frozen=True)
class StagedRecipe(Recipe):
    first_steps: int = knob(3, "steps of the first stage")


class Staged(GAN):
    """Two generators; the first is trained alone, then the other begins as it."""

    players: ClassVar[dict] = {"first": ("g",), "both": ("g", "h")}
    directions: ClassVar[dict] = {"a2b": "g", "b2a": "h"}
    begun: ClassVar[list] = []
    prepared: ClassVar[list] = []

    def build_networks(self, recipe):
        def network(name):
            picture = keras.Input((None, None, 3))
            return keras.Model(picture, keras.layers.Conv2D(3, 1)(picture), name=name)

        return {"g": network("g"), "h": network("h")}

    def prepare(self, data):
        self.prepared.append(data.spec)

    @classmethod
    def stages_of(cls, recipe):
        n = recipe.first_steps
        return (
            Stage("alone", n, (Phase(("first",), loss_terms=cls.first_terms),)),
            Stage("together", recipe.steps - n, (Phase(("both",)),)),
        )

    def begin_stage(self, name):
        self.begun.append(name)
        if name == "together":
            self.h.set_weights(self.g.get_weights())

    def first_terms(self, batch):
        return {"first": {"far": tf.reduce_mean((self.g(batch["a"]) - batch["b"]) ** 2)}}

    def loss_terms(self, batch):
        back = self.h(self.g(batch["a"]))
        return {"both": {"cycle": tf.reduce_mean((back - batch["a"]) ** 2)}}


class Sized(Staged):
    """Its first stage has a batch, a rate and a resolution of its own."""

    sides: ClassVar[set] = set()

    @classmethod
    def stages_of(cls, recipe):
        first, then = super().stages_of(recipe)
        return dataclasses.replace(first, batch=4, rate=0.25, size=4), then

    def first_terms(self, batch):
        self.sides.add(tuple(batch["a"].shape))
        return super().first_terms(batch)

    def loss_terms(self, batch):
        self.sides.add(tuple(batch["a"].shape))
        return super().loss_terms(batch)


@pytest.fixture(params=[Staged])
def staged(request):
    recipe = StagedRecipe(data="avatars:Eyeglasses?n=24&test=8", size=8, batch=2, steps=7,
                          decay_from=1.0)
    registry.register("staged", request.param, recipe, card="cyclegan.md", phrase="stages")

    def train(folder):
        Staged.begun.clear()
        Staged.prepared.clear()
        options = run.RunOptions(
            out=str(folder), save_minutes=0.0, keep=20, export=False, log_every=1, sample_every=50
        )
        run.train("staged", recipe, Machine(), options)
        model = weights.build("staged", recipe)
        model.compile()
        RunState(folder, model).restore()
        return {name: v.numpy() for name, v in model.run_variables.items()}

    yield train
    del registry._entries["staged"]


def test_a_run_in_stages_goes_on_in_the_stage_where_it_stopped(staged, tmp_path):
    whole = staged(tmp_path / "run")
    assert (Staged.begun, len(Staged.prepared)) == (["alone", "together"], 1)
    lines = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [x["stage"] for x in lines] == ["alone"] * 3 + ["together"] * 4
    assert all((x["stage"] == "alone") == ("first/far" in x["terms"]) for x in lines)
    assert whole["optimizers/first/iteration/0"] == 3
    assert whole["optimizers/both/iteration/0"] == 4
    for at in (5, 3, 2):
        for step in range(at + 1, 8):
            shutil.rmtree(tmp_path / "run" / "checkpoints" / f"step_{step:09d}")
        again = staged(tmp_path / "run")
        assert (Staged.begun, Staged.prepared) == (["together"] if at <= 3 else [], [])
        assert whole.keys() == again.keys()
        for name, value in whole.items():
            np.testing.assert_array_equal(again[name], value, err_msg=f"{name} from {at}")


@pytest.mark.parametrize("staged", [Sized], indirect=True)
def test_a_stage_with_numbers_of_its_own_goes_on_in_its_middle(staged, tool, tmp_path, capsys):
    Sized.sides.clear()
    whole = staged(tmp_path / "run")
    assert Sized.sides == {(4, 4, 4, 3), (2, 8, 8, 3)}
    said = capsys.readouterr().err
    assert "7 (3 of alone (batch 4, rate 0.25, 4 px) + 4 of together)" in said
    assert "at most 0:0" in said and "  alone  " in said and "  together  " in said
    told = lines(tmp_path / "run")
    assert told[1]["seconds_left_at_most"] > 0 and told[5]["seconds_left"] > 0
    rates = [x["learning_rate"] for x in told]  # those of the next move, 0 after the last one
    assert rates == pytest.approx([0.25, 0.25, 0, 2e-4, 2e-4, 2e-4, 0])
    assert [x["numbers"] for x in told] == ["batch 4, rate 0.25, 4 px"] * 3 + [""] * 4
    metadata = json.loads((tmp_path / "run" / "weights" / "metadata.json").read_text())
    assert metadata["images"] == 3 * 4 + 4 * 2
    for at in (5, 2, 1):
        for step in range(at + 1, 8):
            shutil.rmtree(tmp_path / "run" / "checkpoints" / f"step_{step:09d}")
        again = staged(tmp_path / "run")
        for name, value in whole.items():
            np.testing.assert_array_equal(again[name], value, err_msg=f"{name} from {at}")
    dry = tool("train", "--model", "staged", "--dry_run").json["stages"]
    assert dry == [
        {"name": "alone", "steps": 3, "batch": 4, "rate": 0.25, "size": 4},
        {"name": "together", "steps": 4, "batch": 2, "rate": 2e-4, "size": 8},
    ]


@pytest.mark.parametrize("staged", [Sized], indirect=True)
def test_a_batch_of_a_stage_that_devices_cannot_share(staged, monkeypatch, tmp_path):
    three = types.SimpleNamespace(num_replicas_in_sync=3)
    monkeypatch.setattr(machine, "prepare", lambda _: (three, False, "3 x CPU mirrored"))
    with pytest.raises(UsageError, match="--batch 4 of stage alone cannot be shared by 3 devices"):
        run.train("staged", registry.recipe("staged").replace(batch=6), Machine(),
                  run.RunOptions(out=str(tmp_path)))
