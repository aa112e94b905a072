"""Pictures in folders, in one of three layouts.

Two domains (`trainA`, `trainB`, perhaps `testA`, `testB`: the layout of CycleGAN's released data
sets), pairs side by side (`train`, perhaps `test` or `val`, of pictures twice as wide as high, A on
the left: the layout of pix2pix), a folder for each class (asked for with `?layout=classes`, in
`train` and perhaps `test`, or at the top), or one folder of pictures. Where there is no test
folder, about 5 % of the training pictures are held out, each by its name and the seed, see
`kgan.data.split`. What counts as a picture, and which folders are left out: `kgan.data.listing`.
Pictures are cut to a square, see `kgan.data.pictures`, and decoded once, see `kgan.data.scan`.
"""

import os
import pathlib

import numpy as np

from kgan.core.errors import UsageError, UserError
from kgan.core.hashing import digest_of
from kgan.core.recipe import nearest
from kgan.data import pictures, scan
from kgan.data.listing import left_out, list_pictures
from kgan.data.pictures import BrokenPicture, printable
from kgan.data.split import hold_out
from kgan.data.types import Data

LAYOUTS = ("domains", "paired", "single", "classes")
TREE = """expected one of
  trainA/ trainB/ [testA/ testB/]   two sets of pictures, not paired
  train/ [test/ or val/]            each picture twice as wide as high: A left, B right
  *.jpg, *.png, ...                 one set of pictures, also in folders below
  [train/]CLASS/ ... [test/CLASS/]  labelled pictures, with ?layout=classes"""


def open_folder(rest, *, size, load_size=None, seed=0, bad_images="skip"):
    """Opens `PATH` or `PATH?layout=domains|paired|single|classes`.

    Without `layout` it is "domains" if there is a `trainA` or a `trainB`; "paired" if there is a
    `train` whose first 20 readable pictures are all twice as wide as high (to 1 %); else "single".
    In a "paired" layout found that way a picture of another shape counts as broken; in one asked
    for, every picture is split down its middle.

    Args:
        rest: the path and options.
        size: side of the test pictures in pixels.
        load_size: side of the training pictures, at least `size`; None: `size`.
        seed: draws the held-out pictures.
        bad_images: "skip" names and counts broken pictures, "fail" raises.

    Returns:
        `Data` with domains "a" and "b", or "a" alone for "single" and "classes". A held-out
        picture is never among the training pictures.

    Raises:
        UserError: no such folder, no pictures, or no layout that fits.
        UsageError: an unknown option or value.
    """
    path, options = split_options(rest, {"layout": LAYOUTS})
    root = existing_folder(path)
    reader = Reader(size, load_size, seed, bad_images)
    layout = options.get("layout")
    if layout == "domains" or (not layout and any((root / f"train{d}").is_dir() for d in "AB")):
        return _domains(f"folder:{rest}", root, reader)
    if layout == "classes":
        return _classes(f"folder:{rest}", root, reader)
    files = reader.list(root / "train") if (root / "train").is_dir() else {}
    if layout == "paired" or (not layout and _look_paired(files)):
        if not files:
            raise UserError(f"{printable(root)}: no pictures in train/; {TREE}")
        return _paired(f"folder:{rest}", root, files, reader, "halves" if layout else "2:1")
    return _single(f"folder:{rest}", root, files, reader)


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
        UsageError: an option or value that is not known, with the nearest one.
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
        options[key] = value
    return path, options


class Reader:
    """Reads sets of files at the wanted sizes and collects what there is to say about them.

    `lines` become the summary of the `Data`; `lazy` says that some pictures are not stored; `found`
    is what the digest of the `Data` is made of; `held_out` are its names held out, by domain.
    """

    def __init__(self, size, load_size, seed, bad_images, box=None):
        load_size = load_size or size
        if size < 1 or load_size < size:
            raise UsageError(f"load_size must be at least size, not {load_size} < {size}")
        self.size, self.load_size, self.seed, self.bad_images = size, load_size, seed, bad_images
        self.lines, self.lazy, self.found, self.held_out = [], False, {}, {}
        self._box, self._places, self._broken, self._dark, self._listings = box, {}, {}, {}, {}

    def list(self, folder):
        """The pictures below a folder, path -> hash; what is left out is noted for the summary."""
        if folder not in self._listings:
            self._listings[folder] = list_pictures(folder, hashed=True)
        return self._listings[folder].files

    def read(self, files, root, size, pairs=None):
        """`scan.scan_pictures` with what is broken noted for the summary."""
        scanned = scan.scan_pictures(
            files, root=root, size=size, pairs=pairs, box=self._box, bad_images=self.bad_images
        )
        if scanned.stored is None:
            self.lazy = True
        else:
            self._places.setdefault(scanned.folder.parent, {})[scanned.folder.name] = None
        self._broken.update({(str(root), name): reason for name, reason in scanned.broken})
        self._dark.update(dict.fromkeys(scanned.dark))
        return scanned

    def split(self, scanned, root, domain, rows=None, pairs=None, what="it"):
        """Holds out some of the pictures of `scanned` (read at `load_size`), or of those at `rows`.

        Returns:
            rows for training; a `Scan` and the rows in it that hold the test pictures at `size`;
            the files of both, in order.
        """
        listed = list(scanned.files)
        rows = np.arange(len(listed)) if rows is None else np.asarray(rows)
        if len(rows) < 2:
            raise UserError(f"{printable(root)}: {what} has fewer than 2 whole pictures")
        names = _names([listed[row] for row in rows], root)
        train, test = hold_out(names, self.seed)
        self.held_out[domain] = tuple(names[row] for row in test)
        train, test = rows[train], rows[test]
        files = [listed[row] for row in train], [listed[row] for row in test]
        if self.size == self.load_size:
            return train, scanned, test, files
        again = self.read({file: scanned.files[file] for file in files[1]}, root, self.size, pairs)
        return train, again, np.arange(len(files[1])), files

    def add(self, part, files, scanned, root, labels=None):
        """Notes what a part, as "train a", consists of, for the digest.

        Args:
            files: its pictures, of those in `scanned`.
            labels: of each, lists or numbers; None: none.
        """
        labels = [None] * len(files) if labels is None else labels
        rows = zip(_names(files, root), files, labels, strict=True)
        self.found[part] = [[name, scanned.files[file], label] for name, file, label in rows]

    def data(self, spec, **parts):
        """The `Data` of what was read."""
        return Data(spec=spec, summary=self.summary(), digest=digest_of(self.found),
                    held_out=dict(self.held_out), **parts)

    def say(self, name, files, scanned, held_out=False):
        """Adds a line on one set of pictures to the summary."""
        small, median, large = (f"{w}x{h}" for w, h in scanned.sizes)
        sizes = f"all {small}" if small == large else f"{small} to {large}, median {median}"
        first = ", ".join(printable(file.name) for file in files[:3])
        held = " held out of train" if held_out else ""
        more = ", ..." if len(files) > 3 else ""
        self.lines.append(f"{name}: {len(files):,} pictures{held} ({sizes}): {first}{more}")

    def summary(self):
        """All lines: what was said, what was skipped, where the pictures are stored."""
        lines = list(self.lines)
        if self._broken:
            named = [f"{printable(n)} ({why})" for (_, n), why in list(self._broken.items())[:5]]
            more = ", ..." if len(self._broken) > 5 else ""
            lines.append(f"skipped {len(self._broken):,} broken: {', '.join(named)}{more}")
        if self._dark:
            lines.append(
                f"nearly black pictures: {len(self._dark):,}, such as "
                f"{printable(next(iter(self._dark)).name)}; if they hold 12-bit values in 16 bits, "
                "scale these first"
            )
        listings = self._listings.values()
        folders = dict.fromkeys(folder for found in listings for folder in found.folders)
        lines += left_out(folders, [*dict.fromkeys(o for found in listings for o in found.others)])
        lines += [
            f"decoded to {cache}: {', '.join(names)}" for cache, names in self._places.items()
        ]
        if self.lazy:
            lines.append("too large for the cache: decoded again at each use")
        return tuple(lines)


def _names(files, root):
    """Names of files relative to a folder, the same on every system."""
    return [os.path.relpath(file, root).replace(os.sep, "/") for file in files]


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
    scanned = reader.read(_some(folder, reader), folder, reader.load_size)
    test_folder = test_folder if test_folder and test_folder.is_dir() else None
    if test_folder:
        tested = reader.read(_some(test_folder, reader), test_folder, reader.size)
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


def _test_folder(root):
    return next((root / name for name in ("test", "val") if (root / name).is_dir()), None)


def _paired(spec, root, files, reader, pairs):
    reader.lines.append(
        f"layout: pairs side by side in {printable(root)} (if they are none: ?layout=single)"
    )
    folder, test_folder = root / "train", _test_folder(root)
    scanned = reader.read(files, folder, reader.load_size, pairs)
    if test_folder:
        tested = reader.read(_some(test_folder, reader), test_folder, reader.size, pairs)
        rows = test_rows = None
        named = list(scanned.files), list(tested.files)
    else:
        rows, tested, test_rows, named = reader.split(scanned, folder, "a", pairs=pairs)
        reader.held_out["b"] = reader.held_out["a"]
    reader.say("train pairs", named[0], scanned)
    reader.say("test pairs", named[1], tested, held_out=not test_folder)
    reader.add("train pairs", named[0], scanned, folder)
    reader.add("test pairs", named[1], tested, test_folder or folder)
    return reader.data(
        spec,
        train={domain: scanned.images(rows, part) for part, domain in enumerate("ab")},
        test={domain: tested.images(test_rows, part) for part, domain in enumerate("ab")},
        paired=True,
    )


def _single(spec, root, train_files, reader):
    reader.lines.append(f"layout: one set of pictures in {printable(root)}")
    folder, test_folder = (root / "train", _test_folder(root)) if train_files else (root, None)
    train, test = _train_and_test(folder, test_folder, "a", reader)
    return reader.data(spec, train={"a": train}, test={"a": test})


def _classes(spec, root, reader):
    """Pictures labelled by the folder that they lie in."""
    reader.lines.append(f"layout: a folder for each class in {printable(root)}")
    top = root / "train" if (root / "train").is_dir() else root
    test_folder = _test_folder(root) if top != root else None
    scanned = reader.read(_some(top, reader), top, reader.load_size)
    if test_folder:
        tested = reader.read(_some(test_folder, reader), test_folder, reader.size)
        rows = test_rows = None
        named = list(scanned.files), list(tested.files)
    else:
        rows, tested, test_rows, named = reader.split(scanned, top, "a", what="the folder")
    names = tuple(sorted({_class(file, top) for file in named[0]}))
    if len(names) < 2:
        raise UserError(f"{printable(root)}: needs at least two class folders; {TREE}")
    labels = {
        "train": _class_numbers(named[0], top, names),
        "test": _class_numbers(named[1], test_folder or top, names),
    }
    reader.say("train", named[0], scanned)
    reader.say("test", named[1], tested, held_out=not test_folder)
    reader.add("train", named[0], scanned, top, labels["train"].tolist())
    reader.add("test", named[1], tested, test_folder or top, labels["test"].tolist())
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
