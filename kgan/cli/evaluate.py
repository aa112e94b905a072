"""`tools/evaluate`: measures a trained translator on held-out pictures, beside doing nothing."""

import json
import pathlib

from kgan.cli.flags import Flags, tool
from kgan.errors import UserError
from kgan.machine import quiet

ABOUT = """Measure a translator: edit accuracy both ways by a classifier (trained on first use,
kept), preservation, and on avatars the distance to the true edit. Each figure has its twin for
doing nothing (identity_...)."""


@tool
def main(arguments):
    flags = Flags("evaluate", ABOUT, "tools/evaluate --model cyclegan.avatars_smiling_64")
    flags.add("model", "cyclegan", "a name of the zoo, or the folder of a run or of an export")
    flags.add("data", None, "the data to measure on; default: what the model was trained on")
    flags.add("n", 0, "held-out pictures of each domain; 0 = all", low=0)
    flags.add("seed", -1, "seed of generated data and of splits; -1 = the training's", low=-1)
    flags.add("output", None, "folder for a grid of pictures and the figures")
    flags.add("bad_images", "skip", "broken pictures", choices=("skip", "fail"))
    flags.parse(arguments)
    quiet()
    return evaluate(
        flags.model, flags.data, n=flags.n, seed=flags.seed, output=flags.output,
        bad_images=flags.bad_images,
    )


def evaluate(name, spec=None, *, n=0, seed=-1, output=None, bad_images="skip"):
    """What `tools/evaluate` prints, see `kgan.metrics.editing.measure_edits`."""
    from kgan.data import open_data
    from kgan.metrics.classifier import domain_classifier
    from kgan.metrics.editing import measure_edits
    from kgan.weights import load

    model = load(name, weights="required")
    recipe = model.recipe
    data = open_data(
        spec or recipe.data, size=recipe.size, load_size=recipe.load_size or None,
        seed=recipe.seed if seed < 0 else seed, bad_images=bad_images,
    )
    if "b" not in data.test:
        raise UserError(f"{data.spec} has one domain; measuring edits needs two.")
    classifier = domain_classifier(data)
    figures, pictures = measure_edits(_translator(model), data, classifier, n or None)
    count = sum(len(seen["input"]) for seen in pictures.values())
    result = {
        "status": "done", "model": name, "data": data.spec, "n": count,
        "classifier_accuracy": classifier.accuracy, **figures,
    }
    if output:
        _write(pathlib.Path(output), result, pictures)
    _record(pathlib.Path(name), result)
    return result


def _translator(model):
    import tensorflow as tf

    functions = {
        d: tf.function(lambda x, d=d: model.translate(x, d), reduce_retracing=True, autograph=False)
        for d in model.directions
    }
    return lambda pictures, direction: functions[direction](tf.constant(pictures)).numpy()


def _write(folder, result, pictures):
    """The figures as JSON and a grid of the first pictures."""
    from kgan.grid import grid

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps(result, indent=2) + "\n")
    columns = {
        f"{direction} {what}": some[:8]
        for direction, seen in pictures.items() for what, some in seen.items()
    }
    grid(columns).save(folder / "evaluation.png")


def _record(run, result):
    """Adds the figures to the `metrics.json` of a run, and to its page."""
    from kgan.page import write_page
    from kgan.paths import replacing

    path = run / "metrics.json"
    if path.exists() and (run / "recipe.json").exists():
        known = json.loads(path.read_text())
        with replacing(path) as new:
            new.write_text(json.dumps({**known, "evaluation": result}, indent=2) + "\n")
        write_page(run)
