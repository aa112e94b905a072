"""Line charts as inline SVG for the page of a run: no script, colours from the page's CSS."""

import html
import math

LOG_RATIO = 100  # a chart is logarithmic if its largest value is more than this times its smallest
COLORS = 8  # of the CSS variables --c0, --c1, ...


def line_chart(title, lines, height=230):
    """A line chart as HTML; `lines` is {name: [(step, value)]}. Nothing if no line has a point."""
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return ""
    xs, ys = zip(*(point for points in lines.values() for point in points), strict=True)
    log = min(ys) > 0 and max(ys) / min(ys) > LOG_RATIO
    y_ticks = _log_ticks(min(ys), max(ys)) if log else _ticks(min(0, *ys), max(ys), height // 45)
    x_ticks = [t for t in _ticks(0, max(xs)) if t <= max(xs)]
    left, right, top, bottom = 46, 420, 8, height - 34
    x_scale = _scale(0, max(xs) or 1, left, right)
    y_scale = _scale(y_ticks[0], y_ticks[-1], bottom, top, log)
    parts = []
    for tick in y_ticks:
        y = y_scale(tick)
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{_tick(tick)}</text>')
    for tick in x_ticks:
        x = x_scale(tick)
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{_tick(tick)}</text>'
        )
    parts.append(f'<text x="{right}" y="{bottom + 31}" text-anchor="end">step</text>')
    legend = ""
    colors = _colors(lines)
    for name, points in reversed(lines.items()):  # the first, the total, on top
        if len(points) == 1:  # a line of no length, which its round ends make a dot
            points = points * 2
        path = " ".join(f"{x_scale(x):.1f},{y_scale(y):.1f}" for x, y in points)
        kind = ' class="total"' if name == "total" else ""
        parts.append(
            f'<polyline{kind} stroke="{colors[name]}" points="{path}">'
            f"<title>{html.escape(name)}</title></polyline>"
        )
    for name, points in lines.items():
        legend += (
            f'<li><i style="background:{colors[name]}"></i>{html.escape(name)} '
            f"<b>{points[-1][1]:.3g}</b></li>"
        )
    legend = f'<ul class="legend">{legend}</ul>' if len(lines) > 1 else ""
    note = " <small>logarithmic</small>" if log else ""
    name = html.escape(title.capitalize())
    return (
        f'<section class="card"><h3>{name}{note}</h3>'
        f'<svg viewBox="0 0 430 {height}" role="img" aria-label="{name} by step">'
        f"{''.join(parts)}</svg>{legend}</section>\n"
    )


def _colors(lines):
    names = [name for name in lines if name != "total"]
    return {"total": "var(--ink)"} | {n: f"var(--c{i % COLORS})" for i, n in enumerate(names)}


def _scale(low, high, start, end, log=False):
    """The function that takes [low, high] to [start, end]."""
    change = math.log10 if log else float
    low, high = change(low), change(high)
    return lambda value: start + (change(value) - low) / ((high - low) or 1) * (end - start)


def _ticks(low, high, count=5):
    """Round numbers, evenly spaced, from at or below `low` to at or above `high`."""
    span = (high - low) or abs(high) or 1
    unit = 10.0 ** math.floor(math.log10(span / count))
    step = next(unit * m for m in (1, 2, 5, 10) if unit * m * count >= span * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, max(last, first + 1) + 1)]


def _log_ticks(low, high):
    """Powers of ten around [low, high], at most about six of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    jump = max(1, math.ceil((last - first) / 6))
    return [10.0**i for i in range(first, last + jump, jump)]


def _tick(value):
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * size:
            return f"{value / size:.4g}{unit}"
    if 0 < abs(value) < 1e-3:
        digits, exponent = f"{value:.1e}".split("e")
        return f"{float(digits):g}e{int(exponent)}"
    return f"{value:,.4g}"
