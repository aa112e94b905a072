"""What a process says to who started it: one JSON line, an exit code, one line for an error."""

import json
import os
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
