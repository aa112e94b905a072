"""How near predicted frames come to the true ones, whole and where something moves.

After Mathieu et al. 2016 (section 4) and the evaluation of the authors' code:

- A pixel moves where the optical flow from the frame before to the true one is longer than `MOVES`.
  The code asks whether a channel of the flow, drawn in colours, is below 0.2, which is 0.8 of full
  saturation; here full saturation is a flow of 1 px. Their flow is another method's; this one is
  scikit-image's iterative Lucas-Kanade, which says nothing in flat surfaces: pixels count where
  they or a neighbour change.
- Pixels that rest are black in both pictures, and means go over all pixels, as in the code: the
  fewer move, the higher the figures. Compare them on the same frames alone.
- Sharpness: 10 log10 of 2^2 over the mean difference of the sizes of the gradients, along each axis
  by itself, in [-1, 1], as the code has it; the paper's formula adds the axes before. Levels are
  halved by 127.5 (the code: 128).

All take uint8 arrays.
"""

import numpy as np
from skimage.color import rgb2gray
from skimage.registration import optical_flow_ilk

from kgan.metrics import pictures

MOVES = 0.8  # px
RADIUS = 5  # of the flow's window, px
NEAR = 1  # px around what changes, beyond which the flow is that of nothing
EQUAL = 100.0  # dB of equal pictures


def moving(before, after, least=MOVES):
    """Which pixels move: bool [h, w].

    Args:
        before, after: uint8 [h, w, 3], one frame after the other.
        least: length of the flow, px.
    """
    if np.array_equal(before, after):
        return np.zeros(after.shape[:2], bool)
    down, right = optical_flow_ilk(rgb2gray(after), rgb2gray(before), radius=RADIUS)
    changed = _near((before != after).any(-1))  # flat and still pixels have no flow of their own
    return (np.hypot(down, right) > least) & changed


def _near(mask):
    """Pixels with one of a mask at most `NEAR` away, along each axis."""
    wide = np.pad(mask, NEAR)
    for axis in (0, 1):
        views = np.lib.stride_tricks.sliding_window_view(wide, 2 * NEAR + 1, axis)
        wide = views.any(-1)
    return wide


def still_black(frame, where):
    """A frame with black where nothing moves."""
    return np.where(where[..., None], frame, np.uint8(0))


def sharpness(made, truth):
    """How alike the sizes of the gradients are, dB, one picture: uint8 [h, w, 3] each.

    Equal ones count as `EQUAL`.
    """
    x, y = (frame.astype(np.float64) / 127.5 for frame in (made, truth))
    mean = sum(np.abs(np.abs(np.diff(y, axis=axis)) - np.abs(np.diff(x, axis=axis))).mean()
               for axis in (0, 1))
    return EQUAL if mean == 0 else float(10 * np.log10(4 / mean))


def compared(made, truth, masks=None):
    """Figures of frames beside the true ones.

    Args:
        made, truth: lists of uint8 [h, w, 3], or arrays [n, h, w, 3].
        masks: bool [h, w] of each: what moves; frames without any are left out. None = whole ones.

    Returns:
        `{"psnr": dB, "ssim": , "sharpness": dB}`, means over the frames; {} if none is left. SSIM
        needs sides of 11 px; it is left out of smaller ones.
    """
    pairs = list(zip(made, truth, strict=True))
    if masks is not None:
        pairs = [tuple(still_black(frame, mask) for frame in pair)
                 for pair, mask in zip(pairs, masks, strict=True) if mask.any()]
    if not pairs:
        return {}
    found = {"psnr": float(np.mean([pictures.psnr(x[None], y[None]) for x, y in pairs])),
             "sharpness": float(np.mean([sharpness(x, y) for x, y in pairs]))}
    if min(min(x.shape[:2]) for x, _ in pairs) >= pictures.WINDOW:
        found["ssim"] = float(np.mean([pictures.ssim(x[None], y[None]) for x, y in pairs]))
    return found
