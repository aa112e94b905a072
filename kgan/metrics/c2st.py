"""The classifier two-sample test: can a fresh classifier tell translated from real pictures?

Lopez-Paz, Oquab: Revisiting classifier two-sample tests, ICLR 2017 (arXiv 1610.06545), section 3;
as a figure for translators (test cross-entropy x 100, higher is better) in Sungatullina, Zakharov,
Ulyanov, Lempitsky: Image manipulation with perceptual discriminators, ECCV 2018 (arXiv 1809.01396).
Neither the classifier nor the splits of the latter are published, so figures compare with each
other alone.

Ours: half of the pictures train, half test; a fifth of the training half validates and picks the
stopping point, the untrained network included. Nothing is reduced, for that would hide what the
test is to find: training sees random crops of 32 px, whatever the size of the pictures, and beside
their colours the difference to the 3 x 3 mean around each pixel, eight times enlarged. The
classifier has a convolution of 16 maps at full size and three strided ones (32, 64, 64 maps), all
3 x 3 with batch norm and ReLU, and a logistic regression on the mean and the maximum of every map
of all four: 61 thousand weights. It finds wrong pixels, textures, colours and shapes of up to 32
px; what is wrong in the large alone it does not see. In the test each crop of a fixed grid that
covers the picture gives a logit; the picture's is their mean times 1, times the root of their
number or times their number (right if crops were independent), whichever validates best.
"""

import functools

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from kgan.core.batches import in_parts
from kgan.core.errors import UserError
from kgan.core.pixels import array_to_float

STEPS = 400  # of training, each on _BATCH / 2 real and as many translated pictures
_BATCH, _CHECK, _CROP = 32, 25, 32
_CLIP = 1e-4  # probabilities are cut to [_CLIP, 1 - _CLIP]


def c2st(real, fake, *, seeds=3, steps=None, seed=0):
    """Trains classifiers to tell two sets of pictures apart and tests them on held-out ones.

    Where one set is larger, evenly spaced pictures of it are taken. Rows of the same number stay on
    the same side of a split, so that pairs cannot be told apart by heart.

    Args:
        real: uint8 [n, h, w, 3], held-out real pictures of the target domain.
        fake: uint8 [m, h, w, 3], translated pictures.
        seeds: classifiers, each with a split and first weights of its own.
        steps: of training of a classifier; None = `STEPS`.
        seed: what all of them follow from, integer >= 0; no global seed is used or touched.

    Returns:
        A dict of means over the classifiers and their standard deviations (the splits overlap, so
        these are no confidence intervals):
        `log_loss`, `log_loss_std`: test cross-entropy in nats x 100, probabilities cut to
        [0.0001, 0.9999]; 0.01 = always told apart, 69.3 (100 ln 2) = never; above that is overfit;
        `accuracy`, `accuracy_std`: share of test pictures told right; 0.5 = no better than chance;
        and `seeds`, `train` (pictures of each set, with the validating ones), `test` (likewise).

    Raises:
        UserError: fewer than 10 pictures in a set.
        ValueError: pictures of different sizes.
    """
    n = min(len(real), len(fake))
    if n < 10:
        raise UserError(f"C2ST needs at least 10 pictures of each kind, not {n}.")
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(f"pictures of {real.shape[1:]} and of {fake.shape[1:]}")
    real, fake = (pictures[np.arange(n) * len(pictures) // n] for pictures in (real, fake))
    judge = _judge(STEPS if steps is None else steps)
    found = [_trial(judge, real, fake, np.random.default_rng((seed, k))) for k in range(seeds)]
    (log_loss, accuracy), (log_loss_std, accuracy_std) = np.mean(found, 0), np.std(found, 0)
    return {
        "log_loss": float(log_loss), "log_loss_std": float(log_loss_std),
        "accuracy": float(accuracy), "accuracy_std": float(accuracy_std),
        "seeds": seeds, "train": n // 2, "test": n - n // 2,
    }


def _trial(judge, real, fake, random):
    """Log-loss x 100 and accuracy of one classifier on its test half."""
    order = random.permutation(len(real))
    train, test = order[: len(order) // 2], order[len(order) // 2 :]
    held, train = train[: len(train) // 5], train[len(train) // 5 :]
    teach = real[train], fake[train]
    judge.reset(random)
    best = (np.inf, None, None)
    for step in range(judge.steps + 1):
        if step % _CHECK == 0 or step == judge.steps:
            on_real, on_fake = judge.logits(real[held]), judge.logits(fake[held])
            crops = len(on_real)
            for scale in (1 / crops, crops**-0.5, 1):
                loss = _log_loss(scale * on_real.sum(0), scale * on_fake.sum(0))
                if loss < best[0]:
                    best = loss, scale, judge.network.get_weights()
        if step < judge.steps:
            judge.train(*(_batch(pictures, random) for pictures in teach))
    _, scale, weights = best
    judge.network.set_weights(weights)
    on_real, on_fake = (scale * judge.logits(pictures[test]).sum(0) for pictures in (real, fake))
    accuracy = (np.mean(on_real > 0) + np.mean(on_fake <= 0)) / 2
    return 100 * _log_loss(on_real, on_fake), accuracy


def _log_loss(on_real, on_fake):
    """Mean of -log of the probability of what is so, in nats."""
    limit = np.log(1 / _CLIP - 1)
    wrong = np.clip(np.concatenate([-on_real, on_fake]), -limit, limit)
    return float(np.mean(np.logaddexp(0, wrong)))


class _Judge:
    """A classifier with its training, to be used again and again: compiled once, then reset."""

    def __init__(self, steps):
        self.steps, self.network = steps, _network()
        variables = self.network.trainable_variables
        schedule = keras.optimizers.schedules.CosineDecay(5e-3, steps, alpha=0.01)
        self._optimizer = optimizer = keras.optimizers.Adam(schedule)
        optimizer.build(variables)
        crops = tf.TensorSpec([None, None, None, 3], tf.float32)

        @tf.function(input_signature=[crops, crops], autograph=False)
        def train(real, fake):
            labels = tf.concat([tf.ones(tf.shape(real)[0]), tf.zeros(tf.shape(fake)[0])], 0)
            with tf.GradientTape() as tape:
                logits = self.network(_seen(tf.concat([real, fake], 0)), training=True)[:, 0]
                loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))
            optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)

        self.train = train
        self._logits = tf.function(
            lambda x: self.network(_seen(x), training=False)[:, 0],
            input_signature=[crops], autograph=False,
        )

    def reset(self, random):
        """First weights (convolutions as He et al. 2015, the rest plain), a fresh optimizer."""
        for v in self.network.variables:
            name = v.path.rsplit("/", 1)[-1]
            if name == "kernel" and len(v.shape) == 4:
                v.assign(random.normal(0, np.sqrt(2.0 / np.prod(v.shape[:-1])), v.shape))
            else:
                v.assign(np.full(v.shape, float(name in ("gamma", "moving_variance"))))
        for v in self._optimizer.variables:
            v.assign(np.zeros(v.shape))

    def logits(self, pictures):
        """float64 [crops of the grid, n]; positive = real."""
        crops = _grid(pictures)
        return np.array([in_parts(lambda x: self._logits(_float(x)), crop, 50) for crop in crops],
                        np.float64)


@functools.lru_cache(maxsize=4)
def _judge(steps):
    return _Judge(steps)


def _network():
    """Its weights are set by `_Judge.reset`; zeros draw from no random generator."""
    x = seen = keras.Input((None, None, 6))
    pooled = []
    for width, stride in ((16, 1), (32, 2), (64, 2), (64, 2)):
        x = layers.Conv2D(
            width, 3, stride, padding="same", use_bias=False, kernel_initializer="zeros"
        )(x)
        x = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))
        pooled += [layers.GlobalAveragePooling2D()(x), layers.GlobalMaxPooling2D()(x)]
    pooled = layers.Concatenate()(pooled)
    return keras.Model(seen, layers.Dense(1, kernel_initializer="zeros")(pooled))


def _seen(x):
    """The network's input: colours, and their difference to the mean around, enlarged and cut."""
    detail = x - tf.nn.avg_pool2d(x, 3, 1, "SAME")
    return tf.concat([x, tf.clip_by_value(8 * detail, -1, 1)], -1)


def _batch(pictures, random):
    """Half a batch: random pictures, cut at random places, flipped at random."""
    height, width = (min(_CROP, side) for side in pictures.shape[1:3])
    found = np.empty((_BATCH // 2, height, width, 3), np.uint8)
    for place, i in enumerate(random.integers(0, len(pictures), _BATCH // 2)):
        top = random.integers(0, pictures.shape[1] - height + 1)
        left = random.integers(0, pictures.shape[2] - width + 1)
        crop = pictures[i, top : top + height, left : left + width]
        found[place] = crop[:, ::-1] if random.random() < 0.5 else crop
    return _float(found)


def _grid(pictures):
    """The fewest crops that cover the pictures, evenly spaced."""
    starts = [
        np.linspace(0, max(side - _CROP, 0), -(-side // _CROP)).astype(int)
        for side in pictures.shape[1:3]
    ]
    return [
        pictures[:, top : top + _CROP, left : left + _CROP]
        for top in starts[0] for left in starts[1]
    ]


def _float(pictures):
    return tf.constant(array_to_float(pictures))
