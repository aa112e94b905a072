"""Latent directions: geometry by hand, files that are not what they say, the picture's numbers."""

import math
import os
import pickle
import re
import xml.etree.ElementTree as ElementTree
import zipfile

import numpy as np
import pytest

from kgan.core.errors import UserError
from kgan.editing import directions
from kgan.editing.directions import Direction
from kgan.editing.drawing import plot

OURS, OTHER = "ab" * 32, "cd" * 32
ROOT = math.sqrt(0.5)


def direction(*vector, name="Smiling", length=2.0, generator=OURS, **known):
    return Direction(name, np.array(vector) / np.linalg.norm(vector), length, generator, **known)


def codes(mean, std, n=400, latent=6, seed=0):
    """Random codes whose first entry has exactly this mean and deviation."""
    made = np.random.default_rng(seed).normal(size=(n, latent))
    first = made[:, 0]
    made[:, 0] = mean + std * (first - first.mean()) / first.std()
    return made.astype(np.float32)


# Making directions


def test_one_pair_by_hand():
    vector, length = directions.from_pairs([[1, 1, 1]], [[4, 1, 5]])
    np.testing.assert_allclose(vector, [0.6, 0, 0.8], rtol=1e-6)
    assert (vector.dtype, length) == (np.float32, pytest.approx(5))
    np.testing.assert_allclose(directions.spread([[1, 1, 1]], [[4, 1, 5]]), [1.0], rtol=1e-6)


def test_pairs_count_alike_however_far_apart_they_are():
    without, with_ = [[0, 0, 2], [1, 0, 0]], [[10, 0, 2], [1, 1, 0]]  # 10 to the right, 1 up
    vector, length = directions.from_pairs(without, with_)
    np.testing.assert_allclose(vector, [ROOT, ROOT, 0], rtol=1e-6)
    # along it the sides, whose means differ by 5 and 0.5, are
    assert length == pytest.approx(5.5 * ROOT)
    np.testing.assert_allclose(directions.spread(without, with_), [ROOT, ROOT], rtol=1e-6)


def test_labels_by_hand():
    z = [[0, 0], [2, 0], [4, 4], [4, 5], [4, 6]]
    vector, length = directions.from_labels(z, [0, 0, 1, 1, 1])  # (4, 5) - (1, 0)
    assert length == pytest.approx(math.sqrt(34))
    np.testing.assert_allclose(vector * length, [3, 5], rtol=1e-6)
    assert vector.dtype == np.float32
    reverse, _ = directions.from_labels(z, np.array([1, 1, 0, 0, 0], bool))
    np.testing.assert_allclose(reverse, -vector, rtol=1e-6)


def test_pairs_and_labels_agree_on_what_is_planted():
    random = np.random.default_rng(1)
    planted = random.normal(size=64)
    planted /= np.linalg.norm(planted)
    without = random.normal(size=(300, 64))
    with_ = without + 3.0 * planted + 0.1 * random.normal(size=(300, 64))
    by_pairs, near = directions.from_pairs(without, with_)
    both = np.concatenate([without, with_])
    by_labels, far = directions.from_labels(both, np.repeat([0, 1], 300))
    assert min(by_pairs @ planted, by_labels @ planted) > 0.999
    assert near == pytest.approx(3, abs=0.02) == far
    assert directions.spread(without, with_).min() > 0.9


@pytest.mark.parametrize("call, words", [
    (lambda: directions.from_pairs(np.zeros((2, 3)), np.ones((1, 3))), "not 1 and 2"),
    (lambda: directions.from_pairs(np.zeros((0, 3)), np.zeros((0, 3))), "not 0 and 0"),
    (lambda: directions.from_pairs([[0, 0], [1, 1]], [[1, 0], [1, 1]]), "pair 2"),
    (lambda: directions.from_pairs([[0, 0]], [[1, np.nan]]), "pair 1"),
    (lambda: directions.from_pairs([[0, 0], [0, 0]], [[1, 0], [-2, 0]]), "opposite"),
    (lambda: directions.from_labels(np.eye(3), [1, -1, 1]), "0 or 1"),
    (lambda: directions.from_labels(np.eye(3), [1, 0]), "0 or 1"),
    (lambda: directions.from_labels(np.eye(3), [1, 1, 1]), "without it"),
    (lambda: directions.from_labels(np.ones((2, 3)), [0, 1]), "same mean"),
])
def test_what_makes_no_direction_is_said(call, words):
    with pytest.raises(UserError, match=words) as error:
        call()
    assert "\n" not in str(error.value)


def test_orthogonalised_leaves_the_span_of_the_others():
    smile = direction(1, 2, 3, 4, length=10.0, mean_with=1.0, std_with=1.0, how="from labels")
    beard, hat = direction(1, 1, 0, 0, name="Beard"), direction(1, 0, 1, 0, name="Hat")
    others = [beard, hat, direction(1, 1, 1e-5, 0, name="Moustache")]  # as good as a beard
    left = directions.orthogonalised(smile, others)
    for other in (beard, hat):
        assert abs(left.vector @ other.vector) < 1e-5
    # least squares by another way: the residual of smile on the two
    span = np.stack([beard.vector, hat.vector], axis=1).astype(np.float64)
    fit, *_ = np.linalg.lstsq(span, smile.vector.astype(np.float64), rcond=None)
    residual = smile.vector - span @ fit
    np.testing.assert_allclose(left.vector, residual / np.linalg.norm(residual), atol=1e-4)
    assert left.length == pytest.approx(10 * np.linalg.norm(residual), rel=1e-4)
    assert left.how == "from labels; orthogonal to Beard, Hat, Moustache"
    assert math.isnan(left.mean_with)  # it was measured along another vector
    assert directions.orthogonalised(smile, []) is smile


def test_orthogonalised_refuses_what_cannot_be_done():
    beard, hat = direction(1, 1, 0, name="Beard"), direction(1, 0, 0, name="Hat")
    with pytest.raises(UserError, match="Nothing is left of Smiling without Beard, Hat"):
        directions.orthogonalised(direction(1, -3, 0), [beard, hat])
    with pytest.raises(UserError, match="Beard belongs to another generator"):
        directions.orthogonalised(
            direction(1, 0, 0), [direction(1, 1, 0, name="Beard", generator=OTHER)]
        )


# Projections and edits


def test_an_edit_moves_the_projection_by_k_and_nothing_else():
    z = codes(0, 1, n=5)
    d = direction(1, 2, 0, 0, 0, 2)
    np.testing.assert_allclose(directions.projections([1, 1, 1, 1, 1, 1], d.vector), 5 / 3, 1e-6)
    made = directions.moved(z, [(d, 3.0)])
    assert made.dtype == np.float32
    before, after = (directions.projections(c, d.vector) for c in (z, made))
    np.testing.assert_allclose(after, before + 3.0, atol=1e-5)
    across = direction(0, 0, 1, 0, 0, 0).vector
    np.testing.assert_allclose(made @ across, z @ across, atol=1e-6)
    np.testing.assert_array_equal(directions.moved(z, []), z)


def test_edits_add_up_and_k_may_differ_by_picture():
    z, right, up = np.zeros((2, 3)), direction(1, 0, 0), direction(0, 1, 0)
    made = directions.moved(z, [(right, 2.0), (up, [1.0, -1.0])])
    np.testing.assert_allclose(made, [[2, 1, 0], [2, -1, 0]])
    np.testing.assert_allclose(directions.moved(z[:1], [(up, [0.0, 1.0, 2.0])])[:, 1], [0, 1, 2])


def test_far_edits_converge_where_codes_are_normalised():
    z, d = codes(0, 1, n=8), direction(1, -1, 2, 0, 1, 0)
    for k in (1e5, -1e5):
        made = directions.moved(z, [(d, k)])
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        np.testing.assert_allclose(made, np.sign(k) * d.vector[None].repeat(8, 0), atol=1e-3)


def test_the_safe_range_ends_where_pictures_with_the_attribute_do():
    d = directions.with_populations(
        direction(1, 0, 0, 0, 0, 0), codes(0.5, 1.0), codes(4.0, 0.75, n=90, seed=1)
    )
    known = [d.mean_without, d.std_without, d.mean_with, d.std_with]
    assert known == pytest.approx([0.5, 1.0, 4.0, 0.75], abs=1e-5)
    assert directions.safe_range(d, [1, 9, 9, 9, 9, 9]) == pytest.approx((1.5, 3.0, 4.5), abs=1e-4)
    lo, middle, hi = directions.safe_range(d, [1, 0, 0, 0, 0, 0], n_sigma=1.0)
    assert (lo, middle, hi) == pytest.approx((2.25, 3.0, 3.75), abs=1e-4)
    # each of many pictures gets to the mean by its own k
    z = codes(0.5, 1.0)
    made = directions.moved(z, [(d, directions.safe_range(d, z)[1])])
    np.testing.assert_allclose(directions.projections(made, d.vector), 4.0, atol=1e-4)


def test_what_is_not_known_is_said():
    with pytest.raises(UserError, match="Smiling does not say where"):
        directions.safe_range(direction(1, 0), [0, 0])
    with pytest.raises(UserError, match="Smiling: two pictures"):
        directions.with_populations(direction(1, 0), np.zeros((1, 2)), np.zeros((5, 2)))


# Files


def test_a_direction_comes_back_as_it_was(tmp_path):
    made = direction(
        1, -2, 3, name="Brillenträger", mean_with=4.25, std_with=0.1, how="8 pairs, cosine 0.4"
    )
    made.save(tmp_path / "new" / "d.npz")
    found = Direction.load(tmp_path / "new" / "d.npz")
    np.testing.assert_array_equal(found.vector, made.vector)
    assert found.vector.dtype == np.float32
    for field in ("name", "length", "generator", "mean_with", "std_with", "how"):
        assert getattr(found, field) == getattr(made, field), field
    assert math.isnan(found.mean_without) and math.isnan(found.std_without)
    direction(1, 0).save(tmp_path / "empty")  # as it is called, and with no word on how
    assert Direction.load(tmp_path / "empty").how == ""


def test_another_generator_is_refused_in_a_line():
    direction(1, 0).check(OURS)
    with pytest.raises(UserError, match=r"Smiling .* \(abababababab, not cdcdcdcdcdcd\)") as error:
        direction(1, 0).check(OTHER)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("vector", [[1, 1], [np.nan, 1], [0, 0], [[1, 0]], 1.0])
def test_a_vector_must_have_length_one(vector):
    with pytest.raises(ValueError, match="length 1"):
        Direction("Smiling", vector, 1.0, OURS)


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def _fields(**changes):
    fields = {
        "name": "Smiling", "vector": np.array([0.6, 0.8], np.float32), "length": 2.0,
        "generator": OURS, "mean_without": 0.0, "std_without": 1.0, "mean_with": 3.0,
        "std_with": 1.0, "how": "by hand",
    }
    return {name: value for name, value in {**fields, **changes}.items() if value is not None}


def _bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("vector.npy", bytes(50_000_000))


def _promising(path):
    """A vector whose header promises a terabyte."""
    np.savez(path, **_fields(vector=None))
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (250000000000,), }"
    text = header.ljust(117) + "\n"
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("vector.npy", b"\x93NUMPY\x01\x00v\x00" + text.encode() + bytes(8))


WRONG = {
    "text": lambda path: path.write_text("a direction"),
    "empty": lambda path: path.write_bytes(b""),
    "array": lambda path: np.save(open(path, "wb"), np.ones(3)),  # noqa: SIM115
    "pickle": lambda path: path.write_bytes(pickle.dumps(_fields())),
    "missing field": lambda path: np.savez(path, **_fields(generator=None)),
    "not of length 1": lambda path: np.savez(path, **_fields(vector=np.ones(2, np.float32))),
    "not numbers": lambda path: np.savez(path, **_fields(vector=np.array(["a", "b"]))),
    "wrong type": lambda path: np.savez(path, **_fields(length="2")),
    "many lengths": lambda path: np.savez(path, **_fields(length=np.ones(2))),
    "control characters": lambda path: np.savez(path, **_fields(name="Smil\x1b[2Jing")),
    "too large": lambda path: np.savez(path, **_fields(), more=np.zeros(300_000, np.float32)),
    "bomb": _bomb,
    "promising": _promising,
}


@pytest.mark.parametrize("kind", WRONG)
def test_files_that_are_no_direction_are_named(kind, tmp_path):
    path = tmp_path / "d.npz"
    WRONG[kind](path)
    with pytest.raises(UserError, match=r"d\.npz is not a direction") as error:
        Direction.load(path)
    assert "\n" not in str(error.value)


def test_no_file(tmp_path):
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(UserError, match="There is no direction"):
            Direction.load(path)


def test_no_code_in_a_file_is_run(tmp_path):
    path, made = tmp_path / "d.npz", tmp_path / "made"
    np.savez(path, **_fields(name=np.array(Trap(made), dtype=object)))
    with pytest.raises(UserError, match="not a direction"):
        Direction.load(path)
    assert not made.exists()
    np.load(path, allow_pickle=True)["name"]
    assert made.exists(), "the trap works"


def test_a_flipped_byte_is_noticed_or_harmless(tmp_path):
    path = tmp_path / "d.npz"
    made = direction(3, 1, -2, mean_with=4.25, std_with=0.1, how="8 pairs")
    made.save(path)
    whole, refused = path.read_bytes(), 0
    for place in range(0, len(whole), 11):
        broken = bytearray(whole)
        broken[place] ^= 0xFF
        path.write_bytes(broken)
        try:
            found = Direction.load(path)
        except UserError:
            refused += 1
        else:
            np.testing.assert_array_equal(found.vector, made.vector)
            assert (found.name, found.mean_with, found.how) == ("Smiling", 4.25, "8 pairs")
    assert refused > len(whole) / 11 / 2


# The picture


def _drawn(path):
    """The elements of a plot, and the function from a projection to its place."""
    parts = list(ElementTree.parse(path).getroot())
    texts = [(p.text, float(p.get("x"))) for p in parts if p.tag.endswith("text")]
    ticks = [(float(t), x) for t, x in texts if re.fullmatch(r"-?[\d.e-]+", t)]
    assert len(ticks) >= 5
    (a, x_a), *_, (b, x_b) = ticks
    return parts, [t for t, _ in texts], lambda v: x_a + (v - a) * (x_b - x_a) / (b - a)


def _numbers(element):
    return [float(n) for n in re.findall(r"-?\d+\.?\d*", element.get("d"))]


def test_the_plot_shows_its_numbers_at_their_places(tmp_path):
    d = direction(1, 0, 0, 0, 0, 0, name="Hat & <beard>")
    groups = codes(0.5, 1.0), codes(6.0, 0.75, n=90, seed=1)
    path = tmp_path / "p.svg"
    plot(d, *groups, path, code=[1, 9, 9, 9, 9, 9], n_sigma=2.0)
    parts, texts, x = _drawn(path)
    assert {
        "Hat & <beard>", "without: mean 0.50, deviation 1.00, 400 pictures",
        "with: mean 6.00, deviation 0.75, 90 pictures",
        "this picture 1.00, safe k 3.50 to 6.50, middle 5.00",
    } <= set(texts)
    of = {p.get("class"): p for p in parts if p.get("class")}
    left, _, right, *_ = _numbers(of["safe"])
    assert [left, right] == pytest.approx([x(4.5), x(7.5)], abs=0.2)
    assert _numbers(of["picture"])[0] == pytest.approx(x(1.0), abs=0.2)
    means = [
        _numbers(p)[0] for p in parts
        if re.fullmatch(r"M[\d.]+ \d+V\d+", p.get("d", "")) and not p.get("class")
    ]
    assert means == pytest.approx([x(0.5), x(6.0)], abs=0.2)
    for name, group in zip(("without", "with"), groups, strict=True):
        bars = re.findall(r"M([\d.]+) \d+v-([\d.]+)h([\d.]+)", of[name].get("d"))
        places, heights, widths = np.array(bars, float).T
        at = np.average(places + widths / 2, weights=heights)
        assert at == pytest.approx(x(group[:, 0].mean()), abs=widths[0] / 3)
        assert places.min() <= x(group[:, 0].min()) <= places.min() + widths[0] + 0.2
        # heights over both populations are shares: the same total, whatever the number of pictures
        assert heights.sum() == pytest.approx(
            sum(float(h) for h in re.findall(r"v-([\d.]+)", of["without"].get("d"))), rel=0.01
        )
    assert all(0 <= n <= 720 for p in parts if p.get("class") for n in map(abs, _numbers(p)))


def test_the_plot_of_populations_alone(tmp_path):
    d = direction(1, 0, 0, 0, 0, 0)
    plot(d, codes(50.0, 0.01), codes(50.2, 0.01), tmp_path / "p.svg")
    _, texts, _ = _drawn(tmp_path / "p.svg")
    assert "safe projections 50.18 to 50.22" in texts
    assert not any("picture " in t for t in texts)
    same = np.ones((5, 6), np.float32)  # no deviation at all
    plot(d, same, same, tmp_path / "p.svg")
    assert "with: mean 1.00, deviation 0.00, 5 pictures" in _drawn(tmp_path / "p.svg")[1]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"mean_with": 1e300, "std_with": 1.0}, "a mean is beyond 1e+06"),
        ({"mean_without": -math.inf, "std_without": 1.0}, "a mean is beyond"),
        ({"mean_with": 1.0, "std_with": -1.0}, "a deviation is not in [0, 1e+06]"),
        ({"mean_with": 1.0, "std_with": math.inf}, "a deviation is not in"),
        ({"mean_with": 1.0}, "a mean is known without its deviation"),
        ({"std_without": 1.0}, "a mean is known without its deviation"),
        ({"length": math.nan}, "its length is not in (0, 1e+06]"),
        ({"length": -1.0}, "its length is not in"),
        ({"length": 1e300}, "its length is not in"),
        ({"name": " "}, "its name is not 1 to 200 printable characters"),
        ({"name": "x" * 201}, "its name is not"),
        ({"name": "\x1b[2J"}, "its name is not"),
    ],
)
def test_numbers_and_names_that_no_generator_gave(tmp_path, wrong, says):
    """Neither made nor, from another's file, believed."""
    fine = {"name": "Smiling", "vector": np.float32([0, 1]), "length": 1.0, "generator": OURS,
            "mean_without": math.nan, "std_without": math.nan, "mean_with": math.nan,
            "std_with": math.nan, "how": ""}
    with pytest.raises(ValueError, match=re.escape(says)):
        Direction(**{**fine, **wrong})
    np.savez(tmp_path / "fine.npz", **fine)
    assert Direction.load(tmp_path / "fine.npz").name == "Smiling"
    np.savez(tmp_path / "wrong.npz", **{**fine, **wrong})
    with pytest.raises(UserError, match="is not a direction or is damaged") as refused:
        Direction.load(tmp_path / "wrong.npz")
    assert str(refused.value).isprintable()


def test_a_long_pair_against_many_short_ones_is_no_direction():
    with pytest.raises(UserError, match="point in opposite ways"):
        directions.from_pairs([[0, 0]] * 3, [[1, 0], [1, 0], [-9, 0]])
