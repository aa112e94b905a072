"""Pioneer: an encoder and a generator that grow together, without a discriminator.

Heljakka, Solin, Kannala: Pioneer networks: progressively growing generative autoencoder, ACCV 2018
(arXiv 1807.03026), and the authors' code: the adversarial generator-encoder (AGE; Ulyanov, Vedaldi,
Lempitsky 2018) on the levels of a progressive GAN. The encoder makes codes of real pictures look as
the prior's and those of generated ones not, the generator the reverse; codes lie on a sphere. How
they grow is in `kgan.models.growing`.

Deviations: all numbers of a code are drawn (the code keeps one of 512 for a label that there is
not); the generator brings codes to one length itself, so that edits stay on the sphere; real and
generated pictures go through the encoder in one call, with one step of the power iteration; a
history of fakes for each level; the first level lasts as long as others do once they are there.
"""

import functools
from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import losses, networks, ops, optimizers
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.data.spec import FACES
from kgan.models.encoding import Encodes
from kgan.models.growing import Growing, GrowingRecipe
from kgan.models.stages import Phase


@dataclass(frozen=True)
class PioneerRecipe(GrowingRecipe):
    data: str = knob(FACES, "pictures to train on; encoders take one set, labelled or not",
                     group="data")
    latent: int = knob(512, "numbers of a code, drawn from the sphere of radius 1", low=2)
    cap: int = knob(512, "most maps of a layer", low=1)
    base: int = knob(8192, "maps of a layer times half its side, where the cap allows", low=1)
    spectral: bool = knob(True, "spectral norm in the encoder, but for the layers next to pictures")
    generator_steps: int = knob(2, "updates of the generator in a step, for one of the encoder",
                                low=1, group="schedule")
    beta_2: float = knob(0.99, "Adam's beta 2", low=0, high=0.9999, group="schedule")
    lambda_real: float = knob(0.1, "weight of the divergence of codes of real pictures", low=0,
                              group="loss")
    lambda_fake: float = knob(0.1, "weight of the divergence of codes of generated pictures", low=0,
                              group="loss")
    lambda_picture: float = knob(1.5, "weight of the difference of pictures and their "
                                 "reconstructions", low=0, group="loss")
    lambda_picture_fading: float = knob(1.0, "the same while a level fades in", low=0, group="loss")
    lambda_code: float = knob(100.0, "weight of the difference of codes and their reconstructions",
                              low=0, group="loss")
    moments: str = knob("std", "the divergence of a batch of codes from N(0, 1) by standard "
                        "deviations, or by variances in their place, as AGE's code has it",
                        choices=("std", "variance"), group="loss")
    pool: int = knob(200, "history of generated pictures that the encoder sees, of levels that are "
                     "there; 0 = none", low=0, group="loss")

    def check(self):
        super().check()
        batches = [self.at(level)[0] or self.batch for level in range(self.levels)]
        if 0 < self.pool < max(batches):
            raise UsageError(f"--pool must be 0 or at least as large as a batch ({max(batches)}).")
        if min(batches) // self.accumulate < 2:
            raise UsageError("a share of a batch must have 2 pictures at least: what is compared "
                             "are moments over it.")


class Pioneer(Growing, Encodes):
    """A generator and an encoder that grow together."""

    players = {"encoder": ("e",), "generator": ("g",)}
    measures = ("reconstructions", "samples")
    prior = "sphere"
    normalises = True
    far = "length"

    def build_networks(self, r):
        shape = {"size": r.size, "cap": r.cap, "base": r.base}
        nets = {
            "g": networks.ProgressiveGenerator(r.latent, **shape, norm_first=True, name="g"),
            "e": networks.ProgressiveEncoder(r.latent, **shape, spectral=r.spectral, name="e"),
        }
        if r.pool and not self.deployed_only:
            nets |= {_pool(level): networks.ImagePool(r.pool, (4 * 2**level, 4 * 2**level, 3))
                     for level in range(r.levels)}
        return nets

    def build_optimizer(self, player, schedule):
        return optimizers.Adam(schedule, beta_1=self.recipe.beta_1, beta_2=self.recipe.beta_2,
                               epsilon=1e-8, name=f"adam_{player}")

    @classmethod
    def phases_at(cls, recipe, level):
        return (
            Phase(("encoder",), 1, functools.partial(cls.encoder_terms, level=level)),
            Phase(("generator",), recipe.generator_steps,
                  functools.partial(cls.generator_terms, level=level), fresh=False),
        )

    def encoder_terms(self, batch, level):
        r, alpha = self.recipe, self.alpha(level, batch["step"])
        real, fake = self.real(batch, level), ops.stop_gradient(self.make(batch, level))
        if r.pool and level.begin is None:
            fake = self.nets[_pool(level.number)](fake, batch["key"])
        codes = self.e(ops.concatenate([real, fake]), level=level.number, alpha=alpha,
                       training=True)
        of_real, of_fake = ops.split(codes, 2)
        again = self.g(of_real, level=level.number, alpha=alpha, training=True)
        weight = r.lambda_picture if level.begin is None else r.lambda_picture_fading
        return {"encoder": {
            "real": r.lambda_real * losses.normal_divergence(of_real, r.moments),
            "fake": -r.lambda_fake * losses.normal_divergence(of_fake, r.moments),
            "picture": weight * losses.l1(real, again),
        }}

    def generator_terms(self, batch, level):
        r, alpha = self.recipe, self.alpha(level, batch["step"])
        codes = self.noise(batch)
        made = self.g(codes, level=level.number, alpha=alpha, training=True)
        again = self.e(made, level=level.number, alpha=alpha, training=True)
        return {"generator": {
            "fake": r.lambda_fake * losses.normal_divergence(again, r.moments),
            "code": r.lambda_code * losses.sphere_distance(again, codes),
        }}


def _pool(level):
    return f"pool_{level}"


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 8, "batch": 4, "batches": "",
    "steps": 12, "fade_images": 0, "stable_images": 16, "latent": 4, "cap": 4, "base": 16,
    "pool": 4,
}
PAPER = {
    "size": 128, "batch": 16, "batches": "128,128,128,64,32,16", "steps": 1_671_875,
    "fade_images": 1_200_000, "stable_images": 1_200_000, "learning_rate": 1e-3, "beta_1": 0.0,
    "decay_from": 1.0, "ema": 0.999, "restart": False,
}
SMALL = {
    **PAPER, "data": f"{FACES}?n=20000", "size": 64, "batches": "64,64,64,32,16", "steps": 8_000,
    "fade_images": 16_000, "stable_images": 32_000, "latent": 64, "cap": 64, "base": 1024,
    "ema": 0.995,
}

register("pioneer", Pioneer, PioneerRecipe(**PAPER), card="pioneer.md", tiny=TINY,
         phrase="an encoder and a generator that grow from 4x4 to 128 px, without a discriminator")
register("pioneer_small", Pioneer, PioneerRecipe(**SMALL), card="pioneer.md", tiny=TINY,
         phrase="an encoder and a generator that grow from 4x4 to 64 px, for a CPU")
