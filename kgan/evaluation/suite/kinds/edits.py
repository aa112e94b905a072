"""Edits: translators between two domains.

A table for each direction, first that in which the true edit is unique. To preserve all and edit
nothing is no feat: the best edit at least half of the pictures.
"""

import dataclasses

from kgan.evaluation.suite.kinds.kind import CHANCE, Column, Kind, Table, filled
from kgan.evaluation.suite.kinds.shared import (
    finite,
    halves,
    held_out,
    model_and_data,
    open_asked,
)
from kgan.metrics.figures import SURE

C2ST = Column("C2ST log-loss x 100", "c2st_log_loss_{}", 1, True, CHANCE)
TOLD = Column("C2ST accuracy, %", "c2st_accuracy_{}", 1, False, 0.5, 100)
LOSS = Column("attribute log-loss", "log_loss_{}", 3, False)
HIT = Column("edit accuracy, %", "edit_accuracy_{}", 1, True, None, 100)
KEPT = Column("preservation L1", "preservation_l1_{}", 2, False)
PSNR = Column("PSNR, dB", "counterfactual_psnr", 1, True)
SSIM = Column("SSIM", "counterfactual_ssim", 3, True)
REGION = Column("region L1", "region_l1", 1, False)
FLIPS = Column("other attributes flipped, %", "flips_{}", 1, False, None, 100)
CHANGE = Column("change L1", "change_l1_{}", 1, None)
FRECHET = Column("Frechet, {net}", "frechet_{net}_{}", 2, False)
COLUMNS = (C2ST, TOLD, FRECHET, LOSS, HIT, PSNR, SSIM, KEPT, REGION, FLIPS, CHANGE)


def _edit_tables(data):
    """A table for each direction, of the columns for which there are figures."""
    sanity, tables = data["sanity"], []
    accuracy = sanity.get("classifier_accuracy", 1.0)
    judges = {LOSS: accuracy, HIT: accuracy, FLIPS: sanity.get("figures", {}).get("flips_judge", 1)}
    columns = [_judged(c, judges.get(c, 1.0)) for c in COLUMNS]
    for direction in (data["direction"], data["direction"][::-1]):
        source, _, target = direction.upper()
        heading = f"{source} to {target}{', the other direction' if tables else ''}"
        tables.append(Table(heading, filled(columns, data, direction, known_only=True),
                            f"edit_accuracy_{direction}", 0.5, not tables))
    return tables


def _judged(column, accuracy):
    """A column whose head says so if its judge is often wrong."""
    if accuracy >= SURE:
        return column
    return dataclasses.replace(column, head=f"{column.head}, judge {100 * accuracy:.0f} % right")


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
                            "of 255; change L1, where no true edit is known, of whole pictures."),
        ("Frechet", "Between results and real pictures of the target, in features of "
                    f"{content['asked']['reference']}: not the published FID."),
        ("Other attributes flipped", "Where all are known of the pictures: of those that are not "
                                     "edited, the share that a judge sees otherwise after the "
                                     "edit."),
        ("Bold", "The best of a column among models that edit at least half of the pictures."),
    ]


def _measure(asked, run):
    from kgan.evaluation.edits import DIRECTIONS
    from kgan.evaluation.judge import domain_classifier

    if "name" in asked:
        data, translate, directions = _translator(asked, run)
    else:
        data, directions = open_asked(asked, asked["size"]), DIRECTIONS
        translate = lambda pictures, direction: pictures  # noqa: E731
    classifier = domain_classifier(data)
    figures, pictures = _figures(translate, data, classifier, directions, asked)
    shown = pictures[asked["direction"]]
    found = {"n": len(shown["input"]), "classifier_accuracy": classifier.accuracy,
             "figures": figures}
    if "name" in asked:
        return found, {"": shown["output"]}
    truth = {"truth": shown["truth"]} if "truth" in shown else {}
    return {**found, "real": _real(data, classifier, asked)}, {"": shown["output"], **truth}


def _translator(asked, run):
    """The data, `translate(pictures, direction)` and the directions of a row's model."""
    from kgan.evaluation.measures import translator

    model, data = model_and_data(asked, run)
    return data, *translator(model, asked.get("label", ""))


def _figures(translate, data, classifier, directions, asked):
    from kgan.evaluation.edits import also_changed, measure_distribution, measure_edits

    figures, pictures = measure_edits(
        translate, data, classifier, asked["n"] or None, directions=directions
    )
    figures |= also_changed(pictures, data)
    if asked["seeds"]:
        figures |= measure_distribution(pictures, data, seeds=asked["seeds"],
                                        reference=asked["reference"])
    return finite(figures), pictures


def _real(data, classifier, asked):
    """Figures of real pictures of the target domain."""
    from kgan.evaluation.edits import DIRECTIONS, judged

    figures = {}
    for direction in DIRECTIONS:
        _, target = DIRECTIONS[direction]
        held = held_out(data, asked, target)
        figures |= judged(held, classifier, direction)
        figures |= halves(held, direction, asked)
    return finite(figures)


EDITS = Kind(
    name="edits", data="avatars:Eyeglasses?test=1000 avatars:Smiling?test=1000",
    asks=("n", "seeds", "bad_images", "reference"),
    lacks=lambda data: "" if "b" in data.test else "has one domain; a suite needs two.",
    tables=_edit_tables,
    sanity=(
        ("real pictures", "real", "Held-out pictures of the target, one half against the other: "
                                  "half as many as the models have in C2ST."),
        ("doing nothing", "figures", "The input as the result."),
    ),
    about=_about_edits,
    measure=_measure,
)
