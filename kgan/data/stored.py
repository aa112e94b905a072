"""The array of a set of pictures on disk, with an index beside it.

The index says of which positions the pictures are (those that are broken are left out), their
names, a note of each, what is broken, and their sizes.
"""

import functools
import json
import os
from typing import NamedTuple

import numpy as np

from kgan.core.errors import UserError
from kgan.core.paths import replacing
from kgan.core.progress import progress
from kgan.core.reading import LARGEST_INDEX, read_json
from kgan.data import pictures


class Item(NamedTuple):
    """One picture on its way into the cache; `pixels` None: it is broken and `note` says why."""

    name: str
    pixels: np.ndarray | None
    size: tuple | None  # full (width, height)
    note: object = None


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


def store(place, items, *, total, shape, write=True, dtype="|u1"):
    """Writes the pixels of `items` one after the other and an index beside them.

    Args:
        place: the new folder, renamed into place when whole.
        items: iterable of `Item`.
        total: how many will come.
        shape: of one row of the array: of one picture, or of a pixel where pictures differ in size.
        write: whether to keep the pixels.
        dtype: of the pixels, as NumPy writes it.

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
                write_header = functools.partial(_write_header, out, shape, dtype)
                items = progress(items, total, "reading pictures")
                row = int(np.prod(shape)) * np.dtype(dtype).itemsize
                _fill(out, index, items, write_header, write, row)
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


def _fill(out, index, items, write_header, write, row):
    """Writes all pixels; `row` is the bytes of a row of the array."""
    write_header(0)
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
    rows = (out.tell() - start) // row
    out.seek(0)
    write_header(rows)
    if out.tell() != start:  # numpy leaves room for a longer first axis
        raise RuntimeError("the header of an .npy file changed its length")


def _write_header(out, shape, dtype, count):
    header = {"descr": dtype, "fortran_order": False, "shape": (count, *shape)}
    np.lib.format.write_array_header_1_0(out, header)
