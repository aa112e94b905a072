"""PatchGAN: the published sizes, the patch that a logit sees, and PyTorch's pixels.

The discriminator of `golden_torch.json` (see test_generators.py for `run` and `wave`):

    discriminator = nn.Sequential(
        nn.Conv2d(3, 2, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(2, 4, 4, stride=2, padding=1), nn.InstanceNorm2d(4), nn.LeakyReLU(0.2),
        nn.Conv2d(4, 8, 4, stride=1, padding=1), nn.InstanceNorm2d(8), nn.LeakyReLU(0.2),
        nn.Conv2d(8, 1, 4, stride=1, padding=1))
    run(discriminator, wave(2, 16, 20, 3, phase=0.5))
"""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from kgan.networks import discriminators, patch_discriminator

GOLDEN = json.loads((pathlib.Path(__file__).parent / "golden_torch.json").read_text())


def wave(*shape, phase):
    return np.sin(0.7 * np.arange(np.prod(shape)) + phase).reshape(shape).astype("float32")


def test_parameters_are_the_published_ones():
    assert patch_discriminator("d").count_params() == 2_764_737


@pytest.mark.parametrize("strided, side, logits", [(3, 256, 30), (3, 64, 6), (1, 16, 6)])
def test_logits(strided, side, logits):
    network = patch_discriminator("d", filters=2, strided=strided)
    result = network(np.ones((2, side, side, 3), "float32"))
    assert result.shape == (2, logits, logits, 1)
    assert result.dtype == "float32"


@pytest.mark.parametrize("strided, patch", [(1, 16), (2, 34), (3, 70), (4, 142), (5, 286)])
def test_a_logit_sees_its_patch(monkeypatch, strided, patch):
    # Instance norm lets every pixel touch every logit through the mean. What the convolutions see
    # is the support of a logit's gradient without it, with weights of 1, so that nothing cancels.
    monkeypatch.setattr(discriminators, "norm", lambda x: x)
    network = patch_discriminator("d", filters=1, strided=strided, channels=1)
    network.set_weights([np.ones(w.shape, "float32") for w in network.get_weights()])
    x = tf.ones((1, 2 * patch + 32, 2 * patch + 32, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = network(x)
        middle = logits.shape[1] // 2
        logit = logits[0, middle, middle, 0]
    seen = tape.gradient(logit, x).numpy()[0, :, :, 0] > 0
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    assert seen.sum() == patch**2
    assert rows[-1] - rows[0] + 1 == patch
    assert columns[-1] - columns[0] + 1 == patch


def test_discriminator_is_pytorchs():
    network = patch_discriminator("d", filters=2, strided=2)
    values = []
    for k, v in enumerate(network.weights):
        if len(v.shape) == 4:
            h, w, i, o = v.shape
            values.append(0.3 * wave(o, i, h, w, phase=k).transpose(2, 3, 1, 0))
        else:
            values.append(0.3 * wave(*v.shape, phase=k))
    network.set_weights(values)
    result = network(wave(2, 16, 20, 3, phase=0.5))
    np.testing.assert_allclose(result, np.float32(GOLDEN["discriminator"]), atol=1e-5)


def test_no_norm_after_the_first_and_the_last_convolution():
    kinds = [type(layer).__name__ for layer in patch_discriminator("d", filters=2).layers]
    assert kinds.count("Conv2D") == 5
    assert kinds.count("InstanceNormalization") == 3
    first = kinds.index("Conv2D")
    assert kinds[first + 1] == "LeakyReLU"
    assert kinds[-2] == "Conv2D"
