"""A run: training in a folder that can be left and taken up again at any time.

The folder holds `recipe.json`, `run.json` (state and plan), `checkpoints/`, `metrics.jsonl`,
`tensorboard/`, `samples/`, `index.html`, and at the end `weights/`, `export/` and `metrics.json`.
"""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import re
import sys
from dataclasses import dataclass

import numpy as np

from kgan import registry
from kgan.errors import UsageError, UserError, printable
from kgan.paths import replacing, sweep
from kgan.reading import json_or_empty
from kgan.recipe import Knobs, differences, fixed_fields, knob, read_recipe, write_recipe


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
    export: bool = knob(True, "write a SavedModel at the end", group="run")


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
        machine: a `kgan.recipe.Machine`.
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
    folder = pathlib.Path(options.out or default_folder(name, recipe))
    with _locked(folder), _writable(folder):
        begun = _agree(folder, name, recipe)
        for place in (folder, folder / "checkpoints", folder / "samples"):
            sweep(place)
        below, result = None, {"status": "done"}
        if begun is None:  # else checkpoints hold all that it stands on
            below, result = _below(folder, name, recipe, machine, options)
        if result["status"] != "done":
            return result
        return _Run(folder, name, recipe, machine, options, below, begun).train()


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
    _agree(where, other, how)
    if not (where / "weights" / "metadata.json").exists():
        print(f"{name} stands on a {other}, of which there are no weights for such pictures: "
              f"training it first, in {where}", file=sys.stderr, flush=True)
        result = train(other, how, machine, options.replace(out=str(where), export=False))
        if result["status"] != "done":
            return None, result
        if "signal" in result:  # in its last step
            print(f"stopped before {name}; the same command goes on from there", file=sys.stderr)
            return None, {"status": "interrupted", "model": name, "run": str(folder), "step": 0}
        print(f"{other} is trained; now {name}", file=sys.stderr, flush=True)
    return where, {"status": "done"}


@contextlib.contextmanager
def _writable(folder):
    """A full disk or one that takes no writes is the user's to mend, whoever met it."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # TensorFlow has its own for a full disk, with the system's words
        full = os.strerror(errno.ENOSPC) in str(error)
        number = errno.ENOSPC if full else getattr(error, "errno", None)
        if number not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        place = getattr(error, "filename", None) or folder
        raise UserError(f"The run in {folder} stopped, {place} cannot be written: "
                        f"{os.strerror(number)}. What was saved is whole; the same command goes "
                        "on from there.") from error


@contextlib.contextmanager
def _locked(folder):
    """One process a run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".lock").touch()
    except OSError as error:
        raise UserError(f"The run cannot be written to {folder}: {error.strerror}.") from None
    with open(folder / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{folder} is being trained by another process.") from None
        yield


def _agree(folder, name, recipe):
    """Refuses to go on with another recipe than that of the folder's checkpoints.

    Returns:
        What that recipe says of the fields that the data decide; None if there are no checkpoints.
    """
    path = folder / "recipe.json"
    if path.exists() and any(folder.glob("checkpoints/step_*")):
        old_name, values = read_recipe(path)
        if old_name != name:
            raise UsageError(f"{folder} is a run of {old_name}, not of {name}: choose another "
                             "--out.")
        changed = differences(registry.recipe(name).replace(**values), recipe)
        fixed = [(field, *values) for field, values in changed.items()
                 if field in fixed_fields(recipe) and field not in recipe.from_data]
        if fixed:
            words = ", ".join(f"--{field} {old}, not {new}" for field, old, new in fixed)
            raise UsageError(f"{folder} was begun with {words}: go on with the same recipe "
                             f"(--recipe {path}) or choose another --out.")
        return {field: values[field] for field in recipe.from_data if field in values}
    return None


class _Run:
    def __init__(self, folder, name, recipe, machine, options, below=None, begun=None):
        self.folder, self.name, self.recipe = folder, name, recipe
        self.machine, self.options, self.below, self.begun = machine, options, below, begun

    def train(self):
        import keras

        from kgan import machine as devices
        from kgan.checkpoint import RunState
        from kgan.data import open_data
        from kgan.weights import build, load

        recipe = self.recipe
        keras.utils.set_random_seed(recipe.seed)
        strategy, xla, self.devices = devices.prepare(self.machine)
        replicas = strategy.num_replicas_in_sync if strategy else 1
        if recipe.batch % replicas:
            raise UsageError(f"--batch {recipe.batch} cannot be shared by {replicas} devices.")
        self.data = open_data(
            recipe.data, size=recipe.size, load_size=recipe.load_size or None, seed=recipe.seed,
            bad_images=self.options.bad_images,
        )
        known = self.begun
        recipe = recipe.replace(**known) if known else recipe.complete(self.data)
        self.recipe = recipe
        with devices.scope(strategy):
            self.model = build(self.name, recipe, self.machine.precision)
            self._check_domains()
            self.model.compile(xla=xla)
        self.data, self.held = self.model.hold_out(self.data)
        with replacing(self.folder / "recipe.json") as new:
            write_recipe(new, self.name, recipe)
        self.state = RunState(self.folder, self.model, self.options.keep)
        found = self.state.restore()
        if found is None:
            found = {"step": 0, "seconds": 0.0}
            if self.below:
                self.model.inherit(load(self.below, "required"))
            self.model.prepare(self.data)
            self.model.restart_averages()
        self.plan = self._plan(found)
        print("\n".join(map(printable, self.plan)), file=sys.stderr, flush=True)
        if found["step"] >= recipe.steps or self._stopped:
            further = "it was no longer getting better" if self._stopped else "--steps goes further"
            print(f"this run is done; {further}, --out begins another", file=sys.stderr)
            return self._finish(found["seconds"])
        self._status("running")
        return self._fit(found)

    @property
    def _stopped(self):
        """Whether the validation loss has ended the training."""
        return bool(self.model.plateau and self.model.plateau.stopped)

    def _check_domains(self):
        missing = set(self.model.batch_channels()) - set(self.data.train)
        if missing:
            raise UserError(
                f"{self.name} needs two sets of pictures and {self.recipe.data} has one: name a "
                "folder with trainA and trainB, or an attribute (celeba:PATH?attribute=Smiling)."
            )
        if "b" in self.data.train and "b" not in self.model.batch_channels():
            raise UserError(
                f"{self.name} takes one set of pictures and {self.recipe.data} has two: name one "
                "folder (folder:PATH?layout=single for all pictures in it), avatars with several "
                "attributes, celeba:PATH without an attribute."
            )
        if self.model.batch_labels() not in (0, len(self.data.label_names)):
            found = ", ".join(self.data.label_names) or "none"
            raise UserError(
                f"{self.name} with this recipe wants {self.model.batch_labels()} labels and "
                f"{self.recipe.data} has {found}."
            )

    def _plan(self, found):
        from kgan.callbacks import duration
        from kgan.weights import parameters

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
        from kgan import callbacks as stages

        recipe, options, start = self.recipe, self.options, found["step"]
        report = stages.Report(
            start, self.folder, steps=recipe.steps, every=options.log_every,
            images=recipe.batch * self.model.batches_per_step, seconds=found["seconds"],
        )
        keeper = stages.Keeper(
            start, self.state, report, minutes=options.save_minutes, steps=recipe.steps
        )
        samples = stages.Samples(
            start, self.folder, batch=self.sample_batch(), every=options.sample_every,
            steps=recipe.steps,
        )
        watching = [stages.StopOnNonFinite(start, self.state), report, samples, keeper]
        if self.model.plateau:
            watching.insert(1, stages.Validation(
                start, self.state, report, held=self.held, every=recipe.validate_every,
                steps=recipe.steps,
            ))
        try:
            self._fit_stages(start, watching, keeper)
        except UserError as error:
            self._status("failed", str(error))
            raise
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
            dataset = batches(self.data, self.recipe, start=first, per_step=model.batches_per_step)
            model.fit(dataset, epochs=1, steps_per_epoch=end - first, verbose=0, shuffle=False,
                      callbacks=callbacks)

    def sample_batch(self, count=6):
        """Fixed held-out pictures, float32 in [-1, 1], for the sample grids."""
        pictures = {}
        for domain in self.model.batch_channels():
            held = self.data.test[domain]
            chosen = held[np.arange(min(count, len(held)))]
            pictures[domain] = chosen.astype(np.float32) / 127.5 - 1.0
        if self.model.batch_labels():
            rows = np.arange(len(pictures["a"]))
            pictures["labels"] = self.data.labels_of("test", rows)
        return pictures

    def _interrupted(self, signal):
        step = int(self.model.step.numpy())
        self._status("interrupted", f"stopped by {signal} at step {step}")
        print(f"stopped at step {step}; the same command goes on from there", file=sys.stderr)
        return {"status": "interrupted", "model": self.name, "run": str(self.folder), "step": step}

    def _finish(self, seconds):
        """Writes what leaves the run; does again only what is missing."""
        from kgan import weights
        from kgan.export import export_model
        from kgan.grid import grid

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
        if self.options.export and self.model.exports and not self._exported(step):
            export_model(weights.read(self.folder / "weights"), self.folder / "export")
        result = {
            "status": "done", "model": self.name, "run": str(self.folder), "step": step,
            "seconds": round(seconds, 1), "page": str(self.folder / "index.html"),
        }
        self._metrics(result)
        self._status("done")
        return result

    def _written(self, step):
        """Whether `weights/` is whole and of this step."""
        from kgan.weights import verify

        try:
            return verify(self.folder / "weights").get("step") == step
        except UserError:
            return False

    def _exported(self, step):
        found = (self.folder / "export" / self.name).glob("[0-9]*/assets.extra/metadata.json")
        return any(json_or_empty(p).get("metadata", {}).get("step") == step for p in found)

    def _metrics(self, result):
        path = self.folder / "metrics.json"
        with replacing(path) as new:
            known = json_or_empty(path)
            new.write_text(json.dumps({**known, "training": result}, indent=2) + "\n")

    def _status(self, status, message=""):
        from kgan.page import write_page

        content = {
            "status": status, "message": message, "plan": self.plan, "devices": self.devices,
            "precision": self.machine.precision,
        }
        with replacing(self.folder / "run.json") as new:
            new.write_text(json.dumps(content, indent=2) + "\n")
        write_page(self.folder)
