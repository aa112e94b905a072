"""Processes: what a tool says to who started it, and Python processes that we start ourselves.

A tool answers with one JSON line, an exit code and one line for an error.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys

from kgan.core.errors import UsageError, UserError


def tool(run):
    """Turns `run(arguments)` into a tool's main: exit codes, short errors, a JSON line.

    What `run` returns, a dict, is that line; or (the dict, a function that is called once the line
    is out, so that what it meets costs no result); None = it has said all itself.
    """

    def main(arguments=None):
        arguments = sys.argv[1:] if arguments is None else arguments
        try:
            result = run(arguments)
            result, after = result if isinstance(result, tuple) else (result, None)
            if result is None:
                return 0
            try:
                say(json.dumps(result))
            finally:
                if after:
                    after()
            return 0 if result.get("status", "done") == "done" else 1
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2 if isinstance(error, UsageError) else 1
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            return 1
        except BrokenPipeError:
            _give_up()
            return 1

    main.__doc__ = run.__doc__
    return main


# The child's first lines: it reads what it is given, and imports from where its parent does.
_BEGIN = (
    "import json, sys; job = json.load(sys.stdin); sys.path[:] = job['path']; "
    "given = job['given']; del job\n"
)


@contextlib.contextmanager
def child(code, given=None, **options):
    """A new Python process that runs some code while the block does its own work.

    (`multiprocessing` would fork a process that runs TensorFlow, or import the caller's script a
    second time.)

    Args:
        code: Python text; it finds the caller's `sys.path`, and `given` under that name.
        given: anything that JSON takes.
        **options: of `subprocess.Popen`: where its output goes, its environment, its folder.

    Yields:
        The `subprocess.Popen`, whose pipes carry bytes. It has ended when the block has: after an
        exception in the block it gets SIGTERM and the time to do what it does then, else it is
        waited for.
    """
    path = [os.path.abspath(entry) for entry in sys.path]
    job = json.dumps({"path": path, "given": given}).encode()
    call = [sys.executable, "-c", _BEGIN + code]
    with subprocess.Popen(call, stdin=subprocess.PIPE, **options) as process:
        try:
            # It may die before it has read it all.
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(job)
            yield process
        except BaseException:
            process.terminate()
            process.wait()
            raise


@contextlib.contextmanager
def sigterm_as_ctrl_c():
    """In the block, SIGTERM raises KeyboardInterrupt as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def say(text):
    """Prints to stdout.

    Raises:
        BrokenPipeError: its reader has gone.
        UserError: it takes nothing, as on a full disk.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        _give_up()
        raise UserError(f"The result cannot be written to stdout: {error.strerror}.") from None


def _give_up():
    """What stdout still holds goes nowhere, or the interpreter would complain of it as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
