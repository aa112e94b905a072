"""Grids of pictures: rows of examples, columns of what a model shows."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_TITLES = {"a": "A", "b": "B", "a2b": "A to B", "b2a": "B to A"}


def to_uint8(pictures):
    """uint8 pictures from float ones in [-1, 1]; grey becomes RGB."""
    pictures = np.asarray(pictures)
    if pictures.dtype != np.uint8:
        pictures = np.clip(np.round((pictures + 1.0) * 127.5), 0, 255).astype(np.uint8)
    return np.repeat(pictures, 3, axis=-1) if pictures.shape[-1] == 1 else pictures


def grid(columns, gap=2):
    """One PIL image from `{title: pictures [n, h, w, c]}`: a column each, with its title.

    Pictures under 128 px are enlarged without smoothing, so that pixels stay pixels.
    """
    columns = {title: to_uint8(pictures) for title, pictures in columns.items()}
    side = next(iter(columns.values())).shape[1]
    zoom = max(1, 128 // side)
    step, head = side * zoom + gap, 18
    rows = max(len(pictures) for pictures in columns.values())
    sheet = Image.new("RGB", (step * len(columns) + gap, head + step * rows + gap), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for i, (title, pictures) in enumerate(columns.items()):
        draw.text((gap + i * step + 2, 1), _TITLES.get(title, title), fill="black", font=font)
        for j, picture in enumerate(pictures):
            image = Image.fromarray(picture)
            image = image.resize((image.width * zoom, image.height * zoom), Image.NEAREST)
            sheet.paste(image, (gap + i * step, head + gap + j * step))
    return sheet
