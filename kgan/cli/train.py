"""`tools/train`: trains a model of the zoo in a folder that can be left and taken up again."""

from kgan.cli.flags import Flags, scan
from kgan.core import registry
from kgan.core.devices import quiet
from kgan.core.process import tool
from kgan.core.recipe import Machine, differences, read_recipe
from kgan.models.stages import laid_out
from kgan.training.run import RunOptions, default_folder, train

ABOUT = """Train a model of the zoo. The same command goes on where it stopped, also after a crash.
Which flags there are depends on --model; tools/zoo list names the models."""


@tool
def main(arguments):
    name, recipe = _chosen(arguments)
    flags = Flags("train", ABOUT, "tools/train --model cyclegan_small --data folder:pictures")
    flags.add("model", name, "what to train")
    flags.add("recipe", None, "a recipe.json to start from; flags override it")
    flags.add("dry_run", False, "print the plan and write nothing")
    flags.add_knobs(recipe)
    flags.add_knobs(RunOptions())
    flags.add_knobs(Machine())
    flags.parse(arguments)
    recipe, options, machine = flags.read(recipe), flags.read(RunOptions()), flags.read(Machine())
    if flags.dry_run:
        changed = differences(registry.recipe(name), recipe)
        return {
            "status": "done", "dry_run": True, "model": name, "recipe": recipe.as_dict(),
            "changed": {field: new for field, (_, new) in changed.items()},
            "stages": [
                {"name": part.stage.name, "steps": part.stage.steps, "batch": part.batch,
                 "rate": part.rate, "size": part.size}
                for part in laid_out(registry.entry(name).model.stages_of(recipe), recipe)
            ],
            "run": options.out or str(default_folder(name, recipe)), **machine.as_dict(),
        }
    quiet()
    return train(name, recipe, machine, options)


def _chosen(arguments):
    """The model and the recipe whose flags the call has."""
    path, name = scan(arguments, "recipe"), scan(arguments, "model")
    values = {}
    if path:
        recorded, values = read_recipe(path)
        name = name or recorded
    entry = registry.entry(name or "cyclegan_small")
    return entry.name, entry.recipe.replace(**values)
