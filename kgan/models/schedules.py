"""Learning rates over the steps."""

import keras
from keras import ops


class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Constant, then linear to 0 at the last step (CycleGAN section 7.1).

    Args:
        rate: the learning rate at first, or a function that gives it whenever a step is traced, as
            that of the present stage.
        steps: the step at which it is 0.
        start: share of the steps after which it begins to fall; 1 = never.
        scale: a variable that all rates are multiplied by; None = 1.
        factor: a number that they are multiplied by, too.
        begin: the step that its first one is.
    """

    def __init__(self, rate, steps, start, scale=None, factor=1.0, begin=0):
        self.rate, self.steps, self.start = rate, steps, start
        self.scale, self.factor, self.begin = scale, factor, begin

    def __call__(self, step):
        first = self.steps * self.start
        left = (self.steps - self.begin - ops.cast(step, "float32")) / max(self.steps - first, 1.0)
        rate = self._at_first() * self.share(ops.clip(left, 0.0, 1.0))
        return rate if self.scale is None else rate * ops.convert_to_tensor(self.scale)

    def share(self, left):
        """What part of the rate is taken; `left` falls linearly from 1 to 0."""
        return left

    def exponential(self):
        """The same schedule, falling exponentially to a hundredth, see `ExponentialDecay`."""
        return ExponentialDecay(self.rate, self.steps, self.start, self.scale, self.factor,
                                self.begin)

    def times(self, factor):
        """The same schedule with all rates multiplied."""
        return type(self)(self.rate, self.steps, self.start, self.scale, factor * self.factor,
                          self.begin)

    def within(self, steps, begin):
        """That of `steps` steps of which its own are those from `begin` on."""
        return type(self)(self.rate, steps, self.start, self.scale, self.factor, begin)

    def _at_first(self):
        return self.factor * (self.rate() if callable(self.rate) else self.rate)

    def get_config(self):
        return {"rate": self._at_first(), "steps": self.steps, "start": self.start,
                "begin": self.begin}


class ExponentialDecay(LinearDecay):
    """Constant, then exponential to a hundredth at the last step (BiGAN's code)."""

    def share(self, left):
        return 0.01 ** (1.0 - left)


class PowerDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Another schedule, and a factor that falls from 1 with a power of the share of the steps done.

    By a count of its own and not by how often an optimizer moved, which may have been held.

    Args:
        schedule: the learning rate before this.
        count: a variable, the steps that are done.
        steps: of the whole training.
        power: the factor is 1 - share^power (1 - last).
        last: the factor at the last step.
    """

    def __init__(self, schedule, count, steps, power, last):
        self.schedule, self.count, self.steps = schedule, count, steps
        self.power, self.last = power, last

    def __call__(self, step):
        share = ops.clip(ops.cast(self.count, "float32") / self.steps, 0.0, 1.0)
        return self.schedule(step) * (1.0 - share**self.power * (1.0 - self.last))

    def get_config(self):
        return {"schedule": self.schedule, "steps": self.steps, "power": self.power,
                "last": self.last}
