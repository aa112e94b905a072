"""Data: where pictures come from and in which order a training sees them.

A specification names a source: `avatars:Eyeglasses`, `folder:PATH`,
`celeba:PATH?attribute=Smiling`, `tfds:cycle_gan/apple2orange`. A source answers with `Data`: uint8
pictures by domain, decoded and resized once, on disk under the user's cache directory.
`kgan.data.stream` makes batches of them.
"""

import os
import pathlib
import urllib.parse
from dataclasses import dataclass, field

import numpy as np

from kgan.core.errors import UsageError


@dataclass(frozen=True)
class Data:
    """What a source found.

    Pictures are anything with `len`, a `shape` (n, h, w, 3) and `pictures[int array]` that gives a
    uint8 array; arrays and memory maps are.

    Attributes:
        spec: the specification.
        train: `{domain: pictures}`, `{"a": ..., "b": ...}` for two domains, `{"a": ...}` for one.
        test: the same of held-out pictures.
        summary: lines that say what was found.
        paired: `a[i]` and `b[i]` show the same.
        labels: of the pictures of domain a, `{"train": ..., "test": ...}`: float32 [n, k] of 0 and
            1 for attributes, int64 [n] for classes, None for neither.
        label_names: names of the k attributes or classes.
        exclusive: labels are classes: each picture has exactly one.
        truth: for sources that know it, `truth[d][i]` is what the edit of `test[d][i]` should give.
        deterministic: the direction in which the true edit is unique, `"a2b"` or `"b2a"`.
        digest: sha256 in hex over what was found, wherever it lies: for each domain and split the
            names, contents and labels.
        held_out: domain -> names of the pictures that were held out of training; those of a source
            with test pictures of its own are not named.
    """

    spec: str
    train: dict
    test: dict
    summary: tuple = ()
    paired: bool = False
    labels: dict | None = None
    label_names: tuple = ()
    exclusive: bool = False
    truth: dict | None = None
    deterministic: str | None = None
    digest: str = ""
    held_out: dict = field(default_factory=dict)

    def labels_of(self, split, rows):
        """float32 [len(rows), k]: the labels of some pictures, classes as one-hot rows."""
        found = self.labels[split][rows]
        if not self.exclusive:
            return found
        return (found[:, None] == np.arange(len(self.label_names))).astype(np.float32)


def attribute(spec):
    """The attribute that pictures of domain b have and those of a have not, if `spec` says so.

    `avatars:Smiling?test=100`, `celeba:PATH?attribute=Smiling` and `tfds:NAME?attribute=Smiling`
    do; `""` for others.
    """
    source, where, _, query = _parts(spec)
    if source in ("celeba", "tfds"):
        return dict(urllib.parse.parse_qsl(query)).get("attribute", "")
    return where if source == "avatars" else ""


def resolved(spec):
    """The specification with the path that it names made absolute and `~` expanded.

    `folder:pics?layout=single` becomes `folder:/home/me/pics?layout=single`; of `tfds:` the
    `data_dir` does. What names no path stays as it is.
    """
    source, where, mark, query = _parts(spec)
    if source in ("folder", "celeba") and where:
        return f"{source}:{_absolute(where)}{mark}{query}"
    if source == "tfds":
        options = (option.partition("=") for option in query.split("&"))
        query = "&".join(
            f"{key}={_absolute(value)}" if key == "data_dir" and value else f"{key}{equals}{value}"
            for key, equals, value in options
        )
        return f"{source}:{where}{mark}{query}"
    return spec


def place(spec):
    """The absolute `pathlib.Path` of the folder that a specification names; None: it names none."""
    source, where, _, query = _parts(spec)
    if source == "tfds":
        where = dict(option.partition("=")[::2] for option in query.split("&")).get("data_dir")
    reads = source in ("folder", "celeba", "tfds") and where
    return pathlib.Path(_absolute(where)) if reads else None


def _parts(spec):
    """A specification as (source, what, "?" or "", options), cut at the last question mark."""
    source, _, rest = spec.partition(":")
    where, mark, query = rest.rpartition("?")
    return (source, where, mark, query) if mark else (source, rest, "", "")


def _absolute(path):
    return os.path.abspath(os.path.expanduser(path))


def open_data(spec, *, size, seed=0, load_size=None, bad_images="skip"):
    """Opens a data set.

    Args:
        spec: `source:rest`, see the module.
        size: side of the test pictures and of what a training crops, pixels.
        seed: of generated pictures and of splits that a source does not give.
        load_size: side of the training pictures; None = `size`.
        bad_images: `"skip"` leaves broken pictures out and counts them, `"fail"` stops at them.

    Returns:
        A `Data`.

    Raises:
        UsageError: the specification names no source.
        UserError: the source cannot be read; the message says what to do.
    """
    kind, colon, rest = spec.partition(":")
    sources = _sources()
    if not colon or kind not in sources:
        from kgan.core.recipe import nearest

        raise UsageError(
            f"--data {spec} names no source (source:what, as in avatars:Eyeglasses). "
            + nearest(kind, sources)
        )
    return sources[kind]()(
        rest, size=size, load_size=load_size or size, seed=seed, bad_images=bad_images
    )


def _sources():
    def avatars():
        from kgan.data.avatars import open_avatars

        return open_avatars

    def folder():
        from kgan.data.folders import open_folder

        return open_folder

    def celeba():
        from kgan.data.celeba import open_celeba

        return open_celeba

    def tfds():
        from kgan.data.tfds import open_tfds

        return open_tfds

    return {"avatars": avatars, "folder": folder, "celeba": celeba, "tfds": tfds}
