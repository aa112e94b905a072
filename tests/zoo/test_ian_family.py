"""Introspective adversarial networks: layers by hand, who pays what, the rate, what is deployed."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan import losses
from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.networks import ian


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def trainable(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


@pytest.fixture(scope="module")
def model():
    """A model that is not compiled."""
    entry = registry.entry("ian")
    keras.utils.set_random_seed(0)
    made = entry.model(entry.recipe.replace(**entry.tiny))
    made.part = made.parts()[0]
    return made


def test_parameters_are_those_of_the_layers():
    trunk = ian.ian_trunk("t")
    widths = [128, 256, 512, 1024]
    assert trainable(trunk) == 25 * 3 * 128 + 128 + sum(
        25 * a * b + 2 * b for a, b in itertools.pairwise(widths)) == 17_216_512
    shape = trunk.outputs[-1].shape[1:]
    assert shape == (4, 4, 1024)
    head = ian.ian_encoder_head("h", shape)
    assert trainable(head) == 16384 * 1000 + 2000 + 2 * (1000 * 100 + 200) == 16_586_400
    judge = ian.ian_discriminator_head("d", shape)
    assert trainable(judge) == 1024 * 500 * 5 + 500 * 5 + 500 + 1524 * 3 == 2_567_572
    decoder = ian.ian_decoder("g")

    def block(width, scales):
        return 2 * (9 * width**2 + (1 + scales) * width) + 3 * 2 * width

    up = 25 * (512 * 512 + 512 * 256 + 256 * 128 + 128 * 128) + 512 + 256 + 128 + 2 * 128
    colours = 3 * (9 * 128 * 2 + 4 * 2) + (9 * 2 * 2 + 4 * 2) + (9 * 4 * 2 + 4 * 2)
    blocks = block(512, 2) + block(256, 3) + block(128, 3)
    assert trainable(decoder) == 100 * 8192 + 8192 + up + blocks + colours == 18_099_476
    assert decoder.output_shape == (None, 64, 64, 3)


def test_one_kernel_at_several_dilations():
    layer = ian.MultiscaleConv2D(3, (0, 2))
    x = numbers(2, 7, 7, 2)
    layer.build(x.shape)
    np.testing.assert_allclose(layer.coefficients, np.full((3, 3), 1 / 3))
    layer.coefficients.assign(numbers(3, 3, seed=1))
    kernel, (own, mean, wide) = layer.kernel.numpy(), layer.coefficients.numpy()
    far = np.zeros((5, 5, 2, 3), "float32")
    far[::2, ::2] = kernel * wide
    wanted = (tf.nn.conv2d(x, kernel * own, 1, "SAME") + tf.nn.conv2d(x, far, 1, "SAME")
              + x @ (kernel.mean((0, 1)) * mean))
    np.testing.assert_allclose(layer(x), wanted, rtol=1e-4, atol=1e-5)
    again = ian.MultiscaleConv2D.from_config(layer.get_config())
    assert (again.filters, again.scales) == (3, (0, 2))


def test_how_near_the_rows_of_a_batch_are():
    layer = ian.MinibatchDiscrimination(2, 3)
    x = numbers(4, 5)
    layer.build(x.shape)
    layer.log_scale.assign(numbers(2, 3, seed=1))
    theta = layer.theta.numpy()
    w = theta * np.exp(layer.log_scale.numpy()) / np.sqrt((theta**2).sum(0))
    seen = np.einsum("ni,ikd->nkd", x, w)
    wanted = [[sum(np.exp(-np.abs(seen[i, k] - seen[j, k]).sum()) for j in range(4) if j != i) - 1
               for k in range(2)] for i in range(4)]
    found = layer(x).numpy()
    np.testing.assert_array_equal(found[:, :5], x)
    np.testing.assert_allclose(found[:, 5:], wanted, rtol=1e-4, atol=1e-5)


def test_a_flow_goes_from_number_to_number_and_is_not_trained():
    flow, z = ian.RandomFlow(), numbers(3, 5)
    y = flow(z).numpy()
    assert not flow.trainable_variables
    np.testing.assert_allclose(y[:, 0], z[:, 0], rtol=1e-6)  # nothing is before the first
    for i in range(5):
        moved = z.copy()
        moved[:, i] += 1
        change = np.abs(flow(moved).numpy() - y).max(0)
        assert (change[:i] == 0).all() and (change[i:] > 0).all()


def test_the_mean_of_a_beta_distribution():
    np.testing.assert_allclose(ian.BetaMean()(tf.constant([[[[0.3, 0.1]]]])), [[[[0.5]]]],
                               rtol=1e-5)


def test_orthogonality_by_hand():
    kernel = numbers(2, 3, 4, 5)
    w = kernel.transpose(3, 0, 1, 2).reshape(5, -1)
    assert float(losses.orthogonality(kernel)) == pytest.approx(
        np.abs(w @ w.T - np.eye(5)).sum(), rel=1e-5)
    rows = [kernel[..., i].reshape(2, -1) for i in range(5)]
    assert float(losses.orthogonality(kernel, "rows")) == pytest.approx(
        sum(np.abs(w @ w.T - np.eye(2)).sum() for w in rows), rel=1e-5)
    with pytest.raises(ValueError, match="filters or rows"):
        losses.orthogonality(kernel, "columns")


def log_softmax(logits):
    return np.asarray(logits) - np.log(np.exp(logits).sum(-1, keepdims=True))


def test_what_is_paid(model, tiny_batch):
    batch = tiny_batch(model)
    found = model.played(batch)
    again, maps = found["again"].numpy(), [[m.numpy() for m in ms] for ms in found["maps"]]
    cost = [-log_softmax(x.numpy()).mean(0) for x in found["logits"]]
    kernels = [m.kernel.numpy() for m in model.t.layers if m.name.startswith("conv")]
    assert len(kernels) == 4
    ortho = sum(float(losses.orthogonality(k)) for k in kernels)
    paid = model.discriminator_terms(batch)
    told = {k: float(v) for k, v in paid["discriminator"].items()}
    assert told == pytest.approx({
        "real": cost[0][0], "reconstruction": cost[1][1], "sample": cost[2][2],
        "orthogonal": 1e-3 * ortho,
    }, rel=1e-4)
    shared = {
        "picture": 6 * np.abs(batch["a"] - again).mean(), "reconstruction": cost[1][0],
        "features": np.mean([((x - y) ** 2).mean() for x, y in zip(*maps[:2], strict=True)]),
    }
    mean, s = found["mean"].numpy(), found["log_deviation"].numpy()
    squares = sum((v.numpy() ** 2).sum() for v in model.h.trainable_variables if v.name != "beta")
    code = -0.5 * (1 + 2 * s - mean**2 - np.exp(2 * s)).mean()
    wanted = {**shared, "code": code, "l2": 1e-5 * squares}
    assert {k: float(v) for k, v in paid["encoder"].items()} == pytest.approx(wanted, rel=1e-3)
    paid = model.generator_terms(batch)
    assert {k: float(v) for k, v in paid["encoder"].items()} == pytest.approx(wanted, rel=1e-3)
    made = {k: float(v) for k, v in paid["generator"].items()}
    ortho = made.pop("orthogonal")
    assert made == pytest.approx({**shared, "sample": cost[2][0]}, rel=1e-4)
    kernels = [np.transpose(m.kernel, (0, 1, 3, 2)) if "up" in m.name else m.kernel.numpy()
               for m in model.g.layers if hasattr(m, "kernel") and m.kernel.shape.rank == 4]
    assert len(kernels) == 4 + 6 + 5
    assert ortho == pytest.approx(1e-3 * sum(float(losses.orthogonality(k)) for k in kernels),
                                  rel=1e-4)


def test_the_trunk_learns_from_the_discriminator_alone(model, tiny_batch):
    batch = tiny_batch(model)
    with tf.GradientTape(persistent=True) as tape:
        found = model.played(batch)
        again = tf.reduce_sum(found["again"])
        told = sum(model.reconstruction(batch, found).values())
    assert all(g is None for g in tape.gradient(again, model.t.trainable_variables))
    assert all(g is not None for g in tape.gradient(told, model.h.trainable_variables))
    for stage in model.stages():
        assert [p.players for p in stage.phases] == [
            ("discriminator", "encoder"), ("generator", "encoder")]
    assert model.batches_per_step == 2


def test_calls_of_each_network(model, tiny_batch, network_calls):
    for terms in (type(model).discriminator_terms, type(model).generator_terms):
        calls = {"t": 3, "h": 1, "g": 2, "d": 3}
        assert network_calls(model, terms, tiny_batch(model)) == calls


def test_the_rate_falls():
    full = registry.recipe("ian")
    stages = registry.entry("ian").model.stages_of(full)
    assert [s.rate for s in stages] == pytest.approx([2e-4, 1e-4, 5e-5, 1e-5])
    ends = np.cumsum([s.steps for s in stages])
    assert ends[-1] == full.steps and list(ends[:3] / full.steps) == pytest.approx(
        [25 / 80, 50 / 80, 75 / 80], abs=1e-5)
    assert len(registry.entry("ian").model.stages_of(full.replace(steps=1))) == 1
    with pytest.raises(UsageError, match="needs --nofalls"):
        full.replace(decay_from=0.5)
    with pytest.raises(UsageError, match="multiple of 16"):
        full.replace(size=40)


def test_a_code_is_the_mean(model):
    x = numbers(2, 16, 16, 3).clip(-1, 1)
    codes = model.encode(x)
    mean, _ = model.h(model.t(x, training=False)[-1], training=False)
    np.testing.assert_allclose(codes, mean, rtol=1e-5)
    assert sorted(model.deployed()) == ["g", "h", "t"]
