"""Decoding of single files: every colour mode right, every damage named in one line."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kgan.core.errors import UserError
from kgan.data import pictures
from kgan.data.pictures import BrokenPicture, read_picture, read_with_alpha

RNG = np.random.default_rng(0)


def gradient(width=24, height=16):
    """A picture whose corners all differ and that JPEG keeps well."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) * 3], -1).astype(np.uint8)


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, format=kind, **options)
    return out.getvalue()


def png_header(width, height):
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body
    return start + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_formats_round_trip(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(Image.fromarray(gradient()), kind, **options)
    np.testing.assert_array_equal(read_picture(data), gradient())


def test_jpeg_is_close_and_found_by_content_not_name(tmp_path):
    file = tmp_path / "photo.png"
    file.write_bytes(encoded(Image.fromarray(gradient()), "JPEG", quality=95, subsampling=0))
    assert np.abs(read_picture(file).astype(int) - gradient()).mean() < 2


def test_animated_gif_gives_its_first_frame():
    frames = [Image.new("RGB", (8, 6), color) for color in ("red", "blue", "lime")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_picture(data), np.full((6, 8, 3), (255, 0, 0)))


def test_grey_and_one_channel():
    grey = gradient()[:, :, 0]
    data = encoded(Image.fromarray(grey), "PNG")
    np.testing.assert_array_equal(read_picture(data), np.repeat(grey[:, :, None], 3, 2))
    np.testing.assert_array_equal(read_picture(data, channels=1)[:, :, 0], grey)
    with pytest.raises(ValueError, match="channels"):
        read_picture(data, channels=4)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind):
    grey = np.linspace(0, 65535, 20 * 30).astype(np.uint16).reshape(20, 30)
    out = read_picture(encoded(Image.fromarray(grey), kind))[:, :, 1]
    np.testing.assert_allclose(out, grey / 257, atol=0.5)


def test_32_bit_grey_and_float():
    grey = (np.linspace(0, 1, 60).reshape(6, 10) * (2**31 - 1)).astype(np.int32)
    out = read_picture(encoded(Image.fromarray(grey), "TIFF"))[:, :, 0]
    np.testing.assert_allclose(out, np.linspace(0, 255, 60).reshape(6, 10), atol=0.51)
    with pytest.raises(BrokenPicture, match="float"):
        read_picture(encoded(Image.fromarray(np.zeros((3, 3), np.float32)), "TIFF"))


def test_cmyk():
    data = encoded(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=95)
    red, green, blue = read_picture(data)[8, 8]
    assert red < 10 and green > 245 and blue > 245


def test_palette_with_and_without_transparency():
    image = Image.new("P", (4, 2))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putdata([0, 1] * 4)
    rgb, alpha = read_with_alpha(encoded(image, "PNG"))
    assert alpha is None
    assert rgb[0, 0].tolist() == [10, 20, 30] and rgb[0, 1].tolist() == [200, 100, 50]
    data = encoded(image, "PNG", transparency=0)
    rgb, alpha = read_with_alpha(data)
    assert alpha[0, :2].tolist() == [0, 255] and rgb[0, 1].tolist() == [200, 100, 50]
    assert read_picture(data)[0, :2].tolist() == [[255] * 3, [200, 100, 50]]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_kept_apart_or_composited_on_white(mode):
    image = Image.new("RGBA", (3, 1))
    image.putdata([(40, 40, 40, 0), (40, 40, 40, 128), (40, 40, 40, 255)])
    data = encoded(image.convert(mode), "PNG")
    rgb, alpha = read_with_alpha(data)
    assert rgb[0, :, 0].tolist() == [40, 40, 40] and alpha[0].tolist() == [0, 128, 255]
    white = [round((40 * a + 255 * (255 - a)) / 255) for a in (0, 128, 255)]
    assert read_picture(data)[0, :, 2].tolist() == white


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_exif_rotation(kind, orientation):
    stored = Image.fromarray(gradient())
    exif = Image.Exif()
    exif[0x0112] = orientation
    method = [None, None, 0, 3, 1, 5, 4, 6, 2][orientation]  # PIL.Image.Transpose of the undoing
    upright = stored if method is None else stored.transpose(Image.Transpose(method))
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    data = encoded(stored, kind, exif=exif, **options)
    got = read_picture(data)
    assert got.shape == np.asarray(upright).shape
    assert np.abs(got.astype(int) - np.asarray(upright)).mean() < 2
    assert pictures.picture_size(data) == got.shape[1::-1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (33, 64), (64, 64), (7, 5)])
def test_resize_cover_of_any_shape(shape):
    array = RNG.integers(0, 256, (*shape, 3), np.uint8)
    out = pictures.resize_cover(read_picture(encoded(Image.fromarray(array), "PNG")), 32)
    assert out.shape == (32, 32, 3) and out.dtype == np.uint8
    assert pictures.resize_cover(array[:, :, :1], 8).shape == (8, 8, 1)
    assert pictures.resize_cover(array[:, :, 0], 8).shape == (8, 8)


def test_resize_cover_takes_the_centre():
    array = np.zeros((10, 30, 3), np.uint8)
    array[:, 10:20] = 200
    assert (pictures.resize_cover(array, 5) == 200).all()
    array = RNG.integers(0, 256, (9, 12, 3), np.uint8)
    np.testing.assert_array_equal(pictures.resize_cover(array, 9), array[:, 1:10])


def test_reduced_reading_keeps_the_full_size_and_the_look():
    data = encoded(Image.fromarray(gradient(400, 320)), "JPEG", quality=95)
    small, size = pictures.read_reduced(data, 32)
    assert size == (400, 320) and small.shape[0] in (80, 160)
    fine = pictures.resize_cover(read_picture(data), 32).astype(int)
    assert np.abs(pictures.resize_cover(small, 32) - fine).mean() < 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("part", [0.1, 0.6])
def test_truncated(kind, part, tmp_path):
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), np.uint8))
    data = encoded(noise, kind)
    file = tmp_path / "half.jpg"
    file.write_bytes(data[: int(len(data) * part)])
    with pytest.raises(BrokenPicture, match=r"half\.jpg: damaged or truncated \(.+\)$") as caught:
        read_picture(file)
    assert "\n" not in str(caught.value) and isinstance(caught.value, UserError)


def photograph():
    y, x = np.mgrid[0:150, 0:200]
    noise = RNG.normal(0, 12, (150, 200, 3))
    return Image.fromarray((np.stack([x, y, x + y], -1) * 0.7 + noise).clip(0, 255).astype("u1"))


@pytest.mark.parametrize("kind, options", [
    ("PNG", {}), ("JPEG", {"quality": 95}), ("JPEG", {"progressive": True}), ("WEBP", {}),
    ("WEBP", {"lossless": True}), ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "packbits"}), ("GIF", {}), ("BMP", {}), ("TIFF", {}),
])
def test_cut_and_filled_with_zeros(kind, options):
    data = encoded(photograph(), kind, **options)
    read_picture(data)
    length = len(data) * 6 // 10 // 512 * 512  # uncompressed data are known by whole blocks
    with pytest.raises(BrokenPicture, match="damaged or truncated"):
        read_picture(data[:length] + bytes(len(data) - length))


@pytest.mark.parametrize("kind, lost", [("PNG", 20), ("PNG", 12), ("PNG", 1), ("JPEG", 20),
                                        ("JPEG", 2), ("JPEG", 1), ("WEBP", 2)])
def test_the_very_end_is_missing(kind, lost):
    data = encoded(photograph(), kind, quality=95)
    cut = data[:-lost]
    with pytest.raises(BrokenPicture, match="damaged or truncated"):
        read_picture(cut)
    if kind != "WEBP":  # its length stands in front only
        with pytest.raises(BrokenPicture, match="damaged or truncated"):
            read_picture(cut + bytes(lost))


def test_what_lies_behind_a_whole_picture_is_no_matter():
    for kind in ("JPEG", "PNG", "WEBP", "GIF"):
        data = encoded(photograph(), kind)
        want = read_picture(data)
        for trailer in (b"\xff\xd8\xff\xe0 cut", b"MotionPhoto", bytes(3)):
            np.testing.assert_array_equal(read_picture(data + trailer), want)


def test_black_pictures_are_whole():
    for shape in ((1, 1), (97, 131), (256, 256)):
        black = np.zeros((*shape, 3), np.uint8)
        noise = RNG.integers(0, 256, black.shape, np.uint8)
        top, bottom, dot = noise.copy(), noise.copy(), black.copy()
        top[: shape[0] * 7 // 8], bottom[shape[0] // 8 :], dot[0, 0] = 0, 0, 255
        for picture in (black, top, bottom, dot):
            for mode in ("1", "L", "P", "RGB", "RGBA"):
                image = Image.fromarray(picture).convert(mode)
                for kind, options in (
                    ("PNG", {}), ("JPEG", {}), ("JPEG", {"optimize": True}), ("WEBP", {}),
                    ("BMP", {}), ("WEBP", {"lossless": True, "method": 0}), ("TIFF", {}),
                    ("GIF", {}),
                    ("TIFF", {"compression": "packbits"}),
                ):
                    if kind == "JPEG" and mode in ("P", "RGBA"):
                        continue
                    read_picture(encoded(image, kind, **options))


@pytest.mark.parametrize("tags, black, white", [
    ({}, 0, 65535), ({262: 0}, 65535, 0), ({281: 4095}, 0, 4095), ({262: 0, 281: 4095}, 4095, 0),
    ({281: 4000}, 0, 65535),  # the largest value that occurs, not a depth
])
def test_16_bit_tiff_by_what_it_declares(tags, black, white):
    grey = np.array([[black, white]], np.uint16)
    data = encoded(Image.fromarray(grey), "TIFF", tiffinfo=tags)
    assert read_picture(data)[0, :, 0].tolist() == [0, 255]


def test_cut_is_of_a_shape_at_any_scale():
    box = (178, 218, 25, 57, 128)
    pixels = RNG.integers(0, 256, (218, 178, 3), np.uint8)
    np.testing.assert_array_equal(pictures.cut(pixels, box), pixels[57:185, 25:153])
    half = pixels[::2, ::2]
    np.testing.assert_array_equal(pictures.cut(half, box), half[28:92, 12:76])
    with pytest.raises(ValueError, match="178x178 is not of the shape 178x218"):
        pictures.cut(pixels[:178], box)


def test_no_picture_at_all(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("dear diary,\nit rained")
    os.mkfifo(tmp_path / "pipe.jpg")
    for name, reason in {
        "empty.jpg": "the file is empty",
        "text.jpg": r"not a JPEG, .* begins with 'dear diary,\?it r'",
        "pipe.jpg": "not a regular file",
        "absent.jpg": "No such file",
    }.items():
        with pytest.raises(BrokenPicture, match=reason) as caught:
            read_picture(tmp_path / name)
        assert caught.value.name == str(tmp_path / name)
        assert str(caught.value) == f"{caught.value.name}: {caught.value.reason}"
    with pytest.raises(BrokenPicture, match="the picture: the file is empty"):
        read_picture(b"")


@pytest.mark.parametrize("side", [14_000, 60_000])  # beyond Pillow's warning, beyond its error
def test_bomb_is_refused_by_its_header(side, tmp_path, monkeypatch, recwarn):
    file = tmp_path / "bomb.png"
    file.write_bytes(png_header(side, 12_000) + b"\0\0\0\0IDAT")
    before = Image.MAX_IMAGE_PIXELS
    for read in (read_picture, pictures.picture_size):
        with pytest.raises(
            BrokenPicture, match=f"declares {side}x12000 pixels, more than the 50,0"
        ):
            read(file)
    assert (Image.MAX_IMAGE_PIXELS, len(recwarn)) == (before, 0)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(BrokenPicture, match="declares"):
        read_picture(file)


def test_limits_can_be_set():
    data = encoded(Image.fromarray(gradient()), "PNG")
    read_picture(data, max_pixels=24 * 16, max_bytes=len(data))
    with pytest.raises(BrokenPicture, match="declares 24x16"):
        read_picture(data, max_pixels=24 * 16 - 1)
    with pytest.raises(BrokenPicture, match="bytes, more than"):
        read_picture(data, max_bytes=len(data) - 1)


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (4, 6, 4)])
def test_write_png(shape, tmp_path):
    array = RNG.integers(0, 256, shape, np.uint8)
    file = tmp_path / "new" / "a.png"
    pictures.write_png(file, array)
    with Image.open(file) as image:
        np.testing.assert_array_equal(
            np.asarray(image), array[:, :, 0] if shape[2:] == (1,) else array
        )
        assert not image.info and not image.getexif()
    with pytest.raises(ValueError, match="uint8"):
        pictures.write_png(file, array / 255)
    assert os.listdir(file.parent) == ["a.png"]
