"""Progressive GAN: which level is trained when, how it fades in, what both players pay."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.core.recipe import Machine
from kgan.models import weights
from kgan.models.checkpoint import RunState
from kgan.models.growing import Level
from kgan.networks.pggan import doubled, halved
from kgan.training import run


@pytest.fixture(scope="module")
def grown():
    """`grown(**changes to the tiny recipe)`: a model that is not compiled, so no step is traced."""

    def make(**changes):
        entry = registry.entry("pggan")
        return entry.model(entry.recipe.replace(**{**entry.tiny, **changes}))

    return make


def test_growing_is_counted_in_pictures():
    recipe = registry.recipe("pggan")
    assert recipe.levels == 6
    assert recipe.in_steps(800_000) == 25_000  # of two times 16
    assert recipe.growing == 250_000  # 8 million pictures, 12 in all
    assert recipe.steps * recipe.batch * recipe.discriminator_steps == 12_000_000


def test_stages_follow_each_other(grown):
    model = grown(size=16, steps=20, fade_images=16)
    found = [(s.name, s.steps, s.size, x.begin) for s, x in model.growth(model.recipe)]
    assert found == [
        ("4 px", 2, 4, None), ("8 px, fading in", 2, 8, 2), ("8 px", 2, 8, None),
        ("16 px, fading in", 2, 16, 6), ("16 px", 12, 16, None),
    ]
    at_once = grown()
    assert [s.name for s in at_once.stages()] == ["4 px", "8 px"]
    assert sum(s.steps for s in at_once.stages()) == at_once.recipe.steps


def test_a_level_fades_in(grown):
    model = grown(fade_images=16)
    _, level = model.growth(model.recipe)[1]
    assert (level.number, level.begin) == (1, 2)
    assert [float(model.alpha(level, tf.constant(step))) for step in (2, 3, 4)] == [0, 0.5, 1]
    assert model.alpha(Level(0, None, 2), tf.constant(1)) is None


def test_real_pictures_are_those_of_the_level(grown):
    model = grown(size=16, steps=20, fade_images=16)
    pictures = tf.random.stateless_uniform((2, 16, 16, 3), [0, 1])
    batch = {"a": pictures, "step": tf.constant(3)}
    np.testing.assert_allclose(model.real(batch, Level(0, None, 9)), halved(halved(pictures)))
    np.testing.assert_array_equal(model.real(batch, Level(2, None, 9)), pictures)
    small = halved(pictures)
    half = model.real({**batch, "a": small}, Level(1, 2, 4))  # a quarter of its fading in
    np.testing.assert_allclose(half, 0.25 * small + 0.75 * doubled(halved(small)), atol=1e-6)


def test_what_is_paid(tiny, tiny_batch):
    model = tiny("pggan", spectral=False, lambda_penalty=5.0, drift=0.5, trains=False)
    model.part = model.parts()[-1]  # of 8 px
    batch, level = tiny_batch(model), Level(1, None, 10)
    terms = model.discriminator_terms(batch, level)["discriminator"]
    real = model.d(batch["a"], training=True).numpy()
    fake = model.d(model.g(model.noise(batch), training=True), training=True).numpy()
    assert float(terms["real"]) == pytest.approx(-real.mean(), rel=1e-5)
    assert float(terms["fake"]) == pytest.approx(fake.mean(), rel=1e-5)
    assert float(terms["drift"]) == pytest.approx(0.5 * (real**2).mean(), rel=1e-5)
    assert float(terms["penalty"]) > 0
    paid = model.generator_terms(batch, level)["generator"]["adversarial"]
    assert float(paid) == pytest.approx(-fake.mean(), rel=1e-5)


@pytest.mark.slow  # as in tests of stages, of the full family
def test_a_stage_trains_its_level_alone_and_optimizers_begin_anew(tiny, tiny_batch):
    model = tiny("pggan", restart=True, fade_images=16)
    batch = {"a": tf.concat([tiny_batch(model)["a"]] * 3, 0)}
    before = {v.path: v.numpy() for v in model.g.trainable_variables}
    model.train_step(batch)
    moved = {v.path for v in model.g.trainable_variables if (v.numpy() != before[v.path]).any()}
    assert moved and len(moved) < len(before)
    sheet = model.show({"a": tf.zeros((4, 8, 8, 3))})["generated 1"].numpy()
    np.testing.assert_array_equal(sheet[:, ::2, ::2], sheet[:, 1::2, 1::2])  # 4 px, enlarged

    optimizer = model.optimizers["discriminator"]
    assert int(optimizer.iterations) == 2
    model.enter_stage("8 px, fading in")
    assert int(optimizer.iterations) == 0
    assert all((v.numpy() == 0).all() for v in optimizer.variables)
    rates = [float(model.optimizers[p].learning_rate) for p in ("generator", "discriminator")]
    assert rates == pytest.approx([1e-3, 2e-3])


@pytest.mark.parametrize("changes, says", [
    ({"size": 96}, "power of two"), ({"steps": 250_000}, "must be more than 250,000"),
    ({"decay_from": 0.5}, "needs --norestart"),
])
def test_what_a_recipe_refuses(changes, says):
    with pytest.raises(UsageError, match=says):
        registry.recipe("pggan").replace(**changes)


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped_while_a_level_faded_in(tmp_path):
    entry = registry.entry("pggan")
    recipe = entry.recipe.replace(**{**entry.tiny, "fade_images": 32, "steps": 8, "restart": True})
    assert [(s.name, s.steps) for s in entry.model(recipe).stages()] == [
        ("4 px", 2), ("8 px, fading in", 4), ("8 px", 2)
    ]

    def trained():
        run.train("pggan", recipe, Machine(), run.RunOptions(
            out=str(tmp_path), save_minutes=0.0, keep=20, export=False, log_every=1,
            sample_every=50,
        ))
        model = weights.build("pggan", recipe)
        model.compile()
        RunState(tmp_path, model).restore()
        return {name: v.numpy() for name, v in model.run_variables.items()}

    whole = trained()
    for step in (5, 6, 7, 8):
        shutil.rmtree(tmp_path / "checkpoints" / f"step_{step:09d}")
    again = trained()
    assert whole.keys() == again.keys()
    assert [n for n in whole if whole[n].tobytes() != again[n].tobytes()] == []
