"""Files and texts of others: bounded, ordinary, printable."""

import os

import pytest

from kgan.core.errors import UserError, printable
from kgan.core.reading import json_or_empty, read_json, size_of


def test_json(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"ä": 1}', encoding="utf-8")
    assert read_json(path) == {"ä": 1}
    link = tmp_path / "link.json"
    link.symlink_to(path)
    assert read_json(link) == {"ä": 1}  # to an ordinary file
    with pytest.raises(ValueError, match=r"x\.json has 9 bytes, more than 8"):
        read_json(path, most=8)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json")
    for text in ("[]", "3", "null", "", "{", '{"a": ' + "[" * 100_000, "9" * 100_000):
        path.write_text(text)
        with pytest.raises(ValueError):
            read_json(path)
        assert json_or_empty(path) == {}


def test_only_ordinary_files(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with pytest.raises(ValueError, match="is not an ordinary file"):
            size_of(path, 10)


def test_what_a_terminal_is_shown():
    assert printable("Brille \x1b[2J\x07\x9b\n\u202eä") == "Brille ?[2J????ä"
    assert printable(os.fsdecode(b"a\xff")) == "a?"
    assert printable("a" * 3000, most=10) == "aaaaa … aaaaa"
    assert str(UserError("first \x1b[31m\nsecond")) == "first ?[31m\nsecond"
