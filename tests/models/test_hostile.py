"""Weights folders and runs of people who mean harm: one line, soon, and no memory taken first.

Each drill changes a weights folder of a tiny model and gives it hashes that are right, as whoever
sends a folder can. A drill that hangs is ended by an alarm.
"""

import json
import os
import resource
import shutil
import signal

import h5py
import numpy as np
import pytest

from kgan.core.errors import UserError, printable
from kgan.models import weights

H5 = "model.weights.h5"
SECONDS = 60  # under load; a drill takes some milliseconds


@pytest.fixture(scope="module")
def sound(tiny, tmp_path_factory):
    """A weights folder that is loaded. Not to be changed."""
    model = tiny(trains=False)
    model.name_in_zoo = "cyclegan"
    return weights.write(model, tmp_path_factory.mktemp("sound") / "w", finished=True)


@pytest.fixture
def folder(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "w")


@pytest.fixture(autouse=True)
def _alarm():
    def ring(*_):
        raise TimeoutError(f"not done after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def refused(folder, words=""):
    """The line that says why a folder is not loaded."""
    with pytest.raises(UserError) as caught:
        weights.load(str(folder))
    line = str(caught.value)
    assert len(line) < 3000
    assert line == printable(line, len(line)), "one line that a terminal can show"
    assert words in line
    return line


def recipe(folder, **changes):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["recipe"] |= changes
    path.write_text(json.dumps(config))


def config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def metadata(folder, **changes):
    path = folder / "metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


# metadata.json, and what is no ordinary file: nothing of the folder is opened


def sha(folder, **changes):
    metadata(folder, sha256={**json.loads((folder / "metadata.json").read_text())["sha256"],
                             **changes})


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def link(path, target):
    path.unlink()
    path.symlink_to(target)


OUTSIDE = {
    "metadata of a gigabyte": lambda f: os.truncate(f / "metadata.json", 1 << 30),
    "deep metadata": lambda f: (f / "metadata.json").write_text('{"a": ' + "[" * 100_000),
    "metadata is a list": lambda f: (f / "metadata.json").write_text("[1]"),
    "metadata is a number": lambda f: (f / "metadata.json").write_text("1"),
    "metadata is empty": lambda f: (f / "metadata.json").write_text(""),
    "metadata is no text": lambda f: (f / "metadata.json").write_bytes(b"\xff\xfe\x00"),
    "hashes are a list": lambda f: metadata(f, sha256=[H5]),
    "hashes are missing": lambda f: metadata(f, sha256=None),
    "a hash is a number": lambda f: sha(f, **{H5: 7}),
    "a hash is none": lambda f: sha(f, **{H5: None}),
    "a hash is a list": lambda f: sha(f, **{H5: ["a"]}),
    "a hash is short": lambda f: sha(f, **{H5: "abc"}),
    "a hash of a file outside": lambda f: sha(f, **{"../../secret": "0" * 64}),
    "a hash of a file anywhere": lambda f: sha(f, **{"/etc/passwd": "0" * 64}),
    "a name of 300 characters": lambda f: sha(f, **{"n" * 300: "0" * 64}),
    "a name of escapes": lambda f: sha(f, **{"\x1b[2J\x1b]0;x\x07": "0" * 64}),
    "an unlisted direction": lambda f: (
        (f / "directions").mkdir(), (f / "directions/999.npz").write_bytes(b"x")),
    "metadata is a pipe": lambda f: pipe(f / "metadata.json"),
    "config is a pipe": lambda f: pipe(f / "config.json"),
    "weights are a pipe": lambda f: pipe(f / H5),
    "metadata never ends": lambda f: link(f / "metadata.json", "/dev/zero"),
    "config never ends": lambda f: link(f / "config.json", "/dev/zero"),
    "weights never end": lambda f: link(f / H5, "/dev/zero"),
    "weights are a folder": lambda f: ((f / H5).unlink(), (f / H5).mkdir()),
    "weights of five gigabytes": lambda f: os.truncate(f / H5, 5 << 30),
}


@pytest.mark.parametrize("drill", OUTSIDE)
def test_metadata_and_files(folder, drill, monkeypatch):
    monkeypatch.setattr(h5py, "File", None)
    OUTSIDE[drill](folder)
    refused(folder)


# config.json


CONFIGS = {
    "a billion maps": (lambda f: recipe(f, filters=10**9), "of a larger model than its weights"),
    "a million blocks": (lambda f: recipe(f, blocks=10**6), "of a larger model than its weights"),
    "a number of 400 digits": (lambda f: recipe(f, filters=10**400), ""),
    "a size that is a list": (lambda f: recipe(f, size=[16]), "must be int"),
    "a field of escapes": (lambda f: recipe(f, **{"\x1b[31mred\x07": 1}), "has no field ?[31mred?"),
    "a field of 100,000 characters": (lambda f: recipe(f, **{"x" * 100_000: 1}), "has no field"),
    "an unknown model of escapes": (lambda f: config(f, model="\x1b[2J"), "The zoo has no model"),
    "a model of 5,000 characters": (lambda f: config(f, model="m" * 5000), "The zoo has no model"),
    "a model that is a number": (lambda f: config(f, model=7), "is not a recipe"),
    "a recipe that is a list": (lambda f: config(f, recipe=[["size", 16]]), "is not a recipe"),
    "a deep recipe": (
        lambda f: (f / "config.json").write_text('{"model": ' * 100_000), "nested too deeply"),
    "a recipe of five megabytes": (
        lambda f: (f / "config.json").write_text(" " * 5_000_000), "more than"),
    "a model without weights": (lambda f: config(f, model="dfi_small", recipe={}), "has none"),
    "labels without end": (
        lambda f: config(f, model="stargan_small", recipe={
            "labels": ",".join(f"l{i}" for i in range(30_000))}), "larger model"),
    "an encoder of a translator": (
        lambda f: config(f, model="fc_encoder", recipe={
            "generator_recipe": '{"model": "cyclegan", "recipe": {}}'}), "makes no pictures"),
    "an encoder of nonsense": (
        lambda f: config(f, model="fc_encoder", recipe={"generator_recipe": "[" * 50_000}),
        "does not say how its generator is built"),
    "an encoder of a huge generator": (
        lambda f: config(f, model="fc_encoder", recipe={"generator_recipe": json.dumps(
            {"model": "dcgan", "recipe": {"filters": 10**8}})}), "larger model"),
    "a trunk of nonsense": (
        lambda f: config(f, model="crg_encoder", recipe={
            "trunk_layout": '{"depth": "x"}', "generator_recipe": json.dumps(
                {"model": "pggan_small", "recipe": {"cap": 1, "base": 1, "latent": 1}})}),
        "not one that can be built"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("drill", CONFIGS)
def test_configs(folder, rehash, drill):
    change, words = CONFIGS[drill]
    change(folder)
    rehash(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder, words)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes


# model.weights.h5


def inside(folder, change):
    """Puts something in the place of the first array of a weights file."""
    with h5py.File(folder / H5, "r+") as file:
        names = []
        file.visititems(lambda n, x: names.append(n) if isinstance(x, h5py.Dataset) else None)
        shape = file[names[0]].shape
        del file[names[0]]
        change(file, names[0], shape)


def other_file(folder):
    with h5py.File(folder / "other", "w") as file:
        file["x"] = np.zeros(3)


ARRAYS = {
    "a bomb": lambda f: inside(f, lambda h, n, s: h.create_dataset(
        n, (1 << 33,), "f4", chunks=(1 << 20,), compression="gzip")),
    "chunks": lambda f: inside(f, lambda h, n, s: h.create_dataset(n, s, "f4", chunks=True)),
    "declared, not there": lambda f: inside(f, lambda h, n, s: h.create_dataset(n, (1 << 40,))),
    "strings": lambda f: inside(f, lambda h, n, s: h.create_dataset(n, data=["x"] * 9)),
    "nothing": lambda f: inside(f, lambda h, n, s: h.create_dataset(n, data=h5py.Empty("f4"))),
    "a link out": lambda f: (other_file(f), inside(f, lambda h, n, s: h.__setitem__(
        n, h5py.ExternalLink("other", "/x")))),
    "a link to nowhere": lambda f: inside(f, lambda h, n, s: h.__setitem__(
        n, h5py.SoftLink("/nowhere"))),
    "data elsewhere": lambda f: inside(f, lambda h, n, s: h.create_dataset(
        n, s, "f4", external=[("/etc/passwd", 0, 4 * int(np.prod(s)))])),
    "a circle": lambda f: inside(f, lambda h, n, s: h.__setitem__(n, h["/"])),
    "too many": lambda f: inside(f, lambda h, n, s: [h.create_group(f"g{i}") for i in range(3)]),
    "another shape": lambda f: inside(f, lambda h, n, s: h.create_dataset(n, data=np.zeros(7))),
    "no HDF5": lambda f: (f / H5).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(999)),
    "half of it": lambda f: os.truncate(f / H5, (f / H5).stat().st_size // 2),
    "empty": lambda f: (f / H5).write_bytes(b""),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("drill", ARRAYS)
def test_arrays(folder, rehash, drill):
    ARRAYS[drill](folder)
    rehash(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder, "does not fit" if drill != "declared, not there" else "")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


# runs


@pytest.fixture(scope="module")
def unfinished(toy, tmp_path_factory):
    """A run of 6 steps with a checkpoint of each of the last and no weights. Not to be changed."""
    run = tmp_path_factory.mktemp("unfinished") / "run"
    toy(run, save_minutes=0)
    shutil.rmtree(run / "weights")
    return run


@pytest.mark.parametrize("state", ["[" * 100_000, "[]", "", '{"step": "\x1b[2J"}', " " * 5_000_000])
def test_a_newest_checkpoint_of_nonsense_gives_way(unfinished, tmp_path, capsys, state):
    run = shutil.copytree(unfinished, tmp_path / "run")
    (run / "checkpoints/step_000000006/state.json").write_text(state)
    found = weights.load(run)
    assert (found.trained, found.state) == (False, "step 5 of 6")
    line = next(x for x in capsys.readouterr().err.splitlines() if "cannot be read" in x)
    assert line == printable(line)


def test_a_run_of_a_huge_recipe(unfinished, tmp_path):
    run = shutil.copytree(unfinished, tmp_path / "run")
    recipe = {"filters": 10**9, "blocks": 10**6}
    (run / "recipe.json").write_text(json.dumps({"model": "cyclegan", "recipe": recipe}))
    refused(run, "of a larger model than its weights")
