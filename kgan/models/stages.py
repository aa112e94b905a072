"""Stages and phases: what a training consists of, and where each step of it is.

A stage may have its own batch, learning rate and resolution. Which pictures a step sees is then a
sum over the stages before it, still a pure function of (seed, step).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """A part of a training step in which some players move.

    Attributes:
        players: who moves; empty = all.
        repeat: how many times the phase runs in a step, on a batch of its own each time, as a
            critic that moves five times for each move of its generator.
        loss_terms: the method that says what they pay, its name or a function of (model, batch);
            None = the model's `loss_terms`.
        fresh: whether it takes batches of its own; if not, it works on that of the phase before.
    """

    players: tuple = ()
    repeat: int = 1
    loss_terms: object = None
    fresh: bool = True


@dataclass(frozen=True)
class Stage:
    """A stretch of a training with phases of its own, as a pretraining.

    Attributes:
        name: under which the run's page shows it.
        steps: how many steps it takes.
        phases: what each of them consists of.
        batch: pictures of each domain in a batch, over all devices; None = the recipe's.
        rate: learning rate before any decay; None = the recipe's.
        size: side of the pictures, pixels, at most the recipe's; None = the recipe's. What is cut
            out at the recipe's size is shrunk to it.
    """

    name: str
    steps: int
    phases: tuple
    batch: int | None = None
    rate: float | None = None
    size: int | None = None

    @property
    def own(self):
        """What it has of its own, in words that are not its name: `batch 4, rate 0.001, 16 px`."""
        said = ((self.batch, f"batch {self.batch}"), (self.rate, f"rate {self.rate}"),
                (self.size, f"{self.size} px"))
        named = self.name.split(", ")
        return ", ".join(words for value, words in said if value is not None and words not in named)


@dataclass(frozen=True)
class Part:
    """A stage in its place in a training.

    Attributes:
        stage: the `Stage`.
        begin, end: steps before its first one, and before the first one after it.
        seen: pictures of each domain that the steps before it took, in a batch of each.
        batch, rate, size: those of the stage, or the recipe's.
    """

    stage: Stage
    begin: int
    end: int
    seen: int
    batch: int
    rate: float
    size: int

    @property
    def work(self):
        """Pixels of a step, by which steps of parts are compared."""
        return self.batch * self.size**2

    def position(self, step):
        """Pictures of each domain that the steps before `step`, one of this part's, took."""
        return self.seen + (step - self.begin) * self.batch


def laid_out(stages, recipe):
    """The `Part`s of a training, one for each stage."""
    parts, begin, seen = [], 0, 0
    for stage in stages:
        own = ((stage.batch, recipe.batch), (stage.rate, recipe.learning_rate),
               (stage.size, recipe.size))
        part = Part(stage, begin, begin + stage.steps, seen,
                    *(usual if value is None else value for value, usual in own))
        begin, seen = part.end, part.position(part.end)
        parts.append(part)
    return parts


def position(parts, step):
    """Pictures of each domain that the steps before `step` took, in a batch of each."""
    return next((p for p in parts if step <= p.end), parts[-1]).position(step)


def steps_left(parts, step, part):
    """How many steps of `part` the steps from `step` on cost at the most.

    A step on more pixels costs at most as many times more, one on fewer no more.
    """
    return sum(max(0, p.end - max(p.begin, step)) * max(1.0, p.work / part.work) for p in parts)
