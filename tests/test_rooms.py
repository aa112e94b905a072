"""Imports go one way through the rooms of `kgan/`, inner and lazy ones too, and in no circle."""

import ast
import functools
import graphlib
import pathlib

import pytest

from kgan.core import lazy

ROOT = pathlib.Path(__file__).parents[1]
ORDER = ("core", "networks losses data metrics report", "editing", "models", "zoo", "export",
         "training", "evaluation", "cli")
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms.split()}


def modules():
    """`{dotted name: file}` of everything that is imported."""
    files = [*(ROOT / "kgan").rglob("*.py"), *(ROOT / "zoo").glob("*.py")]
    names = {}
    for file in files:
        parts = file.relative_to(ROOT).with_suffix("").parts
        parts = parts if parts[0] == "kgan" else ("kgan", *parts)
        names[".".join(p for p in parts if p != "__init__")] = file
    return names


@functools.cache
def imports():
    """`{module: modules of kgan that it imports}`."""
    known, found = modules(), {}
    for name, file in known.items():
        found[name] = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                taken = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                taken = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for target in taken:
                if target.startswith("kgan.core.lazy."):
                    target = getattr(lazy, target.rpartition(".")[2])._name
                target = target if target in known else target.rpartition(".")[0]
                if target in known and target not in ("kgan", name):
                    found[name].add(target)
    return found


def room(module):
    return module.split(".")[1]


def test_every_module_stands_in_a_room():
    assert {m for m in modules() if m != "kgan" and room(m) not in RANK} == set()


@pytest.mark.parametrize("name", sorted(modules()))
def test_no_import_runs_up(name):
    up = {t for t in imports()[name] if RANK[room(t)] > RANK[room(name)]}
    assert up == set()


def test_no_imports_run_in_a_circle():
    packages = {m for m in modules() if modules()[m].name == "__init__.py"}
    inner = {m: {t for t in ts if t not in packages} for m, ts in imports().items()}
    graphlib.TopologicalSorter(inner).prepare()  # raises CycleError with the circle


if __name__ == "__main__":
    for m, ts in imports().items():
        for t in ts:
            if RANK[room(t)] > RANK[room(m)]:
                print("up", m, "->", t)
    try:
        test_no_imports_run_in_a_circle()
    except graphlib.CycleError as e:
        print(e)
