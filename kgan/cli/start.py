"""What comes before a tool: the interpreter that has its packages, streams that are open, UTF-8.

Nothing here needs a package that is not Python's own. `tools/NAME` and the installed `kgan-NAME`
both begin here.
"""

import importlib
import importlib.util
import io
import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NEEDED = ("absl", "numpy", "tensorflow")


def start(tool):
    """Runs a tool and ends the process.

    Args:
        tool: its name, as "train".
    """
    try:
        _open_streams()
        _find_packages()
        _speak_utf8()
        code = importlib.import_module(f"kgan.cli.{tool}").main()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        code = 1
    sys.exit(code)


def _open_streams():
    """Gives streams that the caller has closed a place to go, or files would take their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            setattr(sys, name, open(number, "w" if number else "r"))  # noqa: SIM115 (for good)
    if sys.stderr is sys.__stderr__:  # else whoever calls has an own one
        sys.stderr = io.TextIOWrapper(io.BufferedWriter(_Lossy(2, "w", closefd=False)),
                                      encoding=sys.stderr.encoding,
                                      errors="backslashreplace", line_buffering=True)


class _Lossy(io.FileIO):
    """A stream that loses what its reader cannot take, as on a full disk or once it has gone."""

    def write(self, data):
        try:
            return super().write(data) or len(data)
        except OSError:
            return len(data)


def _find_packages():
    """Goes on in the checkout's virtual environment if this Python has not what is needed."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if not missing:
        return
    place = ROOT / ".venv"
    python = place / "bin" / "python"
    if python.exists() and pathlib.Path(sys.prefix).resolve() != place.resolve():
        _again(python)
    sys.exit(f"error: {sys.executable} has no {missing[0]}: run `make .venv/.ready` in {ROOT}, or "
             f"`pip install {ROOT}`.")


def _speak_utf8():
    """Begins again in UTF-8 where the locale is another: paths go to libraries that know no other.
    """
    if sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"
        _again(sys.executable)


def _again(python):
    sys.stdout.flush()
    os.execv(python, [str(python), *sys.argv])


def __getattr__(tool):
    """`kgan.cli.start:train` for the entry points of an installation."""
    if (pathlib.Path(__file__).parent / f"{tool}.py").exists():
        return lambda: start(tool)
    raise AttributeError(tool)
