"""Suites: models trained and measured alike, for one table.

`definitions` says which, and of which kind they are (`kinds`). Every training gets the same time:
the step is timed first, and the time through that is the number of steps, which the fall of the
learning rate follows. On a CPU it is computing time, as much on each core: the clock would count
what else the machine does. That slows computing, too: all models are timed in turns (`time`).
Tracing, samples, validation and checkpoints come on top; the table says the seconds that were used.
A model of one direction learns the one in which the true edit is unique. A generator that encoders
stand on and that is nowhere yet is trained once for each data set, as long as its own recipe says.

Each job (timing, training, measuring) is a process of its own, so that its memory and its failure
are its own, too; this one never imports TensorFlow. What is on disk says what is done:

    <output>/suite.json, table.md, index.html          all figures, the table, the page
    <output>/<data>/<row>-seed<k>/                     a run; <output>/<data>/<name>/ a generator's
    <output>/<data>/measured/<row>-seed<k>.{json,png}  its figures, and what it makes of ten faces
    <output>/logs/                                     what the jobs said
"""

import dataclasses
import functools
import json
import shlex
import sys
import time

from kgan.core import registry
from kgan.core.errors import UsageError, UserError, printable
from kgan.core.paths import replacing
from kgan.core.process import sigterm_as_ctrl_c
from kgan.core.reading import json_or_empty
from kgan.core.recipe import differences
from kgan.data import attribute, open_data
from kgan.data.signals import answered
from kgan.evaluation.suite.jobs import (
    Elsewhere,
    Job,
    Training,
    as_flags,
    folder_of,
    joint_spec,
    run_child,
)
from kgan.evaluation.suite.page import write_page
from kgan.evaluation.suite.table import summary, write_table

LEAST = 50  # steps of a training, however slow they are
ROUNDS = 25  # of timing, in each a step of every model


class Suite:
    """The jobs of a suite and what came of them, in one folder.

    Args:
        kind: a `kgan.evaluation.suite.kinds.Kind`.
        rows: all rows of the suite.
        specs: of the data sets.
        output: the folder, a `pathlib.Path` that exists.
        options: a `kgan.evaluation.suite.options.SuiteOptions`.
        asked: what the figures follow from, by name.
        command: the call, for the page.

    Raises:
        UsageError: the folder was begun with other settings.
    """

    def __init__(self, kind, rows, specs, output, options, asked, command):
        self.kind, self.rows, self.specs, self.output = kind, rows, specs, output
        self.options, self.asked = options, asked
        first = rows[0]  # of a size and signals that all have
        self.size, self.signals = first.recipe.size, answered(first.model.signals_of(first.recipe))
        self.like = {"like": [first.name, first.changes]} if self.signals else {}
        self.joint, self.seen = "", {}
        self.timed = {}  # what the last timing said of each step
        # seconds of the last of each kind
        self.spent = {"time": 40.0, "measure": 90.0, "generator": 900.0}
        known = json_or_empty(output / "suite.json")
        names = ("suite", "size", "minutes", "precision", *["generator"] * kind.generator,
                 *["direction"] * kind.paired)
        self.settings = {name: getattr(options, name) for name in names}
        begun = {"size": "small", **known["settings"]} if "settings" in known else {}
        for name, value in begun.items():
            if self.settings.get(name) != value:
                raise UsageError(f"{output} was begun with --{name} {shlex.quote(str(value))}: go "
                                 "on with that or choose another --output.")
        self.known = known.get("data", [])
        self.elsewhere = Elsewhere(options.trained, self.settings)
        self.timings, self.commands = {}, [command]
        self._learn(known)
        self.timings = {**self.elsewhere.timings, **self.timings}
        self.failures = known.get("failures", {})

    def _learn(self, known):
        """Takes what steps cost and which commands were given from a `suite.json`."""
        self.timings = {**known.get("timings", {}), **self.timings}
        self.commands = list(dict.fromkeys([*known.get("commands", []), *self.commands]))

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
                  if j.name in self.failures and not self._broken(j)}
        return {"status": "done", **result, "failed": failed}

    def plan(self, chosen):
        """What is left to do for the chosen rows and about what it takes; opens no data.

        Returns:
            `{"status": "done", "dry_run": True, "jobs": {what: minutes}, "minutes": of all}`.
        """
        self.joint = joint_spec(self.specs)
        self.seen = {spec: {"direction": self.options.direction} for spec in self.specs} | {
            data["spec"]: data for data in self.known}
        left = {}
        for job in self.jobs(chosen):
            if not job.done() and (job.kind != "time" or not left):  # the first times all
                left[job.text] = self._seconds(job) / 60
        for text, minutes in left.items():
            print(f"{minutes:6.0f} min  {printable(text)}", file=sys.stderr)
        print(f"{sum(left.values()):6.0f} min  in all, on one machine", file=sys.stderr)
        return {"status": "done", "dry_run": True, "minutes": round(sum(left.values()), 1),
                "jobs": {text: round(minutes, 1) for text, minutes in left.items()}}

    def _open(self):
        """Draws or decodes all data before any clock runs, and notes what they are."""
        seen, known = {}, {data["spec"]: data.get("digest") for data in self.known}
        for spec in self.specs:
            data = open_data(spec, size=self.size, bad_images=self.asked["bad_images"],
                             signals=self.signals)
            if lack := self.kind.lacks(data):
                raise UserError(f"{spec} {lack}")
            if known.get(spec) not in (None, data.digest):
                raise UserError(f"{spec} does not hold the pictures that {self.output} was begun "
                                "with: put them back, or choose another --output.")
            direction = data.deterministic or self.options.direction
            seen[spec] = {"spec": spec, "direction": direction, "summary": data.summary,
                          "digest": data.digest}
        self.joint, self.seen = joint_spec(self.specs), seen

    def _do(self, job, number, left):
        self.failures.pop(job.name, None)
        if job.done():
            return
        if broken := self._broken(job):
            self.failures[job.name] = self.failures[broken[0]]
            return
        minutes = sum(self._seconds(j) for j in left if not j.done()) / 60
        print(f"{number} {printable(job.text)}; about {minutes:.0f} min left", file=sys.stderr,
              flush=True)
        begun = time.monotonic()
        why = job.do()
        self.spent[job.kind] = time.monotonic() - begun
        if why:
            self.failures[job.name] = why
            print(f"{number} failed: {printable(why)}", file=sys.stderr, flush=True)
        self.write()

    def _broken(self, job):
        return [name for name in job.needs if name in self.failures]

    def _seconds(self, job):
        return self.spent[job.kind] if job.seconds is None else job.seconds

    # What there is to do

    def jobs(self, chosen):
        """All jobs, each once: every row with the first seed before any with the second."""
        wanted = [
            (row, spec, seed) for seed in range(self.options.training_seeds)
            for spec in self.specs for row in chosen if seed in self._seeds(row)
        ]
        trainings = [t for t in (self.training(*each) for each in wanted) if t]
        found = [self._timing(t, trainings) for t in trainings]
        found += [self._measuring(spec) for spec in self.specs]
        for each in wanted:
            found += self._training(self.training(*each))
            found.append(self._measuring(each[1], each[0], each[2]))
        return list({job.name: job for job in found}.values())

    def _seeds(self, row):
        return range(self.options.training_seeds if row.repeated and row.trains else 1)

    def training(self, row, spec, seed):
        """The `Training` that a row has for a data set; None if it needs none."""
        if not row.trains:
            return None
        if row.joint:
            return Training(row, self.joint, seed, self.options.minutes * len(self.specs))
        return Training(row, spec, seed, self.options.minutes)

    def _timing(self, t, trainings):
        """The job that times the step of a training, with all others that are not timed yet."""
        return Job(t.timing, "time", f"time the step of {t.row.key} and all others",
                   lambda: "cost" in self.timings.get(t.timing, {}),
                   functools.partial(self._time, t, trainings))

    def _training(self, t):
        """The jobs that train a model, what it stands on first; none if it needs none."""
        if t is None:
            return []
        below = [job for job in [self._below(t)] if job]
        train = Job(t.name, "train", f"train {t.row.key} on {t.data}, seed {t.seed}",
                    lambda: self._trained(t), functools.partial(self._train, t),
                    (t.timing, *(job.name for job in below)), 60 * t.minutes + 40)
        return [*below, train]

    def _below(self, t):
        """The job that trains what a model stands on; None if there is no need."""
        if not t.data:
            return None
        needed = t.row.model.needs(t.row.recipe.replace(data=t.data))  # seed 0 for all seeds
        if needed is None or needed.folder is not None:
            return None
        model, recipe = needed.name, needed.recipe
        name = f"{folder_of(t.data)}/{model}"

        def do():
            flags = {field: new for field, (_, new)
                     in differences(registry.recipe(model), recipe).items()}
            return self._run_training(name, {**flags, "model": model})

        return Job(name, "generator", f"train {model} on {t.data} for all that stand on it",
                   lambda: self._metadata(name).get("step") == recipe.steps, do)

    def _changes(self, t):
        """What is set in the recipe of a row but follows from no steps; a generator of this suite
        too."""
        below, row = self._below(t), t.row
        changes = {name: x for name, x in row.changes.items() if name not in row.scaled}
        if below:
            changes["generator"] = str((self.output / below.name).resolve())
        return changes

    def _trained(self, t):
        steps = self.timings.get(t.timing, {}).get("steps")
        recipe = self._recipe(t.name)
        same = all(recipe.get(name) == value for name, value in self._changes(t).items())
        return same and steps is not None and self._metadata(t.name).get("step") == steps

    def _recipe(self, name):
        return json_or_empty(self.output / name / "recipe.json").get("recipe", {})

    def _metadata(self, name):
        """What a finished run says of itself; {} if it is not finished."""
        return json_or_empty(self.output / name / "weights" / "metadata.json")

    def _measuring(self, spec, row=None, seed=0):
        """The job that measures a row on a data set; without a row, that of doing nothing."""
        t = row and self.training(row, spec, seed)
        name = f"{folder_of(spec)}/measured/{f'{row.key}-seed{seed}' if row else 'input'}"

        def asked():
            """All that the figures follow from."""
            job = {**self.asked, "spec": spec, "direction": self.seen[spec]["direction"]}
            if row is None:
                return {**job, "size": self.size, **self.like}
            job |= {"name": row.name, "changes": row.changes}
            if not row.model.trains:
                return {**job, "n": min(job["n"] or self.options.n_dfi, self.options.n_dfi)}
            if t is None:
                return job
            label = attribute(spec) if row.joint else ""
            return {**job, "label": label, "weights": self._metadata(t.name).get("sha256")}

        def do():
            run = str(self.output / t.name) if t else ""
            job = {"kind": self.kind.name, "asked": asked(), "out": str(self.output / name),
                   "run": run}
            return run_child("measure", job, self._log(name))[1]

        text = f"measure {f'{row.key} on {spec}, seed {seed}' if row else f'the data {spec}'}"
        return Job(name, "measure", text, lambda: self._figures(name).get("asked") == asked(), do,
                   (t.name,) if t else ())

    # Doing it

    def _time(self, t, trainings):
        if t.timing not in self.timed:
            left = {x.timing: x for x in trainings if "cost" not in self.timings.get(x.timing, {})}
            machine = {"precision": self.options.precision}
            job = {"rounds": ROUNDS, "calls": [
                {**x.timed_as(), **machine} for x in left.values() if x.data
            ]}
            found, why = run_child("time", job, self._log("time")) if job["calls"] else ({}, "")
            steps = iter(found["steps"] if found else [])
            self.timed = {
                name: next(steps, {"error": why}) if x.data else {
                    "error": "it needs two data sets or more of the kind avatars:ATTRIBUTE, or "
                             "celeba:PATH?attribute=NAME of the same pictures"
                } for name, x in left.items()
            }
        found = self.timed[t.timing]
        if "error" in found:
            return found["error"]
        self.timings[t.timing] = {
            **found, "minutes": t.minutes,
            "steps": max(LEAST, round(60 * t.minutes / max(found["cost"], 1e-4))),
        }
        return ""

    def _train(self, t):
        if self.elsewhere.lend(t.name, self.output, lambda: self._trained(t)):
            return ""
        direction = self.seen[t.data]["direction"] if t.data in self.seen else ""
        flags = t.flags(self.timings[t.timing]["steps"], direction)
        return self._run_training(t.name, {**flags, **self._changes(t)})

    def _run_training(self, name, flags):
        flags = {
            **flags, "out": self.output / name, "precision": self.options.precision,
            "export": False, "bad_images": self.asked["bad_images"], "save_minutes": 2,
        }
        return run_child("train", as_flags(flags), self._log(name))[1]

    def _log(self, name):
        return self.output / "logs" / f"{name.replace('/measured/', '/').replace('/', '-')}.log"

    # What came of it

    def _figures(self, name):
        return json_or_empty(self.output / f"{name}.json")

    def write(self):
        """Writes `suite.json`, `table.md` and `index.html` from what there is."""
        if not self.seen:
            return  # stopped before that
        self._learn(json_or_empty(self.output / "suite.json"))  # others may do other rows meanwhile
        content = {
            "kind": self.kind.name, "settings": self.settings,
            "asked": {**self.asked, "n_dfi": self.options.n_dfi}, "commands": self.commands,
            "timings": self.timings, "failures": self.failures,
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
                found, run = self._figures(job.name), self._metadata(t.name) if t else {}
                recipe = self._recipe(t.name) if t and self.kind.generator else {}
                trainings.append({
                    "seed": seed, "run": t.name if t else None, "pictures": f"{job.name}.png",
                    "generator": recipe.get("generator"),
                    **{name: run.get(name) for name in ("step", "seconds", "trained_on")},
                    **{name: found[name] for name in ("n", "machine", "figures")},
                })
            elif job.name in self.failures:
                failed.append(self.failures[job.name])
        return {**dataclasses.asdict(row), "key": row.key, "side": row.recipe.size,
                "trainings": trainings, "failed": failed,
                **summary([training["figures"] for training in trainings])}
