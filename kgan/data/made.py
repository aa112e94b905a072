"""Signals that are made of others by resampling, as pictures of low resolution are.

By Pillow's bicubic filter, which averages where it shrinks: MATLAB's `imresize` to rounding, with
which the literature on super-resolution makes low resolution.
"""

import dataclasses

import numpy as np
from PIL import Image

from kgan.data import pictures
from kgan.data.native import Native
from kgan.data.signals import grids, loaded_sides, pictures_of

REACH = 3  # pixels of the result around a part of it; the filter sees two


class Resampled:
    """Images at another size, (height, width), made of others when they are asked for."""

    def __init__(self, images, size):
        self._images, self._size = images, size
        self.shape = (len(images), *size, images.shape[3])

    def __len__(self):
        return len(self._images)

    def __getitem__(self, index):
        chosen = self._images[index]
        if chosen.ndim == 3:
            return pictures.resize_cover(chosen, self._size)
        made = [pictures.resize_cover(one, self._size) for one in chosen]
        return np.stack(made) if made else np.empty((0, *self.shape[1:]), chosen.dtype)


class Shrunk(Native):
    """`Native` pictures at 1/`factor` of their sides; a part is that of the whole one, shrunk."""

    def __init__(self, images, factor, grid):
        self._images, self._factor = images, factor
        piece = tuple(side // factor for side in images.piece)
        super().__init__(None, images.sides // factor, piece, grid)

    def whole(self, row):
        return self.part(row, 0, 0, *self.sides[row])

    def part(self, row, top, left, height, width):
        picture, factor = self._images.whole(row), self._factor
        begin = np.maximum(np.array([top, left]) - REACH, 0) * factor
        end = (np.array([top + height, left + width]) + REACH) * factor
        seen = np.ascontiguousarray(picture[begin[0] : end[0], begin[1] : end[1]])
        corner = np.array([left, top]) * factor - begin[::-1]
        box = (*corner, *(corner + np.array([width, height]) * factor))
        made = Image.fromarray(seen).resize((width, height), Image.Resampling.BICUBIC, box=box)
        return np.asarray(made)


def with_sources(data, signals, size, load_size):
    """The data with one set under the name of its signal, and with what is made of others.

    Args:
        data: a `kgan.data.Data`.
        signals: what a model declares.
        size, load_size: as of `kgan.data.open_data`.
    """
    train, test, held_out = dict(data.train), dict(data.test), dict(data.held_out)
    own = [signal for signal in pictures_of(signals) if not signal.source]
    if len(own) == 1 and list(train) == ["a"]:
        for found in (train, test, held_out):
            found |= {own[0].name: found.pop("a")} if "a" in found else {}
    loaded, places = loaded_sides(signals, size, load_size), grids(signals)
    made = [signal for signal in pictures_of(signals) if signal.source in train]
    for signal in made:
        grid, its = places[signal.name][1], places[signal.source][1]
        for found, sides in ((train, loaded[signal.name]), (test, signal.sides)):
            source = found[signal.source]
            if isinstance(source, Native):
                source = found[signal.source] = source.on_grid(its)
                found[signal.name] = Shrunk(source, its // grid, grid)
            else:
                found[signal.name] = Resampled(source, sides)
    return dataclasses.replace(data, train=train, test=test, held_out=held_out,
                               paired=data.paired or bool(made))
