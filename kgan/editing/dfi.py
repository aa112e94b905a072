"""Deep Feature Interpolation: an edit as a straight step between features, without training.

Upchurch, Gardner, Pleiss, Pless, Snavely, Bala, Weinberger: Deep feature interpolation for image
content changes, CVPR 2017 (arXiv 1611.05507), section 3; constants from the authors' code (its
Caffe and SciPy path). phi(x) are the maps of a VGG after relu3_1, relu4_1 and relu5_1. The mean phi
of the pictures with an attribute that are nearest to x, less that of the nearest ones without, is
the direction w, and the edited picture is

    argmin_z  1/2 mean (phi(x) + alpha w - phi(z))^2  +  lambda TV(z),   z in [-1, 1],

from z = x by SciPy's L-BFGS-B.

Deviations:

- The paper's network has each filter divided by its mean activation on ImageNet (Gatys et al.
  2016). ReLU and pooling let such factors pass, so dividing the maps gives the same features:
  `features` divides each filter by its mean absolute activation on the pictures at hand, or by a
  tenth of its layer's mean if that is more, so that a filter that hardly ever fires does not rule
  the rest.
- Neighbours are ranked by the cosine similarity of the deepest maps. The authors rank by labels or
  landmarks, which pictures do not have in general.
- Both terms are means, over features and over pixels, where the authors add up: what alpha, beta
  and lambda mean does not depend on the size of a picture or the width of a network. Relative to
  each other the three layers weigh what they weigh there. The authors' lambda of 0.001 (pixels of
  0..255, sums, VGG-19) is 5.6 here.
- Their total variation has no last row and column, and a floor of 1e-3 that only rounds.
- The box of the solver is the range of pictures; theirs is wider by a tenth and clipped afterwards.
- Their last touch, matching mean and variance of the colours to the input, is left out.

Pictures are solved one by one. A joint solution would share its steps among them, and what becomes
of a picture would depend on the others.
"""

import math

import numpy as np

from kgan.core.batches import parts
from kgan.core.lazy import keras, pixels, tf
from kgan.core.progress import progress
from kgan.editing.solve import LBFGSB, Box, minimise

TAPS = ("relu3_1", "relu4_1", "relu5_1")


def maps(network):
    """A network as a graph function: float32 [n, h, w, 3] in [-1, 1] -> list of float32 maps.

    Args:
        network: a `keras.Model` that gives one map or a list of them, the deepest last.
    """

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])], autograph=False)
    def run(pictures):
        found = keras.tree.flatten(network(pictures, training=False))
        return [tf.cast(m, tf.float32) for m in found]

    return run


def features(maps, activations):
    """phi: a function from float32 [n, h, w, 3] in [-1, 1] to float32 [n, d].

    Args:
        maps: see there.
        activations: mean absolute activation of each filter, a float32 [channels] for each map.
    """
    by = [np.maximum(a, 0.1 * np.mean(a) + 1e-12).astype(np.float32) for a in activations]

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])], autograph=False)
    def phi(pictures):
        scaled = [m / b for m, b in zip(maps(pictures), by, strict=True)]
        return tf.concat([tf.reshape(m, [tf.shape(m)[0], -1]) for m in scaled], axis=1)

    return phi


def describe(maps, pictures, size, batch):
    """What ranks pictures, and how strongly each filter answers to them.

    Args:
        maps: see there.
        pictures: uint8 or float in [-1, 1], [n, h, w, 3].
        size: (height, width) that they are resized to.
        batch: how many are looked at together.

    Returns:
        (descriptors, activations): the deepest maps as float32 [n, k], each row of length 1; the
        mean absolute activation of each filter, a float32 [channels] for each map.
    """
    descriptors, activations = [], []
    total = math.ceil(len(pictures) / batch)
    label = f"looking at pictures, {batch} at a time"
    for some in progress(parts(pictures, batch), total, label):
        found = [m.numpy() for m in maps(resized(some, size))]
        flat = found[-1].reshape(len(found[-1]), -1)
        length = np.linalg.norm(flat, axis=1, keepdims=True)
        descriptors.append(flat / np.maximum(length, 1e-12))
        activations.append([np.abs(m).mean(axis=(1, 2)) for m in found])
    means = [np.concatenate(a).mean(axis=0) for a in zip(*activations, strict=True)]
    return np.concatenate(descriptors), means


def nearest(descriptor, descriptors, count):
    """The rows of the `count` most similar descriptors, the most similar first: int [count].

    Args:
        descriptor: float32 [k], of length 1.
        descriptors: float32 [n, k], rows of length 1.
        count: cut to n.
    """
    return np.argsort(-(descriptors @ descriptor), kind="stable")[:count]


def mean_features(phi, pictures, size, batch):
    """The mean of phi over pictures brought to a size: float32 [d].

    Args:
        phi: a function from float32 [n, h, w, 3] in [-1, 1] to float32 [n, d].
        pictures: uint8 or float in [-1, 1], [n, h, w, 3].
        size: (height, width) that they are resized to.
        batch: how many are looked at together.
    """
    total = 0.0
    for some in parts(pictures, batch):
        total = total + tf.reduce_sum(phi(resized(some, size)), axis=0)
    return total / len(pictures)


def resized(pictures, size):
    """Pictures, see `kgan.core.pixels.given`, as float32 of (height, width) `size`, bicubic."""
    x, _ = pixels.given(pictures)
    if tuple(x.shape[1:3]) == tuple(size):
        return x
    return tf.clip_by_value(tf.image.resize(x, size, "bicubic", antialias=True), -1.0, 1.0)


def step(source, target, alpha, beta):
    """alpha w: how far and where features go, float32 [d].

    Args:
        source: mean features of the neighbours without the attribute, [d].
        target: of those with it.
        alpha: the factor of w = target - source if `beta` is 0.
        beta: else the factor is beta / mean(w^2), which makes edits of different kinds alike.
    """
    w = target - source
    return beta * w / tf.maximum(tf.reduce_mean(w**2), 1e-12) if beta else alpha * w


def total_variation(z):
    """Squared differences of neighbouring pixels, both ways, over the number of values: [n].

    Args:
        z: float32 [n, h, w, c].
    """
    down, right = z[:, 1:] - z[:, :-1], z[:, :, 1:] - z[:, :, :-1]
    total = tf.reduce_sum(down**2, axis=(1, 2, 3)) + tf.reduce_sum(right**2, axis=(1, 2, 3))
    return total / tf.cast(tf.reduce_prod(tf.shape(z)[1:]), tf.float32)


def objective(phi):
    """What is minimised, as a graph function to be made once and given to `solve`.

    Args:
        phi: a function from float32 [n, h, w, 3] in [-1, 1] to float32 [n, d].

    Returns:
        `f(z [1, h, w, 3], goal [d], lambda_tv)` -> (loss, gradient [1, h, w, 3]), float32. The loss
        is the formula above times the number of pixel values, which brings the gradient of a pixel
        near 1, where the solver expects it.
    """
    spec = [tf.TensorSpec([1, None, None, 3]), tf.TensorSpec([None]), tf.TensorSpec([])]

    @tf.function(input_signature=spec, autograph=False)
    def loss_and_gradient(z, goal, lambda_tv):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            fit = 0.5 * tf.reduce_mean((goal - phi(z)[0]) ** 2)
            loss = fit + lambda_tv * total_variation(z)[0]
            loss *= tf.cast(tf.size(z), tf.float32)
        return loss, tape.gradient(loss, z)

    return loss_and_gradient


def solve(objective, x, goal, *, lambda_tv, iterations):
    """The picture whose features are nearest to `goal`, looked for from `x`.

    Args:
        objective: see there.
        x: float32 [h, w, 3] in [-1, 1].
        goal: phi(x) + alpha w, float32 [d].
        lambda_tv: weight of the total variation.
        iterations: of L-BFGS-B, at the most; it stops where float32 sees no more progress.

    Returns:
        float32 [h, w, 3] in [-1, 1].
    """
    weight = tf.constant(lambda_tv, tf.float32)
    (found,), _ = minimise(
        lambda z, goal: objective(z, goal[0], weight), np.asarray(x)[None], LBFGSB(), iterations,
        Box(-1.0, 1.0), given=(np.asarray(goal)[None],),
    )
    return found
