"""Specifications of data, `source:what?options`: what they name."""

import math
import os
import pathlib
import urllib.parse

from kgan.core.errors import UsageError, printable
from kgan.core.recipe import nearest

# What generators and encoders are trained on by default: drawn faces as they come, 8 labels.
FACES = ("avatars:Smiling,Eyeglasses,No_Beard,Wearing_Hat,Black_Hair,Brown_Hair,Blond_Hair,"
         "Gray_Hair")
# Of `avatars:`, what is no attribute and holds what belongs together, see `avatar_pairs`.
AVATAR_PAIRS = ("edges", "parts", "x2", "x4")
TURNING = "turning"  # likewise; clips of frames, see `avatar_turning`
DOMAINS = {"a": "without", "b": "with"}  # of pictures with an attribute and without
FRAMES = ("video:PATH", "bouncing:balls", "bouncing:glyphs", f"avatars:{TURNING}")


def attribute(spec):
    """The attribute that pictures of domain b have and those of a have not, if `spec` says so.

    `avatars:Smiling?test=100`, `celeba:PATH?attribute=Smiling` and `tfds:NAME?attribute=Smiling`
    do; `""` for others.
    """
    source, where, _, query = _parts(spec)
    if source in ("celeba", "tfds"):
        return dict(urllib.parse.parse_qsl(query)).get("attribute", "")
    known = (*AVATAR_PAIRS, TURNING)
    return where if source == "avatars" and where not in known else ""


def filters_of(options, spec):
    """What pictures of each domain have and have not, by the options of a specification.

    Args:
        options: `{"attribute": NAME}`, `{"a": NAME, "b": NAME}` or neither, with an `"and"` of
            NAME:1,NAME:0 or without.
        spec: the specification, for messages.

    Returns:
        `{domain: {attribute: bool}}`, of one domain, `"a"`, where no attribute tells two apart.

    Raises:
        UsageError: options that exclude each other or say the same twice; values that are not 0 or
            1.
    """
    attribute, a, b = (options.get(name) for name in ("attribute", "a", "b"))
    if (attribute and (a or b)) or bool(a) != bool(b) or (a and a == b):
        raise UsageError(f"{spec}: give attribute=NAME, or a=NAME and b=ANOTHER.")
    domains = {"a": {attribute: False}, "b": {attribute: True}} if attribute else (
        {"a": {a: True, b: False}, "b": {a: False, b: True}} if a else {"a": {}})
    fixed = {}
    for part in filter(None, options.get("and", "").split(",")):
        name, _, value = part.partition(":")
        if value not in ("0", "1") or name in fixed:
            raise UsageError(f"{spec}: and={printable(part)} should be and=NAME:1 or NAME:0, more "
                             "of them with commas, each once.")
        fixed[name] = value == "1"
    for values in domains.values():
        if both := set(values) & set(fixed):
            raise UsageError(f"{spec}: {printable(min(both))} tells the domains apart; and= is for "
                             "others.")
    return {domain: {**values, **fixed} for domain, values in domains.items()}


def told_apart_by(spec):
    """The attributes that tell the domains of a specification apart, as a tuple.

    One of `attribute=` and the like, two of `a=` and `b=`, none of others.
    """
    options = dict(part.partition("=")[::2] for part in _parts(spec)[3].split("&"))
    two = (options.get("a"), options.get("b"))
    return two if all(two) else tuple(filter(None, [attribute(spec)]))


def labelled(spec):
    """The same pictures as one set with the labels of all attributes; `""` if they have none.

    `celeba:PATH?attribute=Smiling&crop=160` gives `celeba:PATH?crop=160`; what `and=` leaves out is
    in again.
    """
    source, where, _, query = _parts(spec)
    if source != "celeba":
        return ""
    crop = "&".join(part for part in query.split("&") if part.startswith("crop="))
    return f"{source}:{where}{'?' * bool(crop)}{crop}"


def resolved(spec):
    """The specification with the path that it names made absolute and `~` expanded.

    `folder:pics?layout=single` becomes `folder:/home/me/pics?layout=single`; of `tfds:` the
    `data_dir` does. What names no path stays as it is.
    """
    source, where, mark, query = _parts(spec)
    if source in ("folder", "celeba", "video") and where:
        return f"{source}:{_absolute(where)}{mark}{query}"
    if source == "tfds":
        options = (option.partition("=") for option in query.split("&"))
        query = "&".join(
            f"{key}={_absolute(value)}" if key == "data_dir" and value else f"{key}{equals}{value}"
            for key, equals, value in options
        )
        return f"{source}:{where}{mark}{query}"
    return spec


def options_of(spec, query, known):
    """The numbers that a specification gives, `n=100&speed=0.1`.

    Args:
        spec: the specification, for messages.
        query: what follows its question mark.
        known: `{option: (what it is unless given, least, most)}`; of whole numbers where the first
            is one.

    Returns:
        `{option: number}` of all that are known.

    Raises:
        UsageError: an option that is not known, no number, or one out of range.
    """
    found = {name: default for name, (default, _, _) in known.items()}
    for option in query.split("&") if query else ():
        name, _, text = option.partition("=")
        if name not in known:
            raise UsageError(f"{spec}: unknown option {printable(name)!r}. {nearest(name, known)}")
        default, low, high = known[name]
        try:
            found[name] = type(default)(text)
        except ValueError:
            found[name] = math.nan
        if not low <= found[name] <= high:
            what = "whole number" if isinstance(default, int) else "number"
            raise UsageError(f"{spec}: {name} is a {what} from {low} to {high}, not "
                             f"{printable(text)!r}.")
    return found


def place(spec):
    """The absolute `pathlib.Path` of what a specification names; None: it names nothing on disk."""
    source, where, _, query = _parts(spec)
    if source == "tfds":
        where = dict(option.partition("=")[::2] for option in query.split("&")).get("data_dir")
    reads = source in ("folder", "celeba", "tfds", "video") and where
    return pathlib.Path(_absolute(where)) if reads else None


def _parts(spec):
    """A specification as (source, what, "?" or "", options), cut at the last question mark."""
    source, _, rest = spec.partition(":")
    where, mark, query = rest.rpartition("?")
    return (source, where, mark, query) if mark else (source, rest, "", "")


def _absolute(path):
    return os.path.abspath(os.path.expanduser(path))
