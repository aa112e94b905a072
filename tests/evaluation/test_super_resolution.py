"""Figures of super-resolution, held to scikit-image; whole test pictures; what is refused."""

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from kgan.core import registry
from kgan.core.errors import UserError
from kgan.data import Data
from kgan.data.made import Shrunk
from kgan.data.native import Native
from kgan.evaluation.measures import Options
from kgan.evaluation.super_resolution import enlarged, measure_enlarged
from kgan.metrics.pictures import luma, psnr_luma, ssim_luma


def noisy(height, width, seed=0):
    random = np.random.default_rng(seed)
    rows = np.sin(np.arange(height) / 5)[:, None, None] + np.cos(np.arange(width) / 7)[:, None]
    picture = 120 + 50 * rows + random.normal(0, 12, (height, width, 3))
    return picture.clip(0, 255).astype(np.uint8)


def test_luma_is_that_of_scikit_image():
    picture = noisy(20, 30)
    np.testing.assert_allclose(luma(picture), rgb2ycbcr(picture)[..., 0], atol=1e-6)
    black_and_white = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    np.testing.assert_allclose(luma(black_and_white), [[16, 235]])


@pytest.mark.parametrize("border", [0, 4])
def test_figures_of_luma_are_those_of_scikit_image_without_the_border(border):
    x, y = noisy(40, 52), noisy(40, 52, 1)
    inner = [rgb2ycbcr(p)[border : 40 - border, border : 52 - border, 0] for p in (x, y)]
    assert psnr_luma(x, y, border) == pytest.approx(
        peak_signal_noise_ratio(*inner, data_range=255), abs=1e-6)
    assert ssim_luma(x, y, border) == pytest.approx(structural_similarity(
        *inner, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False),
        abs=1e-6)
    spoilt = y.copy()
    spoilt[:border], spoilt[:, 52 - border :] = 0, 0
    assert psnr_luma(spoilt, y, border) == 100
    assert psnr_luma(y, y) == 100 and ssim_luma(y, y) == pytest.approx(1)


def test_psnr_by_hand():
    grey = np.full((8, 8, 3), 100, np.uint8)
    # 10 levels of each colour are 10 * 219 / 255 of luma
    assert psnr_luma(grey, grey + 10) == pytest.approx(20 * np.log10(255 / (10 * 219 / 255)))


@pytest.fixture
def model():
    entry = registry.entry("srresnet")
    made = entry.model(entry.recipe.replace(**entry.tiny))
    made.name_in_zoo = "srresnet"
    return made


def data_of(pictures):
    high = Native(lambda row: pictures[row], [x.shape[:2] for x in pictures], (16, 16), 4)
    sets = {"high": high, "low": Shrunk(high, 4, 1)}
    return Data("toy", sets, sets, paired=True)


def test_whole_pictures_of_any_size_are_measured_beside_bicubic(model):
    pictures = [noisy(33, 48), noisy(64, 41, 1), noisy(200, 150, 2)]
    figures, shown = model.measure(data_of(pictures), Options(n=2))
    noise = []
    for picture in pictures[:2]:
        height, width = (side // 4 for side in picture.shape[:2])
        whole = np.ascontiguousarray(picture[: 4 * height, : 4 * width])
        low = np.asarray(Image.fromarray(whole).resize((width, height), Image.BICUBIC))
        made = model.translate(low[None]).numpy()[0]
        guess = np.asarray(Image.fromarray(low).resize((4 * width, 4 * height), Image.BICUBIC))
        noise.append([psnr_luma(x, whole, 4) for x in (made, guess)])
        np.testing.assert_array_equal(enlarged(low, 4), guess)
    assert figures["n"] == 2
    assert figures["psnr_y"] == pytest.approx(np.mean(noise, 0)[0], abs=0.01)
    assert figures["bicubic_psnr_y"] == pytest.approx(np.mean(noise, 0)[1])
    assert figures["psnr_y_least"] == pytest.approx(np.min(noise, 0)[0], abs=0.01)
    assert -1 <= figures["ssim_y"] < figures["bicubic_ssim_y"] <= 1
    assert {name: x.shape for name, x in shown["enlarge"].items()} == {
        "input": (2, 8, 8, 3), "bicubic": (2, 32, 32, 3), "output": (2, 32, 32, 3),
        "truth": (2, 32, 32, 3)}
    np.testing.assert_array_equal(shown["enlarge"]["truth"][0], pictures[0][:32, 8:40])


def test_a_picture_that_is_too_small_for_ssim_is_one_error():
    small = [noisy(18, 40)]
    with pytest.raises(UserError, match="a border of 4 px needs pictures of at least 19 px, not of "
                                        "18"):
        measure_enlarged(small, small, 4)
