"""Writing whole or not at all, and clearing up after a kill."""

import os
import pathlib

import pytest

from kgan import paths
from kgan.errors import UserError


def test_a_file_and_a_folder_take_their_place(tmp_path):
    with paths.replacing(tmp_path / "deep" / "a.txt") as new:
        new.write_text("1")
        assert not (tmp_path / "deep" / "a.txt").exists()
    for content in ("2", "3"):
        with paths.replacing(tmp_path / "folder") as new:
            new.mkdir()
            (new / content).touch()
    assert (tmp_path / "deep" / "a.txt").read_text() == "1"
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["3"]
    assert {p.name for p in tmp_path.iterdir()} == {"deep", "folder"}  # no leftovers


def test_a_failure_leaves_the_old_content(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), paths.replacing(target) as new:
        new.write_text("half of the n")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_exchange_of_folders_puts_the_old_one_back(tmp_path, monkeypatch):
    target = tmp_path / "folder"
    target.mkdir()
    (target / "old").touch()

    def fail(source, to):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="Input/output"), paths.replacing(target) as new:
        new.mkdir()
    assert [p.name for p in target.iterdir()] == ["old"]


def killed_in(tmp_path, *, name, before=()):
    """What a kill leaves of `replacing(tmp_path / name)`, with `before` in the room."""
    room = tmp_path / f".{name}.ab_12xyz"
    room.mkdir()
    for entry in before:
        (room / entry).mkdir()
    return room


def test_sweep_removes_leftovers_and_nothing_else(tmp_path):
    room = killed_in(tmp_path, name="step_000000007", before=["step_000000007"])
    empty = killed_in(tmp_path, name="run.json")
    theirs = killed_in(tmp_path, name="config", before=["settings"])
    (tmp_path / ".lock").touch()
    paths.sweep(tmp_path)
    assert not room.exists()
    assert not empty.exists()
    assert (theirs / "settings").exists()
    assert (tmp_path / ".lock").exists()
    paths.sweep(tmp_path / "nothing")  # a run that has just begun


def test_sweep_puts_a_folder_back_that_was_killed_between_two_renames(tmp_path):
    room = killed_in(tmp_path, name="weights", before=["weights", "old"])
    (room / "old" / "model").write_text("trained")
    paths.sweep(tmp_path)
    assert (tmp_path / "weights" / "model").read_text() == "trained"
    assert not room.exists()


def test_cache_dir_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path / "there"))
    assert paths.cache_dir() == tmp_path / "there"
    assert paths.cache_dir().is_dir()
    monkeypatch.setenv("KGAN_CACHE", "")
    monkeypatch.setattr(pathlib.Path, "home", lambda: tmp_path)
    assert paths.cache_dir() == tmp_path / ".cache" / "kgan"
    (tmp_path / "file").touch()
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match=r"The cache .*file/cache cannot be made .*KGAN_CACHE"):
        paths.cache_dir()
