"""A batch in shares: the step of a batch whose forward pass does not fit into the memory at once.

Why not Keras' `gradient_accumulation_steps`: that spreads an update over several steps, each of
which would be a step of the schedule, the averages and the checkpoints, and the condition in it
cannot hold the exchange between replicas (`merge_call`) of a `MirroredStrategy`.
"""

from kgan.core.lazy import tf

SHARED = ("key", "step")  # of a batch, no pictures


def in_shares(gradients_of, count):
    """`gradients_of` a batch in shares, one after the other: means of terms and of gradients.

    Of losses that are means over pictures, and networks that look at one picture at a time, these
    are those of the whole batch.

    Args:
        gradients_of: function of (values, state, batch) -> (terms, gradients, changed state), see
            `kgan.models.trainer.Trainer`.
        count: shares, of equal length. Each has a randomness of its own.
    """
    if count == 1:
        return gradients_of

    def run(values, state, batch):
        state, changed, sums = list(state), {}, None
        for i in range(count):
            share = _share(batch, i, count)
            # One after the other, or all would be in the memory at the same time.
            with tf.control_dependencies(tf.nest.flatten(sums) if sums else []):
                *found, new = gradients_of(values, state, share)
            sums = tf.nest.map_structure(tf.add, sums, found) if sums else found
            for place, value in new.items():
                state[place] = changed[place] = value
        terms, gradients = tf.nest.map_structure(lambda x: x / count, sums)
        return terms, gradients, changed

    return run


def _share(batch, i, count):
    found = {name: x if name in SHARED else x[i::count] for name, x in batch.items()}
    if i:
        found["key"] = tf.random.experimental.stateless_fold_in(batch["key"], i, alg="philox")
    return found
