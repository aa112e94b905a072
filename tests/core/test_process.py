"""Processes of our own: what they are given, how they end."""

import json
import signal
import subprocess
import sys

import pytest

from kgan.core.process import child


def test_a_child_has_what_it_is_given_and_imports_from_where_its_parent_does(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def twice(x):\n    return 2 * x\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    long = "x" * 200_000  # more than a pipe holds
    code = "from only_here import twice; print(json.dumps([twice(given[0]), given[1]]))"
    with child(code, [21, long], stdout=subprocess.PIPE) as process:
        assert json.loads(process.stdout.read()) == [42, long]
    assert process.returncode == 0


def test_a_child_that_dies_before_it_has_read_all_is_no_error_of_its_parents(monkeypatch):
    monkeypatch.setattr("kgan.core.process._BEGIN", "import os; os._exit(3)\n")
    with child("", "x" * 2_000_000) as process:
        pass
    assert process.returncode == 3


def test_a_child_may_save_before_its_parent_goes_on_with_an_exception(tmp_path):
    code = (
        "import os, signal, time\n"
        "def end(*_): time.sleep(0.3); open(given, 'w').write('saved'); sys.exit(1)\n"
        "signal.signal(signal.SIGTERM, end); os.kill(os.getppid(), signal.SIGUSR1); time.sleep(60)"
    )
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        with (
            pytest.raises(KeyboardInterrupt),
            child(code, str(tmp_path / "state"), stdout=subprocess.PIPE) as process,
        ):
            process.stdout.read()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert (tmp_path / "state").read_text() == "saved" and process.returncode == 1


def test_a_child_ends_with_its_block():
    code = "import time; time.sleep(60)"
    with pytest.raises(ValueError, match="given up"), child(code) as process:
        raise ValueError("given up")
    assert process.returncode == -signal.SIGTERM
