"""Layers, against numpy, Keras, tensorflow-addons and the definition of the image pool.

`golden_instance_norm.json` was recorded with tensorflow-cpu 2.15.1, numpy 1.26 and
tensorflow-addons 0.23.0:

    import json
    import numpy as np, tensorflow_addons as tfa

    x = np.random.default_rng(0).normal(0.5, 2.0, (2, 3, 4, 3)).round(3).astype("float32")
    gamma, beta = np.float32([1.5, -0.5, 0.25]), np.float32([0.1, -0.2, 0.3])
    output = {}
    for epsilon in (1e-3, 1e-5):
        layer = tfa.layers.InstanceNormalization(epsilon=epsilon)
        layer.build(x.shape)
        layer.set_weights([gamma, beta])
        output[str(epsilon)] = layer(x).numpy().tolist()
    golden = {"gamma": gamma.tolist(), "beta": beta.tolist(), "input": x.tolist(), "output": output}
    json.dump(golden, open("golden_instance_norm.json", "w"))
"""

import functools
import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan.networks import ImagePool, InstanceNormalization, ReflectionPadding2D, together
from kgan.networks.layers import CropFirst, LeakyReLU

HERE = pathlib.Path(__file__).parent


def pictures(shape, seed=0):
    return np.random.default_rng(seed).normal(0.3, 1.5, shape).astype("float32")


def normalised(x, epsilon=1e-5):
    x = x.astype("float64")
    mean, variance = x.mean((1, 2), keepdims=True), x.var((1, 2), keepdims=True)
    return (x - mean) / np.sqrt(variance + epsilon)


# Reflection padding


@pytest.mark.parametrize("padding", [1, 3])
def test_reflection_padding_is_numpys(padding):
    x = pictures((2, 4, 5, 3))
    p = padding
    expected = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(ReflectionPadding2D(padding)(x), expected)


def value_and_gradient(layer, x, weight, known=True, xla=False):
    """A layer's result and the gradient of its weighted sum, in a graph."""

    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            total = tf.reduce_sum(tf.cast(y, tf.float32) * weight)
        return y, tape.gradient(total, x)

    spec = tf.TensorSpec(x.shape if known else [None, None, None, x.shape[3]], x.dtype)
    return tf.function(both, input_signature=[spec], autograph=False, jit_compile=xla)(x)


WAYS = pytest.mark.parametrize("known, xla", [(True, False), (False, False), (True, True)])


@WAYS
@pytest.mark.parametrize("shape, padding", [((2, 4, 5, 3), 3), ((3, 2, 7, 1), 1)])
def test_reflection_padding_has_the_gradient_of_tensorflows(shape, padding, known, xla):
    p, x = padding, tf.constant(pictures(shape))
    weight = pictures((shape[0], shape[1] + 2 * p, shape[2] + 2 * p, shape[3]), seed=1)
    plain = functools.partial(tf.pad, paddings=((0, 0), (p, p), (p, p), (0, 0)), mode="REFLECT")
    for dtype, tolerance in ((tf.float32, 1e-5), (tf.bfloat16, 0.1)):
        given = tf.cast(x, dtype)
        layer = ReflectionPadding2D(p, dtype=dtype.name)
        ours = value_and_gradient(layer, given, weight, known, xla)
        theirs = value_and_gradient(plain, given, weight)
        np.testing.assert_array_equal(ours[0], theirs[0])
        assert ours[1].dtype == dtype
        np.testing.assert_allclose(*(tf.cast(g, tf.float32) for g in (ours[1], theirs[1])),
                                   atol=tolerance)


@WAYS
def test_crop_drops_the_first_row_and_column(known, xla):
    x, weight = tf.constant(pictures((2, 5, 4, 3))), pictures((2, 4, 3, 3), seed=1)
    value, gradient = value_and_gradient(CropFirst(), x, weight, known, xla)
    np.testing.assert_array_equal(value, x[:, 1:, 1:])
    np.testing.assert_array_equal(gradient, np.pad(weight, ((0, 0), (1, 0), (1, 0), (0, 0))))
    assert CropFirst()(keras.Input((8, None, 2))).shape == (None, 7, None, 2)


def test_reflection_padding_knows_its_shape():
    layer = ReflectionPadding2D(3)
    assert layer(keras.Input((8, None, 2))).shape == (None, 14, None, 2)
    assert ReflectionPadding2D.from_config(layer.get_config()).padding == 3


# Instance normalisation: in training each picture by the kernel for batches, if they are counted

MODES = pytest.mark.parametrize("training", [False, True])


@MODES
@pytest.mark.parametrize("shape", [(3, 5, 7, 4), (1, 1, 2, 16), (2, 1, 1, 3)])
def test_instance_norm_is_numpys(shape, training):
    x = pictures(shape)
    made = InstanceNormalization()(x, training=training)
    np.testing.assert_allclose(made, normalised(x), atol=1e-5)


@MODES
@pytest.mark.parametrize("epsilon", ["0.001", "1e-05"])
def test_instance_norm_is_tensorflow_addons(epsilon, training):
    golden = json.loads((HERE / "golden_instance_norm.json").read_text())
    x = np.float32(golden["input"])
    layer = InstanceNormalization(epsilon=float(epsilon), affine=True)
    layer.build(x.shape)
    layer.set_weights([np.float32(golden["gamma"]), np.float32(golden["beta"])])
    wanted = np.float32(golden["output"][epsilon])
    np.testing.assert_allclose(layer(x, training=training), wanted, atol=1e-6)


def pair(affine, training):
    """Our layer and Keras', with the same weights: functions and their variables."""
    ours = InstanceNormalization(affine=affine)
    theirs = keras.layers.GroupNormalization(groups=-1, epsilon=1e-5, center=affine, scale=affine)
    for layer in (ours, theirs):
        layer.build((None, 6, 5, 3))
        if affine:
            layer.set_weights([np.float32([1.5, -0.5, 0.25]), np.float32([0.1, -0.2, 0.3])])
    variables = [[v.value for v in layer.trainable_variables] for layer in (ours, theirs)]
    return zip((functools.partial(ours, training=training), theirs), variables, strict=True)


@MODES
@pytest.mark.parametrize("affine", [False, True])
def test_instance_norm_and_its_gradients_are_keras_group_norm(affine, training):
    x, weight = tf.constant(pictures((2, 6, 5, 3))), pictures((2, 6, 5, 3), seed=1)
    results = []
    for layer, variables in pair(affine, training):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            total = tf.reduce_sum(weight * y)
        results.append([y, *tape.gradient(total, [x, *variables])])
    assert len(results[0]) == (4 if affine else 2)
    for ours, theirs in zip(*results, strict=True):
        assert np.abs(theirs).max() > 0.1
        np.testing.assert_allclose(ours, theirs, atol=2e-5, rtol=1e-5)


@MODES
@WAYS
def test_instance_norm_has_its_gradient_in_every_graph(known, xla, training):
    x, weight = tf.constant(pictures((2, 6, 5, 3))), pictures((2, 6, 5, 3), seed=1)
    (ours, _), (theirs, _) = pair(False, training)
    expected = value_and_gradient(theirs, x, weight)
    found = value_and_gradient(ours, x, weight, known, xla)
    for made, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(made, wanted, atol=2e-5, rtol=1e-5)


@MODES
def test_instance_norm_has_second_order_gradients(training):
    # What a gradient penalty differentiates: the norm of the gradient by the input.
    x, weight = tf.constant(pictures((2, 6, 5, 3))), pictures((2, 6, 5, 3), seed=1)
    results = []
    for layer, (gamma, _) in pair(True, training):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                total = tf.reduce_sum(weight * tf.tanh(layer(x)))
            penalty = tf.reduce_sum(inner.gradient(total, x) ** 2)
        results.append(outer.gradient(penalty, [x, gamma]))
    for ours, theirs in zip(*results, strict=True):
        assert np.abs(theirs).max() > 0.1
        np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-4)


@MODES
@pytest.mark.parametrize("maps", [3, 16])
@pytest.mark.parametrize(
    "dtype, offset, step, tolerance", [("float16", 1500, 1, 2e-3), ("bfloat16", 1024, 8, 2e-2)]
)
def test_instance_norm_of_half_precision_has_float32_statistics(
    dtype, offset, step, tolerance, maps, training
):
    # Whole numbers that the type holds exactly, far from 0: a half-precision sum or square of them
    # overflows or rounds everything away.
    x = offset + step * np.random.default_rng(0).integers(0, 40, (2, 16, 16, maps))
    layer = InstanceNormalization(dtype=f"mixed_{dtype}", affine=True)
    result = layer(tf.cast(tf.constant(x, tf.float32), dtype), training=training)
    assert result.dtype == dtype
    assert layer.gamma.dtype == "float32"
    np.testing.assert_allclose(tf.cast(result, tf.float32), normalised(x), atol=tolerance)


def test_instance_norm_takes_any_size_in_a_graph():
    layer = InstanceNormalization()
    shape = tf.TensorSpec([None, None, None, 3])
    result = tf.function(layer, input_signature=[shape]).get_concrete_function()
    for n, h, w in ((1, 4, 9), (3, 2, 2)):
        x = pictures((n, h, w, 3))
        np.testing.assert_allclose(result(tf.constant(x)), normalised(x), atol=1e-5)


@MODES
def test_instance_norm_of_a_flat_map_is_zero(training):
    flat = np.full((1, 4, 4, 2), 7.0, "f")
    np.testing.assert_array_equal(InstanceNormalization()(flat, training=training), 0)


# together


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_leaky_relu_and_its_gradients_of_both_orders_are_tensorflows(dtype, xla):
    draws = np.random.default_rng(0).normal(size=(3, 8, 8, 2))
    draws[0] = 0.0
    x, weight = tf.constant(draws, dtype), tf.constant(draws[::-1].copy(), dtype)

    def of(function):
        @tf.function(jit_compile=xla, autograph=False)
        def both(x):
            with tf.GradientTape() as outer:
                outer.watch(x)
                with tf.GradientTape() as inner:
                    inner.watch(x)
                    y = function(x)
                slope = inner.gradient(y, x, weight)
                penalty = tf.reduce_sum(tf.square(slope * x))
            return y, slope, outer.gradient(penalty, x)

        return [value.numpy().astype("float32") for value in both(x)]

    ours = of(LeakyReLU(negative_slope=0.2, dtype=dtype))
    for one, its in zip(ours, of(lambda x: tf.nn.leaky_relu(x, 0.2)), strict=True):
        np.testing.assert_array_equal(one, its)


def test_together_equals_separate_calls():
    network = keras.Sequential([keras.layers.Conv2D(2, 3), InstanceNormalization()])
    parts = [pictures((n, 6, 6, 3), seed=n) for n in (2, 1, 3)]
    results = together(network, *parts)
    assert len(results) == 3
    for result, part in zip(results, parts, strict=True):
        np.testing.assert_allclose(result, network(part), atol=1e-5)


# The image pool. Pictures are 1x1 and hold their number, so that each can be followed.


def numbered(*numbers):
    return np.float32(numbers).reshape(-1, 1, 1, 1)


def asked(pool, numbers, key):
    return pool(numbered(*numbers), tf.constant(key)).numpy().ravel().tolist()


def stored(pool):
    return pool.stored.numpy().ravel().tolist()


def under_xla(pool):
    """`asked` as the trainer does it: a pure function compiled with XLA, then the assignments.

    Its choices are others than without XLA: TensorFlow's Philox differs between the two.
    """

    @tf.function(jit_compile=True, autograph=False)
    def pure(state, pictures, key):
        mapping = list(zip(pool.variables, state, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            result = pool(pictures, key)
        return result, [scope.get_current_value(v) for v in pool.variables]

    def ask(numbers, key):
        state = [tf.convert_to_tensor(v) for v in pool.variables]
        result, state = pure(state, tf.constant(numbered(*numbers)), tf.constant(key))
        for variable, value in zip(pool.variables, state, strict=True):
            variable.assign(value)
        return result.numpy().ravel().tolist()

    return ask


def full_pool(capacity=8):
    pool = ImagePool(capacity, (1, 1, 1))
    asked(pool, range(1, capacity + 1), [0, 0])
    return pool


def test_pool_fills_in_order_and_returns_the_new_ones():
    pool = ImagePool(6, (1, 1, 1))
    assert int(pool.count) == 0
    assert asked(pool, [1, 2], [0, 0]) == [1, 2]
    assert asked(pool, [3, 4], [0, 1]) == [3, 4]
    assert stored(pool) == [1, 2, 3, 4, 0, 0]
    assert asked(pool, [5, 6], [0, 2]) == [5, 6]
    assert stored(pool) == [1, 2, 3, 4, 5, 6]
    assert int(pool.count) == 6


@pytest.mark.parametrize("xla", [False, True])
def test_a_full_pool_exchanges_or_forgets(xla):
    pool = full_pool()
    ask = under_xla(pool) if xla else functools.partial(asked, pool)
    exchanged = 0
    for step in range(60):
        before, new = stored(pool), [100 + 3 * step + i for i in range(3)]
        result = ask(new, [0, step])
        after = stored(pool)
        returned_old = [r for r in result if r not in new]
        for given, got in zip(new, result, strict=True):
            # The new picture back and forgotten, or an old one out and the new one in its place.
            assert (got == given and given not in after) or (
                got in before and got not in after and after[before.index(got)] == given
            )
        assert len(set(returned_old)) == len(returned_old)
        changed = sum(a != b for a, b in zip(before, after, strict=True))
        assert changed == len(returned_old)
        exchanged += changed
    assert 60 < exchanged < 120  # half of 180; 4.5 standard deviations
    assert int(pool.count) == 8


def test_pool_draws_distinct_places():
    # As many pictures as places: every place is drawn once, so an exchange never meets another.
    for step in range(20):
        pool = full_pool(5)
        result = asked(pool, range(11, 16), [0, step])
        assert sorted(result + stored(pool)) == [1, 2, 3, 4, 5, 11, 12, 13, 14, 15]


def test_pool_reaches_all_its_places():
    pool = full_pool(4)
    for step in range(60):
        asked(pool, [10 + step], [1, step])
    assert min(stored(pool)) >= 10


def test_pool_is_a_function_of_the_key():
    first, again = (asked(full_pool(), range(11, 19), [5, 3]) for _ in range(2))
    assert first == again
    others = [asked(full_pool(), range(11, 19), [5, k]) for k in range(4, 8)]
    assert any(other != first for other in others)
    assert any(asked(full_pool(), range(11, 19), [6, k]) != first for k in range(3, 6))


def test_pool_of_one_picture():
    pool = ImagePool(1, (1, 1, 1))
    assert asked(pool, [1], [0, 0]) == [1]
    results = [asked(pool, [2 + step], [0, step])[0] for step in range(12)]
    assert 0 < sum(r == 2 + step for step, r in enumerate(results)) < 12


def test_pool_takes_no_gradient_and_trains_nothing():
    pool = ImagePool(2, (1, 1, 1))
    assert pool.trainable_variables == []
    assert {v.name for v in pool.non_trainable_variables} == {"stored", "count"}
