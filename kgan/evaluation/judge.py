"""Classifiers that judge edits: one of two domains, and one of all attributes of labelled pictures.

Small convolutional networks on pictures of at most 64 px (larger ones are reduced), trained on real
training pictures alone, on first use, and kept in the cache with the sha256 of their weights. For
`avatars:Eyeglasses` that of domains is a classifier of the attribute. How often a judge is right on
real held-out pictures comes with every figure that it gives.
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
from kgan.metrics.classification import measure_labels
from kgan.metrics.figures import rough

VERSION = 1  # of the network of domains and its training
LABELS_VERSION = 1
_STEPS, _LABEL_STEPS, _BATCH = 600, 3000, 64
_RAREST = 0.05  # share of pictures below which an attribute gets no more weight


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

    @property
    def rough(self):
        """A line on the accuracy if it is below `kgan.metrics.figures.SURE`, else `""`."""
        return rough({"the classifier": self.accuracy})

    def log_loss(self, pictures, domain):
        """Mean over pictures of -log p(domain), in nats; domain is "a" or "b"."""
        towards = {"a": -1, "b": 1}[domain]
        return float(np.mean(np.logaddexp(0, -towards * self._logits(pictures))))

    def accuracy_on(self, a, b):
        """Balanced accuracy on pictures of A and of B."""
        return float((np.mean(~self.is_b(a)) + np.mean(self.is_b(b))) / 2)

    def _logits(self, pictures):
        """float64 [n], positive for B."""
        return _logits(self.network, pictures, 1)[:, 0]


class LabelJudge:
    """Says of pictures which attributes they have.

    Attributes:
        names: of the attributes.
        accuracy: `{name: balanced accuracy on held-out pictures}`.
    """

    def __init__(self, network, names, accuracy):
        self.network, self.names, self.accuracy = network, tuple(names), accuracy

    def probabilities(self, pictures):
        """float64 [n, k] for pictures [n, h, w, 3]."""
        return 0.5 + 0.5 * np.tanh(0.5 * _logits(self.network, pictures, len(self.names)))


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


def label_judge(data, stream=None):
    """The judge of the attributes of a labelled `kgan.data.Data`, trained or from the cache."""
    stream, names = stream or sys.stderr, data.label_names
    network = _network(len(names), (32, 64, 128, 256))

    def train():
        print(f"training the judge of {len(names)} attributes of {printable(data.spec)} (once, "
              "some minutes) …", file=stream)
        _train_labels(network, data)
        found = LabelJudge(network, names, {})
        figures = measure_labels(found.probabilities, data)
        return {"data": data.spec, "accuracy": figures["balanced_accuracy"]}

    known = fingerprint(data, *names, *data.labels.values())
    folder = cache_dir() / f"judge-v{LABELS_VERSION}-{known}"
    found = LabelJudge(network, names, trained_once(folder, network, train)["accuracy"])
    print(f"judge of {printable(data.spec)}: {100 * np.mean(list(found.accuracy.values())):.1f} % "
          f"on {len(data.test['a'])} held-out pictures, mean over attributes", file=stream)
    return found


def _network(outputs=1, widths=(16, 32, 64, 128)):
    x = picture = keras.Input((None, None, 3))
    for width in widths:
        x = layers.Conv2D(width, 3, 2, padding="same", use_bias=False)(x)
        x = layers.ReLU()(layers.GroupNormalization(8)(x))
    x = layers.GlobalMaxPooling2D()(x)
    return keras.Model(picture, layers.Dense(outputs)(layers.Dropout(0.2, seed=0)(x)))


def _train(network, data):
    half = _BATCH // 2
    labels = np.float32([[0.0]] * half + [[1.0]] * half)

    def draw(random):
        chosen = [data.train[d][random.integers(0, len(data.train[d]), half)] for d in ("a", "b")]
        return np.concatenate(chosen), labels, np.ones_like(labels)

    _fit(network, draw, _STEPS)


def _train_labels(network, data):
    """Pictures with and without an attribute weigh the same, rare ones up to a bound."""
    known = data.labels_of("train", np.arange(len(data.train["a"])))
    share = np.clip(known.mean(0), _RAREST, 1.0 - _RAREST)

    def draw(random):
        rows = random.integers(0, len(known), _BATCH)
        labels = known[rows].astype(np.float32)
        weights = np.where(labels, 0.5 / share, 0.5 / (1.0 - share)).astype(np.float32)
        return data.train["a"][rows], labels, weights

    _fit(network, draw, _LABEL_STEPS)


def _fit(network, draw, steps):
    """Trains on what `draw(random)` gives: pictures, labels [n, k] and their weights."""
    random = np.random.default_rng(0)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(2e-3, steps, alpha=0.01)
    )
    optimizer.build(network.trainable_variables)
    begin(network)

    @tf.function(reduce_retracing=True)
    def step(pictures, labels, weights):
        with tf.GradientTape() as tape:
            logits = network(pictures, training=True)
            loss = tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(weights * loss)
        variables = [v.value for v in network.trainable_variables]
        optimizer.apply(tape.gradient(loss, variables), network.trainable_variables)

    for _ in range(steps):
        pictures, labels, weights = draw(random)
        flips = random.random(len(pictures)) < 0.5
        pictures[flips] = pictures[flips, :, ::-1]
        step(_prepared(pictures), tf.constant(labels), tf.constant(weights))


def _logits(network, pictures, outputs):
    """float64 [n, outputs]."""
    if not len(pictures):
        return np.zeros((0, outputs))
    logits = in_parts(lambda x: network(_prepared(x), training=False), pictures, 128)
    return np.asarray(logits, np.float64)


def _prepared(pictures):
    x, _ = given(pictures)
    if max(x.shape[1:3]) > 64:
        x = tf.image.resize(x, (64, 64), antialias=True)
    return x


def _all(pictures):
    return pictures[np.arange(len(pictures))]
