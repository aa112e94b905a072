"""Strokes, edges and the search for codes that do what strokes ask for."""

import json
import math

import numpy as np
import pytest
import tensorflow as tf

from kgan.core.errors import UserError
from kgan.editing import igan, strokes
from kgan.editing.hog import cells_of, hog
from kgan.editing.strokes import Stroke, mask, read_strokes

SIZE = 16


def black(size=SIZE):
    return -np.ones((size, size, 3), np.float32)


# Strokes


def test_a_file_of_strokes(tmp_path):
    path = tmp_path / "strokes.json"
    path.write_text(json.dumps([
        {"tool": "colour", "colour": "#ff8000", "points": [[0, 0.5], [1, 0.5]], "radius": 0.1},
        {"tool": "colour", "colour": [1, 2, 3], "points": [[0.5, 0.5]]},
        {"tool": "sketch", "points": [[0.1, 0.1], [0.2, 0.2]]},
        {"tool": "warp", "from": [0.5, 0.7], "to": [0.5, 0.6], "radius": 0.15},
    ]))
    found = read_strokes(path)
    assert found[0] == Stroke("colour", ((0, 0.5), (1, 0.5)), 0.1, (255, 128, 0))
    assert (found[1].colour, found[1].reach) == ((1, 2, 3), 1 / 64)
    assert found[3].points == ((0.5, 0.7), (0.5, 0.6))
    assert Stroke("warp", ((0, 0), (1, 1))).reach == 12 / 64


@pytest.mark.parametrize("text, says", [
    ("{", "no JSON file of strokes"),
    ("{}", "must hold a list"),
    ("[]", "must hold a list"),
    ('[{"tool": "brush"}]', "stroke 1: "),
    ('[{"tool": "sketch"}]', "points are a list of pairs"),
    ('[{"tool": "sketch", "points": [[0, 0], [2, 0]]}]', "from 0 to 1"),
    ('[{"tool": "sketch", "points": [[0, NaN]]}]', "from 0 to 1"),
    ('[{"tool": "sketch", "points": []}]', "1 to 1000 pairs"),
    ('[{"tool": "sketch", "points": [[0, 0]], "radius": 0}]', "radius is a share"),
    ('[{"tool": "sketch", "points": [[0, 0]], "radius": 1e999}]', "radius is a share"),
    ('[{"tool": "sketch", "points": [[0, 0]], "colour": "#000000"}]', "a sketch has no 'colour'"),
    ('[{"tool": "colour", "points": [[0, 0]], "colour": "red"}]', "colour is \"#rrggbb\""),
    ('[{"tool": "colour", "points": [[0, 0]]}]', "colour is \"#rrggbb\""),
    ('[{"tool": "warp", "points": [[0, 0], [1, 1]]}]', "a warp has no 'points'"),
    ('[{"tool": "warp", "from": [0, 0]}]', "from and to are pairs"),
    ('[{"tool": "sketch", "points": [[0, 0]]}, 3]', "stroke 2: a stroke is an object"),
])
def test_files_that_hold_no_strokes(tmp_path, text, says):
    path = tmp_path / "strokes.json"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read_strokes(path)
    assert says in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(UserError, match="cannot be read"):
        read_strokes(tmp_path / "none.json")


def test_masks_cover_what_is_painted():
    line = mask(Stroke("colour", ((0.0, 0.5), (1.0, 0.5)), 0.125, (0, 0, 0)), SIZE)
    assert (line[6:10, 2:14] > 0.7).all() and line[:5].max() == line[11:].max() == 0
    square = mask(Stroke("warp", ((0, 0), (0.25, 0.75)), 0.125), SIZE)
    assert (square[10:14, 2:6] == 1).all() and square.sum() == pytest.approx(16, abs=2)
    dot = mask(Stroke("sketch", ((0.5, 0.5),), 0.25), 64)
    assert dot.sum() == pytest.approx(math.pi * 16**2, rel=0.02)
    for tool in ("sketch", "warp"):  # finer than a pixel
        thin = mask(Stroke(tool, ((0.5, 0.5), (0.6, 0.5)), 1e-5), SIZE)
        assert 0 < thin.sum() < 2


def test_a_warp_moves_what_is_there():
    x = np.arange(SIZE * SIZE * 3, dtype=np.float32).reshape(SIZE, SIZE, 3)
    found = strokes.moved(x, Stroke("warp", ((0.25, 0.5), (0.5, 0.375)), 0.1))
    np.testing.assert_array_equal(found[4, 8], x[6, 4])
    np.testing.assert_array_equal(found[0, 0], x[2, 0])  # beyond the border it is repeated


def test_strokes_are_drawn_to_be_seen():
    grey = np.full((SIZE, SIZE, 3), 90, np.uint8)
    shown = strokes.painted(grey, [Stroke("colour", ((0.5, 0.5),), 0.2, (10, 200, 30)),
                                   Stroke("sketch", ((0.1, 0.9), (0.9, 0.9)), 0.05)])
    np.testing.assert_array_equal(shown[8, 8], [10, 200, 30])
    assert shown[14, 8].min() > 100 and (shown[0] == 90).all()


# Edges


def test_edges_have_their_orientation_and_size():
    x = black(32)
    x[:, 16:] = 1.0
    found = hog(tf.constant(np.stack([x, x.transpose(1, 0, 2)])), 8).numpy()
    assert found.shape == (2, 4, 4, 8)
    upright, lying = found
    np.testing.assert_allclose(upright.transpose(1, 0, 2)[..., 0], lying[..., 4], atol=1e-5)
    # the edge lies between the two middle columns of cells, half a cell from both: half of 16
    np.testing.assert_allclose(upright[1:3, 1:3, 0], 8.0, atol=0.5)
    assert upright[..., 4].max() < 0.02 and upright[:, 0].max() < 0.02
    slant = np.where(np.add.outer(np.arange(32), np.arange(32))[..., None] < 32, -1.0, 1.0)
    slanted = hog(tf.constant(np.repeat(slant, 3, -1)[None], tf.float32), 8).numpy()[0]
    assert slanted[1:3, 1:3].sum(axis=(0, 1)).argmax() == 2  # 45 degrees


def test_gradients_pass_through_edges():
    x = tf.constant(np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(hog(x) ** 2)
    gradient = tape.gradient(total, x).numpy()
    assert np.isfinite(gradient).all() and np.abs(gradient).max() > 0
    flat = tf.zeros((1, 16, 16, 3))
    with tf.GradientTape() as tape:
        tape.watch(flat)
        total = tf.reduce_sum(hog(flat))
    assert np.isfinite(tape.gradient(total, flat)).all()


def test_cells_that_a_mask_touches():
    m = np.zeros((16, 16), np.float32)
    m[3, 9] = 0.2
    np.testing.assert_array_equal(cells_of(m, 8), [[0, 1], [0, 0]])


# Constraints and what is paid


def test_later_strokes_cover_earlier_ones():
    red = Stroke("colour", ((0.5, 0.5),), 0.3, (255, 0, 0))
    green = Stroke("colour", ((0.5, 0.5),), 0.1, (0, 255, 0))
    asked = igan.constraints([red, green], black())
    np.testing.assert_array_equal(asked.colours[8, 8], [-1, 1, -1])
    np.testing.assert_array_equal(asked.colours[8, 5], [1, -1, -1])
    assert asked.where[8, 8] == 1 and asked.where[0, 0] == 0 and not asked.cells.any()


def test_a_warp_asks_for_colours_and_edges_and_a_sketch_for_edges():
    x = np.random.default_rng(1).uniform(-1, 1, (SIZE, SIZE, 3)).astype(np.float32)
    warp = igan.constraints([Stroke("warp", ((0.25, 0.25), (0.75, 0.75)), 0.2)], x)
    np.testing.assert_array_equal(warp.colours[12, 12], x[4, 4])
    assert warp.cells[1, 1] == 1 and warp.edges[1, 1].max() > 0
    line = igan.constraints([Stroke("sketch", ((0.1, 0.25), (0.9, 0.25)), 0.05)], x)
    assert not line.where.any() and line.cells[0].all() and not line.cells[1].any()
    assert line.edges[0].sum(axis=0).argmax() == 4
    scratch = igan.constraints([Stroke("sketch", ((0.5, 0.5),))], None, SIZE)
    assert scratch.where.shape == (SIZE, SIZE, 1)
    with pytest.raises(UserError, match="needs one to start from"):
        igan.constraints([Stroke("warp", ((0.25, 0.25), (0.75, 0.75)))], None, SIZE)


def test_what_colours_cost_by_hand():
    asked = igan.constraints([Stroke("colour", ((0.5, 0.5),), 0.3, (255, 0, 0))], black())
    given = [tf.constant(x[None]) for x in (asked.colours, asked.where, asked.edges, asked.cells)]
    paid = igan.cost(tf.constant(black()[None]), *given)  # red is off by 2, green and blue by 0
    np.testing.assert_allclose(paid, [4 / 3], rtol=1e-3)
    np.testing.assert_allclose(igan.cost(given[0], *given), [0.0], atol=1e-6)


def test_which_candidates_are_shown():
    costs = np.array([3.0, 1.0, 1.5, 100.0, *[1.2] * 20])
    found = igan.shown(costs)
    assert found[0] == 1 and 3 not in found and len(found) == 16
    assert list(igan.shown(np.array([5.0]))) == [0]


# Edits


def flat(z):
    """Pictures of one colour, the first three entries of a code."""
    return tf.tile(z[:, None, None, :3], [1, SIZE, SIZE, 1])


def edit(asked, start, **changes):
    given = {"latent": 5, "prior": "uniform", "candidates": 4, "steps": 60, "stay": 0.05}
    return igan.edit(flat, asked, start, **{**given, **changes})


RED = [Stroke("colour", ((0.5, 0.5),), 0.2, (230, 25, 25))]


@pytest.mark.parametrize("prior", ["uniform", "normal", None])
def test_an_edit_does_what_is_asked_and_leaves_the_rest(prior):
    start = np.float32([[0.1, -0.3, 0.2, 0.5, -0.5], [-0.6, 0.0, 0.1, 0.3, 0.2]])
    asked = [igan.constraints(RED, flat(z[None]).numpy()[0]) for z in start]
    found = edit(asked, start, prior=prior)
    for one, z in zip(found, start, strict=True):
        goal = np.array([230, 25, 25]) / 127.5 - 1
        np.testing.assert_allclose(one.codes[0, :3], goal, atol=0.15)
        np.testing.assert_allclose(one.codes[0, 3:], z[3:], atol=0.1)
        assert (np.diff(one.costs) >= 0).all() and one.costs[0] < 0.2 * one.before
        assert len(one.codes) == len(one.costs) <= 4
    alone = edit(asked[1:], start[1:], prior=prior)
    np.testing.assert_allclose(alone[0].codes[0], found[1].codes[0], atol=1e-3)


def test_staying_near_costs():
    start = np.float32([[0.1, -0.3, 0.2, 0.5, -0.5]])
    asked = [igan.constraints(RED, flat(start).numpy()[0])]
    near, far = (edit(asked, start, stay=stay)[0].codes[0] for stay in (50.0, 0.05))
    assert np.linalg.norm(near - start) < 0.3 * np.linalg.norm(far - start)


def test_no_steps_give_the_code_itself():
    start = np.float32([[0.1, -0.3, 0.2, 0.5, -0.5]])
    asked = [igan.constraints(RED, flat(start).numpy()[0])]
    found = edit(asked, start, steps=0, candidates=1)[0]
    np.testing.assert_allclose(found.codes[0], start[0], atol=1e-6)
    assert found.costs[0] == pytest.approx(found.before, rel=1e-5)


def test_descent_that_finds_nothing_better_leaves_the_code():
    start = np.float32([[0.8, -0.8, -0.8, 0.5, -0.5]])
    asked = [igan.constraints(RED, flat(start).numpy()[0])]
    found = edit(asked, start, steps=1, rate=3.0)[0]
    np.testing.assert_allclose(found.codes[0], start[0], atol=1e-6)
    assert found.costs[0] == found.before < 0.01


def test_from_scratch():
    asked = [igan.constraints(RED, None, SIZE)]
    found = edit(asked, None, steps=100)[0]
    np.testing.assert_allclose(found.codes[0, :3], np.array([230, 25, 25]) / 127.5 - 1, atol=0.1)
    assert math.isnan(found.before)
    with pytest.raises(UserError, match="give a picture"):
        edit(asked, None, prior=None)
