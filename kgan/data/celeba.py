"""CelebA as it is distributed: faces with and without an attribute, or all with their 40 labels.

Reads `img_align_celeba/` with `list_attr_celeba.txt` (a count, the names, one line per picture) or
Kaggle's `list_attr_celeba.csv`, at the top of the folder or in CelebA's own `Img/`, `Anno/`,
`Eval/`. With `list_eval_partition` beside it the official training and test pictures are used, and
its validation pictures not at all; without it about 5 % of each domain are held out, the same
pictures whatever is chosen, so that a network of several attributes is measured on each.

Of the 178 x 218 pixels the central square of 178 is used, or what `crop=` names: 160, 148 and 108
are central, too; 128 is the one about (89, 121) of the released code of CRG. Pictures of the same
shape at another scale are cut in proportion.
"""

import csv

import numpy as np

from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import nearest
from kgan.data.folders import existing_folder, split_options
from kgan.data.pictures import printable
from kgan.data.reader import Reader
from kgan.data.spec import filters_of

CROPS = {  # (width, height, left, top, side); None: the central square, whatever the shape
    "178": None,
    "160": (178, 218, 9, 29, 160),
    "148": (178, 218, 15, 35, 148),
    "128": (178, 218, 25, 57, 128),
    "108": (178, 218, 35, 55, 108),
}
TREE = """expected
  img_align_celeba/000001.jpg ...
  list_attr_celeba.txt (or .csv)
  list_eval_partition.txt (or .csv; may be absent)"""


def open_celeba(rest, *, size, load_size=None, seed=0, bad_images="skip"):
    """Opens `PATH?[attribute=NAME|labels=NAME,...][&and=NAME:1,NAME:0][&crop=178|160|148|128|108]`.

    Domain "a" are the pictures without the attribute, "b" those with it. `a=NAME&b=NAME` in its
    place are pictures with the one and without the other. Without both it is one set with the
    labels of all attributes, or of those that `labels=` names, in its order. `and=` keeps the
    pictures that have (1) and have not (0) what it names. All pictures are decoded into one cache
    for each crop, which serves every choice.

    Args and returns: as `kgan.data.folders.open_folder`.

    Raises:
        UserError: files missing or damaged, or no picture on one side of the attribute.
        UsageError: an unknown attribute, with the nearest names; options that exclude each other.
    """
    spec = f"celeba:{rest}"
    path, options = split_options(rest, dict.fromkeys(("attribute", "a", "b", "and", "labels"))
                                  | {"crop": tuple(CROPS)})
    crop = options.pop("crop", "178")
    root = existing_folder(path)
    names, labels = read_attributes(_table(root, "list_attr_celeba", "Anno"))
    if "labels" in options and (options.keys() & {"attribute", "a", "b"}):
        raise UsageError(f"{spec}: labels= are those of one set; leave attribute, a and b out.")
    wanted = {
        domain: {attribute_index(name, names, spec): value for name, value in values.items()}
        for domain, values in filters_of(options, spec).items()
    }
    about = {
        domain: ", ".join(f"{names[column]} {'yes' if value else 'no'}"
                          for column, value in values.items()) or "all"
        for domain, values in wanted.items()
    }
    partition = _table(root, "list_eval_partition", "Eval", needed=False)
    splits = read_partition(partition) if partition else None
    reader = Reader(size, load_size, seed, bad_images, CROPS[crop])
    folder, files = _pictures(root, reader)
    reader.lines.append(f"CelebA in {printable(root)}: crop {crop} of 178x218")
    labelled = {file: digest for file, digest in files.items() if file.name in labels}
    if len(labelled) < max(len(files), len(labels)):
        reader.lines.append(
            f"{len(labelled):,} of {len(files):,} pictures are among the {len(labels):,} labels"
        )
    if splits:
        parts = [{file: digest for file, digest in labelled.items()
                  if splits.get(file.name) == split} for split in (0, 2)]
        if not all(parts):
            raise UserError(f"{printable(partition)}: names no training or no test picture here")
    else:
        parts = [labelled, None]
    if not labelled:
        raise UserError(f"{printable(folder)}: none of its pictures is in the list of attributes")

    def has(file, values):
        return all(labels[file.name][column] == value for column, value in values.items())

    if len(wanted) == 2:
        return reader.data(spec, **_domains(parts, folder, reader, wanted, has, about))
    told = options["labels"].split(",") if "labels" in options else names
    columns = [attribute_index(name, names, spec) for name in told]
    if len(set(told)) < len(told):
        raise UsageError(f"{spec}: labels= names one of them twice.")
    found = _domains(parts, folder, reader, wanted, has, about,
                     lambda file: [labels[file.name][column] for column in columns])
    return reader.data(spec, **found, label_names=tuple(told))


def attribute_index(wanted, names, spec):
    """The position of an attribute among `names`; a UsageError names the nearest."""
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


def _pictures(root, reader):
    for folder in (root / "img_align_celeba", root / "Img" / "img_align_celeba"):
        if folder.is_dir():
            files = reader.list(folder)
            if files:
                return folder, files
    raise UserError(f"{printable(root)}: no pictures in img_align_celeba/; {TREE}")


def _domains(parts, folder, reader, wanted, has, about, labels=None):
    """`{"train", "test"}` of a `Data`, and its `"labels"` if those of the pictures are given.

    Args:
        parts: the files of training and test, or all and None.
        wanted: `{domain: values}`; a picture belongs to it if `has(file, values)`.
        about: `{domain: words}`.
        labels: `labels(file)`, a list of bool.
    """
    scanned = reader.read(parts[0], folder, reader.load_size)
    tested = reader.read(parts[1], folder, reader.size) if parts[1] else None
    train, test, known = {}, {}, {}
    for domain, values in wanted.items():
        rows = _rows_of(scanned, has, values)
        if tested:
            test_scan, test_rows = tested, _rows_of(tested, has, values)
            named = _at(scanned, rows), _at(tested, test_rows)
        else:
            rows, test_scan, test_rows, named = reader.split(
                scanned, folder, domain, rows, what=f"domain {domain} ({about[domain]})",
                most=len(scanned.files),  # what one choice holds out, no other trains on
            )
        if not (len(rows) and len(test_rows)):
            raise UserError(f"{printable(folder)}: no training or no test picture with "
                            f"{about[domain]}")
        reader.say(f"train {domain} ({about[domain]})", named[0], scanned)
        reader.say(f"test {domain} ({about[domain]})", named[1], test_scan, held_out=not tested)
        train[domain], test[domain] = scanned.images(rows), test_scan.images(test_rows)
        for split, files, scan in zip(("train", "test"), named, (scanned, test_scan), strict=True):
            if labels:
                known[split] = np.array([labels(f) for f in files], np.float32)
            reader.add(f"{split} {domain}", files, scan, folder,
                       known[split].astype(int).tolist() if labels else None)
    return {"train": train, "test": test, "labels": known or None}


def _at(scanned, rows):
    files = list(scanned.files)
    return [files[row] for row in rows]


def _rows_of(scanned, has, values):
    return np.array([i for i, file in enumerate(scanned.files) if has(file, values)], np.int64)
