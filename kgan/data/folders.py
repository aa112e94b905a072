"""Pictures in folders, in one of three layouts.

Two domains (`trainA`, `trainB`, perhaps `testA`, `testB`: the layout of CycleGAN's released data
sets), pairs side by side (`train`, perhaps `test` or `val`, of pictures twice as wide as high, A on
the left: the layout of pix2pix), a folder for each class (asked for with `?layout=classes`, in
`train` and perhaps `test`, or at the top), or one folder of pictures. Where there is no test
folder, 5 % of the training pictures, drawn with the seed, are held out. Pictures are cut to a
square, see `kgan.data.pictures`, and decoded once, see `kgan.data.scan`.
"""

import pathlib

import numpy as np

from kgan.data import Data, pictures, scan
from kgan.data.pictures import BrokenPicture, printable
from kgan.errors import UsageError, UserError
from kgan.recipe import nearest

HELD_OUT = 0.05
HELD_OUT_MOST = 500
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
    files = scan.list_pictures(root / "train") if (root / "train").is_dir() else []
    if layout == "paired" or (not layout and _look_paired(files)):
        if not files:
            raise UserError(f"{printable(root)}: no pictures in train/; {TREE}")
        return _paired(f"folder:{rest}", root, files, reader, "halves" if layout else "2:1")
    return _single(f"folder:{rest}", root, files, reader)


def existing_folder(path):
    """The path of a folder that exists, `~` expanded; else a UserError."""
    root = pathlib.Path(path).expanduser()
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


def hold_out(count, seed):
    """Draws the held-out rows of `count` pictures: 5 %, at least 1, at most 500.

    Returns:
        Training rows and held-out rows, both sorted.
    """
    held = min(HELD_OUT_MOST, max(1, round(count * HELD_OUT)))
    rows = np.random.default_rng(seed).permutation(count)
    return np.sort(rows[held:]), np.sort(rows[:held])


class Reader:
    """Reads sets of files at the wanted sizes and collects what there is to say about them.

    `lines` become the summary of the `Data`; `lazy` says that some pictures are not stored.
    """

    def __init__(self, size, load_size, seed, bad_images):
        load_size = load_size or size
        if size < 1 or load_size < size:
            raise UsageError(f"load_size must be at least size, not {load_size} < {size}")
        self.size, self.load_size, self.seed, self.bad_images = size, load_size, seed, bad_images
        self.lines, self.lazy, self._places, self._broken = [], False, {}, {}

    def read(self, files, root, size, pairs=None):
        """`scan.scan_pictures` with what is broken noted for the summary."""
        scanned = scan.scan_pictures(
            files, root=root, size=size, pairs=pairs, bad_images=self.bad_images
        )
        if scanned.stored is None:
            self.lazy = True
        else:
            self._places.setdefault(scanned.folder.parent, {})[scanned.folder.name] = None
        self._broken.update({(str(root), name): reason for name, reason in scanned.broken})
        return scanned

    def split(self, scanned, root, rows=None, pairs=None, what="it"):
        """Holds out some of the pictures of `scanned` (read at `load_size`), or of those at `rows`.

        Returns:
            rows for training; a `Scan` and the rows in it that hold the test pictures at `size`;
            the files of both, in order.
        """
        rows = np.arange(len(scanned.files)) if rows is None else np.asarray(rows)
        if len(rows) < 2:
            raise UserError(f"{printable(root)}: {what} has fewer than 2 whole pictures")
        train, test = (rows[part] for part in hold_out(len(rows), self.seed))
        files = [scanned.files[row] for row in train], [scanned.files[row] for row in test]
        if self.size == self.load_size:
            return train, scanned, test, files
        again = self.read(files[1], root, self.size, pairs)
        return train, again, np.arange(len(files[1])), files

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
        lines += [
            f"decoded to {cache}: {', '.join(names)}" for cache, names in self._places.items()
        ]
        if self.lazy:
            lines.append("too large for the cache: decoded again at each use")
        return tuple(lines)


def _domains(spec, root, reader):
    reader.lines.append(f"layout: two domains in {printable(root)}")
    train, test = {}, {}
    for domain in "ab":
        name = domain.upper()
        folder, test_folder = root / f"train{name}", root / f"test{name}"
        if not folder.is_dir():
            raise UserError(f"{printable(root)}: there is no train{name}/; {TREE}")
        train[domain], test[domain] = _train_and_test(folder, test_folder, domain, reader)
    return Data(spec=spec, train=train, test=test, summary=reader.summary())


def _train_and_test(folder, test_folder, domain, reader):
    """Images of one domain for training and testing, said in the summary."""
    scanned = reader.read(_some(folder), folder, reader.load_size)
    if test_folder and test_folder.is_dir():
        tested = reader.read(_some(test_folder), test_folder, reader.size)
        reader.say(f"train {domain}", scanned.files, scanned)
        reader.say(f"test {domain}", tested.files, tested)
        return scanned.images(), tested.images()
    rows, tested, test_rows, files = reader.split(scanned, folder, what=f"domain {domain}")
    reader.say(f"train {domain}", files[0], scanned)
    reader.say(f"test {domain}", files[1], tested, held_out=True)
    return scanned.images(rows), tested.images(test_rows)


def _some(folder):
    files = scan.list_pictures(folder)
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
    scanned = reader.read(files, root / "train", reader.load_size, pairs)
    test_folder = _test_folder(root)
    if test_folder:
        tested = reader.read(_some(test_folder), test_folder, reader.size, pairs)
        rows = test_rows = None
        named = scanned.files, tested.files
    else:
        rows, tested, test_rows, named = reader.split(scanned, root / "train", pairs=pairs)
    reader.say("train pairs", named[0], scanned)
    reader.say("test pairs", named[1], tested, held_out=not test_folder)
    return Data(
        spec=spec,
        train={domain: scanned.images(rows, part) for part, domain in enumerate("ab")},
        test={domain: tested.images(test_rows, part) for part, domain in enumerate("ab")},
        summary=reader.summary(),
        paired=True,
    )


def _single(spec, root, train_files, reader):
    reader.lines.append(f"layout: one set of pictures in {printable(root)}")
    folder, test_folder = (root / "train", _test_folder(root)) if train_files else (root, None)
    train, test = _train_and_test(folder, test_folder, "a", reader)
    return Data(spec=spec, train={"a": train}, test={"a": test}, summary=reader.summary())


def _classes(spec, root, reader):
    """Pictures labelled by the folder that they lie in."""
    reader.lines.append(f"layout: a folder for each class in {printable(root)}")
    top = root / "train" if (root / "train").is_dir() else root
    test_folder = _test_folder(root) if top != root else None
    scanned = reader.read(_some(top), top, reader.load_size)
    if test_folder:
        rows, tested = np.arange(len(scanned.files)), reader.read(
            _some(test_folder), test_folder, reader.size
        )
        test_rows, named = np.arange(len(tested.files)), (scanned.files, tested.files)
    else:
        rows, tested, test_rows, named = reader.split(scanned, top, what="the folder")
    names = tuple(sorted({_class(file, top) for file in named[0]}))
    if len(names) < 2:
        raise UserError(f"{printable(root)}: needs at least two class folders; {TREE}")
    labels = {
        "train": _class_numbers(named[0], top, names),
        "test": _class_numbers(named[1], test_folder or top, names),
    }
    reader.say("train", named[0], scanned)
    reader.say("test", named[1], tested, held_out=not test_folder)
    reader.lines.append(f"{len(names)} classes: {', '.join(names[:12])}{', …' * (len(names) > 12)}")
    return Data(
        spec=spec, train={"a": scanned.images(rows)}, test={"a": tested.images(test_rows)},
        summary=reader.summary(), labels=labels, label_names=names, exclusive=True,
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
