"""Hashes: what tells files, arrays and settings apart. All that is hashed is hashed here."""

import hashlib
import json

from kgan.core.reading import size_of

LARGEST = 4_000_000_000  # bytes of a file; VGG-19 with its fully connected layers takes 600 million


def sha256(*parts):
    """The sha256, in hex, of parts one behind the other.

    Args:
        parts: bytes, text (as UTF-8) and arrays (their shape and their values).
    """
    found = hashlib.sha256()
    for part in parts:
        if hasattr(part, "shape"):
            found.update(str(part.shape).encode())
            part = part.tobytes()
        found.update(part.encode() if isinstance(part, str) else part)
    return found.hexdigest()


def digest_of(found):
    """The sha256, in hex, of anything that JSON takes, whatever the order in its dicts."""
    return sha256(json.dumps(found, sort_keys=True))


def sha256_of_file(path, algorithm="sha256"):
    """The sha256, or another hash, in hex, of an ordinary file of at most `LARGEST` bytes.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no ordinary file, or larger.
    """
    size_of(path, LARGEST)
    with open(path, "rb") as file:
        return _fed(hashlib.new(algorithm, usedforsecurity=False), file)


def content(file, start=b""):
    """A hash, in hex, of `start` and of what is left of an open file; faster than sha256."""
    return _fed(hashlib.blake2b(start, digest_size=20), file)


def fraction(*parts):
    """A number in [0, 1) that bytes alone decide."""
    digest = hashlib.blake2b(b"".join(parts), digest_size=8)
    return int.from_bytes(digest.digest(), "big") / 2**64


def _fed(digest, file):
    while part := file.read(1 << 20):
        digest.update(part)
    return digest.hexdigest()
