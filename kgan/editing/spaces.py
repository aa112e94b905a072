"""Free variables: numbers without bounds that codes of a prior are made of.

iGAN (Zhu et al. 2016, and the authors' code) moves atanh(z) of codes from U(-1, 1). Codes from
N(0, 1) are their own variables, and those of a sphere are any vector of their direction.
"""

import numpy as np

from kgan.core.lazy import tf

LIMIT = 0.999  # atanh(1) is infinite


def codes_of(variables, prior):
    """Codes of free variables [n, latent], of TensorFlow operations.

    Args:
        variables: float32 [n, latent].
        prior: "normal", "uniform", "sphere", or None of a model without.
    """
    if prior == "uniform":
        return tf.tanh(variables)
    return tf.math.l2_normalize(variables, axis=-1) if prior == "sphere" else variables


def variables_of(codes, prior):
    """Free variables of codes, float32 [n, latent]; uniform codes are cut to -/+ `LIMIT`."""
    codes = np.array(codes, np.float32)
    return np.arctanh(np.clip(codes, -LIMIT, LIMIT)) if prior == "uniform" else codes


def variances(codes, prior):
    """Of an entry of a code of the prior; without one, the mean square of each code: float32 [n].

    Args:
        codes: [n, latent].
        prior: see `codes_of`.
    """
    codes = np.asarray(codes, np.float32)
    known = {"uniform": 1.0 / 3.0, "normal": 1.0, "sphere": 1.0 / max(codes.shape[1], 1)}
    if prior:
        return np.full(len(codes), known[prior], np.float32)
    return np.maximum(np.mean(codes**2, axis=1), 1e-6)
