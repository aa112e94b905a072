"""Pictures edited by strokes: codes, the way to the edit, and the photograph at its own size.

iGAN (Zhu et al. 2016) from the projection, which `kgan.models.codec` makes, to the transfer:

    coder = Coder(kgan.zoo.load("dcgan"))
    strokes = [Stroke("colour", ((0.3, 0.1), (0.7, 0.1)), 0.06, (40, 30, 20))]
    (painted,) = paint(coder, coder.model.codes(1), strokes)
    painted.pictures                                   # the way, uint8 [8, size, size, 3]
    painted.on(photograph)                             # uint8 [h, w, 3], any size
"""

import functools
from dataclasses import dataclass

import numpy as np

from kgan.core import pixels
from kgan.data.pictures import resize_cover
from kgan.editing import igan, transfer
from kgan.editing.grids import interpolated


@dataclass(frozen=True, eq=False)
class Painted:
    """An edit by strokes.

    Attributes:
        edited: the `kgan.editing.igan.Edited`: candidates' codes and costs.
        codes: of the way from the picture's code to the best, float32 [frames, latent].
        way: their pictures, float32 [frames, size, size, 3] in [-1, 1].
        candidates: pictures of `edited`, uint8 [k, size, size, 3].
    """

    edited: igan.Edited
    codes: np.ndarray
    way: np.ndarray
    candidates: np.ndarray

    @property
    def pictures(self):
        """The way, uint8 [frames, size, size, 3]."""
        return pixels.array_to_uint8(self.way)

    @functools.cached_property
    def change(self):
        """The `kgan.editing.transfer.Change` from the first picture of the way to the last."""
        return transfer.along(self.way)

    def on(self, photograph):
        """The edit done to a photograph whose central square was projected.

        Args:
            photograph: uint8 [h, w, 3].

        Returns:
            uint8 [h, w, 3]; what is beside the square stays.
        """
        height, width = photograph.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        result, place = photograph.copy(), np.s_[top : top + side, left : left + side]
        result[place] = transfer.applied(self.change, np.ascontiguousarray(photograph[place]))
        return result


def paint(
    coder, codes, strokes, *, frames=8, path="auto", candidates=igan.STARTS, steps=igan.STEPS,
    rate=igan.RATE, stay=igan.STAY, edge_weight=igan.EDGES, seed=0,
):
    """Edits pictures by strokes on a generator's manifold.

    Args:
        coder: a `kgan.models.codec.Coder`.
        codes: of the pictures, [n, latent]: drawn, or `coder.encode(pictures)`.
        strokes: [`kgan.editing.strokes.Stroke`], the same on each picture.
        frames: pictures of the way, both ends among them.
        path: of the way, "line" or "sphere"; "auto" = as codes of the model lie.
        candidates, steps, rate, stay, edge_weight, seed: see `kgan.editing.igan.edit`.

    Returns:
        [`Painted`], one for each code.

    Raises:
        UserError: the rate is too high.
    """
    model, codes = coder.model, np.asarray(codes, np.float32)
    asked = [igan.constraints(strokes, picture) for picture in coder.draw(codes)]
    if not asked:
        return []
    found = igan.edit(
        lambda z: model.generate(z), asked, codes, latent=model.latent, prior=model.prior,
        candidates=candidates, steps=steps, rate=rate, stay=stay, edge_weight=edge_weight,
        seed=seed,
    )
    return [_painted(coder, code, one, frames, model.path if path == "auto" else path)
            for code, one in zip(codes, found, strict=True)]


def _painted(coder, code, edited, frames, path):
    codes = interpolated(code, edited.codes[0], frames, path)
    return Painted(edited, codes, coder.draw(codes), coder.decode(edited.codes))


def projected(coder, photograph):
    """The code of a photograph's central square, [latent]; see `Coder.encode`."""
    return coder.encode(resize_cover(photograph, coder.size)[None])[0]
