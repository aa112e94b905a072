"""Files and texts of others: bounded, ordinary, printable."""

import io
import json
import os
import sys
import types

import pytest

from kgan.core.errors import UserError, printable
from kgan.core.reading import json_lines, json_or_empty, read_json, size_of
from kgan.data import stored
from kgan.evaluation.suite import suite
from kgan.report import run_page as page
from kgan.training import rewind


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


HOSTILE = (
    b'{"step": 1, "a": ' + b"[" * 100_000, b'{"step": 2, "a": "' + b"x" * 2_000_000 + b'"}',
    b"[3]", b'{"step": 1e999}', b"\xff\xfe", b"",
)


def test_lines_that_are_broken_deep_or_huge_are_passed_over(tmp_path):
    path, good = tmp_path / "metrics.jsonl", [b'{"step": 5}', '{"step": 7, "ä": 1}'.encode()]
    assert list(json_lines(path)) == []
    for end in (b"", b"\n"):
        path.write_bytes(b"\n".join([good[0], *HOSTILE, good[1]]) + end)
        found = [(line, x["step"]) for line, x in json_lines(path) if x["step"] < 9]
        assert found == [(good[0], 5), (good[1], 7)]
    assert len(list(json_lines(path, most=11))) == 1
    path.unlink()
    os.mkfifo(path)
    assert list(json_lines(path)) == []  # and waits for nobody


def test_a_run_with_such_lines_is_shown_and_taken_back(tmp_path):
    path, good = tmp_path / "metrics.jsonl", [b'{"step": 5}', b'{"step": 7}']
    path.write_bytes(b"\n".join([good[0], *HOSTILE, good[1]]) + b"\n")
    assert [line["step"] for line in page._read_history(path)] == [5, 7]
    (tmp_path / "weights").mkdir()
    metadata = tmp_path / "weights" / "metadata.json"
    metadata.write_bytes(HOSTILE[0])
    rewind.rewind(tmp_path, 6)
    assert path.read_bytes() == good[0] + b"\n"
    assert metadata.exists()
    before = path.stat().st_ino
    rewind.rewind(tmp_path, 6)
    assert path.stat().st_ino == before  # nothing was to be taken back
    metadata.write_text('{"step": 7}')
    rewind.rewind(tmp_path, 6)
    assert not metadata.exists()


def test_an_index_of_the_cache_that_is_deep_is_no_index(tmp_path):
    for text in ('{"kept": ' + "[" * 100_000, "[]"):
        (tmp_path / "index.json").write_text(text)
        assert stored.load(tmp_path, stored=False) is None
    (tmp_path / "index.json").write_text(json.dumps({"kept": [0]}))
    assert stored.load(tmp_path, stored=False) == {"kept": [0], "stored": None}


def test_lines_of_progress_of_a_suite_are_printable(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    job = types.SimpleNamespace(name="x", text="train on folder:\x1b[2J", kind="train",
                                done=lambda: False, do=lambda: "no \x07 pictures")
    fake = types.SimpleNamespace(failures={}, spent={}, _broken=lambda job: [],
                                 _seconds=lambda job: 60, write=lambda: None)
    suite.Suite._do(fake, job, "[1/1]", [job])
    assert sys.stderr.getvalue().splitlines() == [
        "[1/1] train on folder:?[2J; about 1 min left", "[1/1] failed: no ? pictures"]


def test_what_a_terminal_is_shown():
    assert printable("Brille \x1b[2J\x07\x9b\n\u202eä") == "Brille ?[2J????ä"
    assert printable(os.fsdecode(b"a\xff")) == "a?"
    assert printable("a" * 3000, most=10) == "aaaaa … aaaaa"
    assert str(UserError("first \x1b[31m\nsecond")) == "first ?[31m\nsecond"
