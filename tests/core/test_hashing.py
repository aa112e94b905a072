"""Hashes: published values, and that arrays of one content and two shapes differ."""

import io

import numpy as np
import pytest

from kgan.core import hashing

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1


def test_parts_are_hashed_one_behind_the_other():
    assert hashing.sha256("abc") == hashing.sha256(b"a", "", "bc") == ABC
    row = np.array([[97, 98]], np.uint8)
    assert hashing.sha256(row) == hashing.sha256("(1, 2)ab") != hashing.sha256(row.T)


def test_a_file_is_hashed_whole_and_a_folder_is_none(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert hashing.sha256_of_file(tmp_path / "file") == ABC
    md5 = "900150983cd24fb0d6963f7d28e17f72"  # RFC 1321, A.5
    assert hashing.sha256_of_file(tmp_path / "file", "md5") == md5
    with pytest.raises(ValueError, match="not an ordinary file"):
        hashing.sha256_of_file(tmp_path)


def test_a_content_is_its_start_and_its_rest():
    whole = bytes(range(256)) * 5000  # more than is read at once
    file = io.BytesIO(whole)
    assert hashing.content(file, file.read(16)) == hashing.content(io.BytesIO(whole))
    assert len(hashing.content(io.BytesIO())) == 40


def test_order_in_a_dict_does_not_count():
    assert hashing.digest_of({"a": 1, "b": [2]}) == hashing.digest_of({"b": [2], "a": 1})
    assert hashing.digest_of([1, 2]) != hashing.digest_of([2, 1])
