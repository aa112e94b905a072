"""alpha-GAN: its networks, what the four players pay, which of them moves how often."""

import numpy as np
import pytest
import tensorflow as tf

from kgan.networks import alpha_gan


@pytest.fixture(scope="module")
def model(tiny):
    return tiny("alpha_gan", trains=False)


def trainable(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def test_parameters():
    maps = [64, 128, 256, 512, 1024]
    trunk = 25 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512) + 9 * 512 * 1024 + sum(maps)
    norms = 2 * sum(maps)
    assert trainable(alpha_gan.alpha_encoder("e")) == trunk + norms + 16384 * 128 + 128
    assert trainable(alpha_gan.alpha_discriminator("d")) == trunk + norms + 16384 + 1
    back = 9 * 1024 * 512 + 25 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + sum(maps[:4]) + 3
    assert trainable(alpha_gan.alpha_generator("g")) == (
        back + 2 * (16384 + sum(maps[:4])) + 128 * 16384 + 16384)
    assert trainable(alpha_gan.code_discriminator("c")) == 128 * 750 + 750 + 2 * (
        750 * 750 + 750) + 751
    largest = np.abs(alpha_gan.alpha_encoder("e").get_layer("conv2").kernel).max()
    assert largest <= 0.02  # the normal is cut at two deviations


def bce(logits, label):
    x = np.asarray(logits, np.float64)
    return float(np.mean(np.log1p(np.exp(-x if label else x))))


def ratio(logits):
    """R of the code: cross-entropy of saying real, less that of saying fake."""
    return bce(logits, 1) - bce(logits, 0)


def paid_of(terms):
    return {n: float(v) for n, v in next(iter(terms.values())).items()}


def test_what_players_pay(model, tiny_batch):
    for net in (model.d, model.c):  # opinions that are not all near to 0
        for v in net.trainable_variables:
            v.assign(v + 0.1)
    batch = tiny_batch(model)
    x, z = batch["a"], model.noise(batch)
    codes = model.e(x, training=True)
    again, fake = (model.g(c, training=True) for c in (codes, z))
    error = float(tf.reduce_mean(tf.abs(x - again)))
    of_x, of_again, of_fake = (model.d(p, training=True) for p in (x, again, fake))
    assert paid_of(model.encoder_terms(batch)) == pytest.approx({
        "picture": error, "code": ratio(model.c(codes))}, rel=1e-4)
    assert paid_of(model.generator_terms(batch)) == pytest.approx({
        "picture": 5.0 * error, "again": ratio(of_again), "generated": ratio(of_fake)}, rel=1e-4)
    assert paid_of(model.discriminator_terms(batch)) == pytest.approx({
        "real": bce(of_x, 1), "again": bce(of_again, 0), "generated": bce(of_fake, 0)}, rel=1e-4)
    assert paid_of(model.code_discriminator_terms(batch)) == pytest.approx({
        "prior": bce(model.c(z), 1), "inferred": bce(model.c(codes), 0)}, rel=1e-4)


def test_two_two_one_one(model):
    assert (model.batches_per_step, model.plays_per_step) == (6, 6)
    assert [(phase.players, phase.repeat) for phase in model.stage.phases] == [
        (("encoder",), 2), (("generator",), 2), (("discriminator",), 1),
        (("code_discriminator",), 1)]


@pytest.mark.parametrize(("terms", "calls", "reached"), [
    ("encoder_terms", {"e": 1, "g": 1, "c": 1}, "egc"),
    ("generator_terms", {"e": 1, "g": 2, "d": 2}, "gd"),
    ("discriminator_terms", {"e": 1, "g": 2, "d": 3}, "d"),
    ("code_discriminator_terms", {"e": 1, "c": 1}, "c"),
])
def test_calls_and_where_gradients_go(model, tiny_batch, network_calls, terms, calls, reached):
    """A network that an update does not move may pass a gradient on, but none that it is not of."""
    batch = tiny_batch(model)
    assert network_calls(model, getattr(type(model), terms), batch) == calls
    with tf.GradientTape(persistent=True) as tape:
        total = sum(next(iter(getattr(model, terms)(batch).values())).values())
    found = {name for name, net in model.nets.items() if any(
        g is not None for g in tape.gradient(total, net.trainable_variables))}
    assert found == set(reached)
