"""Features of discriminators: one table of what a linear classifier makes of them."""

from kgan.evaluation.suite.kinds.kind import Column, Kind, Table
from kgan.evaluation.suite.kinds.shared import labelled, model_and_data, open_asked, pixels

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


def _measure(asked, run):
    from kgan.metrics.linear_probe import linear_probe

    if "name" in asked:
        model, data = model_and_data(asked, run)
        features = _discriminator_features(model)
    else:
        data, features = open_asked(asked, asked["size"]), pixels
    parts = labelled(data, features, asked)
    return {"n": len(parts[-1]), "figures": linear_probe(*parts)}, {}


def _discriminator_features(model):
    """`features(uint8 pictures)`: float32 [n, k]."""
    import tensorflow as tf

    from kgan.core.pixels import to_float
    from kgan.networks import discriminator_features, pooled

    network = discriminator_features(model.d)
    run = tf.function(
        lambda x: pooled(network(to_float(x), training=False)), reduce_retracing=True
    )
    return lambda pictures: run(tf.constant(pictures)).numpy()


FEATURES = Kind(
    name="features", data="tfds:cifar10?label=all", asks=("n", "n_svm", "bad_images"),
    lacks=lambda data: "" if data.exclusive else (
        "has no classes; name pictures in class folders (folder:PATH?layout=classes) or with class "
        "labels (tfds:NAME?label=all)."
    ),
    tables=lambda data: [Table("", PROBED, "accuracy")],
    sanity=(("raw pixels", "figures", "The pictures' own numbers as features."),),
    about=_about_features,
    measure=_measure,
)
