"""Recipes: types, bounds, errors a person can act on, and no TensorFlow on the way."""

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest

from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.core.recipe import (
    Knobs,
    Machine,
    Recipe,
    differences,
    fixed_fields,
    former,
    knob,
    nearest,
    read_recipe,
    table,
    write_recipe,
)


@dataclass(frozen=True)
class Example(Recipe):
    width: int = knob(8, "maps", low=1, high=64)
    kind: str = knob("plain", "which", choices=("plain", "fancy"))
    sides: int = knob(3, "of it", choices=(1, 3))


def test_values_are_checked_when_a_recipe_is_made():
    assert Example(width=64).width == 64
    assert Example(width=1).width == 1
    for width in (0, 65):
        with pytest.raises(UsageError, match=r"--width must be at (least 1|most 64), not"):
            Example(width=width)
    with pytest.raises(UsageError, match=r"--kind odd is not one of plain, fancy"):
        Example(kind="odd")
    with pytest.raises(UsageError, match=r"--sides 2 is not one of 1, 3"):
        Example(sides=2)


@pytest.mark.parametrize("field, value", [
    ("width", 8.0), ("width", "8"), ("width", True), ("flip", 1), ("kind", None),
    ("learning_rate", "fast"), ("learning_rate", True),
])
def test_types_are_checked(field, value):
    with pytest.raises(UsageError, match=f"--{field} must be"):
        Example(**{field: value})


def test_a_whole_number_is_a_float():
    rate = Example(learning_rate=1).learning_rate
    assert type(rate) is float
    assert rate == 1.0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1])
def test_floats_are_finite_and_in_bounds(value):
    with pytest.raises(UsageError, match="--learning_rate must be"):
        Example(learning_rate=value)


def test_values_that_are_wrong_together():
    assert Recipe(size=64, load_size=64).load_size == 64
    with pytest.raises(UsageError, match="--load_size 63 is smaller than --size 64"):
        Recipe(size=64, load_size=63)


@pytest.mark.parametrize("changes, message", [
    ({"size": 66}, "multiple of 4"),
    ({"pool": 4, "batch": 8}, "--pool must be 0 or at least --batch"),
    ({"blend": True, "channels_a": 1, "lambda_identity": 0}, "--blend needs as many channels"),
    ({"channels_a": 1}, "set --lambda_identity 0"),
    ({"size": 20}, "at least 24"),
])
def test_what_a_cyclegan_refuses(changes, message):
    with pytest.raises(UsageError, match=message):
        registry.recipe("cyclegan").replace(load_size=0, **changes)


def test_what_a_cyclegan_takes():
    r = registry.recipe("cyclegan").replace(
        load_size=0, size=24, channels_a=1, lambda_identity=0.0, pool=8, batch=8
    )
    assert r.identity == 0
    assert registry.recipe("cyclegan").identity == 5.0


def test_an_unknown_field_names_the_nearest():
    with pytest.raises(UsageError, match=r"no field lerning_rate\. Did you mean learning_rate"):
        Example().replace(lerning_rate=1.0)
    with pytest.raises(UsageError, match=r"no model cyclegam\. Did you mean cyclegan"):
        registry.entry("cyclegam")


def test_nearest_names_all_when_none_is_near():
    assert nearest("xyz", ["b", "a"]) == "Known: a, b."


def test_replace_leaves_the_original_alone():
    old = Example()
    assert old.replace(width=9).width == 9
    assert old.width == 8


def test_defaults_are_within_their_bounds():
    for knobs in (Example(), Machine(), *(registry.recipe(name) for name in registry.names())):
        assert isinstance(knobs, Knobs)
        assert knobs.replace() == knobs


@pytest.mark.parametrize("name", registry.names())
def test_json_gives_the_recipe_back(name, tmp_path):
    recipe = registry.recipe(name).replace(learning_rate=1 / 3)
    recipe = recipe.replace(steps=recipe.steps + 7)
    write_recipe(tmp_path / "recipe.json", name, recipe)
    found, values = read_recipe(tmp_path / "recipe.json")
    assert found == name
    assert registry.recipe(name).replace(**values) == recipe
    assert list(json.loads((tmp_path / "recipe.json").read_text())["recipe"]) == list(values)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"model": "a"}',
                                  '{"model": "a", "recipe": 3}', "\x00\xff"])
def test_what_is_not_a_recipe(text, tmp_path):
    path = tmp_path / "recipe.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=r"recipe\.json is not a recipe"):
        read_recipe(path)


def test_a_missing_recipe(tmp_path):
    with pytest.raises(UsageError, match="There is no recipe"):
        read_recipe(tmp_path / "recipe.json")


def test_differences():
    assert differences(Example(), Example()) == {}
    assert differences(Example(), Example(width=9, seed=3)) == {"seed": (0, 3), "width": (8, 9)}


def test_a_run_may_only_change_how_long_it_takes():
    fixed = fixed_fields(Example())
    assert "steps" not in fixed
    assert {"seed", "batch", "learning_rate", "width", "data"} <= fixed
    assert fixed_fields(Machine()) == set()


def test_table():
    lines = table(Example(width=9)).splitlines()
    assert lines[:2] == ["| field | value | meaning |", "|---|---|---|"]
    assert "| `width` | 9 | maps |" in lines
    assert len(lines) == 2 + len(Example().as_dict())
    assert table(Example(width=9), Example()).splitlines()[2:] == ["| `width` | 9 | maps |"]


def test_names_recipes_and_cards_need_no_tensorflow():
    script = (
        "import sys, kgan.zoo\n"
        "from kgan.core import registry\n"
        "recipes = [registry.recipe(n) for n in registry.names()]\n"
        "assert len(recipes) >= 2\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'PIL'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# Recipes that hold recipes, fields that were renamed


@dataclass(frozen=True)
class Inner(Recipe):
    renamed: ClassVar[dict] = {"breadth": "width"}

    width: int = knob(8, "maps", low=1, high=64)


@dataclass(frozen=True)
class Outer(Recipe):
    renamed: ClassVar[dict] = {"depth": "levels", "below": "inner"}

    levels: int = knob(3, "levels", may_change=True)
    inner: Inner = knob(Inner(size=16, width=4), "what it stands on")


@dataclass(frozen=True)
class Outermost(Outer):
    renamed: ClassVar[dict] = {"speed": "learning_rate"}


def test_a_recipe_holds_a_recipe(tmp_path):
    outer = Outer().replace(**{"inner.width": 5, "inner.flip": False, "size": 32})
    assert (outer.inner.width, outer.inner.flip, outer.inner.size, outer.size) == (5, False, 16, 32)
    assert outer.replace(inner={"width": 6}).inner == outer.inner.replace(width=6)
    assert outer.replace(inner=Inner()).inner == Inner()
    both = outer.replace(inner={"load_size": 24, "size": 24})  # one alone would be refused
    assert (both.inner.load_size, both.inner.size) == (24, 24)
    write_recipe(tmp_path / "recipe.json", "toy", outer)
    assert Outer().replace(**read_recipe(tmp_path / "recipe.json")[1]) == outer
    assert outer.as_dict()["inner"]["width"] == 5


def test_what_differs_in_a_recipe_that_is_held():
    outer = Outer().replace(**{"inner.width": 5, "levels": 4})
    assert differences(Outer(), outer) == {"levels": (3, 4), "inner.width": (4, 5)}
    fixed = fixed_fields(outer)
    assert {"inner.width", "size", "inner.size"} <= fixed
    assert not {"inner", "levels", "steps", "inner.steps"} & fixed
    assert "| `inner.width` | 5 | maps |" in table(outer, Outer())
    assert "inner.flip" not in table(outer, Outer())


@pytest.mark.parametrize("changes, says", [
    ({"inner.width": 65}, "Of --inner: --width must be at most 64, not 65"),
    ({"inner": {"size": 4}}, "Of --inner: --size must be at least 8"),
    ({"inner.widht": 5}, "Of --inner: Inner has no field widht. Did you mean width"),
    ({"inner": 3}, "--inner must be Inner, not 3"),
    ({"size.width": 3}, "Outer has no field size.width. Did you mean"),
    ({"levels": 1, "depth": 2}, "depth is now called levels, and both are given"),
])
def test_what_a_recipe_that_holds_one_refuses(changes, says):
    with pytest.raises(UsageError) as caught:
        Outer().replace(**changes)
    assert says in str(caught.value)


def test_older_names_of_fields_are_read(tmp_path):
    older = {"model": "toy", "recipe": {"depth": 7, "speed": 0.5, "below": {"breadth": 9}}}
    (tmp_path / "recipe.json").write_text(json.dumps(older))
    recipe = Outermost().replace(**read_recipe(tmp_path / "recipe.json")[1])
    assert (recipe.levels, recipe.learning_rate, recipe.inner.width) == (7, 0.5, 9)
    assert "depth" not in recipe.as_dict()
    found = former(recipe)
    assert found["depth"] == "levels" and found["inner.breadth"] == "inner.width"
    assert found["below.width"] == "inner.width" and found["speed"] == "learning_rate"
