"""The options of a suite."""

from dataclasses import dataclass

from kgan.core.recipe import Knobs, knob
from kgan.evaluation.suite.definitions import SUITES


@dataclass(frozen=True)
class SuiteOptions(Knobs):
    """How a suite is done."""

    suite: str = knob("", f"train and measure all models of a comparison: {', '.join(SUITES)}; "
                      "--data may then name several sets [those of the suite], --output is "
                      "[runs/NAME]", group="run")
    size: str = knob("small", "suite: recipes of its models: the small ones, those of the papers' "
                     "size, which want a GPU (paper), or the small ones with pictures of a side, "
                     "as 128", group="run")
    dry_run: bool = knob(False, "suite: list what is to be done and what it takes, and do nothing",
                         group="run")
    minutes: float = knob(3.0, "suite: training time of each model on each data set", low=0,
                          group="run")
    training_seeds: int = knob(2, "suite: trainings of the models that matter most; others have 1",
                               low=1, group="run")
    n_dfi: int = knob(100, "suite: pictures for models that are not trained, which are slow",
                      low=1, group="run")
    n_svm: int = knob(10_000, "suite: labelled training pictures of a linear classifier of "
                      "features, or clips that a readout learns from; 0 = all", low=0, group="run")
    generator: str = knob("", "suite: what all encoders invert, a name of the zoo or a run; empty "
                          "= each one's own", group="run")
    style: str = knob("mosaic", "suite: of models of a style, which: a picture, or a pattern",
                      group="run")
    direction: str = knob("a2b", "suite: of pairs, what is learnt", choices=("a2b", "b2a"),
                          group="run")
    trained: str = knob("", "suite: folders of other suites of as many minutes, joined by commas: "
                        "models that were trained there alike are taken from them", group="run")
    only: str = knob("", "suite: names of the models to do now, joined by commas; several calls "
                     "may do models of one suite at the same time", group="run")
    precision: str = knob("float32", "suite: arithmetic of the trainings", group="run",
                          choices=("float32", "mixed_bfloat16", "mixed_float16"))
