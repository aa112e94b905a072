"""DFI: edits by Deep Feature Interpolation. Nothing is trained.

Upchurch et al.: Deep feature interpolation for image content changes, CVPR 2017 (arXiv 1611.05507).
The method, and where it deviates, is in `kgan.editing.dfi`; here is what `zoo.load` gives.

Our choices: the two sets of neighbours are `bank` pictures of each domain of the recipe's `data`,
drawn by `seed` and looked at once. They are ranked at the recipe's `size` and then brought to the
size of the picture that is edited, so that any size can be (the authors enlarge pictures under
200 px). Each edit begins at its input; the authors' demonstrations come by way of weaker ones.
"""

from dataclasses import dataclass

from kgan.core.errors import UsageError, UserError
from kgan.core.lazy import data as sources
from kgan.core.lazy import dfi, np, references, tf
from kgan.core.progress import progress
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.models.gan import GAN
from kgan.models.reference import VGGRecipe

OFFLINE = ("take dfi_small, or give --vgg_weights FILE or --reference vgg_star_small.avatars to "
           "tools/translate")


@dataclass(frozen=True)
class DFIRecipe(VGGRecipe):
    reference: str = knob("vgg19", "network whose features are interpolated: vgg19, vgg16, "
                          "vgg_star_small.avatars, or the folder of a run of vgg_star")
    bank: int = knob(1000, "pictures of each domain among which neighbours are looked for", low=1)
    neighbours: int = knob(100, "pictures of each domain whose mean features are compared", low=1)
    beta: float = knob(0.4, "strength of the edit relative to the mean square of its direction; "
                       "0 = use alpha", low=0)
    alpha: float = knob(3.5, "strength of the edit if beta is 0: multiples of its direction", low=0)
    lambda_tv: float = knob(5.6, "weight of the total variation of the result", low=0,
                            group="loss")
    iterations: int = knob(500, "L-BFGS-B iterations for a picture, at the most", low=1)

    def check(self):
        super().check()
        if self.size < DFI.smallest:
            raise UsageError(f"--size must be at least {DFI.smallest}, not {self.size}.")
        if self.neighbours > self.bank:
            raise UsageError(
                f"--neighbours {self.neighbours} are more than --bank {self.bank} pictures."
            )


class DFI(GAN):
    """Edits pictures towards the other domain by their features; `translate` solves for each.

    Args:
        recipe: a `DFIRecipe`.
        precision: not used: the solver needs float32.
        deployed_only: not used.
    """

    directions = {"a2b": "reference", "b2a": "reference"}
    trains = False
    exports = False
    graph = False
    smallest = 16

    def __init__(self, recipe, precision="float32", deployed_only=False):
        super().__init__(recipe, "float32", deployed_only)
        self.trained = True
        self._sets = None

    def build_networks(self, r):
        network = references.build(r.reference, taps=dfi.TAPS)
        references.load(network, r.reference, *r.vgg_file, instead=OFFLINE)
        return {"reference": network}

    def prepare(self, data):
        """Takes the sets of neighbours from a `kgan.data.Data` of two domains.

        Raises:
            UserError: it has one domain.
        """
        if "b" not in data.train:
            raise UserError(f"{data.spec} has one set of pictures; an edit by features needs two, "
                            "without (a) and with (b) what is to change.")
        r, maps = self.recipe, dfi.maps(self.reference)
        sets, activations = {}, []
        for domain, pictures in data.train.items():
            order = np.random.default_rng(r.seed).permutation(len(pictures))
            chosen = pictures[np.sort(order[: r.bank])]
            descriptors, means = dfi.describe(maps, chosen, (r.size, r.size), r.batch)
            sets[domain] = chosen, descriptors
            activations.append(means)
        self._maps, self._sets = maps, sets
        self._phi = dfi.features(maps, [sum(m) / len(m) for m in zip(*activations, strict=True)])
        self._objective = dfi.objective(self._phi)

    def forward(self, x, direction):
        """Edits pictures one after the other; see `GAN.forward`. It runs eagerly only."""
        if not tf.executing_eagerly():
            raise UsageError(f"{self.name_in_zoo} solves for each picture and cannot be part of a "
                             "graph: call translate outside of tf.function.")
        r = self.recipe
        if self._sets is None:
            self.prepare(sources.open_data(r.data, size=r.size, seed=r.seed))
        result = np.empty(x.shape, np.float32)
        for i in progress(range(len(x)), len(x), "editing pictures"):
            result[i] = self._edit(x[i : i + 1], direction)
        return tf.constant(result)

    def _edit(self, x, direction):
        """One picture, float32 [1, h, w, 3], edited: float32 [h, w, 3]."""
        r, size = self.recipe, x.shape[1:3]
        (descriptor,), _ = dfi.describe(self._maps, x, (r.size, r.size), 1)
        means = []
        how = self.directions[direction]
        for domain in (how.sources[0], how.target):
            pictures, descriptors = self._sets[domain]
            chosen = pictures[dfi.nearest(descriptor, descriptors, r.neighbours)]
            means.append(dfi.mean_features(self._phi, chosen, size, r.batch))
        goal = self._phi(x)[0] + dfi.step(*means, r.alpha, r.beta)
        return dfi.solve(
            self._objective, x[0].numpy(), goal, lambda_tv=r.lambda_tv, iterations=r.iterations
        )


TINY = {
    "size": 16, "batch": 2, "data": "avatars:Eyeglasses?n=6&test=2",
    "reference": "vgg_star_small.avatars", "bank": 4, "neighbours": 2, "iterations": 3,
}

register(
    "dfi",
    DFI,
    DFIRecipe(size=200),
    card="dfi.md",
    phrase="edits by deep feature interpolation, VGG-19 at 200 px; not trained",
    tiny=TINY,
)
register(
    "dfi_small",
    DFI,
    DFIRecipe(
        size=64, batch=50, reference="vgg_star_small.avatars", lambda_tv=1.0, iterations=100
    ),
    card="dfi.md",
    phrase="edits by deep feature interpolation, the embedded reference at 64 px; not trained",
    tiny=TINY,
)
