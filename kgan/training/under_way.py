"""A run under way: one model, its data, its state on disk, from wherever it stands to its end."""

import contextlib
import json

from kgan.core import devices, registry
from kgan.core.errors import UsageError, UserError, printable
from kgan.core.lazy import tf
from kgan.core.paths import replacing
from kgan.core.progress import say
from kgan.core.reading import json_or_empty
from kgan.core.recipe import differences, write_recipe
from kgan.core.status import read_status, write_status
from kgan.data.signals import held_out
from kgan.training.rewind import rewind
from kgan.training.run_data import check_data, check_signals, describe, known_data, opened
from kgan.training.run_folder import folders

KEPT = ("data", "init", "changed")  # of run.json


class UnderWay:
    """A run between its first look at the data and its end.

    Attributes:
        facts: what `run.json` keeps over all changes of the status.
    """

    def __init__(self, folder, name, recipe, machine, options, below, begun, changed, workers):
        self.folder, self.name, self.recipe, self.workers = folder, name, recipe, workers
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

        from kgan.models.checkpoint import RunState
        from kgan.models.stages import laid_out
        from kgan.models.weights import build

        recipe, workers = self.recipe, self.workers
        keras.utils.set_random_seed(recipe.seed)
        precision, self.why = workers.from_chief(self._precision)
        self.machine = self.machine.replace(precision=precision)
        self.strategy, xla, self.devices = devices.prepare(self.machine)
        replicas = self.strategy.num_replicas_in_sync if self.strategy else 1
        for part in laid_out(registry.entry(self.name).model.stages_of(recipe), recipe):
            if part.batch % (replicas * recipe.accumulate):
                whose = f" of stage {part.stage.name}" if part.stage.batch else ""
                shares = f" in --accumulate {recipe.accumulate} shares"
                raise UsageError(f"--batch {part.batch}{whose} cannot be shared by {replicas} "
                                 f"devices{shares if recipe.accumulate > 1 else ''}.")
        signals = registry.entry(self.name).model.signals_of(recipe)
        self.data = opened(recipe, self.options.bad_images, workers, signals)
        self.recipe = recipe = self._whole(workers.from_chief(self._known))
        with devices.scope(self.strategy):
            self.model = build(self.name, recipe, self.machine.precision)
            check_signals(self.data, self.model)
            self.model.compile(xla=xla)
        self.data, self.held = self.model.hold_out(self.data)
        self.state = RunState(self.folder, self.model, self.options.keep)
        found = workers.from_chief(self._found)
        workers.give([*self.model.run_variables.values()])
        if workers.count > 1:
            say(str(workers))
        if workers.chief:
            self._tell(found)
        if found["step"] >= recipe.steps or self._stopped:
            return self._finish(found["seconds"])
        if workers.chief:
            rewind(self.folder, found["step"])
            self._status("running")
        return self._fit(found)

    def _precision(self):
        machine, why = devices.decided(self.machine, self.begun_in)
        return [machine.precision, why]

    def _known(self):
        """What the recipe gets from the data of this run, or from when it began."""
        if self.begun is not None:
            check_data(self.folder, self.data)
        if not known_data(self.folder) or self.begun is None:
            self.facts["data"] = describe(self.data)
        return self.begun or differences(self.recipe, self._completed())

    def _whole(self, found):
        """The recipe with what `_known` found."""
        return self.recipe.replace(**{
            field: value if self.begun else value[1] for field, value in found.items()
        })

    def _found(self):
        """Brings the model to where the run stands; `{"step", "seconds"}`."""
        found = self.state.restore(at=self.options.resume_from) or self._fresh()
        return {"step": found["step"], "seconds": found["seconds"]}

    def _tell(self, found):
        """Says and writes what will be done."""
        from kgan.training.plan import plan

        recipe = self.recipe
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
        from kgan.training.callbacks import Report
        from kgan.training.divergence import Watch

        recipe, watch = self.recipe, Watch(self.state, found["step"])
        report = Report(
            found["step"], self.folder, watch, steps=recipe.steps, every=self.options.log_every,
            seconds=found["seconds"],
        )
        callbacks, keeper = self._callbacks(found["step"], report, watch)
        try:
            self._fit_stages(found["step"], callbacks, keeper)
        finally:
            keeper.release()
        if keeper.ended and int(self.model.step.numpy()) < recipe.steps and not self._stopped:
            return self._interrupted(keeper.ended)
        result = self._finish(report.seconds)
        signal = next(filter(None, self.workers.exchange(keeper.signal)), None)
        return {**result, "signal": signal} if signal else result

    def _callbacks(self, start, report, watch):
        """(what this worker does beside training, in its order, the `Keeper` among them)."""
        from kgan.training import callbacks as stages

        options, steps, workers = self.options, self.recipe.steps, self.workers
        keeper = stages.Keeper(start, self.state, report, watch, minutes=options.save_minutes,
                               steps=steps, workers=workers)
        watching = [keeper]
        if workers.chief:
            samples = stages.Samples(start, self.folder, batch=self.sample_batch(),
                                     every=options.sample_every, steps=steps)
            watching = [report, samples, keeper]
        if self.model.plateau:
            watching.insert(0, stages.Validation(
                start, self.state, report, held=self.held, every=self.recipe.validate_every,
                steps=steps, workers=workers,
            ))
        return watching, keeper

    def _fit_stages(self, start, callbacks, keeper):
        """Trains from step `start` through what is left of each stage."""
        from kgan.training.callbacks import Unread

        model = self.model
        for part in model.parts():
            first = max(start, part.begin)
            if first >= part.end or keeper.ended or self._stopped:
                continue
            model.enter_stage(part.stage.name, at_its_start=first == part.begin)
            for callback in callbacks:
                callback.start = first
            model.fit(self._batches(part, first), epochs=1, steps_per_epoch=part.end - first,
                      verbose=0, shuffle=False,
                      callbacks=Unread(callbacks, add_history=True, model=model))

    def _batches(self, part, first):
        """The batches of this worker from step `first`, of a part, on."""
        from kgan.data.stream import batches

        per_step, workers = self.model.batches_per_step, self.workers
        dataset = batches(
            self.data, self.recipe, self.model.signals, start=first, per_step=per_step,
            batch=part.batch, size=part.size, position=part.position(first),
            part=(workers.index, workers.count),
        )
        if workers.count == 1:
            return dataset
        share = part.batch * per_step // self.strategy.num_replicas_in_sync
        endless = tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY)
        dataset = dataset.rebatch(share, drop_remainder=True).apply(endless)
        return self.strategy.distribute_datasets_from_function(lambda context: dataset)

    def sample_batch(self, count=6):
        """Fixed held-out pictures, as a batch has them, for the sample grids."""
        return held_out(self.data, self.model.signals, count)

    def _interrupted(self, signal):
        step = int(self.model.step.numpy())
        if self.workers.chief:
            self._status("interrupted", f"stopped by {signal} at step {step}")
        self.workers.exchange("saved")
        say(f"stopped at step {step}; the same command goes on from there")
        return {"status": "interrupted", "model": self.name, "run": str(self.folder), "step": step}

    def _finish(self, seconds):
        """What a tool prints of the run, once the chief has written what leaves it."""
        return self.workers.from_chief(lambda: self._written_out(seconds))

    def _written_out(self, seconds):
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
            "directions": {d: how.as_dict() for d, how in self.model.directions.items()},
        }
        write_status(self.folder, content)
        write_page(self.folder)
