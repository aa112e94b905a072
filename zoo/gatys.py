"""Style transfer by descent (Gatys et al. 2016). Nothing is trained.

Gatys, Ecker, Bethge: Image style transfer using convolutional neural networks, CVPR 2016. The
method, and where it deviates, is in `kgan.editing.style` and `kgan.editing.gatys`; here are its
recipe and what `zoo.load` gives. `gatys` has the constants of Johnson's neural-style, with weights
of VGG-19 as Keras has them; `gatys_small` has weights of ours in relative units.
"""

from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import gatys, np, references, style, tf
from kgan.core.progress import progress
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.data.signals import usual
from kgan.data.spec import FACES
from kgan.models.gan import GAN
from kgan.models.reference import VGGRecipe

OFFLINE = ("take gatys_small, or give --vgg_weights FILE or --reference vgg_star_small.cifar10 to "
           "tools/translate")


@dataclass(frozen=True)
class StyleRecipe(VGGRecipe):
    """What all models of a style have: the style, and where pictures are compared."""

    data: str = knob(FACES, "pictures of content, one set: folder:PATH, avatars of several "
                     "attributes, celeba:PATH", group="data")
    style: str = knob("mosaic", "the style: a picture, or a pattern that is drawn (mosaic, waves); "
                      "several joined by commas are mixed")
    style_weights: str = knob("", "shares of several styles, joined by commas; empty = all alike")
    reference: str = knob("vgg19", "network that compares pictures: vgg19, vgg16, "
                          "vgg_star_small.cifar10 or .avatars, vgg_small.avatars, vgg_star19, or a "
                          "run of vgg_star", source=True, group="loss")
    content_layers: str = knob("relu4_2", "layers whose maps are the content, joined by commas, "
                               "each perhaps with a weight, as relu4_2:0.5", group="loss")
    style_layers: str = knob("relu1_1,relu2_1,relu3_1,relu4_1,relu5_1", "layers whose Gram "
                             "matrices are the style, likewise", group="loss")
    units: str = knob("published", "distances as published, or each divided by the mean square of "
                      "what is compared with (our addition), for weights that fit any reference",
                      choices=("published", "relative"), group="loss")
    lambda_content: float = knob(5.0, "weight of the distance to the content", low=0, group="loss")
    lambda_style: float = knob(100.0, "weight of the distance to the style", low=0, group="loss")
    lambda_tv: float = knob(0.0, "weight of the total variation, the mean square of differences "
                            "of neighbours in [-1, 1]", low=0, group="loss")

    def check(self):
        super().check()
        style.looks(self)
        style.weights_of(self.style_weights, len(style.names(self.style)))


@dataclass(frozen=True)
class GatysRecipe(StyleRecipe):
    style_scale: float = knob(1.0, "longer side of the style's picture, in those of the content's",
                              low=0.05, high=8)
    start: str = knob("content", "what the solver begins from", choices=("content", "noise"))
    iterations: int = knob(1000, "L-BFGS-B iterations, at the most", low=1)
    coarse_side: int = knob(512, "pictures with a longer side begin at half of their sides, again "
                            "and again until it is not longer; 0 = at their own (our addition)",
                            low=0)
    fine_iterations: int = knob(200, "iterations of each level above the first", low=1)


class Gatys(GAN):
    """Draws pictures in a style; `translate` solves for each.

    Args:
        recipe: a `GatysRecipe`.
        precision: not used: the solver needs float32.
        deployed_only: not used.
    """

    directions = {"stylise": "reference"}
    measures = ("style",)
    trains = False
    exports = False
    graph = False
    smallest = 16
    solves_by = ("seed",)

    def __init__(self, recipe, precision="float32", deployed_only=False):
        super().__init__(recipe, "float32", deployed_only)
        self.trained = True
        self._transfer = None
        self._styles = [style.read(name) for name in style.names(recipe.style)]

    @classmethod
    def signals_of(cls, recipe):
        return usual(recipe.size, {"a": 3})

    def build_networks(self, r):
        network = references.build(r.reference, taps=style.looks(r).taps)
        references.load(network, r.reference, *r.vgg_file, instead=OFFLINE)
        return {"reference": network}

    @property
    def transfer(self):
        """The `kgan.editing.gatys.Transfer` of the recipe."""
        if self._transfer is None:
            r = self.recipe
            weights = (r.lambda_content, r.lambda_style, r.lambda_tv)
            self._transfer = gatys.Transfer(self.reference, style.looks(r), weights)
        return self._transfer

    def bytes_per_pixel(self, direction):
        return self.transfer.bytes_per_pixel(self.recipe.style_scale)

    def forward(self, x, direction):
        """Solves for pictures one after the other; see `GAN.forward`. It runs eagerly only."""
        if not tf.executing_eagerly():
            raise UsageError(f"{self.name_in_zoo} solves for each picture and cannot be part of a "
                             "graph: call translate outside of tf.function.")
        r = self.recipe
        shares = style.weights_of(r.style_weights, len(self._styles))
        result = np.empty(x.shape, np.float32)
        for i in progress(range(len(x)), len(x), "drawing pictures"):
            result[i] = gatys.solve(
                self.transfer, x[i : i + 1], self._styles, shares, scale=r.style_scale,
                start=r.start, coarse=r.coarse_side, iterations=r.iterations,
                fine=r.fine_iterations, seed=r.seed,
            )
        return tf.constant(result)


TINY = {"size": 16, "batch": 2, "data": "avatars:Smiling,Eyeglasses?n=6&test=2", "style": "waves",
        "reference": "vgg_star_small.avatars", "iterations": 2, "content_layers": "relu2_1",
        "style_layers": "relu1_1,relu2_1"}

register(
    "gatys",
    Gatys,
    GatysRecipe(size=512, lambda_tv=4.8e6, start="noise"),
    card="gatys.md",
    phrase="style transfer by descent, VGG-19; not trained",
    tiny=TINY,
)
register(
    "gatys_small",
    Gatys,
    GatysRecipe(size=128, reference="vgg_star_small.cifar10", units="relative",
                content_layers="relu2_2", lambda_content=1.0, lambda_style=5.0, lambda_tv=10.0,
                iterations=150, coarse_side=256, fine_iterations=50),
    card="gatys.md",
    phrase="style transfer by descent, the embedded reference of photographs; not trained",
    tiny=TINY,
)
