"""Animated pictures of clips: frames that are given, then, with a frame around them, those made."""

import numpy as np
from PIL import Image

from kgan.core.paths import replacing
from kgan.report.sheet import grid, to_uint8

MILLISECONDS = 250  # of a frame
REST = 1000  # of the last one
MARK = (230, 60, 40)  # around what was predicted


def clips_sheets(clips, given):
    """A PIL image for each frame of clips.

    Args:
        clips: `{title: float [n, frames, h, w, c] in [-1, 1], or uint8}`, of one number of frames;
            each clip is a column, those of a title a row.
        given: the frames before this one were given; the others are marked.
    """
    clips = {title: np.stack([to_uint8(clip) for clip in some]) for title, some in clips.items()}
    count = len(next(iter(clips.values()))[0])
    sheets = []
    for t in range(count):
        said = f"frame {t + 1}" if t < given else f"frame +{t + 1 - given}"
        rows = []
        for title, some in clips.items():
            head = f"{title}, {said}" if len(clips) > 1 else said
            rows.append(grid({head + " " * i: _marked(one[t], t >= given)[None]  # titles differ
                              for i, one in enumerate(some)}))
        sheet = Image.new("RGB", (max(r.width for r in rows), sum(r.height for r in rows)), "white")
        top = 0
        for row in rows:
            sheet.paste(row, (0, top))
            top += row.height
        sheets.append(sheet)
    return sheets


def save_clips(path, clips, given):
    """Writes `clips_sheets` as an animated WebP, which begins again at its end.

    Args:
        path: of the file.
        clips, given: see `clips_sheets`.
    """
    first, *others = clips_sheets(clips, given)
    times = [MILLISECONDS] * len(others) + [REST]
    with replacing(path) as new:
        first.save(new, format="WEBP", save_all=True, append_images=others, duration=times, loop=0,
                   quality=90)


def _marked(frame, made):
    frame = np.array(frame)
    if made:
        frame[[0, -1]] = frame[:, [0, -1]] = MARK
    return frame
