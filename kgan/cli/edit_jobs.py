"""What kinds of `tools/edit` share: the pictures to edit, their codes, how these were found."""

import contextlib
import pathlib

from kgan.cli.translate import jobs_of
from kgan.core.batches import parts
from kgan.core.errors import UsageError, UserError
from kgan.core.lazy import np
from kgan.models.encoding import BATCH


def coder_of(flags):
    """The `kgan.models.codec.Coder` that the flags ask for.

    Raises:
        UsageError: flags of descent that nothing would heed.
    """
    if flags.method == "lbfgs" and flags.rate:
        raise UsageError("--method lbfgs finds its steps by itself: leave --rate out.")
    if flags.reference and not flags.refine:
        raise UsageError("--reference is for descent: say --refine 200, too.")
    from kgan.models.codec import Coder
    from kgan.models.weights import load

    return Coder(load(flags.model, weights="required"), refine=flags.refine, method=flags.method,
                 rate=flags.rate, seed=flags.seed, reference=flags.reference,
                 feature_weight=flags.feature_weight)


def labelled_data(coder, spec):
    """The `kgan.data.Data` of `--data`, of the size and the held-out pictures of a model.

    Raises:
        UsageError: its pictures have no labels of attributes.
    """
    from kgan.data import open_data

    data = open_data(spec, size=coder.size, seed=coder.model.recipe.seed)
    if not data.labels or data.exclusive:
        raise UsageError(f"--data {spec} has no labels of attributes: name celeba:PATH, "
                         "celeba:PATH?labels=Smiling,Male or avatars:Smiling,Eyeglasses.")
    return data


def held_out(coder, data):
    """Yields (names, names, pictures, codes) of the held-out pictures of a source, see `batches`.

    Without names of their own, pictures are numbered.
    """
    pictures = data.test["a"]
    names = data.held_out.get("a") or [f"held out {i}" for i in range(len(pictures))]
    for rows in parts(np.arange(len(pictures)), BATCH):
        some = [names[row] for row in rows]
        yield some, some, pictures[rows], coder.encode(pictures[rows])


def descent(coder, flags):
    """What the journal keeps of how codes were found."""
    found = {"refine": flags.refine, "method": flags.method, "seed": flags.seed}
    found |= {"rate": coder.rate} if coder.rate else {}
    beside = {"reference": flags.reference, "feature_weight": flags.feature_weight}
    return found | (beside if flags.reference else {})


def jobs(flags, out):
    """[(picture or None, strip)]; none where the pictures are those of `--data`."""
    if not (flags.samples or flags.input):
        return []
    if flags.samples:
        digits = len(str(flags.samples - 1))
        return [(None, out / f"sample_{i:0{digits}}.png") for i in range(flags.samples)]
    return jobs_of(pathlib.Path(flags.input), out)


def batches(coder, flags, results):
    """Yields (strips, sources, pictures or None, codes) of what is left to do."""
    if flags.samples:
        for strips, codes, _ in drawn(coder.model, flags, results):
            yield strips, [None] * len(strips), None, codes
        return
    strips = dict(results.left)
    for paths, shown, codes in coder.read_all([path for path, _ in results.left], results.skip):
        yield [strips[path] for path in paths], [str(path) for path in paths], shown, codes


def drawn(model, flags, results):
    """Yields (strips, codes, their numbers) of what is left of `--samples`."""
    codes = model.codes(flags.samples, flags.seed).numpy()
    left = {strip for _, strip in results.left}
    rows = [(i, strip) for i, (_, strip) in enumerate(jobs(flags, pathlib.Path(flags.output)))
            if strip in left]
    for some in parts(rows, BATCH):
        numbers, strips = map(list, zip(*some, strict=True))
        yield strips, codes[numbers], numbers


@contextlib.contextmanager
def writing(out):
    """Says which file of a folder cannot be written."""
    try:
        yield
    except OSError as error:
        place = error.filename or out
        raise UserError(f"{place} cannot be written: {error.strerror}.") from None
