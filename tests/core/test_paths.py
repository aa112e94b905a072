"""Writing whole or not at all, and clearing up after a kill."""

import errno
import os
import pathlib
import subprocess
import sys
import threading

import pytest

from kgan.core import paths
from kgan.core.errors import UserError


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


def counted(folder):
    return len(list(folder.iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="exchanges folders in one step")
def test_a_reader_never_misses_a_folder_that_is_replaced(tmp_path):
    target, missed, done = tmp_path / "folder", [], threading.Event()
    target.mkdir()

    def look():
        while not done.is_set():
            missed.append(not target.is_dir())

    reader = threading.Thread(target=look)
    reader.start()
    for _ in range(50):
        with paths.replacing(target) as new:
            new.mkdir()
            (new / "full").touch()
    done.set()
    reader.join()
    assert len(missed) > 50 and not any(missed)
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("in_one_step", [True, False])
def test_two_writers_of_one_folder(tmp_path, monkeypatch, in_one_step):
    if not in_one_step:
        monkeypatch.setattr(paths, "_exchange", lambda one, other: False)
    target = tmp_path / "folder"
    with paths.replacing(target) as new:
        new.mkdir()
        (new / "mine").touch()
        with paths.replacing(target) as other:  # is done in between
            other.mkdir()
            (other / "theirs").touch()
    assert [p.name for p in target.iterdir()] == ["mine"]
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]


def test_content_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    written, names, real = [], {}, os.fsync

    def fsync(number):
        assert not (tmp_path / "folder").exists()
        written.append(names[os.fstat(number).st_ino])
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    with paths.replacing(tmp_path / "folder") as new:
        new.mkdir()
        (new / "file").write_text("x")
        names |= {new.stat().st_ino: "folder", (new / "file").stat().st_ino: "file"}
    assert written == ["folder", "file"]
    assert (tmp_path / "folder" / "file").exists()


def test_sweep_leaves_a_living_writer_alone(tmp_path):
    dead = killed_in(tmp_path, name="folder", before=["folder"])
    with paths.replacing(tmp_path / "folder") as new:
        new.mkdir()
        paths.sweep(tmp_path)
        (new / "file").touch()
    assert not dead.exists()
    assert counted(tmp_path / "folder") == 1


HOLD = """
import sys, time
from kgan.core import paths
with paths.locked(sys.argv[1]), paths.replacing(sys.argv[1]) as new:
    new.touch()
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of `tmp_path / "entry"` and is writing it."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "entry")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_others_wait_for_a_lock_and_a_killed_holder_lets_go(holder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(paths, "PATIENCE", 0.1)
    paths.sweep(tmp_path)
    assert len(list(tmp_path.glob(".entry.????????"))) == 1  # its writer lives
    threading.Timer(0.3, holder.kill).start()
    with paths.locked(tmp_path / "entry"):
        assert capsys.readouterr().err == (
            f"waiting for another process that makes {tmp_path / 'entry'}\n"
        )
        paths.sweep(tmp_path)
        assert [p.name for p in tmp_path.iterdir()] == [".entry.lock"]
    assert list(tmp_path.iterdir()) == []


def test_what_the_system_says_of_a_disk():
    full = os.strerror(errno.ENOSPC)
    assert paths.unwritable(OSError(errno.ENOSPC, full)) == full
    assert paths.unwritable(RuntimeError(f"ResourceExhausted: {full}; a/b")) == full
    assert paths.unwritable(OSError("1000 requested and 24 written")) == full
    assert paths.unwritable(FileNotFoundError(errno.ENOENT, "no such file")) is None
    assert paths.unwritable(ValueError("1 requested and 2 written")) is None
