"""The wheel: what is in it, and that it works outside the checkout."""

import importlib.util
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

from kgan.core import registry

ROOT = pathlib.Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The files of the wheel, unpacked. Built from a copy, so that the checkout stays clean."""
    room = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns(".*", "__pycache__", "runs", "models", "build", "dist")
    shutil.copytree(ROOT, room / "source", ignore=ignored)
    command = [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "-q", "--wheel-dir", room]
    if importlib.util.find_spec("setuptools"):  # else pip fetches one
        command.append("--no-build-isolation")
    subprocess.run(command, cwd=room / "source", check=True)
    (path,) = room.glob("kgan-*.whl")
    with zipfile.ZipFile(path) as file:
        file.extractall(room / "unpacked")
    return room / "unpacked"


def python(script, wheel, folder):
    """Runs a script that can import the wheel and not the checkout; its stdout."""
    done = subprocess.run(
        [sys.executable, "-P" if sys.version_info >= (3, 11) else "-B", "-c", script],
        env={"PYTHONPATH": str(wheel), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        cwd=folder, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_inside(wheel):
    tops = {p.name for p in wheel.iterdir() if not p.name.endswith(".dist-info")}
    assert tops == {"kgan"}  # no top-level zoo, tools or tests
    kgan = {str(p.relative_to(wheel / "kgan")) for p in (wheel / "kgan").rglob("*") if p.is_file()}
    sources = {str(p.relative_to(ROOT / "kgan")) for p in (ROOT / "kgan").rglob("*.py")}
    zoo = {f"zoo/{p.name}" for p in (ROOT / "zoo").iterdir() if p.suffix in (".py", ".md")}
    weights = {
        p.relative_to(ROOT).as_posix() for p in (ROOT / "zoo/weights").glob("*/**/*")
        if p.is_file()
    }
    assert weights
    assert sources | zoo | weights <= kgan
    assert "zoo/cyclegan.py" in kgan
    entries = next(wheel.glob("*.dist-info/entry_points.txt")).read_text()
    for tool in (ROOT / "tools").iterdir():
        if tool.is_file():
            assert f"kgan-{tool.name} = kgan.cli.start:{tool.name}" in entries


def test_names_cards_and_weights_elsewhere_without_tensorflow(wheel, tmp_path):
    said = python(
        "import sys, kgan.zoo\n"
        "from kgan.core import registry\n"
        "from kgan.models.source import packaged\n"
        "from kgan.models.weights import verify\n"
        "names = kgan.zoo.names()\n"
        "cards = [len(kgan.zoo.card(n)) > 100 for n in names]\n"
        "whole = [verify(packaged(f'{n}.{t}')) is not None\n"
        "         for n in names for t in registry.entry(n).weights]\n"
        "print(kgan.__file__, kgan.zoo.__file__, *names, all(cards), all(whole))\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules",
        wheel, tmp_path,
    ).split()
    assert said == [
        str(wheel / "kgan/__init__.py"), str(wheel / "kgan/zoo/__init__.py"),
        *registry.names(), "True", "True",
    ]


def test_a_packaged_model_translates_elsewhere(wheel, tmp_path):
    name = next(n for n in registry.names() if registry.entry(n).weights)
    said = python(
        "import numpy as np, kgan.zoo\n"
        f"model = kgan.zoo.load({name!r}, weights='required')\n"
        "made = model.translate(np.zeros((1, 33, 20, 3), np.uint8)).numpy()\n"
        "print(model.trained, made.shape, made.dtype)",
        wheel, tmp_path,
    )
    assert said.splitlines()[-1] == "True (1, 33, 20, 3) uint8"
