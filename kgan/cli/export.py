"""`tools/export`: a trained translator as a SavedModel that TensorFlow Serving serves as it is."""

import pathlib

from kgan.cli.flags import Flags
from kgan.core.devices import quiet
from kgan.core.process import tool
from kgan.core.reading import read_json

ABOUT = """Write a SavedModel, <out>/<name>/<version>/, and check it in a fresh process that has
TensorFlow and nothing of kgan. Beside it: serving files, warm-up requests, a client."""


@tool
def main(arguments):
    flags = Flags("export", ABOUT, "tools/export --model cyclegan --out models")
    flags.add("model", "cyclegan", "a name of the zoo, or the folder of a run")
    flags.add("out", "models", "folder of the served models")
    flags.add("name", None, "name to serve it under; default: the model's own")
    flags.add("direction", None, "what serving_default does; default: the model's first direction")
    flags.add("allow_untrained", False, "export fresh weights too")
    flags.add("max_pixels", 0, "pictures of more pixels are refused; 0 = what fits in 2 GB of "
              "memory beside the model", low=0)
    flags.add("check", True, "run the export in a fresh process and compare it before it is kept")
    flags.parse(arguments)
    quiet()

    from kgan.export.saved_model import export_model
    from kgan.models.weights import load

    model = load(flags.model, weights="auto" if flags.allow_untrained else "required")
    path = export_model(
        model, flags.out, direction=flags.direction, name=flags.name,
        max_pixels=flags.max_pixels or None, allow_untrained=flags.allow_untrained,
        check=flags.check,
    )
    metadata = read_json(path / "assets.extra/metadata.json")
    result = {"status": "done", "model": flags.model, "path": str(path)}
    result["megabytes"] = round(sum(f.stat().st_size for f in _files(path)) / 1e6, 2)
    result |= {k: metadata[k] for k in ("bytes_per_pixel", "max_pixels", "signatures")}
    return result | metadata.get("checked", {})


def _files(path):
    return [f for f in pathlib.Path(path).rglob("*") if f.is_file()]
