"""`tools/edit --between` and `--sort`: ways between two codes, pictures in an order.

An end of a way is a picture, a file FILE.npy that holds a code, or a whole number: the code that is
drawn with that seed.
"""

import json
import pathlib
import time

import numpy as np

from kgan.cli.edit_flags import DESCENT, others
from kgan.cli.edit_jobs import coder_of, descent
from kgan.cli.journal import Journal
from kgan.cli.results import Results, refuse_replacing
from kgan.core.devices import quiet
from kgan.core.errors import UsageError, UserError
from kgan.core.paths import replacing
from kgan.data.pictures import write_png
from kgan.editing.grids import Order, interpolated
from kgan.report.sheet import draw_strip


def edit_between(flags, ends):
    """Does what the flags of `tools/edit` with `--between` say.

    Args:
        flags: the parsed flags.
        ends: [(A, B)], texts.

    Returns:
        What the tool prints.

    Raises:
        UsageError: flags that do not go with it, or the same name twice.
        UserError: an end that is not there, or of another model.
    """
    out, jobs = _jobs(flags, ends)
    results = Results(jobs, overwrite=flags.overwrite, files=lambda s: [s, *_files(flags, s)])
    quiet()
    coder = coder_of(flags)
    path = coder.model.path if flags.path == "auto" else flags.path
    journal = Journal(out / "edits.json", {
        "model": flags.model, "generator": coder.generator, "path": path, "steps": flags.steps,
        **descent(coder, flags),
    }, flags.overwrite)
    begun = time.perf_counter()
    for pair, strip in results.left:
        with results.attempt(" ".join(pair), strip):
            _draw(coder, pair, strip, flags, path)
            files = [file.name for file in _files(flags, strip)]
            journal.add({"between": list(pair), "strip": strip.name, "files": files})
    found = results.summary()
    journal.write(results.skipped)
    return {**found, "model": flags.model, "path": path, "output": str(out),
            "seconds": round(time.perf_counter() - begun, 2)}


def _jobs(flags, ends):
    """(the folder, [((A, B), strip)]), checked."""
    given = others(flags, "between", "steps", "path", "separate", *DESCENT)
    if given or not flags.output:
        raise UsageError("--between takes --output, --steps, --path, --separate and descent alone"
                         f"{f', not --{given[0]}' if given else ''}; see tools/edit --help.")
    out = pathlib.Path(flags.output)
    if out.exists() and not out.is_dir():
        raise UserError(f"--output {out} is no folder.")
    texts = [text for pair in ends for text in pair]
    for text in texts:
        if not pathlib.Path(text).is_file() and not text.isdecimal():
            raise UserError(f"There is no picture {text}, and it is no number of a drawn code.")
    jobs = [(pair, out / f"{'_to_'.join(pathlib.Path(text).stem for text in pair)}.png")
            for pair in ends]
    if len({strip for _, strip in jobs}) < len(jobs):
        raise UsageError("Two --between would be written to one file: give them other names.")
    results = [file for _, strip in jobs for file in (strip, *_files(flags, strip))]
    refuse_replacing(results, [pathlib.Path(text) for text in texts])
    return out, jobs


def _files(flags, strip):
    """What `--separate` adds to a strip."""
    count = flags.steps if flags.separate else 0
    return [strip.with_name(f"{strip.stem}.{i:0{len(str(count - 1))}}.png") for i in range(count)]


def _draw(coder, pair, strip, flags, path):
    (first, a), (last, b) = (_end(coder, text) for text in pair)
    made = coder.decode(interpolated(a, b, flags.steps, path))
    captions = [[f"{share:.2f}"] for share in np.linspace(0, 1, flags.steps)]
    shown = [x for x in (first, *made, last) if x is not None]
    captions = [["input"]] * (first is not None) + captions + [["input"]] * (last is not None)
    write_png(strip, np.asarray(draw_strip(np.stack(shown), captions)))
    for file, one in zip(_files(flags, strip), made, strict=False):
        write_png(file, one)


def _end(coder, text):
    """(the picture or None, its code [latent]) of an end."""
    path = pathlib.Path(text)
    if not path.is_file():
        return None, coder.model.codes(1, int(text)).numpy()[0]
    if path.suffix == ".npy":
        return None, _code(path, coder.model.latent)
    picture = coder.read(path)
    return picture, coder.encode(picture[None])[0]


def _code(path, latent):
    try:
        code = np.load(path, allow_pickle=False).astype(np.float32, casting="same_kind")
    except Exception as error:  # readers of npy raise nearly anything
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:120]
        raise UserError(f"{path} holds no code ({reason}).") from None
    if code.size != latent or not np.isfinite(code).all():
        raise UserError(f"{path} holds {code.size} numbers, not the {latent} of a code.")
    return code.reshape(latent)


def sort_pictures(coder, flags, direction, batches, out, skipped):
    """Draws pictures in the order of a direction: `sorted.png` and `sorted.json`.

    Args:
        coder: a `kgan.models.codec.Coder`.
        flags: the parsed flags of `tools/edit`.
        direction: a `kgan.editing.directions.Direction`.
        batches: yields (strips, sources or None, uint8 pictures or None, codes).
        out: the folder.
        skipped: `{picture: reason}`, complete when `batches` is through.

    Returns:
        What the tool prints.
    """
    names, pictures, codes = [], [], []
    for strips, sources, shown, found in batches:
        names += [source or strip.stem for source, strip in zip(sources, strips, strict=True)]
        pictures.append(coder.decode(found) if shown is None else shown)
        codes.append(found)
    if not names:
        raise UserError("None of the pictures could be read.")
    order = Order.of(direction, np.concatenate(codes))
    order.draw(out / "sorted.png", np.concatenate(pictures), flags.sort)
    sigmas = order.sigmas()
    with replacing(out / "sorted.json") as new:
        new.write_text(json.dumps({
            "model": flags.model, "direction": direction.name, "how": direction.how,
            "mean": order.mean, "deviation": order.deviation,
            "pictures": [{"input": names[i], "projection": round(float(order.projections[i]), 6),
                          "sigmas": round(float(sigmas[i]), 4)} for i in order.ranked],
            "skipped": skipped,
        }, indent=2) + "\n", encoding="utf-8")
    return {"status": "incomplete" if skipped else "done", "model": flags.model,
            "pictures": len(names), "skipped": skipped, "directions": [direction.name],
            "output": str(out)}
