"""edit --label on tiny models: what stands in the strips, what is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from kgan.core import registry
from kgan.data.pictures import resize_cover
from kgan.models import weights
from kgan.models.labelled import in_turn
from kgan.report.sheet import GAP

SIDE = 128


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of weights of a cgan, an icgan and a dcgan, `{name: (folder, model)}`."""
    found = {}
    for name in ("cgan", "icgan", "dcgan"):
        entry = registry.entry(name)
        model = weights.build(name, entry.recipe.replace(**entry.tiny))
        for v in (v for v in model.g.weights if v.path.endswith("kernel")):
            v.assign(10 * v)  # random weights make grey pictures
        if name == "icgan":
            model.conclude(None, None)
        folder = tmp_path_factory.mktemp(name) / "weights"
        weights.write(model, folder)
        found[name] = str(folder), weights.load(str(folder))
    return found


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    for i in range(2):
        coarse = np.random.default_rng(i).integers(0, 255, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(coarse.repeat(8, 0).repeat(8, 1)).save(folder / f"{i}.png")
    return folder


def panels(path):
    strip = np.asarray(Image.open(path))[-SIDE:]
    parts = [strip[:, x : x + SIDE] for x in range(0, strip.shape[1], SIDE + GAP)]
    return np.stack(parts)[:, ::8, ::8]


def drawn(pictures):
    return np.uint8(np.clip(np.round((np.asarray(pictures) + 1) * 127.5), 0, 255))


def near(a, b):
    return a.shape == b.shape and np.abs(a.astype(int) - b.astype(int)).max() <= 1


def test_labels_of_real_pictures(tool, models, faces, tmp_path):
    folder, model = models["icgan"]
    call = ["--model", folder, "--input", faces, "--output", tmp_path, "--separate",
            "--label", "Smiling=1", "--label", "Smiling=0,Eyeglasses=1"]
    done = tool("edit", *call)
    assert (done.code, done.json["written"]) == (0, 2), done.stderr
    for i in range(2):
        picture = resize_cover(np.asarray(Image.open(faces / f"{i}.png")), 16)[None]
        found = panels(tmp_path / f"{i}.png")
        wanted = [picture, model.decode(model.encode(picture)),
                  model.edit(picture, labels={"Smiling": 1}),
                  model.edit(picture, labels={"Smiling": 0, "Eyeglasses": 1})]
        wanted = np.concatenate([x if x.dtype == np.uint8 else drawn(x) for x in wanted])
        assert near(found, wanted)
        separate = [np.asarray(Image.open(tmp_path / f"{i}.label{j}.png")) for j in range(3)]
        np.testing.assert_array_equal(separate, found[1:])
    kept = json.loads((tmp_path / "edits.json").read_text())
    assert kept["labels"] == [{"Smiling": 1}, {"Smiling": 0, "Eyeglasses": 1}]
    assert [record["strip"] for record in kept["pictures"]] == ["0.png", "1.png"]
    again = tool("edit", *call)
    assert (again.json["written"], again.json["kept"]) == (0, 2)
    other = tool("edit", *call[:-2])
    assert other.code == 1 and "made otherwise (labels)" in other.stderr


def test_labels_of_drawn_pictures(tool, models, tmp_path):
    for name in ("cgan", "icgan"):
        folder, model = models[name]
        out = tmp_path / name
        done = tool("edit", "--model", folder, "--samples", 3, "--output", out, "--seed", 5,
                    "--label", "Eyeglasses=1")
        assert (done.code, done.json["written"]) == (0, 3), done.stderr
        rows, z = in_turn(3, 2, False).numpy(), model.codes(3, 5)[:, :8].numpy()
        glasses = rows.copy()
        glasses[:, 1] = 1
        wanted = [drawn(model.g([z, y], training=False)) for y in (rows, glasses)]
        for i in range(3):
            assert near(panels(out / f"sample_{i}.png"), np.stack([x[i] for x in wanted]))
        assert (wanted[0][0] != wanted[1][0]).any()


@pytest.mark.parametrize(("name", "flags", "code", "says"), [
    ("dcgan", ["--samples", "1"], 1, "has no labels to set: edit along directions"),
    ("cgan", ["--input", "FACES"], 2, "has no encoder: edit what it draws, --samples 8"),
    ("icgan", ["--samples", "1", "--label", "Smilin=1"], 1, "Did you mean Smiling"),
    ("icgan", ["--samples", "1", "--label", "Smiling"], 2, "say NAME=1, with it, or NAME=0"),
    ("icgan", ["--samples", "1", "--label", "Smiling=2"], 2, "say NAME=1, with it, or NAME=0"),
    ("icgan", ["--samples", "1", "--direction", "Smiling"], 2, "--label takes --output and"),
    ("icgan", [], 2, "--label takes --output and"),
    ("icgan", ["--samples", "1", "--panel"], 2, "alone, not --panel; see"),
])
def test_what_is_refused(tool, models, faces, tmp_path, name, flags, code, says):
    flags = [faces if flag == "FACES" else flag for flag in flags]
    refused = tool("edit", "--model", models[name][0], "--output", tmp_path / "out",
                   "--label", "Smiling=1", *flags)
    assert refused.code == code, refused.stderr
    assert says in refused.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_name_without_weights_says_so(tool, tmp_path):
    refused = tool("edit", "--model", "icgan", "--output", tmp_path / "out", "--samples", 1,
                   "--label", "Smiling=1")
    assert (refused.code, refused.json) == (1, None)
    assert "no packaged weights for icgan" in refused.stderr
