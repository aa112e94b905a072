"""DCGAN's networks: published sizes, norms, clipping, classes, features, XLA and replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan import networks
from kgan.core.recipe import Recipe
from kgan.data.signals import usual
from kgan.models.gan import GAN
from kgan.networks import dcgan


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def generator(**changes):
    keras.utils.set_random_seed(0)
    return networks.dcgan_generator("g", **{"size": 16, "latent": 5, "filters": 2, **changes})


def discriminator(**changes):
    keras.utils.set_random_seed(0)
    network = networks.dcgan_discriminator("d", **{"size": 16, "filters": 2, **changes})
    for i, w in enumerate(network.trainable_variables):  # far enough from 0 to be seen
        w.assign(0.3 * numbers(*w.shape, seed=i) + ("gamma" in w.name))
    return network


def trainable(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


# Sizes


def test_parameters_are_the_published_ones():
    made = networks.dcgan_generator("g")
    assert trainable(made) == 5_135_363
    assert made.count_params() == 5_135_363 + 2 * (512 + 256 + 128 + 64)
    for norm, affine in (("batch", 0), ("layer", 0), ("none", 2 * (128 + 256 + 512))):
        assert trainable(networks.dcgan_discriminator("d", norm=norm)) == 4_316_545 - affine


@pytest.mark.parametrize("size, widths", [(16, [2, 4]), (128, [2, 4, 8, 16, 16])])
def test_any_power_of_two(size, widths):
    made, judge = generator(size=size), discriminator(size=size)
    assert made.output.shape == (None, size, size, 3)
    assert judge.output.shape == (None, 1)
    convs = [x for x in judge.layers if isinstance(x, keras.layers.Conv2D)]
    assert [(x.filters, x.output.shape[1]) for x in convs] == [
        (width, size // 2 ** (i + 1)) for i, width in enumerate(widths)
    ]
    norms = [x for x in made.layers if isinstance(x, dcgan.BatchNormalization)]
    assert [x.gamma.shape[0] for x in norms] == widths[::-1]
    assert [x.output.shape[1] for x in norms] == [4 * 2**i for i in range(len(widths))]


@pytest.mark.parametrize("size", [0, 8, 48, 65])
def test_other_sizes_are_refused(size):
    for make in (generator, discriminator):
        with pytest.raises(ValueError, match=f"power of two from 16 up, not {size}"):
            make(size=size)
    with pytest.raises(ValueError, match="norm must be"):
        discriminator(norm="instance")


def test_pictures_are_float32_in_range_in_any_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        made, judge = generator(classes=2), discriminator(classes=2)
        features = networks.discriminator_features(judge)
    finally:
        keras.config.set_dtype_policy(before)
    y = tf.constant([[1.0, -1.0]] * 3)
    picture = made([tf.constant(20 * numbers(3, 5)), y], training=True)
    assert picture.dtype == "float32"
    assert 0.1 < np.abs(picture).max() <= 1
    assert judge([picture, y], training=True).dtype == "float32"
    assert {x.dtype for x in features([picture, y])} == {tf.float32}
    assert made.get_layer("conv1").compute_dtype == "bfloat16"
    assert {v.dtype for v in made.variables + judge.variables} == {"float32"}


# Norms


def test_batch_norm_of_a_step_and_of_a_deployed_generator():
    made, z = generator(), 100 * numbers(8, 5)
    norm = made.get_layer("norm1")
    kernel, bias = made.get_layer("project").get_weights()
    maps = (z @ kernel + bias).reshape(8, 4, 4, 4)
    made(z)
    np.testing.assert_array_equal(norm.moving_mean, 0)
    made(z, training=True)
    np.testing.assert_allclose(norm.moving_mean, 0.1 * maps.mean((0, 1, 2)), rtol=1e-4)
    moved = 0.9 + 0.1 * maps.var((0, 1, 2))
    np.testing.assert_allclose(norm.moving_variance, moved, rtol=1e-4)
    middle = keras.Model(made.input, norm.output)
    expected = (maps - 0.1 * maps.mean((0, 1, 2))) / np.sqrt(moved + 1e-5)
    np.testing.assert_allclose(middle(z), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("mixed_bfloat16", 2e-2)])
@pytest.mark.parametrize("maps", [4, 16])
def test_batch_norm_is_keras(maps, dtype, tolerance):
    x, upstream = 2.0 * numbers(3, 5, 7, maps) + 1.0, numbers(3, 5, 7, maps, seed=1)
    found = []
    for kind in (dcgan.BatchNormalization, keras.layers.BatchNormalization):
        norm = kind(momentum=0.9, epsilon=1e-2, dtype=dtype)
        norm.build(x.shape)
        norm.gamma.assign(numbers(maps))
        given = tf.cast(x, norm.compute_dtype)
        with tf.GradientTape() as tape:
            tape.watch(given)
            y = norm(given, training=True)
        gradients = tape.gradient(y, [given, norm.gamma, norm.beta], tf.cast(upstream, y.dtype))
        moving = [norm.moving_mean.value, norm.moving_variance.value]
        found.append([tf.cast(v, tf.float32) for v in (y, *gradients, *moving)])
    for ours, keras_own in zip(*found, strict=True):
        scale = float(tf.reduce_max(tf.abs(keras_own)))
        np.testing.assert_allclose(ours, keras_own, atol=tolerance * scale)


@pytest.mark.parametrize("norm", ["layer", "none", "batch"])
def test_only_batch_norm_mixes_pictures(norm):
    judge, x = discriminator(norm=norm), numbers(4, 16, 16, 3)
    alone, together = judge(x[:2], training=True), judge(x, training=True)[:2]
    assert (np.abs(alone - together).max() > 1e-3) == (norm == "batch")
    if norm == "layer":
        maps = np.asarray(keras.Model(judge.input, judge.get_layer("conv2").output)(x))
        layer = judge.get_layer("norm2")
        mean, variance = maps.mean((1, 2, 3), keepdims=True), maps.var((1, 2, 3), keepdims=True)
        expected = layer.gamma * (maps - mean) / np.sqrt(variance + 1e-5) + layer.beta
        np.testing.assert_allclose(layer(maps), expected, atol=1e-4)


def test_first_layers_have_no_norm():
    for norm in ("batch", "layer"):
        named = {x.name for x in discriminator(norm=norm).layers}
        assert "norm2" in named
        assert "norm1" not in named


# Clipping


def test_every_weight_is_clipped_after_an_update():
    judge = discriminator(clip=0.01)
    assert max(np.abs(v).max() for v in judge.trainable_variables) > 0.5
    optimizer = keras.optimizers.RMSprop(5e-5)
    optimizer.apply([tf.ones(v.shape) for v in judge.trainable_variables],
                    judge.trainable_variables)
    assert all(np.abs(v).max() <= 0.01 for v in judge.trainable_variables)
    gamma = judge.get_layer("norm2").gamma
    assert np.abs(gamma).max() == np.float32(0.01)
    assert all(v.constraint is None for v in discriminator().trainable_variables)


# Classes


def test_classes_reach_pictures_and_logits():
    made, judge = generator(classes=3), discriminator(classes=3)
    z, x, y = numbers(2, 5), numbers(2, 16, 16, 3), np.float32([[1, -1, 1], [-1, -1, 1]])
    for network, given in ((made, z), (judge, x)):
        plain, other = network([given, y]), network([given, -y])
        assert (np.abs(plain - other).reshape(2, -1).max(1) > 1e-6).all()
    # y comes after the first convolution, as maps beside its own
    assert judge.get_layer("conv1").kernel.shape == (5, 5, 3, 2)
    assert judge.get_layer("conv2").kernel.shape == (5, 5, 2 + 3, 4)
    joined = keras.Model(judge.input, judge.get_layer("join").output)([x, y])
    np.testing.assert_array_equal(joined[..., 2:], np.broadcast_to(y[:, None, None], (2, 8, 8, 3)))


# Features


def test_features_are_the_maps_after_each_nonlinearity():
    judge, x = discriminator(), numbers(2, 16, 16, 3)
    maps = networks.discriminator_features(judge)(x)
    assert [m.shape for m in maps] == [(2, 8, 8, 2), (2, 4, 4, 4)]
    first = np.asarray(judge.get_layer("conv1")(x))
    np.testing.assert_allclose(maps[0], np.where(first > 0, first, 0.2 * first), rtol=1e-5)
    logits = np.reshape(maps[1], (2, -1)) @ judge.get_layer("logit").kernel
    np.testing.assert_allclose(logits + judge.get_layer("logit").bias, judge(x), rtol=1e-4)


def test_pooled_takes_the_greatest_of_each_cell():
    one = np.arange(64, dtype="float32").reshape(1, 8, 8, 1)
    two = np.stack([np.arange(16), -np.arange(16)], -1).reshape(1, 4, 4, 2).astype("float32")
    row = networks.pooled([one, two])
    rows = [9 + 16 * i + 2 * j for i in range(4) for j in range(4)]
    assert np.asarray(row).tolist() == [rows + [s * i for i in range(16) for s in (1, -1)]]


def test_the_papers_28672_features():
    judge = networks.cifar_discriminator("d")
    features = networks.discriminator_features(judge)
    shapes = [(32, 128), (16, 128), (16, 256), (8, 256), (8, 512), (4, 512)]
    assert [x.shape[1:] for x in features.outputs] == [(s, s, c) for s, c in shapes]
    assert networks.pooled(features.outputs).shape == (None, 28_672)
    norms = [x.name for x in judge.layers if isinstance(x, dcgan.BatchNormalization)]
    assert norms == [f"norm{i}" for i in range(2, 7)]


# XLA, second order, replicas, files


def penalty(network, x, values):
    """The gradient by the weights of a gradient penalty, as a pure function."""
    with tf.GradientTape() as outer:
        outer.watch(values)
        with keras.StatelessScope(zip(network.trainable_variables, values, strict=True)):
            with tf.GradientTape() as inner:
                inner.watch(x)
                total = tf.reduce_sum(network(x, training=True))
            norms = tf.sqrt(tf.reduce_sum(inner.gradient(total, x) ** 2, (1, 2, 3)))
            paid = tf.reduce_mean((norms - 1.0) ** 2)
    return paid, outer.gradient(paid, values, unconnected_gradients="zero")


@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_gradient_penalty_under_xla(norm):
    judge, x = discriminator(norm=norm), tf.constant(numbers(2, 16, 16, 3))
    values = [tf.convert_to_tensor(v) for v in judge.trainable_variables]
    paid, gradients = penalty(judge, x, values)
    compiled = tf.function(lambda x, v: penalty(judge, x, v), jit_compile=True, autograph=False)
    for ours, theirs in zip(tf.nest.flatten(compiled(x, values)), [paid, *gradients], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    # along the gradient, the penalty changes as the gradient says
    size = float(tf.linalg.global_norm(gradients))
    ahead, behind = (
        penalty(judge, x, [v + s * 1e-4 / size * g for v, g in zip(values, gradients, strict=True)])
        for s in (1, -1)
    )
    assert float(ahead[0] - behind[0]) / 2e-4 == pytest.approx(size, rel=2e-2)


class Judge(GAN):
    players = {"discriminator": ("d",)}
    norm = dcgan.BatchNormalization

    def build_networks(self, recipe):
        picture = keras.Input((None, None, 3))
        return {"d": keras.Model(picture, self.norm(momentum=0.9)(picture))}

    @classmethod
    def signals_of(cls, recipe):
        return usual(recipe.size, {"a": 3})

    def loss_terms(self, batch):
        return {"discriminator": {"real": tf.reduce_mean(self.d(batch["a"], training=True))}}


@pytest.mark.parametrize("norm, agree", [
    (dcgan.BatchNormalization, True), (keras.layers.BatchNormalization, False),
])
@pytest.mark.parametrize("xla", [False, True])
def test_moving_statistics_of_replicas_are_their_mean(mirrored, norm, agree, xla):
    # If Keras' own layer ever agrees too, ours can go.
    x = numbers(4, 8, 8, 3) + np.arange(4, dtype="float32")[:, None, None, None]
    parts = mirrored.experimental_distribute_values_from_function(
        lambda context: {"a": tf.constant(x[2 * context.replica_id_in_sync_group :][:2])}
    )
    with mirrored.scope():
        model = type("J", (Judge,), {"norm": norm})(Recipe(size=8, batch=4))
        model.compile(xla=xla)
    mirrored.run(tf.function(model.train_step, autograph=False), args=(parts,))
    layer = model.d.layers[-1]
    means, variances = (
        [v.numpy() for v in mirrored.experimental_local_results(w.value)]
        for w in (layer.moving_mean, layer.moving_variance)
    )
    shares = np.stack([x[:2], x[2:]])
    expected = 0.1 * shares.mean((1, 2, 3)), 0.9 + 0.1 * shares.var((1, 2, 3))
    for found, own in zip((means, variances), expected, strict=True):
        own = [own.mean(0)] * 2 if agree else own
        np.testing.assert_allclose(found, own, rtol=1e-4)
    assert (np.abs(means[0] - means[1]).max() < 1e-6) == agree


def test_networks_are_saved_and_made_again(tmp_path):
    z, y, x = numbers(2, 5), np.float32([[1, -1]] * 2), numbers(2, 16, 16, 3)
    for i, (network, given) in enumerate((
        (generator(classes=2), [z, y]), (discriminator(clip=0.5), x),
        (discriminator(norm="layer", classes=2), [x, y]),
    )):
        network(given, training=True)
        again = keras.Model.from_config(network.get_config())
        network.save_weights(tmp_path / f"{i}.weights.h5")
        again.load_weights(tmp_path / f"{i}.weights.h5")
        np.testing.assert_array_equal(network(given), again(given))
        constraints = [
            [v.constraint and v.constraint.get_config() for v in n.trainable_variables]
            for n in (network, again)
        ]
        assert constraints[0] == constraints[1]
