"""IcGAN: a conditional generator and two encoders, with which labels of real pictures are edited.

Perarnau, van de Weijer, Raducanu, Alvarez: Invertible conditional GANs for image editing, NIPS
workshop on adversarial training 2016 (arXiv 1611.06355), section 3 and the authors' code. The
generator is a finished `cgan`, frozen. One encoder finds the code z of generated pictures, another
one the labels y of real pictures, each by the mean squared error.

Here a code of a picture is both: the numbers of z, then -1 or 1 for each label, which is what the
label encoder says, cut at 0. So all that edits codes edits labels, too: the direction of a label is
its own number.

Deviations: the generator is that of `cgan`, with the layers of carpedm20's DCGAN; every step draws
new codes, where the authors make a set of pictures once; both encoders are trained at the same
time, and the weights kept are those with the least sum of both errors on the held-out part.
"""

from dataclasses import dataclass
from typing import ClassVar

from kgan.core.errors import UsageError
from kgan.core.lazy import generators, labelled, latent_directions, losses, networks, np, pixels, tf
from kgan.core.recipe import knob
from kgan.core.registry import register
from kgan.data.signals import usual
from kgan.data.spec import FACES
from kgan.models.inverting import EncoderRecipe, Inverts
from kgan.models.latent import draw


@dataclass(frozen=True)
class IcGANRecipe(EncoderRecipe):
    from_data: ClassVar[tuple] = (*EncoderRecipe.from_data, "labels")

    labels: str = knob("", "names of the labels, joined by commas; the data decide, and must have "
                       "those of the generator", group="data")
    filters: int = knob(32, "maps of the first layer of both encoders", low=1)
    code_width: int = knob(4096, "width of the code encoder's dense layer", low=1)
    label_width: int = knob(512, "width of the label encoder's dense layer", low=1)

    def check(self):
        super().check()
        if self.size < 16 or self.size & (self.size - 1):
            raise UsageError(f"--size {self.size} must be a power of two, 16 or more.")

    @property
    def found(self):
        return generators.find(self.generator, data=self.data, size=self.size, seed=self.seed,
                               labelled=True)

    def complete(self, data):
        if not data.label_names or data.exclusive:
            raise UsageError(f"--data {data.spec} has no attributes to edit: name pictures with "
                             f"some, as in --data {type(self).data}.")
        found, labels = self.found, ",".join(data.label_names)
        below = found.recipe if found.folder else found.recipe.complete(data)
        if below.labels != labels:
            raise UsageError(f"--generator {self.generator} was trained with the labels "
                             f"{below.labels}, and those of {data.spec} are {labels}.")
        return self.replace(labels=labels).above(found.name, below)


class IcGAN(Inverts):
    """Encoders of codes and of labels on a conditional generator."""

    players: ClassVar[dict] = {"encoder": ("e",), "label_encoder": ("y",)}
    averaged = ("encoder", "label_encoder")
    far = "safe"  # to where pictures with the label are

    def build_networks(self, recipe):
        if not self.label_names:
            raise UsageError("The labels of an icgan are those of its pictures, which are not "
                             "known yet: train it, or load a trained one.")
        return {**super().build_networks(recipe), "y": self._encoder(
            "y", len(self.label_names), recipe.label_width)}

    def build_encoder(self, recipe, below):
        return self._encoder("e", below.latent, recipe.code_width)

    def _encoder(self, name, outputs, width):
        r = self.recipe
        return networks.strided_encoder(name, size=r.size, outputs=outputs, filters=r.filters,
                                        width=width)

    def deployed(self):
        return ["e", "g", "y"]

    @classmethod
    def label_names_of(cls, recipe):
        return tuple(recipe.labels.split(",")) if recipe.labels else ()

    @classmethod
    def signals_of(cls, recipe):
        return usual(recipe.size, {"a": 3}, len(cls.label_names_of(recipe)))

    @property
    def latent(self):
        """How many numbers a code has, those of its labels among them."""
        return self._latent + len(self.label_names)

    def apart(self, codes):
        """(z [n, the generator's], labels [n, k]) of codes [n, latent]."""
        return tf.split(codes, [self._latent, len(self.label_names)], axis=1)

    def codes(self, count, seed=0):
        """Codes of the prior: z drawn, labels in turn, first none, then the first alone and so on.

        Raises:
            ValueError: `count` is below 0.
        """
        if count < 0:
            raise ValueError(f"the number of codes or samples is 0 or more, not {count}.")
        z = draw(self.prior, (count, self._latent), tf.constant([seed, 0x51A7]))
        return tf.concat([z, labelled.in_turn(count, len(self.label_names), False)], axis=1)

    def codes_of(self, x):
        told = tf.cast(self.y(x, training=False), tf.float32)
        z = tf.cast(self.e(x, training=False), tf.float32)
        return tf.concat([z, tf.where(told > 0.0, 1.0, -1.0)], axis=1)

    def generate(self, given):
        return self.g(self.apart(given), training=False)

    def loss_terms(self, batch):
        """z of generated pictures, which have labels of real ones; labels of real pictures."""
        labels = 2.0 * batch["labels"] - 1.0
        key = tf.random.experimental.stateless_fold_in(batch["key"], 7, alg="philox")
        z = draw(self.prior, (batch["a"].shape[0], self._latent), key)
        found = self.e(self.generate(tf.concat([z, labels], axis=1)), training=True)
        return {
            "encoder": {"code": losses.l2(z, found)},
            "label_encoder": {"label": losses.l2(labels, self.y(batch["a"], training=True))},
        }

    def beside(self, held, rows):
        return (tf.constant(2.0 * held.labels_of("train", rows) - 1.0, tf.float32),)

    def validation_terms(self, pictures, codes, labels):
        z, _ = self.apart(codes)
        made = self.generate(tf.concat([z, labels], axis=1))
        code = losses.l2(z, self.e(made, training=False))
        label = losses.l2(labels, self.y(pictures, training=False))
        return {"code": code, "label": label, "total": code + label}

    def conclude(self, data, held):
        """The direction of a label is its own number, from -1 to 1."""
        self.attributes = {}
        for i, name in enumerate(self.label_names):
            place = np.eye(self.latent, dtype=np.float32)[self._latent + i]
            absent = name.startswith("No_")
            found = latent_directions.Direction(
                name[3:] if absent else name, -place if absent else place, 2.0,
                self.generator_sha256, -1.0, 0.0, 1.0, 0.0, how="the label itself",
            )
            self.attributes[found.name] = found

    def relabelled(self, codes, labels):
        """Codes [n, latent] with labels set, `{name: 1 or 0}`, see `kgan.models.labelled`."""
        z, rows = self.apart(tf.convert_to_tensor(codes))
        return tf.concat([z, labelled.with_labels(rows, self.label_names, labels)], axis=1)

    def served(self):
        found = super().served()
        images = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
        labels = tf.TensorSpec([None, len(self.label_names)], tf.float32, name="labels")

        def edit_labels(images, labels):
            z, own = self.apart(self.encode(images))
            rows = tf.where(labels == 0.0, own, labels)
            return {"images": pixels.to_uint8(self.decode(tf.concat([z, rows], axis=1)))}

        function = tf.function(edit_labels, input_signature=[images, labels], autograph=False)
        example = np.zeros((2, len(self.label_names)), np.float32)
        example[:, 0] = 1.0, -1.0
        return {**found, "edit_labels": (function, {**found["encode"][1], "labels": example})}


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "labels": "Smiling,Eyeglasses", "size": 16,
    "batch": 4, "steps": 20, "filters": 4, "code_width": 16, "label_width": 8,
    "validate_every": 10, "generator_recipe": (
        '{"model": "cgan", "recipe": {"size": 16, "latent": 8, "filters": 4, '
        '"discriminator_filters": 4, "labels": "Smiling,Eyeglasses", '
        '"data": "avatars:Smiling,Eyeglasses?n=24&test=8"}}'
    ),
}

register("icgan", IcGAN, IcGANRecipe(
    size=64, flip=False, batch=64, steps=28_250, learning_rate=1e-4, beta_1=0.1, decay_from=1.0,
    generator="cgan", validation=0.34, validate_every=500,
), card="icgan.md", tiny=TINY, phrase="codes and labels of pictures, for a conditional generator")

register("icgan_small", IcGAN, IcGANRecipe(
    data=f"{FACES}?n=20000", size=64, flip=False, batch=32, steps=4_000, filters=16,
    code_width=512, label_width=128, learning_rate=5e-4, beta_1=0.1, generator="cgan_small",
    validate_every=100,
), card="icgan.md", tiny=TINY,
   phrase="codes and labels of pictures, for a conditional generator; for a CPU")
