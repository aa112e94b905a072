"""A run folder as one static page, `index.html`: what is trained, how far it is, what it makes.

The page is HTML with inline CSS and inline SVG and no script, and links to the pictures beside it,
so it opens from a disk, a web server or a zip file alike. It reads only files:

    recipe.json      {"model": name, "recipe": {field: value}}
    run.json         {"status", "plan", "message", "devices", "precision", "directions"} (optional)
    metrics.jsonl    {"step", "stage", "numbers": what the stage has of its own, "seconds",
                     "seconds_left" or "seconds_left_at_most", "images_per_second", "learning_rate",
                     "terms"} a line
    samples/         step_<number>.png, the same inputs in each; of frames also .webp, animated
    metrics.json     the final measures                                                 (optional)
    export/          the exported model                                                 (optional)

A line of `metrics.jsonl` that a kill cut off is passed over. Where a run went on from an older
checkpoint, the newer lines replace those that they repeat.
"""

import datetime
import itertools
import math
import pathlib
import re
import statistics

from kgan.core.errors import UserError
from kgan.core.paths import replacing
from kgan.core.reading import json_lines, read_json
from kgan.core.status import as_it_is
from kgan.report.chart import line_chart
from kgan.report.html import document, escape, table

MAX_POINTS = 100  # of a curve; more would show the noise of single steps
MAX_THUMBNAILS = 12
REFRESH_SECONDS = 60  # how often an open page of a running training loads itself again
STATUSES = ("running", "done", "interrupted", "failed", "stopped")

def write_page(run_dir):
    """Writes `<run_dir>/index.html` from what the run folder holds now, whole or not at all.

    Args:
        run_dir: The folder of a run, finished or not.

    Returns:
        `pathlib.Path` of the page.

    Raises:
        UserError: There is no `recipe.json`, or one of the JSON files cannot be read.
    """
    run_dir = pathlib.Path(run_dir)
    about = _read_json(run_dir / "recipe.json")
    if about is None:
        raise UserError(f"{run_dir} is not a run folder: it has no recipe.json.")
    run = as_it_is(run_dir, _read_json(run_dir / "run.json") or {})
    history = _read_history(run_dir / "metrics.jsonl")
    recipe = about.get("recipe", {})
    title = " · ".join(str(x) for x in (about.get("model"), recipe.get("data")) if x)
    body = (
        _header(about.get("model"), recipe.get("data"), run)
        + _facts(recipe, run, history)
        + _samples(run_dir)
        + _moving(run_dir)
        + _curves(history)
        + _tables(recipe, run, _read_json(run_dir / "metrics.json"))
        + _footer(run_dir)
    )
    refresh = ""
    if run.get("status") == "running":
        refresh = f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}">\n'
    with replacing(run_dir / "index.html") as new:
        new.write_text(document(title, body, head=refresh), encoding="utf-8")
    return run_dir / "index.html"


# ---------------------------------------------------------------------------------- reading


def _read_json(path):
    """The object in a JSON file, or None if there is no file."""
    try:
        return read_json(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}).") from error


def _read_history(path):
    """The lines of `metrics.jsonl` by rising step, without broken and outdated ones."""
    lines = []
    for _, line in json_lines(path):
        if not _is_number(line.get("step")):
            continue
        while lines and lines[-1]["step"] >= line["step"]:
            lines.pop()
        lines.append(line)
    return lines


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _series(history, get):
    """[(step, value)] of the lines where `get(line)` is a finite number."""
    return [(line["step"], get(line)) for line in history if _is_number(get(line))]


def _smooth(points):
    """Medians of at most `MAX_POINTS` bins of neighbouring points, all about the same size."""
    bins = min(len(points), MAX_POINTS)
    edges = [i * len(points) // bins for i in range(bins + 1)] if bins else []
    groups = [points[a:b] for a, b in itertools.pairwise(edges)]
    return [tuple(statistics.median(column) for column in zip(*g, strict=True)) for g in groups]


# ---------------------------------------------------------------------------------- writing


def _number(value):
    if isinstance(value, int) or abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _text(value, number=str):
    """A value of a recipe or of the metrics as (unescaped) text; `number` writes its numbers."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(_text(v, number) for v in value)
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_text(v, number)}" for k, v in value.items())
    return number(value) if _is_number(value) else str(value)


def _duration(seconds):
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _header(model, data, run):
    status = run.get("status")
    kind = status if status in STATUSES else ""
    badge = f'<span class="status {kind}">{escape(status)}</span>' if status else ""
    data = f" <small>{escape(data)}</small>" if data else ""
    message = run.get("message")
    message = f'<p class="message {kind}">{escape(message)}</p>\n' if message else ""
    return f"<header><h1>{escape(model or 'A run')}{data}</h1>{badge}</header>\n{message}"


def _facts(recipe, run, history):
    """The few numbers that say how far the run is."""
    last, steps = history[-1] if history else {}, recipe.get("steps")
    steps = steps if _is_number(steps) and steps > 0 else None
    step, seconds = last.get("step", 0), last.get("seconds")
    facts = [("Step", _number(step), f"of {_number(steps)}" if steps else "")]
    stages = list(dict.fromkeys(str(line["stage"]) for line in history if line.get("stage")))
    if stages and stages != ["training"]:  # a run of several
        facts.append(("Stage", stages[-1], last.get("numbers") or ""))
    if _is_number(seconds):
        left = ""
        if run.get("status") == "running" and steps and 0 < step < steps:
            told = [(word, last[field]) for word, field in
                    (("about", "seconds_left"), ("at most", "seconds_left_at_most"))
                    if _is_number(last.get(field))]
            word, rest = told[0] if told else ("about", seconds / step * (steps - step))
            left = f"{word} {_duration(rest)} left"
        facts.append(("Training time", _duration(seconds), left))
    rates = [rate for _, rate in _series(history, lambda line: line.get("images_per_second"))]
    if rates:
        facts.append(("Rate", f"{statistics.median(rates[-20:]):.3g}", "images per second"))
    for name in ("devices", "precision"):
        if name in run:
            facts.append((name.capitalize(), _text(run[name]), ""))
    items = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(note)}</small></dd></div>"
        for name, value, note in facts
    )
    bar = f'<progress value="{step}" max="{steps}" aria-label="progress"></progress>\n'
    return f'<dl class="facts">{items}</dl>\n' + (bar if steps else "")


def _samples(run_dir):
    """The newest sheet of samples, large, and the way to it in small."""
    sheets = {}
    for path in (run_dir / "samples").glob("step_*.png"):
        if match := re.fullmatch(r"step_(\d+)\.png", path.name):
            sheets[int(match[1])] = path
    if not sheets:
        return '<h2>Samples</h2>\n<p class="soft">None yet.</p>\n'
    steps = sorted(sheets)
    newest = steps[-1]
    link = {step: f"samples/{sheets[step].name}" for step in steps}
    width, height = _png_size(sheets[newest])
    shape = ""
    if width and height:
        factor = max(1, min(1040 // width, 720 // height))
        shape = f' width="{factor * width}" height="{factor * height}"'
    large = (
        f'<figure class="card newest"><a href="{link[newest]}"><img src="{link[newest]}"{shape} '
        f'alt="samples at step {newest}"></a><figcaption>Step {newest:,}. The inputs are the same '
        "at every step.</figcaption></figure>\n"
    )
    count = min(len(steps), MAX_THUMBNAILS)
    if count == 1:
        return f"<h2>Newest samples</h2>\n{large}"
    chosen = [steps[round(i * (len(steps) - 1) / (count - 1))] for i in range(count)]
    small = "".join(
        f'<figure><a href="{link[step]}"><img src="{link[step]}" loading="lazy" '
        f'alt="samples at step {step}"><figcaption>{step:,}</figcaption></a></figure>\n'
        for step in chosen
    )
    note = f" <small>{count} of {len(steps)} sheets</small>" if count < len(steps) else ""
    return (
        f"<h2>Newest samples</h2>\n{large}"
        f'<h2>Samples over the steps{note}</h2>\n<div class="thumbs">\n{small}</div>\n'
    )


def _moving(run_dir):
    """The newest animation of frames, if there are any."""
    names = sorted(path.name for path in (run_dir / "samples").glob("step_*.webp"))
    if not names:
        return ""
    step = int(re.sub(r"[^0-9]", "", names[-1]))
    return (
        f'<h2>Newest frames</h2>\n<figure class="card newest"><a href="samples/{names[-1]}"><img '
        f'src="samples/{names[-1]}" alt="frames that are given, then frames that are predicted">'
        f"</a><figcaption>Step {step:,}. Frames that are given, then, framed, those that are "
        "predicted of them.</figcaption></figure>\n"
    )


def _png_size(path):
    """(width, height) from a PNG's header, or (0, 0)."""
    with path.open("rb") as file:
        head = file.read(24)
    if len(head) < 24 or head[:8] != b"\x89PNG\r\n\x1a\n":
        return 0, 0
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _curves(history):
    """One chart for each player and a small one each for the learning rate and the rate."""
    players = {}
    for line in history:
        for name in line.get("terms") or {}:
            player, _, term = name.rpartition("/")
            players.setdefault(player or "losses", {}).setdefault(term, name)
    charts = ""
    for player, terms in players.items():
        lines = {
            term: _smooth(
                _series(history, lambda line, name=name: (line.get("terms") or {}).get(name))
            )
            for term, name in sorted(terms.items(), key=lambda item: item[0] != "total")
        }
        charts += line_chart(player, lines)
    small = ""
    for title, field in (
        ("learning rate", "learning_rate"),
        ("images per second", "images_per_second"),
    ):
        points = _smooth(_series(history, lambda line, field=field: line.get(field)))
        small += line_chart(title, {title: points}, 110)
    if not charts + small:
        return ""
    return (
        f'<h2>Curves</h2>\n<div class="charts">\n{charts}</div>\n'
        f'<div class="charts small">\n{small}</div>\n'
    )


def _tables(recipe, run, metrics):
    tables = ""
    if metrics:
        tables += (
            f'<section class="card"><h3>Final metrics</h3>{_metrics(metrics)}</section>\n'
        )
    directions = run.get("directions")
    if isinstance(directions, dict) and directions:
        rows = [(name, *_direction(how)) for name, how in directions.items()]
        tables += f'<section class="card"><h3>Directions</h3>{table(rows)}</section>\n'
    rows = ((name, _text(value), "") for name, value in recipe.items())
    tables += f'<section class="card"><h3>Recipe</h3>{table(rows)}</section>\n'
    plan = ""
    if run.get("plan"):
        lines = "\n".join(str(line) for line in run["plan"])
        plan = (
            '<details class="card"><summary>The plan as it was printed</summary>'
            f"<pre>{escape(lines)}</pre></details>\n"
        )
    return f'<h2>Numbers</h2>\n<div class="tables">\n{tables}</div>\n{plan}'


def _direction(how):
    """(from what to what, what is to be said of the size) of a translation."""
    how = how if isinstance(how, dict) else {}
    note = f"{how['scale']} times as wide and high" if how.get("scale", 1) != 1 else ""
    return f"{_text(how.get('sources'))} to {how.get('target')}", note


def _metrics(metrics):
    rows = []
    for name, value in _flat(metrics):
        note = ""
        if isinstance(value, dict):
            note = _text({k: v for k, v in value.items() if k != "value"}, _number)
            value = value["value"]
        rows.append((name, _text(value, _number), note))
    return table(rows)


def _flat(values, before=""):
    """(name, value) of a nested dict; one that holds a "value" is itself a value with notes."""
    for name, value in values.items():
        name = f"{before}{name}"
        if isinstance(value, dict) and "value" not in value:
            yield from _flat(value, f"{name} / ")
        else:
            yield name, value


def _footer(run_dir):
    files = ("recipe.json", "metrics.jsonl", "metrics.json", "export/")
    links = "".join(f'<a href="{f}">{f}</a>' for f in files if (run_dir / f).exists())
    now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    return f"<footer><span>Written {escape(now)}</span>{links}</footer>\n"
