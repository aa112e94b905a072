"""Progressive GAN: a generator that grows from 4x4 to its full size while it is trained.

Karras, Aila, Laine, Lehtinen: Progressive growing of GANs, ICLR 2018 (arXiv 1710.10196). Default
is the variant on which the cyclic reverse generator (Dogan, Keles 2020) stands: spectral norm on
every kernel of both networks, two updates of the discriminator for each of the generator, and
twice its learning rate. How they grow is in `kgan.models.growing`.

Deviations: one batch size at all levels (as in the original's Theano code; its TensorFlow code and
the variant take 128 up to 16 px, `--batches`); real pictures of a level are means over areas of the
full size.
"""

import functools
from dataclasses import dataclass

from kgan.core.lazy import losses, networks, ops, optimizers, tf
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.data.spec import FACES
from kgan.models.growing import Growing, GrowingRecipe
from kgan.models.stages import Phase


@dataclass(frozen=True)
class PGGANRecipe(GrowingRecipe):
    data: str = knob(FACES, "pictures to train on; generators take one set, labelled or not",
                     group="data")
    latent: int = knob(128, "numbers of a code, drawn from N(0, 1) and brought to one length",
                       low=1)
    cap: int = knob(128, "most maps of a layer of the generator", low=1)
    discriminator_cap: int = knob(512, "most maps of a layer of the discriminator", low=1)
    base: int = knob(8192, "maps of a layer times half its side, where the cap allows", low=1)
    spectral: bool = knob(True, "spectral norm on every kernel (not in the original)")
    discriminator_steps: int = knob(2, "updates of the discriminator in a step", low=1,
                                    group="schedule")
    discriminator_rate: float = knob(2.0, "the discriminator's learning rate, in multiples of "
                                     "--learning_rate", low=0, group="schedule")
    beta_2: float = knob(0.99, "Adam's beta 2", low=0, high=0.9999, group="schedule")
    lambda_penalty: float = knob(10.0, "weight of the gradient penalty", low=0, group="loss")
    drift: float = knob(0.001, "weight of the square of what the discriminator says of real "
                        "pictures", low=0, group="loss")

    @property
    def turns(self):
        return self.discriminator_steps


class PGGAN(Growing):
    """A generator and a discriminator that grow together."""

    players = {"generator": ("g",), "discriminator": ("d",)}
    prior = "normal"
    normalises = True

    def build_networks(self, r):
        def shape(cap):
            return {"size": r.size, "cap": cap, "base": r.base, "spectral": r.spectral}

        nets = {"g": networks.ProgressiveGenerator(r.latent, **shape(r.cap), name="g")}
        if not self.deployed_only:
            nets["d"] = networks.ProgressiveDiscriminator(**shape(r.discriminator_cap), name="d")
        return nets

    def build_optimizer(self, player, schedule):
        if player == "discriminator":
            schedule = schedule.times(self.recipe.discriminator_rate)
        return optimizers.Adam(schedule, beta_1=self.recipe.beta_1,
                                     beta_2=self.recipe.beta_2, epsilon=1e-8,
                                     name=f"adam_{player}")

    @classmethod
    def phases_at(cls, recipe, level):
        return (
            Phase(("discriminator",), recipe.discriminator_steps,
                  functools.partial(cls.discriminator_terms, level=level)),
            Phase(("generator",), 1, functools.partial(cls.generator_terms, level=level),
                  fresh=False),
        )

    def judge(self, pictures, batch, level):
        """What the discriminator says of pictures of a level, in training."""
        alpha = self.alpha(level, batch["step"])
        return self.d(pictures, level=level.number, alpha=alpha, training=True)

    def discriminator_terms(self, batch, level):
        r, judge = self.recipe, functools.partial(self.judge, batch=batch, level=level)
        real, fake = self.real(batch, level), ops.stop_gradient(self.make(batch, level))
        key = tf.random.experimental.stateless_fold_in(batch["key"], 8, alg="philox")
        of_real = judge(real)
        return {"discriminator": {
            "real": losses.real_loss("wasserstein", of_real),
            "fake": losses.fake_loss("wasserstein", judge(fake)),
            "penalty": r.lambda_penalty * losses.gradient_penalty(judge, real, fake, key),
            "drift": r.drift * ops.mean(ops.square(of_real)),
        }}

    def generator_terms(self, batch, level):
        opinion = self.judge(self.make(batch, level), batch, level)
        return {"generator": {"adversarial": losses.real_loss("wasserstein", opinion)}}


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 8, "load_size": 0, "batch": 4,
    "steps": 12, "fade_images": 0, "stable_images": 16, "latent": 4, "cap": 4,
    "discriminator_cap": 4, "base": 16, "restart": False,
}
PAPER = {
    "size": 128, "batch": 16, "steps": 375_000, "learning_rate": 1e-3, "beta_1": 0.0,
    "decay_from": 1.0, "ema": 0.999,
}
SMALL = {
    **PAPER, "data": f"{FACES}?n=20000", "size": 64, "steps": 8_500, "cap": 64,
    "discriminator_cap": 64, "base": 1024, "spectral": False, "learning_rate": 3e-3,
    "fade_images": 16_000, "stable_images": 32_000, "latent": 64, "ema": 0.995,
}

register("pggan", PGGAN, PGGANRecipe(**PAPER), card="pggan.md", tiny=TINY, weights=("avatars_64",),
         phrase="a generator that grows from 4x4 to 128 px, with spectral norm")
register("pggan_small", PGGAN, PGGANRecipe(**SMALL), card="pggan.md", tiny=TINY,
         phrase="a generator that grows from 4x4 to 64 px, for a CPU")
