"""The jobs of a suite: what they are called, and processes of their own to do them in."""

import json
import pathlib
import re
import signal
import subprocess
import urllib.parse
from dataclasses import dataclass

from kgan.core import process
from kgan.core.errors import UsageError
from kgan.core.reading import json_or_empty
from kgan.data import attribute
from kgan.evaluation.suite.definitions import Row

MAINS = {  # modules whose `main` a child calls
    "time": "kgan.evaluation.suite.time",
    "train": "kgan.cli.train",
    "measure": "kgan.evaluation.suite.measure",
}
CALL = "from {} import main; sys.exit(main(given))"  # the code of a child


@dataclass(frozen=True)
class Job:
    """A piece of work.

    Attributes:
        name: of its result, below the output folder.
        kind: `"time"`, `"generator"`, `"train"` or `"measure"`.
        text: what it is.
        done: `done()` says whether there is nothing to do.
        do: does it and returns why it failed, or `""`.
        needs: the names of the jobs that must have been done.
        seconds: what it takes, if that is known beforehand.
    """

    name: str
    kind: str
    text: str
    done: object
    do: object
    needs: tuple = ()
    seconds: float | None = None


def folder_of(spec):
    """`avatars-Eyeglasses-test=1000` and the like."""
    return "-".join(re.findall(r"[\w.=,]+", spec))


@dataclass(frozen=True)
class Training:
    """A row, pictures, a seed.

    `name` is its run's below the output folder, `timing` that of its step, which rows that differ
    in shares of the steps have in common.
    """

    row: Row
    data: str
    seed: int
    minutes: float

    @property
    def name(self):
        return f"{folder_of(self.data)}/{self.row.key}-seed{self.seed}"

    @property
    def timing(self):
        named = " ".join(
            [self.row.name, *(f"{name}={value}" for name, value in self.row.changes.items())]
        )
        return f"{named} on {self.data}" if self.row.timed_on_data else named

    def timed_as(self):
        """What `kgan.evaluation.suite.time` is asked: the model and what is set in its recipe."""
        row = self.row
        data = {"data": self.data} if row.timed_on_data else {}
        return {**row.changes, **dict.fromkeys(row.shares, 0), "model": row.name, **data}

    def flags(self, steps, direction):
        """Flags of `tools/train`; a model of one direction, of which it has a choice, gets that
        unless the row says one."""
        row, given = self.row, self.row.recipe.as_dict()
        flags = {
            **row.changes,
            **{name: max(1, round(given[name] * steps / given["steps"])) for name in row.scaled},
            **{name: round(share * steps) for name, share in row.shares.items()},
            "model": row.name, "data": self.data, "seed": self.seed, "steps": steps,
            "sample_every": -(-steps // 4), "log_every": -(-steps // 40),
        }
        if "direction" in given and len(row.model.directions_of(row.recipe)) == 1:
            flags.setdefault("direction", direction)
        return flags


class Elsewhere:
    """What other suites have trained already.

    Args:
        folders: theirs, joined by commas.
        settings: of this suite; others that differ in minutes, precision or size are left alone.

    Raises:
        UsageError: a folder is none of a suite.
    """

    def __init__(self, folders, settings):
        self.folders, self.timings = [], {}
        for folder in (pathlib.Path(part.strip()) for part in folders.split(",") if part.strip()):
            content = json_or_empty(folder / "suite.json")
            if "settings" not in content:
                raise UsageError(f"--trained: {folder} is not the folder of a suite.")
            begun = {"size": "small", **content["settings"]}
            if all(begun[name] == settings[name] for name in ("minutes", "precision", "size")):
                self.folders.append(folder.resolve())
                self.timings = {**content.get("timings", {}), **self.timings}

    def lend(self, name, output, fits):
        """Makes `output / name` a link to a finished run of that name, if `fits()` says so then.

        Returns:
            whether it did.
        """
        place = output / name
        for folder in self.folders:
            if (folder / name / "weights" / "metadata.json").is_file() and not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(folder / name, target_is_directory=True)
                if fits():
                    return True
                place.unlink()
        return False


def run_child(main, arguments, log):
    """Runs a tool's main, or `measure`, in a process of its own.

    Args:
        main: one of `MAINS`.
        arguments: what it takes: flags of `tools/train`, or a job of the module's.
        log: file to which its stderr is added.

    Returns:
        (its result, why it failed or `""`).

    Raises:
        KeyboardInterrupt: after the process has saved what it does and ended.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    code = CALL.format(MAINS[main])
    with log.open("a") as errors, process.child(
        code, arguments, stdout=subprocess.PIPE, stderr=errors
    ) as child:
        out = child.stdout.read()
    if child.returncode == 0:
        return json.loads(out.splitlines()[-1]), ""
    said = log.read_text(errors="replace").split("\n")
    why = next((line for line in reversed(said) if line.strip()), "").removeprefix("error: ")
    if child.returncode < 0:
        why = f"ended by {signal.Signals(-child.returncode).name}"
    return None, f"{why.strip()[:300]} (see {log})"


def as_flags(values):
    """`{name: value}` as a command line."""
    values = {name: str(x).lower() if isinstance(x, bool) else x for name, x in values.items()}
    return [f"--{name}={x}" for name, x in values.items()]


def joint_spec(specs):
    """One set of faces with the attributes of several as its labels.

    Of `avatars:ATTRIBUTE` as many as one has in its two domains, of `celeba:PATH?attribute=NAME`
    all. "" if there are fewer than two, or others.
    """
    named = [attribute(spec) for spec in specs]
    names = list(dict.fromkeys(named))
    if len(names) < 2 or not all(names):
        return ""
    if all(spec.startswith("celeba:") for spec in specs):
        of_all = {spec.replace(f"attribute={name}", "labels=")
                  for spec, name in zip(specs, named, strict=True)}
        return of_all.pop().replace("labels=", f"labels={','.join(names)}") * (not of_all)
    if not all(spec.startswith("avatars:") for spec in specs):
        return ""
    options = {}
    for spec in specs:
        for key, value in urllib.parse.parse_qsl(spec.partition("?")[2]):
            options[key] = max(options.get(key, 0), 2 * int(value))
    query = urllib.parse.urlencode(options)
    return f"avatars:{','.join(names)}{f'?{query}' if query else ''}"
