"""Animated pictures of clips: a sheet for each frame, those that were made with a frame around."""

import numpy as np
import pytest
from PIL import Image

from kgan.report import animation
from kgan.report.animation import MARK, clips_sheets, save_clips
from kgan.report.sheet import grid


def test_a_sheet_for_each_frame_and_marks_on_those_that_were_made(tmp_path, monkeypatch):
    clips = np.linspace(-1, 1, 5, dtype=np.float32)[None, :, None, None, None]
    clips = np.broadcast_to(clips, (3, 5, 128, 128, 3))
    sheets = clips_sheets({"predicted": clips}, 4)
    assert len(sheets) == 5 and len({sheet.size for sheet in sheets}) == 1
    assert sheets[0].width == 2 + 3 * 130
    middle, corner = (60, 80), (2, 20)
    assert [s.getpixel(middle)[0] for s in sheets] == [0, 64, 128, 191, 255]
    assert sheets[3].getpixel(corner) == (191,) * 3 and sheets[4].getpixel(corner) == MARK
    heads = []
    monkeypatch.setattr(animation, "grid", lambda shown: heads.extend(shown) or grid(shown))
    clips_sheets({"one": clips[:1, :1], "other": clips[:1, :1]}, 0)
    assert heads == ["one, frame +1", "other, frame +1"]
    save_clips(tmp_path / "new.webp", {"one": clips, "other": clips}, 4)
    with Image.open(tmp_path / "new.webp") as image:
        assert image.n_frames == 5 and image.info["loop"] == 0
        assert image.height == 2 * sheets[0].height
        image.seek(1)
        assert np.asarray(image.convert("RGB"))[80, 60, 0] == pytest.approx(64, abs=8)
