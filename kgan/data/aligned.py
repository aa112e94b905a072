"""A folder for each signal, files of the same name in them: pairs, maps of ids beside photographs.

    train/A/0001.png  train/B/0001.jpg  [test/ or val/ ...]     what `a` and `b` are
    train/labels/0001.png  train/photos/0001.jpg  ...           a model's signals, by their names

Files belong together by their names without the suffix, and without the endings of Cityscapes
(`_leftImg8bit`, `_gtFine_labelIds` and so on). What has no partner in every folder, or one of
another shape, is left out and named. Without `train/` the folders lie at the top, and pictures are
held out as everywhere, see `kgan.data.split`.
"""

import os
import re

import numpy as np

from kgan.core.errors import UserError
from kgan.data.pictures import printable
from kgan.data.signals import Signal
from kgan.data.split import hold_out

ENDINGS = re.compile(r"_(leftImg8bit|gt(Fine|Coarse)_(labelIds|labelTrainIds|instanceIds))$")
AB = tuple(Signal(name, group="pair") for name in "ab")  # what is looked for unless a model says


def test_folder(root):
    """The folder of test pictures in `root`, or None."""
    return next((root / name for name in ("test", "val") if (root / name).is_dir()), None)


def looks_aligned(root, reader):
    """Whether `root` has folders A and B and each file in one has its partner in the other."""
    folders = [_folder(_top(root), signal) for signal in AB]
    if not all(folders):
        return False
    try:
        names = [set(named(reader.list(folder), folder)) for folder in folders]
    except UserError:  # two files of one name
        return False
    return bool(names[0]) and names[0] == names[1]


def open_aligned(spec, root, reader, signals):
    """The `Data` of a folder for each signal.

    Args:
        spec: the specification.
        root: path.
        reader: a `kgan.data.reader.Reader`.
        signals: tuple of `Signal`, those that have files.

    Raises:
        UserError: a signal has no folder, no name is in all of them, or an id is beyond the classes
            that a signal declares.
    """
    names = ", ".join(_words(signal) for signal in signals)
    reader.lines.append(f"layout: a folder each for {names} in {printable(root)}")
    top = _top(root)
    tests = test_folder(root) if top != root else None
    read = _read(top, signals, reader, test=False)
    keys = list(read)
    if len(keys) < 2:
        raise UserError(f"{printable(top)}: fewer than 2 whole pictures with all of {names}")
    if tests:
        held, rows = _read(tests, signals, reader, test=True), range(len(keys))
        held_keys = list(held)
    else:
        rows, held_rows = hold_out(keys, reader.seed)
        held_keys = [keys[row] for row in held_rows]
        held = read if all(reader.sides(s.name, False) == reader.sides(s.name, True)
                           for s in signals) else _read(top, signals, reader, True, held_keys)
        reader.held_out |= {signal.name: tuple(held_keys) for signal in signals}
    if not held_keys:
        raise UserError(f"{printable(tests)}: no whole pictures with all of {names}")
    kept = [keys[row] for row in rows]
    return reader.data(
        spec, paired=len(signals) > 1,
        train=_said(reader, "train", signals, read, kept, top),
        test=_said(reader, "test", signals, held, held_keys, tests or top, not tests),
    )


def _words(signal):
    return signal.name.upper() if signal.name in ("a", "b") else f"{signal.name}/"


def _top(root):
    return root / "train" if (root / "train").is_dir() else root


def _folder(top, signal):
    """The folder of a signal's files, or None."""
    names = [signal.name, *([signal.name.upper()] if signal.name in ("a", "b") else [])]
    return next((top / name for name in names if (top / name).is_dir()), None)


def named(files, folder):
    """`{name that partners share: path}` of the files of a folder.

    Raises:
        UserError: two files have the same.
    """
    found = {}
    for file in files:
        stem = os.path.splitext(os.path.relpath(file, folder).replace(os.sep, "/"))[0]
        other = found.setdefault(ENDINGS.sub("", stem), file)
        if other != file:
            raise UserError(f"{printable(other)} and {printable(file)} have the same name: keep "
                            "one, for which belongs to its partners cannot be told")
    return found


def _read(top, signals, reader, test, keys=None):
    """`{name that partners share: {signal: (its scan, the row in it)}}`, whole in all signals.

    Args:
        keys: the names to read; None: all.
    """
    files = {}
    for signal in signals:
        if not (folder := _folder(top, signal)):
            there = ", ".join(sorted(printable(p.name) for p in top.iterdir() if p.is_dir()))
            raise UserError(f"{printable(top)}: there is no folder {_words(signal)} of "
                            f"{signal.described()}; there are {there or 'none'}")
        files[signal.name] = named(reader.list(folder), folder)
    every = sorted(set.union(*map(set, files.values())))
    whole = [key for key in every if all(key in its for its in files.values())]
    if not whole:
        raise UserError(f"{printable(top)}: no file has the same name in each of "
                        f"{', '.join(map(_words, signals))}")
    if keys is None:
        reader.alone(_strays(every, files), top)
    chosen, scans, beside = whole if keys is None else keys, {}, None
    for signal in signals:
        folder = _folder(top, signal)
        listed = reader.list(folder)
        mine = {files[signal.name][key]: listed[files[signal.name][key]] for key in chosen}
        scanned = reader.read_of(signal.name, mine, top, test, beside=beside)
        beside = beside or mine
        scans[signal.name] = scanned, {file: row for row, file in enumerate(scanned.files)}
    found = {}
    for key in chosen:
        places = {name: (scanned, rows.get(files[name][key]))
                  for name, (scanned, rows) in scans.items()}
        if all(row is not None for _, row in places.values()):
            found[key] = places
    return found


def _strays(every, files):
    """`{path: why}` of the files that lack a partner."""
    return {
        its[key]: f"no {_lacking(key, files)}" for key in every for its in files.values()
        if key in its and not all(key in other for other in files.values())
    }


def _lacking(key, files):
    return " and no ".join(f"{name} of that name" for name, its in files.items()
                           if key not in its)


def _said(reader, part, signals, read, keys, top, held_out=False):
    """`{signal: Images}` of some names, said in the summary and noted for the digest."""
    images = {}
    for signal in signals:
        scanned = read[keys[0]][signal.name][0]
        rows = np.array([read[key][signal.name][1] for key in keys])
        listed = list(scanned.files)
        chosen = [listed[row] for row in rows]
        reader.say(f"{part} {signal.name}", chosen, scanned, held_out=held_out)
        reader.add(f"{part} {signal.name}", chosen, scanned, top)
        images[signal.name] = scanned.images(rows)
    return images
