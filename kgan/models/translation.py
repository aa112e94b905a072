"""Translations: what a direction of a model takes, makes and runs."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from kgan.core.lazy import pixels, tf
from kgan.data.signals import Signal, pairs_of, pictures_of

# What the usual names say where a model gives no more than the network.
DIRECTIONS = {"a2b": ("a", "b"), "b2a": ("b", "a")}


@dataclass(frozen=True)
class Translation:
    """A direction of a model.

    Attributes:
        sources: names of the signals that it takes; pictures of any size.
        target: the signal that it makes.
        network: the name of the network that does it.
        scale: the sides of the result are those of the input times this.
        channels: of the result.

    Raises:
        ValueError: it takes nothing, or the scale is below 1.
    """

    sources: tuple
    target: str
    network: str
    scale: int = 1
    channels: int = 3

    def __post_init__(self):
        if isinstance(self.sources, list):  # of JSON
            object.__setattr__(self, "sources", tuple(self.sources))
        if not isinstance(self.sources, tuple) or not self.sources or self.scale < 1:
            raise ValueError("a translation takes a tuple of signals and enlarges 1 times or more, "
                             f"not {self.sources!r}, {self.scale}")

    def as_dict(self):
        return asdict(self)


def translations(directions, signals):
    """`{direction: Translation}` of what a model declares.

    Args:
        directions: `{direction: Translation, or the name of a network}`. A name alone stands for
            `a2b` and `b2a` between the signals a and b, and for other names from the first signal
            to itself.
        signals: those of the model.

    Raises:
        ValueError: the target that a source is paired with has other sides than the result.
    """
    first = next((signal.name for signal in pictures_of(signals)), "a")
    found = {}
    for name, how in directions.items():
        if isinstance(how, str):
            source, target = DIRECTIONS.get(name, (first, first))
            how = Translation((source,), target, how)
        found[name] = how
        _check_sides(name, how, signals)
    return found


def _check_sides(direction, how, signals):
    if not learns_pairs(how, signals):
        return
    known = {signal.name: signal for signal in signals}
    source, target = known[how.sources[0]], known[how.target]
    if target.sides != tuple(how.scale * side for side in source.sides):
        raise ValueError(f"direction {direction!r} makes {source.described()} {how.scale} times as "
                         f"large, which is not the size of {target.described()}")


def sources_of(translation, signals):
    """The `Signal`s that a translation takes; one that the model does not declare is a picture."""
    known = {signal.name: signal for signal in signals}
    return [known.get(name, Signal(name)) for name in translation.sources]


def learns_pairs(translation, signals):
    """Whether the target is paired with what it is made from, so that the truth is known."""
    groups = [{member.name for member in group} for group in pairs_of(signals).values()]
    return any({*translation.sources, translation.target} <= group for group in groups)


def given_sources(images, signals):
    """What a person gives to a translation, read.

    Args:
        images: of one source an array, of several `{name: array}`, see
            `kgan.models.gan.GAN.translate`.
        signals: the sources.

    Returns:
        (`{name: float32 pictures in [-1, 1], or int32 ids}`, the `tf.DType` of the result).

    Raises:
        TypeError, ValueError: it is something else.
    """
    names = [signal.name for signal in signals]
    if len(signals) == 1 and not isinstance(images, Mapping):
        images = {names[0]: images}
    if not isinstance(images, Mapping) or set(images) != set(names):
        raise ValueError(f"this direction translates dictionaries of {', '.join(names)}.")
    found, types = {}, []
    for signal in signals:
        if signal.ids:
            found[signal.name] = pixels.ids(images[signal.name], signal.classes)
        else:
            found[signal.name], dtype = pixels.given(images[signal.name])
            types.append(dtype)
    first = found[names[0]].shape[:3]
    for name, x in found.items():
        if not x.shape[:3].is_compatible_with(first):
            raise ValueError(f"{name} {list(x.shape)} and {names[0]} {list(first)} differ in "
                             "number or size.")
    return found, types[0] if types else tf.uint8
