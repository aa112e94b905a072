"""`edits.json`: what `tools/edit` says of the strips in a folder."""

import json

from kgan.core.errors import UserError
from kgan.core.paths import replacing
from kgan.core.reading import LARGEST_INDEX, read_json


class Journal:
    """How the strips of a folder were made; grows with them.

    Args:
        path: of the file.
        call: what all its strips have in common.
        overwrite: whether what is there may be of another call, and is then forgotten.

    Raises:
        UserError: strips that are there were made otherwise.
    """

    def __init__(self, path, call, overwrite):
        self.path, self.call, self.added = path, json.loads(json.dumps(call)), []
        self.pictures = {}
        if overwrite or not path.exists():
            return
        try:
            known = read_json(path, LARGEST_INDEX)
            pictures = {record["strip"]: record for record in known["pictures"]}
        except (OSError, ValueError, KeyError, TypeError):
            known, pictures = {}, {}
        other = [name for name in self.call if known.get(name) != self.call[name]]
        if other:
            raise UserError(f"{path} is of strips that were made otherwise ({', '.join(other)}): "
                            "choose another --output or say --overwrite.")
        self.pictures = pictures

    def add(self, record):
        self.added.append(record)
        self.pictures[record["strip"]] = record

    def write(self, skipped):
        with replacing(self.path) as new:
            new.write_text(json.dumps({
                **self.call, "pictures": list(self.pictures.values()), "skipped": skipped,
            }, indent=2) + "\n", encoding="utf-8")
