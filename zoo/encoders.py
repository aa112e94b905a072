"""Encoders that invert a DCGAN, the four of "Photoshop 2.0".

Roman Roman, Yang, Zhang: Photoshop 2.0: generative adversarial networks for photo editing, section
4: fully connected, deep convolutional, transferred from the discriminator, and that one extended.
The generator and the transferred layers are frozen. Losses are sums over a picture, as the paper
reports them: L2, L1, or 1 - SSIM + 5e-5 L2 with the printed k1 of 0.001. The text gives kinds of
layers and optimizers; widths, batch, output and how long to train are our choice. Pictures are
split 70/15/15: the weights kept are those that are best on the validation part.
"""

from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import losses, networks
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.data.spec import FACES
from kgan.models.inverting import EncoderRecipe, Inverts

SSIM_L2 = 5e-5  # weight of L2 beside 1 - SSIM
LOSSES = ("l2", "l1", "ssim")


@dataclass(frozen=True)
class InvertingRecipe(EncoderRecipe):
    encoder: str = knob("deep_conv", "which network: four fully connected layers, nine "
                        "convolutions, the discriminator's convolutions, those and two layers more",
                        choices=("fc", "deep_conv", "transfer", "extended_transfer"))
    filters: int = knob(64, "maps of the first layer of deep_conv; scales the widths of fc", low=1)
    loss: str = knob("l2", "L2 or L1, summed over a picture, or 1 - SSIM + 5e-5 L2",
                     choices=LOSSES, group="loss")
    k1: float = knob(0.001, "constant of SSIM; 0.001 as printed, 0.01 is usual", low=1e-6, high=1,
                     group="loss")

    def check(self):
        super().check()
        if self.size < 16:
            raise UsageError("--size must be at least 16: SSIM looks at windows of 11 pixels.")


class InvertingEncoder(Inverts):
    """An encoder whose codes make the same pictures again."""

    far = "length"  # the paper adds the whole difference of mean codes, once

    def build_encoder(self, recipe, below):
        code = {"latent": below.latent, "prior": below.prior}
        if recipe.encoder in ("fc", "deep_conv"):
            make = networks.fc_encoder if recipe.encoder == "fc" else networks.deep_conv_encoder
            return make("e", size=recipe.size, filters=recipe.filters, **code)
        if "d" not in below.nets:
            raise UsageError(f"--encoder {recipe.encoder} takes layers of a DCGAN's discriminator; "
                             f"{below.name_in_zoo} has none to give.")
        extended = recipe.encoder == "extended_transfer"
        make = networks.extended_transfer_encoder if extended else networks.transfer_encoder
        return make("e", below.nets["d"], **code)

    def inherit(self, source):
        super().inherit(source)
        if self.recipe.encoder in ("transfer", "extended_transfer"):
            networks.transfer(source.nets["d"], self.e)

    def loss_terms(self, batch):
        x = batch["a"]
        kind = self.recipe.loss
        found = self.distances(x, self.generate(self.e(x, training=True)))
        if kind == "ssim":
            return {"encoder": {"ssim": found["ssim"], "l2": SSIM_L2 * found["l2"]}}
        return {"encoder": {kind: found[kind]}}

    def distances(self, x, y):
        """What the paper reports: `{"l2", "l1", "ssim"}`, means over a batch."""
        return {"l2": losses.l2_sum(x, y), "l1": losses.l1_sum(x, y),
                "ssim": losses.ssim(x, y, self.recipe.k1)}

    def validation_terms(self, pictures, codes):
        found = self.distances(pictures, self.generate(self.e(pictures, training=False)))
        kind = self.recipe.loss
        total = found["ssim"] + SSIM_L2 * found["l2"] if kind == "ssim" else found[kind]
        return {**found, "total": total}


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 16,
    "batch": 4, "steps": 20, "filters": 4, "validate_every": 10, "generator_recipe": (
        '{"model": "dcgan", "recipe": {"size": 16, "latent": 8, "filters": 4, '
        '"discriminator_filters": 4, "data": "avatars:Smiling,Eyeglasses?n=24&test=8"}}'
    ),
}
PAPER = {
    "data": f"{FACES}?n=8500&test=1500", "validation": 3 / 17, "batch": 64, "steps": 30_000,
    "decay_from": 1.0, "beta_1": 0.9, "generator": "dcgan", "flip": False, "validate_every": 500,
}
SMALL = {
    **PAPER, "filters": 28, "batch": 32, "steps": 3_000, "decay_from": 0.5,
    "validate_every": 100, "generator": "dcgan_small",
}
NAMES = {
    "fc_encoder": ({"encoder": "fc"}, "codes of pictures by four fully connected layers"),
    "deep_conv_encoder": ({"encoder": "deep_conv"}, "codes of pictures by nine convolutions"),
    "transfer_encoder": ({"encoder": "transfer"}, "codes of pictures by the layers of a DCGAN's "
                         "discriminator"),
    "extended_transfer_encoder": ({"encoder": "extended_transfer"}, "codes of pictures by the "
                                  "layers of a DCGAN's discriminator and two more"),
}

PACKAGED = ("deep_conv_encoder", "transfer_encoder")

for name, (changes, phrase) in NAMES.items():
    tiny = {**TINY, **changes}
    register(name, InvertingEncoder, InvertingRecipe(**{**PAPER, **changes}), card="encoders.md",
             phrase=phrase, tiny=tiny, weights=("avatars_64",) if name in PACKAGED else ())
    register(f"{name}_small", InvertingEncoder, InvertingRecipe(**{**SMALL, **changes}),
             card="encoders.md", phrase=f"{phrase}; with a small DCGAN, for a CPU", tiny=tiny)
