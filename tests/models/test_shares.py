"""A batch in shares is the batch: terms, gradients, state; what cannot be divided is refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import Toy, ToyRecipe

from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.models.shares import in_shares


def test_shares_by_hand():
    seen = []

    def gradients_of(values, state, batch):
        x = batch["a"]
        seen.append((x.numpy().tolist(), batch["key"].numpy().tolist(), float(state[1])))
        paid = {"p": {"t": tf.reduce_mean(values[0] * x)}}
        return paid, {"p": [tf.reduce_mean(x)]}, {1: state[1] + 1.0}

    batch = {"a": tf.constant([1.0, 2.0, 3.0, 6.0]), "key": tf.constant([5, 6]),
             "step": tf.constant(9)}
    values, state = [tf.constant(2.0)], [tf.constant(0.0), tf.constant(10.0)]
    terms, gradients, changed = in_shares(gradients_of, 2)(values, state, batch)
    assert float(terms["p"]["t"]) == 6.0 and float(gradients["p"][0]) == 3.0
    assert {place: float(x) for place, x in changed.items()} == {1: 12.0}
    assert [pictures for pictures, _, _ in seen] == [[1.0, 3.0], [2.0, 6.0]]
    assert seen[0][1] == [5, 6] != seen[1][1]
    assert [known for *_, known in seen] == [10.0, 11.0]
    assert [float(x) for x in state] == [0.0, 10.0]
    assert in_shares(gradients_of, 1) is gradients_of


def toy(shares, batch=4):
    keras.utils.set_random_seed(0)
    model = Toy(ToyRecipe(size=8, batch=batch, clip_norm=0.1, accumulate=shares))
    model.compile()
    return model


def pictures(count):
    random = np.random.default_rng(0)
    return {name: tf.constant(random.uniform(-1, 1, (count, 8, 8, 3)), tf.float32) for name in "ab"}


def test_a_step_in_shares_is_the_step():
    models = [toy(shares) for shares in (1, 4)]
    told = [model.train_step(pictures(4)) for model in models]
    assert told[0].keys() == told[1].keys()
    for name, value in told[0].items():
        assert float(told[1][name]) == pytest.approx(float(value), rel=1e-5), name
    remembered = [model.optimizers["generator"].variables for model in models]
    moments = [(whole.numpy(), shared.numpy()) for whole, shared in zip(*remembered, strict=True)
               if whole.name.endswith("momentum")]
    assert moments
    for whole, shared in moments:
        assert np.abs(whole).max() > 0
        np.testing.assert_allclose(shared, whole, atol=1e-5 * np.abs(whole).max())
    (trace,) = models[1].traces()
    assert trace.structured_input_signature[0][2]["a"].shape[0] == 1


def test_replicas_take_shares_of_their_own(mirrored):
    told = []
    for shares in (1, 2):
        with mirrored.scope():
            model = toy(shares)
        data = tf.data.Dataset.from_tensors(pictures(4)).unbatch().batch(4)
        (part,) = mirrored.experimental_distribute_dataset(data)
        told.append(tf.function(lambda x, m=model: mirrored.run(m.train_step, args=(x,)))(part))
    for name, value in told[0].items():
        value, other = (mirrored.experimental_local_results(x)[0] for x in (value, told[1][name]))
        assert float(other) == pytest.approx(float(value), rel=1e-5), name


def test_batches_that_cannot_be_divided():
    with pytest.raises(UsageError, match="--batch 8 cannot be divided into --accumulate 3 shares"):
        registry.recipe("cyclegan_small").replace(accumulate=3)
