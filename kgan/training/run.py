"""A run: training in a folder that can be left and taken up again at any time.

The folder holds `recipe.json`, `run.json` (state and plan), `checkpoints/`, `metrics.jsonl`,
`tensorboard/`, `samples/`, `index.html`, and at the end `weights/`, `export/` and `metrics.json`.
"""

import contextlib
import json
import pathlib

from kgan.core import registry
from kgan.core.errors import UsageError, UserError, printable
from kgan.core.lazy import np, pixels
from kgan.core.paths import replacing, sweep
from kgan.core.progress import say
from kgan.core.reading import json_or_empty
from kgan.core.recipe import write_recipe
from kgan.core.status import read_status, write_status
from kgan.training.options import RunOptions, default_folder
from kgan.training.rewind import rewind
from kgan.training.run_data import check_data, check_domains, describe, known_data
from kgan.training.run_folder import (
    agree,
    apart,
    begun_with,
    folders,
    located,
    locked,
    writable,
)

__all__ = ["RunOptions", "default_folder", "train"]
KEPT = ("data", "init", "changed")  # of run.json


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
        self.begun_in = known.get("precision")
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
        from kgan.models.stages import laid_out
        from kgan.models.weights import build
        from kgan.training.plan import plan

        recipe = self.recipe
        keras.utils.set_random_seed(recipe.seed)
        self.machine, self.why = devices.decided(self.machine, self.begun_in)
        strategy, xla, self.devices = devices.prepare(self.machine)
        replicas = strategy.num_replicas_in_sync if strategy else 1
        for part in laid_out(registry.entry(self.name).model.stages_of(recipe), recipe):
            if part.batch % replicas:
                whose = f" of stage {part.stage.name}" if part.stage.batch else ""
                raise UsageError(f"--batch {part.batch}{whose} cannot be shared by {replicas} "
                                 "devices.")
        self.data = open_data(
            recipe.data, size=recipe.size, load_size=recipe.load_size or None, seed=recipe.seed,
            bad_images=self.options.bad_images,
        )
        if self.begun is not None:
            check_data(self.folder, self.data)
        if not known_data(self.folder) or self.begun is None:
            self.facts["data"] = describe(self.data)
        known = self.begun
        self.recipe = recipe = recipe.replace(**known) if known else self._completed()
        with devices.scope(strategy):
            self.model = build(self.name, recipe, self.machine.precision)
            check_domains(self.data, self.model)
            self.model.compile(xla=xla)
        self.data, self.held = self.model.hold_out(self.data)
        self.state = RunState(self.folder, self.model, self.options.keep)
        found = self.state.restore(at=self.options.resume_from) or self._fresh()
        if self.changed:
            self.facts["changed"] = [*self.facts.get("changed", []),
                                     {"step": found["step"], **self.changed}]
        with replacing(self.folder / "recipe.json") as new:
            write_recipe(new, self.name, recipe)
        self.plan = plan(self.name, self.model, self.data, self.devices, self.folder, found,
                         self.why)
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
        self.model.kept.take()
        return {"step": 0, "seconds": 0.0}

    @property
    def _stopped(self):
        """Whether the validation loss has ended the training."""
        return bool(self.model.plateau and self.model.plateau.stopped)

    def _fit(self, found):
        from kgan.training import callbacks as parts
        from kgan.training.divergence import Watch

        recipe, options, start = self.recipe, self.options, found["step"]
        watch = Watch(self.state)
        report = parts.Report(
            start, self.folder, watch, steps=recipe.steps, every=options.log_every,
            seconds=found["seconds"],
        )
        keeper = parts.Keeper(
            start, self.state, report, watch, minutes=options.save_minutes, steps=recipe.steps
        )
        samples = parts.Samples(
            start, self.folder, batch=self.sample_batch(), every=options.sample_every,
            steps=recipe.steps,
        )
        watching = [report, samples, keeper]
        if self.model.plateau:
            watching.insert(0, parts.Validation(
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

        model = self.model
        for part in model.parts():
            first = max(start, part.begin)
            if first >= part.end or keeper.signal or self._stopped:
                continue
            model.enter_stage(part.stage.name, at_its_start=first == part.begin)
            for callback in callbacks:
                callback.start = first
            dataset = batches(
                self.data, self.recipe, start=first, per_step=model.batches_per_step,
                batch=part.batch, size=part.size, position=part.position(first),
            )
            model.fit(dataset, epochs=1, steps_per_epoch=part.end - first, verbose=0,
                      shuffle=False, callbacks=callbacks)

    def sample_batch(self, count=6):
        """Fixed held-out pictures, float32 in [-1, 1], for the sample grids."""
        pictures = {}
        for domain in self.model.batch_channels():
            held = self.data.test[domain]
            chosen = held[np.arange(min(count, len(held)))]
            pictures[domain] = pixels.array_to_float(chosen)
        if self.model.batch_labels():
            rows = np.arange(len(pictures["a"]))
            pictures["labels"] = self.data.labels_of("test", rows)
        return pictures

    def _interrupted(self, signal):
        step = int(self.model.step.numpy())
        self._status("interrupted", f"stopped by {signal} at step {step}")
        say(f"stopped at step {step}; the same command goes on from there")
        return {"status": "interrupted", "model": self.name, "run": str(self.folder), "step": step}

    def _finish(self, seconds):
        """Writes what leaves the run; does again only what is missing."""
        from kgan.models import weights
        from kgan.models.stages import position
        from kgan.report.sheet import grid
        from kgan.training import leaving

        step = int(self.model.step.numpy())
        if not leaving.written(self.folder, step):
            with self.model.kept.lent():
                preview = grid(self.model.show(self.sample_batch()))
                self.model.conclude(self.data, self.held)
            facts = {
                "step": step,
                "images": position(self.model.parts(), step) * self.model.batches_per_step,
                "seconds": round(seconds, 1), "trained_on": self.devices,
                "precision": self.machine.precision,
                "data": list(self.data.summary),
            }
            weights.write(self.model, self.folder / "weights", facts=facts, preview=preview,
                          finished=True)
        wanted = self.options.export and self.model.exports
        if wanted and not leaving.exported(self.folder, self.name):
            leaving.export(self.folder, check=self.options.check_export)
        result = {
            "status": "done", "model": self.name, "run": str(self.folder), "step": step,
            "seconds": round(seconds, 1), "page": str(self.folder / "index.html"),
        }
        self._metrics(result)
        self._status("done")
        return result

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
        }
        write_status(self.folder, content)
        write_page(self.folder)
