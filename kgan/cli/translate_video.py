"""Videos through `tools/translate`: frame by frame, a few of them in memory at a time.

Each frame is translated by itself, and the result has the rate of the file. A model that predicts
frames gives for each frame what it makes of the true ones before it; the first are as they were.
"""

import collections

import numpy as np

from kgan.core.errors import UsageError
from kgan.core.progress import progress, say
from kgan.data import films
from kgan.data.listing import list_pictures
from kgan.data.pictures import BrokenPicture, read_picture
from kgan.data.video import natural

FLICKER = ("note: each frame is translated by itself, so that what the model makes up may flicker; "
           "there is no sound in the result")


def video_job(source, out):
    """(what is read, the file of the result) if a video is to be made; None: pictures are.

    Args:
        source: path of `--input`: a file of a video, or a folder of frames if `out` is a file.
        out: path of `--output`: a file by its ending, or a folder.

    Raises:
        UsageError: a video is to be made of a file that is none.
    """
    file = out.suffix.lower() in films.WRITTEN
    if source.is_dir():
        return (source, out) if file else None
    if file and source.is_file() and not films.is_film(source):
        raise UsageError(f"{source} is not a file of a video ({', '.join(films.READ)}), of which "
                         f"{out} could be made; a picture's result goes into a folder.")
    if file and source.is_file():
        return source, out
    if source.is_file() and films.is_film(source) and source.suffix.lower() != ".gif":
        end = source.suffix.lower()
        return source, out / f"{source.stem}{end if end in films.WRITTEN else '.mp4'}"
    return None


def translate_video(source, result, run, *, rate=0, history=0, fit=None):
    """Writes the translation of a video.

    Args:
        source: a file, or a folder of frames.
        result: the file to write.
        run: `run(*frames)`: uint8 [h, w, 3] each -> uint8 [h', w', 1 or 3].
        rate: frames a second; 0 = the file's, 25 of a folder.
        history: 0 = `run` takes a frame and makes its translation; else so many frames, and makes
            the next one.
        fit: brings a frame, once it is read, to what `run` takes, as by shrinking it; None = as it
            is.

    Returns:
        How many frames were written.

    Raises:
        BrokenPicture: it cannot be read, or its frames differ in size.
    """
    frames, count, own = _frames(source)
    past, first = collections.deque(maxlen=history or 1), None
    say("note: the first frames are as they were, each other is predicted of those before it; "
        "there is no sound in the result" if history else FLICKER)
    with films.Writer(result, rate or own) as writer:
        for frame in progress(frames, count, "translating frames") if count else frames:
            first = frame.shape if first is None else first
            if frame.shape != first:
                raise BrokenPicture(str(source), f"frame {writer.count + 1} is {frame.shape[1]}x"
                                    f"{frame.shape[0]}, and the first {first[1]}x{first[0]}")
            frame = fit(frame) if fit else frame
            if not history:
                writer.add(_rgb(run(frame)))
                continue
            writer.add(_rgb(run(*past)) if len(past) == history else frame)
            past.append(frame)
        if not writer.count:
            raise BrokenPicture(str(source), "holds no frames")
    return writer.count


def _frames(source):
    """(iterator of frames, how many or None, frames a second)."""
    if source.is_dir():
        files = sorted(list_pictures(source).files, key=natural)
        if not files:
            raise BrokenPicture(str(source), "holds no pictures, which would be frames")
        return map(read_picture, files), len(files), films.USUAL_RATE
    facts = films.facts(source)
    return films.frames(source), facts.count or None, facts.rate


def _rgb(frame):
    frame = np.asarray(frame)
    return np.ascontiguousarray(np.repeat(frame, 3, -1) if frame.shape[-1] == 1 else frame)
