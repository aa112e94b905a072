"""What leaves a run: whether its weights and its export are there, and the making of the export."""

from kgan.core.errors import UserError
from kgan.core.reading import json_or_empty
from kgan.export import saved_model
from kgan.models.weights import read, verify


def written(folder, step):
    """Whether `weights/` of a run is whole and of this step."""
    try:
        return verify(folder / "weights").get("step") == step
    except UserError:
        return False


def exported(folder, name):
    """Whether the weights of a run are exported; others of the same step may be."""
    hashes = verify(folder / "weights")["sha256"]
    found = (folder / "export" / name).glob("[0-9]*/assets.extra/metadata.json")
    return any(json_or_empty(p).get("metadata", {}).get("sha256") == hashes for p in found)


def export(folder, *, check):
    """Exports `weights/` of a run; a `UserError` says that they are whole.

    Args:
        folder: of the run.
        check: see `kgan.export.saved_model.export_model`.
    """
    try:
        saved_model.export_model(read(folder / "weights"), folder / "export", check=check)
    except UserError as error:
        raise UserError(f"{error} The training is done and its weights are in "
                        f"{folder / 'weights'}; the same command exports again, with "
                        "--noexport not.") from error
