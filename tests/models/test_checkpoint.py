"""A run's state: whole or not at all, found again, and only so many."""

import json
import shutil

import keras
import numpy as np
import pytest

from kgan.core.errors import UserError
from kgan.models.checkpoint import RunState
from kgan.models.weights import build


@pytest.fixture(scope="module")
def model(toy):
    keras.utils.set_random_seed(0)
    model = build("toy")
    model.compile()
    return model


def mark(model, step):
    """Makes every variable a function of the step."""
    for i, v in enumerate(model.run_variables.values()):
        v.assign(np.full(v.shape, step if v is model.step else 100 * step + i, v.dtype))


def marked(model, step):
    """Whether every variable is what `mark` makes of it."""
    return all(
        np.all(v.numpy() == (step if v is model.step else 100 * step + i))
        for i, v in enumerate(model.run_variables.values())
    )


@pytest.fixture
def saved(model, tmp_path):
    """A `RunState` with the steps 11, 12, 13, and the model now elsewhere."""
    state = RunState(tmp_path, model)
    for step in (11, 12, 13):
        mark(model, step)
        state.save(seconds=float(step))
    mark(model, 99)
    return state


def flip(path, place=0.5):
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 1
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_everything_comes_back(saved):
    assert saved.restore() == {"step": 13, "seconds": 13.0}
    assert marked(saved.model, 13)
    names = " ".join(saved.model.run_variables)
    assert all(room in names for room in ("nets/g", "nets/d", "optimizers/generator", "step"))


def test_nothing_saved_is_none(model, tmp_path):
    assert RunState(tmp_path, model).restore() is None


@pytest.mark.parametrize("keep", [1, 3])
def test_keep(model, tmp_path, keep):
    state = RunState(tmp_path, model, keep)
    for step in range(8, 13):
        mark(model, step)
        state.save()
    assert state.steps() == list(range(13 - keep, 13))
    assert len(list(state.folder.iterdir())) == keep


DAMAGES = {
    "a byte of the data": lambda p: flip(p / "state.data-00000-of-00001"),
    "half the data": lambda p: truncate(p / "state.data-00000-of-00001"),
    "a byte of the index": lambda p: flip(p / "state.index"),
    "half the index": lambda p: truncate(p / "state.index"),
    "no index": lambda p: (p / "state.index").unlink(),
    "no state.json": lambda p: (p / "state.json").unlink(),
    "half of state.json": lambda p: truncate(p / "state.json"),
    "an empty state.json": lambda p: (p / "state.json").write_text("{}"),
    "state.json of another step": lambda p: (p / "state.json").write_text('{"step": 12}'),
    "an empty folder": lambda p: [f.unlink() for f in p.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_gives_way_to_the_one_before(saved, capsys, damage):
    DAMAGES[damage](saved.folder / "step_000000013")
    assert saved.restore() == {"step": 12, "seconds": 12.0}
    assert marked(saved.model, 12)
    warning = capsys.readouterr().err
    assert warning.count("\n") == 1
    assert "step_000000013 cannot be read" in warning
    assert "trying the one before it" in warning


@pytest.mark.parametrize("place", np.linspace(0.02, 0.98, 7))
def test_no_byte_of_the_data_can_change_unnoticed(saved, place):
    flip(saved.folder / "step_000000013" / "state.data-00000-of-00001", place)
    assert saved.restore()["step"] == 12


def test_none_that_can_be_read_is_an_error_and_nothing_is_removed(saved):
    for path in saved.folder.iterdir():
        flip(path / "state.data-00000-of-00001")
    with pytest.raises(UserError, match=r"None of the 3 checkpoints in .* can be read") as error:
        saved.restore()
    assert "\n" not in str(error.value)
    assert saved.steps() == [11, 12, 13]


@pytest.mark.parametrize("keep", [1, 2])
def test_a_damaged_newest_does_not_push_out_what_comes_after(saved, keep):
    """A run that goes on from 13 because 20 is damaged keeps its 14, not the damaged 20."""
    mark(saved.model, 20)
    saved.keep = 4
    saved.save()
    flip(saved.folder / "step_000000020" / "state.data-00000-of-00001")
    saved.keep = keep
    assert saved.restore()["step"] == 13
    mark(saved.model, 14)
    saved.save()
    assert saved.steps() == [13, 14][-keep:]
    mark(saved.model, 99)
    assert saved.restore()["step"] == 14


def test_other_things_in_the_folder_do_not_matter(saved):
    for name in ("step_13.bak", "step_000000013.bak", ".step_000000014.abcdefgh", "step_"):
        (saved.folder / name).mkdir()
    (saved.folder / "note.txt").touch()
    assert saved.steps() == [11, 12, 13]
    assert saved.restore()["step"] == 13


def test_a_failed_save_leaves_nothing(saved, monkeypatch):
    def fail(self, path):
        open(f"{path}.index", "w").close()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tensorflow.train.Checkpoint.write", fail)
    mark(saved.model, 14)
    with pytest.raises(OSError, match="No space left"):
        saved.save()
    assert sorted(p.name for p in saved.folder.iterdir()) == [
        f"step_{step:09}" for step in (11, 12, 13)
    ]
    assert saved.restore()["step"] == 13


def test_networks_alone(saved, tmp_path):
    """A model that is not compiled has no optimizers; what it has comes back."""
    fresh = build("toy")
    assert RunState(tmp_path, fresh).restore(networks_only=True)["step"] == 13
    for name, v in fresh.run_variables.items():
        assert (v.numpy() == saved_value(saved, name)).all(), name
    assert len(fresh.run_variables) == 5


def saved_value(saved, name):
    saved.restore()
    return saved.model.run_variables[name].numpy()


def test_not_finite(model, tmp_path):
    mark(model, 1)
    state = RunState(tmp_path, model)
    assert state.not_finite() == []
    kernel = model.nets["d"].trainable_variables[0]
    kernel.assign(np.full(kernel.shape, np.inf))
    assert state.not_finite() == ["nets/d"]


def test_state_json_says_the_step(saved):
    content = json.loads((saved.folder / "step_000000012" / "state.json").read_text())
    assert content == {"step": 12, "seconds": 12.0}


@pytest.mark.parametrize("gone", [True, False])
def test_a_checkpoint_that_its_run_replaces_meanwhile_is_not_damaged(
    saved, tmp_path, capsys, monkeypatch, gone
):
    """A reader beside a run that keeps one checkpoint, or that has removed half of one."""
    fresh, read = build("toy"), RunState._read
    (saved.folder / "step_000000011" / "state.json").write_text("[]")
    shutil.rmtree(saved.folder / "step_000000012")

    def slow(self, step, networks_only):
        if step == 13:
            monkeypatch.setattr(RunState, "_read", read)
            mark(saved.model, 14)
            saved.keep = 1
            saved.save()
            if not gone:  # quite
                (saved.folder / "step_000000013").mkdir()
        return read(self, step, networks_only)

    monkeypatch.setattr(RunState, "_read", slow)
    assert RunState(tmp_path, fresh).restore(networks_only=True)["step"] == 14
    assert capsys.readouterr().err == ""


def test_checkpoints_above_a_step(saved, tmp_path, capsys):
    state = RunState(tmp_path, build("toy"))
    assert state.restore(networks_only=True, above=13) is None
    (saved.folder / "step_000000013" / "state.json").write_text("[" * 100_000)
    assert state.restore(networks_only=True, above=12) is None
    assert "step_000000013 cannot be read" in capsys.readouterr().err
    assert state.restore(networks_only=True, above=11)["step"] == 12
