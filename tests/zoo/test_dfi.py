"""Deep Feature Interpolation: the method against numbers known in closed form, and the model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.data import Data, open_data
from kgan.editing import dfi
from kgan.models import weights

RECIPE = registry.recipe("dfi_small").replace(
    **registry.entry("dfi_small").tiny, beta=0.0, alpha=1.0
)


def linear(matrix):
    """phi(z) = flat(z) @ matrix, and its objective."""
    matrix = tf.constant(matrix, tf.float32)

    def phi(z):
        return tf.reshape(z, [tf.shape(z)[0], -1]) @ matrix

    return phi, dfi.objective(phi)


def picture(shape=(2, 2, 3), seed=0):
    return np.random.default_rng(seed).uniform(-0.3, 0.3, shape).astype(np.float32)


# The method


@pytest.mark.parametrize("features", [12, 20])
def test_linear_features_reach_the_known_optimum(features):
    random = np.random.default_rng(1)
    matrix = np.eye(12, features) + 0.2 * random.normal(size=(12, features))
    w, x = 0.2 * random.normal(size=features), picture()
    phi, objective = linear(matrix)
    goal = phi(x[None])[0] + tf.constant(w, tf.float32)
    found = dfi.solve(objective, x, goal, lambda_tv=0.0, iterations=200)
    expected = x + (w @ np.linalg.pinv(matrix)).reshape(x.shape)
    assert np.abs(expected - x).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_terms_are_weighed_as_means():
    # phi(z) = z: minimise 1/24 sum (g - z)^2 + lambda/12 sum of squared differences, for each
    # channel of 2x2 pixels, so (I + 2 lambda L) z = g with L the Laplacian of a square.
    laplacian = np.array([[2, -1, -1, 0], [-1, 2, 0, -1], [-1, 0, 2, -1], [0, -1, -1, 2]])
    x, goal = picture(), picture(seed=1)
    _, objective = linear(np.eye(12))
    found = dfi.solve(objective, x, goal.ravel(), lambda_tv=0.7, iterations=200)
    expected = np.linalg.solve(np.eye(4) + 1.4 * laplacian, goal.reshape(4, 3))
    np.testing.assert_allclose(found.reshape(4, 3), expected, atol=1e-3)


def test_the_result_stays_within_the_range_of_pictures():
    x, goal = picture(), 5.0 * picture(seed=1)
    _, objective = linear(np.eye(12))
    found = dfi.solve(objective, x, goal.ravel(), lambda_tv=0.0, iterations=50)
    assert np.abs(goal).max() > 1.2
    np.testing.assert_allclose(found, np.clip(goal, -1, 1), atol=1e-3)


def test_iterations_bound_the_work():
    x, goal = picture((8, 8, 3)), picture((8, 8, 3), seed=1)
    _, objective = linear(np.diag(np.linspace(0.1, 3, 192)))
    gap = [
        np.abs(dfi.solve(objective, x, goal.ravel(), lambda_tv=0.1, iterations=i) - x).max()
        for i in (1, 50)
    ]
    assert 0 < gap[0] < gap[1]


def test_total_variation_by_hand():
    z = np.array([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    # right: 1 + 4, 0, 4 + 0; down: 0 + 1 + 9, 4 + 0 + 0; in all 23 over 9 values
    pictures = tf.constant(np.stack([z, 0 * z + 0.5])[..., None], tf.float32)
    np.testing.assert_allclose(dfi.total_variation(pictures), [23 / 9, 0.0], rtol=1e-6)
    # three like channels: three times the sum, over three times the values
    np.testing.assert_allclose(dfi.total_variation(tf.repeat(pictures, 3, -1))[0], 23 / 9, 1e-6)


def test_neighbours_are_the_nearest_by_angle():
    bank = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1], [0.8, 0.6, 0], [-1, 0, 0]], np.float32)
    query = np.array([1, 0, 0], np.float32)
    assert dfi.nearest(query, bank, 3).tolist() == [0, 3, 1]
    assert dfi.nearest(query, bank, 99).tolist() == [0, 3, 1, 2, 4]


def test_step_by_hand():
    source, target = tf.constant([1.0, 1.0]), tf.constant([2.0, 4.0])  # w = 1, 3; mean w^2 = 5
    np.testing.assert_allclose(dfi.step(source, target, 2.0, 0.0), [2.0, 6.0])
    np.testing.assert_allclose(dfi.step(source, target, 2.0, 0.4), [0.08, 0.24], rtol=1e-6)
    np.testing.assert_array_equal(dfi.step(source, source, 2.0, 0.4), [0.0, 0.0])


def convolution(kernel):
    """A network of a 1x1 convolution and a ReLU."""
    inputs = keras.Input((None, None, 3))
    layer = keras.layers.Conv2D(np.shape(kernel)[-1], 1, use_bias=False, activation="relu")
    network = keras.Model(inputs, layer(inputs))
    layer.set_weights([np.reshape(kernel, (1, 1, 3, -1))])
    return network


def test_filters_are_divided_by_their_mean_activation():
    pictures = np.abs(picture((3, 4, 4, 3)))
    kernel = np.array([[1, 0, 100, -1], [0, 5, 0, -1], [0, 0, 0, -1]], np.float32)
    maps = dfi.maps(convolution(kernel))
    _, activations = dfi.describe(maps, pictures, (4, 4), batch=2)
    red, green = pictures[..., 0].mean(), pictures[..., 1].mean()
    np.testing.assert_allclose(activations[0], [red, 5 * green, 100 * red, 0.0], rtol=1e-5)
    phi = dfi.features(maps, activations)(pictures).numpy().reshape(3, 4, 4, 4)
    # the first is under a tenth of the mean and divided by that; the last never fires
    floor = 0.1 * (101 * red + 5 * green) / 4
    np.testing.assert_allclose(phi[..., 0], pictures[..., 0] / floor, rtol=1e-5)
    np.testing.assert_allclose(phi[..., 2], pictures[..., 0] / red, rtol=1e-5)
    assert not phi[..., 3].any()


def test_descriptors_are_directions_of_the_deepest_map_at_one_size():
    pictures = np.abs(picture((3, 8, 8, 3)))
    maps = dfi.maps(convolution(np.eye(3)))
    found, _ = dfi.describe(maps, pictures, (4, 4), batch=2)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    brighter, _ = dfi.describe(maps, 2 * pictures, (4, 4), batch=3)
    assert found.shape == (3, 48)
    np.testing.assert_allclose(found, brighter, atol=1e-6)


def test_mean_features_are_those_of_all_pictures_in_the_size_asked_for():
    phi, _ = linear(np.eye(48))
    pictures = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)
    mean = dfi.mean_features(phi, pictures, (4, 4), batch=2)
    np.testing.assert_allclose(mean, (pictures / 127.5 - 1).mean(0).ravel(), atol=1e-5)
    flat = np.full((2, 9, 7, 3), 51, np.uint8)
    np.testing.assert_allclose(dfi.mean_features(phi, flat, (4, 4), batch=2), -0.6, atol=1e-5)


# The model

DFI = registry.entry("dfi_small").model


class RandomDFI(DFI):
    """DFI through three convolutions of random weights, at 1/4, 1/8 and 1/16 of the side."""

    def build_networks(self, r):
        x = inputs = keras.Input((None, None, 3))
        taps = []
        for stride in (4, 2, 2):
            x = keras.layers.AveragePooling2D(stride)(x)
            x = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
            taps.append(x)
        return {"reference": keras.Model(inputs, taps)}


def make(**changes):
    keras.utils.set_random_seed(0)
    return RandomDFI(RECIPE.replace(**changes))


@pytest.fixture(scope="module")
def data():
    """Dark pictures and light ones."""
    random = np.random.default_rng(0)
    dark, light = (random.integers(low, low + 60, (6, 16, 16, 3), np.uint8) for low in (40, 150))
    return Data(spec="dark", train={"a": dark, "b": light}, test={})


@pytest.fixture(scope="module")
def model(data):
    made = make()
    made.prepare(data)
    return made


@pytest.fixture
def edit(model):
    """`edit(images, direction, **changes)`: one model's results with other knobs."""

    def run(images, direction=None, **changes):
        model.recipe = RECIPE.replace(**changes)
        return model.translate(images, direction).numpy()

    return run


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float16])
def test_translate_keeps_shape_and_type(edit, dtype):
    images = np.full((2, 19, 33, 3), 100, np.uint8)
    images = images if dtype == np.uint8 else (images / 127.5 - 1).astype(dtype)
    made = edit(images, iterations=1)
    assert (made.shape, made.dtype) == (images.shape, dtype)
    assert edit(images[:1, :5, :7], iterations=1).shape == (1, 5, 7, 3)
    assert edit(images[:0]).shape == (0, 19, 33, 3)


def test_edits_go_towards_the_other_domain(edit, data):
    dark, light = (data.train[d][:1] for d in "ab")
    assert np.mean(edit(dark, "a2b", iterations=20, lambda_tv=0.0)) > dark.mean() + 10
    assert np.mean(edit(light, "b2a", iterations=20, lambda_tv=0.0)) < light.mean() - 10


def test_without_strength_nothing_changes(edit, data):
    images = data.train["a"][:2]
    for lambda_tv, most in ((0.0, 0), (1e-4, 2)):
        made = edit(images, alpha=0.0, lambda_tv=lambda_tv)
        assert np.abs(made.astype(int) - images).max() <= most


def test_beta_takes_the_place_of_alpha(edit, data):
    images = data.train["a"][:1]
    plain, scaled, other = (edit(images, alpha=a, beta=b) for a, b in ((3, 0), (3, 0.9), (0, 0.9)))
    np.testing.assert_array_equal(scaled, other)
    assert np.any(plain != scaled)


def test_a_picture_does_not_depend_on_its_batch(edit, data):
    images = data.train["a"][:3]
    alone = edit(images[1:2])
    np.testing.assert_array_equal(edit(images)[1:2], alone)
    assert np.any(alone != images[1:2])


def test_only_the_nearest_of_each_domain_count():
    # half of each domain looks like the input; the other half, and then this one, differs
    random = np.random.default_rng(0)
    near, far = random.integers(0, 256, (2, 1, 16, 16, 3), np.uint8)
    a = np.concatenate([near, far, near, far])
    model, made = make(lambda_tv=0.0, alpha=3.0), []
    for b in ([near, 255 - far] * 2, [near // 2, far] * 2):
        model.prepare(Data(spec="s", train={"a": a, "b": np.concatenate(b)}, test={}))
        made.append(model.translate(near))
    np.testing.assert_array_equal(made[0], near)
    assert np.any(made[1] != near)


def test_pictures_come_from_the_recipe_at_the_first_edit_and_from_its_seed():
    model = make(iterations=1)
    assert model.translate(np.zeros((1, 16, 16, 3), np.uint8)).shape == (1, 16, 16, 3)
    pictures, descriptors = model._sets["b"]
    assert (len(pictures), len(descriptors)) == (4, 4)
    everything = open_data(RECIPE.data, size=16).train
    assert all(any(np.array_equal(p, q) for q in everything["b"]) for p in pictures)
    for seed, same in ((0, True), (1, False)):
        model.recipe = RECIPE.replace(seed=seed)
        model.prepare(Data(spec="again", train=everything, test={}))
        assert np.array_equal(model._sets["b"][0], pictures) == same


def test_features_are_those_of_the_reference_it_names(tmp_path):
    entry = registry.entry("vgg_star_small")
    source = weights.build("vgg_star_small", entry.recipe.replace(**entry.tiny))
    folder = weights.write(source, tmp_path / "reference")
    model = weights.build("dfi_small", RECIPE.replace(reference=str(folder)))
    assert model.trained
    for layer in ("block1_conv1", "block5_conv1"):
        ours, theirs = (n.get_layer(layer) for n in (model.reference, source.classifier))
        np.testing.assert_array_equal(ours.kernel, theirs.kernel)
    images = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
    assert [m.shape[1] for m in model.reference(images)] == [8, 4, 2]


def test_what_cannot_be_done_is_said(model, data):
    one = Data(spec="folder:one", train={"a": data.train["a"]}, test={})
    with pytest.raises(UserError, match="folder:one has one set"):
        model.prepare(one)
    with pytest.raises(UsageError, match=r"outside of tf\.function"):
        tf.function(model.translate)(tf.zeros((1, 16, 16, 3)))
    with pytest.raises(UsageError, match="--neighbours 5"):
        RECIPE.replace(neighbours=5)
    with pytest.raises(UsageError, match="at least 16"):
        RECIPE.replace(size=15)
