"""`GAN.translate` and `show`: pictures of any size and type, colour and grey."""

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(scope="module")
def translator(tiny):
    return tiny(batch=2, pool=0, trains=False)


@pytest.mark.parametrize("height, width", [(1, 1), (5, 7), (13, 9), (16, 20), (2, 31)])
def test_translate_takes_any_size(translator, height, width):
    x = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    result = translator.translate(x)
    assert result.dtype == tf.uint8
    assert result.shape == x.shape
    as_float = translator.translate(x / np.float32(127.5) - 1)
    assert as_float.dtype == tf.float32
    assert as_float.shape == x.shape
    assert np.abs(as_float).max() <= 1
    assert np.abs((as_float + 1) * 127.5 - np.float32(result)).max() <= 0.51
    assert np.std(as_float) > 0


def test_translate_pads_by_reflection(translator):
    x = np.random.default_rng(0).uniform(-1, 1, (1, 13, 6, 3)).astype("float32")
    padded = np.pad(x, ((0, 0), (0, 3), (0, 2), (0, 0)), mode="reflect")
    expected = translator.g_ab(padded)[:, :13, :6]
    np.testing.assert_allclose(translator.translate(x), expected, atol=1e-6)


def test_translate_pads_tiny_pictures_again_and_again(translator):
    x = np.random.default_rng(0).uniform(-1, 1, (1, 2, 3, 3)).astype("float32")
    padded = np.pad(x, ((0, 0), (0, 6), (0, 5), (0, 0)), mode="reflect")
    assert padded.shape == (1, 8, 8, 3)
    expected = translator.g_ab(padded)[:, :2, :3]
    np.testing.assert_allclose(translator.translate(x), expected, atol=1e-6)


def test_translate_is_the_network_where_nothing_is_padded(translator):
    x = np.random.default_rng(0).uniform(-1, 1, (2, 12, 16, 3)).astype("float32")
    for direction, network in (("a2b", translator.g_ab), ("b2a", translator.g_ba)):
        np.testing.assert_allclose(translator.translate(x, direction), network(x), atol=1e-6)
        np.testing.assert_allclose(translator(x, direction=direction), network(x), atol=1e-6)
    np.testing.assert_array_equal(translator.translate(x), translator.translate(x, "a2b"))
    with pytest.raises(ValueError, match="direction 'b2c' is not one of a2b, b2a"):
        translator.translate(x, "b2c")


def test_translate_in_a_graph_of_unknown_size(translator):
    spec = tf.TensorSpec([None, None, None, 3], tf.uint8)
    function = tf.function(translator.translate, input_signature=[spec], autograph=False)
    for shape in ((1, 5, 7, 3), (2, 16, 8, 3)):
        x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        difference = np.int32(function(x)) - np.int32(translator.translate(x))
        assert np.abs(difference).max() <= 1
        assert difference.shape == shape


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_translate_keeps_the_type(translator, dtype):
    x = np.random.default_rng(0).uniform(-1, 1, (1, 8, 8, 3))
    result = translator.translate(x.astype(dtype))
    assert result.dtype == dtype
    np.testing.assert_allclose(result, translator.translate(x.astype("float32")), atol=2e-3)


def test_a_closed_mask_is_the_identity(tiny):
    model = tiny("cyclegan_small", trains=False)
    last = [layer for layer in model.g_ab.layers if layer.weights][-1]
    kernel, bias = last.get_weights()
    last.set_weights([0 * kernel, np.float32([*bias[:3], -50])])
    x = np.random.default_rng(0).integers(0, 256, (1, 13, 9, 3), dtype=np.uint8)
    np.testing.assert_array_equal(model.translate(x, "a2b"), x)


def test_show(translator):
    x = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 3)).astype("float32")
    shown = translator.show({"a": x, "b": -x})
    assert list(shown) == ["a", "a2b", "b", "b2a"]
    np.testing.assert_array_equal(shown["b"], -x)
    np.testing.assert_allclose(shown["b2a"], translator.g_ba(-x), atol=1e-6)
