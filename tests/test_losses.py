"""Losses against numbers worked out by hand."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import structural_similarity

from kgan import losses

KINDS = ("lsgan", "bce")
LOGITS = np.float32([[0.0, 2.0], [-1.0, 3.0]])


def test_l1():
    x, y = np.float32([[1, 2], [3, 4]]), np.float32([[1, 0], [6, 4]])
    assert float(losses.l1(x, y)) == pytest.approx((0 + 2 + 3 + 0) / 4)


@pytest.mark.parametrize("kind, loss, expected", [
    ("lsgan", losses.real_loss, (1 + 1 + 4 + 4) / 4),
    ("lsgan", losses.fake_loss, (0 + 4 + 1 + 9) / 4),
    ("bce", losses.real_loss, sum(math.log1p(math.exp(-x)) for x in (0, 2, -1, 3)) / 4),
    ("bce", losses.fake_loss, sum(math.log1p(math.exp(x)) for x in (0, 2, -1, 3)) / 4),
])
def test_adversarial(kind, loss, expected):
    assert float(loss(kind, LOGITS)) == pytest.approx(expected, rel=1e-6)


def test_bce_is_keras_cross_entropy():
    for loss, label in ((losses.real_loss, 1.0), (losses.fake_loss, 0.0)):
        expected = keras.losses.BinaryCrossentropy(from_logits=True)(
            np.full((4, 1), label), LOGITS.reshape(4, 1)
        )
        assert float(loss("bce", LOGITS)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_pull_the_right_way(kind):
    logits = tf.constant([[0.25, 0.75]])
    for loss, sign in ((losses.real_loss, -1), (losses.fake_loss, 1)):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(kind, logits)
        assert (np.sign(tape.gradient(value, logits)) == sign).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("loss", [losses.real_loss, losses.fake_loss])
def test_extreme_logits_are_finite(kind, loss):
    for extreme in (-1e4, 1e4):
        logits = tf.constant([extreme])
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(kind, logits)
        assert np.isfinite(value)
        assert np.isfinite(tape.gradient(value, logits)).all()
    wrong = -1e4 if loss is losses.real_loss else 1e4
    assert float(loss(kind, tf.constant([wrong]))) >= 1e4


@pytest.mark.parametrize("loss", [
    lambda x: losses.l1(x, -x),
    *(lambda x, k=k, f=f: f(k, x) for k in KINDS for f in (losses.real_loss, losses.fake_loss)),
])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_gives_a_float32_scalar(loss, dtype):
    # 300^2 is more than float16 holds, and 4,096 halves more than either can count.
    x = np.full((2, 4096), 300.0, "float32")
    x[0] = 0.5
    result = loss(tf.cast(tf.constant(x), dtype))
    assert result.dtype == tf.float32
    assert result.shape == ()
    assert float(result) == pytest.approx(float(loss(tf.constant(x))), rel=1e-6)


def test_any_shape_and_the_mean_over_all_of_it():
    logits = np.random.default_rng(0).normal(size=(2, 5, 3, 1)).astype("float32")
    for kind in KINDS:
        whole = float(losses.real_loss(kind, logits))
        halves = [float(losses.real_loss(kind, x)) for x in logits]
        assert whole == pytest.approx(np.mean(halves), rel=1e-5)


def test_divergence_from_a_normal_by_hand():
    codes = tf.constant([[1.0, 3.0], [3.0, 3.5]])  # means 2 and 3.25, variances 1 and 1/16
    means = (2.0**2 + 3.25**2) / 2
    std = (1 + 1 / 16) / 2 - math.log(1 / 4)
    variance = (1 + 1 / 256) / 2 - math.log(1 / 16)
    for moments, spread in (("std", std), ("variance", variance)):
        expected = (means + spread - 1) / 2  # the mean of two numbers
        assert float(losses.normal_divergence(codes, moments)) == pytest.approx(expected, rel=1e-6)
    assert float(losses.normal_divergence(tf.constant([[1.0], [-1.0]]))) == pytest.approx(0)
    with pytest.raises(ValueError, match="std or variance"):
        losses.normal_divergence(codes, "both")


def test_distance_on_the_sphere_by_hand():
    x, y = tf.constant([[0.6, 0.8], [1.0, 0.0]]), tf.constant([[0.6, 0.8], [0.0, 1.0]])
    assert float(losses.sphere_distance(x, y)) == pytest.approx(2 - (1 + 0) / 4)


def test_weight_decay_pulls_by_the_weights():
    x, y = tf.constant([[1.0, -2.0]]), tf.constant(3.0)
    with tf.GradientTape() as tape:
        tape.watch([x, y])
        paid = losses.weight_decay([x, y])
    assert float(paid) == pytest.approx((1 + 4 + 9) / 2)
    np.testing.assert_array_equal(tape.gradient(paid, x), x)
    assert float(losses.weight_decay([])) == 0.0


def test_cross_entropies_and_gram_by_hand():
    logits = tf.constant([[0.0, np.log(3.0)]], tf.float32)
    found = losses.cross_entropy(tf.constant([[0.0, 1.0]]), logits)
    assert float(found) == pytest.approx(np.log(4 / 3))
    found = losses.attributes(tf.constant([[0.0, 1.0]]), logits)
    assert float(found) == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
    x = tf.constant([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # c * h * w = 4
    grams = np.array([[10.0, 14.0], [14.0, 20.0]]) / 4
    assert float(losses.gram(x, tf.zeros_like(x))) == pytest.approx(grams.mean())


def test_sums_and_squares_by_hand():
    x = np.array([[0.0, 2.0], [1.0, -1.0]], np.float32)
    y = np.array([[1.0, 0.0], [1.0, 1.0]], np.float32)
    assert float(losses.l1_sum(x, y)) == pytest.approx((3 + 2) / 2)
    assert float(losses.l2_sum(x, y)) == pytest.approx((5 + 4) / 2)
    assert float(losses.l2(x, y)) == pytest.approx(9 / 4)


@pytest.mark.parametrize("k1", [0.01, 0.001])
def test_ssim_is_scikit_images(k1):
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (2, 24, 20, 3)).astype(np.float32)
    y = np.clip(x + random.normal(0, 0.3, x.shape), -1, 1).astype(np.float32)
    maps = [
        structural_similarity(
            a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=2.0,
            channel_axis=-1, full=True, K1=k1,
        )[1][5:-5, 5:-5] for a, b in zip(x, y, strict=True)
    ]
    assert float(losses.ssim(x, y, k1)) == pytest.approx(1 - np.mean(maps), abs=1e-5)
    assert float(losses.ssim(x, x, k1)) == pytest.approx(0.0, abs=1e-6)
