"""Losses: pure functions of tensors, a float32 scalar out, the mean over the batch.

Weights (lambda) belong to recipes and are applied by the models.
"""

import keras
import tensorflow as tf
from keras import ops


def _float32(x):
    return ops.cast(x, "float32")


def l1(x, y):
    """Mean absolute difference of two tensors of one shape."""
    return ops.mean(ops.abs(_float32(x) - _float32(y)))


def l1_sum(x, y):
    """Absolute differences of two batches, summed over each item, the mean over the batch."""
    return _mean_sum(ops.abs(_float32(x) - _float32(y)))


def l2_sum(x, y):
    """Squared differences of two batches, summed over each item, the mean over the batch."""
    return _mean_sum(ops.square(_float32(x) - _float32(y)))


def _mean_sum(x):
    return ops.mean(ops.sum(x, axis=tuple(range(1, len(x.shape)))))


def kl_to_normal(mean, log_variance):
    """KL divergence of N(mean, variance) from N(0, 1), nats, summed over each code; the mean.

    Args:
        mean, log_variance: [n, k].
    """
    mean, log_variance = _float32(mean), _float32(log_variance)
    return 0.5 * _mean_sum(ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance)


def steeper(x, times):
    """`x`, through which gradients come back as many times as large: a number, 1 = as it is."""
    return tf.custom_gradient(lambda x: (tf.identity(x), lambda upstream: times * upstream))(x)


def ssim(x, y, k1):
    """1 - SSIM of pictures in [-1, 1], sides of at least 11: the mean over the batch.

    Args:
        x, y: [n, h, w, c].
        k1: constant of the luminance term; 0.01 is usual.
    """
    return 1.0 - ops.mean(tf.image.ssim(_float32(x), _float32(y), max_val=2.0, k1=k1))


def l2(x, y):
    """Mean squared difference of two tensors of one shape."""
    return ops.mean(ops.square(_float32(x) - _float32(y)))


def normal_divergence(codes, moments="std"):
    """How far the codes of a batch are from N(0, 1): KL of the normal fitted to each number of a
    code from N(0, 1), the mean over the numbers of a code (Ulyanov et al. 2018, AGE, and Pioneer).

    Args:
        codes: [n, latent], at least two that differ in each number.
        moments: `"std"` = (s^2 + m^2) / 2 - log s - 1/2 of each number's mean m and standard
            deviation s (over n, not n - 1); `"variance"`, as AGE's released code has it, with s^2
            in the place of s.
    """
    codes = _float32(codes)
    mean = ops.mean(codes, axis=0)
    variance = ops.mean(ops.square(codes - mean), axis=0)
    if moments == "std":
        spread = 0.5 * (variance - ops.log(variance))
    elif moments == "variance":
        spread = 0.5 * ops.square(variance) - ops.log(variance)
    else:
        raise ValueError(f"moments must be std or variance, not {moments!r}")
    return ops.mean(spread + 0.5 * ops.square(mean) - 0.5)


def sphere_distance(x, y):
    """2 - the mean over all numbers of x * y, for codes [n, latent] of unit length: AGE's and
    Pioneer's reconstruction of codes, the cosine divided by `latent`."""
    return 2.0 - ops.mean(_float32(x) * _float32(y))


def orthogonality(kernel, of="filters"):
    """Sum of |W W^T - I| of a convolution's kernel (Brock et al. 2017, section 3.4).

    Args:
        kernel: [h, w, in, out].
        of: `"filters"`, W has a row for each filter, as published; `"rows"`, a W for each filter
            that has a row for each of the kernel's h rows, as the authors' code has it.
    """
    x = ops.transpose(_float32(kernel), (3, 0, 1, 2))  # [out, h, w, in]
    n, h, w, c = x.shape
    if of == "filters":
        x = ops.reshape(x, (1, n, h * w * c))
    elif of == "rows":
        x = ops.reshape(x, (n, h, w * c))
    else:
        raise ValueError(f"of must be filters or rows, not {of!r}")
    products = ops.matmul(x, ops.transpose(x, (0, 2, 1)))
    return ops.sum(ops.abs(products - ops.eye(products.shape[-1])))


def weight_decay(variables):
    """Half the sum of the squares of all numbers of some variables; 0 of none.

    Its gradient is the variables themselves, which is what is called L2 weight decay.
    """
    return 0.5 * sum((ops.sum(ops.square(_float32(v))) for v in variables), tf.zeros(()))


def total_variation(x):
    """Absolute differences of neighbours, summed over each picture [n, h, w, c]; the mean."""
    x = _float32(x)
    down, right = x[:, 1:] - x[:, :-1], x[:, :, 1:] - x[:, :, :-1]
    return _mean_sum(ops.abs(down)) + _mean_sum(ops.abs(right))


def gradient_difference(made, truth, alpha=1.0):
    """How much the steps between neighbouring pixels differ in size (GDL, Mathieu et al. 2016,
    eq. 7): | |truth's| - |made's| |^alpha, the mean over the steps down and that over those to the
    right, added.

    Deviation: the paper sums over a picture; means make it the same at every size.

    Args:
        made, truth: [n, h, w, c], sides of at least 2.
        alpha: 1 or more.
    """
    made, truth = _float32(made), _float32(truth)
    found = 0.0
    for axis in (1, 2):
        steps = [ops.abs(ops.diff(x, axis=axis)) for x in (truth, made)]
        apart = ops.abs(steps[0] - steps[1])
        found += ops.mean(apart if alpha == 1.0 else ops.power(apart, alpha))
    return found


def _lsgan(logits, real):
    return ops.mean(ops.square(_float32(logits) - (1.0 if real else 0.0)))


def _bce(logits, real):
    # -log sigmoid(x) = softplus(-x), -log(1 - sigmoid(x)) = softplus(x)
    logits = _float32(logits)
    return ops.mean(keras.activations.softplus(-logits if real else logits))


def _wasserstein(logits, real):
    return ops.mean(-_float32(logits) if real else _float32(logits))


_ADVERSARIAL = {"lsgan": _lsgan, "bce": _bce, "wasserstein": _wasserstein}


def real_loss(kind, logits):
    """What it costs a player that `logits` do not say "real".

    The discriminator pays it on real pictures and the generator (non-saturating) on its fakes.

    Args:
        kind: `"lsgan"`, (x - 1)^2 (Mao et al. 2017), `"bce"`, -log sigmoid(x) (Goodfellow 2014),
            or `"wasserstein"`, -x (Arjovsky et al. 2017).
        logits: any shape; the mean is taken over all of it.
    """
    return _ADVERSARIAL[kind](logits, True)


def fake_loss(kind, logits):
    """What it costs a discriminator that `logits` do not say "fake".

    By kind: x^2, -log(1 - sigmoid(x)) or x.
    """
    return _ADVERSARIAL[kind](logits, False)


def gradient_penalty(critic, real, fake, key):
    """What it costs a critic to be steeper or flatter than 1 (Gulrajani et al. 2017).

    Args:
        critic: a function of pictures; what it says of a picture is summed over the picture.
        real, fake: float32 [n, h, w, c]; the slope is taken at a random place between each pair.
        key: int32 [2], decides the places (others under XLA).

    Returns:
        The mean over the pictures x of (||d critic(x) / dx||_2 - 1)^2.
    """
    share = tf.random.stateless_uniform((real.shape[0], 1, 1, 1), key)
    x = share * real + (1.0 - share) * fake
    with tf.GradientTape() as tape:
        tape.watch(x)
        opinion = critic(x)
    slope = _float32(tape.gradient(opinion, x))
    # The root of 0 has no slope: a critic that says nothing must not make a NaN.
    norm = ops.sqrt(ops.sum(ops.square(slope), axis=(1, 2, 3)) + 1e-12)
    return ops.mean(ops.square(norm - 1.0))


def cross_entropy(labels, logits):
    """Softmax cross-entropy of one-hot labels [n, k], the mean over the batch, nats."""
    return ops.mean(ops.categorical_crossentropy(labels, _float32(logits), from_logits=True))


def attributes(labels, logits):
    """Sigmoid cross-entropy of independent labels [n, k] of 0 and 1: the mean over all, nats."""
    return ops.mean(ops.binary_crossentropy(labels, _float32(logits), from_logits=True))


def gram_matrix(maps):
    """Products of each two maps of [n, h, w, c], summed over places, over c * h * w: [n, c, c]."""
    maps = _float32(maps)
    n, h, w, c = ops.shape(maps)
    flat = ops.reshape(maps, (n, h * w, c))
    return ops.matmul(ops.transpose(flat, (0, 2, 1)), flat) / ops.cast(c * h * w, "float32")


def gram(x, y):
    """Mean absolute difference of the Gram matrices of maps [n, h, w, c], see `gram_matrix`."""
    return ops.mean(ops.abs(gram_matrix(x) - gram_matrix(y)))


def relative_l2(x, truth):
    """Squared differences over the squares of `truth`, of each item of a batch; the mean.

    0 where they are alike, 1 for an `x` of zeros, whatever the scale of the numbers.

    Args:
        x: [n, ...].
        truth: the same, or [1, ...] for all items.
    """
    x, truth = _float32(x), _float32(truth)
    axes = tuple(range(1, len(x.shape)))
    squares = ops.mean(ops.square(truth), axis=axes)
    return ops.mean(ops.mean(ops.square(x - truth), axis=axes) / (squares + 1e-12))
