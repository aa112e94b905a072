"""The state of a run: saved whole or not at all, found again after any kind of end.

`checkpoints/step_000000123/` holds a TensorFlow checkpoint of every variable of the run (networks,
what optimizers remember, averages or best weights, image pools, seed generators, the step) and
`state.json`. The position in the data and the learning rate follow from the step. A checkpoint is
written beside and renamed, so one that can be seen is complete; TensorFlow's checksums tell one
that was damaged later, and then the one before it is used, with a warning.
"""

import contextlib
import json
import pathlib
import re
import shutil

import tensorflow as tf

from kgan.core.errors import UsageError, UserError, printable
from kgan.core.paths import replacing
from kgan.core.progress import say
from kgan.core.reading import read_json
from kgan.models import slots

LARGEST = 1e4  # weights begin below 10, and Adam moves one by about the learning rate a step
VALUE = ".ATTRIBUTES/VARIABLE_VALUE"  # how TensorFlow ends the names of what it saved
_UNREADABLE = (
    tf.errors.OpError, ValueError, LookupError, TypeError, AssertionError, OSError
)


class RunState:
    """Saves and restores a run.

    Args:
        run: the run's folder.
        model: a `kgan.models.gan.GAN`, compiled if it shall be trained.
        keep: how many checkpoints stay.
    """

    def __init__(self, run, model, keep=3):
        self.folder = pathlib.Path(run) / "checkpoints"
        self.model = model
        self.keep = keep

    def steps(self):
        """The steps of the checkpoints on disk, oldest first."""
        found = (re.fullmatch(r"step_(\d{9,})", p.name) for p in self.folder.glob("step_*"))
        return sorted(int(match[1]) for match in found if match)

    def not_finite(self):
        """The rooms (`nets/g_ab`, `optimizers/generator`) of variables that are not finite."""
        bad = {
            name.rpartition("/")[0]: None for name, v in self.model.run_variables.items()
            if v.value.dtype.is_floating and not tf.reduce_all(tf.math.is_finite(v.value))
        }
        return list(bad)

    def exploded(self):
        """The networks (`nets/g_ab`) with a weight beyond `LARGEST`, which no training reaches."""
        bad = {
            name.rpartition("/")[0]: None for name, v in self.model.run_variables.items()
            if name.startswith("nets/") and v.trainable and v.value.dtype.is_floating
            and tf.reduce_max(tf.abs(v.value), None) > LARGEST
        }
        return list(bad)

    def save(self, **facts):
        """Saves the run at its present step; `facts` go to `state.json`.

        Checkpoints of later steps are removed: if they could be read, the run would be there.
        """
        step = int(self.model.step.numpy())
        with replacing(self._path(step)) as new:
            new.mkdir()
            self._checkpoint().write(str(new / "state"))
            (new / "state.json").write_text(json.dumps({"step": step, **facts}))
        steps = self.steps()
        until = steps.index(step) + 1
        for old in steps[: max(0, until - self.keep)] + steps[until:]:
            shutil.rmtree(self._path(old), ignore_errors=True)

    def holds(self):
        """(elements, variables) that the checkpoints on disk can hold, at the most."""
        sizes = {"data": 0, "index": 0}
        for path in self.folder.glob("step_*/state.*"):
            part = path.name.split(".")[1].partition("-")[0]
            with contextlib.suppress(OSError):  # the run has just removed it
                sizes[part] = sizes.get(part, 0) + path.stat().st_size
        return sizes["data"] // 2, sizes["index"] // 8

    def restore(self, networks_only=False, above=-1, at=0):
        """Restores the newest checkpoint that is whole.

        The run may go on meanwhile: a checkpoint that it removes or replaces by a newer one while
        it is read is no damaged one.

        Args:
            at: the step of the only checkpoint that may be taken; 0 = any.
            networks_only: read the networks and what is kept of their weights, which becomes them,
                and leave optimizers alone.
            above: only checkpoints of later steps.

        Returns:
            What `save` was told, with `step`; None if there is no checkpoint, or, with `above`,
            none that can be read.

        Raises:
            UserError: there are checkpoints and none can be read, or none of the step `at`.
        """
        if at and at not in self.steps():
            there = ", ".join(f"{step:,}" for step in self.steps()) or "none"
            raise UsageError(f"{self.folder} has no checkpoint of step {at:,}; it has {there}.")
        damaged = set()
        while steps := [s for s in self.steps() if s > above and s not in damaged]:
            step = at or steps[-1]
            if step in damaged:
                break
            try:
                facts = self._read(step, networks_only)
            except _UNREADABLE as error:
                now = [s for s in self.steps() if s not in damaged]
                if not at and (step not in now or now[-1] > step):
                    continue
                damaged.add(step)
                reason = (str(error) or type(error).__name__).splitlines()[0]
                say(f"warning: checkpoint {printable(self._path(step))} cannot be read "
                    f"({printable(reason, 120)}); trying the one before it")
                continue
            if networks_only:
                self.model.kept.adopt()
            return facts
        if damaged and above < 0:
            raise UserError(f"None of the {len(damaged)} checkpoints in {self.folder} can be read. "
                            "Move the folder away to start anew.")
        return None

    def _read(self, step, networks_only):
        path = self._path(step)
        facts = read_json(path / "state.json")
        if facts["step"] != step:
            raise ValueError(f"it says that it is of step {facts['step']}")
        status = self._found_in(path, networks_only).read(str(path / "state"))
        status.expect_partial().assert_existing_objects_matched()
        return facts

    def _path(self, step):
        return self.folder / f"step_{step:09d}"

    def _checkpoint(self):
        variables = self.model.run_variables
        return tf.train.Checkpoint(state={name: v.value for name, v in variables.items()})

    def _found_in(self, path, networks_only):
        """What reads a checkpoint into the model, by the names that the checkpoint has."""
        variables = self.model.run_variables
        if networks_only:
            names = {k: k for k in variables if k.partition("/")[0] not in ("optimizers", "scales")}
        else:
            names = slots.called(variables, _names(path / "state"))
        state = {saved: variables[name].value for name, saved in names.items()}
        return tf.train.Checkpoint(state=state)


def _names(path):
    """The names under which a checkpoint holds variables of a run."""
    keys = tf.train.load_checkpoint(str(path)).get_variable_to_shape_map()
    held = (key.removeprefix("state/").removesuffix(f"/{VALUE}") for key in keys
            if key.startswith("state/") and key.endswith(VALUE))
    return {name.replace(".S", "/").replace("..", ".") for name in held}
