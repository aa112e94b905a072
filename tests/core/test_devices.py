"""What a machine is good at."""

import json
import pathlib

import pytest
import tensorflow as tf

from kgan.core import devices
from kgan.core.recipe import Machine

FAST = devices.bfloat16_is_fast  # what tests replace


@pytest.mark.parametrize("flags, fast, word", [
    ("avx512f amx_bf16 amx_tile", True, "AMX"), ("fma avx512_bf16", True, "AVX512-BF16"),
    ("fma avx2 avx512f avx512_fp16", False, "not"), (None, False, "not"),
])
def test_cpus_that_multiply_bfloat16(monkeypatch, flags, fast, word):
    def read(path):
        assert str(path) == "/proc/cpuinfo"
        if flags is None:
            raise FileNotFoundError(str(path))
        return f"model name : A processor\nflags : {flags}\n"

    monkeypatch.setattr(pathlib.Path, "read_text", read)
    found, why = FAST()
    assert found == fast and word in why


@pytest.mark.parametrize("compute, fast", [((8, 0), True), ((7, 5), False)])
def test_gpus_that_multiply_bfloat16(monkeypatch, compute, fast):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["gpu"] * (kind == "GPU"))
    monkeypatch.setattr(tf.config.experimental, "get_device_details",
                        lambda gpu: {"compute_capability": compute})
    assert FAST()[0] == fast


@pytest.mark.parametrize("asked, before, fast, precision", [
    ("auto", None, True, "mixed_bfloat16"), ("auto", None, False, "float32"),
    ("auto", "float32", True, "float32"), ("auto", "mixed_float16", False, "mixed_float16"),
    ("auto", "mixed_bfloat16", False, "float32"),
    ("auto", "mixed_bfloat16", True, "mixed_bfloat16"),
    ("mixed_bfloat16", "float32", False, "mixed_bfloat16"), ("float32", None, True, "float32"),
])
def test_auto_keeps_what_a_run_has_unless_it_is_slow_here(
    monkeypatch, asked, before, fast, precision
):
    monkeypatch.setattr(devices, "bfloat16_is_fast", lambda: (fast, "because"))
    machine, why = devices.decided(Machine(precision=asked), before)
    assert machine.precision == precision
    assert bool(why) == (asked == "auto")


def test_a_run_says_why_and_goes_on_in_its_precision(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(devices, "bfloat16_is_fast", lambda: (True, "this CPU has a name"))
    toy(tmp_path, precision="auto")
    assert "precision mixed_bfloat16: this CPU has a name" in capsys.readouterr().err
    assert json.loads((tmp_path / "run.json").read_text())["precision"] == "mixed_bfloat16"
    toy(tmp_path, precision="auto", steps=8)
    assert "precision mixed_bfloat16: as this run was begun" in capsys.readouterr().err
