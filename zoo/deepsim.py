"""DeePSiM: autoencoders and inverted features with a loss in features.

Dosovitskiy, Brox: Generating images with perceptual similarity metrics based on deep networks, NIPS
2016 (arXiv 1602.02644). The loss has three terms: of features of a frozen network C, of a
discriminator, of the picture itself; weights, optimizer, rates and the rule that holds a player
back are those of the training code that Kamitani's laboratory published, after the authors'.

`deepsim_autoencoder`: codes of 8x8x8 (at 64 px); with `--lambda_*` 0 and `--picture l1` also the
autoencoders that the paper compares it with. `deepsim_inversion`: features of a frozen classifier
back to pictures. `vae_deepsim`: a VAE whose squared error is replaced by the loss.

Deviations: CaffeNet and AlexNet are not at hand, so C is a VGG, and the two nets of the small names
have features scaled to variance 1; both players learn from one forward pass, the published code
lets the generator see the discriminator after its update; the discriminator sees pictures alone, as
in that code. Networks of the autoencoder and of the VAE, all numbers of their trainings that the
code does not give, and the weight of the divergence are ours.
"""

import json
from dataclasses import dataclass
from typing import ClassVar

from kgan.core.errors import UsageError, UserError
from kgan.core.lazy import losses, networks, np, pixels, references
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.data.spec import FACES
from kgan.models.encoding import Encodes
from kgan.models.gan import Phase, Stage
from kgan.models.reference import VGGRecipe
from kgan.models.variational import Variational

OFFLINE = ("give --vgg_weights FILE, or --reference vgg_star_small.cifar10, which is packaged, to "
           "tools/train")


@dataclass(frozen=True)
class DeePSiMRecipe(VGGRecipe):
    data: str = knob(FACES, "pictures to train on; one set, labelled or not", group="data")
    filters: int = knob(64, "scales the maps of encoder and generator", low=1)
    discriminator_filters: int = knob(32, "maps of the discriminator's first layer", low=1)
    lambda_features: float = knob(0.01, "weight of half the squared differences of features, "
                                  "summed over a picture; 0 leaves them out", low=0, group="loss")
    lambda_adversarial: float = knob(100.0, "weight of the adversarial cross-entropy; 0 leaves "
                                     "the discriminator out", low=0, group="loss")
    lambda_picture: float = knob(2e-6, "weight of the picture's own term, in levels of 255, "
                                 "summed over a picture; 0 leaves it out", low=0, group="loss")
    picture: str = knob("l2", "the picture's own term: half the squared differences, or absolute "
                        "ones", choices=("l2", "l1"), group="loss")
    reference: str = knob("vgg19", "network whose features are compared: vgg19, "
                          "vgg_star_small.cifar10 or .avatars, vgg_small.avatars, vgg16, "
                          "vgg_star19, or a run of vgg_star", source=True, group="loss")
    compared: str = knob("pool5", "its layer: relu1_1 to relu5_4, pool1 to pool5, fc1, fc2",
                         group="loss")
    feature_scale: str = knob("raw", "features as they are, or each map brought to mean 0 and "
                              "variance 1 over training pictures (our addition)",
                              choices=("raw", "calibrated"), group="loss")
    weight_decay: float = knob(4e-4, "weight of half the squares of the discriminator's weights",
                               low=0, group="loss")
    balance: bool = knob(True, "hold a player back that is far ahead, by the published rule",
                         group="schedule")
    halve_at: str = knob("", "steps after which the learning rate is halved, joined by commas",
                         group="schedule")

    def check(self):
        super().check()
        if not self.lambda_features + self.lambda_adversarial + self.lambda_picture:
            raise UsageError("Nothing to learn from: one of --lambda_features, "
                             "--lambda_adversarial and --lambda_picture must be above 0.")
        if self.size < 24 or self.size % 8:
            raise UsageError(f"--size {self.size} must be a multiple of 8, 24 or more.")
        if not all(x.strip().isdigit() for x in self.halve_at.split(",") if x):
            raise UsageError("--halve_at is a list of steps, as 300000,500000.")


class DeePSiM(Encodes):
    """An encoder and a generator that learn from three terms, and a discriminator."""

    players: ClassVar[dict] = {"autoencoder": ("e", "g"), "discriminator": ("d",)}
    maker = "autoencoder"
    averaged = ("autoencoder", "generator")

    def build_networks(self, r):
        nets = self.build_pair(r)
        if self.deployed_only:
            return nets
        if r.lambda_features:
            nets["reference"] = layer_of(r.reference, r.compared, references.layout(r.reference),
                                         r.size, "reference")
        return {**nets, "balance": networks.deepsim.Balance(name="balance"),
                "d": networks.deepsim.deepsim_discriminator(
                    "d", size=r.size, filters=r.discriminator_filters)}

    def build_pair(self, recipe):
        """`{"e": encoder, "g": generator}`."""
        raise NotImplementedError

    @classmethod
    def stages_of(cls, r):
        players = (cls.maker, "discriminator") if r.lambda_adversarial else (cls.maker,)
        halved = sorted({int(x) for x in r.halve_at.split(",") if x})
        ends = [*(x for x in halved if 0 < x < r.steps), r.steps]
        return tuple(
            Stage("training" if len(ends) == 1 else f"training {i + 1}", end - begin,
                  (Phase(players),), rate=r.learning_rate / 2**i if i else None)
            for i, (begin, end) in enumerate(zip([0, *ends], ends, strict=False))
        )

    def prepare(self, data):
        r = self.recipe
        if "reference" not in self.nets:
            return
        references.load(self.reference, r.reference, *r.vgg_file, instead=OFFLINE)
        if r.feature_scale == "calibrated":
            references.calibrate(self.reference, pictures_of(data, r.size))

    def loss_terms(self, batch):
        made, more = self.made(batch)
        return self.similarity(batch["a"], made, more)

    def made(self, batch):
        """(what the generator makes again of a batch, further terms of its player)."""
        return self.g(self.e(batch["a"], training=True), training=True), {}

    def similarity(self, x, made, more):
        """What players pay: the three terms, and `more` of the generator's."""
        r, terms = self.recipe, dict(more)
        if r.lambda_features:
            seen = networks.together(self.reference, made, x)
            terms["features"] = r.lambda_features * 0.5 * losses.l2_sum(*seen)
        if r.lambda_picture:
            levels = (0.5 * 127.5**2 * losses.l2_sum(made, x) if r.picture == "l2"
                      else 127.5 * losses.l1_sum(made, x))
            terms["picture"] = r.lambda_picture * levels
        if not r.lambda_adversarial:
            return {self.maker: terms}
        real, fake = networks.together(self.d, x, made)
        terms["adversarial"] = r.lambda_adversarial * losses.real_loss("bce", fake)
        discriminator = {"real": r.lambda_adversarial * losses.real_loss("bce", real),
                         "fake": r.lambda_adversarial * losses.fake_loss("bce", fake)}
        if r.weight_decay:
            weights = self.variables_of("discriminator")
            discriminator["decay"] = r.weight_decay * losses.weight_decay(weights)
        return {self.maker: terms, "discriminator": discriminator}

    def gates(self, terms):
        """The published rule: what the step before has found holds; see `networks.Balance`."""
        if not (self.recipe.balance and self.recipe.lambda_adversarial):
            return {}
        generator, discriminator = self.balance.stays
        paid = terms["discriminator"]
        ratio = (paid["real"] + paid["fake"]) / terms[self.maker]["adversarial"]
        self.balance.update(ratio)
        return {self.maker: generator, "discriminator": discriminator}


def layer_of(spec, layer, how, size, name):
    """A reference up to a layer; its dense layers may take pictures of one side alone."""
    if how["size"] not in (None, size) and layer in networks.vgg.TOP:
        raise UsageError(f"{layer} of {spec} sees pictures of {how['size']} px: say --size "
                         f"{how['size']}.")
    return references.build_layer(layer, how, name=name)


def pictures_of(data, size, count=64):
    """Some training pictures, their middles if they are larger: float [n, size, size, 3]."""
    pictures = data.train["a"]
    x = pixels.array_to_float(pictures[np.arange(min(count, len(pictures)))])
    top = (x.shape[1] - size) // 2
    return x[:, top : top + size, top : top + size]


@dataclass(frozen=True)
class AutoencoderRecipe(DeePSiMRecipe):
    channels: int = knob(8, "numbers at each of the (size / 8)^2 places of a code", low=1)


class Autoencoder(DeePSiM):
    """Pictures to codes with a place and back."""

    prior = None

    def build_pair(self, r):
        shape = {"size": r.size, "filters": r.filters, "channels": r.channels}
        return {"e": networks.deepsim.deepsim_encoder("e", **shape),
                "g": networks.deepsim.deepsim_decoder("g", **shape)}

    @property
    def latent(self):
        return self.recipe.channels * (self.recipe.size // 8) ** 2


@dataclass(frozen=True)
class VAEDeePSiMRecipe(DeePSiMRecipe):
    latent: int = knob(128, "numbers of a code, from N(0, 1)", low=1)
    lambda_kl: float = knob(0.1, "weight of the divergence from the prior, summed over a code "
                            "(our choice)", low=0, group="loss")


class VAEDeePSiM(Variational, DeePSiM):
    """A variational autoencoder with the loss of three terms, in VAE-GAN's networks."""

    def build_pair(self, r):
        shape = {"size": r.size, "filters": r.filters, "latent": r.latent}
        return {"e": networks.vae.vae_encoder("e", **shape),
                "g": networks.vae.vae_decoder("g", **shape)}

    def made(self, batch):
        codes, divergence = self.posterior(batch)
        return self.g(codes, training=True), {"divergence": self.recipe.lambda_kl * divergence}


@dataclass(frozen=True)
class InversionRecipe(DeePSiMRecipe):
    from_data: ClassVar[tuple] = ("layout",)

    inverted: str = knob("vgg16", "the classifier whose features are inverted, as --reference",
                         source=True)
    layer: str = knob("fc1", "its layer: relu1_1 to relu5_4, pool1 to pool5, fc1, fc2, predictions")
    layout: str = knob("", "how the classifier is built, JSON; the classifier decides")
    top: int = knob(4096, "units of the generator's dense layers, for fully connected features",
                    low=1)

    def complete(self, data):
        return self.replace(layout=json.dumps(references.layout(self.inverted)))

    @property
    def how(self):
        """The layout of the classifier."""
        try:
            return dict(json.loads(self.layout)) if self.layout else (
                references.layout(self.inverted))
        except (ValueError, TypeError, RecursionError) as error:
            raise UserError(f"The recipe does not say how its classifier is built ({error})."
                            ) from None


class Inversion(DeePSiM):
    """Features of a frozen classifier, and a generator that makes pictures of them."""

    players: ClassVar[dict] = {"generator": ("g",), "discriminator": ("d",)}
    maker = "generator"
    prior = None

    def build_pair(self, r):
        how = r.how
        features = layer_of(r.inverted, r.layer, how, r.size, "features")
        encoder = networks.deepsim.in_a_row("e", features, r.size)
        generator = networks.deepsim.feature_generator(
            "g", encoder.get_layer("flatten").input.shape[1:], size=r.size, filters=r.filters,
            top=r.top, levels=how["imagenet_range"])
        return {"e": encoder, "g": generator}

    @property
    def latent(self):
        return self.e.output_shape[-1]

    def prepare(self, data):
        super().prepare(data)
        r, features = self.recipe, self.e.get_layer("features")
        references.load(features, r.inverted, *r.vgg_file, instead=OFFLINE)
        if r.feature_scale == "calibrated":
            references.calibrate(features, pictures_of(data, r.size))

    def made(self, batch):
        return self.g(self.e(batch["a"], training=False), training=True), {}


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 32, "batch": 2, "steps": 20,
    "filters": 4, "discriminator_filters": 4, "reference": "vgg_star_small.avatars",
    "compared": "relu2_1", "feature_scale": "calibrated", "halve_at": "",
}
TINY_INVERSION = {**TINY, "inverted": "vgg_star_small.avatars", "layer": "pool3", "top": 8}
PAPER = {
    "batch": 64, "steps": 1_000_000, "learning_rate": 2e-4, "beta_1": 0.9, "decay_from": 1.0,
    "halve_at": "300000,500000,700000,900000", "flip": False,
}
SMALL = {
    "size": 64, "batch": 32, "steps": 3000, "filters": 24, "discriminator_filters": 16,
    "learning_rate": 1e-3, "beta_1": 0.9, "reference": "vgg_star_small.avatars",
    "compared": "relu4_1", "feature_scale": "calibrated",
    "lambda_adversarial": 8.0,  # 100 (64 / 227)^2: the sums over a picture shrink with its area
}

register("deepsim_autoencoder", Autoencoder, AutoencoderRecipe(
    **PAPER, data="tfds:stl10?label=all", size=64, load_size=96, compared="relu5_4",
), card="deepsim.md", tiny={**TINY, "load_size": 0}, phrase="pictures to codes of 8x8x8 and back, "
   "compared in features")
register("deepsim_autoencoder_small", Autoencoder, AutoencoderRecipe(**SMALL), card="deepsim.md",
         tiny=TINY, phrase="pictures to codes of 8x8x8 and back, compared in features; less than "
                           "half of the width, for a CPU")
register("deepsim_inversion", Inversion, InversionRecipe(**PAPER, size=224, load_size=248,
                                                         data="tfds:imagenet2012?label=all"),
         card="deepsim.md", tiny={**TINY_INVERSION, "load_size": 0},
         phrase="pictures of a classifier's features")
register("deepsim_inversion_small", Inversion, InversionRecipe(
    **SMALL, inverted="vgg_star_small.avatars", layer="relu4_1", top=512,
), card="deepsim.md", tiny=TINY_INVERSION,
   phrase="pictures of a small classifier's features, for a CPU")
register("vae_deepsim", VAEDeePSiM, VAEDeePSiMRecipe(**PAPER, size=64, compared="relu5_4"),
         card="deepsim.md", tiny={**TINY, "latent": 4},
         phrase="a variational autoencoder with a loss in features")
register("vae_deepsim_small", VAEDeePSiM, VAEDeePSiMRecipe(**{**SMALL, "filters": 32}),
         card="deepsim.md", tiny={**TINY, "latent": 4},
         phrase="a variational autoencoder with a loss in features; half of the width, for a CPU")
