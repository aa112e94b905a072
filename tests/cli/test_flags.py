"""Command lines made from recipes: every field a flag, every mistake one line and exit code 2."""

import dataclasses
import json
import pathlib
import subprocess
import sys
from typing import ClassVar

import pytest

from kgan.cli import flags as cli_flags
from kgan.cli.flags import Flags, scan
from kgan.core import process, registry
from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Knobs, Machine, knob
from kgan.training.run import RunOptions

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"


@dataclasses.dataclass(frozen=True)
class Sample(Knobs):
    count: int = knob(3, "how many", low=1, high=9, group="model")
    rate: float = knob(0.5, "how fast", low=0, group="schedule")
    side: int = knob(1, "one or three", choices=(1, 3))
    kind: str = knob("round", "which", choices=("round", "square"), group="loss")
    words: str = knob("", "any", group="run")
    mirror: bool = knob(True, "whether", group="data")


@pytest.fixture
def flags():
    made = Flags("sample", "About it.", "tools/sample --count 2")
    made.add("plain", None, "a string or nothing")
    made.add_knobs(Sample())
    return made


def test_values_of_every_type(flags):
    rest = flags.parse(
        ["--count=4", "--rate", "2", "--side", "3", "--kind=square", "--words", "a b", "--nomirror",
         "--plain", "x"]
    )
    assert rest == []
    assert flags.read(Sample()) == Sample(
        count=4, rate=2.0, side=3, kind="square", words="a b", mirror=False
    )
    assert flags.plain == "x"


def test_defaults_are_those_of_the_recipe_that_is_given():
    made = Flags("sample", "", "")
    made.add_knobs(Sample(count=7, mirror=False))
    made.parse(["--mirror"])
    assert made.read(Sample()) == Sample(count=7)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--cuont", "4"], ["There is no flag --cuont.", "Did you mean count?"]),
        (["--zzz"], ["There is no flag --zzz.", "Known: ", "count", "mirror"]),
        (["--count", "0"], ["--count", "0", "1"]),
        (["--count", "10"], ["--count", "10", "9"]),
        (["--count", "1.5"], ["--count", "1.5"]),
        (["--count", "many"], ["--count", "many"]),
        (["--rate", "-1"], ["--rate", "-1"]),
        (["--rate", "fast"], ["--rate", "fast"]),
        (["--rate", "nan"], ["--rate", "nan"]),
        (["--side", "2"], ["--side 2 is not one of 1, 3"]),
        (["--kind", "oval"], ["--kind", "oval", "round", "square"]),
        (["--mirror=perhaps"], ["--mirror", "perhaps"]),
        (["--count"], ["--count"]),
        (["stray"], ["'stray' is one argument too many", "tools/sample --help"]),
    ],
)
def test_a_mistake_is_one_line_that_names_the_flag(flags, wrong, words):
    with pytest.raises(UsageError) as error:
        flags.parse(wrong)
        flags.read(Sample())
    message = str(error.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == []


def test_positional_arguments(flags):
    assert flags.parse(["one", "two"], positional=2) == ["one", "two"]
    with pytest.raises(UsageError, match="'three' is one argument too many"):
        flags.parse(["one", "two", "three"], positional=2)


def test_flags_may_follow_positional_arguments(flags):
    assert flags.parse(["one", "--count", "5"], positional=1) == ["one"]
    assert flags.count == 5


def test_help_lists_every_flag_once_under_its_heading(flags, capsys):
    with pytest.raises(SystemExit) as leaves:
        flags.parse(["--count", "4", "--help"])
    assert leaves.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "About it."
    heads = [line for line in lines if line in cli_flags.HEADINGS]
    assert heads == ["call", "model", "loss", "data", "schedule", "run"]
    shown = [line.split()[0] for line in lines if line.startswith("  --")]
    names = ["plain", *(field.name for field in dataclasses.fields(Sample))]
    assert sorted(shown) == sorted(f"--{name}" for name in names)
    kind = next(line for line in lines if "--kind" in line)
    assert kind.split(None, 1)[1] == "<round|square>: which [round]"


@dataclasses.dataclass(frozen=True)
class Around(Knobs):
    renamed: ClassVar[dict] = {"depth": "levels", "below": "inner"}

    levels: int = knob(2, "levels")
    inner: Sample = knob(Sample(count=5), "what it stands on")


def test_flags_of_what_a_recipe_holds_and_of_former_names(capsys):
    made = Flags("sample", "", "")
    made.add_knobs(Around())
    made.parse(["--inner.count=7", "--noinner.mirror", "--depth", "4", "--below.kind=square"])
    assert made.read(Around()) == Around(
        levels=4, inner=Sample(count=7, mirror=False, kind="square")
    )
    assert "--inner.kind" in made.help() and "depth" not in made.help()
    with pytest.raises(UsageError, match=r"inner.count=10"):
        made.parse(["--inner.count=10"])
    with pytest.raises(UsageError, match=r"Did you mean inner.count"):
        made.parse(["--inner.cuont=1"])


def test_two_tools_do_not_share_flags():
    for default in (1, 2):
        made = Flags("sample", "", "")
        made.add("count", default, "how many")
        made.parse([])
        assert made.count == default


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--model", "a"], "a"), (["-model=a"], "a"), (["--model=a", "--model", "b"], "b"),
        (["--models", "a"], None), (["--model"], None), (["model", "a"], None), ([], None),
    ],
)
def test_scan(arguments, found):
    assert scan(arguments, "model") == found


@pytest.mark.parametrize("name", registry.names())
def test_every_field_of_every_recipe_is_a_flag_with_a_heading(name):
    made = Flags("train", "", "")
    recipe = registry.recipe(name)
    for knobs in (recipe, RunOptions(), Machine()):
        made.add_knobs(knobs)
    made.parse([])
    assert made.read(recipe) == recipe
    assert made.read(RunOptions()) == RunOptions()
    assert set(made.headings) <= set(cli_flags.HEADINGS)
    text = made.help()
    for knobs in (recipe, RunOptions(), Machine()):
        for field in dataclasses.fields(knobs):
            assert not field.name.startswith("no"), "absl reads --noX as X=false"
            assert text.count(f"\n  --{field.name} ") == 1
            assert field.metadata["help"]


# The main of a tool


def test_what_a_main_prints_and_returns(capsys):
    def outcome(result):
        @process.tool
        def main(arguments):
            if isinstance(result, BaseException):
                raise result
            return result

        code = main([])
        return code, *capsys.readouterr()

    assert outcome({"status": "done", "n": 1}) == (0, '{"status": "done", "n": 1}\n', "")
    assert outcome({"status": "interrupted"})[0] == 1
    assert outcome(UserError("no disk")) == (1, "", "error: no disk\n")
    assert outcome(UsageError("no flag")) == (2, "", "error: no flag\n")
    assert outcome(KeyboardInterrupt()) == (1, "", "stopped\n")
    with pytest.raises(ZeroDivisionError):  # a bug keeps its traceback
        outcome(ZeroDivisionError())


def test_a_reader_that_has_gone_is_no_traceback(tmp_path):
    done = subprocess.run(
        f"{sys.executable} {TOOLS / 'zoo'} list 2>{tmp_path}/err | true",
        shell=True, executable="/bin/bash", check=False,
    )
    assert done.returncode == 0
    assert "Traceback" not in (tmp_path / "err").read_text()


@pytest.mark.parametrize(
    ("call", "code", "says"),
    [
        (["train", "--lambda_cylce", "5"], 2, "Did you mean lambda_cycle"),
        (["train", "--model", "cyclegam"], 2, "The zoo has no model cyclegam. Did you mean"),
        (["train", "--batch", "0"], 2, "--batch"),
        (["train", "--dry_run"], 0, ""),
        (["train", "--help"], 0, ""),
        (["translate", "--inputs", "x"], 2, "Did you mean input"),
        (["translate", "--model", "cyclegan", "--beta", "1"], 2, "There is no flag --beta"),
        (["translate", "--model", "dfi", "--flip"], 2, "There is no flag --flip"),
        (["translate", "--model", "dfi", "--beta", "-1"], 2, "--beta"),
        (["translate", "--model", "cycle_gan", "--input", "a", "--output", "b"], 2, "cyclegan"),
        (["evaluate", "--nn", "3"], 2, "There is no flag --nn"),
        (["export", "--modle", "x"], 2, "Did you mean model"),
        (["zoo", "lits"], 2, "tools/zoo cannot lits. Did you mean list?"),
        (["zoo", "list"], 0, ""),
        (["demo", "--step", "3"], 2, "Did you mean steps"),
        (["benchmark", "--repat", "3"], 2, "Did you mean repeat"),
    ],
)
def test_wrong_calls_are_answered_without_tensorflow(tmp_path, call, code, says):
    """Each in a fresh interpreter that would say if it had imported TensorFlow or Keras."""
    script = (
        "import sys, importlib; sys.path.insert(0, sys.argv[1]);"
        "main = importlib.import_module('kgan.cli.' + sys.argv[2]).main\n"
        "try: code = main(sys.argv[3:])\n"
        "except SystemExit as leaves: code = leaves.code\n"
        "assert not {'tensorflow', 'keras', 'h5py'} & set(sys.modules)\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, TOOLS.parent, *call], capture_output=True, text=True,
        cwd=tmp_path, check=False,
    )
    assert done.returncode == code, done.stderr
    if code:
        assert done.stdout == ""
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert says in done.stderr
    elif "--help" not in call:
        assert json.loads(done.stdout)["status"] == "done"
    assert list(tmp_path.iterdir()) == []
