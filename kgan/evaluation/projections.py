"""Ways of bringing pictures onto a generator's manifold, side by side.

Zhu et al. 2016 (iGAN), section 3.1: by an encoder (`network`), by descent from random codes
(`lbfgs`, `adam`), or by descent from the encoder's codes (`hybrid_lbfgs`, `hybrid_adam`), which
they find best. They compare on real pictures; here also on pictures that the generator made, whose
codes are known. A generator alone has no network and no hybrid.
"""

import time

from kgan.core.errors import UsageError
from kgan.core.lazy import np, pixels
from kgan.editing.inversion import FREE, invert
from kgan.models.codec import RATES, Coder

STEPS = 200  # of descent, iGAN's


def measure_projections(model, real, steps, reference, seed=1):
    """Projects real and generated pictures.

    Args:
        model: a `kgan.models.latent.LatentGAN` without labels.
        real: uint8 [n, size, size, 3]; as many are generated, if there is a prior.
        steps: of descent, of L-BFGS at the most.
        reference: a network of `kgan.models.reference` for the feature term.
        seed: of codes and of descent.

    Returns:
        (figures, pictures). The figures are `{"real": {way: ...}, "generated": {way: ...}}`,
        with what was asked for, `"pictures"`, `"steps"`, `"seed"`, `"reference"`, and
        `"feature_weight"`; of each way `mse`, of pixel values in [-1, 1], `feature_error`,
        relative, `loss`, their weighted sum which descent lessens, `code_mse` of generated
        pictures, and `seconds` for a picture, in which making the graph of descent is counted
        once. The pictures are `{kind: {"input", way, ...}}`.

    Raises:
        UsageError: see `refuse`.
    """
    refuse(model)
    coder = Coder(model, reference=reference)
    codes = np.asarray(model.codes(len(real), seed))
    figures = {"pictures": len(real), "steps": steps, "seed": seed, "reference": reference,
               "feature_weight": coder.feature_weight}
    shown = {}
    for kind, given, truth in (("real", real, None), ("generated", coder.decode(codes), codes)):
        figures[kind], shown[f"project {kind}"] = {}, {"input": given}
        for way, project in _ways(coder, given, steps, seed + 1).items():
            begun = time.perf_counter()
            found = project()
            spent = (time.perf_counter() - begun) / len(given)
            made = coder.decode(found)
            shown[f"project {kind}"][way] = made
            figures[kind][way] = _figures(coder, given, made, found, truth) | {"seconds": spent}
    return figures, shown


def refuse(model):
    """Refuses models that are not compared.

    Raises:
        UsageError: the generator needs labels, or codes of it have no prior.
    """
    if model.conditions or not model.prior:
        what = "needs labels beside codes" if model.conditions else "has no prior of codes"
        raise UsageError(f"{model.name_in_zoo} {what}: --projections is for generators without "
                         "labels, and their encoders.")


def _ways(coder, given, steps, seed):
    """`{way: function without arguments that gives codes}`."""
    def descend(method, start=None):
        return invert(
            lambda z: coder.model.generate(z), pixels.array_to_float(given), seed=seed,
            latent=coder.model.latent, prior=coder.model.prior, method=method, steps=steps,
            rate=RATES.get(method, 1.0), start=start, features=coder.features,
            feature_weight=coder.feature_weight,
        ).codes

    ways = {method: lambda method=method: descend(method) for method in FREE}
    if not coder.encoder:
        return ways
    coder.encode(given[:1])  # the graph of the encoder is there before it is timed
    hybrid = {
        f"hybrid_{method}": lambda method=method: descend(method, coder.encode(given))
        for method in FREE
    }
    return {"network": lambda: coder.encode(given), **ways, **hybrid}


def _figures(coder, given, made, found, truth):
    mse = float(np.mean((made.astype(np.float32) - given) ** 2)) / 127.5**2
    feature = float(coder.feature_errors(given, made).mean())
    figures = {"mse": mse, "feature_error": feature,
               "loss": mse + coder.feature_weight * feature}
    if truth is not None:
        figures["code_mse"] = float(np.mean((found - truth) ** 2))
    return figures


def table(figures):
    """Lines of a Markdown table of `measure_projections`."""
    lines = ["| pictures | way | MSE | feature error | loss | MSE of codes | seconds each |",
             "|---|---|---|---|---|---|---|"]
    for kind in ("real", "generated"):
        for way, row in figures[kind].items():
            code = f"{row['code_mse']:.4f}" if "code_mse" in row else ""
            lines.append(f"| {kind} | {way} | {row['mse']:.4f} | {row['feature_error']:.4f} | "
                         f"{row['loss']:.4f} | {code} | {row['seconds']:.3f} |")
    return lines
