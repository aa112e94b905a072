"""Adam by one kernel is Keras' Adam."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan.models.optimizers import Adam


def _moved(make, steps=5, **keywords):
    """Variables after some steps on gradients of noise, and the optimizer's own."""
    draws = np.random.default_rng(0)
    variables = [keras.Variable(draws.normal(size=shape).astype("float32"))
                 for shape in ((3, 4), (7,))]
    optimizer = make(keras.optimizers.schedules.PolynomialDecay(0.1, 4, 0.01), beta_1=0.5,
                     epsilon=1e-8, **keywords)
    optimizer.build(variables)

    @tf.function
    def step(gradients):
        optimizer.apply(gradients, variables)

    for _ in range(steps):
        step([tf.constant(draws.normal(size=v.shape), tf.float32) for v in variables])
    return [np.array(v) for v in (*variables, *optimizer.variables)]


@pytest.mark.parametrize("keywords", [{}, {"weight_decay": 0.01}, {"amsgrad": True}])
def test_it_moves_as_that_of_keras(keywords):
    for ours, its in zip(_moved(Adam, **keywords), _moved(keras.optimizers.Adam, **keywords),
                         strict=True):
        # The kernel takes 1 - beta_2 of float32, which is off by 5e-5 of itself at 0.999.
        np.testing.assert_allclose(ours, its, rtol=1e-4, atol=1e-6)


def test_a_variable_is_written_by_one_operation():
    variable = keras.Variable(np.ones(4, "float32"))
    optimizer = Adam(0.1)
    optimizer.build([variable])
    graph = tf.function(lambda g: optimizer.apply([g], [variable])).get_concrete_function(
        tf.TensorSpec([4])).graph
    kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("ResourceApplyAdam") == 1
    assert "AssignSubVariableOp" not in kinds
