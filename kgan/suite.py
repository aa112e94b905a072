"""Suites: models trained and measured alike, for one table.

`zoo/suites.py` says which. Every training gets the same wall-clock time: the step is timed first
(`tools/benchmark`), and the time through that is the number of steps, which the fall of the
learning rate follows. Tracing, samples and checkpoints come on top; the table says the seconds that
were used. A model of one direction learns the one in which the true edit is unique.

Each job (timing, training, measuring) is a process of its own, so that its memory and its failure
are its own, too; this one never imports TensorFlow. What is on disk says what is done:

    <output>/suite.json, table.md, index.html          all figures, the table, the page
    <output>/<data>/<row>-seed<k>/                     a run
    <output>/<data>/measured/<row>-seed<k>.{json,png}  its figures, and what it makes of ten faces
    <output>/logs/                                     what the jobs said
"""

import dataclasses
import functools
import json
import pathlib
import re
import sys
import time
import urllib.parse
from dataclasses import dataclass

from kgan.data import open_data
from kgan.errors import UsageError, UserError
from kgan.paths import replacing
from kgan.recipe import Knobs, knob, nearest
from kgan.suite_job import Job, Training, folder_of, run_child, sigterm_as_ctrl_c
from kgan.suite_page import write_page
from kgan.suite_table import summary, write_table
from kgan.zoo.suites import SUITES

DATA = "avatars:Eyeglasses?test=1000 avatars:Smiling?test=1000"
LEAST = 50  # steps of a training, however slow they are
TIMED = 7  # steps whose median is taken


@dataclass(frozen=True)
class SuiteOptions(Knobs):
    """How a suite is done."""

    suite: str = knob("", f"train and measure all models of a comparison: {', '.join(SUITES)}; "
                      f"--data may then name several sets [{DATA}], --output is "
                      "[runs/NAME]", group="run")
    minutes: float = knob(3.0, "suite: training time of each model on each data set", low=0,
                          group="run")
    training_seeds: int = knob(2, "suite: trainings of the models that matter most; others have 1",
                               low=1, group="run")
    n_dfi: int = knob(100, "suite: pictures for models that are not trained, which are slow",
                      low=1, group="run")
    only: str = knob("", "suite: names of the models to do now, joined by commas", group="run")
    precision: str = knob("float32", "suite: arithmetic of the trainings", group="run",
                          choices=("float32", "mixed_bfloat16", "mixed_float16"))


def compare(data, output, options, *, n=0, seeds=3, bad_images="skip", command=""):
    """Does what is left of a suite and writes its table and page.

    Args:
        data: specifications of data sets of two domains, with spaces or semicolons between them.
        output: the folder.
        options: a `SuiteOptions`.
        n: held-out pictures of each domain that are measured; 0 = all.
        seeds: classifiers of each two-sample test; 0 leaves it out.
        bad_images: see `kgan.data.open_data`.
        command: the call, for the page.

    Returns:
        What the tool prints: `{"status": "done" or "interrupted", ..., "failed": {job: reason}}`.

    Raises:
        UsageError: an unknown suite, row or data set, or a folder begun with other settings.
        UserError: data that cannot be read or have one domain.
    """
    if options.suite not in SUITES:
        raise UsageError(f"There is no suite {options.suite}. {nearest(options.suite, SUITES)}")
    rows = SUITES[options.suite]
    wanted, known = set(re.findall(r"[^,\s]+", options.only)), {row.key for row in rows}
    for name in sorted(wanted - known):
        raise UsageError(f"{options.suite} has no model {name}. {nearest(name, known)}")
    specs = [spec.strip() for spec in data.split(";" if ";" in data else None)]
    specs = list(dict.fromkeys(filter(None, specs)))
    if not specs:
        raise UsageError("--data names no data set.")
    output = pathlib.Path(output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The suite cannot be written to {output}: {error.strerror}.") from None
    asked = {"n": n, "seeds": seeds, "bad_images": bad_images}
    suite = _Suite(rows, specs, output, options, asked, command)
    return suite.run([row for row in rows if not wanted or row.key in wanted])


class _Suite:
    def __init__(self, rows, specs, output, options, asked, command):
        self.rows, self.specs, self.output = rows, specs, output
        self.options, self.asked = options, asked
        self.joint, self.seen = "", {}
        self.spent = {"time": 40.0, "measure": 90.0}  # seconds of the last of each kind
        known = _read(output / "suite.json")
        self.settings = {name: getattr(options, name) for name in ("suite", "minutes", "precision")}
        for name, value in known.get("settings", {}).items():
            if self.settings.get(name) != value:
                raise UsageError(f"{output} was begun with --{name} {value}: go on with that or "
                                 "choose another --output.")
        self.timings, self.failures = known.get("timings", {}), known.get("failures", {})
        self.commands = list(dict.fromkeys([*known.get("commands", []), command]))

    def run(self, chosen):
        """Does the jobs of the chosen rows that are left."""
        jobs = []
        result = {"page": str(self.output / "index.html"), "table": str(self.output / "table.md")}
        try:
            with sigterm_as_ctrl_c():
                self._open()
                jobs = self.jobs(chosen)
                for number, job in enumerate(jobs, 1):
                    self._do(job, f"[{number}/{len(jobs)}]", jobs[number - 1 :])
        except KeyboardInterrupt:
            self.write()
            done = sum(job.done() for job in jobs)
            print(f"stopped with {done} of {len(jobs) or 'all'} jobs done; the same command goes "
                  "on from there", file=sys.stderr)
            return {"status": "interrupted", **result}
        self.write()
        failed = {j.name: self.failures[j.name] for j in jobs
                  if j.name in self.failures and j.needs not in self.failures}
        return {"status": "done", **result, "failed": failed}

    def _open(self):
        """Draws or decodes all data before any clock runs, and notes what they are."""
        self.size, seen = self.rows[0].recipe.size, {}
        for spec in self.specs:
            data = open_data(spec, size=self.size, bad_images=self.asked["bad_images"])
            if "b" not in data.test:
                raise UserError(f"{spec} has one domain; a suite needs two.")
            direction = data.deterministic or "a2b"
            seen[spec] = {"spec": spec, "direction": direction, "summary": data.summary}
        self.joint, self.seen = joint_spec(self.specs), seen

    def _do(self, job, number, left):
        self.failures.pop(job.name, None)
        if job.done():
            return
        if job.needs in self.failures:
            self.failures[job.name] = self.failures[job.needs]
            return
        minutes = sum(self._seconds(j) for j in left if not j.done()) / 60
        print(f"{number} {job.text}; about {minutes:.0f} min left", file=sys.stderr, flush=True)
        begun = time.monotonic()
        why = job.do()
        self.spent[job.kind] = time.monotonic() - begun
        if why:
            self.failures[job.name] = why
            print(f"{number} failed: {why}", file=sys.stderr, flush=True)
        self.write()

    def _seconds(self, job):
        return 60 * self.options.minutes + 40 if job.kind == "train" else self.spent[job.kind]

    # What there is to do

    def jobs(self, chosen):
        """All jobs, each once: every row with the first seed before any with the second.

        Steps are timed in one go: a machine that has other work too is then as slow for all.
        """
        found = [self._measuring(spec) for spec in self.specs]
        for seed in range(self.options.training_seeds):
            for spec in self.specs:
                for row in chosen:
                    if seed in self._seeds(row):
                        found += self._training(row, spec, seed)
                        found.append(self._measuring(spec, row, seed))
        return sorted({job.name: job for job in found}.values(), key=lambda job: job.kind != "time")

    def _seeds(self, row):
        return range(self.options.training_seeds if row.repeated and row.model.trains else 1)

    def training(self, row, spec, seed):
        """The `Training` that a row has for a data set; None if it needs none."""
        if not row.model.trains:
            return None
        if row.joint:
            return Training(row, self.joint, seed, self.options.minutes * len(self.specs))
        return Training(row, spec, seed, self.options.minutes)

    def _training(self, row, spec, seed):
        t = self.training(row, spec, seed)
        if t is None:
            return []
        time_it = Job(t.timing, "time", f"time the step of {row.key}",
                      lambda: t.timing in self.timings, functools.partial(self._time, t))
        train = Job(t.name, "train", f"train {row.key} on {t.data}, seed {seed}",
                    lambda: self._trained(t), functools.partial(self._train, t), t.timing)
        return [time_it, train]

    def _trained(self, t):
        steps = self.timings.get(t.timing, {}).get("steps")
        recipe = _read(self.output / t.name / "recipe.json").get("recipe", {})
        same = all(recipe.get(name) == value for name, value in t.row.changes.items())
        return same and steps is not None and self._metadata(t).get("step") == steps

    def _metadata(self, t):
        """What a finished run says of itself; {} if it is not finished."""
        return _read(self.output / t.name / "weights" / "metadata.json")

    def _measuring(self, spec, row=None, seed=0):
        """The job that measures a row on a data set; without a row, that of doing nothing."""
        t = row and self.training(row, spec, seed)
        name = f"{folder_of(spec)}/measured/{f'{row.key}-seed{seed}' if row else 'input'}"

        def asked():
            """All that the figures follow from."""
            job = {**self.asked, "spec": spec, "direction": self.seen[spec]["direction"]}
            if row is None:
                return {**job, "size": self.size}
            job |= {"name": row.name, "changes": row.changes}
            if t is None:
                return {**job, "n": min(job["n"] or self.options.n_dfi, self.options.n_dfi)}
            label = attribute(spec) if row.joint else ""
            return {**job, "label": label, "weights": self._metadata(t).get("sha256")}

        def do():
            run = str(self.output / t.name) if t else ""
            job = {"asked": asked(), "out": str(self.output / name), "run": run}
            return run_child("measure", job, self._log(name))[1]

        text = f"measure {f'{row.key} on {spec}, seed {seed}' if row else f'the data {spec}'}"
        return Job(name, "measure", text, lambda: self._figures(name).get("asked") == asked(), do,
                   t.name if t else "")

    # Doing it

    def _time(self, t):
        if not t.data:
            return "it needs two data sets or more of the kind avatars:ATTRIBUTE"
        flags = {
            **t.row.changes, **dict.fromkeys(t.row.shares, 0),
            "model": t.row.name, "repeat": TIMED, "precision": self.options.precision,
        }
        if t.row.joint:
            flags["data"] = t.data  # which says how many labels there are
        found, why = run_child("benchmark", _flags(flags), self._log(f"time-{t.row.key}"))
        if not why:
            steps = max(LEAST, round(60 * t.minutes / max(found["seconds_per_step"], 1e-4)))
            self.timings[t.timing] = {
                "seconds_per_step": found["seconds_per_step"], "devices": found["devices"],
                "minutes": t.minutes, "steps": steps,
            }
        return why

    def _train(self, t):
        row, steps = t.row, self.timings[t.timing]["steps"]
        flags = {
            **row.changes, **{name: round(share * steps) for name, share in row.shares.items()},
            "model": row.name, "out": self.output / t.name, "data": t.data, "seed": t.seed,
            "steps": steps, "precision": self.options.precision, "export": False,
            "bad_images": self.asked["bad_images"], "save_minutes": 2,
            "sample_every": -(-steps // 4), "log_every": -(-steps // 40),
        }
        if "direction" in row.recipe.as_dict() and len(row.model.directions_of(row.recipe)) == 1:
            flags["direction"] = self.seen[t.data]["direction"]
        return run_child("train", _flags(flags), self._log(t.name))[1]

    def _log(self, name):
        return self.output / "logs" / f"{name.replace('/measured/', '/').replace('/', '-')}.log"

    # What came of it

    def _figures(self, name):
        return _read(self.output / f"{name}.json")

    def write(self):
        """Writes `suite.json`, `table.md` and `index.html` from what there is."""
        if not self.seen:
            return  # stopped before that
        content = {
            "settings": self.settings, "asked": {**self.asked, "n_dfi": self.options.n_dfi},
            "commands": self.commands, "timings": self.timings, "failures": self.failures,
            "data": [
                {
                    **seen, "folder": folder_of(spec),
                    "sanity": self._figures(self._measuring(spec).name),
                    "rows": [self._result(spec, row) for row in self.rows],
                }
                for spec, seen in self.seen.items()
            ],
        }
        with replacing(self.output / "suite.json") as new:
            new.write_text(json.dumps(content, indent=2) + "\n")
        write_table(self.output, content)
        write_page(self.output, content)

    def _result(self, spec, row):
        """A row with all its trainings and figures, and why there are no more."""
        trainings, failed = [], []
        for seed in self._seeds(row):
            job, t = self._measuring(spec, row, seed), self.training(row, spec, seed)
            if job.done():
                found, run = self._figures(job.name), self._metadata(t) if t else {}
                trainings.append({
                    "seed": seed, "run": t.name if t else None, "pictures": f"{job.name}.png",
                    **{name: run.get(name) for name in ("step", "seconds", "trained_on")},
                    **{name: found[name] for name in ("n", "machine", "figures")},
                })
            elif job.name in self.failures:
                failed.append(self.failures[job.name])
        return {**dataclasses.asdict(row), "key": row.key, "trainings": trainings, "failed": failed,
                **summary([training["figures"] for training in trainings])}


def _flags(values):
    values = {name: str(x).lower() if isinstance(x, bool) else x for name, x in values.items()}
    return [f"--{name}={x}" for name, x in values.items()]


def _read(path):
    """The JSON object in a file; {} if there is no file or it was written by something else."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def attribute(spec):
    """What the faces of domain b have, in a specification like `avatars:Smiling?test=100`."""
    return spec.partition(":")[2].partition("?")[0]


def joint_spec(specs):
    """Faces with the labels of several `avatars:ATTRIBUTE`, as many as one has in its two domains.

    "" if there are fewer than two, or others.
    """
    names = list(dict.fromkeys(attribute(spec) for spec in specs))
    if len(names) < 2 or not all(spec.startswith("avatars:") for spec in specs):
        return ""
    options = {}
    for spec in specs:
        for key, value in urllib.parse.parse_qsl(spec.partition("?")[2]):
            options[key] = max(options.get(key, 0), 2 * int(value))
    query = urllib.parse.urlencode(options)
    return f"avatars:{','.join(names)}{f'?{query}' if query else ''}"
