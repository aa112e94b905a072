"""Reference networks: VGG's structure, weights in Keras' official layout, calibration."""

import dataclasses
import hashlib
import re
import sys

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan import networks
from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.models import reference as references
from kgan.networks import vgg

SMALL = "vgg_star_small.avatars"


def test_published_parameters():
    counts = {16: 138_357_544, 19: 143_667_240}
    for depth, count in counts.items():
        conv, wide = 0, 3
        for width, layers in zip(vgg.widths(64), vgg.DEPTHS[depth], strict=True):
            for _ in range(layers):
                conv, wide = conv + 9 * wide * width + width, width
        top = 25_088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000
        assert conv + top == count
    narrow = networks.vgg_classifier("c", classes=7, depth=19, filters=1, top=5, size=32)
    wide, total = 3, 0
    for width, layers in zip(vgg.widths(1), vgg.DEPTHS[19], strict=True):
        for _ in range(layers):
            total, wide = total + 9 * wide * width + width, width
    assert narrow.count_params() == total + (8 * 5 + 5) + (5 * 5 + 5) + (5 * 7 + 7)


@pytest.fixture(scope="module")
def official(tmp_path_factory):
    """A file as Keras distributes VGG-16: groups of layers with the names of Keras 1."""
    path = tmp_path_factory.mktemp("official") / "vgg16_notop.h5"
    random, blocks = np.random.default_rng(0), {}
    wide = 3
    with h5py.File(path, "w") as file:
        for block, (width, count) in enumerate(
            zip(vgg.widths(64), vgg.DEPTHS[16], strict=True), 1
        ):
            for i in range(1, count + 1):
                name = f"block{block}_conv{i}"
                kernel = random.standard_normal((3, 3, wide, width), "float32") * 0.03
                blocks[name] = kernel, random.standard_normal(width).astype("float32")
                wide = width
        names = ["input_1", *blocks]
        file.attrs["layer_names"] = [n.encode() for n in names]
        for name in names:
            group = file.create_group(name)
            keys = (f"{name}_W_1:0", f"{name}_b_1:0")
            arrays = dict(zip(keys, blocks.get(name, ()), strict=False))
            group.attrs["weight_names"] = [n.encode() for n in arrays]
            for key, array in arrays.items():
                group[key] = array
    return path, blocks


def test_official_weights_are_transferred(official):
    path, blocks = official
    network = references.build("vgg16", taps=("relu1_1", "relu3_1"))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    references.load(network, "vgg16", str(path), sha256)
    for name in ("block1_conv1", "block2_conv2", "block3_conv1"):
        for found, wanted in zip(network.get_layer(name).get_weights(), blocks[name], strict=True):
            np.testing.assert_array_equal(found, wanted)
    # the first map by hand: BGR less the means, a convolution, ReLU
    x = np.random.default_rng(1).uniform(-1, 1, (1, 8, 8, 3)).astype("float32")
    bgr = ((x + 1) * 127.5)[..., ::-1] - np.array([103.939, 116.779, 123.68], "float32")
    kernel, bias = blocks["block1_conv1"]
    wanted = tf.nn.relu(tf.nn.conv2d(bgr, kernel, 1, "SAME") + bias)
    np.testing.assert_allclose(network(x)[0], wanted, rtol=1e-3, atol=1e-2)


def test_a_file_must_be_known_or_named(official, tmp_path):
    path, _ = official
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(UserError, match=f"--vgg_sha256 {found}"):
        references.check(path)
    references.check(path, found.upper())
    damaged = tmp_path / "damaged.h5"
    data = bytearray(path.read_bytes()[:100_000])
    data[50_000] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(UserError, match="not what --vgg_sha256 says"):
        references.check(damaged, found)
    with pytest.raises(UserError, match="cannot be read"):
        references.check(tmp_path / "absent.h5")


def test_a_file_of_something_else(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.zeros(3)
    with pytest.raises(UserError, match=r"layout of\s+keras\.applications"):
        references.load(
            references.build("vgg16"), "vgg16", str(path),
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )


def test_vgg_star_pools_by_average_and_leaks():
    x = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
    taps = ("relu1_2", "relu2_1")
    star = networks.vgg_features("s", filters=2, pool="average", slope=0.2, taps=taps)
    plain = networks.vgg_features("p", filters=2, taps=taps)
    plain.set_weights(star.get_weights())
    first, second = star(x)
    assert (np.asarray(first) < 0).any()
    assert (np.asarray(plain(x)[0]) >= 0).all()
    conv = star.get_layer("block2_conv1")
    pooled = tf.nn.avg_pool2d(first, 2, 2, "VALID")
    np.testing.assert_allclose(second, tf.nn.leaky_relu(conv(pooled), 0.2), atol=1e-6)


def test_the_embedded_reference_is_frozen_and_gives_five_taps():
    network = references.build(SMALL)
    references.load(network, SMALL)
    assert not network.trainable_variables
    maps = network(np.zeros((2, 32, 48, 3), "float32"))
    assert [x.shape for x in maps] == [
        (2, 32 // 2**i, 48 // 2**i, c) for i, c in enumerate(references.channels(SMALL))
    ]


def test_the_embedded_reference_is_the_classifier_that_was_trained():
    from kgan.models import weights

    classifier = weights.load(SMALL).nets["classifier"]
    inner = keras.Model(
        classifier.inputs, classifier.get_layer("block5_conv1").output
    )
    x = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype("float32")
    network = references.build(SMALL)
    references.load(network, SMALL)
    np.testing.assert_allclose(
        network(x)[-1], tf.nn.leaky_relu(inner(x), 0.2), rtol=1e-4, atol=1e-5
    )


def test_calibrated_maps_have_mean_0_and_variance_1():
    network = references.build(SMALL)
    references.load(network, SMALL)
    x = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3)).astype("float32")
    before = network(x)
    references.calibrate(network, x)
    references.calibrate(network, x)  # again changes nothing
    for maps, raw in zip(network(x), before, strict=True):
        maps, raw = np.asarray(maps), np.asarray(raw)
        deviations = raw.std(axis=(0, 1, 2))
        lively = deviations > 0.1 * deviations.mean()
        assert lively.sum() > len(lively) / 2
        np.testing.assert_allclose(maps.mean(axis=(0, 1, 2)), 0, atol=1e-3)
        np.testing.assert_allclose(maps.std(axis=(0, 1, 2))[lively], 1, rtol=1e-3)
        assert (maps.std(axis=(0, 1, 2)) < 1.001).all()


@pytest.mark.parametrize("spec, says", [
    ("vgg_star_smal.avatars", "vgg_star_small.avatars"), ("vgg17", "vgg19"),
    ("no/such/run", "no folder"), ("cyclegan.avatars_smiling_64", "not a classifier"),
])
def test_wrong_specifications(spec, says):
    with pytest.raises((UsageError, UserError), match=says):
        references.channels(spec)


def test_calibration_in_parts_is_that_of_all():
    pictures = np.random.default_rng(0).uniform(-1, 1, (10, 32, 32, 3)).astype("float32")
    whole, parts = references.build(SMALL), references.build(SMALL)
    for network in (whole, parts):
        references.load(network, SMALL)
    references.calibrate(whole, pictures, batch=10)
    references.calibrate(parts, pictures, batch=4)
    for one, other in zip(whole.weights, parts.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    for maps in parts(pictures):
        np.testing.assert_allclose(np.mean(maps, (0, 1, 2)), 0, atol=1e-3)
        assert np.std(maps, (0, 1, 2)).max() < 1.001


def test_labels_of_references():
    assert "Wearing_Hat" in references.labels(SMALL)
    assert references.labels("vgg19") == ()


def test_a_classifier_begins_with_all_layers_and_says_which_it_could_not(monkeypatch, capsys):
    asked = []

    def download(include_top, weights):
        asked.append((include_top, weights))
        layers = [keras.layers.Dense(4, name="fc1"), keras.layers.Dense(9, name="predictions")]
        return keras.Sequential([keras.Input((25_088,)), *layers])

    monkeypatch.setattr(keras.applications, "VGG16", download)
    network = keras.Sequential([
        keras.Input((25_088,)), keras.layers.Dense(4, name="fc1"),
        keras.layers.Dense(3, name="predictions"),
    ], name="classifier")
    references.load_imagenet(network, 16)
    assert asked == [(True, "imagenet")]
    assert "note: predictions of classifier: no such weights" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["crg_encoder", "vgg_star", "dfi", "vgg_star_ms_cyclegan"])
def test_offline_advice_names_flags_that_the_tool_has(monkeypatch, capsys, name):
    """And what Keras says of its download is none of the results on stdout."""
    def offline(include_top, weights):
        print("Downloading data")
        raise OSError("no network")

    monkeypatch.setattr(keras.applications, "VGG16", offline)
    monkeypatch.setattr(keras.applications, "VGG19", offline)
    advice = sys.modules[registry.entry(name).model.__module__].OFFLINE
    network = references.build("vgg19", taps=("relu1_1",))
    with pytest.raises(UserError) as refused:
        references.load(network, "vgg19", instead=advice)
    assert str(refused.value) == (
        f"Keras cannot download its VGG-19 weights (OSError): go online once, or {advice}."
    )
    assert capsys.readouterr() == ("", "Downloading data\n")
    knobs = {field.name for field in dataclasses.fields(registry.recipe(name))}
    assert set(re.findall(r"--(\w+)", advice)) <= knobs
    for word in re.findall(r"[\w]+\.(?:avatars|cifar10)|dfi_small", advice):
        assert registry.entry(word)
