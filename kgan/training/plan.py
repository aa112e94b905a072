"""What a run is about to do, in lines that are printed and kept."""

from kgan.core import registry
from kgan.core.recipe import differences
from kgan.models.weights import parameters
from kgan.training.callbacks import duration


def plan(name, model, data, devices, folder, found, why=""):
    """The lines.

    Args:
        name: of the zoo.
        model: built, with the recipe of the run.
        data: a `kgan.data.Data`.
        devices: what it runs on, in words.
        folder: of the run.
        found: `{"step", "seconds"}` that the run goes on from.
        why: it computes in the precision that it does, if nobody asked for that.
    """
    recipe = model.recipe
    counts = ", ".join(f"{n} {c:,}" for n, c in parameters(model).items())
    defaults = differences(registry.recipe(name), recipe)
    told = {k: str(v) for k, (_, v) in defaults.items()}
    short = (f"{k} {v if len(v) < 80 else v[:76] + ' ...'}" for k, v in told.items())
    changed = ", ".join(short) or "as registered"
    where = f"from step {found['step']} ({duration(found['seconds'])} trained)"
    return [
        f"model    {name}: {counts} parameters",
        f"recipe   {changed}",
        *(f"data     {line}" for line in data.summary),
        f"devices  {devices}; batch {recipe.batch} over all of them",
        *([f"precision {model.precision}: {why}"] if why else []),
        f"steps    {_steps(model)}, {where if found['step'] else 'from the start'}",
        f"run      {folder}; open {folder / 'index.html'} to watch",
    ]


def _steps(model):
    stages = model.stages()
    told = (f"{s.steps:,} of {s.name}{f' ({s.own})' if s.own else ''}" for s in stages)
    parts = " + ".join(told) if len(stages) > 1 or stages[0].own else ""
    return f"{model.recipe.steps:,}{f' ({parts})' if parts else ''}"
