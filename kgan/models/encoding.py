"""Encoders of a generator that is already there: pictures in, codes out, edits in between.

What a family adds is its network `e` and what it pays. Here is the rest: the generator below it
(`--generator`, see `kgan.models.generators`), the held-out part of the training pictures that says
when to slow down, when to stop and which weights are kept, directions of the labels that they have,
and an export that carries both networks: `serving_default` reconstructs PNG or JPEG bytes,
`encode` gives codes, `decode` pictures of codes, `edit` pictures whose codes were moved.
"""

import dataclasses
import pathlib
import sys
from dataclasses import dataclass
from typing import ClassVar

from kgan.core.errors import UsageError, UserError, printable
from kgan.core.lazy import generators, kept, latent_directions, np, pixels, plateau, tf
from kgan.core.recipe import Recipe, knob, nearest
from kgan.data.spec import FACES
from kgan.models.latent import LatentGAN

BATCH = 64  # pictures that are encoded at a time
WATCHED = 2000  # held-out pictures that a validation looks at, at most
LEARNT_FROM = 4000  # training pictures whose mean codes make a direction, at most
FEWEST = 10  # pictures with a label, and without it, that make a direction


@dataclass(frozen=True)
class EncoderRecipe(Recipe):
    from_data: ClassVar[tuple] = ("generator_recipe",)

    data: str = knob(FACES, "pictures to train on; encoders take one set, labelled or not",
                     group="data")
    generator: str = knob("", "what it inverts: a name of the zoo, whose weights are used if they "
                          "were trained on such pictures and which is trained first if not, "
                          "NAME.TAG, or the folder of a run", source=True)
    generator_recipe: str = knob("", "how the generator is built, JSON; the generator decides")
    validation: float = knob(0.2, "share of the training pictures held out to watch the training; "
                             "0 = not watched", low=0, high=0.5, group="data")
    validate_every: int = knob(100, "steps between validations", low=1, group="schedule")
    plateau: float = knob(1.0, "what the learning rate is multiplied by on a plateau of the "
                          "validation loss", low=0.01, high=1, group="schedule")
    patience: int = knob(0, "validations without a new best that make a plateau; 0 = never", low=0,
                         group="schedule")
    stop_patience: int = knob(0, "validations without a new best that end the training; 0 = never",
                              low=0, group="schedule")
    least: float = knob(1e-4, "what a new best must be better by", low=0, group="schedule")

    def check(self):
        super().check()
        if self.ema and self.validation:
            raise UsageError("--ema needs --validation 0: else the best weights are kept instead.")
        if (self.patience or self.stop_patience) and not self.validation:
            raise UsageError("--patience and --stop_patience need a --validation part.")
        if bool(self.patience) != (self.plateau < 1):
            raise UsageError("--patience and --plateau below 1 go together.")

    def complete(self, data):
        return self.above(*self.found[:2])

    def above(self, name, recipe):
        return self.replace(generator_recipe=generators.to_text(name, recipe))

    @property
    def found(self):
        """The generator: (name, recipe, folder of its weights or None)."""
        return generators.find(self.generator, data=self.data, size=self.size, seed=self.seed)


class EncoderGAN(LatentGAN):
    """An encoder `e` and the generator `g` that it inverts, which is frozen.

    Attributes:
        attributes: `{name: kgan.editing.directions.Direction}` of the weights or of a training.
        far: how far `tools/edit` moves codes unless it is told, as its `--k`.
    """

    far: ClassVar[str] = "-4,-2,2,4"

    attributes: ClassVar[dict] = {}
    players: ClassVar[dict] = {"encoder": ("e",)}
    directions: ClassVar[dict] = {"reconstruct": "e"}
    averaged = ("encoder",)

    def build_networks(self, recipe):
        below = generators.build(recipe.generator_recipe or generators.to_text(*recipe.found[:2]),
                                 self.precision)
        self._prior, self._latent = below.prior, below.latent
        generator = below.nets["g"]
        generator.trainable = "g" in sum(self.players.values(), ())
        return {"e": self.build_encoder(recipe, below), "g": generator}

    def build_encoder(self, recipe, below):
        """The network of a family: pictures [n, size, size, 3] in [-1, 1] -> codes.

        Args:
            recipe: its recipe.
            below: the generator's model.
        """
        raise NotImplementedError

    @classmethod
    def needs(cls, recipe):
        return recipe.found

    def inherit(self, source):
        self.g.set_weights(source.nets["g"].get_weights())

    def deployed(self):
        return ["e", "g"]

    @property
    def latent(self):
        return self._latent

    @property
    def prior(self):
        return self._prior

    # Training

    def hold_out(self, data):
        r = self.recipe
        if not r.validation:
            return data, None
        return _split(data, r.validation, r.seed)

    def build_plateau(self):
        r = self.recipe
        if not r.validation:
            return None
        return plateau.Plateau(r.plateau, r.patience, r.stop_patience, r.least)

    def build_kept(self):
        """The best weights, where a validation says which those are."""
        if not self.plateau:
            return super().build_kept()
        nets = [self.nets[name] for names in self.players.values() for name in names]
        return kept.Best(nets, self.plateau)

    def validate(self, held):
        pictures = held.train["a"]
        chosen = _spread(len(pictures), WATCHED)
        found, count = {}, len(chosen)
        if not hasattr(self, "_measure"):
            self._measure = tf.function(self.measure, autograph=False, reduce_retracing=True)
        for first in range(0, count, BATCH):
            rows = chosen[first : first + BATCH]
            x = pixels.to_float(_middle(pictures[rows], self.recipe.size))
            codes = self.codes(len(rows), seed=first + 1)
            for name, value in self._measure(x, codes).items():
                found[name] = found.get(name, 0.0) + float(value) * len(rows) / count
        return found

    def measure(self, pictures, codes):
        """What `validate` reports of a batch: `{term: scalar}`, means, with `"total"`.

        Args:
            pictures: float32 [n, size, size, 3] in [-1, 1].
            codes: float32 [n, latent], of the prior.
        """
        raise NotImplementedError

    def conclude(self, data, held):
        """Finds the direction of every label, and where pictures without and with it lie."""
        self.attributes = {}
        if not data.labels or data.exclusive:
            return
        rows = _spread(len(data.train["a"]), LEARNT_FROM)
        learnt = self.encode_all(data.train["a"], rows), data.labels_of("train", rows)
        measured = learnt
        if held is not None:
            rows = _spread(len(held.train["a"]), LEARNT_FROM)
            measured = self.encode_all(held.train["a"], rows), held.labels_of("train", rows)
        for i, name in enumerate(data.label_names):
            column = [(codes, labels[:, i]) for codes, labels in (learnt, measured)]
            if name.startswith("No_"):
                name, column = name[3:], [(codes, 1 - labels) for codes, labels in column]
            if min(min((y == v).sum() for v in (0, 1)) for _, y in column) >= FEWEST:
                self.attributes[name] = self._direction(name, *column)
            else:
                print(f"no direction of {printable(name)}: fewer than {FEWEST} pictures with it "
                      "or without", file=sys.stderr)

    def _direction(self, name, learnt, measured):
        codes, labels = learnt
        vector, length = latent_directions.from_labels(codes, labels)
        found = latent_directions.Direction(
            name, vector, length, self.generator_sha256,
            how=f"mean codes of {int(labels.sum())} pictures with it and "
                f"{int((1 - labels).sum())} without",
        )
        codes, labels = measured
        return latent_directions.with_populations(found, codes[labels == 0], codes[labels == 1])

    def show(self, batch):
        shown = {"a": batch["a"]}
        shown["reconstruct"] = self.translate(batch["a"])
        shown["generated"] = self.decode(self.codes(len(batch["a"])))
        shown["its reconstruction"] = self.translate(shown["generated"])
        return shown

    # Deployment

    @property
    def generator_sha256(self):
        """What directions in this model's codes are bound to."""
        return generators.sha256(self.g)

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
        return tf.cast(self.e(x, training=False), tf.float32)

    def encode_all(self, images, rows=None):
        """`encode` for many pictures, also those of `kgan.data`: a numpy array [n, latent]."""
        if isinstance(images, (list, tuple)) or tf.is_tensor(images):
            images = pixels.checked(images).numpy()
        rows = np.arange(len(images)) if rows is None else rows
        if not hasattr(self, "_encoder"):
            self._encoder = tf.function(self.encode, autograph=False, reduce_retracing=True)
        parts = [self._encoder(pixels.checked(images[rows[i : i + BATCH]])).numpy()
                 for i in range(0, len(rows), BATCH)]
        return np.concatenate([np.zeros((0, self.latent), np.float32), *parts])

    def forward(self, x, direction):
        """The central square is reconstructed; what is beside it stays."""
        top, left, side = _square(x)
        made = self.decode(self.encode(x))
        made = tf.image.resize(made, (side, side), "bicubic", antialias=True)
        made = tf.clip_by_value(made, -1.0, 1.0)  # bicubic overshoots
        made = tf.concat([x[:, top : top + side, :left], made,
                          x[:, top : top + side, left + side :]], axis=2)
        return tf.concat([x[:, :top], made, x[:, top + side :]], axis=1)

    def edit(self, images, steps):
        """Pictures with attributes changed, CRG's equation (4).

        Args:
            images: as `translate` takes them.
            steps: [(a `kgan.editing.directions.Direction` or a name in `attributes`, k)]; k is how
                far, in units of codes, below 0 to take the attribute away; a number or [n].

        Returns:
            A tensor [n, size, size, 3] of the type of `images`; of integers, uint8.

        Raises:
            TypeError, ValueError: `images` are something else, see `kgan.core.pixels.checked`.
            UserError: no direction of that name, or one of another generator.
        """
        moves = [(self.attribute(direction), k) for direction, k in steps]
        x, dtype = pixels.given(images)
        codes = latent_directions.moved(np.asarray(self.encode(x)), moves)
        return pixels.as_given(self.decode(codes), dtype)

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
                     {"images": pictures, "move": self.codes(2).numpy()}),
        }


def _square(x):
    """(top, left, side) of the central square of pictures, ints where the shape is known."""
    height, width = (x.shape[i] or tf.shape(x)[i] for i in (1, 2))
    known = isinstance(height, int) and isinstance(width, int)
    side = min(height, width) if known else tf.minimum(height, width)
    return (height - side) // 2, (width - side) // 2, side


def _spread(count, most):
    """Rows of at most `most` of `count` pictures, evenly spread."""
    return np.arange(min(count, most)) * count // max(min(count, most), 1)


def _middle(pictures, size):
    """The middle of pictures that are larger than `size`, for training ones are (`load_size`)."""
    top = (pictures.shape[1] - size) // 2
    return pictures[:, top : top + size, top : top + size]


def _split(data, share, seed):
    """Training pictures apart by chance: two `Data` of one domain, the second with the share."""
    from kgan.data.scan import Rows

    pictures = data.train["a"]
    count = round(share * len(pictures))
    if not 0 < count < len(pictures):
        raise UserError(f"{data.spec} has too few training pictures to hold out {share:.0%}: give "
                        "more, or --validation 0.")
    rows = np.random.default_rng([seed, 3]).permutation(len(pictures))

    def part(chosen, line):
        labels = data.labels
        if labels:
            labels = {**labels, "train": labels["train"][chosen]}
        return dataclasses.replace(data, train={"a": Rows(pictures, chosen)}, labels=labels,
                                   summary=(*data.summary, line))

    kept = np.sort(rows[count:])
    line = f"{count:,} of {len(rows):,} training pictures are held out to watch the training"
    return part(kept, line), part(np.sort(rows[:count]), line)
