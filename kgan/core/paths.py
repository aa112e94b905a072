"""Where kgan keeps what it can make again, and how it writes without leaving half a file."""

import contextlib
import ctypes
import errno
import os
import pathlib
import re
import shutil
import sys
import tempfile

from kgan.core.errors import UserError, printable
from kgan.core.lazy import filelock

PATIENCE = 3.0  # seconds of waiting for a lock before it is said


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
def locked(path):
    """One at a time makes what is at `path`; others wait, and after some seconds they say so.

    Between processes and threads, by `filelock`; a process that dies lets go. Not to be taken twice
    by the same thread.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.with_name(f".{path.name}.lock")
    lock = filelock.FileLock(file)
    try:
        lock.acquire(timeout=PATIENCE)
    except filelock.Timeout:
        print(f"waiting for another process that makes {printable(path)}", file=sys.stderr,
              flush=True)
        lock.acquire()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps what is open
            file.unlink()  # while it is held: whoever waits for it takes a new one
        lock.release()


@contextlib.contextmanager
def replacing(path):
    """Yields a temporary sibling of `path` that takes its place only if the block succeeds.

    The block may write a file or make a folder there. A reader sees the old content or the new one,
    never a part; after a failure the old content stands, after a kill or a power cut one of the
    two. (Only where two folders cannot be exchanged in one step, as on systems other than Linux, a
    reader may find neither for a moment, and after a kill there it takes `sweep` to be seen again.)
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    room = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    new = room / path.name
    with filelock.FileLock(room / _ALIVE):
        try:
            yield new
            _to_disk(new, *new.rglob("*"))
            _put(new, path)
        finally:
            _clear(room, path)


def remove(path):
    """Takes a file or folder away: a reader sees all of it or nothing."""
    path = pathlib.Path(path)
    room = pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    with contextlib.suppress(FileNotFoundError):
        os.rename(path, room / path.name)
    shutil.rmtree(room, ignore_errors=True)


def sweep(folder):
    """Removes what killed `replacing` blocks left in a folder; those at work are left alone."""
    for room in pathlib.Path(folder).glob(".*.????????"):
        match = re.fullmatch(r"\.(.+)\.\w{8}", room.name)
        if not match or not room.is_dir():
            continue
        with contextlib.suppress(OSError, filelock.Timeout):  # Timeout: its writer lives
            if {p.name for p in room.iterdir()} <= {match[1], "old", _ALIVE}:
                with filelock.FileLock(room / _ALIVE, timeout=0):
                    _clear(room, room.with_name(match[1]))


def unwritable(error):
    """The system's words if an exception says that a disk is full or takes no writes, else None.

    TensorFlow's own exceptions have these words in them, those of NumPy the two counts.
    """
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
            return os.strerror(number)
    short = isinstance(error, OSError) and re.search(r"\d+ requested and \d+ written", str(error))
    return os.strerror(errno.ENOSPC) if short else None


_ALIVE = ".alive"  # in the room of a `replacing`, locked by its writer
_OCCUPIED = (errno.ENOTEMPTY, errno.EEXIST, errno.EACCES)  # by a folder; the last on Windows


def _to_disk(*places):
    """Has files and folders written to the disk itself."""
    if os.name == "posix":
        for place in places:
            number = os.open(place, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)


def _put(new, path):
    """Renames `new` to `path`; what was there may be found beside `new` afterwards."""
    while True:
        try:
            return os.replace(new, path)
        except OSError as error:
            if not (new.is_dir() and path.is_dir()) or error.errno not in _OCCUPIED:
                raise
        if _exchange(new, path):
            return None
        os.rename(path, new.with_name("old"))


def _exchange(one, other):
    """Swaps two entries of a file system in one step; False where that cannot be done."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2  # Linux, glibc 2.28 and musl
    except (AttributeError, OSError, TypeError):
        return False
    here, swap = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return rename(here, os.fsencode(one), here, os.fsencode(other), swap) == 0


def _clear(room, path):
    """Removes the room of a `replacing`; old content whose place nothing took goes back first."""
    if (room / "old").exists() and not path.exists():
        os.rename(room / "old", path)
    shutil.rmtree(room, ignore_errors=True)
