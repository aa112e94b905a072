"""Which files of a folder are pictures: what the sources of data and the tools list folders with.

A picture is told by its first bytes, whatever its name. A file whose name says that it is one and
whose content does not is listed, too: reading it says what is wrong with it. Left out are hidden
files and folders, those that systems make, and the folders that kgan makes: its runs, exports,
weights and results hold sheets of pictures that nobody wants to train on. What is left out is
counted.
"""

import collections
import dataclasses
import os
import pathlib

from kgan.core.errors import UserError
from kgan.data.contents import read_content, read_contents
from kgan.data.pictures import printable, starts_as_picture

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif",
    ".heic", ".heif", ".avif",  # often a JPEG by content, and else to be named as not read
)
# Built as TIFF is, with a thumbnail where that has the picture.
RAW = (".3fr", ".arw", ".cr2", ".dng", ".erf", ".iiq", ".nef", ".nrw", ".orf", ".pef", ".rw2",
       ".sr2", ".srw")
SYSTEM_FOLDERS = {
    "__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found",
    "__pycache__", "#recycle", "@recycle",
}
SYSTEM_FILES = {"thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"}


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes:
        files: path -> hash of the content ("" if not asked for), sorted by relative name.
        folders: (path, kind) of the folders left out, kind in the plural: "folders of runs".
        others: paths of the files that are no pictures.
    """

    files: dict
    folders: tuple
    others: tuple


def list_pictures(folder, *, exclude=(), hashed=False):
    """All picture files under `folder`; links are followed, each real folder once.

    Args:
        folder: where to search, to the bottom. It is searched whatever it is itself.
        exclude: folders below it that are not entered.
        hashed: whether to hash the contents, see `kgan.data.contents`.

    Returns:
        A `Listing`.

    Raises:
        UserError: a folder that cannot be read.
    """
    root = pathlib.Path(folder)
    names, folders = _walk(root, exclude)
    if hashed:
        contents = read_contents(names, root, _is_picture)
    else:
        contents = [read_content(root / name, lambda start: False) for name in names]
    files, others = {}, []
    for name, content in zip(names, contents, strict=True):
        if _is_picture(name, content.start):
            files[root / name] = content.digest
        else:
            others.append(root / name)
    return Listing(files, tuple(folders), tuple(others))


def left_out(folders, others):
    """What was left out of listings, as lines for a person: none or one.

    Args:
        folders, others: see `Listing`.
    """
    counts = collections.Counter(kind for _, kind in folders)
    said = [f"{count:,} {kind}" if count > 1 else f"1 {kind.replace('folders', 'folder')}"
            for kind, count in counts.items()]
    if others:
        first = printable(others[0].name)
        said.append(f"{len(others):,} files that are no pictures, such as {first}"
                    if len(others) > 1 else f"1 file that is no picture, {first}")
    return [f"left out: {', '.join(said)}"] if said else []


def _is_picture(name, start):
    end = os.path.splitext(name)[1].lower()
    return end in SUFFIXES or (starts_as_picture(start) and end not in RAW)


def _walk(root, exclude):
    """Relative names of all files to look at, sorted, and the folders left out with their kinds."""

    def refuse(error):
        raise UserError(f"{printable(error.filename)}: cannot be read: {error.strerror}")

    excluded = {os.path.realpath(path) for path in exclude}
    seen, names, folders = {os.path.realpath(root)} | excluded, [], []
    top = os.fspath(root)
    for here, below, files in os.walk(top, onerror=refuse, followlinks=True):
        kept = []
        for name in sorted(below):
            real = os.path.realpath(os.path.join(here, name))
            if name.startswith(".") or real in seen:
                continue
            seen.add(real)
            kind = _kind(name, real)
            if kind:
                folders.append((pathlib.Path(here, name), kind))
            else:
                kept.append(name)
        below[:] = kept
        inside = os.path.relpath(here, top)
        names += [
            name if inside == "." else os.path.join(inside, name)
            for name in files if not name.startswith(".") and name.lower() not in SYSTEM_FILES
        ]
    return sorted(names, key=lambda name: name.split(os.sep)), folders


def _kind(name, folder):
    """What a folder is that is left out; "" for others."""
    if name.lower() in SYSTEM_FOLDERS:
        return "system folders"

    def has(file):
        return os.path.exists(os.path.join(folder, file))

    if has("recipe.json") and (has("run.json") or has("checkpoints")):
        return "folders of runs"
    if has("saved_model.pb") or has("models.config"):
        return "folders of exports"
    if has("config.json") and has("metadata.json"):
        return "folders of weights"
    results = map(has, ("edits.json", "evaluation.json", "suite.json"))
    return "folders of results" if any(results) else ""
