"""Reading files that others may have made: ordinary files of a bounded size, JSON of bounded depth.

Everything that is wrong with one is an `OSError` or a `ValueError` with a short reason.
"""

import json
import os
import pathlib
import stat

LARGEST_JSON = 4_000_000  # bytes; what runs and weights write takes some thousands
LARGEST_INDEX = 1_000_000_000  # of the cache, with the names of all pictures of a data set
LARGEST_LINE = 1_000_000


def size_of(path, most):
    """The bytes of an ordinary file, or of what a link to one means.

    Raises:
        OSError: there is no such file.
        ValueError: it is a folder, a device or a pipe, which may never end, or larger than `most`.
    """
    found, name = os.stat(path), pathlib.Path(path).name
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{name} is not an ordinary file")
    if found.st_size > most:
        raise ValueError(f"{name} has {found.st_size:,} bytes, more than {most:,}")
    return found.st_size


def read_json(path, most=LARGEST_JSON):
    """The object in a JSON file, a dict.

    Args:
        path: of the file.
        most: bytes that it may have.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is no ordinary file, too large, nested too deeply, or no JSON object.
    """
    size_of(path, most)
    try:
        found = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError("its JSON is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it holds no JSON object")
    return found


def json_or_empty(path):
    """The object in a JSON file of our own; {} if there is none or something else is in it."""
    try:
        return read_json(path)
    except (OSError, ValueError):
        return {}


def json_lines(path, most=LARGEST_LINE):
    """The objects in a file of one JSON object a line; broken and longer lines are passed over.

    Args:
        path: of the file. If there is none, or no ordinary one, it has no lines.
        most: bytes that a line may have.

    Yields:
        (the line as bytes, without its end; the dict in it).
    """
    if not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        while line := file.readline(most + 1):
            if len(line) > most and not line.endswith(b"\n"):
                while line and not line.endswith(b"\n"):  # the rest of it
                    line = file.readline(most)
                continue
            line = line.rstrip(b"\r\n")
            try:
                found = json.loads(line.decode("utf-8", "replace"))
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict):
                yield line, found
