"""Several machines: two workers train as one process does, end together, and say who is missing.

Run as a script, this file is a worker: `test_multi.py JOBS`, with `TF_CONFIG` in its environment.
"""

import dataclasses
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

from kgan.core import registry, workers
from kgan.core.errors import UserError
from kgan.core.recipe import Machine, Recipe
from kgan.models.gan import GAN, Phase, Stage
from kgan.training.run import RunOptions, train

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
    """The generator alone, then both from where it is."""

    def stages(self):
        alone = Phase(("generator",))
        return (Stage("alone", 2, (alone,)), Stage("both", self.recipe.steps - 2, (Phase(),)))

    def begin_stage(self, name):
        if name == "both":
            self.d.set_weights([w + 0.01 for w in self.d.get_weights()])


JOBS = {  # name: (model, changes to the recipe, precision)
    "phased": (Phased, {"clip_norm": 0.05, "ema": 0.9}, "float32"),
    "staged": (Staged, {}, "float32"),
    "half": (Phased, {"clip_norm": 0.05}, "mixed_float16"),
    "long": (Phased, {"steps": 100_000}, "float32"),
    "steady": (Phased, {"steps": 400}, "float32"),
}


def job(name, folder, **options):
    """Does a job; what `train` returns."""
    model, changes, precision = JOBS[name]
    recipe = RECIPE.replace(**changes)
    registry.register(name, model, recipe, card="cyclegan.md", phrase="a toy")
    options = {"save_minutes": 60.0, **options}
    try:
        return train(name, recipe, Machine(precision=precision), RunOptions(
            out=str(folder), export=False, log_every=2, sample_every=1000, **options))
    finally:
        del registry._entries[name]


def main(names, folder, **options):
    from kgan.core.process import tool

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

    def until(self, seen, seconds=120):
        """Waits until `seen()`; what it is then."""
        end = time.monotonic() + seconds
        while not (found := seen()):
            if any(p.poll() is not None for p in self.processes) or time.monotonic() > end:
                self.__exit__()
                raise AssertionError("\n".join(t for p in self.processes for t in p.communicate()))
            time.sleep(0.02)
        return found

    def results(self, seconds=120):
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
    same = ("phased", "staged", "half")
    with Pair(tmp_path, *same, "long") as pair:
        alone = {name: job(name, tmp_path / "alone" / name) for name in same}
        chief = tmp_path / "0"
        pair.until(lambda: (chief / "long/metrics.jsonl").exists())
        pair.processes[1].send_signal(signal.SIGTERM)
        (code, results, err), (code1, results1, err1) = pair.results()
    for name in same:
        assert alone[name]["status"] == "done"
        whole, shared = (state_of(tmp_path / where / name) for where in ("alone", "0"))
        assert whole.keys() == shared.keys()
        for variable, value in whole.items():
            np.testing.assert_allclose(shared[variable], value, atol=1e-5, err_msg=variable)
        for one, other in zip(*(told(tmp_path / x / name) for x in ("alone", "0")), strict=True):
            assert one[:2] == other[:2]
            assert other[2] == pytest.approx(one[2], abs=1e-3 if name == "half" else 1e-5)
    # each says who it is, the chief alone says and writes more
    assert "worker 0 of 2 at localhost:" in err and "the chief, which writes the run" in err
    lines = [line for line in err1.splitlines() if not line.startswith("drawing")]
    assert len(lines) == 5 and all(x.startswith("worker 1 of 2 at localhost:") for x in lines[:4])
    assert [p.name for p in (tmp_path / "1").iterdir()] == ["cache"]
    # a signal to one of them ends both, with what is saved
    assert (code, code1) == (1, 1) and results[:3] == results1[:3]
    (step,) = steps(chief / "long")
    for result in (results[3], results1[3]):
        assert (result["status"], result["step"]) == ("interrupted", step)
    found = json.loads((chief / "long/run.json").read_text())
    assert found["status"] == "interrupted"
    assert found["message"] == f"stopped by a signal to another worker at step {step}"
    assert f"stopped at step {step}; the same command goes on from there" in err1


if __name__ == "__main__":
    from kgan.core.devices import quiet

    quiet()
    sys.exit(main(**json.loads(sys.argv[1])))
