"""What can be read by a linear map from what a model makes of the clips that it sees.

After the table of latent variables of Lotter, Kreiman, Cox 2015: angle, speed and four components
of identity, from the LSTM's state after the last frame that is seen. Here identity is a drawn
face's attributes, and its components those along which they differ most among training clips. What
moves is read as it is in the last frame that is seen. Beside it the same from the pixels of the
frames that are seen, `SIDE` px at most, in as many principal components as the state has numbers
(`COMPONENTS` at most).
"""

import numpy as np
import tensorflow as tf

from kgan.core.batches import in_parts
from kgan.core.pixels import to_float
from kgan.data.factors import factors_of
from kgan.metrics.figures import gather
from kgan.metrics.linear_readout import components, linear_readout

TRAIN = 2000  # training clips that are learnt from
SIDE = 32
COMPONENTS = 256
IDENTITY = 4  # components of identity
_BATCH = 50


def measure_readout(model, data, n=None, skipped=None):
    """Measures what the state of a model knows.

    Args:
        model: a `kgan.models.predicting.Predicts` with `represent`.
        data: a `kgan.data.Data` of its signals.
        n: test clips, at most; None = all.
        skipped: see `kgan.metrics.figures.gather`.

    Returns:
        What `read` gives, and that of pixels with `pixels_` in front.
    """
    clips = Seen(data, model.signals[0].name, model.recipe.history, TRAIN, n)

    def find():
        guesses = clips.read(*clips.pixels(model.recipe.units))
        return clips.read(*clips.features(state_of(model))) | {
            f"pixels_{name}": value for name, value in guesses.items() if name.startswith("r_")}

    return gather({"readout": find}, skipped)


def state_of(model):
    """`features(uint8 [n, t, h, w, 3])`: float32 [n, units], the model's state after them."""
    run = tf.function(lambda x: model.represent(to_float(x)), reduce_retracing=True,
                      autograph=False)
    return lambda frames: run(tf.constant(frames)).numpy()


class Seen:
    """Clips as a model sees them, of which it is known what they are made by.

    Args:
        data: a `kgan.data.Data` of drawn clips.
        name: of the signal.
        history: frames of each that are seen.
        train, test: at most so many clips; 0 or None = all.
    """

    def __init__(self, data, name, history, train=None, test=None):
        self.data, self.name, self.history = data, name, history
        self.rows = {split: np.arange(min(most or len(clips), len(clips)))
                     for split, most, clips in (("train", train, data.train[name]),
                                                ("test", test, data.test[name]))}

    def features(self, function):
        """What a function of uint8 [n, history, h, w, 3] makes of both sets, [n, k] each."""
        found = []
        for split, sets in (("train", self.data.train), ("test", self.data.test)):
            clips = sets[self.name].lasting(self.history)
            found.append(in_parts(lambda rows, clips=clips: function(clips[rows]),
                                  self.rows[split], _BATCH))
        return found

    def pixels(self, count):
        """Principal components of the frames that are seen, `count` at most, of both sets."""
        def small(frames):
            n, t, h, w, c = frames.shape
            step = -(-h // SIDE)
            x = frames[:, :, : h // step * step, : w // step * step].astype(np.float32)
            x = x.reshape(n, t, h // step, step, w // step, step, c).mean((3, 5))
            return x.reshape(n, -1)

        return components(*self.features(small), min(count, COMPONENTS))

    def numbers(self):
        """What is to be read, of both sets: `{name: float [n]}` each."""
        known = [factors_of(self.data, split, rows, self.history - 1)
                 for split, rows in self.rows.items()]
        found = [dict(moving) for moving, _ in known]
        faces = [still for _, still in known]
        if faces[0].shape[1]:
            parts = components(*faces, IDENTITY)
            for numbers, its in zip(found, parts, strict=True):
                numbers |= {f"pc{i + 1}": its[:, i] for i in range(its.shape[1])}
        return found

    def read(self, train, test):
        """What can be read from features [n, k] of both sets.

        Returns:
            `r_<name>` of each number, correlations on test clips: of turning faces `r_angle`,
            `r_speed`, `r_scale`, `r_pc1` to `r_pc4`; of what bounces `r_x1` and so on, and their
            means `r_places` and `r_speeds`; `readout_numbers`: k; `readout_train` and
            `readout_test`: how many clips.

        Raises:
            UserError: nothing is known of the clips, or they are too few.
        """
        learnt, asked = self.numbers()
        found = linear_readout(train, learnt, test, asked)
        figures = {f"r_{name}": r for name, r in found.items()}
        for name, first in (("places", ("x", "y")), ("speeds", ("vx", "vy"))):
            some = [r for key, r in found.items() if key.rstrip("0123456789") in first]
            figures |= {f"r_{name}": float(np.mean(some))} if some else {}
        return figures | {"readout_numbers": train.shape[1], "readout_train": len(train),
                          "readout_test": len(test)}
