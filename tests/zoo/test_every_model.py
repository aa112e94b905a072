"""Every model of the zoo in small: a step, its players, what it reports, its seed."""

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import each_name

from kgan.core import registry
from kgan.models.gan import GAN
from kgan.networks import InstanceNormalization

# Of a player's largest gradient: what rounding leaves of a zero stays below, all others are above.
ROUNDING = 1e-5


@pytest.mark.parametrize("name", registry.names())
def test_every_tiny_recipe_can_be(name):
    entry = registry.entry(name)
    assert entry.recipe.replace(**entry.tiny).size <= 32


def numbers_of(variables):
    return [tf.convert_to_tensor(v).numpy() for v in variables]


@pytest.fixture(scope="module", params=each_name(trained=True))
def stepped(request, tiny, tiny_batch):
    """A model of the zoo before and after a step of each of its stages, what was reported, the
    largest gradient of each variable: `{player: {path: number}}`, and the weights it began with."""
    model = tiny(request.param)
    first = numbers_of(model.trainable_variables)
    for v in model.trainable_variables:  # a scale of 0 lets no gradient through before it moves
        if v.name == "gamma" and not v.numpy().any():
            v.assign(tf.ones_like(v))
    gradients = {player: {} for player in model.players}
    apply = GAN._apply

    def noted(self, player, found):
        largest = gradients[player]
        for v, g in zip(self.variables_of(player), found, strict=True):
            largest[v.path] = max(largest.get(v.path, 0.0), float(tf.reduce_max(tf.abs(g))))
        apply(self, player, found)

    before = {p: numbers_of(model.variables_of(p)) for p in model.players}
    reported = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GAN, "_apply", noted)
        for stage in model.stages():
            model.enter_stage(stage.name)
            batch, times = tiny_batch(model), model.batches_per_step
            batch = {d: tf.concat([batch[d]] * times, 0) for d in model.batch_spec()}
            terms = model.train_step(batch)
            reported |= {name: float(x) for name, x in terms.items()}
    return model, before, reported, gradients, first


def following(layer):
    """The layers that take what a layer gives, cut at its sides or whole."""
    after = [node.operation for node in getattr(layer, "_outbound_nodes", ())]
    return [x for f in after for x in (following(f) if "Crop" in type(f).__name__ else [f])]


def biases_without_gradient(network):
    """Paths of biases whose gradient is zero: the next layer subtracts each channel's mean.

    The papers' networks have them, so ours do. (A constant added to a Wasserstein critic would have
    none either; ours have no bias there, or a drift term that holds it.)
    """
    centred = (keras.layers.BatchNormalization, InstanceNormalization)
    found = set()
    for layer in network._flatten_layers():
        after = following(layer)
        if after and all(isinstance(f, centred) for f in after):
            found |= {v.path for v in layer.trainable_variables if v.name == "bias"}
    return found


def test_a_step_moves_every_variable_of_every_player(stepped):
    model, before, *_ = stepped
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


def test_every_variable_has_a_gradient_above_rounding(stepped):
    # Adam and RMSProp make whole steps of what rounding leaves: that a weight moved is no proof.
    model, _, _, gradients, _ = stepped
    for player in model.optimizers:
        largest = max(gradients[player].values())
        still = {path for path, g in gradients[player].items() if g <= ROUNDING * largest}
        names = model.players[player]
        zero = set().union(*(biases_without_gradient(model.nets[name]) for name in names))
        assert largest > 0 and still <= zero, f"{player}: no gradient for {still - zero}"


def test_every_trainable_variable_has_exactly_one_player_in_a_stage(stepped):
    model, *_ = stepped
    moved = set()
    for stage in model.stages():
        players = {p for phase in stage.phases for p in phase.players or model.players}
        owners = Counter(id(v) for p in players for v in model.variables_of(p))
        assert set(owners.values()) == {1}
        moved |= set(owners)
    assert moved == {id(v) for v in model.trainable_variables}


def test_totals_are_the_sums_of_their_terms(stepped):
    model, _, reported, *_ = stepped
    for player in model.optimizers:
        terms = {n: x for n, x in reported.items() if n.startswith(f"{player}/")}
        total = terms.pop(f"{player}/total")
        assert terms
        assert total == pytest.approx(sum(terms.values()), rel=1e-5)
    assert {n.split("/")[0] for n in reported} - {"moved"} == set(model.optimizers)


def test_a_model_is_a_keras_model_of_its_class(stepped):
    model, *_ = stepped
    assert isinstance(model, keras.Model)
    assert isinstance(model, GAN)
    assert model.optimizer is None
    assert not model.trained


@pytest.mark.slow  # `tools/zoo check` does it
@pytest.mark.parametrize("name", [n for n in registry.names() if registry.entry(n).model.trains])
def test_what_players_pay_is_float32_in_half_precision(name, tiny):
    model = tiny(name, "mixed_bfloat16")
    for stage in model.stages():
        model.enter_stage(stage.name)  # traces what its phases pay
        assert {x.dtype for trace in model.traces()
                for x in tf.nest.flatten(trace.structured_outputs[0])} == {tf.float32}


def test_two_builds_with_one_seed_are_one_model(stepped):
    model, *_, first = stepped
    keras.utils.set_random_seed(0)  # that of `tiny`
    again = type(model)(model.recipe)
    assert type(again) is type(model)
    for x, y in zip(first, numbers_of(again.trainable_variables), strict=True):
        np.testing.assert_array_equal(x, y)


def test_another_seed_is_another_model():
    entry, found = registry.entry("cyclegan"), []
    for seed in (5, 6):
        keras.utils.set_random_seed(seed)
        found.append(numbers_of(entry.model(entry.recipe.replace(**entry.tiny)).variables))
    assert any((x != y).any() for x, y in zip(*found, strict=True))


@pytest.mark.parametrize("name", each_name())
def test_what_only_training_needs_is_left_out_of_what_is_deployed(name):
    entry = registry.entry(name)
    model = entry.model(entry.recipe.replace(**entry.tiny), deployed_only=True)
    assert set(model.nets) == set(model.deployed())
