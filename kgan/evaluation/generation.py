"""How near generated pictures are to real ones as a set, and how varied.

Distances carry the name of the features that they are taken in; set them beside each other, never
beside a published FID. Half of the real pictures against the other half give what a generator that
made nothing but real pictures would get, with as few pictures.
"""

import functools

import numpy as np

from kgan.core.errors import UserError
from kgan.data import open_data
from kgan.evaluation.features import feature_name, reference_features
from kgan.evaluation.judge import domain_classifier
from kgan.metrics.distribution import frechet, kid
from kgan.metrics.diversity import attribute_shares, diversity, precision_recall
from kgan.metrics.figures import gather


def measure_samples(real, made, *, reference, seed=0, skipped=None):
    """Measures generated pictures.

    Args:
        real: held-out pictures, uint8 [n, h, w, 3].
        made: generated ones, uint8 [m, h, w, 3].
        reference: a network of `kgan.models.reference` whose features are compared.
        seed: of draws.
        skipped: see `kgan.metrics.figures.gather`.

    Returns:
        What `set_distances`, `kgan.metrics.diversity.diversity` and `precision_recall` return.
    """
    features = _features(real, made, reference)
    return {**set_distances(real, made, reference=reference, seed=seed, skipped=skipped,
                            features=features), **gather({
        "diversity": lambda: diversity(real, made, seed=seed),
        "precision_recall": lambda: precision_recall(*features()),
    }, skipped)}


def set_distances(real, made, *, reference, seed=0, skipped=None, end="", features=None):
    """Distances of made pictures from real ones as sets.

    Args:
        real, made, reference, seed, skipped: see `measure_samples`.
        end: with which the names of the figures end.
        features: what gives those of both sets, if they are needed elsewhere, too.

    Returns:
        `frechet_<feature_name>`, `kid_<feature_name>` (also with `_std`), the Frechet distance of
        two halves of the real pictures, `real_frechet_<feature_name>`, and that of `made` thinned
        to such a half, `half_frechet_<feature_name>`, to compare it with.
    """
    features, name = features or _features(real, made, reference), feature_name(reference) + end

    def whole():
        return {f"frechet_{name}": frechet(*features())}

    def kernel():
        return dict(zip((f"kid_{name}", f"kid_{name}_std"), kid(*features(), seed=seed),
                        strict=True))

    def halves():
        rows = np.random.default_rng(seed).permutation(len(real))
        first, second = (features()[0][half] for half in np.split(rows, [len(rows) // 2]))
        return {f"real_frechet_{name}": frechet(first, second),
                f"half_frechet_{name}": frechet(first, features()[1][: len(second)])}

    return gather({f"frechet_{name}": whole, f"kid_{name}": kernel,
                   f"real_frechet_{name}": halves}, skipped)


def _features(real, made, reference):
    return functools.cache(lambda: [reference_features(x, reference) for x in (real, made)])


def samples(model, data, count, seed=1):
    """Pictures that a generator makes, by the labels of held-out pictures if it needs labels.

    Args:
        model: a `kgan.models.latent.LatentGAN`.
        data: the `kgan.data.Data` whose first `count` held-out pictures they are compared with.
        count: how many; beyond those of the data their labels are taken again.
        seed: of codes.

    Returns:
        uint8 [count, size, size, 3].

    Raises:
        UserError: the data have other labels than the model.
    """
    labels = None
    if model.conditions:
        check_labels(model, data)
        rows = np.arange(min(count, len(data.test["a"])))
        labels = 2.0 * np.asarray(data.labels_of("test", rows), np.float32) - 1.0
    return model.sample(count, seed, labels)


def check_labels(model, data):
    """Raises `UserError` if held-out pictures have not the labels that a model was trained on."""
    if not data.labels or ",".join(data.label_names) != model.recipe.labels:
        raise UserError(f"{data.spec} has not the labels that {model.name_in_zoo} knows: "
                        f"{model.recipe.labels}. It was trained on --data {model.recipe.data}.")


def avatar_shares(real, made, names):
    """How often attributes of the embedded faces are found in real and in generated ones.

    Args:
        real, made: uint8 [n, h, w, 3] and [m, h, w, 3].
        names: attributes, each judged by a classifier that was trained on real faces alone.

    Returns:
        `attributes`: `names`, and what `kgan.metrics.diversity.attribute_shares` returns.
    """
    judges = [domain_classifier(open_data(f"avatars:{name}", size=real.shape[1])) for name in names]
    found = (np.stack([judge.probability(x) for judge in judges], axis=1) for x in (real, made))
    return {"attributes": list(names), **attribute_shares(*found)}
