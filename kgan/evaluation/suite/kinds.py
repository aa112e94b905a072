"""Options and kinds of suites: their data, what figures follow from, their columns and tables.

How a row is measured stands in `measure`, under the same name. Here is what needs no TensorFlow:
what `<output>/suite.json` holds becomes tables by this.
"""

import dataclasses
import math
from dataclasses import dataclass

from kgan.core.recipe import Knobs, knob
from kgan.data.spec import FACES
from kgan.evaluation.suite.definitions import SUITES

CHANCE = 100 * math.log(2)


@dataclass(frozen=True)
class SuiteOptions(Knobs):
    """How a suite is done."""

    suite: str = knob("", f"train and measure all models of a comparison: {', '.join(SUITES)}; "
                      "--data may then name several sets [those of the suite], --output is "
                      "[runs/NAME]", group="run")
    minutes: float = knob(3.0, "suite: training time of each model on each data set", low=0,
                          group="run")
    training_seeds: int = knob(2, "suite: trainings of the models that matter most; others have 1",
                               low=1, group="run")
    n_dfi: int = knob(100, "suite: pictures for models that are not trained, which are slow",
                      low=1, group="run")
    n_svm: int = knob(10_000, "suite: labelled training pictures of a linear classifier of "
                      "features; 0 = all", low=0, group="run")
    generator: str = knob("", "suite: what all encoders invert, a name of the zoo or a run; empty "
                          "= each one's own", group="run")
    direction: str = knob("a2b", "suite: of pairs, what is learnt", choices=("a2b", "b2a"),
                          group="run")
    only: str = knob("", "suite: names of the models to do now, joined by commas", group="run")
    precision: str = knob("float32", "suite: arithmetic of the trainings", group="run",
                          choices=("float32", "mixed_bfloat16", "mixed_float16"))


@dataclass(frozen=True)
class Column:
    """A figure of a table; `{}` in its name is the direction.

    Attributes:
        high: more is better; None = neither is.
        limit: nothing is better than this.
        scale: what it is multiplied by to be shown.
    """

    head: str
    figure: str
    digits: int
    high: bool | None
    limit: float | None = None
    scale: float = 1.0

    def text(self, value):
        return f"{self.scale * value:,.{self.digits}f}"

    def merit(self, value):
        """The value as it is shown, cut at the limit; more is better."""
        if self.limit is not None:
            value = min(value, self.limit) if self.high else max(value, self.limit)
        return round(self.scale * value, self.digits) * (1 if self.high else -1)


@dataclass(frozen=True)
class Table:
    """A table of a data set.

    Attributes:
        heading: what stands above it, or `""`.
        columns: each a `Column` without a direction.
        shown: the figure that a row must have to stand in it.
        bar: the least of that figure with which a row can be the best of a column.
        effort: it has columns of runs, steps and seconds, and the rows that failed.
    """

    heading: str
    columns: tuple
    shown: str
    bar: float = -math.inf
    effort: bool = True


@dataclass(frozen=True)
class Kind:
    """What the rows of a suite have in common.

    Attributes:
        name: of its measure in `kgan.evaluation.suite.measure`.
        data: specifications of data sets, unless others are asked for.
        asks: the options that figures follow from.
        lacks: `lacks(a kgan.data.Data)` says what it has not that rows need, or `""`.
        tables: `tables(entry of "data" in suite.json)`: a list of `Table`.
        sanity: what is no model: ((title, key in what was measured without a row, note), ...).
        about: `about(content of suite.json)`: [(what, text)] on its figures.
        generator: its rows stand on a generator, which `--generator` names.
        paired: its rows learn one direction of pairs, which `--direction` names.
    """

    name: str
    data: str
    asks: tuple
    lacks: object
    tables: object
    sanity: tuple
    about: object
    generator: bool = False
    paired: bool = False


# Translators between two domains: a table for each direction, first that in which the true edit is
# unique. To preserve all and edit nothing is no feat: the best edit at least half of the pictures.

C2ST = Column("C2ST log-loss x 100", "c2st_log_loss_{}", 1, True, CHANCE)
TOLD = Column("C2ST accuracy, %", "c2st_accuracy_{}", 1, False, 0.5, 100)
LOSS = Column("attribute log-loss", "log_loss_{}", 3, False)
HIT = Column("edit accuracy, %", "edit_accuracy_{}", 1, True, None, 100)
KEPT = Column("preservation L1", "preservation_l1_{}", 2, False)
PSNR = Column("PSNR, dB", "counterfactual_psnr", 1, True)
SSIM = Column("SSIM", "counterfactual_ssim", 3, True)
REGION = Column("region L1", "region_l1", 1, False)
ONE_ANSWER = (C2ST, TOLD, LOSS, HIT, PSNR, SSIM, KEPT, REGION)
MANY_ANSWERS = (C2ST, TOLD, HIT, LOSS, KEPT)


def _edit_tables(data):
    tables = []
    for columns, direction in ((ONE_ANSWER, data["direction"]),
                               (MANY_ANSWERS, data["direction"][::-1])):
        source, _, target = direction.upper()
        heading = f"{source} to {target}{', the other direction' if tables else ''}"
        columns = tuple(
            dataclasses.replace(c, figure=c.figure.format(direction)) for c in columns
        )
        tables.append(Table(heading, columns, f"edit_accuracy_{direction}", 0.5, not tables))
    return tables


def _about_edits(content):
    sanity = [data["sanity"] for data in content["data"] if data["sanity"]]
    judges = ", ".join(f"{100 * s['classifier_accuracy']:.2f} % right on real pictures of "
                       f"{s['asked']['spec']}" for s in sanity)
    return [
        ("C2ST", f"{content['asked']['seeds']} fresh classifiers learn to tell results from real "
                 "pictures: their test cross-entropy in nats x 100 and their accuracy. "
                 f"{CHANCE:.1f} and 50 %: they cannot. ± is the standard deviation over "
                 "classifiers and trainings."),
        ("Attribute log-loss, edit accuracy", f"By a classifier of the attribute ({judges}): mean "
         "-log p(target) in nats, share of results with the target."),
        ("PSNR, SSIM, region L1", "To the true edit of each picture; region L1 inside the pixels "
                                  "that it changes, in levels of 255."),
        ("Preservation L1", "Mean change outside the pixels that the true edit changes, in levels "
                            "of 255."),
        ("Bold", "The best of a column among models that edit at least half of the pictures."),
    ]


# Translators of maps of labels: one table.

MAPPED = (
    Column("PSNR, dB", "psnr", 2, True),
    Column("SSIM", "ssim", 3, True),
    Column("L1", "l1", 2, False),
    Column("KID x 1000, vgg_star_small.avatars", "kid_vgg_star_small_avatars", 2, False, None,
           1000),
    Column("Frechet, vgg_star_small.avatars", "frechet_vgg_star_small_avatars", 3, False),
)


def _about_maps(content):
    return [
        ("PSNR, SSIM, L1", "Of each result beside the picture that it should be; L1 in levels of "
                           "255."),
        ("KID, Frechet", "Between all results and all those pictures, in features of "
                         "vgg_star_small.avatars: not the published ones."),
        ("Bold", "The best of a column."),
    ]


# Encoders of a generator: one table. What "Photoshop 2.0" reports, and what CRG does.

L2 = Column("L2 sum", "l2_sum", 1, False)
L1 = Column("L1 sum", "l1_sum", 1, False)
SSIM_LOSS = Column("SSIM loss", "ssim_loss", 4, False)
UNLIKE = Column("1 - SSIM", "ssim_term", 4, False)
MAE = Column("MAE", "mae", 4, False)
MSE = Column("MSE", "mse", 4, False)
USUAL_SSIM = Column("SSIM", "ssim", 4, True)
CODE = Column("code error", "code_error", 3, False)
SHARP = Column("sharpness", "sharpness", 3, True, 1.0)
DHASH, PHASH, WHASH = (Column(h, h, 3, True) for h in ("dhash", "phash", "whash"))
FRECHET = Column("samples' Frechet, vgg_star_small.avatars", "frechet_vgg_star_small_avatars", 3,
                 False)
SUMS = (L2, L1, SSIM_LOSS, UNLIKE, MSE, MAE, DHASH, CODE)
HASHES = (DHASH, PHASH, WHASH, MAE, MSE, USUAL_SSIM, SHARP, CODE, FRECHET)


def _about_codes(content):
    trainings = [t for data in content["data"] for row in data["rows"] for t in row["trainings"]]
    generators = ", ".join(dict.fromkeys(t["generator"] for t in trainings if t["generator"]))
    return [
        ("Generators", f"{generators or 'nothing yet'}. One that was nowhere yet was trained once "
                       "for all models of a data set, beside the budget."),
        ("Sums and means", "Of values in [-1, 1]: a sum over a picture grows with its number of "
                           "pixels, the mean over pixels (MSE, MAE) does not."),
        ("SSIM loss", "1 - SSIM + 5e-5 L2 sum, SSIM with k1 = 0.001 of values in [-1, 1]; 1 - SSIM "
                      "alone is the same without L2. SSIM has the usual k1 = 0.01."),
        ("dhash, phash, whash", "Share of equal bits of the hashes of original and "
                                "reconstruction."),
        ("Code error", "Mean squared difference of z and E(G(z)) over draws from the prior, over "
                       "the mean square of z: 1 = knows nothing."),
        ("Frechet", "Between held-out pictures and as many that the generator makes of codes from "
                    "the prior, in features of vgg_star_small.avatars: not the published FID."),
        ("Bold", "The best of a column."),
    ]


def _about_crg(content):
    generators, *others = _about_codes(content)
    return [
        (generators[0], f"{generators[1]} Models that have their own learn it in their budget."),
        ("Sharpness", "Variance of the Laplacian of reconstructions over that of the originals: "
                      "below 1 they are blurred."),
        *others,
    ]


# Generators: one table, whose columns carry the name of the reference network.

PRECISION, RECALL = (Column(x, x, 3, True) for x in ("precision", "recall"))


def _generator_tables(data):
    known = {*data["sanity"].get("real", {}), *(x for row in data["rows"] for x in row["mean"])}
    named = sorted(x.removeprefix("frechet_") for x in known if x.startswith("frechet_"))
    name = named[0] if named else ""
    frechet = Column(f"Frechet, {name}", f"frechet_{name}", 3, False)
    keras = [Column("Frechet, Keras' Inception", "keras_fid", 2, False)]
    columns = (
        frechet, Column("KID x 1000, the same", f"kid_{name}", 3, False, None, 1000),
        *(keras if "keras_fid" in known else ()), PRECISION, RECALL,
    )
    return [Table("", columns, frechet.figure)]


def _about_generators(content):
    return [
        ("Frechet, KID", "Between held-out pictures and as many generated ones, in features of "
                         f"{content['asked']['reference']}: not the published FID. Those of Keras' "
                         "InceptionV3 are not the published FID's either."),
        ("Precision, recall", "Share of generated pictures that lie among real ones, and of real "
                              "ones among generated ones, in the same features."),
        ("Bold", "The best of a column."),
    ]


# Features: one table.

PROBED = (
    Column("test accuracy, %", "accuracy", 2, True, None, 100),
    Column("features", "features", 0, None),
    Column("C", "c", 3, None),
    Column("training pictures", "train", 0, None),
    Column("test pictures", "test", 0, None),
)


def _about_features(content):
    return [
        ("Accuracy", "Of a linear L2-SVM (squared hinge, one class against the rest) on features "
                     "brought to mean 0 and variance 1, all divided by the root of their number; "
                     "C by a fifth of the training pictures, then all of them are learnt from."),
        ("Features", "The discriminator's maps after each nonlinearity, max-pooled to 4x4."),
        ("Labels", "The GAN sees pictures alone, all of the training part; the SVM as many "
                   "labelled ones as the table says."),
        ("Bold", "The best of a column."),
    ]


# Codes of autoencoders: one table, what a linear classifier reads from them and what they keep.

READ = (
    Column("test accuracy, %", "accuracy", 2, True, None, 100),
    Column("numbers", "features", 0, None),
    Column("labelled pictures", "train", 0, None),
    MSE, MAE, USUAL_SSIM, DHASH,
    Column("Frechet, vgg_star_small.avatars", "frechet_vgg_star_small_avatars", 3, False),
)


def _about_read(content):
    return [
        ("Accuracy", "Of a linear L2-SVM on codes brought to mean 0 and variance 1, all divided by "
                     "the root of their number; C by a fifth of the labelled pictures. Of "
                     "attributes, one for each, and the mean over those of which what is learnt "
                     "from has both."),
        ("Labels", "The autoencoders see pictures alone, all of the training part; the SVM as many "
                   "labelled ones as the table says (--n_svm)."),
        ("The rest", "Reconstructions beside their originals, values in [-1, 1]; Frechet between "
                     "the two sets, in features of vgg_star_small.avatars."),
        ("Bold", "The best of a column."),
    ]


# Translators that learn from pairs: one table, of the direction that is learnt.

PAIRED = (
    Column("PSNR, dB", "psnr_{}", 2, True),
    Column("SSIM", "ssim_{}", 3, True),
    Column("L1", "l1_{}", 1, False),
    Column("pixel accuracy, %", "pixel_accuracy_{}", 1, True, None, 100),
    Column("class accuracy, %", "class_accuracy_{}", 1, True, None, 100),
    Column("class IoU, %", "class_iou_{}", 1, True, None, 100),
    C2ST,
    Column("Frechet, vgg_star_small.avatars", "frechet_vgg_star_small_avatars_{}", 2, False),
    *(Column(f"colours {x}", f"colours_{x.lower()}_{{}}", 3, True) for x in "Lab"),
)


def _pair_tables(data):
    """One table of the columns for which there are figures."""
    known = {figure for row in data["rows"] for figure in row["mean"]}
    columns = [dataclasses.replace(c, figure=c.figure.format(data["direction"])) for c in PAIRED]
    columns = tuple(c for c in columns if c.figure in known)
    return [Table("", columns, f"psnr_{data['direction']}")]


def _about_pairs(content):
    return [
        ("PSNR, SSIM, L1", "To the picture that the input is paired with; L1 in levels of 255. "
                           "What is blurred does well in them."),
        ("Accuracy, IoU", "Of a network that segments photographs, on what was made of maps; or of "
                          "made maps themselves."),
        ("C2ST", f"{content['asked']['seeds']} fresh classifiers learn to tell results from real "
                 "pictures: their test cross-entropy in nats x 100. "
                 f"{CHANCE:.1f}: they cannot. ± is the standard deviation over classifiers."),
        ("Frechet", "Between results and held-out pictures, in features of "
                    "vgg_star_small.avatars: not the published FID."),
        ("Colours", "What the histograms of L, a and b of results and real pictures have in "
                    "common: 1 = all."),
        ("Bold", "The best of a column."),
    ]


# Super-resolution: one table.

NEAR = (
    Column("PSNR of luma, dB", "psnr_y", 2, True),
    Column("SSIM of luma", "ssim_y", 4, True),
    Column("worst PSNR, dB", "psnr_y_least", 2, True),
    Column("Frechet, vgg_star_small.avatars", "frechet_vgg_star_small_avatars", 3, False),
    Column("KID x 1000, the same", "kid_vgg_star_small_avatars", 3, False, None, 1000),
)


def _about_super_resolution(content):
    return [
        ("PSNR, SSIM", "On the luma of whole pictures, without a border as wide as the scale."),
        ("Frechet, KID", "Between the middles of results and of true pictures, in features of "
                         "vgg_star_small.avatars: whether they look alike as sets."),
        ("Steps", "Rows with a discriminator learn from the mean squared error alone in the first "
                  "half of theirs, which costs less: their time is below the budget."),
        ("Bold", "The best of a column."),
    ]


EDITS = Kind(
    name="edits", data="avatars:Eyeglasses?test=1000 avatars:Smiling?test=1000",
    asks=("n", "seeds", "bad_images"),
    lacks=lambda data: "" if "b" in data.test else "has one domain; a suite needs two.",
    tables=_edit_tables,
    sanity=(
        ("real pictures", "real", "Held-out pictures of the target, one half against the other: "
                                  "half as many as the models have in C2ST."),
        ("doing nothing", "figures", "The input as the result."),
    ),
    about=_about_edits,
)
MAPS = Kind(
    name="maps", data="avatars:parts", asks=("n", "bad_images"),
    lacks=lambda data: "" if data.paired else "holds no pairs.",
    tables=lambda data: [Table("", MAPPED, "psnr")],
    sanity=(("mean training picture", "figures", "The same for every picture."),),
    about=_about_maps,
)
ENCODERS = Kind(
    name="encoders", data=f"{FACES}?n=8500&test=1500", asks=("n", "bad_images"),
    lacks=lambda data: "has two domains; name one folder, or folder:PATH?layout=single."
    if "b" in data.test else "",
    tables=lambda data: [Table("", SUMS, "mse")],
    sanity=(
        ("mean training picture", "mean", "The same for every picture."),
        ("random pair", "random", "Another held-out picture as the reconstruction."),
    ),
    about=_about_codes, generator=True,
)
CRG = dataclasses.replace(
    ENCODERS, name="crg", tables=lambda data: [Table("", HASHES, "mse")], about=_about_crg
)
GENERATORS = Kind(
    name="generators", data=f"{FACES}?n=8500&test=1500",
    asks=("n", "bad_images", "reference", "keras_fid"), lacks=ENCODERS.lacks,
    tables=_generator_tables,
    sanity=(("real pictures", "real", "Held-out pictures, one half against the other: half as many "
                                      "as the models have."),),
    about=_about_generators,
)
FEATURES = Kind(
    name="features", data="tfds:cifar10?label=all", asks=("n", "n_svm", "bad_images"),
    lacks=lambda data: "" if data.exclusive else (
        "has no classes; name pictures in class folders (folder:PATH?layout=classes) or with class "
        "labels (tfds:NAME?label=all)."
    ),
    tables=lambda data: [Table("", PROBED, "accuracy")],
    sanity=(("raw pixels", "figures", "The pictures' own numbers as features."),),
    about=_about_features,
)
CODES = Kind(
    name="codes", data=f"{FACES}?n=8500&test=1500", asks=("n", "n_svm", "bad_images"),
    lacks=lambda data: "has two domains; name one set of labelled pictures." if "b" in data.test
    else "" if data.labels else (
        "has no labels; name pictures in class folders (folder:PATH?layout=classes), avatars or "
        "celeba:PATH of several attributes, or tfds:NAME?label=all."
    ),
    tables=lambda data: [Table("", READ, "mse")],
    sanity=(
        ("raw pixels", "figures", "The pictures' own numbers as codes."),
        ("the most frequent label", "guess", "Of the labelled pictures, for every picture."),
    ),
    about=_about_read,
)
PAIRS = Kind(
    name="pairs", data="avatars:parts", asks=("n", "seeds", "bad_images"),
    lacks=lambda data: "" if data.paired and {"a", "b"} <= set(data.test) else (
        "holds no pairs; name a folder of pairs (folder:PATH), avatars:parts or avatars:edges."
    ),
    tables=_pair_tables,
    sanity=(
        ("real pictures", "real", "Held-out pictures of the target, one half against the other: "
                                  "half as many as the models have in C2ST."),
        ("doing nothing", "figures", "The input as the result."),
    ),
    about=_about_pairs, paired=True,
)
SUPER_RESOLUTION = Kind(
    name="super_resolution", data=f"{FACES}?n=8500&test=500", asks=("n", "bad_images"),
    lacks=lambda data: "has two domains; name one set of pictures." if "b" in data.test else "",
    tables=lambda data: [Table("", NEAR, "psnr_y")],
    sanity=(("bicubic interpolation", "figures", "Of the same low resolution."),),
    about=_about_super_resolution,
)
KINDS = {kind.name: kind
         for kind in (EDITS, PAIRS, MAPS, ENCODERS, CRG, GENERATORS, FEATURES,
                      CODES, SUPER_RESOLUTION)}
