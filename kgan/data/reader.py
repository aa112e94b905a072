"""Sets of files at the sizes that are wanted, and what there is to say about them."""

import os

import numpy as np

from kgan.core.errors import UsageError, UserError
from kgan.core.hashing import digest_of
from kgan.data import scan
from kgan.data.listing import left_out, list_pictures
from kgan.data.pictures import printable
from kgan.data.signals import loaded_sides, pictures_of
from kgan.data.split import hold_out
from kgan.data.types import Data


class Reader:
    """Reads sets of files at the wanted sizes and collects what there is to say about them.

    `lines` become the summary of the `Data`; `lazy` says that some pictures are not stored; `found`
    is what the digest of the `Data` is made of; `held_out` are its names held out, by domain.
    """

    def __init__(self, size, load_size, seed, bad_images, box=None, signals=None):
        load_size = load_size or size
        if size < 1 or load_size < size:
            raise UsageError(f"load_size must be at least size, not {load_size} < {size}")
        self.size, self.load_size, self.seed, self.bad_images = size, load_size, seed, bad_images
        self.lines, self.lazy, self.found, self.held_out = [], False, {}, {}
        declared = pictures_of(signals or ())
        self._signals = {signal.name: signal for signal in declared}
        self._test = {signal.name: signal.sides for signal in declared}
        self._train = loaded_sides(declared, size, load_size)
        whole = [signal.name for signal in declared if not signal.source]
        self._alone = whole[0] if len(whole) == 1 else None
        if native := [signal.name for signal in declared if signal.native]:
            if native != whole:
                raise ValueError(f"{native[0]} is native, and with files there are "
                                 f"{', '.join(whole)}: give the others a source")
            if load_size > size:
                raise UsageError("--load_size resizes pictures, and here pieces are cut out of "
                                 "them as they are: leave it out.")
        self._box, self._places, self._broken, self._dark, self._listings = box, {}, {}, {}, {}

    def sides(self, domain, test=False):
        """(height, width) of the pictures of a domain, or the one side of squares."""
        known = self._test if test else self._train
        sides = known.get(domain) or known.get(self._alone)
        if not sides:
            return self.size if test else self.load_size
        return sides[0] if sides[0] == sides[1] else sides

    def list(self, folder):
        """The pictures below a folder, path -> hash; what is left out is noted for the summary."""
        if folder not in self._listings:
            self._listings[folder] = list_pictures(folder, hashed=True)
        return self._listings[folder].files

    def alone(self, files, root):
        """Notes files below `root` that lack a partner, path -> why, as broken."""
        names = _names(files, root)
        self._broken.update({(str(root), name): why
                             for name, why in zip(names, files.values(), strict=True)})
        if files and self.bad_images == "fail":
            file, why = next(iter(files.items()))
            raise UserError(f"{printable(file)}: {why}")

    def read(self, files, root, size, pairs=None, **options):
        """`scan.scan_pictures` with what is broken noted for the summary."""
        scanned = scan.scan_pictures(
            files, root=root, size=size, pairs=pairs, box=self._box, bad_images=self.bad_images,
            **options,
        )
        if scanned.stored is None:
            self.lazy = True
        else:
            self._places.setdefault(scanned.folder.parent, {})[scanned.folder.name] = None
        self._broken.update({(str(root), name): reason for name, reason in scanned.broken})
        self._dark.update(dict.fromkeys(scanned.dark))
        return scanned

    def read_of(self, domain, files, root, test=False, **options):
        """`read` at the size of a domain, and as ids if it is a signal of ids.

        Raises:
            UserError: an id is beyond the classes that the signal declares.
        """
        signal = self._signals.get(domain) or self._signals.get(self._alone)
        ids, native = bool(signal and signal.ids), bool(signal and signal.native)
        scanned = self.read(files, root, self.sides(domain, test), ids=ids, native=native,
                            **options)
        if ids and signal.kind == "labels" and signal.classes:
            file, largest = max(scanned.largest.items(), key=lambda found: found[1])
            if largest >= signal.classes:
                raise UserError(
                    f"{printable(file)} holds the id {largest}, and {signal.name} has "
                    f"{signal.classes} classes, ids 0 to {signal.classes - 1}: declare "
                    f"{largest + 1} classes, or change the ids"
                )
        return scanned

    def split(self, scanned, root, domain, rows=None, pairs=None, what="it", most=None):
        """Holds out some of the pictures of `scanned` (read at `load_size`), or of those at `rows`,
        see `kgan.data.split.hold_out`.

        Returns:
            rows for training; a `Scan` and the rows in it that hold the test pictures at `size`;
            the files of both, in order.
        """
        listed = list(scanned.files)
        rows = np.arange(len(listed)) if rows is None else np.asarray(rows)
        if len(rows) < 2:
            raise UserError(f"{printable(root)}: {what} has fewer than 2 whole pictures")
        names = _names([listed[row] for row in rows], root)
        train, test = hold_out(names, self.seed, most)
        self.held_out[domain] = tuple(names[row] for row in test)
        train, test = rows[train], rows[test]
        files = [listed[row] for row in train], [listed[row] for row in test]
        if self.sides(domain) == self.sides(domain, True):
            return train, scanned, test, files
        again = self.read({file: scanned.files[file] for file in files[1]}, root,
                          self.sides(domain, True), pairs, ids=scanned.ids)
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
                    held_out=dict(self.held_out), seed=self.seed, **parts)

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
