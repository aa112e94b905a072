"""Figures that can be had beside figures that cannot: one that is missing costs no other."""

import sys

from kgan.core.errors import UserError

SURE = 0.9  # accuracy of a judge, below which its figures are said to be rough


def gather(measures, skipped=None):
    """Figures of several measures.

    Args:
        measures: `{name: function without arguments -> {figure: value}}`.
        skipped: a dict that takes `{name: reason}` of the measures that cannot be had, which are
            also named on stderr; None = their errors are raised.

    Returns:
        `{figure: value}` of the others.

    Raises:
        UserError: of a measure, without `skipped`.
    """
    found = {}
    for name, measure in measures.items():
        try:
            found |= measure()
        except UserError as error:
            if skipped is None:
                raise
            skipped[name] = str(error)
            print(f"left out {name}: {error}", file=sys.stderr)
    return found


def rough(accuracy):
    """A line that names the judges that are right too rarely, of `{name: accuracy}`; `""`: none."""
    named = [f"{name} {100 * x:.1f} %" for name, x in accuracy.items() if x < SURE]
    return (f"rough, for judges are right on less than {100 * SURE:.0f} % of real held-out "
            f"pictures: {', '.join(named)}" if named else "")
