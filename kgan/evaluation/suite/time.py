"""What the steps of a suite cost, measured side by side.

What counts is the mean over all steps of a training: stages may have smaller pictures or batches.
A machine that others use, too, is fast for some seconds and slow for the next. So the models take
turns, a step each: what a step costs is its share of the rounds, of which the whole is what a round
takes in the middle.
"""

import traceback

import numpy as np

from kgan.core import registry
from kgan.core.devices import quiet
from kgan.core.errors import UserError
from kgan.core.process import tool
from kgan.core.recipe import Machine
from kgan.data import open_data
from kgan.training.cost import Step, cores


def time_steps(job):
    """Times steps in turns.

    Args:
        job: `{"calls": [{"model": name, "precision": its, field of the recipe: value}], "rounds":
            how many}`. A call that names data has its recipe completed by them.

    Returns:
        `{"steps": [{"cost": seconds, on a CPU those that each core computes, "devices": words} or
        {"error": why it has no step}]}`, in the order of the calls.
    """
    quiet()
    found, steps = [], {}
    for number, call in enumerate(job["calls"]):
        found.append({})
        try:
            steps[number] = step = _step(call)
            found[number]["devices"] = step.devices
        except Exception as error:  # is the row's, and the others go on
            if not isinstance(error, UserError):
                traceback.print_exc()
            found[number]["error"] = f"{error}".split("\n")[0] or type(error).__name__
    if steps:
        spent = np.array([[one for s in steps.values() for one in s.spend_each()]
                          for _ in range(job["rounds"])])
        on_cpu = all("CPU" in step.devices for step in steps.values())
        spent = spent[..., 1] / cores() if on_cpu else spent[..., 0]
        each = iter(costs(spent))
        for number, step in steps.items():
            found[number]["cost"] = float(sum(share * next(each) for share in step.shares))
    return {"steps": found}


def _step(call):
    changes = {k: v for k, v in call.items() if k not in ("model", "precision")}
    recipe = registry.recipe(call["model"]).replace(**changes)
    if "data" in changes:
        recipe = recipe.complete(open_data(
            recipe.data, size=recipe.size, load_size=recipe.load_size or None, seed=recipe.seed,
            signals=registry.entry(call["model"]).model.signals_of(recipe)))
    return Step(call["model"], recipe, Machine(precision=call["precision"]),
                stages=True)


def costs(times):
    """Seconds of each step from those of each round, [rounds, steps]."""
    whole = times.sum(axis=1)
    return np.median(times / whole[:, None], axis=0) * np.median(whole)


main = tool(time_steps)
