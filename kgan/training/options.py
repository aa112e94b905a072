"""How a run reports and saves, and where."""

import pathlib
import re
from dataclasses import dataclass

from kgan.core.recipe import Knobs, knob


@dataclass(frozen=True)
class RunOptions(Knobs):
    """How a run reports and saves. Not part of a recipe: none of it changes the result."""

    out: str = knob("", "folder of the run; empty = runs/MODEL-DATA-SIZE", group="run")
    bad_images: str = knob("skip", "broken pictures: leave them out, or fail",
                           choices=("skip", "fail"), group="data")
    log_every: int = knob(25, "steps between lines of progress", low=1, group="run")
    sample_every: int = knob(250, "steps between sample grids", low=1, group="run")
    save_minutes: float = knob(5.0, "minutes between checkpoints", low=0, group="run")
    keep: int = knob(3, "checkpoints that are kept", low=1, group="run")
    resume_from: int = knob(0, "step of an earlier checkpoint to go on from; later ones are "
                            "replaced at the next saving; 0 = the newest", low=0, group="run")
    export: bool = knob(True, "write a SavedModel at the end", group="run")
    check_export: bool = knob(True, "run it in a fresh process and compare it before it is kept",
                              group="run")


def default_folder(name, recipe):
    """`runs/cyclegan-avatars-Eyeglasses-64` and the like."""
    source, _, options = recipe.data.partition("?")
    words = re.findall(r"[\w.=-]+", source)
    words = [*words[:1], *words[1:][-1:], *re.findall(r"[\w.=-]+", options)]
    return pathlib.Path("runs") / "-".join([name, *words, str(recipe.size)])
