"""Sheets of pictures: a grid, a strip with captions, rows of strips.

Pictures under 128 px are enlarged by a whole factor without smoothing, so that pixels stay pixels.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kgan.core.pixels import array_to_uint8

LEAST = 128  # pixels; smaller pictures are enlarged to about this side
LINE, GAP = 16, 4  # of a strip, pixels
_TITLES = {"a": "A", "b": "B", "a2b": "A to B", "b2a": "B to A"}


def to_uint8(pictures):
    """uint8 pictures from float ones in [-1, 1], grey becomes RGB; maps of ids in colours."""
    pictures = np.asarray(pictures)
    if pictures.dtype != np.uint8 and pictures.dtype.kind in "iu":
        return (pictures * np.array([67, 151, 211]) % 256).astype(np.uint8)  # 0 is black
    if pictures.dtype != np.uint8:
        pictures = array_to_uint8(pictures)
    return np.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else pictures


def grid(columns, gap=2):
    """One PIL image from `{title: pictures [n, h, w, c]}`: a column each, with its title.

    Columns may differ in size: those of low resolution are enlarged by a whole factor.
    """
    columns = {title: to_uint8(pictures) for title, pictures in columns.items()}
    tallest = max(pictures.shape[1] for pictures in columns.values())
    zooms = {title: _zoom(tallest) * (tallest // pictures.shape[1])
             for title, pictures in columns.items()}
    step, head = tallest * _zoom(tallest) + gap, 18
    rows = max(len(pictures) for pictures in columns.values())
    width = gap + sum(zooms[title] * x.shape[2] + gap for title, x in columns.items())
    sheet = Image.new("RGB", (width, head + step * rows + gap), "white")
    draw, font, left = ImageDraw.Draw(sheet), ImageFont.load_default(12), gap
    for title, pictures in columns.items():
        draw.text((left + 2, 1), _TITLES.get(title, title), fill="black", font=font)
        for j, picture in enumerate(pictures):
            place = left, head + gap + j * step
            sheet.paste(_enlarged(Image.fromarray(picture), zooms[title]), place)
        left += zooms[title] * pictures.shape[2] + gap
    return sheet


def draw_strip(pictures, captions):
    """Pictures in a row on white; they reach the lower edge.

    Args:
        pictures: uint8 [n, side, side, 3].
        captions: n lists of lines; a line that is too wide loses letters before its last word.

    Returns:
        A PIL image.
    """
    side = pictures.shape[1]
    zoom = _zoom(side)
    side *= zoom
    head = LINE * max(map(len, captions)) + GAP
    strip = Image.new("RGB", ((side + GAP) * len(pictures) - GAP, head + side), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(13)
    for i, (picture, lines) in enumerate(zip(pictures, captions, strict=True)):
        left = i * (side + GAP)
        for j, line in enumerate(lines):
            place = left + 1, head - GAP - (len(lines) - j) * LINE
            draw.text(place, _fitted(line, font, side), fill="black", font=font)
        strip.paste(_enlarged(Image.fromarray(np.asarray(picture)), zoom), (left, head))
    return strip


def draw_rows(rows):
    """Strips below each other.

    Args:
        rows: [(pictures, captions)] as `draw_strip` takes them, of one size; rows may differ in
            how many there are.

    Returns:
        A PIL image.
    """
    strips = [draw_strip(pictures, captions) for pictures, captions in rows]
    size = max(s.width for s in strips), sum(s.height + GAP for s in strips) - GAP
    sheet, top = Image.new("RGB", size, "white"), 0
    for strip in strips:
        sheet.paste(strip, (0, top))
        top += strip.height + GAP
    return sheet


def _fitted(text, font, width):
    name, _, last = text.rpartition(" ")
    while name and font.getlength(text) > width:
        name = name[:-1]
        text = f"{name}.. {last}"
    return text


def rows_sheet(strips, gap=2):
    """A PIL image of rows, `{title: path of a picture of squares side by side}`."""
    pictures = {title: Image.open(path) for title, path in strips.items()}
    side = next(iter(pictures.values())).height
    zoom = _zoom(side)
    count = max(p.width // p.height for p in pictures.values())
    step, margin = side * zoom + gap, 300
    sheet = Image.new("RGB", (margin + step * count, step * len(pictures)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(22)
    for i, (title, strip) in enumerate(pictures.items()):
        draw.text((8, i * step + step // 2), title, fill="black", font=font, anchor="lm")
        for k in range(strip.width // strip.height):
            face = strip.crop((k * strip.height, 0, (k + 1) * strip.height, strip.height))
            face = face.resize((side * zoom, side * zoom), Image.NEAREST)
            sheet.paste(face, (margin + k * step, i * step))
    return sheet


def _zoom(side):
    return max(1, LEAST // side)


def _enlarged(image, zoom):
    return image.resize((image.width * zoom, image.height * zoom), Image.NEAREST)
