"""What Pillow has decoded, as upright 8-bit RGB.

Grey, palette and CMYK are converted; values of many bits are scaled (Pillow alone clips them) by
the depth that the file declares; TIFF's "white is zero" is turned round; the EXIF rotation is
applied; colour profiles are ignored.
"""

import numpy as np
from PIL import TiffImagePlugin

_ORIENTATION = 0x0112
_MAX_SAMPLE_VALUE = 281
_UPRIGHT = {  # EXIF orientation -> what makes the picture upright
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


def upright(image):
    """uint8 RGB [height, width, 3] and uint8 alpha [height, width] or None, of a loaded image."""
    rgb, alpha = _rgb_and_alpha(image)
    turn = _UPRIGHT.get(_orientation(image))
    if turn:
        rgb = np.ascontiguousarray(turn(rgb))
        alpha = None if alpha is None else np.ascontiguousarray(turn(alpha))
    return rgb, alpha


def upright_size(image, size):
    """The (width, height) of an image once it is upright, where `size` is as it lies."""
    return size[::-1] if _orientation(image) in (5, 6, 7, 8) else size


def on_white(rgb, alpha):
    """uint8 RGB composited on white by uint8 alpha, or as it is without one."""
    if alpha is None:
        return rgb
    weight = alpha[:, :, None].astype(np.uint16)
    return ((rgb * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)


def _orientation(image):
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # Pillow has turned it already
        return 1
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF beside good pixels: take them as they lie
        return 1


def _rgb_and_alpha(image):
    if image.mode.startswith("I"):
        grey = _eight_bits(np.asarray(image), *_range(image))
        return np.repeat(grey[:, :, None], 3, axis=2), None
    if image.mode == "F":
        raise ValueError("32-bit float pixels have no known range; save it with 8 or 16 bits")
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA"))
        return np.ascontiguousarray(rgba[:, :, :3]), np.ascontiguousarray(rgba[:, :, 3])
    return np.asarray(image.convert("RGB")), None


def _range(image):
    """The largest value that a grey picture of many bits declares or None, and if it is black."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return None, False
    tags = image.tag_v2
    bits = tags.get(TiffImagePlugin.BITSPERSAMPLE, (16,))[0]
    most = tags.get(_MAX_SAMPLE_VALUE, 0)
    most = most[0] if isinstance(most, tuple) else most
    if not (255 < most < 65535 and most & (most + 1) == 0):  # 10, 12 or 14 bits, not a statistic
        most = 2**bits - 1 if bits < 16 else None
    return most, tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION) == 0


def _eight_bits(grey, full, inverted):
    """Scales grey of many bits to 8; without `full`, values beyond 65535 are read as 31-bit."""
    grey = np.clip(grey.astype(np.int64), 0, None)
    largest = grey.max()
    if not full or largest > full:
        full = 65535 if largest <= 65535 else 2**31 - 1
    if inverted:
        grey = full - grey
    return ((grey * 255 + full // 2) // full).astype(np.uint8)
