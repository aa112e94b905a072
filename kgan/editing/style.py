"""Style: how far pictures are from a content and from a style, as a reference network sees them.

Gatys, Ecker, Bethge: Image style transfer using convolutional neural networks, CVPR 2016. The
content of a picture is what some maps of a reference network hold; its style is the Gram matrices
of others, the products of each two maps summed over places. Johnson et al. 2016 train a network
on the same two distances. Constants are those of Johnson's code (neural-style and
fast-neural-style): Gram matrices are divided by their maps' number of values, distances are means
of squared differences, layers are added up. The paper's own differ from that by factors of layers,
which weights of layers can say (`relu1_1:0.5`).

Ours:

- units `"relative"`: each layer's distance is divided by the mean square of what it is compared
  with, so that weights mean the same for any reference network, and all layers count alike;
- total variation is the mean over values of squared differences of neighbours in [-1, 1], as in
  `kgan.editing.dfi`, whatever the size of a picture;
- several styles are mixed by their Gram matrices.
"""

import math
import re
from dataclasses import dataclass

from kgan.core.errors import UsageError, UserError
from kgan.core.lazy import keras, losses, np, pixels, tf
from kgan.core.recipe import nearest

LAYER = re.compile(r"relu[1-5]_[1-4]")


@dataclass(frozen=True)
class Looks:
    """Where content and style are looked at.

    Attributes:
        content, style: `{layer: weight}`.
        units: `"published"` or `"relative"`.
    """

    content: dict
    style: dict
    units: str = "published"

    @property
    def taps(self):
        """All its layers, the deepest last."""
        return tuple(sorted({*self.content, *self.style}))

    @property
    def distance(self):
        """What is between two tensors."""
        return losses.l2 if self.units == "published" else losses.relative_l2


def looks(recipe):
    """The `Looks` of a recipe with `content_layers`, `style_layers` and `units`.

    Raises:
        UsageError: there are no such layers.
    """
    return Looks(layers(recipe.content_layers, "--content_layers"),
                 layers(recipe.style_layers, "--style_layers"), recipe.units)


def layers(text, flag):
    """`"relu1_1,relu2_1:0.5"` -> `{"relu1_1": 1.0, "relu2_1": 0.5}`."""
    found = {}
    for word in filter(None, re.split(r"[,\s]+", text)):
        name, _, weight = word.partition(":")
        value = number(weight or "1")
        if not LAYER.fullmatch(name) or value is None:
            raise UsageError(f"{flag} {word}: layers are relu1_1 to relu5_4 joined by commas, "
                             "each perhaps with a weight, as relu3_1:0.5.")
        found[name] = value
    if not found:
        raise UsageError(f"{flag} names no layer.")
    if not any(found.values()):
        raise UsageError(f"{flag} {text}: not all weights can be 0.")
    return found


def number(text):
    """A weight that a person gives: a finite number of at least 0; None = it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None


def weights_of(text, count):
    """Shares of `count` styles, which add up to 1; `""` = all alike.

    Raises:
        UsageError: they are not as many, or all 0.
    """
    words = [*filter(None, re.split(r"[,\s]+", text))] or ["1"] * count
    found = [number(word) for word in words]
    if None in found or len(found) != count or not sum(found):
        raise UsageError(f"--style_weights {text}: one number of at least 0 for each of the "
                         f"{count} pictures of --style, not all 0.")
    return [value / sum(found) for value in found]


def names(text):
    """The styles of a recipe's `style`: names of patterns, or files."""
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise UsageError("--style names no picture.")
    return found


def read(name):
    """A style: uint8 [h, w, 3].

    Args:
        name: one of `kgan.data.patterns.PATTERNS`, or a file.

    Raises:
        UserError: it is neither.
    """
    from kgan.data.patterns import PATTERNS, pattern
    from kgan.data.pictures import BrokenPicture, read_picture

    if name in PATTERNS:
        return pattern(name)
    try:
        return read_picture(name)
    except BrokenPicture as error:
        raise UserError(f"--style {name}: it {error.reason}. A picture, or a pattern: "
                        f"{nearest(name, PATTERNS)}") from None


def resized(picture, side, of=max):
    """A picture whose longer side (or, with `of=min`, shorter one) is `side`: uint8 [h, w, 3]."""
    from PIL import Image

    sides = [max(1, round(n * side / of(picture.shape[:2]))) for n in picture.shape[1::-1]]
    return np.asarray(Image.fromarray(picture).resize(sides, Image.Resampling.BICUBIC))


def maps(network, taps):
    """A reference network as a function: float32 [n, h, w, 3] in [-1, 1] -> `{tap: maps}`."""

    def run(pictures):
        found = keras.tree.flatten(network(pictures, training=False))
        return {tap: tf.cast(m, tf.float32) for tap, m in zip(taps, found, strict=True)}

    return run


def grams(see, pictures, shares, where):
    """The style of pictures, mixed.

    Args:
        see: see `maps`.
        pictures: uint8 [h, w, 3] each.
        shares: of each, see `weights_of`.
        where: a `Looks`.

    Returns:
        `{tap: float32 [1, c, c]}`.
    """
    total = {}
    for picture, share in zip(pictures, shares, strict=True):
        seen = see(pixels.to_float(tf.constant(picture[None])))
        for tap in where.style:
            total[tap] = total.get(tap, 0.0) + share * losses.gram_matrix(seen[tap])
    return total


def distances(seen, content, style, where):
    """(how far pictures are from a content, from a style): float32 scalars, means over the batch.

    Args:
        seen: `{tap: maps [n, h, w, c]}` of the pictures.
        content: the same of those whose content they should have.
        style: `{tap: [1, c, c]}`, see `grams`.
        where: a `Looks`.
    """
    far = where.distance
    return (
        sum(w * far(seen[tap], content[tap]) for tap, w in where.content.items()),
        sum(w * far(losses.gram_matrix(seen[tap]), style[tap]) for tap, w in where.style.items()),
    )

