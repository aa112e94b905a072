"""What is made once and kept: one maker, bounds, what people see of it."""

import errno
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from kgan.core import cache, paths
from kgan.core.errors import UserError
from kgan.data import avatars


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path))
    return tmp_path


def entry(folder, name, size, age=0):
    """A file of the cache that was opened `age` seconds ago."""
    path = folder / f"avatars-v1-{name}.npy"
    path.write_bytes(bytes(size))
    os.utime(path, (time.time() - age,) * 2)
    return path


MAKER = """
import os, sys, time
from kgan.core import cache, paths
place = paths.cache_dir() / "folders-v1-x"

def load():
    try:
        return (place / "a").read_text()
    except OSError:
        return None

def make():
    with paths.replacing(place) as new:
        new.mkdir()
        (new / "a").write_text("made by ")
        time.sleep(0.5)
        (new / "a").write_text(f"made by {os.getpid()}")
    return load()

while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
print(cache.made_once(place, load, make))
"""


def test_processes_that_start_at_once_make_an_entry_once(folder):
    command = [sys.executable, "-c", MAKER, str(folder / "go")]
    makers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    time.sleep(0.3)
    (folder / "go").touch()
    said = {maker.communicate()[0] for maker in makers}
    assert [maker.returncode for maker in makers] == [0] * 4
    assert len(said) == 1 and said < {f"made by {maker.pid}\n" for maker in makers}
    assert sorted(p.name for p in folder.iterdir()) == ["folders-v1-x", "go"]


def test_what_killed_makers_left_goes_with_the_next_entry(folder):
    room = folder / ".folders-v1-old.abcd_123"
    (room / "folders-v1-old").mkdir(parents=True)
    avatars.sample(1, size=8)
    assert not room.exists()


def test_the_cache_is_bounded_and_what_is_used_stays(folder, monkeypatch):
    monkeypatch.setenv("KGAN_CACHE_LIMIT", "3e-6")  # 3,000 bytes
    kept, old, older = (entry(folder, n, 900, age) for n, age in (("a", 9), ("b", 99), ("c", 999)))
    theirs = folder / "notes.txt"
    theirs.write_bytes(bytes(9000))
    new = folder / "tfds-v1-new"
    cache.made_once(new, lambda: None, lambda: entry(folder, "d", 800).rename(new))
    assert not older.exists() and old.exists() and kept.exists() and theirs.exists()
    os.utime(new, (time.time() - 5,) * 2)
    cache.made_once(old, old.read_bytes, pytest.fail)  # opened: the newest from now on
    cache.made_once(folder / "avatars-v1-e.npy", lambda: None, lambda: entry(folder, "e", 2000))
    assert not kept.exists() and old.exists() and theirs.exists()


def test_an_array_that_is_open_outlives_its_eviction(folder):
    pictures, _ = avatars.sample(1, size=8)
    before = np.array(pictures)
    cache.clear()
    assert list(folder.iterdir()) == []
    np.testing.assert_array_equal(pictures, before)


@pytest.mark.parametrize("wrong", ["much", "-1", "nan"])
def test_a_limit_is_a_number(monkeypatch, wrong):
    monkeypatch.setenv("KGAN_CACHE_LIMIT", wrong)
    with pytest.raises(UserError, match="number of gigabytes"):
        cache.limit()


def test_a_full_disk_is_one_line(folder, monkeypatch):
    def full(number):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"^The cache cannot be written.*No space left.*KGAN_CACHE"):
        avatars.sample(1, size=8)
    assert list(folder.iterdir()) == []


def test_the_tool_lists_and_clears(tool, folder):
    entry(folder, "a", 1_500_000, age=2 * 86400)
    (folder / "notes.txt").touch()
    listed = tool("zoo", "cache")
    (row,) = listed.json["entries"]
    assert row == {"name": "avatars-v1-a.npy", "megabytes": 1.5, "days": 2.0}
    assert "1.5 MB  used     2.0 days ago  avatars-v1-a.npy" in listed.stderr
    cleared = tool("zoo", "cache", "--clear")
    assert cleared.code == 0 and cleared.json["cleared"] is True
    assert [p.name for p in paths.cache_dir().iterdir()] == ["notes.txt"]
