"""How well a translator edits: does the edit happen, is the rest left alone, is it the true edit.

Each figure stands beside the same figure for doing nothing (`identity_` in front), without which it
says little: an edit that changes few pixels has a high PSNR before anything is done. Whether the
results look real as a set is measured apart (`measure_distribution`).
"""

import functools

import numpy as np

from kgan.core.batches import in_parts
from kgan.data import labelled, open_data, told_apart_by
from kgan.evaluation.features import feature_name, reference_features
from kgan.evaluation.judge import label_judge
from kgan.metrics import pictures as distance
from kgan.metrics.c2st import c2st
from kgan.metrics.distribution import frechet, kid
from kgan.metrics.figures import gather, rough
from kgan.metrics.latent_editing import attribute_moves, most_flipped
from kgan.models.translation import DIRECTIONS


def measure_edits(translate, data, classifier, n=None, directions=DIRECTIONS, skipped=None):
    """Measures a translator between the domains of a data set on held-out pictures.

    Args:
        translate: `translate(uint8 [n, h, w, 3], direction)` -> uint8 of the same shape.
        data: a `kgan.data.Data` with domains a and b.
        classifier: `kgan.evaluation.judge.DomainClassifier` of the same data.
        n: how many held-out pictures of each domain; None = all.
        directions: those of `DIRECTIONS` that the translator has.
        skipped: see `kgan.metrics.figures.gather`.

    Returns:
        (figures, pictures). Figures, each also with `identity_` in front:
        `edit_accuracy_<direction>`: share of pictures that the classifier puts in the target
        domain; `log_loss_<direction>`: mean of its -log p(target domain), nats, lower is better;
        both also with `real_` in front, of the real pictures of the target domain; and where the
        data set knows the truth, `preservation_l1_<direction>`: mean absolute change, in levels of
        255, outside the pixels that the true edit changes, and `preservation_l1`, its
        mean over the directions; in the direction in which the true picture is unique, if the
        translator has it, `counterfactual_psnr` and `counterfactual_ssim` to the true picture, and
        `region_l1`: mean absolute difference to it, in levels, inside the pixels that the true edit
        changes (a ghost of what was removed shows here).
        Pictures: `{direction: {"input", "output", "truth"}}`.
    """
    figures, kept = {}, {}
    for direction in directions:
        domain, _ = DIRECTIONS[direction]
        count = len(data.test[domain])
        held = data.test[domain][np.arange(min(n or count, count))]
        output = in_parts(lambda x, direction=direction: translate(x, direction), held, 50)
        kept[direction] = {"input": held, "output": output}
        if data.truth:
            kept[direction]["truth"] = data.truth[domain][np.arange(len(held))]
    for prefix, which in (("", "output"), ("identity_", "input")):
        for direction, seen in kept.items():
            figures |= judged(seen[which], classifier, direction, prefix)
        if data.truth:
            figures |= _against_truth(kept, which, prefix, data.deterministic, skipped)
    for direction in kept:
        target = data.test[DIRECTIONS[direction][1]]
        real = target[np.arange(min(n or len(target), len(target)))]
        figures |= judged(real, classifier, direction, "real_")
    return figures, kept


def judged(pictures, classifier, direction, prefix=""):
    """`edit_accuracy_<direction>` and `log_loss_<direction>` of pictures, as `measure_edits` has
    them."""
    _, target = DIRECTIONS[direction]
    hit = classifier.is_b(pictures) == (target == "b")
    return {f"{prefix}edit_accuracy_{direction}": float(np.mean(hit)),
            f"{prefix}log_loss_{direction}": classifier.log_loss(pictures, target)}


def also_changed(kept, data):
    """`measure_flips` of pictures whose source knows more attributes than the edited, else `{}`.

    `flips_judge` is the balanced accuracy of the judge on real pictures, mean over all attributes;
    `rough_flips` says which of those that are named it knows too badly.
    """
    spec = labelled(data.spec)
    if not spec:
        return {}
    judge = label_judge(open_data(spec, size=data.test["a"].shape[1], seed=data.seed))
    figures = measure_flips(kept, judge, told_apart_by(data.spec))
    figures["flips_judge"] = float(np.mean(list(judge.accuracy.values())))
    named = {name for key, found in figures.items() if key.startswith("most_") for name in found}
    if said := rough({name: judge.accuracy[name] for name in sorted(named)}):
        figures["rough_flips"] = said
    return figures


def measure_flips(kept, judge, edited):
    """Which attributes change beside those that are edited, where no true edit is known.

    Args:
        kept: the pictures that `measure_edits` returned.
        judge: a `kgan.evaluation.judge.LabelJudge`.
        edited: the attributes that tell the domains apart: one that B has and A has not, or that
            of A and that of B.

    Returns:
        Of each direction: `flips_<direction>`: share of pictures whose other attributes cross
        0.5, mean over these; `most_flipped_<direction>`: `{name: share}` of the five that do so
        most; `change_l1_<direction>`: mean absolute change of the pictures, in levels of 255.
    """
    figures = {}
    for direction, seen in kept.items():
        _, target = DIRECTIONS[direction]
        goal = edited[-1] if target == "b" else edited[0]
        names = [name for name in judge.names if name == goal or name not in edited]
        columns = [judge.names.index(name) for name in names]
        before, after = (judge.probabilities(seen[which])[:, columns]
                         for which in ("input", "output"))
        flips = attribute_moves(before, after, names, goal)
        figures |= {f"flips_{direction}": flips["mean_flips"],
                    f"most_flipped_{direction}": most_flipped(flips),
                    f"change_l1_{direction}": distance.l1(seen["output"], seen["input"])}
    return figures


def _against_truth(kept, which, prefix, deterministic, skipped):
    figures = {}
    for direction, seen in kept.items():
        same = (seen["input"] == seen["truth"]).all(axis=-1)
        figures[f"{prefix}preservation_l1_{direction}"] = distance.l1(
            seen[which], seen["input"], where=same
        )
    figures[f"{prefix}preservation_l1"] = float(np.mean(list(figures.values())))
    if deterministic in kept:
        seen = kept[deterministic]
        made, truth = seen[which], seen["truth"]
        edited = (seen["input"] != truth).any(axis=-1)
        figures[f"{prefix}region_l1"] = distance.l1(made, truth, where=edited)
        figures[f"{prefix}counterfactual_psnr"] = distance.psnr(made, truth)
        ssim = f"{prefix}counterfactual_ssim"
        figures |= gather({ssim: lambda: {ssim: distance.ssim(made, truth)}}, skipped)
    return figures


def measure_distribution(
    kept, data, which="output", *, seeds=3, reference=None, prefix="", skipped=None
):
    """Measures whether translated pictures look like real ones of the target domain, as sets.

    Args:
        kept: the pictures that `measure_edits` returned.
        data: the same `kgan.data.Data`; its held-out pictures of the target domain are the real.
        which: `"output"`, or `"input"`: what doing nothing gives.
        seeds: classifiers of each two-sample test.
        reference: a network of `kgan.models.reference`, as "vgg_star_small.avatars"; None = no KID.
        prefix: of the names of all figures.
        skipped: see `kgan.metrics.figures.gather`.

    Returns:
        Figures of each direction: `c2st_log_loss_<direction>`, `c2st_accuracy_<direction>`, each
        also with `_std` at the end, see `kgan.metrics.c2st`; with a reference
        `frechet_<feature_name>_<direction>` and, also with `_std`,
        `kid_<feature_name>_<direction>`, see `kgan.metrics.distribution`.
    """
    measures = {}
    for direction, seen in kept.items():
        target = data.test[DIRECTIONS[direction][1]]
        sets = target[np.arange(len(target))], seen[which]
        measures |= _measures(*sets, direction, seeds, reference, prefix)
    return gather(measures, skipped)


def _measures(real, fake, direction, seeds, reference, prefix):
    """`{name: function -> figures}` of two sets of pictures."""
    @functools.cache
    def features():
        return [reference_features(p, reference) for p in (real, fake)]

    def told():
        found = c2st(real, fake, seeds=seeds)
        return {f"{prefix}c2st_{figure}_{direction}{end}": found[figure + end]
                for figure in ("log_loss", "accuracy") for end in ("", "_std")}

    def whole():
        return {frechet_named: frechet(*features())}

    def kernel():
        return dict(zip((kid_named, f"{kid_named}_std"), kid(*features()), strict=True))

    measures = {f"{prefix}c2st_{direction}": told}
    if reference:
        name = f"{feature_name(reference)}_{direction}"
        frechet_named, kid_named = f"{prefix}frechet_{name}", f"{prefix}kid_{name}"
        measures |= {frechet_named: whole, kid_named: kernel}
    return measures
