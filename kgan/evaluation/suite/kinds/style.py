"""Style: one table of how much of a style and of a content results have, and what a picture takes.

All rows are measured in relative units by one reference, layers and style, those of `gatys_small`.
"""

from kgan.core import registry
from kgan.data.spec import FACES
from kgan.evaluation.suite.kinds.kind import Column, Kind, Table, two_domains
from kgan.evaluation.suite.kinds.shared import held_out, model_and_data, open_asked

MEASURED_BY = "gatys_small"
COLUMNS = (
    Column("content distance", "content", 3, False),
    Column("style distance", "style", 3, False),
    Column("seconds a picture", "seconds", 4, False),
)


def _about_style(content):
    recipe = registry.recipe(MEASURED_BY)
    return [
        ("Content, style", "Squared differences of maps from those of the picture given "
                           f"({recipe.content_layers}), and of Gram matrices from the style's "
                           f"({recipe.style_layers}), each over the squares of what it is compared "
                           f"with, means over layers, by {recipe.reference}: 0 = the same."),
        ("Style", f"{content['asked']['style']}, its longer side that of the pictures."),
        ("Seconds a picture", "One at a time, on the machine that measured; the time of a training "
                              "is that of its steps, beside it."),
        ("Bold", "The best of a column. Doing nothing keeps all content: what counts is both "
                 "distances together."),
    ]


def _measure(asked, run):
    from kgan.evaluation.style import Distances, stylised

    recipe = registry.recipe(MEASURED_BY).replace(style=asked["style"])
    if "name" in asked:
        model, data = model_and_data(asked, run)
        given = held_out(data, asked)
        made, seconds = stylised(model, given)
        more = {"seconds": seconds}
    else:
        given = held_out(open_asked(asked, asked["size"]), asked)
        made, more = given, {"seconds": 0.0}
    figures = Distances(recipe, given.shape[1:3])(made, given)
    return {"n": len(given), "figures": {**figures, **more}}, {"": made}


STYLE = Kind(
    name="style", data=f"{FACES}?n=4000&test=100", asks=("n", "style", "bad_images"),
    lacks=two_domains,
    tables=lambda data: [Table("", COLUMNS, "style")],
    sanity=(("doing nothing", "figures", "The picture given as the result."),),
    about=_about_style,
    measure=_measure,
)
