"""`tools/edit`: strips of a picture, its reconstruction and its edits, made by moving its code.

The code of a picture comes from the model's encoder, from descent, or from one after the other
(`kgan.models.codec`); directions come with the model, from files, or from reference pictures
(`kgan.editing.strips`), which are encoded without descent if there is an encoder.
"""

import contextlib
import math
import pathlib
import sys
import time

import numpy as np

from kgan.cli.edit_grids import edit_between, sort_pictures
from kgan.cli.edit_labels import edit_labels
from kgan.cli.edit_objects import edit_objects
from kgan.cli.flags import Flags, expanded
from kgan.cli.journal import Journal
from kgan.cli.results import Results, refuse_replacing
from kgan.cli.translate import jobs_of
from kgan.core import registry
from kgan.core.batches import parts
from kgan.core.devices import quiet
from kgan.core.errors import UsageError, UserError, printable
from kgan.core.process import tool
from kgan.editing.directions import LONGEST, Direction
from kgan.editing.drawing import plot
from kgan.editing.grids import PATHS, Panel
from kgan.editing.inversion import METHODS
from kgan.editing.strips import LENGTH, SAFE, Edits, from_pictures, from_populations, without_others
from kgan.models.encoding import BATCH
from kgan.models.latent import LatentGAN
from kgan.models.source import resolve

ABOUT = """Edit pictures by moving their codes along directions: for each a strip of itself, its
reconstruction and its edits. Pictures are cut to their central square and resized to the model's
size, as for training. A result that exists already stays, unless --overwrite."""


@tool
def main(arguments):
    flags = _flags()
    words = flags.parse(arguments, positional=None)
    if flags.object:
        return edit_objects(flags)
    if flags.label:
        return edit_labels(flags)
    _check_kind(flags.model)
    if flags.between:
        return edit_between(flags, _pairs(flags.between, words, "between"))
    pairs = _pairs(flags.pair, words)
    folders = [f for f in (flags.without, flags.values["with"].value) if f]
    named = [_factored(text) for text in _listed(flags.direction)]
    others = [_named(text) for text in _listed(flags.orthogonal)]
    ks = _ks(flags.k or _far(flags.model))
    _check(flags, pairs, folders, named, ks)
    out = pathlib.Path(flags.output)
    jobs = _jobs(flags, out)
    references = [_pictures(folder) for folder in folders]
    _check_places(flags, jobs, [*references, *pairs], ks, out)
    results = Results(jobs, overwrite=flags.overwrite or flags.sort > 0,
                      files=lambda strip: [strip, *_files(flags, ks, strip)])
    quiet()
    return _edit(flags, results, (named, others, pairs, references), ks, out)


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
    flags.add("label", [], "of models that make pictures by labels, as icgan or cgan: NAME=1 sets "
              "a label, NAME=0 takes it away, several joined by commas; each --label is a picture "
              "of the strip, instead of directions")
    flags.add("pair", [], "two pictures, A B or A,B: the direction from the one without something"
              " to the one with it; the mean of several --pair")
    flags.add("without", None, "folder of pictures without something, for --k safe and --plot; if "
              "there is no direction, it is made of these folders, of their mean codes")
    flags.add("with", None, "folder of pictures with it")
    flags.add("name", "pair", "of the direction that is made of pictures")
    flags.add("orthogonal", None, "NAME or FILE.npz of directions that are taken out of the others")
    flags.add("save", None, "FILE.npz to keep the direction in")
    flags.add("plot", False, "draw where the pictures of --without and --with lie: projections.svg")
    flags.add("k", None, "how far, in units of codes, joined by commas; or length: once the whole "
              "difference between codes without and with it; or safe: for each picture to where "
              "pictures with the attribute are, the least, their middle, the most; default: length "
              f"for the encoders of Photoshop 2.0, as they did, else {LatentGAN.far}")
    flags.add("n_sigma", 2.0, "how many deviations from the middle are safe", low=0)
    flags.add("refine", 0, "steps of descent on the codes of --input, from the encoder's codes or, "
              "without an encoder, from random ones (then of reference pictures, too)", low=0)
    flags.add("method", "none", "what descent does about codes that leave the prior's range "
              "(standard: clip, stochastic: draw again), or prior: RMSProp with a price on "
              "unlikely codes", choices=METHODS)
    flags.add("rate", 0.0, "of descent; 0 = the authors': 1, method prior 0.01", low=0)
    flags.add("seed", 0, "of generated pictures and of descent", low=0)
    flags.add("between", [], "two ends, A B or A,B: pictures, files FILE.npy of a code, or numbers,"
              " the codes drawn with these seeds: a strip of the way from one to the other")
    flags.add("steps", 8, "pictures of such a way, both ends among them", low=2)
    flags.add("path", "auto", "of such a way: on a sphere, or on a line; auto = as codes of the "
              "model lie", choices=("auto", *PATHS))
    flags.add("panel", False, "a grid of each picture with every attribute by itself: those of "
              "--direction, or all that the model knows")
    flags.add("sort", 0, "draw the pictures by their projections on a direction, sorted.png: so "
              "many of the highest, of those nearest to the middle of pictures with the attribute, "
              "and of the lowest", low=0)
    flags.add("object", None, "of models of label maps, as pix2pixhd: the id of an instance that "
              "gets other styles; --input has a folder each of labels/, instances/ and perhaps "
              "photos/, whose styles all else keeps")
    flags.add("style", None, "numbers of styles for --object, joined by commas; default: all that "
              "its class has")
    flags.add("separate", False, "also write each picture of a strip as a file of its own")
    flags.add("overwrite", False, "replace results that exist")
    return flags


def _pairs(values, words, flag="pair"):
    """`--pair`s as [(without, with)]: of A,B both, of A the next of the words that are no flags."""
    pairs, words = [], list(words)
    for value in values:
        found = [value]
        if not pathlib.Path(value).exists() and "," in value:
            found = [expanded(path) for path in value.split(",")]
        elif words:
            found.append(words.pop(0))
        if len(found) != 2 or not all(found) or value.startswith("-"):
            what = "pictures, without and with" if flag == "pair" else "ends"
            raise UsageError(f"--{flag} takes two {what}: --{flag} A B or A,B.")
        pairs.append(tuple(found))
    if words:
        raise UsageError(f"{words[0]!r} is one argument too many; see tools/edit --help.")
    return pairs


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
    return [expanded(word) for word in (text or "").split(",") if word]


def _far(name):
    """What `--k` is unless it is said, as a model says."""
    return registry.entry(resolve(name).name).model.far


def _ks(text):
    """`SAFE`, `LENGTH`, or numbers other than 0, which is shown anyway, each once."""
    if text in ("safe", "length"):
        return SAFE if text == "safe" else LENGTH
    try:
        ks = [float(k) for k in text.split(",")]
    except ValueError:
        ks = [math.nan]
    if not all(map(math.isfinite, ks)):
        raise UsageError(f"--k {text} is neither safe nor numbers joined by commas, as -2,2,4, "
                         "nor length.")
    return tuple({f"{k:+g}": k for k in ks if k}.values())


def _check(flags, pairs, folders, named, ks):
    """Refuses what is wrong only together."""
    count = len(named) + bool(pairs)
    wrong = {
        "Say --output and either --input or --samples; see tools/edit --help.":
            bool(flags.input) == bool(flags.samples) or not flags.output,
        "Say what to edit: --direction NAME or FILE.npz, --pair A B, --without FOLDER --with "
        "FOLDER, or of models of labels --label NAME=1.":
            not count and not folders and not flags.panel,
        "--panel and --sort are two things: say one.": flags.panel and flags.sort > 0,
        "--sort is by one direction: give one.": flags.sort > 0 and count + bool(folders) > 1,
        "--panel and --sort write no separate pictures.":
            flags.separate and (flags.panel or flags.sort > 0),
        "--sort draws pictures as they are: leave --k out.": flags.sort > 0 and bool(flags.k),
        "--without and --with go together.": len(folders) == 1,
        "--without and --with are about one direction: give one.": bool(folders) and count > 1,
        "--save keeps one direction: give one.": bool(flags.save) and count > 1,
        "--plot needs pictures: --without FOLDER --with FOLDER.": flags.plot and not folders,
        "--k safe says how far to go: give directions without a factor.":
            ks == SAFE and any(factor != 1 for _, factor in named),
        "--refine is for pictures that are given, not for --samples.":
            bool(flags.samples and flags.refine) and not pairs and not folders,
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


def _jobs(flags, out):
    """[(picture or None, strip)]."""
    if flags.samples:
        digits = len(str(flags.samples - 1))
        return [(None, out / f"sample_{i:0{digits}}.png") for i in range(flags.samples)]
    return jobs_of(pathlib.Path(flags.input), out)


def _files(flags, ks, strip):
    return Edits([], ks, separate=flags.separate).files(strip)


def _check_places(flags, jobs, references, ks, out):
    """Refuses to write where there is no folder, or over what is read."""
    if out.exists() and not out.is_dir():
        raise UserError(f"--output {out} is no folder.")
    results = [path for _, strip in jobs for path in (strip, *_files(flags, ks, strip))]
    results = [out / "sorted.png"] if flags.sort else results
    read = [picture for picture, _ in jobs if picture]
    refuse_replacing(results, [*read, *(pathlib.Path(p) for side in references for p in side)])
    named = [*_listed(flags.direction), *_listed(flags.orthogonal)]
    files = [pathlib.Path(text[: text.rindex(".npz") + 4]) for text in named if ".npz" in text]
    refuse_replacing([pathlib.Path(flags.save)] if flags.save else [], files)


def _check_kind(name):
    """Refuses a name whose model has no codes, before TensorFlow is loaded."""
    from kgan.models.codec import refuse_without_codes

    refuse_without_codes(registry.entry(resolve(name).name).model, name)


def _edit(flags, results, given, ks, out):
    from kgan.models.codec import Coder
    from kgan.models.weights import load

    coder = Coder(load(flags.model, weights="required"), refine=flags.refine, method=flags.method,
                  rate=flags.rate, seed=flags.seed)
    begun = time.perf_counter()
    steps, populations = _steps(coder, flags, *given)
    if flags.sort:
        return _sort(coder, flags, steps[0][0], results, out)
    edits = (Panel if flags.panel else Edits)(steps, ks, flags.n_sigma, flags.separate)
    journal = Journal(out / "edits.json", {
        "model": flags.model, "generator": coder.generator, "directions": edits.described(),
        "k": ks[0] if ks == LENGTH else "safe" if edits.safe else list(ks),
        "n_sigma": flags.n_sigma, "refine": flags.refine, "method": flags.method,
        "rate": coder.rate, "seed": flags.seed,
    }, flags.overwrite)
    if flags.save:
        with _writing(out):
            _save(steps[0][0], pathlib.Path(flags.save), flags.overwrite)
    code = None
    for strips, sources, shown, codes in _batches(coder, flags, results):
        source = dict(zip(strips, sources, strict=True))
        records = edits.write(coder, codes, strips, shown, lambda strip, source=source: (
            results.attempt(source[strip] or strip.name, strip)))
        for record in records:
            strip = record.pop("target")
            names = [str(p.relative_to(out)) for p in (strip, *edits.files(strip))]
            journal.add({"input": source[strip], "strip": names[0], "files": names[1:], **record})
        with _writing(out):
            journal.write(results.skipped)
        code = codes[0] if results.total == 1 else None
    found = results.summary()
    drawing = out / "projections.svg"
    with _writing(out):
        journal.write(results.skipped)
        if flags.plot and (flags.overwrite or not drawing.exists()):
            plot(steps[0][0], *populations, drawing, code, flags.n_sigma)
    errors = [record["mae"] for record in journal.added if record["mae"] is not None]
    return {
        **found, "model": flags.model, "directions": [d.name for d, _ in steps],
        "mae": round(float(np.mean(errors)), 6) if errors else None, "output": str(out),
        "seconds": round(time.perf_counter() - begun, 2),
    }


def _sort(coder, flags, direction, results, out):
    with _writing(out):
        return sort_pictures(coder, flags, direction, _batches(coder, flags, results), out,
                             results.skipped)


def _known(coder):
    """The names of all directions of a model."""
    found = list(coder.model.attributes) if coder.encoder else []
    if not found:
        raise UserError(f"{coder.model.name_in_zoo} has no directions of its own: give --panel some"
                        " by --direction.")
    return found


def _save(direction, path, overwrite):
    """Keeps a direction; the same one may be there already."""
    if path.exists() and not overwrite:
        known = Direction.load(path)
        if (known.name, known.generator) != (direction.name, direction.generator) or not (
            np.allclose(known.vector, direction.vector, atol=1e-4)
        ):
            raise UserError(f"{path} holds another direction: choose another --save or say "
                            "--overwrite.")
        return
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


def _batches(coder, flags, results):
    """Yields (strips, sources, pictures or None, codes) of what is left to do."""
    if flags.samples:
        codes = coder.model.codes(flags.samples, flags.seed).numpy()
        left = {strip for _, strip in results.left}
        rows = [(i, strip) for i, (_, strip) in enumerate(_jobs(flags, pathlib.Path(flags.output)))
                if strip in left]
        for some in parts(rows, BATCH):
            chosen, strips = zip(*some, strict=True)
            yield list(strips), [None] * len(strips), None, codes[list(chosen)]
        return
    strips = dict(results.left)
    for paths, shown, codes in coder.read_all([path for path, _ in results.left], results.skip):
        yield [strips[path] for path in paths], [str(path) for path in paths], shown, codes


@contextlib.contextmanager
def _writing(out):
    try:
        yield
    except OSError as error:
        place = error.filename or out
        raise UserError(f"{place} cannot be written: {error.strerror}.") from None
