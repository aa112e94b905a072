"""Where kgan keeps what it can make again, and how it writes without leaving half a file."""

import contextlib
import os
import pathlib
import shutil
import tempfile


def cache_dir():
    """The folder for rendered data sets and measuring networks: `$KGAN_CACHE` or `~/.cache/kgan`.

    Returns:
        `pathlib.Path` of a folder that exists.
    """
    path = pathlib.Path(os.environ.get("KGAN_CACHE") or pathlib.Path.home() / ".cache" / "kgan")
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def replacing(path):
    """Yields a temporary sibling of `path` that takes its place only if the block succeeds.

    The block may write a file or make a folder there. A reader sees the old content or the new one,
    never a part; after a failure or a kill the old content stands.
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
        shutil.rmtree(room, ignore_errors=True)
