"""What changed along a way of generated pictures, done to a photograph at its full resolution.

Zhu et al. 2016 (iGAN), section 4.3: between neighbouring pictures of the way a flow and a colour
change are found together, chained, enlarged and applied to the original photograph, so that its
detail stays. The authors did not publish this part; what it follows is the paper's energy

    sum || J(p) - A(p) I(p + w(p)) ||^2  +  smoothness of w and A,

A an affine map of colours (3x4) at each pixel.

Deviations and what the texts leave open:

- J is the later picture and I the earlier one, so that chains of w say where each pixel of the
  result comes from. The paper's goes the other way.
- Flow and colours take turns (`ROUNDS`): first A is what brings mean and deviation of each channel
  of I to those of J, which a shift does not disturb; w is then the TV-L1 flow of scikit-image
  between grey pictures of the same colours; then A is a least-squares fit in a window around each
  pixel, drawn towards the first one where colours in the window do not decide.
- Flow is enlarged linearly, colours by a guided filter (He and Sun 2015) along the photograph that
  is already moved.
"""

import itertools
from dataclasses import dataclass

import numpy as np

ROUNDS = 3
RIDGE = 1e-3  # of the least squares, colours in [0, 1]
WINDOW = 9  # pixels of a generated picture, of the least squares
GUIDE_WINDOW, GUIDE_EPSILON = 5, 1e-3  # of the guided filter
ATTACHMENT = 15.0  # of TV-L1, scikit-image's; less is smoother
BAND = 2**20  # pixels of a photograph that are worked on together


@dataclass(frozen=True, eq=False)
class Change:
    """How a picture comes of another one.

    Attributes:
        flow: float64 [h, w, 2]: rows and columns, in pixels, from a pixel to where it comes from.
        colour: float64 [h, w, 3, 4]: the colour there, values in [0, 1], to the colour here.
    """

    flow: np.ndarray
    colour: np.ndarray


def unchanged(height, width):
    """The `Change` that does nothing."""
    return Change(np.zeros((height, width, 2)), np.tile(np.eye(3, 4), (height, width, 1, 1)))


def between(earlier, later, rounds=ROUNDS):
    """The `Change` from one picture to the next.

    Args:
        earlier, later: float [h, w, 3] in [0, 1].
        rounds: of flow and colours, in turns.
    """
    earlier, later = (np.asarray(x, np.float64) for x in (earlier, later))
    whole = _matched(earlier, later)
    colour = np.broadcast_to(whole, (*earlier.shape[:2], 3, 4))
    for _ in range(rounds):
        flow = _flow(_coloured(earlier, colour), later)
        colour = _fitted(_warped(earlier, flow), later, whole)
    return Change(flow, colour)


def chained(first, second):
    """One `Change` of two, the second of what the first made."""
    flow = second.flow + _warped(first.flow, second.flow)
    before = _warped(first.colour.reshape(*first.colour.shape[:2], 12), second.flow)
    before = before.reshape(first.colour.shape)
    colour = second.colour[..., :3] @ before
    colour[..., 3] += second.colour[..., 3]
    return Change(flow, colour)


def along(pictures):
    """The `Change` from the first picture of a way to the last.

    Args:
        pictures: float [n, h, w, 3] in [-1, 1], neighbours much alike.
    """
    pictures = (np.asarray(pictures, np.float64) + 1.0) / 2.0
    change = unchanged(*pictures.shape[1:3])
    for earlier, later in itertools.pairwise(pictures):
        change = chained(change, between(earlier, later))
    return change


def applied(change, photograph):
    """A photograph, changed.

    Args:
        change: a `Change` of pictures [h, w] whose shape is the photograph's but for the scale.
        photograph: uint8 [height, width, 3].

    Returns:
        uint8 [height, width, 3].
    """
    height, width = photograph.shape[:2]
    down, across = (_enlarging(*sides) for sides in zip(
        change.flow.shape[:2], (height, width), strict=True))
    scale = np.array([height, width]) / change.flow.shape[:2]
    flow = change.flow * scale
    fields = _guided(change, _small(photograph, down, across, flow))
    result = np.empty_like(photograph)
    rows = max(1, BAND // width)
    for top in range(0, height, rows):
        band = down[top : top + rows]
        w = np.stack([band @ flow[..., i] @ across.T for i in (0, 1)], axis=-1)
        moved = _warped(photograph, w, top) / 255.0
        guide = moved.mean(axis=-1)
        made = np.zeros_like(moved)
        for i in range(3):
            for j in range(4):
                slope, offset = (band @ field[..., i, j] @ across.T for field in fields)
                factor = slope * guide + offset
                made[..., i] += factor * moved[..., j] if j < 3 else factor
        result[top : top + rows] = np.uint8(np.rint(np.clip(made, 0.0, 1.0) * 255.0))
    return result


# One pair


def _matched(earlier, later):
    """The affine map, [3, 4], that brings each channel to the mean and deviation of the later."""
    means = [x.mean(axis=(0, 1)) for x in (earlier, later)]
    deviations = [x.std(axis=(0, 1)) for x in (earlier, later)]
    known = deviations[0] > 1e-3
    gain = np.where(known, deviations[1] / np.where(known, deviations[0], 1.0), 1.0)
    return np.concatenate([np.diag(gain), (means[1] - gain * means[0])[:, None]], axis=1)


def _coloured(picture, colour):
    return np.einsum("hwij,hwj->hwi", colour[..., :3], picture) + colour[..., 3]


def _flow(earlier, later):
    """Where each pixel of the later comes from, float64 [h, w, 2]."""
    from skimage.registration import optical_flow_tvl1

    found = optical_flow_tvl1(later.mean(axis=-1), earlier.mean(axis=-1), attachment=ATTACHMENT,
                              dtype=np.float64)
    return np.moveaxis(found, 0, -1)


def _fitted(warped, later, whole):
    """The colour map at each pixel, [h, w, 3, 4]: least squares in a window, drawn to `whole`."""
    ones = np.ones((*warped.shape[:2], 1))
    x = np.concatenate([warped, ones], axis=-1)
    square = _mean(x[..., :, None] * x[..., None, :], WINDOW) + RIDGE * np.eye(4)
    mixed = _mean(later[..., :, None] * x[..., None, :], WINDOW) + RIDGE * whole
    return np.swapaxes(np.linalg.solve(square, np.swapaxes(mixed, -1, -2)), -1, -2)


def _mean(x, window):
    from scipy.ndimage import uniform_filter

    return uniform_filter(x, (window, window, *[1] * (x.ndim - 2)), mode="reflect")


def _warped(x, flow, top=0):
    """x [h, w, c] at the places of `flow` [rows, w, 2], whose first row is x's row `top`."""
    from scipy.ndimage import map_coordinates

    rows, columns = np.mgrid[top : top + flow.shape[0], : flow.shape[1]]
    places = [rows + flow[..., 0], columns + flow[..., 1]]
    return np.stack([
        map_coordinates(x[..., i], places, np.float64, order=1, mode="nearest")
        for i in range(x.shape[-1])
    ], axis=-1)


# Up


def _enlarging(small, large):
    """[large, small]: what makes `large` numbers of `small` by linear interpolation."""
    place = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    low = np.minimum(place.astype(int), max(small - 2, 0))
    matrix = np.zeros((large, small))
    matrix[np.arange(large), low] = 1.0 - (place - low)
    if small > 1:
        matrix[np.arange(large), low + 1] = place - low
    return matrix


def _small(photograph, down, across, flow):
    """The grey photograph, moved, of the size of the generated pictures."""
    from PIL import Image

    height, width = down.shape[1], across.shape[1]
    small = np.asarray(Image.fromarray(photograph).resize((width, height), Image.Resampling.BOX))
    scale = np.array([len(down), len(across)]) / (height, width)
    return _warped(small, flow / scale).mean(axis=-1) / 255.0


def _guided(change, guide):
    """(slopes, offsets), [h, w, 3, 4] each: in a window, colours are slope * guide + offset."""
    p, g = change.colour, guide[..., None, None]
    mean_g, mean_p = _mean(g, GUIDE_WINDOW), _mean(p, GUIDE_WINDOW)
    covariance = _mean(g * p, GUIDE_WINDOW) - mean_g * mean_p
    variance = _mean(g * g, GUIDE_WINDOW) - mean_g**2
    slope = covariance / (np.maximum(variance, 0.0) + GUIDE_EPSILON)
    return _mean(slope, GUIDE_WINDOW), _mean(mean_p - slope * mean_g, GUIDE_WINDOW)
