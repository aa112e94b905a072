"""How near generated pictures are to real ones as a set, and how varied.

Distances carry the name of the features that they are taken in; set them beside each other, never
beside a published FID. Half of the real pictures against the other half give what a generator that
made nothing but real pictures would get, with as few pictures.
"""

import numpy as np

from kgan.data import open_data
from kgan.metrics.classifier import domain_classifier
from kgan.metrics.distribution import feature_name, frechet, kid, reference_features
from kgan.metrics.diversity import attribute_shares, diversity


def measure_samples(real, made, *, reference, seed=0):
    """Measures generated pictures.

    Args:
        real: held-out pictures, uint8 [n, h, w, 3].
        made: generated ones, uint8 [m, h, w, 3].
        reference: a network of `kgan.references` whose features are compared.
        seed: of draws.

    Returns:
        `frechet_<feature_name>`, `kid_<feature_name>` (also with `_std`), the Frechet distance of
        two halves of the real pictures, `real_frechet_<feature_name>`, and that of `made` thinned
        to such a half, `half_frechet_<feature_name>`, to compare it with; and what
        `kgan.metrics.diversity.diversity` returns.
    """
    features = [reference_features(pictures, reference) for pictures in (real, made)]
    name = feature_name(reference)
    figures = {f"frechet_{name}": frechet(*features)}
    figures[f"kid_{name}"], figures[f"kid_{name}_std"] = kid(*features, seed=seed)
    rows = np.random.default_rng(seed).permutation(len(real))
    first, second = features[0][rows[: len(rows) // 2]], features[0][rows[len(rows) // 2 :]]
    figures[f"real_frechet_{name}"] = frechet(first, second)
    figures[f"half_frechet_{name}"] = frechet(first, features[1][: len(second)])
    return {**figures, **diversity(real, made, features=tuple(features), seed=seed)}


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
