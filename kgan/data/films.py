"""Files of videos, frame by frame, read and written through PyAV (the extra `kgan[video]`).

MP4, WebM, GIF and what else FFmpeg reads; MP4 (H.264), WebM (VP9), animated WebP and GIF are
written. No more than a few frames are in memory at a time. Sound is left behind. Frames are given
at a constant rate, the mean of the file's.
"""

import contextlib
import fractions
import pathlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from kgan.core.errors import UserError
from kgan.core.paths import replacing
from kgan.data.pictures import MAX_PIXELS, BrokenPicture, printable

# Containers of FFmpeg that these files are; others, as a list of more files, are not looked into.
CONTAINERS = "mov,mp4,matroska,webm,avi,mpeg,mpegts,mpegvideo,m4v,ogg,gif"
READ = (".mp4", ".m4v", ".mov", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ogv", ".gif")
WRITTEN = {  # ending: (container, encoder, format of pixels, options of the encoder)
    ".mp4": ("mp4", "libx264", "yuv420p", {"crf": "18"}),
    ".webm": ("webm", "libvpx-vp9", "yuv420p", {"crf": "24", "b": "0"}),
    ".webp": ("webp", "libwebp_anim", "yuv420p", {"quality": "90"}),
    ".gif": ("gif", "gif", "pal8", {}),
}
USUAL_RATE = fractions.Fraction(25)  # frames a second, of files that do not say


@dataclass(frozen=True)
class Facts:
    """What a file says of its video.

    Attributes:
        width, height: of the frames as they are stored, before they are turned upright, in pixels.
        rate: frames a second, a `fractions.Fraction`.
        count: frames; 0 = it does not say.
    """

    width: int
    height: int
    rate: fractions.Fraction
    count: int


def is_film(path):
    """Whether the name of a file ends as those of videos do."""
    return pathlib.Path(path).suffix.lower() in READ


def facts(path):
    """The `Facts` of a file.

    Raises:
        UserError: there is no PyAV.
        BrokenPicture: it cannot be read, or declares too many pixels.
    """
    with _opened(path) as (_, stream):
        width, height = stream.codec_context.width, stream.codec_context.height
        rate = stream.average_rate or stream.guessed_rate or USUAL_RATE
        return Facts(width, height, fractions.Fraction(rate), stream.frames or 0)


def frames(path):
    """Yields the frames of a file, uint8 [height, width, 3], upright, one after the other.

    Raises:
        UserError, BrokenPicture: as `facts`, also in the middle.
    """
    with _opened(path) as (container, stream):
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            _check(path, frame.width, frame.height)
            turns = round(frame.rotation / 90) % 4
            yield np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))


class Writer:
    """Writes a video, whole or not at all; a context.

    Args:
        path: its ending, one of `WRITTEN`, says the format.
        rate: frames a second.

    Raises:
        UserError: there is no PyAV, or it lacks the encoder.
    """

    def __init__(self, path, rate):
        self.path, self.count = pathlib.Path(path), 0
        least = fractions.Fraction(1, 100_000)
        self._rate = max(least, fractions.Fraction(rate).limit_denominator(100_000))
        self._stream, self._stack = None, contextlib.ExitStack()

    def __enter__(self):
        av = _av(self.path)
        kind, encoder, self._format, self._options = WRITTEN[self.path.suffix.lower()]
        if encoder not in av.codecs_available:
            raise UserError(f"{self.path}: this PyAV has no encoder {encoder}; choose another "
                            f"ending ({', '.join(WRITTEN)}).")
        self._encoder = encoder
        with contextlib.ExitStack() as stack:
            new = stack.enter_context(replacing(self.path))
            self._container = stack.enter_context(av.open(str(new), "w", format=kind))
            self._stack = stack.pop_all()
        return self

    def add(self, frame):
        """Adds a frame, uint8 [height, width, 3], of the size of the first.

        Of formats that have colour for every second pixel alone, odd sides gain a row or column.
        """
        av = _av(self.path)
        if self._stream is None:
            self._begin(*frame.shape[:2])
        if self._format == "pal8":
            image = Image.fromarray(frame).quantize(256)
            table = np.zeros((256, 4), np.uint8)
            colours = np.frombuffer(image.palette.getdata()[1], np.uint8).reshape(-1, 3)
            table[: len(colours)] = np.insert(colours, 0, 255, axis=1)
            made = av.VideoFrame.from_ndarray((np.asarray(image), table), format="pal8")
        else:
            height, width = frame.shape[:2]
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
            made = av.VideoFrame.from_ndarray(frame, format="rgb24")
        made.pts, made.time_base = self.count, 1 / self._rate
        self._container.mux(self._stream.encode(made))
        self.count += 1

    def _begin(self, height, width):
        stream = self._container.add_stream(self._encoder, rate=self._rate, options=self._options)
        odd = 0 if self._format == "pal8" else 1
        stream.width, stream.height = width + odd * (width % 2), height + odd * (height % 2)
        stream.pix_fmt = self._format
        stream.codec_context.time_base = 1 / self._rate
        self._stream = stream

    def __exit__(self, kind, error, traced):
        if kind is None:
            with self._stack:
                if self._stream is not None:
                    self._container.mux(self._stream.encode(None))
            return False
        return self._stack.__exit__(kind, error, traced)


def _av(path):
    try:
        import av
    except ImportError:
        raise UserError(f"{printable(path)} is a video, which needs PyAV: pip install av (or "
                        "'kgan[video]'), or give a folder of its frames.") from None
    return av


@contextlib.contextmanager
def _opened(path):
    """(container, its first video stream); all failures become a BrokenPicture."""
    av = _av(path)
    name = printable(path)
    pixels = {"max_pixels": str(MAX_PIXELS)}  # of any frame, before its memory is taken
    kinds = {"format_whitelist": CONTAINERS, "protocol_whitelist": "file"}
    try:
        with av.open(str(path), options=pixels, container_options=kinds,
                     metadata_errors="replace") as container:
            if not container.streams.video:
                raise BrokenPicture(name, "holds no video")
            stream = container.streams.video[0]
            _check(path, stream.codec_context.width, stream.codec_context.height)
            stream.codec_context.options = pixels
            yield container, stream
    except av.FFmpegError as error:
        reason = " ".join(str(error.strerror or error).split())
        raise BrokenPicture(name, f"cannot be read as a video ({reason})") from None


def _check(path, width, height):
    if not 0 < width * height <= MAX_PIXELS:
        raise BrokenPicture(printable(path), f"declares frames of {width}x{height} pixels, not 1 "
                            f"to {MAX_PIXELS:,}")
