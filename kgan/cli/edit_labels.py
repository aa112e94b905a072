"""`tools/edit --label`: strips of pictures with labels set, by models that make them by labels.

Of an encoder of codes and labels, as `icgan`, pictures that are given; of it and of a conditional
generator, as `cgan`, pictures that are drawn, whose labels before any is set are those of
`kgan.models.labelled.in_turn`. Each `--label` is a picture of the strip.
"""

import pathlib
import time

import numpy as np

from kgan.cli.edit_flags import others
from kgan.cli.edit_jobs import drawn
from kgan.cli.edit_jobs import jobs as jobs_from
from kgan.cli.journal import Journal
from kgan.cli.results import Results, refuse_replacing
from kgan.core import registry
from kgan.core.devices import quiet
from kgan.core.errors import UsageError
from kgan.core.pixels import array_to_uint8
from kgan.data.pictures import write_png
from kgan.models.encoding import Encodes
from kgan.models.labelled import in_turn, refuse_without_labels, with_labels
from kgan.models.latent import LatentGAN
from kgan.models.source import with_weights
from kgan.report.sheet import draw_strip


def edit_labels(flags):
    """Does what the flags of `tools/edit` with `--label` say.

    Returns:
        What the tool prints.

    Raises:
        UsageError: something else is asked for beside, or of a generator alone pictures.
        UserError: the model has no labels, or not these.
    """
    sets = [_wanted(text) for text in flags.label]
    given = others(flags, "label", "input", "samples", "seed", "separate")
    if bool(flags.input) == bool(flags.samples) or not flags.output or given:
        raise UsageError("--label takes --output and either --input or --samples, --seed and "
                         f"--separate alone{f', not --{given[0]}' if given else ''}; see "
                         "tools/edit --help.")
    found = with_weights(flags.model)
    kind = registry.entry(found.name).model
    latent = issubclass(kind, LatentGAN)
    names = kind.label_names_of(found.recipe) if latent else ()
    refuse_without_labels(flags.model, names)
    for wanted in sets:  # before anything is loaded
        with_labels(-np.ones((1, len(names))), names, wanted)
    if flags.input and not issubclass(kind, Encodes):
        raise UsageError(f"{flags.model} has no encoder: edit what it draws, --samples 8, or take "
                         "one that has, as icgan.")
    out = pathlib.Path(flags.output)
    jobs = jobs_from(flags, out)
    read = [picture for picture, _ in jobs if picture]
    refuse_replacing([path for _, strip in jobs for path in (strip, *_files(flags, sets, strip))],
                     read)
    results, begun = Results(jobs, overwrite=flags.overwrite, files=lambda strip: [
        strip, *_files(flags, sets, strip)]), time.perf_counter()
    journal = Journal(out / "edits.json", {"model": flags.model, "labels": sets,
                                           "seed": flags.seed}, flags.overwrite)
    if results.left:
        quiet()
        _edit(flags, results, sets, journal)
    out.mkdir(parents=True, exist_ok=True)
    journal.write(results.skipped)
    return {**results.summary(), "model": flags.model, "labels": sets, "output": str(out),
            "seconds": round(time.perf_counter() - begun, 2)}


def _wanted(text):
    """`{name: 0 or 1}` of `NAME=1,NAME=0`."""
    found = {}
    for word in text.split(","):
        name, equals, value = word.strip().partition("=")
        if not name or not equals or value not in ("0", "1"):
            raise UsageError(f"--label {text}: say NAME=1, with it, or NAME=0, without, several "
                             "joined by commas.")
        found[name] = int(value)
    return found


def _files(flags, sets, strip):
    """Files that `--separate` adds to a strip: what the code makes, then its edits."""
    count = len(sets) + 1 if flags.separate else 0
    return [strip.with_name(f"{strip.stem}.label{i}.png") for i in range(count)]


def _edit(flags, results, sets, journal):
    from kgan.models.weights import load

    model = load(flags.model, weights="required")
    captions = [" ".join(f"{name}={value}" for name, value in wanted.items()) for wanted in sets]
    for strips, sources, shown, codes, numbers in _batches(model, flags, results):
        made = _made(model, codes, numbers, sets)
        for i, strip in enumerate(strips):
            mine = [x[i] for x in made]
            before = [] if shown is None else [shown[i]]
            titles = ["input", "reconstruction"] if before else ["generated"]
            with results.attempt(sources[i] or strip.name, strip):
                panels = [[title] for title in (*titles, *captions)]
                write_png(strip, np.asarray(draw_strip(np.stack([*before, *mine]), panels)))
                files = _files(flags, sets, strip)
                for path, x in zip(files, mine, strict=False):
                    write_png(path, x)
                place = journal.path.parent
                journal.add({"input": sources[i], "strip": strip.relative_to(place).as_posix(),
                             "files": [path.relative_to(place).as_posix() for path in files]})


def _batches(model, flags, results):
    """Yields (strips, sources, pictures or None, codes, their numbers if they are drawn)."""
    if flags.input:
        from kgan.models.codec import Coder

        strips = dict(results.left)
        for paths, shown, codes in Coder(model).read_all(list(strips), results.skip):
            yield [strips[path] for path in paths], list(map(str, paths)), shown, codes, None
        return
    for strips, codes, numbers in drawn(model, flags, results):
        yield strips, [None] * len(strips), None, codes, numbers


def _made(model, codes, numbers, sets):
    """Pictures of codes, then with each of the labels set: uint8 [n, size, size, 3] each."""
    if model.conditions:  # labels are given beside the codes
        rows = in_turn(max(numbers) + 1, model.conditions, model.exclusive).numpy()[numbers]
        changed = [rows, *(with_labels(rows, model.label_names, wanted, model.exclusive)
                           for wanted in sets)]
        return [array_to_uint8(model.decode(codes, labels).numpy()) for labels in changed]
    changed = [codes, *(model.relabelled(codes, wanted) for wanted in sets)]
    return [array_to_uint8(model.decode(some).numpy()) for some in changed]
