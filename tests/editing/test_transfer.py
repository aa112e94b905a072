"""Edit transfer: what must hold of every way of pictures, and known flows and colours."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from kgan.editing import transfer


def smooth(seed=0, size=32, sigma=2.0):
    """A picture [size, size, 3] in [0, 1] with detail everywhere."""
    noise = np.random.default_rng(seed).normal(size=(size, size, 3))
    x = gaussian_filter(noise, (sigma, sigma, 0), mode="wrap")
    x = (x - x.min()) / (x.max() - x.min())
    return 0.1 + 0.7 * x


def way(*pictures):
    return np.stack(pictures) * 2.0 - 1.0


def photograph(height=75, width=75, seed=3):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def inner(x, border=6):
    return x[border:-border, border:-border]


def test_a_way_on_which_nothing_changes_gives_the_input():
    change = transfer.along(way(*[smooth()] * 4))
    assert np.abs(change.flow).max() < 1e-6
    np.testing.assert_allclose(change.colour, np.broadcast_to(np.eye(3, 4), change.colour.shape),
                               atol=1e-6)
    for shape in ((75, 75), (32, 32), (130, 101)):
        x = photograph(*shape)
        np.testing.assert_array_equal(transfer.applied(change, x), x)


def test_a_gain_of_colours_is_no_flow_and_that_gain():
    x, gain = smooth(), np.array([1.1, 0.9, 1.0])
    change = transfer.along(way(x, x * gain, x * gain**2))
    assert np.abs(change.flow).max() < 0.02
    np.testing.assert_allclose(transfer._coloured(x, change.colour), x * gain**2, atol=2e-3)
    np.testing.assert_allclose(change.colour.mean(axis=(0, 1)),
                               np.concatenate([np.diag(gain**2), np.zeros((3, 1))], axis=1),
                               atol=0.01)
    photo = np.uint8(photograph() * 0.7)
    made = transfer.applied(change, photo) / 255.0
    assert np.abs(made - np.clip(photo / 255.0 * gain**2, 0, 1)).mean() < 0.01


@pytest.mark.parametrize("shift", [(0, 1), (2, -1)])
def test_a_shift_is_that_flow_and_no_colour(shift):
    x = smooth(size=40, sigma=3.0)
    steps = [np.roll(x, (i * shift[0], i * shift[1]), (0, 1)) for i in range(3)]
    change = transfer.along(way(*steps))
    found = np.median(inner(change.flow, 10), axis=(0, 1))
    np.testing.assert_allclose(found, [-2 * shift[0], -2 * shift[1]], atol=0.1)
    np.testing.assert_allclose(np.median(inner(change.colour, 10), axis=(0, 1)), np.eye(3, 4),
                               atol=0.1)
    photo = np.uint8(np.rint(255 * np.kron(x, np.ones((2, 2, 1)))))
    made = transfer.applied(change, photo)
    wanted = np.roll(photo, (4 * shift[0], 4 * shift[1]), (0, 1))
    off = np.abs(inner(made.astype(float), 24) - inner(wanted.astype(float), 24))
    before = np.abs(inner(photo.astype(float), 24) - inner(wanted.astype(float), 24))
    assert off.mean() < 0.25 * before.mean()


def test_a_chain_is_one_after_the_other():
    one = transfer.Change(np.full((8, 8, 2), [1.0, 0.0]), np.tile(np.eye(3, 4), (8, 8, 1, 1)))
    half = np.concatenate([0.5 * np.eye(3), np.full((3, 1), 0.2)], axis=1)
    two = transfer.Change(np.full((8, 8, 2), [0.0, 2.0]), np.tile(half, (8, 8, 1, 1)))
    both = transfer.chained(two, transfer.chained(one, two))
    np.testing.assert_allclose(both.flow, np.full((8, 8, 2), [1.0, 4.0]))
    np.testing.assert_allclose(both.colour[0, 0, :, :3], 0.25 * np.eye(3))
    np.testing.assert_allclose(both.colour[0, 0, :, 3], 0.5 * 0.2 + 0.2)


def test_bands_of_a_photograph_are_no_seams(monkeypatch):
    change = transfer.along(way(smooth(), 0.9 * smooth(), 0.9 * np.roll(smooth(), 1, 0)))
    whole = transfer.applied(change, photograph(97, 80))
    monkeypatch.setattr(transfer, "BAND", 800)
    np.testing.assert_array_equal(transfer.applied(change, photograph(97, 80)), whole)


def test_enlarging_keeps_places():
    m = transfer._enlarging(4, 12)
    np.testing.assert_allclose(m.sum(axis=1), 1.0)
    np.testing.assert_allclose((m @ np.arange(4.0))[1::3], [0, 1, 2, 3])  # middles of pixels
    np.testing.assert_allclose(transfer._enlarging(5, 5), np.eye(5))
