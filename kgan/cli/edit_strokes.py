"""`tools/edit --strokes`: pictures edited by what is painted on them, as iGAN does.

Of each picture a strip: the input, its reconstruction with the strokes on it, the way from its code
to the best candidate, and, of pictures that are given, the edit transferred to them. Beside it
`NAME.candidates.png`, other answers to the same strokes, and `NAME.edited.png`, the transferred
edit at the size of the picture, of drawn ones and with --notransfer the edit of the generator.
"""

import pathlib
import time

import numpy as np

from kgan.cli.edit_flags import DESCENT, others
from kgan.cli.edit_jobs import batches, coder_of, descent, jobs, writing
from kgan.cli.journal import Journal
from kgan.cli.results import Results, refuse_replacing
from kgan.core.devices import quiet
from kgan.core.errors import UsageError, UserError
from kgan.data.pictures import read_with_alpha, resize_cover, write_png
from kgan.editing.strokes import painted as with_strokes
from kgan.editing.strokes import read_strokes
from kgan.report.sheet import draw_rows, draw_strip

HEEDED = ("input", "samples", "strokes", "candidates", "edit_steps", "stay", "transfer", "steps",
          "path", "separate")  # beside descent
COLUMNS = 8  # of candidates


def edit_strokes(flags, words):
    """Does what the flags of `tools/edit` with `--strokes` say.

    Args:
        flags: the parsed flags.
        words: of the command line that are no flags.

    Returns:
        What the tool prints.

    Raises:
        UsageError: flags that do not go with it.
        UserError: the file of strokes is not there or wrong.
    """
    _check(flags, words)
    strokes, out = read_strokes(flags.strokes), pathlib.Path(flags.output)
    found = jobs(flags, out)
    given = [picture for picture, _ in found if picture]
    refuse_replacing([path for _, strip in found for path in _files(flags, strip)],
                     [*given, pathlib.Path(flags.strokes)])
    results = Results(found, overwrite=flags.overwrite, files=lambda s: _files(flags, s))
    quiet()
    coder, begun = coder_of(flags), time.perf_counter()
    path = coder.model.path if flags.path == "auto" else flags.path
    journal = Journal(out / "edits.json", {
        "model": flags.model, "generator": coder.generator,
        "strokes": [_described(stroke) for stroke in strokes], "path": path, "steps": flags.steps,
        "candidates": flags.candidates, "edit_steps": flags.edit_steps, "stay": flags.stay,
        "transfer": _transfers(flags), **descent(coder, flags),
    }, flags.overwrite)
    for some in batches(coder, flags, results):
        _edit(coder, flags, strokes, path, results, journal, some)
        with writing(out):
            journal.write(results.skipped)
    summary = results.summary()
    with writing(out):
        journal.write(results.skipped)
    costs = [record["cost"] for record in journal.added]
    return {**summary, "model": flags.model, "strokes": len(strokes), "output": str(out),
            "cost": round(float(np.mean(costs)), 6) if costs else None,
            "seconds": round(time.perf_counter() - begun, 2)}


def _check(flags, words):
    wrong = [f"--{name}" for name in others(flags, *HEEDED, *DESCENT)] + words[:1]
    if wrong:
        raise UsageError(f"--strokes does not go with {wrong[0]}; see tools/edit --help.")
    if bool(flags.input) == bool(flags.samples) or not flags.output:
        raise UsageError("Say --output and either --input or --samples; see tools/edit --help.")
    if flags.samples and flags.refine:
        raise UsageError("--refine is for pictures that are given, not for --samples.")
    if flags.samples and flags.values["transfer"].present and flags.transfer:
        raise UsageError("--transfer is for pictures that are given, not for --samples.")
    out = pathlib.Path(flags.output)
    if out.exists() and not out.is_dir():
        raise UserError(f"--output {out} is no folder.")


def _transfers(flags):
    return bool(flags.input and flags.transfer)


def _files(flags, strip):
    """All files of a picture, the strip first."""
    ends = ["candidates", "edited"]
    if flags.separate:
        digits = len(str(flags.steps - 1))
        ends += [f"{i:0{digits}}" for i in range(flags.steps)]
    return [strip, *(strip.with_name(f"{strip.stem}.{end}.png") for end in ends)]


def _described(stroke):
    """A stroke for a JSON file."""
    return {"tool": stroke.tool, "points": [list(point) for point in stroke.points],
            "radius": stroke.reach, **({"colour": list(stroke.colour)} if stroke.colour else {})}


def _edit(coder, flags, strokes, path, results, journal, some):
    """Edits a batch of pictures, and writes their files."""
    from kgan.models.painting import paint

    strips, sources, shown, codes = some
    made = paint(
        coder, codes, strokes, frames=flags.steps, path=path, candidates=flags.candidates,
        steps=flags.edit_steps, stay=flags.stay, seed=flags.seed,
    )
    for i, (strip, painted) in enumerate(zip(strips, made, strict=True)):
        with results.attempt(sources[i] or strip.name, strip):
            photograph = None if shown is None else shown[i]
            _write(flags, strokes, strip, painted, sources[i], photograph)
            place, costs = journal.path.parent, painted.edited.costs
            files = [path.relative_to(place).as_posix() for path in _files(flags, strip)]
            journal.add({
                "input": sources[i], "strip": files[0], "files": files[1:],
                "cost": round(float(costs[0]), 6), "before": round(painted.edited.before, 6),
                "candidates": [round(float(x), 6) for x in costs],
            })


def _write(flags, strokes, strip, painted, source, square):
    """The files of one picture."""
    way, edited, alpha = painted.pictures, painted.pictures[-1], None
    ends = ([], []) if square is None else ([square], [["input"]])
    cells = [with_strokes(way[0], strokes), *way]
    captions = [["strokes"], *([f"{share:.2f}"] for share in np.linspace(0, 1, len(way)))]
    if _transfers(flags):
        photograph, alpha = read_with_alpha(source)
        edited = painted.on(photograph)
        cells.append(resize_cover(edited, len(square)))
        captions.append(["transferred"])
    first, candidates, last, *frames = _files(flags, strip)
    write_png(first, np.asarray(draw_strip(np.stack([*ends[0], *cells]), [*ends[1], *captions])))
    write_png(candidates, _candidates(painted))
    write_png(last, edited if alpha is None else np.dstack([edited, alpha]))
    for file, one in zip(frames, way, strict=False):
        write_png(file, one)


def _candidates(painted):
    captions = [[f"{cost:.3f}"] for cost in painted.edited.costs]
    return np.asarray(draw_rows([
        (painted.candidates[i : i + COLUMNS], captions[i : i + COLUMNS])
        for i in range(0, len(captions), COLUMNS)
    ]))
