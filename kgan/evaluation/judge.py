"""A classifier that tells the two domains of a data set apart; the judge of edits.

A small convolutional network on pictures of at most 64 px (larger ones are reduced), trained on the
real training pictures alone, on first use, and kept in the cache with the sha256 of its weights.
For `avatars:Eyeglasses` it is a classifier of the attribute. Its accuracy on real held-out pictures
comes with every figure that it judges.
"""

import sys

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from kgan.core.batches import in_parts
from kgan.core.errors import printable
from kgan.core.paths import cache_dir
from kgan.core.pixels import given
from kgan.evaluation.trained import begin, fingerprint, trained_once

VERSION = 1  # of the network and its training
_STEPS, _BATCH = 600, 64


class DomainClassifier:
    """Says of pictures whether they belong to B.

    Attributes:
        accuracy: on the held-out pictures of both domains, balanced.
    """

    def __init__(self, network, accuracy):
        self.network, self.accuracy = network, accuracy

    def is_b(self, pictures):
        """bool [n] for pictures [n, h, w, 3], see `kgan.core.pixels.given`."""
        return self._logits(pictures) > 0

    def probability(self, pictures):
        """Of B, float64 [n]."""
        return 0.5 + 0.5 * np.tanh(0.5 * self._logits(pictures))

    def log_loss(self, pictures, domain):
        """Mean over pictures of -log p(domain), in nats; domain is "a" or "b"."""
        towards = {"a": -1, "b": 1}[domain]
        return float(np.mean(np.logaddexp(0, -towards * self._logits(pictures))))

    def accuracy_on(self, a, b):
        """Balanced accuracy on pictures of A and of B."""
        return float((np.mean(~self.is_b(a)) + np.mean(self.is_b(b))) / 2)

    def _logits(self, pictures):
        """float64 [n], positive for B."""
        if not len(pictures):
            return np.zeros(0)
        logits = in_parts(lambda x: self.network(_prepared(x), training=False), pictures, 128)
        return logits[:, 0].astype(np.float64)


def domain_classifier(data, stream=None):
    """The classifier of a `kgan.data.Data`'s domains, trained or taken from the cache."""
    stream = stream or sys.stderr
    network = _network()

    def train():
        print(f"training the classifier of {printable(data.spec)} (once, about a minute) …",
              file=stream)
        _train(network, data)
        found = DomainClassifier(network, None)
        accuracy = found.accuracy_on(_all(data.test["a"]), _all(data.test["b"]))
        return {"data": data.spec, "accuracy": accuracy}

    folder = cache_dir() / f"classifier-v{VERSION}-{fingerprint(data)}"
    found = DomainClassifier(network, trained_once(folder, network, train)["accuracy"])
    print(f"classifier of {printable(data.spec)}: {100 * found.accuracy:.2f} % on "
          f"{len(data.test['a']) + len(data.test['b'])} held-out pictures", file=stream)
    return found


def _network():
    x = picture = keras.Input((None, None, 3))
    for width in (16, 32, 64, 128):
        x = layers.Conv2D(width, 3, 2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.GroupNormalization(8)(x))
    x = layers.GlobalMaxPooling2D()(x)
    return keras.Model(picture, layers.Dense(1)(layers.Dropout(0.2, seed=0)(x)))


def _train(network, data):
    random = np.random.default_rng(0)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(2e-3, _STEPS, alpha=0.01)
    )
    optimizer.build(network.trainable_variables)
    begin(network)

    @tf.function(reduce_retracing=True)
    def step(pictures, labels):
        with tf.GradientTape() as tape:
            logits = network(pictures, training=True)[:, 0]
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))
        variables = [v.value for v in network.trainable_variables]
        optimizer.apply(tape.gradient(loss, variables), network.trainable_variables)

    half = _BATCH // 2
    labels = tf.constant([0.0] * half + [1.0] * half)
    for _ in range(_STEPS):
        chosen = [data.train[d][random.integers(0, len(data.train[d]), half)] for d in ("a", "b")]
        pictures = np.concatenate(chosen)
        flips = random.random(_BATCH) < 0.5
        pictures[flips] = pictures[flips, :, ::-1]
        step(_prepared(pictures), labels)


def _prepared(pictures):
    x, _ = given(pictures)
    if max(x.shape[1:3]) > 64:
        x = tf.image.resize(x, (64, 64), antialias=True)
    return x


def _all(pictures):
    return pictures[np.arange(len(pictures))]
