"""What a training does about its validation loss: keep the best, slow down, stop.

The rules are those of Keras' `ReduceLROnPlateau` and `EarlyStopping`; what they remember is in
variables that a run saves, so that a training goes on as if it had not been interrupted.
"""

import keras
import numpy as np

BEST, SINCE_CUT, SINCE_BEST = range(3)
WORST = float(np.finfo(np.float32).max)  # finite, as all that a run saves must be


class Plateau:
    """Follows a loss that should fall.

    Args:
        factor: what the learning rate is multiplied by on a plateau.
        patience: validations without a new best that make one; 0 = never.
        stop_patience: validations without a new best that end the training; 0 = never.
        least: what a new best must be better by.

    Attributes:
        scale: variable, float32: what learning rates are multiplied by.
        variables: `scale` and what else must be saved.
    """

    def __init__(self, factor, patience, stop_patience, least):
        self.factor, self.patience, self.least = factor, patience, least
        self.stop_patience = stop_patience

        def variable(value, name):
            return keras.Variable(value, dtype="float32", trainable=False, name=name,
                                  aggregation="only_first_replica")

        self.scale = variable(1.0, "plateau_scale")
        self.memory = variable(np.array([WORST, 0.0, 0.0]), "plateau_memory")
        self.variables = [self.scale, self.memory]

    def heed(self, loss):
        """Takes a new loss into account; returns whether it is the best so far."""
        memory = self.memory.numpy()
        better = loss < memory[BEST] - self.least
        memory = np.array([loss, 0.0, 0.0]) if better else memory + np.array([0.0, 1.0, 1.0])
        if self.patience and memory[SINCE_CUT] >= self.patience:
            self.scale.assign(self.factor * self.scale.numpy())
            memory[SINCE_CUT] = 0.0
        self.memory.assign(memory)
        return bool(better)

    @property
    def seen(self):
        """Whether there was a loss yet."""
        return bool(self.memory.numpy()[BEST] < WORST)

    @property
    def stopped(self):
        """Whether the training is over."""
        return bool(0 < self.stop_patience <= self.memory.numpy()[SINCE_BEST])
