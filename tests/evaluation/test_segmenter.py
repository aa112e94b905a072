"""Segmentation scores: made photographs through a segmenter, made maps by their colours."""

import dataclasses
import io

import numpy as np
import pytest
import tensorflow as tf
from conftest import Toy

from kgan.core import cache
from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Recipe
from kgan.data import Data, Signal, open_data
from kgan.data.palettes import AVATARS, CAMVID
from kgan.evaluation import segmentation
from kgan.evaluation.evaluate import _check_asked
from kgan.evaluation.measures import USUAL, Options
from kgan.evaluation.segmentation import Maps, maps_of, measure_segmentation, segmenter
from kgan.metrics.segmentation import confusion, scores
from kgan.models.translation import Translation

CLASSES = 4
GREYS = np.array([20, 90, 160, 230], np.uint8)  # what real photographs have for a class


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path))
    monkeypatch.setattr(segmentation, "_WIDTHS", (16, 16))
    return tmp_path


def ids_of(count, seed, side=32):
    """Maps of patches of 8 px."""
    ids = np.random.default_rng(seed).integers(0, CLASSES, (count, side // 8, side // 8, 1))
    return ids.repeat(8, 1).repeat(8, 2).astype(np.uint16)


def photographs(ids, seed=0):
    noise = np.random.default_rng(seed).integers(-15, 16, (*ids.shape[:3], 3))
    return (GREYS[ids].astype(int) + noise).astype(np.uint8)


def streets(spec="folder:streets"):
    """Ids and photographs of them."""
    parts = [{"labels": ids_of(n, seed), "photos": photographs(ids_of(n, seed), seed)}
             for n, seed in ((12, 1), (6, 2))]
    return Data(spec, *parts, paired=True)


def painted(palette=AVATARS):
    """Photographs, and their maps in colours."""
    data = streets("folder:painted")
    parts = [{"a": palette.paint(part["labels"]), "b": part["photos"]}
             for part in (data.train, data.test)]
    return Data("folder:painted", *parts, paired=True)


class Paired(Toy):
    """Pictures a and b, both ways, by whatever `forward` does."""

    directions = {"a2b": "g", "b2a": "g"}
    measures = ("pairs", "segmentation")

    @classmethod
    def signals_of(cls, recipe):
        return tuple(Signal(name, height=recipe.size, width=recipe.size, group="x")
                     for name in "ab")


class FromIds(Toy):
    """Photographs of ids: each class in its grey, or another."""

    directions = {"draw": Translation(("labels",), "photos", "g")}
    measures = ("segmentation",)
    shift = 0

    @classmethod
    def signals_of(cls, recipe):
        side = {"height": recipe.size, "width": recipe.size, "group": "x"}
        return (Signal("labels", "labels", classes=CLASSES, **side), Signal("photos", **side))

    def forward(self, x, direction):
        greys = tf.constant(GREYS / 127.5 - 1, tf.float32)
        return tf.gather(greys, (x + self.shift) % CLASSES)


class Swapped(FromIds):
    shift = 1


@pytest.fixture
def trained(monkeypatch):
    """A list that gets an entry for every training."""
    found, train = [], segmentation._train
    monkeypatch.setattr(segmentation, "_train", lambda *given: (found.append(given[-1]),
                                                                train(*given)))
    return found


def test_photographs_of_maps(trained, place):
    model, data, stream = FromIds(Recipe(size=32)), streets(), io.StringIO()
    figures, pictures = measure_segmentation(model, data, steps=120, stream=stream)
    assert figures["pixel_accuracy_draw"] > 0.85 and figures["class_iou_draw"] > 0.75
    assert figures["real_pixel_accuracy_draw"] > 0.85
    assert abs(figures["other_class_accuracy_draw"] - 1 / CLASSES) < 0.1
    assert len(figures) == 9 and "training the segmenter of folder:streets" in stream.getvalue()
    (seen,) = pictures.values()
    np.testing.assert_array_equal(seen["map"], data.test["labels"])
    wrong, _ = measure_segmentation(Swapped(Recipe(size=32)), data, 3, steps=120, stream=stream)
    assert wrong["pixel_accuracy_draw"] < 0.15 < 0.7 < wrong["real_class_iou_draw"]
    assert trained == [120]  # both by the one of the cache
    measure_segmentation(model, data, 2, steps=1, stream=stream)
    assert trained == [120, 1]
    assert {cache._ENTRY.fullmatch(path.name)[1] for path in place.iterdir()} == {"segmenter"}


def test_what_is_kept_finds_what_was_trained():
    data = streets()
    maps = maps_of(data, FromIds.signals_of(Recipe(size=32)))
    found = [segmenter(data, "photos", maps, 2, io.StringIO()).ids(data.test["photos"])
             for _ in range(2)]
    np.testing.assert_array_equal(*found)
    assert found[0].shape == (6, 32, 32, 1) and found[0].dtype == np.uint8


def test_maps_of_photographs_are_read_by_their_colours(monkeypatch):
    """An identity: of b2a the photographs themselves are taken for maps."""
    data = painted()
    monkeypatch.setattr(Paired, "forward", lambda self, x, direction: x)
    monkeypatch.setattr(segmentation, "segmenter", lambda data, photos, *more: Always())
    figures, pictures = measure_segmentation(Paired(Recipe(size=32)), data)
    truth = data.test["a"]
    wanted = AVATARS.nearest(truth)
    by_hand = scores(confusion(wanted, AVATARS.nearest(data.test["b"]), 10))
    other = scores(confusion(wanted, np.roll(wanted, 1, 0), 10))
    for name, value in by_hand.items():
        assert figures[f"{name}_b2a"] == value and figures[f"other_{name}_b2a"] == other[name]
    assert "real_pixel_accuracy_b2a" not in figures
    assert figures["real_pixel_accuracy_a2b"] == figures["pixel_accuracy_a2b"] == np.mean(
        wanted == 1)
    assert figures["class_accuracy_a2b"] == 0.25
    np.testing.assert_array_equal(pictures["segmentation b2a"]["map"], truth)
    assert {tuple(c) for c in pictures["segmentation a2b"]["made"].reshape(-1, 3)} == {
        AVATARS.colors[1]}


class Always:
    def ids(self, pictures):
        return np.ones((*pictures.shape[:3], 1), np.uint8)


def test_void_classes_are_not_learned_and_never_found():
    data = streets()
    maps = Maps("labels", CLASSES, (0, 2), None, False)
    found = segmenter(data, "photos", maps, 120, io.StringIO()).ids(data.test["photos"])
    assert set(found.ravel()) == {1, 3}
    assert scores(confusion(data.test["labels"], found, 4, (0, 2)))["class_iou"] > 0.85


def test_where_the_maps_are():
    pair, ids = (kind.signals_of(Recipe(size=32)) for kind in (Paired, FromIds))
    found = maps_of(painted(), pair)
    assert (found.name, found.palette, found.painted, found.classes) == ("a", AVATARS, True, 10)
    data = painted(CAMVID)
    turned = Data("x", *({"a": part["b"], "b": part["a"]} for part in (data.train, data.test)))
    assert (maps_of(turned, pair).name, maps_of(turned, pair).void) == ("b", (11,))
    assert maps_of(turned, pair, "camvid").palette is CAMVID
    assert maps_of(streets(), ids) == Maps("labels", CLASSES, (), None, False)
    assert maps_of(streets(), ids, "camvid") == Maps("labels", 12, (11,), CAMVID, False)
    enough = dataclasses.replace(ids[0], classes=35)
    faces = open_data("avatars:parts?n=2&test=1", size=32, signals=(enough, ids[1]))
    assert maps_of(faces, ids) == Maps("labels", 10, (), AVATARS, False)


@pytest.mark.parametrize("data, words", [
    (Data("folder:x", {}, {}), "segmentation needs pairs, and the pictures of folder:x"),
    ("avatars:edges", "has neither class ids nor pictures in the colours of avatars, cmp, "),
])
def test_a_figure_that_cannot_be_had_costs_no_other(data, words):
    model = Paired(Recipe(size=32))
    if isinstance(data, str):
        data = open_data(f"{data}?n=3&test=2", size=32, signals=model.signals)
    with pytest.raises(UserError, match=words):
        measure_segmentation(model, data)
    options = Options()
    figures, pictures = USUAL["segmentation"].find(model, data, options)
    assert figures == pictures == {} and list(options.skipped) == ["segmentation"]


def test_larger_pictures_are_reduced_and_other_sides_extended(monkeypatch):
    monkeypatch.setattr(segmentation, "LARGEST", 32)
    ids = ids_of(4, 1, 96)[:, :72]
    data = Data("folder:large", *2 * [{"labels": ids, "photos": photographs(ids)}], paired=True)
    maps = Maps("labels", CLASSES, (), None, False)
    found = segmenter(data, "photos", maps, 120, io.StringIO()).ids(data.test["photos"])
    assert found.shape == (4, 72, 96, 1) and np.mean(found == ids) > 0.6
    assert segmentation._sides(72, 96) == (24, 32)


def test_its_flags_are_refused_where_nothing_heeds_them():
    options = Options(palette="cmp"), Options(segmenter_steps=3)
    for asked in options:
        with pytest.raises(UsageError, match="--palette and --segmenter_steps are for"):
            _check_asked("toy", Toy(Recipe(size=16)), asked)
        _check_asked("toy", Paired(Recipe(size=16)), asked)
