"""`tools/benchmark`: what a training step costs on this machine, and whether the data keeps up."""

import time

from kgan.cli.flags import Flags, scan
from kgan.core import registry
from kgan.core.devices import quiet
from kgan.core.errors import UserError
from kgan.core.process import tool
from kgan.core.recipe import Machine
from kgan.training.cost import Step

ABOUT = """Time the training step of a model, that of its last stage: median seconds, seconds of
all CPU cores together (which other work on the machine changes little), network calls,
floating-point operations, peak memory; with --data also how many times faster than that the data
comes."""


@tool
def main(arguments):
    """Prints what the step of a model costs."""
    name, recipe, machine, flags, with_data = read(arguments)
    quiet()
    step = Step(name, recipe, machine)
    spent = [step.spend() for _ in range(flags.repeat)]
    result = step.described(*zip(*spent, strict=True))
    if with_data:
        result |= _data(recipe, step.model, result["seconds_per_step"])
    return result


def read(arguments):
    """(name, `Recipe`, `Machine`, flags, whether data are named) of a command line."""
    entry = registry.entry(scan(arguments, "model") or "cyclegan_small")
    flags = Flags("benchmark", ABOUT, "tools/benchmark --model cyclegan_small --batch 8")
    flags.add("model", entry.name, "whose step")
    flags.add("repeat", 15, "steps that are timed, after 3 that are not", low=1)
    flags.add_knobs(entry.recipe)
    flags.add_knobs(Machine())
    if not entry.model.trains:
        raise UserError(f"{entry.name} has no training step to time.")
    with_data = "--data" in arguments or scan(arguments, "data") is not None
    flags.parse(_with_value(arguments, entry.recipe.data))
    return entry.name, flags.read(entry.recipe), flags.read(Machine()), flags, with_data


def _with_value(arguments, value):
    """A bare `--data` stands for the data of the recipe."""
    return [
        f"--data={value}" if a == "--data" and (not after or after[0].startswith("--")) else a
        for a, after in ((a, arguments[i + 1 : i + 2]) for i, a in enumerate(arguments))
    ]


def _data(recipe, model, seconds_per_step, count=200):
    """Steps of data a second, alone, and how many times that is what the training step eats."""
    from kgan.data import open_data
    from kgan.data.stream import batches

    data = open_data(recipe.data, size=recipe.size, load_size=recipe.load_size or None,
                     seed=recipe.seed, signals=model.signals)
    stream = iter(batches(data, recipe, model.signals, per_step=model.batches_per_step,
                          batch=model.part.batch, size=model.part.size))
    for _ in range(10):
        next(stream)
    begun = time.perf_counter()
    for _ in range(count):
        next(stream)
    rate = count / (time.perf_counter() - begun)
    return {
        "data": data.spec, "data_steps_per_second": round(rate, 1),
        "data_is_faster_by": round(rate * seconds_per_step, 1),
    }
