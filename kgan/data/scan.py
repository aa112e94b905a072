"""A list of picture files to a cached uint8 array: every file is decoded once.

The array lies in the cache directory under a name made from the files' names and contents (hashed
by `kgan.data.contents`) and from the wanted size, so that a changed folder is read again and an
unchanged one is not, wherever it lies. Broken pictures are left out and remembered beside it, and
so is which ones are nearly black, as 12-bit values in a 16-bit file are. An array too large for the
cache is not stored; its pictures are then decoded whenever they are asked for.
"""

import concurrent.futures
import dataclasses
import itertools
import json
import os
import pathlib
import shutil
from typing import NamedTuple

import numpy as np

from kgan.core.cache import made_once
from kgan.core.devices import cores
from kgan.core.errors import UsageError, UserError
from kgan.core.hashing import sha256
from kgan.core.paths import cache_dir, replacing
from kgan.core.progress import progress
from kgan.core.reading import LARGEST_INDEX, read_json
from kgan.data import pictures
from kgan.data.pictures import BrokenPicture

CACHE_LIMIT = 8 * 2**30  # bytes of one stored array
NEARLY_BLACK = 16  # of 255; 4095 of 65535 is 15.9
_CHUNK = 64


class Rows:
    """The pictures of `images` at `rows`, as Images: what a split leaves of a stored array."""

    def __init__(self, images, rows):
        self._images, self._rows = images, np.asarray(rows, np.int64)
        self.shape = (len(self._rows), *images.shape[1:])

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, index):
        return self._images[self._rows[index]]


class PictureFiles:
    """Images that are decoded from their files each time they are asked for."""

    def __init__(self, files, size, pairs=False, part=None, box=None):
        self._files, self._size, self._pairs, self._part = tuple(files), size, pairs, part
        self._box = box
        self.shape = (len(self._files), size, size, 3)

    def __len__(self):
        return len(self._files)

    def __getitem__(self, index):
        rows = np.arange(len(self))[index]
        if rows.ndim == 0:
            return self._one(rows)
        out = np.empty((len(rows), *self.shape[1:]), np.uint8)
        for place, row in enumerate(rows):
            out[place] = self._one(row)
        return out

    def _one(self, row):
        pixels, _ = decode(self._files[row], self._size, self._pairs, self._box)
        return pixels if self._part is None else half(pixels, self._part)


@dataclasses.dataclass(frozen=True)
class Scan:
    """What a list of files turned out to hold.

    Attributes:
        files: the whole pictures, in the order given: path -> hash of the content.
        broken: (name, reason) of the others.
        dark: those of `files` that are nearly black.
        sizes: (width, height) of the smallest, the median and the largest picture, by area.
        folder: where the cache lies.
        stored: uint8 [n, size, size, 3], of pairs [n, size, 2 * size, 3]; None if too large.
        size: side of the pictures.
        pairs: each file holds two pictures side by side.
        box: the square that is cut out of each, see `kgan.data.pictures.cut`; None: the central.
    """

    files: dict
    broken: tuple
    dark: tuple
    sizes: tuple
    folder: pathlib.Path
    stored: np.ndarray | None
    size: int
    pairs: bool
    box: tuple | None

    def images(self, rows=None, part=None):
        """All pictures, or those at `rows`, as Images; `part` 0 or 1 picks a half of each pair."""
        if self.stored is None:
            files = list(self.files)
            files = files if rows is None else [files[row] for row in rows]
            return PictureFiles(files, self.size, self.pairs, part, self.box)
        images = self.stored if part is None else half(self.stored, part)
        return images if rows is None else Rows(images, rows)


class Item(NamedTuple):
    """One picture on its way into the cache; `pixels` None: it is broken and `note` says why."""

    name: str
    pixels: np.ndarray | None
    size: tuple | None  # full (width, height)
    note: object = None


def half(pixels, part):
    """The left (0) or right (1) square of pictures side by side [..., size, 2 * size, 3]."""
    size = pixels.shape[-3]
    return pixels[..., part * size : (part + 1) * size, :]


def decode(file, size, pairs=False, box=None):
    """One file to uint8 [size, size, 3], a pair to [size, 2 * size, 3], and its (width, height)."""
    if box:
        rgb, full = pictures.read_reduced(file, -(-size * box[0] // box[-1]))
        try:
            return pictures.resize_cover(pictures.cut(rgb, box), size), full
        except ValueError as error:
            raise BrokenPicture(pictures.printable(file), str(error)) from None
    rgb, full = pictures.read_reduced(file, size)
    if not pairs:
        return pictures.resize_cover(rgb, size), full
    middle = rgb.shape[1] // 2
    if not middle:
        raise BrokenPicture(pictures.printable(file), "one pixel wide, not two pictures")
    sides = rgb[:, :middle], rgb[:, rgb.shape[1] - middle :]
    return np.concatenate([pictures.resize_cover(side, size) for side in sides], axis=1), full


def is_pair(size):
    """Whether a (width, height) is twice as wide as high, to 1 %."""
    width, height = size
    return abs(width - 2 * height) <= 0.01 * width


def scan_pictures(files, *, root, size, pairs=None, box=None, bad_images="skip"):
    """Decodes `files` into the cache, or finds them there.

    Args:
        files: paths below `root` with hashes of their contents, as `kgan.data.listing` gives them.
        root: the names in the cache and in messages are relative to it.
        size: side of the stored pictures in pixels.
        pairs: None; "halves": each file is split down its middle into two pictures; "2:1": the
            same, and a file that is not twice as wide as high is broken.
        box: the square to cut out of each, see `kgan.data.pictures.cut`; None: the central one.
        bad_images: "skip" leaves broken pictures out, "fail" raises.

    Returns:
        A `Scan` with at least one picture.

    Raises:
        UserError: none of the files is a picture; or some are broken and `bad_images` is "fail".
    """
    if bad_images not in ("skip", "fail"):
        raise UsageError(f"bad_images must be skip or fail, not {bad_images}")
    root = pathlib.Path(root)
    names = [os.path.relpath(file, root) for file in files]
    place = cache_dir() / f"folders-v2-{_digest(files.values(), names, size, pairs, box)}"
    shape = (size, 2 * size if pairs else size, 3)
    room = min(CACHE_LIMIT, shutil.disk_usage(place.parent).free)
    too_large = len(files) * int(np.prod(shape)) > room
    index = made_once(
        place,
        lambda: load(place, stored=not too_large),
        lambda: store(place, _decoded(files, names, size, pairs, box), total=len(files),
                      shape=shape, write=not too_large),
    )
    judge(index, root, bad_images)
    listed = list(files)
    kept = [listed[position] for position in index["kept"]]
    return Scan(
        files={file: files[file] for file in kept},
        broken=tuple(map(tuple, index["broken"])),
        dark=tuple(file for file, dark in zip(kept, index["notes"], strict=True) if dark),
        sizes=tuple(map(tuple, index["sizes"])),
        folder=place,
        stored=index["stored"],
        size=size,
        pairs=bool(pairs),
        box=box,
    )


def judge(index, root, bad_images):
    """Raises a UserError if no picture is left, or if one is broken and `bad_images` is "fail"."""
    broken = index["broken"]
    first = "; ".join(f"{pictures.printable(name)}: {reason}" for name, reason in broken[:5])
    where = pictures.printable(root)
    if not index["kept"]:
        raise UserError(f"{where}: none of the {len(broken):,} pictures can be read ({first})")
    if broken and bad_images == "fail":
        raise UserError(f"{where}: {len(broken):,} broken pictures ({first})")


def load(place, stored=True):
    """The index of a cached array with the array itself as "stored"; None if it is not there.

    A stored array is taken even where none is asked for.
    """
    try:
        index = read_json(place / "index.json", LARGEST_INDEX)
        array = place / "pictures.npy"
        if not stored and not array.exists():
            return {**index, "stored": None}
        return {**index, "stored": np.load(array, mmap_mode="r")}
    except (OSError, ValueError):  # absent or damaged
        return None


def store(place, items, *, total, shape, write=True):
    """Writes the pixels of `items` one after the other and an index beside them.

    Args:
        place: the new folder, renamed into place when whole.
        items: iterable of `Item`.
        total: how many will come.
        shape: of one picture.
        write: whether to keep the pixels.

    Returns:
        The index, as `load` gives it: kept (positions), names and notes (of the kept), broken,
        sizes, stored.

    Raises:
        UserError: the disk is full or not writable.
    """
    index = {"kept": [], "names": [], "notes": [], "broken": [], "sizes": []}
    try:
        with replacing(place) as new:
            new.mkdir()
            with open(new / "pictures.npy", "wb") as out:
                _fill(out, index, progress(items, total, "reading pictures"), shape, write)
            if not write:
                os.remove(new / "pictures.npy")
            by_area = sorted(index["sizes"], key=lambda size: size[0] * size[1])
            if by_area:
                index["sizes"] = [by_area[0], by_area[len(by_area) // 2], by_area[-1]]
            (new / "index.json").write_text(json.dumps(index))
    except OSError as error:
        raise UserError(f"{place}: pictures cannot be stored: {error.strerror}") from error
    if not index["kept"] or not write:
        return {**index, "stored": None}
    return load(place)


def _fill(out, index, items, shape, write):
    _write_header(out, 0, shape)
    start = out.tell()
    for position, item in enumerate(items):
        if item.pixels is None:
            index["broken"].append((item.name, item.note))
            continue
        index["kept"].append(position)
        index["names"].append(item.name)
        index["notes"].append(item.note)
        index["sizes"].append(item.size)
        if write:
            out.write(item.pixels.tobytes())
    out.seek(0)
    _write_header(out, len(index["kept"]), shape)
    if out.tell() != start:  # numpy leaves room for a longer first axis
        raise RuntimeError("the header of an .npy file changed its length")


def _write_header(out, count, shape):
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(out, header)


def _digest(contents, names, size, pairs, box):
    files = (part for content, name in zip(contents, names, strict=True)
             for part in (os.fsencode(name), f"\0{content}\0"))
    return sha256(f"{size} {pairs} {box}", *files)[:20]


def _decoded(files, names, size, pairs, box):
    """Yields one `Item` per file, in order, by a thread for each core; its note: nearly black."""

    def item(work):
        file, name = work
        try:
            pixels, full = decode(file, size, bool(pairs), box)
            if pairs == "2:1" and not is_pair(full):
                return Item(name, None, None, f"{full[0]}x{full[1]} is not twice as wide as high")
            return Item(name, pixels, full, bool(pixels.max() <= NEARLY_BLACK))
        except BrokenPicture as error:
            return Item(name, None, None, error.reason)

    work = zip(files, names, strict=True)
    with concurrent.futures.ThreadPoolExecutor(cores()) as pool:
        while chunk := list(itertools.islice(work, _CHUNK)):
            yield from pool.map(item, chunk)
