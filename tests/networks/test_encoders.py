"""Encoders: layouts, frozen discriminators, VGG's weights by name, dropout, replicas, files."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan import networks

INVERTERS = [networks.fc_encoder, networks.deep_conv_encoder]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def judge(size=16, **changes):
    keras.utils.set_random_seed(0)
    network = networks.dcgan_discriminator("d", size=size, filters=2, **changes)
    for i, w in enumerate(network.weights):  # norms too, so that every copy matters
        w.assign(np.abs(0.3 * numbers(*w.shape, seed=i)) + 0.1)
    return network


def crg(**changes):
    keras.utils.set_random_seed(0)
    return networks.crg_encoder("e", **{"latent": 5, "filters": 2, **changes})


def count(network, norms=False):
    return sum(x.count_params() for x in network.layers if norms or "norm" not in x.name)


def inner(network, name):
    return keras.Model(network.input, network.get_layer(name).input)


# Inverting a DCGAN


def test_the_published_kinds_of_layers():
    dense = networks.fc_encoder("e")
    sizes = [(x.kernel.shape, x.bias.shape) for x in dense.layers if x.weights]
    assert sizes == [
        ((12288, 1024), (1024,)), ((1024, 512), (512,)), ((512, 256), (256,)), ((256, 100), (100,))
    ]
    deep = networks.deep_conv_encoder("e")
    convs = [x for x in deep.layers if isinstance(x, keras.layers.Conv2D)]
    assert [(x.filters, x.kernel_size[0], x.strides[0], x.output.shape[1]) for x in convs] == [
        (64, 3, 1, 64), (64, 4, 2, 32), (128, 3, 1, 32), (128, 4, 2, 16), (256, 3, 1, 16),
        (256, 4, 2, 8), (512, 3, 1, 8), (512, 4, 2, 4), (512, 3, 1, 4),
    ]
    norms = [x for x in deep.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert len(norms) == 9
    assert deep.get_layer("latent").kernel.shape == (8192, 100)


@pytest.mark.parametrize("make", INVERTERS)
def test_outputs_fit_the_prior(make):
    x = 50 * numbers(3, 16, 16, 3)
    normal = make("e", size=16, latent=7, filters=2)
    normal.get_layer("latent").kernel.assign(numbers(*normal.get_layer("latent").kernel.shape))
    uniform = make("e", size=16, latent=7, filters=2, prior="uniform")
    uniform.set_weights(normal.get_weights())
    z = np.asarray(normal(x, training=True))
    assert z.shape == (3, 7)
    assert np.abs(z).max() > 1
    assert z.min() < 0 < z.max()
    np.testing.assert_allclose(uniform(x, training=True), np.tanh(z), atol=1e-4)
    with pytest.raises(ValueError, match="prior must be"):
        make("e", size=16, prior="sphere")


def test_deep_conv_encoders_take_powers_of_two():
    assert networks.deep_conv_encoder("e", size=8, filters=1).count_params() > 0
    for size in (4, 12):
        with pytest.raises(ValueError, match="power of two from 8 up"):
            networks.deep_conv_encoder("e", size=size)


@pytest.mark.parametrize("make", [networks.transfer_encoder, networks.extended_transfer_encoder])
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_a_frozen_copy_of_the_discriminator(make, norm):
    source, x = judge(norm=norm), numbers(4, 16, 16, 3)
    encoder = make("e", source, latent=3)
    held, frozen = source.get_weights(), [w.numpy() for w in encoder.non_trainable_weights]
    z = encoder(x, training=True)
    assert z.shape == (4, 3)
    own = {v.path.split("/")[0] for v in encoder.trainable_variables}
    extended = {"extra_conv", "extra_norm", "hidden", "hidden_norm", "latent"}
    assert own == ({"latent"} if make is networks.transfer_encoder else extended)
    for v in encoder.trainable_variables:
        v.assign(v + 1)
    for old, new in zip(held, source.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert all(v.trainable for layer in source.layers for v in layer.trainable_variables)
    # the copy works as the deployed discriminator does, in training too
    end = {networks.transfer_encoder: "latent", networks.extended_transfer_encoder: "extra_conv"}
    place = "logit" if make is networks.transfer_encoder else "flatten"
    copied = inner(encoder, end[make])(x, training=True)
    np.testing.assert_allclose(copied, inner(source, place)(x), atol=1e-5)
    after = {w.path: w.numpy() for w in encoder.non_trainable_weights}
    for old, (path, new) in zip(frozen, after.items(), strict=True):
        moves = path.split("/")[0] in ("extra_norm", "hidden_norm")
        assert (np.abs(old - new).max() > 0) == moves, path


def test_later_weights_of_the_discriminator_are_brought():
    source, x = judge(), numbers(2, 16, 16, 3)
    encoder = networks.transfer_encoder("e", source, latent=3)
    before = encoder(x).numpy()
    for w in source.weights:
        w.assign(w * 1.5)
    np.testing.assert_array_equal(encoder(x), before)
    assert networks.transfer(source, encoder) == 3  # conv1, conv2, norm2
    assert np.abs(encoder(x) - before).max() > 1e-3
    np.testing.assert_allclose(inner(encoder, "latent")(x), inner(source, "logit")(x), atol=1e-5)


def test_discriminators_with_classes_are_refused():
    with pytest.raises(ValueError, match="classes=0"):
        networks.transfer_encoder("e", judge(classes=2))


# The cyclic reverse generator's


def test_parameters_are_the_derived_ones():
    encoder = networks.crg_encoder("e")
    assert count(encoder) == 21_924_288
    assert count(encoder, norms=True) - count(encoder) == 4 * (64 + 128 + 256 + 512 + 1024)
    assert count(networks.crg_encoder("e", variant="code")) == 26_643_904


@pytest.mark.parametrize("variant, new", [("paper", [32, 32]), ("code", [16, 16, 32, 32])])
def test_layout(variant, new):
    encoder = crg(variant=variant)
    convs = [x for x in encoder.layers if type(x) is keras.layers.Conv2D]
    assert [x.filters for x in convs] == [2, 2, 4, 4, 8, 8, 8, 16, 16, 16, *new]
    assert not [x.name for x in convs if x.name.startswith("block5")]
    order = [type(x).__name__ for x in encoder.layers[1:8]]
    assert order == ["Conv2D", "ReLU"] * 2 + [
        "BatchNormalization", "SpatialDropout2D", "MaxPooling2D"
    ]
    x = numbers(3, 40, 32, 3)
    assert inner(encoder, "z")(x).shape == (3, 5, 4, 5)  # pooled three times, not four
    z = encoder(x)
    assert z.shape == (3, 5)
    np.testing.assert_array_equal(z, np.max(inner(encoder, "z")(x), (1, 2)))
    encoder.get_layer("latent").bias.assign(-1e3 * np.ones(5))
    assert np.max(encoder(x)) < -100  # linear: z may be negative


@pytest.mark.parametrize("head, of_maps", [("max", np.max), ("mean", np.mean)])
def test_heads(head, of_maps):
    encoder, x = crg(head=head, dropout=0.0), numbers(2, 16, 16, 3)
    maps = np.asarray(inner(encoder, "z")(x))
    assert maps.shape == (2, 2, 2, 5)
    np.testing.assert_allclose(encoder(x), of_maps(maps, axis=(1, 2)), rtol=1e-5, atol=1e-6)


def test_what_cannot_be_built():
    for wrong in ({"variant": "other"}, {"pool": "min"}, {"head": "sum"}):
        with pytest.raises(ValueError, match="must be"):
            crg(**wrong)
    assert not [x for x in crg(dropout=0.0).layers if "dropout" in x.name]


@pytest.mark.parametrize("changes, copied", [
    ({"depth": 16}, 10), ({"depth": 19, "pool": "average", "slope": 0.2}, 12),
    ({"depth": 16, "imagenet_range": True}, 10),
])
def test_weights_of_a_vgg_are_transferred(changes, copied):
    source = networks.vgg_features("v", filters=2, taps=("relu4_3", "relu5_1"), **changes)
    encoder, x = crg(**changes), numbers(2, 16, 16, 3)
    kept = encoder.get_layer("new1_conv1").get_weights()
    assert networks.transfer(source, encoder) == copied
    np.testing.assert_array_equal(kept[0], encoder.get_layer("new1_conv1").kernel)
    # Fresh batch norm divides by sqrt(1 + 1e-3), three times before block 4; the rest is VGG.
    last = inner(encoder, "block4_norm" if changes["depth"] == 16 else "block4_conv4")
    expected = np.asarray(source(x)[0]) * 1.001**-1.5
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(last(x), expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


def test_a_classifiers_top_is_not_transferred():
    source = networks.vgg_classifier("v", classes=3, depth=16, filters=2, top=4)
    assert networks.transfer(source, crg()) == 10


def test_weights_of_another_width_are_refused_before_any_is_copied():
    fits = keras.layers.Conv2D(2, 3, name="block1_conv1")
    source = keras.Sequential(
        [keras.Input((None, None, 3)), fits, keras.layers.Conv2D(3, 3, name="block1_conv2")]
    )
    encoder = crg()
    before = encoder.get_layer("block1_conv1").get_weights()
    with pytest.raises(ValueError, match=r"block1_conv2 .*\(3,\).*\(2,\).*same filters"):
        networks.transfer(source, encoder)
    np.testing.assert_array_equal(encoder.get_layer("block1_conv1").kernel, before[0])


# Dropout, XLA, replicas, precision, files


def state_of(network):
    return [tf.convert_to_tensor(v) for v in network.non_trainable_variables]


@pytest.mark.parametrize("xla", [False, True])
def test_each_call_of_each_step_drops_other_maps(xla):
    encoder, x = crg(filters=16, slope=0.2), tf.constant(numbers(8, 8, 8, 3))
    middle = inner(encoder, "block1_pool")

    def step(state):
        mapping = zip(middle.non_trainable_variables, state, strict=True)
        with keras.StatelessScope(mapping) as scope:
            masks = [tf.reduce_all(middle(x, training=True) == 0, (1, 2)) for _ in range(2)]
        return masks, [scope.get_current_value(v) for v in middle.non_trainable_variables]

    step = tf.function(step, jit_compile=xla, autograph=False)
    first, state = step(state_of(middle))
    second, state = step(state)
    masks = [np.asarray(m) for m in (*first, *second)]
    assert len({m.tobytes() for m in masks}) == 4
    for mask in masks:
        assert 0.25 < mask.mean() < 0.75
        assert len({row.tobytes() for row in mask}) == 8  # every picture loses others
    again, _ = step(state_of(middle))
    np.testing.assert_array_equal(again, first)  # a function of the saved state
    assert not np.all(middle(x) == 0, (1, 2)).any()
    np.testing.assert_array_equal(middle(x), middle(x))


def test_half_precision_keeps_weights_and_results_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        source = judge()
        made = [
            networks.fc_encoder("e", size=16, filters=2),
            networks.deep_conv_encoder("e", size=16, filters=2, prior="uniform"),
            networks.extended_transfer_encoder("e", source), crg(imagenet_range=True),
        ]
    finally:
        keras.config.set_dtype_policy(before)
    for network in made:
        z = network(numbers(2, 16, 16, 3), training=True)
        assert z.dtype == "float32"
        assert np.isfinite(z).all()
        weights = {v.dtype for v in network.weights}
        assert weights == {"float32"}
    assert made[2].get_layer("conv1").compute_dtype == "bfloat16"


def test_encoders_are_saved_and_made_again(tmp_path):
    x = numbers(2, 16, 16, 3)
    for i, network in enumerate((
        networks.fc_encoder("e", size=16, filters=1),
        networks.deep_conv_encoder("e", size=16, filters=1),
        networks.extended_transfer_encoder("e", judge(clip=0.5)), crg(imagenet_range=True),
    )):
        network(x, training=True)
        network.save_weights(tmp_path / f"{i}.weights.h5")
        again = keras.Model.from_config(network.get_config())
        again.load_weights(tmp_path / f"{i}.weights.h5")
        np.testing.assert_array_equal(again(x), network(x))
        assert len(again.trainable_variables) == len(network.trainable_variables)
