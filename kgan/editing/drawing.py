"""What a direction looks like: where the pictures without and with its attribute lie along it."""

from kgan.core.paths import replacing
from kgan.editing.directions import projections, safe_range, with_populations
from kgan.report.projections import projections_chart


def plot(direction, codes_without, codes_with, path, code=None, n_sigma=2.0):
    """Draws the projections of two populations as an SVG, CRG's figure 7.

    Bars are shares of a population, curves the normal densities of the same mean and deviation, the
    shaded band is where edits are safe.

    Args:
        direction: a `Direction`.
        codes_without, codes_with: [n, latent] and [m, latent].
        path: of the .svg file.
        code: of a picture to be marked, [latent], with its safe k.
        n_sigma: see `safe_range`.
    """
    known = with_populations(direction, codes_without, codes_with)
    groups = {
        "without": projections(codes_without, known.vector),
        "with": projections(codes_with, known.vector),
    }
    lo, _, hi = safe_range(known, 0 * known.vector, n_sigma)  # of projections
    place = [] if code is None else [float(projections(code, known.vector))]
    note = f"safe projections {lo:.2f} to {hi:.2f}"
    if code is not None:
        low, middle, high = safe_range(known, code, n_sigma)
        note = f"this picture {place[0]:.2f}, safe k {low:.2f} to {high:.2f}, middle {middle:.2f}"
    normal = {"without": (known.mean_without, known.std_without),
              "with": (known.mean_with, known.std_with)}
    drawn = projections_chart(known.name, note, groups, normal, (lo, hi), place)
    with replacing(path) as new:
        new.write_text(drawn, encoding="utf-8")
