"""BiGAN as a translator: the game of pairs, in which a picture's code is one of the other set.

Donahue, Krähenbühl, Darrell 2017 (arXiv 1605.09782) and Dumoulin et al. 2017 (arXiv 1606.00704),
see `kgan.zoo.ali`, as the baseline "BiGAN/ALI" of CycleGAN (Zhu et al. 2017, arXiv 1703.10593,
section 5.1.1), which says of it that the same objective maps a source image to a target image. The
generator makes a picture of B of one of A, the encoder one of A of one of B, and one discriminator
sees both side by side: (a, G(a)) and (F(b), b). It tells which is which, and both are to make their
pairs like those of the other. Nothing asks that a picture comes back.

The text says no more. Ours: the networks are CycleGAN's, the discriminator its PatchGAN of pairs,
so that the two differ in their games; the loss is BiGAN's cross-entropy.
"""

from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import losses, networks, ops
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.data.signals import usual
from kgan.models.gan import GAN


@dataclass(frozen=True)
class BiGANTranslatorRecipe(Recipe):
    filters: int = knob(64, "maps of a generator's first layer", low=1)
    blocks: int = knob(9, "residual blocks of a generator: 9 for 256 px and more, 6 for 128", low=0)
    upsample: str = knob("transpose", "how generators double the size: the paper's transposed "
                         "convolution, or nearest, which makes no checkerboard",
                         choices=("transpose", "nearest"))
    discriminator_filters: int = knob(64, "maps of the discriminator's first layer", low=1)
    discriminator_layers: int = knob(3, "strided layers of the discriminator: patches of 16, 34, "
                                     "70, 142 px for 1, 2, 3, 4", low=1, high=6)
    channels_a: int = knob(3, "channels of the pictures of A: 3 = RGB, 1 = grey", choices=(1, 3))
    channels_b: int = knob(3, "channels of the pictures of B: 3 = RGB, 1 = grey", choices=(1, 3))
    adversarial: str = knob("bce", "adversarial loss", choices=("bce", "lsgan"), group="loss")

    def check(self):
        super().check()
        if self.size % 4:
            raise UsageError(f"--size must be a multiple of 4, not {self.size}.")
        if self.size < 3 * 2**self.discriminator_layers:
            raise UsageError(
                f"--size {self.size} leaves no patch to --discriminator_layers "
                f"{self.discriminator_layers}: at least {3 * 2**self.discriminator_layers}.")


class BiGANTranslator(GAN):
    """A generator, an encoder that undoes it, and a discriminator of pairs."""

    players = {"encoder": ("g_ba",), "generator": ("g_ab",), "discriminator": ("d",)}
    averaged = ("encoder", "generator")
    directions = {"a2b": "g_ab", "b2a": "g_ba"}
    multiple = 4
    smallest = 8

    def build_networks(self, r):
        def generator(name, channels_in, channels_out):
            return networks.resnet_generator(
                name, filters=r.filters, blocks=r.blocks, upsample=r.upsample,
                channels_in=channels_in, channels_out=channels_out,
            )

        nets = {"g_ab": generator("g_ab", r.channels_a, r.channels_b),
                "g_ba": generator("g_ba", r.channels_b, r.channels_a)}
        if self.deployed_only:
            return nets
        return {**nets, "d": networks.patch_discriminator(
            "d", filters=r.discriminator_filters, strided=r.discriminator_layers,
            channels=r.channels_a + r.channels_b,
        )}

    @classmethod
    def signals_of(cls, recipe):
        return usual(recipe.size, {"a": recipe.channels_a, "b": recipe.channels_b})

    def loss_terms(self, batch):
        kind, a, b = self.recipe.adversarial, batch["a"], batch["b"]
        generated = ops.concatenate([a, self.g_ab(a)], axis=-1)
        inferred = ops.concatenate([self.g_ba(b), b], axis=-1)
        of_inferred, of_generated = networks.together(self.d, inferred, generated)
        return {
            "encoder": {"inferred": losses.fake_loss(kind, of_inferred)},
            "generator": {"generated": losses.real_loss(kind, of_generated)},
            "discriminator": {"inferred": 0.5 * losses.real_loss(kind, of_inferred),
                              "generated": 0.5 * losses.fake_loss(kind, of_generated)},
        }


TINY = {
    "size": 16, "batch": 2, "steps": 20, "filters": 4, "blocks": 1, "discriminator_filters": 4,
    "discriminator_layers": 1, "load_size": 0,
}

register(
    "bigan_translator",
    BiGANTranslator,
    BiGANTranslatorRecipe(size=256, load_size=286, batch=1, steps=200_000),
    card="ali.md",
    phrase="unpaired translation by one discriminator of pairs, the networks of CycleGAN at 256 px",
    tiny=TINY,
)
register(
    "bigan_translator_small",
    BiGANTranslator,
    BiGANTranslatorRecipe(
        size=64, batch=8, steps=1500, filters=32, blocks=4, upsample="nearest",
        discriminator_filters=32,
    ),
    card="ali.md",
    phrase="unpaired translation by one discriminator of pairs; half of the width at 64 px, for a "
           "CPU",
    tiny={**TINY, "upsample": "nearest"},
)
