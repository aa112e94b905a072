"""IAN: a VAE and a GAN whose encoder stands on the discriminator's features.

Brock, Lim, Ritchie, Weston: Neural photo editing with introspective adversarial networks, ICLR 2017
(arXiv 1609.07093), with the networks, weights of terms and schedule of the authors' code. The
discriminator tells real pictures, reconstructions and samples apart; it alone teaches the layers
that it shares with the encoder. The generator is made of multiscale dilated convolutions, kernels
of convolutions are held near orthogonal. A step is an update of the discriminator and one of the
generator, each on pictures of its own; the encoder's head moves with both.

Paper and code differ in the orthogonal regulariser: `--orthogonal filters`, the default, is the
paper's, `--orthogonal rows` the code's. The divergence of codes is a mean over their numbers, as in
the code.
"""

from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import keras, losses, networks, ops, tf
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.data.spec import FACES
from kgan.models.encoding import Encodes
from kgan.models.gan import Phase, Stage
from kgan.models.latent import draw

CLASSES = ("real", "reconstruction", "sample")
EPOCHS = 80
FALLS = ((25, 1.0), (50, 0.5), (75, 0.25), (80, 0.05))  # until an epoch, of the rate


@dataclass(frozen=True)
class IANRecipe(Recipe):
    data: str = knob(FACES, "pictures to train on; encoders take one set, labelled or not",
                     group="data")
    latent: int = knob(100, "numbers of a code, drawn from N(0, 1)", low=2)
    filters: int = knob(128, "maps of the first layer of the discriminator and the last ones of "
                        "the generator", low=1)
    units: int = knob(1000, "of the hidden layer of the encoder's head", low=1)
    kernels: int = knob(500, "of minibatch discrimination", low=1)
    flow: bool = knob(True, "codes go through a random autoregressive flow that is not trained, as "
                      "in the authors' code")
    falls: bool = knob(True, "the rate falls to 1/2, 1/4 and 1/20 after 25, 50 and 75 of 80 parts "
                       "of the steps", group="schedule")
    lambda_picture: float = knob(3.0, "weight of twice the mean absolute difference of pictures "
                                 "and reconstructions", low=0, group="loss")
    lambda_features: float = knob(1.0, "weight of that of the discriminator's maps, squared", low=0,
                                  group="loss")
    lambda_code: float = knob(1.0, "weight of the divergence of codes from N(0, 1)", low=0,
                              group="loss")
    lambda_l2: float = knob(1e-5, "weight of the squares of the weights of the encoder's head",
                            low=0, group="loss")
    lambda_orthogonal: float = knob(1e-3, "weight of what keeps kernels near orthogonal", low=0,
                                    group="loss")
    orthogonal: str = knob("filters", "what is orthogonal: filters to each other, as published, or "
                           "the rows of each filter, as in the code", choices=("filters", "rows"),
                           group="loss")

    def check(self):
        super().check()
        if self.size % 16:
            raise UsageError(f"--size {self.size} must be a multiple of 16.")
        if self.falls and self.decay_from < 1:
            raise UsageError("--decay_from below 1 needs --nofalls: the rate falls in one way.")


class IAN(Encodes):
    """A trunk `t` with two heads, the discriminator `d` and the encoder `h`, and a generator."""

    players = {"discriminator": ("t", "d"), "encoder": ("h",), "generator": ("g",)}
    directions = {"reconstruct": "h"}
    measures = ("reconstructions", "samples")
    prior = "normal"

    def build_networks(self, r):
        trunk = networks.ian.ian_trunk("t", size=r.size, filters=r.filters)
        shape = trunk.outputs[-1].shape[1:]
        nets = {
            "t": trunk,
            "h": networks.ian.ian_encoder_head("h", shape, latent=r.latent, units=r.units),
            "g": networks.ian.ian_decoder("g", size=r.size, latent=r.latent, filters=r.filters,
                                          flow=r.flow),
        }
        if not self.deployed_only:
            nets["d"] = networks.ian.ian_discriminator_head("d", shape, kernels=r.kernels)
        return nets

    def deployed(self):
        return ["g", "h", "t"]

    def codes_of(self, x):
        return self.h(self.t(x, training=False)[-1], training=False)[0]

    @classmethod
    def stages_of(cls, recipe):
        phases = (Phase(("discriminator", "encoder"), 1, cls.discriminator_terms),
                  Phase(("generator", "encoder"), 1, cls.generator_terms))
        if not recipe.falls:
            return (Stage("training", recipe.steps, phases),)
        ends = [round(recipe.steps * epoch / EPOCHS) for epoch, _ in FALLS]
        found = []
        for begin, end, (_, factor) in zip([0, *ends], ends, FALLS, strict=False):
            rate = factor * recipe.learning_rate
            if end > begin:
                found.append(Stage(f"rate {rate:g}", end - begin, phases, rate=rate))
        return tuple(found)

    def played(self, batch):
        """What all players look at: maps and opinions of real pictures, reconstructions, samples.

        The encoder's head sees the trunk's maps as they are, without a way back.
        """
        x = batch["a"]
        maps = self.t(x, training=True)
        mean, log_deviation = self.h(ops.stop_gradient(maps[-1]), training=True)
        key = tf.random.experimental.stateless_fold_in(batch["key"], 11, alg="philox")
        codes = mean + ops.exp(log_deviation) * draw("normal", mean.shape, key)
        again = self.g(codes, training=True)
        sample = self.g(self.noise(batch), training=True)
        seen = (maps, self.t(again, training=True), self.t(sample, training=True))
        return {
            "again": again, "mean": mean, "log_deviation": log_deviation, "maps": seen,
            "logits": [self.d(its[-1], training=True) for its in seen],
        }

    def reconstruction(self, batch, found):
        """What generator and encoder's head pay alike."""
        r, (maps, maps_again, _) = self.recipe, found["maps"]
        features = sum(losses.l2(x, y) for x, y in zip(maps, maps_again, strict=True)) / len(maps)
        return {
            "picture": r.lambda_picture * 2.0 * losses.l1(batch["a"], found["again"]),
            "features": r.lambda_features * features,
            "reconstruction": called(found["logits"][1], "real"),
        }

    def encoder_terms(self, batch, found):
        r, mean, log_deviation = self.recipe, found["mean"], found["log_deviation"]
        divergence = 0.5 * ops.mean(
            ops.square(mean) + ops.exp(2.0 * log_deviation) - 1.0 - 2.0 * log_deviation)
        held = [v for v in self.h.trainable_variables if v.name in ("kernel", "gamma")]
        return {
            **self.reconstruction(batch, found), "code": r.lambda_code * divergence,
            "l2": 2.0 * r.lambda_l2 * losses.weight_decay(held),
        }

    def discriminator_terms(self, batch):
        found = self.played(batch)
        told = {name: called(says, name)
                for name, says in zip(CLASSES, found["logits"], strict=True)}
        return {"discriminator": {**told, "orthogonal": self.orthogonality(self.t)},
                "encoder": self.encoder_terms(batch, found)}

    def generator_terms(self, batch):
        found = self.played(batch)
        return {
            "generator": {
                **self.reconstruction(batch, found), "sample": called(found["logits"][2], "real"),
                "orthogonal": self.orthogonality(self.g),
            },
            "encoder": self.encoder_terms(batch, found),
        }

    def orthogonality(self, network):
        """What the kernels of a network's convolutions pay."""
        r, paid = self.recipe, 0.0
        for layer in network.layers:
            kernel = ops.convert_to_tensor(layer.kernel) if convolves(layer) else None
            if isinstance(layer, keras.layers.Conv2DTranspose):
                kernel = ops.transpose(kernel, (0, 1, 3, 2))
            if kernel is not None:
                paid += losses.orthogonality(kernel, r.orthogonal)
        return r.lambda_orthogonal * paid


def called(logits, name):
    """Cross-entropy of what the discriminator says, if the pictures are to be called `name`."""
    wanted = ops.one_hot(CLASSES.index(name), len(CLASSES), dtype="float32")
    return losses.cross_entropy(ops.broadcast_to(wanted, logits.shape), logits)


def convolves(layer):
    """Whether a layer has a kernel of four dimensions."""
    kinds = (keras.layers.Conv2D, keras.layers.Conv2DTranspose, networks.ian.MultiscaleConv2D)
    return isinstance(layer, kinds)


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 16, "batch": 4, "steps": 12,
    "latent": 4, "filters": 2, "units": 6, "kernels": 3, "falls": False,
}
PAPER = {
    "size": 64, "batch": 16, "steps": 406_925, "learning_rate": 2e-4, "beta_1": 0.5,
    "decay_from": 1.0,
}
SMALL = {
    **PAPER, "data": f"{FACES}?n=8500&test=1500", "batch": 32, "steps": 4_000, "filters": 24,
    "units": 200, "kernels": 100, "latent": 64, "flow": False,
}

register("ian", IAN, IANRecipe(**PAPER), card="ian.md", tiny=TINY,
         phrase="codes by the features of a discriminator that tells three kinds of pictures apart")
register("ian_small", IAN, IANRecipe(**SMALL), card="ian.md", tiny=TINY,
         phrase="the same with a fifth of the maps, for a CPU")
