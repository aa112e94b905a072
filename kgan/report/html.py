"""HTML of pages that need nothing but themselves: inline CSS, no script."""

import html

CSS = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #1c2330; --soft: #606a7b;
  --line: #e2e6ec; --accent: #2563c9; --c0: #2563c9; --c1: #d2601a; --c2: #12866a; --c3: #a8409b;
  --c4: #967000; --c5: #0f83ab; --c6: #c2374f; --c7: #6a54c4; --good: #12866a; --bad: #c2374f; }
@media (prefers-color-scheme: dark) { :root { --page: #12151b; --card: #1a1f28; --ink: #e5e9f0;
  --soft: #97a2b4; --line: #2b323e; --accent: #78a9ff; --c0: #78a9ff; --c1: #f59a5b; --c2: #4fc7a3;
  --c3: #dc8ad1; --c4: #d9b64a; --c5: #5cc3e6; --c6: #f47f92; --c7: #ab9bf2; --good: #4fc7a3;
  --bad: #f47f92; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  -webkit-text-size-adjust: 100%; }
main { max-width: 70rem; margin: 0 auto; padding: clamp(1rem, 4vw, 2.5rem); }
h1 { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 .7rem; margin: 0;
  font-size: 1.6rem; line-height: 1.25; letter-spacing: -.015em; overflow-wrap: anywhere; }
h1 small { font-weight: 400; font-size: 1.05rem; color: var(--soft); letter-spacing: 0; }
h2 { font-size: 1.05rem; margin: 2.2rem 0 .7rem; }
h3 { font-size: .9rem; font-weight: 600; margin: 0 0 .4rem; }
h2 small, h3 small, .soft, figcaption, footer {
  color: var(--soft); font-weight: 400; font-size: .82rem; }
a { color: var(--accent); text-underline-offset: .15em; }
header { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center;
  justify-content: space-between; }
.status { border: 1px solid; border-radius: 1rem; padding: .05rem .7rem; font-size: .85rem;
  color: var(--soft); }
.running { color: var(--accent); } .done { color: var(--good); }
.failed, .interrupted, .stopped { color: var(--bad); }
.message { border-left: 3px solid var(--line); padding: .2rem .8rem; margin: 1rem 0 0;
  overflow-wrap: anywhere; }
.message.failed { border-color: var(--bad); color: inherit; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 1rem;
  margin: 1.4rem 0 0; }
.facts dt { color: var(--soft); font-size: .82rem; }
.facts dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
.facts dd small { display: block; font-size: .82rem; color: var(--soft); }
progress { display: block; width: 100%; height: 4px; margin-top: 1.1rem; border: 0;
  border-radius: 2px; background: var(--line); accent-color: var(--accent); appearance: none;
  overflow: hidden; }
progress::-webkit-progress-bar { background: var(--line); }
progress::-webkit-progress-value { background: var(--accent); }
progress::-moz-progress-bar { background: var(--accent); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1rem; margin: 0; min-width: 0; }
.newest img { display: block; max-width: 100%; height: auto; margin: 0 auto; border-radius: 4px; }
.newest figcaption { margin-top: .6rem; }
.thumbs { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .8rem;
  margin-top: .8rem; align-items: end; }
.thumbs figure { margin: 0; } .thumbs img { display: block; width: 100%; height: auto;
  border-radius: 4px; border: 1px solid var(--line); }
.thumbs a { text-decoration: none; }
.charts, .tables { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 23rem), 1fr)); align-items: start; }
.small { margin-top: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--soft); font-size: 11px; font-variant-numeric: tabular-nums; }
@media (max-width: 30rem) { svg text { font-size: 14px; } }
svg .grid { stroke: var(--line); stroke-width: 1; }
svg polyline { fill: none; stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round;
  vector-effect: non-scaling-stroke; }
svg .total { stroke-width: 2.4; }
.legend { display: flex; flex-wrap: wrap; gap: .15rem 1rem; list-style: none; margin: .6rem 0 0;
  padding: 0; font-size: .82rem; }
.legend i { display: inline-block; width: .9rem; height: 3px; border-radius: 2px;
  margin-right: .4rem; vertical-align: middle; }
.legend b { font-weight: 400; color: var(--soft); font-variant-numeric: tabular-nums; }
table { width: 100%; border-collapse: collapse; font-size: .88rem; }
td, th { text-align: left; font-weight: 400; vertical-align: top; padding: .3rem 0;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; }
tr:first-child > * { border-top: 0; }
th { color: var(--soft); padding-right: 1rem; width: 45%; }
td { font-variant-numeric: tabular-nums; } td small { display: block; color: var(--soft); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: .82rem; margin: .6rem 0 0; }
summary { cursor: pointer; } details.card { margin-top: 1rem; }
footer { margin-top: 2.5rem; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }
"""


def escape(text):
    """Text as HTML; lines stay lines."""
    return html.escape(str(text)).replace("\n", "<br>")


def document(title, body, css=CSS, head=""):
    """A whole page: `title` is text, `body` and the lines `head` are HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"{head}<title>{escape(title)}</title>\n<style>{css}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def table(rows):
    """A table of (name, value, note), all unescaped text."""
    cells = ""
    for name, value, note in rows:
        note = f"<small>{escape(note)}</small>" if note else ""
        cells += f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}{note}</td></tr>'
    return f"<table>{cells}</table>"
