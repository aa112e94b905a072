"""What a suite found, as tables: the lines, which figures are best, `table.md`.

Which tables and columns there are, its kind says (`kinds`). Figures are means over the
trainings of a model. The best of a column is bold: best among the models that pass the table's bar,
and in two-sample tests among those that were measured on as many pictures as any.
"""

import math
import statistics
from dataclasses import dataclass

from kgan.core.paths import replacing
from kgan.evaluation.suite.definitions import SUITES
from kgan.evaluation.suite.kinds import KINDS

TESTS = "c2st_"  # figures that depend on how many pictures there are begin so
NONE = "\N{EN DASH}"


def summary(trainings):
    """The figures of several trainings as one.

    Args:
        trainings: a dict of figures each; `x_std` is the spread of `x` within a training.

    Returns:
        `{"mean": {figure: mean over trainings}, "spread": {figure: standard deviation}}`. The
        spread is that within trainings and between them together; of a single training without
        the former there is none.
    """
    mean, spread = {}, {}
    for name in trainings[0] if trainings else ():
        values = [t[name] for t in trainings if t.get(name) is not None]
        if name.endswith("_std") or not values:
            continue
        mean[name] = statistics.fmean(values)
        within = [t[f"{name}_std"] for t in trainings if t.get(f"{name}_std") is not None]
        if within or len(values) > 1:
            variance = statistics.pvariance(values)
            spread[name] = math.sqrt(variance + statistics.fmean(x * x for x in within or [0]))
    return {"mean": mean, "spread": spread}


@dataclass
class Line:
    """A line of a table, all unescaped text.

    Attributes:
        cells: [(text, text of the spread or "", whether it is bold)], after the title.
        notes: what footnotes say.
        failed: why there are no cells, or `""`.
        run: folder of the first training.
        sanity: it is no model.
    """

    title: str
    name: str
    cells: list
    notes: list
    failed: str = ""
    run: str = ""
    sanity: bool = False


def lines(kind, data, table):
    """The lines of a table.

    Args:
        kind: a `kgan.evaluation.suite.kinds.Kind`.
        data: an entry of `"data"` in `suite.json`.
        table: one of `kind.tables(data)`.

    Returns:
        (heads of the columns after the title, list of `Line`).
    """
    heads = ["runs", "steps", "seconds"] if table.effort else []
    heads += [f"{c.head}{_arrow(c)}" for c in table.columns]
    shown = [r for r in data["rows"] if r["mean"].get(table.shown) is not None]
    best = {c: _best(shown, c, table) for c in table.columns}
    found = _sanity(kind, data["sanity"], table)
    for row in data["rows"]:
        if row in shown:
            effort = [(text, "", False) for text in _effort(row)] if table.effort else []
            cells = [(*_texts(row, c), row["key"] in best[c]) for c in table.columns]
            run = row["trainings"][0]["run"] or ""
            found.append(Line(row["title"], row["key"], effort + cells, _notes(row, data), run=run))
        elif row["failed"] and table.effort:
            found.append(Line(row["title"], row["key"], [], [], failed=row["failed"][0]))
    return heads, found


def _arrow(column):
    return "" if column.high is None else f"\N{NO-BREAK SPACE}{'↑' if column.high else '↓'}"


def _best(rows, column, table):
    """The keys of the rows whose figure is the best of a column, as it is shown."""
    name = column.figure
    rows = [r for r in rows if r["mean"][table.shown] >= table.bar and name in r["mean"]]
    if column.high is None:
        return set()
    if name.startswith(TESTS):
        most = max((_n(r) for r in rows), default=0)
        rows = [r for r in rows if _n(r) == most]
    merits = {r["key"]: column.merit(r["mean"][name]) for r in rows}
    return {key for key, merit in merits.items() if merit == max(merits.values())}


def _texts(row, column):
    """A figure and its spread."""
    value, spread = row["mean"].get(column.figure), row["spread"].get(column.figure)
    return NONE if value is None else column.text(value), (
        "" if spread is None else f"± {column.text(spread)}"
    )


def _n(row):
    return row["trainings"][0]["n"]


def _effort(row):
    """How many trainings, of how many steps and seconds on average."""
    done = [t for t in row["trainings"] if t["step"]]
    if not done:
        return NONE, NONE, NONE
    mean = (round(statistics.fmean(t[name] for t in done)) for name in ("step", "seconds"))
    return (str(len(done)), *(f"{x:,}" for x in mean))


def _sanity(kind, sanity, table):
    """The lines of what is no model."""
    found, effort = [], [("", "", False)] * 3 if table.effort else []
    for title, key, note in kind.sanity:
        if sanity.get(key):
            seen = summary([sanity[key]])
            cells = [(*_texts(seen, c), False) for c in table.columns]
            found.append(Line(title, "", effort + cells, [note], sanity=True))
    return found


def _notes(row, data):
    notes = []
    if row["joint"]:
        notes.append("One network for the attributes of all data sets, trained once in the time of "
                     "all.")
    side = data["sanity"].get("asked", {}).get("size")
    if side and row.get("side", side) != side:
        notes.append(f"Its pictures are of {row['side']} px, those of what is no model of {side} "
                     "px: what depends on their size is not to be compared.")
    if _n(row) < data["sanity"].get("n", 0):
        note = (f"Not trained; measured on {_n(row)} pictures, the others on "
                f"{data['sanity']['n']}.")
        if any(name.startswith(TESTS) for name in row["mean"]):
            note += (" A two-sample test of fewer pictures is easier to pass: its C2ST is not to "
                     "be compared.")
        notes.append(note)
    if row["failed"]:
        notes.append(f"Another training failed: {row['failed'][0]}")
    return notes


def missing(data):
    """A line about rows that have neither figures nor a failure; "" if there are none."""
    titles = [r["title"] for r in data["rows"] if not r["trainings"] and not r["failed"]]
    return f"Not measured yet: {'; '.join(titles)}." if titles else ""


def footnotes(kind, data):
    """The notes of all tables, each once."""
    found = [line for table in kind.tables(data) for line in lines(kind, data, table)[1]]
    return list(dict.fromkeys(note for line in found for note in line.notes))


def marks(line, notes):
    """Which of the notes a line has, as "1,2"."""
    return ",".join(str(notes.index(note) + 1) for note in line.notes)


def about(content):
    """How the figures were made: [(what, text)]."""
    trainings = [t for data in content["data"] for row in data["rows"] for t in row["trainings"]]
    sanity = [data["sanity"] for data in content["data"] if data["sanity"]]
    machines = dict.fromkeys(x["machine"] for x in (*sanity, *trainings))
    devices = dict.fromkeys(t["trained_on"] for t in trainings if t["trained_on"])
    return [
        ("Budget", f"{content['settings']['minutes']:g} min of steps for each model on each data "
                   "set: the step is timed first, and steps = time / step. On a CPU it is "
                   "computing time, as much on each core. The seconds are those that were used on "
                   "the clock, with tracing, samples and saving."),
        ("Trained on", "; ".join(devices) or "nothing yet"),
        ("Measured on", "; ".join(machines) or "nothing yet"),
        *KINDS[content["kind"]].about(content),
        *orders(content),
        ("Commands", "\n".join(filter(None, content["commands"]))),
    ]


def orders(content):
    """Which pairs of rows stand here as they do in a paper: [(what, text)]."""
    suite, told = SUITES.get(content["settings"]["suite"]), []
    for published in suite.published if suite else ():
        for data in content["data"]:
            figure = published.figure.format(data["direction"])
            values = {_sizeless(key): value for key, value in published.values.items()}
            rows = [(row["title"], values[_sizeless(row["key"])], row["mean"][figure])
                    for row in data["rows"]
                    if _sizeless(row["key"]) in values and figure in row["mean"]
                    and published.made in ("", _made(row, figure))]
            rows.sort(key=lambda row: -row[1])
            pairs = [(x, y) for x in rows for y in rows if x[1] > y[1]]
            wrong = [f"{y[0]} is before {x[0]}" for x, y in pairs if x[2] <= y[2]]
            if pairs:
                order = ", ".join(f"{title} {theirs:.2f}" for title, theirs, _ in rows)
                here = f"; here {', '.join(wrong)}" if wrong else ""
                told.append((f"Published order: {figure}", (
                    f"{published.source}: {order}. On {data['spec']} {len(pairs) - len(wrong)} of "
                    f"{len(pairs)} pairs stand in that order{here}.")))
    return told


def _made(row, figure):
    """What a row makes: scores of photographs alone stand beside those of the real ones."""
    return "photographs" if f"real_{figure}" in row["mean"] else "labels"


def _sizeless(key):
    """The key of a row, the same for both sizes of its recipe."""
    return key.replace("_small", "")


def write_table(output, content):
    """Writes `<output>/table.md`."""
    text = f"# {_markdown(content['settings']['suite'])}\n"
    kind = KINDS[content["kind"]]
    for data in content["data"]:
        notes = footnotes(kind, data)
        text += f"\n## {_markdown(data['spec'])}\n\n{_markdown('; '.join(data['summary']))}\n"
        for table in kind.tables(data):
            heading = f"\n### {table.heading}\n" if table.heading else ""
            text += f"{heading}\n{_markdown_table(*lines(kind, data, table), notes)}"
        text += "".join(f"\n{i}. {_markdown(note)}" for i, note in enumerate(notes, 1)) + "\n"
        if missing(data):
            text += f"\n{_markdown(missing(data))}\n"
    text += "\n## How it was made\n\n"
    text += "".join(f"- {what}: {_markdown(how)}\n" for what, how in about(content))
    with replacing(output / "table.md") as new:
        new.write_text(text, encoding="utf-8")


def _markdown(text):
    return "".join(f"\\{c}" if c in "\\`*_|<>[]" else c for c in " ".join(text.split()))


def _markdown_table(heads, found, notes):
    text = f"| model | {' | '.join(heads)} |\n|---{'|---:' * len(heads)}|\n"
    for line in found:
        cells = [f"{f'**{x}**' if bold else x} {spread}".strip() for x, spread, bold in line.cells]
        if line.failed:
            cells = [f"failed: {_markdown(line.failed)}", *[""] * (len(heads) - 1)]
        title = _markdown(line.title) + (f" <sup>{marks(line, notes)}</sup>" if line.notes else "")
        text += f"| {title} | {' | '.join(cells)} |\n"
    return text
