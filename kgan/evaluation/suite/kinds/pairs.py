"""Translators that learn from pairs: of pictures in one direction, and of maps of labels.

One table each; that of pairs has the direction that is learnt.
"""

from kgan.core import registry
from kgan.core.lazy import np
from kgan.evaluation.suite.kinds.edits import C2ST
from kgan.evaluation.suite.kinds.kind import CHANCE, Column, Kind, Table, filled
from kgan.evaluation.suite.kinds.shared import (
    finite,
    halves,
    held_out,
    model_and_data,
    open_asked,
)
from kgan.models.translation import learns_pairs, translations

PAIRED = (
    Column("PSNR, dB", "psnr_{}", 2, True),
    Column("SSIM", "ssim_{}", 3, True),
    Column("L1", "l1_{}", 1, False),
    Column("pixel accuracy, %", "pixel_accuracy_{}", 1, True, None, 100),
    Column("class accuracy, %", "class_accuracy_{}", 1, True, None, 100),
    Column("class IoU, %", "class_iou_{}", 1, True, None, 100),
    C2ST,
    Column("Frechet, {net}", "frechet_{net}_{}", 2, False),
    *(Column(f"colours {x}", f"colours_{x.lower()}_{{}}", 3, True) for x in "Lab"),
)

MAPPED = (
    Column("PSNR, dB", "psnr", 2, True),
    Column("SSIM", "ssim", 3, True),
    Column("L1", "l1", 2, False),
    Column("KID x 1000, {net}", "kid_{net}", 2, False, None, 1000),
    Column("Frechet, {net}", "frechet_{net}", 3, False),
)


def _pair_tables(data):
    """One table of the columns for which there are figures."""
    columns = filled(PAIRED, data, data["direction"], known_only=True)
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
                    f"{content['asked']['reference']}: not the published FID."),
        ("Colours", "What the histograms of L, a and b of results and real pictures have in "
                    "common: 1 = all."),
        ("Bold", "The best of a column."),
    ]


def _about_maps(content):
    return [
        ("PSNR, SSIM, L1", "Of each result beside the picture that it should be; L1 in levels of "
                           "255."),
        ("KID, Frechet", "Between all results and all those pictures, in features of "
                         f"{content['asked']['reference']}: not the published ones."),
        ("Bold", "The best of a column."),
    ]


def _measure_pairs(asked, run):
    from kgan.evaluation.edits import measure_distribution
    from kgan.evaluation.measures import Options
    from kgan.evaluation.pairs import against
    from kgan.metrics.colours import in_common

    direction = asked["direction"]
    if "name" in asked:
        model, data = model_and_data(asked, run)
        figures, pictures = model.measure(data, Options(n=asked["n"], reference=asked["reference"]))
        figures.pop("reference")  # in the names of the figures
        seen, strips = pictures[direction], {"": pictures[direction]["output"]}
    else:
        data = open_asked(asked, asked["size"])
        given, target = direction.split("2")
        made, truth = held_out(data, asked, given), held_out(data, asked, target)
        figures, seen = against(made, truth, direction), {"output": made}
        figures |= {f"colours_{k}_{direction}": x for k, x in in_common(made, truth).items()}
        strips = {"": made, "truth": truth}
    found = {"n": len(seen["output"]), "figures": figures}
    if asked["seeds"]:
        figures |= measure_distribution(
            {direction: seen}, data, seeds=asked["seeds"], reference=asked["reference"])
    if "name" not in asked:
        found["real"] = halves(truth, direction, asked)
    return {**found, "figures": finite(figures)}, strips


def _measure_maps(asked, run):
    from kgan.evaluation.generation import set_distances
    from kgan.evaluation.pairs import against, measure_pairs
    from kgan.report.sheet import to_uint8

    if "name" not in asked:
        how, data = _learnt(asked)
        truth, given = held_out(data, asked, how.target), held_out(data, asked, how.sources[0])
        some = data.train[how.target][np.arange(min(1000, len(data.train[how.target])))]
        mean = np.broadcast_to(np.rint(some.mean(0)).astype(np.uint8), truth.shape)
        figures = against(mean, truth, "")
    else:
        model, data = model_and_data(asked, run)
        figures, seen = measure_pairs(model, data, asked["n"] or None)
        direction, kept = next(iter(seen.items()))
        truth, made = kept["truth"], kept["output"]
        figures = {name.removesuffix(direction): x for name, x in figures.items()}
        figures |= set_distances(truth, made, reference=asked["reference"], end="_")
    figures = finite({name.removesuffix("_"): x for name, x in figures.items()})
    shown = {"": made} if "name" in asked else {"": to_uint8(given), "truth": truth}
    return {"n": len(truth), "figures": figures}, shown


def _learnt(asked):
    """The first translation that a name learns from the data, and the data."""
    name, changes = asked["like"]
    model, recipe = registry.entry(name).model, registry.recipe(name).replace(**changes)
    signals = model.signals_of(recipe)
    found = translations(model.directions_of(recipe), signals).values()
    how = next(how for how in found if learns_pairs(how, signals))
    return how, open_asked(asked, asked["size"], signals=signals)


PAIRS = Kind(
    name="pairs", data="avatars:parts", asks=("n", "seeds", "bad_images", "reference"),
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
    measure=_measure_pairs,
)
MAPS = Kind(
    name="maps", data="avatars:parts", asks=("n", "bad_images", "reference"),
    lacks=lambda data: "" if data.paired else "holds no pairs.",
    tables=lambda data: [Table("", filled(MAPPED, data), "psnr")],
    sanity=(("mean training picture", "figures", "The same for every picture."),),
    about=_about_maps,
    measure=_measure_maps,
)
