"""Directions of the labels of a set of pictures, and where pictures without and with them lie.

The mean code of the pictures with a label less that of those without it ("Photoshop 2.0"), measured
by pictures that it is not made of where there are enough (CRG, section 3.4, whose pictures are
unseen by the training). Of a label `No_Beard` it is the direction of a beard.
"""

import sys

from kgan.core.batches import spread
from kgan.core.errors import printable
from kgan.editing.directions import Direction, from_labels, with_populations

LEARNT_FROM = 4000  # pictures whose mean codes make a direction, at most; as many measure it
FEWEST = 10  # pictures with a label, and without it, that make a direction or measure it


def from_data(encode, data, generator, measured=None):
    """The directions of all labels of which there are enough pictures; others are named.

    Args:
        encode: (pictures, rows) -> codes [len(rows), latent].
        data: a `kgan.data.Data` with labels of attributes; its training pictures make them.
        generator: `Direction.generator`.
        measured: (a `kgan.data.Data`, "train" or "test"), pictures that measure them; None, or
            fewer than `FEWEST` of them without a label or with it: those that make it do.

    Returns:
        `{name: Direction}`.
    """
    learnt = _known(encode, data, "train")
    others = _known(encode, *measured) if measured else learnt
    found = {}
    for i, label in enumerate(data.label_names):
        name, has = attribute_of(label)
        codes, with_ = learnt[0], (learnt[1][:, i] > 0.5) == has
        if not _enough(with_):
            print(f"no direction of {printable(name)}: fewer than {FEWEST} pictures with it or "
                  "without", file=sys.stderr)
            continue
        how = f"mean codes of {with_.sum()} pictures with it and {(~with_).sum()} without"
        made = Direction(name, *from_labels(codes, with_.astype(int)), generator, how=how)
        others_with = (others[1][:, i] > 0.5) == has
        if _enough(others_with):
            codes, with_ = others[0], others_with
        found[name] = with_populations(made, codes[~with_], codes[with_])
    return found


def attribute_of(label):
    """(name of the attribute, whether pictures with the label have it): `No_Beard` is no beard."""
    return (label[3:], False) if label.startswith("No_") else (label, True)


def labels_of(data, split, name):
    """Whether pictures have an attribute, bool [n]; None: no label says so."""
    for i, label in enumerate(data.label_names):
        found, has = attribute_of(label)
        if found == name:
            return (data.labels[split][:, i] > 0.5) == has
    return None


def _known(encode, data, split):
    pictures = data.test["a"] if split == "test" else data.train["a"]
    rows = spread(len(pictures), LEARNT_FROM)
    return encode(pictures, rows), data.labels_of(split, rows)


def _enough(with_):
    return min(with_.sum(), (~with_).sum()) >= FEWEST
