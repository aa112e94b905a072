"""DeePSiM's networks against the published definitions; the rule that holds players back."""

import numpy as np
import pytest
import tensorflow as tf

from kgan.networks import deepsim, vgg


def count(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def test_the_published_generator_and_discriminator():
    generator = deepsim.feature_generator("g", (1, 1, 4096), size=256)
    assert count(generator) == 56_096_256  # of the definition, whose 1,635 biases are frozen at 0
    assert generator.output_shape == (None, 256, 256, 3)
    pool5 = deepsim.feature_generator("g", (6, 6, 256), size=256)
    dense = 3 * (4096 * 4096 + 4096)
    first = 9 * (256 * 512 + 512 * 512 + 512 * 512)
    assert count(pool5) == 56_096_256 - dense + first + 16 * 256 * 256  # 512 maps, not 256
    assert pool5.get_layer("first3").output.shape[1:] == (4, 4, 512)
    judge = deepsim.deepsim_discriminator("d", size=227)
    sides = [judge.get_layer(f"conv{i}").output.shape[1:] for i in range(1, 6)]
    assert [s[0] for s in sides] == [56, 52, 25, 23, 11]
    assert [s[2] for s in sides] == [32, 64, 128, 256, 256]
    assert count(judge) == 4736 + 51_264 + 73_856 + 295_168 + 590_080 + 256 * 257 + 257


def test_first_weights_have_the_published_deviations():
    generator = deepsim.feature_generator("g", (1, 1, 64), size=64, top=256)
    for name, gain, inputs in (("dense1", 1, 64), ("up8", 1.8, 16 * 256), ("conv8", 0.9, 9 * 512)):
        kernel = generator.get_layer(name).kernel
        # of a transposed convolution, Caffe counts what it makes
        assert np.std(kernel) == pytest.approx(gain * np.sqrt(2 / inputs), rel=0.03)


@pytest.mark.parametrize(("shape", "size"), [
    ((7, 7, 8), 224), ((2, 2, 8), 64), ((8, 8, 4), 64), ((1, 1, 9), 48), ((32, 32, 2), 32),
])
def test_features_of_other_sides(shape, size):
    generator = deepsim.feature_generator("g", shape, size=size, filters=2, top=8, levels=False)
    made = generator(np.ones((1, np.prod(shape)), "float32"))
    assert made.shape == (1, size, size, 3) and np.ptp(made) > 0


def test_maps_that_cannot_be_doubled_are_refused():
    with pytest.raises(ValueError, match="3x3"):
        deepsim.feature_generator("g", (3, 3, 8), size=64)


def test_levels_are_divided():
    x = np.random.default_rng(0).normal(size=(2, 16)).astype("float32")
    made = []
    for levels in (True, False):
        generator = deepsim.feature_generator("g", (1, 1, 16), size=32, filters=2, top=8,
                                              levels=levels)
        if made:
            generator.set_weights(made[0][1])
        made.append((generator(x), generator.get_weights()))
    np.testing.assert_allclose(127.5 * made[0][0], made[1][0], rtol=1e-4, atol=1e-6)


def test_an_autoencoder_of_8x8x8():
    encoder, decoder = deepsim.deepsim_encoder("e", filters=4), deepsim.deepsim_decoder("g")
    assert encoder.output_shape == decoder.input_shape == (None, 512)
    assert decoder.output_shape == (None, 64, 64, 3)


def test_a_fully_connected_layer_as_maps():
    how = {"depth": 16, "filters": 2, "top": 6, "classes": 3, "size": 32}
    x = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype("float32")
    whole = vgg.vgg_classifier("c", dropout=0.5, **how)
    for layer, width in (("fc1", 6), ("fc2", 6), ("predictions", 3), ("pool4", 16)):
        part = vgg.vgg_layer("r", layer, **how)
        for x1 in part.layers:
            if x1.name in [y.name for y in whole.layers] and x1.weights:
                x1.set_weights(whole.get_layer(x1.name).get_weights())
        made = part(x).numpy()
        assert made.shape == ((2, 1, 1, width) if layer != "pool4" else (2, 2, 2, width))
        if layer == "predictions":
            np.testing.assert_allclose(made[:, 0, 0], whole(x, training=False), rtol=1e-4,
                                       atol=1e-6)
        elif layer != "pool4":
            assert made.min() == 0  # after the ReLU


def test_who_moves():
    """The published rule, by its own words, on a path through all of its cases."""
    balance, seen = deepsim.Balance(), []
    for ratio in (2.0, 0.09, 0.3, 0.6, 11.0, 0.6, 5.0, 0.05, 0.05, 20.0):
        balance.update(tf.constant(ratio))
        generator, discriminator = (not bool(x) for x in balance.stays)
        seen.append("g" * generator + "d" * discriminator)
    assert seen == ["gd", "g", "g", "gd", "d", "d", "d", "g", "g", "d"]
