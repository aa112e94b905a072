"""Growing: networks that are trained at 4x4 first, then at twice that, and so on.

Karras, Aila, Laine, Lehtinen: Progressive growing of GANs, ICLR 2018 (arXiv 1710.10196), section
2: each level fades in and then is there for a while; both are counted in real pictures, those that
the discriminator has seen. A level is a stage of its own resolution and, if the recipe says so, of
its own batch and learning rate. While it fades in, real pictures are blended with their own halves
doubled.
"""

import math
from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import keras, ops, pggan, tf
from kgan.core.recipe import Recipe, knob
from kgan.models.latent import LatentGAN
from kgan.models.stages import Stage


@dataclass(frozen=True)
class GrowingRecipe(Recipe):
    fade_images: int = knob(800_000, "pictures while a level fades in; 0 = at once", low=0,
                            group="schedule")
    stable_images: int = knob(800_000, "pictures after it, before the next level; the last level "
                              "has what is left of --steps", low=1, group="schedule")
    batches: str = knob("", "pictures in a batch at each level, from 4 px up, joined by commas, "
                        "the last one for all beyond; empty = --batch", group="schedule")
    rates: str = knob("", "learning rate of each level, likewise; empty = --learning_rate",
                      group="schedule")
    restart: bool = knob(True, "optimizers begin anew whenever a level begins to fade in or is "
                         "there", group="schedule")

    def check(self):
        super().check()
        if self.size & (self.size - 1):
            raise UsageError(f"--size {self.size} must be a power of two.")
        if self.restart and self.decay_from < 1:
            raise UsageError("--decay_from below 1 needs --norestart: optimizers that begin anew "
                             "count their steps anew.")
        if any(batch % self.accumulate for batch in _listed("batches", self.batches, int)):
            raise UsageError(f"--batches {self.batches} cannot be divided into --accumulate "
                             f"{self.accumulate} shares.")
        _listed("rates", self.rates, float)
        if self.growing >= self.steps:
            raise UsageError(f"--steps must be more than {self.growing:,}: growing to --size "
                             f"{self.size} takes so many with these --fade_images, "
                             "--stable_images and batches.")

    def at(self, level):
        """What a level has of its own: (batch, learning rate), None for the recipe's."""
        found = _listed("batches", self.batches, int), _listed("rates", self.rates, float)
        return tuple(x[min(level, len(x) - 1)] if x else None for x in found)

    @property
    def levels(self):
        """How many sizes there are, the first of 4x4."""
        return self.size.bit_length() - 2

    @property
    def turns(self):
        """How many batches of real pictures a step takes."""
        return 1

    def in_steps(self, images, level=0):
        """Steps of a level in which so many real pictures are seen; none only of none."""
        return -(-images // ((self.at(level)[0] or self.batch) * self.turns))

    @property
    def growing(self):
        """Steps until the last level is there."""
        return sum(self.in_steps(self.stable_images, i) + self.in_steps(self.fade_images, i + 1)
                   for i in range(self.levels - 1))


def _listed(name, text, kind):
    """The numbers of `--batches` or `--rates`."""
    try:
        found = tuple(kind(word) for word in text.split(",")) if text else ()
    except ValueError:
        found = (0,)
    if not all(0 < x < math.inf for x in found):
        raise UsageError(f"--{name} {text} must be numbers above 0 joined by commas, of levels "
                         "from 4 px up.")
    return found


@dataclass(frozen=True)
class Level:
    """What a stage grows.

    Attributes:
        number: 0 = 4x4 pixels.
        begin: the first step of its fading in; None = it is there.
        steps: of the stage.
    """

    number: int
    begin: int | None
    steps: int

    @property
    def side(self):
        """Side of its pictures, pixels."""
        return 4 * 2**self.number


class Growing(LatentGAN):
    """A network `g(codes, level=, alpha=)` and another one of pictures that grow together.

    A subclass declares its players and writes `phases_at`.
    """

    @classmethod
    def phases_at(cls, recipe, level):
        """The phases of a step at a `Level`; the first is fresh."""
        raise NotImplementedError

    @classmethod
    def stages_of(cls, recipe):
        """A stage for each level while it fades in, and one when it is there."""
        return tuple(stage for stage, _ in cls.growth(recipe))

    @classmethod
    def growth(cls, r):
        """[(`Stage`, `Level`)] of a recipe."""
        found, begin = [], 0
        for number in range(r.levels):
            for fading in (True, False) if number and r.fade_images else (False,):
                steps = r.in_steps(r.fade_images if fading else r.stable_images, number)
                if number == r.levels - 1 and not fading:
                    steps = r.steps - begin
                level, (batch, rate) = Level(number, begin if fading else None, steps), r.at(number)
                name = f"{level.side} px, fading in" if fading else f"{level.side} px"
                found.append((Stage(name, steps, cls.phases_at(r, level), batch=batch, rate=rate,
                                    size=level.side), level))
                begin += steps
        return found

    def begin_stage(self, name):
        if not self.recipe.restart:
            return
        for optimizer in self.optimizers.values():
            if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                optimizer = optimizer.inner_optimizer
            for v in optimizer.variables:
                v.assign(ops.zeros_like(v))

    def alpha(self, level, step):
        """How much of a level is there: from 0 to 1 while it fades in, else None."""
        if level.begin is None:
            return None
        return tf.clip_by_value(tf.cast(step - level.begin, tf.float32) / level.steps, 0.0, 1.0)

    def make(self, batch, level):
        """Pictures that the generator makes at a level, in training."""
        alpha = self.alpha(level, batch["step"])
        return self.g(self.noise(batch), level=level.number, alpha=alpha, training=True)

    def real(self, batch, level):
        """Real pictures as a level sees them; larger ones are halved first."""
        pictures, alpha = batch["a"], self.alpha(level, batch["step"])
        while pictures.shape[1] > level.side:
            pictures = pggan.halved(pictures)
        if alpha is None:
            return pictures
        blurred = pggan.doubled(pggan.halved(pictures))
        return alpha * pictures + (1.0 - alpha) * blurred

    def show(self, batch):
        """Samples of the level that is being trained, enlarged to the full size."""
        levels = {stage.name: level for stage, level in self.growth(self.recipe)}
        level = levels[self.stage.name] if self.stage else None
        if level is None or (level.side == self.recipe.size and level.begin is None):
            return super().show(batch)
        alpha = self.alpha(level, tf.cast(tf.convert_to_tensor(self.step), tf.int32))
        shown = {"a": batch["a"]}
        for i in range(4):
            made = self.g(self.codes(len(batch["a"]), seed=i), level=level.number, alpha=alpha)
            while made.shape[1] < self.recipe.size:
                made = pggan.doubled(made)
            shown[f"generated {i + 1}"] = tf.clip_by_value(tf.cast(made, tf.float32), -1.0, 1.0)
        return shown
