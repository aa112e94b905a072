"""What a person can get wrong, said in one line.

The tools print the message of a `UserError` without a traceback and leave with exit code 1, that of
a `UsageError` with 2. Anything else is a bug and keeps its traceback.
"""


class UserError(Exception):
    """Something outside the code is wrong: a file, a folder, a run. The message says what to do."""


class UsageError(UserError):
    """The call itself is wrong: an unknown name or flag, a value out of range."""
