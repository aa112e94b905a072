"""The figures of a trained model on held-out pictures, beside those of what knows nothing."""

import json
import pathlib
import sys

from kgan.core.errors import UsageError, UserError, printable
from kgan.core.reading import json_or_empty
from kgan.evaluation.measures import EMBEDDED, SEGMENTER_STEPS, Options
from kgan.models.source import resolve


def evaluate(name, spec=None, *, n=0, output=None):
    """`measured`, then `keep`; returns what `tools/evaluate` prints."""
    result, pictures = measured(name, spec, n=n)
    keep(result, pictures, output)
    return result


def measured(name, spec=None, *, n=0, seed=-1, seeds=3, inception=False, bad_images="skip",
             recover=(0, 0), projections=(0, 0), reference=EMBEDDED, palette="",
             segmenter_steps=SEGMENTER_STEPS):
    """Measures a model; writes nothing.

    Returns:
        (what `tools/evaluate` prints, `{direction: {what: pictures}}`). Figures that cannot be had
        are left out, `"skipped"` says why.
    """
    from kgan.data import open_data
    from kgan.models import reference as references
    from kgan.models.weights import load

    options = Options(n, seeds, reference, inception, recover, projections, palette,
                      segmenter_steps, seed=1 if seed < 0 else seed)
    model = load(name, weights="required")
    recipe = model.recipe
    _check_asked(name, model, options)
    if reference != EMBEDDED:
        references.shape(reference)  # a name that is wrong is said before anything is measured
    at_size = any(options.usual[measure].at_size for measure in model.measures)
    data = open_data(
        spec or recipe.data, size=recipe.size,
        load_size=None if at_size else recipe.load_size or None,
        seed=recipe.seed if seed < 0 else seed, bad_images=bad_images, signals=model.signals,
    )
    found = _other_data(name, data, seed not in (-1, recipe.seed))
    figures, pictures = model.measure(data, options)
    if options.skipped:
        figures["skipped"] = options.skipped
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


def _check_asked(name, model, options):
    """Refuses options that no measure of the model heeds."""
    heeded = {option for measure in model.measures for option in options.usual[measure].heeds}
    if options.recover[0] and "recover" not in heeded:
        raise UsageError(f"--recover is for generators; {name} is a {model.name_in_zoo}.")
    if options.projections[0] and "projections" not in heeded:
        raise UsageError("--projections is for generators and encoders; "
                         f"{name} is a {model.name_in_zoo}.")
    if options.projections[0]:
        from kgan.evaluation.projections import refuse

        refuse(model)  # before all else is measured
    if options.inception and "inception" not in heeded:
        raise UsageError("--keras_fid is for translators and generators; "
                         f"{name} is a {model.name_in_zoo}.")
    segments = options.palette or options.segmenter_steps != SEGMENTER_STEPS
    if segments and "segmenter" not in heeded:
        raise UsageError("--palette and --segmenter_steps are for models of maps of labels; "
                         f"{name} is a {model.name_in_zoo}.")


def _other_data(name, data, seeded):
    """Marks figures of a run whose data set is no longer what it was trained on; else `{}`.

    Args:
        seeded: it was asked for by another seed, and is another for that.
    """
    from kgan.training.run_data import known_data

    source = resolve(name)
    known = known_data(source.folder) if source.kind == "run" else None
    if not known or known["spec"] != data.spec or known["digest"] == data.digest:
        return {}
    trained = sum(len(set(names) - set(known["held_out"].get(domain, names)))
                  for domain, names in data.held_out.items())
    spec, name = printable(data.spec), printable(name)
    why = (f"by this --seed {spec} is not what {name} was trained on" if seeded else
           f"{spec} has changed since {name} was trained on it")
    print(f"warning: {why}; {trained} of the pictures that are measured were not held out then",
          file=sys.stderr)
    return {"data_changed": not seeded, "not_held_out": trained}


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
