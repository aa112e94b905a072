"""Drills: real processes that are killed, hung up on, crowded or given no place for their lines."""

import contextlib
import dataclasses
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kgan.core import registry
from kgan.evaluation import judge as classifier
from kgan.metrics import c2st
from kgan.models import weights

TRAIN = pathlib.Path(__file__).resolve().parents[2] / "tools" / "train"

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def training(*flags, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **environment):
    """A process of `tools/train`, killed at the end of the block if it still runs."""
    process = subprocess.Popen(
        [sys.executable, TRAIN, *map(str, flags)], stdout=stdout, stderr=stderr, text=True,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def steps(folder):
    return sorted(int(p.name[5:]) for p in folder.glob("checkpoints/step_*"))


def until(seen, process, seconds=120):
    end = time.monotonic() + seconds
    while not seen():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)


def state_of(folder, step):
    """`{name: bytes}` of all variables of a checkpoint."""
    reader = tf.train.load_checkpoint(str(folder / f"checkpoints/step_{step:09}/state"))
    return {name: reader.get_tensor(name).tobytes() for name in reader.get_variable_to_shape_map()
            if name.startswith("state/")}


def told(folder):
    """The steps of `metrics.jsonl`, and of each tag in TensorBoard's events, in their order."""
    tags = {}
    for path in folder.glob("tensorboard/*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                tags.setdefault(value.tag, []).append(event.step)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines], {k: sorted(v) for k, v in tags.items()}


def test_killed_at_random_moments_it_ends_as_one_that_was_not(tiny_flags, tmp_path):
    count, every, chance = 300, 5, random.Random(1)
    flags = [*tiny_flags, "--steps", count, "--log_every", every, "--sample_every", 50,
             "--save_minutes", 0, "--noexport", "--out"]
    begun = time.monotonic()
    with training(*flags, tmp_path / "whole") as whole:
        assert whole.communicate(timeout=300) and whole.returncode == 0
    took, seen, folder = time.monotonic() - begun, [0], tmp_path / "killed"
    for attempt in range(12):
        with training(*flags, folder) as process:
            if attempt % 2:  # while it trains; else while it begins, as a rule
                until(lambda newest=seen[-1:]: steps(folder)[-1:] > newest, process)
            time.sleep(chance.uniform(0, 0.3 * took if attempt % 2 == 0 else 0.5))
        seen += steps(folder)[-1:]
    assert seen == sorted(seen) and len(set(seen)) > 6 and seen[-1] < count, seen
    with training(*flags, tmp_path / "killed") as last:
        _, err = last.communicate(timeout=300)
    assert last.returncode == 0, err
    assert state_of(tmp_path / "killed", count) == state_of(tmp_path / "whole", count)
    hashes = [weights.verify(tmp_path / run / "weights")["sha256"] for run in ("killed", "whole")]
    assert hashes[0] == hashes[1]
    lines, tags = told(tmp_path / "killed")
    every_line = [*range(every, count + 1, every)]
    assert lines == every_line
    assert tags.pop("samples") == [*range(0, count + 1, 50)]
    assert "learning_rate" in tags and set(map(tuple, tags.values())) == {tuple(every_line)}


def test_a_terminal_that_is_closed_saves_the_run(tiny_flags, tmp_path):
    """SIGHUP, and nobody reads the lines any more."""
    flags = [*tiny_flags, "--steps", 100_000, "--save_minutes", 60, "--out", tmp_path]
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # of pytest under nohup
    try:
        with training(*flags) as process:
            until(lambda: (tmp_path / "metrics.jsonl").exists(), process)
            process.stderr.close()
            process.stdout.close()
            process.send_signal(signal.SIGHUP)
            assert process.wait(timeout=60) == 1
    finally:
        signal.signal(signal.SIGHUP, before)
    (step,) = steps(tmp_path)
    found = json.loads((tmp_path / "run.json").read_text())
    assert found["status"] == "interrupted"
    assert found["message"] == f"stopped by SIGHUP at step {step}"


@pytest.mark.parametrize("how", ["full", "gone", "closed"])
def test_lines_that_nobody_takes_end_no_run(tiny_flags, tmp_path, how):
    flags = [*tiny_flags, "--noexport", "--log_every", 1, "--out", tmp_path]
    with contextlib.ExitStack() as stack:
        if how == "full":
            stderr = stack.enter_context(open("/dev/full", "w"))
        else:
            reading, stderr = os.pipe()
            os.close(reading)
            stack.callback(os.close, stderr)
        if how == "closed":
            flags = ["-c", 'exec "$@" 2>&-', "sh", sys.executable, TRAIN, *flags]
            done = subprocess.run(["sh", *map(str, flags)], stdout=subprocess.PIPE, text=True,
                                  check=False, timeout=300)
            code, out = done.returncode, done.stdout
        else:
            process = stack.enter_context(training(*flags, stderr=stderr))
            out, _ = process.communicate(timeout=300)
            code = process.returncode
    assert (code, json.loads(out)["status"], json.loads(out)["step"]) == (0, "done", 40)


def test_four_runs_at_once_on_a_new_folder(tiny_flags, tmp_path):
    pictures, chance = tmp_path / "pictures", np.random.default_rng(0)
    for part, count in (("trainA", 12), ("trainB", 12), ("testA", 4), ("testB", 4)):
        (pictures / part).mkdir(parents=True)
        for i in range(count):
            picture = chance.integers(0, 256, (40, 40, 3), np.uint8)
            Image.fromarray(picture).save(pictures / part / f"{i}.png")
    with contextlib.ExitStack() as stack:
        runs = [stack.enter_context(training(
            *tiny_flags, "--data", f"folder:{pictures}", "--steps", 2, "--noexport",
            "--out", tmp_path / str(i), KGAN_CACHE=str(tmp_path / "cache"),
        )) for i in range(4)]
        for process in runs:
            out, err = process.communicate(timeout=300)
            assert process.returncode == 0, err
            assert json.loads(out)["status"] == "done" and "Traceback" not in err
    first, *others = (state_of(tmp_path / str(i), 2) for i in range(4))
    assert all(one == first for one in others)


@pytest.mark.parametrize("flags", [
    ("--strategy", "mirrored"), ("--devices", 2), ("--devices", 2, "--xla", "on"),
    ("--precision", "mixed_bfloat16", "--devices", 2, "--strategy", "one"),
], ids=lambda flags: "_".join(str(x).lstrip("-") for x in flags))
def test_a_run_goes_on_with_other_devices_and_back(tiny_flags, finished, tmp_path, flags):
    folder = shutil.copytree(finished, tmp_path / "run")
    for further, step in ((flags, 42), ((), 44)):
        with training(*tiny_flags, "--steps", step, "--noexport", "--out", folder,
                      *further) as process:
            out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        assert (json.loads(out)["status"], json.loads(out)["step"]) == ("done", step)


def test_pack_a_stargan(tool, tmp_path, monkeypatch):
    """From a run to the zoo and from there to pictures and back to no path of this machine."""
    zoo, run = tmp_path / "zoo", tmp_path / "run"
    entry = registry.entry("stargan_small")
    values = {k: v for k, v in entry.tiny.items() if k != "labels"}
    flags = [f"--{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in values.items()]
    done = tool("train", "--model", "stargan_small", *flags, "--steps", 4, "--noexport",
                "--data", "avatars:Smiling,Eyeglasses?n=48&test=12", "--out", run)
    assert done.code == 0, done.stderr
    shutil.copytree(registry.folder(), zoo, ignore=shutil.ignore_patterns("weights", "__py*"))
    shutil.copytree(registry.folder() / "weights" / "vgg_star_small.avatars",
                    zoo / "weights" / "vgg_star_small.avatars")
    monkeypatch.setitem(registry._entries, "stargan_small",
                        dataclasses.replace(entry, weights=("toy",)))
    monkeypatch.setattr(registry, "folder", lambda: zoo)
    monkeypatch.setattr(classifier, "_STEPS", 5)
    monkeypatch.setattr(c2st, "STEPS", 5)
    packed = tool("zoo", "pack", run, "stargan_small.toy")
    assert packed.code == 0, packed.stderr
    assert {"Smiling", "Eyeglasses"} <= packed.json.keys()
    folder = zoo / "weights" / "stargan_small.toy"
    metadata = weights.verify(folder)
    assert metadata["figures"].keys() == {"data", "Smiling", "Eyeglasses"}
    assert str(tmp_path) not in (folder / "metadata.json").read_text()
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    Image.new("RGB", (16, 16), (90, 120, 150)).save(pictures / "one.png")
    made = tool("translate", "--model", "stargan_small.toy", "--input", pictures, "--output",
                tmp_path / "out", "--direction", "add_Eyeglasses")
    assert made.code == 0, made.stderr
    assert len([*(tmp_path / "out").glob("*.png")]) == 1
