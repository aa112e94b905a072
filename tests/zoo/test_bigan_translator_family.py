"""BiGAN as a translator: who pays for which pairs."""

import numpy as np
import pytest
import tensorflow as tf

from kgan import networks
from kgan.core import registry
from kgan.core.errors import UsageError


def test_parameters_of_the_discriminator_are_those_of_cyclegan_and_of_six_channels(tiny):
    assert networks.patch_discriminator("d", channels=6).count_params() == 2_764_737 + 3 * 64 * 16
    assert tiny("bigan_translator", channels_b=1, trains=False).d.input_shape[-1] == 4


def test_each_player_pays_for_what_tells_its_pairs(tiny, tiny_batch, network_calls):
    model = tiny("bigan_translator", trains=False)
    batch = tiny_batch(model)
    a, b = batch["a"], batch["b"]
    terms = model.loss_terms(batch)
    inferred = model.d(tf.concat([model.g_ba(b), b], -1))
    generated = model.d(tf.concat([a, model.g_ab(a)], -1))

    def cost(logits, real):
        x = np.asarray(logits, np.float64)
        return np.mean(np.log1p(np.exp(-x if real else x)))

    assert float(terms["generator"]["generated"]) == pytest.approx(cost(generated, True), rel=1e-5)
    assert float(terms["encoder"]["inferred"]) == pytest.approx(cost(inferred, False), rel=1e-5)
    paid = {name: float(x) for name, x in terms["discriminator"].items()}
    assert paid == pytest.approx({"inferred": cost(inferred, True) / 2,
                                  "generated": cost(generated, False) / 2}, rel=1e-5)
    calls = network_calls(model, type(model).loss_terms, batch)
    assert calls == {"g_ab": 1, "g_ba": 1, "d": 1}


def test_what_a_recipe_refuses():
    with pytest.raises(UsageError, match="multiple of 4"):
        registry.recipe("bigan_translator").replace(size=98)
    with pytest.raises(UsageError, match="leaves no patch"):
        registry.recipe("bigan_translator").replace(size=16)
