"""What is taken from Keras without its promise is still there, see `kgan.models.replicas`."""

import inspect

import keras
import pytest
import tensorflow as tf

from kgan.models import replicas, slots

BROKEN = f"Keras {keras.__version__} is not what kgan/models/replicas.py takes it for: "


@pytest.fixture
def optimizer():
    made = keras.optimizers.Adam(0.5, name="adam_p")
    made.build([keras.Variable([1.0, 2.0], name="kernel")])
    return made


@pytest.mark.parametrize(("owner", "method", "parameters"), [
    (keras.optimizers.Optimizer, "_all_reduce_sum_gradients", ["grads_and_vars"]),
    (keras.Model, "_maybe_symbolic_build", ["iterator", "data_batch"]),
    (keras.optimizers.Adam, "update_step", ["gradient", "variable", "learning_rate"]),
    (keras.optimizers.Adam, "_get_variable_index", ["variable"]),
    (keras.Model, "make_train_function", ["force"]),
    (keras.metrics.Mean, "add_variable",
     ["shape", "initializer", "dtype", "aggregation", "name"]),
])
def test_methods_that_are_replaced_or_called(owner, method, parameters):
    found = getattr(owner, method, None)
    assert found, f"{BROKEN}{owner.__name__} has no {method}"
    found = list(inspect.signature(found).parameters)[1:]
    assert found == parameters, f"{BROKEN}{owner.__name__}.{method} takes {found}"


def test_fit_asks_for_what_is_replaced():
    asked = []

    class Model(keras.Model):
        def _maybe_symbolic_build(self, iterator=None, data_batch=None):
            asked.append("_maybe_symbolic_build")

        def make_train_function(self, force=False):
            asked.append("make_train_function")
            self.train_function = lambda iterator: {"loss": tf.reduce_sum(next(iterator))}

    model = Model()
    model.compile(optimizer=None)
    model.fit(tf.data.Dataset.from_tensors(tf.ones([2])), verbose=0)
    assert asked == ["_maybe_symbolic_build", "make_train_function"], f"{BROKEN}fit asks {asked}"


def test_optimizers_sum_nothing_again(optimizer, mirrored):
    """Two replicas, each of which has the sum already: an SGD step of 1 moves by 1."""
    with mirrored.scope():
        v = keras.Variable([1.0, 2.0])
        sgd = replicas.summed_already(keras.optimizers.SGD(1.0))
        sgd.build([v])

    def step():
        sgd.apply([tf.ones([2])], [v])

    mirrored.run(tf.function(step, autograph=False))
    assert v.numpy().tolist() == [0.0, 1.0], f"{BROKEN}optimizers sum gradients elsewhere"


def test_means_are_of_one_replica():
    metric = replicas.mean()(name="x")
    assert {v.aggregation for v in metric.variables} == {"only_first_replica"}, (
        f"{BROKEN}metrics make their variables elsewhere")


def test_states_of_dropout_have_their_name():
    names = [v.name for v in keras.layers.Dropout(0.5, seed=1).non_trainable_variables]
    assert names == ["seed_generator_state"], f"{BROKEN}states of dropout are called {names}"


def test_adam_has_its_moments_in_the_order_of_its_variables(optimizer):
    for name in ("_momentums", "_velocities"):
        shapes = [tuple(v.shape) for v in getattr(optimizer, name, ())]
        assert shapes == [(2,)], f"{BROKEN}{name} of Adam holds {shapes}"


def test_what_optimizers_remember_has_its_name(optimizer):
    found = [*slots.of(optimizer)]
    assert found == ["iteration/0", "rate/0", "momentum/0", "velocity/0"], f"{BROKEN}{found}"
    scaled = keras.optimizers.LossScaleOptimizer(optimizer)
    scaled.build([keras.Variable([1.0, 2.0], name="kernel")])
    assert [*slots.of(scaled)] == found, f"{BROKEN}what a loss scale wraps is not inner_optimizer"
    assert slots.scale_of(scaled).keys() == {"step_counter", "dynamic_scale"}
