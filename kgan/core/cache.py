"""What is made once and kept below `paths.cache_dir()`: drawn faces, decoded pictures, judges.

One process makes an entry and the others wait for it. When all together are larger than
`KGAN_CACHE_LIMIT` gigabytes (50 if it is not set), those that nobody has opened for longest are
removed. A process that has one open at that time keeps it: only its name goes.
"""

import contextlib
import math
import os
import pathlib
import re
import time
from typing import NamedTuple

from kgan.core import paths
from kgan.core.errors import UserError

LIMIT = 50.0  # gigabytes
# Files of other names, which are others', are left alone.
_ENTRY = re.compile(r"(avatars|contents|folders|tfds|video|classifier|judge|segmenter)-v\d+-.+")


class Entry(NamedTuple):
    """Something in the cache: its path, its size in bytes, when it was last opened (seconds)."""

    path: pathlib.Path
    size: int
    used: float


def made_once(path, load, make):
    """What `load()` finds in the cache; if that is nothing, what `make()` makes there.

    Args:
        path: the entry, below `paths.cache_dir()`; its name is one that `_ENTRY` knows.
        load: reads it; None if it is not there or damaged.
        make: writes it, by `paths.replacing`, and returns what `load` would. Called by one process
            at a time.

    Raises:
        UserError: the cache cannot be written.
    """
    found = load()
    if found is None:
        try:
            with paths.locked(path):
                found = load()  # another may have made it meanwhile
                if found is None:
                    paths.sweep(path.parent)
                    found = make()
        except OSError as error:
            words = paths.unwritable(error)
            if words is None:
                raise
            raise UserError(f"The cache cannot be written, {path}: {words}. Make room (tools/zoo "
                            "cache shows what is there) or set KGAN_CACHE to another folder."
                            ) from error
        evict(keep=path)
    with contextlib.suppress(OSError):  # a cache that is only to be read
        os.utime(path)
    return found


def entries():
    """All entries of the cache, the one that was opened last at the end."""
    found = []
    for path in paths.cache_dir().iterdir():
        if _ENTRY.fullmatch(path.name):
            with contextlib.suppress(FileNotFoundError):  # evicted by another just now
                files = [path, *path.rglob("*")]
                size = sum(f.stat().st_size for f in files if f.is_file())
                found.append(Entry(path, size, path.stat().st_mtime))
    return sorted(found, key=lambda entry: entry.used)


def evict(keep):
    """Removes the entries that were not opened for longest, but for `keep`, until all fit."""
    left = entries()
    total, most = sum(entry.size for entry in left), limit() * 1e9
    for entry in left:
        if total > most and entry.path != keep:
            paths.remove(entry.path)
            total -= entry.size


def limit():
    """The largest size of the cache in gigabytes, from `KGAN_CACHE_LIMIT`.

    Raises:
        UserError: that is not a number of gigabytes.
    """
    text = os.environ.get("KGAN_CACHE_LIMIT") or str(LIMIT)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number >= 0:
        raise UserError(f"KGAN_CACHE_LIMIT is a number of gigabytes, not {text!r}.")
    return number


def clear():
    """Removes all entries, and what killed processes left."""
    for entry in entries():
        paths.remove(entry.path)
    paths.sweep(paths.cache_dir())


def listing(remove=False):
    """What `tools/zoo cache` says: (lines for people, the result as a dict); `remove` clears it."""
    found, now = entries(), time.time()
    if remove:
        clear()
    rows = [
        {"name": e.path.name, "megabytes": round(e.size / 1e6, 3),
         "days": round(max(now - e.used, 0) / 86400, 2)} for e in found
    ]
    lines = [f"{r['megabytes']:>12,.1f} MB  used {r['days']:>7,.1f} days ago  {r['name']}"
             for r in rows]
    total = round(sum(entry.size for entry in found) / 1e9, 3)
    verb = "removed" if remove else "in all"
    lines.append(f"{1000 * total:>12,.1f} MB  {verb}, in {paths.cache_dir()}; "
                 f"KGAN_CACHE_LIMIT is {limit():g} GB")
    return lines, {"cache": str(paths.cache_dir()), "entries": rows, "gigabytes": total,
                   "limit_gigabytes": limit(), "cleared": remove}
