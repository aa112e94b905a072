"""A run: training in a folder that can be left and taken up again at any time.

The folder holds `recipe.json`, `run.json` (state and plan), `checkpoints/`, `metrics.jsonl`,
`tensorboard/`, `samples/`, `index.html`, and at the end `weights/`, `export/` and `metrics.json`.
Here is who may write there and what must be trained first; `UnderWay` does the rest.
"""

import contextlib
import pathlib

from kgan.core import devices, registry
from kgan.core.errors import UserError
from kgan.core.paths import sweep
from kgan.core.progress import say
from kgan.training.options import RunOptions, default_folder
from kgan.training.run_folder import (
    agree,
    apart,
    begun_with,
    located,
    locked,
    same_command,
    writable,
)
from kgan.training.under_way import UnderWay

__all__ = ["RunOptions", "default_folder", "train"]


def train(name, recipe, machine, options):
    """Trains a model of the zoo, from the start or from where its folder stopped.

    Args:
        name: of the zoo.
        recipe: its recipe.
        machine: a `kgan.core.recipe.Machine`.
        options: a `RunOptions`.

    Returns:
        What the tool prints: `{"status": "done" or "interrupted", "run": folder, ...}`.

    Raises:
        UserError: the folder holds another run or cannot be written, the data cannot be read, a
            term became not-a-number, or no checkpoint can be read.
    """
    if not registry.entry(name).model.trains:
        raise UserError(f"{name} needs no training: translate with it (tools/translate --model "
                        f"{name}).")
    folder = pathlib.Path(options.out or default_folder(name, recipe)).expanduser()
    recipe = located(recipe)
    workers = devices.workers_of(machine)
    with workers.together(), contextlib.ExitStack() as held:
        same_command(workers, name, recipe, machine)

        def begin():
            apart(folder, recipe.data)
            held.enter_context(locked(folder))
            found = agree(folder, name, recipe)
            for place in (folder, folder / "checkpoints", folder / "samples"):
                sweep(place)
            return found

        begun, changed = workers.from_chief(begin)
        below, result = None, {"status": "done"}
        if begun is None:  # else checkpoints hold all that it stands on
            below, result = _below(folder, name, recipe, machine, options, workers)
        if result["status"] != "done":
            return result
        run = UnderWay(folder, name, recipe, machine, options, below, begun, changed, workers)
        with run.recorded(), writable(folder), workers.together():
            return run.train()


def _below(folder, name, recipe, machine, options, workers):
    """What the model of a run stands on, trained in the run's folder if it is nowhere else.

    Returns:
        (the folder of its weights or None, `{"status": "done"}` or that it was interrupted).
    """
    def look():
        needed = registry.entry(name).model.needs(recipe)
        if needed is None:
            return None, None, None
        if needed.folder is not None:
            return str(needed.folder), None, None
        other, where = needed.name, folder / needed.name
        how = begun_with(where, other, located(needed.recipe))
        agree(where, other, how)
        there = (where / "weights" / "metadata.json").exists()
        return str(where), other, None if there else how.as_dict()

    where, other, how = workers.from_chief(look)
    if how is not None:
        how = registry.recipe(other).replace(**how)
        say(f"{name} stands on a {other}, of which there are no weights for such pictures: "
            f"training it first, in {where}")
        options = options.replace(out=str(where), export=False, resume_from=0)
        result = train(other, how, machine, options)
        if result["status"] != "done":
            return None, result
        if "signal" in result:  # in its last step
            say(f"stopped before {name}; the same command goes on from there")
            return None, {"status": "interrupted", "model": name, "run": str(folder), "step": 0}
        say(f"{other} is trained; now {name}")
    return where, {"status": "done"}
