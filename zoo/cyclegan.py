"""CycleGAN: translation between two sets of pictures without pairs.

Zhu, Park, Isola, Efros: Unpaired image-to-image translation using cycle-consistent adversarial
networks, ICCV 2017 (arXiv 1703.10593), sections 3, 4 and 7; where the text leaves something open,
the authors' PyTorch code.

Deviations, each a field of the recipe: `blend` (off in `cyclegan`) lets a generator change only
what it must; `pool 0` drops the history of fakes and with it two of the discriminators' four calls.
Each generator is called once for the picture that it translates and the picture that it must leave
alone, each discriminator once for real and fake: the arithmetic of the paper in fewer calls, valid
because instance norm looks at one picture at a time. All players move at the same time, from the
same forward pass, which is what the authors' code computes too (there the generators move first,
and the discriminators then judge the fakes made before that).
"""

from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import cycle, losses, networks, ops
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.data.signals import usual
from kgan.models.gan import GAN, Phase, Stage


@dataclass(frozen=True)
class TranslatorRecipe(Recipe):
    """What models of CycleGAN's networks have: two generators and PatchGANs."""

    filters: int = knob(64, "maps of a generator's first layer", low=1)
    blocks: int = knob(9, "residual blocks of a generator: 9 for 256 px and more, 6 for 128", low=0)
    upsample: str = knob("transpose", "how generators double the size: the paper's transposed "
                         "convolution, or nearest, which makes no checkerboard",
                         choices=("transpose", "nearest"))
    discriminator_filters: int = knob(64, "maps of a discriminator's first layer", low=1)
    discriminator_layers: int = knob(3, "strided layers of a discriminator: patches of 16, 34, 70, "
                                     "142 px for 1, 2, 3, 4", low=1, high=6)
    channels_a: int = knob(3, "channels of the pictures of A: 3 = RGB, 1 = grey", choices=(1, 3))
    channels_b: int = knob(3, "channels of the pictures of B: 3 = RGB, 1 = grey", choices=(1, 3))

    def check(self):
        super().check()
        if self.size % 4:
            raise UsageError(f"--size must be a multiple of 4, not {self.size}.")
        if self.size < 3 * 2**self.discriminator_layers:
            raise UsageError(
                f"--size {self.size} leaves no patch to --discriminator_layers "
                f"{self.discriminator_layers}: at least {3 * 2**self.discriminator_layers}."
            )


@dataclass(frozen=True)
class CycleGANRecipe(TranslatorRecipe):
    blend: bool = knob(False, "generators mix a change into their input by a mask that they paint "
                       "(our addition, for edits that leave most of a picture alone)")
    adversarial: str = knob("lsgan", "adversarial loss", choices=("lsgan", "bce"), group="loss")
    lambda_adversarial: float = knob(1.0, "weight of the adversarial term; 0 leaves the "
                                     "discriminators out", low=0, group="loss")
    lambda_cycle: float = knob(10.0, "weight of the cycle term; 0 skips its passes", low=0,
                               group="loss")
    lambda_cycle_a: float = knob(1.0, "weight of the forward cycle, A to B and back, relative to "
                                 "lambda_cycle; 0 skips its pass", low=0, group="loss")
    lambda_cycle_b: float = knob(1.0, "weight of the backward cycle, B to A and back, relative to "
                                 "lambda_cycle; 0 skips its pass", low=0, group="loss")
    lambda_identity: float = knob(0.5, "weight of the identity term relative to lambda_cycle; 0 "
                                  "skips its pass", low=0, group="loss")
    pool: int = knob(50, "history of fakes that the discriminators see, pictures a domain; 0 = "
                     "none, and a faster step", low=0, group="loss")

    def check(self):
        super().check()
        if 0 < self.pool < self.batch:
            raise UsageError(f"--pool must be 0 or at least --batch ({self.batch}).")
        if self.blend and self.channels_a != self.channels_b:
            raise UsageError("--blend needs as many channels in A as in B.")
        if self.identity and self.channels_a != self.channels_b:
            raise UsageError("A and B differ in channels: set --lambda_identity 0.")
        cycles = self.lambda_cycle * (self.lambda_cycle_a + self.lambda_cycle_b)
        if not self.lambda_adversarial + cycles + self.identity:
            raise UsageError("Nothing to learn from: --lambda_adversarial, a cycle or "
                             "--lambda_identity must be above 0.")

    @property
    def identity(self):
        """The weight of the identity term, absolute."""
        return self.lambda_cycle * self.lambda_identity


class Translator(GAN):
    """Two generators, which `translate` runs, and PatchGANs of what `judged` says."""

    directions = {"a2b": "g_ab", "b2a": "g_ba"}
    multiple = 4
    smallest = 8

    @classmethod
    def judged(cls, recipe):
        """`{discriminator: channels that it sees}`."""
        raise NotImplementedError

    def build_networks(self, r, blend=False):
        nets = {
            name: networks.resnet_generator(
                name, filters=r.filters, blocks=r.blocks, upsample=r.upsample, blend=blend,
                channels_in=channels_in, channels_out=channels_out,
            ) for name, channels_in, channels_out in (
                ("g_ab", r.channels_a, r.channels_b), ("g_ba", r.channels_b, r.channels_a))
        }
        if self.deployed_only:
            return nets
        return nets | {
            name: networks.patch_discriminator(
                name, filters=r.discriminator_filters, strided=r.discriminator_layers,
                channels=channels,
            ) for name, channels in self.judged(r).items()
        }

    @classmethod
    def signals_of(cls, recipe):
        return usual(recipe.size, {"a": recipe.channels_a, "b": recipe.channels_b})


class CycleGAN(Translator):
    """Each generator has a discriminator of what it makes."""

    players = {"generator": ("g_ab", "g_ba"), "discriminator": ("d_a", "d_b")}

    @classmethod
    def judged(cls, recipe):
        return {"d_a": recipe.channels_a, "d_b": recipe.channels_b}

    def build_networks(self, r):
        nets = super().build_networks(r, r.blend)
        if r.pool and not self.deployed_only:
            for salt, signal in enumerate(self.signals):
                nets[f"pool_{signal.name}"] = networks.ImagePool(r.pool, signal.shape, salt)
        return nets

    @classmethod
    def stages_of(cls, recipe):
        if recipe.lambda_adversarial:
            return super().stages_of(recipe)
        return (Stage("training", recipe.steps, (Phase(("generator",)),)),)

    def loss_terms(self, batch):
        r, a, b = self.recipe, batch["a"], batch["b"]
        fake_b, fake_a, generator = cycle.two_way(
            self.g_ab, self.g_ba, a, b, cycle=r.lambda_cycle, identity=r.identity,
            cycle_a=r.lambda_cycle_a, cycle_b=r.lambda_cycle_b,
        )
        if not r.lambda_adversarial:
            return {"generator": generator}
        judged_a = self.judge(self.d_a, a, fake_a, "pool_a", batch["key"])
        judged_b = self.judge(self.d_b, b, fake_b, "pool_b", batch["key"])
        fools = judged_a["fools"] + judged_b["fools"]
        generator["adversarial"] = r.lambda_adversarial * fools
        discriminator = {term: judged_a[term] + judged_b[term] for term in ("real", "fake")}
        return {"generator": generator, "discriminator": discriminator}

    def judge(self, discriminator, real, fake, pool, key):
        """What both players pay for one discriminator's opinion of real and fake pictures."""
        kind = self.recipe.adversarial
        if self.recipe.pool:
            fools = discriminator(fake)
            fake = self.nets[pool](ops.stop_gradient(fake), key)
            real, fake = networks.together(discriminator, real, fake)
        else:
            real, fake = networks.together(discriminator, real, fake)
            fools = fake
        return {
            "fools": losses.real_loss(kind, fools),
            "real": 0.5 * losses.real_loss(kind, real),
            "fake": 0.5 * losses.fake_loss(kind, fake),
        }


TINY = {
    "size": 16, "batch": 2, "steps": 20, "filters": 4, "blocks": 1, "discriminator_filters": 4,
    "discriminator_layers": 1, "load_size": 0,
}

register(
    "cyclegan",
    CycleGAN,
    CycleGANRecipe(size=256, load_size=286, batch=1, steps=200_000),
    card="cyclegan.md",
    phrase="unpaired translation, the paper's networks at 256 px",
    weights=("avatars_eyeglasses_64", "avatars_smiling_64"),
    tiny={**TINY, "pool": 4},
)
register(
    "cyclegan_small",
    CycleGAN,
    CycleGANRecipe(
        size=64, batch=8, steps=1500, filters=32, blocks=4, upsample="nearest", blend=True,
        discriminator_filters=32, pool=0,
    ),
    card="cyclegan.md",
    phrase="unpaired translation, half of the width at 64 px, for attribute editing on a CPU",
    tiny={**TINY, "upsample": "nearest", "blend": True},
)
