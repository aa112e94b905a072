"""pix2pixHD: photographs of label maps, in high resolution, with objects that can be restyled.

Wang, Liu, Zhu, Tao, Kautz, Catanzaro: High-resolution image synthesis and semantic manipulation
with conditional GANs, CVPR 2018 (arXiv 1711.11585), sections 3.1 to 3.4; what the text leaves open
is that of the authors' code (NVIDIA/pix2pixHD). A generator from coarse to fine, trained level by
level, discriminators on an image pyramid, feature matching and a perceptual loss; boundaries of
instances as an input; an encoder of what each object looks like.

Deviations: see the card. Where paper and code differ, fields choose: `discriminators`,
`over_scales`. The reference network's features are brought to mean 0 and variance 1
(`kgan.models.reference`); the authors look through VGG-19 as it is.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import losses, networks, ops, pix2pixhd, references
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.data.signals import Signal
from kgan.models.gan import GAN, Phase, Stage
from kgan.models.reference import VGGRecipe
from kgan.models.styles import Styled, StyledRecipe
from kgan.models.translation import Translation

MOST_IDS = 65_536  # instances are numbered below it
OFFLINE = "give --vgg_weights FILE, or --reference vgg_star_small.cifar10, which is packaged"


@dataclass(frozen=True)
class Pix2PixHDRecipe(VGGRecipe, StyledRecipe):
    data: str = knob("folder:cityscapes", "pictures to train on, with a folder each of labels/, "
                     "instances/ and photos/: folder:PATH", group="data")
    size: int = knob(512, "height of the training pictures, pixels", low=8, group="data")
    width: int = knob(0, "width of the training pictures, pixels; 0 = as high as wide", low=0,
                      group="data")
    filters: int = knob(64, "maps of the global generator's first layer; each enhancer has half of "
                        "those of the level below", low=4)
    downsamplings: int = knob(4, "times the global generator and the encoder halve the size", low=1,
                              high=6)
    blocks: int = knob(9, "residual blocks of the global generator", low=0)
    enhancers: int = knob(0, "local enhancers, each of which doubles the resolution: 0 for "
                          "1024x512, 1 for 2048x1024, 2 for 4096x2048", low=0, high=2)
    enhancer_blocks: int = knob(3, "residual blocks of an enhancer", low=0)
    upsample: str = knob("transpose", "how the generator doubles the size: the paper's transposed "
                         "convolution, or nearest, which makes no checkerboard",
                         choices=("transpose", "nearest"))
    discriminators: int = knob(2, "discriminators on the image pyramid: the code's 2 at 1024x512, "
                               "3 at 2048x1024 and in the paper", low=1, high=5)
    discriminator_filters: int = knob(64, "maps of a discriminator's first layer", low=1)
    discriminator_layers: int = knob(3, "strided layers of a discriminator: patches of 70 px for 3",
                                     low=1, high=6)
    lambda_matching: float = knob(10.0, "weight of feature matching; 0 = none", low=0, group="loss")
    over_scales: str = knob("mean", "how feature matching is joined over discriminators: the "
                            "code's mean or the paper's sum", choices=("mean", "sum"), group="loss")
    lambda_vgg: float = knob(10.0, "weight of the perceptual loss; 0 = none, and no reference",
                             low=0, group="loss")
    reference: str = knob("vgg19", "network of the perceptual loss: vgg19, vgg_star_small.cifar10 "
                          "or .avatars, or a run of vgg_star", source=True, group="loss")
    level_steps: int = knob(0, "of --steps, those of each level below the last enhancer's", low=0,
                            group="schedule")
    frozen_steps: int = knob(0, "of the steps of each enhancer's level, the first, in which it "
                             "moves alone: the code's 10 of 100 epochs", low=0, group="schedule")
    remat: bool = knob(False, "the generator's maps are computed again for the gradient, for less "
                       "memory and a longer step", group="schedule", may_change=True)

    def check(self):
        super().check()
        least, base = 2 ** (self.downsamplings + self.enhancers), self.size >> self.enhancers
        if self.size % least or self.width % least:
            raise UsageError(f"--size {self.size} and --width {self.width} must be multiples of "
                             f"{least} with --downsamplings {self.downsamplings} and --enhancers "
                             f"{self.enhancers}.")
        if self.filters % 2**self.enhancers:
            raise UsageError(f"--filters must be a multiple of {2**self.enhancers}.")
        if self.discriminators <= self.enhancers:
            raise UsageError("--discriminators must be more than --enhancers: the finest of each "
                             "level is one of its own.")
        if self.lambda_vgg and base < 16:
            raise UsageError(f"The perceptual loss looks at 16 px at the least, and the first "
                             f"level has {base}: a larger --size, or --lambda_vgg 0.")
        below, last = self.enhancers * self.level_steps, self.steps_of(self.levels)
        if self.enhancers and not self.frozen_steps < min(self.level_steps, last):
            raise UsageError(f"--steps {self.steps} must be more than --enhancers x --level_steps "
                             f"({below:,}) and --frozen_steps together, and --level_steps more "
                             "than --frozen_steps.")

    @property
    def levels(self):
        """Of the generator: the global one is 1."""
        return self.enhancers + 1

    def side(self, level):
        """Height of the pictures of a level."""
        return self.size >> (self.levels - level)

    def steps_of(self, level):
        """Steps of a level."""
        below = self.enhancers * self.level_steps
        return self.level_steps if level < self.levels else self.steps - below

    def named(self, player, level):
        """What a player of a level is called."""
        return player if level == self.levels else f"{player}_{self.side(level)}"

    def judges(self, level):
        """The discriminators of a level, the finest first: d1 sees the full size, d2 half of it."""
        return [f"d{i + 1}" for i in range(self.levels - level, self.discriminators)]

    def players(self, level):
        """`{player: its networks}` of a level."""
        own = [f"g{level}", f"head{level}"]
        found = {self.named("enhancer", level): own} if level > 1 else {}
        more = ["encoder"] if self.features and level == 1 else []
        whole = [f"g{i}" for i in range(1, level)] + own + more
        return {**found, self.named("generator", level): whole,
                self.named("discriminator", level): self.judges(level)}


class Pix2PixHD(Styled, GAN):
    """A generator of levels, discriminators on a pyramid, an encoder of styles."""

    players = {"generator": ("g1", "head1"), "discriminator": ("d1", "d2")}  # without enhancers
    measures = ("pairs", "segmentation")

    @classmethod
    def signals_of(cls, r):
        sides = {"height": r.size, "width": r.width or r.size, "group": "scene"}
        ids = Signal("instances", "instances", classes=MOST_IDS, **sides)
        return (Signal("labels", "labels", classes=r.classes, **sides),
                *([ids] if r.instances else []), Signal("photos", **sides))

    @classmethod
    def directions_of(cls, r):
        given = ("labels", "instances") if r.instances else ("labels",)
        return {"labels2photos": Translation(given, "photos", f"head{r.levels}")}

    def build_networks(self, r):
        self.players = {player: tuple(its) for level in range(1, r.levels + 1)
                        for player, its in r.players(level).items()}
        self.multiple = 2 ** (r.downsamplings + r.enhancers)
        self.smallest, self.shrink = 2 * self.multiple, 2**r.enhancers
        conditions = r.classes + int(r.instances)
        own = {"channels": conditions + r.features, "upsample": r.upsample, "remat": r.remat}
        nets = {"g1": pix2pixhd.global_generator("g1", filters=r.filters, blocks=r.blocks,
                                          downsamplings=r.downsamplings, **own)}
        for level in range(1, r.levels + 1):
            width = r.filters >> (level - 1)
            if level > 1:
                nets[f"g{level}"] = pix2pixhd.local_enhancer(
                    f"g{level}", filters=width, blocks=r.enhancer_blocks, **own)
            nets[f"head{level}"] = pix2pixhd.head(f"head{level}", filters=width, remat=r.remat)
        if r.features:
            nets["encoder"] = pix2pixhd.feature_encoder(
                "encoder", features=r.features, filters=r.encoder_filters,
                downsamplings=r.downsamplings, remat=r.remat)
            nets["styles"] = pix2pixhd.Styles(r.classes, r.styles, r.features, name="styles")
        if self.deployed_only:
            return {name: nets[name] for name in self.deployed()}
        nets |= {name: networks.patch_discriminator(
            name, filters=r.discriminator_filters, strided=r.discriminator_layers,
            channels=conditions + 3, padding=2, features=True) for name in r.judges(r.levels)}
        return nets | ({"reference": references.build(r.reference)} if r.lambda_vgg else {})

    def deployed(self):
        r = self.recipe
        names = [f"g{level}" for level in range(1, r.levels + 1)] + [f"head{r.levels}"]
        return sorted(names + (["encoder", "styles"] if r.features else []))

    # Training

    @classmethod
    def stages_of(cls, r):
        found = []
        for level in range(1, r.levels + 1):
            frozen, side = r.frozen_steps if level > 1 else 0, r.side(level)
            name, size = f"{side} px" if r.enhancers else "training", side if r.enhancers else None
            parts = {"enhancer": (f"{name}, the enhancer alone", frozen),
                     "generator": (name, r.steps_of(level) - frozen)}
            for player, (title, steps) in parts.items():
                # The discriminators first: their maps are then free in the generator's turn.
                both = r.named("discriminator", level), r.named(player, level)
                terms = functools.partial(cls.level_terms, level=level, players=both)
                if steps:
                    found.append(Stage(title, steps, (Phase(both, 1, terms),), size=size))
        return tuple(found)

    def build_optimizer(self, player, schedule):
        r = self.recipe
        for level in range(2, r.levels + 1):  # the rate falls over the whole of a level
            steps = r.steps_of(level)
            begin = {r.named("enhancer", level): 0, r.named("generator", level): r.frozen_steps}
            if player in begin:
                schedule = schedule.within(steps, begin[player])
        return super().build_optimizer(player, schedule)

    def prepare(self, data):
        r = self.recipe
        if r.lambda_vgg:
            references.prepare(self.reference, r, data.train["photos"], OFFLINE)

    def conclude(self, data, held):
        if self.recipe.features:
            self.learn_styles(data)

    def conditions(self, given):
        """What is drawn: a map for each class, and the boundaries of instances."""
        found = [ops.one_hot(given["labels"][..., 0], self.recipe.classes)]
        if self.recipe.instances:
            found.append(pix2pixhd.boundaries(given["instances"]))
        return ops.concatenate(found, -1)

    def draw(self, x, level):
        """The picture that a level and those below make, float32 [n, h, w, 3] in [-1, 1].

        Args:
            x: conditions and features at the size of the level.
            level: 1 = the global generator alone.
        """
        pyramid = [x]
        for _ in range(level - 1):
            pyramid.append(networks.perceptual.halved(pyramid[-1]))
        maps = self.nets["g1"](pyramid.pop())
        for i in range(2, level + 1):
            maps = self.nets[f"g{i}"]([pyramid.pop(), maps])
        return self.nets[f"head{level}"](maps)

    def made(self, batch, level):
        """(Conditions, what a level makes of a batch in the styles of its photographs)."""
        given = x = self.conditions(batch)
        if self.recipe.features:
            styles = self.encoded(batch["photos"], self.objects(batch), 2 ** (level - 1))
            x = ops.concatenate([x, styles], -1)
        return given, self.draw(x, level)

    def level_terms(self, batch, level, players):
        r, (given, fake) = self.recipe, self.made(batch, level)
        discriminator, generator = self.judge(given, batch["photos"], fake, level)
        if r.lambda_vgg:
            apart = references.perceptual_loss(self.reference, batch["photos"], fake)
            generator["vgg"] = r.lambda_vgg * apart
        return dict(zip(players, (discriminator, generator), strict=True))

    def judge(self, given, real, fake, level):
        """What both players pay for the opinions of a level's discriminators."""
        r, names = self.recipe, self.recipe.judges(level)
        real, fake = (ops.concatenate([given, x], -1) for x in (real, fake))
        fools = matching = truth = lies = 0.0
        for i, name in enumerate(names):
            if i:
                real, fake = networks.perceptual.halved(real), networks.perceptual.halved(fake)
            *seen, yes = self.nets[name](real)
            *made, no = self.nets[name](fake)
            fools += losses.real_loss("lsgan", no)
            truth += 0.5 * losses.real_loss("lsgan", yes)
            lies += 0.5 * losses.fake_loss("lsgan", no)
            matching += sum(losses.l1(x, y) for x, y in zip(seen, made, strict=True))
        generator = {"adversarial": fools}
        if r.lambda_matching:  # 4 / layers is 1 at the published three strided layers
            share = 1 if r.over_scales == "sum" else 4 / (len(seen) * len(names))
            generator["matching"] = r.lambda_matching * share * matching
        return {"real": truth, "fake": lies}, generator

    # Use

    def forward(self, x, direction):
        x = x if isinstance(x, Mapping) else {"labels": x}
        given = self.conditions(x)
        if self.recipe.features:
            styles = x["styles"] if "styles" in x else self.usual(x["labels"])
            given = ops.concatenate([given, styles], -1)
        return self.draw(given, self.recipe.levels)

    def show(self, batch):
        """What the level in training makes, in the styles of the photographs."""
        level = next((i for i in range(1, self.recipe.levels + 1) if self.stage
                      and self.part.size == self.recipe.side(i)), self.recipe.levels)
        small = {name: pix2pixhd.shrunk(ops.convert_to_tensor(x), 2 ** (self.recipe.levels - level))
                 for name, x in batch.items()}
        shown = {name: batch[name] for name in self.directions["labels2photos"].sources}
        return {**shown, "labels2photos": self.made(small, level)[1], "photos": batch["photos"]}


TINY = {
    "size": 32, "width": 64, "load_size": 0, "batch": 2, "steps": 20, "level_steps": 8,
    "frozen_steps": 4, "classes": 5, "filters": 4, "downsamplings": 1, "blocks": 1, "enhancers": 1,
    "enhancer_blocks": 1, "discriminator_filters": 4, "discriminator_layers": 1, "features": 2,
    "encoder_filters": 2, "styles": 3, "reference": "vgg_star_small.avatars",
}

register(
    "pix2pixhd", Pix2PixHD, Pix2PixHDRecipe(size=512, width=1024, batch=1, steps=595_000),
    card="pix2pixhd.md", tiny=TINY, weights=("avatars_parts_64",),
    phrase="photographs of label and instance maps, the paper's networks at 1024x512",
)
register(
    "pix2pixhd_small", Pix2PixHD, Pix2PixHDRecipe(
        data="avatars:parts", classes=10, size=64, batch=8, steps=2000, filters=16,
        downsamplings=3, blocks=4, upsample="nearest", discriminator_filters=32, features=3,
        encoder_filters=8, style_share=0.002, reference="vgg_star_small.avatars",
    ), card="pix2pixhd.md", tiny={**TINY, "width": 0, "enhancers": 0, "level_steps": 0,
                                  "frozen_steps": 0, "load_size": 36},
    phrase="faces of label and instance maps, narrow, at 64 px, for a CPU",
)
