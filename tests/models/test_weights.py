"""Weights folders: the same outputs after a round trip, and nothing damaged is ever opened."""

import io
import json
import pathlib
import shutil
import warnings

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import kgan
from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.export.saved_model import export_model
from kgan.models import weights as w
from kgan.models.checkpoint import RunState

H5 = "model.weights.h5"


def outputs(model):
    """What a model makes of a fixed batch, both ways, in float."""
    x = np.random.default_rng(0).uniform(-1, 1, (2, 16, 20, 3)).astype("float32")
    return np.stack([model.translate(tf.constant(x), d).numpy() for d in model.directions])


@pytest.fixture(scope="module")
def model(tiny):
    """A model whose weights are no fresh ones, with moving averages apart from the weights."""
    model = tiny(ema=0.9, steps=123)
    for i, v in enumerate(model.kept.variables):
        v.assign(v + np.random.default_rng(i).normal(0, 0.1, v.shape))
    model.name_in_zoo = "cyclegan"
    return model


@pytest.fixture(scope="module")
def averaged(model):
    with model.kept.lent():
        return outputs(model)


@pytest.fixture
def folder(model, tmp_path):
    sheet = Image.new("RGB", (8, 8))
    facts = {"step": 9, "figures": {"x": 1}}
    return w.write(model, tmp_path / "w", facts=facts, preview=sheet, finished=True)


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def change(path, **changes):
    content = json.loads(path.read_text())
    content.update(changes)
    path.write_text(json.dumps(content))


def stored(folder):
    """The arrays in a weights file."""
    found = []
    with h5py.File(folder / H5) as file:
        file.visititems(lambda _, x: found.append(x[()]) if isinstance(x, h5py.Dataset) else None)
    return found


# Writing and reading


def test_a_round_trip_gives_the_averages(model, averaged, folder):
    found = w.read(folder)
    assert np.array_equal(outputs(found), averaged)
    assert not np.allclose(outputs(model), averaged, atol=1e-3)  # the model itself is as it was
    assert (found.trained, found.name_in_zoo, found.recipe) == (True, "cyclegan", model.recipe)
    assert found.metadata == json.loads((folder / "metadata.json").read_text())


def test_what_is_written(model, folder):
    assert {p.name for p in folder.iterdir()} == {H5, "config.json", "metadata.json", "preview.png"}
    metadata = w.verify(folder)
    assert (metadata["name"], metadata["step"], metadata["figures"]) == ("cyclegan", 9, {"x": 1})
    assert metadata["versions"]["kgan"] == kgan.__version__
    assert metadata["versions"]["tensorflow"] == tf.__version__
    assert metadata["directions"] == ["a2b", "b2a"]
    assert metadata["parameters"] == {"g_ab": 8739, "g_ba": 8739, "d_a": 845, "d_b": 845}
    assert sum(x.size for x in stored(folder)) == 2 * 8739  # no discriminator and no pool


def test_what_was_read_is_written_again_as_it_is(averaged, folder, tmp_path):
    """A loaded model has the averages as weights; its own averages must not be fresh ones."""
    again = w.write(w.read(folder), tmp_path / "again")
    assert np.array_equal(outputs(w.read(again)), averaged)


def test_half_precision_storage(model, averaged, folder, tmp_path):
    half = w.write(model, tmp_path / "half", half=True)
    found = w.read(half)
    assert np.abs(outputs(found) - averaged).max() < 0.02
    assert not np.array_equal(outputs(found), averaged)
    assert all(v.dtype == "float32" for v in found.nets["g_ab"].variables)
    for v in found.nets["g_ab"].trainable_variables:
        assert np.array_equal(v.numpy(), v.numpy().astype("float16"))
    assert sum(x.nbytes for x in stored(half)) == sum(x.nbytes for x in stored(folder)) / 2
    assert (half / H5).stat().st_size < (folder / H5).stat().st_size
    assert [p.name for p in half.iterdir() if "half" in p.name] == []


def test_writing_replaces_a_folder_whole(model, folder):
    (folder / "stray").touch()
    w.write(model, folder)
    assert {p.name for p in folder.iterdir()} == {H5, "config.json", "metadata.json"}


def test_a_failed_write_leaves_the_old_folder(model, folder, monkeypatch):
    before = (folder / H5).read_bytes()

    class Bad:
        def save(self, *arguments, **keywords):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        w.write(model, folder, preview=Bad())
    assert (folder / H5).read_bytes() == before
    w.verify(folder)


def test_a_full_disk_is_an_error_and_leaves_the_old_folder(model, folder, monkeypatch):
    """The bytes are written by Python: HDF5 itself would not survive it."""
    before = (folder / H5).read_bytes()

    def full(self, content):
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(pathlib.Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        w.write(model, folder)
    assert (folder / H5).read_bytes() == before
    assert [p.name for p in folder.parent.iterdir()] == ["w"]


# Damage


@pytest.mark.parametrize("share", [0.001, 0.3, 0.6, 0.999])
def test_a_flipped_byte_is_found_before_the_file_is_opened(folder, share, monkeypatch):
    flip(folder / H5, int(share * (folder / H5).stat().st_size))

    def opened(*arguments, **keywords):
        raise AssertionError("opened")

    monkeypatch.setattr(h5py, "File", opened)
    monkeypatch.setattr(keras.Model, "load_weights", opened)
    with pytest.raises(UserError, match=rf"{H5} is damaged: its sha256 is .* Get the file again"):
        w.read(folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: (f / "metadata.json").unlink(),
        lambda f: (f / "metadata.json").write_text("{"),
        lambda f: (f / "metadata.json").write_text("{}"),
        lambda f: (f / "metadata.json").write_text("[]"),
        lambda f: change(f / "metadata.json", sha256={}),
        lambda f: (f / H5).unlink(),
        lambda f: shutil.rmtree(f),
    ],
)
def test_what_is_no_weights_folder(folder, damage):
    damage(folder)
    with pytest.raises(UserError, match="is not a weights folder") as error:
        w.verify(folder)
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore:Skipping nested")
@pytest.mark.parametrize("changes", [{"filters": 8}, {"blocks": 0}, {"blend": True}])
def test_weights_of_another_architecture(folder, rehash, changes):
    config = json.loads((folder / "config.json").read_text())
    config["recipe"] |= changes
    (folder / "config.json").write_text(json.dumps(config))
    rehash(folder)
    with pytest.raises(UserError, match=rf"{H5} does not fit cyclegan and the rec") as error:
        w.read(folder)
    assert "\n" not in str(error.value)


def test_a_recipe_that_this_version_does_not_have(folder, rehash):
    config = json.loads((folder / "config.json").read_text())
    config["recipe"]["stepz"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    rehash(folder)
    with pytest.raises(UsageError, match=r"no field stepz\. Did you mean steps"):
        w.read(folder)


def test_what_decides_the_function_is_hashed(folder, averaged, capsys):
    """Of weights without a hash of `config.json` it is said that they are old."""
    metadata = w.verify(folder)
    assert metadata["sha256"].keys() == {H5, "config.json"}
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"transpose"', '"nearest"'))
    with pytest.raises(UserError, match=r"config\.json is damaged"):
        w.read(folder)
    (folder / "config.json").write_text(config)
    old = {name: x for name, x in metadata["sha256"].items() if name != "config.json"}
    change(folder / "metadata.json", sha256=old)
    capsys.readouterr()
    assert np.array_equal(outputs(w.read(folder)), averaged)
    assert "is of an older version" in capsys.readouterr().err
    for name in ("directions/999.npz", "other.h5"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
        with pytest.raises(UserError, match=rf"{name} is not among the hashes"):
            w.verify(folder)
        (folder / name).unlink()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_numbers_are_not_loaded(folder, rehash, value):
    with h5py.File(folder / H5, "r+") as file:
        found = []
        file.visititems(lambda _, x: found.append(x) if isinstance(x, h5py.Dataset) else None)
        found[3][...] = value
    rehash(folder)
    with pytest.raises(UserError, match=rf"{H5} holds values that are not numbers, in \S+/\w+"):
        w.read(folder)


# Trained or not


def test_fresh_weights_are_not_trained_wherever_they_went(model, tmp_path, capsys):
    folder = w.write(model, tmp_path / "w")
    found = w.load(folder)
    assert (found.trained, found.state) == (False, "fresh")
    assert capsys.readouterr().err.count("is not trained to its end: fresh\n") == 1
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata.pop("finished") is False
    (folder / "metadata.json").write_text(json.dumps(metadata))
    assert w.load(folder).trained  # older weights do not say it, and were written at the end
    export = shutil.copytree(folder, tmp_path / "cyclegan/1/assets.extra/weights")
    (export.parent / "metadata.json").write_text('{"trained": false}')
    assert not w.load(tmp_path / "cyclegan").trained


# Loading by name


@pytest.fixture
def pair(model, tmp_path, monkeypatch):
    """A zoo with the name `pair`, whose weights `one` are there and `two` are not."""
    registry.register(
        "pair", registry.entry("cyclegan").model, model.recipe, card="cyclegan.md",
        phrase="two weights", weights=("one", "two"),
    )
    monkeypatch.setattr(model, "name_in_zoo", "pair")
    w.write(model, tmp_path / "weights" / "pair.one", finished=True)
    monkeypatch.setattr(registry, "_all", lambda: registry._entries)
    monkeypatch.setattr(registry, "folder", lambda: tmp_path)
    yield "pair"
    del registry._entries["pair"]


@pytest.mark.parametrize(("name", "wanted"), [("pair", "auto"), ("pair.one", "required")])
def test_packaged_weights(pair, averaged, name, wanted):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model = w.load(name, weights=wanted)
    assert model.trained
    assert np.array_equal(outputs(model), averaged)


def test_fresh_weights(pair, averaged):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        silent = w.load(pair, weights=None)
    assert (silent.trained, silent.metadata, silent.name_in_zoo) == (False, {}, "pair")
    assert not np.allclose(outputs(silent), averaged, atol=1e-2)
    with pytest.warns(UserWarning, match="pair.two has no packaged weights") as told:
        fresh = w.load("pair.two")
    assert len([x for x in told if issubclass(x.category, UserWarning)]) == 1
    assert told[0].filename == __file__
    assert not fresh.trained
    with pytest.raises(UserError, match=r"weights for pair\.two; train it: tools/train"):
        w.load("pair.two", weights="required")


@pytest.mark.parametrize(
    ("name", "wanted", "says"),
    [
        ("pair.tow", "auto", "pair has no weights tow. Did you mean two?"),
        ("pear", "auto", "The zoo has no model pear. Did you mean pair"),
        ("pear.one", None, "The zoo has no model pear"),
        ("pair", "please", 'weights must be "auto", "required" or None'),
    ],
)
def test_wrong_names(pair, name, wanted, says):
    with pytest.raises(UsageError) as error:
        w.load(name, weights=wanted)
    assert says in str(error.value)


# Loading by path


def test_a_run_a_weights_folder_and_an_export_are_the_same_model(finished):
    run = w.load(str(finished))
    for path in (finished / "weights", finished / "export", finished / "export/cyclegan/1"):
        found = w.load(str(path))
        assert found.trained
        assert found.recipe == run.recipe
        assert np.array_equal(outputs(found), outputs(run))
    assert (run.metadata["step"], run.recipe.steps) == (40, 40)


def test_a_run_that_has_only_checkpoints(run_folder):
    wanted = outputs(w.load(str(run_folder)))
    shutil.rmtree(run_folder / "weights")
    shutil.rmtree(run_folder / "export")
    found = w.load(str(run_folder))
    assert np.array_equal(outputs(found), wanted)  # the averages, as in weights/
    assert (found.trained, found.metadata["step"], found.name_in_zoo) == (True, 40, "cyclegan")
    shutil.rmtree(run_folder / "checkpoints/step_000000040")
    with pytest.raises(UserError, match="holds neither weights nor a run with checkpoints"):
        w.load(str(run_folder))


def test_the_newest_state_of_a_run_is_loaded(run_folder, model, capsys):
    """Weights of step 40, a checkpoint of the same step, then checkpoints of later ones."""
    run, kept = run_folder, outputs(w.load(run_folder / "weights"))
    change(run / "recipe.json", recipe=registry.recipe("cyclegan").replace(
        **{**json.loads((run / "recipe.json").read_text())["recipe"], "steps": 60}).as_dict())
    same = w.load(run)
    assert (same.trained, same.state, same.metadata["step"]) == (True, "trained", 40)
    assert "images" in same.metadata  # of weights/, not of the checkpoint of the same step
    later = RunState(run, model)
    model.step.assign(50)
    later.save(seconds=1.0)
    capsys.readouterr()
    found = w.load(str(run), weights="required")
    assert (found.trained, found.state, found.metadata["step"]) == (False, "step 50 of 60", 50)
    assert not np.array_equal(outputs(found), kept)
    told = [x for x in capsys.readouterr().err.splitlines() if "not trained to its end" in x]
    assert told == [f"warning: {run} is not trained to its end: step 50 of 60"]
    with pytest.raises(UserError, match=r"is untrained \(step 50 of 60\)"):
        export_model(found, run / "served")
    flip(run / "checkpoints/step_000000050/state.data-00000-of-00001", 999)
    assert w.load(run).metadata["step"] == 40  # the weights are newer than the checkpoint before
    model.step.assign(60)
    later.save(seconds=1.0)
    done = w.load(run)
    assert (done.trained, done.metadata["step"]) == (True, 60)


def test_the_newest_version_of_an_export_is_taken(model, tmp_path):
    """10 is newer than 9, though not in the alphabet."""
    for version in (1, 9, 10):
        extra = tmp_path / f"cyclegan/{version}/assets.extra"
        w.write(model, extra / "weights", facts={"step": version})
    assert w.load(str(tmp_path)).metadata["step"] == 10


def test_paths_that_hold_nothing(tmp_path):
    with pytest.raises(UserError, match=r"There is no folder .*nowhere"):
        w.load(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="holds neither weights nor a run"):
        w.load(str(tmp_path))


def test_loading_in_half_precision(folder, averaged):
    found = w.load(str(folder), precision="mixed_bfloat16")
    assert found.precision == "mixed_bfloat16"
    assert all(v.dtype == "float32" for v in found.nets["g_ab"].variables)
    assert np.abs(outputs(found) - averaged).mean() < 0.05


def test_what_float16_does_not_hold_is_not_packed():
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["layer/variance"] = np.array([1.0, 1e5], "float32")
    with pytest.raises(UserError, match="/layer/variance has values that float16 does not hold, "):
        w._halved(content)
