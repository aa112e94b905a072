"""pix2pix's networks: the published sizes, PyTorch's pixels, statistics and dropout at test.

`golden_pix2pix.json` holds what PyTorch 2.13 makes in training mode, without dropout, of inputs and
weights that are sines, a batch of two and each of the two alone. Recorded with `wave` and `fill` of
test_generators.py and

    def run(net, x):  # NHWC in and out
        y = net(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))
        return y.detach().numpy().transpose(0, 2, 3, 1)

    def down(n, m, norm=True, stride=2, bias=False):
        conv = nn.Conv2d(n, m, 4, stride, 1, bias=bias)
        return nn.Sequential(conv, nn.BatchNorm2d(m)) if norm else conv

    class UNet(nn.Module):
        def __init__(self, n, skips):
            super().__init__()
            maps, times = [n, 2 * n, 4 * n, 8 * n], 2 if skips else 1
            self.skips = skips
            self.down = nn.ModuleList(
                down(k, m, 0 < i < 3) for i, (k, m) in enumerate(zip([3, *maps], maps)))
            self.up = nn.ModuleList(
                nn.Sequential(nn.ConvTranspose2d(k, m, 4, 2, 1, bias=False), nn.BatchNorm2d(m))
                for k, m in ((8 * n, 4 * n), (times * 4 * n, 2 * n), (times * 2 * n, n)))
            self.last = nn.ConvTranspose2d(times * n, 3, 4, 2, 1)

        def forward(self, x):
            levels = []
            for i, layer in enumerate(self.down):
                x = layer(nn.functional.leaky_relu(x, 0.2) if i else x)
                levels.append(x)
            for layer, skip in zip(self.up, levels[-2::-1]):
                x = layer(torch.relu(x))
                x = torch.cat([skip, x], 1) if self.skips else x
            return torch.tanh(self.last(torch.relu(x)))

    patch = nn.Sequential(
        down(6, 2, False, bias=True), nn.LeakyReLU(0.2), down(2, 4), nn.LeakyReLU(0.2),
        down(4, 8, stride=1), nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 4, 1, 1))
    pixel = nn.Sequential(
        nn.Conv2d(6, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(2, 4, 1, bias=False),
        nn.BatchNorm2d(4), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 1, bias=False))
    x, pair = wave(2, 16, 32, 3, phase=0.5), wave(2, 16, 20, 6, phase=0.5)
    golden = {"patch": run(fill(patch), pair), "pixel": run(fill(pixel), pair)[:, ::4, ::4]}
    for name, skips in (("unet", True), ("encoder_decoder", False)):
        net = fill(UNet(2, skips))
        golden[name] = run(net, x)[:, ::3, ::3]
        alone = np.concatenate([run(net, x[i : i + 1]) for i in range(2)])
        golden[f"{name}_alone"] = alone[:, ::6, ::6]
"""

import json
import pathlib

import keras
import numpy as np
import pytest

from kgan.networks.pix2pix import DropoutAtTest, pix2pix_discriminator, unet_generator

GOLDEN = json.loads((pathlib.Path(__file__).parent / "golden_pix2pix.json").read_text())


def wave(*shape, phase):
    return np.sin(0.7 * np.arange(np.prod(shape)) + phase).reshape(shape).astype("float32")


def fill(network):
    """Gives a network the weights that `wave` gave the PyTorch one; moving statistics stay."""
    for k, v in enumerate(network.trainable_variables):
        if len(v.shape) == 4:  # PyTorch: (out, in, h, w), transposed convolutions (in, out, h, w)
            h, w, i, o = v.shape
            v.assign(0.3 * wave(o, i, h, w, phase=k).transpose(2, 3, 1, 0))
        else:
            v.assign(0.3 * wave(*v.shape, phase=k))
    return network


def trainable(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


@pytest.mark.parametrize("changes, count", [
    ({"depth": 8}, 54_413_955), ({"depth": 7}, 41_828_995),
    # half of what each layer of the decoder sees, but the innermost, falls away
    ({"skips": False}, 54_413_955 - 16 * (3 * 512**2 + 512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)),
])
def test_parameters_of_generators(changes, count):
    assert trainable(unet_generator("g", **changes)) == count


@pytest.mark.parametrize("strided, count, side", [
    (0, 9_024, 256), (1, 139_585, 126), (2, 666_433, 62), (3, 2_768_705, 30), (4, 6_964_033, 14),
    (5, 11_159_361, 6),
])
def test_parameters_and_maps_of_discriminators(strided, count, side):
    network = pix2pix_discriminator("d", strided=strided)
    assert trainable(network) == count
    assert network.compute_output_shape((1, 256, 256, 6)) == (1, side, side, 1)


@pytest.mark.parametrize("name, skips", [("unet", True), ("encoder_decoder", False)])
@pytest.mark.parametrize("statistics", ["batch", "picture"])
def test_generators_are_pytorchs(name, skips, statistics):
    network = fill(unet_generator(
        "g", filters=2, depth=4, skips=skips, dropout=0.0, statistics=statistics))
    x = wave(2, 16, 32, 3, phase=0.5)
    alone = np.float32(GOLDEN[f"{name}_alone"])
    trained, tested = network(x, training=True), network(x, training=False)
    np.testing.assert_allclose(tested[:, ::6, ::6], alone, atol=2e-5)
    if statistics == "picture":
        np.testing.assert_allclose(trained[:, ::6, ::6], alone, atol=2e-5)
    else:
        np.testing.assert_allclose(trained[:, ::3, ::3], np.float32(GOLDEN[name]), atol=2e-5)


@pytest.mark.parametrize("name, strided, step", [("patch", 2, 1), ("pixel", 0, 4)])
def test_discriminators_are_pytorchs(name, strided, step):
    network = fill(pix2pix_discriminator("d", filters=2, strided=strided))
    made = network(wave(2, 16, 20, 6, phase=0.5), training=True)
    assert made.dtype == "float32"
    np.testing.assert_allclose(made[:, ::step, ::step], np.float32(GOLDEN[name]), atol=2e-5)


def test_moving_statistics_are_those_of_the_training():
    network = fill(
        unet_generator("g", filters=2, depth=2, dropout=0.0, test_statistics="moving"))
    x = np.concatenate([wave(1, 16, 16, 3, phase=0.5), 3 * wave(1, 16, 16, 3, phase=700)])
    for _ in range(100):
        trained = network(x, training=True)
    np.testing.assert_allclose(network(x, training=False), trained, atol=1e-3)
    np.testing.assert_allclose(network(x[:1], training=False), trained[:1], atol=1e-3)
    assert np.abs(network(x[:1], training=True) - trained[:1]).max() > 1e-2


def test_first_weights():
    network = unet_generator("g", filters=16, depth=5)
    drawn = {"kernel": [], "gamma": [], "beta": [], "bias": []}
    for v in network.trainable_variables:
        drawn[v.name].append(v.numpy().ravel())
    mean, deviation = {}, {}
    for name, values in drawn.items():
        values = np.concatenate(values)
        mean[name], deviation[name] = values.mean(), values.std()
    assert mean == pytest.approx({"kernel": 0, "gamma": 1, "beta": 0, "bias": 0}, abs=3e-3)
    assert deviation == pytest.approx(
        {"kernel": 0.02, "gamma": 0.02, "beta": 0, "bias": 0}, abs=2e-3)


def test_dropout_in_training_is_in_the_first_three_layers_of_the_decoder():
    network = unet_generator("g", filters=2, depth=6)
    dropping = [x for x in network.layers if isinstance(x, keras.layers.Dropout)]
    assert [x.input.shape[-1] for x in dropping] == [16, 16, 8]
    x = wave(1, 64, 64, 3, phase=0.5)
    assert np.abs(network(x, training=True) - network(x, training=True)).max() > 1e-4
    np.testing.assert_array_equal(network(x, training=False), network(x, training=False))


def test_dropout_at_test_follows_from_the_picture():
    pictures, maps = wave(3, 8, 8, 3, phase=1), np.ones((3, 40, 40, 4), "float32")
    drop = DropoutAtTest(0.25, salt=0)
    made = drop(maps, pictures).numpy()
    assert set(np.unique(made)) == {0, np.float32(1 / 0.75)}
    assert np.mean(made == 0) == pytest.approx(0.25, abs=0.02)
    np.testing.assert_array_equal(drop(maps[:1], pictures[1:2])[0], made[1])
    for other in (made[0], DropoutAtTest(0.25, salt=1)(maps, pictures).numpy()[1]):
        assert np.mean((other == 0) != (made[1] == 0)) == pytest.approx(2 * 0.25 * 0.75, abs=0.03)
    trained = [drop(maps, pictures, training=True).numpy() for _ in range(2)]
    assert (trained[0] != trained[1]).any()


@pytest.mark.parametrize("changes", [{}, {"statistics": "picture"}, {"test_dropout": True}])
def test_networks_are_made_again_from_their_config(changes):
    network = unet_generator("g", filters=2, depth=3, **changes)
    again = keras.Model.from_config(network.get_config())
    again.set_weights(network.get_weights())
    x = wave(2, 8, 8, 3, phase=2)
    np.testing.assert_array_equal(network(x), again(x))
