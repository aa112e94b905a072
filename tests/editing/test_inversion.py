"""Inversion by descent: generators whose inverse is known, and each method's rule by hand."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import kstest, norm, truncnorm

from kgan.core.errors import UsageError, UserError
from kgan.editing import inversion, solve


def linear(matrix):
    """A generator of 1-pixel-high pictures of one channel: G(z) = z @ matrix."""
    matrix = tf.constant(matrix, tf.float32)
    return lambda z: (z @ matrix)[:, None, :, None]


def round_(z):
    """Cosine and sine of pi z: what is 2 apart looks alike, and descent takes the shorter way."""
    angle = np.pi * z
    return tf.concat([tf.cos(angle), tf.sin(angle)], axis=1)[:, None, :, None]


def pictures(decode, z):
    return decode(tf.constant(z, tf.float32)).numpy()


def invert(decode, targets, **changes):
    asked = {
        "latent": 4, "prior": "uniform", "method": "none", "steps": 200, "rate": 1.0, "seed": 0,
    }
    return inversion.invert(decode, targets, **{**asked, **changes})


def uniform(n, latent=4, high=1.0, seed=0):
    return np.random.default_rng(seed).uniform(-high, high, (n, latent)).astype(np.float32)


# 4 entries into 12 pixels; the squared error curves by 2 / 12 of the squares of these: 0.2 to 1
_ORTHOGONAL, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(12, 4)))
MIX = np.diag([1.1, 1.5, 2.0, 2.4]) @ _ORTHOGONAL.T


def test_codes_of_a_sphere_have_length_1():
    decode = linear(MIX)
    lengths = {}
    for method in ("none", "standard"):
        for steps in (0, 3):
            codes = invert(decode, pictures(decode, uniform(5)), prior="sphere", method=method,
                           steps=steps).codes
            lengths[method, steps] = np.linalg.norm(codes, axis=1)
    for key in (("none", 0), ("standard", 0), ("standard", 3)):
        np.testing.assert_allclose(lengths[key], 1.0, atol=1e-5)
    assert np.abs(lengths["none", 3] - 1.0).max() > 0.01
    with pytest.raises(UsageError, match="stochastic is for priors with a range"):
        invert(decode, pictures(decode, uniform(2)), prior="sphere", method="stochastic")


# Recovery


@pytest.mark.parametrize("method", ["none", "standard", "stochastic"])
@pytest.mark.parametrize("prior", ["uniform", "normal"])
def test_a_linear_generator_is_inverted(method, prior):
    decode, truth = linear(MIX), uniform(5)
    found = invert(decode, pictures(decode, truth), method=method, prior=prior, steps=120)
    np.testing.assert_allclose(found.codes, truth, atol=1e-4)
    assert found.codes.dtype == found.errors.dtype == np.float32
    assert inversion.recovered(found.codes, truth, 1e-5) == 1.0
    assert found.errors.max() < 1e-6
    assert found.steps == 120


def test_it_says_how_far_it_is(capsys, monkeypatch):
    monkeypatch.setattr(solve, "progress", functools.partial(solve.progress, delay=-1))
    invert(linear(MIX), pictures(linear(MIX), uniform(5)), steps=120, batch=4)
    said = capsys.readouterr().err
    assert "inverting 4 of 5 pictures, 50 steps at a time: 3 of 3, " in said
    assert "inverting 1 of 5 pictures" in said


def test_a_layer_of_tanh_is_inverted():
    hidden = tf.constant(np.random.default_rng(2).normal(size=(4, 24)) / 2, tf.float32)

    def decode(z):
        return tf.reshape(tf.tanh(z @ hidden), [-1, 2, 4, 3])

    truth = uniform(8, seed=3)
    found = invert(decode, pictures(decode, truth), method="stochastic", steps=600)
    assert inversion.recovered(found.codes, truth, 1e-4) == 1.0


def test_stochastic_clipping_gets_away_from_where_standard_clipping_sticks():
    # From -0.9 the shorter way to 0.7 is down, to what looks alike at -1.3.
    truth, start = np.full((6, 4), 0.7, np.float32), np.full((6, 4), -0.9, np.float32)
    targets = pictures(round_, truth)
    loose, stuck, away = (
        invert(round_, targets, method=m, start=start, rate=0.1, steps=400, batch=3)
        for m in ("none", "standard", "stochastic")
    )
    np.testing.assert_allclose(loose.codes, -1.3, atol=1e-3)
    np.testing.assert_array_equal(stuck.codes, -1.0)
    assert inversion.recovered(stuck.codes, truth, 0.1) == 0.0
    np.testing.assert_allclose(away.codes, 0.7, atol=1e-3)
    assert inversion.recovered(away.codes, truth, 1e-5) == 1.0


# One step


def test_a_step_goes_down_each_picture_s_own_gradient():
    # G(z) = 2 z, so the mean over 4 pixels is of (2 z - x)^2, its gradient 4 (2 z - x) / 4
    start, x = uniform(3), uniform(3, seed=1)
    found = invert(linear(2 * np.eye(4)), x[:, None, :, None], start=start, steps=1, rate=0.3)
    np.testing.assert_allclose(found.codes, start - 0.3 * (2 * start - x), atol=1e-6)
    before, after = (((2 * z - x) ** 2).mean(axis=1) for z in (start, found.codes))
    np.testing.assert_allclose(found.errors, after, rtol=1e-4)
    np.testing.assert_allclose(found.history, [before.mean(), after.mean()], rtol=1e-4)


def test_the_rate_is_halved_whenever_so_many_steps_are_done():
    # the gradient of (z - x)^2 of one pixel is 2 (z - x): each step leaves 1 - 2 rate of it
    targets, start = np.zeros((1, 1, 1, 1), np.float32), [[1.0]]
    for steps, left in ((2, 0.8**2), (3, 0.8**2 * 0.9), (5, 0.8**2 * 0.9**2 * 0.95)):
        found = invert(
            linear([[1.0]]), targets, latent=1, start=start, steps=steps, rate=0.1, halve_every=2
        )
        assert found.codes.item() == pytest.approx(left, rel=1e-5)


@pytest.mark.parametrize("prior, bound", [("uniform", 1.0), ("normal", 3.0)])
def test_only_entries_beyond_the_bound_are_touched(prior, bound):
    # one step of rate 2 lands exactly on the target, whose odd entries are beyond the bound
    goal = np.full((4, 100), 0.5 * bound, np.float32)
    goal[:, 1::2] = [[1.01 * bound], [-1.01 * bound], [5 * bound], [-5 * bound]]
    codes = {
        method: invert(
            linear(np.eye(100)), goal[:, None, :, None], latent=100, prior=prior, method=method,
            start=np.zeros((4, 100)), steps=1, rate=50.0,
        ).codes
        for method in ("none", "standard", "stochastic")
    }
    np.testing.assert_allclose(codes["none"], goal, rtol=1e-5)
    np.testing.assert_allclose(codes["standard"], np.clip(goal, -bound, bound), rtol=1e-5)
    np.testing.assert_allclose(codes["stochastic"][:, ::2], goal[:, ::2], rtol=1e-5)
    drawn = codes["stochastic"][:, 1::2]
    assert np.abs(drawn).max() <= bound
    assert np.unique(drawn).size == drawn.size, "each entry has a draw of its own"
    within = truncnorm(-3, 3).cdf if prior == "normal" else lambda v: (v + 1) / 2
    assert kstest(drawn.ravel(), within).pvalue > 1e-3


def test_each_step_draws_anew():
    # a target far away throws all entries out at each step
    targets, start = np.full((1, 1, 50, 1), 99.0, np.float32), np.zeros((1, 50))
    one, two = (
        invert(
            linear(np.eye(50)), targets, latent=50, method="stochastic", start=start, steps=s,
            rate=25.0,
        ).codes
        for s in (1, 2)
    )
    assert np.abs(one - two).min() > 0
    assert abs(np.corrcoef(one[0], two[0])[0, 1]) < 0.5


def test_log_prior_by_hand():
    z = tf.constant([[0.0, 0.0], [1.0, -2.0]])
    np.testing.assert_allclose(inversion.log_prior(z), norm.logpdf(z.numpy()).mean(axis=1), 1e-6)
    np.testing.assert_allclose(inversion.log_prior(z)[0], -0.918939, rtol=1e-5)


def test_the_prior_draws_codes_in_by_alpha():
    # minimise mean (2 z - x)^2 + alpha mean z^2 / 2 over as many entries: z = 2 x / (4 + alpha / 2)
    x = np.array([[1.0, -0.5, 0.25, 2.0]], np.float32)
    for alpha in (0.0, 0.01, 4.0):
        found = invert(
            linear(2 * np.eye(4)), x[:, None, :, None], prior="normal", method="prior",
            start=np.zeros((1, 4)), steps=900, rate=0.02, halve_every=90, alpha=alpha,
        )
        np.testing.assert_allclose(found.codes, 2 * x / (4 + alpha / 2), atol=1e-4)
        np.testing.assert_allclose(
            found.errors, ((2 * found.codes - x) ** 2).mean(axis=1), atol=1e-6
        )  # the error is that of the picture, without the prior


def test_rmsprop_by_hand():
    # gradient 2 z of z^2: m = 0.01 g^2 + 0.99 m, z -= rate g / sqrt(m)
    z, m, expected = 1.0, 0.0, []
    for _ in range(3):
        g = 2 * z
        m = 0.99 * m + 0.01 * g * g
        z -= 0.01 * g / np.sqrt(m)
        expected.append(z)
    assert expected[0] == pytest.approx(0.9)  # the first step is ten rates long
    targets = np.zeros((1, 1, 1, 1), np.float32)
    for steps, value in enumerate(expected, 1):
        found = invert(
            linear([[1.0]]), targets, latent=1, prior="normal", method="prior", alpha=0.0,
            start=[[1.0]], steps=steps, rate=0.01,
        )
        assert found.codes.item() == pytest.approx(value, rel=1e-5)


# Start, seed, batch


def test_no_step_gives_the_start_back():
    start = 9.0 * uniform(3)  # beyond any bound
    targets = pictures(linear(MIX), uniform(3, seed=1))
    for method in ("standard", "stochastic"):
        found = invert(linear(MIX), targets, method=method, start=start, steps=0)
        np.testing.assert_array_equal(found.codes, start)
        errors = ((pictures(linear(MIX), start) - targets) ** 2).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(found.errors, errors, rtol=1e-5)
        np.testing.assert_allclose(found.history, [errors.mean()], rtol=1e-5)
    start[:] = 0.0
    assert found.codes.any(), "the result is not the caller's array"


def test_a_good_start_is_refined():
    decode, truth = linear(MIX), uniform(4)
    near = truth + 0.02 * uniform(4, seed=1)
    targets = pictures(decode, truth)
    first, cold = (invert(decode, targets, start=s, steps=3).errors for s in (near, None))
    assert first.max() < 0.5 * invert(decode, targets, start=near, steps=0).errors.max()
    assert first.max() < cold.min()


@pytest.mark.parametrize("prior", ["uniform", "normal"])
def test_first_guesses_are_draws_from_the_prior_by_seed(prior):
    targets = uniform(20, 12)[:, None, :, None]
    asked = {"latent": 50, "prior": prior, "steps": 0}
    matrix = np.ones((50, 12))
    guess, again, other = (
        invert(linear(matrix), targets, **asked, seed=s).codes for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(guess, again)
    assert not np.any(guess == other)
    assert not np.any(guess[0] == guess[1])
    cdf = norm.cdf if prior == "normal" else lambda v: (v + 1) / 2
    assert kstest(guess.ravel(), cdf).pvalue > 1e-3


@pytest.mark.parametrize("method", inversion.METHODS)
def test_a_picture_does_not_depend_on_its_batch(method):
    truth = uniform(5, high=1.5, seed=4)  # some beyond the bound, to be drawn anew
    targets = pictures(round_, truth)
    asked = {"method": method, "prior": "normal" if method == "prior" else "uniform"}
    asked |= {"steps": 60, "rate": 0.05}
    together = invert(round_, targets, **asked)
    by_twos = invert(round_, targets, **asked, batch=2)
    backwards = invert(round_, targets[::-1], **asked, batch=3)
    alone = invert(round_, targets[3:4], **asked)
    np.testing.assert_allclose(by_twos.codes, together.codes, atol=1e-5)
    np.testing.assert_allclose(by_twos.history, together.history, rtol=1e-4)
    np.testing.assert_allclose(backwards.codes[::-1], together.codes, atol=1e-5)
    np.testing.assert_allclose(alone.codes, together.codes[3:4], atol=1e-5)
    np.testing.assert_allclose(alone.errors, together.errors[3:4], atol=1e-5)


def test_steps_of_many_chunks_are_the_steps_of_one(monkeypatch):
    targets = pictures(round_, uniform(3, high=1.5, seed=4))
    asked = {"method": "stochastic", "steps": 23, "rate": 0.1, "halve_every": 9}
    whole = invert(round_, targets, **asked)
    monkeypatch.setattr(solve, "CHUNK", 5)
    parts = invert(round_, targets, **asked)
    np.testing.assert_array_equal(parts.codes, whole.codes)
    np.testing.assert_allclose(parts.history, whole.history, rtol=1e-6)
    assert len(parts.history) == 24


def test_recovered_counts_codes_below_the_threshold():
    truth = np.zeros((4, 2))
    codes = [[0, 0], [0.1, 0.1], [0.2, 0.0], [1, 1]]  # mean squares 0, 0.01, 0.02, 1
    assert [inversion.recovered(codes, truth, t) for t in (0.005, 0.015, 0.1)] == [0.25, 0.5, 0.75]


# Free variables and features


@pytest.mark.parametrize("method, steps, rate", [("lbfgs", 60, 0.0), ("adam", 400, 0.1)])
@pytest.mark.parametrize("prior", ["uniform", "normal", "sphere"])
def test_free_variables_find_codes_within_the_prior(method, steps, rate, prior):
    decode, truth = linear(MIX), uniform(3, high=0.9)
    if prior == "sphere":
        truth /= np.linalg.norm(truth, axis=1, keepdims=True)
    found = invert(decode, pictures(decode, truth), method=method, prior=prior, steps=steps,
                   rate=rate)
    np.testing.assert_allclose(found.codes, truth, atol=2e-2)
    assert found.errors.max() < 1e-4
    assert len(found.history) == (2 if method == "lbfgs" else steps + 1)
    assert found.history[-1] < found.history[0]
    beyond = invert(decode, pictures(decode, 3 * truth), method=method, prior=prior, steps=steps,
                    rate=rate)
    limit = {"uniform": 1.0, "sphere": 1.0}.get(prior, 10.0)
    assert np.abs(beyond.codes).max() <= limit + 1e-6


def test_lbfgs_in_batches_and_from_a_start():
    decode, truth = linear(MIX), uniform(3)
    targets = pictures(decode, truth)
    whole = invert(decode, targets, method="lbfgs", steps=20)
    alone = invert(decode, targets[1:2], method="lbfgs", steps=20)
    np.testing.assert_allclose(alone.codes, whole.codes[1:2], atol=1e-6)
    again = invert(decode, targets, method="lbfgs", steps=0, start=truth)
    np.testing.assert_array_equal(again.codes, truth)


def test_the_error_of_features_is_relative():
    wanted = tf.constant([[1.0, 1.0], [10.0, 10.0]])
    found = tf.constant([[0.0, 2.0], [0.0, 20.0]])
    np.testing.assert_allclose(inversion.feature_error(found, wanted), [1.0, 1.0], rtol=1e-5)


def test_a_step_along_the_features_by_hand():
    # G(z) = z of one pixel, features 3 x, wanted of x = 1: loss (z-1)^2 + w (3z-3)^2 / 9
    found = invert(linear([[1.0]]), np.ones((1, 1, 1, 1)), latent=1, start=[[0.0]], steps=1,
                   rate=0.1, features=lambda x: 3.0 * tf.reshape(x, [-1, 1]), feature_weight=0.5)
    np.testing.assert_allclose(found.codes, [[0.1 * (2 + 0.5 * 2)]], rtol=1e-5)


# What cannot be done


@pytest.mark.parametrize("changes, words", [
    ({"method": "newton"}, "method 'newton' is not one of none, standard, stochastic, prior"),
    ({"prior": "gauss"}, "prior 'gauss' is not one of uniform, normal"),
    ({"method": "prior"}, "normal prior"),
    ({"start": np.zeros((2, 3))}, r"must be 2 of 4 numbers, not of shape \(2, 3\)"),
])
def test_what_does_not_go_together_is_said(changes, words):
    with pytest.raises(UsageError, match=words):
        invert(linear(MIX), np.zeros((2, 1, 12, 1)), **changes)


def test_a_descent_that_flies_off_is_stopped():
    with pytest.raises(UserError, match=r"before step \d+, method none: take a rate lower than 99"):
        invert(linear(MIX), np.ones((2, 1, 12, 1)), rate=99.0, steps=1000)


def test_no_pictures():
    found = invert(linear(MIX), np.zeros((0, 1, 12, 1)), steps=3)
    assert found.codes.shape == (0, 4) and len(found.errors) == 0
