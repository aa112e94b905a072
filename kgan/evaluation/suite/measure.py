"""What a job of a suite does that measures: a row, or without one what is no model.

All rows are measured on the same held-out pictures, those of seed 0; in data that hold pictures out
by the seed (all but `avatars`, whose training pictures are no test pictures for any seed) on those
that the training has not seen.
"""

import json
import os
import pathlib

import numpy as np
from PIL import Image

from kgan.core.devices import quiet
from kgan.core.paths import replacing
from kgan.core.process import tool
from kgan.evaluation.suite.kinds import KINDS

FACES = 10  # held-out pictures that are shown


def measure(job):
    """Measures a model of a suite, or what is no model, as doing nothing.

    Args:
        job: `"kind"`, one of `KINDS`; `"run"`, the folder of a training, or ""; `"out"`, the
            results' path without suffix; `"asked"`: what the figures follow from: `spec`,
            `bad_images`, `n`, other options of the kind, and for a model `name`, `changes`,
            `label`; without one `size`, and where pictures are paired `like`, a name that takes
            them and its changes.

    Returns:
        `{"status": "done"}`; `<out>.json` holds `{"asked", "n", "machine", "figures"}` and what
        else the kind has to say, `<out>.png` the first `FACES` results in a row, and without a
        model perhaps `truth.png` what they should be.
    """
    quiet()
    asked, out = job["asked"], pathlib.Path(job["out"])
    found, strips = KINDS[job["kind"]].measure(asked, job["run"])
    for name, pictures in strips.items():
        _save(out.with_name(f"{name or out.name}.png"), pictures)
    with replacing(out.with_name(f"{out.name}.json")) as new:
        new.write_text(json.dumps({"asked": asked, "machine": _machine(), **found}, indent=2)
                       + "\n")
    return {"status": "done"}


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


main = tool(measure)
