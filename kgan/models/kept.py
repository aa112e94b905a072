"""Weights kept: a second set of a model's weights, shown, measured and shipped instead of its own.

`Averages` follow the weights step by step; `Best` takes them when a validation finds them the best
so far. Both hold what batch normalisation knows of its inputs, too: weights without the statistics
that go with them are another network.
"""

import contextlib

import keras
import tensorflow as tf

STATISTICS = ("moving_mean", "moving_variance")  # of batch normalisation


class Kept:
    """Keeps a copy of variables; of none, it does nothing.

    Args:
        followed: the variables.

    Attributes:
        variables: the copies, float32, in the order of `followed`. Checkpoints know them as
            `averages/<number>`, whatever they are.
    """

    def __init__(self, followed=()):
        self.followed = list(followed)
        self.variables = [
            keras.Variable(shape=v.shape, initializer="zeros", trainable=False, dtype="float32",
                           name=type(self).__name__.lower(),
                           aggregation="only_first_replica")
            for v in self.followed
        ]
        self.take()

    @property
    def there(self):
        """Whether there is anything to be shown instead of the weights."""
        return bool(self.variables)

    def take(self):
        """Keeps the weights as they are, as it must be after weights were loaded."""
        for kept, variable in zip(self.variables, self.followed, strict=True):
            kept.assign(variable)

    def adopt(self):
        """Makes what is kept the weights, for good."""
        for kept, variable in self._shown():
            variable.assign(kept)

    @contextlib.contextmanager
    def lent(self):
        """In the block, the networks have what is kept as weights."""
        pairs = self._shown()
        held = [variable.numpy() for _, variable in pairs]
        for kept, variable in pairs:
            variable.assign(kept)
        try:
            yield
        finally:
            for (_, variable), value in zip(pairs, held, strict=True):
                variable.assign(value)

    def follow(self, step):
        """Called after each training step, the number of which was `step` before it."""

    def _shown(self):
        return list(zip(self.variables, self.followed, strict=True)) if self.there else []


class Averages(Kept):
    """Moving averages of the weights of some networks; the first steps count more.

    Args:
        networks: whose weights; the statistics of their batch normalisation come after them.
        decay: how much of an average stays at each step, [0, 1); as in TensorFlow, at most
            (1 + step) / (10 + step).
    """

    def __init__(self, networks, decay):
        networks = list(networks)
        super().__init__(
            [v for net in networks for v in net.trainable_variables]
            + [v for net in networks for v in net.non_trainable_variables if v.name in STATISTICS]
        )
        self.decay = decay

    def follow(self, step):
        step = tf.cast(tf.convert_to_tensor(step), tf.float32)
        decay = tf.minimum(self.decay, (1.0 + step) / (10.0 + step))
        for average, variable in zip(self.variables, self.followed, strict=True):
            now = tf.convert_to_tensor(average)
            average.assign(now + (1.0 - decay) * (tf.convert_to_tensor(variable) - now))


class Best(Kept):
    """The weights of some networks with which a validation loss was least so far.

    Args:
        networks: whose weights, with all the numbers that they hold beside them.
        plateau: the `kgan.models.plateau.Plateau` that follows the loss. Before it has seen one,
            none are the best, and the networks show what they are.
    """

    def __init__(self, networks, plateau):
        self.plateau = plateau
        super().__init__([v for net in networks for v in net.variables if "float" in v.dtype])

    @property
    def there(self):
        return self.plateau.seen
