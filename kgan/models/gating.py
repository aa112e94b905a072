"""Updates that are left out of a compiled step, by what players have just paid.

The update is computed and then taken back where the gate is closed: weights, and all that the
optimizer remembers, its count of steps too, are what they were. Why not a condition: the update of
mirrored variables (`merge_call`) cannot stand within one.
"""

import contextlib

from kgan.core.lazy import tf


@contextlib.contextmanager
def unless(closed, moved):
    """In the block variables may move; those of a closed gate are afterwards what they were.

    Args:
        closed: bool scalar, a tensor, the same on all replicas; None = there is no gate.
        moved: a function that gives the Keras variables.
    """
    if closed is None:
        yield
        return
    variables = moved()
    before = [tf.convert_to_tensor(v) for v in variables]
    yield
    replica = tf.distribute.get_replica_context()
    replica.merge_call(_put_back, args=([v.value for v in variables], before, closed))


def _put_back(strategy, variables, before, closed):
    def update(variable, old, closed):
        variable.assign(tf.where(closed, old, variable))

    for i, variable in enumerate(variables):
        strategy.extended.update(variable, update, args=(before[i], closed), group=False)
