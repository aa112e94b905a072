"""SRResNet and SRGAN: pictures of four times the resolution.

Ledig, Theis, Huszar et al.: Photo-realistic single image super-resolution using a generative
adversarial network, CVPR 2017 (arXiv 1609.04802v5), sections 2 and 3. There is no code of theirs.

SRResNet is trained on the mean squared error, or on the distance in the features of a frozen
reference network. SRGAN begins as an SRResNet, in the same run or from one (`--init`), and goes on
with a discriminator. Both players move at the same time, from one shared forward pass, where the
paper lets them take turns. Pieces are cut out of pictures at their own size, low resolution is made
of the whole picture (`kgan.data.made`); mirror and quarter turns are ours.
"""

import functools
from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import losses, networks, np, pixels, references, tf
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.data.signals import Signal
from kgan.data.spec import FACES
from kgan.models.gan import GAN, Phase, Stage
from kgan.models.reference import VGGRecipe
from kgan.models.translation import Translation

OFFLINE = ("give --vgg_weights FILE, or --reference vgg_star_small.cifar10, which is packaged, to "
           "tools/train")


@dataclass(frozen=True)
class SRResNetRecipe(VGGRecipe):
    data: str = knob(FACES, "pictures of high resolution, one set: folder:PATH (cut at their own "
                     "size), folder:PATH?test=PATH, avatars of several attributes, celeba:PATH",
                     group="data")
    flip: bool = knob(True, "mirror training pictures at random (our choice)", group="data")
    turn: bool = knob(True, "turn training pictures by 0, 90, 180 or 270 degrees at random (our "
                      "choice)", group="data")
    rest_from: float = knob(1.0, "share of the steps without a discriminator after which "
                            "batch norm keeps to its moving averages, in training as in inference; "
                            "1 = never, as published", low=0, high=1, group="schedule")
    scale: int = knob(4, "how many times as large the result is", choices=(2, 4))
    filters: int = knob(64, "maps of the generator's layers", low=1)
    blocks: int = knob(16, "residual blocks of the generator", low=0)
    content: str = knob("mse", "content loss: of pixels, or of features of the reference network "
                        "after its second layer (vgg22) or its last before the fifth pooling "
                        "(vgg54)", choices=("mse", "vgg22", "vgg54"), group="loss")
    reference: str = knob("vgg19", "reference network of the content loss: vgg19, "
                          "vgg_star_small.cifar10 or .avatars, vgg_small.avatars, vgg16, "
                          "vgg_star19, or a run of vgg_star", source=True, group="loss")
    vgg_scale: str = knob("paper", "what features are divided by: the paper's 12.75, or measured: "
                          "bicubic interpolation pays what it pays in pixels (our addition)",
                          choices=("paper", "measured"), group="loss")
    lambda_variation: float = knob(0.0, "weight of the total variation of a result; SRResNet-VGG22 "
                                   "has 2e-8", low=0, group="loss")

    def check(self):
        super().check()
        if self.size % self.scale:
            raise UsageError(f"--size {self.size} must be a multiple of --scale {self.scale}.")
        if self.content != "mse" and self.size < 16:
            raise UsageError(f"--content {self.content} needs a --size of at least 16.")


class SRResNet(GAN):
    """A generator of larger pictures, trained on what they should be."""

    players = {"generator": ("g",)}
    measures = ("super_resolution",)

    @classmethod
    def signals_of(cls, recipe):
        low, high = recipe.size // recipe.scale, recipe.size
        return (
            Signal("low", height=low, width=low, group="picture", source="high"),
            Signal("high", height=high, width=high, group="picture", native=True),
        )

    @classmethod
    def directions_of(cls, recipe):
        return {"enlarge": Translation(("low",), "high", "g", scale=recipe.scale)}

    def build_networks(self, r):
        nets = {"g": networks.srgan.srresnet(
            "g", scale=r.scale, filters=r.filters, blocks=r.blocks)}
        if r.content != "mse" and not self.deployed_only:
            last = networks.vgg.DEPTHS[references.shape(r.reference)["depth"]][-1]
            tap = {"vgg22": "relu2_2", "vgg54": f"relu5_{last}"}[r.content]
            nets["reference"] = references.build(r.reference, taps=(tap,))
        return nets

    def prepare(self, data):
        r = self.recipe
        if "reference" not in self.nets:
            return
        references.load(self.reference, r.reference, *r.vgg_file, instead=OFFLINE)
        divisor = self.reference.layers[-1].by
        divisor.assign(12.75 * tf.ones_like(divisor))
        if r.vgg_scale == "measured":
            rows = np.arange(min(32, len(data.train["high"])))
            low, high = (pixels.array_to_float(data.train[x][rows]) for x in ("low", "high"))
            guess = bicubic(low, high.shape[1:3])
            ratio = self.features_loss(guess, high) / losses.l2(guess, high)
            divisor.assign(divisor * tf.sqrt(ratio))

    @classmethod
    def stages_of(cls, r):
        return alone("training", r, r.steps, "generator", cls.loss_terms)

    def enlarged(self, batch, rests):
        """What is made in a step; `rests` is whether batch norm normalises as in inference."""
        return self.g(batch["low"], training=False) if rests else self.g(batch["low"])

    def loss_terms(self, batch, rests=False):
        return {"generator": self.content_terms(self.enlarged(batch, rests), batch["high"])}

    def content_terms(self, made, high):
        """What it costs the generator not to make the picture of high resolution."""
        r = self.recipe
        loss = losses.l2 if r.content == "mse" else self.features_loss
        terms = {"content": loss(made, high)}
        if r.lambda_variation:
            terms["variation"] = r.lambda_variation * losses.total_variation(made)
        return terms

    def features_loss(self, made, high):
        """Eq. 5: squared differences, summed over maps and averaged over positions."""
        truth, seen = self.reference(high), self.reference(made)
        return truth.shape[-1] * losses.l2(seen, truth)

    def show(self, batch):
        shown, guess = super().show(batch), bicubic(batch["low"], batch["high"].shape[1:3])
        return {"low": shown.pop("low"), "bicubic": guess, **shown}


def alone(name, recipe, steps, player, loss_terms):
    """The stages in which the generator learns by itself, batch norm at rest in the second."""
    moving = round(steps * recipe.rest_from)
    at_rest = functools.partial(loss_terms, rests=True)
    stages = (
        Stage(name, moving, (Phase((player,), loss_terms=loss_terms),)),
        Stage(f"{name}, norm at rest", steps - moving, (Phase((player,), loss_terms=at_rest),)),
    )
    return tuple(stage for stage in stages if stage.steps)


def bicubic(pictures, sides):
    """Pictures [n, h, w, c] in [-1, 1] at other sides (height, width)."""
    return tf.clip_by_value(tf.image.resize(pictures, sides, "bicubic"), -1.0, 1.0)


@dataclass(frozen=True)
class SRGANRecipe(SRResNetRecipe):
    discriminator_filters: int = knob(64, "maps of the discriminator's first layer", low=1)
    lambda_adversarial: float = knob(1e-3, "weight of the adversarial term of the generator",
                                     low=0, group="loss")
    pretrain_steps: int = knob(0, "first of the steps, in which the generator alone learns from "
                               "the mean squared error; 0 where it begins from --init", low=0,
                               group="schedule")
    late_rate: float = knob(1e-5, "learning rate of the second half of the steps with the "
                            "discriminator", low=0, group="schedule")

    def check(self):
        super().check()
        if self.pretrain_steps >= self.steps:
            raise UsageError("--pretrain_steps are the first of --steps and must be fewer.")


class SRGAN(SRResNet):
    """An SRResNet that goes on with a discriminator."""

    players = {"generator": ("g",), "discriminator": ("d",), "srresnet": ("g",)}

    def build_networks(self, r):
        nets = super().build_networks(r)
        if not self.deployed_only:
            nets["d"] = networks.srgan.srgan_discriminator(
                "d", size=r.size, filters=r.discriminator_filters)
        return nets

    @classmethod
    def stages_of(cls, r):
        left, both = r.steps - r.pretrain_steps, (Phase(("generator", "discriminator")),)
        stages = (
            *alone("pretraining", r, r.pretrain_steps, "srresnet", cls.pretraining_terms),
            Stage("adversarial", left - left // 2, both),
            Stage("adversarial, late", left // 2, both, rate=r.late_rate),
        )
        return tuple(stage for stage in stages if stage.steps)

    def pretraining_terms(self, batch, rests=False):
        made = self.enlarged(batch, rests)
        return {"srresnet": {"pixels": losses.l2(made, batch["high"])}}

    def loss_terms(self, batch):
        made = self.enlarged(batch, rests=self.recipe.rest_from < 1.0)
        # Each set is normalised by its own statistics.
        of_real, of_made = self.d(batch["high"]), self.d(made)
        generator = self.content_terms(made, batch["high"])
        fools = losses.real_loss("bce", of_made)
        generator["adversarial"] = self.recipe.lambda_adversarial * fools
        return {
            "generator": generator,
            "discriminator": {
                "real": losses.real_loss("bce", of_real),
                "fake": losses.fake_loss("bce", of_made),
            },
        }


PAPER = {"size": 96, "batch": 16, "learning_rate": 1e-4, "beta_1": 0.9, "decay_from": 1.0}
SMALL = {**PAPER, "size": 64, "batch": 8, "filters": 32, "blocks": 8, "learning_rate": 1e-3,
         "decay_from": 0.5, "rest_from": 0.3}
TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 16, "load_size": 0, "batch": 2,
    "steps": 20, "filters": 4, "blocks": 1, "reference": "vgg_star_small.avatars",
}
TINY_GAN = {**TINY, "discriminator_filters": 4, "pretrain_steps": 4}

register("srresnet", SRResNet, SRResNetRecipe(**PAPER, steps=1_000_000), card="srgan.md",
         tiny=TINY, weights=("avatars_x4", "kaokore_x2"),
         phrase="super-resolution by a residual network, four times the sides")

register("srresnet_small", SRResNet, SRResNetRecipe(**SMALL, steps=4000), card="srgan.md",
         tiny=TINY, phrase="super-resolution, half of the width and of the blocks, for a CPU")

register("srgan", SRGAN, SRGANRecipe(
    **PAPER, content="vgg54", pretrain_steps=1_000_000, steps=1_200_000,
), card="srgan.md", tiny=TINY_GAN, weights=("avatars_x4",),
   phrase="super-resolution with a discriminator and a loss in VGG's features")

register("srgan_small", SRGAN, SRGANRecipe(
    **SMALL, content="vgg54", reference="vgg_star_small.avatars", vgg_scale="measured",
    discriminator_filters=16, pretrain_steps=2000, steps=4000, late_rate=5e-5,
), card="srgan.md", tiny=TINY_GAN,
   phrase="super-resolution with a discriminator, half of the width, for a CPU")
