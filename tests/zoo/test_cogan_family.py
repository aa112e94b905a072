"""CoGAN: what is shared, who pays what, and that the code of a picture is found."""

import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.core.errors import UsageError


@pytest.fixture(scope="module")
def model(tiny):
    return tiny("cogan", trains=False)


def test_layers_of_the_authors_code():
    entry = registry.entry("cogan")
    model = entry.model(entry.recipe)
    kernels = {name: [v.shape for v in net.trainable_variables if v.name == "kernel"]
               for name, net in model.nets.items()}
    assert kernels["g"] == [(100, 16384), (4, 4, 512, 1024), (4, 4, 256, 512), (4, 4, 128, 256),
                            (4, 4, 64, 128)]
    assert kernels["g_a"] == kernels["g_b"] == [(4, 4, 32, 64), (3, 3, 32, 3)]
    assert kernels["d_a"] == [(5, 5, 3, 32), (5, 5, 32, 64)]
    assert kernels["d"] == [(5, 5, 64, 128), (3, 3, 128, 256), (3, 3, 256, 512),
                            (3, 3, 512, 1024), (4096, 2048), (2048, 1)]
    assert model.g_a.output_shape == (None, 128, 128, 3)


def test_terms_and_passes(model, tiny_batch, network_calls):
    batch = tiny_batch(model)
    terms = model.loss_terms(batch)
    assert {p: set(paid) for p, paid in terms.items()} == {
        "generator": {"adversarial", "decay"}, "discriminator": {"real", "fake", "decay"},
        "encoder": {"code_a", "code_b"}}
    kernels = [v.numpy() for v in model.variables_of("generator") if v.name == "kernel"]
    decay = 1e-4 * 0.5 * sum((k.astype(np.float64) ** 2).sum() for k in kernels)
    assert float(terms["generator"]["decay"]) == pytest.approx(decay, rel=1e-5)
    calls = network_calls(model, type(model).loss_terms, batch)
    assert calls == {"g": 1, "g_a": 1, "g_b": 1, "d": 1, "d_a": 1, "d_b": 1, "e_a": 1, "e_b": 1}


def test_a_shared_layer_is_moved_by_both_sets(model, tiny_batch):
    batch = tiny_batch(model)
    gradients = []
    for x in "ab":
        with tf.GradientTape() as tape:
            maps = model.nets[f"d_{x}"](batch[x])
            out = tf.reduce_sum(model.d(maps))
        gradients.append(tape.gradient(out, model.d.trainable_variables))
    assert all(tf.reduce_any(g != 0) for gs in gradients for g in gs[:1])


def test_the_code_of_a_drawn_picture_is_found(tiny):
    model = tiny("cogan", invert_steps=0, trains=False)
    far = tiny("cogan", invert_steps=100, trains=False)
    for name, net in far.nets.items():
        net.set_weights(model.nets[name].get_weights())
    for net in (far.g, far.g_a):  # large weights: pictures that differ
        for v in net.trainable_variables:
            if v.name == "kernel":
                v.assign(20 * v)
    rng = np.random.default_rng(0)
    codes = rng.uniform(-0.8, 0.8, (3, 4)).astype(np.float32)
    pictures = far.decode(codes, "a")

    def error(z):
        return float(tf.reduce_mean((far.decode(z, "a") - pictures) ** 2))

    told = far.nets["e_a"](pictures, training=False)
    found = far.encode(pictures, "a")
    assert error(found) < 0.3 * error(told) and float(tf.reduce_max(abs(found))) <= 1.0
    np.testing.assert_allclose(far.encode(pictures[1:2], "a"), found[1:2], atol=2e-3)  # by itself
    both = far.decode(found, "b").numpy()
    shown = np.asarray(far.translate(pictures.numpy(), "a2b"))
    np.testing.assert_allclose(shown, np.clip(both, -1, 1), atol=2e-3)


def test_pictures_of_other_sides_keep_them(model):
    made = model.translate(np.zeros((2, 20, 33, 3), np.uint8), "b2a")
    assert made.shape == (2, 20, 33, 3) and made.dtype == tf.uint8


def test_what_a_recipe_refuses():
    with pytest.raises(UsageError, match="power of two"):
        registry.recipe("cogan").replace(size=96, load_size=0)
    with pytest.raises(UsageError, match="leaves no layer to be shared: at most 5"):
        registry.recipe("cogan").replace(own=6)
