"""The flags of `tools/edit`, and what their texts mean."""

import math
import pathlib
import re

from kgan.cli.flags import Flags, expanded
from kgan.core.errors import UsageError
from kgan.editing.directions import Direction
from kgan.editing.grids import PATHS
from kgan.editing.inversion import FEATURE_WEIGHT, METHODS
from kgan.editing.strips import LENGTH, SAFE
from kgan.models.latent import LatentGAN

COMMON = ("model", "output", "overwrite")  # what every kind of edit heeds
DESCENT = ("refine", "method", "rate", "reference", "feature_weight", "seed")
NEEDS = {  # flags that nothing heeds but beside one of these
    "steps": ("between", "strokes"), "path": ("between", "strokes"),
    "candidates": ("strokes",), "edit_steps": ("strokes",), "stay": ("strokes",),
    "transfer": ("strokes",), "style": ("object",),
    "method": ("refine",), "rate": ("refine",), "feature_weight": ("reference",),
    "name": ("pair", "without"), "n_sigma": ("direction", "without", "panel"),
    "data": ("direction", "panel"),
}

ABOUT = """Edit pictures by moving their codes, along directions or by strokes: for each a strip of
itself, its reconstruction and its edits. Pictures are cut to their central square and resized to
the model's size, as for training. A result that exists already stays, unless --overwrite."""


def edit_flags():
    """The `Flags` of `tools/edit`."""
    flags = Flags("edit", ABOUT, "tools/edit --model runs/codes --input faces --output out "
                  "--direction Smiling --k safe")
    flags.add("model", "crg_encoder", "an encoder or a generator: a name of the zoo, or the folder "
              "of a run or of an export")
    flags.add("input", None, "a picture or a folder of pictures (searched to the bottom)")
    flags.add("samples", 0, "edit so many generated pictures instead", low=0)
    flags.add("output", None, "folder of the strips and of edits.json; made if it does not exist")
    flags.add("direction", None, "NAME or FILE.npz, several joined by commas are added up; NAME:-1 "
              "goes the other way, NAME:0.5 half as far")
    flags.add("data", None, "labelled pictures, as celeba:PATH?labels=Smiling,Male: the directions "
              "of their labels, for --direction, before those of the model; with --sort and without"
              " --input, its held-out pictures are sorted")
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
              "unlikely codes, or iGAN's lbfgs, at most --refine steps, and adam", choices=METHODS)
    flags.add("rate", 0.0, "of descent; 0 = the authors': 1, method prior 0.01, adam 0.1", low=0)
    flags.add("reference", "", "network whose features descent heeds beside pixels, as --reference "
              "of tools/train; default: none")
    flags.add("feature_weight", FEATURE_WEIGHT, "of them", low=0)
    flags.add("seed", 0, "of generated pictures and of descent", low=0)
    flags.add("between", [], "two ends, A B or A,B: pictures, files FILE.npy of a code, or numbers,"
              " the codes drawn with these seeds: a strip of the way from one to the other")
    flags.add("steps", 8, "pictures of such a way, both ends among them; of --strokes, too (iGAN: "
              "16)", low=2)
    flags.add("path", "auto", "of such a way: on a sphere, or on a line; auto = as codes of the "
              "model lie", choices=("auto", *PATHS))
    flags.add("arithmetic", [], 'a sum of codes, as "a.png - b.png + c.png", in quotation marks, '
              "with a blank on each side of + and -; terms are as the ends of --between: a row of "
              "them, their reconstructions and the result")
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
    flags.add("strokes", None, "FILE.json, what is painted on each picture: a list of strokes, "
              'as {"tool": "colour", "colour": "#a01010", "points": [[0.3, 0.2], [0.7, 0.2]], '
              '"radius": 0.05}, {"tool": "sketch", "points": ...}, {"tool": "warp", "from": [0.5, '
              '0.7], "to": [0.5, 0.6]}; places are shares of the central square\'s side')
    flags.add("candidates", 16, "codes that --strokes tries for each picture, of which the best is "
              "taken (iGAN: 64)", low=1)
    flags.add("edit_steps", 100, "of descent for --strokes", low=0)
    flags.add("stay", 5.0, "what --strokes pays for leaving the picture's code", low=0)
    flags.add("transfer", True, "do the edit of --strokes to the pictures of --input at their full "
              "size, by flow and colours; --notransfer leaves it out")
    flags.add("separate", False, "also write each picture of a strip as a file of its own")
    flags.add("overwrite", False, "replace results that exist")
    return flags


def others(flags, *heeded):
    """The flags that are said beside `heeded` and `COMMON`, in the order of the help."""
    names = [name for group in flags.headings.values() for name in group]
    return [name for name in names
            if flags.values[name].present and name not in (*COMMON, *heeded)]


def refuse_unheeded(flags):
    """Refuses flags that nothing would heed.

    Raises:
        UsageError: what such a flag needs is not said.
    """
    for name, needs in NEEDS.items():
        if flags.values[name].present and not any(flags.values[need].value for need in needs):
            raise UsageError(f"--{name} does nothing without {' or '.join(f'--{n}' for n in needs)}"
                             ": say that, too, or leave it out; see tools/edit --help.")


def pairs_of(values, words, flag="pair"):
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


def sums_of(values, words):
    """`--arithmetic`s as [[("+" or "-", a term)]]; the first term of each is with "+".

    Raises:
        UsageError: it is no sum of two terms or more, or there are words beside it.
    """
    sums = []
    for value in values:
        # signs stand alone, so that names of files may hold both of them
        first, *rest = re.split(r"\s+([+-])(?=\s|$)", f" {value}")
        terms = [("+", first.strip()), *((s, t.strip()) for s, t in zip(rest[::2], rest[1::2],
                                                                       strict=True))]
        if len(terms) < 2 or words or not all(text for _, text in terms):
            raise UsageError(f'--arithmetic {value}: say a sum in quotation marks, as "a.png - '
                             'b.png + c.png", with a blank on each side of + and -.')
        sums.append([(sign, expanded(text)) for sign, text in terms])
    return sums


def factored(text):
    """(a `Direction` of a file or a name, factor) of `NAME`, `FILE.npz` or these with `:FACTOR`."""
    name, _, factor = text.rpartition(":")
    try:
        factor = float(factor) if name else 1.0
    except ValueError:
        name, factor = text, 1.0
    if not math.isfinite(factor) or not factor:
        raise UsageError(f"--direction {text}: the factor must be a number other than 0.")
    return named_by(name or text), factor


def named_by(text):
    return Direction.load(text) if text.endswith(".npz") else text


def listed(text):
    return [expanded(word) for word in (text or "").split(",") if word]


def ks_of(text):
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
