"""Inverts: encoders of a generator that is already there.

What a family adds is its network `e` and what it pays. Here is the generator below it
(`--generator`, see `kgan.models.generators`) and the held-out part of the training pictures that
says when to slow down, when to stop and which weights are kept.
"""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from kgan.core.batches import parts, spread
from kgan.core.errors import UsageError, UserError
from kgan.core.lazy import generators, kept, np, pixels, plateau, tf
from kgan.core.recipe import Recipe, knob
from kgan.data.spec import FACES
from kgan.models.encoding import BATCH, Encodes

WATCHED = 2000  # held-out pictures that a validation looks at, at most


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
        found = self.found
        return self.above(found.name, found.recipe)

    def above(self, name, recipe):
        return self.replace(generator_recipe=generators.to_text(name, recipe))

    @property
    def found(self):
        """The generator, a `kgan.models.source.Source`; without a folder, it is to be trained."""
        return generators.find(self.generator, data=self.data, size=self.size, seed=self.seed)


class Inverts(Encodes):
    """An encoder `e` and the generator `g` that it inverts, which is frozen."""

    players: ClassVar[dict] = {"encoder": ("e",)}
    averaged = ("encoder",)

    def build_networks(self, recipe):
        how = recipe.generator_recipe
        if not how:
            how = generators.to_text(recipe.found.name, recipe.found.recipe)
        below = generators.build(how, self.precision)
        self._prior, self._latent = below.prior, below.latent
        self.normalises = below.normalises
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

    @property
    def latent(self):
        return self._latent

    @property
    def prior(self):
        return self._prior

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
        chosen = spread(len(pictures), WATCHED)
        found, count = {}, len(chosen)
        if not hasattr(self, "_validate"):
            self._validate = tf.function(self.validation_terms, autograph=False,
                                         reduce_retracing=True)
        for i, rows in enumerate(parts(chosen, BATCH)):
            x = pixels.to_float(_middle(pictures[rows], self.recipe.size))
            codes = self.codes(len(rows), seed=i * BATCH + 1)
            for name, value in self._validate(x, codes, *self.beside(held, rows)).items():
                found[name] = found.get(name, 0.0) + float(value) * len(rows) / count
        return found

    def beside(self, held, rows):
        """What `validation_terms` is given of some held-out pictures beside them, a tuple."""
        return ()

    def validation_terms(self, pictures, codes):
        """What `validate` reports of a batch: `{term: scalar}`, means, with `"total"`.

        Args:
            pictures: float32 [n, size, size, 3] in [-1, 1].
            codes: float32 [n, latent], of the prior.
        """
        raise NotImplementedError


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

    line = f"{count:,} of {len(rows):,} training pictures are held out to watch the training"
    return part(np.sort(rows[count:]), line), part(np.sort(rows[:count]), line)
