"""Generators: one table, whose columns carry the name of the reference network."""

from kgan.data.spec import FACES
from kgan.evaluation.suite.kinds.kind import Column, Kind, Table, filled, two_domains
from kgan.evaluation.suite.kinds.shared import finite, held_out, model_and_data, open_asked

COLUMNS = (
    Column("Frechet, {net}", "frechet_{net}", 3, False),
    Column("KID x 1000, the same", "kid_{net}", 3, False, None, 1000),
    Column("Frechet, Keras' Inception", "keras_fid", 2, False),
    *(Column(x, x, 3, True) for x in ("precision", "recall")),
)


def _generator_tables(data):
    columns = filled(COLUMNS, data, known_only=True)
    return [Table("", columns, columns[0].figure if columns else "")]


def _about_generators(content):
    return [
        ("Frechet, KID", "Between held-out pictures and as many generated ones, in features of "
                         f"{content['asked']['reference']}: not the published FID. Those of Keras' "
                         "InceptionV3 are not the published FID's either."),
        ("Precision, recall", "Share of generated pictures that lie among real ones, and of real "
                              "ones among generated ones, in the same features."),
        ("Bold", "The best of a column."),
    ]


def _measure(asked, run):
    from kgan.evaluation.features import keras_fid
    from kgan.evaluation.generation import measure_samples, samples

    def figures(real, made):
        found = measure_samples(real, made, reference=asked["reference"])
        found |= {"keras_fid": keras_fid(real, made)} if asked["keras_fid"] else {}
        return finite(found)

    if "name" not in asked:
        real = held_out(open_asked(asked, asked["size"]), asked)
        found = figures(real[::2], real[1::2]) if len(real) >= 20 else {}
        return {"n": len(real), "figures": {}, "real": found}, {"": real}
    model, data = model_and_data(asked, run)
    real = held_out(data, asked)
    made = samples(model, data, len(real))
    return {"n": len(real), "figures": figures(real, made)}, {"": made}


GENERATORS = Kind(
    name="generators", data=f"{FACES}?n=8500&test=1500",
    asks=("n", "bad_images", "reference", "keras_fid"), lacks=two_domains,
    tables=_generator_tables,
    sanity=(("real pictures", "real", "Held-out pictures, one half against the other: half as many "
                                      "as the models have."),),
    about=_about_generators,
    measure=_measure,
)
