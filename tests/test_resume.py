"""Going on with a run: from older layouts, in another precision, with a lower rate, from a step."""

import json
import pathlib
import shutil
import threading

import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Machine
from kgan.training.run import RunOptions, train

OLDER = pathlib.Path(__file__).parent / "older_run"


def values(folder, step):
    path = folder / "checkpoints" / f"step_{step:09d}" / "state"
    reader = tf.train.load_checkpoint(str(path))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()
            if name.startswith("state/")}


def networks(folder, step):
    return {n: v for n, v in values(folder, step).items() if "nets." in n or "nets/" in n}


def test_a_run_of_an_older_layout_goes_on_bit_for_bit(toy, tmp_path):
    shutil.copytree(OLDER / "float32", tmp_path / "older")
    toy(tmp_path / "older")
    toy(tmp_path / "whole")
    older, whole = (values(tmp_path / name, 6) for name in ("older", "whole"))
    assert older.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(older[name], value, err_msg=name)


@pytest.mark.parametrize("before, after", [
    ("float32", "mixed_float16"), ("mixed_float16", "float32"), ("mixed_float16", "mixed_float16"),
    ("float32", "mixed_bfloat16"),
])
def test_a_run_goes_on_in_another_precision(toy, tmp_path, before, after):
    toy(tmp_path, precision=before, steps=3)
    done = toy(tmp_path, precision=after, steps=6)
    assert (done["status"], done["step"]) == ("done", 6)


def test_an_older_float16_run_goes_on_in_float32(toy, tmp_path):
    shutil.copytree(OLDER / "mixed_float16", tmp_path / "run")
    assert toy(tmp_path / "run")["step"] == 6


@pytest.mark.parametrize("rate", [1e30, 1e6])
def test_a_rate_that_is_too_high_ends_the_run_and_a_lower_one_goes_on(toy, tmp_path, rate):
    toy(tmp_path, steps=2, learning_rate=rate / rate)  # a rate of 1, whose weights are still good
    good = networks(tmp_path, 2)
    with pytest.raises(UsageError, match="learning_rate"):  # higher is no way on
        toy(tmp_path, steps=6, learning_rate=rate)
    other = tmp_path / "high"
    with pytest.raises(UserError, match="learning_rate") as caught:
        toy(other, steps=6, learning_rate=rate, save_minutes=0)
    assert "\n" not in str(caught.value)
    assert json.loads((other / "run.json").read_text())["status"] == "failed"
    for step in (1, 2, 3, 4, 5, 6):
        if (other / "checkpoints" / f"step_{step:09d}").exists():
            assert max(np.abs(v).max() for v in networks(other, step).values()) < 1e4
    assert toy(tmp_path, steps=4, learning_rate=1e-4)["step"] == 4
    assert good.keys() == networks(tmp_path, 4).keys()


def test_from_an_earlier_checkpoint(toy, tmp_path):
    toy(tmp_path, save_minutes=0)
    before = values(tmp_path, 6)
    options = RunOptions(out=str(tmp_path), export=False, resume_from=4)
    recipe = registry.recipe("toy")
    assert train("toy", recipe, Machine(), options)["step"] == 6
    for name, value in before.items():
        np.testing.assert_array_equal(values(tmp_path, 6)[name], value)
    with pytest.raises(UsageError, match="no checkpoint of step 99"):
        train("toy", recipe, Machine(), options.replace(resume_from=99))


def test_fine_tuning_begins_with_the_weights_of_another_run(toy, tmp_path):
    toy(tmp_path / "first", learning_rate=0.1)
    toy(tmp_path / "second", init=str(tmp_path / "first"), learning_rate=0.0, steps=1)
    first, second = networks(tmp_path / "first", 6), networks(tmp_path / "second", 1)
    same = [name for name in first if np.array_equal(first[name], second[name])]
    assert any("nets.Sg.S" in name for name in same), sorted(first)
    assert "g" in json.loads((tmp_path / "second" / "run.json").read_text())["init"]["taken"]


def test_a_training_in_a_thread(toy, tmp_path):
    found = {}
    thread = threading.Thread(target=lambda: found.update(toy(tmp_path)))
    thread.start()
    thread.join()
    assert found["status"] == "done"
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "done"


def test_a_run_that_was_killed_is_not_called_running(toy, tmp_path):
    from kgan.training.run_folder import read_status

    toy(tmp_path)
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "running"}))
    assert read_status(tmp_path)["status"] == "stopped"


def test_any_end_is_recorded(toy, tmp_path, monkeypatch):
    from kgan.training import callbacks

    def broken(self, step, *_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(callbacks.Samples, "draw", broken)
    with pytest.raises(RuntimeError):
        toy(tmp_path)
    found = json.loads((tmp_path / "run.json").read_text())
    assert found["status"] == "failed" and "a bug" in found["message"]
