"""Whether an export does what its model does, where there is TensorFlow and nothing of kgan."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

import numpy as np
import tensorflow as tf

from kgan.core import pixels, process
from kgan.core.errors import UserError
from kgan.core.hashing import sha256_of_file
from kgan.data.signals import Signal
from kgan.export import signatures as signing
from kgan.models.translation import Translation, sources_of

# What the loaded model may differ from the Keras model, by the precision that it computes in:
# float in [-1, 1], and levels of uint8. Half precisions are rounded anew wherever ops are fused.
TOLERANCE = {"float32": (1e-4, 1), "float16": (0.01, 2), "bfloat16": (0.05, 7)}


def check_export(path, model=None):
    """Loads an export in a fresh process that cannot import kgan, runs it, compares it.

    Every signature runs, and `translate` in every direction, on the CPU: a translator on two
    pictures of odd sizes, what else a model serves on its own examples.

    Args:
        path: a version's folder, as `kgan.export.saved_model.export_model` returns it.
        model: the Keras model that it was made from; without one nothing is compared, and what is
            served besides translating does not run.

    Returns:
        dict: `signatures` (names), `modules` (the packages that the process had imported),
        `outputs` (`{"SIGNATURE:OUTPUT" or "translate:DIRECTION": array, or list of the arrays of
        decoded PNG}`), and with a model `float_difference` and `level_difference` (the largest).

    Raises:
        UserError: a file differs from its sha256 in the metadata, the export does not load or run,
            lacks a signature or differs from the model.
    """
    path = pathlib.Path(path)
    metadata = json.loads((path / "assets.extra/metadata.json").read_text())
    for file, digest in hashes(path).items():
        if metadata["sha256"].get(file) != digest:
            raise UserError(f"{path / file} is not the file that was exported: export again")
    given = _given(metadata, model)
    result = _run_fresh(path, given)
    if model is not None:
        result |= _compare(result, model, metadata)
    return result


def hashes(folder):
    """`{file: its sha256}` of a version's folder, without `assets.extra`."""
    files = sorted(f for f in folder.rglob("*") if f.is_file() and "assets.extra" not in f.parts)
    return {f.relative_to(folder).as_posix(): sha256_of_file(f) for f in files}


def _ends(metadata):
    """`{direction: (its signature of bytes, its signature of arrays)}`."""
    default = metadata["direction"]
    return {d: ("serving_default", "images") if d == default else (f"serving_{d}", f"images_{d}")
            for d in metadata["directions"]}


def _sources(metadata, direction, model):
    """The signals that a direction takes; older exports do not say them: a picture."""
    if model is not None:
        return sources_of(model.directions[direction], model.signals)
    if "translations" not in metadata:
        return [Signal("images")]
    signals = [Signal(**signal) for signal in metadata["signals"].values()]
    return sources_of(Translation(**metadata["translations"][direction]), signals)


def _pictures(signals):
    """Of each signal two of odd sizes, one after the other, and a batch; as arrays and as PNG."""
    requests = [signing.example_request(signals, sides, number)
                for number, sides in enumerate([(37, 51), (45, 33), (37, 51)])]
    (one, one_png), (two, two_png), (more, _) = requests
    both = {name: np.concatenate([x, more[name]]) for name, x in one.items()}
    pngs = {name: np.array([*x, *two_png[name]]) for name, x in one_png.items()}
    return (one, two), both, pngs


def _floats(arrays):
    return [pixels.array_to_float(x) if x.dtype == np.uint8 else x for x in arrays.values()]


def _given(metadata, model):
    """`{"SIGNATURE:INPUT" or "translate:DIRECTION:number of its argument": array}`."""
    given = {}
    for direction, (of_bytes, of_arrays) in _ends(metadata).items():
        _, both, pngs = _pictures(_sources(metadata, direction, model))
        given |= {f"{of_bytes}:{name}": x for name, x in pngs.items()}
        given |= {f"{of_arrays}:{name}": x for name, x in both.items()}
        given |= {f"translate:{direction}:{i}": x for i, x in enumerate(_floats(both))}
    for signature, (_, example) in (model.served() if model is not None else {}).items():
        given |= {f"{signature}:{key}": np.asarray(x) for key, x in example.items()}
    return given


FRESH = """
sys.modules["kgan"] = None  # an import of kgan fails
import numpy as np
import tensorflow as tf
path, file = given
loaded = tf.saved_model.load(path)
calls, made = {}, {}
for name, value in np.load(file).items():
    signature, key = name.rsplit(":", 1)
    calls.setdefault(signature, {})[key] = tf.constant(value)
for name in [name for name in calls if name.startswith("translate:")]:
    given = calls.pop(name)
    images = [given[str(i)] for i in range(len(given))]
    made[name] = loaded.translate[name.removeprefix("translate:")](*images)
for signature, inputs in calls.items():
    for key, x in loaded.signatures[signature](**inputs).items():
        name = signature + ":" + key
        if x.dtype == tf.string:
            pngs = [tf.io.decode_png(png) for png in x.numpy()]
            made |= {f"{name}:{i}": png for i, png in enumerate(pngs)}
        else:
            made[name] = x
np.savez(
    file,
    signatures=list(loaded.signatures),
    modules=sorted({m.split(".")[0] for m, v in sys.modules.items() if v is not None}),
    **made,
)
"""


def _run_fresh(path, given):
    with tempfile.TemporaryDirectory() as room:
        file = os.path.join(room, "pictures.npz")
        np.savez(file, **given)
        with process.child(
            FRESH, [str(path.resolve()), file], cwd=room,
            env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        ) as fresh:
            said = fresh.stderr.read().decode(errors="replace")
        if fresh.returncode:
            why = _reason(said) or f"it ended with code {fresh.returncode}"
            raise UserError(f"the export does not run in a fresh process: {why}")
        with np.load(file) as found:
            made = dict(found)
    result = {key: made.pop(key).tolist() for key in ("signatures", "modules")}
    outputs = {}
    for name, x in made.items():
        whole, is_png = name.rsplit(":", 1)[0], name.count(":") == 2
        if is_png:
            outputs.setdefault(whole, []).append(x)
        else:
            outputs[name] = x
    return {**result, "outputs": outputs}


def _reason(said):
    """The first line of the exception that a process ended with, "" if it said none."""
    found = re.findall(r"^[\w.]+(?:Error|Exception|Interrupt)\b.*", said, re.M)
    return found[-1] if found else ""


def _compare(result, model, metadata):
    """The largest differences; raises a `UserError` if they are too large."""
    outputs, wanted = result["outputs"], _wanted(model, metadata)
    missing = {*result["signatures"]} ^ ({name.split(":")[0] for name in wanted} - {"translate"})
    if missing or outputs.keys() != wanted.keys():
        raise UserError("the export and the model differ in what they serve: "
                        f"{', '.join(sorted(missing or outputs.keys() ^ wanted.keys()))}")
    worst = {True: (0.0, ""), False: (0.0, "")}
    for name, xs in wanted.items():
        pairs = zip(outputs[name], xs, strict=True) if isinstance(xs, list) else [
            (outputs[name], xs)]
        for made, x in pairs:
            far = np.abs(np.float64(made) - np.float64(np.asarray(x))).max()
            far = np.inf if np.isnan(far) else float(far)
            worst[made.dtype == np.uint8] = max(worst[made.dtype == np.uint8], (far, name))
    (floats, float_name), (levels, level_name) = worst[False], worst[True]
    by_float, by_level = TOLERANCE[metadata["precision"]]
    if floats > by_float or levels > by_level:
        name = level_name if levels > by_level else float_name
        raise UserError(
            f"the export differs from the model by {floats:.2g} ({levels:.0f} levels), most in "
            f"{name}; {metadata['precision']} allows {by_float} ({by_level})"
        )
    return {"float_difference": floats, "level_difference": int(levels)}


def _wanted(model, metadata):
    """What the model makes of what is given, named and decoded as `check_export` returns it."""
    wanted = {}
    with tf.device("/CPU:0"):
        for direction, (of_bytes, of_arrays) in _ends(metadata).items():
            apart, both, _ = _pictures(_sources(metadata, direction, model))
            how = model.directions[direction]

            def run(arrays, how=how, direction=direction):
                given = dict(zip(how.sources, map(tf.constant, _floats(arrays)), strict=True))
                return model.translated(given, direction)

            made = run(both)
            wanted |= {f"translate:{direction}": made, f"{of_arrays}:images": pixels.to_uint8(made)}
            wanted[f"{of_bytes}:image_bytes"] = [pixels.to_uint8(run(one))[0] for one in apart]
        for signature, (function, example) in model.served().items():
            given = {key: tf.constant(x) for key, x in example.items()}
            for key, x in function(**given).items():
                if x.dtype == tf.string:
                    x = [tf.io.decode_png(png) for png in x.numpy()]
                wanted[f"{signature}:{key}"] = x
    return wanted
