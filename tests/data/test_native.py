"""Pictures at their own sizes: pieces, what is made of them, what is too small, test pictures."""

import os

import numpy as np
import pytest
from PIL import Image

from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Recipe
from kgan.data import open_data, scan
from kgan.data.native import whole
from kgan.data.signals import Signal
from kgan.data.stream import Sampler, batches

SIZE, SCALE = 16, 4
SIGNALS = (
    Signal("low", height=SIZE // SCALE, width=SIZE // SCALE, group="picture", source="high"),
    Signal("high", height=SIZE, width=SIZE, group="picture", native=True),
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path / "cache"))


def picture(number, height, width):
    """Rows in red, columns in green, the number in blue."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, 0 * rows + number], -1).astype(np.uint8)


@pytest.fixture
def root(tmp_path):
    """Six pictures of different sizes, none of which is a multiple of the scale; one too small."""
    for number in range(6):
        save(tmp_path / f"set/{number}.png", picture(number, 21 + 9 * number, 70 - 7 * number))
    save(tmp_path / "set/small.png", picture(9, 15, 40))
    save(tmp_path / "tests/held.png", picture(50, 33, 47))
    return tmp_path / "set"


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def opened(root, query="?test=../tests", **options):
    return open_data(f"folder:{root}{query}", size=SIZE, signals=SIGNALS, **options)


def shrunk(array, scale=SCALE):
    """The whole picture by Pillow, cut to a multiple of the scale first."""
    height, width = (side // scale for side in array.shape[:2])
    array = np.ascontiguousarray(array[: height * scale, : width * scale])
    return np.asarray(Image.fromarray(array).resize((width, height), Image.Resampling.BICUBIC))


def test_pictures_keep_their_pixels_and_are_cut_to_the_scale(root):
    data = opened(root)
    high, low = data.train["high"], data.train["low"]
    assert len(high) == len(low) == 6 and data.paired
    assert high.shape == (6, SIZE, SIZE, 3) and low.shape == (6, SIZE // SCALE, SIZE // SCALE, 3)
    for row in range(6):
        full = picture(row, 21 + 9 * row, 70 - 7 * row)
        height, width = (side // SCALE * SCALE for side in full.shape[:2])
        np.testing.assert_array_equal(whole(high, row), full[:height, :width])
        np.testing.assert_array_equal(whole(low, row), shrunk(full))


def test_a_part_of_low_resolution_is_that_of_the_whole(root):
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (61, 83, 3), dtype=np.uint8)
    save(root / "0.png", noise)
    low, expected = opened(root).train["low"], shrunk(noise)
    for _ in range(40):
        top, left = random.integers(0, [15 - 4 + 1, 20 - 4 + 1])
        np.testing.assert_array_equal(
            low.part(0, top, left, 4, 4), expected[top : top + 4, left : left + 4])


def test_a_step_cuts_both_at_the_same_place_and_any_place(root):
    data = opened(root)
    sampler, seen = Sampler(data.train, SIGNALS, batch=6, flip=False), set()
    for step in range(60):
        low, high = sampler(step)
        assert sorted(high[:, 0, 0, 2]) == list(range(6))  # each picture once before any twice
        for small, piece in zip(low, high, strict=True):
            top, left, number = piece[0, 0].tolist()
            full = picture(number, 21 + 9 * number, 70 - 7 * number)
            np.testing.assert_array_equal(piece, full[top : top + SIZE, left : left + SIZE])
            assert top % SCALE == left % SCALE == 0
            a, b = top // SCALE, left // SCALE
            np.testing.assert_array_equal(small, shrunk(full)[a : a + 4, b : b + 4])
            seen.add((number, top, left))
    for number in range(6):
        places = {place[1:] for place in seen if place[0] == number}
        rooms = [(side // SCALE * SCALE - SIZE) for side in (21 + 9 * number, 70 - 7 * number)]
        assert np.max(list(places), axis=0).tolist() == rooms and (0 in np.min([*places], axis=0))


def test_steps_and_shares_are_a_pure_function_of_the_seed(root):
    data, recipe = opened(root), Recipe(size=SIZE, batch=4, turn=True)
    first = list(batches(data, recipe, SIGNALS).take(6).as_numpy_iterator())
    later = list(batches(data, recipe, SIGNALS, start=3).take(3).as_numpy_iterator())
    shares = [next(batches(data, recipe, SIGNALS, start=3, part=(i, 2)).as_numpy_iterator())
              for i in range(2)]
    for name in ("low", "high"):
        for x, y in zip(first[3:], later, strict=True):
            np.testing.assert_array_equal(x[name], y[name])
        np.testing.assert_array_equal(
            np.concatenate([share[name] for share in shares]), first[3][name])
    assert first[0]["high"].dtype == np.float32 and first[0]["low"].shape == (4, 4, 4, 3)


def test_turns_are_shared_and_all_of_eight_come(root):
    arrow = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    arrow[0, 0, 1] = 255  # beside a corner: each way to lie is another pixel
    train = {"high": arrow.repeat(8, 0), "low": arrow[:, :4, :4].repeat(8, 0)}
    sampler, found = Sampler(train, SIGNALS, batch=8, turn=True), set()
    for step in range(20):
        low, high = sampler(step)
        for small, piece in zip(low, high, strict=True):
            (place,) = np.argwhere(piece[..., 0])
            (little,) = np.argwhere(small[..., 0])
            ends = {0: 0, 1: 1, 14: 2, 15: 3}
            assert [ends[p] for p in place] == little.tolist()
            found.add(tuple(little))
    assert len(found) == 8
    oblong = (Signal("high", height=8, width=16),)
    with pytest.raises(UsageError, match="--turn is for square pictures"):
        Sampler({"high": arrow[:, :8]}, oblong, batch=1, turn=True)


def test_a_picture_smaller_than_a_piece_is_named_as_broken_ones_are(root):
    (line,) = [line for line in opened(root).summary if "skipped" in line]
    assert line == ("skipped 1 broken: small.png (40x15 is smaller than the 16x16 that is cut out "
                    "of each)")
    with pytest.raises(UserError, match=r"small.png: 40x15 is smaller"):
        opened(root, bad_images="fail")
    with pytest.raises(UsageError, match="--load_size resizes pictures"):
        opened(root, load_size=20)
    beside = (*SIGNALS, Signal("map", "labels", height=SIZE, width=SIZE, group="picture"))
    with pytest.raises(ValueError, match="high is native, and with files there are high, map"):
        open_data(f"folder:{root}", size=SIZE, signals=beside)


def test_test_pictures_lie_in_a_folder_of_theirs_or_are_held_out(root):
    data = opened(root)
    assert len(data.test["high"]) == 1 and not data.held_out
    held = picture(50, 33, 47)
    np.testing.assert_array_equal(whole(data.test["high"], 0), held[:32, :44])
    np.testing.assert_array_equal(whole(data.test["low"], 0), shrunk(held))
    # as a batch: the middle, the same of both
    np.testing.assert_array_equal(data.test["high"][0], held[8:24, 12:28])
    np.testing.assert_array_equal(data.test["low"][np.array([0])], shrunk(held)[None, 2:6, 3:7])
    alone = opened(root, "")
    assert len(alone.train["high"]) + len(alone.test["high"]) == 6
    assert len(alone.held_out["high"]) == len(alone.test["low"])
    with pytest.raises(UsageError, match="test= goes with one set of pictures, not with layout=c"):
        opened(root, "?layout=classes&test=../tests")
    with pytest.raises(UserError, match="nowhere: no such folder"):
        opened(root, "?test=../nowhere")


def test_a_set_too_large_for_the_cache_gives_the_same_pieces(root, monkeypatch):
    stored = Sampler(opened(root).train, SIGNALS, batch=6, turn=True)(3)
    monkeypatch.setenv("KGAN_CACHE", str(root.parent / "other"))
    monkeypatch.setattr(scan, "CACHE_LIMIT", 1000)
    data = opened(root)
    assert "too large for the cache: decoded again at each use" in data.summary
    for x, y in zip(stored, Sampler(data.train, SIGNALS, batch=6, turn=True)(3), strict=True):
        np.testing.assert_array_equal(x, y)


def test_drawn_faces_are_one_set_too(root):
    data = open_data("avatars:Smiling,Eyeglasses?n=4&test=2", size=SIZE, signals=SIGNALS)
    assert list(data.train) == ["high", "low"] and data.paired
    np.testing.assert_array_equal(data.test["low"][1], shrunk(data.test["high"][1]))
    assert whole(data.test["high"], 1).shape == (SIZE, SIZE, 3)


@pytest.mark.real
@pytest.mark.parametrize("scale, expected", [(4, 28.43), (2, 33.66)])
def test_bicubic_is_that_of_the_literature_on_set5(scale, expected):
    # 28.43 dB: Ledig et al. 2017, table 2. 33.66 dB: Dong et al. 2014 and all that follow.
    from kgan.evaluation.super_resolution import enlarged
    from kgan.metrics.pictures import psnr_luma

    place = os.environ["KGAN_TEST_DATA"]
    low, high = (Signal(name, height=side, width=side, group="p", source=source,
                        native=not source)
                 for name, side, source in (("low", 96 // scale, "high"), ("high", 96, "")))
    data = open_data(f"folder:{place}/super_resolution/Set5?test=.", size=96, signals=(low, high))
    found = [psnr_luma(enlarged(whole(data.test["low"], row), scale),
                       whole(data.test["high"], row), scale) for row in range(5)]
    assert np.mean(found) == pytest.approx(expected, abs=0.02)
