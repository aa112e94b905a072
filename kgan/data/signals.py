"""Signals: what a batch holds. A model declares them, the data answer them.

Pictures are float32 in [-1, 1] and resampled with antialiasing. Ids (of classes, of instances) are
whole numbers: they are only ever resampled by the nearest neighbour, never scaled, never mixed.
Signals of one group belong together pixel by pixel: they share the order, the crop, the mirror and
the rotation, each at its own scale. Signals of different groups share nothing.
"""

import dataclasses
from dataclasses import dataclass

from kgan.core.lazy import np, pixels

KINDS = ("picture", "labels", "instances", "frames", "vector")


@dataclass(frozen=True)
class Signal:
    """One entry of a batch.

    Attributes:
        name: its key in a batch; also the folder in which its files lie (`kgan.data.aligned`).
        kind: `"picture"`; `"labels"`, a class id for each pixel; `"instances"`, the id of a thing
            for each pixel, up to 65,535; `"frames"`, clips: pictures one after the other, float32
            [batch, frames, height, width, channels], which share crop, mirror and rotation;
            `"vector"`, numbers of a picture or a clip, as its labels.
        channels: of a pixel; 1 for ids; of a vector how many numbers, 0 = as many as the data have.
        height, width: in pixels, of what a batch holds.
        classes: of labels: ids are below it; 0 = any.
        frames: of frames, how many.
        group: signals that are paired have the same; the default is its own name, unpaired.
        source: the signal of its group that it is made from by resampling, as pictures of low
            resolution are; "" = it has files of its own.
        native: pictures of a folder, or frames, are not resized: a batch holds pieces of them, of
            this height and width, and test pictures are whole; see `kgan.data.native` and
            `kgan.data.clips`. Of the signals with files it is the only one.

    Raises:
        ValueError: there is no such kind.
    """

    name: str
    kind: str = "picture"
    channels: int = 3
    height: int = 0
    width: int = 0
    classes: int = 0
    frames: int = 0
    group: str = ""
    source: str = ""
    native: bool = False

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"signal {self.name}: kind {self.kind!r} is not one of "
                             f"{', '.join(KINDS)}")
        object.__setattr__(self, "group", self.group or self.name)
        if self.ids:
            object.__setattr__(self, "channels", 1)

    @property
    def ids(self):
        """Whether its values are ids."""
        return self.kind in ("labels", "instances")

    @property
    def dtype(self):
        """Of a batch: `"int32"` for ids, else `"float32"`."""
        return "int32" if self.ids else "float32"

    @property
    def resampling(self):
        """`"antialiased"`, for ids `"nearest"`, for vectors none."""
        return "" if self.kind == "vector" else "nearest" if self.ids else "antialiased"

    @property
    def sides(self):
        """(height, width)."""
        return self.height, self.width

    @property
    def shape(self):
        """Of one, without the batch."""
        if self.kind == "vector":
            return (self.channels,)
        frames = (self.frames,) if self.kind == "frames" else ()
        return (*frames, self.height, self.width, self.channels)

    def described(self):
        """In words: `photos (pictures, 64x32)`."""
        if self.kind == "vector":
            return f"{self.name} ({self.channels} numbers)"
        what = {"picture": "pictures", "labels": "class ids", "instances": "instance ids",
                "frames": f"clips of {self.frames} frames"}
        return f"{self.name} ({what.get(self.kind, self.kind)}, {self.width}x{self.height})"


def usual(size, channels=None, labels=0):
    """The signals of square pictures in unpaired sets, the first perhaps with labels.

    Args:
        size: side in pixels.
        channels: `{name: channels}`; None: RGB in "a" and "b".
        labels: how many numbers the pictures of the first set come with; 0 = none.
    """
    channels = {"a": 3, "b": 3} if channels is None else channels
    found = [Signal(name, channels=c, height=size, width=size) for name, c in channels.items()]
    if labels:
        found.append(Signal("labels", "vector", labels, group=found[0].name))
    return tuple(found)


def at_size(signals, size, whole):
    """The signals of pictures of `size` px where they were those of `whole` px.

    Raises:
        ValueError: a side would not be a whole number of pixels.
    """
    found = []
    for signal in signals:
        sides = [side * size / whole for side in signal.sides]
        if any(side % 1 for side in sides):
            raise ValueError(f"{signal.described()} cannot be {size} of {whole} times as large")
        height, width = map(int, sides)
        found.append(dataclasses.replace(signal, height=height, width=width))
    return tuple(found)


def pictures_of(signals):
    """Those that have pixels."""
    return [signal for signal in signals if signal.kind != "vector"]


def pairs_of(signals):
    """The groups of more than one signal with pixels: `{group: [Signal]}`."""
    groups = {}
    for signal in pictures_of(signals):
        groups.setdefault(signal.group, []).append(signal)
    return {group: members for group, members in groups.items() if len(members) > 1}


def answered(signals):
    """The signals if data must answer them: some are paired, or are clips of frames; else None."""
    clips = any(signal.kind == "frames" for signal in signals)
    return signals if clips or pairs_of(signals) else None


def grids(signals):
    """On whose pixels the crops of each signal are drawn, and how many of its own one of them is.

    Returns:
        `{name: (the smallest Signal of its group, factor)}` of the signals with pixels.

    Raises:
        ValueError: signals of a group whose sides are no multiples of the smallest's.
    """
    found = {}
    for signal in pictures_of(signals):
        group = [other for other in pictures_of(signals) if other.group == signal.group]
        least = min(group, key=lambda other: other.height)
        factor = signal.height // max(least.height, 1)
        if signal.sides != (factor * least.height, factor * least.width):
            raise ValueError(f"{signal.described()} is paired with {least.described()}: its sides "
                             "must be a multiple of those")
        found[signal.name] = least, factor
    return found


def loaded_sides(signals, size, load_size):
    """`{name: (height, width)}` of training pictures before the crop, at `load_size / size`."""
    found = {}
    for name, (least, factor) in grids(signals).items():
        found[name] = tuple(factor * (side * load_size // size) for side in least.sides)
    return found


def as_batch(signal, array):
    """What the data hold of a signal with pixels, uint8 or ids, as a batch has it."""
    return array.astype(np.int32) if signal.ids else pixels.array_to_float(array)


def held_out(data, signals, count):
    """The first test pictures of a `Data` as a batch: `{name: array}`; see `Signal`.

    Args:
        data: a `kgan.data.Data`.
        signals: a tuple of `Signal`.
        count: how many, at most.
    """
    found = {}
    for signal in pictures_of(signals):
        held = data.test[signal.name]
        found[signal.name] = as_batch(signal, held[np.arange(min(count, len(held)))])
    for signal in signals:
        if signal.kind == "vector":
            found[signal.name] = data.labels_of("test", np.arange(len(found[signal.group])))
    return found
