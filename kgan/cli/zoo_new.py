"""`tools/zoo new` and `check`: a model begun as a copy of another, and the tests of one model."""

import ast
import importlib.util
import io
import keyword
import re
import subprocess
import sys
import tokenize

from kgan.core import registry
from kgan.core.errors import UsageError, UserError

CARD = """---
library_name: keras
license: {licence}
tags: [gan]
---
# {title}

Say here what it is and where it comes from: authors, title, venue, link.

| name | what it is |
|---|---|
{rows}

    tools/train --model {name}

## What follows the paper and what does not
- Begun as a copy of [{like}]({card}). Say here what is published, what is another's code and what
  is ours.

## Limits
- No weights come with it, and nothing was measured.
"""


def new(name, like):
    """Writes `zoo/NAME.py` and `zoo/NAME.md` after those of another model.

    Args:
        name: of the new model, in small letters, digits and underscores.
        like: a name of the zoo, whose file is copied. The other names of that file are copied, too,
            with `name` before them.

    Returns:
        What the tool prints.
    """
    zoo = _checkout() / registry.folder().name
    entry = registry.entry(like)
    like = entry.name.removesuffix("_small")
    like = like if like in registry.names() else entry.name
    _check_name(name, zoo)
    family = entry.model.__module__
    source = zoo / f"{family.rpartition('.')[2]}.py"
    told = [n for n in registry.names() if registry.entry(n).model.__module__ == family]
    told = {old: _renamed(old, like, name) for old in told}
    for taken in sorted(set(told.values()) & {*registry.names()}):
        raise UsageError(f"The zoo has {taken} already: choose another name than {name}.")
    code = _copy(source.read_text(), told, entry, name)
    phrases = {n: registry.entry(old).phrase for old, n in told.items()}
    card = CARD.format(
        licence="apache-2.0", title=name, name=name, like=like, card=entry.card,
        rows="\n".join(f"| `{n}` | {phrase} |" for n, phrase in sorted(phrases.items())),
    )
    paths = [zoo / f"{name}.py", zoo / f"{name}.md"]
    try:
        for path, text in zip(paths, (code, card), strict=True):
            path.write_text(text)
    except OSError as error:
        raise UserError(f"{error.filename} cannot be written: {error.strerror}.") from None
    print(f"wrote {paths[0]} and {paths[1]}: say there what is new, then\n"
          f"  tools/zoo check {name}       builds, trains, saves and exports a tiny one\n"
          f"  tools/train --model {name}", file=sys.stderr)
    return {"status": "done", "model": name, "names": sorted(told.values()),
            "files": [str(path) for path in paths]}


def check(name):
    """Runs the tests that are made for every name, for one name, and says whether they passed."""
    root, entry = _checkout(), registry.entry(name)
    for needed, package in (("pytest", "pytest"), ("xdist", "pytest-xdist")):
        if importlib.util.find_spec(needed) is None:
            raise UserError(f"The tests need {package}, which is not installed: pip install "
                            "pytest pytest-xdist.")
    call = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-m", "", "-p", "no:cacheprovider",
            "--model", entry.name, "tests"]
    done = subprocess.run(call, cwd=root, stdout=sys.stderr.fileno(), check=False)
    if done.returncode:
        raise UserError(f"{entry.name} does not pass; what failed stands above.")
    return {"status": "done", "model": entry.name}


def _checkout():
    """The folder of the checkout."""
    root = registry.folder().parent
    if not (root / "tests").is_dir():
        raise UsageError(f"{root} is not a checkout: tools/zoo new and check work on one, with its "
                         "tests.")
    return root


def _check_name(name, zoo):
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(f"{name!r} is no name for a model: small letters, digits and underscores, "
                         "beginning with a letter.")
    if name.endswith("_small") or name in registry.names() or (zoo / f"{name}.py").exists():
        why = "the small recipe is made with it" if name.endswith("_small") else "it is taken"
        raise UsageError(f"The model cannot be called {name}: {why}.")


def _renamed(old, like, name):
    return name + old.removeprefix(like) if old in (like, f"{like}_small") else f"{name}_{old}"


def _copy(text, told, entry, name):
    """The text of a family's file with other names, without its packaged weights."""
    tree = ast.parse(text)
    camel = "".join(re.sub("[Gg]an$", "GAN", w.capitalize()) for w in name.split("_"))
    stem = entry.model.__name__
    classes = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            old = node.name
            classes[old] = old.replace(stem, camel) if stem in old else f"{camel}{old}"
    values = {"weights": "()", "card": f'"{name}.md"'}
    spans = [
        ((k.value.lineno, k.value.col_offset), (k.value.end_lineno, k.value.end_col_offset),
         values[k.arg])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "register"
        for k in node.keywords if k.arg in values
    ]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        new = classes.get(token.string) if token.type == tokenize.NAME else None
        if token.type == tokenize.STRING and token.string[1:-1] in told:
            new = f'"{told[token.string[1:-1]]}"'
        if new and not any(start <= token.start < end for start, end, _ in spans):
            spans.append((token.start, token.end, new))
    lines = text.splitlines(keepends=True)
    for (row, column), (last, end), new in sorted(spans, reverse=True):
        lines[row - 1 : last] = [lines[row - 1][:column] + new + lines[last - 1][end:]]
    copy = "".join(lines)
    return copy.replace('"""', f'"""{camel}: begun as a copy of this.\n\n', 1)
