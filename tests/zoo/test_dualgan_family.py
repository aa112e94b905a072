"""DualGAN: who pays what in which phase, clipped critics, noise that follows from the picture."""

import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.core.errors import UsageError


def test_published_parameters():
    entry = registry.entry("dualgan")
    model = entry.model(entry.recipe)
    counted = {name: sum(int(np.prod(v.shape)) for v in net.trainable_variables)
               for name, net in model.nets.items()}
    # pix2pix's generator; CycleGAN's discriminator without the bias of its logits
    assert counted == {"g_ab": 54_413_955, "g_ba": 54_413_955, "d_a": 2_764_736, "d_b": 2_764_736}
    assert model.multiple == 256


def test_terms_are_the_textbooks(tiny, tiny_batch):
    model = tiny("dualgan", dropout=0.0, test_dropout=False, lambda_a=3.0, lambda_b=7.0,
                 trains=False)
    batch = tiny_batch(model)
    a, b = batch["a"], batch["b"]
    fake_a, fake_b = model.g_ba(b), model.g_ab(a)

    def mean(x):
        return float(tf.reduce_mean(x))

    paid = model.discriminator_terms(batch)["discriminator"]
    assert float(paid["real"]) == pytest.approx(-mean(model.d_a(a)) - mean(model.d_b(b)), abs=1e-6)
    assert float(paid["fake"]) == pytest.approx(
        mean(model.d_a(fake_a)) + mean(model.d_b(fake_b)), abs=1e-6)
    assert set(paid) == {"real", "fake"}
    paid = model.generator_terms(batch)["generator"]
    assert float(paid["adversarial"]) == pytest.approx(
        -mean(model.d_a(fake_a)) - mean(model.d_b(fake_b)), abs=1e-6)
    back = 3 * mean(abs(model.g_ba(fake_b) - a)) + 7 * mean(abs(model.g_ab(fake_a) - b))
    assert float(paid["cycle"]) == pytest.approx(back, rel=1e-5)


def test_critics_stay_within_their_bounds_and_may_pay_for_their_slope(tiny, tiny_batch):
    model = tiny("dualgan", learning_rate=1.0, n_critic=2)
    assert (model.batches_per_step, model.plays_per_step) == (2, 3)
    batch = tiny_batch(model)
    model.train_step({d: tf.concat([batch[d]] * 2, 0) for d in "ab"})
    moves = {player: int(optimizer.iterations) for player, optimizer in model.optimizers.items()}
    assert moves == {"discriminator": 2, "generator": 1}
    for critic in (model.d_a, model.d_b):
        largest = max(np.abs(v.numpy()).max() for v in critic.trainable_variables)
        assert largest == pytest.approx(0.01)
    free = tiny("dualgan", clip=0.0, lambda_penalty=10.0, trains=False)
    paid = free.discriminator_terms(tiny_batch(free))["discriminator"]
    assert float(paid["penalty"]) > 0
    assert all(v.constraint is None for v in free.d_a.trainable_variables)


def test_no_pass_is_made_that_nobody_pays_for(tiny, tiny_batch, network_calls):
    model = tiny("dualgan", lambda_a=0.0, trains=False)
    batch = tiny_batch(model)
    calls = network_calls(model, type(model).generator_terms, batch)
    assert calls == {"g_ab": 2, "g_ba": 1, "d_a": 1, "d_b": 1}
    calls = network_calls(model, type(model).discriminator_terms, batch)
    assert calls == {"g_ab": 1, "g_ba": 1, "d_a": 1, "d_b": 1}


def test_noise_at_test_follows_from_the_picture(tiny):
    model, quiet = tiny("dualgan", trains=False), tiny("dualgan", test_dropout=False, trains=False)
    quiet.g_ab.set_weights(model.g_ab.get_weights())
    x = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 3)).astype(np.float32)
    whole = model.translate(x)
    np.testing.assert_allclose(model.translate(x[1:2]), whole[1:2], atol=1e-5)
    assert np.abs(quiet.translate(x) - whole).max() > 1e-3


@pytest.mark.parametrize("changes, says", [
    ({"size": 40, "depth": 4}, "multiple of 16 with --depth 4"),
    ({"dropout": 0.0}, "notest_dropout"),
    ({"discriminator_layers": 6, "size": 128}, "leaves no patch"),
])
def test_what_a_recipe_refuses(changes, says):
    with pytest.raises(UsageError, match=says):
        registry.recipe("dualgan").replace(**changes)
