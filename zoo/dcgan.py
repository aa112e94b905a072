"""DCGAN and its relatives: generators of pictures from codes.

Radford, Metz, Chintala: Unsupervised representation learning with deep convolutional GANs, ICLR
2016 (arXiv 1511.06434); layers of the widely used TensorFlow code, on which "Photoshop 2.0" stands.
`wgan`: Arjovsky, Chintala, Bottou 2017 (arXiv 1701.07875), clipped weights. `wgan_gp`: Gulrajani et
al. 2017 (arXiv 1704.00028), gradient penalty, here with DCGAN's networks instead of the paper's
residual ones, layer norm in the critic. `cgan`: Mirza, Osindero 2014 (arXiv 1411.1784), attributes
as condition, with the discriminator of IcGAN (Perarnau et al. 2016), that also sees real pictures
with wrong labels. `dcgan_features`: Radford et al., section 5.1, the discriminator whose features
are measured on CIFAR-10 (`tools/evaluate --suite dcgan_features`); its generator, of which the text
says nothing, has `dcgan`'s layers for 32 px.

With one update of each player a step, both take their gradients from one shared forward pass, the
published code from two passes one after the other.
"""

from dataclasses import dataclass
from typing import ClassVar

from kgan.core.errors import UsageError
from kgan.core.lazy import keras, losses, networks, ops, optimizers, tf
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.data.signals import usual
from kgan.data.spec import FACES
from kgan.models.gan import Phase, Stage
from kgan.models.latent import LatentGAN


@dataclass(frozen=True)
class DCGANRecipe(Recipe):
    from_data: ClassVar[tuple] = ("labels", "one_label")

    data: str = knob(FACES, "pictures to train on; generators take one set, labelled or not",
                     group="data")
    labels: str = knob("", "names of the labels that are given, joined by commas; the data decide",
                       group="data")
    one_label: bool = knob(False, "labels are classes: samples have one each, never none; the data "
                           "decide", group="data")
    condition: bool = knob(False, "the labels are given to both players")
    latent: int = knob(100, "numbers of a code", low=1)
    prior: str = knob("uniform", "what codes are drawn from: U(-1, 1) or N(0, 1)",
                      choices=("uniform", "normal"))
    filters: int = knob(64, "maps before the generator's last layer; they double towards the code",
                        low=1)
    discriminator: str = knob("strided", "layers of the discriminator: strided 5x5 convolutions, "
                              "or for 32 px six of 3x3, whose features the authors evaluate",
                              choices=("strided", "features"))
    discriminator_filters: int = knob(64, "maps of the discriminator's first layer", low=1)
    discriminator_norm: str = knob("batch", "normalisation in the discriminator",
                                   choices=("batch", "layer", "none"))
    input_noise: float = knob(0.0, "deviation of noise on all that the discriminator sees, in "
                              "[-1, 1], falling to 0 at the last step", low=0, high=2)
    adversarial: str = knob("bce", "adversarial loss", choices=("bce", "wasserstein"),
                            group="loss")
    clip: float = knob(0.0, "bound on each weight of the critic (WGAN); 0 = none", low=0,
                       group="loss")
    lambda_penalty: float = knob(0.0, "weight of the gradient penalty (WGAN-GP); 0 skips its "
                                 "passes", low=0, group="loss")
    discriminator_steps: int = knob(1, "updates of the discriminator in a step", low=1,
                                    group="schedule")
    generator_steps: int = knob(1, "updates of the generator in a step; 2 = Neural Face", low=1,
                                group="schedule")
    optimizer: str = knob("adam", "optimizer of both", choices=("adam", "rmsprop"),
                          group="schedule")

    beta_2: float = knob(0.999, "Adam's beta 2", low=0, high=0.9999, group="schedule")

    def check(self):
        super().check()
        if self.size < 16 or self.size & (self.size - 1):
            raise UsageError(f"--size {self.size} must be a power of two, 16 or more.")
        if self.lambda_penalty and self.discriminator_norm == "batch":
            raise UsageError("--lambda_penalty needs --discriminator_norm layer or none: batch "
                             "norm mixes pictures, whose slopes are bounded one by one.")
        if self.discriminator == "features":
            if self.size != 32:
                raise UsageError("--discriminator features is for pictures of 32 px: say --size "
                                 "32.")
            if self.discriminator_norm != "batch" or self.clip or self.condition:
                raise UsageError("--discriminator features has batch norm and takes neither --clip "
                                 "nor --condition.")

    @property
    def classes(self):
        """How many labels condition the players."""
        return len(self.labels.split(",")) if self.condition and self.labels else 0

    def complete(self, data):
        if self.condition and not data.label_names:
            raise UsageError(f"--data {data.spec} has no labels to condition on: name labelled "
                             f"pictures, as in --data {type(self).data}.")
        return self.replace(labels=",".join(data.label_names) if self.condition else "",
                            one_label=self.condition and data.exclusive)


class DCGAN(LatentGAN):
    """A generator and a discriminator of strided convolutions."""

    players = {"generator": ("g",), "discriminator": ("d",)}

    def build_networks(self, r):
        generator = networks.dcgan_generator(
            "g", size=r.size, latent=r.latent, filters=r.filters, classes=r.classes
        )
        if r.discriminator == "features":
            judge = networks.cifar_discriminator("d", filters=r.discriminator_filters)
        else:
            judge = networks.dcgan_discriminator(
                "d", size=r.size, filters=r.discriminator_filters, norm=r.discriminator_norm,
                clip=r.clip, classes=r.classes, constant=r.adversarial == "bce",
            )
        return {"g": generator, "d": judge}

    def deployed(self):
        """The discriminator goes along: encoders and classifiers begin with its features."""
        return ["g", "d"]

    def build_optimizer(self, player, schedule):
        if self.recipe.optimizer == "rmsprop":
            return keras.optimizers.RMSprop(schedule, rho=0.99, epsilon=1e-8,
                                            name=f"rmsprop_{player}")
        return optimizers.Adam(schedule, beta_1=self.recipe.beta_1,
                                     beta_2=self.recipe.beta_2, epsilon=1e-8,
                                     name=f"adam_{player}")

    @classmethod
    def label_names_of(cls, recipe):
        return tuple(recipe.labels.split(",")) if recipe.classes else ()

    @property
    def conditions(self):
        return self.recipe.classes

    @property
    def exclusive(self):
        return self.recipe.one_label

    @classmethod
    def signals_of(cls, recipe):
        return usual(recipe.size, {"a": 3}, recipe.classes)

    @classmethod
    def stages_of(cls, r):
        if r.discriminator_steps == r.generator_steps == 1:
            return (Stage("training", r.steps, (Phase(),)),)
        return (Stage("training", r.steps, (
            Phase(("discriminator",), r.discriminator_steps, cls.discriminator_terms),
            Phase(("generator",), r.generator_steps, cls.generator_terms, fresh=False),
        )),)

    def loss_terms(self, batch):
        labels = self.given(batch)
        fake = self.make(batch, labels)
        of_fake = self.judge(fake, labels)
        return {
            "generator": {"adversarial": losses.real_loss(self.recipe.adversarial, of_fake)},
            "discriminator": self.judgements(batch, labels, fake, of_fake),
        }

    def discriminator_terms(self, batch):
        labels = self.given(batch)
        fake = ops.stop_gradient(self.make(batch, labels))
        return {"discriminator": self.judgements(batch, labels, fake, self.judge(fake, labels))}

    def generator_terms(self, batch):
        labels = self.given(batch)
        of_fake = self.judge(self.make(batch, labels), labels)
        return {"generator": {
            "adversarial": losses.real_loss(self.recipe.adversarial, of_fake)
        }}

    def given(self, batch):
        """The labels that both players are given, -1 or 1 [n, k], in a list; or none."""
        return [2.0 * batch["labels"] - 1.0] if self.recipe.classes else []

    def make(self, batch, labels):
        """Generated pictures as the discriminator sees them."""
        codes = self.noise(batch)
        return self.veiled(self.g([codes, *labels] if labels else codes, training=True), batch, 9)

    def judge(self, pictures, labels):
        """Real and fake pictures come apart: each set is normalised by its own statistics."""
        return self.d([pictures, *labels] if labels else pictures, training=True)

    def judgements(self, batch, labels, fake, of_fake):
        """What the discriminator pays."""
        r, real = self.recipe, self.veiled(batch["a"], batch, 10)
        terms = {
            "real": losses.real_loss(r.adversarial, self.judge(real, labels)),
            "fake": losses.fake_loss(r.adversarial, of_fake),
        }
        if labels:  # IcGAN: right pictures with others' labels are half of what is fake
            wrong = self.judge(real, [ops.roll(labels[0], 1, axis=0)])
            terms["fake"] *= 0.5
            terms["wrong"] = 0.5 * losses.fake_loss(r.adversarial, wrong)
        if r.lambda_penalty:
            key = tf.random.experimental.stateless_fold_in(batch["key"], 8, alg="philox")
            penalty = losses.gradient_penalty(
                lambda x: self.judge(x, labels), real, ops.stop_gradient(fake), key
            )
            terms["penalty"] = r.lambda_penalty * penalty
        return terms


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "labels": "Smiling,Eyeglasses", "size": 16,
    "load_size": 0, "batch": 4, "steps": 20, "latent": 8, "filters": 4, "discriminator_filters": 4,
}

register("dcgan", DCGAN, DCGANRecipe(
    size=64, flip=False, batch=64, steps=80_000, learning_rate=2e-4, decay_from=1.0,
), card="dcgan.md", weights=("avatars_64",), tiny=TINY,
   phrase="pictures from codes by strided convolutions")

# Drawn faces: with one update each, or without noise, the discriminator wins.
register("dcgan_small", DCGAN, DCGANRecipe(
    data=f"{FACES}?n=20000", size=64, flip=False, batch=32, steps=8000, filters=32,
    discriminator_filters=32, input_noise=0.3, generator_steps=2, learning_rate=2e-4, ema=0.99,
), card="dcgan.md", tiny=TINY,
   phrase="pictures from codes by strided convolutions; half of the width, for a CPU")

register("wgan", DCGAN, DCGANRecipe(
    size=64, flip=False, batch=64, steps=50_000, prior="normal", adversarial="wasserstein",
    clip=0.01, discriminator_steps=5, optimizer="rmsprop", learning_rate=5e-5, decay_from=1.0,
), card="dcgan.md", tiny={**TINY, "discriminator_steps": 2},
   phrase="DCGAN with a Wasserstein critic of clipped weights")

register("wgan_small", DCGAN, DCGANRecipe(
    size=64, flip=False, batch=32, steps=4000, prior="normal", filters=32,
    discriminator_filters=32, adversarial="wasserstein", clip=0.01, discriminator_steps=5,
    optimizer="rmsprop", learning_rate=5e-5, ema=0.99,
), card="dcgan.md", tiny={**TINY, "discriminator_steps": 2},
   phrase="DCGAN with a Wasserstein critic of clipped weights; half of the width, for a CPU")

register("wgan_gp", DCGAN, DCGANRecipe(
    size=64, flip=False, batch=64, steps=200_000, latent=128, prior="normal",
    discriminator_norm="layer", adversarial="wasserstein", lambda_penalty=10.0,
    discriminator_steps=5, learning_rate=1e-4, beta_1=0.0, beta_2=0.9, decay_from=1.0,
), card="dcgan.md", tiny={**TINY, "discriminator_steps": 2},
   phrase="DCGAN with a gradient penalty")

register("wgan_gp_small", DCGAN, DCGANRecipe(
    size=64, flip=False, batch=32, steps=4000, latent=128, prior="normal", filters=32,
    discriminator_filters=32, discriminator_norm="layer", adversarial="wasserstein",
    lambda_penalty=10.0, discriminator_steps=5, learning_rate=1e-4, beta_1=0.0, beta_2=0.9,
    ema=0.99,
), card="dcgan.md", tiny={**TINY, "discriminator_steps": 2},
   phrase="DCGAN with a gradient penalty; half of the width, for a CPU")

register("cgan", DCGAN, DCGANRecipe(
    size=64, flip=False, condition=True, batch=64, steps=80_000, learning_rate=2e-4,
    decay_from=1.0,
), card="dcgan.md", tiny=TINY, phrase="pictures from codes and attributes")

register("cgan_small", DCGAN, DCGANRecipe(
    data=f"{FACES}?n=20000", size=64, flip=False, condition=True, batch=32, steps=8000, filters=32,
    discriminator_filters=32, input_noise=0.3, generator_steps=2, learning_rate=2e-4, ema=0.99,
), card="dcgan.md", tiny=TINY,
   phrase="pictures from codes and attributes; half of the width, for a CPU")

register("dcgan_features", DCGAN, DCGANRecipe(
    size=32, flip=False, batch=128, steps=80_000, latent=256, filters=128,
    discriminator="features", discriminator_filters=128, learning_rate=2e-4, decay_from=1.0,
), card="dcgan.md", tiny={**TINY, "size": 32},
   phrase="32 px, with the discriminator whose features are evaluated")

register("dcgan_features_small", DCGAN, DCGANRecipe(
    size=32, flip=False, batch=32, steps=4000, latent=256, filters=32, discriminator="features",
    discriminator_filters=32, learning_rate=2e-4, ema=0.99,
), card="dcgan.md", tiny={**TINY, "size": 32},
   phrase="32 px, with the discriminator whose features are evaluated;"
          " a quarter of the width, for a CPU")
