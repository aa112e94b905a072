"""Updates that are left out: nothing of the player moves, on one device and on replicas."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import Toy, ToyRecipe


class Gated(Toy):
    """The discriminator stays in the second of three steps."""

    def gates(self, terms):
        return {"discriminator": tf.equal(tf.convert_to_tensor(self.step), 1)}


def run(model, steps):
    x = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 3)).astype(np.float32)
    data = tf.data.Dataset.from_tensors({"a": x, "b": x}).repeat(steps)
    model.fit(data, verbose=0, shuffle=False)
    return {name: tf.convert_to_tensor(v).numpy() for name, v in model.run_variables.items()}


def build(kind, precision="float32"):
    keras.utils.set_random_seed(0)
    model = kind(ToyRecipe(size=8, batch=4, steps=3), precision)
    model.compile()
    return model


@pytest.mark.parametrize("replicas", [1, 2])
def test_the_share_of_steps_in_which_a_player_moved_is_reported(replicas, mirrored):
    scope = mirrored.scope() if replicas == 2 else tf.distribute.get_strategy().scope()
    with scope:
        model = build(Gated)
    x = np.zeros((4, 8, 8, 3), np.float32)
    data = tf.data.Dataset.from_tensors({"a": x, "b": x}).repeat(3)
    logs = model.fit(data, verbose=0, shuffle=False).history
    assert logs["moved/discriminator"] == [pytest.approx(2 / 3)]
    assert {name for name in logs if name.startswith("moved")} == {"moved/discriminator"}
    assert model.step.numpy() == 3 and "moved/total" not in logs


@pytest.mark.parametrize("replicas", [1, 2])
def test_a_closed_gate_leaves_weights_and_slots(replicas, mirrored):
    scope = mirrored.scope() if replicas == 2 else tf.distribute.get_strategy().scope()
    with scope:
        model = build(Gated)
    first, second, third = (run(model, 1) for _ in range(3))
    its = [n for n in first if n.startswith(("nets/d", "optimizers/discriminator"))]
    assert len(its) == 2 + 5  # weights; a count, two moments of each
    others = [n for n in first if n.startswith(("nets/g", "optimizers/generator"))]
    for name in its:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    assert all((second[n] != third[n]).any() for n in its)
    assert all((first[n] != second[n]).any() for n in others)
    assert third["optimizers/discriminator/iteration/0"] == 2
    if replicas == 2:
        for v in model.d.trainable_variables:
            one, other = mirrored.experimental_local_results(v.value)
            np.testing.assert_array_equal(one, other)


def test_an_open_gate_changes_nothing():
    class Open(Toy):
        def gates(self, terms):
            return dict.fromkeys(self.players, terms["generator"]["adversarial"] < 0)

    plain, gated = run(build(Toy), 3), run(build(Open), 3)
    for name, value in plain.items():
        np.testing.assert_array_equal(value, gated[name], err_msg=name)


def test_a_gate_in_half_precision_leaves_the_loss_scale_alone():
    model = build(Gated, "mixed_float16")
    first, second = (run(model, 1) for _ in range(2))
    assert first["nets/d/0"].tolist() == second["nets/d/0"].tolist()
    counts = [x["scales/discriminator/step_counter"] for x in (first, second)]
    assert counts[1] == counts[0] + 1
