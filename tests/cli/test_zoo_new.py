"""`tools/zoo new` and `check`: a model begun as a copy, and the tests of one name."""

import importlib.util
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from kgan.cli import zoo_new
from kgan.core import registry

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAMILIES = {registry.entry(name).model.__module__: name for name in reversed(registry.names())}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A copy of the zoo's files beside an empty folder of tests."""
    (tmp_path / "tests").mkdir()
    folder = tmp_path / "zoo"
    shutil.copytree(ROOT / "zoo", folder, ignore=shutil.ignore_patterns("weights", "__py*"))
    before = dict(registry._entries)
    monkeypatch.setattr(registry, "folder", lambda: folder)
    monkeypatch.setattr(registry, "_all", lambda: registry._entries)
    yield tmp_path
    registry._entries.clear()
    registry._entries.update(before)


@pytest.mark.parametrize("like", sorted(FAMILIES.values()))
def test_a_copy_of_each_family_is_one_of_its_own(tool, checkout, like):
    before = dict(registry._entries)
    done = tool("zoo", "new", "my_gan", "--like", like)
    assert done.code == 0, done.stderr
    assert "tools/zoo check my_gan" in done.stderr
    path, card = map(pathlib.Path, done.json["files"])
    spec = importlib.util.spec_from_file_location("kgan.zoo.my_gan", path)
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
    added = {name: e for name, e in registry._entries.items() if name not in before}
    assert sorted(added) == done.json["names"]
    assert "my_gan" in added
    assert len(added) == sum(
        e.model.__module__ == registry.entry(like).model.__module__ for e in before.values())
    for name, entry in added.items():
        assert entry.model.__module__ == "kgan.zoo.my_gan"
        assert entry.model.__name__.startswith("MyGAN")
        assert entry.weights == ()
        assert entry.recipe.replace(**entry.tiny)
        assert f"`{name}`" in card.read_text()
        assert entry.card == "my_gan.md"
    assert all(registry._entries[name] is entry for name, entry in before.items())


@pytest.mark.parametrize(("arguments", "says"), [
    (["cyclegan"], "it is taken"), (["9x"], "is no name for a model"),
    (["a-b"], "is no name for a model"), (["class"], "is no name for a model"),
    (["mine_small"], "the small recipe is made with it"),
    (["mine", "--like", "cyclegam"], "Did you mean cyclegan"),
    ([], "takes 1 to 1 names"),
])
def test_names_that_cannot_be(tool, checkout, arguments, says):
    before = sorted((checkout / "zoo").iterdir())
    refused = tool("zoo", "new", *arguments)
    assert refused.code == 2
    assert says in refused.stderr
    assert sorted((checkout / "zoo").iterdir()) == before


def test_outside_a_checkout(tool, checkout):
    (checkout / "tests").rmdir()
    for action in ("new", "check"):
        refused = tool("zoo", action, "cyclegan")
        assert refused.code == 2
        assert "is not a checkout" in refused.stderr


def test_check_without_pytest(tool, checkout, monkeypatch):
    monkeypatch.setattr(zoo_new.importlib.util, "find_spec", lambda name: None)
    refused = tool("zoo", "check", "cyclegan")
    assert refused.code == 1
    assert "The tests need pytest, which is not installed" in refused.stderr
    unknown = tool("zoo", "check", "cyclegam")
    assert unknown.code == 2
    assert "Did you mean cyclegan" in unknown.stderr


@pytest.mark.slow
def test_a_new_name_passes_and_a_broken_one_does_not(tmp_path):
    """In a copy of the checkout: new, check, and the tests that look at all names."""
    root = tmp_path / "copy"
    ignored = shutil.ignore_patterns(".*", "__pycache__", "runs", "models", "build", "dist")
    shutil.copytree(ROOT, root, ignore=ignored)
    environment = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def run(*call):
        return subprocess.run([sys.executable, *call], cwd=root, env=environment,
                              capture_output=True, text=True, check=False)

    made = run("tools/zoo", "new", "mine", "--like", "cyclegan")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["names"] == ["mine", "mine_small"]
    passed = run("tools/zoo", "check", "mine")
    assert passed.returncode == 0, passed.stderr
    assert json.loads(passed.stdout) == {"status": "done", "model": "mine"}
    named = "readme or stands_in_its_card or every_field or dry_run or each_family or names"
    others = run("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-k", named,
                 "tests/test_docs.py", "tests/core/test_recipe.py", "tests/cli")
    assert others.returncode == 0, others.stdout
    path = root / "zoo" / "mine.py"
    path.write_text(path.read_text().replace('"size": 16,', '"size": 17,'))
    broken = run("tools/zoo", "check", "mine")
    assert broken.returncode == 1
    assert "mine does not pass" in broken.stderr
    assert "--size must be a multiple of 4, not 17" in broken.stderr


def test_a_file_of_networks_needs_no_line_elsewhere(tmp_path, monkeypatch):
    from kgan import networks

    (tmp_path / "mine_alone.py").write_text("answer = 42\n")
    (tmp_path / "half_done.py").write_text("import nothing_of_this_name\n")
    monkeypatch.setattr(networks, "__path__", [*networks.__path__, str(tmp_path)])
    assert networks.mine_alone.answer == 42
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        _ = networks.half_done
    with pytest.raises(AttributeError, match="no attribute 'nowhere'"):
        _ = networks.nowhere
    for name in ("mine_alone", "half_done"):
        sys.modules.pop(f"kgan.networks.{name}", None)
        vars(networks).pop(name, None)
