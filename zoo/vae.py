"""VAE and VAE-GAN: encoders and generators that are trained together.

`vae`: Kingma, Welling: Auto-encoding variational Bayes, ICLR 2014 (arXiv 1312.6114), with a normal
distribution of every value of a picture around what the generator makes; networks, optimizer and
schedule of `vae_gan`. `vae_gan`: Larsen, Soenderby, Larochelle, Winther: Autoencoding beyond pixels
using a learned similarity metric, ICML 2016 (arXiv 1512.09300), by the authors' code for CelebA:
pictures are compared in maps of the discriminator instead of in their values.

Who pays what (section 2.3): the encoder the divergence and the similarity, the generator the
similarity and what the discriminator says, the discriminator what it gets wrong. Each total is of
its player alone, so that no gradient of the discriminator's opinion reaches the encoder and none of
the similarity the discriminator.

Deviations: the codes' noise and all passes are one shared forward pass; logits instead of a
logarithm of a sigmoid plus 0.001. `vae_gan_plain` has the
numbers of Munjal's code, which updates one player after the other, each on a batch of its own.
"""

from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import keras, losses, networks, ops, optimizers, schedules, tf
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.data.spec import FACES
from kgan.models.variational import Variational


@dataclass(frozen=True)
class VAERecipe(Recipe):
    data: str = knob(FACES, "pictures to train on; one set, labelled or not", group="data")
    latent: int = knob(128, "numbers of a code, from N(0, 1)", low=1)
    filters: int = knob(64, "maps of the encoder's first layer; scales all widths", low=1)
    layers: str = knob("published", "networks of the authors' code, or the plain ones of Munjal's",
                       choices=("published", "plain"))
    lambda_kl: float = knob(1.0, "weight of the divergence from the prior, summed over a code",
                            low=0, group="loss")
    weight_decay: float = knob(0.0, "weight of half the squares of all kernels", low=0,
                               group="loss")
    optimizer: str = knob("rmsprop", "optimizer of all players; rmsprop has a decay of 0.9",
                          choices=("rmsprop", "adam"), group="schedule")
    rate_power: float = knob(0.0, "the learning rate falls with this power of the share of the "
                             "steps that are done, to --last_rate; 0 = linearly, by --decay_from",
                             low=0, high=4, group="schedule")
    last_rate: float = knob(0.0, "learning rate at the last step of --rate_power", low=0,
                            group="schedule")

    def check(self):
        super().check()
        if self.size < 16 or self.size % 8:
            raise UsageError(f"--size {self.size} must be a multiple of 8, 16 or more.")


@dataclass(frozen=True)
class PlainVAERecipe(VAERecipe):
    deviation: float = knob(1.0, "standard deviation of values, in [-1, 1], around what the "
                            "generator makes; less = sharper pictures, wilder codes", low=1e-3,
                            group="loss")


@dataclass(frozen=True)
class VAEGANRecipe(VAERecipe):
    gamma: float = knob(1e-6, "weight of the similarity beside the adversarial term of the "
                        "generator", low=0, group="loss")
    lambda_adversarial: float = knob(1.0, "weight of the adversarial term of the generator",
                                     low=0, group="loss")
    lambda_similarity: float = knob(1.0, "weight of the similarity beside the divergence of the "
                                    "encoder", low=0, group="loss")
    similarity: str = knob("sum", "half the squared differences of maps summed over a picture, or "
                           "the mean of all squared differences", choices=("sum", "mean"),
                           group="loss")
    adversarial: str = knob("minimax", "the generator maximises what the discriminator pays for "
                            "its pictures, or minimises -log D of them",
                            choices=("minimax", "non_saturating"), group="loss")
    fakes: str = knob("drawn", "what the discriminator is shown beside real pictures: pictures of "
                      "drawn codes, or reconstructions, too", choices=("drawn", "both"),
                      group="loss")
    real_share: float = knob(0.5, "weight of real pictures in what the discriminator pays; the "
                             "made ones have the rest", low=0.01, high=0.99, group="loss")
    equilibrium: float = knob(0.68, "cross-entropy at which both are equally good", low=0,
                              group="schedule")
    margin: float = knob(0.35, "a player whose cross-entropy says that it is so far ahead stays "
                         "as it is; 0 = never", low=0, group="schedule")
    discriminator_rate: float = knob(1.0, "the discriminator's learning rate, in multiples of "
                                     "--learning_rate", low=0, group="schedule")


class VAE(Variational):
    """A variational autoencoder of pictures."""

    players = {"autoencoder": ("e", "g")}
    averaged = ("autoencoder",)

    def build_networks(self, r):
        shape = {"size": r.size, "filters": r.filters, "variant": r.layers}
        return {"e": networks.vae.vae_encoder("e", latent=r.latent, **shape),
                "g": networks.vae.vae_decoder("g", latent=r.latent, **shape)}

    def build_optimizer(self, player, schedule):
        r = self.recipe
        if player == "discriminator":
            schedule = schedule.times(r.discriminator_rate)
        if r.rate_power:
            schedule = schedules.PowerDecay(schedule, self.step, r.steps, r.rate_power,
                                            r.last_rate / max(r.learning_rate, 1e-12))
        if r.optimizer == "rmsprop":
            return keras.optimizers.RMSprop(schedule, rho=0.9, epsilon=1e-8,
                                            name=f"rmsprop_{player}")
        return optimizers.Adam(schedule, beta_1=r.beta_1, beta_2=0.999, epsilon=1e-8,
                               name=f"adam_{player}")

    def loss_terms(self, batch):
        r = self.recipe
        codes, divergence = self.posterior(batch)
        made = self.g(codes, training=True)
        return {"autoencoder": {
            "divergence": r.lambda_kl * divergence,
            "picture": losses.l2_sum(batch["a"], made) / (2.0 * r.deviation**2),
            **self.decay("autoencoder", r.weight_decay),
        }}


class VAEGAN(VAE):
    """A variational autoencoder whose pictures a discriminator compares and judges."""

    players = {"encoder": ("e",), "generator": ("g",), "discriminator": ("l", "d")}
    averaged = ("encoder", "generator")

    def build_networks(self, r):
        nets = super().build_networks(r)
        if not self.deployed_only:
            shape = {"size": r.size, "filters": r.filters, "variant": r.layers}
            nets |= {"l": networks.vae.vae_similarity("l", **shape),
                     "d": networks.vae.vae_discriminator("d", **shape)}
        return nets

    def loss_terms(self, batch):
        r = self.recipe
        codes, divergence = self.posterior(batch)
        times = r.lambda_similarity / r.gamma if self.one_way_back else 1.0
        again, drawn = (self.g(z, training=True)
                        for z in (losses.steeper(codes, times), self.noise(batch)))
        similarity, real, fakes = self.compared(batch["a"], again, drawn)
        fools = [self.adversarial(fake) for fake in fakes]
        of_encoder, of_generator = r.lambda_similarity * similarity, r.gamma * similarity
        if self.one_way_back:  # the encoder's value, the generator's gradient
            of_encoder = of_generator + ops.stop_gradient(of_encoder - of_generator)
        return {
            "encoder": {
                "divergence": r.lambda_kl * divergence,
                "similarity": of_encoder,
                **self.decay("encoder", r.weight_decay),
            },
            "generator": {
                "similarity": of_generator,
                "adversarial": r.lambda_adversarial * sum(fools),
                **self.decay("generator", r.weight_decay),
            },
            "discriminator": {
                "real": r.real_share * losses.real_loss("bce", real),
                "fake": (1.0 - r.real_share) / len(fakes) * sum(
                    losses.fake_loss("bce", fake) for fake in fakes),
                **self.decay("discriminator", r.weight_decay),
            },
        }

    @property
    def one_way_back(self):
        """Whether the similarity goes back through discriminator and generator once for both.

        Encoder and generator pay it by weights of their own. With the generator's in both totals
        their gradients are the same operations, of which TensorFlow keeps one, and what reaches the
        codes is multiplied to the encoder's. Not if the discriminator, too, judges what is made
        of those codes, nor where numbers as small as gamma would be 0.
        """
        r = self.recipe
        return r.gamma > 0 and r.fakes == "drawn" and self.precision != "mixed_float16"

    def compared(self, x, again, drawn):
        """How far pictures are from their reconstructions, and what the discriminator says.

        Batch norm of the published layers sees pictures and reconstructions together where they are
        compared, real and made ones together where they are judged; that of the plain ones each set
        apart, for both.

        Returns:
            (the similarity, a scalar; logits of `x`; a list of the logits of what was made).
        """
        made = [again, drawn] if self.recipe.fakes == "both" else [drawn]
        if self.recipe.layers == "plain":
            maps = [self.l(pictures, training=True) for pictures in (x, again, drawn)]
            of_x, of_again = maps[:2]
            real, *fakes = [self.d(seen, training=True) for seen in (of_x, *maps[-len(made):])]
        else:
            of_again, of_x = networks.together(self.l, again, x)
            real, *fakes = networks.together(lambda both: self.d(self.l(both)), x, *made)
        if self.recipe.similarity == "mean":
            return losses.l2(of_again, of_x), real, fakes
        return 0.5 * losses.l2_sum(of_again, of_x), real, fakes

    def adversarial(self, fake):
        """What it costs the generator that the discriminator sees through pictures."""
        if self.recipe.adversarial == "minimax":
            return -losses.fake_loss("bce", fake)
        return losses.real_loss("bce", fake)

    def gates(self, terms):
        """The authors' equilibrium: who is too far ahead stays, both move if both are."""
        r = self.recipe
        if not r.margin:
            return {}
        paid = terms["discriminator"]
        costs = tf.stack([paid["real"] / r.real_share, paid["fake"] / (1.0 - r.real_share)])
        discriminator = ops.any(costs < r.equilibrium - r.margin)
        generator = ops.any(costs > r.equilibrium + r.margin)
        both = tf.logical_and(discriminator, generator)
        return {"discriminator": tf.logical_and(discriminator, tf.logical_not(both)),
                "generator": tf.logical_and(generator, tf.logical_not(both))}


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 16, "batch": 4, "steps": 20,
    "latent": 4, "filters": 4,
}
PAPER = {
    "size": 64, "batch": 64, "steps": 62_500, "decay_from": 1.0, "learning_rate": 0.025 / 64,
    "rate_power": 0.75, "last_rate": 1e-5 / 64, "weight_decay": 1e-5 / 64,
}
PLAIN = {
    "size": 64, "batch": 128, "steps": 127_100, "layers": "plain", "optimizer": "adam",
    "learning_rate": 3e-4, "discriminator_rate": 1 / 3, "decay_from": 1.0, "flip": False,
    "lambda_kl": 1 / 128, "lambda_similarity": 10.0, "gamma": 30.0, "similarity": "mean",
    "adversarial": "non_saturating", "fakes": "both", "real_share": 1 / 3, "margin": 0.0,
}
SMALL = {
    "size": 64, "batch": 32, "steps": 4000, "filters": 32, "optimizer": "adam",
    "learning_rate": 3e-4, "decay_from": 0.5,
}

register("vae", VAE, PlainVAERecipe(**PAPER), card="vae.md", tiny=TINY,
         phrase="a variational autoencoder, squared error of pictures")
register("vae_small", VAE, PlainVAERecipe(**{**SMALL, "learning_rate": 1e-3, "beta_1": 0.9}),
         card="vae.md", tiny=TINY,
         phrase="a variational autoencoder, half of the width, for a CPU")
register("vae_gan", VAEGAN, VAEGANRecipe(**PAPER, lambda_adversarial=1.0 - 1e-6), card="vae.md",
         tiny=TINY, phrase="a variational autoencoder whose pictures a discriminator compares")
register("vae_gan_small", VAEGAN, VAEGANRecipe(**SMALL, gamma=1e-5), card="vae.md", tiny=TINY,
         phrase="a variational autoencoder whose pictures a discriminator compares; half of the "
                "width, for a CPU")
register("vae_gan_plain", VAEGAN, VAEGANRecipe(**PLAIN), card="vae.md",
         tiny=TINY,
         phrase="vae_gan with the layers and weights that CRG's comparison took")
register("vae_gan_plain_small", VAEGAN, VAEGANRecipe(**{
    **PLAIN, "batch": 32, "steps": 4000, "filters": 32, "decay_from": 0.5, "lambda_kl": 1 / 32,
    "ema": 0.995,
}), card="vae.md", tiny=TINY,
         phrase="vae_gan with the layers and weights that CRG's comparison took; half of the "
                "width, for a CPU")
