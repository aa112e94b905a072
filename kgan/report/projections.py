"""Projections of two populations as an SVG: bars, normal curves, a band (CRG's figure 7)."""

import html
import math

import numpy as np

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 310, 24, 696, 74, 270
BINS = 40
COLORS = {"without": "#12866a", "with": "#2563c9"}  # the paper's green and blue
INK, SOFT = "#1c2330", "#606a7b"


def projections_chart(title, note, groups, normal, band, marked=()):
    """Draws two populations on one axis.

    Bars are shares of a population, curves the normal densities.

    Args:
        title, note: text above, at the left and at the right.
        groups: `{"without" and "with": projections [n]}`.
        normal: `{"without" and "with": (mean, deviation)}`.
        band: (low, high) of what is shaded.
        marked: values at which a broken line stands.

    Returns:
        The SVG, a text.
    """
    seen = np.concatenate([*groups.values(), band, marked])
    margin = 0.03 * np.ptp(seen) or 0.5
    edges = np.linspace(seen.min() - margin, seen.max() + margin, BINS + 1)

    def x(value):
        return LEFT + (value - edges[0]) / (edges[-1] - edges[0]) * (RIGHT - LEFT)

    shaded = f"M{x(band[0]):.1f} {TOP}H{x(band[1]):.1f}V{BOTTOM}H{x(band[0]):.1f}z"
    parts = [f'<path class="safe" d="{shaded}" fill="{COLORS["with"]}" fill-opacity=".12"/>']
    for name in groups:
        parts += _population(name, groups, *normal[name], edges, x)
    parts += _axis(edges, x)
    parts += [_line(x(value), INK, 'class="picture" stroke-dasharray="5 4"') for value in marked]
    parts += [_text(LEFT, 24, html.escape(title), INK, 'font-weight="bold"'),
              _text(RIGHT, 24, note, INK, 'text-anchor="end"')]
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" font-family="sans-serif" font-size="13">'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>')
    return f"{head}{''.join(parts)}</svg>\n"


def _population(name, groups, mean, std, edges, x):
    """Bars, normal curve, mean and description of a population; both have one scale."""
    shares = {n: np.histogram(p, edges)[0] / len(p) for n, p in groups.items()}
    rise = 0.95 * (BOTTOM - TOP) / max(s.max() for s in shares.values())
    width, color = x(edges[1]) - x(edges[0]), COLORS[name]
    bars = "".join(
        f"M{x(edge):.1f} {BOTTOM}v{-share * rise:.1f}h{width:.1f}V{BOTTOM}z"
        for edge, share in zip(edges, shares[name], strict=False) if share
    )
    yield f'<path class="{name}" d="{bars}" fill="{color}" fill-opacity=".5"/>'
    if std > 0:
        t = np.linspace(edges[0], edges[-1], 4 * BINS + 1)
        density = np.exp(-0.5 * ((t - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
        y = np.maximum(BOTTOM - density * (edges[1] - edges[0]) * rise, TOP)
        line = " ".join(f"{x(a):.1f},{b:.1f}" for a, b in zip(t, y, strict=True))
        yield f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>'
    yield _line(x(mean), color)
    label = f"{name}: mean {mean:.2f}, deviation {std:.2f}, {len(groups[name]):,} pictures"
    yield _text(LEFT, 44 + 18 * list(groups).index(name), label, color)


def _axis(edges, x):
    """The line below with round numbers, units of codes."""
    span = edges[-1] - edges[0]
    unit = 10.0 ** math.floor(math.log10(span / 12))
    step = next(unit * m for m in (1, 2, 5, 10) if span <= 12 * unit * m * 1.001)
    yield f'<path d="M{LEFT} {BOTTOM}H{RIGHT}" stroke="{SOFT}"/>'
    for i in range(math.ceil(edges[0] / step), math.floor(edges[-1] / step) + 1):
        yield _text(f"{x(i * step):.1f}", BOTTOM + 17, f"{i * step:.6g}", SOFT,
                    'text-anchor="middle"')
    yield _text(RIGHT, BOTTOM + 34, "projection", SOFT, 'text-anchor="end"')


def _line(x, color, more=""):
    return f'<path d="M{x:.1f} {TOP}V{BOTTOM}" stroke="{color}" stroke-width="2" {more}/>'


def _text(x, y, text, color, more=""):
    return f'<text x="{x}" y="{y}" fill="{color}" {more}>{text}</text>'
