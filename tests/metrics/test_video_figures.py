"""Figures of predicted frames: what moves, sharpness by hand, where means go over."""

import numpy as np
import pytest

from kgan.metrics import video


def texture(seed=0, height=48, width=64):
    random = np.random.default_rng(seed).uniform(0, 255, (height // 4, width // 4, 3))
    from scipy import ndimage

    return np.clip(ndimage.zoom(random, (4, 4, 1), order=1), 0, 255).astype(np.uint8)


def test_what_moves_is_what_moved():
    before = texture()
    after = before.copy()
    after[12:36, 16:48] = np.roll(before, 2, axis=1)[12:36, 16:48]
    found = video.moving(before, after)
    truth = np.zeros_like(found)
    truth[12:36, 16:48] = True
    assert found[16:32, 20:44].mean() > 0.9 and found[truth].mean() > 0.75
    outside = np.ones_like(truth)
    outside[6:42, 10:54] = False
    assert not found[outside].any()
    assert not video.moving(before, before).any()
    assert not video.moving(before, after, least=20).any()


def test_sharpness_by_hand():
    truth, made = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 3), np.uint8)
    truth[:, 1] = 255  # steps to the right of 2, none down
    # |2 - 0| of two steps to the right, 0 of two down: 2 + 0
    assert video.sharpness(made, truth) == pytest.approx(10 * np.log10(4 / 2))
    made[:, 1] = 51  # steps of 0.4
    assert video.sharpness(made, truth) == pytest.approx(10 * np.log10(4 / 1.6))
    assert video.sharpness(truth[:, ::-1], truth) == 100  # the other way, as steep


def test_figures_of_what_moves_go_over_all_pixels():
    truth = np.full((16, 16, 3), 100, np.uint8)
    made = truth.copy()
    made[:4] += 20  # moves
    made[8:] += 90  # rests
    mask = np.zeros((16, 16), bool)
    mask[:8] = True
    found = video.compared([made, made], [truth, truth], [mask, np.zeros((16, 16), bool)])
    assert found["psnr"] == pytest.approx(10 * np.log10(255**2 / (400 / 4)))
    whole = video.compared([made], [truth])
    assert whole["psnr"] == pytest.approx(10 * np.log10(255**2 / (400 / 4 + 8100 / 2)))
    assert set(whole) == {"psnr", "ssim", "sharpness"} and whole["ssim"] < found["ssim"] < 1
    assert video.compared([made], [truth], [mask & False]) == {}
    assert "ssim" not in video.compared([made[:8]], [truth[:8]])
    equal = video.compared([truth], [truth])
    assert equal == {"psnr": 100, "sharpness": 100, "ssim": pytest.approx(1)}
