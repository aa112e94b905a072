"""What a suite found, as a table: which figures there are, which are best, `table.md`.

Two tables for each data set: the direction in which the true edit is unique, which every model
has, and the other one. Figures are means over the trainings of a model. The best of a column is
bold: best among the models that make the edit on at least half of the pictures (to preserve all and
edit nothing is no feat), and in two-sample tests among those that were measured on as many pictures
as any.
"""

import math
import statistics
from dataclasses import dataclass

from kgan.paths import replacing

CHANCE = 100 * math.log(2)
TESTS = "c2st_"  # figures that depend on how many pictures there are begin so
NONE = "\N{EN DASH}"


@dataclass(frozen=True)
class Column:
    """A figure of the table; `{}` in its name is the direction.

    Attributes:
        high: more is better.
        limit: nothing is better than this.
        scale: what it is multiplied by to be shown.
    """

    head: str
    figure: str
    digits: int
    high: bool
    limit: float | None = None
    scale: float = 1.0

    def text(self, value):
        return f"{self.scale * value:.{self.digits}f}"

    def merit(self, value):
        """The value as it is shown, cut at the limit; more is better."""
        if self.limit is not None:
            value = min(value, self.limit) if self.high else max(value, self.limit)
        return float(self.text(value)) * (1 if self.high else -1)


C2ST = Column("C2ST log-loss x 100", "c2st_log_loss_{}", 1, True, CHANCE)
TOLD = Column("C2ST accuracy, %", "c2st_accuracy_{}", 1, False, 0.5, 100)
LOSS = Column("attribute log-loss", "log_loss_{}", 3, False)
HIT = Column("edit accuracy, %", "edit_accuracy_{}", 1, True, None, 100)
KEPT = Column("preservation L1", "preservation_l1_{}", 2, False)
PSNR = Column("PSNR, dB", "counterfactual_psnr", 1, True)
SSIM = Column("SSIM", "counterfactual_ssim", 3, True)
REGION = Column("region L1", "region_l1", 1, False)
ONE_ANSWER = (C2ST, TOLD, LOSS, HIT, PSNR, SSIM, KEPT, REGION)
MANY_ANSWERS = (C2ST, TOLD, HIT, LOSS, KEPT)


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


def lines(data, other=False):
    """The lines of a table.

    Args:
        data: an entry of `"data"` in `suite.json`.
        other: the direction in which the true edit is not unique, only for what can do it.

    Returns:
        (heads of the columns after the title, list of `Line`).
    """
    direction, columns = direction_of(data, other), MANY_ANSWERS if other else ONE_ANSWER
    heads = [] if other else ["runs", "steps", "seconds"]
    heads += [f"{c.head}\N{NO-BREAK SPACE}{'↑' if c.high else '↓'}" for c in columns]
    shown = [r for r in data["rows"] if r["mean"].get(f"edit_accuracy_{direction}") is not None]
    best = {c: _best(shown, c, direction) for c in columns}
    found = _sanity(data["sanity"], columns, direction, [] if other else [("", "", False)] * 3)
    for row in data["rows"]:
        if row in shown:
            effort = [] if other else [(text, "", False) for text in _effort(row)]
            cells = [(*_texts(row, c, direction), row["key"] in best[c]) for c in columns]
            run = row["trainings"][0]["run"] or ""
            found.append(Line(row["title"], row["key"], effort + cells, _notes(row, data), run=run))
        elif row["failed"] and not other:
            found.append(Line(row["title"], row["key"], [], [], failed=row["failed"][0]))
    return heads, found


def _best(rows, column, direction):
    """The keys of the rows whose figure is the best of a column, as it is shown."""
    name = column.figure.format(direction)
    rows = [r for r in rows if r["mean"][f"edit_accuracy_{direction}"] >= 0.5 and name in r["mean"]]
    if name.startswith(TESTS):
        most = max((_n(r) for r in rows), default=0)
        rows = [r for r in rows if _n(r) == most]
    merits = {r["key"]: column.merit(r["mean"][name]) for r in rows}
    return {key for key, merit in merits.items() if merit == max(merits.values())}


def _texts(row, column, direction):
    """A figure and its spread."""
    name = column.figure.format(direction)
    value, spread = row["mean"].get(name), row["spread"].get(name)
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


def _sanity(sanity, columns, direction, effort):
    """The lines of real pictures and of doing nothing."""
    found = []
    for title, figures, note in (
        ("real pictures", "real", "Held-out pictures of the target, one half against the other: "
                                  "half as many as the models have in C2ST."),
        ("doing nothing", "figures", "The input as the result."),
    ):
        if sanity.get(figures):
            seen = summary([sanity[figures]])
            cells = [(*_texts(seen, c, direction), False) for c in columns]
            found.append(Line(title, "", effort + cells, [note], sanity=True))
    return found


def _notes(row, data):
    notes = []
    if row["joint"]:
        notes.append("One network for the attributes of all data sets, trained once in the time of "
                     "all.")
    if _n(row) < data["sanity"].get("n", 0):
        notes.append(f"Not trained; measured on {_n(row)} pictures, the others on "
                     f"{data['sanity']['n']}. A two-sample test of fewer pictures is easier to "
                     "pass: its C2ST is not to be compared.")
    if row["failed"]:
        notes.append(f"Another training failed: {row['failed'][0]}")
    return notes


def direction_of(data, other):
    """The direction of a table."""
    return data["direction"][::-1] if other else data["direction"]


def heading(data, other):
    """What stands above a table."""
    source, _, target = direction_of(data, other).upper()
    return f"{source} to {target}{', the other direction' if other else ''}"


def missing(data):
    """A line about rows that have neither figures nor a failure; "" if there are none."""
    titles = [r["title"] for r in data["rows"] if not r["trainings"] and not r["failed"]]
    return f"Not measured yet: {'; '.join(titles)}." if titles else ""


def footnotes(data):
    """The notes of both tables, each once."""
    found = lines(data)[1] + lines(data, other=True)[1]
    return list(dict.fromkeys(note for line in found for note in line.notes))


def marks(line, notes):
    """Which of the notes a line has, as "1,2"."""
    return ",".join(str(notes.index(note) + 1) for note in line.notes)


def about(content):
    """How the figures were made: [(what, text)]."""
    asked, settings = content["asked"], content["settings"]
    trainings = [t for data in content["data"] for row in data["rows"] for t in row["trainings"]]
    sanity = [data["sanity"] for data in content["data"] if data["sanity"]]
    machines = dict.fromkeys(x["machine"] for x in (*sanity, *trainings))
    devices = dict.fromkeys(t["trained_on"] for t in trainings if t["trained_on"])
    judges = ", ".join(f"{100 * s['classifier_accuracy']:.2f} % right on real pictures of "
                       f"{s['asked']['spec']}" for s in sanity)
    return [
        ("Budget", f"{settings['minutes']:g} min of steps for each model on each data set: the "
                   "step is timed first, and steps = time / step. The seconds are those that were "
                   "used, with tracing, samples and saving."),
        ("Trained on", "; ".join(devices) or "nothing yet"),
        ("Measured on", "; ".join(machines) or "nothing yet"),
        ("C2ST", f"{asked['seeds']} fresh classifiers learn to tell results from real pictures: "
                 "their test cross-entropy in nats x 100 and their accuracy. "
                 f"{CHANCE:.1f} and 50 %: they cannot. ± is the standard deviation over "
                 "classifiers and trainings."),
        ("Attribute log-loss, edit accuracy", f"By a classifier of the attribute ({judges}): mean "
         "-log p(target) in nats, share of results with the target."),
        ("PSNR, SSIM, region L1", "To the true edit of each picture; region L1 inside the pixels "
                                  "that it changes, in levels of 255."),
        ("Preservation L1", "Mean change outside the pixels that the true edit changes, in levels "
                            "of 255."),
        ("Bold", "The best of a column among models that edit at least half of the pictures."),
        ("Commands", "\n".join(filter(None, content["commands"]))),
    ]


def write_table(output, content):
    """Writes `<output>/table.md`."""
    text = f"# {_markdown(content['settings']['suite'])}\n"
    for data in content["data"]:
        notes = footnotes(data)
        text += f"\n## {_markdown(data['spec'])}\n\n{_markdown('; '.join(data['summary']))}\n"
        for other in (False, True):
            text += f"\n### {heading(data, other)}\n\n{_markdown_table(data, other, notes)}"
        text += "".join(f"\n{i}. {_markdown(note)}" for i, note in enumerate(notes, 1)) + "\n"
        if missing(data):
            text += f"\n{_markdown(missing(data))}\n"
    text += "\n## How it was made\n\n"
    text += "".join(f"- {what}: {_markdown(how)}\n" for what, how in about(content))
    with replacing(output / "table.md") as new:
        new.write_text(text, encoding="utf-8")


def _markdown(text):
    return "".join(f"\\{c}" if c in "\\`*_|<>[]" else c for c in " ".join(text.split()))


def _markdown_table(data, other, notes):
    heads, found = lines(data, other)
    text = f"| model | {' | '.join(heads)} |\n|---{'|---:' * len(heads)}|\n"
    for line in found:
        cells = [f"{f'**{x}**' if bold else x} {spread}".strip() for x, spread, bold in line.cells]
        if line.failed:
            cells = [f"failed: {_markdown(line.failed)}", *[""] * (len(heads) - 1)]
        title = _markdown(line.title) + (f" <sup>{marks(line, notes)}</sup>" if line.notes else "")
        text += f"| {title} | {' | '.join(cells)} |\n"
    return text
