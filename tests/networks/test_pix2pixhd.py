"""pix2pixHD's networks: published sizes, small arrays by hand, what recomputing changes and not."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan import networks
from kgan.core import memory
from kgan.networks import pix2pixhd


def test_the_generators_have_the_published_sizes():
    """NVIDIA/pix2pixHD, with the 36 maps of Cityscapes: 35 classes and boundaries."""
    first = pix2pixhd.global_generator("g1", channels=36)
    assert first.count_params() + pix2pixhd.head("h", filters=64).count_params() == 182_546_755
    second = pix2pixhd.local_enhancer("g2", channels=36)
    last = pix2pixhd.head("h", filters=32)
    assert sum(x.count_params() for x in (first, second, last)) == 182_857_059
    third = pix2pixhd.local_enhancer("g3", channels=36, filters=16)
    assert third.output_shape[-1] == 16 and third.inputs[1].shape[-1] == second.output_shape[-1]


def test_the_encoder_and_a_discriminator_have_the_published_sizes():
    assert pix2pixhd.feature_encoder("e").count_params() == 788_803
    judge = networks.patch_discriminator("d", channels=39, padding=2, features=True)
    assert judge.count_params() == 2_801_601
    shapes = judge.compute_output_shape((1, 512, 1024, 39))
    assert shapes == [(1, 257, 513, 64), (1, 129, 257, 128), (1, 65, 129, 256), (1, 66, 130, 512),
                      (1, 67, 131, 1)]


def test_the_maps_of_a_discriminator_are_what_its_logits_are_made_of():
    given = np.random.default_rng(0).normal(size=(1, 16, 16, 3)).astype("float32")
    judge = networks.patch_discriminator("d", filters=2, strided=1, features=True)
    plain = networks.patch_discriminator("d", filters=2, strided=1)
    plain.set_weights(judge.get_weights())
    first, last, opinion = judge(given)
    np.testing.assert_array_equal(opinion, plain(given))
    kernel, bias = judge.get_weights()[:2]
    wanted = tf.nn.conv2d(tf.pad(given, [[0, 0], [1, 1], [1, 1], [0, 0]]), kernel, 2, "VALID")
    np.testing.assert_allclose(first, tf.nn.leaky_relu(wanted + bias, 0.2), atol=1e-6)
    assert last.shape == (1, 7, 7, 4)


def test_boundaries_by_hand():
    ids = np.array([[7, 7, 9, 9],
                    [7, 7, 9, 9],
                    [7, 7, 7, 26001]])
    wanted = np.array([[0, 1, 1, 0],
                       [0, 1, 1, 1],
                       [0, 0, 1, 1]])
    both = np.stack([ids, np.zeros_like(ids)])[..., None].astype("int32")
    found = pix2pixhd.boundaries(both)
    np.testing.assert_array_equal(found[0, ..., 0], wanted)
    np.testing.assert_array_equal(found[1], np.zeros((3, 4, 1)))
    assert found.dtype == tf.float32


def test_instances_are_pooled_by_hand():
    ids = np.array([[[1, 1], [0, 65535]], [[1, 1], [1, 5]]], "int32")[..., None]
    maps = np.array([[[1, 3], [5, 7]], [[2, 4], [6, -8]]], "float32")[..., None]
    maps = np.concatenate([maps, -10 * maps], -1)
    found = pix2pixhd.instance_means(maps, ids)
    wanted = np.array([[[2, 2], [5, 7]], [[4, 4], [4, -8]]])
    np.testing.assert_allclose(found[..., 0], wanted)
    np.testing.assert_allclose(found[..., 1], -10 * wanted)
    with tf.GradientTape() as tape:
        x = tf.constant(maps)
        tape.watch(x)
        paid = pix2pixhd.instance_means(x, ids)[1, 0, 0, 0]  # of three pixels
    wanted = np.zeros_like(maps)
    wanted[1, :, :, 0] = [[1 / 3, 1 / 3], [1 / 3, 0]]
    np.testing.assert_allclose(tape.gradient(paid, x), wanted)


def test_pictures_shrink_by_means_and_ids_as_the_data_shrink_them():
    x = np.arange(32.0, dtype="float32").reshape(1, 4, 8, 1)
    np.testing.assert_allclose(pix2pixhd.shrunk(x, 4).numpy().ravel(), [13.5, 17.5])
    ids = np.random.default_rng(0).integers(0, 99, (2, 8, 16, 1), np.int32)
    for factor in (1, 2, 4):
        wanted = tf.image.resize(ids, (8 // factor, 16 // factor), "nearest")
        np.testing.assert_array_equal(pix2pixhd.shrunk(ids, factor), wanted)


def test_an_enhancer_adds_what_the_level_below_gives():
    network = pix2pixhd.local_enhancer("g2", channels=5, filters=3, blocks=0)
    given = np.random.default_rng(0).normal(size=(1, 8, 16, 5)).astype("float32")
    below = np.random.default_rng(1).normal(size=(1, 4, 8, 6)).astype("float32")
    front, middle, back = (x for x in network.layers if isinstance(x, pix2pixhd.Recomputed))
    np.testing.assert_allclose(network([given, below]), back(middle(front(given)) + below),
                               atol=1e-6)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_recomputing_changes_no_number(policy):
    keras.config.set_dtype_policy(policy)
    try:
        made = [pix2pixhd.global_generator("g", channels=3, filters=4, downsamplings=1, blocks=1,
                                           remat=again) for again in (False, True)]
    finally:
        keras.config.set_dtype_policy("float32")
    made[1].set_weights(made[0].get_weights())
    x = np.random.default_rng(0).normal(size=(2, 8, 16, 3)).astype("float32")

    @tf.function(autograph=False)
    def gradients(network_values, x, number):
        network = made[number]
        with tf.GradientTape() as tape:
            tape.watch([x, network_values])
            mapping = zip(network.trainable_variables, network_values, strict=True)
            with keras.StatelessScope(mapping):
                y = tf.cast(network(x, training=True), tf.float32)
            paid = tf.reduce_mean(y**2) + tf.reduce_mean(y[:, :4])
        return tape.gradient(paid, [x, *network_values])

    values = [tf.convert_to_tensor(v) for v in made[0].trainable_variables]
    plain, again = (gradients(values, tf.constant(x), number) for number in (0, 1))
    largest = max(float(tf.reduce_max(tf.abs(g))) for g in plain)
    assert largest > 0
    exact = 1e-6 if policy == "float32" else 0.02
    for one, other in zip(plain, again, strict=True):
        np.testing.assert_allclose(one, other, atol=largest * exact)


def test_recomputing_takes_less_memory():
    """Of the graph of a gradient, in the order of its operations: nothing runs."""
    def most(again):
        network = pix2pixhd.global_generator("g", channels=3, filters=8, downsamplings=2, blocks=4,
                                             remat=again)

        def gradients(x, values):
            with tf.GradientTape() as tape:
                tape.watch(values)
                mapping = zip(network.trainable_variables, values, strict=True)
                with keras.StatelessScope(mapping):
                    paid = tf.reduce_mean(network(x, training=True) ** 2)
            return tape.gradient(paid, values)

        values = [tf.TensorSpec(v.shape, v.dtype) for v in network.trainable_variables]
        return memory._peak(gradients, [tf.TensorSpec([1, 64, 128, 3]), values])

    assert most(again=True) < 0.75 * most(again=False)


def test_networks_are_read_as_they_were_written():
    network = pix2pixhd.local_enhancer("g2", channels=2, filters=2, blocks=1, remat=True)
    again = keras.Model.from_config(network.get_config())
    again.set_weights(network.get_weights())
    given = np.ones((1, 4, 8, 2), "float32"), np.ones((1, 2, 4, 4), "float32")
    np.testing.assert_array_equal(network(given), again(given))
    assert all(x.again for x in again.layers if isinstance(x, pix2pixhd.Recomputed))


def test_styles_are_gathered_by_hand():
    layer = pix2pixhd.Styles(3, 2, 1)
    layer.set_weights([np.array([[[1], [2]], [[3], [0]], [[0], [0]]]), np.array([2, 1, 0])])
    share = np.array([[[0.0, 0.49, 0.5, 0.99, 0.99, 0.99]]], "float32")
    labels = np.array([[[0, 0, 0, 0, 1, 2]]], "int32")
    np.testing.assert_array_equal(layer(share, labels)[..., 0], [[[1, 1, 2, 2, 3, 0]]])
    again = pix2pixhd.Styles.from_config(layer.get_config())
    assert [w.shape for w in again.weights] == [w.shape for w in layer.weights]
    assert not layer.trainable_variables
