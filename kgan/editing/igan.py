"""iGAN: a picture is changed by strokes and stays on the manifold of a generator's pictures.

Zhu, Krähenbühl, Shechtman, Efros: Generative visual manipulation on the natural image manifold,
ECCV 2016 (arXiv 1609.03552), section 4, and the authors' code. From many starts around a code z0,
Adam looks for codes whose pictures G(z) do what strokes (`kgan.editing.strokes`) ask for:

    mean m_c (G(z) - v_c)^2 / mean m_c  +  0.2 mean m_e (H(G(z)) - v_e)^2 / mean m_e
    +  5 mean (z - z0)^2,

with masks m, colours v_c, edges v_e and H of `kgan.editing.hog`. The cheapest code is the edit, the
next ones are other answers; on the way from z0 lie the pictures of `kgan.editing.transfer`.

Deviations and what the texts leave open:

- z is compared with z0 in one space, that of codes; the code compares z0 with the variable before
  its tanh. A prior wider than U(-1, 1) has the term divided accordingly.
- One start is z0 itself, which stays if descent finds nothing better, so that an edit is no worse
  than none; the others are off by U(-1/2, 1/2), in other priors by as many deviations.
- A candidate pays for itself alone; the code averages the last term over all.
- The term of the discriminator (0 in the code) is left out: packaged weights have none.
- From scratch (`start` None) the last term is 0, as in the code, and starts are draws.
"""

import zlib
from dataclasses import dataclass

import numpy as np

from kgan.core.batches import in_parts
from kgan.core.errors import UserError
from kgan.core.lazy import tf
from kgan.editing import solve, spaces
from kgan.editing.hog import CELL, ORIENTATIONS, cells_of, hog
from kgan.editing.strokes import mask, moved

STEPS, RATE, STARTS = 100, 0.1, 64  # the authors' script and code
STAY, EDGES = 5.0, 0.2
SPREAD = 0.5  # of starts, of the range of U(-1, 1)
START_LIMIT = 0.99  # of uniform codes to start from
SHOWN = 16  # candidates at the most


@dataclass(frozen=True, eq=False)
class Constraints:
    """What strokes ask of a picture.

    Attributes:
        colours: float32 [size, size, 3] in [-1, 1].
        where: float32 [size, size, 1] in [0, 1]: where colours count.
        edges: float32 [size / cell, size / cell, 8], as `hog` gives them.
        cells: float32 [size / cell, size / cell, 1]: where edges count.
    """

    colours: np.ndarray
    where: np.ndarray
    edges: np.ndarray
    cells: np.ndarray


@dataclass(frozen=True, eq=False)
class Edited:
    """Codes that do what strokes ask for, the cheapest first.

    Attributes:
        codes: float32 [k, latent]: `shown` of the candidates.
        costs: float32 [k].
        before: what z0 costs, NaN from scratch.
    """

    codes: np.ndarray
    costs: np.ndarray
    before: float


def cell_of(size):
    """Pixels between cells of edges in pictures of a side: the largest up to `CELL` that fits."""
    return next(c for c in range(CELL, 0, -1) if size % c == 0 and c % 2 == 0 and 2 * c <= size)


def constraints(strokes, picture, size=0):
    """What strokes ask of a picture; a later stroke covers an earlier one.

    Args:
        strokes: [`kgan.editing.strokes.Stroke`].
        picture: what is edited, float32 [size, size, 3] in [-1, 1]; None = nothing, from scratch.
        size: side of the pictures, if there is none.

    Returns:
        A `Constraints`.

    Raises:
        UserError: a warp of nothing.
    """
    if picture is None and any(stroke.tool == "warp" for stroke in strokes):
        raise UserError("A warp moves what is in a picture: it needs one to start from.")
    size = size if picture is None else len(picture)
    cell = cell_of(size)
    colours, where = np.zeros((size, size, 3), np.float32), np.zeros((size, size, 1), np.float32)
    edges = np.zeros((size // cell, size // cell, ORIENTATIONS), np.float32)
    cells = np.zeros((size // cell, size // cell, 1), np.float32)
    sketch = np.zeros((size, size), np.float32)
    for stroke in strokes:
        over = mask(stroke, size)
        if stroke.tool == "sketch":
            sketch = np.maximum(sketch, over)
            continue
        if stroke.tool == "warp":
            ink = moved(picture, stroke)
            touched = cells_of(over, cell)[..., None]
            edges = np.where(touched > 0, hog(ink[None], cell).numpy()[0], edges)
            cells = np.maximum(cells, touched)
        else:
            ink = np.asarray(stroke.colour, np.float32) / 127.5 - 1.0
        colours = np.where(over[..., None] > 0, ink, colours).astype(np.float32)
        where = np.maximum(where, over[..., None])
    if sketch.any():  # all lines are one drawing
        touched = cells_of(sketch, cell)[..., None]
        drawn = np.repeat(2.0 * sketch[None, ..., None] - 1.0, 3, axis=-1)
        edges = np.where(touched > 0, hog(drawn, cell).numpy()[0], edges)
        cells = np.maximum(cells, touched)
    return Constraints(colours, where, edges, cells)


def cost(made, colours, where, edges, cells, edge_weight=EDGES):
    """What pictures pay for constraints, float32 [n].

    Args:
        made: float32 [n, size, size, 3].
        colours, where, edges, cells: as those of `Constraints`, [n, ...] each.
        edge_weight: of the term of edges.
    """
    axes = (1, 2, 3)
    off = tf.reduce_mean(where * (made - colours) ** 2, axis=axes)
    paid = off / (tf.reduce_mean(where, axis=axes) + 1e-5)
    found = hog(made, made.shape[1] // edges.shape[1])
    off = tf.reduce_mean(cells * (found - edges) ** 2, axis=axes)
    return paid + edge_weight * off / (tf.reduce_mean(cells, axis=axes) + 1e-5)


def edit(
    decode, asked, start, *, latent, prior, candidates=STARTS, steps=STEPS, rate=RATE, stay=STAY,
    edge_weight=EDGES, seed=0, batch=64,
):
    """Looks for codes whose pictures do what strokes ask for.

    Args:
        decode: float32 [n, latent] -> [n, size, size, 3] in [-1, 1], of TensorFlow operations.
        asked: [`Constraints`], one for each picture.
        start: the codes of the pictures, [n, latent]; None = from scratch.
        latent: entries of a code.
        prior: "normal", "uniform", "sphere", or None of a model without, which needs a start.
        candidates: starts of each picture.
        steps: of Adam.
        rate: its rate, on free variables (`kgan.editing.spaces`).
        stay: weight of the distance to `start`, in units of U(-1, 1).
        edge_weight: of the term of edges.
        seed: of the starts, which also depend on the code.
        batch: candidates that are moved together; changes memory and time, no result.

    Returns:
        [`Edited`], one for each picture.

    Raises:
        UserError: the rate is too high, or nothing to start from.
    """
    if start is None and prior is None:
        raise UserError("A model without a prior of codes draws nothing: give a picture.")
    z0 = None if start is None else np.asarray(start, np.float32)
    first = _starts(z0, len(asked), candidates, latent, prior, seed)
    anchors = np.repeat(np.zeros((len(asked), latent), np.float32) if z0 is None else z0,
                        candidates, axis=0)
    weights = np.zeros(len(asked), np.float32)
    if z0 is not None:
        weights = stay / 3.0 / spaces.variances(z0, prior)
    given = [np.stack([getattr(one, name) for one in asked])
             for name in ("colours", "where", "edges", "cells")]
    rows = np.repeat(np.arange(len(asked), dtype=np.int32), candidates)
    pay = _payment(decode, given, prior, weights, edge_weight)
    try:
        found, _ = solve.minimise(
            _objective(pay), spaces.variables_of(first.reshape(-1, latent), prior),
            solve.Adam(rate), steps, given=(rows, anchors), batch=batch, label="editing",
        )
    except solve.Diverged as error:
        raise UserError(f"The edit diverged before step {error.step}: take a rate lower than "
                        f"{rate:g}.") from None
    costs = _costs(pay, found, rows, anchors, batch).reshape(len(asked), candidates)
    codes = np.array(spaces.codes_of(found, prior)).reshape(len(asked), candidates, latent)
    before = np.full(len(asked), np.nan)
    if z0 is not None:
        own, v0 = np.arange(len(asked), dtype=np.int32), spaces.variables_of(z0, prior)
        before = _costs(pay, v0, own, z0, batch)
        worse = costs[:, 0] > before  # that began there
        codes[worse, 0] = np.array(spaces.codes_of(v0, prior))[worse]
        costs[worse, 0] = before[worse]
    return [Edited(codes[i][chosen], costs[i][chosen], float(before[i]))
            for i, chosen in enumerate(map(shown, costs))]


def shown(costs, most=SHOWN):
    """Which candidates are worth a look, the cheapest first: int [k] of float [n].

    As the authors: at most 16, and none beyond twice the mean of the best 8.
    """
    order = np.argsort(costs, kind="stable")[:most]
    return order[costs[order] <= max(2.0 * costs[order[:8]].mean(), costs[order[0]])]


def _starts(z0, count, candidates, latent, prior, seed):
    """Codes to start from, [count, candidates, latent]."""
    if z0 is None:
        random = np.random.default_rng([seed, candidates])
        shape = (count, candidates, latent)
        if prior == "uniform":
            return random.uniform(-1.0, 1.0, shape).astype(np.float32)
        return random.normal(size=shape).astype(np.float32)
    own = [np.random.default_rng([seed, zlib.crc32(z.tobytes())]).uniform(
        -1.0, 1.0, (candidates, latent)) for z in z0]
    offsets = np.stack(own) * SPREAD * np.sqrt(3.0 * spaces.variances(z0, prior))[:, None, None]
    offsets[:, 0] = 0.0
    starts = (z0[:, None] + offsets).astype(np.float32)
    return np.clip(starts, -START_LIMIT, START_LIMIT) if prior == "uniform" else starts


def _payment(decode, given, prior, weights, edge_weight):
    """What candidates pay: a function of (variables, which picture, its code) -> [n]."""
    constants, weights = [tf.constant(x) for x in given], tf.constant(weights)

    def pay(v, rows, anchors):
        z = spaces.codes_of(v, prior)
        made = tf.cast(decode(z), tf.float32)
        paid = cost(made, *(tf.gather(x, rows) for x in constants), edge_weight)
        return paid + tf.gather(weights, rows) * tf.reduce_mean((z - anchors) ** 2, axis=1)

    return pay


def _objective(pay):
    def objective(v, rows, anchors):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(v)
            loss = tf.reduce_sum(pay(v, rows, anchors))
        return loss, tape.gradient(loss, v)

    return objective


def _costs(pay, variables, rows, anchors, batch):
    places = np.arange(len(variables))
    run = tf.function(pay, autograph=False, reduce_retracing=True)
    return in_parts(lambda some: run(variables[some], rows[some], anchors[some]), places, batch)
