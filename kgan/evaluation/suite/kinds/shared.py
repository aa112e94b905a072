"""What several kinds measure alike: the data of a row and its model, labelled features.

Nothing here imports TensorFlow before it is called.
"""

import math
import numbers

from kgan.core import registry
from kgan.core.batches import parts
from kgan.core.lazy import np
from kgan.data import Data, open_data
from kgan.data.signals import answered


def open_asked(asked, size, load_size=0, seed=0, signals=()):
    """The data that were asked for; see `kgan.data.open_data`."""
    return open_data(
        asked["spec"], size=size, load_size=load_size or None, signals=answered(signals),
        seed=0 if asked["spec"].startswith("avatars:") else seed, bad_images=asked["bad_images"],
    )


def model_and_data(asked, run):
    """The model of a row, and the data to measure it on."""
    import keras

    from kgan.models import weights

    if run:
        model = weights.load(run, "required")
        recipe = model.recipe
        return model, open_asked(asked, recipe.size, recipe.load_size, recipe.seed, model.signals)
    recipe = registry.recipe(asked["name"]).replace(data=asked["spec"], **asked["changes"])
    keras.utils.set_random_seed(recipe.seed)
    model = weights.build(asked["name"], recipe)
    data = open_asked(asked, recipe.size, recipe.load_size, signals=model.signals)
    model.prepare(data)
    return model, data


def held_out(data, asked, domain="a"):
    """The held-out pictures that are measured."""
    count = len(data.test[domain])
    return data.test[domain][np.arange(min(asked["n"] or count, count))]


def halves(held, direction, asked):
    """Figures of real pictures of the target domain: one half as results, the other as real."""
    from kgan.evaluation.edits import DIRECTIONS, measure_distribution

    if not asked["seeds"] or len(held) < 20:  # a two-sample test takes 10 of each
        return {}
    others = Data("halves", {}, {DIRECTIONS[direction][1]: held[1::2]})
    return finite(measure_distribution(
        {direction: {"output": held[::2]}}, others, seeds=asked["seeds"],
        reference=asked["reference"]))


def finite(figures):
    """The figures that are numbers; of which nothing can be said, as of no pixel, they are None."""
    return {name: x if math.isfinite(x) else None for name, x in figures.items()
            if isinstance(x, numbers.Real)}


def labelled(data, features, asked):
    """Features and labels of training pictures, and of held-out ones."""
    parts = []
    for split, pictures, most in (("train", data.train["a"], asked["n_svm"]),
                                  ("test", data.test["a"], asked["n"])):
        rows = np.random.default_rng(0).permutation(len(pictures))[: most or None]
        parts += [_in_parts(features, pictures, rows), data.labels[split][rows]]
    return parts


def pixels(pictures):
    """The pictures' own numbers as features: [n, h * w * channels]."""
    return pictures.reshape(len(pictures), -1)


def _in_parts(features, pictures, rows, size=100):
    """float32 [n, k]: features of some pictures; filled in, for they may be gigabytes."""
    found, done = None, 0
    for some in parts(rows, size):
        made = features(pictures[some])
        found = np.empty((len(rows), made.shape[1]), np.float32) if found is None else found
        found[done : done + len(some)] = made
        done += len(some)
    return found
