"""Likeness of reconstructions: hashes by hand, closed forms, what guesses get."""

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn

from kgan import losses
from kgan.core.errors import UserError
from kgan.metrics.pictures import ssim
from kgan.metrics.reconstruction import (
    baselines,
    code_error,
    hash_bits,
    reconstruct,
    sharpness,
    similarity,
)

FIGURES = {
    "dhash", "phash", "whash", "mae", "mse", "mae_unit", "mse_unit", "ssim", "l1_sum", "l2_sum",
    "ssim_loss", "ssim_term", "sharpness",
}


def flat(*levels, side=12):
    return np.stack([np.full((side, side, 3), level, np.uint8) for level in levels])


def noise(n, side=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), np.uint8)


def rising(height, width):
    """A picture that gets brighter to the right."""
    row = np.linspace(20, 230, width).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (height, width, 3)).copy()


def test_errors_by_hand():
    """Half of the pictures are off by 51 levels: 0.4 in [-1, 1], 0.2 in [0, 1]."""
    found = similarity(flat(10, 100), flat(61, 100))
    assert found.keys() == FIGURES
    values = 12 * 12 * 3
    expected = {
        "mae": 0.2, "mse": 0.08, "mae_unit": 0.1, "mse_unit": 0.02,
        "l1_sum": 0.2 * values, "l2_sum": 0.08 * values,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert similarity(flat(61, 100), flat(10, 100))["mae"] == pytest.approx(0.2)  # no wrapping
    assert similarity(flat(0), flat(255))["l2_sum"] == pytest.approx(4 * values)


def test_of_more_pictures_than_a_chunk():
    x, y = noise(230, 12), noise(230, 12, 1)
    found, (a, b) = similarity(x, y), (z / 127.5 - 1 for z in (x, y))
    assert found["mae"] == pytest.approx(np.mean(np.abs(a - b)))
    assert found["mse"] == pytest.approx(np.mean((a - b) ** 2))
    assert found["l1_sum"] == pytest.approx(np.mean(np.abs(a - b).sum((1, 2, 3))))
    assert found["l2_sum"] == pytest.approx(np.mean(((a - b) ** 2).sum((1, 2, 3))))
    assert found["ssim"] == ssim(x, y)
    for kind in ("dhash", "phash", "whash"):
        assert abs(found[kind] - 0.5) < 0.03, kind  # unrelated


def test_ssim_loss_by_hand():
    """Of even pictures only the luminance is left: a = -1 and b = 0.2, c1 = (0.001 * 2)^2."""
    found = similarity(flat(0), flat(153))
    luminance = (2 * -1 * 0.2 + 4e-6) / (1 + 0.04 + 4e-6)
    assert found["ssim_term"] == pytest.approx(1 - luminance)
    assert found["ssim_loss"] == pytest.approx(1 - luminance + 5e-5 * 1.44 * 12 * 12 * 3)


def test_ssim_loss_is_what_encoders_are_trained_on():
    x, y = noise(3, 20), noise(3, 20, 1)
    y[:2] = y[:2] // 4 + x[:2] // 2
    found, pair = similarity(x, y), [np.float32(p) / 127.5 - 1 for p in (x, y)]
    term = float(losses.ssim(*pair, 0.001))
    assert found["ssim_term"] == pytest.approx(term, rel=1e-4)
    assert found["ssim_loss"] == pytest.approx(term + 5e-5 * float(losses.l2_sum(*pair)), rel=1e-4)


def test_mean_error_is_at_most_the_root_of_the_squared():
    for seed in range(5):
        x = noise(4, seed=seed)
        made = np.uint8(np.clip(x + np.random.default_rng(seed).normal(0, 30, x.shape), 0, 255))
        found = similarity(x, made)
        for unit in ("", "_unit"):
            mae, root = found[f"mae{unit}"], found[f"mse{unit}"] ** 0.5
            assert 0.5 * root < mae < root


def test_a_picture_and_its_negative():
    x = noise(6, 32)
    same, negative = similarity(x, x), similarity(x, 255 - x)
    assert [same[k] for k in ("dhash", "phash", "whash", "ssim", "mae", "l2_sum")] == [
        1, 1, 1, pytest.approx(1), 0, 0
    ]
    assert max(negative[k] for k in ("dhash", "whash")) < 0.05
    assert negative["phash"] < 0.1


def test_difference_hash_by_hand():
    """At 8 x 9 nothing is resized: a bit for each pixel that is darker than the next."""
    up = rising(8, 9)
    turned = up.copy()
    turned[2] = turned[2, ::-1]
    bits = hash_bits(np.stack([up, turned, up[:, ::-1]]), "dhash")
    assert bits.shape == (3, 64)
    assert bits[0].all()
    assert not bits[2].any()
    assert (bits[1].reshape(8, 8).all(1) == (np.arange(8) != 2)).all()


def test_hashes_see_luma():
    x = rising(16, 18)
    x[..., 2] = x[:, ::-1, 2]  # red and green rise, blue falls
    x[..., 1] = 100
    assert hash_bits(x[None], "dhash").all()  # red 0.299, blue 0.114
    assert not hash_bits(x[None, ..., ::-1], "dhash").any()


def test_similarity_is_the_share_of_equal_bits():
    whole = rising(16, 18)
    half = whole.copy()
    half[8:] = half[8:, ::-1]
    assert similarity(whole[None], half[None])["dhash"] == 0.5
    both = similarity(np.stack([whole, whole]), np.stack([half, whole]))
    assert both["dhash"] == 0.75


def test_the_other_hashes_by_their_definitions():
    """DCT of 32 px, low 8 x 8 above its median; means of blocks above their median."""
    x = noise(3, 32)
    grey = np.stack([np.asarray(Image.fromarray(p).convert("L"), float) for p in x])
    low = dctn(grey, axes=(1, 2))[:, :8, :8].reshape(3, 64)
    assert (hash_bits(x, "phash") == (low > np.median(low, 1, keepdims=True))).all()
    means = grey.reshape(3, 8, 4, 8, 4).mean((2, 4)).reshape(3, 64)
    assert (hash_bits(x, "whash") == (means > np.median(means, 1, keepdims=True))).all()


def test_wrong_shapes_are_errors():
    for x, y in ((noise(2), noise(3)), (noise(2, 16), noise(2, 12)), (noise(0), noise(0))):
        with pytest.raises(ValueError, match="pictures of"):
            similarity(x, y)


# codes


def test_sharpness_by_hand():
    x = np.zeros((1, 3, 4, 3), np.uint8)
    x[0, 1, 1] = 10  # Laplacians -40 and 10: a variance of 625
    half = x // 2
    assert sharpness(x, x) == 1
    assert sharpness(x, half) == pytest.approx(0.25)
    assert sharpness(x, np.full_like(x, 9)) == pytest.approx(0, abs=1e-6)
    red = x * np.array([1, 0, 0], np.uint8)
    assert sharpness(x, red) == pytest.approx(0.299**2)
    assert sharpness(np.concatenate([x, x]), np.concatenate([x, half])) == pytest.approx(0.625)


def test_codes_that_come_back():
    codes = np.random.default_rng(0).normal(size=(230, 4))
    seen = []

    def decode(z):
        seen.append(len(z))
        return z + 3

    assert code_error(lambda x: x - 3, decode, codes) == pytest.approx(0)
    assert seen == [100, 100, 30]
    assert code_error(lambda x: 0 * x, decode, codes) == 1  # the prior's mean
    assert code_error(lambda x: 0.5 * (x - 3), decode, codes) == pytest.approx(0.25)
    assert code_error(lambda x: x[::-1] - 3, decode, codes) == pytest.approx(2, abs=0.3)


def test_reconstructions_are_in_order_and_in_range():
    x = noise(130, 12)

    def decode(codes):  # too far on both sides, and between levels
        return (codes[:, :, None, None] / 127.5 - 1) * np.ones((1, 1, 12, 3)) * 1.25 + 1e-3

    made = reconstruct(lambda pictures: pictures[:, :, 0, 0].astype(float), decode, x)
    assert made.dtype == np.uint8 and made.shape == x.shape
    wanted = np.clip(np.rint((x[:, :, 0, 0] - 127.5) * 1.25 + 127.5 + 0.1275), 0, 255)
    np.testing.assert_array_equal(made[:, :, 5, 1], wanted)
    assert made.max() == 255 and made.min() == 0


# baselines


def test_no_picture_is_paired_with_itself():
    """Of three there are two derangements, and both have the differences 10, 20 and 30."""
    real, train = flat(0, 10, 30), flat(0)
    for seed in range(20):
        found = baselines(real, train, seed=seed)
        assert found["random_mae"] == pytest.approx(20 / 127.5)
        assert found["random_mse"] == pytest.approx((100 + 400 + 900) / 3 / 127.5**2)


def test_each_picture_is_taken_once():
    """The one white picture is compared with a black one, and one black picture with it."""
    x = flat(255, 0, 0, 0, 0, 0)
    for seed in range(20):
        assert baselines(x, x, seed=seed)["random_mae"] == pytest.approx(2 * 2 / 6)


def test_random_pairs_follow_from_the_seed():
    x = noise(12)
    assert baselines(x, x, seed=3) == baselines(x, x, seed=3)
    assert baselines(x, x, seed=3)["random_mae"] != baselines(x, x, seed=4)["random_mae"]
    assert baselines(x, x)["random_mse"] == baselines(x, 255 - x)["random_mse"]


def test_mean_training_picture():
    train = flat(*[10] * 150, *[21] * 150)  # 15.5, rounded to even: 16
    found = baselines(flat(16, 16 + 51), train)
    assert found.keys() == {f"{p}_{f}" for p in ("random", "mean") for f in FIGURES}
    assert found["mean_mae"] == pytest.approx(0.2)
    assert found["mean_mse"] == pytest.approx(0.08)


def test_the_mean_is_the_best_constant_guess():
    x = noise(40)
    found = baselines(x, x)
    mean = x.mean(0)
    assert found["mean_mse"] == pytest.approx(np.mean((x - mean) ** 2) / 127.5**2, rel=1e-3)
    assert found["mean_mse"] < found["random_mse"]


def test_pictures_by_index_arrays_alone():
    """What `kgan.data.Data` asks of pictures: a length, a shape, rows by an array of integers."""

    class Rows:
        def __init__(self, rows):
            self._rows, self.shape = rows, rows.shape

        def __len__(self):
            return len(self._rows)

        def __getitem__(self, index):
            assert isinstance(index, np.ndarray)
            return self._rows[index]

    x = noise(130, 12)
    assert baselines(x[:3], Rows(x)) == baselines(x[:3], x)


def test_one_picture_has_no_other(capsys):
    with pytest.raises(UserError, match="2 or more, not 1"):
        baselines(noise(1), noise(3))
    skipped = {}
    found = baselines(noise(1), noise(3), skipped=skipped)
    assert {name.partition("_")[0] for name in found} == {"mean"}
    assert skipped == {"random": "A random other picture needs 2 or more, not 1."}
    assert capsys.readouterr().err == f"left out random: {skipped['random']}\n"


def test_pictures_smaller_than_the_window_have_no_ssim():
    x, skipped = noise(4)[:, :8, :8], {}
    with pytest.raises(UserError, match="at least 11 px, not of 8"):
        similarity(x, x)
    found = similarity(x, x, skipped)
    assert (found["dhash"], found["mae"]) == (1, 0) and "ssim" not in found
    assert skipped.keys() == {"ssim"}
