"""How near enlarged pictures come to what they should be, as the super-resolution literature says.

Whole test pictures at their own sizes; PSNR and SSIM on luma, without a border as wide as the
scale (Ledig et al. 2017, section 3.1), beside what bicubic interpolation makes of the same input.
"""

import numpy as np
import tensorflow as tf
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
        (figures, pictures): their number `n`; what `measure_enlarged` returns, and the same of
        bicubic interpolation with `bicubic_` in front. Pictures: `{direction: {"input", "bicubic",
        "output", "truth"}}`, the middle of each.

    Raises:
        UserError: a picture is smaller than the window of SSIM and its border.
    """
    direction, how = next(iter(model.directions.items()))
    low, high = (some(data.test[name], n) for name in (how.sources[0], how.target))
    made = [*map(enlarger(model), low)]
    guesses = [enlarged(picture, how.scale) for picture in low]
    figures = measure_enlarged(made, high, how.scale)
    beside = measure_enlarged(guesses, high, how.scale)
    figures |= {f"bicubic_{name}": value for name, value in beside.items()}
    seen = {"input": low, "bicubic": guesses, "output": made, "truth": high}
    return {"n": len(high), **figures}, {direction: _middles(seen, how.scale)}


def measure_enlarged(made, truth, scale):
    """Figures of enlarged pictures, each uint8 [h, w, 3] of its own size.

    Returns:
        `psnr_y`, dB, and `ssim_y`, means over the pictures; `psnr_y_least`, of the worst of them.

    Raises:
        UserError: a picture is smaller than the window of SSIM and its border.
    """
    least = WINDOW + 2 * scale
    if (side := min(min(picture.shape[:2]) for picture in truth)) < least:
        raise UserError(f"SSIM without a border of {scale} px needs pictures of at least {least} "
                        f"px, not of {side}.")
    pairs = list(zip(made, truth, strict=True))
    noise = [psnr_luma(x, y, scale) for x, y in pairs]
    return {"psnr_y": float(np.mean(noise)), "psnr_y_least": min(noise),
            "ssim_y": float(np.mean([ssim_luma(x, y, scale) for x, y in pairs]))}


def enlarger(model):
    """The first direction of a model as a function of one picture, uint8 [h, w, 3]."""
    def translate(pictures):
        return model.translate(pictures)

    if model.graph:
        translate = tf.function(translate, autograph=False, input_signature=[
            tf.TensorSpec([None, None, None, 3], tf.uint8)])
    return lambda picture: translate(tf.constant(picture[None])).numpy()[0]


def some(images, n):
    """The first n pictures at their own sizes, a list; all if there is no n."""
    return [whole(images, row) for row in range(min(n or len(images), len(images)))]


def enlarged(picture, scale):
    """A picture at `scale` times its sides by bicubic interpolation; uint8 [h, w, 3]."""
    sides = picture.shape[1] * scale, picture.shape[0] * scale
    return np.asarray(Image.fromarray(picture).resize(sides, Image.Resampling.BICUBIC))


def _middles(seen, scale):
    """The middle of the first pictures, as large as the smallest allows: `{what: array}`."""
    side = min([SIDE // scale, *(n for x in seen["input"][:SHOWN] for n in x.shape[:2])])
    found = {}
    for what, pictures in seen.items():
        times = 1 if what == "input" else scale
        places = [[(n - side) // 2 * times for n in x.shape[:2]] for x in seen["input"][:SHOWN]]
        found[what] = np.stack([
            x[top : top + side * times, left : left + side * times]
            for x, (top, left) in zip(pictures, places, strict=False)])
    return found
