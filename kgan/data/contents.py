"""What files hold: their first bytes and a hash of all, remembered from one call to the next.

Times and sizes do not tell files apart: an archive unpacks any number of files of one size and one
time. So each file is read and hashed once, by a few threads. A file in the cache directory, one for
each folder, remembers what was found under the file's path, device, inode, size, time of change of
content and of anything (mtime, ctime: no archive sets the latter); a file of which all this is as
it was is not opened again, so that a folder of 200,000 unchanged files costs as many calls of
`stat`. A file that has changed within two seconds is not remembered: it may change again within
what the clock of its file system can tell. A damaged memory is made anew.
"""

import concurrent.futures
import itertools
import json
import os
import stat
import time
from typing import NamedTuple

from kgan.core import hashing
from kgan.core.devices import cores
from kgan.core.paths import cache_dir, replacing
from kgan.core.progress import progress
from kgan.core.reading import LARGEST_INDEX, read_json

START = 16  # bytes
REMEMBERED = 1_000_000  # files of one folder
SETTLED = 2.0  # seconds
_CHUNK = 64


class Content(NamedTuple):
    """The first 16 bytes of a file and the hash of all; "" where it was not wanted."""

    start: bytes
    digest: str


def read_contents(names, folder, wanted=lambda name, start: True):
    """Looks at files below a folder; those that have not changed since the last time from memory.

    Args:
        names: their paths relative to `folder`.
        folder: path; what is remembered is remembered for it.
        wanted: `wanted(name, first bytes)`: whether the file is to be hashed.

    Returns:
        A list with the `Content` of each. A file that cannot be read, or is none, has no first
        bytes and the reason as its digest.
    """
    folder = os.path.realpath(folder)
    place = cache_dir() / f"contents-v1-{hashing.sha256(os.fsencode(folder))[:20]}.json"
    memory, begun = _remembered(place), time.time()
    found, states, unknown = {}, {}, []
    for name in names:
        states[name] = _state(os.path.join(folder, name))
        content = _recall(memory.get(name), states[name])
        if content and (content.digest or not wanted(name, content.start)):
            found[name] = content
        else:
            unknown.append(name)

    def read(name):
        path = os.path.join(folder, name)
        return name, read_content(path, lambda start: wanted(name, start))

    work = iter(unknown)
    chunks = iter(lambda: list(itertools.islice(work, _CHUNK)), [])
    with concurrent.futures.ThreadPoolExecutor(cores()) as pool:
        parts = pool.map(lambda some: [*map(read, some)], chunks)
        read_now = itertools.chain.from_iterable(parts)
        found.update(progress(read_now, len(unknown), "reading files"))
    kept = {
        name: [*state, found[name].start.hex(), found[name].digest]
        for name, state in itertools.islice(states.items(), REMEMBERED)
        if state and begun - state[-1] / 1e9 > SETTLED and found[name].start
    }
    if kept != memory:
        _remember(place, kept)
    return [found[name] for name in names]


def read_content(path, wanted=lambda start: True):
    """The `Content` of one file, with a digest if `wanted(first bytes)`; see `read_contents`."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait forever
            return Content(b"", "not a regular file")
        with open(path, "rb", buffering=0) as file:
            start = file.read(START)
            if not wanted(start):
                return Content(start, "")
            return Content(start, hashing.content(file, start))
    except OSError as error:
        return Content(b"", f"cannot be read: {error.strerror}")


def _state(path):
    """What changes with a file: a list of int, the time of its last change in ns at the end."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return [info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns]


def _recall(entry, state):
    if not entry or entry[:-2] != state:
        return None
    return Content(bytes.fromhex(entry[-2]), entry[-1])


def _remembered(place):
    """name -> [*state, first bytes in hex, digest]; empty if there is none or it is damaged."""
    try:
        memory = read_json(place, LARGEST_INDEX)
        for *_, start, digest in memory.values():
            if not (isinstance(digest, str) and bytes.fromhex(start)):
                return {}
        return memory
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(place, memory):
    try:
        with replacing(place) as new:
            new.write_text(json.dumps(memory))
    except OSError:  # it saves time, nothing depends on it
        pass
