"""What a text means: names of the zoo before folders, one model or an error that lists several."""

import json
import pathlib

import pytest

from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.models import generators
from kgan.models import reference as references
from kgan.models.source import WEIGHTS, is_folder, located, packaged, resolve, with_weights

SMILING = "cyclegan.avatars_smiling_64"


def weights_in(folder, model="cyclegan_small", **recipe):
    folder.mkdir(parents=True)
    (folder / WEIGHTS).touch()
    (folder / "config.json").write_text(json.dumps({"model": model, "recipe": recipe}))
    return folder


def run_in(folder, model="cyclegan_small", **recipe):
    folder.mkdir(parents=True)
    (folder / "recipe.json").write_text(json.dumps({"model": model, "recipe": recipe}))
    return folder


def export_in(folder, name, version, **recipe):
    return weights_in(folder / name / str(version) / "assets.extra" / "weights", **recipe)


def test_names():
    first = resolve("cyclegan")
    assert (first.name, first.kind, first.tag) == (
        "cyclegan", "packaged", registry.entry("cyclegan").weights[0])
    told = resolve(SMILING)
    assert (told.tag, told.folder) == ("avatars_smiling_64", packaged(SMILING))
    assert told.recipe.data == "avatars:Smiling"  # that of the weights
    fresh = resolve("cyclegan_small")
    assert (fresh.kind, fresh.folder, fresh.tag) == ("name", None, "")
    assert fresh.recipe == registry.recipe("cyclegan_small")


@pytest.mark.parametrize(("text", "says"), [
    ("cyclegam", "The zoo has no model cyclegam. Did you mean cyclegan"),
    ("cyclegan.none", "cyclegan has no weights none"),
    ("m" * 5000, "The zoo has no model mmm"),
    ("\x1b[2J", r"The zoo has no model \?\[2J"),
    ("", "The zoo has no model"),
])
def test_unknown_names(text, says):
    with pytest.raises(UsageError, match=says) as caught:
        resolve(text)
    assert len(str(caught.value)) < 2500 and "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "means"), [
    ("cyclegan", False), ("cyclegan.x", False), ("a/b", True), ("./a", True), ("a/", True),
    ("~/a", True), ("~", True), (".", True), ("..", True), (pathlib.Path("a"), True), ("", False),
])
def test_what_is_a_folder(text, means):
    assert is_folder(text) is means


def test_folders_mean_the_same_from_anywhere_and_names_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    (tmp_path / "cyclegan").mkdir()
    for text, means in (("cyclegan", "cyclegan"), (SMILING, SMILING), ("", ""),
                        ("./cyclegan/", f"{tmp_path}/cyclegan"), ("runs/../x", f"{tmp_path}/x"),
                        ("~/x", "/home/me/x"), (".", str(tmp_path))):
        assert located(text) == means


def test_weights_that_must_be_there():
    assert with_weights(SMILING) == resolve(SMILING)
    with pytest.raises(UserError, match="no packaged weights for cyclegan_small; train it: "
                                        "tools/train --model cyclegan_small"):
        with_weights("cyclegan_small")
    assert with_weights("dfi").folder is None  # it has nothing to train


def test_a_folder_in_the_working_directory_hides_no_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights_in(tmp_path / "cyclegan")
    weights_in(tmp_path / "vgg_star_small.avatars")
    (tmp_path / "runs").mkdir()
    assert resolve("cyclegan").kind == "packaged"
    assert resolve("./cyclegan").folder == tmp_path / "cyclegan"
    assert references.shape("vgg_star_small.avatars")["filters"] == 16
    (tmp_path / "dcgan").mkdir()
    found = generators.find("dcgan", data=registry.recipe("dcgan").data, size=64, seed=0)
    assert found.name == "dcgan"
    with pytest.raises(UsageError, match=r"The zoo has no model runs; a folder is \./runs"):
        resolve("runs")


def test_kinds_of_folders(tmp_path, monkeypatch):
    kept = weights_in(tmp_path / "kept", size=32)
    assert (resolve(str(kept)).kind, resolve(str(kept)).recipe.size) == ("weights", 32)
    run = run_in(tmp_path / "run", size=64, steps=3)
    weights_in(run / "weights", size=64, steps=2)
    export_in(run / "export", "cyclegan_small", 1)
    found = resolve(str(run))
    assert (found.kind, found.folder, found.recipe.steps) == ("run", run, 3)
    (run / "recipe.json").unlink()
    assert resolve(str(run)).folder == run / "weights"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve("~/kept").folder == kept
    for empty, says in (("none", "There is no folder"), ("run/export/x" * 90, "There is no folder"),
                        ("run/export/cyclegan_small/1/assets.extra/..", None)):
        if says is None:
            assert resolve(f"{tmp_path}/{empty}").kind == "export"
            continue
        with pytest.raises(UserError, match=says):
            resolve(f"{tmp_path}/{empty}")


def test_the_newest_version_of_one_model_and_never_one_of_several(tmp_path):
    for version in (1, 9, 10):
        export_in(tmp_path / "models", "glasses", version, size=4 * version + 60)
    (tmp_path / "models/glasses/.11.abc/assets.extra/weights").mkdir(parents=True)  # of a kill
    (tmp_path / "models/glasses/.11.abc/assets.extra/weights" / WEIGHTS).touch()
    for place in ("models", "models/glasses", "models/glasses/10"):
        found = resolve(f"{tmp_path}/{place}")
        assert (found.kind, found.recipe.size) == ("export", 100)
    export_in(tmp_path / "models", "smiles", 1)
    with pytest.raises(UserError, match=r"holds 2 models, name one: \S+glasses, \S+smiles$"):
        resolve(f"{tmp_path}/models")
    run_in(tmp_path / "runs/a")
    with pytest.raises(UserError, match=r"holds no model itself; a run is \S+runs/a$"):
        resolve(f"{tmp_path}/runs")
    run_in(tmp_path / "runs/b")
    with pytest.raises(UserError, match=r"holds 2 models, name one: \S+runs/a, \S+runs/b$"):
        resolve(f"{tmp_path}/runs")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty holds neither weights nor a run"):
        resolve(f"{tmp_path}/empty")
