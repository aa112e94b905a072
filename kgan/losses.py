"""Losses: pure functions of tensors, a float32 scalar out, the mean over the batch.

Weights (lambda) belong to recipes and are applied by the models.
"""

import keras
from keras import ops


def _float32(x):
    return ops.cast(x, "float32")


def l1(x, y):
    """Mean absolute difference of two tensors of one shape."""
    return ops.mean(ops.abs(_float32(x) - _float32(y)))


def _lsgan(logits, real):
    return ops.mean(ops.square(_float32(logits) - (1.0 if real else 0.0)))


def _bce(logits, real):
    # -log sigmoid(x) = softplus(-x), -log(1 - sigmoid(x)) = softplus(x)
    logits = _float32(logits)
    return ops.mean(keras.activations.softplus(-logits if real else logits))


_ADVERSARIAL = {"lsgan": _lsgan, "bce": _bce}


def real_loss(kind, logits):
    """What it costs a player that `logits` do not say "real".

    The discriminator pays it on real pictures and the generator (non-saturating) on its fakes.

    Args:
        kind: `"lsgan"`, (x - 1)^2 (Mao et al. 2017), or `"bce"`, -log sigmoid(x) (Goodfellow 2014).
        logits: any shape; the mean is taken over all of it.
    """
    return _ADVERSARIAL[kind](logits, True)


def fake_loss(kind, logits):
    """What it costs a discriminator that `logits` do not say "fake": x^2 or -log(1 - sigmoid x)."""
    return _ADVERSARIAL[kind](logits, False)
