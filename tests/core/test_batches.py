"""Work in parts: which rows come together, and that they come back in their order."""

import numpy as np

from kgan.core.batches import in_parts, parts


def test_the_last_part_may_be_smaller():
    assert [*parts("abcde", 2)] == ["ab", "cd", "e"]
    assert [*parts([1, 2], 2)] == [[1, 2]]
    assert [*parts([], 2)] == []


def test_parts_are_one_array_again():
    seen = []

    def double(rows):
        seen.append(len(rows))
        return [2 * row for row in rows]

    np.testing.assert_array_equal(in_parts(double, np.arange(5), 3), [0, 2, 4, 6, 8])
    assert seen == [3, 2]
