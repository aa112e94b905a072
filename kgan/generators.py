"""Generators that encoders stand on: found by name or folder, described by text, hashed.

A specification is a name of the zoo (`dcgan_small`, `dcgan.avatars_64`) or the folder of a run, of
an export or of weights. A plain name means its packaged weights if they were trained on the same
pictures at the same size, and else a generator that is to be trained on them first; `_small` names
share the packaged weights of the name without it. A name with a tag means just these weights.

An encoder's weights hold its generator's, too, so its recipe keeps how to build it as text: JSON of
name and recipe.
"""

import hashlib
import json
import pathlib

from kgan import registry
from kgan.errors import UsageError, UserError
from kgan.recipe import read_recipe


def find(spec, *, data, size, seed):
    """Where the generator of a specification is, or how it is to be trained.

    Args:
        spec: see the module.
        data: specification of the pictures.
        size: their side.
        seed: of a training.

    Returns:
        (name, recipe, folder): the folder of its weights; None = they are to be trained so.

    Raises:
        UsageError: no such generator, it makes pictures of another size, or it needs labels.
        UserError: a folder that does not hold one.
    """
    if not spec:
        raise UsageError("--generator must name what the encoder inverts, as dcgan or a folder.")
    path = pathlib.Path(spec)
    if path.is_dir() or len(path.parts) > 1:
        found = *_recipe_in(path), path
    elif "." in spec:
        found = _packaged(spec)
    else:
        found = _of_name(spec, data, size, seed)
    name, recipe, _ = found
    if not hasattr(recipe, "latent"):
        raise UsageError(f"--generator {spec} is a {name}, which makes no pictures from codes.")
    if recipe.size != size:
        raise UsageError(f"--generator {spec} makes pictures of {recipe.size} px: say --size "
                         f"{recipe.size}.")
    if getattr(recipe, "classes", 0):
        raise UsageError(f"--generator {spec} needs labels beside codes; take one without.")
    return found


def _of_name(spec, data, size, seed):
    entry = registry.entry(spec)
    for name in (entry.name, entry.name.removesuffix("_small")):
        for tag in registry.entry(name).weights:
            found = _packaged(f"{name}.{tag}")
            if (_kind(found[1].data), found[1].size) == (_kind(data), size):
                return found
    recipe = entry.recipe.replace(seed=seed)
    if _kind(recipe.data) != _kind(data):  # else as many drawn faces as it needs
        recipe = recipe.replace(data=data)
    if hasattr(recipe, "latent"):  # others are refused by `find`
        recipe = recipe.replace(size=size)
    return entry.name, recipe, None


def _kind(data):
    """A specification of pictures; of drawn faces without how many, and with which labels."""
    place = data.partition("?")[0]
    if not data.startswith("avatars:"):
        return data
    return "avatars" if "," in place else place


def _packaged(spec):
    from kgan.weights import packaged

    folder = packaged(spec)
    if folder is None:
        raise UserError(f"There are no packaged weights {spec}.")
    return *_recipe_in(folder), folder


def _recipe_in(folder):
    """The name and recipe of a run, an export or a weights folder."""
    from kgan.weights import folder_in

    inside = folder_in(folder)
    found = inside / "config.json" if inside else folder / "recipe.json"
    if not found.exists():
        raise UserError(f"{folder} holds neither a run nor weights.")
    name, values = read_recipe(found)
    return name, registry.recipe(name).replace(**values)


def to_text(name, recipe):
    """JSON of a name and a recipe, for a field of another recipe."""
    return json.dumps({"model": name, "recipe": recipe.as_dict()})


def from_text(text):
    """(name, recipe) of what `to_text` wrote; a `UserError` if it is something else."""
    try:
        found = json.loads(text)
        name, values = str(found["model"]), dict(found["recipe"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"The recipe of an encoder does not say how its generator is built "
                        f"({type(error).__name__}: {error}).") from None
    return name, registry.recipe(name).replace(**values)


def build(text, precision):
    """A fresh generator of `to_text`, with the networks that are deployed."""
    from kgan import weights

    name, recipe = from_text(text)
    return weights.build(name, recipe, precision, deployed_only=True)


def sha256(network):
    """A hash of a network's weights, the same before and after they were stored as float16."""
    found = hashlib.sha256()
    for v in network.weights:
        values = v.numpy()
        values = values.astype("<f2") if values.dtype.kind == "f" else values
        found.update(str(values.shape).encode())
        found.update(values.tobytes())
    return found.hexdigest()
