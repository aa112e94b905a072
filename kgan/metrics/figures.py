"""Figures that can be had beside figures that cannot: one that is missing costs no other."""

import sys

from kgan.core.errors import UserError


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
