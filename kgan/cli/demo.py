"""`tools/demo`: from nothing to a page with translated faces, in a few minutes on a laptop.

Trains a small translator on the embedded faces, translates held-out ones, measures it. Run again,
it goes on where it stopped or says that it is done.
"""

import pathlib
import sys

from kgan.cli.flags import Flags
from kgan.core import registry
from kgan.core.devices import quiet
from kgan.core.process import tool
from kgan.core.recipe import Machine

MODEL = "vgg_star_ms_cyclegan_small"
FACES = "avatars:Eyeglasses?n=1000&test=200"  # drawn at first, which takes its time as well
ABOUT = """Train a translator that puts glasses on drawn faces and takes them off, translate
held-out faces and show a page with the pictures. No download, a few minutes on two cores."""


@tool
def main(arguments):
    flags = Flags("demo", ABOUT, "tools/demo")
    flags.add("out", "runs/demo", "folder of the run")
    flags.add("steps", 250, "training steps", low=1)
    flags.add("precision", "auto", "see tools/train --help",
              choices=("auto", "float32", "mixed_bfloat16"))
    flags.parse(arguments)
    quiet()

    from kgan.evaluation.evaluate import keep, measured
    from kgan.training.run import RunOptions, train

    recipe = registry.recipe(MODEL).replace(data=FACES, steps=flags.steps)
    options = RunOptions(out=flags.out, sample_every=100)
    result = train(MODEL, recipe, Machine(precision=flags.precision), options)
    if result["status"] != "done":
        return result
    run = pathlib.Path(flags.out)
    print("translating held-out faces …", file=sys.stderr)
    figures, pictures = measured(flags.out, n=200, seeds=0)
    page = (run / "index.html").resolve()
    print(
        f"\nglasses put on {figures['edit_accuracy_a2b']:.1%}, taken off "
        f"{figures['edit_accuracy_b2a']:.1%} of held-out faces; "
        f"{figures['counterfactual_psnr']:.1f} dB to the true faces "
        f"(doing nothing: {figures['identity_counterfactual_psnr']:.1f} dB)\n"
        f"the pictures: {page}", file=sys.stderr,
    )
    return ({**result, "page": str(page), "evaluation": figures},
            lambda: keep(figures, pictures, run / "evaluation"))
