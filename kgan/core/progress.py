"""Lines on stderr, among them how far something is, how fast, how long to go."""

import contextlib
import sys


def say(text, end="\n", stream=None):
    """Prints to stderr; goes on if nobody can read it any more, as after the terminal is closed."""
    with contextlib.suppress(OSError, ValueError):
        print(text, end=end, file=stream or sys.stderr, flush=True)


def progress(items, total, label, delay=2.0):
    """Passes `items` on; after `delay` seconds stderr shows how many, their rate and the time left.

    On a terminal it is tqdm's bar, drawn anew twice a second; elsewhere a line every ten seconds.

    Args:
        items: an iterable.
        total: how many will come.
        label: what is going on, as in "reading pictures".
        delay: seconds of silence at first.
    """
    from tqdm import tqdm

    if sys.stderr.isatty():
        shown = {"file": sys.stderr, "mininterval": 0.5, "ncols": 78, "nrows": 24}
    else:
        shown = {"file": _Lines(), "mininterval": 10, "bar_format": LINE}
    return tqdm(items, label, total, delay=delay, miniters=1, unit="", **shown)


LINE = "{desc}: {n:,} of {total:,}, {rate_noinv_fmt}, {remaining} left"


class _Lines:
    """A file for tqdm that makes a line of each state, where none can be drawn over."""

    def write(self, text):
        if text.strip():
            say(text.strip())

    def flush(self):
        """`say` has done it."""
