"""Folders of signals that belong together: pairs, maps of ids, low resolution made from high."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kgan.core.errors import UserError
from kgan.core.recipe import Recipe
from kgan.data import open_data, palettes
from kgan.data.signals import Signal
from kgan.data.stream import batches

STREET = (
    Signal("labels", "labels", height=8, width=16, classes=35, group="street"),
    Signal("instances", "instances", height=8, width=16, group="street"),
    Signal("photos", height=8, width=16, group="street"),
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "set"


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def street(top, numbers=range(6), side=16):
    """Maps of ids twice as wide as high beside photographs whose red and green hold them, too."""
    for n in numbers:
        ids = np.random.default_rng(n).choice(np.array([0, 7, 26], np.uint8), (side, 2 * side))
        ids[0, 0] = 26
        number = np.full_like(ids, n)
        save(top / f"labels/{n:03}.png", ids)
        save(top / f"instances/{n:03}.png", ids.astype(np.uint16) * 1000 + 1)
        save(top / f"photos/{n:03}.png", np.stack([ids, 100 + ids, number], -1))


def everything(images):
    return images[np.arange(len(images))]


def test_ids_survive_loading_exactly(root):
    street(root / "train", side=8)
    street(root / "val", range(6, 8), side=8)
    data = open_data(f"folder:{root}", size=16, signals=STREET)
    assert data.paired and list(data.train) == list(data.test) == ["labels", "instances", "photos"]
    for part, first in ((data.train, 0), (data.test, 6)):
        labels, instances, photos = (everything(part[s.name]) for s in STREET)
        assert labels.dtype == instances.dtype == np.uint16 and labels.shape[1:] == (8, 16, 1)
        np.testing.assert_array_equal(photos[..., :1], labels)
        np.testing.assert_array_equal(instances, labels * 1000 + 1)
        assert photos[:, 0, 0, 2].tolist() == list(range(first, first + len(photos)))
        assert set(labels.ravel()) == {0, 7, 26} and instances.max() == 26001
    text = "\n".join(data.summary)
    assert "train labels: 6 pictures (all 16x8): 000.png" in text and "skipped" not in text
    again = open_data(f"folder:{root}", size=16, signals=STREET)
    assert again.digest == data.digest
    save(root / "train/labels/000.png", np.zeros((8, 16), np.uint8))
    assert open_data(f"folder:{root}", size=16, signals=STREET).digest != data.digest


def test_shrinking_mixes_no_ids_and_crops_stay_together(root):
    street(root, side=16)  # held out: there is no train/
    data = open_data(f"folder:{root}", size=16, load_size=24, signals=STREET)
    assert data.train["labels"].shape[1:] == (12, 24, 1)
    assert data.test["photos"].shape == (len(data.held_out["photos"]), 8, 16, 3)
    assert len(data.train["labels"]) + len(data.test["labels"]) == 6
    for part in (data.train, data.test):
        assert set(everything(part["labels"]).ravel()) == {0, 7, 26}
        assert set(everything(part["instances"]).ravel()) == {1, 7001, 26001}
    for batch in batches(data, Recipe(size=16, batch=4), STREET).take(3):
        ids = batch["labels"].numpy()
        assert ids.dtype == np.int32 and ids.shape == (4, 8, 16, 1)
        assert batch["photos"].shape == (4, 8, 16, 3)
        np.testing.assert_array_equal(batch["instances"], ids * 1000 + 1)


def test_a_nearest_neighbour_is_the_nearest(root):
    ids = np.arange(64, dtype=np.uint8).reshape(1, 64)
    for n in range(2):
        save(root / f"labels/{n}.png", ids.repeat(32, 0))
    signal = Signal("labels", "labels", height=4, width=8)
    data = open_data(f"folder:{root}/labels", size=8, signals=(signal,))
    assert data.train["labels"][0][0, :, 0].tolist() == [4, 12, 20, 28, 36, 44, 52, 60]


@pytest.mark.parametrize("classes, fine", [(27, True), (26, False)])
def test_an_id_beyond_the_classes_is_one_error(root, classes, fine):
    street(root / "train", range(3))
    worse = np.zeros((16, 32), np.uint8)
    worse[3, 4] = 26 if fine else 200
    save(root / "train/labels/001.png", worse)
    signals = (Signal("labels", "labels", height=8, width=16, classes=classes, group="s"),
               *(Signal(s.name, s.kind, height=8, width=16, group="s") for s in STREET[1:]))
    if fine:
        assert open_data(f"folder:{root}", size=16, signals=signals).train["labels"][0].max() == 26
        return
    with pytest.raises(UserError, match=r"labels/001.png holds the id 200, and labels has 26 "
                                        r"classes, ids 0 to 25: declare 201"):
        open_data(f"folder:{root}", size=16, signals=signals)


@pytest.mark.parametrize("mode, bits", [("P", None), ("L", 2), ("1", 1), ("I;16", None)])
def test_ids_are_read_as_they_are_stored(root, mode, bits):
    ids = (np.arange(8 * 16).reshape(8, 16) % 2).astype(np.uint8)
    for n in range(3):
        image = Image.fromarray(ids * (255 if mode == "1" else 1))
        if mode == "P":
            image.putpalette([9, 8, 7, 200, 100, 50])
        elif mode == "I;16":
            image = Image.fromarray(ids.astype(np.uint16))
        elif mode == "1":
            image = image.convert("1")
        path = root / f"labels/{n}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if bits == 2:
            path.write_bytes(two_bits(ids))
            assert np.asarray(Image.open(path)).max() == 85  # scaled, which ids must not be
        else:
            image.save(path)
    signal = Signal("labels", "labels", height=8, width=16)
    data = open_data(f"folder:{root}/labels", size=16, signals=(signal,))
    np.testing.assert_array_equal(data.train["labels"][0][..., 0], ids)


def two_bits(ids):
    """A grey PNG of two bits a pixel."""
    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = ids.shape
    rows = b"".join(b"\0" + bytes(int("".join(f"{x:02b}" for x in row[i : i + 4]), 2)
                                  for i in range(0, width, 4)) for row in ids)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 2, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + chunk(b"IEND", b"")


def test_what_holds_no_ids_or_has_no_partner_is_left_out_and_named(root):
    street(root / "train")
    save(root / "train/labels/000.png", np.zeros((8, 16, 3), np.uint8))
    Image.fromarray(np.zeros((8, 16), np.uint8)).save(root / "train/instances/001.jpg")
    os.remove(root / "train/instances/001.png")
    os.remove(root / "train/photos/002.png")
    save(root / "train/photos/003.png", np.zeros((16, 16, 3), np.uint8))
    data = open_data(f"folder:{root}", size=16, signals=STREET)
    assert {x for part in (data.train, data.test) for x in everything(part["photos"])[:, 0, 0, 2]
            } == {4, 5}
    text = "\n".join(data.summary)
    assert "skipped 5 broken: labels/002.png (no photos of that name), instances/002.png (" in text
    assert "labels/000.png (holds colours (RGB), not one id for each pixel)" in text
    assert "instances/001.jpg (a JPEG does not keep ids; save maps of ids as PNG)" in text
    assert "photos/003.png (16x16 is of another shape than 32x16 of 003.png)" in text
    with pytest.raises(UserError, match="no photos of that name"):
        open_data(f"folder:{root}", size=16, signals=STREET, bad_images="fail")


def test_names_of_cityscapes_belong_together(root):
    for n in range(3):
        ids = np.full((8, 16), n, np.uint8)
        save(root / f"labels/bochum_00000{n}_000313_gtFine_labelIds.png", ids)
        save(root / f"photos/bochum_00000{n}_000313_leftImg8bit.png", np.dstack([ids] * 3))
    data = open_data(f"folder:{root}", size=16, signals=(STREET[0], STREET[2]))
    np.testing.assert_array_equal(everything(data.train["labels"]),
                                  everything(data.train["photos"])[..., :1])


def pairs(top, count, first=0):
    for n in range(first, first + count):
        save(top / f"A/{n:03}.png", np.full((8, 8, 3), n, np.uint8))
        save(top / f"B/{n:03}.png", np.full((8, 8, 3), 100 + n, np.uint8))


@pytest.mark.parametrize("top, layout", [("train", ""), (".", ""), ("train", "?layout=folders")])
def test_folders_a_and_b_of_the_same_names_are_pairs(root, top, layout):
    pairs(root / top, 5)
    data = open_data(f"folder:{root}{layout}", size=8)
    assert data.paired and data.train["a"].shape[1:] == (8, 8, 3)
    for part in (data.train, data.test):
        a, b = (everything(part[d])[:, 0, 0, 0] for d in "ab")
        assert len(a) and (b == a + 100).all()


def test_folders_a_and_b_of_other_names_are_no_pairs_unless_it_is_said(root):
    pairs(root, 5)
    save(root / "A/other.png", np.zeros((8, 8, 3), np.uint8))
    assert list(open_data(f"folder:{root}", size=8).train) == ["a"]
    data = open_data(f"folder:{root}?layout=folders", size=8)
    assert data.paired and "other.png (no b of that name)" in "\n".join(data.summary)


def test_low_resolution_is_made_from_high(root):
    for n in range(4):
        rows, columns = np.mgrid[:64, :96] // 8
        picture = np.stack([rows * 20, columns * 20, rows * 0 + n], -1)
        save(root / f"{n}.png", picture.astype(np.uint8))
    signals = (Signal("low", height=8, width=12, group="scene", source="high"),
               Signal("high", height=32, width=48, group="scene"))
    data = open_data(f"folder:{root}", size=48, load_size=72, signals=signals)
    assert data.paired and data.train["low"].shape[1:] == (12, 18, 3)
    assert data.train["high"].shape[1:] == (48, 72, 3)
    assert data.test["low"].shape[1:] == (8, 12, 3)
    high, low = (everything(data.train[name]) for name in ("high", "low"))
    for x, y in zip(high, low, strict=True):
        shrunk = Image.fromarray(x).resize((18, 12), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(y, shrunk)
    assert data.train["low"][1].shape == (12, 18, 3)
    for batch in batches(data, Recipe(size=48, batch=4), signals).take(4):
        mean = batch["high"].numpy().reshape(4, 8, 4, 12, 4, 3).mean((2, 4))
        assert np.abs(mean - batch["low"])[:, 1:-1, 1:-1].max() < 0.1
        assert np.ptp(mean[..., 0]) > 0.5


def test_side_by_side_pairs_of_another_shape(root):
    for n in range(4):
        both = np.full((8, 32, 3), n, np.uint8)
        both[:, 16:] = 100 + n
        save(root / f"train/{n}.png", both)
    signals = tuple(Signal(d, height=8, width=16, group="pair") for d in "ab")
    data = open_data(f"folder:{root}?layout=paired", size=16, signals=signals)
    assert data.train["a"].shape[1:] == data.test["b"].shape[1:] == (8, 16, 3)
    a, b = (everything(data.train[d]) for d in "ab")
    assert (b == a + 100).all()


def mosaic(n, side):
    """A picture in which each square of 8 px has a colour of its own."""
    return np.random.default_rng(n).integers(0, 256, (side // 8, side // 8, 3), np.uint8).repeat(
        8, 0).repeat(8, 1)


def test_sides_of_a_pair_are_cropped_and_mirrored_together(root):
    for n in range(5):  # pix2pix's form at a quarter of its size, and its jitter
        picture = mosaic(n, 64)
        save(root / f"train/{n}.png", np.concatenate([picture, 255 - picture], 1))
    signals = tuple(Signal(name, height=64, width=64, group="pair") for name in "ab")
    recipe = Recipe(size=64, load_size=72, batch=5, flip=True)
    data = open_data(f"folder:{root}", size=64, load_size=72, signals=signals)
    assert data.train["a"].shape[1:] == data.train["b"].shape[1:] == (72, 72, 3)
    assert data.test["b"].shape[1:] == (64, 64, 3)
    seen = []
    for batch in batches(data, recipe, signals).take(3):
        a, b = batch["a"].numpy(), batch["b"].numpy()
        assert a.shape == b.shape == (5, 64, 64, 3)
        np.testing.assert_allclose(a, -b, atol=0.02)  # of resizing alone
        seen += [x.tobytes() for x in a]
    assert len(set(seen)) == 15  # crops and mirrors differ


@pytest.mark.real
def test_facades_as_pix2pix_has_them():
    place = os.environ["KGAN_TEST_DATA"]
    signals = tuple(Signal(name, height=64, width=64, group="pair") for name in "ab")
    data = open_data(f"folder:{place}/facades", size=64, load_size=72, signals=signals)
    assert data.paired and (len(data.train["a"]), len(data.test["b"])) == (400, 106)
    assert data.train["a"].shape[1:] == data.train["b"].shape[1:] == (72, 72, 3)
    assert palettes.found_in(data.train["a"]) == (None, 0.0)  # photographs
    palette, share = palettes.found_in(data.train["b"])
    assert palette is palettes.CMP and share > 0.3
    ids = palette.nearest(everything(data.test["b"]))
    counts = np.bincount(ids.ravel(), minlength=12) / ids.size
    assert counts.min() > 0.002 and counts.argmax() == palette.classes.index("facade")


def test_a_folder_that_lacks_a_signal_says_which(root):
    street(root / "train", range(2))
    os.rename(root / "train/instances", root / "train/ids")
    with pytest.raises(UserError, match=r"no folder instances/ of instances \(instance ids, 16x8\)"
                                        r"; there are ids, labels, photos"):
        open_data(f"folder:{root}", size=16, signals=STREET)
    with pytest.raises(UserError, match=r"holds square pictures .* takes labels \(class ids, 16x8"):
        open_data("avatars:Smiling?n=2&test=1", size=16, signals=STREET)


@pytest.mark.real
def test_label_maps_of_camvid(tmp_path):
    place = os.environ["KGAN_TEST_DATA"]
    signals = (Signal("labels", "labels", height=48, width=64, classes=12, group="scene"),
               Signal("photos", height=48, width=64, group="scene"))
    data = open_data(f"folder:{place}/camvid", size=64, signals=signals)
    assert (len(data.train["photos"]), len(data.test["labels"])) == (367, 101)
    assert set(everything(data.test["labels"]).ravel()) == set(range(12))
    few = (Signal("labels", "labels", height=48, width=64, classes=11, group="s"), signals[1])
    with pytest.raises(UserError, match="holds the id 11, and labels has 11 classes"):
        open_data(f"folder:{place}/camvid", size=64, signals=few)


@pytest.mark.real
def test_instances_of_cityscapes(tmp_path):
    place = os.environ["KGAN_TEST_DATA"]
    for name, folder in (("labels", "label"), ("instances", "inst"), ("photos", "img")):
        os.symlink(f"{place}/cityscapes_sample/train_{folder}", tmp_path / name)
    signals = tuple(Signal(s.name, s.kind, height=64, width=128, classes=s.classes, group="s")
                    for s in STREET)
    data = open_data(f"folder:{tmp_path}", size=128, signals=signals)
    assert len(data.train["photos"]) + len(data.test["photos"]) == 8
    labels, instances = (everything(data.train[s.name]).astype(int) for s in STREET[:2])
    counted = instances > 999  # id of the class times 1000 and a number
    assert counted.any() and (instances[counted] // 1000 == labels[counted]).all()
    assert (instances[~counted] == labels[~counted]).mean() > 0.99
