"""A list of picture files to a cached uint8 array: every file is decoded once.

The array lies in the cache directory under a name made from the files' names and contents (hashed
by `kgan.data.contents`) and from the wanted size, so that a changed folder is read again and an
unchanged one is not, wherever it lies. Broken pictures are left out and remembered beside it, and
so is which ones are nearly black, as 12-bit values in a 16-bit file are. An array too large for the
cache is not stored; its pictures are then decoded whenever they are asked for. Pictures that keep
their own sizes lie one after the other in an array of pixels.
"""

import concurrent.futures
import dataclasses
import itertools
import os
import pathlib
import shutil

import numpy as np

from kgan.core.cache import made_once
from kgan.core.devices import cores
from kgan.core.errors import UsageError
from kgan.core.hashing import sha256
from kgan.core.paths import cache_dir
from kgan.data import pictures
from kgan.data.native import Native, laid_out
from kgan.data.pictures import BrokenPicture
from kgan.data.stored import Item, judge, load, store

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

    def __init__(self, files, size, pairs=False, part=None, box=None, ids=False):
        self._files, self._size, self._pairs, self._part = tuple(files), size, pairs, part
        self._box, self._ids = box, ids
        self.shape = (len(self._files), *pictures.sides_of(size), 1 if ids else 3)

    def __len__(self):
        return len(self._files)

    def __getitem__(self, index):
        rows = np.arange(len(self))[index]
        if rows.ndim == 0:
            return self._one(rows)
        out = np.empty((len(rows), *self.shape[1:]), np.uint16 if self._ids else np.uint8)
        for place, row in enumerate(rows):
            out[place] = self._one(row)
        return out

    def _one(self, row):
        if self._ids:
            return pictures.resize_cover(pictures.read_ids(self._files[row]), self._size)
        pixels, _ = decode(self._files[row], self._size, self._pairs, self._box)
        return pixels if self._part is None else half(pixels, self._part)


@dataclasses.dataclass(frozen=True)
class Scan:
    """What a list of files turned out to hold.

    Attributes:
        files: the whole pictures, in the order given: path -> hash of the content.
        broken: (name, reason) of the others.
        dark: those of `files` that are nearly black.
        sides: (height, width) of each, where they keep their own sizes.
        largest: of maps of ids: path -> the largest id in the file.
        sizes: (width, height) of the smallest, the median and the largest picture, by area.
        folder: where the cache lies.
        stored: uint8 [n, size, size, 3], of pairs [n, size, 2 * size, 3], of maps of ids uint16
            [n, size, size, 1], of pictures of their own sizes all pixels [k, 3]; None if too large.
        size: side of the pictures, or (height, width), or of pieces of them.
        pairs: each file holds two pictures side by side.
        box: the square that is cut out of each, see `kgan.data.pictures.cut`; None: the central.
        ids: they are maps of ids.
        native: they keep their own sizes.
    """

    files: dict
    broken: tuple
    dark: tuple
    sides: tuple
    largest: dict
    sizes: tuple
    folder: pathlib.Path
    stored: np.ndarray | None
    size: object
    pairs: bool
    box: tuple | None
    ids: bool
    native: bool

    def images(self, rows=None, part=None):
        """All pictures, or those at `rows`, as Images; `part` 0 or 1 picks a half of each pair."""
        if self.native:
            return self._own_sizes() if rows is None else self._own_sizes().at(rows)
        if self.stored is None:
            files = list(self.files)
            files = files if rows is None else [files[row] for row in rows]
            return PictureFiles(files, self.size, self.pairs, part, self.box, self.ids)
        images = self.stored if part is None else half(self.stored, part)
        return images if rows is None else Rows(images, rows)

    def _own_sizes(self):
        files = list(self.files)
        read = (laid_out(self.stored, self.sides) if self.stored is not None
                else lambda row: pictures.read_picture(files[row]))
        return Native(read, self.sides, pictures.sides_of(self.size))


def half(pixels, part):
    """The left (0) or right (1) half of pictures side by side [..., height, 2 * width, 3]."""
    width = pixels.shape[-2] // 2
    return pixels[..., part * width : (part + 1) * width, :]


def decode(file, size, pairs=False, box=None):
    """One file to uint8 [size, size, 3], a pair to [size, 2 * size, 3], and its (width, height).

    A size may be (height, width), of each of a pair.
    """
    if box:
        rgb, full = pictures.read_reduced(file, -(-size * box[0] // box[-1]))
        try:
            return pictures.resize_cover(pictures.cut(rgb, box), size), full
        except ValueError as error:
            raise BrokenPicture(pictures.printable(file), str(error)) from None
    rgb, full = pictures.read_reduced(file, max(pictures.sides_of(size)))
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


def alike(size, other):
    """Whether two (width, height) are of one shape, to 1 %."""
    return abs(size[0] * other[1] - size[1] * other[0]) <= 0.01 * size[0] * other[1]


def scan_pictures(files, *, root, size, pairs=None, box=None, bad_images="skip", ids=False,
                  beside=None, native=False):
    """Decodes `files` into the cache, or finds them there.

    Args:
        files: paths below `root` with hashes of their contents, as `kgan.data.listing` gives them.
        root: the names in the cache and in messages are relative to it.
        size: side of the stored pictures in pixels, or (height, width).
        pairs: None; "halves": each file is split down its middle into two pictures; "2:1": the
            same, and a file that is not twice as wide as high is broken.
        box: the square to cut out of each, see `kgan.data.pictures.cut`; None: the central one.
        bad_images: "skip" leaves broken pictures out, "fail" raises.
        ids: the files are maps of ids.
        beside: for each file another picture of the same, as path -> hash; a file of another shape
            than that, by more than 1 %, is broken.
        native: they keep their own sizes, and pieces of `size` are cut out of them; one that is
            smaller is broken.

    Returns:
        A `Scan` with at least one picture.

    Raises:
        UserError: none of the files is a picture; or some are broken and `bad_images` is "fail".
    """
    if bad_images not in ("skip", "fail"):
        raise UsageError(f"bad_images must be skip or fail, not {bad_images}")
    root = pathlib.Path(root)
    names = [os.path.relpath(file, root) for file in files]
    contents = [" ".join(pair) for pair in zip(files.values(), beside.values(), strict=True)] if (
        beside) else files.values()
    form = f"{size} {pairs} {box}{' ids' if ids else ''}{' native' if native else ''}"
    place = cache_dir() / f"folders-v2-{_digest(contents, names, form)}"
    height, width = pictures.sides_of(size)
    shape = (3,) if native else (height, 2 * width if pairs else width, 1 if ids else 3)
    rows = sum(map(_area, files)) if native else len(files)
    room = min(CACHE_LIMIT, shutil.disk_usage(place.parent).free)
    too_large = rows * int(np.prod(shape)) * (2 if ids else 1) > room
    index = made_once(
        place,
        lambda: load(place, stored=not too_large),
        lambda: store(
            place, _decoded(files, names, _reader(size, pairs, box, ids, native), beside),
            total=len(files), shape=shape, write=not too_large, dtype="<u2" if ids else "|u1",
        ),
    )
    judge(index, root, bad_images)
    listed = list(files)
    kept = [listed[position] for position in index["kept"]]
    notes = dict(zip(kept, index["notes"], strict=True))
    return Scan(
        files={file: files[file] for file in kept},
        broken=tuple(map(tuple, index["broken"])),
        dark=() if ids or native else tuple(file for file in kept if notes[file]),
        largest=notes if ids else {},
        sides=tuple(map(tuple, notes.values())) if native else (),
        sizes=tuple(map(tuple, index["sizes"])),
        folder=place,
        stored=index["stored"],
        size=size,
        pairs=bool(pairs),
        box=box,
        ids=ids,
        native=native,
    )


def _digest(contents, names, form):
    files = (part for content, name in zip(contents, names, strict=True)
             for part in (os.fsencode(name), f"\0{content}\0"))
    return sha256(form, *files)[:20]


def _area(file):
    """Pixels of a picture, as its header has it; 0 if it is broken."""
    try:
        return int(np.prod(pictures.picture_size(file)))
    except BrokenPicture:
        return 0


def _reader(size, pairs, box, ids, native):
    """`read(file)`: its pixels, its full (width, height), a note.

    Of that: whether it is nearly black, the largest id, (height, width) of what keeps its size. It
    raises BrokenPicture.
    """
    def read(file):
        if native:
            found = pictures.read_picture(file)
            (height, width), (h, w) = found.shape[:2], pictures.sides_of(size)
            if height < h or width < w:
                raise BrokenPicture("", f"{width}x{height} is smaller than the {w}x{h} that is cut "
                                    "out of each")
            return found, (width, height), (height, width)
        if ids:
            found = pictures.read_ids(file)
            full = found.shape[1::-1]
            return pictures.resize_cover(found, size), full, int(found.max())
        pixels, full = decode(file, size, bool(pairs), box)
        if pairs == "2:1" and not is_pair(full):
            raise BrokenPicture("", f"{full[0]}x{full[1]} is not twice as wide as high")
        return pixels, full, bool(pixels.max() <= NEARLY_BLACK)

    return read


def _decoded(files, names, read, beside):
    """Yields one `Item` per file, in order, by a thread for each core."""
    def item(work):
        file, name, other = work
        try:
            pixels, full, note = read(file)
            if other and not alike(full, its := pictures.picture_size(other)):
                raise BrokenPicture("", f"{full[0]}x{full[1]} is of another shape than "
                                    f"{its[0]}x{its[1]} of {pictures.printable(other.name)}")
            return Item(name, pixels, full, note)
        except BrokenPicture as error:
            return Item(name, None, None, error.reason)

    work = zip(files, names, beside or itertools.repeat(None, len(files)), strict=True)
    with concurrent.futures.ThreadPoolExecutor(cores()) as pool:
        while chunk := list(itertools.islice(work, _CHUNK)):
            yield from pool.map(item, chunk)
