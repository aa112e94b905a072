"""The jobs of a suite as processes of their own, and what one of them does: measuring.

All rows are measured on the same held-out pictures, those of seed 0; in data that hold pictures out
by the seed (all but `avatars`, whose training pictures are no test pictures for any seed) on those
that the training has not seen.
"""

import contextlib
import dataclasses
import json
import math
import os
import pathlib
import re
import signal
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kgan import registry
from kgan.cli.flags import tool
from kgan.data import open_data
from kgan.machine import quiet
from kgan.paths import replacing
from kgan.zoo.suites import Row

FACES = 10  # held-out pictures that are shown
# Starts with the caller's path and without its main module, which it may not import again.
_CHILD = (
    "import json, sys; job = json.load(sys.stdin); sys.path[:] = job['path']; "
    "from kgan.suite_job import serve; sys.exit(serve(job))"
)


@dataclass(frozen=True)
class Job:
    """A piece of work.

    Attributes:
        name: of its result, below the output folder.
        kind: `"time"`, `"train"` or `"measure"`.
        text: what it is.
        done: `done()` says whether there is nothing to do.
        do: does it and returns why it failed, or `""`.
        needs: the name of the job before it.
    """

    name: str
    kind: str
    text: str
    done: object
    do: object
    needs: str = ""


def folder_of(spec):
    """`avatars-Eyeglasses-test=1000` and the like."""
    return "-".join(re.findall(r"[\w.=,]+", spec))


@dataclass(frozen=True)
class Training:
    """A row, pictures, a seed. `name` is the run's below the output folder, `timing` a job's."""

    row: Row
    data: str
    seed: int
    minutes: float

    @property
    def name(self):
        return f"{folder_of(self.data)}/{self.row.key}-seed{self.seed}"

    @property
    def timing(self):
        return f"{self.row.key} on {self.data}" if self.row.joint else self.row.key


def run_child(main, arguments, log):
    """Runs a tool's main, or `measure`, in a process of its own.

    Args:
        main: `"benchmark"`, `"train"` or `"measure"`.
        arguments: what it takes: flags, or the dict of `measure`.
        log: file to which its stderr is added.

    Returns:
        (its result, why it failed or `""`).

    Raises:
        KeyboardInterrupt: after the process has saved what it does and ended.
    """
    path = [os.path.abspath(entry) for entry in sys.path]
    job = json.dumps({"path": path, "main": main, "arguments": arguments})
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", _CHILD], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=errors,
        )
        try:
            out, _ = process.communicate(job)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if process.returncode == 0:
        return json.loads(out.splitlines()[-1]), ""
    said = log.read_text(errors="replace").split("\n")
    why = next((line for line in reversed(said) if line.strip()), "").removeprefix("error: ")
    if process.returncode < 0:
        why = f"ended by {signal.Signals(-process.returncode).name}"
    return None, f"{why.strip()[:300]} (see {log})"


def serve(job):
    """What a child does; returns its exit code."""
    from kgan.cli import benchmark, train

    mains = {"benchmark": benchmark.main, "train": train.main, "measure": tool(measure)}
    return mains[job["main"]](job["arguments"])


@contextlib.contextmanager
def sigterm_as_ctrl_c():
    """In the block, SIGTERM raises KeyboardInterrupt as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def measure(job):
    """Measures a model of a suite, or what doing nothing and real pictures get.

    Args:
        job: `"run"`, the folder of a training, or ""; `"out"`, the results' path without suffix;
            `"asked"`: `spec`, `n`, `seeds`, `bad_images`, `direction` (of the faces that are
            shown), and for a model `name`, `changes`, `label`; for doing nothing `size`.

    Returns:
        `{"status": "done"}`; `<out>.json` holds `{"asked", "n", "classifier_accuracy", "machine",
        "figures"}` (for doing nothing also `"real"`), `<out>.png` the first `FACES` results in a
        row, and beside doing nothing `truth.png` what they should be.
    """
    quiet()
    from kgan.metrics.classifier import domain_classifier

    asked, out = job["asked"], pathlib.Path(job["out"])
    data, translate, directions = _model(asked, job["run"]) if "name" in asked else _nothing(asked)
    classifier = domain_classifier(data)
    figures, pictures = _figures(translate, data, classifier, directions, asked)
    shown = pictures[asked["direction"]]
    result = {
        "asked": asked, "n": len(shown["input"]), "classifier_accuracy": classifier.accuracy,
        "machine": _machine(), "figures": figures,
    }
    if "name" not in asked:
        result["real"] = _real(data, classifier, asked)
        if "truth" in shown:
            _save(out.with_name("truth.png"), shown["truth"])
    _save(out.with_name(f"{out.name}.png"), shown["output"])
    with replacing(out.with_name(f"{out.name}.json")) as new:
        new.write_text(json.dumps(result, indent=2) + "\n")
    return {"status": "done"}


def _model(asked, run):
    """The data, `translate(pictures, direction)` and the directions of a row's model."""
    from kgan import weights
    from kgan.cli.evaluate import translator
    from kgan.metrics.editing import DIRECTIONS

    if run:
        model = weights.load(run, "required")
        data = _data(asked, model.recipe.size, model.recipe.load_size, model.recipe.seed)
    else:
        recipe = registry.recipe(asked["name"]).replace(data=asked["spec"], **asked["changes"])
        model = weights.build(asked["name"], recipe)
        data = _data(asked, recipe.size, recipe.load_size)
        model.prepare(data)
    names = {d: d for d in model.directions}
    if asked.get("label"):
        names = {d: model.direction_for(asked["label"], d) for d in DIRECTIONS}
    translate = translator(model)
    return data, lambda pictures, d: translate(pictures, names[d]), tuple(names)


def _nothing(asked):
    from kgan.metrics.editing import DIRECTIONS

    return _data(asked, asked["size"]), lambda pictures, direction: pictures, DIRECTIONS


def _data(asked, size, load_size=0, seed=0):
    return open_data(
        asked["spec"], size=size, load_size=load_size or None,
        seed=0 if asked["spec"].startswith("avatars:") else seed, bad_images=asked["bad_images"],
    )


def _figures(translate, data, classifier, directions, asked):
    from kgan.cli.evaluate import EMBEDDED
    from kgan.metrics.editing import measure_distribution, measure_edits

    figures, pictures = measure_edits(
        translate, data, classifier, asked["n"] or None, directions=directions
    )
    if asked["seeds"]:
        figures |= measure_distribution(pictures, data, seeds=asked["seeds"], reference=EMBEDDED)
    return _finite(figures), pictures


def _real(data, classifier, asked):
    """Figures of real pictures of the target domain: one half as results, the other as real."""
    from kgan.cli.evaluate import EMBEDDED
    from kgan.metrics.editing import DIRECTIONS, measure_distribution

    figures = {}
    for direction in DIRECTIONS:
        target = direction[-1]
        count = len(data.test[target])
        held = data.test[target][np.arange(min(asked["n"] or count, count))]
        hit = classifier.is_b(held) == (target == "b")
        figures[f"edit_accuracy_{direction}"] = float(hit.mean())
        figures[f"log_loss_{direction}"] = classifier.log_loss(held, target)
        if asked["seeds"] and len(held) >= 20:  # a two-sample test takes 10 of each
            others = dataclasses.replace(data, test={target: held[1::2]})
            figures |= measure_distribution(
                {direction: {"output": held[::2]}}, others, seeds=asked["seeds"],
                reference=EMBEDDED,
            )
    return _finite(figures)


def _finite(figures):
    """Figures of which nothing can be said, as of no pixel, are None."""
    return {name: x if math.isfinite(x) else None for name, x in figures.items()}


def _save(path, pictures):
    strip = np.concatenate(list(pictures[:FACES]), axis=1)
    with replacing(path) as new:
        Image.fromarray(strip).save(new)


def _machine():
    """`NVIDIA ..., TensorFlow 2.21.0` and the like."""
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    names = {tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus}
    if not gpus:
        info = pathlib.Path("/proc/cpuinfo")
        lines = info.read_text().splitlines() if info.exists() else []
        names = {line.partition(": ")[2] for line in lines if line.startswith("model name")}
        names = {f"{os.cpu_count()} cores {' '.join(sorted(names))}".strip()}
    where = ", ".join(sorted(filter(None, names)))
    return f"{where}, TensorFlow {tf.__version__}, Keras {keras.__version__}"
