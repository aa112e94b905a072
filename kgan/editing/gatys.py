"""Style transfer by descent: the picture that is near to a content and to a style.

Gatys, Ecker, Bethge: Image style transfer using convolutional neural networks, CVPR 2016, by the
distances of `kgan.editing.style`:

    argmin_z  lambda_content content(z) + lambda_style style(z) + lambda_tv TV(z),  z in [-1, 1],

by SciPy's L-BFGS-B. Ours: the solver keeps pictures within their range; large pictures begin small,
and each level has twice the sides of the one before and begins at its result. The style is brought
to the size of each level, so that its strokes are as large in all of them.
"""

import numpy as np

from kgan.core.lazy import pixels, tf
from kgan.core.memory import bytes_per_pixel
from kgan.editing import style
from kgan.editing.dfi import resized, total_variation
from kgan.editing.solve import LBFGSB, Box, minimise

SOLVER = 30 * 3 * 8  # bytes a pixel: ten pairs of vectors and some more, three float64 values each
LEAST = 32  # no level is smaller, the shorter side in pixels


class Transfer:
    """Solves for pictures near to one style.

    Args:
        network: a reference network, `kgan.editing.style.Looks.taps` in their order.
        where: a `kgan.editing.style.Looks`.
        weights: of the distances to content and to style, and of the total variation.
    """

    def __init__(self, network, where, weights):
        self.see, self.where, self.weights = style.maps(network, where.taps), where, weights
        one = tf.TensorSpec([1, None, None, 3])
        self.seen = tf.function(self.see, input_signature=[one], autograph=False)
        self.objective = tf.function(self._objective, reduce_retracing=True, autograph=False)

    def _objective(self, z, content, grams):
        """(loss, gradient [1, h, w, 3]) at z.

        The loss is that above times the number of values, which brings gradients near 1, where the
        solver expects them.
        """
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            far = style.distances(self.see(z), content, grams, self.where)
            terms = (*far, total_variation(z)[0])
            loss = sum(weight * term for weight, term in zip(self.weights, terms, strict=True))
            loss *= tf.cast(tf.size(z), tf.float32)
        return loss, tape.gradient(loss, z)

    def grams(self, pictures, shares, side):
        """The mixed style of pictures whose longer side becomes `side`; see `style.grams`."""
        pictures = [style.resized(picture, side) for picture in pictures]
        return style.grams(self.seen, pictures, shares, self.where)

    def near(self, z, content, grams, iterations):
        """The picture near to both that is found from z: float32 [1, h, w, 3].

        Args:
            z, content: float32 [1, h, w, 3] in [-1, 1].
            grams: the style, see `style.grams`.
            iterations: of the solver, at the most.
        """
        seen = self.seen(content)
        truth = {tap: seen[tap] for tap in self.where.content}
        found, _ = minimise(lambda z: self.objective(z, truth, grams), np.asarray(z), LBFGSB(),
                            iterations, Box(-1.0, 1.0))
        return found

    def bytes_per_pixel(self, scale):
        """Memory that solving takes for each pixel of a square picture.

        Args:
            scale: the longer side of a style, which is looked at first, in those of the picture.
        """
        def look(picture):
            return self.see(pixels.to_float(picture))

        def step(picture):
            seen = look(picture)
            style_of = style.grams(self.see, [np.zeros((16, 16, 3), np.uint8)], [1.0], self.where)
            content = {tap: seen[tap] for tap in self.where.content}
            return self._objective(pixels.to_float(picture), content, style_of)[1]

        return max(bytes_per_pixel(step) + SOLVER, scale**2 * bytes_per_pixel(look))


def levels(sides, coarse):
    """The sides of each level, the picture's own last.

    Args:
        sides: (height, width) of the picture.
        coarse: while the longer side of a level is above this, there is one of half its sides
            before it; 0 = one level.
    """
    found = [tuple(int(side) for side in sides)]
    while coarse and max(found[0]) > coarse and min(found[0]) >= 2 * LEAST:
        found.insert(0, tuple(-(-side // 2) for side in found[0]))
    return found


def solve(transfer, x, pictures, shares, *, scale, start, coarse, iterations, fine, seed):
    """A picture in a style.

    Args:
        transfer: a `Transfer`.
        x: float32 [1, h, w, 3] in [-1, 1].
        pictures, shares: the styles, see `style.grams`.
        scale: the longer side of a style, in those of the picture.
        start: `"content"` or `"noise"`, of which `seed` is the seed.
        coarse: see `levels`.
        iterations, fine: of the first level, and of each of the others.

    Returns:
        float32 [h, w, 3] in [-1, 1].
    """
    z, most = None, iterations
    for sides in levels(x.shape[1:3], coarse):
        content = resized(x, sides)
        if z is None and start == "noise":
            z = np.random.default_rng(seed).normal(0, 0.1, content.shape).clip(-1, 1)
        elif z is None:
            z = content
        else:
            z = resized(z, sides)
        side = max(1, round(scale * max(sides)))
        grams = transfer.grams(pictures, shares, side)
        z, most = transfer.near(np.asarray(z, np.float32), content, grams, most), fine
    return z[0]
