"""SRResNet and the discriminator of SRGAN: sizes, what the layers do, pixels shuffled by hand."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan.networks.srgan import PixelShuffle, PReLU, srgan_discriminator, srresnet


def trainable(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def test_parameters_of_the_generator():
    # 16 blocks: 2 convolutions of 64 * (9 * 64 + 1), 2 norms of 128, a slope
    block = 2 * 64 * (9 * 64 + 1) + 2 * 128 + 1
    ends = 64 * (81 * 3 + 1) + 1, 64 * (9 * 64 + 1) + 128, 3 * (81 * 64 + 1)
    double = 256 * (9 * 64 + 1) + 1
    network = srresnet("g")
    assert trainable(network) == sum(ends) + 16 * block + 2 * double == 1_549_462
    assert trainable(srresnet("g", scale=2)) == 1_549_462 - double
    names = [type(layer).__name__ for layer in network.layers]
    assert names.count("PReLU") == 1 + 16 + 2 and names.count("Conv2D") == 1 + 32 + 1 + 2 + 1
    assert names.count("Add") == 17 and names.count("BatchNormalization") == 33
    kernels = [x.kernel_size[0] for x in network.layers if isinstance(x, keras.layers.Conv2D)]
    assert kernels == [9, *[3] * 35, 9]


def test_parameters_of_the_discriminator():
    widths = [3, 64, 64, 128, 128, 256, 256, 512, 512]
    convolutions = sum(b * (9 * a + 1) for a, b in itertools.pairwise(widths))
    dense = 1024 * (6 * 6 * 512 + 1) + 1025
    network = srgan_discriminator("d")
    assert trainable(network) == convolutions + 2 * sum(widths[2:]) + dense == 23_565_505
    strides = [x.strides[0] for x in network.layers if isinstance(x, keras.layers.Conv2D)]
    assert strides == [1, 2] * 4
    assert trainable(srgan_discriminator("d", size=32, filters=4)) < 100_000


def test_pixels_are_shuffled_as_the_equation_has_it():
    # eq. 4 of Shi et al. 2016: PS(T)[x, y, c] = T[x // r, y // r, C r mod(y, r) + C mod(x, r) + c]
    # where y counts rows: two pixels side by side with 2 x 2 x 2 maps each, by hand
    maps = np.arange(16, dtype=np.float32).reshape(1, 1, 2, 8)
    first = [[[0, 1], [2, 3], [8, 9], [10, 11]],
             [[4, 5], [6, 7], [12, 13], [14, 15]]]
    np.testing.assert_array_equal(PixelShuffle(2)(maps)[0], first)
    wide = PixelShuffle(3)(np.arange(9, dtype=np.float32).reshape(1, 1, 1, 9))
    np.testing.assert_array_equal(wide[0, :, :, 0], np.arange(9).reshape(3, 3))
    layer = PixelShuffle(2)
    assert layer.compute_output_shape((None, None, 5, 12)) == (None, None, 10, 3)
    assert PixelShuffle.from_config(layer.get_config()).factor == 2


@pytest.mark.parametrize("scale", [2, 4])
def test_any_size_is_enlarged(scale):
    network = srresnet("g", scale=scale, filters=4, blocks=1)
    for height, width in ((1, 1), (5, 7)):
        made = network(tf.zeros((2, height, width, 3)))
        assert made.shape == (2, scale * height, scale * width, 3) and made.dtype == tf.float32


def test_without_its_blocks_low_resolution_is_in_the_unit_range():
    # what the first convolution is given: black is 0, as its zero padding is
    network = srresnet("g", filters=4, blocks=1)
    inner = keras.Model(network.input, network.get_layer("unit_range").output)
    found = inner(tf.constant([-1.0, 0.0, 1.0], shape=(1, 1, 1, 3)))
    np.testing.assert_array_equal(found[0, 0, 0], [0.0, 0.5, 1.0])


def test_slopes_begin_at_a_quarter_and_are_one_a_layer():
    slopes = [x for x in srresnet("g", filters=4, blocks=2).layers
              if isinstance(x, keras.layers.PReLU)]
    assert all(x.alpha.shape == (1, 1, 1) and float(x.alpha[0, 0, 0]) == 0.25 for x in slopes)
    np.testing.assert_allclose(slopes[0](tf.constant(-2.0, shape=(1, 1, 1, 4))), -0.5)


@pytest.mark.parametrize(("dtype", "rtol"), [("float32", 1e-6), ("mixed_bfloat16", 1e-2)])
def test_the_slope_and_its_gradients_are_those_of_keras(dtype, rtol):
    form = {"alpha_initializer": keras.initializers.Constant(0.3), "shared_axes": [1, 2, 3]}
    x, weight = np.random.default_rng(0).normal(size=(2, 3, 5, 7, 4)).astype("float32")
    found = []
    for layer in (PReLU(dtype=dtype, **form), keras.layers.PReLU(dtype="float32", **form)):
        given = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(given)
            y = layer(given)
            total = tf.reduce_sum(weight * tf.cast(y, "float32"))
        found.append([tf.cast(y, "float32"), *tape.gradient(total, [given, layer.alpha.value])])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol)


def test_first_results_are_near_grey():
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).uniform(-1, 1, (2, 12, 12, 3)).astype(np.float32)
    made = srresnet("g", blocks=2)(x, training=True).numpy()
    assert 0.001 < made.std() < 0.3
