"""Data sets of TensorFlow Datasets, read by its own loader.

Three forms: a set with splits `trainA`, `trainB` (`tfds:cycle_gan/apple2orange`); a set with a
dictionary of boolean attributes (`tfds:celeb_a?attribute=Smiling`, domain "a" without and "b"
with it); a classified set (`tfds:NAME?label=K,L`, "a" is class K and "b" class L; `label=all` gives
one domain with the classes as labels). Any other set of pictures is one domain "a". The encoded
pictures are decoded by `kgan.data.pictures`, as those of every source, once, into an array on disk.
A set that lies prepared on disk is read from its files alone, whether or not its code is known; one
that does not is downloaded unless `download=false`. The array on disk is known by the contents of
the files of its split: a set prepared anew is read anew.
"""

import dataclasses
import pathlib

import numpy as np

from kgan.core.cache import made_once
from kgan.core.errors import UsageError, UserError
from kgan.core.hashing import digest_of
from kgan.core.paths import cache_dir
from kgan.core.recipe import nearest
from kgan.data import pictures, scan, stored
from kgan.data.celeba import attribute_index
from kgan.data.contents import read_contents
from kgan.data.folders import split_options
from kgan.data.pictures import BrokenPicture, printable
from kgan.data.spec import DOMAINS
from kgan.data.split import hold_out
from kgan.data.types import Data

OPTIONS = {
    "attribute": None,
    "label": None,
    "data_dir": None,
    "download": ("true", "false"),
}


def open_tfds(rest, *, size, load_size=None, seed=0, bad_images="skip"):
    """Opens `NAME[/CONFIG][:VERSION][?attribute=|label=K,L&data_dir=PATH&download=true|false]`.

    Test pictures are those of `testA`/`testB`, `test` or else `validation`; where there are none,
    about 5 % of each domain are held out of the training pictures, see `kgan.data.split`; the
    names of pictures are their numbers in the split.

    Args and returns: as `kgan.data.folders.open_folder`.

    Raises:
        UserError: the set cannot be had, or holds no pictures.
        UsageError: an unknown option, attribute or class.
    """
    name, options = split_options(rest, OPTIONS)
    if "attribute" in options and "label" in options:
        raise UsageError(f"tfds:{rest}: give attribute or label, not both")
    builder = _prepared(name, options, rest)
    source = _Source(builder, f"tfds:{rest}", options, size, load_size or size, bad_images)
    train, test, lines = {}, {}, [f"tensorflow_datasets {builder.info.full_name}"]
    found, held_out = {}, {}
    for domain, train_split, test_split, keep, what in source.domains():
        scanned, where = source.read(train_split, source.load_size)
        rows = np.flatnonzero(keep(scanned["notes"]))
        if test_split:
            tested, test_where = source.read(test_split, size)
            test_rows = np.flatnonzero(keep(tested["notes"]))
        elif len(rows):
            names = [scanned["names"][row] for row in rows]
            train_part, test_part = hold_out(names, seed)
            held_out[domain] = tuple(names[row] for row in test_part)
            tested, test_where = source.read(train_split, size)
            rows, test_rows = rows[train_part], rows[test_part]
        if not (len(rows) and len(test_rows)):
            raise UserError(
                f"tfds:{rest}: no training or no test picture for domain {domain}{what}"
            )
        train[domain] = scan.Rows(scanned["stored"], rows)
        test[domain] = scan.Rows(tested["stored"], test_rows)
        for part, split, index, chosen in (
            ("train", train_split, scanned, rows),
            ("test", test_split or train_split, tested, test_rows),
        ):
            shown = [[index["names"][row], index["notes"][row]] for row in chosen]
            found[f"{part} {domain}"] = [source.contents(split), shown]
        held = test_split or f"held out of {train_split}"
        lines.append(f"train {domain}{what}: {len(rows):,} pictures ({train_split}, {where})")
        lines.append(f"test {domain}{what}: {len(test_rows):,} pictures ({held}, {test_where})")
    labelled = {}
    if source.classes:
        notes = {"train": np.array(scanned["notes"])[rows], "test": np.array(tested["notes"])}
        notes["test"] = notes["test"][test_rows]
        labelled = {"labels": notes, "label_names": source.classes, "exclusive": True}
    return Data(
        spec=f"tfds:{rest}", train=train, test=test, summary=(*lines, *source.broken_lines()),
        digest=digest_of(found), held_out=held_out, seed=seed,
        **labelled,
    )


def _prepared(name, options, rest):
    """A builder whose files are on disk."""
    import tensorflow_datasets as tfds  # slow, and imports TensorFlow

    place = {}
    if "data_dir" in options:
        place["data_dir"] = str(pathlib.Path(options["data_dir"]).expanduser())
    try:
        builder = tfds.builder(name, **place)  # from the files alone if tfds has no code for it
        ready = builder.is_prepared()
        if not ready and options.get("download") != "false":
            builder.download_and_prepare()
            ready = True
    except tfds.core.DatasetNotFoundError as error:
        known = nearest(name.split("/")[0], tfds.list_builders(with_community_datasets=False))
        known = known if known.startswith("Did") else "See tensorflow.org/datasets/catalog."
        raise UserError(f"tfds:{rest}: tensorflow_datasets has no such set. {known}") from error
    except Exception as error:  # whatever a download, an archive or a generator meets
        raise UserError(
            f"tfds:{rest}: cannot be downloaded or prepared; give data_dir=PATH of a "
            f"prepared copy, or use folder: or celeba: ({_line(error)})"
        ) from error
    if not ready:
        raise UserError(f"tfds:{rest}: is not prepared in {builder.data_path}, and download=false")
    return builder


def _line(error):
    return printable(" ".join(f"{type(error).__name__}: {error}".split()))[:300]


@dataclasses.dataclass
class _Source:
    """The pictures of one builder: which there are, and how to get them as a cached array."""

    builder: object
    spec: str
    options: dict
    size: int
    load_size: int
    bad_images: str

    def __post_init__(self):
        self.image = self._find("Image", "picture")
        self.names, self.wanted, self.classes = (), (), ()
        self._indices, self._contents = {}, {}
        if self.size < 1 or self.load_size < self.size:
            raise UsageError(f"load_size must be at least size: {self.load_size} < {self.size}")

    def domains(self):
        """Yields (domain, training split, test split or None, what picks its notes, its name)."""
        splits = self.builder.info.splits
        if "trainA" in splits and "trainB" in splits:
            for domain in "ab":
                test = f"test{domain.upper()}"
                yield domain, f"train{domain.upper()}", test if test in splits else None, _all, ""
            return
        train = "train" if "train" in splits else next(iter(splits))
        test = next((s for s in ("test", "validation") if s in splits and s != train), None)
        for domain, keep, what in self._sides():
            yield domain, train, test, keep, what

    def _sides(self):
        features = self.builder.info.features
        if "attribute" in self.options:
            group = self._find("FeaturesDict", "attributes")
            self.names = tuple(sorted(features[group]))
            bit = attribute_index(self.options["attribute"], list(self.names), self.spec)
            self.group = group
            for domain, word in DOMAINS.items():
                yield domain, _has(bit, domain == "b"), f" ({word} {self.options['attribute']})"
        elif "label" in self.options:
            self.group = self._find("ClassLabel", "label")
            if self.options["label"] == "all":
                self.classes = tuple(features[self.group].names)
                self.wanted = tuple(range(len(self.classes)))
                yield "a", _all, ""
                return
            chosen = self.options["label"].split(",")
            if len(chosen) != 2 or chosen[0] == chosen[1]:
                raise UsageError(f"{self.spec}: label wants two classes, as in label=cat,dog")
            self.wanted = tuple(self._class(features[self.group], name) for name in chosen)
            for domain, name, number in zip("ab", chosen, self.wanted, strict=True):
                yield domain, _is(number), f" ({name})"
        else:
            yield "a", _all, ""

    def _class(self, feature, name):
        if name in feature.names:
            return feature.str2int(name)
        raise UsageError(f"{self.spec}: no class {name!r}. {nearest(name, feature.names)}")

    def _find(self, kind, what):
        """The name of the first feature of a class of tfds.features."""
        features = self.builder.info.features
        for name in sorted(features, key=lambda name: (name not in ("image", "attributes"), name)):
            if type(features[name]).__name__ == kind:
                return name
        raise UserError(f"{self.spec}: has no {what} (features: {', '.join(features)})")

    def contents(self, split):
        """[[name, hash]] of the files of a split, in order."""
        if split not in self._contents:
            paths = [pathlib.Path(path) for path in self.builder.info.splits[split].filepaths]
            names = sorted(path.name for path in paths)
            hashes = [content.digest for content in read_contents(names, self.builder.data_path)]
            self._contents[split] = [*map(list, zip(names, hashes, strict=True))]
        return self._contents[split]

    def read(self, split, size):
        """The index of `stored.load` for a split and size, and (width x height) of its pictures."""
        key = [self.contents(split), self.image, size, self.names, self.wanted]
        place = cache_dir() / f"tfds-v2-{digest_of(key)[:20]}"
        if place not in self._indices:
            total = self.builder.info.splits[split].num_examples
            index = made_once(
                place,
                lambda: stored.load(place),
                lambda: stored.store(
                    place, self._items(split, size), total=total, shape=(size, size, 3)
                ),
            )
            stored.judge(index, f"{self.spec} ({split})", self.bad_images)
            self._indices[place] = index
        index = self._indices[place]
        small, _, large = (f"{w}x{h}" for w, h in index["sizes"])
        return index, small if small == large else f"{small} to {large}"

    def _items(self, split, size):
        """Yields one `stored.Item` per example; its note is the class, or a bit per attribute."""
        import tensorflow_datasets as tfds

        examples = self.builder.as_dataset(
            split=split,
            shuffle_files=False,
            decoders={self.image: tfds.decode.SkipDecoding()},
        )
        for number, example in enumerate(tfds.as_numpy(examples)):
            note = 0
            if self.names:
                flags = example[self.group]
                note = sum(1 << bit for bit, name in enumerate(self.names) if flags[name])
            elif self.wanted:
                note = int(example[self.group])
                if note not in self.wanted:
                    continue
            try:
                rgb, full = pictures.read_reduced(example[self.image], size)
                yield stored.Item(str(number), pictures.resize_cover(rgb, size), full, note)
            except BrokenPicture as error:
                yield stored.Item(str(number), None, None, error.reason)

    def broken_lines(self):
        """What the summary says beyond the counts."""
        broken = sum(len(index["broken"]) for index in self._indices.values())
        names = ", ".join(place.name for place in self._indices)
        lines = [f"skipped {broken:,} broken pictures"] if broken else []
        return [*lines, f"decoded to {cache_dir()}: {names}"]


def _all(notes):
    return np.ones(len(notes), bool)


def _has(bit, wanted):
    return lambda notes: np.array([bool(note >> bit & 1) == wanted for note in notes])


def _is(number):
    return lambda notes: np.array(notes) == number
