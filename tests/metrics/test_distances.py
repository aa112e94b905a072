"""Distances between pictures: closed forms, and the same numbers by another way."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from kgan.metrics.pictures import l1, psnr, ssim


@pytest.fixture
def noise():
    random = np.random.default_rng(0)
    x = random.integers(0, 256, (3, 24, 20, 3), np.uint8)
    change = random.integers(-20, 21, x.shape)
    return x, np.uint8(np.clip(x + change, 0, 255))


def flat(*levels):
    return np.stack([np.full((16, 16, 3), level, np.uint8) for level in levels])


def test_l1_is_in_levels():
    assert l1(flat(10, 0), flat(13, 255)) == (3 + 255) / 2  # uint8 must not wrap around
    assert l1(flat(13), flat(10)) == 3
    one = flat(0)
    one[0, 2, 3, 1] = 90
    assert l1(one, flat(0)) == pytest.approx(90 / (16 * 16 * 3), rel=1e-6)


def test_l1_over_some_pixels():
    x, where = flat(0, 0), np.zeros((2, 16, 16), bool)
    x[0, 0, 0], x[1, 1, 1], x[1, 2, 2] = (3, 6, 9), 30, 200
    where[0, 0, 0] = where[1, 1, 1] = True
    assert l1(x, flat(0, 0), where) == (6 + 30) / 2


def test_psnr_of_a_constant_difference():
    assert psnr(flat(100), flat(110)) == pytest.approx(10 * np.log10(255**2 / 100))
    assert psnr(flat(0), flat(255)) == pytest.approx(0)
    assert psnr(flat(7), flat(7)) == 100
    # A mean of decibels, not the decibels of a mean.
    both = psnr(flat(100, 100), flat(110, 101))
    assert both == pytest.approx((10 * np.log10(255**2 / 100) + 10 * np.log10(255**2)) / 2)


def test_psnr_by_hand(noise):
    x, y = noise
    error = [np.mean((a.astype(float) - b) ** 2) for a, b in zip(x, y, strict=True)]
    assert psnr(x, y) == pytest.approx(np.mean(10 * np.log10(255**2 / np.array(error))))


def test_ssim_by_hand(noise):
    """Wang et al. 2004, equation 13, with a Gaussian window of 11 and sigma 1.5."""

    def blur(z):
        return gaussian_filter(z, 1.5, truncate=3.5)

    values = []
    for a, b in zip(*noise, strict=True):
        for channel in range(3):
            x, y = a[..., channel].astype(float), b[..., channel].astype(float)
            mx, my = blur(x), blur(y)
            vx, vy = blur(x * x) - mx**2, blur(y * y) - my**2
            vxy = blur(x * y) - mx * my
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            share = (2 * mx * my + c1) * (2 * vxy + c2) / (mx**2 + my**2 + c1) / (vx + vy + c2)
            values.append(share[5:-5, 5:-5].mean())  # where the window is inside
    assert ssim(*noise) == pytest.approx(np.mean(values), rel=1e-6)
    assert 0.1 < ssim(*noise) < 0.995


def test_ssim_of_flat_pictures():
    assert ssim(flat(9), flat(9)) == pytest.approx(1)
    c1 = (0.01 * 255) ** 2
    expected = (2 * 50 * 100 + c1) / (50**2 + 100**2 + c1)
    assert ssim(flat(50), flat(100)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("measure", [psnr, ssim])
def test_batches_of_different_length_are_an_error(measure):
    with pytest.raises(ValueError, match="shorter"):
        measure(flat(1, 2), flat(1))
