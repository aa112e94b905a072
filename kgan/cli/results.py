"""What becomes of the pictures of a call: which are to do, which results stay, what fails."""

import contextlib
import errno
import sys

from kgan.core.errors import UsageError, UserError
from kgan.core.lazy import tf
from kgan.data.pictures import BrokenPicture, printable

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # no other file can be written either


def refuse_replacing(results, inputs):
    """Raises `UsageError` if a result would take the place of an input.

    A file is known by what it is, not by its name: through links, other spellings of a path and,
    where case does not count, other cases.

    Args:
        results: paths, there or not.
        inputs: paths of files.
    """
    known = {_identity(path): path for path in inputs}
    for path in results:
        there = _identity(path)
        if there and there in known:
            raise UsageError(f"Results would replace the pictures: {path} is the input "
                             f"{known[there]}. Choose another --output.")


def _identity(path):
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Results:
    """Counts the results of a call, of which those that exist stay unless they may be replaced.

    Args:
        jobs: [(picture or None, result)].
        overwrite: whether results that exist are made anew.
        files: `files(result)`: paths that belong to a result, itself among them.

    Attributes:
        left: the jobs that are to do.
        kept: the results that exist and stay.
        written: how many are done.
        skipped: `{picture: reason}` of those that failed.
    """

    def __init__(self, jobs, *, overwrite=False, files=lambda result: [result]):
        def stays(result):
            return not overwrite and all(path.is_file() for path in files(result))

        self.left = [job for job in jobs if not stays(job[1])]
        self.kept = [result for _, result in jobs if stays(result)]
        self.total, self.written, self.skipped = len(jobs), 0, {}
        if self.kept:
            print(f"{len(self.kept)} of {self.total} results exist already and stay, such as "
                  f"{printable(self.kept[0])}; --overwrite makes them anew", file=sys.stderr)

    @contextlib.contextmanager
    def attempt(self, picture, result):
        """The block makes a result; what fails for this picture alone is noted, and no error.

        Raises:
            UserError: nothing more can be written; what is written stays.
        """
        try:
            yield
        except BrokenPicture as error:
            self.skip(picture, error.reason)
        except OSError as error:
            reason = f"{printable(result)} cannot be written: {error.strerror}"
            if error.errno in FULL:
                raise UserError(f"{reason}. {self.written} of {self.total} are written; the same "
                                "command goes on from there.") from None
            self.skip(picture, reason)
        except Exception as error:
            if not isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError)):
                raise
            self.skip(picture, "the memory does not suffice for it")
        else:
            self.written += 1

    def skip(self, picture, reason):
        """Notes that a picture fails."""
        print(f"skipped: {printable(picture)}: {printable(reason)}", file=sys.stderr)
        self.skipped[str(picture)] = reason

    def summary(self):
        """`{"status", "written", "kept", "skipped"}`; the status is "done" or "incomplete".

        Raises:
            UserError: there is no result, of now or of before.
        """
        if self.skipped and not self.written and not self.kept:
            picture, reason = next(iter(self.skipped.items()))
            raise UserError(f"None of the {self.total} pictures could be read and written, such as "
                            f"{printable(picture)}: {reason}.")
        if self.skipped:
            print(f"written {self.written} of {self.total}, {len(self.kept)} kept, "
                  f"{len(self.skipped)} skipped", file=sys.stderr)
        return {
            "status": "incomplete" if self.skipped else "done", "written": self.written,
            "kept": len(self.kept), "skipped": self.skipped,
        }
