"""The solver: each method's first steps by hand, boxes, rows that do not see each other."""

import numpy as np
import pytest
import tensorflow as tf

from kgan.editing import solve


def squares(z, to):
    """Half the squared distance to `to`, whose gradient is z - to."""
    return tf.reduce_sum((z - to) ** 2) / 2, z - to


START, TO = np.zeros((3, 2), np.float32), np.array([[1, 2], [3, -4], [8, 0]], np.float32)


def test_descent_goes_down_the_gradient():
    z, paid = solve.minimise(squares, START, solve.Descent(0.5, halve_every=1), 2, given=(TO,))
    np.testing.assert_allclose(z, TO * (1 - 0.5 * 0.75))  # a half of the way, then a quarter
    np.testing.assert_allclose(paid, [94 / 2, 94 / 8])  # before each step


def test_rmsprop_divides_by_the_root_of_the_mean_square():
    z, _ = solve.minimise(squares, START, solve.RMSProp(0.01), 1, given=(TO,))
    # g / sqrt(0.01 g^2) = 10 sign(g)
    np.testing.assert_allclose(z, 0.1 * np.sign(TO), rtol=1e-4)


def test_adam_is_keras_adam():
    z, _ = solve.minimise(squares, START, solve.Adam(0.1, beta_1=0.8), 7, given=(TO,))
    variable = tf.Variable(START)
    theirs = tf.keras.optimizers.Adam(0.1, beta_1=0.8, epsilon=1e-8)
    for _ in range(7):
        theirs.apply_gradients([(variable - TO, variable)])
    np.testing.assert_allclose(z, variable, rtol=1e-5)


@pytest.mark.parametrize("method", [solve.Descent(1.0), solve.LBFGSB()])
def test_a_box_is_not_left(method):
    z, _ = solve.minimise(squares, START, method, 5, solve.Box(-3.0, 2.5), given=(TO,))
    np.testing.assert_allclose(z, np.clip(TO, -3, 2.5), atol=1e-6)


@pytest.mark.parametrize("method", [solve.Descent(0.3), solve.LBFGSB()])
def test_rows_do_not_see_each_other(method):
    whole, _ = solve.minimise(squares, START, method, 4, given=(TO,), batch=2)
    for i in range(3):
        row = slice(i, i + 1)
        alone, _ = solve.minimise(squares, START[row], method, 4, given=(TO[row],))
        np.testing.assert_array_equal(alone, whole[row])


def test_projections_know_the_step_and_the_rows():
    def project(z, t, to):
        return z + tf.cast(t, tf.float32) * to

    z, _ = solve.minimise(squares, START, solve.Descent(0.0), 3, project, given=(TO,))
    np.testing.assert_allclose(z, (0 + 1 + 2) * TO)


def test_what_is_watched_may_be_another_figure():
    def objective(z, to):
        return *squares(z, to), tf.reduce_sum(z)

    _, seen = solve.minimise(objective, START, solve.Descent(1.0), 2, given=(TO,), batch=2)
    np.testing.assert_allclose(seen, [0, TO.sum()])


def test_steps_that_are_too_long_are_told(monkeypatch):
    monkeypatch.setattr(solve, "CHUNK", 40)
    with pytest.raises(solve.Diverged) as error:
        solve.minimise(squares, START, solve.Descent(10.0), 60, given=(TO,))
    assert error.value.step == 40
