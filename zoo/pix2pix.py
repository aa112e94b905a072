"""pix2pix: translation that is learnt from pairs.

Isola, Zhu, Zhou, Efros: Image-to-image translation with conditional adversarial networks, CVPR 2017
(arXiv 1611.07004), sections 3, 4 and 6; where the text leaves something open, the authors' PyTorch
code.

A generator sees the picture, a discriminator the picture and what was made of it, or (as the
paper's GAN without condition) the latter alone; beside that the generator pays for the distance to
the truth. The paper's variants are fields: L1, GAN, cGAN, L1 + GAN, L1 + cGAN by `conditional`,
`lambda_l1` and `lambda_adversarial`, patches by `discriminator_layers`, skips by `generator`.
`lambda_vgg` adds pix2pixHD's perceptual term, which the paper has not.

Deviations. Both players move at the same time, from one forward pass of the generator: the Torch
code, too, takes what the generator pays from the logits before the discriminator moved. At test the
paper normalises by the statistics of the test batch, one picture, and drops; here every picture has
its own statistics, whatever else is in its batch, and dropout acts only if `test_dropout` says so,
with noise that follows from the picture. `statistics picture`, `width`, `depth` and `adversarial
lsgan` are ours. See also `kgan.networks.pix2pix`.
"""

import math
from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import losses, networks, ops, references
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.data.signals import Signal
from kgan.models.gan import GAN, Phase, Stage
from kgan.models.reference import VGGRecipe
from kgan.models.translation import Translation

DEEPEST = 8  # halvings of the paper's generator
OFFLINE = "give --vgg_weights FILE, or --reference vgg_star_small.cifar10, which is packaged"


@dataclass(frozen=True)
class Pix2PixRecipe(VGGRecipe):
    data: str = knob("avatars:parts", "pairs to train on: folder:PATH (pairs side by side, or A "
                     "and B with files of the same names), avatars:parts or avatars:edges",
                     group="data")
    width: int = knob(0, "width of the training pictures, pixels; 0 = --size, which is their "
                      "height", low=0, group="data")
    direction: str = knob("a2b", "what is learnt: b of a, or a of b", choices=("a2b", "b2a"),
                          group="data")
    channels_a: int = knob(3, "channels of the pictures of A: 3 = RGB, 1 = grey", choices=(1, 3))
    channels_b: int = knob(3, "channels of the pictures of B: 3 = RGB, 1 = grey", choices=(1, 3))
    generator: str = knob("unet", "a U-Net, or an encoder and decoder without its skips",
                          choices=("unet", "encoder_decoder"))
    depth: int = knob(0, "times that the generator halves the sides; 0 = as often as they can be, "
                      f"{DEEPEST} times at most", low=0, high=10)
    filters: int = knob(64, "maps of the generator's first layer", low=1)
    dropout: float = knob(0.5, "share that the decoder's first three layers drop; 0 = none", low=0,
                          high=0.95)
    statistics: str = knob("batch", "normalise by the statistics of the batch (the paper's), or of "
                           "each picture, the same for batches of one (our addition)",
                           choices=("batch", "picture"))
    test_statistics: str = knob("picture", "by which batch norm normalises at test: those of each "
                                "picture, the paper's for one at a time, or moving ones of the "
                                "training", choices=("picture", "moving"))
    test_dropout: bool = knob(False, "drop at test, too (the paper's), by noise that follows from "
                              "the picture")
    discriminator_filters: int = knob(64, "maps of the discriminator's first layer", low=1)
    discriminator_layers: int = knob(3, "strided layers of the discriminator: patches of 16, 34, "
                                     "70, 142, 286 px for 1 to 5; 0 = it judges single pixels",
                                     low=0, high=6)
    conditional: bool = knob(True, "the discriminator sees the input beside the output")
    adversarial: str = knob("bce", "adversarial loss", choices=("bce", "lsgan"), group="loss")
    lambda_adversarial: float = knob(1.0, "weight of the adversarial term; 0 leaves the "
                                     "discriminator out", low=0, group="loss")
    lambda_l1: float = knob(100.0, "weight of the L1 distance to the truth; 0 leaves it out", low=0,
                            group="loss")
    lambda_vgg: float = knob(0.0, "weight of a perceptual loss, that of pix2pixHD (our addition); "
                             "0 = none, and no reference", low=0, group="loss")
    reference: str = knob("vgg19", "network of the perceptual loss: vgg19, vgg_star_small.cifar10 "
                          "or .avatars, or a run of vgg_star", source=True, group="loss")

    def check(self):
        super().check()
        least = 2 ** max(self.halvings, 2)
        if any(side % least for side in self.sides):
            raise UsageError(f"--size {self.size} and --width {self.width} must be multiples of "
                             f"{least}{f' with --depth {self.depth}' if self.depth else ''}.")
        patch = 3 * 2**self.discriminator_layers
        if self.discriminator_layers and min(self.sides) < patch:
            raise UsageError(f"Sides of {min(self.sides)} leave no patch to --discriminator_layers "
                             f"{self.discriminator_layers}: at least {patch}.")
        if self.statistics == "picture" and self.test_statistics == "moving":
            raise UsageError("--test_statistics moving needs --statistics batch.")
        if self.test_dropout and not self.dropout:
            raise UsageError("--test_dropout needs --dropout above 0.")
        if not self.lambda_adversarial + self.lambda_l1 + self.lambda_vgg:
            raise UsageError("Nothing to learn from: --lambda_adversarial, --lambda_l1 or "
                             "--lambda_vgg must be above 0.")
        if self.lambda_vgg and (min(self.sides) < 16 or self.channels_made != 3):
            raise UsageError("--lambda_vgg looks at RGB pictures of 16 px or more: a larger "
                             "--size, colours, or --lambda_vgg 0.")

    @property
    def sides(self):
        """(height, width) of the training pictures."""
        return self.size, self.width or self.size

    @property
    def halvings(self):
        """How often the generator halves the sides."""
        both = math.gcd(*self.sides)
        return self.depth or min(DEEPEST, (both & -both).bit_length() - 1)

    @property
    def channels_made(self):
        """Channels of what is made."""
        return self.channels_b if self.direction == "a2b" else self.channels_a

    @property
    def names(self):
        """The signals (given, made)."""
        given, _, made = self.direction.partition("2")
        return given, made


class Pix2Pix(GAN):
    """A generator of one direction and a discriminator of pairs."""

    players = {"generator": ("g",), "discriminator": ("d",)}
    measures = ("pairs", "segmentation")

    @classmethod
    def signals_of(cls, recipe):
        height, width = recipe.sides
        channels = {"a": recipe.channels_a, "b": recipe.channels_b}
        return tuple(Signal(name, channels=c, height=height, width=width, group="pair")
                     for name, c in channels.items())

    @classmethod
    def directions_of(cls, recipe):
        given, made = recipe.names
        channels = {signal.name: signal.channels for signal in cls.signals_of(recipe)}
        return {recipe.direction: Translation((given,), made, "g", channels=channels[made])}

    def build_networks(self, r):
        self.multiple = self.smallest = 2**r.halvings
        channels = {signal.name: signal.channels for signal in self.signals}
        given, made = (channels[name] for name in r.names)
        generator = networks.pix2pix.unet_generator(
            "g", filters=r.filters, depth=r.halvings, channels_in=given, channels_out=made,
            skips=r.generator == "unet", dropout=r.dropout, test_dropout=r.test_dropout,
            statistics=r.statistics, test_statistics=r.test_statistics,
        )
        if self.deployed_only:
            return {"g": generator}
        discriminator = networks.pix2pix.pix2pix_discriminator(
            "d", filters=r.discriminator_filters, strided=r.discriminator_layers,
            channels=made + given * r.conditional, statistics=r.statistics,
        )
        more = {"reference": references.build(r.reference)} if r.lambda_vgg else {}
        return {"g": generator, "d": discriminator, **more}

    def prepare(self, data):
        r = self.recipe
        if r.lambda_vgg:
            references.prepare(self.reference, r, data.train[r.names[1]], OFFLINE)

    @classmethod
    def stages_of(cls, recipe):
        if recipe.lambda_adversarial:
            return super().stages_of(recipe)
        return (Stage("training", recipe.steps, (Phase(("generator",)),)),)

    def loss_terms(self, batch):
        r, kind = self.recipe, self.recipe.adversarial
        given, truth = (batch[name] for name in r.names)
        made, generator = self.g(given), {}
        if r.lambda_l1:
            generator["l1"] = r.lambda_l1 * losses.l1(made, truth)
        if r.lambda_vgg:
            apart = references.perceptual_loss(self.reference, truth, made)
            generator["vgg"] = r.lambda_vgg * apart
        if not r.lambda_adversarial:
            return {"generator": generator}
        real, fake = self.judge(given, truth, made)
        generator["adversarial"] = r.lambda_adversarial * losses.real_loss(kind, fake)
        return {"generator": generator, "discriminator": {
            "real": 0.5 * losses.real_loss(kind, real), "fake": 0.5 * losses.fake_loss(kind, fake),
        }}

    def judge(self, given, truth, made):
        """The logits of what is real and of what was made.

        Batch norm sees them apart, as in the paper: the statistics of both together would be
        others, and would tell each part of the other.
        """
        seen = [ops.concatenate([given, x], axis=-1) if self.recipe.conditional else x
                for x in (truth, made)]
        if self.recipe.statistics == "batch":
            return [self.d(x) for x in seen]
        return networks.together(self.d, *seen)

    def measure(self, data, options):
        from kgan.metrics.colours import in_common

        figures, pictures = super().measure(data, options)
        for direction in self.directions:
            made, truth = (pictures[direction][what] for what in ("output", "truth"))
            figures |= {f"colours_{x}_{direction}": share
                        for x, share in in_common(made, truth).items()}
        return figures, pictures

    def tested(self, **changes):
        """A model of the same weights that behaves otherwise at test.

        Args:
            changes: to its recipe, of `test_statistics` and `test_dropout`.
        """
        if unknown := set(changes) - {"test_statistics", "test_dropout"}:
            raise UsageError(f"{', '.join(sorted(unknown))} is more than what is done at test.")
        other = type(self)(self.recipe.replace(**changes), self.precision, deployed_only=True)
        other.g.set_weights(self.g.get_weights())
        other.name_in_zoo, other.trained, other.metadata = (
            self.name_in_zoo, self.trained, self.metadata)
        return other


TINY = {
    "size": 16, "batch": 2, "steps": 20, "filters": 4, "discriminator_filters": 4,
    "discriminator_layers": 1, "load_size": 0,
}

register(
    "pix2pix",
    Pix2Pix,
    Pix2PixRecipe(size=256, load_size=286, batch=1, steps=80_000, decay_from=1.0),
    card="pix2pix.md",
    phrase="translation learnt from pairs, the paper's networks at 256 px",
    weights=("avatars_parts_64", "avatars_edges_64"),
    tiny=TINY,
)
register(
    "pix2pix_small",
    Pix2Pix,
    Pix2PixRecipe(
        size=64, load_size=72, batch=4, steps=8000, learning_rate=5e-4, ema=0.995, filters=32,
        depth=4, statistics="picture", discriminator_filters=16, discriminator_layers=2,
    ),
    card="pix2pix.md",
    phrase="translation learnt from pairs, narrow and shallow at 64 px, for a CPU",
    tiny={**TINY, "statistics": "picture", "depth": 0},
)
