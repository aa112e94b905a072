"""The progressive GAN: published sizes, layers against numpy, fading, spectral norm, XLA."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan.networks import ProgressiveDiscriminator, ProgressiveGenerator
from kgan.networks.equalized import EqualizedConv2D, EqualizedDense
from kgan.networks.pggan import MinibatchDeviation, PixelNorm, doubled, halved

ROOT_2 = 2**0.5


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def generator(**changes):
    keras.utils.set_random_seed(0)
    return ProgressiveGenerator(**{"latent": 5, "size": 16, "cap": 4, "base": 16, **changes})


def discriminator(**changes):
    keras.utils.set_random_seed(0)
    return ProgressiveDiscriminator(**{"size": 16, "cap": 4, "base": 16, **changes})


def trainable(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


# Sizes


def test_parameters_are_the_published_ones():
    assert trainable(ProgressiveGenerator(128, 128, 128, spectral=True)) == 1_888_018
    large = ProgressiveGenerator(512, 128, 512)
    assert trainable(large) == large.count_params() == 22_933_394
    assert trainable(ProgressiveDiscriminator(128, 512, spectral=True)) == 22_941_313


def test_each_level_has_its_size():
    made, judge = generator(size=32), discriminator(size=32)
    assert made.levels == judge.levels == 4
    assert made.widths == [4, 4, 4, 2, 1]
    z = numbers(3, 5)
    for level, side in enumerate((4, 8, 16, 32)):
        picture = made(z, level=level)
        assert picture.shape == (3, side, side, 3)
        assert judge(picture, level=level).shape == (3, 1)
    np.testing.assert_array_equal(made(z), made(z, level=3))
    np.testing.assert_array_equal(judge(picture), judge(picture, level=3))


def test_batches_of_any_size_in_a_graph():
    made, judge, z = generator(size=8), discriminator(size=8), numbers(3, 5)

    def both(z):
        picture = made(z, alpha=0.5)
        return picture, judge(picture, alpha=0.5)

    graph = tf.function(both, input_signature=[tf.TensorSpec([None, 5])])
    assert graph.get_concrete_function().structured_outputs[0].shape == (None, 8, 8, 3)
    for ours, theirs in zip(graph(z), both(z), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_wrong_sizes_and_levels_are_refused():
    for size in (0, 2, 24):
        with pytest.raises(ValueError, match="power of two from 4 up"):
            generator(size=size)
    for level in (-1, 3):
        with pytest.raises(ValueError, match="level must be from 0 to 2"):
            generator()(numbers(1, 5), level=level)
    with pytest.raises(ValueError, match="level 1 has 8 px, not 16"):
        discriminator()(numbers(1, 16, 16, 3), level=1)
    with pytest.raises(ValueError, match="resample"):
        EqualizedConv2D(1, 3, "sideways")


def test_half_precision_keeps_weights_and_results_float32():
    made, judge = (make(spectral=True, dtype="mixed_bfloat16") for make in (
        generator, discriminator,
    ))
    assert made.blocks[0][0].compute_dtype == made.norm.compute_dtype == "bfloat16"
    z, alpha = numbers(4, 5), tf.constant(0.3)
    picture = made(z, alpha=alpha, training=True)
    logits = judge(picture, alpha=alpha, training=True)
    assert picture.dtype == logits.dtype == "float32"
    assert np.isfinite(logits).all()
    assert {v.dtype for v in made.variables + judge.variables} == {"float32"}
    full = generator(spectral=True)
    full.set_weights(made.get_weights())
    assert np.abs(made(z, alpha=alpha) - full(z, alpha=alpha)).mean() < 0.05


# Layers


def test_pixel_norm_is_numpys():
    x = numbers(2, 3, 3, 5)
    expected = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(PixelNorm()(x), expected, rtol=1e-5)
    np.testing.assert_array_equal(PixelNorm()(np.zeros((1, 4), "f")), 0)


@pytest.mark.parametrize(("dtype", "tolerance"), [
    ("float32", 1e-5), ("mixed_float16", 3e-3), ("mixed_bfloat16", 3e-2),
])
def test_gradient_of_pixel_norm(dtype, tolerance):
    x, upstream = 3.0 * numbers(2, 4, 4, 8), numbers(2, 4, 4, 8, seed=1)
    norm = PixelNorm(dtype=dtype)
    given = tf.cast(x, norm.compute_dtype)
    exact = tf.cast(given, tf.float64)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([given, exact])
        y = norm(given)
        wanted = exact / tf.sqrt(tf.reduce_mean(exact**2, -1, keepdims=True) + 1e-8)
    assert y.dtype == given.dtype
    np.testing.assert_allclose(tf.cast(y, tf.float64), wanted, atol=tolerance)
    found = tape.gradient(y, given, tf.cast(upstream, y.dtype))
    expected = tape.gradient(wanted, exact, tf.cast(upstream, tf.float64))
    np.testing.assert_allclose(tf.cast(found, tf.float64), expected, atol=tolerance)


def test_squares_of_pixel_norm_do_not_overflow():
    y = PixelNorm(dtype="mixed_float16")(tf.constant([[1000.0, 0.0]], tf.float16))
    np.testing.assert_allclose(y, [[2**0.5, 0.0]], rtol=1e-3)


@pytest.mark.parametrize("count, groups", [
    (8, [[0, 2, 4, 6], [1, 3, 5, 7]]), (4, [range(4)]), (3, [range(3)]), (6, [range(6)]),
])
@pytest.mark.parametrize("known", [True, False])
def test_minibatch_deviation_is_numpys(count, groups, known):
    x = numbers(count, 2, 3, 5)
    layer = MinibatchDeviation()
    if not known:
        layer = tf.function(layer, input_signature=[tf.TensorSpec([None, 2, 3, 5])])
    result = layer(tf.constant(x))
    assert result.shape == (count, 2, 3, 6)
    np.testing.assert_array_equal(result[..., :5], x)
    for group in groups:
        expected = np.sqrt(x[list(group)].var(0) + 1e-8).mean()
        np.testing.assert_allclose(np.asarray(result)[list(group), ..., 5], expected, rtol=1e-5)


def test_one_picture_does_not_deviate():
    result = MinibatchDeviation()(numbers(1, 2, 2, 3))
    np.testing.assert_allclose(result[..., 3], 1e-4, rtol=1e-4)


def test_learning_rates_are_equalised_when_a_layer_runs():
    dense = EqualizedDense(2, gain=0.5)
    x = numbers(3, 16)
    dense(x)
    dense.kernel.assign(np.ones((16, 2)))
    dense.bias.assign([1.0, 2.0])
    expected = 0.5 / 4 * x.sum(1, keepdims=True) + [1, 2]
    np.testing.assert_allclose(dense(x), expected, atol=1e-5)
    conv = EqualizedConv2D(64, 3)
    conv.build((None, None, None, 64))
    assert float(np.std(conv.kernel)) == pytest.approx(1, rel=0.02)
    assert conv.scale == pytest.approx(ROOT_2 / 24)
    made = generator(latent=8)
    assert made.first.scale == pytest.approx(ROOT_2 / 4 / 8**0.5)
    assert made.to_rgb[0].scale == pytest.approx(1 / 4**0.5)
    assert discriminator().logit.scale == pytest.approx(1 / 4**0.5)


def test_convolutions_double_and_halve():
    x = numbers(2, 4, 6, 3)
    kernel = numbers(3, 3, 3, 5, seed=1)
    scale = ROOT_2 / 27**0.5
    plain, up, down = (EqualizedConv2D(5, 3, how) for how in (None, "up", "down"))
    for layer in (plain, up, down):
        layer.build(x.shape)
        layer.bias.assign(numbers(5, seed=2))
    plain.kernel.assign(kernel)
    down.kernel.assign(kernel)
    up.kernel.assign(kernel[::-1, ::-1].transpose(0, 1, 3, 2))  # out before in, and mirrored
    expected = tf.nn.conv2d(x, scale * kernel, 1, "SAME") + numbers(5, seed=2)
    np.testing.assert_allclose(plain(x), expected, atol=1e-5)
    np.testing.assert_allclose(down(x), halved(expected), atol=1e-5)
    np.testing.assert_allclose(up(x), plain(doubled(x)), atol=1e-5)


def test_doubling_and_halving():
    x = np.arange(4, dtype="float32").reshape(1, 2, 2, 1)
    assert np.asarray(doubled(x))[0, ..., 0].tolist() == [
        [0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]
    ]
    assert np.asarray(halved(x)).ravel().tolist() == [1.5]
    np.testing.assert_array_equal(halved(doubled(x)), x)


# Growing


def test_a_level_is_faded_in():
    made, judge, z = generator(), discriminator(), numbers(4, 5)
    for level in (1, 2):
        new, old = made(z, level=level), doubled(made(z, level=level - 1))
        assert np.abs(new - old).max() > 0.1
        for alpha in (0.0, 0.25, 1.0):
            mixed = made(z, level=level, alpha=tf.constant(alpha))
            np.testing.assert_allclose(mixed, alpha * new + (1 - alpha) * old, atol=1e-5)
        x = numbers(4, 4 * 2**level, 4 * 2**level, 3)
        logits = [judge(x, level=level, alpha=alpha) for alpha in (0.0, 0.5, 1.0)]
        np.testing.assert_allclose(logits[0], judge(halved(x), level=level - 1), atol=1e-5)
        np.testing.assert_allclose(logits[2], judge(x, level=level), atol=1e-5)
        assert np.abs(logits[1] - logits[0]).max() > 1e-4
    np.testing.assert_array_equal(made(z, level=0, alpha=0.0), made(z, level=0))
    x = numbers(4, 4, 4, 3)
    np.testing.assert_array_equal(judge(x, level=0, alpha=0.0), judge(x, level=0))


def test_only_the_direction_of_z_counts():
    made, z, d = generator(), numbers(2, 5), numbers(1, 5, seed=1)
    for c in (0.01, 300.0):
        np.testing.assert_allclose(made(c * z), made(z), atol=1e-4)
    for sign in (1, -1):
        far, end = made(z + sign * 1e6 * d), made(sign * d)
        assert np.abs(far - end).mean() < 1e-4
    assert np.abs(made(d) - made(-d)).max() > 0.1


def test_a_level_trains_its_own_weights_and_those_below():
    made, judge = generator(), discriminator()
    with tf.GradientTape() as tape:
        picture = made(numbers(4, 5), level=1, alpha=0.5)
        total = tf.reduce_sum(judge(picture, level=1, alpha=0.5) ** 2)
    gradients = tape.gradient(total, made.trainable_variables + judge.trainable_variables)
    above = (made.to_rgb[2], *made.blocks[2], judge.from_rgb[2], *judge.blocks[1])
    idle = {id(v) for layer in above for v in layer.trainable_variables}
    for v, g in zip(made.trainable_variables + judge.trainable_variables, gradients, strict=True):
        assert (g is None) == (id(v) in idle), v.path
        assert g is None or np.abs(g).max() > 0


# Spectral norm

LAYERS = {
    "dense": (lambda: EqualizedDense(4, spectral=True, dtype="float64"), (7,)),
    "conv": (lambda: EqualizedConv2D(4, 3, spectral=True, dtype="float64"), (6, 6, 3)),
    "up": (lambda: EqualizedConv2D(4, 3, "up", spectral=True, dtype="float64"), (6, 6, 3)),
    "down": (lambda: EqualizedConv2D(4, 3, "down", spectral=True, dtype="float64"), (6, 6, 3)),
}


def spectral(kind):
    """A layer, its input, and the matrix whose norm it takes, as a function of its kernel."""
    make, shape = LAYERS[kind]
    keras.utils.set_random_seed(1)
    layer, x = make(), numbers(2, *shape).astype("float64")
    layer.build(x.shape)

    def matrix(kernel):
        if kind in ("up", "down"):
            merged = np.zeros((4, 4, *kernel.shape[2:]))
            for i in (0, 1):
                for j in (0, 1):
                    merged[i : i + 3, j : j + 3] += kernel
            kernel = merged * (0.25 if kind == "down" else 1)
        return layer.scale * kernel.reshape(-1, kernel.shape[-1])

    return layer, x, matrix


def iterate(layer, x, times):
    once = tf.function(lambda: layer(x, training=True), autograph=False)
    for _ in range(times):
        once()


def linear(layer, x, matrix):
    """What the layer makes of x with this matrix for a kernel, without its bias."""
    if x.ndim == 2:
        return x @ matrix
    side = 4 if layer.resample else 3
    kernel = matrix.reshape(side, side, -1, matrix.shape[-1])
    if layer.resample == "up":
        return tf.nn.conv2d_transpose(x, kernel, (2, 12, 12, 4), 2, "SAME").numpy()
    return tf.nn.conv2d(x, kernel, 2 if layer.resample else 1, "SAME").numpy()


@pytest.mark.parametrize("kind", LAYERS)
def test_sigma_is_the_largest_singular_value(kind):
    layer, x, matrix = spectral(kind)
    iterate(layer, x, 200)
    whole = matrix(np.asarray(layer.kernel))
    sigma = np.linalg.svd(whole, compute_uv=False)[0]
    expected = linear(layer, x, whole / sigma)
    np.testing.assert_allclose(layer(x, training=True), expected, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind, settle", [("dense", 200), ("conv", 200), ("up", 200), ("conv", 0)])
def test_gradient_goes_through_sigma(kind, settle):
    # Settled: sigma is numpy's, whose differences the gradient must be. From a fresh u: sigma is
    # what one iteration makes of it, and the gradient is that function's.
    layer, x, matrix = spectral(kind)
    iterate(layer, x, settle)
    kernel, u = np.asarray(layer.kernel), np.asarray(layer.u)
    with tf.GradientTape() as tape:
        y = layer(x, training=True)
        weight = np.random.default_rng(2).normal(size=y.shape)
        total = tf.reduce_sum(weight * y)
    gradient = tape.gradient(total, layer.kernel.value).numpy()

    def at(kernel):
        whole = matrix(kernel)
        if settle:
            sigma = np.linalg.svd(whole, compute_uv=False)[0]
        else:
            v = whole @ u
            sigma = np.linalg.norm(whole.T @ (v / np.linalg.norm(v)))
        return (weight * linear(layer, x, whole / sigma)).sum()

    for place in ((0, 0, 1, 2), (2, 1, 0, 1), (1, 1, 2, 0)):
        place = place if kernel.ndim == 4 else place[1:3]
        step = np.zeros_like(kernel)
        step[place] = 1e-5
        expected = (at(kernel + step) - at(kernel - step)) / 2e-5
        assert gradient[place] == pytest.approx(expected, rel=1e-5, abs=1e-8)


def test_u_moves_only_in_training():
    layer = EqualizedDense(4, spectral=True)
    x = numbers(2, 7)
    layer(x)
    assert [v.name for v in layer.trainable_variables] == ["kernel", "bias"]
    assert layer.non_trainable_variables == [layer.u]
    kernel, u = np.asarray(layer.kernel), np.asarray(layer.u)
    whole = kernel * layer.scale
    first = layer(x, training=False)
    np.testing.assert_array_equal(layer.u, u)
    sigma = np.linalg.norm(whole @ u) / np.linalg.norm(u)  # no iteration
    np.testing.assert_allclose(first, x @ whole / sigma, rtol=1e-4, atol=1e-5)
    layer(x, training=True)
    v = whole @ u
    expected = whole.T @ v / np.linalg.norm(whole.T @ v)
    np.testing.assert_allclose(layer.u, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(layer.kernel, kernel)


def test_scale_of_a_normalised_kernel_is_free():
    layer, x = EqualizedDense(3, spectral=True, use_bias=False), numbers(2, 7)
    y = layer(x)
    layer.kernel.assign(5 * layer.kernel)
    np.testing.assert_allclose(layer(x), y, rtol=1e-5)


# XLA, second order, state, files


def pure(network, x, values, state, alpha):
    """A WGAN-GP critic's step as a pure function: gradients by its weights, changed state."""
    mapping = [*zip(network.trainable_variables, values, strict=True),
               *zip(network.non_trainable_variables, state, strict=True)]
    with tf.GradientTape() as outer:
        outer.watch(values)
        with keras.StatelessScope(mapping) as scope:
            with tf.GradientTape() as inner:
                inner.watch(x)
                total = tf.reduce_sum(network(x, alpha=alpha, training=True))
            norms = tf.sqrt(tf.reduce_sum(inner.gradient(total, x) ** 2, (1, 2, 3)))
            paid = tf.reduce_mean((norms - 1.0) ** 2)
    state = [scope.get_current_value(v) for v in network.non_trainable_variables]
    return outer.gradient(paid, values, unconnected_gradients="zero"), state, paid


def tensors(variables):
    return [tf.convert_to_tensor(v) for v in variables]


def test_a_critics_step_under_xla():
    judge, x = discriminator(size=8, spectral=True), tf.constant(numbers(4, 8, 8, 3))
    given = x, tensors(judge.trainable_variables), tensors(judge.non_trainable_variables)
    plain = pure(judge, *given, 0.7)
    step = tf.function(lambda *a: pure(judge, *a), jit_compile=True, autograph=False)
    compiled = step(*given, tf.constant(0.7))
    assert max(np.abs(g).max() for g in plain[0]) > 0.01
    for ours, theirs in zip(tf.nest.flatten(compiled), tf.nest.flatten(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=1e-5)


def test_a_penalty_on_gradients_has_a_gradient():
    judge, x = discriminator(size=8), tf.constant(numbers(4, 8, 8, 3))
    values = tensors(judge.trainable_variables)
    gradients = pure(judge, x, values, [], 0.7)[0]
    size = float(tf.linalg.global_norm(gradients))
    ahead, behind = (
        pure(judge, x, [v + step / size * g for v, g in zip(values, gradients, strict=True)],
             [], 0.7)[2] for step in (1e-4, -1e-4)
    )
    assert float(ahead - behind) / 2e-4 == pytest.approx(size, rel=2e-2)


def test_each_call_of_a_step_iterates_once():
    judge, x = discriminator(spectral=True), numbers(4, 16, 16, 3)
    state = [tf.convert_to_tensor(v) for v in judge.non_trainable_variables]
    with keras.StatelessScope() as scope:
        for _ in range(3):
            judge(x, training=True)
    new = [scope.get_current_value(v) for v in judge.non_trainable_variables]
    for v, old in zip(judge.non_trainable_variables, state, strict=True):
        np.testing.assert_array_equal(v, old)
    for _ in range(3):
        judge(x, training=True)
    changed = 0
    for v, value, old in zip(judge.non_trainable_variables, new, state, strict=True):
        if value is None:  # of a level that did not run
            np.testing.assert_array_equal(v, old)
        else:
            np.testing.assert_allclose(v, value, atol=1e-6)
            changed += 1
    assert changed == len(state) - 2  # fromRGB of the two lower levels


@pytest.mark.parametrize("make, given", [
    (generator, numbers(4, 5)), (discriminator, numbers(4, 16, 16, 3)),
])
def test_networks_are_saved_and_made_again(make, given, tmp_path):
    network = make(spectral=True)
    network(given, training=True)
    network.save_weights(tmp_path / "n.weights.h5")
    again = type(network).from_config(network.get_config())
    assert np.abs(again(given) - network(given)).max() > 1e-3
    again.load_weights(tmp_path / "n.weights.h5")
    for level in range(3):
        x = given if make is generator else given[:, : 4 * 2**level, : 4 * 2**level]
        np.testing.assert_array_equal(again(x, level=level), network(x, level=level))
    for layer in (again.blocks[0][0], again.blocks[1][0]):
        same = type(layer).from_config(layer.get_config())
        assert same.get_config() == layer.get_config()
