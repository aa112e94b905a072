"""A run: training in a folder that can be left and taken up again at any time.

The folder holds `recipe.json`, `run.json` (state and plan), `checkpoints/`, `metrics.jsonl`,
`tensorboard/`, `samples/`, `index.html`, and at the end `weights/`, `export/` and `metrics.json`.
"""

import contextlib
import json
import pathlib
import re
from dataclasses import dataclass

from kgan.core import registry
from kgan.core.errors import UsageError, UserError, printable
from kgan.core.paths import replacing, sweep
from kgan.core.progress import say
from kgan.core.reading import json_or_empty
from kgan.core.recipe import Knobs, differences, knob, write_recipe
from kgan.core.status import read_status, write_status
from kgan.data.signals import held_out
from kgan.training.rewind import rewind
from kgan.training.run_data import check_data, check_signals, describe, known_data
from kgan.training.run_folder import (
    agree,
    apart,
    begun_with,
    folders,
    located,
    locked,
    writable,
)

KEPT = ("data", "init", "changed")  # of run.json


@dataclass(frozen=True)
class RunOptions(Knobs):
    """How a run reports and saves. Not part of a recipe: none of it changes the result."""

    out: str = knob("", "folder of the run; empty = runs/MODEL-DATA-SIZE", group="run")
    bad_images: str = knob("skip", "broken pictures: leave them out, or fail",
                           choices=("skip", "fail"), group="data")
    log_every: int = knob(25, "steps between lines of progress", low=1, group="run")
    sample_every: int = knob(250, "steps between sample grids", low=1, group="run")
    save_minutes: float = knob(5.0, "minutes between checkpoints", low=0, group="run")
    keep: int = knob(3, "checkpoints that are kept", low=1, group="run")
    resume_from: int = knob(0, "step of an earlier checkpoint to go on from; later ones are "
                            "replaced at the next saving; 0 = the newest", low=0, group="run")
    export: bool = knob(True, "write a SavedModel at the end", group="run")
    check_export: bool = knob(True, "run it in a fresh process and compare it before it is kept",
                              group="run")


def default_folder(name, recipe):
    """`runs/cyclegan-avatars-Eyeglasses-64` and the like."""
    source, _, options = recipe.data.partition("?")
    words = re.findall(r"[\w.=-]+", source)
    words = [*words[:1], *words[1:][-1:], *re.findall(r"[\w.=-]+", options)]
    return pathlib.Path("runs") / "-".join([name, *words, str(recipe.size)])


def train(name, recipe, machine, options):
    """Trains a model of the zoo, from the start or from where its folder stopped.

    Args:
        name: of the zoo.
        recipe: its recipe.
        machine: a `kgan.core.recipe.Machine`.
        options: a `RunOptions`.

    Returns:
        What the tool prints: `{"status": "done" or "interrupted", "run": folder, ...}`.

    Raises:
        UserError: the folder holds another run or cannot be written, the data cannot be read, a
            term became not-a-number, or no checkpoint can be read.
    """
    if not registry.entry(name).model.trains:
        raise UserError(f"{name} needs no training: translate with it (tools/translate --model "
                        f"{name}).")
    folder = pathlib.Path(options.out or default_folder(name, recipe)).expanduser()
    recipe = located(recipe)
    apart(folder, recipe.data)
    with locked(folder):
        begun, changed = agree(folder, name, recipe)
        for place in (folder, folder / "checkpoints", folder / "samples"):
            sweep(place)
        below, result = None, {"status": "done"}
        if begun is None:  # else checkpoints hold all that it stands on
            below, result = _below(folder, name, recipe, machine, options)
        if result["status"] != "done":
            return result
        run = _Run(folder, name, recipe, machine, options, below, begun, changed)
        with run.recorded(), writable(folder):
            return run.train()


def _below(folder, name, recipe, machine, options):
    """What the model of a run stands on, trained in the run's folder if it is nowhere else.

    Returns:
        (the folder of its weights or None, `{"status": "done"}` or that it was interrupted).
    """
    needed = registry.entry(name).model.needs(recipe)
    if needed is None:
        return None, {"status": "done"}
    other, how, where = needed
    if where is not None:
        return where, {"status": "done"}
    where = folder / other
    how = begun_with(where, other, located(how))
    agree(where, other, how)
    if not (where / "weights" / "metadata.json").exists():
        say(f"{name} stands on a {other}, of which there are no weights for such pictures: "
            f"training it first, in {where}")
        options = options.replace(out=str(where), export=False, resume_from=0)
        result = train(other, how, machine, options)
        if result["status"] != "done":
            return None, result
        if "signal" in result:  # in its last step
            say(f"stopped before {name}; the same command goes on from there")
            return None, {"status": "interrupted", "model": name, "run": str(folder), "step": 0}
        say(f"{other} is trained; now {name}")
    return where, {"status": "done"}


class _Run:
    """A run under way.

    Attributes:
        facts: what `run.json` keeps over all changes of the status.
    """

    def __init__(self, folder, name, recipe, machine, options, below, begun, changed):
        self.folder, self.name, self.recipe = folder, name, recipe
        self.machine, self.options, self.below = machine, options, below
        self.begun, self.changed = begun, changed
        known = read_status(folder) if begun is not None else {}
        self.facts = {field: known[field] for field in KEPT if field in known}
        self.started = False

    @contextlib.contextmanager
    def recorded(self):
        """Whatever ends the run in the block stands in `run.json`."""
        try:
            yield
        except KeyboardInterrupt:
            self._ended("interrupted", "stopped by Ctrl-C after the last step")
            raise
        except BaseException as error:
            lines = str(error).splitlines() or [""]
            known = isinstance(error, UserError)
            self._ended("failed", lines[0] if known else f"{type(error).__name__}: {lines[0]}")
            raise

    def _ended(self, status, message):
        if self.started:
            with contextlib.suppress(OSError, UserError):  # the disk may be full
                self._status(status, message)

    def train(self):
        import keras

        from kgan.core import devices
        from kgan.data import open_data
        from kgan.models.checkpoint import RunState
        from kgan.models.weights import build

        recipe = self.recipe
        keras.utils.set_random_seed(recipe.seed)
        strategy, xla, self.devices = devices.prepare(self.machine)
        replicas = strategy.num_replicas_in_sync if strategy else 1
        if recipe.batch % replicas:
            raise UsageError(f"--batch {recipe.batch} cannot be shared by {replicas} devices.")
        self.data = open_data(
            recipe.data, size=recipe.size, load_size=recipe.load_size or None, seed=recipe.seed,
            bad_images=self.options.bad_images,
            signals=registry.entry(self.name).model.signals_of(recipe),
        )
        if self.begun is not None:
            check_data(self.folder, self.data)
        if not known_data(self.folder) or self.begun is None:
            self.facts["data"] = describe(self.data)
        known = self.begun
        self.recipe = recipe = recipe.replace(**known) if known else self._completed()
        with devices.scope(strategy):
            self.model = build(self.name, recipe, self.machine.precision)
            check_signals(self.data, self.model)
            self.model.compile(xla=xla)
        self.data, self.held = self.model.hold_out(self.data)
        self.state = RunState(self.folder, self.model, self.options.keep)
        found = self.state.restore(at=self.options.resume_from) or self._fresh()
        if self.changed:
            self.facts["changed"] = [*self.facts.get("changed", []),
                                     {"step": found["step"], **self.changed}]
        with replacing(self.folder / "recipe.json") as new:
            write_recipe(new, self.name, recipe)
        self.plan = self._plan(found)
        say("\n".join(map(printable, self.plan)))
        self.started = True
        if found["step"] >= recipe.steps or self._stopped:
            further = "it was no longer getting better" if self._stopped else "--steps goes further"
            say(f"this run is done; {further}, --out begins another")
            return self._finish(found["seconds"])
        rewind(self.folder, found["step"])
        self._status("running")
        return self._fit(found)

    def _completed(self):
        """The recipe with what the data and the model below decide."""
        from kgan.models.source import resolve

        recipe = self.recipe.complete(self.data)
        if not self.below:
            return recipe
        below = resolve(str(self.below))
        return recipe.above(below.name, below.recipe)

    def _fresh(self):
        """Makes the model what it is before its first step."""
        from kgan.models.begin import begin_from, told
        from kgan.models.weights import load

        if self.below:
            self.model.inherit(load(str(self.below), "required"))
        self.model.prepare(self.data)
        if self.recipe.init and "init" in folders(self.recipe):
            self.facts["init"] = begin_from(self.model, self.recipe.init)
            say(f"init     {told(self.facts['init'])}")
        self.model.restart_averages()
        return {"step": 0, "seconds": 0.0}

    @property
    def _stopped(self):
        """Whether the validation loss has ended the training."""
        return bool(self.model.plateau and self.model.plateau.stopped)

    def _plan(self, found):
        from kgan.models.weights import parameters
        from kgan.training.callbacks import duration

        recipe = self.recipe
        counts = ", ".join(f"{n} {c:,}" for n, c in parameters(self.model).items())
        defaults = differences(registry.recipe(self.name), recipe)
        told = {k: str(v) for k, (_, v) in defaults.items()}
        short = (f"{k} {v if len(v) < 80 else v[:76] + ' ...'}" for k, v in told.items())
        changed = ", ".join(short) or "as registered"
        where = f"from step {found['step']} ({duration(found['seconds'])} trained)"
        return [
            f"model    {self.name}: {counts} parameters",
            f"recipe   {changed}",
            *(f"data     {line}" for line in self.data.summary),
            f"devices  {self.devices}; batch {recipe.batch} over all of them",
            f"steps    {self._steps()}, {where if found['step'] else 'from the start'}",
            f"run      {self.folder}; open {self.folder / 'index.html'} to watch",
        ]

    def _steps(self):
        stages = self.model.stages()
        parts = " + ".join(f"{s.steps:,} of {s.name}" for s in stages) if len(stages) > 1 else ""
        return f"{self.recipe.steps:,}{f' ({parts})' if parts else ''}"

    def _fit(self, found):
        from kgan.training import callbacks as stages
        from kgan.training.divergence import Watch

        recipe, options, start = self.recipe, self.options, found["step"]
        watch = Watch(self.state)
        report = stages.Report(
            start, self.folder, watch, steps=recipe.steps, every=options.log_every,
            images=recipe.batch * self.model.batches_per_step, seconds=found["seconds"],
        )
        keeper = stages.Keeper(
            start, self.state, report, watch, minutes=options.save_minutes, steps=recipe.steps
        )
        samples = stages.Samples(
            start, self.folder, batch=self.sample_batch(), every=options.sample_every,
            steps=recipe.steps,
        )
        watching = [report, samples, keeper]
        if self.model.plateau:
            watching.insert(0, stages.Validation(
                start, self.state, report, held=self.held, every=recipe.validate_every,
                steps=recipe.steps,
            ))
        try:
            self._fit_stages(start, watching, keeper)
        finally:
            keeper.release()
        if keeper.signal and int(self.model.step.numpy()) < recipe.steps and not self._stopped:
            return self._interrupted(keeper.signal)
        result = self._finish(report.seconds)
        return {**result, "signal": keeper.signal} if keeper.signal else result

    def _fit_stages(self, start, callbacks, keeper):
        """Trains from step `start` through what is left of each stage."""
        from kgan.data.stream import batches

        model, end = self.model, 0
        for stage in model.stages():
            begin, end = end, end + stage.steps
            first = max(start, begin)
            if first >= end or keeper.signal or self._stopped:
                continue
            model.enter_stage(stage.name, at_its_start=first == begin)
            for callback in callbacks:
                callback.start = first
            dataset = batches(self.data, self.recipe, model.signals, start=first,
                              per_step=model.batches_per_step)
            model.fit(dataset, epochs=1, steps_per_epoch=end - first, verbose=0, shuffle=False,
                      callbacks=callbacks)

    def sample_batch(self, count=6):
        """Fixed held-out pictures, as a batch has them, for the sample grids."""
        return held_out(self.data, self.model.signals, count)

    def _interrupted(self, signal):
        step = int(self.model.step.numpy())
        self._status("interrupted", f"stopped by {signal} at step {step}")
        say(f"stopped at step {step}; the same command goes on from there")
        return {"status": "interrupted", "model": self.name, "run": str(self.folder), "step": step}

    def _finish(self, seconds):
        """Writes what leaves the run; does again only what is missing."""
        from kgan.models import weights
        from kgan.report.sheet import grid

        step = int(self.model.step.numpy())
        if not self._written(step):
            with self.model.averaged_weights():
                preview = grid(self.model.show(self.sample_batch()))
                self.model.conclude(self.data, self.held)
            facts = {
                "step": step, "images": step * self.recipe.batch * self.model.batches_per_step,
                "seconds": round(seconds, 1), "trained_on": self.devices,
                "precision": self.machine.precision,
                "data": list(self.data.summary),
            }
            weights.write(self.model, self.folder / "weights", facts=facts, preview=preview,
                          finished=True)
        if self.options.export and self.model.exports and not self._exported():
            self._export()
        result = {
            "status": "done", "model": self.name, "run": str(self.folder), "step": step,
            "seconds": round(seconds, 1), "page": str(self.folder / "index.html"),
        }
        self._metrics(result)
        self._status("done")
        return result

    def _export(self):
        """Exports `weights/`; a `UserError` says that they are whole."""
        from kgan.export.saved_model import export_model
        from kgan.models.weights import read

        try:
            export_model(read(self.folder / "weights"), self.folder / "export",
                         check=self.options.check_export)
        except UserError as error:
            raise UserError(f"{error} The training is done and its weights are in "
                            f"{self.folder / 'weights'}; the same command exports again, with "
                            "--noexport not.") from error

    def _written(self, step):
        """Whether `weights/` is whole and of this step."""
        from kgan.models.weights import verify

        try:
            return verify(self.folder / "weights").get("step") == step
        except UserError:
            return False

    def _exported(self):
        """Whether the weights are exported; others of the same step may be."""
        from kgan.models.weights import verify

        hashes = verify(self.folder / "weights")["sha256"]
        found = (self.folder / "export" / self.name).glob("[0-9]*/assets.extra/metadata.json")
        return any(json_or_empty(p).get("metadata", {}).get("sha256") == hashes for p in found)

    def _metrics(self, result):
        path = self.folder / "metrics.json"
        with replacing(path) as new:
            known = json_or_empty(path)
            new.write_text(json.dumps({**known, "training": result}, indent=2) + "\n")

    def _status(self, status, message=""):
        from kgan.report.run_page import write_page

        content = {
            "status": status, "message": message, "plan": self.plan, "devices": self.devices,
            "precision": self.machine.precision, **self.facts,
            "directions": {d: how.as_dict() for d, how in self.model.directions.items()},
        }
        write_status(self.folder, content)
        write_page(self.folder)
