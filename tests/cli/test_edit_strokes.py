"""edit --strokes on a tiny generator: files, transfer, what is kept, refusals."""

import functools
import json

import keras
import numpy as np
import pytest
from PIL import Image

from kgan.core import registry
from kgan.editing.strokes import Stroke
from kgan.models import painting, weights
from kgan.models.codec import Coder

SIZE = 16
STROKES = [
    {"tool": "colour", "colour": "#e01010", "points": [[0.3, 0.3], [0.7, 0.3]], "radius": 0.1},
    {"tool": "sketch", "points": [[0.2, 0.8], [0.8, 0.8]], "radius": 0.06},
    {"tool": "warp", "from": [0.25, 0.5], "to": [0.6, 0.6], "radius": 0.15},
]
FEW = ("--candidates", 2, "--edit_steps", 3, "--steps", 3)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strokes") / "generator"
    entry = registry.entry("dcgan")
    keras.utils.set_random_seed(0)
    made = weights.build("dcgan", entry.recipe.replace(**{**entry.tiny, "size": SIZE}))
    for kernel in (v for v in made.g.trainable_variables if v.path.endswith("kernel")):
        kernel.assign(15 * kernel)
    weights.write(made, folder)
    (folder.parent / "strokes.json").write_text(json.dumps(STROKES))
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 61, 4), np.uint8)).save(
        folder.parent / "photo.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "load", functools.cache(weights.load))
        yield folder


def asked(model, out, *more):
    return ("--model", model, "--strokes", model.parent / "strokes.json", "--output", out, *FEW,
            *more)


def test_samples_with_strokes(tool, model, tmp_path):
    done = tool("edit", *asked(model, tmp_path / "out", "--samples", 2, "--separate"))
    assert done.code == 0, done.stderr
    assert (done.json["written"], done.json["strokes"]) == (2, 3)
    names = {f"sample_{i}{end}.png" for i in range(2)
             for end in ("", ".candidates", ".edited", ".0", ".1", ".2")}
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == names
    told = json.loads((tmp_path / "out" / "edits.json").read_text())
    assert told["transfer"] is False and [s["tool"] for s in told["strokes"]] == [
        "colour", "sketch", "warp"]
    for record in told["pictures"]:
        assert record["cost"] <= record["before"] + 1e-6
        assert record["candidates"][0] == record["cost"]
    first, last, edited = (np.asarray(Image.open(tmp_path / "out" / f"sample_1.{end}.png"))
                           for end in ("0", "2", "edited"))
    np.testing.assert_array_equal(last, edited)
    made = Coder(weights.load(str(model), weights="required"))
    drawn = made.decode(made.model.codes(2))[1].astype(int)
    assert np.abs(first.astype(int) - drawn).max() <= 1
    again = tool("edit", *asked(model, tmp_path / "out", "--samples", 2, "--separate"))
    assert (again.json["written"], again.json["kept"]) == (0, 2)
    other = tool("edit", *asked(model, tmp_path / "out", "--samples", 3, "--stay", 1))
    assert other.code == 1 and "made otherwise (stay)" in other.stderr


def test_a_photograph_keeps_its_size_its_border_and_its_alpha(tool, model, tmp_path):
    photo = model.parent / "photo.png"
    done = tool("edit", *asked(model, tmp_path, "--input", photo, "--refine", 2, "--method",
                               "lbfgs"))
    assert done.code == 0, done.stderr
    edited, given = (np.asarray(Image.open(path))
                     for path in (tmp_path / "photo.edited.png", photo))
    assert edited.shape == (40, 61, 4)
    np.testing.assert_array_equal(edited[..., 3], given[..., 3])
    np.testing.assert_array_equal(edited[:, :10, :3], given[:, :10, :3])
    told = json.loads((tmp_path / "edits.json").read_text())
    assert told["transfer"] and told["method"] == "lbfgs"
    plain = tool("edit", *asked(model, tmp_path / "plain", "--input", photo, "--refine", 2,
                                "--notransfer"))
    assert plain.code == 0, plain.stderr
    assert Image.open(tmp_path / "plain" / "photo.edited.png").size == (SIZE, SIZE)


def test_an_edit_that_does_nothing_leaves_a_photograph_as_it_is(model):
    coder = Coder(weights.load(str(model), weights="required"))
    (painted,) = painting.paint(coder, coder.model.codes(1), [], frames=3, candidates=1, steps=0)
    photo = np.random.default_rng(0).integers(0, 256, (40, 61, 3), np.uint8)
    np.testing.assert_array_equal(painted.on(photo), photo)
    assert painting.paint(coder, np.zeros((0, coder.model.latent)), []) == []


@pytest.mark.parametrize("more, says", [
    (["--samples", "1", "--direction", "Smiling"], "--strokes does not go with --direction"),
    (["--samples", "1", "--k", "2"], "--strokes does not go with --k"),
    ([], "either --input or --samples"),
    (["--samples", "1", "--transfer"], "--transfer is for pictures that are given"),
    (["--samples", "1", "--refine", "3"], "--refine is for pictures that are given"),
    (["--input", "{photo}"], "has no encoder"),
    (["--input", "{photo}", "--refine", "2", "--method", "lbfgs", "--rate", "1"], "leave --rate"),
    (["--input", "{photo}", "--reference", "vgg19"], "--reference is for descent"),
    (["--input", "{photo}", "--refine", "2", "--reference", "vgg0"], "no reference vgg0"),
    (["--samples", "1", "--strokes", "none.json"], "none.json cannot be read"),
])
def test_what_does_not_go_with_strokes(tool, model, tmp_path, more, says):
    words = [word.format(photo=model.parent / "photo.png") for word in more]
    done = tool("edit", *asked(model, tmp_path / "out", *words))
    assert done.code and done.json is None
    assert says in done.stderr.splitlines()[-1], done.stderr
    assert not (tmp_path / "out").exists()


SLOW = ("fc_encoder", "age", "icgan", "vae", "deepsim_autoencoder", "deepsim_inversion", "pioneer",
        "ian", "ali", "alpha_gan")


@pytest.mark.parametrize("name", ["pggan", *(pytest.param(name, marks=pytest.mark.slow)
                                             for name in SLOW)])
def test_strokes_on_models_of_every_kind(tiny, name):
    built = tiny(name, trains=False)
    coder = Coder(built)
    size = coder.size
    strokes = [Stroke("colour", ((0.5, 0.5),), 0.2, (230, 25, 25)),
               Stroke("sketch", ((0.2, 0.7), (0.8, 0.7)), 0.1)]
    pictures = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
    codes = coder.encode(pictures) if coder.encoder else built.codes(2)
    made = painting.paint(coder, codes, strokes, frames=3, candidates=2, steps=4)
    for painted in made:
        assert painted.pictures.shape == (3, size, size, 3)
        assert np.isfinite(painted.codes).all()
        assert painted.edited.costs[0] <= painted.edited.before + 1e-3
