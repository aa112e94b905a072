"""The folder of a run: who may write there, what it was begun with, what it says of itself."""

import contextlib
import time

from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.core.paths import unwritable
from kgan.core.recipe import CALMER, differences, fixed_fields, leaves, read_recipe
from kgan.core.status import taken
from kgan.models import source


@contextlib.contextmanager
def writable(folder):
    """A full disk or one that takes no writes is the user's to mend, whoever met it."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # TensorFlow has its own for a full disk, with the system's words
        reason = unwritable(error)
        if reason is None:
            raise
        place = getattr(error, "filename", None) or folder
        raise UserError(f"The run in {folder} stopped, {place} cannot be written: {reason}. What "
                        "was saved is whole; the same command goes on from there.") from error


@contextlib.contextmanager
def locked(folder):
    """One process a run."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".lock").touch()
    except OSError as error:
        raise UserError(f"The run cannot be written to {folder}: {error.strerror}.") from None
    with open(folder / ".lock", "w") as file:
        if not (taken(file) or (time.sleep(0.1), taken(file))[1]):  # readers look for a moment
            raise UserError(f"{folder} is being trained by another process.")
        yield


def same_command(workers, name, recipe, machine):
    """Refuses workers that were told other things; folders may lie elsewhere on each.

    Raises:
        UsageError: a worker has another model, recipe, precision or XLA than the chief.
    """
    apart_from = ("data", *folders(recipe))
    told = {"model": name, **recipe.as_dict(), "precision": machine.precision, "xla": machine.xla}
    found = workers.exchange({k: v for k, v in told.items() if k not in apart_from})
    for number, its in enumerate(found):
        if other := [k for k in {**its, **found[0]} if its.get(k) != found[0].get(k)]:
            words = ", ".join(f"--{k} {its.get(k)}, not {found[0].get(k)}" for k in other)
            raise UsageError(f"Worker {number} at {workers.addresses[number]} was started with "
                             f"{words}: the command must be the same on every worker.")


def apart(folder, data):
    """Refuses a run inside the folder of its pictures: its sheets would become some of them."""
    from kgan.data import place as found

    place = found(data)
    if place is not None and folder.resolve().is_relative_to(place.resolve()):
        raise UsageError(f"The run {folder} would lie inside {place}, where --data reads, and its "
                         "sheets become pictures to train on: choose an --out elsewhere.")


def located(recipe):
    """A recipe whose folders are absolute paths, which mean the same from anywhere."""
    from kgan.data import resolved

    changes = {}
    for name, field, value in leaves(recipe):
        if name.rpartition(".")[2] == "data":
            changes[name] = resolved(value)
        elif field.metadata["source"]:
            changes[name] = source.located(value)
    return recipe.replace(**changes)


def folders(recipe):
    """The fields of a recipe that may name the folder of a model."""
    return [name for name, field, _ in leaves(recipe) if field.metadata["source"]]


def begun_with(folder, name, recipe):
    """How a run of `name` in `folder` was begun, with `recipe`'s data, size and seed.

    For a model that its user gave no recipe: the zoo's own may have been another then. If no such
    run was begun there, `recipe`.
    """
    path = folder / "recipe.json"
    known = read_recipe(path) if path.exists() and any(folder.glob("checkpoints/step_*")) else None
    if known is None or known[0] != name:
        return recipe
    return recipe.replace(**{
        field: value for field, value in known[1].items() if field not in ("data", "size", "seed")
    })


def agree(folder, name, recipe):
    """Refuses to go on with another recipe than that of the folder's checkpoints.

    Returns:
        (what that recipe says of the fields that the data decide, None if there are no
        checkpoints; `{field: [old, new]}` of what changes).
    """
    path = folder / "recipe.json"
    if not path.exists() or not any(folder.glob("checkpoints/step_*")):
        return None, {}
    old_name, values = read_recipe(path)
    if old_name != name:
        raise UsageError(f"{folder} is a run of {old_name}, not of {name}: choose another --out.")
    begun = registry.recipe(name).replace(**values)
    changed = {field: list(pair) for field, pair in differences(located(begun), recipe).items()
               if field.partition(".")[0] not in recipe.from_data}
    fixed = [
        (field, *pair) for field, pair in changed.items()
        if field in fixed_fields(recipe) and not (field in CALMER and CALMER[field](*pair))
    ]
    if fixed:
        words = ", ".join(f"--{field} {old}, not {new}" for field, old, new in fixed)
        raise UsageError(f"{folder} was begun with {words}: go on with the same recipe "
                         f"(--recipe {path}) or choose another --out.")
    known = {recipe.today(field) for field in values}
    return {f: getattr(begun, f) for f in recipe.from_data if f in known}, changed
