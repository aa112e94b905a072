"""The order, crop and mirror of training pictures: a pure function of (seed, step).

Most pictures here are flat and hold their number, so that each can be followed.
"""

from collections import Counter

import numpy as np
import pytest

from kgan.core.recipe import Recipe
from kgan.data import Data, stream
from kgan.data.signals import Signal, usual
from kgan.data.stream import batches


def flat(count, first=0, side=8):
    numbers = np.arange(first, first + count, dtype=np.uint8)
    return np.broadcast_to(numbers[:, None, None, None], (count, side, side, 3))


def textured(count, side, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def visits(sampler, steps, domain=0):
    """The numbers of the flat pictures, in the order in which they came."""
    return [int(x) for step in steps for x in sampler(step)[domain][:, 0, 0, 0]]


def data(train):
    return Data("test", train, train)


def paired(pictures, size):
    """Signals of square pictures that belong together."""
    return tuple(Signal(name, height=size, width=size, group="pair") for name in pictures)


def Sampler(pictures, *, size, signals=None, **options):
    signals = signals or usual(size, dict.fromkeys(pictures, 3))
    return stream.Sampler(pictures, signals, **options)


def take(dataset, count):
    return [{d: x.numpy() for d, x in batch.items()} for batch in dataset.take(count)]


def test_a_step_is_a_function_of_the_seed_and_its_number():
    pictures = {"a": textured(7, 12), "b": textured(9, 12, 1)}
    make = {"batch": 3, "size": 8}
    one, other = Sampler(pictures, **make), Sampler(pictures, **make)
    expected = [one(step) for step in range(6)]
    for step in (4, 0, 5, 2):  # in any order
        for x, y in zip(other(step), expected[step], strict=True):
            np.testing.assert_array_equal(x, y)
    different = Sampler(pictures, seed=1, **make)
    assert any((x != y).any() for x, y in zip(different(0), expected[0], strict=True))


def test_pictures_go_on_where_the_steps_of_another_batch_ended():
    pictures = data({"a": flat(20), "b": flat(20, 100)})
    recipe = Recipe(size=8, batch=2, flip=False)
    first = take(batches(pictures, recipe, batch=4, position=0), 3)
    then = take(batches(pictures, recipe, start=3, position=12), 4)
    for domain, least in (("a", 0), ("b", 100)):
        seen = [x[domain][:, 0, 0, 0] for x in [*first, *then]]
        assert [len(x) for x in seen] == [4] * 3 + [2] * 4
        numbers = np.rint(127.5 * (np.concatenate(seen) + 1)).astype(int)
        assert sorted(numbers) == [*range(least, least + 20)]  # each once
    later = take(batches(pictures, recipe, start=5, position=16), 1)
    np.testing.assert_array_equal(later[0]["a"], then[2]["a"])
    several = take(batches(pictures, recipe, start=1, position=4, per_step=2), 1)[0]["a"]
    both = take(batches(pictures, recipe, start=4, position=8), 2)
    np.testing.assert_array_equal(several, np.concatenate([x["a"] for x in both]))


def test_smaller_pictures_are_means_of_the_same_crops():
    pictures = data({"a": textured(6, 12)})
    recipe = Recipe(size=8, load_size=12, batch=3)
    (large,), (small,) = (take(batches(pictures, recipe, size=s), 1) for s in (8, 4))
    means = large["a"].reshape(3, 4, 2, 4, 2, 3).mean((2, 4))
    np.testing.assert_allclose(small["a"], means, atol=1e-6)


def test_starting_later_is_the_same_as_skipping():
    pictures = data({"a": textured(7, 12), "b": textured(9, 12, 1)})
    recipe = Recipe(size=8, load_size=12, batch=2, seed=3)
    whole = take(batches(pictures, recipe), 6)
    rest = take(batches(pictures, recipe, start=4), 2)
    for x, y in zip(whole[4:], rest, strict=True):
        assert list(x) == ["a", "b"]
        for domain in x:
            np.testing.assert_array_equal(x[domain], y[domain])


@pytest.mark.parametrize("count, batch", [(12, 3), (10, 3), (2, 5)])
def test_every_picture_comes_once_before_any_comes_twice(count, batch):
    sampler = Sampler({"a": flat(count)}, batch=batch, size=8)
    seen = visits(sampler, range(3 * count))
    for start in range(0, len(seen) - count + 1, count):
        assert sorted(seen[start : start + count]) == list(range(count))


def test_epochs_and_domains_have_orders_of_their_own():
    sampler = Sampler({"a": flat(20), "b": flat(20)}, batch=20, size=8)
    orders = [tuple(visits(sampler, [e], d)) for e in range(3) for d in (0, 1)]
    assert len(set(orders)) == 6
    assert tuple(range(20)) not in orders


def test_paired_domains_share_order_crop_and_mirror():
    whole = textured(10, 12)
    pictures = {"a": whole, "b": 255 - whole}
    sampler = Sampler(pictures, batch=4, size=8, signals=paired(pictures, 8))
    for step in range(6):
        a, b = sampler(step)
        np.testing.assert_array_equal(b, 255 - a)
    a, b = Sampler(pictures, batch=4, size=8)(0)
    assert (b != 255 - a).any()


def test_only_a_model_of_pairs_sees_pairs_together():
    numbers = flat(40)
    pictures = {"a": numbers, "b": numbers}
    for signals in (None, paired(pictures, 8)):
        (batch,) = take(batches(data(pictures), Recipe(size=8, batch=20), signals), 1)
        assert (batch["a"] == batch["b"]).all() == bool(signals)


def crops_of(picture, size):
    """{bytes: (top, left, mirrored)} of all its crops."""
    places = {}
    for flipped in (False, True):
        x = picture[:, ::-1] if flipped else picture
        room = len(picture) - size
        for top in range(room + 1):
            for left in range(room + 1):
                places[x[top : top + size, left : left + size].tobytes()] = (top, left, flipped)
    return places


def test_augmentation_is_a_true_crop_or_its_mirror_and_reaches_all_of_them():
    picture = textured(1, 10)
    sampler = Sampler({"a": picture}, batch=8, size=8)
    known = crops_of(picture[0], 8)
    found = Counter(known[x.tobytes()] for step in range(40) for x in sampler(step)[0])
    assert len(found) == 3 * 3 * 2
    mirrored = sum(n for (_, _, flipped), n in found.items() if flipped)
    assert 120 < mirrored < 200  # half of 320, within 4.5 standard deviations


def test_augmentation_differs_between_visits():
    sampler = Sampler({"a": textured(4, 24)}, batch=4, size=8)
    first, second = (sampler(step)[0] for step in (0, 1))
    assert not {x.tobytes() for x in first} & {x.tobytes() for x in second}


def test_without_room_and_mirror_pictures_come_as_they_are():
    pictures = textured(5, 8)
    sampler = Sampler({"a": pictures}, batch=5, size=8, flip=False)
    assert {x.tobytes() for x in sampler(0)[0]} == {x.tobytes() for x in pictures}


def test_domains_may_differ_in_number_and_side():
    sampler = Sampler({"a": textured(3, 8), "b": textured(50, 20)}, batch=4, size=8)
    for x in sampler(30):
        assert x.shape == (4, 8, 8, 3)
        assert x.dtype == np.uint8


def test_values_and_types_of_a_batch():
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    recipe = Recipe(size=16, batch=2, flip=False)
    dataset = batches(data({"a": levels, "b": levels}), recipe)
    for spec in dataset.element_spec.values():
        assert spec.shape == (2, 16, 16, 3)
        assert spec.dtype == "float32"
    (batch,) = take(dataset, 1)
    np.testing.assert_allclose(batch["a"][1], levels[0] / 127.5 - 1, atol=1e-6)
    assert batch["a"].min() == -1
    assert batch["a"].max() == 1


def test_batches_of_a_step_come_joined():
    pictures = data({"a": flat(12)})
    recipe = Recipe(size=8, batch=2, flip=False)
    single = take(batches(pictures, recipe), 6)
    joined = take(batches(pictures, recipe, per_step=3), 2)
    for i in (0, 1):
        expected = np.concatenate([x["a"] for x in single[3 * i : 3 * i + 3]])
        np.testing.assert_array_equal(joined[i]["a"], expected)


@pytest.mark.parametrize("per_step", [1, 3])
def test_replicas_share_a_batch_without_loss(mirrored, per_step):
    pictures = data({"a": flat(48), "b": flat(48, first=100)})
    recipe = Recipe(size=8, batch=4)
    expected = take(batches(pictures, recipe, per_step=per_step), 3)
    shared = mirrored.experimental_distribute_dataset(batches(pictures, recipe, per_step=per_step))
    for spec in shared.element_spec.values():
        # known while tracing, which fusing calls and cutting batches needs
        assert [x.shape for x in spec._value_specs] == [(2 * per_step, 8, 8, 3)] * 2
    for whole, parts in zip(expected, shared, strict=False):
        for domain in whole:
            shares = mirrored.experimental_local_results(parts[domain])
            np.testing.assert_array_equal(np.concatenate(shares), whole[domain])


@pytest.mark.parametrize("exclusive", [True, False])
def test_labels_follow_their_pictures(exclusive):
    pictures = {"a": flat(9)}
    classes = np.arange(9) % 3
    one_hot = (classes[:, None] == np.arange(3)).astype(np.float32)
    labelled = Data(
        "test", pictures, pictures, labels={"train": classes if exclusive else one_hot},
        label_names=("x", "y", "z"), exclusive=exclusive,
    )
    recipe = Recipe(size=8, batch=2, flip=False)
    for batch in take(batches(labelled, recipe, per_step=2), 4):
        numbers = np.round((batch["a"][:, 0, 0, 0] + 1) * 127.5).astype(int)
        assert batch["labels"].dtype == np.float32
        np.testing.assert_array_equal(batch["labels"], one_hot[numbers])


def test_upside_down_is_the_whole_picture_and_half_of_them():
    pictures = {"a": textured(4, 8)}
    sampler = Sampler(pictures, batch=64, size=8, flip=False, flip_vertical=True)
    plain = Sampler(pictures, batch=64, size=8, flip=False)
    turned, straight = sampler(0)[0], plain(0)[0]
    upside = (turned == straight[:, ::-1]).all((1, 2, 3))
    assert (upside | (turned == straight).all((1, 2, 3))).all()
    assert 16 < upside.sum() < 48


def test_rotation_keeps_the_middle_and_leaves_no_corner_empty():
    disc = np.full((1, 33, 33, 3), 200, np.uint8)
    y, x = np.mgrid[-16:17, -16:17]
    disc[0, (y**2 + x**2) < 100] = 40  # turning about the middle changes no disc
    sampler = Sampler({"a": disc}, batch=16, size=33, flip=False, rotate=30.0)
    turned = sampler(0)[0].astype(int)
    assert abs(turned - disc).max() > 0
    inside = (y**2 + x**2 < 64) | (y**2 + x**2 > 144)
    np.testing.assert_allclose(turned[:, inside], np.repeat(disc[:, inside], 16, 0), atol=1)
    edge = np.zeros((1, 32, 32, 3), np.uint8)
    edge[:, :, 16:] = 255
    leaning = Sampler({"a": edge}, batch=64, size=32, flip=False, rotate=10.0)(0)[0]
    where = (leaning[:, 4].sum((1, 2)) - leaning[:, 27].sum((1, 2), dtype=int)) / 765
    most = 23 * np.tan(np.radians(10))  # columns that the edge moves by between two rows
    assert np.abs(where).max() <= most + 1
    assert np.ptp(where) > most  # to both sides


def aligned(count=3, side=12):
    """Pictures of low and of four times the resolution, a map of class ids and one of instances.

    Each pixel of the low picture holds its place, those of the high one the place that they are of.
    """
    row, column = np.mgrid[:side, :side]
    low = np.stack([np.stack([row, column, np.full_like(row, n)], -1) for n in range(count)])
    ids = (row % 2 * 26 + column % 3 // 2 * 7)[None, ..., None].repeat(count, 0)
    return {
        "low": low.astype(np.uint8), "high": low.repeat(4, 1).repeat(4, 2).astype(np.uint8),
        "labels": ids.astype(np.uint16), "instances": (ids * 1000 + 1).astype(np.uint16),
    }


ALIGNED = (
    Signal("low", height=8, width=6), Signal("high", height=32, width=24, group="low"),
    Signal("labels", "labels", height=8, width=6, group="low"),
    Signal("instances", "instances", height=8, width=6, group="low"),
)


@pytest.mark.parametrize("rotate", [0.0, 20.0])
def test_signals_of_one_group_stay_aligned_each_at_its_scale(rotate):
    pictures = aligned()
    sampler = Sampler(pictures, size=0, signals=ALIGNED, batch=8, flip_vertical=True, rotate=rotate)
    seen = set()
    for step in range(6):
        low, high, labels, instances = sampler(step)
        assert low.shape == (8, 8, 6, 3) and high.shape == (8, 32, 24, 3)
        assert labels.dtype == instances.dtype == np.int32 and labels.shape == (8, 8, 6, 1)
        np.testing.assert_array_equal(instances, labels * 1000 + 1)  # 0 and 26,001 among them
        assert {1, 26001} <= set(instances.ravel()) <= {1, 7001, 26001, 33001}
        if rotate:
            inside = high[:, 8:24, 8:16].reshape(8, 4, 4, 2, 4, 3).mean((2, 4))
            assert np.abs(inside - low[:, 2:6, 2:4]).mean() < 0.5  # pixels, half of one low one
            continue
        np.testing.assert_array_equal(high, low.repeat(4, 1).repeat(4, 2))
        place = low[..., :1] % 2 * 26 + low[..., 1:2] % 3 // 2 * 7
        np.testing.assert_array_equal(labels, place)
        seen |= {tuple(x[0, 0, :2]) for x in low}
    assert rotate or len(seen) > 20  # corners of many crops


def test_batches_hold_ids_as_whole_numbers():
    pictures = aligned()
    (batch,) = take(batches(data(pictures), Recipe(batch=2, flip=False), ALIGNED, per_step=2), 1)
    assert {name: (x.shape, str(x.dtype)) for name, x in batch.items()} == {
        "low": ((4, 8, 6, 3), "float32"), "high": ((4, 32, 24, 3), "float32"),
        "labels": ((4, 8, 6, 1), "int32"), "instances": ((4, 8, 6, 1), "int32"),
    }
    assert {0, 26} <= set(batch["labels"].ravel()) and 26001 in batch["instances"]
    np.testing.assert_array_equal(batch["high"], batch["low"].repeat(4, 1).repeat(4, 2))


def test_a_stage_of_smaller_pictures_mixes_no_ids_and_a_worker_takes_its_part():
    ids = np.random.default_rng(0).choice([0, 26, 26001], (4, 8, 16, 1)).astype(np.int32)
    train = {"a": textured(4, 16)[:, :8], "ids": ids}
    signals = (Signal("a", height=8, width=16, group="x"),
               Signal("ids", "instances", height=8, width=16, group="x"))
    recipe = Recipe(size=16, batch=4, flip=False)
    (whole,) = take(batches(data(train), recipe, signals), 1)
    (small,) = take(batches(data(train), recipe, signals, size=8), 1)
    means = whole["a"].reshape(4, 4, 2, 8, 2, 3).mean((2, 4))
    np.testing.assert_allclose(small["a"], means, atol=1e-6)
    assert small["ids"].shape == (4, 4, 8, 1) and small["ids"].dtype == np.int32
    assert set(np.unique(small["ids"])) <= {0, 26, 26001}
    parts = [take(batches(data(train), recipe, signals, size=8, part=(i, 2)), 1)[0]
             for i in range(2)]
    for name, x in small.items():
        np.testing.assert_array_equal(np.concatenate([p[name] for p in parts]), x)
    with pytest.raises(ValueError, match="cannot be 3 of 16"):
        batches(data(train), recipe, signals, size=3)


def test_pairs_that_do_not_fit_are_refused():
    pictures = aligned()
    with pytest.raises(ValueError, match="paired: as many, and 4 times the sides"):
        Sampler({**pictures, "high": pictures["high"][:, :, :40]}, size=0, signals=ALIGNED, batch=2)
    uneven = (ALIGNED[0], Signal("high", height=32, width=20, group="low"))
    with pytest.raises(ValueError, match="sides must be a multiple"):
        Sampler(pictures, size=0, signals=uneven, batch=2)
