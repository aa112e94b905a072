"""Super-resolution: one table, of results beside the true pictures and of both as sets."""

from kgan.core import registry
from kgan.core.lazy import np
from kgan.data.spec import FACES
from kgan.evaluation.suite.kinds.kind import Column, Kind, Table, filled
from kgan.evaluation.suite.kinds.shared import model_and_data, open_asked

NEAR = (
    Column("PSNR of luma, dB", "psnr_y", 2, True),
    Column("SSIM of luma", "ssim_y", 4, True),
    Column("worst PSNR, dB", "psnr_y_least", 2, True),
    Column("Frechet, {net}", "frechet_{net}", 3, False),
    Column("KID x 1000, the same", "kid_{net}", 3, False, None, 1000),
)


def _about_super_resolution(content):
    return [
        ("PSNR, SSIM", "On the luma of whole pictures, without a border as wide as the scale."),
        ("Frechet, KID", "Between the middles of results and of true pictures, in features of "
                         f"{content['asked']['reference']}: whether they look alike as sets."),
        ("Steps", "Rows with a discriminator learn from the mean squared error alone in the first "
                  "half of theirs, which costs less: their time is below the budget."),
        ("Bold", "The best of a column."),
    ]


def _measure(asked, run):
    from kgan.evaluation.generation import set_distances
    from kgan.evaluation.super_resolution import enlarged, enlarger, measure_enlarged, some

    entry = registry.entry(asked.get("name", "srresnet_small"))
    recipe = entry.recipe.replace(**asked.get("changes", {"size": asked.get("size")}))
    signals = entry.model.signals_of(recipe)
    if "name" in asked:
        model, data = model_and_data(asked, run)
        enlarge = enlarger(model)
    else:
        data = open_asked(asked, recipe.size, signals=signals)
        enlarge = lambda picture: enlarged(picture, recipe.scale)  # noqa: E731
    low, high = (some(data.test[name], asked["n"]) for name in ("low", "high"))
    figures = measure_enlarged([enlarge(picture) for picture in low], high, recipe.scale)
    pieces = np.arange(len(high))  # of one size, as sets
    made = np.stack([enlarge(picture) for picture in data.test["low"][pieces]])
    truth = data.test["high"][pieces]
    figures |= set_distances(truth, made, reference=asked["reference"], skipped={})
    strips = {"": made} if "name" in asked else {"": made, "truth": truth}
    return {"n": len(high), "figures": figures}, strips


SUPER_RESOLUTION = Kind(
    name="super_resolution", data=f"{FACES}?n=8500&test=500", asks=("n", "bad_images", "reference"),
    lacks=lambda data: "has two domains; name one set of pictures." if "b" in data.test else "",
    tables=lambda data: [Table("", filled(NEAR, data), "psnr_y")],
    sanity=(("bicubic interpolation", "figures", "Of the same low resolution."),),
    about=_about_super_resolution,
    measure=_measure,
)
