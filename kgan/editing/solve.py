"""The solver of edits: codes or pictures are moved by gradients until something is least.

Each row has a minimum of its own, whatever rows are solved beside it.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kgan.core.batches import parts
from kgan.core.lazy import tf
from kgan.core.progress import progress

CHUNK = 50  # steps that TensorFlow takes on its own


@dataclass(frozen=True)
class Descent:
    """Plain gradient descent.

    Attributes:
        rate: factor of the gradient.
        halve_every: it is halved whenever so many steps are done.
    """

    rate: float
    halve_every: int = 50_000
    slots: ClassVar[int] = 0  # tensors like z that it remembers from step to step, 0 at first

    def at(self, t):
        """The rate of step t, a tensor from 0 up."""
        return self.rate * 0.5 ** tf.cast(t // self.halve_every, tf.float32)

    def scaled(self, gradient, moments, t):
        """(what is multiplied by the rate, the new moments [slots, ...]) in step t."""
        return gradient, moments


@dataclass(frozen=True)
class RMSProp(Descent):
    """Gradients over the root of the moving mean of their squares, as PyTorch has it."""

    rho: float = 0.99
    epsilon: float = 1e-8
    slots: ClassVar[int] = 1

    def scaled(self, gradient, moments, t):
        moments = self.rho * moments + (1.0 - self.rho) * gradient**2
        return gradient / (tf.sqrt(moments[0]) + self.epsilon), moments


@dataclass(frozen=True)
class Adam(Descent):
    """Kingma, Ba 2015 (arXiv 1412.6980), algorithm 1."""

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    slots: ClassVar[int] = 2

    def scaled(self, gradient, moments, t):
        mean = self.beta_1 * moments[0] + (1.0 - self.beta_1) * gradient
        square = self.beta_2 * moments[1] + (1.0 - self.beta_2) * gradient**2
        done = tf.cast(t + 1, tf.float32)
        root = tf.sqrt(square / (1.0 - self.beta_2**done))
        change = mean / (1.0 - self.beta_1**done) / (root + self.epsilon)
        return change, tf.stack([mean, square])


@dataclass(frozen=True)
class LBFGSB:
    """SciPy's L-BFGS-B; it stops where the objective falls by less than `tolerance` of itself."""

    tolerance: float = 1e-7  # float32 sees no less


@dataclass(frozen=True)
class Box:
    """Values from `low` to `high`."""

    low: float
    high: float

    def __call__(self, z, *_):
        return tf.clip_by_value(z, self.low, self.high)


class Diverged(ArithmeticError):
    """Values are no numbers any more, before the step `step`."""

    def __init__(self, step):
        super().__init__(f"not finite before step {step}")
        self.step = step


def minimise(objective, start, method, steps, project=None, *, given=(), batch=64, label="solving"):
    """Looks for the least value of an objective, row by row.

    Args:
        objective: `objective(z, *given)` of some rows -> (loss, gradient, and perhaps a figure to
            watch instead of the loss), of TensorFlow operations: scalars, sums over the rows, and
            the gradient of the loss, like z.
        start: float32 [n, ...].
        method: a `Descent`, `RMSProp` or `Adam`, or `LBFGSB`, which solves one row at a time.
        steps: how many; of `LBFGSB` at the most.
        project: what is done to z after each step: `project(z, step, *given)`, a `Box` or None. For
            `LBFGSB` a `Box` or None.
        given: arrays [n, ...] of what belongs to the rows.
        batch: how many rows are moved together; changes memory and time, no result.
        label: what is going on, in a word.

    Returns:
        (z like `start`; what was watched before each step, summed over the rows, float64 [steps],
        or None of `LBFGSB`, whose rows take steps of their own).

    Raises:
        Diverged: z is not finite.
    """
    if isinstance(method, LBFGSB):
        rows = zip(parts(start, 1), *(parts(x, 1) for x in given), strict=True)
        found = [_quasi_newton(objective, z, method, steps, project, own) for z, *own in rows]
        return np.concatenate(found), None
    z, history = np.array(start, np.float32), np.zeros(steps)
    take = stepper(objective, method, project, [z, *given])
    for rows in parts(range(len(z)), batch):
        rows = slice(rows.start, rows.stop)
        some, own = tf.constant(z[rows]), [tf.constant(x[rows]) for x in given]
        text = f"{label} {len(some)} of {len(z)} pictures, {CHUNK} steps at a time"
        some, watched = _descend(take, some, steps, own, text, method.slots)
        z[rows] = some.numpy()
        history += watched
    return z, history


def _descend(take, z, steps, given, text, slots):
    """(z after all steps, what was watched before each); `take` is a `stepper`."""
    moments, history = tf.zeros([slots, *z.shape]), np.zeros(steps)
    for t in progress(range(0, steps, CHUNK), math.ceil(steps / CHUNK), text):
        until = min(t + CHUNK, steps)
        z, moments, watched = take(t, until, moments, z, *given)
        history[t:until] = watched.numpy()
        if not np.isfinite(z).all():
            raise Diverged(until)
    return z, history


def stepper(objective, method, project, arrays):
    """A graph function that takes steps, which may be a part of another graph.

    Args:
        objective, method, project: see `minimise`; `LBFGSB` takes no such steps.
        arrays: z and what is given, or tensors of their shapes but for the first side.

    Returns:
        `f(first, until, moments, z, *given)` -> (z, moments, what was watched before each step from
        `first` to before `until`).
    """
    number = tf.TensorSpec([], tf.int32)
    rows = [tf.TensorSpec([None, *x.shape[1:]], x.dtype) for x in arrays]
    moments_of = tf.TensorSpec([method.slots, *rows[0].shape], tf.float32)

    @tf.function(input_signature=[number, number, moments_of, *rows], autograph=False)
    def take(first, until, moments, z, *given):
        def step(t, z, moments, watched):
            loss, gradient, *figure = objective(z, *given)
            change, moments = method.scaled(gradient, moments, t)
            z = z - method.at(t) * change
            z = project(z, t, *given) if project else z
            return t + 1, z, moments, watched.write(t - first, figure[0] if figure else loss)

        state = (first, z, moments, tf.TensorArray(tf.float32, until - first))
        _, z, moments, watched = tf.while_loop(lambda t, *_: t < until, step, state)
        return z, moments, watched.stack()

    return take


def _quasi_newton(objective, start, method, steps, box, given):
    """One row, [1, ...]."""
    from scipy.optimize import Bounds, minimize

    given = [tf.constant(x) for x in given]

    def evaluate(z):
        z = tf.constant(z.reshape(start.shape), tf.float32)
        loss, gradient, *_ = objective(z, *given)
        return float(loss), gradient.numpy().ravel().astype(np.float64)

    found = minimize(
        evaluate, np.asarray(start, np.float64).ravel(), jac=True, method="L-BFGS-B",
        bounds=box and Bounds(box.low, box.high),
        options={"maxiter": steps, "ftol": method.tolerance, "gtol": 0.0},
    )
    return found.x.reshape(start.shape).astype(np.float32)
