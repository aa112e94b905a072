"""Distances by features: numbers by hand, closed forms of Gaussians, the names of figures."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.linalg import sqrtm

from kgan.core import registry
from kgan.core.errors import UserError
from kgan.evaluation import features
from kgan.evaluation.features import feature_name, keras_fid, reference_features
from kgan.metrics.distribution import frechet, kid
from kgan.models import reference as references
from kgan.models import weights


def gaussian(n, mean, spread, seed):
    """n rows whose sample mean and covariance (spread^T spread, divisor n - 1) are exact."""
    spread = np.atleast_2d(spread)
    z = np.random.default_rng(seed).normal(size=(n, len(spread)))
    z -= z.mean(0)
    z = np.linalg.qr(z)[0] * np.sqrt(n - 1)
    return z @ spread + mean


def test_kid_by_hand():
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    # among x: (0*1+1)^3; among y: (2*3+1)^3; between: 1, 1, 3^3, 4^3.
    whole = {"subsets": 1, "subset_size": 2}
    assert kid(x, y, **whole) == (1 + 343 - 2 * 93 / 4, 0)
    x, y = np.array([[1.0, 1], [2, 0]]), np.array([[0.0, 0], [0, 2]])  # d = 2 halves the product
    assert kid(x, y, **whole)[0] == pytest.approx(8 + 1 - 2 * 11 / 4)
    assert kid(x, x, **whole)[0] == pytest.approx(16 - 2 * (8 + 27 + 8 + 8) / 4)  # below 0


def test_kid_of_gaussians():
    random = np.random.default_rng(0)
    x, y = random.normal(0, 1, (4000, 1)), random.normal(0.5, 1, (4000, 1))
    # Differences of the first three moments, squared, times 3, 3, 1.
    expected = 3 * 0.5**2 + 3 * 0.25**2 + (0.5**3 + 3 * 0.5) ** 2
    mean, deviation = kid(x, y, subsets=10)
    assert mean == pytest.approx(expected, rel=0.15)
    assert 0 < deviation < 2
    assert abs(kid(x[:2000], x[2000:], subsets=10)[0]) < 0.05 * expected


def test_subsets_of_kid():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(40, 3)), random.normal(size=(30, 3))
    assert kid(x, y) == kid(x, y, subset_size=15)  # half of the smaller set
    assert kid(x, y, seed=1) != kid(x, y)
    first = random.normal(size=(2100, 1)), random.normal(size=(2500, 1))
    assert kid(*first, subsets=2) == kid(*first, subsets=2, subset_size=1000)
    for size in (1, 31):
        with pytest.raises(ValueError, match=f"subsets of {size} rows out of 30"):
            kid(x, y, subset_size=size)


def test_frechet_of_gaussians():
    one = gaussian(50, 2.0, 3.0, 0)
    assert frechet(one, gaussian(70, 5.0, 1.0, 1)) == pytest.approx((2 - 5) ** 2 + (3 - 1) ** 2)
    x = gaussian(40, [1.0, 0, 0], np.diag([1.0, 2, 3]), 2)
    y = gaussian(60, [0.0, 0, 2], np.diag([2.0, 2, 1]), 3)
    assert frechet(x, y) == pytest.approx(1 + 4 + 1 + 0 + 4)
    assert frechet(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet(x.astype(np.float32), y) == pytest.approx(10, rel=1e-5)


def test_frechet_where_covariances_do_not_commute():
    a, b = np.array([[1.0, 2], [0, 1]]), np.array([[3.0, 0], [1, 1]])
    s, t = a.T @ a, b.T @ b
    expected = 1 + np.trace(s + t - 2 * sqrtm(s @ t).real)
    assert frechet(gaussian(30, [1.0, 0], a, 0), gaussian(20, 0, b, 1)) == pytest.approx(expected)


def test_frechet_of_fewer_pictures_than_features():
    """Singular covariances; the same in more dimensions, of which the others are empty."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(9, 4)), random.normal(size=(7, 4)) + 1
    turn = np.linalg.qr(random.normal(size=(50, 50)))[0][:4]
    assert frechet(x @ turn, y @ turn) == pytest.approx(frechet(x, y))


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The folder of a tiny VGG* with weights."""
    entry = registry.entry("vgg_star")
    model = weights.build("vgg_star", entry.recipe.replace(**entry.tiny))
    return str(weights.write(model, tmp_path_factory.mktemp("reference") / "vgg.tiny"))


def test_reference_features(reference):
    pictures = np.random.default_rng(0).integers(0, 256, (53, 20, 16, 3), np.uint8)
    found = reference_features(pictures, reference)
    assert found.shape == (53, sum(references.channels(reference)))
    assert found.dtype == np.float32
    network = references.build(reference)
    references.load(network, reference)
    maps = network(tf.constant(pictures / 127.5 - 1.0, tf.float32))
    expected = np.concatenate([np.mean(m, (1, 2)) for m in maps], 1)
    assert np.allclose(found, expected, atol=1e-5)
    assert found.std(0).max() > 0.01
    assert len(reference_features(pictures[:3, :16], reference)) == 3  # another size


def test_figures_carry_the_name_of_their_network():
    assert feature_name("vgg_star_small.avatars") == "vgg_star_small_avatars"
    assert feature_name("vgg19") == "vgg19"
    assert feature_name("runs/my vgg-star/") == "my_vgg_star"


def test_keras_fid_without_weights_says_so(monkeypatch):
    def offline(**_):
        raise Exception("URL fetch failure on https://…: None --\n no network")  # as Keras does

    features._inception.cache_clear()
    monkeypatch.setattr(keras.applications, "InceptionV3", offline)
    with pytest.raises(UserError, match="keras_fid needs the weights") as caught:
        keras_fid(np.zeros((4, 8, 8, 3), np.uint8), np.zeros((4, 8, 8, 3), np.uint8))
    assert "\n" not in str(caught.value)


def test_keras_fid_gives_the_network_what_it_was_trained_on(monkeypatch):
    """299 px in [-1, 1]; the figure is the Frechet distance of what comes out."""
    sizes = []

    def network(x, training):
        sizes.append(tuple(x.shape[1:]))
        return x[:, 150, 150]

    features._inception.cache_clear()
    monkeypatch.setattr(keras.applications, "InceptionV3", lambda **_: network)
    levels = np.array([0, 51, 102, 255], np.uint8)
    real = np.broadcast_to(levels[:, None, None, None], (4, 8, 8, 3))
    found = keras_fid(real, 255 - real)
    assert set(sizes) == {(299, 299, 3)}
    assert found == pytest.approx(3 * (2 * np.mean(levels / 127.5 - 1)) ** 2, rel=1e-5)
    features._inception.cache_clear()
