"""`run.json`: what a run says of itself, and whether anybody is still at it."""

import fcntl
import json
import pathlib

from kgan.core.paths import replacing
from kgan.core.reading import json_or_empty


def taken(file, how=fcntl.LOCK_EX):
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def ended(folder):
    """Whether nobody trains in a folder where somebody once did."""
    try:
        with open(pathlib.Path(folder) / ".lock") as file:
            return taken(file, fcntl.LOCK_SH)
    except OSError:
        return False


def read_status(folder):
    """What `run.json` says, with the status "stopped" for a run that ended without a word.

    Returns:
        `{"status": "running", "done", "interrupted", "failed" or "stopped", "message", "plan",
        "devices", "precision", "data", ...}`; `{}` if there is no such file, or not a whole one.
    """
    return as_it_is(folder, json_or_empty(pathlib.Path(folder) / "run.json"))


def write_status(folder, content):
    """Writes `run.json`; on a full disk over the old one, whose room is there."""
    text = json.dumps(content, indent=2) + "\n"
    path = folder / "run.json"
    try:
        with replacing(path) as new:
            new.write_text(text, encoding="utf-8")
    except OSError:
        with open(path, "r+b") as file:
            file.write(text.encode())
            file.truncate()


def as_it_is(folder, content):
    """What a `run.json` says, corrected where it says "running" and nobody trains."""
    if content.get("status") != "running" or not ended(folder):
        return content
    message = ("It stopped without saying so, as after a kill or a crash of the machine; the same "
               "command goes on from the last checkpoint.")
    return {**content, "status": "stopped", "message": message}
