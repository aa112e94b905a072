"""The trainer: replicas, XLA, precision, phases, averages.

Where two ways of computing a step are compared variable by variable, Adam's epsilon is 1e-3: a bias
before an instance norm has a gradient of exactly 0, and with the usual 1e-8 Adam makes whole steps
of its rounding error.
"""

from collections import Counter
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan import networks
from kgan.core import devices as machine
from kgan.core.errors import UserError
from kgan.core.recipe import Machine, Recipe
from kgan.data import Data
from kgan.data.stream import batches
from kgan.models.gan import GAN, Phase
from kgan.models.schedules import LinearDecay

# A toy game: a critic that moves three times for each move of the generator, and a frozen network.


class Toy(GAN):
    """Critic and generator of two convolutions each, with a game quick to compile."""

    players: ClassVar[dict] = {"generator": ("g",), "critic": ("d",)}
    directions: ClassVar[dict] = {"a2b": "g"}
    frozen_is_trainable = True
    optimizer_class = None

    def build_networks(self, recipe):
        def network(name, channels):
            x = picture = keras.Input((None, None, 3))
            for width in (4, channels):
                x = keras.layers.Conv2D(width, 3, padding="same", activation="tanh")(x)
            x = keras.layers.Activation("linear", dtype="float32")(x)
            return keras.Model(picture, x, name=name)

        nets = {"g": network("g", 3), "d": network("d", 1), "features": network("features", 4)}
        nets["features"].trainable = self.frozen_is_trainable
        return nets

    def loss_terms(self, batch):
        fake, mean = self.g(batch["a"]), keras.ops.mean
        judged = mean(self.d(fake)), mean(self.d(batch["b"]))
        features = mean(keras.ops.abs(self.features(fake) - self.features(batch["b"])))
        return {
            "generator": {"adversarial": -judged[0], "features": 3.0 * features},
            "critic": {"fake": judged[0], "real": -judged[1]},
        }

    def build_optimizer(self, player, schedule):
        if self.optimizer_class:
            return self.optimizer_class(schedule)
        return super().build_optimizer(player, schedule)


class Alternating(Toy):
    phases = (Phase(players=("critic",), repeat=3), Phase(players=("generator",)))


class Pooled(Toy):
    """A critic that judges a history of fakes."""

    def build_networks(self, recipe):
        return {**super().build_networks(recipe), "pool": networks.ImagePool(4, (8, 8, 3))}

    def loss_terms(self, batch):
        terms = super().loss_terms(batch)
        past = self.pool(keras.ops.stop_gradient(self.g(batch["a"])), batch["key"])
        return {**terms, "critic": {**terms["critic"], "past": keras.ops.mean(self.d(past))}}


class Descent(Toy):
    optimizer_class = keras.optimizers.SGD


def toy(cls=Toy, precision="float32", xla=False, **changes):
    keras.utils.set_random_seed(0)
    model = cls(Recipe(size=8, batch=4, steps=10).replace(**changes), precision)
    model.compile(xla=xla)
    return model


def pictures(count, size, seed=0):
    """Two domains of smooth random pictures, uint8."""
    coarse = np.random.default_rng(seed).integers(0, 256, (2, count, size // 4, size // 4, 3))
    whole = coarse.repeat(4, 2).repeat(4, 3).astype(np.uint8)
    return {"a": whole[0], "b": whole[1]}


def fit(model, steps=3):
    """Trains on the batches of `kgan.data.stream`; returns the reported means."""
    train = pictures(32, model.recipe.size)
    dataset = batches(Data("test", train, train), model.recipe, per_step=model.batches_per_step)
    history = model.fit(
        dataset, epochs=1, steps_per_epoch=steps, verbose=0, shuffle=False
    )
    return {name: values[0] for name, values in history.history.items()}


def value(variable):
    return tf.convert_to_tensor(variable).numpy()


def values(variables):
    return [value(v) for v in variables]


def run_values(model):
    return {name: value(v) for name, v in model.run_variables.items()}


def same(first, second, tolerance=1e-5):
    """Dicts or lists of arrays; an optimizer's slots, which are larger, may differ ten times that.
    """
    if isinstance(first, list):
        first, second = dict(enumerate(first)), dict(enumerate(second))
    assert list(first) == list(second)
    for name in first:
        bound = 10 * tolerance if "optimizers" in str(name) else tolerance
        np.testing.assert_allclose(
            first[name], second[name], rtol=0, atol=bound, err_msg=str(name)
        )


def tensors(model):
    return {p: [tf.convert_to_tensor(v) for v in model.variables_of(p)] for p in model.players}


def gradients(model, batch):
    """Terms and gradients of a model's first phase, not compiled."""
    state = [tf.convert_to_tensor(v) for v in model._state()]
    return model._gradients(model.phases[0], tensors(model), state, batch)[:2]


@pytest.fixture
def steady_adam(monkeypatch):
    def build(self, player, schedule):
        return keras.optimizers.Adam(schedule, beta_1=0.5, epsilon=1e-3)

    monkeypatch.setattr(GAN, "build_optimizer", build)


# What a run depends on, and what it holds


def test_nothing_depends_on_the_clock_or_the_process_seed(tiny, tiny_batch):
    results = []
    for other in (1, 2):
        model = tiny(pool=4, blocks=0)
        keras.utils.set_random_seed(other)  # must not reach into a step
        for seed in range(4):
            model.train_step(tiny_batch(model, seed))
        results.append(run_values(model))
    same(*results, tolerance=0)


def test_run_variables_hold_all_that_a_run_needs(tiny):
    model = tiny(pool=4, ema=0.9, trains=False)
    held = {id(v) for v in model.run_variables.values()}
    needed = [*model.weights, *(v for o in model.optimizers.values() for v in o.variables)]
    missing = [v.path for v in needed if id(v) not in held]
    assert not [p for p in missing if "learning_rate" not in p]
    assert any("average" in v.path for v in model.run_variables.values())


def test_grey_and_colour(tiny):
    model = tiny(channels_a=1, channels_b=3, lambda_identity=0.0, pool=4, blocks=0)
    # Pictures come with three channels from every source.
    batch = {d: tf.constant(x / np.float32(127.5) - 1) for d, x in pictures(2, 16).items()}
    reported = model.train_step(batch)
    assert all(np.isfinite(float(x)) for x in reported.values())
    x = np.random.default_rng(0).integers(0, 256, (2, 10, 12, 3), dtype=np.uint8)
    grey = x.astype("float32") @ np.float32([0.299, 0.587, 0.114])
    expected = model.g_ab(np.pad(grey[..., None] / 127.5 - 1, ((0, 0), (0, 2), (0, 0), (0, 0)),
                                 mode="reflect"))[:, :10]
    result = model.translate(x, "a2b")
    assert result.shape == x.shape
    assert np.abs((expected + 1) * 127.5 - np.float32(result)).max() <= 0.51
    back = np.array(model.translate(x, "b2a"))
    assert back.shape == x.shape
    assert (back == back[..., :1]).all()


# CycleGAN's arithmetic


def count_calls(model):
    """Counts the calls of a model's networks: [(name, pictures)]."""
    calls = []
    for name in ("g_ab", "g_ba", "d_a", "d_b"):

        def call(x, name=name, network=model.nets[name]):
            calls.append((name, x.shape[0]))
            return network(x)

        setattr(model, name, call)
    return calls


@pytest.mark.parametrize("changes, generator, discriminator", [
    ({"pool": 0}, [2, 4] * 2, [4] * 2),
    ({"pool": 4}, [2, 4] * 2, [2, 4] * 2),
    ({"pool": 0, "lambda_identity": 0.0}, [2, 2] * 2, [4] * 2),
    ({"pool": 0, "lambda_cycle": 0.0}, [2] * 2, [4] * 2),
])
def test_calls_in_a_step(tiny, tiny_batch, changes, generator, discriminator):
    model = tiny(batch=2, blocks=0, trains=False, **changes)
    calls = count_calls(model)
    gradients(model, tiny_batch(model))
    assert sorted(n for name, n in calls if name[0] == "g") == sorted(generator)
    assert sorted(n for name, n in calls if name[0] == "d") == sorted(discriminator)
    assert Counter(n for name, n in calls if name.endswith("a")) == Counter(
        n for name, n in calls if name.endswith("b")
    )


@pytest.mark.parametrize("kind, blocks", [("lsgan", 1), ("bce", 0)])
def test_a_fused_step_is_the_textbooks(tiny, tiny_batch, kind, blocks):
    model = tiny(
        batch=2, pool=0, adversarial=kind, blocks=blocks, lambda_cycle=10.0, lambda_identity=0.5,
        trains=False,
    )
    batch = tiny_batch(model)
    a, b = batch["a"], batch["b"]
    g_ab, g_ba, d_a, d_b = (model.nets[n] for n in ("g_ab", "g_ba", "d_a", "d_b"))

    def l1(x, y):
        return tf.reduce_mean(tf.abs(x - y))

    def adversarial(logits, label):
        if kind == "lsgan":
            return tf.reduce_mean((logits - label) ** 2)
        labels = tf.fill(tf.shape(logits), label)
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))

    with tf.GradientTape(persistent=True) as tape:
        fake_b, fake_a = g_ab(a), g_ba(b)
        fools = adversarial(d_b(fake_b), 1.0) + adversarial(d_a(fake_a), 1.0)
        cycle = l1(g_ba(fake_b), a) + l1(g_ab(fake_a), b)
        identity = l1(g_ba(a), a) + l1(g_ab(b), b)
        generator = fools + 10 * cycle + 5 * identity
        discriminator = sum(
            0.5 * (adversarial(d(real), 1.0) + adversarial(d(tf.stop_gradient(fake)), 0.0))
            for d, real, fake in ((d_a, a, fake_a), (d_b, b, fake_b))
        )
    totals = {"generator": generator, "discriminator": discriminator}
    terms, found = gradients(model, batch)
    for player, total in totals.items():
        variables = [v.value for v in model.variables_of(player)]
        assert float(sum(terms[player].values())) == pytest.approx(float(total), rel=1e-5)
        expected = tape.gradient(total, variables)
        assert max(np.abs(g).max() for g in expected) > 1e-3
        for x, y in zip(found[player], expected, strict=True):
            np.testing.assert_allclose(x, y, atol=5e-5, rtol=1e-4)


def test_discriminators_see_the_past_and_generators_the_present(tiny, tiny_batch):
    model = tiny(batch=2, pool=4, blocks=0, trains=False)
    batch = tiny_batch(model)
    empty = model.loss_terms(batch)
    for pool in (model.pool_a, model.pool_b):
        pool.stored.assign(tf.ones_like(pool.stored))
        pool.count.assign(4)
    full = [model.loss_terms({**batch, "key": tf.constant([0, k])}) for k in range(8)]
    for terms in full:
        assert float(terms["discriminator"]["real"]) == float(empty["discriminator"]["real"])
        for term, x in terms["generator"].items():
            assert float(x) == float(empty["generator"][term])
    assert len({float(terms["discriminator"]["fake"]) for terms in full}) > 2


# Replicas


@pytest.mark.slow
def test_two_replicas_of_four_are_one_of_eight(tiny, mirrored, steady_adam):
    changes = {"batch": 8, "pool": 0, "blocks": 0, "learning_rate": 2e-3}
    one = tiny(**changes)
    with mirrored.scope():
        two = tiny(**changes)
    before = run_values(two)
    same(run_values(one), before, tolerance=0)
    reported = fit(one), fit(two)
    after = run_values(two)
    same(run_values(one), after)
    moved = [np.abs(after[n] - before[n]).max() for n in after if n.startswith("nets/")]
    assert np.median(moved) > 1e-3
    assert reported[0] == pytest.approx(reported[1], rel=1e-4)


def test_replicas_agree_with_clipping_averages_and_phases(mirrored, steady_adam):
    cls = type("InTurn", (Toy,), {"phases": (Phase(("critic",)), Phase(("generator",)))})
    changes = {"learning_rate": 1e-2, "clip_norm": 0.01, "ema": 0.9}
    one = toy(cls, **changes)
    with mirrored.scope():
        two = toy(cls, **changes)
    fit(one), fit(two)
    same(run_values(one), run_values(two))
    assert one.learning_rate() == two.learning_rate()
    averages, own = values(two.kept.variables), values(two.variables_of("generator"))
    assert all(np.abs(x - y).max() > 1e-4 for x, y in zip(averages, own, strict=True))
    with two.kept.lent():
        same(values(two.variables_of("generator")), averages, 0)
    same(values(two.variables_of("generator")), own, 0)
    assert int(two.step.numpy()) == 3


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_replicas_exchange_once_for_each_phase(mirrored, tiny_batch, monkeypatch, precision):
    with mirrored.scope():
        model = toy(precision=precision, clip_norm=0.01)
    asked, reduced = [], tf.distribute.ReplicaContext.all_reduce

    def counted(self, reduce_op, value, options=None):
        asked.append(len(tf.nest.flatten(value)))
        return reduced(self, reduce_op, value, options)

    monkeypatch.setattr(tf.distribute.ReplicaContext, "all_reduce", counted)
    parts = mirrored.experimental_distribute_values_from_function(
        lambda context: {d: x for d, x in tiny_batch(model).items() if d in ("a", "b")})
    mirrored.run(tf.function(model.train_step, autograph=False), args=(parts,))
    gradients = len(model.variables_of("generator")) + len(model.variables_of("critic"))
    assert asked == [gradients + 4] * 2  # and its four terms, by each replica


def test_replicas_have_different_keys_and_one_pool(mirrored):
    with mirrored.scope():
        model = toy(Pooled)
    keys = mirrored.experimental_local_results(mirrored.run(tf.function(lambda: model._key(0))))
    assert len({tuple(key.numpy()) for key in keys}) == 2
    fit(model, steps=1)
    assert int(value(model.pool.count)) == 2  # the first replica's share of four
    first, second = values(mirrored.experimental_local_results(model.pool.stored.value))
    assert first[:2].any()
    np.testing.assert_array_equal(first, second)


class Dropping(Toy):
    """Draws masks of dropout and keeps them in `seen`, with the key of their replica and play."""

    seen: ClassVar[list] = []

    def build_networks(self, recipe):
        x = keras.Input((None, None, 3))
        masks = keras.Model(x, keras.layers.SpatialDropout2D(0.5, seed=7)(x), name="masks")
        return {**super().build_networks(recipe), "masks": masks}

    def loss_terms(self, batch):
        terms = super().loss_terms(batch)
        masks = self.nets["masks"](tf.ones((8, 1, 1, 3)), training=True)
        tf.numpy_function(lambda x, key: self.seen.append((*key, x.tobytes())),
                          [masks, batch["key"]], [])
        return terms


def test_each_replica_drops_other_maps(mirrored):
    seen = []
    for strategy in (mirrored, tf.distribute.get_strategy()):
        with strategy.scope():
            model = toy(Dropping)
        Dropping.seen = found = []
        fit(model, steps=2)
        plays = 2 * model.plays_per_step
        assert len(found) == plays * strategy.num_replicas_in_sync
        assert len({masks for *_, masks in found}) == len(found)  # of each play and replica
        state = model.nets["masks"].non_trainable_variables[0]
        for replica in mirrored.experimental_local_results(state.value):
            np.testing.assert_array_equal(replica, [7, plays])  # as on one device
        seen.append({masks for replica, _, masks in found if replica < 65537})
    assert seen[0] == seen[1]  # the first replica's are those of one device


def test_one_device_or_several():
    strategy, xla, text = machine.prepare(Machine(precision="float32"))
    assert strategy is None
    assert not xla
    assert text == "1 x CPU, float32, XLA off"
    strategy, xla, text = machine.prepare(Machine(devices=2, xla="on", precision="mixed_bfloat16"))
    assert strategy.num_replicas_in_sync == 2
    assert xla
    assert text == "2 x CPU mirrored, mixed_bfloat16, XLA on"
    assert machine.prepare(Machine(devices=2, strategy="one"))[0] is None
    with pytest.raises(UserError, match="--devices 3 must be set before TensorFlow runs"):
        machine.prepare(Machine(devices=3))


# XLA


@pytest.mark.slow
@pytest.mark.parametrize("pool", [0, 4])
def test_xla_computes_the_same(tiny, tiny_batch, steady_adam, pool):
    models = [
        tiny(xla=xla, batch=2, pool=pool, blocks=0, learning_rate=2e-3) for xla in (False, True)
    ]
    compare(models, tiny_batch, steps=2 if pool else 3)


def test_xla_computes_the_same_pool(tiny_batch, steady_adam):
    # While it fills up; later TensorFlow draws other numbers under XLA (see test_layers.py).
    models = [toy(Pooled, xla=xla, batch=2, learning_rate=1e-2) for xla in (False, True)]
    compare(models, tiny_batch, steps=2)
    assert int(models[1].pool.count) == 4


def compare(models, tiny_batch, steps):
    """Trains two models, plain and with XLA, and compares all of their state."""
    for xla, model in zip((False, True), models, strict=True):
        assert [p._jit_compile for p in model._passes] == [xla]
        for seed in range(steps):
            model.train_step(tiny_batch(model, seed))
    same(*(run_values(model) for model in models))


@pytest.mark.slow  # XLA and replicas are each in a test of their own
def test_xla_on_replicas_computes_the_same(mirrored, steady_adam):
    one = toy(learning_rate=1e-2)
    with mirrored.scope():
        two = toy(xla=True, learning_rate=1e-2)
    fit(one), fit(two)
    same(run_values(one), run_values(two))


# Averages, clipping, learning rate, phases


def test_averages_follow_the_weights(tiny_batch):
    model = toy(ema=0.3, learning_rate=1e-2)
    expected = values(model.variables_of("generator"))
    assert all((x == y).all() for x, y in zip(values(model.kept.variables), expected, strict=True))
    for step in range(6):
        model.train_step(tiny_batch(model, step))
        decay = min(0.3, (1 + step) / (10 + step))
        now = values(model.variables_of("generator"))
        expected = [decay * e + (1 - decay) * x for e, x in zip(expected, now, strict=True)]
        same(values(model.kept.variables), expected, 1e-6)
    assert 0.1 < 0.3 < 6 / 15  # both sides of the minimum were taken


def test_averaged_weights_are_lent_and_adopted(tiny_batch):
    model = toy(ema=0.9, learning_rate=1e-2)
    for step in range(2):
        model.train_step(tiny_batch(model, step))
    own, averages = values(model.variables_of("generator")), values(model.kept.variables)
    assert any((x != y).any() for x, y in zip(own, averages, strict=True))
    with pytest.raises(RuntimeError), model.kept.lent():
        same(values(model.variables_of("generator")), averages, 0)
        raise RuntimeError
    same(values(model.variables_of("generator")), own, 0)
    model.kept.adopt()
    same(values(model.variables_of("generator")), averages, 0)
    model.variables_of("generator")[0].assign(own[0])
    model.kept.take()
    same(values(model.kept.variables), [own[0], *averages[1:]], 0)


def test_without_averages_the_weights_stay():
    model = toy()
    assert model.kept.variables == []
    own = values(model.variables_of("generator"))
    with model.kept.lent():
        same(values(model.variables_of("generator")), own, 0)


@pytest.mark.parametrize("clip_norm", [0.0, 0.01, 1e3])
def test_clipping_bounds_the_gradient(tiny_batch, clip_norm):
    # With plain descent of rate 1, what a player moves is the gradient that was applied.
    model = toy(Descent, clip_norm=clip_norm, learning_rate=1.0)
    batch = tiny_batch(model)
    _, whole = gradients(model, batch)
    before = {p: values(model.variables_of(p)) for p in model.players}
    model.train_step(batch)
    for player in model.players:
        norm = float(tf.linalg.global_norm(whole[player]))
        assert 0.02 < norm < 100
        share = clip_norm / norm if 0 < clip_norm < norm else 1.0
        after = values(model.variables_of(player))
        for old, new, g in zip(before[player], after, whole[player], strict=True):
            np.testing.assert_allclose(old - new, share * np.array(g), atol=1e-6)


@pytest.mark.parametrize("start, expected", [
    (0.5, [2.0, 2.0, 2.0, 1.6, 0.4, 0.0, 0.0]),
    (0.0, [2.0, 1.8, 1.0, 0.8, 0.2, 0.0, 0.0]),
    (1.0, [2.0, 2.0, 2.0, 2.0, 2.0, 0.0, 0.0]),
])
def test_learning_rate(start, expected):
    schedule = LinearDecay(2.0, 10, start)
    found = [float(schedule(step)) for step in (0, 1, 5, 6, 9, 10, 11)]
    assert found == pytest.approx(expected, abs=1e-6)
    assert isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule)


def test_phases(tiny_batch):
    model = toy(Alternating, batch=8, steps=4, learning_rate=1e-2)
    assert model.batches_per_step == 4
    assert toy().batches_per_step == 1
    moves, play = [], model._play

    def watched(phase, gradients_of, batch):
        before = {p: values(model.variables_of(p)) for p in model.players}
        play(phase, gradients_of, batch)
        moves.append((batch, [p for p in model.players if any(
            (x != y).any()
            for x, y in zip(before[p], values(model.variables_of(p)), strict=True))]))

    model._play = watched
    batch = tiny_batch(model)
    model.train_step(batch)
    assert [moved for _, moved in moves] == [["critic"]] * 3 + [["generator"]]
    parts = [part for part, _ in moves]
    assert {part["a"].shape[0] for part in parts} == {2}
    for domain in ("a", "b"):  # every picture is in one turn
        dealt = np.concatenate([part[domain] for part in parts])
        assert sorted(x.tobytes() for x in dealt) == sorted(
            x.tobytes() for x in batch[domain].numpy()
        )
    assert len({tuple(part["key"].numpy()) for part in parts}) == 4
    assert int(model.optimizers["critic"].iterations) == 3
    assert int(model.optimizers["generator"].iterations) == 1


def test_the_rate_of_a_player_that_moves_more_often_falls_with_the_steps(tiny_batch):
    model = toy(Alternating, steps=4, decay_from=0.5, learning_rate=1.0)
    rates = []
    for step in range(4):
        rates.append([float(o.learning_rate) for o in model.optimizers.values()])
        model.train_step(tiny_batch(model, step))
    assert rates == [pytest.approx([r, r]) for r in (1.0, 1.0, 1.0, 0.5)]


def test_a_phase_may_pay_other_terms(tiny_batch):
    def regularise(self, batch):
        return {"critic": {"penalty": keras.ops.mean(self.d(batch["b"]) ** 2)}}

    cls = type("Lazy", (Toy,), {"phases": (Phase(), Phase(("critic",), 1, regularise))})
    model = toy(cls)
    assert "critic/penalty" in model.trackers
    assert "generator/features" in model.trackers
    reported = model.train_step(tiny_batch(model))
    assert float(reported["critic/penalty"]) > 0
    assert int(model.optimizers["critic"].iterations) == 2


@pytest.mark.parametrize("frozen_is_trainable", [True, False])
def test_a_network_of_no_player_stays(tiny_batch, frozen_is_trainable):
    model = toy(type("Frozen", (Toy,), {"frozen_is_trainable": frozen_is_trainable}))
    before = values(model.features.variables)
    for step in range(2):
        model.train_step(tiny_batch(model, step))
    assert all((x == v.numpy()).all()
               for x, v in zip(before, model.features.variables, strict=True))


# Precision


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision(tiny, tiny_batch, precision):
    model = tiny(precision=precision, batch=2, pool=4, blocks=0)
    before = {p: values(model.variables_of(p)) for p in model.players}
    # Under float16 the first steps may find the loss scale too high, skip and halve it.
    for seed in range(6 if precision == "mixed_float16" else 1):
        reported = model.train_step(tiny_batch(model, seed))
    assert all(np.isfinite(float(x)) for x in reported.values())
    assert keras.config.dtype_policy().name == "float32"
    for net in model.nets.values():
        assert {v.dtype for v in net.trainable_variables} <= {"float32"}
    assert model.g_ab.layers[2].compute_dtype == precision.removeprefix("mixed_")
    assert model.g_ab(tiny_batch(model)["a"]).dtype == tf.float32
    assert model.d_a(tiny_batch(model)["a"]).dtype == tf.float32
    assert model.translate(tiny_batch(model)["a"]).dtype == tf.float32
    for player, optimizer in model.optimizers.items():
        wrapped = isinstance(optimizer, keras.optimizers.LossScaleOptimizer)
        assert wrapped == (precision == "mixed_float16")
        assert all(np.isfinite(v.numpy()).all() for v in model.variables_of(player))
        assert any((old != v.numpy()).any()
                   for old, v in zip(before[player], model.variables_of(player), strict=True))


@pytest.mark.parametrize("clip_norm", [0.0, 0.01])
def test_float16_takes_the_step_of_float32(tiny_batch, clip_norm):
    # The loss scale, 32,768 at first, must leave what is applied again.
    moved = []
    for precision in ("float32", "mixed_float16"):
        model = toy(Descent, precision, clip_norm=clip_norm, learning_rate=1.0)
        before = values(model.trainable_variables)
        model.train_step(tiny_batch(model))
        after = values(model.trainable_variables)
        moved.append([x - y for x, y in zip(before, after, strict=True)])
    largest = max(np.abs(x).max() for x in moved[0])
    assert largest > 1e-3
    for x, y in zip(*moved, strict=True):
        np.testing.assert_allclose(x, y, atol=0.02 * largest)


def test_float16_skips_a_step_that_overflows(tiny_batch):
    model = toy(precision="mixed_float16")
    model.train_step(tiny_batch(model))
    before = values(model.trainable_variables)
    scales = [float(o.dynamic_scale) for o in model.optimizers.values()]
    broken = tiny_batch(model)
    model.train_step({**broken, "b": broken["b"] * np.inf})
    same(values(model.trainable_variables), before, 0)
    for scale, optimizer in zip(scales, model.optimizers.values(), strict=True):
        assert float(optimizer.dynamic_scale) == scale / 2
    model.train_step(tiny_batch(model, 1))
    assert any((old != v.numpy()).any()
               for old, v in zip(before, model.trainable_variables, strict=True))


@pytest.mark.parametrize("replica", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_float16_skips_a_step_that_overflows_on_one_replica(mirrored, tiny_batch, replica):
    with mirrored.scope():
        model = toy(precision="mixed_float16")
    share = tiny_batch(model)
    before = values(model.trainable_variables)

    def batch(context):
        broken = context.replica_id_in_sync_group == replica
        return {d: x * np.inf if broken and d in ("a", "b") else x for d, x in share.items()}

    parts = mirrored.experimental_distribute_values_from_function(batch)
    mirrored.run(tf.function(model.train_step, autograph=False), args=(parts,))
    for old, v in zip(before, model.trainable_variables, strict=True):
        for copy in mirrored.experimental_local_results(v.value):
            np.testing.assert_array_equal(old, copy)
    for optimizer in model.optimizers.values():
        assert value(optimizer.dynamic_scale) == optimizer.initial_scale / 2
