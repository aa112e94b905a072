"""What a job of a suite does that measures: a row, or without one what is no model.

All rows are measured on the same held-out pictures, those of seed 0; in data that hold pictures out
by the seed (all but `avatars`, whose training pictures are no test pictures for any seed) on those
that the training has not seen.
"""

import json
import math
import os
import pathlib

import numpy as np
from PIL import Image

from kgan.core import registry
from kgan.core.batches import parts
from kgan.core.devices import quiet
from kgan.core.paths import replacing
from kgan.core.process import tool
from kgan.data import Data, open_data
from kgan.data.signals import paired
from kgan.models.translation import learns_pairs, translations

FACES = 10  # held-out pictures that are shown


def measure(job):
    """Measures a model of a suite, or what is no model, as doing nothing.

    Args:
        job: `"kind"`, one of `MEASURES`; `"run"`, the folder of a training, or ""; `"out"`, the
            results' path without suffix; `"asked"`: what the figures follow from: `spec`,
            `bad_images`, `n`, other options of the kind, and for a model `name`, `changes`,
            `label`; without one `size`, and where pictures are paired `like`, a name that takes
            them and its changes.

    Returns:
        `{"status": "done"}`; `<out>.json` holds `{"asked", "n", "machine", "figures"}` and what
        else the kind has to say, `<out>.png` the first `FACES` results in a row, and without a
        model perhaps `truth.png` what they should be.
    """
    quiet()
    asked, out = job["asked"], pathlib.Path(job["out"])
    found, strips = MEASURES[job["kind"]](asked, job["run"])
    for name, pictures in strips.items():
        _save(out.with_name(f"{name or out.name}.png"), pictures)
    with replacing(out.with_name(f"{out.name}.json")) as new:
        new.write_text(json.dumps({"asked": asked, "machine": _machine(), **found}, indent=2)
                       + "\n")
    return {"status": "done"}


def _open(asked, size, load_size=0, seed=0, signals=()):
    return open_data(
        asked["spec"], size=size, load_size=load_size or None, signals=paired(signals),
        seed=0 if asked["spec"].startswith("avatars:") else seed, bad_images=asked["bad_images"],
    )


def _model(asked, run):
    """The model of a row, and the data to measure it on."""
    import keras

    from kgan.models import weights

    if run:
        model = weights.load(run, "required")
        recipe = model.recipe
        return model, _open(asked, recipe.size, recipe.load_size, recipe.seed, model.signals)
    recipe = registry.recipe(asked["name"]).replace(data=asked["spec"], **asked["changes"])
    keras.utils.set_random_seed(recipe.seed)
    model = weights.build(asked["name"], recipe)
    data = _open(asked, recipe.size, recipe.load_size, signals=model.signals)
    model.prepare(data)
    return model, data


def _held(data, asked, domain="a"):
    """The held-out pictures that are measured."""
    count = len(data.test[domain])
    return data.test[domain][np.arange(min(asked["n"] or count, count))]


# Translators between two domains


def _edits(asked, run):
    from kgan.evaluation.edits import DIRECTIONS
    from kgan.evaluation.judge import domain_classifier

    if "name" in asked:
        data, translate, directions = _translator(asked, run)
    else:
        data, directions = _open(asked, asked["size"]), DIRECTIONS
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

    model, data = _model(asked, run)
    return data, *translator(model, asked.get("label", ""))


def _figures(translate, data, classifier, directions, asked):
    from kgan.evaluation.edits import measure_distribution, measure_edits
    from kgan.evaluation.measures import EMBEDDED

    figures, pictures = measure_edits(
        translate, data, classifier, asked["n"] or None, directions=directions
    )
    if asked["seeds"]:
        figures |= measure_distribution(pictures, data, seeds=asked["seeds"], reference=EMBEDDED)
    return _finite(figures), pictures


def _real(data, classifier, asked):
    """Figures of real pictures of the target domain."""
    from kgan.evaluation.edits import DIRECTIONS

    figures = {}
    for direction in DIRECTIONS:
        _, target = DIRECTIONS[direction]
        held = _held(data, asked, target)
        hit = classifier.is_b(held) == (target == "b")
        figures[f"edit_accuracy_{direction}"] = float(hit.mean())
        figures[f"log_loss_{direction}"] = classifier.log_loss(held, target)
        figures |= _halves(held, direction, asked)
    return _finite(figures)


# Translators that learn from pairs


def _pairs(asked, run):
    from kgan.evaluation.edits import measure_distribution
    from kgan.evaluation.measures import EMBEDDED, Options
    from kgan.evaluation.pairs import against
    from kgan.metrics.colours import in_common

    direction = asked["direction"]
    if "name" in asked:
        model, data = _model(asked, run)
        figures, pictures = model.measure(data, Options(n=asked["n"]))
        seen, strips = pictures[direction], {"": pictures[direction]["output"]}
    else:
        data = _open(asked, asked["size"])
        given, target = direction.split("2")
        made, truth = _held(data, asked, given), _held(data, asked, target)
        figures, seen = against(made, truth, direction), {"output": made}
        figures |= {f"colours_{k}_{direction}": x for k, x in in_common(made, truth).items()}
        strips = {"": made, "truth": truth}
    found = {"n": len(seen["output"]), "figures": figures}
    if asked["seeds"]:
        figures |= measure_distribution(
            {direction: seen}, data, seeds=asked["seeds"], reference=EMBEDDED)
    if "name" not in asked:
        found["real"] = _halves(truth, direction, asked)
    return {**found, "figures": _finite(figures)}, strips


def _halves(held, direction, asked):
    """Figures of real pictures of the target domain: one half as results, the other as real."""
    from kgan.evaluation.edits import DIRECTIONS, measure_distribution
    from kgan.evaluation.measures import EMBEDDED

    if not asked["seeds"] or len(held) < 20:  # a two-sample test takes 10 of each
        return {}
    others = Data("halves", {}, {DIRECTIONS[direction][1]: held[1::2]})
    return _finite(measure_distribution(
        {direction: {"output": held[::2]}}, others, seeds=asked["seeds"], reference=EMBEDDED))


# Translators of maps of labels


def _maps(asked, run):
    from kgan.evaluation.features import feature_name
    from kgan.evaluation.generation import measure_samples
    from kgan.evaluation.measures import EMBEDDED
    from kgan.evaluation.pairs import against, measure_pairs
    from kgan.report.sheet import to_uint8

    if "name" not in asked:
        how, data = _learnt(asked)
        truth, given = _held(data, asked, how.target), _held(data, asked, how.sources[0])
        some = data.train[how.target][np.arange(min(1000, len(data.train[how.target])))]
        mean = np.broadcast_to(np.rint(some.mean(0)).astype(np.uint8), truth.shape)
        figures = against(mean, truth, "")
    else:
        model, data = _model(asked, run)
        figures, seen = measure_pairs(model, data, asked["n"] or None)
        direction, kept = next(iter(seen.items()))
        truth, made = kept["truth"], kept["output"]
        figures = {name.removesuffix(direction): x for name, x in figures.items()}
        found = measure_samples(truth, made, reference=EMBEDDED)
        figures |= {f"{k}_": v for k, v in found.items() if feature_name(EMBEDDED) in k}
    figures = _finite({name.removesuffix("_"): x for name, x in figures.items()})
    shown = {"": made} if "name" in asked else {"": to_uint8(given), "truth": truth}
    return {"n": len(truth), "figures": figures}, shown


def _learnt(asked):
    """The first translation that a name learns from the data, and the data."""
    name, changes = asked["like"]
    model, recipe = registry.entry(name).model, registry.recipe(name).replace(**changes)
    signals = model.signals_of(recipe)
    found = translations(model.directions_of(recipe), signals).values()
    how = next(how for how in found if learns_pairs(how, signals))
    return how, _open(asked, asked["size"], signals=signals)


# Encoders


def _codes(asked, run):
    from kgan.evaluation.features import feature_name
    from kgan.evaluation.generation import measure_samples, samples
    from kgan.evaluation.measures import EMBEDDED, reconstructed
    from kgan.metrics.reconstruction import baselines

    if "name" not in asked:
        data = _open(asked, asked["size"])
        real, guesses = _held(data, asked), {"random": {}, "mean": {}}
        for name, value in baselines(real, data.train["a"]).items():
            guess, _, figure = name.partition("_")
            guesses[guess][figure] = value
        return {"n": len(real), "figures": {}, **guesses}, {"": real}
    model, data = _model(asked, run)
    real = _held(data, asked)
    figures, made = reconstructed(model, real)
    found = measure_samples(real, samples(model, data, len(real)), reference=EMBEDDED)
    named = {k: v for k, v in found.items() if feature_name(EMBEDDED) in k}
    return {"n": len(real), "figures": {**figures, **named}}, {"": made}


# Generators


def _generators(asked, run):
    from kgan.evaluation.features import keras_fid
    from kgan.evaluation.generation import measure_samples, samples

    def figures(real, made):
        found = measure_samples(real, made, reference=asked["reference"])
        found |= {"keras_fid": keras_fid(real, made)} if asked["keras_fid"] else {}
        return _finite({k: v for k, v in found.items() if isinstance(v, (int, float))})

    if "name" not in asked:
        real = _held(_open(asked, asked["size"]), asked)
        found = figures(real[::2], real[1::2]) if len(real) >= 20 else {}
        return {"n": len(real), "figures": {}, "real": found}, {"": real}
    model, data = _model(asked, run)
    real = _held(data, asked)
    made = samples(model, data, len(real))
    return {"n": len(real), "figures": figures(real, made)}, {"": made}


# Features of discriminators


def _features(asked, run):
    from kgan.metrics.linear_probe import linear_probe

    if "name" in asked:
        model, data = _model(asked, run)
        features = _discriminator_features(model)
    else:
        data, features = _open(asked, asked["size"]), _pixels
    parts = _labelled(data, features, asked)
    return {"n": len(parts[-1]), "figures": linear_probe(*parts)}, {}


def _pixels(pictures):
    return pictures.reshape(len(pictures), -1)


def _labelled(data, features, asked):
    """Features and labels of training pictures, and of held-out ones."""
    parts = []
    for split, pictures, most in (("train", data.train["a"], asked["n_svm"]),
                                  ("test", data.test["a"], asked["n"])):
        rows = np.random.default_rng(0).permutation(len(pictures))[: most or None]
        parts += [_in_parts(features, pictures, rows), data.labels[split][rows]]
    return parts


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


def _in_parts(features, pictures, rows, size=100):
    """float32 [n, k]: features of some pictures; filled in, for they may be gigabytes."""
    found, done = None, 0
    for some in parts(rows, size):
        made = features(pictures[some])
        found = np.empty((len(rows), made.shape[1]), np.float32) if found is None else found
        found[done : done + len(some)] = made
        done += len(some)
    return found


# Codes of autoencoders


def _read(asked, run):
    from kgan.evaluation.measures import reconstructed
    from kgan.metrics.linear_probe import linear_probes, most_frequent

    if "name" not in asked:
        data = _open(asked, asked["size"])
        parts = _labelled(data, _pixels, asked)
        guess = {"accuracy": most_frequent(parts[1], parts[3])}
        figures = linear_probes(*parts)
        return {"n": len(parts[-1]), "figures": figures, "guess": guess}, {"": _held(data, asked)}
    model, data = _model(asked, run)
    figures = linear_probes(*_labelled(data, model.encode_all, asked))
    real = _held(data, asked)
    more, made = reconstructed(model, real)
    return {"n": len(real), "figures": {**figures, **more, **_distances(real, made)}}, {"": made}


# Super-resolution


def _super_resolution(asked, run):
    from kgan.evaluation.super_resolution import enlarged, enlarger, measure_enlarged, some

    entry = registry.entry(asked.get("name", "srresnet_small"))
    recipe = entry.recipe.replace(**asked.get("changes", {"size": asked.get("size")}))
    signals = entry.model.signals_of(recipe)
    if "name" in asked:
        model, data = _model(asked, run)
        enlarge = enlarger(model)
    else:
        data = _open(asked, recipe.size, signals=signals)
        enlarge = lambda picture: enlarged(picture, recipe.scale)  # noqa: E731
    low, high = (some(data.test[name], asked["n"]) for name in ("low", "high"))
    figures = measure_enlarged([enlarge(picture) for picture in low], high, recipe.scale)
    pieces = np.arange(len(high))  # of one size, as sets
    made = np.stack([enlarge(picture) for picture in data.test["low"][pieces]])
    truth = data.test["high"][pieces]
    figures |= _distances(truth, made)
    strips = {"": made} if "name" in asked else {"": made, "truth": truth}
    return {"n": len(high), "figures": figures}, strips


def _distances(real, made):
    from kgan.evaluation.features import feature_name, reference_features
    from kgan.evaluation.measures import EMBEDDED
    from kgan.metrics.distribution import frechet, kid
    from kgan.metrics.figures import gather

    name, features = feature_name(EMBEDDED), [reference_features(x, EMBEDDED) for x in (real, made)]
    return gather({
        "frechet": lambda: {f"frechet_{name}": frechet(*features)},
        "kid": lambda: {f"kid_{name}": kid(*features)[0]},
    }, {})


MEASURES = {"edits": _edits, "pairs": _pairs, "maps": _maps, "encoders": _codes, "crg": _codes,
            "generators": _generators, "features": _features, "codes": _read,
            "super_resolution": _super_resolution}


def _finite(figures):
    """Figures of which nothing can be said, as of no pixel, are None."""
    return {name: x if math.isfinite(x) else None for name, x in figures.items()}


def _save(path, pictures):
    strip = np.concatenate(list(pictures[:FACES]), axis=1)
    with replacing(path) as new:
        Image.fromarray(strip).save(new)


def _machine():
    """`NVIDIA ..., TensorFlow 2.21.0` and the like."""
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    names = {tf.config.experimental.get_device_details(gpu).get("device_name") for gpu in gpus}
    if not gpus:
        info = pathlib.Path("/proc/cpuinfo")
        lines = info.read_text().splitlines() if info.exists() else []
        names = {line.partition(": ")[2] for line in lines if line.startswith("model name")}
        names = {f"{os.cpu_count()} cores {' '.join(sorted(names))}".strip()}
    where = ", ".join(sorted(filter(None, names)))
    return f"{where}, TensorFlow {tf.__version__}, Keras {keras.__version__}"


main = tool(measure)
