"""Command lines made from recipes: absl's flags, one line for an error, help by heading.

Every tool keeps its flags in a `FlagValues` of its own, so that nothing global is touched and a
model's recipe decides which flags there are.
"""

import os

from absl import flags

from kgan.core.errors import UsageError
from kgan.core.process import say
from kgan.core.recipe import former, leaves, nearest

HEADINGS = ("call", "model", "loss", "data", "schedule", "run", "machine")
_DEFINE = {int: flags.DEFINE_integer, float: flags.DEFINE_float, str: flags.DEFINE_string}


class Flags:
    """The flags of one tool.

    Args:
        tool: its name, as in `tools/train`.
        about: what it does, one or two lines.
        example: a command line that works.
    """

    def __init__(self, tool, about, example):
        self.tool, self.about, self.example = tool, about, example
        self.values = flags.FlagValues()
        self.headings = {}

    def add(self, name, default, help, *, group="call", low=None, high=None, choices=None):
        """Defines a flag; its type is that of the default: None means a string, [] any number."""
        values = self.values
        if isinstance(default, bool):
            flags.DEFINE_boolean(name, default, help, flag_values=values)
        elif choices and isinstance(default, str):
            flags.DEFINE_enum(name, default, list(choices), help, flag_values=values)
        elif isinstance(default, (int, float)):
            _DEFINE[type(default)](
                name, default, help, lower_bound=low, upper_bound=high, flag_values=values
            )
        elif default == []:
            flags.DEFINE_multi_string(name, default, help, flag_values=values)
        else:
            flags.DEFINE_string(name, default, help, flag_values=values)
        self.headings.setdefault(group, []).append(name)

    def add_knobs(self, knobs, names=None):
        """A flag for each field of a `kgan.core.recipe.Knobs`, with its values as defaults.

        Those of a recipe that it holds are `--inner.field`. What a field was once called is still
        understood, and not shown.

        Args:
            knobs: what the fields are of.
            names: those fields alone; None = all.
        """
        for name, field, value in _leaves(knobs, names):
            known = field.metadata
            self.add(
                name, value, known["help"], group=known["group"],
                low=known["low"], high=known["high"], choices=known["choices"],
            )
        for old, new in former(knobs).items():
            if new in self.values:
                flags.DEFINE_alias(old, new, flag_values=self.values)

    def read(self, knobs, names=None):
        """A copy of `knobs` with the values of its flags, see `add_knobs`."""
        return knobs.replace(**{
            name: self.values[name].value for name, *_ in _leaves(knobs, names)
        })

    def parse(self, arguments, positional=0):
        """Parses; returns the positional arguments.

        Args:
            arguments: of the command line.
            positional: how many words that are no flags there may be; None = any, between flags.

        Raises:
            UsageError: an unknown flag (with the nearest names), a bad value, too many arguments.
            SystemExit: after `--help`.
        """
        if any(a in ("--help", "-h", "-help") for a in arguments):
            say(self.help())
            raise SystemExit(0)
        if positional is None:
            self.values.set_gnu_getopt()
        try:
            rest = self.values([self.tool, *arguments])[1:]
        except flags.UnrecognizedFlagError as error:
            names = [n for group in self.headings.values() for n in group]
            raise UsageError(f"There is no flag --{error.flagname}. "
                             + nearest(error.flagname, names)) from None
        except flags.Error as error:
            text = str(error).replace("flag ", "", 1).splitlines()[0]
            raise UsageError(text) from None
        for name in self.values:
            value = self.values[name].value
            if isinstance(value, str):
                self.values[name].value = expanded(value)
            elif isinstance(value, list):
                self.values[name].value = [expanded(word) for word in value]
        rest = [expanded(word) for word in rest]
        if positional is not None and len(rest) > positional:
            raise UsageError(f"{rest[positional]!r} is one argument too many; see "
                             f"tools/{self.tool} --help.")
        return rest

    def __getattr__(self, name):
        return self.values[name].value

    def help(self):
        """The text of `--help`."""
        lines = [self.about, "", f"  {self.example}"]
        for heading in HEADINGS:
            names = self.headings.get(heading)
            if not names:
                continue
            lines += ["", heading]
            for name in names:
                flag = self.values[name]
                shown = "" if flag.default in (None, "", []) else f" [{flag.default}]"
                lines.append(f"  --{name:<22} {flag.help}{shown}")
        return "\n".join(lines)


def _leaves(knobs, names):
    return [leaf for leaf in leaves(knobs) if names is None or leaf[0].split(".")[0] in names]


def scan(arguments, name):
    """The value of `--name` (the last one) before the flags are known; None if it is not there."""
    value = None
    for i, argument in enumerate(arguments):
        bare = argument.lstrip("-")
        if argument.startswith("-") and bare.startswith(f"{name}="):
            value = bare[len(name) + 1 :]
        if argument.startswith("-") and bare == name and i + 1 < len(arguments):
            value = arguments[i + 1]
    return value and expanded(value)


def expanded(text):
    """A path with the folder of a user for its `~`, as a shell gives it; other texts unchanged."""
    return os.path.expanduser(text) if text.startswith("~") else text
