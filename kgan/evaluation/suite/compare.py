"""What is asked of a suite: data sets, rows and folder, checked before anything is done."""

import dataclasses
import pathlib
import re

from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import nearest
from kgan.evaluation.measures import EMBEDDED
from kgan.evaluation.suite.definitions import SUITES, sized_rows
from kgan.evaluation.suite.jobs import folder_of
from kgan.evaluation.suite.kinds import KINDS
from kgan.evaluation.suite.options import SuiteOptions
from kgan.evaluation.suite.suite import Suite
from kgan.models.inverting import Inverts

PHOTOGRAPHS = "vgg_star_small.cifar10"  # the embedded reference network that knows them


def compare(data, output, options, *, n=0, seeds=3, bad_images="skip", reference="",
            keras_fid=False, command=""):
    """Does what is left of a suite and writes its table and page.

    Args:
        data: specifications of data sets, with spaces or semicolons between them; "" = those of
            the suite's kind.
        output: the folder.
        options: a `kgan.evaluation.suite.options.SuiteOptions`.
        n: held-out pictures of each domain that are measured; 0 = all.
        seeds: classifiers of each two-sample test; 0 leaves it out.
        bad_images: see `kgan.data.open_data`.
        reference: in whose features sets are compared; "" = the embedded one that knows drawn
            faces, or the one that knows photographs.
        keras_fid: of generators, also the Frechet distance in Keras' InceptionV3.
        command: the call, for the page.

    Returns:
        What the tool prints: `{"status": "done" or "interrupted", ..., "failed": {job: reason}}`,
        or what is to be done, `kgan.evaluation.suite.suite.Suite.plan`.

    Raises:
        UsageError: an unknown suite, row or data set, or a folder begun with other settings.
        UserError: data that cannot be read, or that lack domains or labels.
    """
    if options.suite not in SUITES:
        raise UsageError(f"There is no suite {options.suite}. {nearest(options.suite, SUITES)}")
    kind = KINDS[SUITES[options.suite].kind]
    rows = sized_rows(SUITES[options.suite].rows, options.size)
    if options.generator:
        if not kind.generator:
            raise UsageError(f"--generator is for encoders; {options.suite} has none.")
        rows = tuple(_on(row, options.generator) for row in rows)
    if "style" in kind.asks:
        rows = tuple(_in_style(row, options.style) for row in rows)
    elif options.style != SuiteOptions.style:
        raise UsageError(f"--style is for models of a style; {options.suite} has none.")
    if options.direction != "a2b" and not kind.paired:
        raise UsageError(f"--direction is for pairs; {options.suite} has none.")
    for name, given in (("reference", reference), ("keras_fid", keras_fid)):
        if given and name not in kind.asks:
            raise UsageError(f"{options.suite} has no figures that heed --{name}.")
    wanted, known = set(re.findall(r"[^,\s]+", options.only)), {row.key for row in rows}
    for name in sorted(wanted - known):
        raise UsageError(f"{options.suite} has no model {name}. {nearest(name, known)}")
    data = data or kind.data
    specs = [spec.strip() for spec in data.split(";" if ";" in data else None)]
    specs = list(dict.fromkeys(filter(None, specs)))
    if not specs:
        raise UsageError("--data names no data set.")
    folders = {folder_of(spec): spec for spec in specs}
    for spec in specs:
        if (other := folders[folder_of(spec)]) != spec:
            raise UsageError(f"{spec} and {other} would have one folder, {folder_of(spec)}: choose "
                             "another --output for one of them.")
    drawn = any(spec.startswith("avatars:") for spec in specs)
    if not drawn:
        rows = tuple(map(_for_photographs, rows))
    output = pathlib.Path(output)
    try:
        if not options.dry_run:
            output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The suite cannot be written to {output}: {error.strerror}.") from None
    asked = {"n": n, "seeds": seeds, "bad_images": bad_images, "n_svm": options.n_svm,
             "reference": reference or (EMBEDDED if drawn else PHOTOGRAPHS),
             "keras_fid": keras_fid, "style": options.style}
    asked = {name: asked[name] for name in kind.asks}
    suite = Suite(kind, rows, specs, output, options, asked, command)
    chosen = [row for row in rows if not wanted or row.key in wanted]
    return suite.plan(chosen) if options.dry_run else suite.run(chosen)


def _on(row, generator):
    """A row whose encoder stands on a generator; others as they are."""
    if not issubclass(row.model, Inverts):
        return row
    return dataclasses.replace(row, changes={**row.changes, "generator": generator})


def _in_style(row, style):
    """A row of a model of a style, in the one that is asked for."""
    return dataclasses.replace(row, changes={**row.changes, "style": style})


def _for_photographs(row):
    """A row that looks through what knows drawn faces, through what knows photographs instead."""
    if row.recipe.as_dict().get("reference") != EMBEDDED:
        return row
    return dataclasses.replace(row, changes={**row.changes, "reference": PHOTOGRAPHS})
