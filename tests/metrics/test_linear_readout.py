"""Numbers that a linear map reads: known answers."""

import numpy as np
import pytest

from kgan.core.errors import UserError
from kgan.metrics.linear_readout import components, correlation, linear_readout


def test_what_is_linear_is_read_and_what_is_not_there_is_not():
    random = np.random.default_rng(0)
    x = random.normal(size=(500, 20)) * 10.0 ** random.integers(-2, 3, 20)
    numbers = {"linear": x[:, :3] @ [100.0, 3.0, 1.0] + 7, "noise": random.normal(size=500),
               "square": x[:, 0] ** 2, "same": np.ones(500)}
    r = linear_readout(x[:400], {k: v[:400] for k, v in numbers.items()},
                       x[400:], {k: v[400:] for k, v in numbers.items()})
    assert list(r) == ["linear", "noise", "square"]  # nothing to read of what never changes
    assert r["linear"] > 0.9999 and abs(r["noise"]) < 0.3 and abs(r["square"]) < 0.5
    with pytest.raises(UserError, match="10 training clips and 2 test clips at least, not 9 and"):
        linear_readout(x[:9], numbers, x[9:], numbers)


def test_correlation_by_hand():
    assert correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert correlation([1, 2, 3], [3, 1, 2]) == pytest.approx(-0.5)
    assert correlation([1, 1, 1], [3, 1, 2]) == 0


def test_components_are_the_directions_of_most_variance():
    random = np.random.default_rng(1)
    x = random.normal(size=(300, 5)) * [0.1, 9, 0.1, 3, 0.1]
    train, test = components(x[:200], x[200:], 2)
    assert abs(correlation(train[:, 0], x[:200, 1])) > 0.99
    assert abs(correlation(test[:, 1], x[200:, 3])) > 0.99
    assert components(x[:3], x[3:6], 9)[0].shape == (3, 3)
