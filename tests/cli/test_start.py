"""Before a tool: its packages, closed and full streams, Ctrl-C, locales; each a fresh process."""

import importlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from kgan.cli import start

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLAN = f"{sys.executable} {ROOT}/tools/train --dry_run"


def shell(command, **environment):
    return subprocess.run(command, shell=True, executable="/bin/bash", capture_output=True,
                          text=True, check=False, env={**os.environ, **environment})


@pytest.fixture
def checkout(tmp_path):
    """A checkout with nothing but what begins."""
    for name in ("kgan/__init__.py", "kgan/cli/__init__.py", "kgan/cli/start.py", "tools/train"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_a_python_without_the_packages_goes_on_in_that_of_the_checkout(checkout):
    call = f"{sys.executable} -S -E {checkout}/tools/train --model 'a b'"
    alone = shell(call)
    assert (alone.returncode, alone.stdout, alone.stderr.count("\n")) == (1, "", 1)
    assert "has no absl: run `make .venv/.ready` in " + str(checkout) in alone.stderr
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    python.chmod(0o755)
    assert shell(call).stdout == f"{checkout}/tools/train|--model|a b|"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams(closed):
    done = shell(f"{PLAN} {closed}")
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (">&-" not in closed.split())


@pytest.mark.parametrize("flag", ["", "--help"])
def test_a_full_disk_behind_stdout_is_one_line(flag):
    full = shell(f"{PLAN} {flag} > /dev/full")
    assert full.returncode == 1
    assert full.stderr == (
        "error: The result cannot be written to stdout: No space left on device.\n"
    )


def test_a_full_disk_behind_stderr_changes_nothing():
    refused = shell(f"{PLAN} --no_such_flag 2> /dev/full")
    assert (refused.returncode, refused.stdout) == (2, "")


def test_paths_in_a_locale_without_umlauts():
    done = shell(f"{PLAN} --out bücher", LC_ALL="C", PYTHONUTF8="0")
    assert json.loads(done.stdout)["run"] == "bücher"


def test_a_users_folder_in_every_kind_of_flag():
    done = shell(f"{PLAN} --out=~/x --vgg_weights '~/y' --recipe=~/none --model vgg_star",
                 HOME="/home/me")
    assert "There is no recipe /home/me/none" in done.stderr
    done = shell(f"{PLAN} --out=~/x --vgg_weights '~/y' --model vgg_star", HOME="/home/me")
    assert json.loads(done.stdout)["run"] == "/home/me/x"
    assert json.loads(done.stdout)["recipe"]["vgg_weights"] == "/home/me/y"


def test_ctrl_c_while_modules_are_imported(monkeypatch, capsys):
    def stopped(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib, "import_module", stopped)
    with pytest.raises(SystemExit) as leaves:
        start.start("train")
    assert (leaves.value.code, capsys.readouterr().err) == (1, "stopped\n")


def test_entry_points_of_an_installation(monkeypatch):
    seen = []
    monkeypatch.setattr(start, "start", seen.append)
    start.translate()
    assert seen == ["translate"]
    with pytest.raises(AttributeError):
        start.nothing  # noqa: B018
