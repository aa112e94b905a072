"""The embedded data set `avatars`: drawn faces with exact labels and true counterfactuals.

`avatars:Eyeglasses` is two sets of different faces, `a` without and `b` with the attribute, and
nothing else that tells them apart: every other part has the same distribution in both. (Where an
attribute hides others, these follow it: hair colours exclude each other, and a hat or a bald head
shows no hair colour. Domains for hair colours and `Bald` hold no face on which they are hidden.)
`avatars:Smiling,Bald` is one set of faces as they come, with the labels of these attributes.
Training is unpaired. Of each test face the picture with the attribute switched is there too, so
that an edit can be measured against the truth.

Faces, splits and pictures are a pure function of the seed. As many as are asked for are drawn once,
on all cores, and kept as `.npy` below `kgan.core.paths.cache_dir()`; more faces with labels begin
with those that are there. (More faces in two sets are others: each set has its own.) See
`avatar_parts` for what a face is, `avatar_pairs` for faces with their edges, maps of their parts or
themselves at low resolution.
"""

import contextlib
import difflib
import itertools
import json
import subprocess
import sys
import urllib.parse

import numpy as np
from PIL import Image, ImageDraw

from kgan.core import paths
from kgan.core.cache import made_once
from kgan.core.devices import cores
from kgan.core.errors import UsageError
from kgan.core.hashing import digest_of
from kgan.core.process import child
from kgan.core.progress import progress
from kgan.data import avatar_maps as maps
from kgan.data import avatar_parts as parts
from kgan.data.avatar_parts import ATTRIBUTES, DETERMINISTIC
from kgan.data.spec import AVATAR_PAIRS, TURNING
from kgan.data.types import Data

__all__ = ["ATTRIBUTES", "DETERMINISTIC", "VERSION", "counts_of", "open_avatars", "picture",
           "sample", "sampled"]

VERSION = 1  # of the pictures: raise it with any change of what a seed draws
_TRAIN, _TEST = 4000, 500  # faces per domain
_FEW = 64  # pictures up to here are drawn in this process
_CHANNELS = {"faces": 3, "maps": 1}


def open_avatars(rest, *, size, load_size=None, seed=0, bad_images="skip"):
    """Opens `avatars:<attribute>`; draws it on first use.

    Args:
        rest: attribute, one of `ATTRIBUTES`, and counts of faces per domain if they differ from
            4000 and 500: "Eyeglasses" or "Eyeglasses?n=8000&test=100". Several attributes, joined
            by commas, give one domain of 8000 and 1000 labelled faces.
        size: side in pixels of the test pictures and the truth.
        load_size: side of the training pictures; `size` by default.
        seed: integer >= 0 that everything follows from.
        bad_images: not used, no drawn picture is broken.

    Returns:
        `kgan.data.Data`: pictures uint8 [n, side, side, 3]; `truth[domain][i]` is
        `test[domain][i]` with the attribute switched.

    Raises:
        UsageError: an unknown attribute or option, a count, size or seed out of range.
    """
    name, train, test = _parse(rest)
    load_size = size if load_size is None else load_size
    _check({"size": size, "load_size": load_size, "seed": seed})
    if "," in name:
        return _labelled(rest, name.split(","), (train, test), size, load_size, seed)

    def train_faces():
        return list(itertools.chain(*_domains(name, train, seed, "train")))

    def test_faces():
        without, with_it = _domains(name, test, seed, "test")
        truth = [parts.with_attribute(face, name, True) for face in without]
        truth += [parts.with_attribute(face, name, False) for face in with_it]
        return without + with_it + truth

    stem = f"avatars-v{VERSION}-seed{seed}-{name}"

    def cached(end, faces, n, side):
        return _stored(f"{stem}-{end}-{side}px", (n, side, side, 3),
                       lambda: _draw_all([*map(parts.look, faces())], side))

    drawn = cached(f"train-n{train}", train_faces, 2 * train, load_size)
    held = cached(f"test-n{test}", test_faces, 4 * test, size)
    return Data(
        spec=f"avatars:{rest}",
        train={"a": drawn[:train], "b": drawn[train:]},
        test={"a": held[:test], "b": held[test : 2 * test]},
        summary=(
            f"avatars: a = faces without {name}, b = faces with it, unpaired, seed {seed}",
            f"train {train} + {train} at {load_size} px; test {test} + {test} at {size} px, each "
            f"with its true counterfactual",
        ),
        truth={"a": held[2 * test : 3 * test], "b": held[3 * test :]},
        deterministic=DETERMINISTIC[name],
        digest=digest_of([VERSION, name, train, test, seed]),
    )


def _labelled(rest, names, counts, size, load_size, seed):
    """One domain of faces with the labels of several attributes."""
    columns = [ATTRIBUTES.index(name) for name in names]
    pictures, labels = {}, {}
    sides = {"train": load_size, "test": size}
    for (split, side), n in zip(sides.items(), counts, strict=True):
        found, known = sample(n, size=side, seed=seed, split=split)
        pictures[split], labels[split] = {"a": found}, known[:, columns].astype(np.float32)
    shares = ", ".join(f"{n} {x:.0%}" for n, x in zip(names, labels["train"].mean(0), strict=True))
    return Data(
        spec=f"avatars:{rest}", **pictures, labels=labels, label_names=tuple(names),
        summary=(
            f"avatars: faces as they come, seed {seed}; {shares}",
            f"train {counts[0]} at {load_size} px, test {counts[1]} at {size} px",
        ),
        digest=digest_of([VERSION, names, *counts, seed]),
    )


def sample(n, *, size, seed=0, split="train"):
    """Faces as they come, every attribute at its natural frequency; cached.

    Args:
        n: how many, >= 1; the first n of any larger number.
        size: side in pixels.
        seed: integer >= 0.
        split: "train" or "test"; the test faces of every attribute are apart from "train".

    Returns:
        (pictures uint8 [n, size, size, 3], labels uint8 [n, len(ATTRIBUTES)]).
    """
    pictures = sampled("faces", n, size=size, seed=seed, split=split)
    found = _stored(
        f"{_sample_stem(seed, split)}{n}-labels", (n, len(ATTRIBUTES)),
        lambda: np.stack([*map(parts.labels, _faces(seed, split, 0, n))]),
    )
    return pictures, found


def sampled(what, n, *, size, seed=0, split="train"):
    """The pictures of `sample`, or the maps of their parts; cached.

    Args:
        what: "faces", or "maps", see `kgan.data.avatar_maps`.
        n, size, seed, split: see `sample`.

    Returns:
        uint8 [n, size, size, 3], of maps [n, size, size, 1].
    """
    _check({"n": n, "size": size, "seed": seed})
    if split not in ("train", "test"):
        raise UsageError(f"avatars: split is train or test, not {split!r}")
    stem, channels = _sample_stem(seed, split), _CHANNELS[what]
    end = f"-maps-v{maps.VERSION}-{size}px" if what == "maps" else f"-{size}px"

    def draw():
        drawn, first = _longest(stem, end, n, (size, size, channels))
        looks = [*map(parts.look, _faces(seed, split, drawn, n))]
        rest = _draw_all(looks, size, what)
        return rest if first is None else np.concatenate([first, rest])

    return _stored(f"{stem}{n}{end}", (n, size, size, channels), draw)


def _sample_stem(seed, split):
    return f"avatars-v{VERSION}-seed{seed}-sample-{split}-n"


def _faces(seed, split, start, stop):
    return itertools.islice(_distinct(_stream(seed, split)), start, stop)


def picture(attributes=ATTRIBUTES, *, size=96, columns=4, seed=0):
    """A picture for the documentation: one face without and with each attribute.

    Args:
        attributes: names out of `ATTRIBUTES`, in the order in which they are shown.
        size: side of one face in pixels.
        columns: pairs in a row.
        seed: integer >= 0, picks the face.

    Returns:
        `PIL.Image.Image`, RGB, on white, each pair with its name below.
    """
    plain = frozenset({"No_Beard"})
    face = next(face for face in _stream(seed, "train") if face.on == plain)
    gap, text = 8, 16
    rows = -(-len(attributes) // columns)
    cell = 2 * size + gap, size + text + gap
    sheet = Image.new("RGB", (columns * cell[0] - gap, rows * cell[1] - gap), "white")
    pen = ImageDraw.Draw(sheet)
    for k, name in enumerate(attributes):
        parts.check_attribute(name)
        x, y = k % columns * cell[0], k // columns * cell[1]
        base = parts.with_attribute(parts.uncover(face, name), name, False)
        for side, shown in enumerate((base, parts.with_attribute(base, name, True))):
            drawn = Image.fromarray(parts.draw(parts.look(shown), size))
            sheet.paste(drawn, (x + side * size, y))
        pen.text((x + size, y + size + 2), name.replace("_", " "), fill="black", anchor="ma")
    return sheet


def _parse(rest):
    """("Eyeglasses?n=8000&test=100") -> (attribute, training faces, test faces) per domain."""
    name, _, query = rest.partition("?")
    if not name:
        raise UsageError(
            f"avatars: name an attribute, as in avatars:{ATTRIBUTES[0]}, or "
            f"{', '.join(AVATAR_PAIRS)}, {TURNING}; there are {', '.join(ATTRIBUTES)}"
        )
    if near := difflib.get_close_matches(name, (*AVATAR_PAIRS, TURNING), n=1):
        raise UsageError(f"avatars: no attribute {name!r}; nearest: {near[0]}")
    for one in name.split(","):
        parts.check_attribute(one)
    several = 2 if "," in name else 1
    return name, *counts_of(query, several * _TRAIN, several * _TEST)


def counts_of(query, train=_TRAIN, test=_TEST):
    """("n=8000&test=100") -> (training faces, test faces), those given if it does not say."""
    counts = {"n": train, "test": test}
    for key, value in urllib.parse.parse_qsl(query, keep_blank_values=True):
        if key not in counts:
            near = difflib.get_close_matches(key, counts, n=1, cutoff=0.3) or counts
            raise UsageError(f"avatars: no option {key!r}; nearest: {', '.join(near)}")
        if not (value.isascii() and value.isdigit()):
            raise UsageError(f"avatars: {key} is a whole number, not {value!r}")
        counts[key] = int(value)
    _check(counts)
    return counts["n"], counts["test"]


def _check(numbers):
    for key, number in numbers.items():
        low, high = (0, 2**31 - 1) if key == "seed" else (1, 2**20)
        if not low <= number <= high:
            raise UsageError(f"avatars: {key} is between {low} and {high}, not {number}")


def _stream(seed, split):
    return (parts.sample_face(seed, split, index) for index in itertools.count())


def _distinct(faces, name=None):
    """`faces` less those that look like an earlier one, the state of `name` aside."""
    seen = set()
    for face in faces:
        bare = parts.with_attribute(face, name, False) if name else face
        look = json.dumps(parts.look(bare))
        if look not in seen:
            seen.add(look)
            yield face


def _domains(name, n, seed, split):
    """n faces without the attribute and n others with it, as lists of `Face`."""
    faces = (parts.uncover(face, name) for face in _stream(seed, split))
    chosen = list(itertools.islice(_distinct(faces, name), 2 * n))
    return (
        [parts.with_attribute(face, name, False) for face in chosen[:n]],
        [parts.with_attribute(face, name, True) for face in chosen[n:]],
    )


def _stored(stem, shape, make):
    """The cached uint8 array of this name, memory-mapped; made and stored if it is not there."""
    path = paths.cache_dir() / f"{stem}.npy"

    def store():
        made = make()
        with paths.replacing(path) as new:
            np.save(new, made, allow_pickle=False)
        return _loaded(path, shape)

    return made_once(path, lambda: _loaded(path, shape), store)


def _loaded(path, shape):
    """The uint8 array of this shape in a file, memory-mapped; None if it does not hold one."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):  # not there, or cut short by something other than us
        return None
    return array if array.shape == shape and array.dtype == np.uint8 else None


def _longest(stem, end, n, shape):
    """(m, the first m of n drawings [m, *shape]), of the largest entry that has them.

    A larger one gives all n; (0, None) if there is none.
    """
    found = {}
    for path in paths.cache_dir().glob(f"{stem}*{end}.npy"):
        count = path.name[len(stem) : -len(f"{end}.npy")]
        if count.isdigit() and int(count) != n:
            found[int(count)] = path
    for count in sorted(found, reverse=True):
        array = _loaded(found[count], (count, *shape))
        if array is not None:
            return min(count, n), array[:n]
    return 0, None


def _draw(look, size, what):
    """One look as a face, or the map of its parts."""
    return parts.draw(look, size) if what == "faces" else maps.draw_parts(look, size)


def _draw_all(looks, size, what="faces"):
    """Draws many looks, on all cores, with a progress line: uint8 [n, size, size, channels]."""
    shape = (size, size, _CHANNELS[what])
    drawings = np.empty((len(looks), *shape), np.uint8)
    if len(looks) <= _FEW:
        for index, look in enumerate(looks):
            drawings[index] = _draw(look, size, what)
        return drawings
    count = min(cores(), 8)
    with contextlib.ExitStack() as stack:
        shares = [[looks[k::count], size, what] for k in range(count)]
        helpers = [stack.enter_context(child(_DRAW, share, stdout=subprocess.PIPE))
                   for share in shares]
        words = f"drawing {'avatars' if what == 'faces' else 'maps of avatars'} at {size} px"
        for index in progress(range(len(looks)), len(looks), words):
            data = helpers[index % count].stdout.read(drawings[index].nbytes)
            if len(data) != drawings[index].nbytes:
                raise RuntimeError("a process that draws avatars died; its message is above")
            drawings[index] = np.frombuffer(data, np.uint8).reshape(shape)
    return drawings


_DRAW = "from kgan.data.avatars import _draw_to_stdout; _draw_to_stdout(*given)"


def _draw_to_stdout(looks, size, what):
    """What a drawing process does: pictures, raw, one after the other."""
    for look in looks:
        sys.stdout.buffer.write(_draw(look, size, what).tobytes())
    sys.stdout.buffer.flush()
