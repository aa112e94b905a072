"""What a source of data answers with."""

from dataclasses import dataclass, field

from kgan.core.lazy import np


@dataclass(frozen=True)
class Data:
    """What a source found.

    Pictures are anything with `len`, a `shape` (n, h, w, 3) and `pictures[int array]` that gives a
    uint8 array; arrays and memory maps are. Maps of ids are of one channel and give uint16; clips
    of frames (`kgan.data.clips.Clips`) have a shape (n, frames, h, w, 3).

    Attributes:
        spec: the specification.
        train: `{domain: pictures}`, `{"a": ..., "b": ...}` for two domains, `{"a": ...}` for one,
            else by the names of the signals that a model declares.
        test: the same of held-out pictures.
        summary: lines that say what was found.
        paired: `a[i]` and `b[i]` show the same, and so do all other sets.
        labels: of the pictures of domain a, `{"train": ..., "test": ...}`: float32 [n, k] of 0 and
            1 for attributes, or of what clips were drawn by; int64 [n] for classes; None for none.
        label_names: names of the k attributes or classes.
        exclusive: labels are classes: each picture has exactly one.
        truth: for sources that know it, `truth[d][i]` is what the edit of `test[d][i]` should give.
        deterministic: the direction in which the true edit is unique, `"a2b"` or `"b2a"`.
        digest: sha256 in hex over what was found, wherever it lies: for each domain and split the
            names, contents and labels.
        held_out: domain -> names of the pictures that were held out of training; those of a source
            with test pictures of its own are not named.
        seed: by which they were held out, where they were.
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
    seed: int = 0

    def labels_of(self, split, rows):
        """float32 [len(rows), k]: the labels of some pictures, classes as one-hot rows."""
        found = self.labels[split][rows]
        if not self.exclusive:
            return found
        return (found[:, None] == np.arange(len(self.label_names))).astype(np.float32)
