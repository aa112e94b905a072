"""Whether two sets of pictures have the same colours (Isola et al. 2017, section 4.2, figure 7).

The paper compares histograms in Lab by their intersection and does not say how wide a bin is: here
it is one unit of L, a and b, about whole numbers. A histogram knows neither places nor pairs.
"""

import numpy as np
from skimage.color import rgb2lab

from kgan.core.batches import parts

BINS = {"l": (0, 100), "a": (-128, 127), "b": (-128, 127)}  # the first and the last


def in_common(x, y):
    """The intersection of the histograms of two sets of pictures, over all their pixels.

    Args:
        x, y: uint8 [n, h, w, 3], RGB.

    Returns:
        `{"l", "a", "b"}`: of each channel of CIELAB (D65) the sum over bins of the lesser share; 1
        = the same histogram, 0 = nothing in common.
    """
    counts = [_histograms(pictures) for pictures in (x, y)]
    shares = [{name: h / h.sum() for name, h in found.items()} for found in counts]
    return {name: float(np.minimum(*(found[name] for found in shares)).sum()) for name in BINS}


def _histograms(pictures):
    """`{channel: counts}` of uint8 pictures."""
    found = {name: np.zeros(last - first + 1) for name, (first, last) in BINS.items()}
    for some in parts(pictures, 16):
        lab = np.rint(rgb2lab(np.asarray(some))).astype(int)
        for i, (name, (first, last)) in enumerate(BINS.items()):
            bins = np.clip(lab[..., i], first, last) - first
            found[name] += np.bincount(bins.ravel(), minlength=len(found[name]))
    return found
