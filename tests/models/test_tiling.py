"""Tiles: what layers see, held to gradients; results of whole pictures; what is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from PIL import Image

from kgan import networks
from kgan.core import registry
from kgan.core.errors import UserError
from kgan.models import weights
from kgan.models.tiling import Tiles, Whole, seen, tiles


def joined(stride):
    """Branches that see differently far, one dilated, behind paddings and crops of all kinds."""
    x = picture = keras.Input((None, None, 3))
    x = layers.Conv2D(2, 4, stride, padding="same")(networks.ReflectionPadding2D(2)(x))
    x = layers.Cropping2D(1)(x)
    wide = layers.Conv2D(2, 3, padding="same", dilation_rate=3)(x)
    x = layers.Concatenate()([layers.PReLU(shared_axes=[1, 2])(wide), layers.Conv2D(2, 1)(x)])
    x = layers.Conv2DTranspose(2, 4, 2, padding="same")(layers.MaxPooling2D(2)(x))
    x = layers.UpSampling2D(stride)(layers.DepthwiseConv2D(5, padding="same")(x))
    x = layers.Conv2D(3, 3)(layers.ZeroPadding2D(1)(x))
    return keras.Model(picture, networks.srgan.PixelShuffle(2)(layers.Conv2D(12, 1)(x)))


NETWORKS = {
    "srresnet": lambda: networks.srgan.srresnet("g", filters=4, blocks=2),
    "srresnet x2": lambda: networks.srgan.srresnet("g", scale=2, filters=4, blocks=1),
    "plain": lambda: networks.plain_generator("g", filters=2, downsamplings=2, blocks=1),
    "plain, nearest": lambda: networks.plain_generator(
        "g", filters=2, downsamplings=2, blocks=1, upsample="nearest", blend=True),
    "joined": lambda: joined(2),
}


def positive(network):
    """All weights positive, so that nothing that is seen cancels out; tanh stays steep."""
    for v in network.trainable_variables:
        v.assign(tf.fill(v.shape, 1.0 / max(1, np.prod(v.shape[:-1]))))
    return network


def looked_at(network, side, row):
    """The rows of the input that row `row` of the result follows from, by gradients."""
    x = tf.Variable(tf.random.stateless_uniform((1, side, side, 3), (1, 2), 0.1, 0.2))
    with tf.GradientTape() as tape:
        # in float64 tiny gradients at the rim do not vanish
        total = tf.reduce_sum(tf.cast(network(tf.convert_to_tensor(x)), tf.float64)[:, row])
    rows = np.abs(tape.gradient(total, x).numpy()).sum((0, 2, 3)).nonzero()[0]
    return rows.min(), rows.max()


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_seen_is_what_gradients_reach(name):
    network = positive(NETWORKS[name]())
    field, grid = seen(network)
    side = 64
    scale = 1 / field.step
    middle = int(side // 2 * scale)
    first, last = side, 0
    period = int(grid * scale) or 1
    for row in range(middle, middle + period):  # strides see differently far
        a, b = looked_at(network, side, row)
        assert a >= row * field.step + field.first and b <= row * field.step + field.last
        first = min(first, a - row * field.step - field.first)
        last = max(last, b - row * field.step - field.last)
    assert first < grid and last > -grid  # and not much less


@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_make_the_whole(name):
    network = positive(NETWORKS[name]())
    run = tf.function(network, autograph=False, input_signature=[
        tf.TensorSpec([None, None, None, 3])])
    x = np.random.default_rng(0).uniform(-1, 1, (2, 52, 120, 3)).astype(np.float32)
    whole = run(x).numpy()
    how = tiles(network, 25, scale=whole.shape[1] // 52, multiple=4)
    assert how.side == 24
    seen_at_once = []

    def noted(part):
        seen_at_once.append(part.shape[1:3])
        return run(part)

    near = 1e-5 * np.ptp(whole)
    np.testing.assert_allclose(how.through(noted, [x]), whole, atol=near)
    assert len(seen_at_once) == 15 and np.max(seen_at_once) <= how.window
    less = Tiles(how.side, 0, how.scale)
    assert np.abs(less.through(run, [x]) - whole).max() > 100 * near  # the margin is needed


def test_networks_that_look_at_whole_pictures_are_refused_by_their_layer():
    for network, layer in (
        (networks.resnet_generator("g", filters=2, blocks=1), "InstanceNormalization"),
        (network_with(layers.GlobalAveragePooling2D(keepdims=True)), "GlobalAveragePooling2D"),
        (network_with(layers.GroupNormalization(1)), "GroupNormalization"),
    ):
        with pytest.raises(Whole, match=rf"its layer \w+ \({layer}\) looks at whole pictures"):
            tiles(network, 64)
    with pytest.raises(Whole, match="height and width differently"):
        tiles(network_with(layers.Conv2D(3, (3, 5))), 64)


def network_with(layer):
    picture = keras.Input((None, None, 3))
    return keras.Model(picture, layers.Add()([picture, layer(picture)]) if not isinstance(
        layer, layers.Conv2D) else layer(picture))


def build(name):
    entry = registry.entry(name)
    keras.utils.set_random_seed(0)
    model = entry.model(entry.recipe.replace(**entry.tiny))
    model.name_in_zoo = name
    return model


def test_a_model_translates_in_tiles():
    model = build("srresnet")
    x = np.random.default_rng(1).integers(0, 256, (1, 50, 35, 3), dtype=np.uint8)
    whole = model.translate(x).numpy()
    made = model.translate(x, tile=16)
    assert made.dtype == tf.uint8 and made.shape == (1, 200, 140, 3)
    assert np.abs(made.numpy().astype(int) - whole).max() <= 1
    assert np.ptp(whole) > 50
    floats = model.translate(x / np.float32(127.5) - 1, tile=16)
    assert floats.dtype == tf.float32 and np.abs(floats).max() <= 1


@pytest.mark.parametrize("name, why", [
    ("cyclegan", r"its layer \w+ \(InstanceNormalization\) looks at whole pictures"),
    ("stargan", "it does more than run a network of layers"),
])
def test_a_model_without_tiles_says_why(name, why):
    with pytest.raises(UserError, match=rf"{name} makes no tiles, which would differ .*: {why}"):
        build(name).translate(np.zeros((1, 64, 64, 3), np.uint8), tile=16)


def test_a_command_translates_in_tiles(tool, tmp_path):
    model = build("srresnet")
    weights.write(model, tmp_path / "weights", finished=True)
    picture = np.random.default_rng(2).integers(0, 256, (40, 60, 4), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "in.png")
    done = tool("translate", "--model", tmp_path / "weights", "--input", tmp_path / "in.png",
                "--output", tmp_path / "out", "--tile", 16)
    assert done.code == 0, done.stderr
    whole = model.translate(picture[None, ..., :3]).numpy()[0].astype(int)
    with Image.open(tmp_path / "out/in.png") as made:
        assert made.mode == "RGBA"
        assert np.abs(np.asarray(made)[..., :3] - whole).max() <= 1
