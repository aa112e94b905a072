"""Perceptual discriminators: VGG*-MS-CycleGAN and what the paper compares it with.

Sungatullina, Zakharov, Ulyanov, Lempitsky: Image manipulation with perceptual discriminators,
ECCV 2018 (arXiv 1809.01396), sections 3 and 4; layers and weights of losses, which the text leaves
out, from the authors' code. A discriminator looks through a frozen reference network, and through
it in one pass of real and one of fake pictures a step, which serves both players.

Deviations: see the card. Fields choose between paper and code (`layout`, `over_positions`,
`pretrain_loss`); `blend`, `generator resnet` and `upsample nearest` are ours.
"""

import functools
import sys
from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import cycle, losses, networks, np, ops, pixels, references
from kgan.core.lazy import data as sources
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.models.gan import GAN, Phase, Stage
from kgan.models.reference import VGGRecipe

OFFLINE = ("give --vgg_weights FILE, or --reference vgg_star_small.avatars, which is packaged, to "
           "tools/train")


@dataclass(frozen=True)
class PerceptualRecipe(VGGRecipe):
    generator: str = knob("plain", "the authors' generator without normalisation, or CycleGAN's "
                          "with instance norm (our addition)", choices=("plain", "resnet"))
    filters: int = knob(32, "maps of a generator's first layer", low=1)
    downsamplings: int = knob(3, "times a generator halves the size: 3 for faces, 2 for Monet",
                              low=1, high=5)
    blocks: int = knob(7, "residual blocks of a generator: 7 for faces, 9 for Monet", low=0)
    upsample: str = knob("transpose", "how generators double the size: the paper's transposed "
                         "convolution, or nearest", choices=("transpose", "nearest"))
    blend: bool = knob(False, "generators mix a change into their input by a mask that they paint "
                       "(our addition, for edits that leave most of a picture alone)")
    discriminator: str = knob("perceptual", "what it looks at: maps of the reference network, the "
                              "picture in one trunk, or a pyramid of separate PatchGANs",
                              choices=("perceptual", "pixels", "pyramid"))
    reference: str = knob("vgg_star19", "reference network: vgg_star_small.avatars or .cifar10, "
                          "vgg_small.avatars, vgg19, vgg16, vgg_star19, or a run of vgg_star",
                          source=True)
    layout: str = knob("released", "discriminator of the authors' code, or of the paper's text",
                       choices=("released", "paper"))
    heads: str = knob("8,4", "sides of the maps of logits, joined by commas; empty = none")
    whole: bool = knob(True, "a head that judges the whole picture")
    discriminator_filters: int = knob(64, "maps of a discriminator's first layer", low=1)
    discriminator_cap: int = knob(256, "maps of a discriminator's widest layer", low=1)
    scales: int = knob(3, "levels of the pyramid of PatchGANs", low=1, high=4)
    patch_layers: int = knob(3, "strided layers of each PatchGAN of the pyramid", low=1, high=6)
    adversarial: str = knob("lsgan", "adversarial loss: lsgan for many heads, bce (non-saturating) "
                            "for one", choices=("lsgan", "bce"), group="loss")
    over_positions: str = knob("mean", "how a head's logits are joined: the code's mean or the "
                               "paper's sum", choices=("mean", "sum"), group="loss")
    lambda_identity: float = knob(25.0, "weight of the identity term; 0 skips its pass", low=0,
                                  group="loss")
    lambda_cycle: float = knob(25.0, "weight of the cycle term; 0 skips its passes; models of one "
                               "generator have none", low=0, group="loss")
    pretrain_steps: int = knob(0, "first of the steps, in which the generator learns to reproduce "
                               "its input; it then begins as both generators", low=0,
                               group="schedule")
    pretrain_loss: str = knob("features", "distance in the reference network: of the features, as "
                              "meant, or of their Gram matrices, as released",
                              choices=("features", "gram"), group="loss")
    discriminator_rate: float = knob(1.0, "the discriminators' learning rate, in multiples of "
                                     "--learning_rate (our addition)", low=0, group="schedule")
    direction: str = knob("a2b", "what a model of one generator learns; others learn both",
                          choices=("a2b", "b2a"))

    def check(self):
        super().check()
        if self.generator == "resnet" and self.downsamplings != 2:
            raise UsageError("--generator resnet has --downsamplings 2.")
        if self.size % 2**self.downsamplings:
            raise UsageError(f"--size {self.size} must be a multiple of {2**self.downsamplings} "
                             f"with --downsamplings {self.downsamplings}.")
        if self.pretrain_steps >= self.steps:
            raise UsageError("--pretrain_steps are the first of --steps and must be fewer.")
        sides = [self.size // 2**i for i in range(1, 9) if self.size % 2**i == 0]
        try:
            heads = self.head_sides
        except ValueError:
            raise UsageError(f"--heads {self.heads}: give numbers, as in 8,4.") from None
        if any(head not in sides for head in heads) or sorted(heads, reverse=True) != [*heads]:
            raise UsageError(f"--heads {self.heads}: take some of {sides}, falling.")
        if self.whole and heads and heads[-1] < 4:
            raise UsageError(f"--heads {self.heads}: beside the head for the whole picture none is "
                             "smaller than 4; or say --nowhole.")
        if not heads and not self.whole:
            raise UsageError("A discriminator needs --heads or --whole.")
        least = 2 ** (self.patch_layers + self.scales - 1)
        if self.discriminator == "pyramid" and self.size < least:
            raise UsageError(f"--size {self.size} leaves no patch to --scales {self.scales} with "
                             f"--patch_layers {self.patch_layers}: at least {least}.")

    @property
    def head_sides(self):
        """`heads` as numbers."""
        return tuple(int(head) for head in self.heads.split(",") if head)


class PerceptualGAN(GAN):
    """What models of one and of two generators share: networks, seeing, judging, pretraining."""

    smallest = 16
    generators = ()
    discriminators = ()

    def build_networks(self, r):
        self.multiple = 2**r.downsamplings
        nets = {name: self.build_generator(name, r) for name in self.generators}
        if self.deployed_only:
            return nets
        taps = 0
        for name in self.discriminators:
            nets[name], taps = self.build_discriminator(name, r)
        if r.discriminator == "perceptual":
            nets["reference"] = references.build(
                r.reference, taps=networks.vgg.TAPS[:taps], trainable=self.trains_reference
            )
        return nets

    def build_generator(self, name, r):
        if r.generator == "resnet":
            return networks.resnet_generator(
                name, filters=r.filters, blocks=r.blocks, upsample=r.upsample, blend=r.blend
            )
        return networks.plain_generator(
            name, filters=r.filters, downsamplings=r.downsamplings, blocks=r.blocks,
            upsample=r.upsample, blend=r.blend,
        )

    def build_discriminator(self, name, r):
        """The network and how many taps of the reference network it takes."""
        if r.discriminator == "pyramid":
            return networks.pyramid_discriminator(
                name, scales=r.scales, filters=r.discriminator_filters, strided=r.patch_layers
            ), 0
        maps = references.channels(r.reference) if r.discriminator == "perceptual" else (3,)
        layout = networks.PerceptualDiscriminator(
            maps, size=r.size, heads=r.head_sides, whole=r.whole, width=r.discriminator_filters,
            cap=r.discriminator_cap, layout=r.layout,
        )
        return layout.build(name), layout.taps

    @property
    def trains_reference(self):
        """Whether a player owns the reference network, which then begins at random."""
        return any("reference" in owned for owned in self.players.values())

    def build_optimizer(self, player, schedule):
        if player == "discriminator":
            schedule = schedule.times(self.recipe.discriminator_rate)
        return super().build_optimizer(player, schedule)

    def prepare(self, data):
        if "reference" not in self.nets:
            return
        if not self.trains_reference:
            r = self.recipe
            references.load(self.reference, r.reference, *r.vgg_file, instead=OFFLINE)
            edited = sources.attribute(data.spec)
            if edited in references.labels(r.reference):
                print(f"note: {r.reference} was trained to see {edited}, which is edited here: it "
                      "tells the discriminators; --reference names others", file=sys.stderr)
        some = [data.train[d][np.arange(min(32, len(data.train[d])))] for d in data.train]
        references.calibrate(self.reference, pixels.array_to_float(np.concatenate(some)))

    @classmethod
    def stages_of(cls, r):
        main = Stage("training", r.steps - r.pretrain_steps,
                     (Phase(("generator", "discriminator")),))
        if not r.pretrain_steps:
            return (main,)
        reproduce = Phase(("autoencoder",), loss_terms=cls.pretraining_terms)
        return (Stage("pretraining", r.pretrain_steps, (reproduce,)), main)

    def begin_stage(self, name):
        if name == "training" and self.recipe.pretrain_steps:
            first, *others = (self.nets[g] for g in self.generators)
            for other in others:
                other.set_weights(first.get_weights())
            self.kept.take()

    def pretraining_terms(self, batch):
        """The generator as an autoencoder (section 3.3): half a batch of each set to itself."""
        half = -(-batch["a"].shape[0] // 2)
        pictures = ops.concatenate([batch["a"][:half], batch["b"][:half]])
        same = self.nets[self.generators[0]](pictures)
        distance = losses.l1
        if self.recipe.pretrain_loss == "gram" and "reference" in self.nets:
            distance = losses.gram
        (truth,), (made,) = self.see(pictures), self.see(same)
        return {"autoencoder": {
            "reconstruction": sum(distance(x, y) for x, y in zip(made, truth, strict=True))
        }}

    def see(self, *parts):
        """What discriminators are given of some batches: a list of maps for each, in one pass."""
        pictures = ops.concatenate(parts) if len(parts) > 1 else parts[0]
        maps = self.reference(pictures) if "reference" in self.nets else [pictures]
        split = [ops.split(m, len(parts)) for m in maps]
        return [list(part) for part in zip(*split, strict=True)]

    def judge(self, discriminator, real, fake):
        """What both players pay for a discriminator's opinion of real and fake maps."""
        kind = self.recipe.adversarial
        real, fake = discriminator(real), discriminator(fake)
        return {
            "fools": self.over_heads(functools.partial(losses.real_loss, kind), fake),
            "real": 0.5 * self.over_heads(functools.partial(losses.real_loss, kind), real),
            "fake": 0.5 * self.over_heads(functools.partial(losses.fake_loss, kind), fake),
        }

    def over_heads(self, loss, logits):
        """The sum over heads of a loss: of its mean over positions, or of its sum."""
        heads = logits if isinstance(logits, (list, tuple)) else [logits]
        total = 0.0
        for head in heads:
            positions = head.shape[1] * head.shape[2]
            total += loss(head) * (positions if self.recipe.over_positions == "sum" else 1)
        return total


class TwoWay(PerceptualGAN):
    """Two generators that undo each other: the family of VGG*-MS-CycleGAN."""

    generators = ("g_ab", "g_ba")
    discriminators = ("d_a", "d_b")
    players = {
        "generator": generators, "discriminator": discriminators, "autoencoder": ("g_ab",)
    }
    directions = {"a2b": "g_ab", "b2a": "g_ba"}

    def loss_terms(self, batch):
        r, a, b = self.recipe, batch["a"], batch["b"]
        fake_b, fake_a, generator = cycle.two_way(
            self.g_ab, self.g_ba, a, b, cycle=r.lambda_cycle, identity=r.lambda_identity
        )
        # Real and fake apart, so that no gradient of a generator runs through real pictures.
        (real_a, real_b), (seen_a, seen_b) = self.see(a, b), self.see(fake_a, fake_b)
        judged_a = self.judge(self.d_a, real_a, seen_a)
        judged_b = self.judge(self.d_b, real_b, seen_b)
        generator["adversarial"] = judged_a["fools"] + judged_b["fools"]
        discriminator = {term: judged_a[term] + judged_b[term] for term in ("real", "fake")}
        return {"generator": generator, "discriminator": discriminator}


class RandomReference(TwoWay):
    """Rand-MS-CycleGAN: the reference network begins at random, and the discriminators move it."""

    players = {**TwoWay.players, "discriminator": (*TwoWay.discriminators, "reference")}


TINY = {
    "size": 16, "batch": 2, "steps": 20, "filters": 4, "downsamplings": 1, "blocks": 1,
    "discriminator_filters": 4, "discriminator_cap": 8, "load_size": 0,
    "reference": "vgg_star_small.avatars", "scales": 2, "patch_layers": 1, "pretrain_steps": 0,
}
TINY_SMALL = {**TINY, "downsamplings": 2, "heads": "8,4"}  # of the small names

register("vgg_star_ms_cyclegan", TwoWay, PerceptualRecipe(
    size=256, batch=16, steps=100_000, pretrain_steps=50_000, learning_rate=1e-4, beta_1=0.9,
    decay_from=1.0,
), card="perceptual.md",
   weights=("avatars_eyeglasses_64", "avatars_smiling_64", "avatars_no_beard_64"),
   tiny={**TINY, "pretrain_steps": 4}, phrase="CycleGAN whose discriminators look through VGG*")

register("vgg_star_ms_cyclegan_small", TwoWay, PerceptualRecipe(
    size=64, batch=4, steps=2000, generator="resnet", downsamplings=2, blocks=4,
    upsample="nearest", blend=True, reference="vgg_star_small.avatars", heads="16,8,4",
    discriminator_filters=32, discriminator_cap=128, lambda_identity=5.0, learning_rate=2e-4,
    discriminator_rate=2.0, ema=0.99,
), card="perceptual.md", tiny={**TINY_SMALL, "pretrain_steps": 4},
   phrase="CycleGAN whose discriminators look through VGG*; at 64 px, for a CPU")

register("vgg_ms_cyclegan", TwoWay, PerceptualRecipe(
    size=256, batch=16, steps=100_000, pretrain_steps=50_000, reference="vgg19",
    learning_rate=1e-4, beta_1=0.9, decay_from=1.0,
), card="perceptual.md", tiny=TINY, phrase="CycleGAN whose discriminators look through plain VGG")

register("vgg_ms_cyclegan_small", TwoWay, PerceptualRecipe(
    size=64, batch=4, steps=2000, generator="resnet", downsamplings=2, blocks=4,
    upsample="nearest", blend=True, reference="vgg_small.avatars", heads="16,8,4",
    discriminator_filters=32, discriminator_cap=128, lambda_identity=5.0, learning_rate=2e-4,
    discriminator_rate=2.0, ema=0.99,
), card="perceptual.md", tiny=TINY_SMALL,
   phrase="CycleGAN whose discriminators look through plain VGG; at 64 px, for a CPU")

register("rand_ms_cyclegan", RandomReference, PerceptualRecipe(
    size=256, batch=16, steps=100_000, pretrain_steps=50_000, learning_rate=1e-4, beta_1=0.9,
    decay_from=1.0,
), card="perceptual.md", tiny=TINY,
   phrase="CycleGAN whose discriminators look through a VGG* that begins at random")

register("rand_ms_cyclegan_small", RandomReference, PerceptualRecipe(
    size=64, batch=4, steps=2000, generator="resnet", downsamplings=2, blocks=4,
    upsample="nearest", blend=True, reference="vgg_star_small.avatars", heads="16,8,4",
    discriminator_filters=32, discriminator_cap=128, lambda_identity=5.0, learning_rate=2e-4,
    discriminator_rate=2.0, ema=0.99,
), card="perceptual.md", tiny=TINY_SMALL,
   phrase="CycleGAN whose discriminators look through a VGG* that begins at random; "
          "at 64 px, for a CPU")

register("ms_cyclegan", TwoWay, PerceptualRecipe(
    size=256, batch=16, steps=100_000, pretrain_steps=50_000, discriminator="pixels",
    learning_rate=1e-4, beta_1=0.9, decay_from=1.0,
), card="perceptual.md", tiny=TINY, phrase="CycleGAN whose discriminators have several heads")

register("ms_cyclegan_small", TwoWay, PerceptualRecipe(
    size=64, batch=4, steps=2000, generator="resnet", downsamplings=2, blocks=4,
    upsample="nearest", blend=True, discriminator="pixels", reference="vgg_star_small.avatars",
    heads="16,8,4", discriminator_filters=32, discriminator_cap=128, lambda_identity=5.0,
    learning_rate=2e-4, discriminator_rate=2.0, ema=0.99,
), card="perceptual.md", tiny=TINY_SMALL,
   phrase="CycleGAN whose discriminators have several heads; at 64 px, for a CPU")

register("multiscale_cyclegan", TwoWay, PerceptualRecipe(
    size=256, batch=16, steps=100_000, pretrain_steps=50_000, discriminator="pyramid",
    learning_rate=1e-4, beta_1=0.9, decay_from=1.0,
), card="perceptual.md", tiny=TINY, phrase="CycleGAN with separate PatchGANs on an image pyramid")

register("multiscale_cyclegan_small", TwoWay, PerceptualRecipe(
    size=64, batch=4, steps=2000, generator="resnet", downsamplings=2, blocks=4,
    upsample="nearest", blend=True, discriminator="pyramid", reference="vgg_star_small.avatars",
    heads="16,8,4", discriminator_filters=32, discriminator_cap=128, lambda_identity=5.0,
    learning_rate=2e-4, discriminator_rate=2.0, ema=0.99,
), card="perceptual.md", tiny=TINY_SMALL,
   phrase="CycleGAN with separate PatchGANs on an image pyramid; at 64 px, for a CPU")
