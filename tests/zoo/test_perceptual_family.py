"""The family of VGG*-MS-CycleGAN: what is computed, how often, by whom, and from what it begins."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from kgan import losses
from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.data import Data
from kgan.models import weights

CYCLE = "vgg_star_ms_cyclegan"


def count_calls(model, names):
    """Counts the calls of networks as a step is computed: [(name, pictures)]."""
    calls = []
    for name in names:

        def call(x, name=name, network=model.nets[name]):
            first = x[0] if isinstance(x, (list, tuple)) else x
            calls.append((name, first.shape[0]))
            return network(x)

        setattr(model, name, call)
    return calls


def gradients(model, batch):
    values = {p: [tf.convert_to_tensor(v) for v in model.variables_of(p)] for p in model.players}
    state = [tf.convert_to_tensor(v) for v in model._state()]
    return model._gradients(model.stage.phases[0], values, state, batch)[:2]


def test_features_are_computed_once(tiny, tiny_batch):
    model = tiny(CYCLE, trains=False)
    model.enter_stage("training")
    calls = count_calls(model, ("reference", "d_a", "d_b", "g_ab", "g_ba"))
    gradients(model, tiny_batch(model))
    n = model.recipe.batch
    found = {name: sorted(k for who, k in calls if who == name) for name, _ in calls}
    # each real and each fake picture goes through the reference once, for both players
    assert found["reference"] == [2 * n, 2 * n]
    assert found["d_a"] == found["d_b"] == [n, n]
    assert found["g_ab"] == found["g_ba"] == [n, 2 * n]


def test_one_generator_sees_two_batches(tiny, tiny_batch):
    model = tiny("vgg_star_gan", trains=False)
    calls = count_calls(model, ("reference", "d", "g"))
    gradients(model, tiny_batch(model))
    n = model.recipe.batch
    assert sorted(calls) == [("d", n), ("d", n), ("g", 2 * n), ("reference", n), ("reference", n)]


@pytest.mark.parametrize("kind, over", [
    ("lsgan", "mean"), pytest.param("bce", "sum", marks=pytest.mark.slow)
])
def test_a_shared_step_is_the_textbooks(tiny, tiny_batch, kind, over):
    model = tiny(CYCLE, adversarial=kind, over_positions=over, lambda_cycle=7.0,
                 lambda_identity=3.0, trains=False)
    model.enter_stage("training")
    batch = tiny_batch(model)
    a, b = batch["a"], batch["b"]
    g_ab, g_ba, d_a, d_b, reference = (
        model.nets[n] for n in ("g_ab", "g_ba", "d_a", "d_b", "reference")
    )
    join = tf.reduce_mean if over == "mean" else (lambda x: tf.reduce_sum(x) / x.shape[0])

    def adversarial(d, pictures, label):
        total = 0.0
        for logits in d(reference(pictures)):
            if kind == "lsgan":
                total += join((logits - label) ** 2)
            else:
                total += join(tf.nn.sigmoid_cross_entropy_with_logits(
                    tf.fill(tf.shape(logits), label), logits))
        return total

    def l1(x, y):
        return tf.reduce_mean(tf.abs(x - y))

    with tf.GradientTape(persistent=True) as tape:
        fake_b, fake_a = g_ab(a), g_ba(b)
        generator = adversarial(d_b, fake_b, 1.0) + adversarial(d_a, fake_a, 1.0)
        generator += 7 * (l1(g_ba(fake_b), a) + l1(g_ab(fake_a), b))
        generator += 3 * (l1(g_ba(a), a) + l1(g_ab(b), b))
        discriminator = sum(
            0.5 * (adversarial(d, real, 1.0) + adversarial(d, tf.stop_gradient(fake), 0.0))
            for d, real, fake in ((d_a, a, fake_a), (d_b, b, fake_b))
        )
    totals = {"generator": generator, "discriminator": discriminator}
    terms, found = gradients(model, batch)
    for player, total in totals.items():
        assert float(sum(terms[player].values())) == pytest.approx(float(total), rel=1e-4)
        every = tape.gradient(total, [v.value for v in model.variables_of(player)])
        for x, wanted in zip(found[player], every, strict=True):
            np.testing.assert_allclose(x, wanted, rtol=1e-3, atol=1e-5)


def data(size, count=8):
    random = np.random.default_rng(0)
    sets = {d: random.integers(0, 256, (count, size, size, 3), np.uint8) for d in "ab"}
    return Data("test", sets, sets)


@pytest.mark.parametrize("name", [CYCLE, "rand_ms_cyclegan"])
def test_the_reference_stays_unless_it_is_a_players(tiny, tiny_batch, name):
    model = tiny(name, pretrain_steps=0)
    fresh = [v.numpy() for v in model.reference.weights]
    model.prepare(data(16))
    before = [v.numpy() for v in model.reference.weights]
    model.train_step(tiny_batch(model))
    kept = [np.array_equal(x, v) for x, v in zip(before, model.reference.weights, strict=True)]
    convolutions = [not v.path.endswith(("/by", "/centre")) for v in model.reference.weights]
    if name == CYCLE:
        assert all(kept)
        assert not any(np.array_equal(x, y) for x, y in zip(fresh, before, strict=True))
    else:  # begins at random, and moves; only its calibration stays
        assert [not k for k in kept] == convolutions
        assert all(np.array_equal(x, y) == c
                   for x, y, c in zip(fresh, before, convolutions, strict=True))


def test_pretraining_gives_both_generators_one_beginning(tiny, tiny_batch):
    model = tiny(CYCLE, pretrain_steps=2, steps=4, ema=0.5)
    assert [(s.name, s.steps) for s in model.stages()] == [("pretraining", 2), ("training", 2)]
    batch = tiny_batch(model)
    other = [v.numpy() for v in model.g_ba.weights]
    reported = [set(model.train_step(batch)) for _ in range(2)]
    assert reported[0] == {"autoencoder/reconstruction", "autoencoder/total"}
    assert all((x == v.numpy()).all() for x, v in zip(other, model.g_ba.weights, strict=True))
    model.enter_stage("training")
    for x, y in zip(model.g_ab.weights, model.g_ba.weights, strict=True):
        np.testing.assert_array_equal(x, y)
    for average, v in zip(model.kept.variables, model.variables_of("generator"), strict=True):
        np.testing.assert_array_equal(average, v)
    assert "generator/cycle" in model.train_step(batch)
    assert int(model.optimizers["autoencoder"].iterations) == 2
    assert int(model.optimizers["generator"].iterations) == 1


def test_every_stage_has_the_means_of_all_replicas(tiny, mirrored):
    """A run enters stages outside any scope."""
    with mirrored.scope():
        model = tiny(CYCLE, pretrain_steps=2, steps=4)
    model.enter_stage("training")
    assert "generator/cycle" in model.trackers
    for tracker in model.trackers.values():
        assert isinstance(tracker.total.value, tf.distribute.DistributedValues)


@pytest.mark.parametrize("kind", ["features", "gram"])
def test_pretraining_pays_for_features_of_both_sets(tiny, tiny_batch, kind):
    model = tiny(CYCLE, pretrain_loss=kind, trains=False)
    batch = tiny_batch(model)
    half = model.recipe.batch // 2  # of each set: a batch in all
    pictures = tf.concat([batch["a"][:half], batch["b"][:half]], 0)
    wanted = 0.0
    for x, y in zip(model.reference(model.g_ab(pictures)), model.reference(pictures), strict=True):
        if kind == "gram":
            size = x.shape[1] * x.shape[2] * x.shape[3]
            x, y = (tf.einsum("nhwc,nhwd->ncd", m, m) / size for m in (x, y))
        wanted += tf.reduce_mean(tf.abs(x - y))
    terms = model.pretraining_terms(batch)
    assert float(terms["autoencoder"]["reconstruction"]) == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("direction", ["a2b", "b2a"])
def test_a_model_of_one_generator_has_its_direction(tiny, tiny_batch, direction):
    model = tiny("vgg_star_gan", direction=direction, trains=False)
    assert list(model.directions) == [direction]
    batch = tiny_batch(model)
    target = batch[direction[-1]]
    terms, _ = gradients(model, batch)
    identity = model.recipe.lambda_identity * losses.l1(model.g(target), target)
    assert float(terms["generator"]["identity"]) == pytest.approx(float(identity), rel=1e-5)
    other = "b2a" if direction == "a2b" else "a2b"
    with pytest.raises(ValueError, match=direction):
        model.translate(target, other)


def test_a_loaded_model_has_only_what_translates(tiny, tmp_path, rehash):
    model = tiny(CYCLE, trains=False)
    model.name_in_zoo = CYCLE
    folder = weights.write(model, tmp_path / "weights")
    text = (folder / "config.json").read_text()  # its reference is nowhere to be found any more
    (folder / "config.json").write_text(text.replace("vgg_star_small.avatars", "/gone/vgg"))
    rehash(folder)
    loaded = weights.read(folder)
    assert set(loaded.nets) == {"g_ab", "g_ba"}
    x = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(loaded.translate(x), model.translate(x), atol=1e-6)


@pytest.mark.parametrize("changes, says", [
    ({"size": 66}, "multiple of 4"), ({"downsamplings": 3}, "--downsamplings 2"),
    ({"heads": "7"}, "--heads 7"), ({"heads": "4,8"}, "falling"),
    ({"heads": "a"}, "give numbers"), ({"heads": "", "whole": False}, "--heads or --whole"),
    ({"pretrain_steps": 2000}, "must be fewer"),
    ({"discriminator": "pyramid", "scales": 4, "patch_layers": 4}, "leaves no patch"),
])
def test_recipes_that_cannot_be(changes, says):
    with pytest.raises(UsageError, match=says):
        registry.recipe(f"{CYCLE}_small").replace(**changes)


def test_the_names_differ_by_what_they_are_named_for():
    base = registry.recipe(f"{CYCLE}_small").as_dict()
    changed = functools.partial(_changed, base)
    assert changed("vgg_ms_cyclegan_small") == {"reference": "vgg_small.avatars"}
    assert changed("rand_ms_cyclegan_small") == {}
    assert changed("ms_cyclegan_small") == {"discriminator": "pixels"}
    assert changed("multiscale_cyclegan_small") == {"discriminator": "pyramid"}
    assert changed("vgg_star_gan_small") == {"heads": "", "adversarial": "bce"}


def test_the_pyramid_is_the_published_one():
    recipe = registry.recipe("multiscale_cyclegan")
    assert (recipe.discriminator, recipe.scales, recipe.patch_layers) == ("pyramid", 3, 3)


def _changed(base, name):
    found = registry.recipe(name).as_dict()
    return {k: v for k, v in found.items() if v != base[k]}


def test_no_head_is_smaller_than_that_of_the_whole_picture():
    recipe = registry.recipe("vgg_star_ms_cyclegan_small")
    with pytest.raises(UsageError, match="--heads 16,2: beside the head"):
        recipe.replace(heads="16,2").check()
    recipe.replace(heads="16,2", whole=False).check()


@pytest.mark.parametrize(("name", "told"), [("Wearing_Hat", True), ("Eyeglasses", False)])
def test_a_reference_that_knows_the_answer_is_named(tiny, capsys, name, told):
    model = tiny("vgg_star_ms_cyclegan", reference="vgg_star_small.avatars", trains=False)
    pictures = np.zeros((2, 16, 16, 3), np.uint8)
    model.prepare(Data(f"avatars:{name}?n=8", {"a": pictures, "b": pictures}, {}))
    assert (f"was trained to see {name}" in capsys.readouterr().err) == told
