"""The source `video:PATH`: clips of frames out of videos.

    PATH/*.jpg                      one video, a folder of its frames in the order of their names
    PATH/NAME/*.png                 a folder of frames for each of several
    PATH/*.mp4, PATH.mp4            files of videos (mp4, webm, gif, ...), by `kgan.data.films`
    PATH/train/...  PATH/test/...   each of these, with the test videos apart

Without folders `train` and `test` about 5 % of the videos are held out, each by its name, where
there are `MANY`; of fewer the last tenth of each. A training clip may begin at any frame of the
stretches for training, which end before those for testing begin; test clips are spread evenly.

Numbers in names count as numbers. Frames are decoded once into the cache; a broken one, or one of
another size, ends a stretch: no clip passes over it. Of signals that are `native` frames keep their
own sizes (or have a shorter side of `side` px) and a training cuts pieces out of them, see
`kgan.data.clips`; of others they are cut to the middle and resized as pictures are.
"""

import itertools
import os
import pathlib
import re
import shutil

import numpy as np
from PIL import Image

from kgan.core.cache import made_once
from kgan.core.errors import UsageError, UserError
from kgan.core.hashing import digest_of, sha256
from kgan.core.paths import cache_dir
from kgan.data import films, pictures
from kgan.data.clips import Clips, clip_signal
from kgan.data.contents import read_contents
from kgan.data.listing import list_pictures
from kgan.data.native import laid_out
from kgan.data.pictures import BrokenPicture, printable
from kgan.data.scan import CACHE_LIMIT
from kgan.data.signals import loaded_sides
from kgan.data.spec import options_of
from kgan.data.split import hold_out
from kgan.data.stored import Item, judge, load, store
from kgan.data.types import Data

MANY = 20  # videos, from which on whole ones are held out
HELD_OUT = 0.1  # of the frames of each of fewer videos
OPTIONS = {"n": (0, 0, 2**30), "test": (50, 1, 2**20), "stride": (1, 1, 1000),
           "moving": (0.0, 0.0, 255.0), "side": (0, 0, 10_000)}


def open_video(rest, *, size, load_size=None, seed=0, bad_images="skip", signals=None):
    """Opens `PATH`, perhaps with `?n=&test=&stride=&moving=&side=`.

    Args:
        rest: the path and options: at most `n` training clips (0 = all) and `test` test clips,
            spread evenly; every `stride`-th frame is taken; a piece of a training moves by
            `moving` levels of 255 at least (see `kgan.data.clips.motion`); frames that keep their
            own sizes have a shorter side of `side` px (0 = as they are).
        size: side in pixels where a model declares nothing.
        load_size: side that frames are resized to before a crop, where they are resized; None: the
            signal's.
        seed: draws the videos that are held out.
        bad_images: "skip" names and counts broken frames, "fail" raises.
        signals: what a model declares, a tuple of `Signal` with one of frames.

    Returns:
        A `kgan.data.Data`.

    Raises:
        UserError: there are no videos, no stretch is long enough for a clip, a frame cannot be
            read, the frames do not fit into the cache.
        UsageError: an unknown option or value.
    """
    path, mark, query = rest.rpartition("?")
    path, query = (path, query) if mark else (rest, "")
    options = options_of(f"video:{rest}", query, OPTIONS)
    signal = clip_signal(f"video:{rest}", signals, size)
    if signal.native and load_size and load_size != size:
        raise UsageError("--load_size resizes pictures, and here pieces are cut out of frames as "
                         "they are: leave it out, or say video:PATH?side=PIXELS.")
    root = pathlib.Path(os.path.expanduser(path))
    if not path or not root.exists():
        raise UserError(f"video:{printable(path)}: there is no such folder or file.")
    apart = (root / "train").is_dir() and (root / "test").is_dir()
    roots = {"train": root / "train", "test": root / "test"} if apart else {"train": root}
    loaded = loaded_sides((signal,), size, load_size or size)[signal.name]
    sides = {"train": loaded, "test": signal.sides}
    how = {split: ("side", options["side"]) if signal.native else ("sides", sides[split])
           for split in sides}
    places = {split: (roots.get(split, root), how[split]) for split in how}
    found = {place: _stretches(*place, signal, bad_images) for place in set(places.values())}
    seen = {split: found[place] for split, place in places.items()}
    if apart:
        kept = {split: its.runs for split, its in seen.items()}
    else:
        kept = {split: _part(its.runs, split, signal.frames, options["stride"], seed)
                for split, its in seen.items()}
    made = {split: _clips(seen[split], kept[split], signal, options, split, roots)
            for split in kept}
    return Data(
        spec=f"video:{rest}", train={signal.name: made["train"]}, test={signal.name: made["test"]},
        summary=_summary(root, seen, kept, made, options),
        digest=digest_of([[its.digests for its in seen.values()], options, signal.frames,
                          seed]),
    )


class _Seen:
    """Frames that were found: `runs` {video: [rows of each stretch]}, `read(row)`, their `sides`,
    and what there is to say of them."""

    def __init__(self, runs, read, sides, digests, broken):
        self.runs, self.read, self.sides = runs, read, sides
        self.digests, self.broken = digests, broken


def _stretches(root, how, signal, bad_images):
    """The `_Seen` of a folder, or of a file."""
    videos = _videos(root)
    digests = [[name, kind, list(files.items())] for name, (kind, files) in videos.items()]
    place = cache_dir() / f"video-v1-{sha256(str(how), repr(digests))[:20]}"
    index = made_once(
        place, lambda: load(place),
        lambda: store(place, _items(root, videos, how), total=sum(
            len(files) for _, files in videos.values()), shape=(3,)),
    )
    judge(index, root, bad_images)
    sides = [tuple(note) for note in index["notes"]]
    least = signal.sides if signal.native else (1, 1)
    runs, before = {}, None
    for row, (position, name) in enumerate(zip(index["kept"], index["names"], strict=True)):
        video, size = name.rpartition("\0")[0], sides[row]
        if size[0] < least[0] or size[1] < least[1]:
            continue
        if before != (video, position - 1, size):
            runs.setdefault(video, []).append([])
        runs[video][-1].append(row)
        before = video, position, size
    if not runs:
        raise UserError(f"{printable(root)}: all frames are smaller than the {least[1]}x{least[0]} "
                        "that is cut out of each; a smaller --size, or larger frames.")
    return _Seen(runs, laid_out(index["stored"], sides), np.array(sides), digests, index["broken"])


def _videos(root):
    """`{name: ("frames" or "film", {path relative to root: hash})}`, sorted."""
    alone = root.is_file()
    if alone:
        names, root = [root.name], root.parent
    else:
        names = sorted(os.path.relpath(p, root) for p in root.rglob("*")
                       if p.is_file() and films.is_film(p) and not p.name.startswith("."))
    digests = [content.digest for content in read_contents(names, root)] if names else []
    found = {name: ("film", {name: digest}) for name, digest in zip(names, digests, strict=True)}
    if not alone:
        listed = list_pictures(root, hashed=True).files
        for file, digest in sorted(listed.items(), key=lambda item: natural(item[0])):
            if not films.is_film(file):
                folder = os.path.relpath(file.parent, root)
                found.setdefault(folder, ("frames", {}))[1][os.path.relpath(file, root)] = digest
    if not found:
        raise UserError(f"{printable(root)}: there are no videos in it: expected a folder of "
                        "frames, a folder of frames for each video, or files (mp4, webm, gif).")
    return dict(sorted(found.items(), key=lambda item: natural(item[0])))


def natural(name):
    """Sorts by numbers where there are some: frame 10 comes after frame 9."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part)
            for part in re.split(r"(\d+)", str(name))]


def _items(root, videos, how):
    """Yields an `Item` for each frame, its name `VIDEO\\0NUMBER`, its note (height, width)."""
    folder = root.parent if root.is_file() else root
    room, taken = min(CACHE_LIMIT, shutil.disk_usage(cache_dir()).free), 0
    for video, (kind, files) in videos.items():
        paths = [folder / file for file in files]
        number = itertools.count()
        frames = films.frames(paths[0]) if kind == "film" else map(_read, paths)
        while True:
            name = f"{video}\0{next(number)}"
            try:
                frame = next(frames, None)
                if isinstance(frame, BrokenPicture):
                    raise frame
            except BrokenPicture as error:
                yield Item(name, None, None, error.reason)
                if kind == "film":
                    break
                continue
            if frame is None:
                break
            size, frame = frame.shape[1::-1], _resized(frame, how)
            taken += frame.nbytes
            if taken > room:
                raise UserError(f"{printable(root)}: its frames take more than the "
                                f"{room / 1e9:.1f} GB that the cache has for them: take smaller "
                                "ones (video:PATH?side=PIXELS), or fewer videos.")
            yield Item(name, frame, size, frame.shape[:2])


def _read(path):
    """The pixels of a file, or the BrokenPicture that it is."""
    try:
        return pictures.read_picture(path)
    except BrokenPicture as error:
        return error


def _resized(frame, how):
    kind, wanted = how
    if kind == "sides":
        return pictures.resize_cover(frame, wanted)
    if not wanted:
        return frame
    height, width = frame.shape[:2]
    scale = wanted / min(height, width)
    size = max(wanted, round(scale * width)), max(wanted, round(scale * height))
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))


def _part(runs, split, frames, stride, seed):
    """The stretches of a split where there are no folders of that name: `{video: [rows]}`."""
    test = split == "test"
    if len(runs) >= MANY:
        names = list(runs)
        rows = hold_out(names, seed)[test]
        return {names[row]: runs[names[row]] for row in rows}
    span, found = (frames - 1) * stride + 1, {}
    for video, some in runs.items():
        last = some[-1]
        held = max(round(HELD_OUT * sum(map(len, some))), span)
        held = min(held, max(len(last) - span, 0)) if len(some) == 1 else min(held, len(last))
        border = len(last) - held
        found[video] = [last[border:]] if test else [*some[:-1], last[:border]]
    return found


def _clips(seen, runs, signal, options, split, roots):
    """The `Clips` of the stretches of a split."""
    stride, numbers, starts, fits = options["stride"], [], [], []
    for run in itertools.chain(*runs.values()):
        for start in range(len(run) - (signal.frames - 1) * stride):
            starts.append((len(numbers), start))
            fits.append((len(run) - 1 - start) // stride + 1)
        numbers.append(run)
    if not starts:
        what = "train on" if split == "train" else "test with"
        raise UserError(f"{printable(roots.get(split, roots['train']))}: no stretch of frames to "
                        f"{what} has the {signal.frames} frames of a clip at stride {stride}: give "
                        "longer videos, or a smaller stride.")
    most = options["n"] or len(starts) if split == "train" else options["test"]
    chosen = np.unique(np.rint(np.linspace(0, len(starts) - 1, min(most, len(starts))))).astype(int)
    starts, fits = [starts[i] for i in chosen], np.array(fits)[chosen]

    def read(row, frames, box):
        (run, start), (top, left, height, width) = starts[row], box
        rows = numbers[run][start : start + (frames - 1) * stride + 1 : stride]
        return np.stack([seen.read(i)[top : top + height, left : left + width] for i in rows])

    first = [numbers[run][start] for run, start in starts]
    return Clips(read, seen.sides[first], signal.frames, signal.sides, fits,
                 options["moving"] if split == "train" else 0.0)


def _summary(root, seen, kept, made, options):
    lines = []
    for split, clips in made.items():
        count = sum(len(run) for runs in kept[split].values() for run in runs)
        low, high = clips.sides.min(0), clips.sides.max(0)
        sizes = " to ".join(dict.fromkeys(f"{w}x{h}" for h, w in (low, high)))
        lines.append(f"{split}: {len(clips):,} clips of {clips.frames} frames out of {count:,} in "
                     f"{len(kept[split]):,} videos ({sizes})")
    if options["stride"] > 1:
        lines.append(f"stride {options['stride']}: of so many frames one is taken")
    if options["moving"]:
        lines.append(f"pieces to train on move by {options['moving']:g}/255 at least, where "
                     f"one does")
    if broken := seen["train"].broken:
        name, why = broken[0]
        lines.append(f"skipped {len(broken):,} broken frames, such as "
                     f"{printable(name.replace(chr(0), ' frame '))} ({why})")
    return (f"videos in {printable(root)}", *lines)
