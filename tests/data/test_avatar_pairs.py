"""Drawn faces beside their edges, the maps of their parts and themselves small: all exact."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Recipe
from kgan.data import Signal, attribute, avatar_maps, avatars, open_data, palettes
from kgan.data import avatar_parts as parts
from kgan.data.avatar_maps import PARTS
from kgan.data.palettes import AVATARS
from kgan.data.signals import usual
from kgan.data.stream import batches


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path))


def signals(*names, side=32, **more):
    """Paired signals by their names; `labels` and `instances` are ids."""
    kinds = {"labels": "labels", "instances": "instances"}
    return tuple(Signal(name, kinds.get(name, "picture"), height=side, width=side, group="face",
                        **(more if name == "labels" else {})) for name in names)


def opened(spec, names=("a", "b"), side=32, load=None, **more):
    return open_data(f"avatars:{spec}?n=6&test=3", size=side, load_size=load,
                     signals=signals(*names, side=side, **more))


def everything(images):
    return images[np.arange(len(images))]


def plain(**changes):
    """A face of which every part that is always there is seen."""
    face = parts.sample_face(0, "train", 0)
    return dataclasses.replace(face, on=frozenset({"No_Beard"}), skin="#8c5c3e", **changes)


def drawn(face, size=128):
    options = parts.look(face)
    return parts.draw(options, size), avatar_maps.draw_parts(options, size)[..., 0]


def colored(picture, color):
    return (picture == [int(color[i : i + 2], 16) for i in (1, 3, 5)]).all(-1)


def inside(mask):
    """Pixels whose neighbours are of the mask, too: no antialiased ones."""
    return ndimage.binary_erosion(mask, np.ones((3, 3)))


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("top", ["shortFlat", "dreads01", "bun", "theCaesar"])
def test_a_pixel_is_hair_where_the_face_has_the_colour_of_hair(size, top):
    for name in ("Blond_Hair", "Auburn"):
        picture, ids = drawn(plain(hair=name, top=top), size)
        hair = ids == PARTS.index("hair")
        colour = colored(picture, parts.HAIR_COLORS[name])
        assert hair.mean() > 0.03
        assert (ids[colour] == PARTS.index("hair")).all()
        assert colour[inside(hair)].all()


def test_background_skin_beard_glasses_and_hat_have_their_colours():
    face = plain(hair="Blond_Hair", frame="#25557c", beard="beardMedium", top="shortFlat")
    face = dataclasses.replace(face, on=frozenset({"Eyeglasses"}))
    for part, color, least in (("background", face.background, 0.1), ("beard", "#dcb968", 0.02),
                               ("glasses", "#25557c", 0.005), ("skin", "#8c5c3e", 0.2)):
        picture, ids = drawn(face, 256)
        mine, colour = ids == PARTS.index(part), colored(picture, color)
        colour &= ids != PARTS.index("hair")  # a beard has the colour of the hair
        assert (ids[colour] == PARTS.index(part)).all() and mine.mean() > least
        share = colour[inside(mine)].mean()  # some of skin and beard lies in shadows
        assert share > (0.95 if part == "skin" else 0.99)
    picture, ids = drawn(dataclasses.replace(face, on=frozenset({"Wearing_Hat", "No_Beard"})))
    assert not {PARTS.index("hair"), PARTS.index("beard")} & set(ids.ravel())
    hat = ids == PARTS.index("hat")
    assert (ids[colored(picture, parts._HAT_COLOR)] == PARTS.index("hat")).all()
    assert 0.1 < colored(picture, parts._HAT_COLOR)[inside(hat)].mean() < 1  # stripes, the pompom


@pytest.mark.parametrize("part, change", [
    ("mouth", {"mouth": "sad"}), ("eyes", {"eyes": "squint"}),
    ("eyebrows", {"brows": "flatNatural"}),
])
def test_what_another_part_changes_is_of_that_part(part, change):
    face = plain(mouth="serious", eyes="closed", brows="defaultNatural", top="theCaesar")
    (one, before), (two, after) = drawn(face), drawn(dataclasses.replace(face, **change))
    either = (before == PARTS.index(part)) | (after == PARTS.index(part))
    changed = (one != two).any(-1)
    assert changed.sum() > 20
    assert ndimage.binary_dilation(either, np.ones((3, 3)))[changed].all()
    assert (before == after)[~either].all()


def test_ids_are_those_of_the_parts_that_a_face_has():
    for index in range(60):
        face = parts.sample_face(1, "test", index)
        _, ids = drawn(face, 64)
        seen = {PARTS[i] for i in np.unique(ids)}
        assert {"background", "skin", "mouth"} <= seen  # a long moustache may hide the nose
        assert ("glasses" in seen) == parts.has(face, "Eyeglasses")
        assert ("beard" in seen) == (not parts.has(face, "No_Beard"))
        assert ("hat" in seen) == parts.has(face, "Wearing_Hat")
        assert ("hair" in seen) == (not {"Wearing_Hat", "Bald"} & face.on)


def test_maps_beside_faces():
    data = opened("parts", ("labels", "instances", "photos"))
    assert data.paired and list(data.train) == ["labels", "instances", "photos"]
    assert "classes: 0 background, 1 skin, 2 hair" in "\n".join(data.summary)
    for split, n in (("train", 6), ("test", 3)):
        found = getattr(data, split)
        labels, things, photos = (everything(found[name]) for name in found)
        assert labels.shape == things.shape == (n, 32, 32, 1) == found["labels"].shape
        assert labels.dtype == things.dtype == np.uint16 and photos.shape == (n, 32, 32, 3)
        np.testing.assert_array_equal(photos, avatars.sample(n, size=32, split=split)[0])
        looks = [parts.look(face) for face in avatars._faces(0, split, 0, n)]
        np.testing.assert_array_equal(
            labels, [avatar_maps.draw_parts(look, 32) for look in looks])
        counted = np.isin(labels, avatar_maps.COUNTED)
        np.testing.assert_array_equal(np.where(counted, things // 1000, things), labels)
        left = np.arange(32)[:, None] < 16
        np.testing.assert_array_equal((things % 1000 == 0)[counted], (left & counted)[counted])
        assert {5000, 5001} <= set(things.ravel())
    assert not {x.tobytes() for x in everything(data.train["photos"])} & {
        x.tobytes() for x in everything(data.test["photos"])}


def test_maps_in_colours_and_edges_are_of_the_same_maps():
    ids = everything(opened("parts", ("labels", "face")).train["labels"])
    colours, edges = opened("parts"), opened("edges")
    np.testing.assert_array_equal(AVATARS.nearest(everything(colours.train["a"])), ids)
    assert {tuple(x) for x in everything(colours.train["a"]).reshape(-1, 3)} <= set(AVATARS.colors)
    np.testing.assert_array_equal(everything(colours.train["b"]), everything(edges.train["b"]))
    lines = everything(edges.train["a"])
    assert lines.shape == (6, 32, 32, 3) and set(lines.ravel()) == {0, 255}
    black = (lines == 0).all(-1)
    for one, line in zip(ids[..., 0], black, strict=True):
        right = one != np.roll(one, -1, 1)
        below = one != np.roll(one, -1, 0)
        np.testing.assert_array_equal(line[:-1, :-1], (right | below)[:-1, :-1])
    assert 0.05 < black.mean() < 0.4
    assert colours.digest != edges.digest


def test_edges_by_hand():
    ids = np.array([[0, 0, 1], [0, 0, 1], [2, 2, 2]])[..., None]
    want = [[255, 0, 255], [0, 0, 0], [255, 255, 255]]
    np.testing.assert_array_equal(avatar_maps.edges(ids)[..., 0], want)


def test_crops_and_mirrors_of_a_batch_stay_together():
    data = opened("parts", ("labels", "instances", "photos"), load=40)
    assert data.train["labels"].shape == (6, 40, 40, 1)
    held = signals("labels", "instances", "photos")
    background = {}
    for batch in batches(data, Recipe(size=32, batch=6, flip=True), held).take(2):
        ids, photos = batch["labels"].numpy()[..., 0], batch["photos"].numpy()
        assert ids.dtype == np.int32 and ids.shape == (6, 32, 32)
        for one, photo in zip(ids, photos, strict=True):
            flat = photo[inside(one == 0)]
            assert len(flat) and np.ptp(flat, axis=0).max() == 0
            background.setdefault(flat[0].tobytes(), []).append(photo.tobytes())
    assert len(background) == 6 and all(len(set(seen)) == 2 for seen in background.values())


@pytest.mark.parametrize("factor", [2, 4])
def test_faces_and_the_same_small(factor):
    low, high = (Signal(name, height=side, width=side, group="x", source=source)
                 for name, side, source in (("low", 32 // factor, "high"), ("high", 32, "")))
    data = open_data(f"avatars:x{factor}?n=5&test=2", size=32, load_size=48, signals=(low, high))
    assert data.paired and data.train["high"].shape == (5, 48, 48, 3)
    assert data.train["low"].shape == (5, 48 // factor, 48 // factor, 3)
    assert data.test["low"].shape == (2, 32 // factor, 32 // factor, 3)
    for one, small in zip(data.test["high"], everything(data.test["low"]), strict=True):
        want = Image.fromarray(one).resize(small.shape[:2], Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(small, want)
    batch = next(iter(batches(data, Recipe(size=32, batch=4), (low, high))))
    mean = batch["high"].numpy().reshape(4, low.height, factor, low.width, factor, 3).mean((2, 4))
    assert np.abs(mean - batch["low"]).mean() < 0.1
    with pytest.raises(UserError, match=f"avatars:x{6 - factor} holds faces and the same at "
                                        f"1/{6 - factor} of the sides.* takes low"):
        open_data(f"avatars:x{6 - factor}", size=32, signals=(low, high))


@pytest.mark.parametrize("spec, names, words", [
    ("edges", ("labels", "photos"), r"holds a \(edges\) and b \(faces\).*takes labels \(class ids, "
                                    r"32x32\), photos.* Class ids are in avatars:parts"),
    ("parts", ("a", "photos"), "holds class ids, instance ids and faces, or a"),
    ("edges", ("a",), "and the model takes a"),
    ("x4", ("a", "b"), "for models that enlarge 4 times"),
    ("x2", ("low", "high"), "for models that enlarge 2 times"),
])
def test_what_is_not_there_is_refused_by_name(spec, names, words):
    with pytest.raises(UserError, match=f"avatars:{spec} .*{words}"):
        opened(spec, names)


def test_classes_and_shapes_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match=r"holds 10 classes, ids 0 to 9, and labels has 9: declare"):
        opened("parts", ("labels", "photos"), classes=9)
    assert opened("parts", ("labels", "photos"), classes=35).paired
    wide = tuple(Signal(name, height=16, width=32, group="x") for name in "ab")
    with pytest.raises(UserError, match=r"square faces, and the model takes a .pictures, 32x16"):
        open_data("avatars:parts", size=32, signals=wide)
    with pytest.raises(UserError, match=r"avatars:edges, avatars:parts, avatars:x2"):
        open_data("avatars:Smiling", size=32, signals=signals("labels", "photos"))


@pytest.mark.parametrize("spec, words", [
    ("parts?m=3", "no option"), ("edges?n=0", "between 1"), ("edge", "nearest: edges"),
])
def test_wrong_specifications(spec, words):
    with pytest.raises(UsageError, match=words):
        open_data(f"avatars:{spec}", size=16)


def test_faces_of_the_cache_are_not_drawn_again(monkeypatch):
    for split in ("train", "test"):
        avatars.sample(8, size=32, split=split)
    maps = np.array(avatars.sampled("maps", 3, size=32))
    monkeypatch.setattr(parts, "draw", lambda *given: pytest.fail("drawn again"))
    found = avatars.sampled("maps", 5, size=32)
    np.testing.assert_array_equal(found[:3], maps)
    assert len(opened("edges").train["b"]) == 6


def test_processes_draw_the_maps_of_one_process(monkeypatch):
    looks = [parts.look(face) for face in avatars._faces(0, "train", 0, 5)]
    alone = avatars._draw_all(looks, 24, "maps")
    monkeypatch.setattr(avatars, "_FEW", 0)
    np.testing.assert_array_equal(avatars._draw_all(looks, 24, "maps"), alone)


def test_pairs_are_no_attributes():
    assert [attribute(f"avatars:{name}?n=3") for name in ("edges", "parts", "x4")] == [""] * 3
    assert open_data("avatars:edges?n=2&test=1", size=16).train["a"].shape == (2, 16, 16, 3)


def test_models_that_do_not_learn_from_pairs_may_have_them():
    data = open_data("avatars:edges?n=2&test=1", size=16, signals=usual(16, {"a": 1, "b": 3}))
    assert data.train["a"].shape == data.train["b"].shape == (2, 16, 16, 3)


def test_palettes():
    for palette in palettes.KNOWN.values():
        ids = np.arange(len(palette.classes)).reshape(1, -1, 1)
        painted = palette.paint(ids)
        again = palette.nearest(painted)
        twins = [palette.colors.index(color) for color in palette.colors]
        assert again.ravel().tolist() == twins  # of one colour, the first
        assert not set(palette.nearest(painted, void=False).ravel()) & set(palette.void)
        assert palette.share(painted) > 0.4
    assert [len(p.classes) - len(p.void) for p in palettes.KNOWN.values()] == [10, 12, 19, 11]


def test_which_palette_pictures_are_in():
    data = opened("parts")
    assert palettes.found_in(data.train["a"])[0] is AVATARS
    assert palettes.found_in(data.train["b"]) == (None, 0.0)
    assert palettes.found_in(opened("edges").train["a"]) == (None, 0.0)
    noise = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 3), np.uint8)
    assert palettes.found_in(noise)[0] is None
    street = palettes.CITYSCAPES.paint(noise[..., :1] % 35)
    assert palettes.found_in(street)[0] is palettes.CITYSCAPES
