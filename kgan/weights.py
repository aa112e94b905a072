"""Trained models: building, loading and packing them.

A weights folder holds `config.json` (name and recipe), `metadata.json` (versions, parameter counts,
figures, licences, sha256), `model.weights.h5` (the networks that are deployed, no code) and
`preview.png`. The hash is checked before the weights are opened: HDF5 does not notice a flipped
byte.
"""

import datetime
import hashlib
import json
import pathlib
import sys
import warnings

import kgan
from kgan import registry
from kgan.errors import UsageError, UserError
from kgan.lazy import keras, np, tf
from kgan.paths import replacing
from kgan.recipe import nearest, read_recipe, write_recipe

WEIGHTS = "model.weights.h5"


def build(name, recipe=None, precision="float32", deployed_only=False):
    """A fresh model.

    Args:
        name: a name of the zoo.
        recipe: its recipe; None = the name's own.
        precision, deployed_only: see `kgan.gan.GAN`.
    """
    entry = registry.entry(name)
    model = entry.model(recipe or entry.recipe, precision, deployed_only)
    model.name_in_zoo = entry.name
    return model


def load(name, weights="auto", precision="float32"):
    """A model of the zoo, ready to translate.

    Args:
        name: `"cyclegan"`, `"cyclegan.avatars_smiling_64"` for one of its weights, or the path of a
            run, of an export or of a weights folder.
        weights: `"auto"`: the packaged weights if there are any, else fresh ones with a warning;
            `"required"`: an error instead of the warning; None: fresh, silently.
        precision: see `kgan.gan.GAN`.

    Returns:
        The model, a `keras.Model`. `model.trained` says whether it has trained weights,
        `model.recipe` how it was trained, `model.metadata` what was measured.

    Raises:
        UsageError: unknown name or tag.
        UserError: the weights are missing (with `"required"`), damaged or do not fit.
    """
    if weights not in ("auto", "required", None):
        raise UsageError(f'weights must be "auto", "required" or None, not {weights!r}.')
    path = pathlib.Path(name)
    if path.is_dir() or len(path.parts) > 1:
        return _load_path(path, precision)
    entry = registry.entry(name)
    folder = None if weights is None else packaged(name)
    if folder is not None:
        return read(folder, precision)
    if weights == "required" and entry.model.trains:
        raise UserError(f"There are no packaged weights for {name}; train it: "
                        f"tools/train --model {entry.name}")
    if weights == "auto" and entry.model.trains:
        warnings.warn(
            f"{name} has no packaged weights: these are fresh, not trained.", stacklevel=2
        )
    return build(entry.name, precision=precision)


def packaged(name):
    """The folder of the packaged weights of a name or `name.tag`; None if it has none."""
    entry = registry.entry(name)
    tag = name.partition(".")[2]
    if tag and tag not in entry.weights:
        raise UsageError(f"{entry.name} has no weights {tag}. {nearest(tag, entry.weights)}")
    if not entry.weights:
        return None
    folder = registry.folder() / "weights" / f"{entry.name}.{tag or entry.weights[0]}"
    return folder if folder.is_dir() else None


def _load_path(path, precision):
    """A run folder, a weights folder, or an export (which carries its weights folder)."""
    folder = folder_in(path)
    if folder is not None:
        return read(folder, precision)
    if (path / "checkpoints").is_dir() and (path / "recipe.json").exists():
        from kgan.checkpoint import RunState

        name, values = read_recipe(path / "recipe.json")
        model = build(name, registry.recipe(name).replace(**values), precision, deployed_only=True)
        found = RunState(path, model).restore(networks_only=True)
        if found:
            model.trained, model.metadata = True, {"name": name, "step": found["step"]}
            return model
    raise UserError(f"{path} holds neither weights nor a run with checkpoints.")


def folder_in(path):
    """The weights folder that the folder of a run, of an export or of weights means, or None."""
    path = pathlib.Path(path)
    if not path.is_dir():
        raise UserError(f"There is no folder {path}.")
    exported = sorted(path.glob("**/assets.extra/weights"), key=_version, reverse=True)
    inside = (path, path / "weights", *exported)
    return next((folder for folder in inside if (folder / WEIGHTS).exists()), None)


def _version(exported):
    """The version of `<version>/assets.extra/weights` as a number; versions rise past 9."""
    name = exported.parents[1].name
    return int(name) if name.isdigit() else 0


def read(folder, precision="float32"):
    """Loads a weights folder after checking its sha256."""
    folder = pathlib.Path(folder)
    name, values = read_recipe(folder / "config.json")
    metadata = verify(folder)
    model = build(name, registry.recipe(name).replace(**values), precision, deployed_only=True)
    try:
        _Deployed(model).load_weights(folder / WEIGHTS)
    except (ValueError, OSError, KeyError) as error:
        reason = str(error).partition(" Example error")[0].splitlines()[0]
        raise UserError(f"{folder / WEIGHTS} does not fit {name} and the recipe beside it: "
                        f"{reason}") from None
    model.restart_averages()
    model.read_beside(folder)
    model.trained, model.metadata = True, metadata
    return model


def verify(folder):
    """The metadata of a weights folder whose hash is right; else a `UserError`."""
    folder = pathlib.Path(folder)
    try:
        metadata = json.loads((folder / "metadata.json").read_text())
        expected = {WEIGHTS: metadata["sha256"][WEIGHTS], **metadata["sha256"]}
        if outside := [n for n in expected if not _is_inside(n)]:
            raise ValueError(f"its metadata names {outside[0]}")
        found = {name: sha256(folder / name) for name in expected}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder} is not a weights folder: {error}") from None
    for name, known in expected.items():
        if found[name] != known:
            raise UserError(
                f"{folder / name} is damaged: its sha256 is {found[name][:12]}…, not "
                f"{known[:12]}…. Get the file again."
            )
    return metadata


def _is_inside(name):
    path = pathlib.PurePath(name)
    return not path.is_absolute() and ".." not in path.parts


def write(model, folder, *, facts=None, preview=None, half=False):
    """Writes a weights folder of a model's deployed networks, as one whole or not at all.

    Args:
        model: its moving averages are written where it has them.
        folder: replaced if it exists.
        facts: more entries for `metadata.json` (step, figures, licences).
        preview: a PIL image.
        half: store float16, which halves the file (loading gives float32 again).

    Returns:
        The folder's path.
    """
    with replacing(folder) as new:
        new.mkdir()
        with model.averaged_weights():
            _Deployed(model).save_weights(new / WEIGHTS)
        if half:
            _halve(new / WEIGHTS)
        model.write_beside(new)
        hashes = {
            p.relative_to(new).as_posix(): sha256(p) for p in sorted(new.rglob("*"))
            if p.is_file()
        }
        write_recipe(new / "config.json", model.name_in_zoo, model.recipe)
        facts = {**describe(model), **(facts or {}), "sha256": hashes}
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


def sha256(path):
    """The hexadecimal sha256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if sys.version_info >= (3, 11) else (
            hashlib.sha256(file.read()).hexdigest()
        )


def _Deployed(model):
    """The deployed networks as one `keras.Model` for saving and loading."""
    holder = keras.Sequential(name="deployed")
    holder.deployed = {n: model.nets[n] for n in model.deployed()}
    holder.built = True
    return holder


def _halve(path):
    """Rewrites the float32 arrays of an HDF5 file as float16."""
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

    half = path.with_suffix(".half")
    with h5py.File(path, "r") as source, h5py.File(half, "w") as target:
        copy(source, target)
    half.replace(path)
