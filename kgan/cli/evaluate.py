"""`tools/evaluate`: measures a trained model on held-out pictures, beside what knows nothing."""

import dataclasses
import shlex

from kgan.cli.flags import Flags
from kgan.core.devices import quiet
from kgan.core.errors import UsageError
from kgan.core.process import tool
from kgan.data.palettes import KNOWN
from kgan.evaluation.evaluate import keep, measured
from kgan.evaluation.measures import EMBEDDED, SEGMENTER_STEPS
from kgan.evaluation.suite.compare import compare
from kgan.evaluation.suite.options import SuiteOptions

ALONE = ("model", "seed", "recover", "recover_steps", "projections", "projection_steps", "palette",
         "segmenter_steps")  # no suite's
ABOUT = """Measure a translator: edit accuracy both ways by a classifier (trained on first use,
kept), preservation, on avatars the distance to the true edit (each with its twin for doing nothing,
identity_...), and whether another classifier can tell the results from real pictures (C2ST). Of a
classifier: its accuracy. Of a generator: how near and how varied its pictures are. Of an encoder:
how alike its reconstructions are, how well codes survive. Of super-resolution: PSNR and SSIM of the
luma of whole pictures, beside bicubic interpolation's. With --suite: all models of a comparison,
trained first."""


@tool
def main(arguments):
    flags = Flags("evaluate", ABOUT, "tools/evaluate --model cyclegan.avatars_smiling_64")
    flags.add("model", "cyclegan", "a name of the zoo, or the folder of a run or of an export")
    flags.add("data", None, "the data to measure on; default: what the model was trained on")
    flags.add("n", 0, "held-out pictures of each domain; 0 = all", low=0)
    flags.add("seed", -1, "seed of generated data and of splits, -1 = the training's; and of "
              "the codes of --projections, -1 = 1", low=-1)
    flags.add("seeds", 3, "classifiers of each two-sample test; 0 leaves it out", low=0)
    flags.add("recover", 0, "of a generator: so many of its own pictures are inverted by each "
              "method of descent, and the share of codes found is reported", low=0)
    flags.add("recover_steps", 5000, "of that descent", low=1)
    flags.add("projections", 0, "of a generator or an encoder: so many real and as many generated "
              "pictures are projected by the encoder, by descent and by both, with errors and "
              "seconds; --reference is the network of the feature term", low=0)
    flags.add("projection_steps", 200, "of that descent, of L-BFGS at the most", low=1)
    flags.add("keras_fid", False, "of a translator or a generator, or a suite of these: also the "
              "Frechet distance in Keras' InceptionV3, whose weights Keras downloads")
    flags.add("reference", EMBEDDED, "network in whose features sets of pictures are compared (KID,"
              " Frechet distance, precision), also in a suite of generators: as --reference of "
              "tools/train")
    flags.add("palette", "", "of a translator of maps of labels: the colours of the classes and "
              "which of them count; empty = as found in pictures of labels, all ids count",
              choices=("", *KNOWN))
    flags.add("segmenter_steps", SEGMENTER_STEPS, "of the training of the network that segments "
              "photographs, once for each data set", low=1)
    flags.add("output", None, "folder for a grid of pictures and the figures")
    flags.add("bad_images", "skip", "broken pictures", choices=("skip", "fail"))
    flags.add_knobs(SuiteOptions())
    flags.parse(arguments)
    _check(flags)
    if flags.suite:
        return compare(
            flags.data or "", flags.output or f"runs/{flags.suite}", flags.read(SuiteOptions()),
            n=flags.n, seeds=flags.seeds, bad_images=flags.bad_images, keras_fid=flags.keras_fid,
            reference=flags.reference if flags.values["reference"].present else "",
            command=shlex.join(["tools/evaluate", *arguments]),
        )
    quiet()
    result, pictures = measured(
        flags.model, flags.data, n=flags.n, seed=flags.seed, seeds=flags.seeds,
        inception=flags.keras_fid, bad_images=flags.bad_images, reference=flags.reference,
        recover=(flags.recover, flags.recover_steps), palette=flags.palette,
        projections=(flags.projections, flags.projection_steps),
        segmenter_steps=flags.segmenter_steps,
    )
    return result, lambda: keep(result, pictures, flags.output)


def _check(flags):
    """Refuses flags that would be ignored: those of one model with --suite, and the reverse."""
    of_suites = [field.name for field in dataclasses.fields(SuiteOptions) if field.name != "suite"]
    for name in ALONE if flags.suite else of_suites:
        if flags.values[name].present:
            raise UsageError(f"--{name} is for one model, not for --suite." if flags.suite else
                             f"--{name} goes with --suite.")
    for name, needs in (("recover_steps", "recover"), ("projection_steps", "projections")):
        if flags.values[name].present and not flags.values[needs].value:
            raise UsageError(f"--{name} does nothing without --{needs}: say that, too, or leave it "
                             "out.")
