"""Drawn faces beside what belongs to them pixel by pixel: edges, maps of parts, themselves small.

- `avatars:edges`: `a` black lines on white where parts of the face border each other, `b` the face.
- `avatars:parts`: for models that declare maps of ids, the class of each pixel (signals of kind
  "labels"), the eye or eyebrow that it is of ("instances"), and the face (pictures, whatever their
  names); for models of two sets of pictures, `a` the classes in the colours of the palette
  `avatars` and `b` the face. What classes there are says `kgan.data.avatar_maps`.
- `avatars:x2`, `avatars:x4`: for models that enlarge, the face and the same resampled to half or a
  quarter of its sides, which `kgan.data.made` resamples.

The faces are the first of those that come (`kgan.data.avatars.sample`), 4000 and 500 unless `?n=`
and `&test=` say others; the test faces are others. Each is drawn at the very side that is wanted,
so that its map is exact at any size, and only maps and faces are kept: the rest is made of them.
"""

import dataclasses

from kgan.core.errors import UserError
from kgan.core.hashing import digest_of
from kgan.data import avatar_maps, avatars
from kgan.data.aligned import AB
from kgan.data.palettes import AVATARS
from kgan.data.signals import loaded_sides, pictures_of
from kgan.data.types import Data

HOLDS = {
    "edges": "a (edges) and b (faces)",
    "parts": "class ids, instance ids and faces, or a (classes in colours) and b (faces)",
}


class Made:
    """Images that are made of maps when they are asked for.

    Args:
        maps: array [n, h, w, 1].
        make: `make(maps [..., h, w, 1])` -> array [..., h, w, c].
    """

    def __init__(self, maps, make):
        self._maps, self._make = maps, make
        self.shape = (*maps.shape[:3], make(maps[:1]).shape[-1])

    def __len__(self):
        return len(self._maps)

    def __getitem__(self, index):
        return self._make(self._maps[index])


def open_avatar_pairs(rest, *, size, load_size=None, seed=0, bad_images="skip", signals=None):
    """Opens `edges`, `parts`, `x2` or `x4`, perhaps with `?n=` and `&test=`; draws on first use.

    Args:
        rest, size, load_size, seed, bad_images: see `kgan.data.avatars.open_avatars`.
        signals: what a model declares, a tuple of `Signal`; None: squares a and b.

    Returns:
        A paired `kgan.data.Data` of those of the signals that have pixels. Pictures are RGB.

    Raises:
        UserError: the model takes something that is not there; the message says what is.
        UsageError: an unknown option, a count or seed out of range.
    """
    name, _, query = rest.partition("?")
    counts = dict(zip(("train", "test"), avatars.counts_of(query), strict=True))
    if signals is None:
        signals = [dataclasses.replace(signal, height=size, width=size) for signal in AB]
    signals = pictures_of(signals)
    held = {signal.name: _what(name, signal, signals) for signal in signals}
    sides = {"train": loaded_sides(signals, size, load_size or size),
             "test": {signal.name: signal.sides for signal in signals}}
    found = {}
    for split, n in counts.items():
        found[split] = {s.name: _drawn(held[s.name], n, sides[split][s.name][0], seed, split)
                        for s in signals if not s.source}
    shown = ", ".join(f"{signal.described()}: {held[signal.name]}" for signal in signals)
    return Data(
        spec=f"avatars:{rest}", **found, paired=True,
        summary=(
            f"avatars: faces as they come, seed {seed}; {shown}",
            f"train {counts['train']} from {load_size or size} px, test {counts['test']}",
            *_classes(held),
        ),
        digest=digest_of([avatars.VERSION, avatar_maps.VERSION, name, *counts.values(), seed]),
    )


def _what(name, signal, signals):
    """What a signal is given: "faces", "edges", "classes", "instances", "colours" or "smaller".

    Raises:
        UserError: it is none of these.
    """
    if signal.height != signal.width or signal.kind == "frames":
        raise UserError(f"avatars:{name} is of square faces, and the model takes "
                        f"{signal.described()}.")
    if name in ("x2", "x4"):
        return _smaller(name, signal, signals)
    pictures = {s.name for s in signals if not s.ids}
    two = len(signals) == 2 and pictures == {"a", "b"}
    if signal.source or not (two or (name == "parts" and len(pictures) < len(signals))):
        instead = " Class ids are in avatars:parts." if signal.ids else ""
        raise UserError(f"avatars:{name} holds {HOLDS[name]}, and the model takes "
                        f"{', '.join(s.described() for s in signals)}.{instead}")
    if signal.kind == "labels" and 0 < signal.classes < len(avatar_maps.PARTS):
        count = len(avatar_maps.PARTS)
        raise UserError(f"avatars:{name} holds {count} classes, ids 0 to {count - 1}, and "
                        f"{signal.name} has {signal.classes}: declare {count} classes.")
    if signal.ids:
        return "classes" if signal.kind == "labels" else "instances"
    if two and signal.name == "a":
        return "edges" if name == "edges" else "colours"
    return "faces"


def _smaller(name, signal, signals):
    """What a model that enlarges is given for a signal."""
    large = [s for s in signals if not s.source]
    small = [s for s in signals if s.source]
    factor = int(name[1:])
    fits = len(large) == 1 and not large[0].ids and small and all(
        (s.source, factor * s.height) == (large[0].name, large[0].height) for s in small)
    if not fits:
        raise UserError(f"avatars:{name} holds faces and the same at 1/{factor} of the sides, for "
                        f"models that enlarge {factor} times, and the model takes "
                        f"{', '.join(s.described() for s in signals)}.")
    return "smaller" if signal.source else "faces"


def _drawn(what, n, side, seed, split):
    """The pictures or maps of `_what`, see `kgan.data.Data`."""
    if what == "faces":
        return avatars.sampled("faces", n, size=side, seed=seed, split=split)
    make = {"edges": avatar_maps.edges, "colours": AVATARS.paint,
            "instances": avatar_maps.instances, "classes": lambda maps: maps.astype("uint16")}
    return Made(avatars.sampled("maps", n, size=side, seed=seed, split=split), make[what])


def _classes(held):
    """The line of a summary that names the classes, where there are any."""
    if not {"classes", "instances", "colours"} & set(held.values()):
        return ()
    return (f"classes: {', '.join(f'{i} {part}' for i, part in enumerate(AVATARS.classes))}",)
