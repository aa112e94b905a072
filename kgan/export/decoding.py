"""Pictures of strangers inside a served graph: PNG or JPEG bytes to pixels and back.

TensorFlow operations only. The header is read before anything is decoded, and more than
`max_pixels` is refused while it costs nothing (TensorFlow's own limit lets 20 KB of PNG allocate
500 MB).

Deviations from a plain decoder: a JPEG is turned upright by its EXIF orientation, as a data loader
does (TensorFlow's decoder ignores it); an EXIF orientation inside a PNG is not read.
"""

import numpy as np
import tensorflow as tf

from kgan.core import pixels

MAX_PIXELS = 4096 * 4096
OPAQUE = np.uint8(255)
PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"  # signature, then the header chunk's length
EXIF_BYTES = 1 << 17  # where a JPEG's EXIF is looked for: it stands near the start, 64 KB at most
SEGMENTS = 64  # and behind how many others: a header of empty ones would cost a second


def decode_picture(data, max_pixels=MAX_PIXELS, multiple=1, smallest=1):
    """Decodes one PNG or JPEG after its header has been checked.

    The header alone says which of the two it is: TensorFlow's decoders would take other formats.

    Args:
        data: scalar string, the file's bytes.
        max_pixels: largest height x width that is decoded, counted
        multiple, smallest: after each side is extended as `kgan.core.pixels.extended` says.

    Returns:
        (rgb, alpha), uint8 [height, width, 3] and [height, width, 1]; alpha is 255 where the file
        has none. Grey and palette become RGB, 16 bits become 8.

    Raises:
        tf.errors.InvalidArgumentError: neither PNG nor JPEG, no pixels, too many pixels, damaged.
    """
    start, is_png = _start(data)
    is_jpeg = tf.equal(tf.strings.substr(start, 0, 3), b"\xff\xd8\xff")
    known = tf.debugging.Assert(
        is_png | is_jpeg,
        ["image_bytes is neither PNG nor JPEG; its length:", tf.strings.length(data)],
    )
    with tf.control_dependencies([known]):
        data = tf.identity(data)
    sides = tf.cond(is_png, lambda: _png_sides(start), lambda: _jpeg_sides(data))
    checked = _fitting(data, sides, max_pixels, multiple, smallest)
    bits = tf.io.decode_raw(tf.strings.substr(start, 24, 1), tf.uint8)[0]
    picture = tf.cond(is_png, lambda: _decode_png(checked, bits), lambda: _decode_jpeg(checked))
    return picture[..., :3], picture[..., 3:]


def decode_ids(data, max_pixels=MAX_PIXELS, multiple=1, smallest=1):
    """Decodes one map of ids, a PNG of one channel of 8 or 16 bits, after its header was checked.

    Args: those of `decode_picture`.

    Returns:
        int32 [height, width, 1].

    Raises:
        tf.errors.InvalidArgumentError: something else, no pixels, too many pixels, damaged.
    """
    start, is_png = _start(data)
    header = tf.io.decode_raw(tf.strings.substr(start, 24, 2), tf.uint8)
    bits = tf.cast(header[0], tf.int32)
    known = tf.debugging.Assert(
        is_png & tf.equal(header[1], 0) & (tf.equal(bits, 8) | tf.equal(bits, 16)),
        ["a map of ids is a grey PNG of 8 or 16 bits; its bits and its kind of colour:", header])
    with tf.control_dependencies([known]):
        sides = _png_sides(start)
    checked = _fitting(data, sides, max_pixels, multiple, smallest)

    def decode(dtype):
        return tf.cast(tf.io.decode_png(checked, channels=1, dtype=dtype), tf.int32)

    ids = tf.cond(tf.equal(bits, 16), lambda: decode(tf.uint16), lambda: decode(tf.uint8))
    return tf.ensure_shape(ids, [None, None, 1])


def _start(data):
    """The first 50 bytes, zeros behind the 26th, and whether they are those of a PNG."""
    start = tf.strings.join([tf.strings.substr(data, 0, 26), b"\0" * 26])
    return start, tf.equal(tf.strings.substr(start, 0, 16), PNG_START)


def _fitting(data, sides, max_pixels, multiple, smallest):
    """The bytes, behind checks of the sides that they declare."""
    has_pixels = tf.debugging.Assert(
        tf.reduce_all(sides > 0), ["image_bytes declares no pixels (height, width):", sides]
    )
    fits = tf.debugging.Assert(
        tf.reduce_prod(pixels.extended(sides, multiple, smallest)) <= max_pixels,
        [f"image_bytes declares more than {max_pixels} pixels (sides count as at least {smallest}, "
         f"in steps of {multiple}; height, width):", sides],
    )
    with tf.control_dependencies([has_pixels, fits]):
        return tf.identity(data)  # what decodes must wait for its input: a cond itself does not


def encode_picture(rgb, alpha):
    """PNG bytes of `rgb`, with `alpha` if some pixel is not opaque. Shapes of `decode_picture`."""
    return tf.cond(
        tf.reduce_all(tf.equal(alpha, OPAQUE)),
        lambda: tf.io.encode_png(rgb),
        lambda: tf.io.encode_png(tf.concat([rgb, alpha], axis=-1)),
    )


def _png_sides(start):
    """int64 (height, width) of the IHDR chunk; what is cut off reads as zero."""
    sides = tf.io.decode_raw(tf.strings.substr(start, 16, 8), tf.int32, little_endian=False)
    return tf.cast(sides[::-1], tf.int64)  # PNG's sides end at 2**31 - 1: more reads as negative


def _jpeg_sides(data):
    return tf.cast(tf.io.extract_jpeg_shape(data)[:2], tf.int64)


def _decode_png(data, bits):
    """RGBA; where the file has no alpha, TensorFlow fills in the highest value of `bits` bits."""
    rgba = tf.ensure_shape(tf.io.decode_png(data, channels=4), [None, None, 4])
    rgb, alpha = rgba[..., :3], rgba[..., 3:]
    filler = tf.cast(tf.minimum(2 ** tf.cast(bits, tf.int32) - 1, 255), tf.uint8)
    is_filled = tf.reduce_all(tf.equal(alpha, filler))
    return tf.concat([rgb, tf.where(is_filled, OPAQUE, alpha)], axis=-1)


def _decode_jpeg(data):
    rgb = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")  # as Pillow decodes
    rgb = _upright(rgb, _exif_orientation(data))
    return tf.concat([rgb, tf.fill(tf.shape(rgb[..., :1]), OPAQUE)], axis=-1)


def _upright(rgb, orientation):
    """Undoes an EXIF orientation (1 to 8)."""

    def when(condition, change, picture):
        return tf.cond(condition, lambda: change(picture), lambda: picture)

    def is_one_of(*values):
        return tf.reduce_any(tf.equal(orientation, values))

    rgb = when(orientation >= 5, lambda x: tf.transpose(x, [1, 0, 2]), rgb)
    rgb = when(is_one_of(2, 3, 6, 7), lambda x: tf.reverse(x, [1]), rgb)
    return when(is_one_of(3, 4, 7, 8), lambda x: tf.reverse(x, [0]), rgb)


def _exif_orientation(data):
    """The EXIF orientation tag (0x0112) of a JPEG, 1 where there is none. Never fails."""
    raw = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 0, EXIF_BYTES), tf.uint8), tf.int64)
    size = tf.size(raw, tf.int64)

    def number(at, count, little=False):
        """`count` bytes from `at` as a number; a position outside is moved to the border."""
        where = tf.clip_by_value(at + tf.range(count, dtype=tf.int64), 0, size - 1)
        weights = tf.constant([256**i for i in range(count)], tf.int64)
        return tf.reduce_sum(tf.gather(raw, where) * tf.where(little, weights, weights[::-1]))

    def is_other_segment(at):  # APP0 to APP15 or a comment, and not EXIF
        marker = number(at, 2)
        metadata = ((marker >= 0xFFE0) & (marker <= 0xFFEF)) | tf.equal(marker, 0xFFFE)
        return metadata & ~is_exif(at) & (at < size)

    def is_exif(at):
        return tf.equal(number(at, 2), 0xFFE1) & tf.equal(number(at + 4, 6), 0x457869660000)

    (segment,) = tf.while_loop(
        is_other_segment, lambda at: (at + 2 + number(at + 2, 2),), [tf.constant(2, tf.int64)],
        maximum_iterations=SEGMENTS,
    )
    tiff = segment + 10
    little = tf.equal(number(tiff, 2), 0x4949)
    entries = tiff + number(tiff + 4, 4, little)
    starts = entries + 2 + 12 * tf.range(tf.minimum(number(entries, 2, little), 256))

    def value(at):
        return tf.where(tf.equal(number(at, 2, little), 0x0112), number(at + 8, 2, little), 0)

    found = tf.reduce_max(tf.concat([[0], tf.map_fn(value, starts)], 0))
    return tf.where(is_exif(segment) & (found >= 1) & (found <= 8), found, 1)
