"""Several machines: two workers train as one process does, end together, and say who is missing.

Run as a script, this file is a worker: `test_multi.py JOBS`, with `TF_CONFIG` in its environment.
"""

import faulthandler
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import ClassVar

if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan.core import devices, registry, workers
from kgan.core.errors import UsageError, UserError
from kgan.core.process import tool
from kgan.core.recipe import Machine, Recipe
from kgan.models.gan import GAN, Phase, Stage
from kgan.training.run import RunOptions, train
from kgan.training.run_folder import same_command

RECIPE = Recipe(data="avatars:Eyeglasses?n=24&test=8", size=8, batch=8, steps=4,
                learning_rate=1e-2)


class Phased(GAN):
    """A critic that moves twice for each move of the generator."""

    players: ClassVar[dict] = {"generator": ("g",), "critic": ("d",)}
    directions: ClassVar[dict] = {"a2b": "g"}
    phases = (Phase(("critic",), repeat=2), Phase(("generator",)))

    def build_networks(self, recipe):
        def network(name, channels):
            picture = keras.Input((None, None, 3))
            x = keras.layers.Conv2D(4, 3, padding="same", activation="tanh")(picture)
            x = keras.layers.Conv2D(channels, 3, padding="same", dtype="float32")(x)
            return keras.Model(picture, x, name=name)

        return {"g": network("g", 3), "d": network("d", 1)}

    def build_optimizer(self, player, schedule):
        return keras.optimizers.Adam(schedule, epsilon=1e-3)

    def loss_terms(self, batch):
        fake = self.g(batch["a"])
        judged = [tf.reduce_mean(self.d(x)) for x in (fake, batch["b"])]
        near = tf.reduce_mean((fake - batch["a"]) ** 2)
        return {"generator": {"adversarial": -judged[0], "near": 3.0 * near},
                "critic": {"fake": judged[0], "real": -judged[1]}}


class Staged(Phased):
    """The generator alone, then both from where it is, by phases."""

    def stages(self):
        alone = Phase(("generator",))
        return (Stage("alone", 2, (alone,)), Stage("both", self.recipe.steps - 2, self.phases))

    def begin_stage(self, name):
        if name == "both":
            self.d.set_weights([w + 0.01 for w in self.d.get_weights()])


JOBS = {  # name: (model, changes to the recipe, precision)
    "staged": (Staged, {"clip_norm": 0.05, "ema": 0.9}, "float32"),
    "half": (Phased, {"clip_norm": 0.05}, "mixed_float16"),
    "long": (Phased, {"steps": 100_000}, "float32"),
    "steady": (Phased, {"steps": 400}, "float32"),
}


def job(name, folder, devices=0, **options):
    """Does a job; what `train` returns."""
    model, changes, precision = JOBS[name]
    recipe = RECIPE.replace(**changes)
    registry.register(name, model, recipe, card="cyclegan.md", phrase="a toy")
    options = {"save_minutes": 60.0, "export": False, **options}
    try:
        machine = Machine(precision=precision, devices=devices)
        return train(name, recipe, machine, RunOptions(
            out=str(folder), log_every=2, sample_every=1000, **options))
    finally:
        del registry._entries[name]


def main(names, folder, **options):
    for name in names:
        code = tool(lambda _, name=name: job(name, pathlib.Path(folder) / name, **options))([])
        if code:
            return code
    return 0


class Pair:
    """Two workers on this machine, each with a disk of its own, killed at the end of the block."""

    def __init__(self, root, *jobs, **options):
        self.root, self.jobs, self.options = root, jobs, options

    def __enter__(self):
        addresses = [f"localhost:{port}" for port in free_ports()]
        self.processes = [self._start(addresses, i) for i in (0, 1)]
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def _start(self, addresses, index):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        folder = self.root / str(index)
        given = json.dumps({"names": self.jobs, "folder": str(folder), **self.options})
        return subprocess.Popen(
            [sys.executable, __file__, given], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**os.environ, "TF_CONFIG": json.dumps(config),
                            "KGAN_CACHE": str(folder / "cache"), "CUDA_VISIBLE_DEVICES": ""})

    def until(self, seen, seconds=200):
        """Waits until `seen()`; what it is then."""
        end = time.monotonic() + seconds
        while not (found := seen()):
            if any(p.poll() is not None for p in self.processes) or time.monotonic() > end:
                for process in self.processes:
                    process.kill()
                raise AssertionError("\n".join(t for p in self.processes for t in p.communicate()))
            time.sleep(0.02)
        return found

    def results(self, seconds=200):
        """Of each worker: exit code, results, stderr."""
        said = [p.communicate(timeout=seconds) for p in self.processes]
        return [(p.returncode, [json.loads(line) for line in out.splitlines()], err)
                for p, (out, err) in zip(self.processes, said, strict=True)]


def free_ports(count=2):
    taken = [socket.create_server(("", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in taken]
    for s in taken:
        s.close()
    return ports


def steps(folder):
    return sorted(int(p.name[5:]) for p in folder.glob("checkpoints/step_*"))


def state_of(folder):
    """All variables of the newest checkpoint."""
    path = folder / f"checkpoints/step_{steps(folder)[-1]:09}/state"
    reader = tf.train.load_checkpoint(str(path))
    return {n: reader.get_tensor(n) for n in reader.get_variable_to_shape_map()
            if n.startswith("state/")}


def told(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [(x["step"], x["stage"], x["terms"]) for x in map(json.loads, lines)]


def test_two_workers_are_one_process_and_end_together(tmp_path):
    with Pair(tmp_path, "staged", "long") as pair:
        alone = job("staged", tmp_path / "alone")
        chief = tmp_path / "0"
        pair.until(lambda: (chief / "long/metrics.jsonl").exists())
        pair.processes[1].send_signal(signal.SIGTERM)
        (code, results, err), (code1, results1, err1) = pair.results()
    assert alone["status"] == "done"
    whole, shared = (state_of(tmp_path / where) for where in ("alone", "0/staged"))
    assert whole.keys() == shared.keys()
    for variable, value in whole.items():
        np.testing.assert_allclose(shared[variable], value, atol=1e-5, err_msg=variable)
    for one, other in zip(*(told(tmp_path / x) for x in ("alone", "0/staged")), strict=True):
        assert one[:2] == other[:2]
        assert other[2] == pytest.approx(one[2], abs=1e-5)
    # each says who it is, the chief alone says and writes more
    assert "worker 0 of 2 at localhost:" in err and "the chief, which writes the run" in err
    lines = [line for line in err1.splitlines() if "worker" in line or "step" in line]
    assert len(lines) == 3 and all(x.startswith("worker 1 of 2 at localhost:") for x in lines[:2])
    assert [p.name for p in (tmp_path / "1").iterdir()] == ["cache"]
    # a signal to one of them ends both, with what is saved
    assert (code, code1) == (1, 1) and results[0] == results1[0]
    (step,) = steps(chief / "long")
    for result in (results[1], results1[1]):
        assert (result["status"], result["step"]) == ("interrupted", step)
    found = json.loads((chief / "long/run.json").read_text())
    assert found["status"] == "interrupted"
    assert found["message"] == f"stopped by a signal to another worker at step {step}"
    assert f"stopped at step {step}; the same command goes on from there" in err1


@pytest.mark.slow
def test_half_precision_with_clipping_and_an_export(tmp_path):
    with Pair(tmp_path, "half", export=True) as pair:
        job("half", tmp_path / "alone" / "half", devices=2)  # so that as many steps overflow
        assert [code for code, *_ in pair.results()] == [0, 0]
    assert (tmp_path / "0/half/export/half/1/saved_model.pb").exists()  # and was checked
    whole, shared = (state_of(tmp_path / where / "half") for where in ("alone", "0"))
    for variable, value in whole.items():
        np.testing.assert_allclose(shared[variable], value, atol=2e-3, err_msg=variable)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_worker_that_is_killed_comes_back(tmp_path, victim):
    with Pair(tmp_path, "steady", save_minutes=0.0) as pair:
        pair.until(lambda: [s for s in steps(tmp_path / "0/steady") if s > 5])
        pair.processes[victim].kill()
        code, _, err = pair.results()[1 - victim]
    assert code == 1
    last = err.splitlines()[-1]
    assert last.startswith(f"error: Worker {victim} at localhost:") and "is gone" in last
    assert last.endswith("the same command on every worker goes on from there.")
    reached = steps(tmp_path / "0/steady")[-1]
    with Pair(tmp_path, "steady") as pair:
        (code, (result,), err), (code1, (result1,), _) = pair.results()
    assert (code, code1) == (0, 0) and result == result1 and result["step"] == 400
    assert f"from step {reached} " in err


def test_one_that_never_comes_is_named():
    ports = free_ports(3)
    addresses, said = [f"localhost:{port}" for port in ports], []

    def come(index):
        try:
            workers.meet(addresses, index, 1.5)
        except UserError as error:
            said.append(str(error))

    others = [threading.Thread(target=come, args=(i,)) for i in (0, 1)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join(30)
    late = f"Worker 2 at localhost:{ports[2]} did not come within 1.5 s"
    assert sorted(said) == [f"{late}.", f"{late}: start the same command there, or set "
                            "--wait_minutes."]
    said.clear()
    come(1)  # and no chief
    assert said == [f"The chief, worker 0 at {addresses[0]}, did not come within 1.5 s: start the "
                    "same command on every worker, or set --wait_minutes."]


def test_all_that_come_begin():
    addresses = [f"localhost:{port}" for port in free_ports(3)]
    threads = [threading.Thread(target=workers.meet, args=(addresses, i, 30.0)) for i in (2, 0, 1)]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


@pytest.mark.parametrize(("text", "found"), [
    ("", ([], 0)), ("{}", ([], 0)),
    ('{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}',
     (["a:1", "b:2"], 1)),
    ('{"cluster": {"worker": ["b:2"], "chief": ["a:1"]}, "task": {"type": "worker", "index": 0}}',
     (["a:1", "b:2"], 1)),
])
def test_who_the_workers_are(monkeypatch, text, found):
    monkeypatch.setenv("TF_CONFIG", text)
    assert workers.configured() == found


@pytest.mark.parametrize("text", [
    "[]", "{", '{"cluster": {"worker": ["a:1", "b:2"]}}',
    '{"cluster": {"worker": ["a", "b"]}, "task": {"type": "worker", "index": 0}}',
    '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
    '{"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 2}}',
])
def test_another_tf_config_is_one_line(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="TF_CONFIG should be") as error:
        workers.configured()
    assert "\n" not in str(error.value)


def test_multi_without_workers_is_refused(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(UsageError, match="--strategy multi needs TF_CONFIG"):
        devices.prepare(Machine(strategy="multi"))


class Two(workers.Workers):
    """Two workers, of which the other says what it is told to."""

    def __init__(self, other):
        super().__init__(("a:1", "b:2"), 0)
        self.other = other

    def exchange(self, value):
        return [value, {**value, **self.other}]


def test_workers_must_be_told_the_same():
    same_command(Two({}), "staged", RECIPE, Machine())
    with pytest.raises(UsageError, match="Worker 1 at b:2 was started with --batch 4, not 8"):
        same_command(Two({"batch": 4}), "staged", RECIPE, Machine())


def test_what_fails_on_one_worker_ends_all():
    with pytest.raises(UserError, match="Worker 1 at b:2 stopped: no such folder"):
        Two({"error": "no such folder"}).all(lambda: (1, 2))
    with pytest.raises(KeyError):
        Two({}).all(lambda: {}["a"])


if __name__ == "__main__":
    faulthandler.dump_traceback_later(200, exit=True)
    devices.quiet()
    sys.exit(main(**json.loads(sys.argv[1])))
