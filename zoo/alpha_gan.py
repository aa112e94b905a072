"""alpha-GAN: an autoencoder with a discriminator of pictures and another one of codes.

Rosca, Lakshminarayanan, Warde-Farley, Mohamed: Variational approaches for auto-encoding generative
adversarial networks, 2017 (arXiv 1706.04987), section 3. Its text gives ranges of numbers; networks
and numbers are those of Munjal's code, with which the CRG paper compared itself. The encoder is
deterministic, and what keeps its codes near to the prior is the code discriminator. Encoder and
generator pay -log D / (1 - D) of what they make, which is the negative logit.

Deviation: norms of networks that do not move in an update learn the statistics of the pictures that
go through them in it; in that code every update moves those of all networks.
"""

from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import losses, networks, ops
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.data.spec import FACES
from kgan.models.encoding import Encodes
from kgan.models.gan import Phase, Stage


@dataclass(frozen=True)
class AlphaGANRecipe(Recipe):
    data: str = knob(FACES, "pictures to train on; one set, labelled or not", group="data")
    latent: int = knob(128, "numbers of a code, drawn from N(0, 1)", low=1)
    filters: int = knob(64, "maps next to the pictures; they double in each layer", low=1)
    code_width: int = knob(750, "width of the code discriminator", low=1)
    encoder_lambda: float = knob(1.0, "weight of pictures again, for the encoder", low=0,
                                 group="loss")
    generator_lambda: float = knob(5.0, "weight of pictures again, for the generator", low=0,
                                   group="loss")
    encoder_steps: int = knob(2, "updates of the encoder in a step", low=1, group="schedule")
    generator_steps: int = knob(2, "updates of the generator in a step", low=1, group="schedule")

    def check(self):
        super().check()
        if self.size < 16 or self.size & (self.size - 1):
            raise UsageError(f"--size {self.size} must be a power of two, 16 or more.")


class AlphaGAN(Encodes):
    """An encoder, a generator, a discriminator and a code discriminator."""

    players = {"encoder": ("e",), "generator": ("g",), "discriminator": ("d",),
               "code_discriminator": ("c",)}
    averaged = ("encoder", "generator")
    measures = ("reconstructions", "samples")
    prior = "normal"

    def build_networks(self, r):
        make, shape = networks.alpha_gan, {"size": r.size, "filters": r.filters}
        nets = {"e": make.alpha_encoder("e", latent=r.latent, **shape),
                "g": make.alpha_generator("g", latent=r.latent, **shape)}
        if not self.deployed_only:
            nets["d"] = make.alpha_discriminator("d", **shape)
            nets["c"] = make.code_discriminator("c", latent=r.latent, width=r.code_width)
        return nets

    @classmethod
    def stages_of(cls, r):
        """Each update sees a batch of its own."""
        return (Stage("training", r.steps, (
            Phase(("encoder",), r.encoder_steps, cls.encoder_terms),
            Phase(("generator",), r.generator_steps, cls.generator_terms),
            Phase(("discriminator",), 1, cls.discriminator_terms),
            Phase(("code_discriminator",), 1, cls.code_discriminator_terms),
        )),)

    def encoder_terms(self, batch):
        x = batch["a"]
        codes = self.e(x, training=True)
        again = self.g(codes, training=True)
        return {"encoder": {
            "picture": self.recipe.encoder_lambda * losses.l1(x, again),
            "code": losses.real_loss("wasserstein", self.c(codes, training=True)),
        }}

    def made(self, batch):
        """The batch's pictures again, and generated ones; the encoder gets no gradient."""
        codes = ops.stop_gradient(self.e(batch["a"], training=True))
        return self.g(codes, training=True), self.g(self.noise(batch), training=True)

    def generator_terms(self, batch):
        again, fake = self.made(batch)
        return {"generator": {
            "picture": self.recipe.generator_lambda * losses.l1(batch["a"], again),
            "again": losses.real_loss("wasserstein", self.d(again, training=True)),
            "generated": losses.real_loss("wasserstein", self.d(fake, training=True)),
        }}

    def discriminator_terms(self, batch):
        again, fake = (self.d(ops.stop_gradient(x), training=True) for x in self.made(batch))
        return {"discriminator": {
            "real": losses.real_loss("bce", self.d(batch["a"], training=True)),
            "again": losses.fake_loss("bce", again), "generated": losses.fake_loss("bce", fake),
        }}

    def code_discriminator_terms(self, batch):
        codes = ops.stop_gradient(self.e(batch["a"], training=True))
        of_prior, of_codes = networks.together(self.c, self.noise(batch), codes)
        return {"code_discriminator": {
            "prior": losses.real_loss("bce", of_prior),
            "inferred": losses.fake_loss("bce", of_codes),
        }}


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 16, "batch": 4, "steps": 20,
    "latent": 4, "filters": 4, "code_width": 8,
}

register("alpha_gan", AlphaGAN, AlphaGANRecipe(
    size=64, flip=False, batch=64, steps=254_300, learning_rate=5e-4, beta_1=0.5, decay_from=1.0,
), card="alpha_gan.md", tiny=TINY,
   phrase="an autoencoder with discriminators of pictures and of codes")

register("alpha_gan_small", AlphaGAN, AlphaGANRecipe(
    data=f"{FACES}?n=20000", size=64, flip=False, batch=32, steps=3_000, latent=64, filters=16,
    code_width=256, learning_rate=5e-4, beta_1=0.5, ema=0.99,
), card="alpha_gan.md", tiny=TINY,
   phrase="an autoencoder with discriminators of pictures and of codes; a quarter of the width, for"
          " a CPU")
