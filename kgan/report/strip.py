"""Strips: a picture and what became of it, side by side, each below its caption."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LEAST = 128  # pixels; smaller pictures are enlarged by a whole factor, about to this side
LINE, GAP = 16, 4  # pixels


def draw_strip(pictures, captions):
    """Pictures in a row on white; they reach the lower edge.

    Args:
        pictures: uint8 [n, side, side, 3]; enlarged without smoothing, so that pixels stay pixels.
        captions: n lists of lines; a line that is too wide loses letters before its last word.

    Returns:
        A PIL image.
    """
    side = pictures.shape[1]
    zoom = max(1, LEAST // side)
    side *= zoom
    head = LINE * max(map(len, captions)) + GAP
    strip = Image.new("RGB", ((side + GAP) * len(pictures) - GAP, head + side), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(13)
    for i, (picture, lines) in enumerate(zip(pictures, captions, strict=True)):
        left = i * (side + GAP)
        for j, line in enumerate(lines):
            place = left + 1, head - GAP - (len(lines) - j) * LINE
            draw.text(place, _fitted(line, font, side), fill="black", font=font)
        large = np.asarray(picture).repeat(zoom, 0).repeat(zoom, 1)
        strip.paste(Image.fromarray(large), (left, head))
    return strip


def _fitted(text, font, width):
    name, _, last = text.rpartition(" ")
    while name and font.getlength(text) > width:
        name = name[:-1]
        text = f"{name}.. {last}"
    return text
