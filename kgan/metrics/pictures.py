"""Distances between pictures and the pictures that they should be; means over pictures.

All take uint8 arrays [n, h, w, 3], but those of luma one picture. PSNR and SSIM are scikit-image's.
"""

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from kgan.core.errors import UserError

WINDOW = 11  # side of SSIM's, pixels


def l1(x, y, where=None):
    """Mean absolute difference in levels of 0..255; with `where` [n, h, w], over those pixels."""
    difference = np.abs(x.astype(np.float32) - y.astype(np.float32)).mean(axis=-1)
    return float(difference.mean() if where is None else difference[where].mean())


def psnr(x, y):
    """Mean over pictures of the peak signal-to-noise ratio, dB; equal pictures count as 100 dB."""
    return float(np.mean([_psnr(a, b) for a, b in zip(x, y, strict=True)]))


def _psnr(a, b):
    return 100.0 if np.array_equal(a, b) else peak_signal_noise_ratio(b, a, data_range=255)


def luma(picture):
    """Luma of ITU-R BT.601, 16 to 235: uint8 [h, w, 3] -> float64 [h, w], not rounded."""
    return 16.0 + picture @ (np.array([65.481, 128.553, 24.966]) / 255.0)


def psnr_luma(x, y, border=0):
    """Peak signal-to-noise ratio of the luma of two pictures, dB, without `border` px all around.

    As the literature on super-resolution has it; the peak is 255.
    """
    a, b = _inner_luma(x, border), _inner_luma(y, border)
    return 100.0 if np.array_equal(a, b) else float(
        peak_signal_noise_ratio(b, a, data_range=255))


def ssim_luma(x, y, border=0):
    """Structural similarity of the luma of two pictures, see `ssim` and `psnr_luma`."""
    return float(structural_similarity(
        _inner_luma(x, border), _inner_luma(y, border), data_range=255, gaussian_weights=True,
        sigma=1.5, use_sample_covariance=False,
    ))


def _inner_luma(picture, border):
    height, width = picture.shape[:2]
    return luma(picture[border : height - border, border : width - border])


def check_ssim(pictures):
    """Raises `UserError` if pictures are smaller than the window of SSIM."""
    if min(pictures.shape[1:3]) < WINDOW:
        raise UserError(f"SSIM needs pictures of at least {WINDOW} px, not of "
                        f"{min(pictures.shape[1:3])}.")


def ssim(x, y):
    """Mean structural similarity (Wang et al. 2004): Gaussian window of sigma 1.5, RGB.

    Raises:
        UserError: pictures smaller than the window, 11 px.
    """
    check_ssim(x)
    values = [
        structural_similarity(
            a, b, data_range=255, channel_axis=-1, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(x, y, strict=True)
    ]
    return float(np.mean(values))
