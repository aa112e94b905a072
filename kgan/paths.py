"""Where kgan keeps what it can make again, and how it writes without leaving half a file."""

import contextlib
import os
import pathlib
import re
import shutil
import tempfile

from kgan.errors import UserError


def cache_dir():
    """The folder for rendered data sets and measuring networks: `$KGAN_CACHE` or `~/.cache/kgan`.

    Returns:
        `pathlib.Path` of a folder that exists.

    Raises:
        UserError: it cannot be made.
    """
    path = pathlib.Path(os.environ.get("KGAN_CACHE") or pathlib.Path.home() / ".cache" / "kgan")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The cache {path} cannot be made ({error.strerror}): set KGAN_CACHE to a "
                        "folder that can.") from None
    return path


@contextlib.contextmanager
def replacing(path):
    """Yields a temporary sibling of `path` that takes its place only if the block succeeds.

    The block may write a file or make a folder there. A reader sees the old content or the new one,
    never a part; after a failure the old content stands, after a kill too (a folder killed between
    two renames needs `sweep` to be seen again).
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    room = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    new = room / path.name
    try:
        yield new
        if new.is_dir() and path.is_dir():
            os.rename(path, room / "old")
        os.replace(new, path)
    finally:
        _clear(room, path)


def sweep(folder):
    """Removes what killed `replacing` blocks left in a folder; only while nobody writes there."""
    for room in pathlib.Path(folder).glob(".*.????????"):
        match = re.fullmatch(r"\.(.+)\.\w{8}", room.name)
        if match and room.is_dir() and {p.name for p in room.iterdir()} <= {match[1], "old"}:
            _clear(room, room.with_name(match[1]))


def _clear(room, path):
    """Removes the room of a `replacing`; old content whose place nothing took goes back first."""
    if (room / "old").exists() and not path.exists():
        os.rename(room / "old", path)
    shutil.rmtree(room, ignore_errors=True)
