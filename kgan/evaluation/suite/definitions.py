"""Suites: which models a table compares. `tools/evaluate --suite NAME` trains and measures them."""

from dataclasses import dataclass, field, replace

from kgan.core import registry
from kgan.core.errors import UsageError


@dataclass(frozen=True)
class Row:
    """A model of a suite.

    Attributes:
        title: its name in the table.
        name: its name in the zoo.
        changes: `{field: value}` of its recipe, but not of data, steps and seed.
        tag: tells rows of the same name apart.
        shares: `{field: share}` of fields that are a part of the steps, as a pretraining; the step
            is timed without them.
        scaled: names of fields that are as many times larger or smaller as the steps are, as how
            long a level grows.
        repeated: it gets `--training_seeds` trainings, others one.
        paper: changes of the recipe of the paper's size; None = the same.
        joint: one training on faces with the labels of all data sets, with the time of all.
        trained: False = it is measured with its first weights.
        small: False = it is of the paper's size alone.
    """

    title: str
    name: str
    changes: dict = field(default_factory=dict)
    tag: str = ""
    shares: dict = field(default_factory=dict)
    scaled: tuple = ()
    paper: dict | None = None
    repeated: bool = False
    joint: bool = False
    trained: bool = True
    small: bool = True

    @property
    def key(self):
        """What its files are called, and `--only`."""
        return f"{self.name}-{self.tag}" if self.tag else self.name

    @property
    def model(self):
        """The class of the model."""
        return registry.entry(self.name).model

    @property
    def recipe(self):
        """Its recipe, but for data, steps, seed and shares of the steps."""
        return registry.recipe(self.name).replace(**self.changes)

    @property
    def trains(self):
        """Whether it is to be trained."""
        return self.trained and self.model.trains

    @property
    def timed_on_data(self):
        """Whether its networks follow from the data: from labels, or a generator trained on it."""
        return self.joint or self.model.needs(self.recipe) is not None


@dataclass(frozen=True)
class Published:
    """What a paper says of models that rows stand for.

    Attributes:
        source: where it stands.
        figure: the column that it is compared with, `{}` for the direction.
        values: `{key of a row: number}`, more is better.
        made: what the rows that it is of make, `"photographs"` of maps of labels, or `"labels"`;
            `""` = whatever they make.
    """

    source: str
    figure: str
    values: dict
    made: str = ""


@dataclass(frozen=True)
class Suite:
    """A comparison.

    Attributes:
        kind: one of `kgan.evaluation.suite.kinds.KINDS`.
        rows: its models.
        published: each a `Published`, whose order is looked for.
    """

    kind: str
    rows: tuple
    published: tuple = ()


def sized(row, size):
    """A row by the small recipe, by that of the paper's size, or by the small one at another side.

    Args:
        size: `"small"`, `"paper"` or pixels, as `"128"`. A side to which pictures are brought
            before squares are cut from them, `load_size`, keeps its proportion.

    Raises:
        UsageError: none of these, or a side that the model cannot have.
    """
    if size == "small":
        return row
    if size == "paper":
        return replace(row, name=row.name.removesuffix("_small"),
                       changes=row.changes if row.paper is None else row.paper)
    if not size.isdecimal():
        raise UsageError(f"--size {size} is neither small nor paper nor a number of pixels.")
    given, side = row.recipe, int(size)
    found = replace(row, changes={
        **row.changes, "size": side, "load_size": round(given.load_size * side / given.size)})
    found.recipe.check()
    return found


def sized_rows(rows, size):
    """Those of some rows that there are at a size, each `sized`."""
    return tuple(sized(row, size) for row in rows if row.small or size == "paper")


def _autoencoder(title, tag, **changes):
    return Row(title, "deepsim_autoencoder_small", changes, tag=tag)


def _pix2pix(title, tag, **changes):
    return Row(title, "pix2pix_small", changes, tag=tag)


def _scores(source, values, made="photographs"):
    """Scores of Isola et al. 2017: `{tag: (accuracy of pixels, of classes, their IoU)}`."""
    return _segmented(f"Isola et al. 2017, {source}", "{}", {
        f"pix2pix_small-{tag}": scores for tag, scores in values.items()}, made)


def _segmented(source, end, values, made=""):
    """Scores of Cityscapes: `{key of a row: (accuracy of pixels, of classes, their IoU)}`.

    Args:
        source: where they stand.
        end: how the names of the figures end, `"{}"` for the direction.
        values: see above.
        made: see `Published`.
    """
    figures = (f"pixel_accuracy_{end}", f"class_accuracy_{end}", f"class_iou_{end}")
    return tuple(Published(source, figure, {key: scores[i] for key, scores in values.items()}, made)
                 for i, figure in enumerate(figures))


def _cyclegan(title, tag, **changes):
    """A row of CycleGAN between maps and photographs, which have no pixel in common to keep."""
    return Row(title, "cyclegan_small", {"blend": False, "lambda_identity": 0.0, **changes},
               tag=tag)


def _encoder(title, name, repeated=False):
    """A row of an encoder of a generator."""
    return Row(title, f"{name}_encoder_small", {"stop_patience": 0}, repeated=repeated)


def _scales(title, name, repeated=False):
    """A row of discriminators at several scales, whose large names would begin as autoencoders."""
    return Row(title, f"{name}_small", paper={"pretrain_steps": 0}, repeated=repeated)


def _pgn(title, tag, **changes):
    return Row(title, "pgn_small", changes, tag=tag)


GROWTH = ("fade_images", "stable_images")  # of models that grow
RECONSTRUCTED = {  # dhash, phash, whash, by Dogan, Keles 2020
    "crg_encoder": (.871, .848, .892), "crg_tg_encoder": (.846, .792, .855),
    "pioneer": (.852, .804, .864), "vae_gan_plain": (.842, .779, .861),
    "alpha_gan": (.837, .756, .855), "age": (.832, .754, .863), "ali": (.759, .668, .745),
    "lr_encoder": (.697, .585, .674),
}
DECODED = {  # r of angle, speed, four components of identity, by Lotter, Kreiman, Cox 2015
    "mse": (.994, .986, .877, .826, .723, .705), "al_mse": (.994, .990, .873, .828, .724, .686),
    "autoencoder": (.943, .927, .834, .772, .655, .635),
}
JOHNSON = {  # what his networks learn, for a descent to be held against them
    "reference": "vgg16", "content_layers": "relu3_3", "lambda_content": 1.0, "lambda_style": 5.0,
    "style_layers": "relu1_2,relu2_2,relu3_3,relu4_3", "lambda_tv": 1600.0, "size": 256,
}
SEEN = {"reference": "vgg_star_small.avatars", "vgg_scale": "measured"}  # of losses of features

SUITES = {
    # After table 1 and figure 4 of Sungatullina et al. 2018 (arXiv 1809.01396), in small. CycleGAN
    # has the batch and the averages of the others, so that these differ in their discriminators.
    "table1": Suite("edits", (
        Row("DFI", "dfi_small"),
        Row("DCGAN", "dcgan_translator_small"),
        Row("CycleGAN", "cyclegan_small", {"batch": 4, "ema": 0.99}, paper={}, repeated=True),
        Row("StarGAN", "stargan_small", joint=True),
        Row("VGG-GAN", "vgg_gan_small"),
        Row("VGG*-GAN", "vgg_star_gan_small"),
        _scales("VGG-MS-CycleGAN", "vgg_ms_cyclegan"),
        _scales("Rand-MS-CycleGAN", "rand_ms_cyclegan", repeated=True),
        _scales("MS-CycleGAN", "ms_cyclegan", repeated=True),
        _scales("CycleGAN, separate scales", "multiscale_cyclegan"),
        Row("VGG*-MS-CycleGAN, pretrained generators", "vgg_star_ms_cyclegan_small",
            tag="pretrained", shares={"pretrain_steps": 0.25}),
        _scales("VGG*-MS-CycleGAN", "vgg_star_ms_cyclegan", repeated=True),
    )),
    # What the losses of pix2pixHD add (Wang et al. 2018, section 4 and the ablation of its code).
    "pix2pixhd_losses": Suite("maps", (
        Row("GAN", "pix2pixhd_small", {"features": 0, "lambda_matching": 0.0, "lambda_vgg": 0.0},
            tag="gan"),
        Row("GAN, feature matching", "pix2pixhd_small", {"features": 0, "lambda_vgg": 0.0},
            tag="matching"),
        Row("GAN, feature matching, VGG", "pix2pixhd_small", {"features": 0}, tag="vgg"),
    )),
    # Figure 9 of "Photoshop 2.0" (Roman Roman, Yang, Zhang).
    "encoders": Suite("encoders", (
        Row("fully connected, L2", "fc_encoder_small", {"loss": "l2"}),
        Row("deep convolutional, L2", "deep_conv_encoder_small", {"loss": "l2"}),
        *(
            Row(f"transfer, {loss.upper()}", "transfer_encoder_small",
                {"loss": loss, "learning_rate": rate}, tag=loss)
            for loss, rate in (("ssim", 1e-3), ("l1", 2e-4), ("l2", 2e-4))
        ),
        Row("extended transfer, L2", "extended_transfer_encoder_small", {"loss": "l2"}),
    )),
    # Table 2 of Dogan, Keles 2020, and two that it has not. All use up their time; which weights
    # are kept, validation says. What encoders of a generator stand on is trained beside their time.
    "crg": Suite("crg", (
        _encoder("CRG", "crg", repeated=True),
        _encoder("CRG(TG)", "crg_tg", repeated=True),
        Row("Pioneer", "pioneer_small", scaled=GROWTH),
        Row("VAE-GAN", "vae_gan_plain_small", repeated=True),
        Row("alpha-GAN", "alpha_gan_small"),
        Row("AGE", "age_small"),
        Row("ALI", "ali_small", repeated=True),
        _encoder("LR", "lr", repeated=True),
        _encoder("AEGAN", "aegan"),
        Row("BiGAN", "bigan_small"),
    ), tuple(
        Published("Dogan, Keles 2020, table 2", figure, {
            f"{name}_small": values[i] for name, values in RECONSTRUCTED.items()
        }) for i, figure in enumerate(("dhash", "phash", "whash"))
    )),
    # Table 1 of Dogan, Keles 2020, the original of their generator and two of table 2 beside it.
    # The original sees half as many pictures in a step: levels have half as many, too.
    "generators": Suite("generators", (
        Row("PGGAN", "pggan_small", {"discriminator_steps": 1, "discriminator_rate": 1.0,
                                     "fade_images": 8_000, "stable_images": 16_000},
            tag="original", scaled=GROWTH,
            paper={"discriminator_steps": 1, "discriminator_rate": 1.0, "spectral": False,
                   "latent": 512, "cap": 512, "fade_images": 400_000, "stable_images": 400_000}),
        Row("modified PGGAN", "pggan_small", {"spectral": True, "learning_rate": 1e-3},
            tag="modified", scaled=GROWTH, paper={"spectral": True}),
        Row("modified PGGAN, no spectral norm", "pggan_small", scaled=GROWTH,
            paper={"spectral": False}),
        Row("Pioneer", "pioneer_small", scaled=GROWTH),
        Row("AGE", "age_small"),
        Row("ALI", "ali_small", repeated=True),
        Row("VAE-GAN", "vae_gan_plain_small", repeated=True),
    )),
    # After table 1 of Ledig et al. 2017 (arXiv 1609.04802); those with a discriminator are without
    # it in the first half of their steps.
    "srgan_losses": Suite("super_resolution", (
        Row("SRResNet-MSE", "srresnet_small", tag="mse"),
        Row("SRResNet-VGG22", "srresnet_small", {**SEEN, "content": "vgg22"}, tag="vgg22",
            paper={"content": "vgg22", "lambda_variation": 2e-8}),
        *(
            Row(f"SRGAN-{loss.upper()}", "srgan_small", {**SEEN, "content": loss}, tag=loss,
                shares={"pretrain_steps": 0.5}, paper={"content": loss}, repeated=True)
            for loss in ("mse", "vgg22", "vgg54")
        ),
    )),
    # Gatys et al. 2016 against Johnson et al. 2016 (arXiv 1603.08155), figure 5: what descent comes
    # to with its iterations, and a network in one pass.
    "style": Suite("style", (
        *(Row(f"descent, {n} iterations", "gatys_small",
              {"size": 64, "iterations": n, "lambda_style": 1.0}, tag=str(n),
              paper={"iterations": n, **JOHNSON})
          for n in (10, 30, 100, 300)),
        Row("a trained network", "johnson_small", repeated=True),
        Row("a trained network, twice the width", "johnson_small", {"filters": 16}, tag="wide",
            paper={"filters": 64}),
    )),
    # Dosovitskiy, Brox 2016 (arXiv 1602.02644), the autoencoder by its losses, in small.
    "deepsim": Suite("codes", (
        _autoencoder("squared error", "l2", lambda_features=0.0, lambda_adversarial=0.0),
        _autoencoder("L1", "l1", picture="l1", lambda_features=0.0, lambda_adversarial=0.0),
        _autoencoder("features", "features", lambda_picture=0.0, lambda_adversarial=0.0),
        _autoencoder("DeePSiM", "deepsim"),
    ), (
        Published("Dosovitskiy, Brox 2016, table 4, STL-10, compared in AlexNet", "accuracy", {
            "deepsim_autoencoder_small-l2": .346, "deepsim_autoencoder_small-l1": .357,
            "deepsim_autoencoder_small-deepsim": .523,
        }),
    )),
    # There, too, by what is drawn from them: a VAE with squared error and one with the three terms,
    # of the same networks.
    "vae_losses": Suite("generators", (
        Row("VAE, squared error", "vae_small"),
        Row("VAE, DeePSiM", "vae_deepsim_small"),
    )),
    # The table of latent variables of Lotter, Kreiman, Cox 2015 (arXiv 1511.06380), in small.
    "pgn": Suite("readout", (
        _pgn("PGN, MSE", "mse", lambda_adversarial=0.0),
        Row("PGN, AL/MSE", "pgn_small", tag="al_mse", shares={"pretrain_steps": 0.75}),
        _pgn("autoencoder, MSE", "autoencoder", target="last", lambda_adversarial=0.0),
    ), tuple(
        Published("Lotter, Kreiman, Cox 2015, latent variables", f"r_{name}", {
            f"pgn_small-{tag}": values[i] for tag, values in DECODED.items()
        }) for i, name in enumerate(("angle", "speed", "pc1", "pc2", "pc3", "pc4"))
    )),
    # Radford, Metz, Chintala 2016 (arXiv 1511.06434), section 5.1.
    "dcgan_features": Suite("features", (
        Row("DCGAN", "dcgan_features_small"),
        Row("the same network, not trained", "dcgan_features_small", tag="untrained",
            trained=False),
    )),
    # Isola, Zhu, Zhou, Efros 2017 (arXiv 1611.07004), section 4.2, in small. Maps of photographs
    # have a table of their own there.
    "pix2pix_losses": Suite("pairs", (
        _pix2pix("L1", "l1", lambda_adversarial=0.0),
        _pix2pix("GAN", "gan", conditional=False, lambda_l1=0.0),
        _pix2pix("cGAN", "cgan", lambda_l1=0.0),
        _pix2pix("L1 + GAN", "l1_gan", conditional=False),
        _pix2pix("L1 + cGAN", "l1_cgan"),
    ), (
        *_scores("table 1", {
            "l1": (.42, .15, .11), "gan": (.22, .05, .01), "cgan": (.57, .22, .16),
            "l1_gan": (.64, .20, .15), "l1_cgan": (.66, .23, .17),
        }),
        *_scores("photographs to labels", {
            "l1": (.86, .42, .35), "cgan": (.74, .28, .22), "l1_cgan": (.83, .36, .29),
        }, made="labels"),
    )),
    # Section 4.3.
    "pix2pix_generator": Suite("pairs", (
        _pix2pix("encoder-decoder, L1", "plain_l1", generator="encoder_decoder",
                 lambda_adversarial=0.0),
        _pix2pix("encoder-decoder, L1 + cGAN", "plain_l1_cgan", generator="encoder_decoder"),
        _pix2pix("U-Net, L1", "unet_l1", lambda_adversarial=0.0),
        _pix2pix("U-Net, L1 + cGAN", "unet_l1_cgan"),
    ), _scores("table 2", {
        "plain_l1": (.35, .12, .08), "plain_l1_cgan": (.29, .09, .05), "unet_l1": (.48, .18, .13),
        "unet_l1_cgan": (.55, .20, .14),
    })),
    # Section 4.4; 286 px are more than small pictures have.
    "pix2pix_patch": Suite("pairs", (
        *(_pix2pix(f"{patch}x{patch}", f"{patch}px", discriminator_layers=layers)
          for layers, patch in enumerate((1, 16, 34, 70))),
        Row("286x286", "pix2pix_small", tag="286px", paper={"discriminator_layers": 5},
            small=False),
    ), _scores("table 3", {
        "1px": (.39, .15, .10), "16px": (.65, .21, .17), "70px": (.66, .23, .17),
        "286px": (.42, .16, .11),
    })),
    # Zhu, Park, Isola, Efros 2017 (arXiv 1703.10593), section 5.1.2, in small. A of the embedded
    # data are the maps, so that the forward cycle begins with them, as in the paper.
    "cyclegan_ablation": Suite("scenes", (
        _cyclegan("cycle alone", "cycle", lambda_adversarial=0.0),
        _cyclegan("GAN alone", "gan", lambda_cycle=0.0),
        _cyclegan("GAN + forward cycle", "forward", lambda_cycle_b=0.0),
        _cyclegan("GAN + backward cycle", "backward", lambda_cycle_a=0.0),
        _cyclegan("CycleGAN", "all"),
    ), (
        *_segmented("Zhu et al. 2017, table 4", "photographs", {
            "cyclegan_small-cycle": (.22, .07, .02), "cyclegan_small-gan": (.51, .11, .08),
            "cyclegan_small-forward": (.55, .18, .12), "cyclegan_small-backward": (.39, .14, .06),
            "cyclegan_small-all": (.52, .17, .11),
        }),
        *_segmented("Zhu et al. 2017, table 5", "labels", {
            "cyclegan_small-cycle": (.10, .05, .02), "cyclegan_small-gan": (.53, .11, .07),
            "cyclegan_small-forward": (.49, .11, .07), "cyclegan_small-backward": (.01, .06, .01),
            "cyclegan_small-all": (.58, .22, .16),
        }),
    )),
    # Section 5.1.1, with DualGAN, which is of the same year, in the place of SimGAN and its kin.
    "cyclegan_baselines": Suite("scenes", (
        Row("CoGAN", "cogan_small"),
        Row("BiGAN/ALI", "bigan_translator_small"),
        Row("DualGAN", "dualgan_small"),
        _cyclegan("CycleGAN", "all"),
        _pix2pix("pix2pix, pairs", "pairs", direction="a2b"),
        _pix2pix("pix2pix, pairs, the other way", "pairs_back", direction="b2a"),
    ), (
        *_segmented("Zhu et al. 2017, table 2", "photographs", {
            "cogan_small": (.40, .10, .06), "bigan_translator_small": (.19, .06, .02),
            "cyclegan_small-all": (.52, .17, .11), "pix2pix_small-pairs": (.71, .25, .18),
        }),
        *_segmented("Zhu et al. 2017, table 3", "labels", {
            "cogan_small": (.45, .11, .08), "bigan_translator_small": (.41, .13, .07),
            "cyclegan_small-all": (.58, .22, .16), "pix2pix_small-pairs_back": (.85, .40, .32),
        }),
    )),
}
