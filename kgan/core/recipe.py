"""Recipes: every number that a person may change, stated once.

A recipe is a frozen dataclass whose fields are `knob`s: default, help, bounds. Command-line flags,
`recipe.json`, the card's table and the exported metadata are all made from it. A recipe may hold
recipes: a knob whose default is one, with flags `--inner.field`. Nothing here imports TensorFlow.
"""

import dataclasses
import difflib
import json
import math
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from kgan.core.errors import UsageError
from kgan.core.reading import read_json

# Fields that a run may be resumed with if they calm it: (old, new) -> whether the new one does.
CALMER = {
    "learning_rate": lambda old, new: new < old,
    "clip_norm": lambda old, new: 0 < new < (old or math.inf),  # 0 = none
}


def knob(default, help, *, low=None, high=None, choices=None, group="model", may_change=False,
         source=False):
    """A field of a recipe.

    Args:
        default: its value unless said otherwise; its type is the field's type. It may be a recipe.
        help: one line, with the unit, and "our choice" where a paper leaves it open.
        low, high: inclusive bounds of a number.
        choices: the allowed values of a string or a number.
        group: heading under which `--help` lists it.
        may_change: whether a run may be resumed with another value.
        source: whether a string may be the folder of a model instead of a name.
    """
    metadata = {
        "help": help, "low": low, "high": high, "choices": choices, "group": group,
        "may_change": may_change, "source": source,
    }
    return dataclasses.field(default=default, metadata=metadata)


def nearest(word, words):
    """` Did you mean a, b?` for an unknown `word`, or all `words` when nothing is near."""
    close = difflib.get_close_matches(word, list(words), n=3, cutoff=0.5)
    return f"Did you mean {', '.join(close)}?" if close else f"Known: {', '.join(sorted(words))}."


@dataclass(frozen=True)
class Knobs:
    """A frozen dataclass of `knob`s that checks its values when it is made.

    Attributes:
        renamed: `{what a field was once called: its name}`; what was written then is still read.

    Raises:
        TypeError: a class is written with a knob whose name begins with "no".
    """

    renamed: ClassVar[dict] = {}

    def __init_subclass__(cls, **keywords):
        super().__init_subclass__(**keywords)
        for name, value in vars(cls).items():
            if isinstance(value, dataclasses.Field) and name.startswith("no"):
                raise TypeError(f'{cls.__name__}: the knob {name} begins with "no", by which flags '
                                f"are turned off (--{name} is --{name[2:]} off): call it otherwise")

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = _checked(field, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        self.check()

    def check(self):
        """Raises `UsageError` for values that are wrong only together."""

    def replace(self, **changes):
        """A copy with `changes`.

        Args:
            changes: values by the names of fields, also by what they were once called. Of a recipe
                that is held, a dict changes the fields that it names, `"inner.field"` one of them.

        Raises:
            UsageError: an unknown name, with the nearest ones, or a value that is out of bounds.
        """
        held = {f.name: value for f in dataclasses.fields(self)
                if isinstance(value := getattr(self, f.name), Knobs)}
        given, within = {}, {}
        for name, value in changes.items():
            head, dot, rest = name.partition(".")
            head = self.today(head)
            if head in held and (dot or isinstance(value, Mapping)):
                within.setdefault(head, {}).update({rest: value} if dot else value)
            elif dot or head not in self.__dataclass_fields__:
                known = [name for name, _, _ in leaves(self)]
                raise UsageError(
                    f"{type(self).__name__} has no field {name}. {nearest(name, known)}"
                )
            elif head in given:
                raise UsageError(f"{name} is now called {head}, and both are given.")
            else:
                given[head] = value
        for head, values in within.items():
            try:
                given[head] = given.get(head, held[head]).replace(**values)
            except UsageError as error:
                raise UsageError(f"Of --{head}: {error}") from None
        return dataclasses.replace(self, **given)

    @classmethod
    def today(cls, name):
        """The name of the field that was once called `name`; other names are returned."""
        tables = [vars(kind).get("renamed", {}) for kind in cls.__mro__]
        return next((table[name] for table in tables if name in table), name)

    def as_dict(self):
        """The values as a plain dict, in the order of the fields; a recipe that is held, too."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Recipe(Knobs):
    """What every training needs. A family's recipe adds its own fields.

    Attributes:
        from_data: the names of fields that `complete` fills in.
    """

    from_data: ClassVar[tuple] = ()

    data: str = knob("avatars:Eyeglasses", "pictures to train on: avatars:ATTRIBUTE, folder:PATH, "
                     "celeba:PATH?attribute=NAME, celeba:PATH or tfds:NAME", group="data")
    size: int = knob(64, "side of the training pictures, pixels", low=8, group="data")
    load_size: int = knob(0, "side that pictures are resized to before a random crop of `size`, "
                          "pixels; 0 = `size`, no crop", low=0, group="data")
    flip: bool = knob(True, "mirror training pictures at random", group="data")
    flip_vertical: bool = knob(False, "turn training pictures upside down at random", group="data")
    rotate: float = knob(0.0, "rotate training pictures at random by up to so many degrees; what "
                         "comes in at the corners is mirrored", low=0, high=180, group="data")
    turn: bool = knob(False, "turn training pictures by 0, 90, 180 or 270 degrees at random",
                      group="data")
    batch: int = knob(8, "pictures of each domain in a step, over all devices", low=1,
                      group="schedule")
    accumulate: int = knob(1, "shares of a batch whose gradients are computed one after the other, "
                           "for less memory; a step is the same but for batch norm", low=1,
                           group="schedule", may_change=True)
    steps: int = knob(2000, "training steps", low=1, group="schedule", may_change=True)
    learning_rate: float = knob(2e-4, "Adam's learning rate", low=0, group="schedule")
    beta_1: float = knob(0.5, "Adam's beta 1", low=0, high=0.9999, group="schedule")
    decay_from: float = knob(0.5, "share of the steps after which the learning rate falls "
                             "linearly to 0; 1 = constant", low=0, high=1, group="schedule")
    clip_norm: float = knob(0.0, "bound on the norm of each player's gradient; 0 = none", low=0,
                            group="schedule")
    ema: float = knob(0.0, "decay of the moving average of the weights that is shown, measured "
                      "and exported instead of them; 0 = none", low=0, high=0.99999,
                      group="schedule")
    seed: int = knob(0, "seed of the weights, of the order of the data and of augmentation",
                     low=0, high=2**31 - 1, group="schedule")
    init: str = knob("", "weights to begin from: a name of the zoo with packaged weights, "
                     "NAME.TAG, or a folder of a run or of weights; empty = fresh",
                     group="schedule", source=True)

    def check(self):
        if self.load_size and self.load_size < self.size:
            raise UsageError(f"--load_size {self.load_size} is smaller than --size {self.size}.")
        if self.batch % self.accumulate:
            raise UsageError(f"--batch {self.batch} cannot be divided into --accumulate "
                             f"{self.accumulate} shares.")

    def complete(self, data):
        """A copy with what only the data says, as the names of labels; by default nothing is."""
        return self

    def above(self, name, recipe):
        """A copy that stands on a model of this name and recipe; by default it says nothing."""
        return self


@dataclass(frozen=True)
class Machine(Knobs):
    """On what a model runs. Not part of a recipe: the same recipe runs anywhere."""

    precision: str = knob("auto", "arithmetic of the networks; losses, normalisation and outputs "
                          "stay float32; auto = as the run was begun, else mixed_bfloat16 on GPUs "
                          "from Ampere on, TPUs and CPUs with AMX or AVX512-BF16, float32 on "
                          "others", group="machine", may_change=True,
                          choices=("auto", "float32", "mixed_bfloat16", "mixed_float16"))
    xla: str = knob("auto", "compile the step with XLA; auto = on for GPU and TPU, off on CPU",
                    choices=("auto", "on", "off"), group="machine", may_change=True)
    strategy: str = knob("auto", "one device, all mirrored, or those of all workers of TF_CONFIG; "
                         "auto = multi if TF_CONFIG has several, mirrored if there are several "
                         "devices", choices=("auto", "one", "mirrored", "multi"), group="machine",
                         may_change=True)
    devices: int = knob(0, "how many devices to use; without GPUs, that many logical CPU devices; "
                        "0 = all GPUs, or one CPU", low=0, high=64, group="machine",
                        may_change=True)
    wait_minutes: float = knob(10.0, "minutes that a worker waits for the others to start",
                               low=0.0, group="machine", may_change=True)


def _checked(field, value):
    """`value` with the field's type, or a `UsageError` that names the flag and its bounds."""
    known, kind, flag = field.metadata, type(field.default), f"--{field.name}"
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise UsageError(f"{flag} must be {kind.__name__}, not {value!r}.")
    if kind is float and not math.isfinite(value):
        raise UsageError(f"{flag} must be a finite number, not {value}.")
    if known["choices"] and value not in known["choices"]:
        raise UsageError(f"{flag} {value} is not one of {', '.join(map(str, known['choices']))}.")
    for bound, wrong, word in (
        (known["low"], lambda b: not value >= b, "at least"),
        (known["high"], lambda b: not value <= b, "at most"),
    ):
        if bound is not None and wrong(bound):
            raise UsageError(f"{flag} must be {word} {bound}, not {value}.")
    return value


def leaves(knobs, before=""):
    """All that has a value of its own: (name, field, value), `inner.field` of what is held."""
    for field in dataclasses.fields(knobs):
        name, value = before + field.name, getattr(knobs, field.name)
        if isinstance(value, Knobs):
            yield from leaves(value, f"{name}.")
        else:
            yield name, field, value


def former(knobs):
    """`{what a value was once called: its name}` of all that was renamed, see `leaves`."""
    found = {}
    for kind in type(knobs).__mro__:
        for old, new in vars(kind).get("renamed", {}).items():
            value = getattr(knobs, new)
            inside = leaves(value, ".") if isinstance(value, Knobs) else [("", None, None)]
            found |= {old + name: new + name for name, *_ in inside}
    for field in dataclasses.fields(knobs):
        if isinstance(value := getattr(knobs, field.name), Knobs):
            found |= {f"{field.name}.{old}": f"{field.name}.{new}"
                      for old, new in former(value).items()}
    return found


def differences(old, new):
    """`{field: (old value, new value)}` of two recipes of the same class, see `leaves`."""
    before = {name: value for name, _, value in leaves(old)}
    return {name: (before[name], value) for name, _, value in leaves(new) if before[name] != value}


def fixed_fields(recipe):
    """The names of the fields with which a run must be resumed unchanged, see `leaves`."""
    return {name for name, field, _ in leaves(recipe) if not field.metadata["may_change"]}


def table(recipe, reference=None):
    """A Markdown table of field, value and meaning; with `reference`, of its differing fields."""
    rows = ["| field | value | meaning |", "|---|---|---|"]
    changed = differences(reference, recipe) if reference else ()
    for name, field, value in leaves(recipe):
        if reference is None or name in changed:
            rows.append(f"| `{name}` | {value} | {field.metadata['help']} |")
    return "\n".join(rows)


def write_recipe(path, model, recipe):
    """Writes `{"model": name, "recipe": {...}}` as JSON."""
    text = json.dumps({"model": model, "recipe": recipe.as_dict()}, indent=2)
    pathlib.Path(path).write_text(text + "\n")


def read_recipe(path):
    """Reads what `write_recipe` wrote: `(model name, dict of values)`."""
    try:
        content = read_json(path)
        name, values = content["model"], content["recipe"]
        if not isinstance(name, str) or not isinstance(values, dict):
            raise ValueError("the model is no text, or the recipe no object")
        return name, values
    except FileNotFoundError:
        raise UsageError(f"There is no recipe {path}.") from None
    except (ValueError, KeyError, OSError) as error:
        raise UsageError(
            f"{path} is not a recipe ({type(error).__name__}: {error}); expected "
            '{"model": NAME, "recipe": {...}}.'
        ) from None
