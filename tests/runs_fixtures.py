"""Fixtures around tiny runs: the tools called in this process, one finished run for all tests."""

import contextlib
import importlib
import io
import json
import shutil
import types

import pytest

TINY_RUN = (
    "--model cyclegan --data avatars:Eyeglasses?n=24&test=8 --size 16 --load_size 18 --flip "
    "--batch 2 --steps 40 --decay_from 0.5 --ema 0.9 --pool 4 --filters 4 --blocks 1 "
    "--discriminator_filters 4 --discriminator_layers 1 --log_every 10 --sample_every 20"
).split()


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A cache of the session's own; its path."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("cache")
        patch.setenv("KGAN_CACHE", str(path))
        yield path


@pytest.fixture(scope="session")
def tool():
    """Runs a tool's main in this process: code, its JSON (None if it printed nothing), stderr."""

    def run(name, *arguments):
        out, err = io.StringIO(), io.StringIO()
        main = importlib.import_module(f"kgan.cli.{name}").main
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(a) for a in arguments])
        lines = out.getvalue().splitlines()
        assert len(lines) <= 1, "results are one line of JSON on stdout"
        result = json.loads(lines[0]) if lines else None
        return types.SimpleNamespace(code=code, json=result, stderr=err.getvalue())

    return run


@pytest.fixture(scope="session")
def finished(cache, tool, tmp_path_factory):
    """The folder of a run of `TINY_RUN` that went through in one go. Not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    done = tool("train", *TINY_RUN, "--out", folder)
    assert done.code == 0, done.stderr
    return folder


@pytest.fixture
def run_folder(finished, tmp_path):
    """A copy of `finished` to change."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture(scope="session")
def tiny_flags():
    """The flags of `finished`, without `--out`."""
    return TINY_RUN
