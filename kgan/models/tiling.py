"""Tiles: large pictures through a network part by part, with the result of the whole.

A network of convolutions looks no further than a known distance: of a tile with a margin of that
width it makes what it makes of it within the whole picture, also at the picture's edges, where a
tile has no margin. The distance follows from its layers (`seen`). A layer that looks at all of a
picture, as instance norm does, allows no tiles: `Whole` names it.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import keras
import numpy as np
from keras import layers

from kgan.core.errors import UserError
from kgan.networks.generators import Blend
from kgan.networks.layers import CropFirst, ReflectionPadding2D
from kgan.networks.srgan import PixelShuffle

POINTWISE = (  # a pixel of the result follows from the same pixels of what is given
    layers.Activation, layers.ReLU, layers.LeakyReLU, layers.PReLU, layers.Rescaling,
    layers.BatchNormalization, layers.Dropout, layers.Add, layers.Multiply, layers.Concatenate,
    Blend,
)


class Whole(UserError):
    """A network that looks at whole pictures, or of which that cannot be told."""


@dataclass(frozen=True)
class Seen:
    """What pixel q of a map sees of the input: pixels `step * q + first` to `step * q + last`."""

    step: Fraction = Fraction(1)
    first: Fraction = Fraction(0)
    last: Fraction = Fraction(0)

    def of(self, stride, first, last):
        """What q sees if it sees pixels `stride * q + first` to `stride * q + last` of this."""
        return Seen(self.step * stride, self.first + self.step * first,
                    self.last + self.step * last)


def seen(network):
    """What a pixel of the result sees of the input.

    Args:
        network: a functional `keras.Model`, pictures or maps of any size in and out.

    Returns:
        (`Seen` of the result, pixels of the input at multiples of which a part may begin).

    Raises:
        Whole: it has no such bound, or a layer of it is not known here.
    """
    if not isinstance(network, keras.Model) or not hasattr(network, "inputs"):
        raise Whole(f"{network.name} is no graph of layers, so that what it looks at is not known")
    known = {id(x): Seen() for x in network.inputs}
    for layer in network.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        given = [known.get(id(x)) for x in keras.tree.flatten(layer.input)]
        if None in given or len({one.step for one in given}) > 1:
            raise Whole(f"{network.name} is joined at {layer.name} in a way that is not known here")
        every = Seen(given[0].step, min(one.first for one in given),
                     max(one.last for one in given))
        known[id(layer.output)] = _through(layer, every)
    result = known[id(network.outputs[0])]
    return result, math.lcm(*(one.step.numerator for one in known.values()))


def _through(layer, given):
    """What a pixel behind a layer sees, where those before it see `given`."""
    if isinstance(layer, POINTWISE):
        return given
    if isinstance(layer, layers.Conv2DTranspose):
        kernel, stride = _one(layer.kernel_size), _one(layer.strides)
        before = max(kernel - stride, 0) // 2 if layer.padding == "same" else 0
        return given.of(Fraction(1, stride), Fraction(before - kernel + 1, stride),
                        Fraction(before, stride))
    if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
        reach = (_one(layer.kernel_size) - 1) * _one(layer.dilation_rate)
        return _window(given, reach, _one(layer.strides), layer.padding)
    if isinstance(layer, (layers.MaxPooling2D, layers.AveragePooling2D)):
        return _window(given, _one(layer.pool_size) - 1, _one(layer.strides), layer.padding)
    if isinstance(layer, (layers.UpSampling2D, PixelShuffle)):
        smooth = getattr(layer, "interpolation", "nearest") != "nearest"
        times = layer.factor if isinstance(layer, PixelShuffle) else _one(layer.size)
        return given.of(Fraction(1, times), Fraction(1 - times, times) - smooth, smooth)
    if isinstance(layer, (layers.ZeroPadding2D, ReflectionPadding2D)):
        before = layer.padding if isinstance(layer.padding, int) else _one(
            [sides[0] for sides in layer.padding])
        return given.of(1, -before, -before)
    if isinstance(layer, (layers.Cropping2D, CropFirst)):
        before = 1 if isinstance(layer, CropFirst) else _one([s[0] for s in layer.cropping])
        return given.of(1, before, before)
    raise Whole(f"its layer {layer.name} ({type(layer).__name__}) looks at whole pictures, or is "
                "not known not to")


def _window(given, reach, stride, padding):
    before = max(reach + 1 - stride, 0) // 2 if padding == "same" else 0
    return given.of(stride, -before, reach - before)


def _one(sides):
    """The number that holds for height and width."""
    height, width = sides
    if height != width:
        raise Whole("it treats height and width differently, which is not known here")
    return height


@dataclass(frozen=True)
class Tiles:
    """How pictures go through a model part by part.

    Attributes:
        side: of a tile, pixels of the input.
        margin: around it, where the picture has more.
        scale: sides of the result over those of the input.
    """

    side: int
    margin: int
    scale: int

    @property
    def window(self):
        """The side of what the network is given at most."""
        return self.side + 2 * self.margin

    def through(self, run, given):
        """The result of a whole picture.

        Args:
            run: function of arrays like `given`, of any height and width -> array
                [n, scale h, scale w, c].
            given: arrays [n, h, w, c] of the same n, h, w.

        Returns:
            An array of the type that `run` gives; it and a tile are all that is in memory.
        """
        (height, width), scale, whole = given[0].shape[1:3], self.scale, None
        for top in range(0, height, self.side):
            for left in range(0, width, self.side):
                y, x = max(0, top - self.margin), max(0, left - self.margin)
                made = np.asarray(run(*(
                    part[:, y : top + self.side + self.margin, x : left + self.side + self.margin]
                    for part in given)))
                if whole is None:
                    n, _, _, channels = made.shape
                    whole = np.empty((n, scale * height, scale * width, channels), made.dtype)
                tile = made[:, scale * (top - y) :, scale * (left - x) :]
                tile = tile[:, : scale * self.side, : scale * self.side]
                h, w = tile.shape[1:3]
                h, w = min(h, scale * (height - top)), min(w, scale * (width - left))
                whole[:, scale * top : scale * top + h, scale * left : scale * left + w] = (
                    tile[:, :h, :w])
        return whole


def tiles(network, side, *, scale=1, multiple=1, smallest=1):
    """The `Tiles` of a network.

    Args:
        network: see `seen`.
        side: of a tile, about, pixels.
        scale: sides of the result over those of the input.
        multiple, smallest: of the sides that the network takes, see `kgan.models.gan.GAN`.

    Raises:
        Whole: it looks at whole pictures.
    """
    field, grid = seen(network)
    grid = math.lcm(grid, multiple)
    margin = max(-field.first, field.last + 1 - field.step, smallest)
    return Tiles(max(side // grid, 1) * grid, -(-math.ceil(margin) // grid) * grid, scale)
