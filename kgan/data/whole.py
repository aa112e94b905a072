"""Whether a picture's file is there to its end.

A download that was cut and then filled with zeros, or stored in blocks that were never written, is
as long as its header says; decoders take the zeros for pixels. So the ends of files are looked at:
the checksums of a PNG up to its last chunk, the end marker behind a JPEG's pixels (what cameras put
behind it is no matter), and no tail of zeros over a quarter of a file of other compressed data.

Uncompressed pixels (BMP, some TIFF) may well be zeros: black. There a tail of zeros counts only
where it begins in the middle of a row and at a multiple of 512 bytes, as blocks of a disk or of a
transfer do. What was cut elsewhere cannot be told from a picture that ends in black.
"""

import re
import struct
import zlib

from PIL import Image

_TAIL = 0.25  # of a file
_TAIL_LEAST = 256  # bytes
_BLOCK = 512
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_BEHIND_PIXELS = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # less stuffed bytes and restarts


def check_whole(stream, image):
    """Checks a picture's file.

    Args:
        stream: the open file; its position stays.
        image: what Pillow made of it, not yet decoded.

    Raises:
        ValueError: says what is missing.
    """
    place = stream.tell()
    stream.seek(0)
    data = stream.read()
    stream.seek(place)
    if image.format == "PNG":
        _check_png(data)
    elif image.format == "JPEG":
        _check_jpeg(data)
    elif image.format == "WEBP":
        _check_webp(data, image)
    elif image.format in ("BMP", "TIFF"):
        _check_tail(data, image)


def _check_png(data):
    place, kind = 8, b""
    while kind != b"IEND":
        if place + 12 > len(data):
            raise ValueError("it ends before its last chunk")
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        if end + 4 > len(data):
            raise ValueError("it ends before its last chunk")
        needed = not kind[0] & 0x20
        if needed and zlib.crc32(data[place + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise ValueError(f"wrong checksum of chunk {kind.decode('ascii', 'replace')}")
        place = end + 4


def _check_jpeg(data):
    place, marker = 2, _MARKER
    while found := marker.search(data, place):
        kind, place = data[found.end() - 1], found.end()
        if kind == 0xD9:
            return
        marker = _MARKER
        if kind == 0x01 or 0xD0 <= kind <= 0xD8:  # stand alone
            continue
        if place + 2 > len(data):
            break
        place += struct.unpack_from(">H", data, place)[0]
        if kind == 0xDA:
            marker = _BEHIND_PIXELS
    raise ValueError("it ends before its end marker")


def _check_webp(data, image):
    zeros = _zeros(data)
    if 8 * zeros > image.width * image.height or data[12:16] == b"VP8 ":
        _refuse_zeros(data, zeros)  # of flat lossless pictures a run of pixels may be a zero bit


def _check_tail(data, image):
    zeros = _zeros(data)
    start = len(data) - zeros
    raw = image.info.get("compression") in ("raw", 0, 3)  # of TIFF; of BMP
    if not raw or (start % _BLOCK == 0 and not _begins_row(image, start)):
        _refuse_zeros(data, zeros)


def _begins_row(image, place):
    """Whether a row of uncompressed pixels may begin at a place in the file."""
    tile = max((tile for tile in image.tile if tile[2] <= place), key=lambda tile: tile[2],
               default=None)
    if not tile:
        return True
    left, _, right, _ = tile[1]
    row = tile[3][1] or len(Image.new(image.mode, (right - left, 1)).tobytes())
    return (place - tile[2]) % row == 0


def _zeros(data):
    return len(data) - len(data.rstrip(b"\0"))


def _refuse_zeros(data, zeros):
    if zeros >= max(_TAIL_LEAST, _TAIL * len(data)):
        raise ValueError(f"its last {zeros:,} bytes are zeros")
