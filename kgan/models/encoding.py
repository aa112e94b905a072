"""Encodes: pictures in, codes out, edits in between.

A model whose encoder `e` gives the code of which its generator `g` makes a picture again. What a
family adds is its networks and what its players pay. Here is the rest: directions of the labels
that the training pictures have, and an export that carries both networks: `serving_default`
reconstructs PNG or JPEG bytes, `encode` gives codes, `decode` pictures of codes, `edit` pictures
whose codes were moved. Those that stand on a finished generator are `kgan.models.inverting`.
"""

import pathlib
from typing import ClassVar

from kgan.core.batches import parts
from kgan.core.errors import UserError
from kgan.core.lazy import labelled, latent_attributes, latent_directions, np, pixels, tf
from kgan.core.recipe import nearest
from kgan.models.latent import LatentGAN

BATCH = 64  # pictures that are encoded at a time


class Encodes(LatentGAN):
    """A generator `g` and an encoder `e` whose codes it makes into pictures again.

    Attributes:
        attributes: `{name: kgan.editing.directions.Direction}` of the weights or of a training.
    """

    measures = ("reconstructions",)
    attributes: ClassVar[dict] = {}
    directions: ClassVar[dict] = {"reconstruct": "e"}

    def deployed(self):
        return ["e", "g"]

    def conclude(self, data, held):
        """Finds the direction of every label, and where pictures without and with it lie."""
        self.attributes = {}
        if not data.labels or data.exclusive:
            return
        self.attributes = latent_attributes.from_data(
            self.encode_all, data, self.generator_sha256,
            None if held is None else (held, "train"),
        )

    def show(self, batch):
        shown = {"a": batch["a"]}
        shown["reconstruct"] = self.translate(batch["a"])
        if self.prior:
            shown["generated"] = self.decode(self.codes(len(batch["a"])))
            shown["its reconstruction"] = self.translate(shown["generated"])
        return shown

    # Deployment

    def encode(self, images):
        """Codes of pictures.

        Args:
            images: as `translate` takes them; the central square is resized to the model's size.

        Returns:
            float32 [n, latent].

        Raises:
            TypeError, ValueError: `images` are something else, see `kgan.core.pixels.checked`.
        """
        x, _ = pixels.given(images)
        if x.shape[0] == 0:
            return tf.zeros((0, self.latent))
        size = self.recipe.size
        top, left, side = _square(x)
        x = x[:, top : top + side, left : left + side]
        if x.shape[1:3] != (size, size):
            x = tf.clip_by_value(tf.image.resize(x, (size, size), "bicubic", antialias=True), -1, 1)
        return tf.cast(self.codes_of(x), tf.float32)

    def codes_of(self, x):
        """Codes of pictures [n, size, size, 3] in [-1, 1], as deployed: what `e` says."""
        return self.e(x, training=False)

    def encode_all(self, images, rows=None):
        """`encode` for many pictures, also those of `kgan.data`: a numpy array [n, latent]."""
        if isinstance(images, (list, tuple)) or tf.is_tensor(images):
            images = pixels.checked(images).numpy()
        rows = np.arange(len(images)) if rows is None else rows
        if not hasattr(self, "_encoder"):
            self._encoder = tf.function(self.encode, autograph=False, reduce_retracing=True)
        found = [self._encoder(pixels.checked(images[some])) for some in parts(rows, BATCH)]
        return np.concatenate([np.zeros((0, self.latent), np.float32), *found])

    def forward(self, x, direction):
        """The central square is reconstructed; what is beside it stays."""
        top, left, side = _square(x)
        made = self.decode(self.encode(x))
        made = tf.image.resize(made, (side, side), "bicubic", antialias=True)
        made = tf.clip_by_value(made, -1.0, 1.0)  # bicubic overshoots
        made = tf.concat([x[:, top : top + side, :left], made,
                          x[:, top : top + side, left + side :]], axis=2)
        return tf.concat([x[:, :top], made, x[:, top + side :]], axis=1)

    def edit(self, images, steps=(), labels=None):
        """Pictures with attributes changed: along directions, CRG's equation (4), or by labels.

        Args:
            images: as `translate` takes them.
            steps: [(a `kgan.editing.directions.Direction` or a name in `attributes`, k)]; k is how
                far, in units of codes, below 0 to take the attribute away; a number or [n].
            labels: of a model that has `label_names`, `{name: 1 or 0}`, with it or without, each a
                number or [n]; the others stay as the picture has them.

        Returns:
            A tensor [n, size, size, 3] of the type of `images`; of integers, uint8.

        Raises:
            TypeError, ValueError: `images` are something else, see `kgan.core.pixels.checked`.
            UserError: no direction of that name, or one of another generator; no such label.
        """
        moves = [(self.attribute(direction), k) for direction, k in steps]
        x, dtype = pixels.given(images)
        codes = latent_directions.moved(np.asarray(self.encode(x)), moves)
        codes = self.relabelled(codes, labels) if labels else codes
        return pixels.as_given(self.decode(codes), dtype)

    def relabelled(self, codes, labels):
        """Codes with labels set; here there are none to set, so it raises `UserError`."""
        labelled.refuse_without_labels(self.name_in_zoo, self.label_names)

    def attribute(self, direction):
        """A direction by name; one that is a `Direction` is checked and returned."""
        if isinstance(direction, str):
            if direction not in self.attributes:
                near = nearest(direction, self.attributes) if self.attributes else (
                    "It has none: give a file or pairs of pictures."
                )
                raise UserError(f"{self.name_in_zoo} has no direction {direction}. {near}")
            return self.attributes[direction]
        self._check(direction)
        return direction

    def _check(self, direction):
        if direction.vector.shape != (self.latent,):
            raise UserError(f"The direction {direction.name} has {len(direction.vector)} numbers, "
                            f"codes of {self.name_in_zoo} have {self.latent}.")
        direction.check(self.generator_sha256)

    def write_beside(self, folder):
        for i, direction in enumerate(self.attributes.values()):  # names may be no file names
            direction.save(pathlib.Path(folder) / "directions" / f"{i:03}.npz")

    def read_beside(self, folder):
        files = sorted((pathlib.Path(folder) / "directions").glob("*.npz"))
        found = [latent_directions.Direction.load(path) for path in files]
        for direction in found:
            self._check(direction)
        self.attributes = {direction.name: direction for direction in found}

    def served(self):
        pictures = np.zeros((2, self.recipe.size, self.recipe.size, 3), np.uint8)
        images = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
        move = tf.TensorSpec([None, self.latent], tf.float32, name="move")

        def encode(images):
            return {"codes": self.encode(images)}

        def edit(images, move):
            return {"images": pixels.to_uint8(self.decode(self.encode(images) + move))}

        return {
            **super().served(),
            "encode": (tf.function(encode, input_signature=[images], autograph=False),
                       {"images": pictures}),
            "edit": (tf.function(edit, input_signature=[images, move], autograph=False),
                     {"images": pictures, "move": self.example_codes()}),
        }


def _square(x):
    """(top, left, side) of the central square of pictures, ints where the shape is known."""
    height, width = (x.shape[i] or tf.shape(x)[i] for i in (1, 2))
    known = isinstance(height, int) and isinstance(width, int)
    side = min(height, width) if known else tf.minimum(height, width)
    return (height - side) // 2, (width - side) // 2, side
