"""Perceptual discriminators: published sizes, layouts, any reference and size; generators."""

import numpy as np
import pytest

from kgan import networks
from kgan.networks import PerceptualDiscriminator, plain_generator

VGG = (64, 128, 256, 512, 512)


@pytest.mark.parametrize("heads, whole, cap, count", [
    ((8, 4), True, 256, 9_357_699), ((16, 8), False, 128, 3_453_314),
])
def test_parameters_are_the_released_ones(heads, whole, cap, count):
    layout = PerceptualDiscriminator(VGG, size=256, heads=heads, whole=whole, cap=cap)
    assert layout.build("d").count_params() == count


@pytest.mark.parametrize("downsamplings, blocks, count", [(3, 7, 9_647_456), (2, 9, 2_993_888)])
def test_generators_have_the_released_parameters(downsamplings, blocks, count):
    network = plain_generator("g", downsamplings=downsamplings, blocks=blocks)
    assert network.count_params() == count


def maps(channels, side, count=2):
    return [np.ones((count, side // 2**i, side // 2**i, c), "float32")
            for i, c in enumerate(channels)]


@pytest.mark.parametrize("layout", ["released", "paper"])
@pytest.mark.parametrize("channels", [(3,), (2, 4), (2, 4, 6, 8, 8)])
def test_any_reference(layout, channels):
    made = PerceptualDiscriminator(channels, size=64, width=2, cap=4, layout=layout)
    network = made.build("d")
    assert made.taps == len(network.inputs) == len(channels)
    logits = network(maps(channels, 64))
    assert [x.shape for x in logits] == [(2, 8, 8, 1), (2, 4, 4, 1), (2, 1, 1, 1)]
    assert all(x.dtype == "float32" for x in logits)
    assert [x.shape[1] for x in network(maps(channels, 128))] == [16, 8, 2]


def test_taps_deeper_than_the_trunk_are_not_used():
    made = PerceptualDiscriminator(VGG, size=16, heads=(8, 4), width=2, cap=2)
    assert made.taps == 3


def test_160_px_have_one_whole_head():
    made = PerceptualDiscriminator((2,) * 5, size=160, heads=(), width=2, cap=2)
    logits = made.build("d")(maps((2,) * 5, 160))
    logits = logits if isinstance(logits, list) else [logits]
    assert [x.shape for x in logits] == [(2, 1, 1, 1)]


@pytest.mark.parametrize("wrong", [
    {"heads": (7,)}, {"heads": (), "whole": False}, {"layout": "other"},
])
def test_what_cannot_be_built(wrong):
    with pytest.raises(ValueError):
        PerceptualDiscriminator((3,), size=64, **wrong)


def test_the_papers_layout_stacks_raw_features():
    released = PerceptualDiscriminator((3, 5), size=32, heads=(8,), whole=False, width=2, cap=2)
    paper = PerceptualDiscriminator(
        (3, 5), size=32, heads=(8,), whole=False, width=2, cap=2, layout="paper"
    )
    # trunk 4x4 3->2 and (2+2)->2, side 3x3 5->2, head 3x3 2->1
    assert released.build("d").count_params() == 98 + 130 + 92 + 19
    # trunk 3x3 3->2 and (2+5)->2, head block 3x3 2->2, then 2->1
    assert paper.build("d").count_params() == 56 + 128 + 38 + 19


def test_every_tap_reaches_every_head():
    network = PerceptualDiscriminator((1, 2, 2), size=32, heads=(4,), width=3, cap=3).build("d")
    for w in network.weights:
        w.assign(np.random.default_rng(0).uniform(0.1, 0.2, w.shape))
    base = maps((1, 2, 2), 32, 1)
    plain = [x.numpy() for x in network(base)]
    for i in range(3):
        changed = [x + (i == j) for j, x in enumerate(base)]
        assert all((x.numpy() != y).any() for x, y in zip(network(changed), plain, strict=True))


def test_a_pyramid_shares_nothing():
    network = networks.pyramid_discriminator("d", scales=2, filters=2, strided=1)
    one = networks.patch_discriminator("p", filters=2, strided=1)
    assert network.count_params() == 2 * one.count_params()
    logits = network([np.ones((2, 32, 32, 3), "float32")])
    assert [x.shape for x in logits] == [(2, 19, 19, 1), (2, 11, 11, 1)]  # pix2pixHD pads by 2


def test_a_pyramid_has_its_published_size():
    network = networks.pyramid_discriminator("d", scales=3)
    assert network.count_params() == 3 * 2_764_737
    assert network.compute_output_shape([(1, 256, 256, 3)])[0] == (1, 35, 35, 1)


@pytest.mark.parametrize("sides", [(8, 8), (7, 8), (5, 9), (2, 1)])
def test_pictures_are_halved_as_published(sides):
    """`torch.nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)`, by hand."""
    x = np.random.default_rng(0).normal(size=(2, *sides, 3)).astype("float32")
    h, w = sides
    wanted = np.stack([
        np.stack([
            x[:, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2].mean((1, 2))
            for j in range(0, w, 2)
        ], 1) for i in range(0, h, 2)
    ], 1)
    np.testing.assert_allclose(networks.perceptual.halved(x), wanted, atol=1e-6)
    ramp = np.arange(8.0, dtype="float32").reshape(1, 1, 8, 1)
    np.testing.assert_allclose(networks.perceptual.halved(ramp).numpy().ravel(), [0.5, 2, 4, 6])


@pytest.mark.parametrize("changes", [
    {}, {"upsample": "nearest"}, {"blend": True},
])
def test_plain_generators(changes):
    network = plain_generator("g", filters=2, downsamplings=2, blocks=1, **changes)
    made = network(np.random.default_rng(0).uniform(-1, 1, (2, 12, 20, 3)).astype("float32"))
    assert made.shape == (2, 12, 20, 3)
    assert made.dtype == "float32"
    assert np.abs(made).max() <= 1
    assert not [x for x in network.layers if isinstance(x, networks.InstanceNormalization)]
