"""A trained model as a SavedModel that TensorFlow Serving takes as it is.

    <out>/models.config  compose.yaml  client.py
    <out>/<name>/<version>/saved_model.pb  variables/  assets.extra/{metadata.json, tf_serving_...}

Signatures (each translates in one direction; any picture size):
    serving_default       image_bytes string [batch], PNG or JPEG, sizes may differ -> image_bytes
                          string [batch], PNG
    images                images uint8 [batch, height, width, 3] -> images, the same
    serving_<direction>, images_<direction>     the other directions, if there are any
and, for TensorFlow code, `tf.saved_model.load(path).translate[direction](float32 in [-1, 1])`.

Only the variables that translating reads are in it: no discriminator, no optimizer. Loading needs
TensorFlow and nothing of kgan. One bad picture fails its whole batch.
"""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np
import tensorflow as tf

import kgan
from kgan import paths, pixels, serving, weights
from kgan.errors import UserError

# What the loaded model may differ from the Keras model, by the precision that it computes in:
# float in [-1, 1], and levels of uint8. Half precisions are rounded anew wherever ops are fused.
TOLERANCE = {"float32": (1e-4, 1), "float16": (0.01, 2), "bfloat16": (0.05, 7)}


def export_model(
    model,
    out,
    *,
    direction=None,
    name=None,
    version=None,
    max_pixels=serving.MAX_PIXELS,
    allow_untrained=False,
):
    """Writes `<out>/<name>/<version>/`, aside and then renamed, and the serving files in `out`.

    Args:
        model: a built `kgan.gan.GAN`.
        out: the folder of served models.
        direction: what `serving_default` and `images` do; default the model's first.
        name: the served name; default the model's own.
        version: a number that does not exist yet; default the highest plus one.
        max_pixels: pictures that declare more are refused before they are decoded.
        allow_untrained: export fresh weights too.

    Returns:
        `pathlib.Path` of the version's folder.

    Raises:
        UserError: untrained, unknown direction, a name or version that cannot be served.
    """
    name = name or model.name_in_zoo
    if not model.exports:
        why = "it does not translate" if not model.directions else "it solves for each picture anew"
        raise UserError(f"{name} cannot be a SavedModel: {why}.")
    direction = direction or next(iter(model.directions))
    if direction not in model.directions:
        raise UserError(f"no direction {direction!r}; {name} has {', '.join(model.directions)}")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise UserError(f"{name!r} cannot be a served name: use letters, digits and . _ -")
    if not model.trained and not allow_untrained:
        raise UserError(f"{name} is untrained: train it or load weights first (or allow_untrained)")
    out = pathlib.Path(out)
    version = _next_version(out / name, version)
    module, precision = _module(model, direction, max_pixels)
    final = out / name / str(version)
    with paths.replacing(final) as new:
        tf.saved_model.save(module, str(new), signatures=module.signatures_to_save)
        extra = new / "assets.extra"
        extra.mkdir()
        metadata = _metadata(model, name, version, direction)
        metadata["params"] = sum(int(np.prod(v.shape)) for v in module.weights)
        metadata |= {"precision": precision, "max_pixels": max_pixels, "sha256": _hashes(new)}
        (extra / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")
        requests = _warmup_requests(module, model.recipe.size)
        serving.write_warmup(extra / "tf_serving_warmup_requests", name, requests)
        weights.write(model, extra / "weights", facts=model.metadata)
    serving.write_serving_files(out)
    return final


def _next_version(folder, version):
    there = serving.versions(folder)
    version = max(there, default=0) + 1 if version is None else version
    if version < 1 or (folder / str(version)).exists():
        raise UserError(f"version {version} of {folder} exists or is below 1: choose another")
    return version


def _module(model, direction, max_pixels):
    """A `tf.Module` of the functions, the variables that they read, and the precision inside."""
    module = tf.Module()
    order = [direction, *(d for d in model.directions if d != direction)]
    module.translate = {d: _translate_function(model, d) for d in order}
    traced = [f.get_concrete_function() for f in module.translate.values()]
    weights = {id(v): v for f in traced for v in f.graph.variables}
    module.weights = list(weights.values())
    signatures = {}
    for d in order:
        end = "" if d == direction else f"_{d}"
        translate = module.translate[d]
        signatures["serving" + (end or "_default")] = _bytes_function(translate, max_pixels)
        signatures["images" + end] = _images_function(translate)
    module.signatures_to_save = signatures
    graph = str(traced[0].graph.as_graph_def())
    halves = {"bfloat16": "DT_BFLOAT16", "float16": "DT_HALF"}
    return module, next((p for p, dtype in halves.items() if dtype in graph), "float32")


def _translate_function(model, direction):
    def translate(images):
        return tf.cast(model.translate(images, direction), tf.float32)

    spec = tf.TensorSpec([None, None, None, 3], tf.float32, name="images")
    return tf.function(translate, input_signature=[spec], autograph=False)


def _images_function(translate):
    def images_to_images(images):
        return {"images": pixels.to_uint8(translate(pixels.to_float(images)))}

    spec = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
    return tf.function(images_to_images, input_signature=[spec], autograph=False)


def _bytes_function(translate, max_pixels):
    def one(data):
        rgb, alpha = serving.decode_picture(data, max_pixels)
        rgb = pixels.to_uint8(translate(pixels.to_float(rgb[tf.newaxis])))[0]
        return serving.encode_picture(rgb, alpha)

    def bytes_to_bytes(image_bytes):
        # One at a time: pictures differ in size, and the memory needed is that of the largest.
        return {"image_bytes": tf.map_fn(one, image_bytes, parallel_iterations=1)}

    spec = tf.TensorSpec([None], tf.string, name="image_bytes")
    return tf.function(bytes_to_bytes, input_signature=[spec], autograph=False)


def _metadata(model, name, version, direction):
    return {
        "name": name,
        "model": model.name_in_zoo,
        "version": version,
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "packages": {
            "kgan": kgan.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "recipe": model.recipe.as_dict(),
        "trained": bool(model.trained),
        "direction": direction,
        "directions": list(model.directions),
        "multiple": model.multiple,
        "value_range": [-1, 1],
        "colour_order": "RGB",
        "licences": model.metadata.get("licences", {}),
        "metadata": model.metadata,
    }


def _hashes(folder):
    files = sorted(f for f in folder.rglob("*") if f.is_file() and "assets.extra" not in f.parts)
    return {
        f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files
    }


def _warmup_requests(module, size):
    """One request for each signature, of the size that the model was trained on."""
    picture = serving.example_picture(size, size)
    png = tf.io.encode_png(picture).numpy()
    return [
        (s, {"image_bytes": [png]} if s.startswith("serving") else {"images": picture[None]})
        for s in module.signatures_to_save
    ]


def check_export(path, model=None):
    """Loads an export in a fresh process that cannot import kgan, runs it, compares it.

    Both run on the CPU, on two pictures of odd sizes, in the exported direction.

    Args:
        path: a version's folder, as `export_model` returns it.
        model: the Keras model that it was made from; without one nothing is compared.

    Returns:
        dict: `signatures` (names), `modules` (the packages that the process had imported),
        `images` and `float` (outputs of one batch), `pictures` (list of decoded PNG outputs),
        and with a model `float_difference` and `level_difference` (the largest ones).

    Raises:
        UserError: a file differs from its sha256 in the metadata.
        RuntimeError: the export does not load or run, or differs from the model.
    """
    path = pathlib.Path(path)
    metadata = json.loads((path / "assets.extra/metadata.json").read_text())
    for file, digest in _hashes(path).items():
        if metadata["sha256"].get(file) != digest:
            raise UserError(f"{path / file} is not the file that was exported: export again")
    batch = np.stack([serving.example_picture(37, 51), serving.example_picture(37, 51)[::-1, ::-1]])
    pictures = [batch[0], serving.example_picture(45, 33)]
    result = _run_fresh(path, metadata["direction"], batch, pictures)
    if model is not None:
        _compare(result, model, metadata, batch, pictures)
    return result


FRESH = """
import sys
sys.modules["kgan"] = None  # an import of kgan fails
import numpy as np
import tensorflow as tf
path, direction, file = sys.argv[1:]
given = np.load(file)
loaded = tf.saved_model.load(path)
pngs = [tf.io.encode_png(given[k]).numpy() for k in ("picture_0", "picture_1")]
pngs = loaded.signatures["serving_default"](image_bytes=tf.constant(pngs))["image_bytes"].numpy()
np.savez(
    file,
    images=loaded.signatures["images"](images=tf.constant(given["batch"]))["images"],
    float=loaded.translate[direction](tf.constant(given["batch"], tf.float32) / 127.5 - 1.0),
    picture_0=tf.io.decode_png(pngs[0]),
    picture_1=tf.io.decode_png(pngs[1]),
    signatures=list(loaded.signatures),
    modules=sorted({m.split(".")[0] for m, v in sys.modules.items() if v is not None}),
)
"""


def _run_fresh(path, direction, batch, pictures):
    with tempfile.TemporaryDirectory() as room:
        file = os.path.join(room, "pictures.npz")
        np.savez(file, batch=batch, picture_0=pictures[0], picture_1=pictures[1])
        done = subprocess.run(
            [sys.executable, "-c", FRESH, str(path.resolve()), direction, file],
            env=os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"},
            cwd=room,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{path} does not run in a fresh process:\n{done.stderr[-4000:]}")
        with np.load(file) as made:
            result = dict(made)
    result["pictures"] = [result.pop("picture_0"), result.pop("picture_1")]
    return result | {k: result[k].tolist() for k in ("signatures", "modules")}


def _compare(result, model, metadata, batch, pictures):
    """Adds the largest differences to `result`; raises RuntimeError if they are too large."""

    def wanted(images):
        return model.translate(pixels.to_float(images), metadata["direction"])

    with tf.device("/CPU:0"):
        translated = wanted(batch)
        levels = [translated, *(wanted(p[None])[0] for p in pictures)]
        levels = [pixels.to_uint8(x).numpy() for x in levels]
    made = [result["images"], *result["pictures"]]
    result["float_difference"] = float(np.abs(result["float"] - np.asarray(translated)).max())
    result["level_difference"] = max(
        int(np.abs(np.int32(a) - np.int32(b)).max()) for a, b in zip(made, levels, strict=True)
    )
    by_float, by_level = TOLERANCE[metadata["precision"]]
    if not (result["float_difference"] <= by_float and result["level_difference"] <= by_level):
        raise RuntimeError(
            f"the export differs from the model by {result['float_difference']:.2g} "
            f"({result['level_difference']} levels); {metadata['precision']} allows {by_float}"
        )
