"""Which pictures are held out for testing."""

import os

import numpy as np

from kgan.core.hashing import fraction

HELD_OUT = 0.05
HELD_OUT_MOST = 500


def hold_out(names, seed, most=None):
    """Draws held-out pictures: about 5 %, about 500 at most, at least one, never all.

    Each name alone decides: it is held out if its hash, a fraction, is below the share. So a
    picture that is added or taken away moves no other. The share is 5 % of up to 10,000 pictures
    and half of it for each time that their number doubles, which moves pictures from the test to
    the training only. (Where no hash is below the share, the least one is taken.)

    Args:
        names: of the pictures, relative to their folder.
        seed: whole number.
        most: at which the share is halved; None: 500. Sets that overlap, as those with one
            attribute and with another, hold the same pictures out if it is never.

    Returns:
        Training rows and held-out rows, int64, both sorted.
    """
    share = HELD_OUT
    while share * len(names) > (most or HELD_OUT_MOST):
        share /= 2
    drawn = np.array([fraction(f"{seed}\0".encode(), os.fsencode(name)) for name in names])
    held = drawn < share
    if len(names):
        held[drawn.argmin()] = True
        held[drawn.argmax()] &= len(names) == 1
    return np.flatnonzero(~held), np.flatnonzero(held)
