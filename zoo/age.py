"""AGE: a generator and an encoder that are each other's opponent, without a discriminator.

Ulyanov, Vedaldi, Lempitsky: It takes (only) two: adversarial generator-encoder networks, AAAI 2018
(arXiv 1704.02304), with the networks, weights of terms and schedule of the authors' code for CelebA
at 64 px. Codes lie on the unit sphere. The encoder brings codes of real pictures near to N(0, 1) in
their moments over a batch and those of generated ones away from it; the generator does the
opposite. A step is one update of the encoder and three of the generator.

Paper and code differ in the divergence: the code has the variance where the formula has the
standard deviation. `--moments std`, the default, is the formula; `--moments variance` is the code.

Deviations: updates of the generator take no pictures, of which the authors' loop reads a batch each
and leaves it unused; where the authors begin a second training with a larger batch, optimizers go
on.
"""

import functools
from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import losses, networks, ops
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.data.spec import FACES
from kgan.models.encoding import Encodes
from kgan.models.gan import Phase, Stage


@dataclass(frozen=True)
class AGERecipe(Recipe):
    data: str = knob(FACES, "pictures to train on; one set, labelled or not", group="data")
    latent: int = knob(64, "numbers of a code, which lies on the unit sphere", low=2)
    filters: int = knob(64, "maps next to the pictures in both networks; they double towards the "
                        "code", low=1)
    moments: str = knob("std", "the divergence by standard deviations, as published, or with "
                        "variances in their place, as in the authors' code",
                        choices=("std", "variance"), group="loss")
    lambda_picture: float = knob(10.0, "weight of real pictures again, for the encoder", low=0,
                                 group="loss")
    lambda_code: float = knob(1000.0, "weight of codes again, for the generator", low=0,
                              group="loss")
    generator_steps: int = knob(3, "updates of the generator in a step", low=1, group="schedule")
    halve_from: float = knob(0.8, "share of the first training after which the learning rate is "
                             "half; 1 = never", low=0, high=1, group="schedule")
    finetune: float = knob(0.0476, "share of the steps, the last ones, with --finetune_batch and "
                           "--finetune_lambda_picture, at the whole rate", low=0, high=0.9,
                           group="schedule")
    finetune_batch: int = knob(256, "pictures in a step of the last ones", low=2, group="schedule")
    finetune_lambda_picture: float = knob(15.0, "--lambda_picture of the last steps", low=0,
                                          group="loss")

    def check(self):
        super().check()
        if self.size < 16 or self.size & (self.size - 1):
            raise UsageError(f"--size {self.size} must be a power of two, 16 or more.")
        if min(self.batch, self.finetune_batch) // self.accumulate < 2:
            raise UsageError("a share of a batch must have 2 pictures at least: what is compared "
                             "are moments over it.")
        if self.finetune_batch % self.accumulate:
            raise UsageError(f"--finetune_batch {self.finetune_batch} cannot be divided into "
                             f"--accumulate {self.accumulate} shares.")


class AGE(Encodes):
    """An encoder and a generator on the unit sphere."""

    players = {"encoder": ("e",), "generator": ("g",)}
    averaged = ("encoder", "generator")
    measures = ("reconstructions", "samples")
    prior = "sphere"
    normalises = True
    far = "-1,-0.5,0.5,1"

    def build_networks(self, r):
        shape = {"size": r.size, "latent": r.latent, "filters": r.filters}
        return {"e": networks.age.age_encoder("e", **shape),
                "g": networks.age.age_generator("g", **shape)}

    @classmethod
    def stages_of(cls, r):
        last = round(r.finetune * r.steps)
        first = r.steps - last
        halved = first - round(r.halve_from * first)
        stages = (
            Stage("training", first - halved, cls.phases_of(r, r.lambda_picture)),
            Stage("half the rate", halved, cls.phases_of(r, r.lambda_picture),
                  rate=r.learning_rate / 2),
            Stage("finetuning", last, cls.phases_of(r, r.finetune_lambda_picture),
                  batch=r.finetune_batch),
        )
        return tuple(stage for stage in stages if stage.steps)

    @classmethod
    def phases_of(cls, r, weight):
        """One update of the encoder, for which pictures again weigh `weight`, then the others."""
        terms = functools.partial(cls.encoder_terms, weight=weight)
        return (Phase(("encoder",), 1, terms),
                Phase(("generator",), r.generator_steps, cls.generator_terms, fresh=False))

    def divergence(self, codes):
        """How far codes of a batch are from N(0, 1), by the moments of the recipe."""
        return losses.normal_divergence(codes, self.recipe.moments)

    def encoder_terms(self, batch, weight):
        """Real codes are to be near to the prior, those of generated pictures far from it."""
        x = batch["a"]
        codes = self.e(x, training=True)
        again = self.g(codes, training=True)
        fake = ops.stop_gradient(self.g(self.noise(batch), training=True))
        return {"encoder": {
            "real": self.divergence(codes),
            "fake": -self.divergence(self.e(fake, training=True)),
            "picture": weight * losses.l1(x, again),
        }}

    def generator_terms(self, batch):
        """Codes of generated pictures are to be near to the prior, each to its own."""
        z = self.noise(batch)
        found = self.e(self.g(z, training=True), training=True)
        return {"generator": {
            "fake": self.divergence(found),
            "code": self.recipe.lambda_code * losses.sphere_distance(z, found),
        }}


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 16, "batch": 4, "steps": 20,
    "latent": 4, "filters": 4, "finetune": 0.2, "finetune_batch": 4,
}

register("age", AGE, AGERecipe(
    size=64, flip=False, batch=64, steps=13_350, learning_rate=2e-4, beta_1=0.5, decay_from=1.0,
), card="age.md", tiny=TINY, phrase="a generator and an encoder that oppose each other")

register("age_small", AGE, AGERecipe(
    data=f"{FACES}?n=20000", size=64, flip=False, batch=32, steps=6_000, filters=16,
    learning_rate=5e-4, beta_1=0.5, decay_from=1.0, finetune=0.1, finetune_batch=64, ema=0.99,
), card="age.md", tiny=TINY,
   phrase="a generator and an encoder that oppose each other; a quarter of the width, for a CPU")
