"""The state of a run: saved whole or not at all, found again after any kind of end.

`checkpoints/step_000000123/` holds a TensorFlow checkpoint of every variable of the run (networks,
optimizer slots, averages, image pools, seed generators, the step) and `state.json`. The position in
the data and the learning rate follow from the step. A checkpoint is written beside and renamed, so
one that can be seen is complete; TensorFlow's checksums tell one that was damaged later, and then
the one before it is used, with a warning.
"""

import json
import pathlib
import re
import shutil
import sys

import tensorflow as tf

from kgan.errors import UserError
from kgan.paths import replacing


class RunState:
    """Saves and restores a run.

    Args:
        run: the run's folder.
        model: a `kgan.gan.GAN`, compiled if it shall be trained.
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

    def restore(self, networks_only=False):
        """Restores the newest checkpoint that is whole.

        Args:
            networks_only: read the networks and averages and leave optimizers alone; averages
                then become the weights.

        Returns:
            What `save` was told, with `step`; None if there is no checkpoint.

        Raises:
            UserError: there are checkpoints and none can be read.
        """
        steps = self.steps()
        for step in reversed(steps):
            path = self._path(step)
            try:
                facts = json.loads((path / "state.json").read_text())
                if facts["step"] != step:
                    raise ValueError(f"it says that it is of step {facts['step']}")
                status = self._checkpoint(networks_only).read(str(path / "state"))
                if networks_only:
                    status.expect_partial().assert_existing_objects_matched()
                else:
                    status.assert_consumed()
            except (
                tf.errors.OpError, ValueError, LookupError, TypeError, AssertionError, OSError
            ) as error:
                reason = (str(error) or type(error).__name__).splitlines()[0][:120]
                print(f"warning: checkpoint {path} cannot be read ({reason}); "
                      "trying the one before it", file=sys.stderr)
                continue
            if networks_only and self.model.averages:
                self.model.adopt_averages()
            return facts
        if steps:
            raise UserError(f"None of the {len(steps)} checkpoints in {self.folder} can be read. "
                            "Move the folder away to start anew.")
        return None

    def _path(self, step):
        return self.folder / f"step_{step:09d}"

    def _checkpoint(self, networks_only=False):
        variables = self.model.run_variables
        if networks_only:
            variables = {k: v for k, v in variables.items() if not k.startswith("optimizers/")}
        return tf.train.Checkpoint(state={name: v.value for name, v in variables.items()})
