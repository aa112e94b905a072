"""Distances to contents and styles by hand, what recipes say of layers and shares, descent."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kgan import losses
from kgan.core.errors import UsageError, UserError
from kgan.data.patterns import PATTERNS, pattern
from kgan.editing import gatys, style
from kgan.editing.style import Looks


def test_gram_matrices_by_hand():
    maps = np.zeros((2, 1, 2, 2), np.float32)
    maps[0, 0] = [[1, 2], [3, 4]]  # two places of two maps
    found = losses.gram_matrix(maps).numpy()
    np.testing.assert_allclose(found[0], np.array([[10, 14], [14, 20]]) / 4)
    assert not found[1].any()
    dynamic = tf.function(losses.gram_matrix, input_signature=[
        tf.TensorSpec([None, None, None, 2])])
    np.testing.assert_allclose(dynamic(maps), found)
    assert float(losses.gram(maps, 0 * maps)) == pytest.approx((10 + 14 + 14 + 20) / 4 / 8)


def test_relative_distances_have_no_scale():
    x, y = np.random.default_rng(0).normal(size=(2, 3, 4, 4, 2)).astype(np.float32)
    by_hand = np.mean([np.square(a - b).mean() / np.square(b).mean()
                       for a, b in zip(x, y, strict=True)])
    assert float(losses.relative_l2(x, y)) == pytest.approx(by_hand, rel=1e-5)
    assert float(losses.relative_l2(50 * x, 50 * y)) == pytest.approx(by_hand, rel=1e-5)
    assert float(losses.relative_l2(0 * x, y)) == pytest.approx(1.0, rel=1e-5)
    assert float(losses.relative_l2(x, x)) == 0
    one = np.mean([np.square(a - y[0]).mean() for a in x]) / np.square(y[0]).mean()
    assert float(losses.relative_l2(x, y[:1])) == pytest.approx(one, rel=1e-5)


def test_distances_weigh_layers():
    random = np.random.default_rng(0)
    seen, content = ({tap: tf.constant(random.normal(size=(2, 4, 4, 3)), tf.float32)
                      for tap in ("relu1_1", "relu2_1")} for _ in range(2))
    goal = {"relu2_1": losses.gram_matrix(content["relu2_1"])[:1]}
    where = Looks({"relu1_1": 2.0, "relu2_1": 0.5}, {"relu2_1": 3.0})
    assert where.taps == ("relu1_1", "relu2_1")
    far, like = style.distances(seen, content, goal, where)
    squares = {tap: np.square(seen[tap] - content[tap]).mean() for tap in seen}
    assert float(far) == pytest.approx(2 * squares["relu1_1"] + 0.5 * squares["relu2_1"], rel=1e-5)
    grams = losses.gram_matrix(seen["relu2_1"]) - goal["relu2_1"]
    assert float(like) == pytest.approx(3 * np.square(grams).mean(), rel=1e-5)


def test_layers_and_shares_are_read():
    assert style.layers("relu1_1, relu3_2:0.5", "--x") == {"relu1_1": 1.0, "relu3_2": 0.5}
    assert style.weights_of("", 2) == [0.5, 0.5] and style.weights_of("3,1", 2) == [0.75, 0.25]
    for wrong in ("conv1", "relu6_1", "relu1_1:x", "relu1_1:-1", "relu1_1:inf", ""):
        with pytest.raises(UsageError, match="--content_layers"):
            style.layers(wrong, "--content_layers")
    with pytest.raises(UsageError, match="--x relu1_1:0,relu2_1:0: not all weights can be 0"):
        style.layers("relu1_1:0,relu2_1:0", "--x")
    for text, count in (("1", 2), ("0,0", 2), ("1,x", 2), ("1,-1", 2)):
        with pytest.raises(UsageError, match=f"--style_weights {text}: one number"):
            style.weights_of(text, count)


def test_styles_are_pictures_or_patterns(tmp_path):
    for name in PATTERNS:
        small, again = pattern(name, 64), pattern(name, 64)
        assert small.shape == (64, 64, 3) and small.std() > 30
        np.testing.assert_array_equal(small, again)
    picture = np.random.default_rng(0).integers(0, 256, (10, 30, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "my.png")
    np.testing.assert_array_equal(style.read(str(tmp_path / "my.png")), picture)
    assert style.resized(picture, 60).shape == (20, 60, 3)
    assert style.resized(picture, 20, min).shape == (20, 60, 3)
    with pytest.raises(UserError, match=r"--style wave: .*Did you mean waves\?"):
        style.read("wave")


def test_levels_double_up_to_the_picture():
    assert gatys.levels((300, 500), 0) == [(300, 500)]
    assert gatys.levels((300, 500), 500) == [(300, 500)]
    assert gatys.levels((301, 1000), 300) == [(76, 250), (151, 500), (301, 1000)]
    assert gatys.levels((40, 1000), 300) == [(40, 1000)]  # too narrow for less


def network(taps=2):
    """Maps of random convolutions."""
    import keras

    keras.utils.set_random_seed(0)
    x = picture = keras.Input((None, None, 3))
    found = []
    for _ in range(taps):
        x = keras.layers.Conv2D(6, 3, padding="same", activation="relu")(x)
        found.append(x)
    return keras.Model(picture, found)


@pytest.fixture(scope="module")
def make():
    seer = network()

    def transfer(content=1.0, like=1.0, variation=0.0):
        where = Looks({"relu2_1": 1.0}, {"relu1_1": 1.0, "relu2_1": 1.0}, "relative")
        return gatys.Transfer(seer, where, (content, like, variation))

    return transfer


def smooth(seed, shape=(1, 24, 20, 3)):
    coarse = np.random.default_rng(seed).uniform(-0.8, 0.8, (shape[0], 6, 5, 3))
    return tf.constant(coarse.repeat(4, 1).repeat(4, 2), tf.float32)


def solved(transfer, x, **changes):
    how = {"scale": 1.0, "start": "content", "coarse": 0, "iterations": 25, "fine": 10, "seed": 0}
    return gatys.solve(transfer, x, [pattern("waves", 40)], [1.0], **{**how, **changes})


def test_the_gradient_is_that_of_the_loss(make):
    transfer, x, z = make(2.0, 3.0, 0.5), smooth(0), smooth(1)
    content, grams = transfer.seen(x), transfer.grams([pattern("waves", 40)], [1.0], 24)
    loss, gradient = transfer.objective(z, content, grams)
    step = np.random.default_rng(0).normal(size=z.shape).astype(np.float32)
    up, down = (float(transfer.objective(z + e * step, content, grams)[0]) for e in (1e-3, -1e-3))
    assert (up - down) / 2e-3 == pytest.approx(float(tf.reduce_sum(gradient * step)), rel=0.02)
    far, like = style.distances(transfer.seen(z), content, grams, transfer.where)
    variation = (np.square(np.diff(z, axis=1)).sum() + np.square(np.diff(z, axis=2)).sum())
    whole = (2 * float(far) + 3 * float(like)) * z.numpy().size + 0.5 * variation
    assert float(loss) == pytest.approx(whole, rel=1e-4)


def test_descent_comes_nearer_to_both(make):
    transfer, x = make(1.0, 10.0), smooth(0)
    content, grams = transfer.seen(x), transfer.grams([pattern("waves", 40)], [1.0], 24)

    def far(z):
        found = style.distances(transfer.seen(z), content, grams, transfer.where)
        return [float(one) for one in found]

    for start, coarse in (("content", 0), ("noise", 0), ("content", 12)):
        made = solved(transfer, x, start=start, coarse=coarse)
        assert made.shape == x.shape[1:] and np.abs(made).max() <= 1
        assert far(made[None])[1] < 0.5 * far(x)[1]
    noise = np.clip(np.random.default_rng(0).normal(0, 0.1, x.shape), -1, 1).astype(np.float32)
    made = solved(make(10.0, 0.0), x, start="noise")
    assert far(made[None])[0] < 0.2 * far(noise)[0]
    np.testing.assert_allclose(solved(make(1.0, 0.0), x), x[0], atol=1e-5)


def test_styles_are_mixed_by_their_shares(make):
    transfer = make()
    one, two = (pattern(name, 40) for name in ("waves", "mosaic"))
    single = [transfer.grams([x], [1.0], 24) for x in (one, two)]
    mixed = transfer.grams([one, two], [0.25, 0.75], 24)
    for tap, found in mixed.items():
        np.testing.assert_allclose(found, 0.25 * single[0][tap] + 0.75 * single[1][tap], rtol=1e-5)


def test_memory_grows_with_the_layers(make):
    few = make().bytes_per_pixel(1.0)
    more = gatys.Transfer(network(3), Looks({"relu2_1": 1.0}, {"relu1_1": 1.0, "relu3_1": 1.0}),
                          (1, 1, 0)).bytes_per_pixel(1.0)
    # two pairs of six maps and what the solver keeps, at least
    assert more > few > 2 * 2 * 6 * 4 + gatys.SOLVER


def test_memory_grows_with_the_pixels_of_a_large_style(make):
    small, large, larger = (make().bytes_per_pixel(scale) for scale in (0.5, 4.0, 8.0))
    assert small == make().bytes_per_pixel(1.0) < large
    assert larger == 4 * large
