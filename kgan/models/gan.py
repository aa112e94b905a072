"""GAN: what every model is.

A model says which networks it has, which player owns which of them and what each player pays
(`loss_terms`). How they are trained is in `kgan.models.trainer`, once for all; how pictures of any
size go through them, and what a run asks of a model, is here.

The class is light so that recipes can be read without TensorFlow: it becomes a `keras.Model` when
an instance is made (`CycleGAN(recipe)` is one, with `fit`, `save_weights` and so on).
"""

import contextlib
import functools
from typing import ClassVar

from kgan.core.errors import UsageError
from kgan.core.lazy import kept, keras, losses, optimizers, tf
from kgan.data.signals import at_size, usual
from kgan.models.checks import check_networks
from kgan.models.stages import Phase, Stage
from kgan.models.trainer import Trainer
from kgan.models.translating import Translates
from kgan.models.translation import learns_pairs, translations


@functools.cache
def _keras_class(cls):
    return type(cls.__name__, (cls, keras.Model), {"__doc__": cls.__doc__})


class GAN(Translates, Trainer):
    """A set of networks and the game that trains them.

    A subclass declares `players` and `directions` and writes `build_networks` and `loss_terms`.

    Args:
        recipe: a `kgan.core.recipe.Recipe`.
        precision: a Keras dtype policy for the networks: `"float32"`, `"mixed_bfloat16"` or
            `"mixed_float16"`. Variables, normalisation statistics, losses and outputs are float32.
        deployed_only: leave out networks that only training needs, if the model can.

    Attributes:
        players: `{player: names of its networks}`. A network of no player is frozen.
        phases: what a training step consists of, unless `stages_of` says more.
        averaged: the players whose weights have a moving average when `recipe.ema` is set.
        signals: what its batches hold, a tuple of `kgan.data.signals.Signal`.
        directions: `{direction: kgan.models.translation.Translation}`, the first is the default; a
            class may declare the name of a network alone, which stands for the usual ones.
        labels_edited: the labels that it edits, each by directions of its own; () = it translates
            between two domains.
        trains: whether there is anything to train.
        solves_by: of one that is not trained, the fields of every recipe that count when it
            translates; those that its recipe adds do anyway.
        exports: whether a SavedModel can be made of it.
        graph: whether `translate` can be part of a TensorFlow graph.
        kept: its moving averages or best weights, a `kgan.models.kept.Kept`.
        multiple: the sides that the networks need are multiples of this.
        smallest: the smallest side that the networks take.
        nets: `{name: network}`.
        name_in_zoo, metadata: set by the zoo when it loads weights.
        trained: whether its weights were trained to their end, set by the zoo, too.
    """

    players: ClassVar[dict] = {}
    phases: ClassVar[tuple] = (Phase(),)
    averaged: ClassVar[tuple] = ("generator",)
    directions: ClassVar[dict] = {}
    labels_edited: ClassVar[tuple] = ()
    trains = True
    solves_by: ClassVar[tuple] = ("data", "size", "batch", "seed")
    exports = True
    graph = True
    multiple = 1
    smallest = 1

    def __new__(cls, *arguments, **keywords):
        real = cls if issubclass(cls, keras.Model) else _keras_class(cls)
        return keras.Model.__new__(real, *arguments, **keywords)

    def __init__(self, recipe, precision="float32", deployed_only=False):
        super().__init__(name=type(self).__name__.lower())
        self.recipe = recipe
        self.deployed_only = deployed_only
        self.signals = self.signals_of(recipe)
        self.directions = translations(self.directions_of(recipe), self.signals)
        self.precision = precision
        self.name_in_zoo = self.name
        self.trained = False
        self.metadata = {}
        with _policy(precision):
            self.nets = self.build_networks(recipe)
        for name, net in self.nets.items():
            setattr(self, name, net)
        if not deployed_only:  # which may leave out what players own
            check_networks(self)
        self.step = self.add_weight(
            shape=(), dtype="int64", initializer="zeros", trainable=False, name="step",
            aggregation="only_first_replica",
        )
        self.plateau = self.build_plateau()
        self.kept = self.build_kept()
        self.built = True
        self.trackers = {}
        self.optimizers = {}

    # What a model says of itself

    @property
    def state(self):
        """What its weights are: `"trained"`, `"fresh"` or `"step 300 of 1,000"`."""
        step = self.metadata.get("step")
        if self.trained or not isinstance(step, int):
            return "trained" if self.trained else "fresh"
        return f"step {step:,} of {self.recipe.steps:,}"

    @classmethod
    def signals_of(cls, recipe):
        """What the batches of a model with this recipe hold, a tuple of `Signal`.

        It is asked for before the data are open, when a recipe may lack what `complete` fills in;
        signals with pixels must be whole even then.
        """
        return usual(recipe.size)

    @classmethod
    def directions_of(cls, recipe):
        """`directions` of a model with this recipe, as declared."""
        return cls.directions

    def build_networks(self, recipe):
        """Returns `{name: network or layer}`; each becomes an attribute of that name."""
        raise NotImplementedError

    def served(self):
        """What an export offers besides translating.

        Returns:
            `{signature: (tf.function with an input signature, {input name: example array})}`; the
            functions return `{output name: tensor}`.
        """
        return {}

    def deployed(self):
        """The names of the networks that translating needs; their weights are what is shipped."""
        return sorted({how.network for how in self.directions.values()})

    def stages(self):
        """What its training consists of, see `stages_of`."""
        return self.stages_of(self.recipe)

    @classmethod
    def stages_of(cls, recipe):
        """What a training of a model with this recipe consists of, a `Stage` after the other."""
        return (Stage("training", recipe.steps, cls.phases),)

    @classmethod
    def needs(cls, recipe):
        """A model that must be there before this one is trained.

        Returns:
            None, or a `kgan.models.source.Source`; one without a folder makes a run train it first,
            by the recipe of the source.
        """

    def inherit(self, source):
        """Called once before `prepare` with the model of `needs`."""

    @classmethod
    def of_onnx(cls, recipe, operations):
        """A model of such a recipe with the weights of others' file.

        Args:
            recipe: where the file says nothing.
            operations: what `kgan.models.onnx.read` found in it.

        Raises:
            UserError: the file is of another network, or such models read none.
        """
        raise UsageError(f"{cls.__name__} reads no ONNX files; johnson does.")

    def hold_out(self, data):
        """Splits the training pictures: (`Data` to train on, `Data` to validate with or None)."""
        return data, None

    def build_plateau(self):
        """The `kgan.models.plateau.Plateau` that follows `validate`; None = nobody watches."""

    def build_kept(self):
        """The `kgan.models.kept.Kept`: weights that are shown and shipped instead of its own."""
        if not self.recipe.ema:
            return kept.Kept()
        players = (self.players[player] for player in self.averaged if player in self.players)
        return kept.Averages([self.nets[n] for names in players for n in names], self.recipe.ema)

    def validate(self, held):
        """`{term: float}` on held-out pictures, a `Data`; `"total"` is what is to fall."""
        raise NotImplementedError

    def prepare(self, data):
        """Called once before the first step of a run, with its `kgan.data.Data`."""

    def conclude(self, data, held):
        """Called after the last step, with what `hold_out` gave, before weights are written."""

    @property
    def measures(self):
        """The names of the usual measures that say how good it is; a class may name others."""
        pairs = any(learns_pairs(how, self.signals) for how in self.directions.values())
        return ("pairs",) if pairs else ("edits",)

    def measure(self, data, options):
        """What `tools/evaluate` says of it.

        Args:
            data: a `kgan.data.Data`; it is measured on the held-out pictures.
            options: a `kgan.evaluation.measures.Options`, with the usual measures.

        Returns:
            `{figure: number}` and `{title: {what: uint8 [n, h, w, 3]}}`.
        """
        found = [options.usual[name].find(self, data, options) for name in self.measures]
        return tuple({k: v for pair in found for k, v in pair[i].items()} for i in (0, 1))

    def direction_for(self, label, way="a2b"):
        """The direction that does to pictures what `way` does between two sets of them.

        Args:
            label: what those of B have and those of A have not, one of `labels_edited` if any.
            way: `"a2b"`, which adds it, or `"b2a"`, which removes it.
        """
        return way

    def write_beside(self, folder):
        """Writes what belongs to the weights and is no network into their folder."""

    def read_beside(self, folder):
        """Reads what `write_beside` wrote."""

    def begin_stage(self, name):
        """Called before the first step of each stage, again if a run is resumed just there."""

    def loss_terms(self, batch):
        """What each player pays on a batch.

        Networks of players are in training mode (dropout acts, batch normalisation takes the
        statistics of the batch) unless they are called with `training=False`; those of no player
        are not.

        Args:
            batch: `{name of a signal: tensor [n, ...]}`, see `signals`: pictures are float32 in
                [-1, 1], ids int32; `"key"`, int32 [2], the randomness of this step and replica
                (for `tf.random.stateless_*`), and `"step"`, int32 [], steps before this one.

        Returns:
            `{player: {term: float32 scalar, the mean over the batch, already weighted}}`.
        """
        raise NotImplementedError

    def decay(self, player, weight):
        """`{"decay": weight times half the squares of a player's kernels}`; `{}` of weight 0."""
        kernels = [v for v in self.variables_of(player) if v.name == "kernel"]
        return {"decay": weight * losses.weight_decay(kernels)} if weight else {}

    def batch_spec(self, count=None):
        """`{name of a signal: tf.TensorSpec}` of a batch of `count`, in this stage."""
        size = self.recipe.size
        signals = at_size(self.signals, self.part.size if self.part else size, size)
        return {s.name: tf.TensorSpec([count, *s.shape], s.dtype) for s in signals}

    def terms_spec(self, count):
        """What `loss_terms` is given: `{name: tf.TensorSpec}`."""
        step, key = tf.TensorSpec([], tf.int32), tf.TensorSpec([2], tf.int32)
        return {**self.batch_spec(count), "key": key, "step": step}

    def gates(self, terms):
        """Which updates of a phase are left out, as when one player is far ahead of another.

        Args:
            terms: what `loss_terms` has just returned, means over all replicas.

        Returns:
            `{player: bool scalar, whether its weights and its optimizer stay as they were}`, the
            same on all replicas; players that are not in it move. The learning rate of one that
            stays waits, too, since it follows from how often its optimizer moved. The share of
            updates that such a player made is reported as `moved/<player>`.
        """
        return {}

    def build_optimizer(self, player, schedule):
        """The optimizer of a player, not yet built; `schedule` is its learning rate."""
        return optimizers.Adam(
            schedule, beta_1=self.recipe.beta_1, beta_2=0.999, epsilon=1e-8, name=f"adam_{player}"
        )

    def show(self, batch):
        """What to look at for fixed inputs: `{title: float32 [n, h, w, c] in [-1, 1], or ids}`."""
        shown = {}
        for direction, how in self.directions.items():
            given = {name: batch[name] for name in how.sources}
            shown |= given
            alone = len(given) == 1
            shown[direction] = self.translate(given[how.sources[0]] if alone else given, direction)
            if learns_pairs(how, self.signals):
                shown[how.target] = batch[how.target]
        return shown

    def show_moving(self, batch):
        """What to look at as a moving picture for fixed inputs, of models of frames.

        Returns:
            `{title: float32 [n, frames, h, w, c] in [-1, 1]}`, {} = nothing; how many of the frames
            were given, before those that it made.
        """
        return {}, 0

    # What Keras would keep a model by is not enough to make it again: a recipe is.

    def get_config(self):
        raise NotImplementedError(_elsewhere(self))

    @classmethod
    def from_config(cls, config):
        raise NotImplementedError(f"{cls.__name__} is made from a recipe: {cls.__name__}(recipe), "
                                  "or kgan.zoo.load(NAME or FOLDER).")

    def save(self, *arguments, **keywords):
        raise NotImplementedError(_elsewhere(self))

    def __reduce__(self):
        raise TypeError(_elsewhere(self))


def _elsewhere(model):
    return (f"{type(model).__name__} is not copied or saved as a Keras model: keep its weights by "
            "kgan.models.weights.write(model, FOLDER) and load them by kgan.zoo.load(FOLDER), "
            "or make a SavedModel by tools/export.")


@contextlib.contextmanager
def _policy(name):
    """Layers made in the block have the dtype policy `name`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
