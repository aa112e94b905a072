"""One picture file to a uint8 array and back.

JPEG, PNG, WebP, BMP, TIFF and GIF, told apart by content and not by name, decoded by Pillow; of an
animation the first frame. A file that ends too early is broken, also where its missing end is
filled with zeros, see `kgan.data.whole`. Every file becomes upright 8-bit RGB, see
`kgan.data.upright`. Transparency is composited on white for training and kept apart by
`read_with_alpha`. The size that a header declares is checked before any pixel is decoded, without
Pillow's global limit: the decoder of the one format is called directly. Every failure is a
`BrokenPicture` of one line.

Pictures are cut to their middle of the wanted shape, as a square, and resized with Pillow's bicubic
filter, which averages when it shrinks. This keeps the aspect; the released CycleGAN and pix2pix
squeeze the whole picture into a square instead. Maps of ids are cut alike; their values are kept as
they are, and each pixel of a resized map is that of the nearest one.
"""

import contextlib
import io
import os
import stat

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from kgan.core.errors import UserError, printable
from kgan.core.paths import replacing
from kgan.data.upright import on_white, upright, upright_size
from kgan.data.whole import check_whole

MAX_PIXELS = 50_000_000
MAX_BYTES = 256 * 2**20

_DECODERS = (
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"II*\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", TiffImagePlugin.TiffImageFile),
    (b"II+\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0+", TiffImagePlugin.TiffImageFile),
)


class BrokenPicture(UserError):
    """A file that is no usable picture. `name` is the file, `reason` says in one line why."""

    def __init__(self, name, reason):
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


def starts_as_picture(start):
    """Whether a file with these first 16 bytes is of a format that is read here."""
    if start.startswith(b"BM"):  # a word may begin so; the four bytes behind the length are zero
        return len(start) == 16 and start[6:10] == bytes(4)
    return _decoder(start) is not None


def read_picture(source, *, channels=3, max_pixels=MAX_PIXELS, max_bytes=MAX_BYTES):
    """Decodes one picture; transparent parts are composited on white.

    Args:
        source: the path of a file, or its content as `bytes`.
        channels: 3 for RGB, 1 for grey (ITU-R 601 luma).
        max_pixels: a picture whose header declares more is refused undecoded.
        max_bytes: a larger file is refused unread.

    Returns:
        uint8 array [height, width, channels].

    Raises:
        BrokenPicture: the file cannot be read or is no whole picture.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1 or 3, not {channels}")
    rgb, alpha, _ = _decode(source, None, max_pixels, max_bytes)
    rgb = on_white(rgb, alpha)
    return rgb if channels == 3 else np.asarray(Image.fromarray(rgb).convert("L"))[:, :, None]


def read_ids(source, *, max_pixels=MAX_PIXELS, max_bytes=MAX_BYTES):
    """Reads a map of ids: a file of one channel, or the indices of a palette, as they are.

    Args and errors: those of `read_picture`.

    Returns:
        uint16 [height, width, 1].
    """
    with _opened(source, max_pixels, max_bytes, whole=True) as image:
        if image.format == "JPEG":
            raise BrokenPicture(printable(source), "a JPEG does not keep ids; save maps of ids as "
                                "PNG")
        if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B"):
            raise BrokenPicture(printable(source), f"holds colours ({image.mode}), not one id for "
                                "each pixel")
        spread = {"L;2": 85, "L;4": 17}.get(image.tile[0][3], 1)  # Pillow scales few bits to 8
        image.load()
        found = np.asarray(image).astype(np.int64) // spread
    if found.min() < 0 or found.max() > 65535:
        raise BrokenPicture(printable(source), f"holds ids from {found.min()} to {found.max()}; "
                            "they are 0 to 65,535")
    return found.astype(np.uint16)[:, :, None]


def read_with_alpha(source, *, max_pixels=MAX_PIXELS, max_bytes=MAX_BYTES):
    """Decodes one picture and keeps its transparency apart.

    Args and errors: those of `read_picture`.

    Returns:
        uint8 RGB [height, width, 3], not composited, and uint8 alpha [height, width] or None where
        the file holds no transparency.
    """
    rgb, alpha, _ = _decode(source, None, max_pixels, max_bytes)
    return rgb, alpha


def read_reduced(source, short_side, *, max_pixels=MAX_PIXELS, max_bytes=MAX_BYTES):
    """Like `read_picture`, for a picture that will be shrunk to `short_side` pixels anyway.

    A large JPEG is decoded at 1/2, 1/4 or 1/8 scale, several times faster, as long as twice
    `short_side` remains.

    Returns:
        uint8 RGB array and the full (width, height) of the upright picture.
    """
    rgb, alpha, size = _decode(source, 2 * short_side, max_pixels, max_bytes)
    return on_white(rgb, alpha), size


def picture_size(source, *, max_pixels=MAX_PIXELS, max_bytes=MAX_BYTES):
    """The (width, height) of the upright picture, from its header alone.

    Raises:
        BrokenPicture: as `read_picture`, as far as the header shows it.
    """
    with _opened(source, max_pixels, max_bytes) as image:
        return upright_size(image, image.size)


def cut(array, box):
    """Cuts a square out of a picture of a known shape, at whatever scale it is.

    Args:
        array: uint8 [height, width, ...].
        box: (width, height, left, top, side): where the square lies in a picture of width x height.

    Raises:
        ValueError: the picture has another shape, by more than 1 %.
    """
    width, height, left, top, side = box
    scale = array.shape[1] / width
    if abs(array.shape[0] / height - scale) > 0.01 * scale:
        raise ValueError(f"{array.shape[1]}x{array.shape[0]} is not of the shape {width}x{height}")
    side = round(side * scale)
    left, top = (min(round(x * scale), n - side)
                 for x, n in ((left, array.shape[1]), (top, array.shape[0])))
    return array[top : top + side, left : left + side]


def sides_of(size):
    """(height, width) of a size: one side of a square, or the two."""
    return (size, size) if isinstance(size, int) else tuple(size)


def resize_cover(array, size):
    """Cuts the middle of the wanted shape and resizes it: uint8 bicubic, ids nearest.

    Args:
        array: uint8 or, of ids, uint16 [height, width, 3], [height, width, 1] or [height, width].
        size: the new side in pixels of a square, or (height, width).

    Returns:
        Array [height, width, ...] with the channels and the type of `array`.
    """
    middle, new = _middle(array, sides_of(size)), sides_of(size)
    if middle.shape[:2] == new:
        return np.ascontiguousarray(middle)
    if array.dtype == np.uint16:
        rows, columns = ((2 * np.arange(n) + 1) * old // (2 * n)
                         for n, old in zip(new, middle.shape, strict=False))
        return middle[rows[:, None], columns]
    flat = middle[:, :, 0] if middle.shape[2:] == (1,) else middle
    image = Image.fromarray(np.ascontiguousarray(flat)).resize(
        new[::-1], Image.Resampling.BICUBIC
    )
    return np.asarray(image).reshape((*new, *array.shape[2:]))


def _middle(array, shape):
    """The largest part in the middle that is as high to wide as `shape`."""
    (height, width), (h, w) = array.shape[:2], shape
    if height * w > width * h:
        cut_height, cut_width = max(1, round(width * h / w)), width
    else:
        cut_height, cut_width = height, max(1, round(height * w / h))
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    return array[top : top + cut_height, left : left + cut_width]


def write_png(path, array):
    """Writes a PNG that holds pixels and nothing else, whole or not at all.

    Args:
        path: the new file; its folder is made.
        array: uint8 [height, width], [height, width, 1], [height, width, 3] (RGB) or
            [height, width, 4] (RGBA).
    """
    array = np.asarray(array)
    if array.dtype != np.uint8:
        raise ValueError(f"write_png wants uint8 pixels, not {array.dtype}")
    image = Image.fromarray(array[:, :, 0] if array.shape[2:] == (1,) else array)
    with replacing(path) as new:
        image.save(new, format="PNG")


@contextlib.contextmanager
def _opened(source, max_pixels, max_bytes, whole=False):
    """Yields the picture with its header read and checked, and if asked for its file to the end.

    Any failure becomes a BrokenPicture.
    """
    name = "the picture" if isinstance(source, bytes) else printable(source)
    try:
        with _stream(source, name, max_bytes) as stream:
            start = stream.read(16)
            decoder = _decoder(start)
            if not decoder:
                begin = printable(start.decode("ascii", "replace"))
                raise BrokenPicture(name, "not a JPEG, PNG, WebP, BMP, TIFF or GIF file (it begins "
                                    f"with '{begin}')")
            stream.seek(0)
            image = decoder(stream)
            width, height = image.size
            if width * height > max_pixels:
                raise BrokenPicture(
                    name, f"declares {width}x{height} pixels, more than the {max_pixels:,} allowed"
                )
            if whole:
                check_whole(stream, image)
            yield image
    except BrokenPicture:
        raise
    except OSError as error:
        raise BrokenPicture(name, error.strerror or _reason(error)) from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged input
        raise BrokenPicture(name, _reason(error)) from error


def _reason(error):
    text = printable(" ".join(str(error).split())) or "no details"
    return f"damaged or truncated ({type(error).__name__}: {text[:120]})"


@contextlib.contextmanager
def _stream(source, name, max_bytes):
    if isinstance(source, bytes):
        stream, length = io.BytesIO(source), len(source)
    else:
        info = os.stat(source)
        if not stat.S_ISREG(info.st_mode):  # opening a pipe would wait forever
            raise BrokenPicture(name, "not a regular file")
        stream, length = open(source, "rb"), info.st_size  # noqa: SIM115 (closed below)
    with stream:
        if not length:
            raise BrokenPicture(name, "the file is empty")
        if length > max_bytes:
            raise BrokenPicture(name, f"{length:,} bytes, more than the {max_bytes:,} allowed")
        yield stream


def _decoder(start):
    """What decodes a file that begins with these 16 bytes, or None."""
    for magic, decoder in _DECODERS:
        if start.startswith(magic):
            return decoder
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return WebPImagePlugin.WebPImageFile
    return None


def _decode(source, enough, max_pixels, max_bytes):
    """RGB, alpha or None, and the full (width, height); all upright."""
    with _opened(source, max_pixels, max_bytes, whole=True) as image:
        size = image.size
        if enough:
            image.draft(None, (enough, enough))
        image.load()
        return *upright(image), upright_size(image, size)
