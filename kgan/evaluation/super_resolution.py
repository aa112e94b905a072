"""How near enlarged pictures come to what they should be, as the super-resolution literature says.

Whole test pictures at their own sizes; PSNR and SSIM on luma, without a border as wide as the
scale (Ledig et al. 2017, section 3.1), beside what bicubic interpolation makes of the same input.
"""

import numpy as np
from PIL import Image

from kgan.core.errors import UserError
from kgan.data.native import whole
from kgan.metrics.pictures import WINDOW, psnr_luma, ssim_luma

SHOWN = 8  # pictures, of each the middle
SIDE = 128  # of what is shown of them, at most


def measure_super_resolution(model, data, n=None):
    """Measures the first direction of a model on the first n held-out pictures.

    Args:
        model: a `kgan.models.gan.GAN` whose direction has one source that is made of its target.
        data: a `kgan.data.Data` of its signals.
        n: at most so many; None = all.

    Returns:
        (figures, pictures): `psnr_y` in dB and `ssim_y`, and those of bicubic interpolation with
        `bicubic_` in front; `psnr_y_least` and `psnr_y_most`, of the pictures; their number `n`.
        Pictures: `{direction: {"input", "bicubic", "output", "truth"}}`, the middle of each.

    Raises:
        UserError: a picture is smaller than the window of SSIM and its border.
    """
    direction, how = next(iter(model.directions.items()))
    (source,), scale = how.sources, how.scale
    low, high = data.test[source], data.test[how.target]
    found, shown = [], []
    for row in range(min(n or len(high), len(high))):
        truth, given = whole(high, row), whole(low, row)
        if min(truth.shape[:2]) < WINDOW + 2 * scale:
            raise UserError(f"SSIM without a border of {scale} px needs pictures of at least "
                            f"{WINDOW + 2 * scale} px, not of {min(truth.shape[:2])}.")
        made = model.translate(given[None], direction).numpy()[0]
        guess = enlarged(given, scale)
        found.append([f(x, truth, scale) for x in (made, guess) for f in (psnr_luma, ssim_luma)])
        if len(shown) < SHOWN:
            shown.append([given, guess, made, truth])
    names = ("psnr_y", "ssim_y", "bicubic_psnr_y", "bicubic_ssim_y")
    values = np.array(found)
    figures = {"n": len(found), **dict(zip(names, values.mean(0).tolist(), strict=True)),
               "psnr_y_least": float(values[:, 0].min()), "psnr_y_most": float(values[:, 0].max())}
    return figures, {direction: _middles(shown, scale)}


def enlarged(picture, scale):
    """A picture at `scale` times its sides by bicubic interpolation; uint8 [h, w, 3]."""
    sides = picture.shape[1] * scale, picture.shape[0] * scale
    return np.asarray(Image.fromarray(picture).resize(sides, Image.Resampling.BICUBIC))


def _middles(shown, scale):
    """The middle of each picture, as large as the smallest allows, by what it is."""
    side = min([SIDE // scale, *(side for given, *_ in shown for side in given.shape[:2])])
    found = {}
    for i, name in enumerate(("input", "bicubic", "output", "truth")):
        times, parts = 1 if name == "input" else scale, []
        for pictures in shown:
            top, left = ((n - side) // 2 * times for n in pictures[0].shape[:2])
            parts.append(pictures[i][top : top + side * times, left : left + side * times])
        found[name] = np.stack(parts)
    return found
