"""The cyclic reverse generator: an encoder that is trained on two cycles, and its relatives.

Dogan, Keles: Semi-supervised image attribute editing using generative adversarial networks,
Neurocomputing 2020, section 3.2. The generator is frozen. Each iteration updates the encoder twice,
with one optimizer: on the codes, z against E(G(z)), mean squared, then on pictures, x against
G(E(x)), mean absolute. `crg_tg_encoder` (section 4.1) trains the generator, too, which the encoder
then no longer inverts but forms; here it moves with the second update. `lr_encoder` has the first
update alone (latent regressor, Donahue et al. 2017); `aegan_encoder` (Luo et al. 2017) sees
generated pictures alone, G(z) against G(E(G(z))), mean squared.

The digits of the text that we have are lost: rates, patience and angles are those of the authors'
later code where it has them, and else our choice.
"""

import json
from dataclasses import dataclass
from typing import ClassVar

from kgan.core.errors import UserError
from kgan.core.lazy import keras, losses, networks, references
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.models.gan import Phase, Stage
from kgan.models.inverting import EncoderRecipe, Inverts
from kgan.models.reference import VGGRecipe

OFFLINE = ("give --vgg_weights FILE, or --trunk vgg_star_small.cifar10, which is packaged, to "
           "tools/train")


@dataclass(frozen=True)
class CRGRecipe(VGGRecipe, EncoderRecipe):
    from_data: ClassVar[tuple] = (*EncoderRecipe.from_data, "trunk_layout")

    trunk: str = knob("vgg16", "whose first four blocks the encoder begins with: vgg16, vgg19, "
                      "vgg_star_small.TAG, the run of a classifier; empty = a fresh VGG-16",
                      source=True)
    trunk_layout: str = knob("", "how the trunk is built, JSON; the trunk decides")
    filters: int = knob(64, "maps of the first block of a fresh trunk", low=1)
    variant: str = knob("paper", "new blocks: one of two convolutions, or two, as in the authors' "
                        "later code", choices=("paper", "code"))
    head: str = knob("max", "what of each last map is a number of a code: its maximum, as "
                     "published, or its mean", choices=("max", "mean"))
    dropout: float = knob(0.5, "spatial dropout after each block", low=0, high=0.9)
    rho: float = knob(0.9, "RMSProp's decay", low=0, high=0.9999, group="schedule")

    def complete(self, data):
        return super().complete(data).replace(trunk_layout=json.dumps(self._layout()))

    @property
    def layout(self):
        """Keywords of `networks.crg_encoder` that the trunk decides."""
        if not self.trunk_layout:
            return self._layout()
        try:
            return dict(json.loads(self.trunk_layout))
        except (ValueError, TypeError, RecursionError) as error:
            raise UserError(f"The recipe does not say how its trunk is built ({error}).") from None

    def _layout(self):
        return references.shape(self.trunk) if self.trunk else {"filters": self.filters}


class CRG(Inverts):
    """An encoder trained on codes and on pictures."""

    def build_encoder(self, recipe, below):
        return networks.crg_encoder(
            "e", latent=below.latent, variant=recipe.variant, dropout=recipe.dropout,
            head=recipe.head, **recipe.layout,
        )

    def prepare(self, data):
        r = self.recipe
        if r.trunk:
            trunk = references.build(r.trunk)
            references.load(trunk, r.trunk, *r.vgg_file, instead=OFFLINE)
            networks.transfer(trunk, self.e)

    def build_optimizer(self, player, schedule):
        return keras.optimizers.RMSprop(schedule, rho=self.recipe.rho, epsilon=1e-8,
                                        name=f"rmsprop_{player}")

    @classmethod
    def stages_of(cls, recipe):
        return (Stage("training", recipe.steps, (
            Phase(("encoder",), 1, cls.code_terms),
            Phase((), 1, cls.picture_terms, fresh=False),
        )),)

    def code_terms(self, batch):
        """Equation (1): the codes of generated pictures."""
        z = self.noise(batch)
        return {"encoder": {"code": losses.l2(z, self.e(self.generate(z), training=True))}}

    def picture_terms(self, batch):
        """Equation (2): real pictures again."""
        x = batch["a"]
        return {"encoder": {"picture": losses.l1(x, self.generate(self.e(x, training=True)))}}

    def validation_terms(self, pictures, codes):
        code = losses.l2(codes, self.e(self.generate(codes), training=False))
        picture = losses.l1(pictures, self.generate(self.e(pictures, training=False)))
        return {"code": code, "picture": picture, "total": code + picture}


class CRGWithGenerator(CRG):
    """CRG(TG): the generator moves with the update on pictures."""

    players: ClassVar[dict] = {"encoder": ("e",), "generator": ("g",)}

    def build_networks(self, recipe):
        nets = super().build_networks(recipe)
        if isinstance(nets["g"], networks.ProgressiveGenerator):
            for layer in nets["g"].to_rgb[:-1]:  # of levels that are not shown
                layer.trainable = False
        return nets

    def picture_terms(self, batch):
        x = batch["a"]
        again = self.g(self.e(x, training=True), training=True)
        paid = losses.l1(x, again)
        return {"encoder": {"picture": paid}, "generator": {"picture": paid}}


class LatentRegressor(CRG):
    """LR: the update on codes alone."""

    @classmethod
    def stages_of(cls, recipe):
        phase = Phase(("encoder",), 1, cls.code_terms)
        return (Stage("training", recipe.steps, (phase,)),)

    def validation_terms(self, pictures, codes):
        found = super().validation_terms(pictures, codes)
        return {**found, "total": found["code"]}


class GeneratedPictures(CRG):
    """AEGAN: pictures again, but generated ones alone."""

    @classmethod
    def stages_of(cls, recipe):
        phase = Phase(("encoder",), 1, cls.picture_terms)
        return (Stage("training", recipe.steps, (phase,)),)

    def picture_terms(self, batch):
        x = self.generate(self.noise(batch))
        return {"encoder": {"picture": losses.l2(x, self.generate(self.e(x, training=True)))}}

    def validation_terms(self, pictures, codes):
        found = super().validation_terms(pictures, codes)
        x = self.generate(codes)
        again = losses.l2(x, self.generate(self.e(x, training=False)))
        return {**found, "generated": again, "total": again}


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 16,
    "batch": 4, "steps": 20, "filters": 2, "trunk": "", "validate_every": 10, "vgg_weights": "",
    "generator_recipe": (
        '{"model": "pggan", "recipe": {"size": 16, "latent": 4, "cap": 4, "base": 16, "batch": 4, '
        '"fade_images": 0, "stable_images": 16, "steps": 20, "discriminator_cap": 4, '
        '"data": "avatars:Smiling,Eyeglasses?n=24&test=8"}}'
    ),
}
PAPER = {
    "size": 128, "batch": 16, "steps": 100_000, "learning_rate": 1e-4, "decay_from": 1.0,
    "validate_every": 1_500, "plateau": 0.5, "patience": 15, "stop_patience": 20,
    "generator": "pggan", "rotate": 10.0,
}
SMALL = {
    **PAPER, "size": 64, "batch": 32, "steps": 4_000, "learning_rate": 5e-4, "validate_every": 100,
    "patience": 5, "stop_patience": 15, "trunk": "vgg_star_small.cifar10", "dropout": 0.0,
    "generator": "pggan_small", "rotate": 0.0, "head": "mean",
}
NAMES = {
    "crg_encoder": (CRG, "codes of pictures, trained on codes and on pictures"),
    "crg_tg_encoder": (CRGWithGenerator, "codes of pictures, the generator trained, too"),
    "lr_encoder": (LatentRegressor, "codes of pictures, trained on codes alone"),
    "aegan_encoder": (GeneratedPictures, "codes of pictures, trained on generated pictures "
                      "alone"),
}

for name, (model, phrase) in NAMES.items():
    register(name, model, CRGRecipe(**PAPER), card="crg.md", phrase=phrase, tiny=TINY,
             weights=("avatars_64",) if name == "crg_encoder" else ())
    register(f"{name}_small", model, CRGRecipe(**SMALL), card="crg.md", tiny=TINY,
             phrase=f"{phrase}; a quarter of the width, for a CPU")
