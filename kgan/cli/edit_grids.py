"""`tools/edit --between`, `--arithmetic` and `--sort`: ways, sums of codes, orders.

An end of a way, or a term of a sum, is a picture, a file FILE.npy that holds a code, or a whole
number: the code that is drawn with that seed. A sum is that of vectors, as of DCGAN (Radford, Metz,
Chintala 2015, figure 7) and of "Photoshop 2.0" (Roman Roman, Yang, Zhang).
"""

import json
import pathlib
import time
from collections.abc import Callable
from dataclasses import dataclass

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
    def path(model):
        return model.path if flags.path == "auto" else flags.path

    digits = len(str(flags.steps - 1))
    return _edit(flags, _Kind(
        "between", ("steps", "path"), ends, texts=list, text=" ".join,
        stem=lambda pair: "_to_".join(map(_stem, pair)),
        parts=[f"{i:0{digits}}" for i in range(flags.steps)],
        about=lambda model: {"path": path(model), "steps": flags.steps},
        row=lambda coder, pair: _way(coder, pair, flags.steps, path(coder.model)),
    ))


def edit_arithmetic(flags, sums):
    """Does what the flags of `tools/edit` with `--arithmetic` say.

    Args:
        flags: the parsed flags.
        sums: [[(sign "+" or "-", text)]], see `kgan.cli.edit_flags.sums_of`.

    Returns:
        What the tool prints.

    Raises:
        UsageError: flags that do not go with it, or the same name twice.
        UserError: a term that is not there, or of another model.
    """
    words = {"+": "_plus_", "-": "_minus_"}
    return _edit(flags, _Kind(
        "arithmetic", (), sums, texts=lambda terms: [text for _, text in terms],
        text=lambda terms: " ".join(word for term in terms for word in term)[2:],
        stem=lambda terms: "".join(words[sign] + _stem(text) for sign, text in terms)[6:],
        parts=["result"], about=lambda model: {}, row=_sum,
    ))


@dataclass(frozen=True)
class _Kind:
    """What is made of several codes.

    Attributes:
        flag: that asks for it.
        heeds: flags that only this kind heeds.
        asked: what is to do.
        texts, text, stem: of one of `asked`: its ends or terms; it in a line; its file's name.
        parts: ends of the names of the files that `--separate` adds.
        about: of a model, what the journal and the tool say of all strips.
        row: (coder, one of `asked`) -> ([(picture, caption)] of the strip, pictures of `parts`).
    """

    flag: str
    heeds: tuple
    asked: list
    texts: Callable
    text: Callable
    stem: Callable
    parts: list
    about: Callable
    row: Callable


def _edit(flags, kind):
    out, jobs = _jobs(flags, kind)
    results = Results(jobs, overwrite=flags.overwrite, files=lambda s: [s, *_files(flags, kind, s)])
    quiet()
    coder = coder_of(flags)
    about = kind.about(coder.model)
    journal = Journal(out / "edits.json", {
        "model": flags.model, "generator": coder.generator, **about, **descent(coder, flags),
    }, flags.overwrite)
    begun = time.perf_counter()
    for one, strip in results.left:
        with results.attempt(kind.text(one), strip):
            shown, made = kind.row(coder, one)
            pictures, captions = zip(*shown, strict=True)
            lines = [[caption] for caption in captions]
            write_png(strip, np.asarray(draw_strip(np.stack(pictures), lines)))
            files = _files(flags, kind, strip)
            for file, picture in zip(files, made, strict=False):
                write_png(file, picture)
            said = list(one) if kind.flag == "between" else kind.text(one)
            journal.add({kind.flag: said, "strip": strip.name, "files": [f.name for f in files]})
    found = results.summary()
    journal.write(results.skipped)
    return {**found, "model": flags.model, **about, "output": str(out),
            "seconds": round(time.perf_counter() - begun, 2)}


def _jobs(flags, kind):
    """(the folder, [(one of what is asked, strip)]), checked."""
    given = others(flags, kind.flag, *kind.heeds, "separate", *DESCENT)
    if given or not flags.output:
        heeded = ", ".join(f"--{name}" for name in ("output", *kind.heeds))
        raise UsageError(f"--{kind.flag} takes {heeded}, --separate and descent alone"
                         f"{f', not --{given[0]}' if given else ''}; see tools/edit --help.")
    out = pathlib.Path(flags.output)
    if out.exists() and not out.is_dir():
        raise UserError(f"--output {out} is no folder.")
    texts = [text for one in kind.asked for text in kind.texts(one)]
    for text in texts:
        if not pathlib.Path(text).is_file() and not text.isdecimal():
            raise UserError(f"There is no picture {text}, and it is no number of a drawn code.")
    jobs = [(one, out / f"{kind.stem(one)}.png") for one in kind.asked]
    if len({strip for _, strip in jobs}) < len(jobs):
        raise UsageError(f"Two --{kind.flag} would be written to one file: give them other names.")
    results = [file for _, strip in jobs for file in (strip, *_files(flags, kind, strip))]
    refuse_replacing(results, [pathlib.Path(text) for text in texts])
    return out, jobs


def _files(flags, kind, strip):
    """What `--separate` adds to a strip."""
    return [strip.with_name(f"{strip.stem}.{part}.png") for part in kind.parts if flags.separate]


def _stem(text):
    return pathlib.Path(text).stem


def _way(coder, pair, steps, path):
    (first, a), (last, b) = (_end(coder, text) for text in pair)
    made = coder.decode(interpolated(a, b, steps, path))
    captions = [f"{share:.2f}" for share in np.linspace(0, 1, steps)]
    row = [(first, "input"), *zip(made, captions, strict=True), (last, "input")]
    return [cell for cell in row if cell[0] is not None], made


def _sum(coder, terms):
    pictures, codes = zip(*(_end(coder, text) for _, text in terms), strict=True)
    signs = np.array([1.0 if sign == "+" else -1.0 for sign, _ in terms], np.float32)
    total = signs @ np.stack(codes)
    *made, result = coder.decode(np.stack([*codes, total]))
    inputs = [(picture, "input") for picture in pictures if picture is not None]
    shown = [(x, f"{sign} {_stem(text)}") for x, (sign, text) in zip(made, terms, strict=True)]
    return [*inputs, *shown, (result, "result")], [result]


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


def sort_pictures(coder, flags, direction, batches, out, skipped, labels=None):
    """Draws pictures in the order of a direction: `sorted.png` and `sorted.json`.

    Args:
        coder: a `kgan.models.codec.Coder`.
        flags: the parsed flags of `tools/edit`.
        direction: a `kgan.editing.directions.Direction`.
        batches: yields (strips, sources or None, uint8 pictures or None, codes).
        out: the folder.
        skipped: `{picture: reason}`, complete when `batches` is through.
        labels: of all pictures, see `kgan.editing.grids.Order`.

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
    order = Order.of(direction, np.concatenate(codes), labels)
    order.draw(out / "sorted.png", np.concatenate(pictures), flags.sort)
    sigmas = order.sigmas()
    labelled = labels is not None
    told = {"data": flags.data} if flags.data else {}
    tails = {"tails": order.disagreeing()} if labelled else {}
    with replacing(out / "sorted.json") as new:
        new.write_text(json.dumps({
            "model": flags.model, "direction": direction.name, "how": direction.how,
            **told, **tails, "mean": order.mean, "deviation": order.deviation,
            "pictures": [{"input": names[i], "projection": round(float(order.projections[i]), 6),
                          "sigmas": round(float(sigmas[i]), 4),
                          **({"label": bool(labels[i])} if labelled else {})}
                         for i in order.ranked],
            "skipped": skipped,
        }, indent=2) + "\n", encoding="utf-8")
    return {"status": "incomplete" if skipped else "done", "model": flags.model,
            "pictures": len(names), "skipped": skipped, "directions": [direction.name],
            **tails, "output": str(out)}
