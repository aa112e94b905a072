"""How much of a content and of a style pictures have, whatever made them.

By the distances of `kgan.editing.style` in relative units, in the features of a recipe's reference
network: 0 = the same, 1 = as far as maps of zeros. Content is compared with the picture that was
given, style with the recipe's.
"""

import time

import numpy as np

from kgan.core.batches import parts
from kgan.core.lazy import pixels, tf
from kgan.editing import style
from kgan.models import reference as references

BATCH = 8


class Distances:
    """Measures pictures of one size by the reference, the layers and the style of a recipe.

    Args:
        recipe: a `kgan.zoo.gatys.StyleRecipe`.
        sides: (height, width) of the pictures; the style's longer side is the longer of them.

    Raises:
        UserError: there is no such reference or no such picture.
    """

    def __init__(self, recipe, sides):
        self.where = style.looks(recipe.replace(units="relative"))
        network = references.build(recipe.reference, taps=self.where.taps)
        references.load(network, recipe.reference, *recipe.vgg_file)
        see, names = style.maps(network, self.where.taps), style.names(recipe.style)
        pictures = [style.resized(style.read(name), max(sides)) for name in names]
        shares = style.weights_of(recipe.style_weights, len(names))
        self.goal = style.grams(see, pictures, shares, self.where)
        self.run = tf.function(
            lambda x, y: style.distances(see(x), see(y), self.goal, self.where),
            reduce_retracing=True, autograph=False,
        )

    def __call__(self, made, given):
        """`{"content", "style"}` of results, uint8 [n, h, w, 3], of the pictures given; means over
        pictures and layers."""
        found = []
        for x, y in zip(parts(made, BATCH), parts(given, BATCH), strict=True):
            x, y = (pixels.to_float(tf.constant(z)) for z in (x, y))
            found.append([len(x) * float(far) for far in self.run(x, y)])
        content, like = np.sum(found, axis=0) / len(made)
        return {"content": float(content / sum(self.where.content.values())),
                "style": float(like / sum(self.where.style.values()))}


def stylised(model, pictures):
    """(results, seconds that a picture took), one picture at a time after a first that is not
    counted, in the model's first direction.

    Args:
        model: a `kgan.models.gan.GAN`.
        pictures: uint8 [n, h, w, 3].
    """
    run = model.translate
    if model.graph:
        run = tf.function(run, autograph=False, input_signature=[
            tf.TensorSpec([None, None, None, 3], tf.uint8)])
    run(tf.constant(pictures[:1]))
    begun = time.perf_counter()
    made = np.concatenate([np.asarray(run(tf.constant(one))) for one in parts(pictures, 1)])
    return made, (time.perf_counter() - begun) / len(pictures)


def measure_style(model, data, n=None):
    """Measures a model of a style on the first n held-out pictures.

    Args:
        model: of a `kgan.zoo.gatys.StyleRecipe`.
        data: a `kgan.data.Data` of one set.
        n: at most so many; None = all.

    Returns:
        (figures, pictures): their number `n`; `content` and `style`, see `Distances`, `seconds` a
        picture, and `identity_style` of the pictures themselves, whose content is 0. Pictures:
        `{direction: {"input", "output"}}`.
    """
    given = data.test["a"]
    given = given[np.arange(min(n or len(given), len(given)))]
    far = Distances(model.recipe, given.shape[1:3])
    made, seconds = stylised(model, given)
    figures = {"n": len(given), **far(made, given), "seconds": seconds,
               "identity_style": far(given, given)["style"]}
    return figures, {next(iter(model.directions)): {"input": given, "output": made}}
