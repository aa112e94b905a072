"""Codes: encoders of a generator, what CRG does with one, and autoencoders.

One table each: of encoders what "Photoshop 2.0" reports or what CRG does, of autoencoders what a
linear classifier reads from their codes and what these keep.
"""

import dataclasses

from kgan.data.spec import FACES
from kgan.evaluation.suite.kinds.kind import Column, Kind, Table, filled, two_domains
from kgan.evaluation.suite.kinds.shared import (
    held_out,
    labelled,
    model_and_data,
    open_asked,
    pixels,
)

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
FRECHET = Column("samples' Frechet, {net}", "frechet_{net}", 3, False)
SUMS = (L2, L1, SSIM_LOSS, UNLIKE, MSE, MAE, DHASH, CODE)
HASHES = (DHASH, PHASH, WHASH, MAE, MSE, USUAL_SSIM, SHARP, CODE, FRECHET)
READ = (
    Column("test accuracy, %", "accuracy", 2, True, None, 100),
    Column("numbers", "features", 0, None),
    Column("labelled pictures", "train", 0, None),
    MSE, MAE, USUAL_SSIM, DHASH,
    Column("Frechet, {net}", "frechet_{net}", 3, False),
)


def _about_encoders(content):
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
                    f"the prior, in features of {content['asked']['reference']}: not the "
                    "published FID."),
        ("Bold", "The best of a column."),
    ]


def _about_crg(content):
    generators, *others = _about_encoders(content)
    return [
        (generators[0], f"{generators[1]} Models that have their own learn it in their budget."),
        ("Sharpness", "Variance of the Laplacian of reconstructions over that of the originals: "
                      "below 1 they are blurred."),
        *others,
    ]


def _about_codes(content):
    return [
        ("Accuracy", "Of a linear L2-SVM on codes brought to mean 0 and variance 1, all divided by "
                     "the root of their number; C by a fifth of the labelled pictures. Of "
                     "attributes, one for each, and the mean over those of which what is learnt "
                     "from has both."),
        ("Labels", "The autoencoders see pictures alone, all of the training part; the SVM as many "
                   "labelled ones as the table says (--n_svm)."),
        ("The rest", "Reconstructions beside their originals, values in [-1, 1]; Frechet between "
                     f"the two sets, in features of {content['asked']['reference']}."),
        ("Bold", "The best of a column."),
    ]


def _measure_encoder(asked, run):
    from kgan.evaluation.generation import samples, set_distances
    from kgan.evaluation.measures import reconstructed
    from kgan.metrics.reconstruction import baselines

    if "name" not in asked:
        data = open_asked(asked, asked["size"])
        real, guesses = held_out(data, asked), {"random": {}, "mean": {}}
        for name, value in baselines(real, data.train["a"]).items():
            guess, _, figure = name.partition("_")
            guesses[guess][figure] = value
        return {"n": len(real), "figures": {}, **guesses}, {"": real}
    model, data = model_and_data(asked, run)
    real = held_out(data, asked)
    figures, made = reconstructed(model, real)
    named = set_distances(real, samples(model, data, len(real)), reference=asked["reference"])
    return {"n": len(real), "figures": {**figures, **named}}, {"": made}


def _measure_codes(asked, run):
    from kgan.evaluation.generation import set_distances
    from kgan.evaluation.measures import reconstructed
    from kgan.metrics.linear_probe import linear_probes, most_frequent

    if "name" not in asked:
        data = open_asked(asked, asked["size"])
        parts = labelled(data, pixels, asked)
        guess = {"accuracy": most_frequent(parts[1], parts[3])}
        figures = linear_probes(*parts)
        found = {"n": len(parts[-1]), "figures": figures, "guess": guess}
        return found, {"": held_out(data, asked)}
    model, data = model_and_data(asked, run)
    figures = linear_probes(*labelled(data, model.encode_all, asked))
    real = held_out(data, asked)
    more, made = reconstructed(model, real)
    figures |= more | set_distances(real, made, reference=asked["reference"], skipped={})
    return {"n": len(real), "figures": figures}, {"": made}


ENCODERS = Kind(
    name="encoders", data=f"{FACES}?n=8500&test=1500", asks=("n", "bad_images", "reference"),
    lacks=two_domains,
    tables=lambda data: [Table("", SUMS, "mse")],
    sanity=(
        ("mean training picture", "mean", "The same for every picture."),
        ("random pair", "random", "Another held-out picture as the reconstruction."),
    ),
    about=_about_encoders, generator=True,
    measure=_measure_encoder,
)
CRG = dataclasses.replace(
    ENCODERS, name="crg", about=_about_crg,
    tables=lambda data: [Table("", filled(HASHES, data), "mse")],
)
CODES = Kind(
    name="codes", data=f"{FACES}?n=8500&test=1500", asks=("n", "n_svm", "bad_images", "reference"),
    lacks=lambda data: "has two domains; name one set of labelled pictures." if "b" in data.test
    else "" if data.labels else (
        "has no labels; name pictures in class folders (folder:PATH?layout=classes), avatars or "
        "celeba:PATH of several attributes, or tfds:NAME?label=all."
    ),
    tables=lambda data: [Table("", filled(READ, data), "mse")],
    sanity=(
        ("raw pixels", "figures", "The pictures' own numbers as codes."),
        ("the most frequent label", "guess", "Of the labelled pictures, for every picture."),
    ),
    about=_about_codes,
    measure=_measure_codes,
)
