"""What states know: one table of the correlations of what a linear map reads with the truth."""

from kgan.core import registry
from kgan.core.lazy import np
from kgan.evaluation.suite.kinds.kind import Column, Kind, Table
from kgan.evaluation.suite.kinds.shared import model_and_data, open_asked

READ = (
    *(Column(f"r, {name}", f"r_{name}", 3, True) for name in ("angle", "speed", "scale")),
    *(Column(f"r, PC{i}", f"r_pc{i}", 3, True) for i in range(1, 5)),
    Column("r, places", "r_places", 3, True),
    Column("r, speeds", "r_speeds", 3, True),
    Column("numbers", "readout_numbers", 0, None),
    Column("training clips", "readout_train", 0, None),
    Column("PSNR of the next frame, dB", "psnr_1", 2, True),
)


def _tables(data):
    """One table of the columns for which there are figures."""
    known = {figure for row in data["rows"] for figure in row["mean"]}
    return [Table("", tuple(c for c in READ if c.figure in known), "readout_numbers")]


def _about(content):
    return [
        ("r", "Correlation of what a ridge regression reads with the truth, on held-out clips; the "
              "penalty by leaving out one training clip. What moves is read as it is in the last "
              "frame that is seen."),
        ("PC1 to PC4", "The components along which the attributes of drawn faces differ most; the "
                       "paper's are those of another generator of faces."),
        ("Pixels", "Of all frames that are seen, 32 px at most, in 256 principal components."),
        ("Steps", "A row with a discriminator learns from the squared error alone in the first "
                  "three quarters of its steps, which costs less: its time is below the budget."),
        ("Bold", "The best of a column."),
    ]


def _measure(asked, run):
    from kgan.evaluation.prediction import measure_prediction
    from kgan.evaluation.readout import COMPONENTS, Seen, state_of

    if "name" in asked:
        model, data = model_and_data(asked, run)
        recipe, signal = model.recipe, model.signals[0]
    else:
        name, changes = asked["like"]
        recipe = registry.recipe(name).replace(**changes)
        signals = registry.entry(name).model.signals_of(recipe)
        data, signal = open_asked(asked, recipe.size, signals=signals), signals[0]
    clips = Seen(data, signal.name, recipe.history, asked["n_svm"], asked["n"])
    some, last = data.test[signal.name][clips.rows["test"][:10]], recipe.history - 1
    if "name" not in asked:
        figures = clips.read(*clips.pixels(COMPONENTS))
        strips = {"": some[:, last], "truth": some[:, last + 1]}
    else:
        figures = clips.read(*clips.features(state_of(model)))
        strips = {"": np.asarray(model.predict_frames(some[:, : last + 1], 1))[:, 0]}
        if "prediction" in model.measures:
            figures |= {"psnr_1": measure_prediction(model, data, asked["n"] or None)[0]["psnr_1"]}
    return {"n": len(clips.rows["test"]), "figures": figures}, strips


def _lacks(data):
    known = data.spec.startswith(("avatars:turning", "bouncing:"))
    return "" if known else ("is no source of clips of which it is known what they are made by; "
                             "name avatars:turning, bouncing:balls or bouncing:glyphs.")


READOUT = Kind(
    name="readout", data="avatars:turning", asks=("n", "n_svm", "bad_images"),
    lacks=_lacks, tables=_tables,
    sanity=(("pixels", "figures", "Principal components of the frames that are seen."),),
    about=_about, measure=_measure,
)
