"""Whether an export does what its model does, where there is TensorFlow and nothing of kgan."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf

from kgan.core import pixels
from kgan.core.errors import UserError
from kgan.export import serving
from kgan.export.saved_model import hashes

# What the loaded model may differ from the Keras model, by the precision that it computes in:
# float in [-1, 1], and levels of uint8. Half precisions are rounded anew wherever ops are fused.
TOLERANCE = {"float32": (1e-4, 1), "float16": (0.01, 2), "bfloat16": (0.05, 7)}


def check_export(path, model=None):
    """Loads an export in a fresh process that cannot import kgan, runs it, compares it.

    Both run on the CPU: a translator on two pictures of odd sizes, in the exported direction; what
    else a model serves on its own examples.

    Args:
        path: a version's folder, as `kgan.export.saved_model.export_model` returns it.
        model: the Keras model that it was made from; without one nothing is compared.

    Returns:
        dict: `signatures` (names), `modules` (the packages that the process had imported), of a
        translator `images` and `float` (outputs of one batch) and `pictures` (list of decoded PNG
        outputs), and with a model `float_difference` and `level_difference` (the largest ones).

    Raises:
        UserError: a file differs from its sha256 in the metadata.
        RuntimeError: the export does not load or run, or differs from the model.
    """
    path = pathlib.Path(path)
    metadata = json.loads((path / "assets.extra/metadata.json").read_text())
    for file, digest in hashes(path).items():
        if metadata["sha256"].get(file) != digest:
            raise UserError(f"{path / file} is not the file that was exported: export again")
    batch = np.stack([serving.example_picture(37, 51), serving.example_picture(37, 51)[::-1, ::-1]])
    given = {"batch": batch, "picture_0": batch[0], "picture_1": serving.example_picture(45, 33)}
    served = model.served() if model is not None else {}
    for signature, (_, example) in served.items():
        given |= {f"{signature}:{key}": np.asarray(x) for key, x in example.items()}
    result = _run_fresh(path, metadata["direction"], given)
    if model is not None:
        _compare(result, model, metadata, given, served)
    if metadata["direction"]:
        result["pictures"] = [result.pop("picture_0"), result.pop("picture_1")]
    return result | {k: result[k].tolist() for k in ("signatures", "modules")}


FRESH = """
import sys
sys.modules["kgan"] = None  # an import of kgan fails
import numpy as np
import tensorflow as tf
path, direction, file = sys.argv[1:]
given = dict(np.load(file))
loaded = tf.saved_model.load(path)
made = {}
if direction:
    batch = tf.constant(given["batch"])
    pngs = [tf.io.encode_png(given[k]).numpy() for k in ("picture_0", "picture_1")]
    pngs = loaded.signatures["serving_default"](image_bytes=tf.constant(pngs))["image_bytes"]
    made["images"] = loaded.signatures["images"](images=batch)["images"]
    made["float"] = loaded.translate[direction](tf.cast(batch, tf.float32) / 127.5 - 1.0)
    made |= {f"picture_{i}": tf.io.decode_png(png) for i, png in enumerate(pngs.numpy())}
examples = {}
for name, value in given.items():
    signature, colon, key = name.partition(":")
    if colon:
        examples.setdefault(signature, {})[key] = tf.constant(value)
for signature, example in examples.items():
    for key, x in loaded.signatures[signature](**example).items():
        if x.dtype == tf.string:
            x = tf.stack([tf.io.decode_png(png) for png in x.numpy()])
        made[f"{signature}:{key}"] = x
np.savez(
    file,
    signatures=list(loaded.signatures),
    modules=sorted({m.split(".")[0] for m, v in sys.modules.items() if v is not None}),
    **made,
)
"""


def _run_fresh(path, direction, given):
    with tempfile.TemporaryDirectory() as room:
        file = os.path.join(room, "pictures.npz")
        np.savez(file, **given)
        done = subprocess.run(
            [sys.executable, "-c", FRESH, str(path.resolve()), direction or "", file],
            env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"},
            cwd=room,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{path} does not run in a fresh process:\n{done.stderr[-4000:]}")
        with np.load(file) as made:
            return dict(made)


def _compare(result, model, metadata, given, served):
    """Adds the largest differences to `result`; raises RuntimeError if they are too large."""
    pairs = []
    with tf.device("/CPU:0"):
        if direction := metadata["direction"]:
            pictures = [given["batch"], given["picture_0"][None], given["picture_1"][None]]
            wanted = [model.translate(pixels.to_float(x), direction) for x in pictures]
            made = [result["images"], result["picture_0"][None], result["picture_1"][None]]
            pairs = [(result["float"], wanted[0])]
            pairs += zip(made, map(pixels.to_uint8, wanted), strict=True)
        for signature, (function, example) in served.items():
            for key, x in function(**{k: tf.constant(v) for k, v in example.items()}).items():
                if x.dtype == tf.string:
                    x = tf.stack([tf.io.decode_png(png) for png in x.numpy()])
                pairs.append((result[f"{signature}:{key}"], x))
    differences = {True: [0.0], False: [0.0]}
    for made, wanted in pairs:
        far = np.abs(np.float64(made) - np.float64(np.asarray(wanted))).max()
        differences[made.dtype == np.uint8].append(float(far))
    result["level_difference"] = int(max(differences[True]))
    result["float_difference"] = max(differences[False])
    by_float, by_level = TOLERANCE[metadata["precision"]]
    if not (result["float_difference"] <= by_float and result["level_difference"] <= by_level):
        raise RuntimeError(
            f"the export differs from the model by {result['float_difference']:.2g} "
            f"({result['level_difference']} levels); {metadata['precision']} allows {by_float}"
        )
