"""`tools/edit`: strips of a picture, its reconstruction and its edits, made by moving its code.

The code of a picture comes from the model's encoder, from descent, or from one after the other
(`kgan.coder`); directions come with the model, from files, or from reference pictures
(`kgan.edits`), which are encoded without descent if there is an encoder.
"""

import contextlib
import json
import math
import pathlib
import time

import numpy as np

from kgan import registry
from kgan.cli.flags import Flags, tool
from kgan.cli.translate import jobs_of
from kgan.editing.directions import Direction, plot
from kgan.editing.inversion import METHODS
from kgan.edits import SAFE, Edits, from_pictures, from_populations, without_others
from kgan.encoder import BATCH
from kgan.errors import UsageError, UserError
from kgan.machine import quiet
from kgan.paths import replacing
from kgan.source import resolve

ABOUT = """Edit pictures by moving their codes along directions: for each a strip of itself, its
reconstruction and its edits. Pictures are cut to their central square and resized to the model's
size, as for training. A result that exists already stays, unless --overwrite."""


@tool
def main(arguments):
    pairs, arguments = _pairs(arguments)
    flags = _flags()
    flags.parse(arguments)
    folders = [f for f in (flags.without, flags.values["with"].value) if f]
    named = [_factored(text) for text in _listed(flags.direction)]
    others = [_named(text) for text in _listed(flags.orthogonal)]
    ks = _ks(flags.k)
    _check(flags, pairs, folders, named, ks)
    out = pathlib.Path(flags.output)
    jobs = _jobs(flags, out)
    references = [_pictures(folder) for folder in folders]
    _check_free(flags, jobs, ks, out)
    _check_kind(flags.model)
    quiet()
    return _edit(flags, jobs, (named, others, pairs, references), ks, out)


def _flags():
    flags = Flags("edit", ABOUT, "tools/edit --model runs/codes --input faces --output out "
                  "--direction Smiling --k safe")
    flags.add("model", "crg_encoder", "an encoder or a generator: a name of the zoo, or the folder "
              "of a run or of an export")
    flags.add("input", None, "a picture or a folder of pictures (searched to the bottom)")
    flags.add("samples", 0, "edit so many generated pictures instead", low=0)
    flags.add("output", None, "folder of the strips and of edits.json; made if it does not exist")
    flags.add("direction", None, "NAME or FILE.npz, several joined by commas are added up; NAME:-1 "
              "goes the other way, NAME:0.5 half as far")
    flags.add("pair", None, "two pictures, A B or A,B: the direction from the one without something"
              " to the one with it; the mean of several --pair")
    flags.add("without", None, "folder of pictures without something, for --k safe and --plot; if "
              "there is no direction, it is made of these folders, of their mean codes")
    flags.add("with", None, "folder of pictures with it")
    flags.add("name", "pair", "of the direction that is made of pictures")
    flags.add("orthogonal", None, "NAME or FILE.npz of directions that are taken out of the others")
    flags.add("save", None, "FILE.npz to keep the direction in")
    flags.add("plot", False, "draw where the pictures of --without and --with lie: projections.svg")
    flags.add("k", "-4,-2,2,4", "how far, in units of codes, joined by commas; or safe: for each "
              "picture to where pictures with the attribute are, the least, their middle, the most")
    flags.add("n_sigma", 2.0, "how many deviations from the middle are safe", low=0)
    flags.add("refine", 0, "steps of descent on the codes of --input, from the encoder's codes or, "
              "without an encoder, from random ones (then of reference pictures, too)", low=0)
    flags.add("method", "none", "what descent does about codes that leave the prior's range "
              "(standard: clip, stochastic: draw again), or prior: RMSProp with a price on "
              "unlikely codes", choices=METHODS)
    flags.add("rate", 0.0, "of descent; 0 = the authors': 1, method prior 0.01", low=0)
    flags.add("seed", 0, "of generated pictures and of descent", low=0)
    flags.add("separate", False, "also write each picture of a strip as a file of its own")
    flags.add("overwrite", False, "replace results that exist")
    return flags


def _pairs(arguments):
    """(`--pair`s as [(without, with)], the other arguments); absl takes one value a flag."""
    pairs, rest, words = [], [], [str(a) for a in arguments]
    while words:
        flag, equals, value = words.pop(0).partition("=")
        if flag not in ("--pair", "-pair"):
            rest.append(flag + equals + value)
            continue
        found = [value] if equals else []
        while not equals and words and not words[0].startswith("-") and len(found) < 2:
            found.append(words.pop(0))
            if len(found) == 1 and not pathlib.Path(found[0]).exists() and "," in found[0]:
                break
        found = found[0].split(",") if len(found) == 1 else found
        if len(found) != 2 or not all(found):
            raise UsageError("--pair takes two pictures, without and with: --pair A B or A,B.")
        pairs.append(tuple(found))
    return pairs, rest


def _factored(text):
    """(a `Direction` of a file or a name, factor) of `NAME`, `FILE.npz` or these with `:FACTOR`."""
    name, _, factor = text.rpartition(":")
    try:
        factor = float(factor) if name else 1.0
    except ValueError:
        name, factor = text, 1.0
    if not math.isfinite(factor) or not factor:
        raise UsageError(f"--direction {text}: the factor must be a number other than 0.")
    return _named(name or text), factor


def _named(text):
    return Direction.load(text) if text.endswith(".npz") else text


def _listed(text):
    return [word for word in (text or "").split(",") if word]


def _ks(text):
    """`SAFE`, or numbers other than 0, which is shown anyway, each once."""
    if text == "safe":
        return SAFE
    try:
        ks = [float(k) for k in text.split(",")]
    except ValueError:
        ks = [math.nan]
    if not all(map(math.isfinite, ks)):
        raise UsageError(f"--k {text} is neither safe nor numbers joined by commas, as -2,2,4.")
    return tuple({f"{k:+g}": k for k in ks if k}.values())


def _check(flags, pairs, folders, named, ks):
    """Refuses what is wrong only together."""
    count = len(named) + bool(pairs)
    wrong = {
        "Say --output and either --input or --samples; see tools/edit --help.":
            bool(flags.input) == bool(flags.samples) or not flags.output,
        "Say what to edit: --direction NAME or FILE.npz, --pair A B, or --without FOLDER --with "
        "FOLDER.": not count and not folders,
        "--without and --with go together.": len(folders) == 1,
        "--without and --with are about one direction: give one.": bool(folders) and count > 1,
        "--save keeps one direction: give one.": bool(flags.save) and count > 1,
        "--plot needs pictures: --without FOLDER --with FOLDER.": flags.plot and not folders,
        "--k safe says how far to go: give directions without a factor.":
            ks == SAFE and any(factor != 1 for _, factor in named),
        "--refine is for pictures that are given, not for --samples.":
            bool(flags.samples and flags.refine) and not pairs and not folders,
        f"--name {flags.name!r} is no name.":
            not flags.name.strip() or not flags.name.isprintable(),
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


def _jobs(flags, out):
    """[(picture or None, strip)]."""
    if flags.samples:
        digits = len(str(flags.samples - 1))
        return [(None, out / f"sample_{i:0{digits}}.png") for i in range(flags.samples)]
    jobs = jobs_of(pathlib.Path(flags.input), out)
    sources = {picture.resolve() for picture, _ in jobs}
    if any(target.resolve() in sources for _, target in jobs):
        raise UsageError("Strips would replace the pictures: choose another --output.")
    return jobs


def _check_free(flags, jobs, ks, out):
    """Refuses to write over what is there."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--output {out} is no folder.")
    files = Edits([], ks, separate=flags.separate).files
    results = [path for _, target in jobs for path in (target, *files(target))]
    results += [out / "edits.json"] + [out / "projections.svg"] * flags.plot
    results += [pathlib.Path(flags.save)] if flags.save else []
    there = [path for path in results if path.exists()]
    if there and not flags.overwrite:
        raise UserError(f"{len(there)} of {len(results)} results exist already, such as {there[0]}:"
                        " choose another --output or say --overwrite.")


def _check_kind(name):
    """Refuses a name whose model has no codes, before TensorFlow is loaded."""
    from kgan.coder import refuse_without_codes

    refuse_without_codes(registry.entry(resolve(name).name).model, name)


def _edit(flags, jobs, given, ks, out):
    from kgan.coder import Coder
    from kgan.weights import load

    coder = Coder(load(flags.model, weights="required"), refine=flags.refine, method=flags.method,
                  rate=flags.rate, seed=flags.seed)
    begun, skipped = time.perf_counter(), []
    steps, populations = _steps(coder, flags, *given, skipped)
    edits = Edits(steps, ks, flags.n_sigma, flags.separate)
    pictures = []
    for targets, sources, shown, codes in _batches(coder, flags, jobs, skipped):
        with _writing(out):
            records = edits.write(coder, codes, targets, shown)
        for target, source, record in zip(targets, sources, records, strict=True):
            names = [str(p.relative_to(out)) for p in (target, *edits.files(target))]
            pictures.append({"input": source, "strip": names[0], "files": names[1:], **record})
    with _writing(out):
        with replacing(out / "edits.json") as new:
            new.write_text(json.dumps({
                "model": flags.model, "generator": coder.generator,
                "directions": edits.described(), "k": "safe" if edits.safe else ks,
                "n_sigma": flags.n_sigma, "refine": flags.refine, "method": flags.method,
                "rate": coder.rate, "seed": flags.seed, "pictures": pictures, "skipped": skipped,
            }, indent=2) + "\n", encoding="utf-8")
        if flags.plot:
            code = codes[0] if len(jobs) == 1 else None
            plot(steps[0][0], *populations, out / "projections.svg", code, flags.n_sigma)
        if flags.save:
            steps[0][0].save(flags.save)
    errors = [picture["mae"] for picture in pictures if picture["mae"] is not None]
    return {
        "status": "done", "model": flags.model, "directions": [d.name for d, _ in steps],
        "edited": len(pictures), "mae": round(float(np.mean(errors)), 6) if errors else None,
        "skipped": skipped, "output": str(out), "seconds": round(time.perf_counter() - begun, 2),
    }


def _steps(coder, flags, named, others, pairs, references, skipped):
    """([(`Direction`, factor)], codes of --without and --with that may measure it)."""
    steps = [(coder.attribute(name), factor) for name, factor in named]
    others = [coder.attribute(name) for name in others]
    populations = [
        np.concatenate([codes for *_, codes in coder.read_all(paths, skipped, refine=False)])
        for paths in references
    ]
    if pairs:
        steps.append((from_pictures(coder, pairs, flags.name), 1.0))
    elif not steps:
        made, populations = from_populations(coder, *populations, flags.name)
        steps = [(made, 1.0)]
    return [(without_others(d, others, populations), factor) for d, factor in steps], populations


def _batches(coder, flags, jobs, skipped):
    """Yields (strips, sources, pictures or None, codes)."""
    if flags.samples:
        codes = coder.model.codes(flags.samples, flags.seed).numpy()
        for i in range(0, len(codes), BATCH):
            strips = [target for _, target in jobs[i : i + BATCH]]
            yield strips, [None] * len(strips), None, codes[i : i + BATCH]
        return
    targets = dict(jobs)
    for paths, shown, codes in coder.read_all([path for path, _ in jobs], skipped):
        yield [targets[path] for path in paths], [str(path) for path in paths], shown, codes


@contextlib.contextmanager
def _writing(out):
    try:
        yield
    except OSError as error:
        place = error.filename or out
        raise UserError(f"{place} cannot be written: {error.strerror}.") from None
