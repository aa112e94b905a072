"""What a person can get wrong, said in one line.

The tools print the message of a `UserError` without a traceback and leave with exit code 1, that of
a `UsageError` with 2. Anything else is a bug and keeps its traceback.
"""


def printable(text, most=2000):
    """A text that may be shown on a terminal, whoever wrote it: one line, no control characters.

    Args:
        text: anything; its `str` is taken.
        most: characters; of a longer text the middle is left out.
    """
    text = str(text)
    if len(text) > most:
        half = most // 2
        text = f"{text[:half]} … {text[-half:]}"
    return "".join(c if c.isprintable() else "?" for c in text)


class UserError(Exception):
    """Something outside the code is wrong: a file, a folder, a run. The message says what to do.

    Messages quote names and files of others, so their lines are made `printable`.
    """

    def __str__(self):
        return "\n".join(printable(line) for line in super().__str__().split("\n"))


class UsageError(UserError):
    """The call itself is wrong: an unknown name or flag, a value out of range."""
