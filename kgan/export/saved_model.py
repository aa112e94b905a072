"""A trained model as a SavedModel that TensorFlow Serving takes as it is.

    <out>/models.config  compose.yaml  client.py
    <out>/<name>/<version>/saved_model.pb  variables/  assets.extra/{metadata.json, tf_serving_...}

Signatures (each translates in one direction; any picture size):
    serving_default       image_bytes string [batch], PNG or JPEG, sizes may differ -> image_bytes
                          string [batch], PNG
    images                images uint8 [batch, height, width, 3] -> images, the same; their sides
                          times the scale of the translation
    serving_<direction>, images_<direction>     the other directions, if there are any
and, for TensorFlow code, `tf.saved_model.load(path).translate[direction](float32 in [-1, 1])`.
A direction that takes maps of ids, or several signals, has inputs of their names, int32 ids [batch,
height, width, 1] and `<name>_bytes`, a grey PNG of 8 or 16 bits. A model may serve more, or other
things: those of `GAN.served`. What a request may ask for is in
`kgan.export.signatures`.

Only the variables that translating reads are in it: no discriminator, no optimizer. Loading needs
TensorFlow and nothing of kgan. One bad picture fails its whole batch.
"""

import contextlib
import dataclasses
import json
import pathlib
import re
import time

import keras
import numpy as np
import tensorflow as tf

import kgan
from kgan.core import paths
from kgan.core.errors import UserError
from kgan.export import check as export_check
from kgan.export import files
from kgan.export import signatures as signing
from kgan.models import weights
from kgan.models.translation import sources_of


def export_model(
    model,
    out,
    *,
    direction=None,
    name=None,
    version=None,
    max_pixels=None,
    allow_untrained=False,
    check=False,
):
    """Writes `<out>/<name>/<version>/`, aside and then renamed, and the serving files in `out`.

    One export of a name is made at a time, others wait. One that fails leaves nothing.

    Args:
        model: a built `kgan.models.gan.GAN`.
        out: the folder of served models.
        direction: what `serving_default` and `images` do; default the model's first.
        name: the served name; default the model's own.
        version: a number that does not exist yet; default the highest plus one.
        max_pixels: pictures that declare more are refused before they are decoded; default as many
            as `kgan.export.signatures.limits` finds.
        allow_untrained: export fresh weights too.
        check: run it in a fresh process before it takes its place, see `kgan.export.check`.

    Returns:
        `pathlib.Path` of the version's folder.

    Raises:
        UserError: untrained, unknown direction, a name or version that cannot be served, a disk
            that takes no more, or the check failed.
    """
    name = name or model.name_in_zoo
    direction = direction or next(iter(model.directions), None)
    _refuse(model, name, direction, allow_untrained)
    out = pathlib.Path(out)
    with _writable(out), _nothing_left(out):
        with paths.locked(out / name), _nothing_left(out / name):
            paths.sweep(out / name)
            final = out / name / str(_next_version(out / name, version))
            with paths.replacing(final) as new:
                _write(new, model, name, int(final.name), direction, max_pixels)
                if check:
                    _check(new, model, name)
        files.write_serving_files(out)
    return final


def _refuse(model, name, direction, allow_untrained):
    """Raises a `UserError` for what cannot be exported."""
    if not model.exports:
        why = "it does not translate" if not model.directions else "it solves for each picture anew"
        raise UserError(f"{name} cannot be a SavedModel: {why}.")
    if direction and direction not in model.directions:
        raise UserError(f"no direction {direction!r}; {name} has "
                        f"{', '.join(model.directions) or 'none'}")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) or name in files.FILES:
        raise UserError(f"{name!r} cannot be a served name: use letters, digits and . _ - (and not "
                        f"{', '.join(files.FILES)}, which are files there)")
    if not model.trained and not allow_untrained:
        raise UserError(f"{name} is untrained ({model.state}): train it to its end or load weights "
                        "first (or allow_untrained)")


@contextlib.contextmanager
def _writable(out):
    """A disk that takes no more is the user's to mend."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # TensorFlow has its own for a full disk
        in_the_way = isinstance(error, (FileExistsError, NotADirectoryError)) and error.strerror
        words = paths.unwritable(error) or in_the_way
        if not words:
            raise
        place = getattr(error, "filename", None)
        raise UserError(f"The export to {out} cannot be written{f' ({place})' if place else ''}: "
                        f"{words}. Make room there, or choose another folder, and export again."
                        ) from error


@contextlib.contextmanager
def _nothing_left(folder):
    """After a failure in the block a folder that it made is there only if it holds something."""
    there = folder.exists()
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            if not there:
                folder.rmdir()
        raise


def _next_version(folder, version):
    there = files.versions(folder)
    version = max(there, default=0) + 1 if version is None else version
    if version < 1 or (folder / str(version)).exists():
        raise UserError(f"version {version} of {folder} exists or is below 1: choose another")
    return version


def _write(new, model, name, version, direction, max_pixels):
    """Writes the version's folder at `new`."""
    allowed = signing.limits(model, max_pixels)
    module, precision = signing.module(model, direction, allowed)
    # Nobody trains an export, and gradients of layers' own take as long to save as all the rest.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(new), module.signatures_to_save, options)
    extra = new / "assets.extra"
    extra.mkdir()
    metadata = _metadata(model, name, version, direction)
    metadata |= {
        **allowed.as_dict(), "precision": precision, "signatures": list(module.signatures_to_save),
        "params": sum(int(np.prod(v.shape)) for v in module.weights),
        "sha256": export_check.hashes(new),
    }
    _write_metadata(extra, metadata)
    requests = _warmup_requests(module, model, direction)
    files.write_warmup(extra / "tf_serving_warmup_requests", name, requests)
    weights.write(model, extra / "weights", facts=model.metadata)


def _write_metadata(extra, metadata):
    (extra / "metadata.json").write_text(json.dumps(metadata, indent=2) + "\n")


def _check(new, model, name):
    """Checks what is at `new` and adds what was found to its metadata, as `checked`."""
    try:
        found = export_check.check_export(new, model)
    except UserError as error:
        raise UserError(f"{name} was not exported: {error}") from error
    metadata = json.loads((new / "assets.extra/metadata.json").read_text())
    differences = {k: found[k] for k in ("float_difference", "level_difference")}
    _write_metadata(new / "assets.extra", {**metadata, "checked": differences})


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
        "signals": {signal.name: dataclasses.asdict(signal) for signal in model.signals},
        "translations": {d: how.as_dict() for d, how in model.directions.items()},
        "value_range": [-1, 1],
        "colour_order": "RGB",
        "licences": model.metadata.get("licences", {}),
        "metadata": model.metadata,
    }


def _warmup_requests(module, model, direction):
    """One request for each signature, of the size that the model was trained on."""
    requests = dict(module.examples)
    for d, how in model.directions.items():
        signals, end = sources_of(how, model.signals), signing.suffix(d, direction)
        sizes = [s.sides if s.height else (model.recipe.size,) * 2 for s in signals[:1]]
        of_arrays, of_bytes = signing.example_request(signals, *sizes)
        requests |= {f"serving{end or '_default'}": of_bytes, f"images{end}": of_arrays}
    return [(s, requests[s]) for s in module.signatures_to_save]
