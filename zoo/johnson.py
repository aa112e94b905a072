"""Style transfer by a network that is trained for one style (Johnson et al. 2016).

Johnson, Alahi, Fei-Fei: Perceptual losses for real-time style transfer and super-resolution, ECCV
2016 (arXiv 1603.08155), sections 3 and 4.1; constants are those of the authors' fast-neural-style.
The distances, and where they deviate, are in `kgan.editing.style`, the network in
`kgan.networks.johnson`. The style is looked at once, before the first step, and its Gram matrices
are kept with the run: a run that goes on needs its picture no more.

Deviations: instance norm, as their later code, where the paper has batch norm (`--batch_norm`);
the total variation is a mean over pixels, so that 1600 is the 1e-6 of their sum at 256 px; results
pass through no median filter. Their super-resolution is not here: see `srresnet`.
"""

from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import dfi, fast_style, networks, ops, references, style, tf
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.data.signals import usual
from kgan.models.gan import GAN
from kgan.zoo.gatys import StyleRecipe

OFFLINE = ("give --vgg_weights FILE, or --reference vgg_star_small.cifar10 --units relative, which "
           "is packaged, to tools/train")


@dataclass(frozen=True)
class JohnsonRecipe(StyleRecipe):
    style_size: int = knob(256, "shorter side that the style's picture is brought to, pixels",
                           low=16, group="loss")
    filters: int = knob(32, "maps of the first layer; 16 and 8 are the usual smaller ones", low=1)
    blocks: int = knob(5, "residual blocks", low=0)
    batch_norm: bool = knob(False, "batch norm, the paper's, in the place of instance norm")
    padding: str = knob("start", "of the picture alone, by reflection, as published (start), or of "
                        "every convolution", choices=("start", "reflect", "zero"))
    upsample: str = knob("transpose", "transposed convolution, as published, or nearest neighbours "
                         "and a convolution", choices=("transpose", "nearest"))
    levels: str = knob("centred", "levels less ImageNet's means in and 150 tanh out, as published, "
                       "or plain levels, as PyTorch's examples have it",
                       choices=("centred", "plain"))

    def check(self):
        super().check()
        least = 8 * self.blocks + 4 if self.padding == "start" else 8
        if self.size % 4 or self.size < least:
            raise UsageError(f"--size {self.size} must be a multiple of 4 and, with --padding "
                             f"{self.padding}, at least {least}.")


class Johnson(GAN):
    """A network that draws pictures in one style."""

    players = {"generator": ("g",)}
    directions = {"stylise": "g"}
    measures = ("style",)
    multiple = 4

    @classmethod
    def signals_of(cls, recipe):
        return usual(recipe.size, {"a": 3})

    def build_networks(self, r):
        self.smallest = networks.johnson.smallest(r.padding, r.blocks)
        nets = {"g": networks.johnson.transformer(
            "g", filters=r.filters, blocks=r.blocks, batch_norm=r.batch_norm, padding=r.padding,
            upsample=r.upsample, levels=r.levels)}
        if not self.deployed_only:
            self._looks = style.looks(r)
            taps = self._looks.taps
            nets["reference"] = references.build(r.reference, taps=taps)
            channels = dict(zip(taps, (x.shape[-1] for x in nets["reference"].outputs),
                                strict=True))
            nets["grams"] = networks.johnson.Grams([channels[tap] for tap in self._looks.style])
        return nets

    @classmethod
    def of_onnx(cls, recipe, operations):
        operations = fast_style.today(operations)
        model = cls(recipe.replace(**fast_style.fields(operations)), deployed_only=True)
        fast_style.set_weights(model.g, operations)
        return model

    def prepare(self, data):
        r = self.recipe
        references.load(self.reference, r.reference, *r.vgg_file, instead=OFFLINE)
        names = style.names(r.style)
        pictures = [style.resized(style.read(name), r.style_size, min) for name in names]
        see, shares = style.maps(self.reference, self._looks.taps), style.weights_of(
            r.style_weights, len(names))
        found = style.grams(see, pictures, shares, self._looks)
        for kept, tap in zip(self.grams.kept, self._looks.style, strict=True):
            kept.assign(found[tap])

    def loss_terms(self, batch):
        r, see = self.recipe, style.maps(self.reference, self._looks.taps)
        made = self.g(batch["a"])
        kept = (ops.convert_to_tensor(x) for x in self.grams.kept)
        goal = dict(zip(self._looks.style, kept, strict=True))
        # What the content does not need of the second call is no part of the graph.
        content, like = style.distances(see(made), see(batch["a"]), goal, self._looks)
        terms = {"content": r.lambda_content * content, "style": r.lambda_style * like}
        if r.lambda_tv:
            variation = tf.reduce_mean(dfi.total_variation(ops.cast(made, "float32")))
            terms["variation"] = r.lambda_tv * variation
        return {"generator": terms}


PAPER = {
    "size": 256, "batch": 4, "steps": 40_000, "learning_rate": 1e-3, "beta_1": 0.9,
    "decay_from": 1.0, "flip": False, "reference": "vgg16", "content_layers": "relu3_3",
    "style_layers": "relu1_2,relu2_2,relu3_3,relu4_3", "lambda_content": 1.0, "lambda_style": 5.0,
    "lambda_tv": 1600.0,
}
SMALL = {
    **PAPER, "size": 64, "batch": 8, "steps": 2000, "decay_from": 0.5,
    "reference": "vgg_star_small.cifar10", "units": "relative", "content_layers": "relu2_2",
    "style_layers": "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1", "lambda_style": 1.0,
    "lambda_tv": 10.0, "style_size": 64, "filters": 8, "blocks": 3, "padding": "reflect",
    "upsample": "nearest",
}
TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 16, "load_size": 0, "batch": 2,
    "steps": 20, "filters": 4, "blocks": 1, "style": "waves", "style_size": 16,
    "reference": "vgg_star_small.avatars", "content_layers": "relu2_1",
    "style_layers": "relu1_1,relu2_1",
}

register("johnson", Johnson, JohnsonRecipe(**PAPER), card="johnson.md", tiny=TINY,
         weights=("waves", "mosaic"),
         phrase="one style by one network, with a loss of VGG-16's features, at 256 px")
register("johnson_small", Johnson, JohnsonRecipe(**SMALL), card="johnson.md", tiny=TINY,
         phrase="one style by one network of a quarter of the width, at 64 px, for a CPU")
