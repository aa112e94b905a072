"""Every model of the zoo in small: a step, its players, what it reports, its seed."""

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import each_name

from kgan.core import registry
from kgan.models.gan import GAN


@pytest.mark.parametrize("name", registry.names())
def test_every_tiny_recipe_can_be(name):
    entry = registry.entry(name)
    assert entry.recipe.replace(**entry.tiny).size <= 32


def numbers_of(variables):
    return [tf.convert_to_tensor(v).numpy() for v in variables]


@pytest.fixture(scope="module", params=each_name(trained=True))
def stepped(request, tiny, tiny_batch):
    """A model of the zoo before and after a step of each of its stages, and what was reported."""
    model = tiny(request.param)
    batch = tiny_batch(model)
    batch = {d: tf.concat([batch[d]] * model.batches_per_step, 0) for d in model.batch_spec()}
    before = {p: numbers_of(model.variables_of(p)) for p in model.players}
    reported = {}
    for stage in model.stages():
        model.enter_stage(stage.name)
        terms = model.train_step(batch)
        reported |= {name: float(x) for name, x in terms.items()}
    return model, before, reported


def test_a_step_moves_every_variable_of_every_player(stepped):
    model, before, _ = stepped
    for player in model.optimizers:
        assert before[player]
        for old, v in zip(before[player], model.variables_of(player), strict=True):
            assert np.isfinite(v.numpy()).all()
            assert (v.numpy() != old).any(), f"{v.path} of {player} did not move"
    assert int(model.step) == len(model.stages())
    assert [p.experimental_get_tracing_count() for p in model._passes] == [1] * len(model._passes)
    moves = dict.fromkeys(model.optimizers, 0)
    for phase in (phase for stage in model.stages() for phase in stage.phases):
        for player in phase.players or model.players:
            moves[player] += phase.repeat
    assert {p: int(o.iterations) for p, o in model.optimizers.items()} == moves


def test_every_trainable_variable_has_exactly_one_player_in_a_stage(stepped):
    model, _, _ = stepped
    moved = set()
    for stage in model.stages():
        players = {p for phase in stage.phases for p in phase.players or model.players}
        owners = Counter(id(v) for p in players for v in model.variables_of(p))
        assert set(owners.values()) == {1}
        moved |= set(owners)
    assert moved == {id(v) for v in model.trainable_variables}


def test_totals_are_the_sums_of_their_terms(stepped):
    model, _, reported = stepped
    for player in model.optimizers:
        terms = {n: x for n, x in reported.items() if n.startswith(f"{player}/")}
        total = terms.pop(f"{player}/total")
        assert terms
        assert total == pytest.approx(sum(terms.values()), rel=1e-5)
    assert {n.split("/")[0] for n in reported} == set(model.optimizers)


def test_a_model_is_a_keras_model_of_its_class(stepped):
    model, _, _ = stepped
    assert isinstance(model, keras.Model)
    assert isinstance(model, GAN)
    assert model.optimizer is None
    assert not model.trained


@pytest.mark.parametrize("name", each_name(trained=True))
def test_two_builds_with_one_seed_are_one_model(name):
    entry = registry.entry(name)
    recipe = entry.recipe.replace(**entry.tiny)
    weights, classes = [], set()
    for seed in (5, 5, 6):
        keras.utils.set_random_seed(seed)
        model = entry.model(recipe)
        weights.append(numbers_of(model.trainable_variables))
        classes.add(type(model))
        assert isinstance(model, entry.model)
    assert len(classes) == 1
    assert all((x == y).all() for x, y in zip(*weights[:2], strict=True))
    assert any((x != y).any() for x, y in zip(*weights[1:], strict=True))


@pytest.mark.parametrize("name", each_name())
def test_what_only_training_needs_is_left_out_of_what_is_deployed(name):
    entry = registry.entry(name)
    model = entry.model(entry.recipe.replace(**entry.tiny), deployed_only=True)
    assert set(model.nets) == set(model.deployed())
