"""`tools/edit`: strips of a picture, its reconstruction and its edits, made by moving its code.

The code of a picture comes from the model's encoder, from descent, or from one after the other
(`kgan.models.codec`); directions come with the model, from files, or from reference pictures
(`kgan.editing.strips`), which are encoded without descent if there is an encoder.
"""

import pathlib
import sys
import time

import numpy as np

from kgan.cli.edit_flags import (
    edit_flags,
    factored,
    ks_of,
    listed,
    named_by,
    pairs_of,
    refuse_unheeded,
    sums_of,
)
from kgan.cli.edit_grids import edit_arithmetic, edit_between, sort_pictures
from kgan.cli.edit_jobs import (
    batches,
    coder_of,
    descent,
    held_out,
    jobs,
    labelled_data,
    writing,
)
from kgan.cli.edit_labels import edit_labels
from kgan.cli.edit_objects import edit_objects
from kgan.cli.edit_strokes import edit_strokes
from kgan.cli.journal import Journal
from kgan.cli.results import Results, refuse_replacing
from kgan.cli.translate import jobs_of
from kgan.core import registry
from kgan.core.devices import quiet
from kgan.core.errors import UsageError, UserError, printable
from kgan.core.process import tool
from kgan.editing.attributes import labels_of
from kgan.editing.directions import LONGEST, Direction
from kgan.editing.drawing import plot
from kgan.editing.grids import Panel
from kgan.editing.strips import LENGTH, SAFE, Edits, from_pictures, from_populations, without_others
from kgan.models.source import resolve


@tool
def main(arguments):
    flags = edit_flags()
    words = flags.parse(arguments, positional=None)
    refuse_unheeded(flags)
    if flags.object:
        return edit_objects(flags)
    if flags.label:
        return edit_labels(flags)
    _check_kind(flags.model)
    if flags.strokes:
        return edit_strokes(flags, words)
    if flags.between:
        return edit_between(flags, pairs_of(flags.between, words, "between"))
    if flags.arithmetic:
        return edit_arithmetic(flags, sums_of(flags.arithmetic, words))
    pairs = pairs_of(flags.pair, words)
    folders = [f for f in (flags.without, flags.values["with"].value) if f]
    named = [factored(text) for text in listed(flags.direction)]
    others = [named_by(text) for text in listed(flags.orthogonal)]
    ks = ks_of(flags.k or _far(flags.model))
    _check(flags, pairs, folders, named, ks)
    out = pathlib.Path(flags.output)
    found = jobs(flags, out)
    references = [_pictures(folder) for folder in folders]
    _check_places(flags, found, [*references, *pairs], ks, out)
    results = Results(found, overwrite=flags.overwrite or flags.sort > 0,
                      files=lambda strip: [strip, *_files(flags, ks, strip)])
    quiet()
    return _edit(flags, results, (named, others, pairs, references), ks, out)


def _far(name):
    """What `--k` is unless it is said, as a model says."""
    return registry.entry(resolve(name).name).model.far


def _check(flags, pairs, folders, named, ks):
    """Refuses what is wrong only together."""
    count = len(named) + bool(pairs)
    wrong = {
        "Say --output and either --input or --samples; see tools/edit --help.":
            not flags.output or bool(flags.input and flags.samples) or not (
                flags.input or flags.samples or (flags.sort > 0 and flags.data)),
        "Say what to edit: --direction NAME or FILE.npz, --pair A B, --without FOLDER --with "
        "FOLDER, or of models of labels --label NAME=1.":
            not count and not folders and not flags.panel,
        "--panel and --sort are two things: say one.": flags.panel and flags.sort > 0,
        "--sort is by one direction: give one.": flags.sort > 0 and count + bool(folders) > 1,
        "--panel and --sort write no separate pictures.":
            flags.separate and (flags.panel or flags.sort > 0),
        "--sort draws pictures as they are: leave --k and --n_sigma out.":
            flags.sort > 0 and (bool(flags.k) or flags.values["n_sigma"].present),
        "--name is of a direction that is made of pictures: leave it or --direction out.":
            flags.values["name"].present and bool(named) and not pairs,
        "--without and --with go together.": len(folders) == 1,
        "--without and --with are about one direction: give one.": bool(folders) and count > 1,
        "--save keeps one direction: give one.": bool(flags.save) and count > 1,
        "--plot needs pictures: --without FOLDER --with FOLDER.": flags.plot and not folders,
        "--k safe says how far to go: give directions without a factor.":
            ks == SAFE and any(factor != 1 for _, factor in named),
        "--refine is for pictures that are given, not for --samples.":
            bool(flags.samples and flags.refine) and not (pairs or folders or flags.data),
        f"--name {flags.name!r} is no name.":
            not flags.name.strip() or not flags.name.isprintable() or len(flags.name) > LONGEST,
        f"--save {flags.save} must end in .npz.": bool(flags.save) and flags.save[-4:] != ".npz",
    }
    for complaint, is_so in wrong.items():
        if is_so:
            raise UsageError(complaint)
    for path in (path for pair in pairs for path in pair):
        if not pathlib.Path(path).is_file():
            raise UserError(f"There is no picture {path}.")


def _pictures(folder):
    return [path for path, _ in jobs_of(pathlib.Path(folder), pathlib.Path(folder))]


def _files(flags, ks, strip):
    return Edits([], ks, separate=flags.separate).files(strip)


def _check_places(flags, given, references, ks, out):
    """Refuses to write where there is no folder, or over what is read."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--output {out} is no folder.")
    results = [path for _, strip in given for path in (strip, *_files(flags, ks, strip))]
    results = [out / "sorted.png"] if flags.sort else results
    read = [picture for picture, _ in given if picture]
    refuse_replacing(results, [*read, *(pathlib.Path(p) for side in references for p in side)])
    named = [*listed(flags.direction), *listed(flags.orthogonal)]
    files = [pathlib.Path(text[: text.rindex(".npz") + 4]) for text in named if ".npz" in text]
    refuse_replacing([pathlib.Path(flags.save)] if flags.save else [], files)


def _check_kind(name):
    """Refuses a name whose model has no codes, before TensorFlow is loaded."""
    from kgan.models.codec import refuse_without_codes

    refuse_without_codes(registry.entry(resolve(name).name).model, name)


def _edit(flags, results, given, ks, out):
    coder = coder_of(flags)
    begun = time.perf_counter()
    data = labelled_data(coder, flags.data) if flags.data else None
    if data and any(isinstance(name, str) for name in _names(*given) or [""]):
        coder.learn(data)
    steps, populations = _steps(coder, flags, *given)
    if flags.sort:
        _save(steps[0][0], flags, out)
        return _sort(coder, flags, steps[0][0], results, data, out)
    edits = (Panel if flags.panel else Edits)(steps, ks, flags.n_sigma, flags.separate)
    journal = Journal(out / "edits.json", {
        "model": flags.model, "generator": coder.generator, "directions": edits.described(),
        "k": ks[0] if ks == LENGTH else "safe" if edits.safe else list(ks),
        "n_sigma": flags.n_sigma, **({"data": flags.data} if data else {}),
        **descent(coder, flags),
    }, flags.overwrite)
    _save(steps[0][0], flags, out)
    code = None
    for strips, sources, shown, codes in batches(coder, flags, results):
        source = dict(zip(strips, sources, strict=True))
        records = edits.write(coder, codes, strips, shown, lambda strip, source=source: (
            results.attempt(source[strip] or strip.name, strip)))
        for record in records:
            strip = record.pop("target")
            names = [str(p.relative_to(out)) for p in (strip, *edits.files(strip))]
            journal.add({"input": source[strip], "strip": names[0], "files": names[1:], **record})
        with writing(out):
            journal.write(results.skipped)
        code = codes[0] if results.total == 1 else None
    found = results.summary()
    drawing = out / "projections.svg"
    with writing(out):
        journal.write(results.skipped)
        if flags.plot and (flags.overwrite or not drawing.exists()):
            plot(steps[0][0], *populations, drawing, code, flags.n_sigma)
    errors = [record["mae"] for record in journal.added if record["mae"] is not None]
    return {
        **found, "model": flags.model, "directions": [d.name for d, _ in steps],
        "mae": round(float(np.mean(errors)), 6) if errors else None, "output": str(out),
        "seconds": round(time.perf_counter() - begun, 2),
    }


def _names(named, others, *_):
    """What `--direction` and `--orthogonal` say: names, and `Direction`s of files."""
    return [*(name for name, _ in named), *others]


def _sort(coder, flags, direction, results, data, out):
    sources = bool(flags.input or flags.samples)
    pictures = batches(coder, flags, results) if sources else held_out(coder, data)
    labels = None if sources else labels_of(data, "test", direction.name)
    with writing(out):
        return sort_pictures(coder, flags, direction, pictures, out, results.skipped, labels)


def _known(coder):
    """The names of all directions of a model."""
    found = list(coder.attributes)
    if not found:
        raise UserError(f"{coder.model.name_in_zoo} has no directions of its own: give --panel some"
                        " by --direction.")
    return found


def _save(direction, flags, out):
    """Keeps a direction in `--save`, if it is said; the same one may be there already."""
    if not flags.save:
        return
    path = pathlib.Path(flags.save)
    if path.exists() and not flags.overwrite:
        known = Direction.load(path)
        if (known.name, known.generator) != (direction.name, direction.generator) or not (
            np.allclose(known.vector, direction.vector, atol=1e-4)
        ):
            raise UserError(f"{path} holds another direction: choose another --save or say "
                            "--overwrite.")
        return
    with writing(out):
        direction.save(path)


def _steps(coder, flags, named, others, pairs, references):
    """([(`Direction`, factor)], codes of --without and --with that may measure it)."""
    steps = [(coder.attribute(name), factor) for name, factor in named]
    others = [coder.attribute(name) for name in others]
    populations = [_population(coder, paths) for paths in references]
    if pairs:
        steps.append((from_pictures(coder, pairs, flags.name), 1.0))
    elif not steps and flags.panel and not references:
        steps = [(coder.attribute(name), 1.0) for name in _known(coder)]
    elif not steps:
        made, populations = from_populations(coder, *populations, flags.name)
        steps = [(made, 1.0)]
    return [(without_others(d, others, populations), factor) for d, factor in steps], populations


def _population(coder, paths):
    """Codes of reference pictures; broken ones are named and left out."""
    def skip(path, reason):
        print(f"skipped: {printable(path)}: {printable(reason)}", file=sys.stderr)

    found = [codes for *_, codes in coder.read_all(paths, skip, refine=False)]
    if not found:
        raise UserError(f"None of the {len(paths)} pictures could be read, such as {paths[0]}.")
    return np.concatenate(found)
