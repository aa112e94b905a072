"""Perceptual discriminators: feature maps of a reference network in, logits at several scales out.

Sungatullina et al. 2018, section 3.2, in two layouts: `"released"`, that of the authors' code
(strided trunk, a convolution on each feature map beside it), and `"paper"`, that of the text
(feature maps, standardised, stacked onto the trunk, which goes down by average pooling; widths,
which the text leaves out, are those of the code). A trunk on the picture alone
(`channels=(3,)`) is the same discriminator without a reference network.

Our choice, first weights: there is no normalisation, so they decide how soon a narrow discriminator
learns. N(0, 0.02), the authors', gives it maps of nearly 0 and next to no gradient; He et al.'s
(2015), near that at the published widths, keep maps near 1 at any width. Heads begin near
0, so that every picture gets nearly the same logit at first and not a random one.
"""

import math

import keras
from keras import layers, ops

from kgan.networks.blocks import HE, conv, leaky, logits, padded_conv
from kgan.networks.discriminators import patch_discriminator

_SMALL = {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.002}}


class PerceptualDiscriminator:
    """The layout of a perceptual discriminator; `build` makes the network.

    Args:
        channels: maps of the reference network's taps, the first at the full side of the picture,
            each next one at half.
        size: side of the pictures on which heads sit at the sides that are asked for; other sizes
            are judged at the same relative scales.
        heads: sides of the maps of logits, falling.
        whole: one more head, of 4x4 patches of the last map: the whole picture if that is 4x4.
        width: maps of the first trunk layer; they double up to
        cap: this.
        layout: `"released"` or `"paper"`.
    """

    def __init__(
        self, channels, *, size, heads=(8, 4), whole=True, width=64, cap=256, layout="released"
    ):
        if layout not in ("released", "paper"):
            raise ValueError(f"layout must be released or paper, not {layout!r}")
        if not heads and not whole:
            raise ValueError("a discriminator needs at least one head")
        self.channels, self.size, self.heads, self.whole = tuple(channels), size, heads, whole
        self.width, self.cap, self.layout = width, cap, layout
        last = min((*heads, 4) if whole else heads)
        self.depth = int(math.log2(size / max(last, 4 if whole else 1)))
        sides = [size // 2 ** (i + 1) for i in range(self.depth)]
        missing = [head for head in heads if head not in sides]
        if missing:
            raise ValueError(f"no layer has the side {missing[0]}; there are {sides}")

    def build(self, name):
        """Returns a functional `keras.Model`: list of maps -> list of float32 logits [n, h, w, 1].

        One output for each of `heads`, then that of `whole`. A single tap is a list of one too.
        """
        taps = [keras.Input((None, None, c), name=f"tap{i + 1}")
                for i, c in enumerate(self.channels)]
        x, side, width, heads = taps[0], self.size, self.width, []
        for i in range(self.depth):
            side //= 2
            x = self._down(x, width)
            if i + 1 < len(taps):
                x = layers.Concatenate()([x, self._beside(taps[i + 1], width)])
            if side in self.heads:
                heads.append(self._head(x, width))
            width = min(2 * width, self.cap)
        if self.whole:
            heads.append(self._whole(x))
        return keras.Model(taps[: self.depth + 1], [logits(x) for x in heads], name=name)

    @property
    def taps(self):
        """How many of the reference network's taps are used."""
        return min(len(self.channels), self.depth + 1)

    def _down(self, x, width):
        if self.layout == "released":
            return leaky(padded_conv(x, width, 4, 2, first=HE))
        return layers.AveragePooling2D(2)(leaky(padded_conv(x, width, 3, first=HE)))

    def _beside(self, tap, width):
        if self.layout == "paper":
            return tap
        return leaky(padded_conv(tap, width, 3, first=HE))

    def _head(self, x, width):
        if self.layout == "paper":
            x = leaky(padded_conv(x, width, 3, first=HE))
        return padded_conv(x, 1, 3, first=_SMALL)

    def _whole(self, x):
        if self.layout == "paper":
            x = leaky(padded_conv(x, self.cap, 3, first=HE))
            # Fully connected on 4x4, and so on any size.
            x = leaky(conv(x, self.cap, 4, 4, first=HE))
            return conv(x, 1, 1, first=_SMALL)
        return conv(x, 1, 4, 4, first=_SMALL)


def pyramid_discriminator(name, *, scales=3, filters=64, strided=3, channels=3):
    """Separate PatchGANs on an image pyramid (pix2pixHD, Wang et al. 2018, section 3.2).

    Each scale sees the picture halved once more and shares nothing with the others. Halving and the
    padding of 2 are those of the authors' code; a scale of 64 maps has 2,764,737 parameters.

    Args:
        name: of the network.
        scales: how many PatchGANs.
        filters, strided, channels: of each of them, see `patch_discriminator`.

    Returns:
        A functional `keras.Model`: list of one picture [n, h, w, channels] -> list of logits, the
        finest first.
    """
    picture = x = keras.Input((None, None, channels), name="picture")
    found = []
    for i in range(scales):
        if i:
            x = halved(x)
        patches = patch_discriminator(
            f"scale{i + 1}", filters=filters, strided=strided, channels=channels, padding=2
        )
        found.append(patches(x))
    return keras.Model([picture], found, name=name)


def halved(x):
    """Maps [n, h, w, c] at half the side, rounded up: means of 3x3 around every other pixel.

    The first is around the first pixel, and what lies outside does not count. Padding "same" does
    that from the far corner, hence the turns.
    """
    turned = ops.flip(x, (1, 2))
    return ops.flip(layers.AveragePooling2D(3, 2, padding="same")(turned), (1, 2))
