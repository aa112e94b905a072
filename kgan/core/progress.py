"""Lines on stderr, among them how far something is, how fast, how long to go."""

import contextlib
import sys
import time


def say(text, end="\n", stream=None):
    """Prints to stderr; goes on if nobody can read it any more, as after the terminal is closed."""
    with contextlib.suppress(OSError, ValueError):
        print(text, end=end, file=stream or sys.stderr, flush=True)


def progress(items, total, label, delay=2.0):
    """Passes `items` on; after `delay` seconds a line on stderr shows rate and time left.

    On a terminal the line is rewritten twice a second; elsewhere one is added every ten seconds.

    Args:
        items: an iterable.
        total: how many will come.
        label: what is going on, as in "reading pictures".
        delay: seconds of silence at first.
    """
    start = said = time.monotonic()
    live = sys.stderr.isatty()
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - start > delay and (now - said > (0.5 if live else 10) or done == total):
            said, rate = now, done / (now - start)
            left = f"{rate:,.0f} a second, {(total - done) / rate:,.0f} s left"
            line = f"{label}: {done:,} of {total:,}, {left}"
            say(f"{line:<78}", "\r" if live else "\n")
    if live and said > start:
        say("")
