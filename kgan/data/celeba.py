"""CelebA as it is distributed: faces with and without an attribute, or all with their 40 labels.

Reads `img_align_celeba/` with `list_attr_celeba.txt` (a count, the names, one line per picture) or
Kaggle's `list_attr_celeba.csv`, at the top of the folder or in CelebA's own `Img/`, `Anno/`,
`Eval/`. With `list_eval_partition` beside it the official training and test pictures are used, and
its validation pictures not at all; without it 5 % of each domain are held out. The usual central
crop of 178 x 178 is what `kgan.data.pictures` makes of any picture: its central square.
"""

import csv

import numpy as np

from kgan.data import Data, scan
from kgan.data.folders import Reader, existing_folder, split_options
from kgan.data.pictures import printable
from kgan.errors import UsageError, UserError
from kgan.recipe import nearest

DOMAINS = {"a": "without", "b": "with"}
TREE = """expected
  img_align_celeba/000001.jpg ...
  list_attr_celeba.txt (or .csv)
  list_eval_partition.txt (or .csv; may be absent)"""


def open_celeba(rest, *, size, load_size=None, seed=0, bad_images="skip"):
    """Opens `PATH?attribute=NAME`: domain "a" are the pictures without it, "b" those with it.

    `PATH` alone is one set of all pictures with the labels of all attributes. All pictures are
    decoded into one cache, which serves every attribute.

    Args and returns: as `kgan.data.folders.open_folder`.

    Raises:
        UserError: files missing or damaged, or no picture on one side of the attribute.
        UsageError: an unknown attribute, with the nearest names.
    """
    path, options = split_options(rest, {"attribute": None})
    root = existing_folder(path)
    names, labels = read_attributes(_table(root, "list_attr_celeba", "Anno"))
    column = attribute_index(options.get("attribute"), names, f"celeba:{rest}")
    about = "all labels" if column is None else names[column]
    partition = _table(root, "list_eval_partition", "Eval", needed=False)
    splits = read_partition(partition) if partition else None
    folder, files = _pictures(root)
    reader = Reader(size, load_size, seed, bad_images)
    reader.lines.append(f"CelebA in {printable(root)}: {about}")
    labelled = [file for file in files if file.name in labels]
    if len(labelled) < max(len(files), len(labels)):
        reader.lines.append(
            f"{len(labelled):,} of {len(files):,} pictures are among the {len(labels):,} labels"
        )
    if splits:
        parts = [[file for file in labelled if splits.get(file.name) == split] for split in (0, 2)]
        if not all(parts):
            raise UserError(f"{printable(partition)}: names no training or no test picture here")
    else:
        parts = [labelled, None]
    if not labelled:
        raise UserError(f"{printable(folder)}: none of its pictures is in the list of attributes")
    spec = f"celeba:{rest}"
    if column is None:
        found = _labelled(parts, folder, reader, labels)
        return Data(spec=spec, **found, label_names=tuple(names), summary=reader.summary())
    train, test = _by_attribute(parts, folder, reader, lambda file: labels[file.name][column])
    return Data(spec=spec, train=train, test=test, summary=reader.summary())


def attribute_index(wanted, names, spec):
    """The position of an attribute among `names`, None of none; a UsageError names the nearest."""
    if not wanted:
        return None
    if wanted not in names:
        raise UsageError(f"{spec}: no attribute {wanted!r}. {nearest(wanted, names)}")
    return names.index(wanted)


def read_attributes(path):
    """Reads `list_attr_celeba` in either form.

    Returns:
        The names of the attributes, and for each picture name a tuple of bool.
    """
    rows = _rows(path)
    if rows and len(rows[0]) == 1 and rows[0][0].isdigit():  # the count of the distributed form
        rows = rows[1:]
    if not rows:
        raise UserError(f"{printable(path)}: is empty")
    names, labels = rows[0], {}
    if path.suffix == ".csv":
        names = names[1:]
    for number, (picture, *values) in enumerate(rows[1:], 1):
        if len(values) != len(names) or not set(values) <= {"1", "-1", "0"}:
            raise UserError(
                f"{printable(path)}: picture {number} ({printable(picture)}): expected "
                f"{len(names)} values 1 or -1"
            )
        labels[picture] = tuple(value == "1" for value in values)
    return names, labels


def read_partition(path):
    """Reads `list_eval_partition` in either form: picture name -> 0 train, 1 validation, 2 test."""
    splits = {}
    for number, row in enumerate(_rows(path)):
        if len(row) == 2 and row[1] in ("0", "1", "2"):
            splits[row[0]] = int(row[1])
        elif number:  # the first may be a header
            raise UserError(
                f"{printable(path)}: line {number + 1}: expected a picture and 0, 1 or 2"
            )
    return splits


def _rows(path):
    try:
        with open(path, encoding="utf-8-sig", newline="") as lines:
            split = csv.reader(lines) if path.suffix == ".csv" else map(str.split, lines)
            return [row for row in split if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{printable(path)}: cannot be read: {error}") from error


def _table(root, name, below, needed=True):
    for file in (
        folder / f"{name}{end}" for folder in (root, root / below) for end in (".txt", ".csv")
    ):
        if file.is_file():
            return file
    if needed:
        raise UserError(f"{printable(root)}: there is no {name}.txt or .csv; {TREE}")
    return None


def _pictures(root):
    for folder in (root / "img_align_celeba", root / "Img" / "img_align_celeba"):
        if folder.is_dir():
            files = scan.list_pictures(folder)
            if files:
                return folder, files
    raise UserError(f"{printable(root)}: no pictures in img_align_celeba/; {TREE}")


def _by_attribute(parts, folder, reader, has):
    """Training and test Images of both domains; `parts` are the files of both, or all and None."""
    scanned = reader.read(parts[0], folder, reader.load_size)
    tested = reader.read(parts[1], folder, reader.size) if parts[1] else None
    train, test = {}, {}
    for domain, word in DOMAINS.items():
        rows = _side(scanned, has, domain)
        if tested:
            test_scan, test_rows = tested, _side(tested, has, domain)
            named = [scanned.files[row] for row in rows], [tested.files[row] for row in test_rows]
        else:
            rows, test_scan, test_rows, named = reader.split(
                scanned, folder, rows, what=f"domain {domain} ({word} the attribute)"
            )
        if not (len(rows) and len(test_rows)):
            raise UserError(
                f"{printable(folder)}: no training or no test picture {word} the attribute"
            )
        reader.say(f"train {domain} ({word})", named[0], scanned)
        reader.say(f"test {domain} ({word})", named[1], test_scan, held_out=not tested)
        train[domain], test[domain] = scanned.images(rows), test_scan.images(test_rows)
    return train, test


def _labelled(parts, folder, reader, labels):
    """All pictures as one domain: `{"train", "test", "labels"}` of a `Data`."""
    scanned = reader.read(parts[0], folder, reader.load_size)
    if parts[1]:
        tested = reader.read(parts[1], folder, reader.size)
        named = scanned.files, tested.files
        rows, test_rows = (np.arange(len(files)) for files in named)
    else:
        rows, tested, test_rows, named = reader.split(scanned, folder, what="the set")
    reader.say("train", named[0], scanned)
    reader.say("test", named[1], tested, held_out=not parts[1])
    known = [np.array([labels[f.name] for f in files], np.float32) for files in named]
    return {
        "train": {"a": scanned.images(rows)}, "test": {"a": tested.images(test_rows)},
        "labels": {"train": known[0], "test": known[1]},
    }


def _side(scanned, has, domain):
    wanted = domain == "b"
    return np.array([i for i, file in enumerate(scanned.files) if has(file) == wanted], np.int64)
