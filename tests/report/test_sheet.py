"""Grids of pictures: values, places, enlargement."""

import numpy as np

from kgan.report.sheet import grid, to_uint8

HEAD, GAP = 18, 2


def test_levels():
    x = np.float32([-1, 0, 1, 3, -3, -0.5]).reshape(1, 1, 2, 3)
    assert to_uint8(x).tolist() == [[[[0, 128, 255], [255, 0, 64]]]]
    assert to_uint8(np.uint8([[[[7, 8, 9]]]])).tolist() == [[[[7, 8, 9]]]]
    assert to_uint8(np.float32([[[[1.0]]]])).tolist() == [[[[255, 255, 255]]]]  # grey to RGB


def test_columns_stand_side_by_side_and_pixels_stay_pixels():
    random = np.random.default_rng(0)
    columns = {
        "a": random.integers(0, 256, (3, 32, 32, 3), np.uint8),
        "a2b": random.uniform(-1, 1, (2, 32, 32, 1)),
    }
    sheet = np.asarray(grid(columns))
    step = 4 * 32 + GAP  # 32 px are shown four times as large
    assert sheet.shape == (HEAD + 3 * step + GAP, 2 * step + GAP, 3)
    for i, pictures in enumerate(columns.values()):
        for j, picture in enumerate(to_uint8(pictures)):
            y, x = HEAD + GAP + j * step, GAP + i * step
            assert (sheet[y : y + 128 : 4, x : x + 128 : 4] == picture).all()
            assert (sheet[y + 3 : y + 128 : 4, x + 3 : x + 128 : 4] == picture).all()
    assert (sheet[HEAD + 2 * step + GAP :, GAP + step :] == 255).all()  # a place without a picture
    titles = sheet[:HEAD]
    assert (titles[:, :step] < 128).any()
    assert (titles[:, step:] < 128).any()


def test_large_pictures_are_not_enlarged():
    sheet = grid({"some title": np.zeros((1, 200, 200, 3), np.uint8)})
    assert sheet.size == (200 + 2 * GAP, HEAD + 200 + 2 * GAP)
