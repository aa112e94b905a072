"""How many codes descent finds again from the pictures that a generator made of them.

Lipton, Tripathi 2017 (arXiv 1702.04782), section 4: all of a DCGAN's, under stochastic clipping. A
code is found when the mean squared difference to the true one is below a threshold.
"""

from kgan.core.batches import in_parts
from kgan.core.errors import UsageError
from kgan.core.lazy import np
from kgan.editing.inversion import invert, recovered

METHODS = ("none", "standard", "stochastic")
THRESHOLDS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
RATE = 1.0
BATCH = 64


def measure_recovery(model, count, steps, *, rate=RATE, seed=1):
    """Inverts generated pictures by each method.

    Args:
        model: a `kgan.models.latent.LatentGAN` without labels.
        count: pictures.
        steps: of descent.
        rate: the authors' is 1.
        seed: of codes and descent.

    Returns:
        `{method: {"below_<threshold>": share of codes found, "code_mse": mean squared error of
        codes, "mse": of pictures, values in [-1, 1]}}`, with `"pictures"` and `"steps"`. Pictures
        that agree where codes do not were made of several codes. Of a generator that
        normalises its codes, which tells nothing of their length, at length sqrt(latent).

    Raises:
        UsageError: the generator needs labels.
    """
    if model.conditions:
        raise UsageError(f"{model.name_in_zoo} needs labels beside codes: --recover is for "
                         "generators without.")
    codes = np.asarray(model.codes(count, seed))
    pictures = in_parts(model.generate, codes, BATCH)
    found = {"pictures": count, "steps": steps}
    for method in METHODS:
        result = invert(
            lambda z: model.generate(z), pictures, latent=model.latent, prior=model.prior,
            method=method, steps=steps, rate=rate, seed=seed + 1,
        )
        pair = [result.codes, codes]
        if model.normalises:
            pair = [z / np.sqrt(np.mean(z**2, axis=1, keepdims=True)) for z in pair]
        shares = {f"below_{t:g}": recovered(*pair, t) for t in THRESHOLDS}
        found[method] = {
            **shares, "code_mse": float(np.mean((pair[0] - pair[1]) ** 2)),
            "mse": float(result.errors.mean()),
        }
    return found
