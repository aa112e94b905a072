"""StarGAN: one generator that changes any of several attributes of a picture.

Choi, Choi, Kim, Ha, Kim, Choo: StarGAN: Unified generative adversarial networks for multi-domain
image-to-image translation, CVPR 2018 (arXiv 1711.09020), sections 3 and 5; where the text leaves
something open, the authors' PyTorch code.

The generator takes the labels that its result should have, the labels of the pictures of the batch
in another order; the discriminator, a Wasserstein critic, also tells the labels of a picture.

Deviations. Every move of the discriminator and the one of the generator see a batch of their own,
where the authors' generator sees the discriminator's last: a step takes `n_critic + 1` batches. On
several devices labels change places among the pictures of a device. The learning rate falls in
every step, not in every 1,000th. Training on two data sets that are labelled differently (section
3.3) is not here. `blend` is ours, and off in `stargan`.

Deployment is ours too: to change one label the generator must be told the others, and those of a
stranger's picture are unknown, so `translate` takes what the discriminator tells (the authors take
the labels of the data set). `edit` takes a full set of labels.
"""

import re
from dataclasses import dataclass
from typing import ClassVar

from kgan.core.errors import UsageError
from kgan.core.lazy import losses, networks, ops, pixels, tf
from kgan.core.recipe import Recipe, knob, nearest
from kgan.core.registry import register
from kgan.data.signals import usual
from kgan.models.gan import GAN, Phase, Stage


@dataclass(frozen=True)
class StarGANRecipe(Recipe):
    data: str = knob("avatars:Smiling,Eyeglasses,No_Beard,Wearing_Hat,Pale_Skin",
                     "labelled pictures to train on, as avatars:ATTRIBUTE,ATTRIBUTE", group="data")
    labels: str = knob("", "names of the labels in their order, joined by commas; empty = those "
                       "of the data", group="data")
    exclusive: str = knob("", "labels of which a picture has at most one, as hair colours, joined "
                          "by commas: adding one removes the others", group="data")
    from_data: ClassVar[tuple] = ("labels", "classes")
    classes: bool = knob(False, "labels are classes, one to a picture (softmax, translate to_NAME);"
                         " the data decides", group="data")
    filters: int = knob(64, "maps of the generator's first layer", low=1)
    blocks: int = knob(6, "residual blocks of the generator", low=0)
    blend: bool = knob(False, "the generator mixes a change into its input by a mask that it "
                       "paints (our addition, for edits that leave most of a picture alone)")
    discriminator_filters: int = knob(64, "maps of the discriminator's first layer; they double in "
                                      "each", low=1)
    discriminator_layers: int = knob(6, "strided layers of the discriminator; it judges a picture "
                                     "in (size / 2^layers)^2 parts", low=1, high=8)
    n_critic: int = knob(5, "moves of the discriminator for each move of the generator", low=1,
                         group="schedule")
    lambda_class: float = knob(1.0, "weight of the labels, for both players", low=0, group="loss")
    lambda_reconstruction: float = knob(10.0, "weight of the way back to the input; 0 skips its "
                                        "pass", low=0, group="loss")
    lambda_penalty: float = knob(10.0, "weight of the gradient penalty; 0 skips its passes", low=0,
                                 group="loss")

    def check(self):
        super().check()
        parts = 2**self.discriminator_layers
        if self.size % 4 or self.size % parts:
            raise UsageError(
                f"--size {self.size} must be a multiple of 4 and, with --discriminator_layers "
                f"{self.discriminator_layers}, of {parts}."
            )
        if self.batch < 2:
            raise UsageError("--batch must be at least 2: pictures exchange their labels.")
        known = self.labels.split(",")
        if len(set(map(_word, known))) < len(known) or (self.labels and not all(known)):
            raise UsageError(f"--labels {self.labels}: each label needs a name of its own.")
        for name in self.exclusive.split(",") if self.exclusive and self.labels else ():
            if name not in known:
                raise UsageError(f"--exclusive {name} is no label. {nearest(name, known)}")

    @property
    def names(self):
        """The names of the labels. Those of `avatars` stand in its specification."""
        if not self.known:
            raise UsageError(f"The labels of {self.data} are not known yet: name them, --labels "
                             "NAME,NAME.")
        return self.known

    @property
    def known(self):
        """`names`, () as long as they are not known."""
        source, _, rest = self.data.partition(":")
        names = self.labels or (rest.partition("?")[0] if source == "avatars" else "")
        return tuple(names.split(",")) if names else ()

    def complete(self, data):
        if not data.label_names:
            raise UsageError(f"--data {data.spec} has no labels: name labelled pictures, as in "
                             f"--data {type(self).data}.")
        found = ",".join(data.label_names)
        if self.labels not in ("", found):
            raise UsageError(f"--labels {self.labels} are not those of {data.spec}: {found}.")
        return self.replace(labels=found, classes=data.exclusive)


class StarGAN(GAN):
    """One generator and one discriminator for all labels; `translate` changes one of them."""

    players = {"generator": ("g",), "discriminator": ("d",)}
    multiple = 4
    smallest = 8

    @classmethod
    def directions_of(cls, recipe):
        return dict.fromkeys(_edits(recipe), "g")

    @property
    def labels_edited(self):
        return self.recipe.names

    def direction_for(self, label, way="a2b"):
        """The direction that does to pictures what `way` does between two sets of them.

        Args:
            label: the name of the label that the pictures of B have and those of A have not.
            way: `"a2b"`, which adds it, or `"b2a"`, which removes it.

        Raises:
            UsageError: the model knows no such label, or it is a class, which has no opposite.
        """
        names, classes = self.recipe.names, self.recipe.classes
        if label not in names:
            raise UsageError(f"The model has no label {label}. {nearest(label, names)}")
        if way == "b2a" and classes:
            raise UsageError(f"{label} is a class: translate to another one, not away from it.")
        edit = "to" if classes else "add" if way == "a2b" else "remove", names.index(label)
        return next(d for d, found in _edits(self.recipe).items() if found == edit)

    def deployed(self):
        return ["g"] if self.recipe.classes else ["d", "g"]

    @classmethod
    def signals_of(cls, recipe):
        return usual(recipe.size, {"a": 3}, len(recipe.known))

    def build_networks(self, r):
        generator = networks.stargan_generator(
            "g", len(r.names), filters=r.filters, blocks=r.blocks, blend=r.blend
        )
        if self.deployed_only and r.classes:
            return {"g": generator}
        discriminator = networks.stargan_discriminator(
            "d", len(r.names), size=r.size, filters=r.discriminator_filters,
            strided=r.discriminator_layers,
        )
        return {"g": generator, "d": discriminator}

    # Training

    @classmethod
    def stages_of(cls, recipe):
        return (Stage("training", recipe.steps, (
            Phase(("discriminator",), recipe.n_critic, cls.discriminator_terms),
            Phase(("generator",), 1, cls.generator_terms),
        )),)

    def discriminator_terms(self, batch):
        r, real, labels = self.recipe, batch["a"], batch["labels"]
        fake = ops.stop_gradient(self.g([real, self.other_labels(batch)]))
        judged, logits = self.d(ops.concatenate([real, fake]))
        n = real.shape[0]
        terms = {
            "real": losses.real_loss("wasserstein", judged[:n]),
            "fake": losses.fake_loss("wasserstein", judged[n:]),
            "class": r.lambda_class * self.label_loss(labels, logits[:n]),
        }
        if r.lambda_penalty:
            penalty = losses.gradient_penalty(
                lambda x: self.d(x)[0], real, fake, _fold(batch["key"], 1)
            )
            terms["penalty"] = r.lambda_penalty * penalty
        return {"discriminator": terms}

    def generator_terms(self, batch):
        r, real, wanted = self.recipe, batch["a"], self.other_labels(batch)
        fake = self.g([real, wanted])
        judged, logits = self.d(fake)
        terms = {
            "adversarial": losses.real_loss("wasserstein", judged),
            "class": r.lambda_class * self.label_loss(wanted, logits),
        }
        if r.lambda_reconstruction:
            back = self.g([fake, batch["labels"]])
            terms["reconstruction"] = r.lambda_reconstruction * losses.l1(back, real)
        return {"generator": terms}

    def other_labels(self, batch):
        """The labels of the batch in another order: what its pictures are to become."""
        labels = batch["labels"]
        draw = tf.random.stateless_uniform([labels.shape[0]], _fold(batch["key"], 0), alg="philox")
        return ops.take(labels, ops.argsort(draw), axis=0)

    def label_loss(self, labels, logits):
        """Softmax cross-entropy of classes, or the sum of those of all attributes."""
        if self.recipe.classes:
            return losses.cross_entropy(labels, logits)
        return labels.shape[-1] * losses.attributes(labels, logits)

    # Deployment

    def show(self, batch):
        edited = {d: self.translate(batch["a"], d) for d in self.directions}
        return {"input": batch["a"], **edited}

    def forward(self, x, direction):
        return self.g([x, self.wanted(x, direction)], training=False)

    def wanted(self, x, direction):
        """The labels of pictures after a translation: float32 [n, k] of 0 and 1."""
        verb, place = _edits(self.recipe)[direction]
        names, group = self.recipe.names, self.recipe.exclusive.split(",")
        chosen = tf.one_hot([place], len(names))
        if verb == "to":
            return tf.repeat(chosen, tf.shape(x)[0], axis=0)
        if verb == "remove":
            return (1.0 - chosen) * self.labels_of(x)
        rivals = group if names[place] in group else [names[place]]
        others = tf.constant([[float(name not in rivals) for name in names]])
        return others * self.labels_of(x) + chosen

    def labels_of(self, x):
        """What labels the discriminator sees in float32 pictures: float32 [n, k] of 0 and 1.

        It looks at what it would have been trained on: the central square at its own size.
        """
        height, width = tf.unstack(tf.shape(x)[1:3])
        side, size = tf.minimum(height, width), self.recipe.size
        top, left = (height - side) // 2, (width - side) // 2
        square = x[:, top : top + side, left : left + side]
        _, logits = self.d(tf.image.resize(square, (size, size), antialias=True), training=False)
        return tf.cast(logits > 0.0, tf.float32)

    def edit(self, images, labels):
        """Gives pictures a full set of labels.

        Args:
            images: as `translate` takes them; of any size.
            labels: numbers between 0 and 1 in the order of `recipe.names`, [k], or [n, k] for each
                picture its own.

        Returns:
            A tensor of the shape of `images` and of their type; of integers, uint8.

        Raises:
            TypeError, ValueError: `images` are something else, see `kgan.core.pixels.checked`; or
                `labels` are of another shape.
        """
        images, dtype = pixels.given(images)
        n, height, width = tf.unstack(tf.shape(images)[:3])
        labels, count, k = tf.cast(labels, tf.float32), images.shape[0], len(self.recipe.names)
        if not any(labels.shape.is_compatible_with(shape) for shape in ([k], [1, k], [count, k])):
            raise ValueError(f"labels of {'n' if count is None else count} pictures are [{k}] or "
                             f"[n, {k}], not {list(labels.shape)}: {', '.join(self.recipe.names)}.")
        if count == 0:
            return pixels.as_given(images, dtype)
        labels = tf.broadcast_to(labels, (n, k))
        x = self.g([pixels.extend(images, self.multiple, self.smallest), labels], training=False)
        return pixels.as_given(tf.ensure_shape(x[:, :height, :width], images.shape), dtype)


def _word(name):
    """A label as a part of the name of a direction."""
    return re.sub(r"\W+", "_", name)


def _edits(recipe):
    """`{direction: (verb, place of its label)}`."""
    verbs = ("to",) if recipe.classes else ("add", "remove")
    return {
        f"{verb}_{_word(name)}": (verb, place)
        for place, name in enumerate(recipe.names) for verb in verbs
    }


def _fold(key, salt):
    return tf.random.experimental.stateless_fold_in(key, salt, alg="philox")


TINY = {
    "size": 16, "batch": 4, "steps": 20, "filters": 4, "blocks": 1, "discriminator_filters": 4,
    "discriminator_layers": 3, "labels": "Smiling,Eyeglasses", "n_critic": 1,
}

register(
    "stargan",
    StarGAN,
    StarGANRecipe(size=128, batch=16, steps=40_000, learning_rate=1e-4),
    card="stargan.md",
    phrase="several attributes by one generator, the paper's networks at 128 px",
    tiny=TINY,
)
register(
    "stargan_small",
    StarGAN,
    StarGANRecipe(
        size=64, batch=8, steps=3000, learning_rate=2e-4, filters=32, blocks=4, blend=True,
        discriminator_filters=32, discriminator_layers=4,
    ),
    card="stargan.md",
    phrase="several attributes by one generator, half of the width at 64 px, for a CPU",
    tiny={**TINY, "blend": True},
)
