"""Trained models: building, loading and packing them.

A weights folder holds `config.json` (name and recipe), `metadata.json` (versions, parameter counts,
figures, licences, whether the training came to its end, sha256), `model.weights.h5` (the networks
that are deployed, no code), `directions/` of encoders, and `preview.png`. Everything that decides
the function is hashed, and the hashes are checked before anything is opened: HDF5 does not notice a
flipped byte. A folder may come from anywhere, so what it declares is held against the size of its
files before memory is taken for it (`kgan.core.bounds`).
"""

import datetime
import io
import json
import pathlib
import re
import sys
import warnings

import kgan
from kgan.core import registry
from kgan.core.errors import UsageError, UserError, printable
from kgan.core.hashing import sha256_of_file
from kgan.core.lazy import bounds, keras, np, tf
from kgan.core.paths import replacing
from kgan.core.reading import read_json
from kgan.core.recipe import write_recipe
from kgan.models.source import WEIGHTS, resolve, with_weights


def build(name, recipe=None, precision="float32", deployed_only=False):
    """A fresh model.

    Args:
        name: a name of the zoo.
        recipe: its recipe; None = the name's own.
        precision, deployed_only: see `kgan.models.gan.GAN`.
    """
    entry = registry.entry(name)
    model = entry.model(recipe or entry.recipe, precision, deployed_only)
    model.name_in_zoo = entry.name
    return model


def load(name, weights="auto", precision="float32"):
    """A model of the zoo, ready to translate.

    Args:
        name: what `kgan.models.source.resolve` takes: `"cyclegan"`,
            `"cyclegan.avatars_smiling_64"` for one of its weights, or the folder of a run (of which
            the newest state is taken, be it a checkpoint or the weights at the end), of an export
            or of weights.
        weights: `"auto"`: the packaged weights if there are any, else fresh ones with a warning;
            `"required"`: an error instead of that warning; None: fresh, silently.
        precision: see `kgan.models.gan.GAN`.

    Returns:
        The model, a `keras.Model`. `model.trained` says whether its weights were trained to their
        end and `model.state` what else they are (a line on stderr does, too), `model.recipe` how
        it was trained, `model.metadata` what was measured.

    Raises:
        UsageError: unknown name or tag.
        UserError: the weights are missing (with `"required"`), damaged or do not fit.
    """
    if weights not in ("auto", "required", None):
        raise UsageError(f'weights must be "auto", "required" or None, not {weights!r}.')
    found = with_weights(name) if weights == "required" else resolve(name)
    if found.kind in ("name", "packaged") and (found.folder is None or weights is None):
        if weights == "auto" and registry.entry(found.name).model.trains:
            warnings.warn(f"{name} has no packaged weights: these are fresh, not trained.",
                          stacklevel=2)
        return build(found.name, precision=precision)
    model = _of_run(found, precision) if found.kind == "run" else read(found.folder, precision)
    if not model.trained:
        print(f"warning: {printable(name, 300)} is not trained to its end: {model.state}",
              file=sys.stderr)
    return model


def _of_run(found, precision):
    """The newest state of a run; of a checkpoint and weights of the same step, the weights."""
    from kgan.models.checkpoint import RunState

    kept = found.folder / "weights"
    step = -1
    if (kept / WEIGHTS).exists():
        step = _metadata(kept).get("step")
        step = step if isinstance(step, int) else 0
    state = RunState(found.folder, None)
    if state.steps()[-1:] > [step]:
        with bounds.variables(*state.holds(), found.folder):
            state.model = build(found.name, found.recipe, precision, deployed_only=True)
        if known := state.restore(networks_only=True, above=step):
            return _at(state.model, known["step"], found.folder)
    if step < 0:
        raise UserError(f"{found.folder} holds neither weights nor a run with checkpoints.")
    return read(kept, precision)


def _at(model, step, place):
    """A model that was read from a checkpoint, with what is known of it."""
    _refuse_not_finite(model, place)
    model.metadata = {"name": model.name_in_zoo, "step": step}
    stopped = model.plateau and model.plateau.stopped
    model.trained = step >= model.recipe.steps or bool(stopped)
    return model


def read(folder, precision="float32"):
    """Loads a weights folder after checking its sha256."""
    folder = pathlib.Path(folder)
    metadata = verify(folder)
    if "config.json" not in metadata["sha256"]:
        print(f"warning: {printable(folder, 300)} is of an older version, whose config.json has no "
              "sha256; packing or training again gives it one", file=sys.stderr)
    found = resolve(folder)
    if not registry.entry(found.name).model.trains:
        raise UserError(f"{folder} claims to be weights of {found.name}, which has none.")
    file = folder / WEIGHTS
    with bounds.variables(*bounds.of_hdf5(file), folder):
        model = build(found.name, found.recipe, precision, deployed_only=True)
    try:
        _Deployed(model).load_weights(file)
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).partition(" Example error")[0].splitlines()[0]
        raise UserError(f"{file} does not fit {found.name} and the recipe beside it: "
                        f"{reason}") from None
    _refuse_not_finite(model, file)
    model.kept.take()
    model.read_beside(folder)
    model.trained, model.metadata = _finished(folder, metadata), metadata
    return model


def _refuse_not_finite(model, place):
    for name in model.deployed():
        for v in model.nets[name].weights:
            if "float" in v.dtype and not tf.reduce_all(tf.math.is_finite(v.value)):
                raise UserError(f"{place} holds values that are not numbers, in {v.path}: train or "
                                "get it again.")


def _finished(folder, metadata):
    """Whether weights were trained to their end; those of older versions do not say it."""
    if "finished" in metadata:
        return metadata["finished"] is True
    beside = folder.parent / "metadata.json"  # of an export, `assets.extra/metadata.json`
    return not (beside.exists() and read_json(beside).get("trained") is False)


def verify(folder):
    """The metadata of a weights folder whose hashes are right; else a `UserError`.

    Each file that decides what the model does must be among them (`config.json` excepted, which
    older versions left out).
    """
    folder = pathlib.Path(folder)
    metadata = _metadata(folder)
    try:
        expected = {WEIGHTS: None, **metadata["sha256"]}
        for name, known in expected.items():
            if not _is_inside(name):
                raise ValueError(f"its metadata names {printable(name, 80)}")
            if not isinstance(known, str) or not re.fullmatch("[0-9a-f]{64}", known):
                raise ValueError(f"its metadata has no sha256 of {printable(name, 80)}")
        found = {name: sha256_of_file(folder / name) for name in expected}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder} is not a weights folder: {error}") from None
    for name, known in expected.items():
        if found[name] != known:
            raise UserError(
                f"{folder / name} is damaged: its sha256 is {found[name][:12]}…, not "
                f"{known[:12]}…. Get the file again."
            )
    deciding = [*folder.glob("*.h5"), *folder.glob("directions/*")]
    if unknown := [p for p in deciding if p.relative_to(folder).as_posix() not in expected]:
        raise UserError(f"{unknown[0]} is not among the hashes of {folder}: remove it, or get the "
                        "folder again.")
    return metadata


def _metadata(folder):
    try:
        return read_json(folder / "metadata.json")
    except (OSError, ValueError) as error:
        raise UserError(f"{folder} is not a weights folder: {error}") from None


def _is_inside(name):
    path = pathlib.PurePath(name)
    return not path.is_absolute() and ".." not in path.parts


def write(model, folder, *, facts=None, preview=None, half=False, finished=None):
    """Writes a weights folder of a model's deployed networks, as one whole or not at all.

    Args:
        model: its moving averages or best weights are written where it has them.
        folder: replaced if it exists.
        facts: more entries for `metadata.json` (step, figures, licences).
        preview: a PIL image.
        half: store float16, which halves the file (loading gives float32 again).
        finished: whether the training came to its end; None = `model.trained`.

    Returns:
        The folder's path.
    """
    content = _Memory()  # HDF5 does not survive a full disk
    with model.kept.lent():
        _Deployed(model).save_weights(content)
    content = _halved(content) if half else content
    with replacing(folder) as new:
        new.mkdir()
        (new / WEIGHTS).write_bytes(content.getbuffer())
        model.write_beside(new)
        write_recipe(new / "config.json", model.name_in_zoo, model.recipe)
        hashes = {
            p.relative_to(new).as_posix(): sha256_of_file(p) for p in sorted(new.rglob("*"))
            if p.is_file()
        }
        facts = {
            **describe(model), **(facts or {}),
            "finished": model.trained if finished is None else finished, "sha256": hashes,
        }
        (new / "metadata.json").write_text(json.dumps(facts, indent=2) + "\n")
        if preview is not None:
            preview.save(new / "preview.png", optimize=True)
    return pathlib.Path(folder)


def describe(model):
    """What `metadata.json` says of every model."""
    return {
        "name": model.name_in_zoo,
        "versions": {
            "kgan": kgan.__version__, "keras": keras.__version__, "tensorflow": tf.__version__,
            "python": sys.version.split()[0],
        },
        "date": datetime.date.today().isoformat(),
        "parameters": parameters(model),
        "directions": list(model.directions),
        "pictures": "RGB, NHWC, float32 in [-1, 1] or uint8",
    }


def parameters(model):
    """`{network: number of parameters}`."""
    return {n: int(net.count_params()) for n, net in model.nets.items()
            if net.trainable_variables or not net.trainable}


class _Memory(io.BytesIO):
    """A file in memory, which Keras takes for one of weights by its name."""

    def __str__(self):
        return WEIGHTS


def _Deployed(model):
    """The deployed networks as one `keras.Model` for saving and loading."""
    holder = keras.Sequential(name="deployed")
    holder.deployed = {n: model.nets[n] for n in model.deployed()}
    holder.built = True
    return holder


def _halved(content):
    """An HDF5 file in memory with its float32 arrays as float16."""
    import h5py

    def copy(source, target):
        target.attrs.update(source.attrs)
        for key, item in source.items():
            if isinstance(item, h5py.Group):
                copy(item, target.create_group(key))
            else:
                data = item[()]
                with np.errstate(over="ignore"):  # said below
                    small = data.astype("float16") if data.dtype == "float32" else data
                if not np.isfinite(small).all():
                    raise UserError(f"{item.name} has values that float16 does not hold, up to "
                                    f"{np.abs(data).max():g}.")
                target.create_dataset(key, data=small).attrs.update(item.attrs)

    half = _Memory()
    with h5py.File(content, "r") as source, h5py.File(half, "w") as target:
        copy(source, target)
    return half
