"""Work in parts: many rows, a few at a time."""

from kgan.core.lazy import np


def parts(rows, size):
    """`rows` in their order, `size` at a time; the last part may be smaller.

    Args:
        rows: what has a length and slices, as an array or a list.
        size: of a part.
    """
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def in_parts(function, rows, size):
    """What a function makes of rows, `size` at a time, as one array.

    Args:
        function: takes some of the rows, and makes as many.
        rows: see `parts`; one at least.
        size: of a part.
    """
    return np.concatenate([np.asarray(function(part)) for part in parts(rows, size)])


def spread(count, most):
    """Rows of at most `most` of `count` pictures, evenly spread."""
    return np.arange(min(count, most)) * count // max(min(count, most), 1)
