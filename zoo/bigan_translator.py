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

from kgan.core.lazy import losses, networks, ops
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.zoo.cyclegan import TINY, Translator, TranslatorRecipe


@dataclass(frozen=True)
class BiGANTranslatorRecipe(TranslatorRecipe):
    adversarial: str = knob("bce", "adversarial loss", choices=("bce", "lsgan"), group="loss")


class BiGANTranslator(Translator):
    """A generator, an encoder that undoes it, and a discriminator of pairs."""

    players = {"encoder": ("g_ba",), "generator": ("g_ab",), "discriminator": ("d",)}
    averaged = ("encoder", "generator")

    @classmethod
    def judged(cls, recipe):
        return {"d": recipe.channels_a + recipe.channels_b}

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
