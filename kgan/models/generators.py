"""Generators that encoders stand on: found by name or folder, described by text, hashed.

A specification is a name of the zoo (`dcgan_small`, `dcgan.avatars_64`) or the folder of a run, of
an export or of weights. A plain name means its packaged weights if they were trained on the same
pictures at the same size, and else a generator that is to be trained on them first; `_small` names
share the packaged weights of the name without it. A name with a tag means just these weights.

An encoder's weights hold its generator's, too, so its recipe keeps how to build it as text: JSON of
name and recipe.
"""

import json

from kgan.core import hashing, registry
from kgan.core.errors import UsageError, UserError
from kgan.models import source


def find(spec, *, data, size, seed, labelled=False):
    """Where the generator of a specification is, or how it is to be trained.

    Args:
        spec: see the module.
        data: specification of the pictures.
        size: their side.
        seed: of a training.
        labelled: whether it is one that makes pictures by labels, too.

    Returns:
        A `kgan.models.source.Source`; without a folder, it is to be trained by that recipe.

    Raises:
        UsageError: no such generator, it makes pictures of another size, or it needs labels or, if
            it should, none.
        UserError: a folder that does not hold one, or a name whose weights are not there.
    """
    if not spec:
        raise UsageError("--generator must name what the encoder inverts, as dcgan or a folder.")
    plain = spec in registry.names()
    found = _of_name(spec, data, size, seed) if plain else source.with_weights(spec)
    if not hasattr(found.recipe, "latent"):
        raise UsageError(f"--generator {spec} is a {found.name}, which makes no pictures from "
                         "codes.")
    if found.recipe.size != size:
        raise UsageError(f"--generator {spec} makes pictures of {found.recipe.size} px: say --size "
                         f"{found.recipe.size}.")
    needs = getattr(found.recipe, "condition", False)
    if needs and not labelled:
        raise UsageError(f"--generator {spec} needs labels beside codes; take one without.")
    if labelled and not needs:
        raise UsageError(f"--generator {spec} takes no labels beside codes; take one that does, as "
                         "cgan.")
    return found


def _of_name(spec, data, size, seed):
    entry = registry.entry(spec)
    for name in (entry.name, entry.name.removesuffix("_small")):
        for tagged in registry.entry(name).tagged:
            found = source.with_weights(tagged)
            if (_kind(found.recipe.data), found.recipe.size) == (_kind(data), size):
                return found
    recipe = entry.recipe.replace(seed=seed)
    if _kind(recipe.data) != _kind(data):  # else as many drawn faces as it needs
        recipe = recipe.replace(data=data)
    if hasattr(recipe, "latent"):  # others are refused by `find`
        recipe = recipe.replace(size=size)
    return source.Source(entry.name, "", recipe, None, "name")


def _kind(data):
    """A specification of pictures; of drawn faces without how many, and with which labels."""
    place = data.partition("?")[0]
    if not data.startswith("avatars:"):
        return data
    return "avatars" if "," in place else place


def to_text(name, recipe):
    """JSON of a name and a recipe, for a field of another recipe."""
    return json.dumps({"model": name, "recipe": recipe.as_dict()})


def from_text(text):
    """(name, recipe) of what `to_text` wrote; a `UserError` if it is something else."""
    try:
        found = json.loads(text)
        name, values = str(found["model"]), dict(found["recipe"])
        recipe = registry.recipe(name).replace(**values)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"The recipe of an encoder does not say how its generator is built "
                        f"({type(error).__name__}: {error}).") from None
    if not hasattr(recipe, "latent"):
        raise UserError(f"The recipe of an encoder names {name}, which makes no pictures from "
                        "codes.")
    return name, recipe


def build(text, precision):
    """A fresh generator of `to_text`, with the networks that are deployed."""
    from kgan.models import weights

    name, recipe = from_text(text)
    return weights.build(name, recipe, precision, deployed_only=True)


def sha256(*networks):
    """A hash of networks' weights, the same before and after they were stored as float16."""
    values = [v.numpy() for network in networks for v in network.weights]
    return hashing.sha256(*(x.astype("<f2") if x.dtype.kind == "f" else x for x in values))


def packaged(network):
    """The packaged generator, `"NAME.TAG"`, whose network has these weights; None if none has."""
    from kgan.models import weights

    wanted = sha256(network)
    for name in registry.names():
        if hasattr(registry.recipe(name), "latent"):
            for tagged in registry.entry(name).tagged:
                if source.packaged(tagged) and sha256(weights.load(tagged).g) == wanted:
                    return tagged
    return None
