"""The figures of a trained model on held-out pictures, beside those of what knows nothing."""

import json
import pathlib
import sys

from kgan.core.errors import UsageError, UserError, printable
from kgan.core.lazy import np
from kgan.core.reading import json_or_empty
from kgan.metrics.figures import gather
from kgan.models.source import resolve

EMBEDDED = "vgg_star_small.avatars"  # whose features KID compares


def evaluate(name, spec=None, *, n=0, output=None):
    """`measured`, then `keep`; returns what `tools/evaluate` prints."""
    result, pictures = measured(name, spec, n=n)
    keep(result, pictures, output)
    return result


def measured(name, spec=None, *, n=0, seed=-1, seeds=3, inception=False, bad_images="skip",
             recover=(0, 0), reference=EMBEDDED):
    """Measures a model; writes nothing.

    Returns:
        (what `tools/evaluate` prints, `{direction: {what: pictures}}`). Figures that cannot be had
        are left out, `"skipped"` says why.
    """
    from kgan.data import open_data
    from kgan.models import reference as references
    from kgan.models.encoding import EncoderGAN
    from kgan.models.weights import load

    model = load(name, weights="required")
    recipe = model.recipe
    encodes = isinstance(model, EncoderGAN)  # whose mean training picture is of the test's size
    _check_asked(name, model, inception, recover[0])
    if reference != EMBEDDED:
        references.shape(reference)  # a name that is wrong is said before anything is measured
    data = open_data(
        spec or recipe.data, size=recipe.size,
        load_size=None if encodes else recipe.load_size or None,
        seed=recipe.seed if seed < 0 else seed, bad_images=bad_images, signals=model.signals,
    )
    found = _other_data(name, data)
    skipped = {}
    figures, pictures = _figures(model, data, n, (seeds, reference, inception), skipped)
    if recover[0]:
        from kgan.evaluation.recovery import measure_recovery

        figures["recovery"] = measure_recovery(model, *recover)
    if skipped:
        figures["skipped"] = skipped
    return {"status": "done", "model": name, "data": data.spec, **found, **figures}, pictures


def keep(result, pictures, output=None):
    """Writes figures and pictures into a folder, and the figures beside the run that was measured.

    Raises:
        UserError: a place cannot be written; the others are.
    """
    failed, source = [], resolve(result["model"])
    for place, write in (
        (output, lambda: _write(pathlib.Path(output), result, pictures)),
        (source.kind == "run", lambda: _record(source.folder, result)),
    ):
        try:
            if place:
                write()
        except OSError as error:
            failed.append(f"{error.filename or place} cannot be written: {error.strerror}")
    if failed:
        raise UserError(f"{'; '.join(failed)}. The figures are those that were printed.")


def _check_asked(name, model, inception, recover):
    from kgan.models.encoding import EncoderGAN
    from kgan.models.latent import LatentGAN

    generates = isinstance(model, LatentGAN) and not isinstance(model, EncoderGAN)
    translates = model.directions and not isinstance(model, LatentGAN)
    if recover and not generates:
        raise UsageError(f"--recover is for generators; {name} is a {model.name_in_zoo}.")
    if inception and not generates and not translates:
        raise UsageError("--keras_fid is for translators and generators; "
                         f"{name} is a {model.name_in_zoo}.")


def _figures(model, data, n, sets, skipped):
    """(figures, pictures) of a model; `skipped` takes the figures that cannot be had.

    Args:
        sets: how sets of pictures are compared: (`seeds`, `reference`, `inception`) of `measured`.
    """
    from kgan.evaluation.pairs import measure_pairs
    from kgan.models.encoding import EncoderGAN
    from kgan.models.latent import LatentGAN
    from kgan.models.translation import learns_pairs

    if isinstance(model, EncoderGAN):
        return _reconstructions(model, data, n, skipped)
    if isinstance(model, LatentGAN):
        return _samples(model, data, n, sets, skipped)
    if not model.directions:
        return _labels(model, data, n)
    if any(learns_pairs(how, model.signals) for how in model.directions.values()):
        figures, pictures = measure_pairs(model, data, n or None, skipped)
        return {"n": sum(len(seen["truth"]) for seen in pictures.values()), **figures}, pictures
    if "b" in data.test:
        return _edits(model, data, n, sets, skipped)
    raise UserError(f"{data.spec} has one domain; measuring edits needs two: --data "
                    "avatars:Smiling, folder:PATH, celeba:PATH?attribute=Smiling.")


def _other_data(name, data):
    """Marks figures of a run whose data set is no longer what it was trained on; else `{}`."""
    from kgan.training.run_data import known_data

    source = resolve(name)
    known = known_data(source.folder) if source.kind == "run" else None
    if not known or known["spec"] != data.spec or known["digest"] == data.digest:
        return {}
    trained = sum(len(set(names) - set(known["held_out"].get(domain, names)))
                  for domain, names in data.held_out.items())
    print(f"warning: {printable(data.spec)} has changed since {printable(name)} was trained on it; "
          f"{trained} of the pictures that are measured were not held out then", file=sys.stderr)
    return {"data_changed": True, "not_held_out": trained}


def _labels(model, data, n):
    """Figures of a classifier; no pictures."""
    import tensorflow as tf

    from kgan.evaluation.generation import check_labels
    from kgan.metrics.classification import measure_labels

    check_labels(model, data)
    classify = tf.function(model.classify, reduce_retracing=True)
    count = min(n or len(data.test["a"]), len(data.test["a"]))
    return {"n": count, **measure_labels(lambda x: classify(x).numpy(), data, n or None)}, {}


def _samples(model, data, n, sets, skipped):
    """Figures of a generator, and pictures that it made."""
    from kgan.evaluation.generation import avatar_shares, measure_samples, samples

    real = data.test["a"]
    real = real[np.arange(min(n or len(real), len(real)))]
    made = samples(model, data, len(real))
    _, reference, inception = sets
    figures = measure_samples(real, made, reference=reference, skipped=skipped)
    if inception:
        figures |= _keras_fid({"keras_fid": (real, made)}, skipped)
    if data.spec.startswith("avatars:") and data.labels:
        figures["shares"] = avatar_shares(real, made, data.label_names)
    shown = {str(i + 1): made[8 * i : 8 * i + 8] for i in range(min(5, -(-len(made) // 8)))}
    pictures = {"real": {"pictures": real}, "made": shown}
    return {"n": len(real), "reference": reference, **figures}, pictures


def _reconstructions(model, data, n, skipped):
    """Figures of an encoder beside those of guesses, and what it makes of pictures."""
    from kgan.metrics.reconstruction import baselines

    real = data.test["a"]
    real = real[np.arange(min(n or len(real), len(real)))]
    figures, made = reconstructions(model, real, skipped)
    figures |= baselines(real, data.train["a"], skipped=skipped)
    pictures = {"reconstruct": {"input": real, "output": made}}
    if data.spec.startswith("avatars:") and model.attributes:
        figures["edits"] = _avatar_edits(model, n)
        shown = list(model.attributes)[:5]
        pictures["add"] = {name: _edited(model, real[:8], name) for name in shown}
    return {"n": len(real), **figures}, pictures


def _avatar_edits(model, n):
    from kgan.evaluation.avatar_edits import measure_avatar_edits

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


def reconstructions(model, real, skipped=None):
    """Figures of an encoder, see `kgan.metrics.reconstruction`, and its reconstructions.

    Args:
        model: a `kgan.models.encoding.EncoderGAN`.
        real: uint8 [n, size, size, 3]; as many codes are drawn from the prior.
        skipped: see `kgan.metrics.figures.gather`.
    """
    import tensorflow as tf

    from kgan.metrics.reconstruction import code_error, reconstruct, similarity

    encode, decode = (tf.function(f, reduce_retracing=True, autograph=False)
                      for f in (model.encode, model.decode))
    made = reconstruct(encode, decode, real)
    error = code_error(encode, decode, model.codes(len(real), seed=1).numpy())
    return {**similarity(real, made, skipped), "code_error": error}, made


def _edits(model, data, n, sets, skipped):
    """Figures of a translator, and its pictures."""
    from kgan.data import attribute
    from kgan.evaluation.edits import DIRECTIONS, measure_distribution, measure_edits
    from kgan.evaluation.judge import domain_classifier

    if not model.trains:
        model.prepare(data)
    translate, directions = translator(model, attribute(data.spec))
    classifier = domain_classifier(data)
    figures, pictures = measure_edits(translate, data, classifier, n or None, directions, skipped)
    seeds, reference, inception = sets
    if inception:
        figures |= _keras_fid({
            f"keras_fid_{direction}": (_all(data.test[DIRECTIONS[direction][1]]), seen["output"])
            for direction, seen in pictures.items()
        }, skipped)
    if seeds:
        figures["reference"] = reference
        for prefix, which in (("", "output"), ("identity_", "input")):
            figures |= measure_distribution(pictures, data, which, seeds=seeds, prefix=prefix,
                                            reference=reference, skipped=skipped)
    count = sum(len(seen["input"]) for seen in pictures.values())
    return {"n": count, "classifier_accuracy": classifier.accuracy, **figures}, pictures


def _keras_fid(sets, skipped):
    """Frechet distances in Keras' Inception of `{name: (real, made)}`."""
    from kgan.evaluation import features

    return gather({
        name: lambda name=name, sets=sets: {name: features.keras_fid(*sets[name])}
        for name in sets
    }, skipped)


def _all(pictures):
    return pictures[np.arange(len(pictures))]


def translator(model, label=""):
    """`translate(uint8 pictures, direction)` between two domains, and the directions it has.

    Args:
        model: a translator.
        label: of models of many labels: what the pictures of domain b have and those of a have not.
    """
    import tensorflow as tf

    from kgan.evaluation.edits import DIRECTIONS

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
    from kgan.report.sheet import grid

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
    from kgan.core.paths import replacing
    from kgan.report.run_page import write_page

    path = run / "metrics.json"
    if path.exists():
        with replacing(path) as new:
            known = json_or_empty(path)
            new.write_text(json.dumps({**known, "evaluation": result}, indent=2) + "\n")
        write_page(run)
