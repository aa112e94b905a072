"""ALI and BiGAN: an encoder and a generator against one discriminator of pictures with codes.

Dumoulin, Belghazi, Poole, Mastropietro, Lamb, Arjovsky, Courville: Adversarially learned inference,
ICLR 2017 (arXiv 1606.00704), the model for CelebA; and Donahue, Krähenbühl, Darrell: Adversarial
feature learning, ICLR 2017 (arXiv 1605.09782), the model of the authors' code for 64 px. The same
game in two papers: the discriminator tells a picture with the code that was inferred from it from a
generated one with the code that it was made of; encoder and generator pay for what it tells. In
`ali` the encoder draws codes from a normal distribution that it names, in `bigan` it gives one.

Deviations are in the networks' files and on the card; edits and deployment are ours: `encode` gives
the mean of `ali`'s distribution, where the authors draw from it to reconstruct.
"""

from dataclasses import dataclass

from kgan.core.batches import spread
from kgan.core.errors import UsageError
from kgan.core.lazy import losses, networks, np, ops, tf
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.data.spec import FACES
from kgan.models.encoding import Encodes

MEAN_OF = 500  # pictures whose mean `ali` begins with, as in the authors' code
SIZES = (16, 32, 64, 128)


@dataclass(frozen=True)
class PairsRecipe(Recipe):
    data: str = knob(FACES, "pictures to train on; one set, labelled or not", group="data")
    input_noise: float = knob(0.0, "deviation of noise on all pictures that the discriminator "
                              "sees, in [-1, 1], falling to 0 at the last step; not published",
                              low=0, high=2)
    discriminator_rate: float = knob(1.0, "the discriminator's learning rate, in multiples of "
                                     "--learning_rate; 1 as published", low=0, group="schedule")


@dataclass(frozen=True)
class ALIRecipe(PairsRecipe):
    latent: int = knob(256, "numbers of a code, drawn from N(0, 1)", low=1)
    filters: int = knob(64, "maps next to the pictures in all networks, eight times as many next to"
                        " the code", low=1)
    picture_dropout: float = knob(0.2, "share of the inputs of each layer of the discriminator's "
                                  "branch for pictures that is dropped; 0 in the paper's table",
                                  low=0, high=0.9)
    dropout: float = knob(0.2, "the same of its other layers", low=0, high=0.9)

    def check(self):
        super().check()
        if self.size not in SIZES:
            raise UsageError(f"--size {self.size} is not one of {', '.join(map(str, SIZES))}.")


class ALI(Encodes):
    """A stochastic encoder, a generator and a discriminator of pairs."""

    players = {"encoder": ("e",), "generator": ("g",), "discriminator": ("d",)}
    averaged = ("encoder", "generator")
    measures = ("reconstructions", "samples")
    prior = "normal"
    weight = 1.0  # of all that is paid to or by the discriminator

    def build_networks(self, r):
        shape = {"size": r.size, "latent": r.latent, "filters": r.filters}
        nets = {"e": networks.ali.ali_encoder("e", **shape),
                "g": networks.ali.ali_generator("g", **shape)}
        if not self.deployed_only:
            nets["d"] = networks.ali.ali_discriminator(
                "d", picture_dropout=r.picture_dropout, dropout=r.dropout, **shape
            )
        return nets

    def build_optimizer(self, player, schedule):
        if player == "discriminator":
            schedule = schedule.times(self.recipe.discriminator_rate)
        return super().build_optimizer(player, schedule)

    def prepare(self, data):
        """The generator begins with the mean picture, as the log odds in its last bias."""
        pictures = data.train["a"]
        mean = np.mean(pictures[spread(len(pictures), MEAN_OF)] / 255.0, axis=0)
        size = self.recipe.size
        top, left = ((side - size) // 2 for side in mean.shape[:2])
        networks.ali.set_log_odds(self.g, mean[top : top + size, left : left + size])

    def codes_of(self, x):
        return self.e(x, training=False)[0]

    def inferred(self, batch):
        """Codes of the pictures of a batch in training, [n, latent]."""
        mean, log_deviation = self.e(batch["a"], training=True)
        key = tf.random.experimental.stateless_fold_in(batch["key"], 11, alg="philox")
        return mean + ops.exp(log_deviation) * tf.random.stateless_normal(
            mean.shape, key, alg="philox")

    def judge(self, inferred, generated):
        """Logits of two sets of pairs (pictures, codes), in one call: norms see both together."""
        pictures, codes = map(ops.concatenate, zip(inferred, generated, strict=True))
        return ops.split(self.d([pictures, codes], training=True), 2)

    def loss_terms(self, batch):
        z, w = self.noise(batch), self.weight
        of_inferred, of_generated = self.judge(
            (self.veiled(batch["a"], batch, 10), self.inferred(batch)),
            (self.veiled(self.g(z, training=True), batch, 9), z),
        )
        paid = {"inferred": w * losses.fake_loss("bce", of_inferred),
                "generated": w * losses.real_loss("bce", of_generated)}
        return {"encoder": paid, "generator": paid, "discriminator": {
            "inferred": w * losses.real_loss("bce", of_inferred),
            "generated": w * losses.fake_loss("bce", of_generated),
        }}


@dataclass(frozen=True)
class BiGANRecipe(PairsRecipe):
    latent: int = knob(200, "numbers of a code, drawn from U(-1, 1)", low=1)
    filters: int = knob(64, "maps next to the pictures in generator and discriminator; they double "
                        "in each layer", low=1)
    encoder_filters: int = knob(96, "maps of the encoder's first layer, a multiple of 6", low=6)
    decay: float = knob(2.5e-5, "L2 weight decay of all but the scales of norms", low=0,
                        group="loss")

    def check(self):
        super().check()
        if self.size < 16 or self.size & (self.size - 1):
            raise UsageError(f"--size {self.size} must be a power of two, 16 or more.")
        if self.encoder_filters % 6:
            raise UsageError(f"--encoder_filters {self.encoder_filters} must be a multiple of 6.")


class BiGAN(ALI):
    """A deterministic encoder, a generator and a discriminator of pairs."""

    prior = "uniform"
    weight = 0.5

    def build_networks(self, r):
        shape, make = {"size": r.size, "latent": r.latent}, networks.bigan
        nets = {"e": make.bigan_encoder("e", filters=r.encoder_filters, **shape),
                "g": make.bigan_generator("g", filters=r.filters, **shape)}
        if not self.deployed_only:
            nets["d"] = make.bigan_discriminator("d", filters=r.filters, **shape)
        return nets

    def prepare(self, data):
        """Nothing: all weights begin at random."""

    def build_optimizer(self, player, schedule):
        return super().build_optimizer(player, schedule.exponential())

    def codes_of(self, x):
        return self.e(x, training=False)

    def inferred(self, batch):
        return self.e(batch["a"], training=True)

    def judge(self, inferred, generated):
        """Logits of two sets of pairs, each normalised by its own statistics."""
        return [self.d([*pairs], training=True) for pairs in (inferred, generated)]

    def loss_terms(self, batch):
        found = super().loss_terms(batch)
        if not self.recipe.decay:
            return found
        return {player: {**paid, "decay": self.recipe.decay * losses.weight_decay(
            v for v in self.variables_of(player) if v.name != "gamma"
        )} for player, paid in found.items()}


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 16, "load_size": 0, "batch": 4,
    "steps": 20, "latent": 4, "filters": 4,
}
SMALL = {"data": f"{FACES}?n=20000", "size": 64, "flip": False, "batch": 32, "steps": 8_000,
         "latent": 64, "filters": 16, "learning_rate": 2e-4, "beta_1": 0.5, "ema": 0.99}

register("ali", ALI, ALIRecipe(
    size=64, flip=False, batch=100, steps=200_000, learning_rate=1e-4, beta_1=0.5, decay_from=1.0,
), card="ali.md", tiny=TINY, phrase="a stochastic encoder and a generator, judged in pairs")

register("ali_small", ALI, ALIRecipe(**{
    **SMALL, "learning_rate": 1e-3, "discriminator_rate": 0.2,
}), card="ali.md", tiny=TINY,
         phrase="a stochastic encoder and a generator, judged in pairs; a quarter of the width, for"
                " a CPU")

register("bigan", BiGAN, BiGANRecipe(
    size=64, load_size=72, flip=False, batch=128, steps=1_000_000, learning_rate=2e-4, beta_1=0.5,
), card="ali.md", tiny={**TINY, "encoder_filters": 6},
   phrase="an encoder and a generator, judged in pairs, for features")

register("bigan_small", BiGAN, BiGANRecipe(**SMALL, encoder_filters=24), card="ali.md",
         tiny={**TINY, "encoder_filters": 6},
         phrase="an encoder and a generator, judged in pairs; a quarter of the width, for a CPU")
