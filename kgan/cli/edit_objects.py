"""`tools/edit --object`: strips of pictures of label maps in which one object has other styles.

The input is a folder of `labels/` and, if the model takes them, `instances/`, files of the same
names in them; where there is a folder `photos/`, all else keeps the styles of the photographs.
"""

import pathlib
import time

import numpy as np

from kgan.cli.edit_flags import others
from kgan.cli.journal import Journal
from kgan.cli.results import Results, refuse_replacing
from kgan.cli.translate import check_classes, jobs_of_several
from kgan.core import registry
from kgan.core.devices import quiet
from kgan.core.errors import UsageError
from kgan.data.pictures import BrokenPicture, read_ids, read_with_alpha, write_png
from kgan.models.source import resolve
from kgan.models.styles import Styled
from kgan.report.sheet import grid


def edit_objects(flags):
    """Does what the flags of `tools/edit` with `--object` say.

    Returns:
        What the tool prints.

    Raises:
        UsageError: the model draws no objects, the numbers are none, something else is asked for.
        UserError: there are no maps, or none of them has the object.
    """
    found = resolve(flags.model)
    kind = registry.entry(found.name).model
    if not issubclass(kind, Styled):
        raise UsageError(f"{flags.model} is not drawn from label maps: --object is for models as "
                         "pix2pixhd.")
    given = others(flags, "object", "style", "input")
    if not flags.input or not flags.output or given:
        raise UsageError("--object takes --input, --output and --style alone"
                         f"{f', not --{given[0]}' if given else ''}; see tools/edit --help.")
    one, numbers = _number(flags.object, "object"), [
        _number(word, "style") for word in (flags.style or "").split(",") if word]
    source, out = pathlib.Path(flags.input), pathlib.Path(flags.output)
    signals = [s for s in kind.signals_of(found.recipe) if s.ids or (source / s.name).is_dir()]
    jobs, beside = jobs_of_several(source, out, [signal.name for signal in signals])
    read = [path for first, _ in jobs for path in (first, *beside[first])]
    refuse_replacing([strip for _, strip in jobs], read)
    results, begun = Results(jobs, overwrite=flags.overwrite), time.perf_counter()
    journal = Journal(out / "edits.json", {"model": flags.model, "object": one,
                                           "styles": numbers}, flags.overwrite)
    if results.left:
        quiet()
        _edit(flags.model, results, signals, beside, (one, numbers), journal)
        out.mkdir(parents=True, exist_ok=True)
        journal.write(results.skipped)
    return {**results.summary(), "model": flags.model, "object": one, "output": str(out),
            "seconds": round(time.perf_counter() - begun, 2)}


def _number(text, flag):
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--{flag} {text} is no whole number.") from None


def _edit(name, results, signals, beside, edit, journal):
    from kgan.models.weights import load

    model = load(name, weights="required")
    for first, strip in results.left:
        with results.attempt(first, strip):
            given = _read([first, *beside[first]], signals)
            try:
                panels = _panels(model, given, *edit)
            except UsageError as error:
                raise BrokenPicture(first, f"cannot be edited: {error}") from None
            write_png(strip, np.asarray(grid(panels)))
            journal.add({"input": str(first), "panels": list(panels),
                         "strip": strip.relative_to(journal.path.parent).as_posix()})


def _read(paths, signals):
    """`{signal: [1, h, w] ids or [1, h, w, 3] uint8}` of the files of a picture."""
    found = {}
    for signal, path in zip(signals, paths, strict=True):
        x = read_ids(path) if signal.ids else read_with_alpha(path)[0]
        first = next(iter(found.values()), x[None])
        if x.shape[:2] != first.shape[1:3]:
            raise BrokenPicture(path, f"is {x.shape[1]}x{x.shape[0]}, and {paths[0].name} beside "
                                      f"it {first.shape[2]}x{first.shape[1]}")
        check_classes(signal, x, path)
        found[signal.name] = x[None].astype(np.int32) if signal.ids else x[None]
    return found


def _panels(model, given, one, numbers):
    """`{caption: picture}`: as it is, and with the object in styles; all of its class if none."""
    labels, ids, photos = (given.get(name) for name in ("labels", "instances", "photos"))
    there = labels[(labels if ids is None else ids) == one]
    if not numbers and there.size:
        numbers = range(model.styles_known(np.bincount(there).argmax()))
    own = None if photos is None else model.styles_of(photos, labels, ids)
    panels = {} if photos is None else {"photograph": photos}
    panels["as it is"] = model.synthesise(labels, ids, own)
    for number in numbers or [0]:  # of a class without styles, to be told so
        panels[f"style {number}"] = model.edit_instance(labels, ids, one, number, photos)
    return panels
