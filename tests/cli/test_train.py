"""`tools/train`: what a call chooses, before anything is trained."""

import dataclasses
import json
import pathlib
import resource
import statistics
import subprocess
import sys

import pytest
from PIL import Image

from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.core.recipe import read_recipe, write_recipe

TRAIN = pathlib.Path(__file__).resolve().parents[2] / "tools" / "train"
SMALL = ["--model", "cyclegan", "--size", "16", "--load_size", "0", "--filters", "4", "--blocks",
         "1", "--discriminator_filters", "4", "--discriminator_layers", "1", "--batch", "2"]


@pytest.mark.parametrize("name", registry.names())
def test_a_dry_run_says_the_plan_and_writes_nothing(tool, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = registry.recipe(name)
    steps = recipe.steps + 7
    plan = tool("train", "--model", name, "--dry_run", "--steps", steps, "--seed", 3)
    assert plan.code == 0
    assert plan.json["model"] == name
    assert plan.json["recipe"] == recipe.replace(steps=steps, seed=3).as_dict()
    assert plan.json["changed"] == {"steps": steps, "seed": 3}
    assert plan.json["precision"] == "auto"
    assert plan.json["run"].startswith(f"runs/{name}-{recipe.data.partition(':')[0]}-")
    assert list(tmp_path.iterdir()) == []


def _others(recipe, field):
    """Values for a field that are not the recipe's, of which some may be wrong."""
    value, choices = getattr(recipe, field.name), field.metadata["choices"]
    if isinstance(value, bool):
        return [not value]
    if choices:
        return [choice for choice in choices if choice != value]
    if isinstance(value, str):
        return ["avatars:Smiling,Bald", "8", "10", "Smiling,Bald"]
    if isinstance(value, int):
        return [value + recipe.size, value * 2, value // 2, value - 1, value + 1, 1]
    return [0.25, 1.5]


def _within(field, value):
    low, high = field.metadata["low"], field.metadata["high"]
    return (low is None or value >= low) and (high is None or value <= high)


def _refusal(recipe, changes):
    """Why a recipe cannot be changed so; "" if it can."""
    try:
        recipe.replace(**changes)
    except UsageError as error:
        return str(error)
    return ""


def one_of_each_recipe():
    """Names whose recipes have fields of their own; others, as `_small` ones, are slow."""
    seen, found = set(), []
    for name in sorted(registry.names(), key=lambda name: (len(name), name)):
        kind = type(registry.recipe(name))
        found.append(pytest.param(name, marks=pytest.mark.slow) if kind in seen else name)
        seen.add(kind)
    return found


@pytest.mark.parametrize("name", one_of_each_recipe())
def test_a_flag_for_every_field_reaches_the_recipe(tool, name):
    """Each field at a value that is not its default, one call each.

    A value that is wrong without others reaches the recipe, too: it is refused in its words.
    """
    recipe = registry.recipe(name)
    for field in dataclasses.fields(recipe):
        tries = [x for x in _others(recipe, field)
                 if x != getattr(recipe, field.name) and _within(field, x)]
        value = next((x for x in tries if not _refusal(recipe, {field.name: x})), tries[0])
        says = _refusal(recipe, {field.name: value})
        plan = tool("train", "--model", name, "--dry_run", f"--{field.name}={value}")
        assert plan.code == (2 if says else 0), (field.name, value, plan.stderr)
        if says:
            assert says in plan.stderr
        else:
            assert plan.json["recipe"][field.name] == value


def test_a_recipe_file_goes_round_and_flags_override_it(tool, tmp_path):
    recipe = registry.recipe("cyclegan").replace(lambda_cycle=3.0, steps=77, flip=False)
    path = tmp_path / "recipe.json"
    write_recipe(path, "cyclegan", recipe)
    plan = tool("train", "--recipe", path, "--dry_run")
    assert plan.json["model"] == "cyclegan"  # not the default, cyclegan_small
    assert plan.json["recipe"] == recipe.as_dict()
    plan = tool("train", f"--recipe={path}", "--dry_run", "--steps", 78, "--flip")
    assert plan.json["recipe"] == recipe.replace(steps=78, flip=True).as_dict()
    plan = tool("train", "--recipe", path, "--model", "cyclegan_small", "--dry_run")
    assert plan.json["model"] == "cyclegan_small"
    assert plan.json["recipe"] == recipe.as_dict()


def test_the_recipe_of_a_run_makes_such_a_run(tool, finished):
    plan = tool("train", "--recipe", finished / "recipe.json", "--dry_run")
    assert (plan.json["model"], plan.json["recipe"]) == read_recipe(finished / "recipe.json")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "There is no recipe"),
        ("{", "is not a recipe"),
        ("[]", "is not a recipe"),
        ('{"model": "cyclegan"}', "is not a recipe"),
        ('{"model": "cyclegam", "recipe": {}}', "Did you mean cyclegan"),
        ('{"model": "cyclegan", "recipe": {"stepz": 3}}', "Did you mean steps"),
        ('{"model": "cyclegan", "recipe": {"steps": "3"}}', "--steps must be int"),
        ('{"model": "cyclegan", "recipe": {"steps": 0}}', "--steps must be at least 1"),
    ],
)
def test_a_wrong_recipe_file(tool, tmp_path, content, says):
    path = tmp_path / "recipe.json"
    if content is not None:
        path.write_text(content)
    refused = tool("train", "--recipe", path)
    assert (refused.code, refused.json) == (2, None)
    assert refused.stderr.count("\n") == 1
    assert says in refused.stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--size", "18"], "--size must be a multiple of 4"),
        (["--load_size", "8"], "--load_size 8 is smaller than --size 16"),
        (["--pool", "1"], "--pool must be 0 or at least --batch"),
        (["--channels_a", "1"], "set --lambda_identity 0"),
        (["--adversarial", "wgan"], "--adversarial"),
        (["--precision", "float64"], "--precision"),
        (["--keep", "0"], "--keep"),
        (["--save_minutes", "-1"], "--save_minutes"),
        (["--data", "avatar:Eyeglasses"], "Did you mean avatars"),
        (["--data", "Eyeglasses"], "names no source"),
        (["--data", "avatars:Eyeglases"], "Eyeglasses"),
    ],
)
def test_a_wrong_value_is_one_line_and_leaves_no_run(tool, tmp_path, flags, says):
    refused = tool("train", *SMALL, "--out", tmp_path / "run", *flags)
    assert (refused.code, refused.json) == (2, None)
    assert says in refused.stderr.splitlines()[-1]
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "run" / "recipe.json").exists()


def test_data_that_is_not_there(tool, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    for domain in "AB":
        for split in ("train", "test"):
            folder = tmp_path / "broken" / f"{split}{domain}"
            folder.mkdir()
            (folder / "1.png").write_bytes(b"no picture")
    for name in ("nowhere", "empty", "broken"):
        data = f"folder:{tmp_path / name}"
        refused = tool("train", *SMALL, "--out", tmp_path / "run", "--data", data)
        assert (refused.code, refused.json) == (1, None), name
        message = refused.stderr[refused.stderr.index("error: ") :]
        assert name in message.splitlines()[0]
        assert "Traceback" not in message


@pytest.mark.slow
def test_grey_pictures_train(tool, tmp_path):
    for place in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / place).mkdir()
        for i in range(4):
            Image.new("RGB", (20, 20), (60 * i, 0, 90)).save(tmp_path / place / f"{i}.png")
    done = tool(
        "train", *SMALL, "--data", f"folder:{tmp_path}", "--out", tmp_path / "run", "--steps", 2,
        "--channels_a", 1, "--lambda_identity", 0, "--pool", 2, "--noexport",
    )
    assert done.json["step"] == 2


def test_help_is_quick_and_free_of_tensorflow():
    """Processor time, so that a busy machine does not matter; on an idle one about 0.25 s."""
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-X", "importtime", TRAIN, "--help"], capture_output=True, text=True,
            check=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert statistics.median(seconds) < 0.5
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "kgan.training.run" in imported
    assert not imported & {"tensorflow", "keras", "h5py", "skimage"}
    assert "--lambda_cycle" in done.stdout


def test_the_model_decides_about_the_flags(tool, capsys):
    with pytest.raises(SystemExit):
        tool("train", "--model", "cyclegan", "--help")
    refused = tool("train", "--model")
    assert refused.code == 2
    assert "--model" in refused.stderr
    assert json.loads(json.dumps(tool("train", "--dry_run").json))["model"] == "cyclegan_small"
