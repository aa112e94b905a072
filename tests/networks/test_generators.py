"""The ResNet generator: the published sizes, shapes, and PyTorch's pixels.

`golden_torch.json` holds what PyTorch 2.13 makes of inputs and weights that are sines, so that no
weights need to be stored (`wave` below; parameters in the order of the network, each in PyTorch's
layout). Recorded with, for the generator:

    import json
    import numpy as np, torch
    from torch import nn

    def wave(*shape, phase):
        return np.sin(0.7 * np.arange(np.prod(shape)) + phase).reshape(shape).astype("float32")

    def fill(net):
        for k, p in enumerate(net.parameters()):
            p.data = torch.from_numpy(0.3 * wave(*p.shape, phase=k))
        return net

    def run(net, x):  # NHWC in and out
        y = fill(net)(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
        return y.detach().numpy().transpose(0, 2, 3, 1).tolist()

    class Residual(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.body = nn.Sequential(
                nn.ReflectionPad2d(1), nn.Conv2d(n, n, 3), nn.InstanceNorm2d(n), nn.ReLU(),
                nn.ReflectionPad2d(1), nn.Conv2d(n, n, 3), nn.InstanceNorm2d(n))

        def forward(self, x):
            return x + self.body(x)

    def up(n, m):
        return nn.ConvTranspose2d(n, m, 3, stride=2, padding=1, output_padding=1)

    def down(n, m):
        return nn.Conv2d(n, m, 3, stride=2, padding=1)

    generator = nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(3, 2, 7), nn.InstanceNorm2d(2), nn.ReLU(),
        down(2, 4), nn.InstanceNorm2d(4), nn.ReLU(), down(4, 8), nn.InstanceNorm2d(8), nn.ReLU(),
        Residual(8),
        up(8, 4), nn.InstanceNorm2d(4), nn.ReLU(), up(4, 2), nn.InstanceNorm2d(2), nn.ReLU(),
        nn.ReflectionPad2d(3), nn.Conv2d(2, 3, 7), nn.Tanh())
    golden = {
        "transpose": run(up(2, 3), wave(1, 3, 4, 2, phase=0.5)),
        "generator": run(generator, wave(1, 12, 8, 3, phase=0.5)),
        "discriminator": ...,  # see test_discriminators.py
    }
    json.dump(golden, open("golden_torch.json", "w"))
"""

import json
import pathlib

import keras
import numpy as np
import pytest

from kgan.networks import resnet_generator
from kgan.networks.generators import Blend, doubled

GOLDEN = json.loads((pathlib.Path(__file__).parent / "golden_torch.json").read_text())


def wave(*shape, phase):
    return np.sin(0.7 * np.arange(np.prod(shape)) + phase).reshape(shape).astype("float32")


def fill(network):
    """Gives a network the weights that `wave` gave the PyTorch one."""
    values = []
    for k, v in enumerate(network.weights):
        if len(v.shape) == 4:  # PyTorch: (out, in, h, w), transposed convolutions (in, out, h, w)
            h, w, i, o = v.shape
            values.append(0.3 * wave(o, i, h, w, phase=k).transpose(2, 3, 1, 0))
        else:
            values.append(0.3 * wave(*v.shape, phase=k))
    network.set_weights(values)
    return network


@pytest.mark.parametrize("blocks, count", [(9, 11_378_179), (6, 7_837_699)])
def test_parameters_are_the_published_ones(blocks, count):
    assert resnet_generator("g", blocks=blocks).count_params() == count


def test_transposed_convolution_is_pytorchs():
    picture = keras.Input((None, None, 2))
    network = fill(keras.Model(picture, doubled(picture, 3, "transpose")))
    result = network(wave(1, 3, 4, 2, phase=0.5))
    np.testing.assert_allclose(result, np.float32(GOLDEN["transpose"]), atol=1e-5)


def test_generator_is_pytorchs():
    network = fill(resnet_generator("g", filters=2, blocks=1))
    result = network(wave(1, 12, 8, 3, phase=0.5))
    np.testing.assert_allclose(result, np.float32(GOLDEN["generator"]), atol=1e-5)


@pytest.mark.parametrize("upsample", ["transpose", "nearest"])
@pytest.mark.parametrize("channels_in, channels_out", [(3, 3), (1, 3), (3, 1)])
def test_output_has_the_size_of_the_input(upsample, channels_in, channels_out):
    network = resnet_generator(
        "g", filters=2, blocks=1, upsample=upsample, channels_in=channels_in,
        channels_out=channels_out,
    )
    for h, w in ((8, 8), (12, 20), (36, 16)):
        result = network(np.ones((1, h, w, channels_in), "float32"))
        assert result.shape == (1, h, w, channels_out)


def test_output_is_bounded():
    network = resnet_generator("g", filters=2, blocks=1)
    network.set_weights([1e3 * w for w in network.get_weights()])
    result = network(wave(1, 8, 8, 3, phase=0)).numpy()
    assert np.abs(result).max() <= 1
    assert np.abs(result).max() > 0.9


@pytest.mark.parametrize("bias, expected", [(-50.0, "picture"), (50.0, "change")])
def test_blend_mixes_by_its_mask(bias, expected):
    network = resnet_generator("g", filters=2, blocks=0, blend=True)
    x = wave(2, 8, 12, 3, phase=1)
    last = [layer for layer in network.layers if layer.weights][-1]
    kernel, _ = last.get_weights()
    kernel[..., 3] = 0  # the mask is the sigmoid of its bias alone
    last.set_weights([kernel, np.float32([0.1, -0.2, 0.3, bias])])
    result = network(x).numpy()
    if expected == "picture":
        np.testing.assert_allclose(result, x, atol=1e-6)
    else:
        maps = keras.Model(network.input, last.output)(x).numpy()
        np.testing.assert_allclose(result, np.tanh(maps[..., :3]), atol=1e-6)


def test_blend_halfway():
    x, maps = wave(1, 4, 4, 3, phase=0), np.zeros((1, 4, 4, 4), "float32")
    np.testing.assert_allclose(Blend()(x, maps), 0.5 * x, atol=1e-6)


@pytest.mark.parametrize("blend", [False, True])
def test_generator_is_made_again_from_its_config(blend):
    network = resnet_generator("g", filters=2, blocks=1, blend=blend)
    again = keras.Model.from_config(network.get_config())
    again.set_weights(network.get_weights())
    x = wave(1, 8, 8, 3, phase=2)
    np.testing.assert_array_equal(network(x), again(x))
