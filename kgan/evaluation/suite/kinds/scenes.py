"""Scenes: translators between maps of labels and photographs, both ways, that need see no pairs.

A table for each way, after those of CycleGAN (Zhu et al. 2017, section 5.1): photographs that were
made of maps are segmented, maps that were made of photographs are looked at directly. A model of
one direction stands in one of them. Figures are named after what is made, wherever the data have
their maps.
"""

from kgan.core.lazy import np
from kgan.data.palettes import found_in
from kgan.data.signals import usual
from kgan.evaluation.suite.kinds.kind import Column, Kind, Table
from kgan.evaluation.suite.kinds.shared import finite, held_out, model_and_data, open_asked

SCORES = (("pixel accuracy, %", "pixel_accuracy"), ("class accuracy, %", "class_accuracy"),
          ("class IoU, %", "class_iou"))
SHOWN = 10  # pictures of each row


def _tables(data):
    return [
        Table(heading, tuple(Column(head, f"{score}_{made}", 1, True, None, 100)
                             for head, score in SCORES), f"pixel_accuracy_{made}")
        for heading, made in (("labels to photographs", "photographs"),
                              ("photographs to labels", "labels"))
    ]


def _about(content):
    return [
        ("Accuracy, IoU", "Of photographs that were made of maps, as a network sees them that was "
                          "trained to segment the real training photographs; of made maps, the "
                          "class whose colour is nearest. Void classes count for nothing."),
        ("Pairs", "Rows of pix2pix, where there are some, saw pairs and say what could be reached "
                  "with them. All others drew maps and photographs apart from each other, from the "
                  "same set."),
        ("Bold", "The best of a column."),
    ]


def _lacks(data):
    if not data.paired or not {"a", "b"} <= set(data.test):
        return ("holds no pairs to be measured by; name avatars:parts or a folder of pairs "
                "(folder:PATH).")
    if not any(found_in(data.train[x])[1] for x in "ab"):
        return ("holds no maps of labels in known colours; paint them in those of "
                "kgan.data.palettes.")
    return ""


def _measure(asked, run):
    from kgan.evaluation.pairs import results
    from kgan.evaluation.segmentation import maps_of, measure_segmentation

    if "name" not in asked:
        return _without_model(asked)
    model, data = model_and_data(asked, run)
    maps = maps_of(data, model.signals).name
    found, _ = measure_segmentation(model, data, asked["n"] or None)
    figures = {}
    for direction, how in model.directions.items():
        made = "labels" if how.target == maps else "photographs"
        figures |= {f"{score}_{made}": found[f"{score}_{direction}"] for _, score in SCORES}
    direction = asked["direction"]
    direction = direction if direction in model.directions else next(iter(model.directions))
    _, shown, _ = results(model, data, direction, min(SHOWN, asked["n"] or SHOWN))
    target = model.directions[direction].target
    return {"n": len(held_out(data, asked, target)), "figures": finite(figures)}, {"": shown}


def _without_model(asked):
    """Figures of the real pictures, and of real ones that belong to another input each."""
    from kgan.evaluation.measures import SEGMENTER_STEPS
    from kgan.evaluation.segmentation import maps_of, segmenter
    from kgan.metrics.segmentation import confusion, scores

    data = open_asked(asked, asked["size"])
    maps = maps_of(data, usual(asked["size"]))
    photos = "b" if maps.name == "a" else "a"
    painted = held_out(data, asked, maps.name)
    wanted = maps.ids(painted)
    judge = segmenter(data, photos, maps, SEGMENTER_STEPS)
    seen = judge.ids(held_out(data, asked, photos))

    def named(ids, made):
        its = scores(confusion(wanted, ids, maps.classes, maps.void))
        return {f"{score}_{made}": its[score] for _, score in SCORES}

    real = {**named(seen, "photographs"), **named(maps.ids(painted, void=False), "labels")}
    other = {**named(np.roll(seen, 1, axis=0), "photographs"),
             **named(np.roll(wanted, 1, axis=0), "labels")}
    source, _, target = asked["direction"].partition("2")
    strips = {"": held_out(data, asked, source), "truth": held_out(data, asked, target)}
    return {"n": len(wanted), "figures": finite(other), "real": finite(real)}, strips


SCENES = Kind(
    name="scenes", data="avatars:parts", asks=("n", "bad_images"), lacks=_lacks, tables=_tables,
    sanity=(
        ("real pictures", "real", "The held-out pictures themselves, photographs as the network "
                                  "segments them: the most that can be expected."),
        ("others' pictures", "figures", "Real results that belong to another input each: perfect, "
                                        "and without heed of what was given."),
    ),
    about=_about,
    measure=_measure,
)
