"""The usual measures of models, which name those that are theirs (`GAN.measures`).

Each is a function of (model, `Data`, `Options`) that gives `{figure: number}` and
`{title: {what: pictures}}`, and stands beside what knows nothing: doing nothing, guesses, real
pictures themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from kgan.core.batches import in_parts
from kgan.core.errors import UsageError, UserError
from kgan.core.lazy import np
from kgan.core.progress import say
from kgan.metrics.figures import gather

SEGMENTER_STEPS = 1000
EMBEDDED = "vgg_star_small.avatars"  # whose features KID compares


@dataclass(frozen=True)
class Options:
    """How a model is measured.

    Attributes:
        n: held-out pictures of each domain; 0 = all.
        seeds: classifiers of each two-sample test; 0 leaves it out.
        reference: the network of `kgan.models.reference` in whose features sets are compared.
        inception: also the Frechet distance in Keras' InceptionV3.
        palette: the colours of maps of labels, a name of `kgan.data.palettes.KNOWN`, whose void
            classes then count for nothing; empty = as they are found, ids all count.
        segmenter_steps: of the training of what segments photographs.
        recover: (pictures, steps): how many of its own a generator's codes are found of again.
        projections: (pictures, steps): how many are projected onto a generator by each way.
        seed: of the codes of projections and of their descent.
        skipped: takes the figures that cannot be had, and why.
        usual: `{name: Measure}` that a model may name.
    """

    n: int = 0
    seeds: int = 3
    reference: str = EMBEDDED
    inception: bool = False
    recover: tuple = (0, 0)
    projections: tuple = (0, 0)
    palette: str = ""
    segmenter_steps: int = SEGMENTER_STEPS
    seed: int = 1
    skipped: dict = field(default_factory=dict)
    usual: dict = field(default_factory=lambda: USUAL)

    def some(self, pictures):
        """The first `n` of pictures."""
        return pictures[np.arange(min(self.n or len(pictures), len(pictures)))]


@dataclass(frozen=True)
class Measure:
    """A measure that models name.

    Attributes:
        find: function of (model, data, options) -> (figures, pictures).
        heeds: the names of options that not every measure heeds and this one does.
        at_size: whether it looks at training pictures at the size of the test's.
    """

    find: Callable
    heeds: tuple = ()
    at_size: bool = False


def labels(model, data, options):
    """Figures of a classifier; no pictures."""
    import tensorflow as tf

    from kgan.evaluation.generation import check_labels
    from kgan.metrics.classification import measure_labels

    check_labels(model, data)
    classify = tf.function(model.classify, reduce_retracing=True)
    figures = measure_labels(lambda x: classify(x).numpy(), data, options.n or None)
    return {"n": len(options.some(data.test["a"])), **figures}, {}


def samples(model, data, options):
    """Figures of a generator, and pictures that it made."""
    from kgan.evaluation import generation

    real, reference, skipped = options.some(data.test["a"]), options.reference, options.skipped
    made = generation.samples(model, data, len(real))
    figures = generation.measure_samples(real, made, reference=reference, skipped=skipped)
    if options.inception:
        figures |= _keras_fid({"keras_fid": (real, made)}, skipped)
    if data.spec.startswith("avatars:") and data.labels:
        figures["shares"] = generation.avatar_shares(real, made, data.label_names)
    if options.recover[0]:
        from kgan.evaluation.recovery import measure_recovery

        figures["recovery"] = measure_recovery(model, *options.recover)
    shown = {str(i + 1): made[8 * i : 8 * i + 8] for i in range(min(5, -(-len(made) // 8)))}
    pictures = {"real": {"pictures": real}, "made": shown}
    if "reconstructions" not in model.measures:  # which has done it
        _projections(model, real, options, figures, pictures)
    return {"n": len(real), "reference": reference, **figures}, pictures


def _projections(model, real, options, figures, pictures):
    """Adds what `--projections` asks for."""
    count, steps = options.projections
    if count:
        from kgan.evaluation.projections import measure_projections, table

        found, shown = measure_projections(model, real[:count], steps, options.reference,
                                           options.seed)
        figures["projections"] = found
        pictures.update(shown)
        for line in table(found):
            say(line)


def reconstructions(model, data, options):
    """Figures of an encoder beside those of guesses, and what it makes of pictures."""
    from kgan.metrics.reconstruction import baselines

    real = options.some(data.test["a"])
    figures, made = reconstructed(model, real, options.skipped)
    figures |= baselines(real, data.train["a"], skipped=options.skipped)
    pictures = {"reconstruct": {"input": real, "output": made}}
    edits = _latent_edits(model, data, options.n)
    if edits:
        figures["edits"] = edits
        shown = list(model.attributes)[:5]
        pictures["add"] = {name: _edited(model, real[:8], name) for name in shown}
    _projections(model, real, options, figures, pictures)
    return {"n": len(real), **figures}, pictures


def _latent_edits(model, data, n):
    """Figures of edits along the directions that come with an encoder; `{}` where nobody knows
    what they should be."""
    from kgan.core.pixels import array_to_uint8
    from kgan.evaluation.avatar_edits import measure_avatar_edits
    from kgan.evaluation.label_edits import measure_label_edits

    def decode(codes):
        return array_to_uint8(in_parts(model.decode, codes, 64))

    if model.attributes and data.spec.startswith("avatars:"):
        return measure_avatar_edits(
            model.encode_all, decode, model.attributes, size=model.recipe.size, n=n or None
        )
    if model.attributes and data.labels and not data.exclusive:
        return measure_label_edits(model.encode_all, decode, model.attributes, data, n or None)
    return {}


def _edited(model, pictures, name):
    """Pictures with an attribute, as much of it as those that have it."""
    from kgan.editing.directions import safe_range

    _, middle, _ = safe_range(model.attributes[name], model.encode_all(pictures))
    return model.edit(pictures, [(name, middle)]).numpy()


def reconstructed(model, real, skipped=None):
    """Figures of an encoder, see `kgan.metrics.reconstruction`, and its reconstructions.

    Args:
        model: a `kgan.models.encoding.Encodes`.
        real: uint8 [n, size, size, 3]; as many codes are drawn from the prior, if there is one.
        skipped: see `kgan.metrics.figures.gather`.
    """
    import tensorflow as tf

    from kgan.metrics.reconstruction import code_error, reconstruct, similarity

    encode, decode = (tf.function(f, reduce_retracing=True, autograph=False)
                      for f in (model.encode, model.decode))
    made = reconstruct(encode, decode, real)
    figures = similarity(real, made, skipped)
    if model.prior:
        codes = model.codes(len(real), seed=1).numpy()
        figures["code_error"] = code_error(encode, decode, codes)
    return figures, made


def edits(model, data, options):
    """Figures of a translator between two sets, also against pairs where there are; its pictures.
    """
    from kgan.evaluation.edits import (
        DIRECTIONS,
        also_changed,
        measure_distribution,
        measure_edits,
    )
    from kgan.evaluation.judge import domain_classifier

    translate, directions = _between(model, data)
    classifier, skipped = domain_classifier(data), options.skipped
    figures, pictures = measure_edits(
        translate, data, classifier, options.n or None, directions, skipped
    )
    if classifier.rough:
        figures["rough"] = classifier.rough
    if data.paired:
        figures |= beside_pairs(pictures, data, skipped)
    figures |= also_changed(pictures, data)
    if options.inception:
        figures |= _keras_fid({
            f"keras_fid_{direction}": (_all(data.test[DIRECTIONS[direction][1]]), seen["output"])
            for direction, seen in pictures.items()
        }, skipped)
    if options.seeds:
        figures["reference"] = options.reference
        for prefix, which in (("", "output"), ("identity_", "input")):
            figures |= measure_distribution(
                pictures, data, which, seeds=options.seeds, prefix=prefix,
                reference=options.reference, skipped=skipped,
            )
    count = sum(len(seen["input"]) for seen in pictures.values())
    return {"n": count, "classifier_accuracy": classifier.accuracy, **figures}, pictures


def beside_pairs(kept, data, skipped=None):
    """Figures of results beside the pictures of the other domain that their inputs belong to.

    Args:
        kept: `{direction: {"input", "output"}}`, the first held-out pictures in their order.
        data: a `kgan.data.Data` whose domains are paired.
        skipped: see `kgan.metrics.figures.gather`.

    Returns:
        `pair_psnr_<direction>` and so on, see `kgan.evaluation.pairs.measure_pairs`, and those of
        the inputs with `identity_` in front.
    """
    from kgan.evaluation.edits import DIRECTIONS
    from kgan.evaluation.pairs import against

    figures = {}
    for prefix, which in (("pair_", "output"), ("identity_pair_", "input")):
        for direction, seen in kept.items():
            made, target = seen[which], data.test[DIRECTIONS[direction][1]]
            truth = target[np.arange(len(made))]
            figures |= against(made, truth, direction, prefix, skipped)
    return figures


def pairs(model, data, options):
    """Figures of a translator against the pictures that pairs hold, also as a set; its pictures."""
    from kgan.evaluation.generation import set_distances
    from kgan.evaluation.pairs import measure_pairs

    figures, pictures = measure_pairs(model, data, options.n or None, options.skipped)
    for direction, seen in pictures.items():
        figures |= set_distances(seen["truth"], seen["output"], reference=options.reference,
                                 end=f"_{direction}", skipped=options.skipped)
    if options.inception:
        figures |= _keras_fid({f"keras_fid_{direction}": (seen["truth"], seen["output"])
                               for direction, seen in pictures.items()}, options.skipped)
    count = sum(len(seen["truth"]) for seen in pictures.values())
    return {"n": count, "reference": options.reference, **figures}, pictures


def segmentation(model, data, options):
    """Whether a translator of pairs keeps to the classes of maps of labels, and its pictures."""
    from kgan.evaluation.segmentation import measure_segmentation

    pictures = {}

    def find():
        figures, seen = measure_segmentation(
            model, data, options.n or None, palette=options.palette,
            steps=options.segmenter_steps,
        )
        pictures.update(seen)
        return figures

    return gather({"segmentation": find}, options.skipped), pictures


def super_resolution(model, data, options):
    """Figures of a model that enlarges pictures, and its pictures."""
    from kgan.evaluation.super_resolution import measure_super_resolution

    return measure_super_resolution(model, data, options.n or None, options.skipped)


def prediction(model, data, options):
    """Figures of a model that predicts frames, and its frames."""
    from kgan.evaluation.prediction import measure_prediction

    return measure_prediction(model, data, options.n or None)


def style(model, data, options):
    """How near to its style a model brings pictures and how much of their content it keeps."""
    from kgan.evaluation.style import measure_style

    return measure_style(model, data, options.n or None)


def readout(model, data, options):
    """What can be read from the state of a model of clips; no pictures."""
    from kgan.evaluation.readout import measure_readout

    return measure_readout(model, data, options.n or None, options.skipped), {}


def _between(model, data):
    """`translator` of a model that is ready for the two domains of a data set."""
    from kgan.data import attribute

    if "b" not in data.test:
        raise UserError(f"{data.spec} has one domain; measuring edits needs two: --data "
                        "avatars:Smiling, folder:PATH, celeba:PATH?attribute=Smiling.")
    if not model.trains:
        model.prepare(data)
    return translator(model, attribute(data.spec))


def _keras_fid(sets, skipped):
    """Frechet distances in Keras' Inception of `{name: (real, made)}`."""
    from kgan.evaluation import features

    return gather({
        name: lambda name=name, sets=sets: {name: features.keras_fid(*sets[name])}
        for name in sets
    }, skipped)


def _all(pictures):
    return pictures[np.arange(len(pictures))]


def translator(model, label=""):
    """`translate(uint8 pictures, direction)` between two domains, and the directions it has.

    Args:
        model: a translator.
        label: of models of many labels: what the pictures of domain b have and those of a have not.
    """
    import tensorflow as tf

    from kgan.evaluation.edits import DIRECTIONS

    if model.labels_edited and not label:
        raise UsageError(f"{model.name_in_zoo} edits many labels: measure one with --data "
                         "avatars:NAME or celeba:PATH?attribute=NAME.")
    ways = DIRECTIONS if model.labels_edited else model.directions
    names = {way: model.direction_for(label, way) for way in ways}
    if not model.graph:
        return lambda pictures, d: np.asarray(model.translate(pictures, names[d])), tuple(names)
    functions = {
        d: tf.function(
            lambda x, name=name: model.translate(x, name), reduce_retracing=True, autograph=False
        )
        for d, name in names.items()
    }
    return lambda pictures, d: functions[d](tf.constant(pictures)).numpy(), tuple(names)


USUAL = {
    "edits": Measure(edits, heeds=("inception",)),
    "pairs": Measure(pairs, heeds=("inception",)),
    "samples": Measure(samples, heeds=("inception", "recover", "projections")),
    "reconstructions": Measure(reconstructions, heeds=("projections",), at_size=True),
    "labels": Measure(labels),
    "segmentation": Measure(segmentation, heeds=("segmenter",)),
    "super_resolution": Measure(super_resolution),
    "prediction": Measure(prediction),
    "style": Measure(style),
    "readout": Measure(readout, at_size=True),
}
