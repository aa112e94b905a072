"""`tools/evaluate`: measures a trained model on held-out pictures, beside what knows nothing."""

import json
import pathlib
import shlex

import numpy as np

from kgan.cli.flags import Flags, tool
from kgan.errors import UsageError, UserError
from kgan.machine import quiet
from kgan.reading import json_or_empty
from kgan.source import resolve
from kgan.suite import compare
from kgan.suite_kinds import SuiteOptions

EMBEDDED = "vgg_star_small.avatars"  # whose features KID compares
ABOUT = """Measure a translator: edit accuracy both ways by a classifier (trained on first use,
kept), preservation, on avatars the distance to the true edit (each with its twin for doing nothing,
identity_...), and whether another classifier can tell the results from real pictures (C2ST). Of a
classifier: its accuracy. Of a generator: how near and how varied its pictures are. Of an encoder:
how alike its reconstructions are, how well codes survive. With --suite: all models of a comparison,
trained first."""


@tool
def main(arguments):
    flags = Flags("evaluate", ABOUT, "tools/evaluate --model cyclegan.avatars_smiling_64")
    flags.add("model", "cyclegan", "a name of the zoo, or the folder of a run or of an export")
    flags.add("data", None, "the data to measure on; default: what the model was trained on")
    flags.add("n", 0, "held-out pictures of each domain; 0 = all", low=0)
    flags.add("seed", -1, "seed of generated data and of splits; -1 = the training's", low=-1)
    flags.add("seeds", 3, "classifiers of each two-sample test; 0 leaves it out", low=0)
    flags.add("recover", 0, "of a generator: so many of its own pictures are inverted by each "
              "method of descent, and the share of codes found is reported", low=0)
    flags.add("recover_steps", 5000, "of that descent", low=1)
    flags.add("keras_fid", False, "of a translator: also the Frechet distance in Keras' "
              "InceptionV3, whose weights Keras downloads")
    flags.add("output", None, "folder for a grid of pictures and the figures")
    flags.add("bad_images", "skip", "broken pictures", choices=("skip", "fail"))
    flags.add_knobs(SuiteOptions())
    flags.parse(arguments)
    if flags.suite:
        return compare(
            flags.data or "", flags.output or f"runs/{flags.suite}", flags.read(SuiteOptions()),
            n=flags.n, seeds=flags.seeds, bad_images=flags.bad_images,
            command=shlex.join(["tools/evaluate", *arguments]),
        )
    quiet()
    return evaluate(
        flags.model, flags.data, n=flags.n, seed=flags.seed, seeds=flags.seeds,
        inception=flags.keras_fid, output=flags.output, bad_images=flags.bad_images,
        recover=(flags.recover, flags.recover_steps),
    )


def evaluate(name, spec=None, *, n=0, seed=-1, seeds=3, inception=False, output=None,
             bad_images="skip", recover=(0, 0)):
    """What `tools/evaluate` prints, see `kgan.metrics.editing`."""
    from kgan.data import open_data
    from kgan.encoder import EncoderGAN
    from kgan.latent import LatentGAN
    from kgan.weights import load

    model = load(name, weights="required")
    recipe = model.recipe
    encodes = isinstance(model, EncoderGAN)  # whose mean training picture is of the test's size
    if recover[0] and (encodes or not isinstance(model, LatentGAN)):
        raise UsageError(f"--recover is for generators; {name} is a {model.name_in_zoo}.")
    if inception and (isinstance(model, LatentGAN) or not model.directions):
        raise UsageError(f"--keras_fid is for translators; {name} is a {model.name_in_zoo}.")
    data = open_data(
        spec or recipe.data, size=recipe.size,
        load_size=None if encodes else recipe.load_size or None,
        seed=recipe.seed if seed < 0 else seed, bad_images=bad_images,
    )
    if encodes:
        figures, pictures = _reconstructions(model, data, n)
    elif isinstance(model, LatentGAN):
        figures, pictures = _samples(model, data, n)
        if recover[0]:
            from kgan.metrics.recovery import measure_recovery

            figures["recovery"] = measure_recovery(model, *recover)
    elif not model.directions:
        figures, pictures = _labels(model, data, n)
    elif "b" in data.test:
        figures, pictures = _edits(model, data, n, seeds)
        if inception:
            figures |= _keras_fid(data, pictures)
    else:
        raise UserError(f"{data.spec} has one domain; measuring edits needs two: --data "
                        "avatars:Smiling, folder:PATH, celeba:PATH?attribute=Smiling.")
    result = {"status": "done", "model": name, "data": data.spec, **figures}
    if output:
        _write(pathlib.Path(output), result, pictures)
    source = resolve(name)
    if source.kind == "run":
        _record(source.folder, result)
    return result


def _labels(model, data, n):
    """Figures of a classifier; no pictures."""
    import tensorflow as tf

    from kgan.metrics.classification import measure_labels
    from kgan.pixels import to_float

    if not data.labels or ",".join(data.label_names) != model.recipe.labels:
        raise UserError(f"{data.spec} has not the labels that the classifier knows: "
                        f"{model.recipe.labels}.")
    classify = tf.function(lambda x: model.classify(to_float(x)), reduce_retracing=True)
    count = min(n or len(data.test["a"]), len(data.test["a"]))
    return {"n": count, **measure_labels(lambda x: classify(x).numpy(), data, n or None)}, {}


def _samples(model, data, n):
    """Figures of a generator, and pictures that it made."""
    from kgan.metrics.generation import avatar_shares, measure_samples

    real = data.test["a"]
    real = real[np.arange(min(n or len(real), len(real)))]
    made = model.sample(len(real), seed=1)
    figures = measure_samples(real, made, reference=EMBEDDED)
    if data.spec.startswith("avatars:") and data.labels:
        figures["shares"] = avatar_shares(real, made, data.label_names)
    return {"n": len(real), **figures}, {"real": {"pictures": real}, "made": {
        str(i + 1): made[8 * i : 8 * i + 8] for i in range(5)
    }}


def _reconstructions(model, data, n):
    """Figures of an encoder beside those of guesses, and what it makes of pictures."""
    from kgan.metrics.reconstruction import baselines

    real = data.test["a"]
    real = real[np.arange(min(n or len(real), len(real)))]
    figures, made = reconstructions(model, real)
    figures |= baselines(real, data.train["a"])
    pictures = {"reconstruct": {"input": real, "output": made}}
    if data.spec.startswith("avatars:") and model.attributes:
        figures["edits"] = _avatar_edits(model, n)
        shown = list(model.attributes)[:5]
        pictures["add"] = {name: _edited(model, real[:8], name) for name in shown}
    return {"n": len(real), **figures}, pictures


def _avatar_edits(model, n):
    from kgan.metrics.avatar_edits import measure_avatar_edits

    def decode(codes):
        parts = [model.decode(codes[i : i + 64]).numpy() for i in range(0, len(codes), 64)]
        return np.clip(np.rint((np.concatenate(parts) + 1) * 127.5), 0, 255).astype(np.uint8)

    return measure_avatar_edits(
        model.encode_all, decode, model.attributes, size=model.recipe.size, n=n or None
    )


def _edited(model, pictures, name):
    """Pictures with an attribute, as much of it as those that have it."""
    from kgan.editing.directions import safe_range

    _, middle, _ = safe_range(model.attributes[name], model.encode_all(pictures))
    return model.edit(pictures, [(name, middle)]).numpy()


def reconstructions(model, real):
    """Figures of an encoder, see `kgan.metrics.reconstruction`, and its reconstructions.

    Args:
        model: a `kgan.encoder.EncoderGAN`.
        real: uint8 [n, size, size, 3]; as many codes are drawn from the prior.
    """
    import tensorflow as tf

    from kgan.metrics.reconstruction import code_error, reconstruct, similarity

    encode, decode = (tf.function(f, reduce_retracing=True, autograph=False)
                      for f in (model.encode, model.decode))
    made = reconstruct(encode, decode, real)
    error = code_error(encode, decode, model.codes(len(real), seed=1).numpy())
    return {**similarity(real, made), "code_error": error}, made


def _edits(model, data, n, seeds):
    """Figures of a translator, and its pictures."""
    from kgan.data import attribute
    from kgan.metrics.classifier import domain_classifier
    from kgan.metrics.editing import measure_distribution, measure_edits

    if not model.trains:
        model.prepare(data)
    translate, directions = translator(model, attribute(data.spec))
    classifier = domain_classifier(data)
    figures, pictures = measure_edits(translate, data, classifier, n or None, directions)
    if seeds and min(len(seen["input"]) for seen in pictures.values()) >= 10:
        for prefix, which in (("", "output"), ("identity_", "input")):
            found = measure_distribution(pictures, data, which, seeds=seeds, reference=EMBEDDED)
            figures |= {prefix + figure: value for figure, value in found.items()}
    count = sum(len(seen["input"]) for seen in pictures.values())
    return {"n": count, "classifier_accuracy": classifier.accuracy, **figures}, pictures


def _keras_fid(data, pictures):
    from kgan.metrics.distribution import keras_fid

    figures = {}
    for direction, seen in pictures.items():
        real = data.test[direction[-1]]
        figures[f"keras_fid_{direction}"] = keras_fid(real[np.arange(len(real))], seen["output"])
    return figures


def translator(model, label=""):
    """`translate(uint8 pictures, direction)` between two domains, and the directions it has.

    Args:
        model: a translator.
        label: of models of many labels: what the pictures of domain b have and those of a have not.
    """
    import tensorflow as tf

    from kgan.metrics.editing import DIRECTIONS

    names = {d: d for d in model.directions}
    if hasattr(model, "direction_for"):
        if not label:
            raise UsageError(f"{model.name_in_zoo} edits many labels: measure one with --data "
                             "avatars:NAME or celeba:PATH?attribute=NAME.")
        names = {d: model.direction_for(label, d) for d in DIRECTIONS}
    if not model.graph:
        return lambda pictures, d: np.asarray(model.translate(pictures, names[d])), tuple(names)
    functions = {
        d: tf.function(
            lambda x, name=name: model.translate(x, name), reduce_retracing=True, autograph=False
        )
        for d, name in names.items()
    }
    return lambda pictures, d: functions[d](tf.constant(pictures)).numpy(), tuple(names)


def _write(folder, result, pictures):
    """The figures as JSON and a grid of the first pictures."""
    from kgan.grid import grid

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(result, indent=2) + "\n")
    columns = {
        f"{direction} {what}": some[:8]
        for direction, seen in pictures.items() for what, some in seen.items()
    }
    if columns:
        grid(columns).save(folder / "evaluation.png")


def _record(run, result):
    """Adds the figures to the `metrics.json` of a run that has one, and to its page."""
    from kgan.page import write_page
    from kgan.paths import replacing

    path = run / "metrics.json"
    if path.exists():
        with replacing(path) as new:
            known = json_or_empty(path)
            new.write_text(json.dumps({**known, "evaluation": result}, indent=2) + "\n")
        write_page(run)
