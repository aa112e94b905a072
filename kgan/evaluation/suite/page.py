"""The page of a suite: its tables, how they were made, the same pictures through every model.

HTML with inline CSS and no script, as the page of a run; links are to what lies beside it.
"""

import urllib.parse

from kgan.core.paths import replacing
from kgan.evaluation.suite.kinds import KINDS
from kgan.evaluation.suite.table import about, footnotes, lines, marks, missing
from kgan.report import html
from kgan.report.html import escape
from kgan.report.sheet import rows_sheet

CSS = html.CSS + """
main { max-width: 82rem; } sup { line-height: 0; font-size: .75em; }
.wide { overflow-x: auto; padding: .4rem 1rem; } .wide table { min-width: 58rem; }
.wide th, .wide td { width: auto; padding: .35rem 0 .35rem 1rem; text-align: right;
  overflow-wrap: normal; }
.wide td { white-space: nowrap; } .wide td.failed { text-align: left; white-space: normal; }
.wide th:first-child { position: sticky; left: 0; background: var(--card); text-align: left;
  padding: .35rem .5rem .35rem 0; min-width: 9rem; color: var(--ink); }
.wide thead th { vertical-align: bottom; font-size: .78rem; }
.wide tr.sanity > * { color: var(--soft); } .wide b { color: var(--good); }
.wide small { display: block; color: var(--soft); }
.wide img { display: block; width: 100%; min-width: 44rem; height: auto; border-radius: 4px; }
h3 { margin-top: 1.2rem; }
ol.notes { font-size: .82rem; color: var(--soft); padding-left: 1.4rem; margin: .6rem 0; }
.made dt { color: var(--soft); font-size: .82rem; margin-top: .6rem; } .made dd { margin: 0;
  overflow-wrap: anywhere; } .made dl { margin: 0; }
"""


def write_page(output, content):
    """Writes `<output>/index.html` and a sheet of pictures for each data set beside it."""
    suite = content["settings"]["suite"]
    body = f"<header><h1>{escape(suite)}</h1></header>\n"
    kind = KINDS[content["kind"]]
    for data in content["data"]:
        notes = footnotes(kind, data)
        body += f"<h2>{escape(data['spec'])}</h2>\n"
        body += f'<p class="soft">{escape("; ".join(data["summary"]))}</p>\n'
        for table in kind.tables(data):
            body += f"<h3>{escape(table.heading)}</h3>\n" if table.heading else ""
            body += _html_table(*lines(kind, data, table), notes)
        listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
        body += f'<ol class="notes">{listed}</ol>\n'
        if missing(data):
            body += f'<p class="soft">{escape(missing(data))}</p>\n'
        body += _sheet(output, data)
    made = "".join(f"<dt>{escape(x)}</dt><dd>{escape(how)}</dd>" for x, how in about(content))
    body += f'<h2>How it was made</h2>\n<section class="card made"><dl>{made}</dl></section>\n'
    body += '<footer><a href="table.md">table.md</a><a href="suite.json">suite.json</a></footer>\n'
    with replacing(output / "index.html") as new:
        new.write_text(html.document(suite, body, CSS), encoding="utf-8")


def _html_table(heads, found, notes):
    rows = ""
    for line in found:
        title = escape(line.title)
        if line.run:
            title = f'<a href="{urllib.parse.quote(line.run)}/index.html">{title}</a>'
        title += f"<sup>{marks(line, notes)}</sup>" if line.notes else ""
        title += f"<small>{escape(line.name)}</small>" if line.name else ""
        cells = "".join(
            f"<td>{f'<b>{escape(text)}</b>' if bold else escape(text)}"
            f"{f'<small>{escape(spread)}</small>' if spread else ''}</td>"
            for text, spread, bold in line.cells
        )
        if line.failed:
            cells = f'<td class="failed" colspan="{len(heads)}">failed: {escape(line.failed)}</td>'
        kind = ' class="sanity"' if line.sanity else ""
        rows += f'<tr{kind}><th scope="row">{title}</th>{cells}</tr>\n'
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    return (
        f'<div class="card wide"><table><thead><tr><th scope="col">model</th>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody></table></div>\n"
    )


def _sheet(output, data):
    """Draws the same held-out faces through every model; the HTML that shows them."""
    folder = output / data["folder"]
    strips = {"input": folder / "measured/input.png", "truth": folder / "measured/truth.png"}
    strips |= {
        row["title"]: output / row["trainings"][0]["pictures"]
        for row in data["rows"] if row["trainings"]
    }
    strips = {title: path for title, path in strips.items() if path.exists()}
    if not strips:
        return ""
    with replacing(folder / "faces.png") as new:
        rows_sheet(strips).save(new)
    place = f"{urllib.parse.quote(data['folder'])}/faces.png"
    alt = escape(f"rows: {', '.join(strips)}")
    return (
        f'<h3>The same held-out pictures through every model</h3>\n<div class="card wide">'
        f'<a href="{place}"><img src="{place}" alt="{alt}"></a></div>\n'
    )
