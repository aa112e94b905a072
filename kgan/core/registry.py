"""The registry: a name -> model, recipe, card and weights.

Families are the modules of `zoo/`; each calls `register` for its names. Reading names, recipes and
cards does not import TensorFlow.
"""

import importlib
import pathlib
import pkgutil
from dataclasses import dataclass

from kgan.core.errors import UsageError, printable
from kgan.core.recipe import Recipe, nearest

_entries = {}


@dataclass(frozen=True)
class Entry:
    """A name of the zoo.

    Attributes:
        name: `family` or `family_variant`.
        model: the `kgan.models.gan.GAN` subclass.
        recipe: how it is trained by default.
        card: Markdown file beside the family's module.
        weights: tags of the packaged weights, the default first.
        tiny: changes to the recipe that make it small enough for tests.
        phrase: one line about it.
    """

    name: str
    model: type
    recipe: Recipe
    card: str
    phrase: str
    weights: tuple = ()
    tiny: dict | None = None

    @property
    def tagged(self):
        """`NAME.TAG` of each of its weights, the default first."""
        return tuple(f"{self.name}.{tag}" for tag in self.weights)


def register(name, model, recipe, *, card, phrase, weights=(), tiny=None):
    """Adds a name to the zoo; see `Entry` for the arguments."""
    known = _entries.get(name)
    if known and known.model.__qualname__ != model.__qualname__:
        raise ValueError(f"the name {name} is taken by {known.model.__qualname__}")
    _entries[name] = Entry(name, model, recipe, card, phrase, tuple(weights), tiny or {})


def names():
    """All names, sorted."""
    return sorted(_all())


def knows(text):
    """Whether a text is a name of the zoo, with or without a tag."""
    return text.partition(".")[0] in _all()


def entry(name):
    """The `Entry` of a name, with or without a tag; unknown: `UsageError` with the nearest."""
    plain = name.partition(".")[0]
    entries = _all()
    if plain not in entries:
        shown = printable(plain, 80)
        raise UsageError(f"The zoo has no model {shown}. {nearest(plain[:80], entries)}")
    return entries[plain]


def recipe(name):
    """The default recipe of a name."""
    return entry(name).recipe


def card(name):
    """The card of a name: Markdown."""
    return (folder() / entry(name).card).read_text()


def folder():
    """The folder of the zoo's modules, cards and weights."""
    return pathlib.Path(importlib.import_module("kgan.zoo").__file__).parent


def _all():
    for module in pkgutil.iter_modules([str(folder())]):
        importlib.import_module(f"kgan.zoo.{module.name}")
    return _entries
