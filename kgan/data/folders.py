"""Pictures in folders, in one of five layouts.

Two domains (`trainA`, `trainB`, perhaps `testA`, `testB`: the layout of CycleGAN's released data
sets), pairs side by side (`train`, perhaps `test` or `val`, of pictures twice as wide as high, A on
the left: the layout of pix2pix), a folder for each signal with files of the same names
(`kgan.data.aligned`), a folder for each class (asked for with `?layout=classes`, in `train` and
perhaps `test`, or at the top), or one folder of pictures. Where there is no test
folder, about 5 % of the training pictures are held out, each by its name and the seed, see
`kgan.data.split`. What counts as a picture, and which folders are left out: `kgan.data.listing`.
Pictures are cut to a square, or to the shape that a signal declares, see `kgan.data.pictures`, and
decoded once, see `kgan.data.scan`.
"""

import os
import pathlib

import numpy as np

from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import nearest
from kgan.data import pictures, scan
from kgan.data.aligned import AB, looks_aligned, open_aligned, test_folder
from kgan.data.pictures import BrokenPicture, printable
from kgan.data.reader import Reader
from kgan.data.signals import pictures_of

LAYOUTS = ("domains", "paired", "single", "classes", "folders")
TREE = """expected one of
  trainA/ trainB/ [testA/ testB/]   two sets of pictures, not paired
  train/ [test/ or val/]            each picture twice as wide as high: A left, B right
  [train/]A/ [train/]B/ [test/...]  pairs by their names; of other signals folders of their names
  *.jpg, *.png, ...                 one set of pictures, also in folders below
  [train/]CLASS/ ... [test/CLASS/]  labelled pictures, with ?layout=classes"""


def open_folder(rest, *, size, load_size=None, seed=0, bad_images="skip", signals=None):
    """Opens `PATH`, `PATH?layout=domains|paired|single|classes|folders` or `PATH?test=OTHER`.

    Without `layout` it is "domains" if there is a `trainA` or a `trainB`; "folders" if `A` and `B`,
    in `train` or at the top, hold the same names, or if the signals are others than a and b;
    "paired" if there is a `train` whose first 20 readable pictures are all twice as wide as high
    (to 1 %); else "single". In a "paired" layout found that way a picture of another shape counts
    as broken; in one asked for, every picture is split down its middle. `test` names the folder of
    the test pictures of one set, from within `PATH`. Pictures of a `native` signal are one set.

    Args:
        rest: the path and options.
        size: side of the test pictures in pixels.
        load_size: side of the training pictures, at least `size`; None: `size`.
        seed: draws the held-out pictures.
        bad_images: "skip" names and counts broken pictures, "fail" raises.
        signals: what a model declares, a tuple of `kgan.data.signals.Signal`; None: squares.

    Returns:
        `Data` with domains "a" and "b", or "a" alone for "single" and "classes"; with signals, with
        those of them that have pixels, and one alone under its name. A held-out picture is never
        among the training pictures.

    Raises:
        UserError: no such folder, no pictures, or no layout that fits.
        UsageError: an unknown option or value.
    """
    path, options = split_options(rest, {"layout": LAYOUTS, "test": None})
    root = existing_folder(path)
    reader = Reader(size, load_size, seed, bad_images, signals=signals)
    whole = [signal for signal in pictures_of(signals or AB) if not signal.source]
    return _opened(f"folder:{rest}", root, reader, whole, options)


def _opened(spec, root, reader, signals, options):
    """The `Data` of a layout, or of the one that is found."""
    layout, tests = options.get("layout"), options.get("test")
    if tests and layout not in (None, "single"):
        raise UsageError(f"{spec}: test= goes with one set of pictures, not with layout={layout}")
    if tests or (len(signals) == 1 and signals[0].native):
        layout = layout or "single"
    named = len(signals) > 1 and {signal.name for signal in signals} != {"a", "b"}
    if layout == "domains" or (not layout and any((root / f"train{d}").is_dir() for d in "AB")):
        return _domains(spec, root, reader)
    if layout in ("classes", "paired") and (ids := [s for s in signals if s.ids]):
        raise UserError(f"{spec}: layout={layout} holds photographs, and the model takes "
                        f"{ids[0].described()}: give a folder for each signal, layout=folders")
    if layout == "classes":
        return _classes(spec, root, reader)
    if layout == "folders" or (not layout and (named or looks_aligned(root, reader))):
        return open_aligned(spec, root, reader, signals if len(signals) > 1 else AB)
    files = reader.list(root / "train") if (root / "train").is_dir() else {}
    if layout == "paired" or (not layout and _look_paired(files)):
        if not files:
            raise UserError(f"{printable(root)}: no pictures in train/; {TREE}")
        return _paired(spec, root, files, reader, "halves" if layout else "2:1")
    return _single(spec, root, files, reader, tests and existing_folder(str(root / tests)))


def existing_folder(path):
    """The path of a folder that exists, `~` expanded; else a UserError."""
    root = pathlib.Path(os.path.expanduser(path))
    if not path or not root.exists():
        raise UserError(f"{printable(path) or 'folder:'}: no such folder")
    if not root.is_dir():
        raise UserError(f"{printable(path)}: is not a folder")
    return root


def split_options(rest, known):
    """Splits `PATH?key=value&key=value` at the last question mark.

    Args:
        rest: what follows the colon of a data specification.
        known: option -> the values it may take, or None for any.

    Returns:
        The path and a dict of the options given.

    Raises:
        UsageError: an option or value that is not known, with the nearest one; an option given
            twice.
    """
    path, mark, query = rest.rpartition("?")
    if not mark:
        return rest, {}
    options = {}
    for part in query.split("&"):
        key, _, value = part.partition("=")
        if key not in known:
            raise UsageError(f"{printable(rest)}: unknown option {key!r}. {nearest(key, known)}")
        if not value or (known[key] and value not in known[key]):
            values = "|".join(known[key] or ("VALUE",))
            raise UsageError(f"{printable(rest)}: {part!r} should be {key}={values}")
        if key in options:
            raise UsageError(f"{printable(rest)}: {key}= is given twice.")
        options[key] = value
    return path, options


def _domains(spec, root, reader):
    reader.lines.append(f"layout: two domains in {printable(root)}")
    train, test = {}, {}
    for domain in "ab":
        name = domain.upper()
        folder, test_folder = root / f"train{name}", root / f"test{name}"
        if not folder.is_dir():
            raise UserError(f"{printable(root)}: there is no train{name}/; {TREE}")
        train[domain], test[domain] = _train_and_test(folder, test_folder, domain, reader)
    return reader.data(spec, train=train, test=test)


def _train_and_test(folder, test_folder, domain, reader):
    """Images of one domain for training and testing, said in the summary."""
    scanned = reader.read_of(domain, _some(folder, reader), folder)
    test_folder = test_folder if test_folder and test_folder.is_dir() else None
    if test_folder:
        tested = reader.read_of(domain, _some(test_folder, reader), test_folder, True)
        rows = test_rows = None
        files = list(scanned.files), list(tested.files)
    else:
        rows, tested, test_rows, files = reader.split(
            scanned, folder, domain, what=f"domain {domain}"
        )
    reader.say(f"train {domain}", files[0], scanned)
    reader.say(f"test {domain}", files[1], tested, held_out=not test_folder)
    reader.add(f"train {domain}", files[0], scanned, folder)
    reader.add(f"test {domain}", files[1], tested, test_folder or folder)
    return scanned.images(rows), tested.images(test_rows)


def _some(folder, reader):
    files = reader.list(folder)
    if not files:
        raise UserError(f"{printable(folder)}: no pictures in it; {TREE}")
    return files


def _look_paired(files):
    sizes = []
    for file in files:
        try:
            sizes.append(pictures.picture_size(file))
        except BrokenPicture:
            continue
        if len(sizes) == 20:
            break
    return bool(sizes) and all(map(scan.is_pair, sizes))


def _paired(spec, root, files, reader, pairs):
    reader.lines.append(
        f"layout: pairs side by side in {printable(root)} (if they are none: ?layout=single)"
    )
    folder, tests = root / "train", test_folder(root)
    scanned = reader.read(files, folder, reader.sides("a"), pairs)
    if tests:
        tested = reader.read(_some(tests, reader), tests, reader.sides("a", True), pairs)
        rows = test_rows = None
        named = list(scanned.files), list(tested.files)
    else:
        rows, tested, test_rows, named = reader.split(scanned, folder, "a", pairs=pairs)
        reader.held_out["b"] = reader.held_out["a"]
    reader.say("train pairs", named[0], scanned)
    reader.say("test pairs", named[1], tested, held_out=not tests)
    reader.add("train pairs", named[0], scanned, folder)
    reader.add("test pairs", named[1], tested, tests or folder)
    return reader.data(
        spec,
        train={domain: scanned.images(rows, part) for part, domain in enumerate("ab")},
        test={domain: tested.images(test_rows, part) for part, domain in enumerate("ab")},
        paired=True,
    )


def _single(spec, root, train_files, reader, tests):
    reader.lines.append(f"layout: one set of pictures in {printable(root)}")
    folder, beside = (root / "train", test_folder(root)) if train_files else (root, None)
    train, test = _train_and_test(folder, tests or beside, "a", reader)
    return reader.data(spec, train={"a": train}, test={"a": test})


def _classes(spec, root, reader):
    """Pictures labelled by the folder that they lie in."""
    reader.lines.append(f"layout: a folder for each class in {printable(root)}")
    top = root / "train" if (root / "train").is_dir() else root
    tests = test_folder(root) if top != root else None
    scanned = reader.read(_some(top, reader), top, reader.sides("a"))
    if tests:
        tested = reader.read(_some(tests, reader), tests, reader.sides("a", True))
        rows = test_rows = None
        named = list(scanned.files), list(tested.files)
    else:
        rows, tested, test_rows, named = reader.split(scanned, top, "a", what="the folder")
    names = tuple(sorted({_class(file, top) for file in named[0]}))
    if len(names) < 2:
        raise UserError(f"{printable(root)}: needs at least two class folders; {TREE}")
    labels = {
        "train": _class_numbers(named[0], top, names),
        "test": _class_numbers(named[1], tests or top, names),
    }
    reader.say("train", named[0], scanned)
    reader.say("test", named[1], tested, held_out=not tests)
    reader.add("train", named[0], scanned, top, labels["train"].tolist())
    reader.add("test", named[1], tested, tests or top, labels["test"].tolist())
    reader.lines.append(f"{len(names)} classes: {', '.join(names[:12])}{', …' * (len(names) > 12)}")
    return reader.data(
        spec, train={"a": scanned.images(rows)}, test={"a": tested.images(test_rows)},
        labels=labels, label_names=names, exclusive=True,
    )


def _class(file, top):
    parts = pathlib.Path(file).relative_to(top).parts
    return parts[0] if len(parts) > 1 else ""


def _class_numbers(files, top, names):
    """int64 [n]: the place in `names` of each file's class."""
    places = {name: place for place, name in enumerate(names)}
    found = [places.get(_class(file, top)) for file in files]
    if None in found or "" in places:
        file = files[found.index(None)] if None in found else next(
            f for f in files if not _class(f, top)
        )
        raise UserError(f"{printable(file)}: lies in no class folder that is in training too; "
                        f"{TREE}")
    return np.array(found, np.int64)
