"""A trained model as a SavedModel that TensorFlow Serving takes as it is.

    <out>/models.config  compose.yaml  client.py
    <out>/<name>/<version>/saved_model.pb  variables/  assets.extra/{metadata.json, tf_serving_...}

Signatures (each translates in one direction; any picture size):
    serving_default       image_bytes string [batch], PNG or JPEG, sizes may differ -> image_bytes
                          string [batch], PNG
    images                images uint8 [batch, height, width, 3] -> images, the same
    serving_<direction>, images_<direction>     the other directions, if there are any
and, for TensorFlow code, `tf.saved_model.load(path).translate[direction](float32 in [-1, 1])`.
A model may serve more, or other things: those of `GAN.served`.

Only the variables that translating reads are in it: no discriminator, no optimizer. Loading needs
TensorFlow and nothing of kgan. One bad picture fails its whole batch.
"""

import hashlib
import json
import pathlib
import re
import time

import keras
import numpy as np
import tensorflow as tf

import kgan
from kgan.core import paths, pixels
from kgan.core.errors import UserError
from kgan.export import serving
from kgan.models import weights


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
        model: a built `kgan.models.gan.GAN`.
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
    direction = direction or next(iter(model.directions), None)
    if direction and direction not in model.directions:
        raise UserError(f"no direction {direction!r}; {name} has "
                        f"{', '.join(model.directions) or 'none'}")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
        raise UserError(f"{name!r} cannot be a served name: use letters, digits and . _ -")
    if not model.trained and not allow_untrained:
        raise UserError(f"{name} is untrained ({model.state}): train it to its end or load weights "
                        "first (or allow_untrained)")
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
        metadata |= {"precision": precision, "max_pixels": max_pixels, "sha256": hashes(new)}
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
    order = sorted(model.directions, key=lambda d: d != direction)
    module.translate = {d: _translate_function(model, d) for d in order}
    served = model.served()
    signatures = {name: function for name, (function, _) in served.items()}
    traced = [f.get_concrete_function() for f in [*module.translate.values(), *signatures.values()]]
    weights = {id(v): v for f in traced for v in f.graph.variables}
    module.weights = list(weights.values())
    module.examples = {name: example for name, (_, example) in served.items()}
    decode = tf.function(
        lambda data: serving.decode_picture(data, max_pixels),
        input_signature=[tf.TensorSpec([], tf.string)], autograph=False,
    )
    for d in order:
        end = "" if d == direction else f"_{d}"
        translate = module.translate[d]
        signatures["serving" + (end or "_default")] = _bytes_function(translate, decode)
        signatures["images" + end] = _images_function(translate)
    # Traced here: while it saves, TensorFlow would trace what they call once more.
    module.signatures_to_save = {k: f.get_concrete_function() for k, f in signatures.items()}
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


def _bytes_function(translate, decode):
    def one(data):
        rgb, alpha = decode(data)
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


def hashes(folder):
    files = sorted(f for f in folder.rglob("*") if f.is_file() and "assets.extra" not in f.parts)
    return {
        f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files
    }


def _warmup_requests(module, size):
    """One request for each signature, of the size that the model was trained on."""
    picture = serving.example_picture(size, size)
    png = tf.io.encode_png(picture).numpy()

    def request(signature):
        if signature in module.examples:
            return module.examples[signature]
        served = signature.startswith("serving")
        return {"image_bytes": [png]} if served else {"images": picture[None]}

    return [(s, request(s)) for s in module.signatures_to_save]
