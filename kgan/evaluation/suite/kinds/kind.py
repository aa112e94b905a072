"""What a kind of suite is: the columns and tables of its figures, and what its rows share."""

import dataclasses
import math
from dataclasses import dataclass

CHANCE = 100 * math.log(2)


@dataclass(frozen=True)
class Column:
    """A figure of a table; `{}` in its name is the direction, `{net}` the network that compared.

    Attributes:
        high: more is better; None = neither is.
        limit: nothing is better than this.
        scale: what it is multiplied by to be shown.
    """

    head: str
    figure: str
    digits: int
    high: bool | None
    limit: float | None = None
    scale: float = 1.0

    def text(self, value):
        return f"{self.scale * value:,.{self.digits}f}"

    def merit(self, value):
        """The value as it is shown, cut at the limit; more is better."""
        if self.limit is not None:
            value = min(value, self.limit) if self.high else max(value, self.limit)
        return round(self.scale * value, self.digits) * (1 if self.high else -1)


@dataclass(frozen=True)
class Table:
    """A table of a data set.

    Attributes:
        heading: what stands above it, or `""`.
        columns: each a `Column` without a direction.
        shown: the figure that a row must have to stand in it.
        bar: the least of that figure with which a row can be the best of a column.
        effort: it has columns of runs, steps and seconds, and the rows that failed.
    """

    heading: str
    columns: tuple
    shown: str
    bar: float = -math.inf
    effort: bool = True


def filled(columns, data, direction="", known_only=False):
    """Columns of a data set and a direction.

    Args:
        columns: a `Column` each.
        data: an entry of `"data"` in `suite.json`, in whose figures the network stands.
        known_only: without the columns of which there are no figures.
    """
    known = {figure for row in data["rows"] for figure in row["mean"]}
    known.update(figure for key, seen in data["sanity"].items()
                 if isinstance(seen, dict) and key != "asked" for figure in seen)
    end = f"_{direction}" if direction else ""
    nets = sorted(x.removeprefix("frechet_").removesuffix(end) for x in known
                  if x.startswith("frechet_") and x.endswith(end))
    net = nets[0] if nets else ""
    found = [dataclasses.replace(c, head=c.head.format(net=net),
                                 figure=c.figure.format(direction, net=net)) for c in columns]
    return tuple(c for c in found if c.figure in known or not known_only)


@dataclass(frozen=True)
class Kind:
    """What the rows of a suite have in common.

    Attributes:
        name: what suites and `suite.json` call it.
        data: specifications of data sets, unless others are asked for.
        asks: the options that figures follow from.
        lacks: `lacks(a kgan.data.Data)` says what it has not that rows need, or `""`.
        tables: `tables(entry of "data" in suite.json)`: a list of `Table`.
        sanity: what is no model: ((title, key in what was measured without a row, note), ...).
        about: `about(content of suite.json)`: [(what, text)] on its figures.
        measure: `measure(asked, run)`, both as `kgan.evaluation.suite.measure` has them: a dict of
            `"n"`, `"figures"` and what else there is to say, and `{name, or "" for that of the
            row: uint8 pictures}` to be shown. Without a `"name"` asked, of what is no model.
        generator: its rows stand on a generator, which `--generator` names.
        paired: its rows learn one direction of pairs, which `--direction` names.
    """

    name: str
    data: str
    asks: tuple
    lacks: object
    tables: object
    sanity: tuple
    about: object
    measure: object
    generator: bool = False
    paired: bool = False


def two_domains(data):
    """`lacks` of kinds whose rows take one set of pictures."""
    return ("has two domains; name one folder, or folder:PATH?layout=single."
            if "b" in data.test else "")
