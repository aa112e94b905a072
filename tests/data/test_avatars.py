"""The embedded data set: determinism, exact labels, true counterfactuals, the cache."""

import dataclasses
import hashlib
import itertools
import json

import numpy as np
import pytest

from kgan.core.errors import UsageError
from kgan.data import attribute, avatars
from kgan.data import avatar_parts as parts


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path))
    return tmp_path


def faces(count, split="train"):
    return [parts.sample_face(0, split, index) for index in range(count)]


def draw(face, size=64):
    return parts.draw(parts.look(face), size).astype(int)


def open_small(rest="Eyeglasses?n=12&test=5", size=32, **options):
    return avatars.open_avatars(rest, size=size, **options)


def test_version_is_raised_with_what_a_seed_draws():
    looks = [parts.look(face) for face in faces(40) + faces(40, "test")]
    digest = hashlib.sha256(json.dumps(looks, sort_keys=True).encode()).hexdigest()[:16]
    assert (avatars.VERSION, digest) == (1, "21f685643b24a991"), (
        "other faces: raise VERSION, then this pair"
    )


def test_same_seed_same_pictures_and_other_seed_others(tmp_path, monkeypatch):
    first, other = open_small(), open_small(seed=1)
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path / "second"))
    again = open_small()
    for domain in "ab":
        np.testing.assert_array_equal(first.train[domain], again.train[domain])
        np.testing.assert_array_equal(first.truth[domain], again.truth[domain])
        assert (first.train[domain] != other.train[domain]).any()


def test_cache_hit_draws_nothing_and_gives_the_same_bytes(monkeypatch):
    first = {domain: np.array(images) for domain, images in open_small().test.items()}
    monkeypatch.setattr(parts, "draw", lambda options, size: pytest.fail("drawn again"))
    again = open_small()
    for domain in "ab":
        np.testing.assert_array_equal(first[domain], again.test[domain])


@pytest.fixture
def drawn(monkeypatch):
    """The sizes of what is drawn, one for each picture."""
    sizes, draw = [], parts.draw
    monkeypatch.setattr(parts, "draw", lambda look, size: sizes.append(size) or draw(look, size))
    return sizes


@pytest.mark.parametrize(("rest", "counts"), [
    ("Eyeglasses?n=3&test=2", (2 * 3, 4 * 2)),  # two sets, and of the test faces the truth
    ("Smiling,Bald?n=5&test=2", (5, 2)),
])
def test_as_many_faces_are_drawn_as_are_asked_for(drawn, rest, counts):
    open_small(rest, size=8, load_size=9)
    assert (drawn.count(9), drawn.count(8)) == counts


def test_more_faces_begin_with_those_that_are_there(drawn, tmp_path, monkeypatch):
    avatars.sample(4, size=8)
    del drawn[:]
    more = np.array(avatars.sample(7, size=8)[0])
    assert len(drawn) == 3
    fewer = avatars.sample(2, size=8)[0]
    assert len(drawn) == 3
    np.testing.assert_array_equal(fewer, more[:2])
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path / "second"))
    np.testing.assert_array_equal(avatars.sample(7, size=8)[0], more)


def test_damaged_cache_is_drawn_again(cache):
    first = np.array(open_small().test["a"])
    for file in cache.glob("*.npy"):
        file.write_bytes(file.read_bytes()[:200])
    np.testing.assert_array_equal(open_small().test["a"], first)
    assert not [entry for entry in cache.iterdir() if entry.suffix != ".npy"]


def test_processes_draw_what_one_process_draws(monkeypatch):
    looks = [parts.look(face) for face in faces(7)]
    alone = avatars._draw_all(looks, 24)
    monkeypatch.setattr(avatars, "_FEW", 0)
    np.testing.assert_array_equal(avatars._draw_all(looks, 24), alone)


def test_shapes_sizes_and_contract():
    data = open_small(size=37, load_size=41)
    assert data.train["a"].shape == data.train["b"].shape == (12, 41, 41, 3)
    assert data.test["a"].shape == data.truth["b"].shape == (5, 37, 37, 3)
    assert data.train["a"].dtype == np.uint8 and not data.paired
    assert data.train["b"][np.array([3, 1])].shape == (2, 41, 41, 3)
    assert data.deterministic == "b2a" and data.spec == "avatars:Eyeglasses?n=12&test=5"


@pytest.mark.parametrize("name", avatars.ATTRIBUTES)
def test_domains_differ_in_the_attribute_and_hold_other_faces(name):
    bare = []
    for split in ("train", "test"):
        without, with_it = avatars._domains(name, 30, 0, split)
        assert not any(parts.has(face, name) for face in without)
        assert all(parts.has(face, name) for face in with_it)
        bare += [parts.look(parts.with_attribute(f, name, False)) for f in without + with_it]
    assert len({json.dumps(look) for look in bare}) == 120


def test_other_attributes_are_balanced():
    names = list(avatars.ATTRIBUTES)
    sides = avatars._domains("Eyeglasses", 1500, 0, "train")
    rates = [np.mean([parts.labels(face) for face in side], axis=0) for side in sides]
    gap = np.abs(rates[0] - rates[1])
    assert gap[names.index("Eyeglasses")] == 1
    assert np.delete(gap, names.index("Eyeglasses")).max() < 0.06
    assert (rates[0][1:] > 0.03).all() and (rates[0][1:] < 0.97).all()


def test_labels_agree_with_the_parts_drawn():
    for face in faces(150):
        look, seen = parts.look(face), dict(zip(parts.ATTRIBUTES, parts.labels(face), strict=True))
        assert seen["Eyeglasses"] == ("accessoriesVariant" in look)
        assert seen["No_Beard"] == ("facialHairVariant" not in look)
        assert seen["Smiling"] == (look["mouthVariant"] == ["smile"])
        assert seen["Wearing_Hat"] == (look.get("topVariant") == ["winterHat02"])
        assert seen["Bald"] == ("topVariant" not in look)
        hair = [name for name in parts.HAIR_COLORS if seen.get(name)]
        if seen["Wearing_Hat"] or seen["Bald"]:
            assert not hair
        else:
            assert hair == [face.hair] or face.hair == "Auburn"
            assert look["hairColor"] == [parts.HAIR_COLORS[face.hair]]


@pytest.mark.parametrize("name", avatars.ATTRIBUTES)
def test_switching_changes_one_label_and_back_is_the_same_face(name):
    hair = set(parts.HAIR_COLORS)
    follow = {"Bald": hair, "Wearing_Hat": hair | {"Bald"}}.get(
        name, hair if name in hair else set()
    )
    for face in (parts.uncover(face, name) for face in faces(40)):
        switched = parts.with_attribute(face, name, not parts.has(face, name))
        changed = {
            other
            for other in parts.ATTRIBUTES
            if parts.has(face, other) != parts.has(switched, other)
        }
        assert name in changed and changed <= follow | {name}
        assert parts.with_attribute(face, name, parts.has(face, name)) == face
        assert parts.with_attribute(switched, name, parts.has(face, name)) == face


@pytest.mark.parametrize(
    ("name", "rows"),
    [("Eyeglasses", (17, 44)), ("Smiling", (47, 60)), ("Arched_Eyebrows", (17, 33))],
)
def test_counterfactual_changes_a_local_region(name, rows):
    for face in faces(12):
        changed = draw(parts.with_attribute(face, name, True)) - draw(
            parts.with_attribute(face, name, False)
        )
        where = np.flatnonzero(np.abs(changed).max(axis=(1, 2)) > 0)
        assert rows[0] <= where[0] and where[-1] < rows[1]
        assert np.abs(changed).max() > 60  # and can be seen


def test_truth_is_the_test_face_switched():
    data = open_small("Smiling?n=2&test=4", size=32)
    without, with_it = avatars._domains("Smiling", 4, 0, "test")
    for index in range(4):
        smile = parts.with_attribute(without[index], "Smiling", True)
        sober = parts.with_attribute(with_it[index], "Smiling", False)
        np.testing.assert_array_equal(data.test["a"][index], draw(without[index], 32))
        np.testing.assert_array_equal(data.truth["a"][index], draw(smile, 32))
        np.testing.assert_array_equal(data.truth["b"][index], draw(sober, 32))


def others(face, name):
    """Faces that look like `face` in its present state of `name`, with other parts in store."""
    stored = {
        "Eyeglasses": [{"glasses": kind} for kind in parts._GLASSES],
        "No_Beard": [{"beard": kind} for kind in parts._BEARDS],
        "Smiling": [{"mouth": kind} for kind in parts._MOUTHS],
        "Pale_Skin": [{"skin": color} for color in parts._SKINS],
        "Arched_Eyebrows": [{"brows": kind} for kind in parts._BROWS],
        "Wearing_Hat": [{"top": kind} for kind in parts._TOPS],
        "Bald": [{"top": kind} for kind in parts._TOPS],
    }.get(name, [{"other_hair": color} for color in parts.HAIR_COLORS])
    changed = (dataclasses.replace(face, **change) for change in stored)
    return [other for other in changed if parts.look(other) == parts.look(face)]


@pytest.mark.parametrize("name", avatars.ATTRIBUTES)
def test_deterministic_direction_has_one_result(name):
    before = avatars.DETERMINISTIC[name] == "b2a"
    for face in faces(20):
        face = parts.with_attribute(parts.uncover(face, name), name, before)
        twins = others(face, name)
        looks = {json.dumps(parts.look(parts.with_attribute(f, name, not before))) for f in twins}
        assert twins and len(looks) == 1


@pytest.mark.parametrize(
    ("shown", "covers", "below", "kinds"),
    [
        ({"on": frozenset({"No_Beard", "Eyeglasses"})}, "glasses", "eyes", parts._EYES),
        ({"on": frozenset({"No_Beard", "Eyeglasses"})}, "glasses", "brows", parts._BROWS),
        ({"on": frozenset()}, "beard", "mouth", parts._MOUTHS),
    ],
)
def test_what_is_below_glasses_and_beards_stays_visible_at_64_px(shown, covers, below, kinds):
    covering = {"glasses": parts._GLASSES, "beard": parts._BEARDS}[covers]
    for skin, cover in itertools.product((parts._SKINS[0], parts._SKINS[-1]), covering):
        base = dataclasses.replace(faces(1)[0], skin=skin, **shown, **{covers: cover})
        drawn = [draw(dataclasses.replace(base, **{below: kind})) for kind in kinds]
        for one, two in itertools.combinations(drawn, 2):
            assert (np.abs(one - two).max(axis=-1) > 24).sum() >= 6


def test_smile_is_plain_at_64_px():
    for beard, mouth in itertools.product((None, *parts._BEARDS), parts._MOUTHS):
        on = frozenset() if beard else frozenset({"No_Beard"})
        face = dataclasses.replace(faces(1)[0], on=on, mouth=mouth, beard=beard or "beardLight")
        change = np.abs(draw(face) - draw(parts.with_attribute(face, "Smiling", True)))
        assert (change.max(axis=-1) > 60).sum() >= 12


def test_sample_labels_splits_and_prefix():
    pictures, labels = avatars.sample(20, size=16)
    assert pictures.shape == (20, 16, 16, 3) and pictures.dtype == np.uint8
    np.testing.assert_array_equal(labels, [parts.labels(face) for face in faces(20)])
    np.testing.assert_array_equal(avatars.sample(8, size=16)[0], pictures[:8])
    test = avatars.sample(20, size=16, split="test")[0]
    assert not {image.tobytes() for image in pictures} & {image.tobytes() for image in test}


def test_backgrounds_tell_the_splits_apart():
    for parity, split in enumerate(("train", "test")):
        assert {int(face.background[1:], 16) % 2 for face in faces(50, split)} == {parity}


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("Glasses", "Eyeglasses"),
        ("blond_hair", "Blond_Hair"),
        ("", "name an attribute"),
        ("Smiling?tests=3", "test"),
        ("Smiling?n=0", "between 1"),
        ("Smiling?n=many", "whole number"),
    ],
)
def test_wrong_specification_is_a_usage_error(rest, words):
    with pytest.raises(UsageError, match=words):
        avatars.open_avatars(rest, size=16)


def test_hidden_attribute_cannot_be_switched():
    face = parts.with_attribute(faces(1)[0], "Wearing_Hat", True)
    with pytest.raises(UsageError, match="Wearing_Hat hides Blond_Hair"):
        parts.with_attribute(face, "Blond_Hair", True)


def test_picture_shows_every_pair():
    sheet = avatars.picture(("Smiling", "Bald", "Pale_Skin"), size=32, columns=2)
    assert sheet.size == (2 * 72 - 8, 2 * 56 - 8)
    shown = np.asarray(sheet)
    assert (shown[:32, :32] != shown[:32, 32:64]).any()


def test_several_attributes_are_labels_of_one_domain():
    data = avatars.open_avatars("Bald,Smiling?n=30&test=10", size=16, load_size=20, seed=3)
    assert (data.label_names, data.exclusive) == (("Bald", "Smiling"), False)
    assert {k: v.shape for k, v in data.train.items()} == {"a": (30, 20, 20, 3)}
    assert {k: v.shape for k, v in data.test.items()} == {"a": (10, 16, 16, 3)}
    for split, n in (("train", 30), ("test", 10)):
        _, labels = avatars.sample(n, size=16, seed=3, split=split)
        columns = [avatars.ATTRIBUTES.index(name) for name in data.label_names]
        np.testing.assert_array_equal(data.labels[split], labels[:, columns])
    with pytest.raises(UsageError, match="Smiling"):
        avatars.open_avatars("Bald,Smilin", size=16)


@pytest.mark.parametrize(("spec", "name"), [
    ("avatars:Smiling?test=100", "Smiling"), ("celeba:a/b?attribute=Eyeglasses", "Eyeglasses"),
    ("celeba:a/b", ""), ("folder:Smiling", ""), ("tfds:celeb_a?attribute=Smiling", "Smiling"),
])
def test_which_attribute_tells_two_sets_apart(spec, name):
    assert attribute(spec) == name


def test_the_digest_is_of_what_is_drawn():
    specs = ["Smiling?n=2&test=1", "Smiling?test=1&n=2", "Smiling,Bald?n=2&test=1"]
    found = [avatars.open_avatars(spec, size=8).digest for spec in specs]
    found.append(avatars.open_avatars(specs[0], size=8, seed=1).digest)
    assert found[0] == found[1] and len(set(found)) == 3
