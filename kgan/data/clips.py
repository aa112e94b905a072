"""Clips: stretches of frames, out of which a training cuts pieces.

All frames of a clip are cut at the same place. Where a source asks for motion, places are drawn
until a piece moves enough (Mathieu et al. 2016, section 4: flat and still pieces teach nothing); of
pieces that all rest too much the one that moves most is taken. What is drawn is a pure function of
the numbers that are given, so a step has the same pieces whether it was reached in one go or not.
"""

import numpy as np

from kgan.core.errors import UserError
from kgan.data.signals import Signal, pictures_of

TRIES = 20  # places that are tried for a piece that moves
SHOWN = 5  # frames of a clip unless a model says how many


class Clips:
    """Clips of frames; as Images (see `kgan.data.Data`), the middle piece of each.

    Args:
        read: `read(row, frames, box)`: uint8 [frames, height, width, 3], the first frames of the
            clip at `row`, cut to `box`: (top, left, height, width).
        sides: int [n, 2], height and width of each, at least those of a piece.
        frames: how many a clip has.
        piece: (height, width) of what is cut out.
        fits: int [n], how many frames there are from the beginning of each on; None = any number.
        moving: the least motion of a piece in a training, see `motion`; 0 = any.
    """

    def __init__(self, read, sides, frames, piece, fits=None, moving=0.0):
        self._read, self.sides, self.frames, self.piece = read, np.asarray(sides), frames, piece
        self.fits, self.moving = None if fits is None else np.asarray(fits), moving
        self.shape = (len(self.sides), frames, *piece, 3)

    def __len__(self):
        return len(self.sides)

    def __getitem__(self, index):
        rows = np.arange(len(self))[index]
        if rows.ndim == 0:
            return self[rows[None]][0]
        places = (self.sides[rows] - self.piece) // 2
        return self._stacked([self.part(row, *place) for row, place in zip(rows, places,
                                                                           strict=True)])

    def at(self, rows):
        """Those at some rows."""
        rows = np.asarray(rows, np.int64)
        return Clips(lambda row, *which: self._read(rows[row], *which), self.sides[rows],
                     self.frames, self.piece, None if self.fits is None else self.fits[rows],
                     self.moving)

    def lasting(self, frames):
        """The same clips with another number of frames, but for those that end before."""
        rows = np.arange(len(self)) if self.fits is None else np.flatnonzero(self.fits >= frames)
        found = self.at(rows)
        return Clips(found._read, found.sides, frames, self.piece, found.fits, self.moving)

    def whole(self, row):
        """A clip at its own size, uint8 [frames, height, width, 3]."""
        return self._read(row, self.frames, (0, 0, *self.sides[row]))

    def part(self, row, top, left):
        """A piece of a clip, uint8 [frames, h, w, 3]."""
        return np.asarray(self._read(row, self.frames, (top, left, *self.piece)))

    def drawn(self, rows, draws):
        """A piece of each of some clips.

        Args:
            rows: int [k].
            draws: float [k, TRIES, 2] in [0, 1): where pieces may begin, as shares of the room.

        Returns:
            uint8 [k, frames, h, w, 3].
        """
        return self._stacked([self._drawn(row, some) for row, some in zip(rows, draws,
                                                                          strict=True)])

    def _drawn(self, row, draws):
        room, best, most = self.sides[row] - self.piece + 1, None, -1.0
        for place in np.int64(draws * room)[: 1 if (room == 1).all() else TRIES]:
            piece = self.part(row, *place)
            if not self.moving or (moved := motion(piece)) >= self.moving:
                return piece
            if moved > most:
                best, most = piece, moved
        return best

    def _stacked(self, clips):
        return np.stack(clips) if clips else np.empty((0, *self.shape[1:]), np.uint8)


def motion(clip):
    """How much a clip moves: the root mean square of the differences of neighbouring frames, in
    levels of 0..255.

    Args:
        clip: uint8 [frames, h, w, c].
    """
    return float(np.sqrt(np.mean(np.diff(clip.astype(np.float32), axis=0) ** 2)))


def clip_signal(spec, signals, size):
    """The `Signal` of the clips that a source of frames is to give.

    Args:
        spec: the specification, for messages.
        signals: what a model declares; None: square clips of `SHOWN` frames, named a.
        size: side in pixels where there are no signals.

    Raises:
        UserError: the model takes something else, or more.
    """
    if signals is None:
        return Signal("a", "frames", frames=SHOWN, height=size, width=size)
    own = [signal for signal in pictures_of(signals) if not signal.source]
    if len(own) != 1 or own[0].kind != "frames":
        raise UserError(f"{spec} holds clips of frames, and the model takes "
                        f"{', '.join(signal.described() for signal in own)}: name pictures, as "
                        "folder:PATH.")
    return own[0]


def square(spec, signal):
    """The side of a signal of square frames, which drawn ones are.

    Raises:
        UserError: it is not square.
    """
    if signal.height != signal.width:
        raise UserError(f"{spec} is of square frames, and the model takes {signal.described()}.")
    return signal.height
