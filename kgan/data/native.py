"""Pictures at their own sizes, out of which a training cuts pieces.

A model of super-resolution must see pixels as they were taken: a picture that was shrunk to the
size of a piece has other edges than any piece of it. Of a signal that is `native` the pictures of a
folder are therefore not resized. They lie one after the other in one array of the cache, see
`kgan.data.scan`, and what a step cuts out of them is all that is read.
"""

import numpy as np


class Native:
    """Pictures of different sizes; as Images (see `kgan.data.Data`), the middle piece of each.

    Args:
        read: `read(row)`: uint8 [height, width, 3].
        sides: int [n, 2], height and width of each, at least those of a piece.
        piece: (height, width) of what is cut out.
        grid: pieces begin at multiples of so many pixels, and a whole picture ends at one.
    """

    def __init__(self, read, sides, piece, grid=1):
        self._read, self._whole, self.piece, self.grid = read, np.asarray(sides), piece, grid
        self.sides = self._whole // grid * grid
        self.shape = (len(self.sides), *piece, 3)

    def __len__(self):
        return len(self.sides)

    def __getitem__(self, index):
        rows = np.arange(len(self))[index]
        if rows.ndim == 0:
            return self[rows[None]][0]
        return self.cut(rows, self.room(rows) // 2)

    def at(self, rows):
        """Those at some rows."""
        rows = np.asarray(rows, np.int64)
        return Native(lambda row: self._read(rows[row]), self._whole[rows], self.piece, self.grid)

    def on_grid(self, grid):
        """The same pictures on another grid."""
        return Native(self._read, self._whole, self.piece, grid)

    def whole(self, row):
        """One picture, uint8 [height, width, 3]."""
        height, width = self.sides[row]
        return self._read(row)[:height, :width]

    def room(self, rows):
        """int [k, 2]: how far down and to the right a piece may begin, in units of the grid."""
        return (self.sides[rows] - self.piece) // self.grid

    def cut(self, rows, places):
        """Pieces of some pictures.

        Args:
            rows: int [k].
            places: int [k, 2]: where they begin, down and to the right, in units of the grid.

        Returns:
            uint8 [k, height, width, 3].
        """
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for i, (row, place) in enumerate(zip(rows, places, strict=True)):
            found[i] = self.part(row, *(place * self.grid), *self.piece)
        return found

    def part(self, row, top, left, height, width):
        """A part of a picture, uint8 [height, width, 3]."""
        return self._read(row)[top : top + height, left : left + width]


def laid_out(pixels, sides):
    """`read(row)` of pictures whose pixels [n, 3] lie one after the other, rows of each too."""
    ends = np.cumsum(np.prod(sides, axis=1)).tolist()

    def read(row):
        height, width = sides[row]
        return pixels[ends[row] - height * width : ends[row]].reshape(height, width, 3)

    return read


def whole(images, row):
    """A picture of any Images at its own size."""
    return images.whole(row) if isinstance(images, Native) else images[row]
