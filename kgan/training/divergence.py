"""When a training has gone beyond what it can come back from, and what then helps."""

import collections
import math
import statistics

from kgan.core.errors import UserError
from kgan.models.checkpoint import LARGEST

NO_NUMBER = "became not-a-number"
RUNAWAY = 1e8  # times what a term usually is; games of all kinds stay far below


class Diverged(UserError):
    """A training went beyond what numbers hold or weights can mean."""


def diverged(names, what, step, state, since=None):
    """The error that ends a run whose `names` did `what`, as seen after `step`.

    Args:
        since: the last step after which it was seen that they had not; None = the one before.
    """
    steps, recipe = state.steps(), state.model.recipe
    last = f"the last good checkpoint is of step {steps[-1]}" if steps else "none was saved"
    clip = f"--clip_norm below {recipe.clip_norm:g}" if recipe.clip_norm else "--clip_norm 1"
    ways = f"a --learning_rate below {recipe.learning_rate:g} or {clip}"
    if state.model.precision == "mixed_float16":
        ways += " or --precision float32"
    back = ", or from an earlier one with --resume_from" if len(steps) > 1 else ""
    how = f"Go on from there with {ways}{back}." if steps else f"Begin again with {ways}."
    when = f"at step {step}" if since in (None, step - 1) else f"in steps {since + 1} to {step}"
    return Diverged(f"{', '.join(names)} {what} {when}; {last}. {how}")


class Watch:
    """Ends a run at terms or variables that are infinite, not a number, or beyond all measure.

    It is asked before each report and each saving, not at each step, as that waits for the device:
    terms are means over the steps since the last report, in which a bad one stays.

    Args:
        state: a `kgan.models.checkpoint.RunState`.
        step: that from which the run goes on.
    """

    def __init__(self, state, step=0):
        self.state, self.usual = state, {}
        self.good = self.whole = step  # whose terms and variables were looked at

    def check(self, step, logs):
        """Raises `Diverged` for the terms of `logs`."""
        terms = {name: float(value) for name, value in logs.items()}
        bad = [name for name, value in terms.items() if not math.isfinite(value)]
        if bad:
            parts = [name for name in bad if not name.endswith("/total")] or bad
            raise diverged(parts, NO_NUMBER, step, self.state, self.good)
        for name, value in terms.items():
            seen = self.usual.setdefault(name, collections.deque(maxlen=100))
            if seen and abs(value) > RUNAWAY * max(1.0, statistics.median(seen)):
                raise diverged([name], f"grew to {value:.3g}", step, self.state, self.good)
            seen.append(abs(value))
        self.good = step

    def check_state(self, step):
        """Raises `Diverged` for variables that must not be saved."""
        if bad := self.state.not_finite():  # a gradient was, though the terms were finite
            raise diverged(bad, NO_NUMBER, step, self.state, self.whole)
        if bad := self.state.exploded():
            raise diverged(bad, f"has weights beyond {LARGEST:g}", step, self.state, self.whole)
        self.whole = step
