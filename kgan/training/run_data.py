"""The pictures of a run: which they were when it began, and whether they still are."""

from kgan.core.errors import UserError
from kgan.core.progress import say
from kgan.core.status import read_status
from kgan.data.signals import pairs_of, pictures_of

SHOWN = 3  # names in a message


def describe(data):
    """What `run.json` keeps of a `kgan.data.Data`.

    Returns:
        `{"spec", "digest": of all that was found, "" = the source has none, "held_out": {domain:
        names that were held out of training}, "counts": {"train" and "test": {domain: number}}}`.
    """
    return {
        "spec": data.spec,
        "digest": data.digest,
        "held_out": {domain: sorted(names)
                     for domain, names in data.held_out.items()},
        "counts": {split: {domain: len(pictures) for domain, pictures in found.items()}
                   for split, found in (("train", data.train), ("test", data.test))},
    }


def opened(recipe, bad_images, workers, signals):
    """The `kgan.data.Data` of a recipe, which must be the same for all workers.

    Raises:
        UserError: one of them cannot read its pictures, or has others than the chief.
    """
    from kgan.data import open_data

    def look():
        data = open_data(
            recipe.data, size=recipe.size, load_size=recipe.load_size or None, seed=recipe.seed,
            bad_images=bad_images, signals=signals,
        )
        return data, {**describe(data), "held_out": {}}

    data, found = workers.all(look)
    for number, its in enumerate(found):
        if its["digest"] != found[0]["digest"] or its["counts"] != found[0]["counts"]:
            raise UserError(
                f"Worker {number} at {workers.addresses[number]} has other pictures in "
                f"{its['spec']} than the chief ({difference(found[0], its)}).")
    return data


def known_data(folder):
    """What `describe` said of the pictures of a run when it began; None for runs that say nothing.

    Args:
        folder: of the run.
    """
    found = read_status(folder).get("data")
    return found if isinstance(found, dict) and found.get("digest") else None


def check_data(folder, data):
    """Refuses to go on with other pictures than a run began with.

    Args:
        folder: of a run that has checkpoints.
        data: a `kgan.data.Data`, before anything is held out of it for validation.

    Raises:
        UserError: it is another data set than that of the run; the message says by what.
    """
    known, now = known_data(folder), describe(data)
    if known is None:
        if now["digest"]:
            say(f"warning: {folder} is from before runs knew their pictures; those of {data.spec} "
                "are taken for the same and recorded from now on")
    elif now["digest"] != known["digest"]:
        raise UserError(f"{data.spec} does not hold the pictures that {folder} was begun with "
                        f"({difference(known, now)}): put them back, or choose another --out.")


def check_signals(data, model):
    """Refuses data that do not hold what a model is trained on.

    Raises:
        UserError: sets, pairs or labels are lacking, or there are sets that it does not take.
    """
    name, wanted = model.name_in_zoo, {s.name for s in pictures_of(model.signals)}
    alone = len([s for s in pictures_of(model.signals) if not s.source]) == 1
    if "b" in data.train and alone and "b" not in wanted:
        raise UserError(
            f"{name} takes one set of pictures and {data.spec} has two: name one folder "
            "(folder:PATH?layout=single for all pictures in it), avatars with several attributes, "
            "celeba:PATH without an attribute."
        )
    lacks, two = wanted - set(data.train), wanted == {"a", "b"}
    pairs = [] if data.paired else list(pairs_of(model.signals).values())
    if lacks and not two:
        raise UserError(f"{name} is trained on {', '.join(sorted(wanted))} and {data.spec} has "
                        f"{', '.join(data.train)}: name a folder with a folder for each.")
    for group in pairs:
        raise UserError(
            f"{name} learns from pairs, {' and '.join(s.name for s in group)} of the same, and the "
            f"pictures of {data.spec} {'are one set' if lacks else 'belong to nobody'}: name a "
            "folder whose train/ holds pairs side by side (each picture twice as wide as high), or "
            "one with a folder for each and files of the same names."
        )
    if lacks:
        raise UserError(
            f"{name} needs two sets of pictures and {data.spec} has one: name a folder with trainA "
            "and trainB, or an attribute (celeba:PATH?attribute=Smiling)."
        )
    for signal in model.signals:
        if signal.kind == "vector" and signal.channels != len(data.label_names):
            found = ", ".join(data.label_names) or "none"
            raise UserError(f"{name} with this recipe wants {signal.channels} labels and "
                            f"{data.spec} has {found}.")


def difference(known, now):
    """One line about how two `describe`s differ."""
    found = []
    for split, counts in now["counts"].items():
        before = known.get("counts", {}).get(split, {})
        found += [f"{split} {domain} {counts.get(domain, 0):,}, not {before.get(domain, 0):,}"
                  for domain in sorted({*counts, *before})
                  if counts.get(domain) != before.get(domain)]
    for domain in sorted({*now["held_out"], *known["held_out"]}):
        names, old = (set(x["held_out"].get(domain, ())) for x in (now, known))
        for word, these in (("new", names - old), ("gone", old - names)):
            found += [f"held out of {domain} and {word}: {_some(sorted(these))}"] if these else []
    return "; ".join(found) or "as many, but with other names, content or labels"


def _some(names):
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")
