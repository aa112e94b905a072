"""Inversion without an encoder: the code that a generator makes a picture from, by descent.

Lipton, Tripathi: Precise recovery of latent vectors from generative adversarial networks, 2017
(arXiv 1702.04782) and the authors' code: plain gradient descent on the squared error; `standard`
clips codes to the range of the prior after each step, `stochastic` draws each entry that left the
range anew, `none` does neither.
Creswell, Bharath: Inverting the generator of a generative adversarial network (arXiv 1611.05644)
and the authors' code: RMSProp on the mean squared error less alpha times the mean log density of
the code's entries under N(0, 1), method `prior`.
Zhu, Krähenbühl, Shechtman, Efros: Generative visual manipulation on the natural image manifold
(iGAN), ECCV 2016 (arXiv 1609.03552), section 3.1 and the authors' code: L-BFGS on free variables
of the code (`kgan.editing.spaces`), method `lbfgs`, with the squared error of a classifier's
features beside that of the pixels; `adam` is Adam on the same variables, by which they edit.
Codes from an encoder as `start` make the hybrid of both worlds: encode, then refine.

Deviations and what the texts leave open:

- Normalisation in the generator uses its moving statistics; in Lipton and Tripathi's code it uses
  those of the batch, and pictures then depend on each other.
- Their range is that of a uniform prior. A normal prior has none; it is cut at 3 deviations, and
  entries are drawn from what is within. On the sphere (AGE) `standard` brings codes back to length
  1, and there is nothing to draw anew.
- The features are any reference network's instead of AlexNet's conv4. Their error is divided by the
  mean square of the picture's own, so that a weight means the same in any network; 0.002 times the
  squared error of AlexNet's became 0.2, our guess. Any method may have them.
- First guesses and entries drawn anew depend on the picture itself and the seed: a picture is
  inverted in the same way in any batch and at any place of it.
"""

import math
import zlib
from dataclasses import dataclass

import numpy as np

from kgan.core.batches import in_parts, parts
from kgan.core.errors import UsageError, UserError
from kgan.core.lazy import tf
from kgan.editing import solve, spaces

METHODS = ("none", "standard", "stochastic", "prior", "lbfgs", "adam")
FREE = ("lbfgs", "adam")  # which move free variables
FEATURE_WEIGHT = 0.2
BOUNDS = {"uniform": 1.0, "normal": 3.0, "sphere": 3.0}


@dataclass(frozen=True, eq=False)
class Inversion:
    """Codes that were found.

    Attributes:
        codes: float32 [n, latent].
        errors: mean squared error of each picture, values in [-1, 1]: float32 [n].
        history: its mean over the pictures before each step and after the last, [steps + 1]; of
            method `lbfgs` before the first and after the last, [2].
        steps: how many were taken, of `lbfgs` at the most.
    """

    codes: np.ndarray
    errors: np.ndarray
    history: np.ndarray
    steps: int


def invert(
    decode, targets, *, latent, prior, method, steps, rate, seed, start=None, halve_every=50_000,
    alpha=0.01, batch=64, features=None, feature_weight=FEATURE_WEIGHT,
):
    """Looks for the codes whose pictures are nearest to given ones.

    Args:
        decode: float32 [n, latent] -> [n, h, w, c] in [-1, 1], of TensorFlow operations.
        targets: float32 [n, h, w, c] in [-1, 1].
        latent: entries of a code.
        prior: "normal", N(0, 1), "uniform", U(-1, 1), or "sphere", codes of length 1.
        method: one of `METHODS`.
        steps: of descent; 0 = what `start` gives.
        rate: factor of the gradient of a picture's mean squared error (Lipton and Tripathi: 1.0);
            in method `prior` that of RMSProp (Creswell and Bharath: 0.01), in `adam` Adam's (iGAN:
            0.1); None of `lbfgs`, which has none.
        seed: of first guesses and of entries drawn anew.
        start: codes to start from, [n, latent]; None = draws from the prior.
        halve_every: the rate is halved whenever so many steps are done.
        alpha: weight of the prior in method `prior`.
        batch: how many pictures are inverted together; changes memory and time, no result.
        features: of pictures, float32 [n, h, w, c] -> [n, d], of TensorFlow operations; None = the
            error of pixels is all.
        feature_weight: of their error, relative to their own mean square.

    Returns:
        An `Inversion`: the last codes, which need not be the best.

    Raises:
        UsageError: an unknown prior or method, two that do not go together, `start` of another
            shape.
        UserError: the rate is too high: codes are no numbers any more.
    """
    targets = np.asarray(targets, np.float32)
    _check(prior, method, start, (len(targets), latent))
    shifts = _shifts(targets, latent, seed)
    codes = np.array(draw(shifts, prior) if start is None else start, np.float32)
    wanted = np.zeros((len(targets), 0), np.float32)
    if features is not None and len(targets):
        wanted = in_parts(features, targets, batch)
    free = prior if method in FREE else None
    objective = _objective(decode, alpha if method == "prior" else 0.0, free, features,
                           feature_weight)
    if method == "lbfgs":  # which calls it from Python
        objective = tf.function(objective, autograph=False, reduce_retracing=True)
    first = _errors(decode, codes, targets, batch) if method == "lbfgs" else None
    history = np.zeros(0)
    if steps and len(codes):
        try:
            codes, history = solve.minimise(
                objective, spaces.variables_of(codes, free), _solver(method, rate, halve_every),
                steps, _projection(method, prior, latent, seed), given=(targets, shifts, wanted),
                batch=batch, label="inverting",
            )
        except solve.Diverged as error:
            raise UserError(f"The inversion diverged before step {error.step}, method {method}: "
                            f"take a rate lower than {rate:g}.") from None
        codes = np.array(spaces.codes_of(codes, free))
    errors = _errors(decode, codes, targets, batch)
    history = np.append([first.sum()] if history is None else history, errors.sum())
    return Inversion(codes, errors, history / max(len(targets), 1), steps)


def _solver(method, rate, halve_every):
    if method == "lbfgs":
        return solve.LBFGSB(tolerance=1e-6)  # the authors'
    kind = {"prior": solve.RMSProp, "adam": solve.Adam}.get(method, solve.Descent)
    return kind(rate, halve_every)


def _errors(decode, codes, targets, batch):
    """`squared_error` of many codes, float32 [n]."""
    errors = np.zeros(len(targets), np.float32)
    for rows in parts(np.arange(len(targets)), batch):
        errors[rows] = squared_error(decode, tf.constant(codes[rows]), targets[rows]).numpy()
    return errors


def refined(decode, targets, start, *, prior, steps, rate):
    """Codes that are moved to where their pictures are nearer to given ones, as part of a graph.

    RMSProp on the mean squared error, within the range of the prior, where `invert` works outside
    of graphs; each picture by itself.

    Args:
        decode, prior, steps: see `invert`.
        targets: float32 [n, h, w, c] in [-1, 1], a tensor.
        start: codes to start from, float32 [n, latent].
        rate: about how far each number of a code moves in a step.

    Returns:
        float32 [n, latent].
    """
    project = _projection("standard", prior, start.shape[1], 0)
    method, none = solve.RMSProp(rate), tf.zeros_like(start)  # nothing is drawn, no features
    given = (targets, none, none)
    take = solve.stepper(_objective(decode, 0.0, None, None, 0.0), method, project,
                         [start, *given])
    codes, _, _ = take(0, steps, tf.stack([none] * method.slots), start, *given)
    return codes


def _check(prior, method, start, shape):
    for word, value, known in (("prior", prior, BOUNDS), ("method", method, METHODS)):
        if value not in known:
            raise UsageError(f"{word} {value!r} is not one of {', '.join(known)}.")
    if method == "prior" and prior != "normal":
        raise UsageError("Method prior is for generators of a normal prior: take stochastic.")
    if method == "stochastic" and prior == "sphere":
        raise UsageError("Method stochastic is for priors with a range: take none or standard.")
    if start is not None and np.shape(start) != shape:
        raise UsageError(f"Codes to start from must be {shape[0]} of {shape[1]} numbers, not of "
                         f"shape {np.shape(start)}.")


def _objective(decode, alpha, free, features, feature_weight):
    """What is paid for codes, its gradient, and the squared error alone; see `solve.minimise`."""

    def objective(z, x, shifts, wanted):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            made = tf.cast(decode(spaces.codes_of(z, free)), tf.float32)
            error = tf.reduce_mean((made - x) ** 2, axis=(1, 2, 3))
            loss = error - alpha * log_prior(z) if alpha else error
            if features is not None:
                loss += feature_weight * feature_error(features(made), wanted)
            loss = tf.reduce_sum(loss)  # over the batch: each row's gradient is its own
        return loss, tape.gradient(loss, z), tf.reduce_sum(error)

    return objective


def _projection(method, prior, latent, seed):
    """What a method does about codes that left the range; see `solve.minimise`."""
    if method in FREE:  # atanh has no end, and beyond `LIMIT` hardly a gradient
        bound = math.atanh(spaces.LIMIT)
        return solve.Box(-bound, bound) if prior == "uniform" else None
    if prior == "sphere":
        return {"standard": lambda z, *_: tf.math.l2_normalize(z, axis=-1)}.get(method)
    bound = BOUNDS[prior]

    def drawn_anew(z, t, x, shifts, wanted):
        u = tf.random.stateless_uniform([latent], [seed, t], alg="philox")
        return tf.where(tf.abs(z) > bound, draw(tf.math.floormod(u + shifts, 1.0), prior), z)

    return {"standard": solve.Box(-bound, bound), "stochastic": drawn_anew}.get(method)


def squared_error(decode, z, x):
    """Mean squared error of the pictures of codes, values in [-1, 1]: float32 [n]."""
    return tf.reduce_mean((tf.cast(decode(z), tf.float32) - x) ** 2, axis=(1, 2, 3))


def feature_error(found, wanted):
    """Mean squared difference of features [n, d], over the mean square of those wanted: [n]."""
    own = tf.reduce_mean(wanted**2, axis=1) + 1e-8
    return tf.reduce_mean((found - wanted) ** 2, axis=1) / own


def log_prior(z):
    """Mean over the entries of a code of log N(entry; 0, 1), in nats: [n] of z [n, latent]."""
    return tf.reduce_mean(-0.5 * z**2 - 0.5 * math.log(2.0 * math.pi), axis=1)


def draw(u, prior):
    """Draws from a prior within its bound, from numbers in [0, 1) of any shape [..., latent]."""
    if prior == "uniform":
        return 2.0 * u - 1.0
    bound = BOUNDS[prior]
    low = 0.5 * math.erfc(bound / math.sqrt(2.0))  # of the prior lies below -bound
    z = tf.clip_by_value(tf.math.ndtri(low + u * (1.0 - 2.0 * low)), -bound, bound)
    return tf.math.l2_normalize(z, axis=-1) if prior == "sphere" else z


def _shifts(targets, latent, seed):
    """A picture's own random numbers in [0, 1): float32 [n, latent].

    They are its first guess, and are added, modulo 1, to what all pictures draw at a step.
    """
    own = [
        np.random.default_rng([seed, zlib.crc32(x.tobytes())]).random(latent, np.float32)
        for x in targets
    ]
    return np.reshape(own, (len(targets), latent)).astype(np.float32)


def recovered(codes, truth, threshold):
    """The share of codes whose mean squared difference to the true ones is below a threshold.

    Args:
        codes, truth: [n, latent].
        threshold: Lipton and Tripathi report 0.1 to 0.00001.
    """
    difference = (np.asarray(codes, np.float64) - np.asarray(truth, np.float64)) ** 2
    return float(np.mean(difference.mean(axis=1) < threshold))
