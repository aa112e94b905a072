"""What replicas and workers share in a step, where Keras would do something else.

What `kgan.models.trainer`, `slots`, `optimizers` and this file take from Keras without a promise
of its documentation; `tests/models/test_keras.py` names what a version of Keras no longer has:

| of Keras | how it is taken | why |
|---|---|---|
| `Optimizer._all_reduce_sum_gradients` | replaced | `shared` has summed; Keras would once more |
| `Model._maybe_symbolic_build` | overridden | reads a batch, and cannot with several workers |
| `Model.make_train_function`, `train_function` | overridden, emptied | `of_workers`; stages |
| `Metric.add_variable(aggregation=)` | overridden | `mean` |
| the name `seed_generator_state` | looked for | `own_seeds` |
| `LossScaleOptimizer.inner_optimizer`, `step_counter`, `dynamic_scale` | read | `slots` |
| names of optimizers' variables, `kernel_momentum` | read to the last `_` | `slots` |
| `Adam.update_step` | overridden | `optimizers` |
| `Adam._get_variable_index`, `_momentums`, `_velocities` | read | `optimizers` |
"""

import functools

from kgan.core.lazy import keras, tf


def shared(terms, gradients):
    """The means of terms and the sums of gradients over all replicas, by one exchange."""
    replica, given = tf.distribute.get_replica_context(), (terms, gradients)
    count = replica.num_replicas_in_sync
    means = tf.nest.map_structure(lambda x: tf.cast(x, tf.float32) / count, terms)
    found = replica.all_reduce(tf.distribute.ReduceOp.SUM, tf.nest.flatten((means, gradients)))
    return tf.nest.pack_sequence_as(given, found)


def summed_already(optimizer):
    """The optimizer, which takes gradients as sums over all replicas, see `shared`."""
    optimizer._all_reduce_sum_gradients = list
    return optimizer


def own_seeds(variables):
    """`{place: what this replica adds while it computes}`: its dropout drops other units."""
    seeds = [i for i, v in enumerate(variables) if v.name == "seed_generator_state"]
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    return dict.fromkeys(seeds, tf.pad(tf.cast([replica], tf.int64), [(0, 1)]))


def of_workers(strategy, train_step):
    """A `train_function` for several workers, of which Keras asks for the first axis of means.

    What replicas report is the same everywhere, see `shared`.
    """
    def step(iterator):
        reported = strategy.run(train_step, args=(next(iterator),))
        return {n: strategy.experimental_local_results(x)[0] for n, x in reported.items()}

    return tf.function(step, autograph=False)


@functools.cache
def mean():
    """A class of running means of what is the same on all replicas.

    Keras' own ask all replicas whenever they are read or begin anew, which the chief does alone.
    """

    class Mean(keras.metrics.Mean):
        def add_variable(self, shape, initializer, dtype=None, aggregation=None, name=None):
            return super().add_variable(shape, initializer, dtype, "only_first_replica", name)

    return Mean
