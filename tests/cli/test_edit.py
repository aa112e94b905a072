"""edit on a tiny encoder and its generator: what stands in the strips, directions, refusals."""

import functools
import json
import math
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from kgan.cli.edit import _far
from kgan.cli.edit_flags import edit_flags, factored, ks_of, pairs_of
from kgan.cli.edit_jobs import descent
from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.core.recipe import Machine
from kgan.data import open_data
from kgan.data.pictures import resize_cover
from kgan.editing.directions import Direction, from_labels, from_pairs, moved, safe_range
from kgan.editing.grids import interpolated
from kgan.editing.strips import SAFE
from kgan.models import generators, weights
from kgan.models.codec import Coder
from kgan.report.sheet import GAP, LINE, draw_strip
from kgan.training.run import RunOptions, train

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIZE, SIDE = 16, 128  # pixels of the models, and as strips show them


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders of a generator, whose weights are random and large, and of a trained encoder."""
    folder = tmp_path_factory.mktemp("runs")
    entry = registry.entry("dcgan")
    keras.utils.set_random_seed(0)
    made = weights.build("dcgan", entry.recipe.replace(
        **{**entry.tiny, "size": SIZE, "prior": "normal"}
    ))
    for kernel in (v for v in made.g.trainable_variables if v.path.endswith("kernel")):
        kernel.assign(15 * kernel)
    weights.write(made, folder / "generator")
    entry = registry.entry("fc_encoder")
    recipe = entry.recipe.replace(**{
        **entry.tiny, "data": "avatars:Smiling,Eyeglasses?n=60&test=8", "steps": 6,
        "generator": str(folder / "generator"), "generator_recipe": "", "validation": 0,
    })
    options = RunOptions(out=str(folder / "encoder"), export=False)
    assert train("fc_encoder", recipe, Machine(), options)["status"] == "done"
    return folder / "generator", folder / "encoder"


@pytest.fixture(scope="module", autouse=True)
def loaded_once():
    """Each model is loaded once, and not for every call of the tool."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weights, "load", functools.cache(weights.load))
        yield


@pytest.fixture(scope="module")
def model(runs):
    return weights.load(str(runs[1]), weights="required")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Pictures of any size in `without` and `with`, which differ in colour."""
    folder = tmp_path_factory.mktemp("faces")
    for side, red in (("without", 0), ("with", 120)):
        (folder / side).mkdir()
        for i in range(7):
            Image.fromarray(picture(i, red)).save(folder / side / f"{i}.png")
    return folder


def picture(seed, red=0, height=40, width=24):
    coarse = np.random.default_rng(seed).integers(0, 120, (height // 8, width // 8, 3))
    return np.uint8(coarse.repeat(8, 0).repeat(8, 1) + np.array([red, 0, 0]))


def square(*arguments, **keywords):
    return resize_cover(picture(*arguments, **keywords), SIZE)


def encoded(model, *pictures):
    return model.encode(np.stack(pictures)).numpy()


def decoded(model, codes):
    return np.uint8(np.clip(np.round((model.decode(codes).numpy() + 1) * 127.5), 0, 255))


def panels(path):
    """The pictures of a strip, [n, size, size, 3]."""
    strip = np.asarray(Image.open(path))[-SIDE:]
    parts = [strip[:, x : x + SIDE] for x in range(0, strip.shape[1], SIDE + GAP)]
    assert all(part.shape == (SIDE, SIDE, 3) for part in parts)
    small = np.stack(parts)[:, :: SIDE // SIZE, :: SIDE // SIZE]
    assert (small.repeat(8, 1).repeat(8, 2) == parts).all()
    return small


def near(a, b):
    """Equal but for the rounding of kernels that depend on the shape of the call."""
    return a.shape == b.shape and np.abs(a.astype(int) - b.astype(int)).max() <= 1


def result(folder):
    return json.loads((folder / "edits.json").read_text())


# Strips


def test_a_folder_with_two_directions(tool, runs, model, tmp_path):
    source, out = tmp_path / "faces", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    Image.fromarray(picture(1)).save(source / "high.png")
    Image.fromarray(picture(2, height=16, width=16)).save(source / "deep" / "exact.bmp")
    (source / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    done = tool("edit", "--model", runs[1], "--input", source, "--output", out,
                "--direction", "Smiling,Eyeglasses:-0.5", "--k", "-2,0,3,3")
    assert done.code == 1, done.stderr
    assert (done.json["status"], done.json["written"]) == ("incomplete", 2)
    assert done.json["directions"] == ["Smiling", "Eyeglasses"]
    assert done.json["skipped"].keys() == {str(source / "broken.jpg")}
    assert "skipped: " in done.stderr
    found = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    assert found == ["deep/exact.png", "edits.json", "high.png"]
    smiling, eyeglasses = model.attributes["Smiling"], model.attributes["Eyeglasses"]
    wanted = {"deep/exact.png": square(2, height=16, width=16), "high.png": square(1)}
    errors = []
    for record in result(out)["pictures"]:
        x = wanted.pop(record["strip"])
        code = encoded(model, x)
        codes = [code, moved(code, [(smiling, -2), (eyeglasses, 1)]),
                 moved(code, [(smiling, 3), (eyeglasses, -1.5)])]
        shown = panels(out / record["strip"])
        assert (shown[0] == x).all()
        assert near(shown[1:], decoded(model, np.concatenate(codes)))
        assert np.abs(shown[3].astype(int) - shown[1]).mean() > 1  # it does something
        assert record["k"] == [[-2, 3], [1, -1.5]]
        safe = [[end[0] for end in safe_range(d, code)] for d in (smiling, eyeglasses)]
        np.testing.assert_allclose(record["safe"], safe, atol=2e-5)
        errors.append(np.abs(shown[1] / 127.5 - x / 127.5).mean())
        assert record["mae"] == pytest.approx(errors[-1], abs=1e-5)
    assert not wanted
    assert done.json["mae"] == pytest.approx(np.mean(errors), abs=1e-5)
    captions = np.asarray(Image.open(out / "high.png"))[: 2 * LINE + GAP]
    dark = [(captions[:, x : x + SIDE] < 128).any((1, 2)) for x in range(0, 4 * SIDE, SIDE + GAP)]
    assert all(lower[LINE:].any() for lower in dark)
    assert [upper[:LINE].any() for upper in dark] == [False, False, True, True]


def test_safe_ends_and_single_files(tool, runs, model, faces, tmp_path):
    done = tool("edit", "--model", runs[1], "--input", faces / "with" / "0.png", "--output",
                tmp_path, "--direction", "Smiling", "--k", "safe", "--n_sigma", 3, "--separate")
    assert done.code == 0, done.stderr
    code, direction = encoded(model, square(0, 120)), model.attributes["Smiling"]
    ks = [float(k[0]) for k in safe_range(direction, code, 3)]
    (record,) = result(tmp_path)["pictures"]
    np.testing.assert_allclose(record["k"], [ks], atol=2e-5)
    assert record["safe"] == record["k"]
    shown = panels(tmp_path / "0.png")
    assert near(shown[1:], decoded(model, np.concatenate([code, moved(code, [(direction, ks)])])))
    assert record["files"] == ["0.k0.png", "0.safe_low.png", "0.safe_middle.png", "0.safe_high.png"]
    for name, panel in zip(record["files"], shown[1:], strict=True):
        assert (np.asarray(Image.open(tmp_path / name)) == panel).all()


def test_generated_pictures_of_a_bare_generator(tool, runs, model, tmp_path):
    generator = weights.load(str(runs[0]), weights="required")
    direction = Direction("d", np.eye(model.latent)[2], 1.0, generators.sha256(generator.g))
    direction.save(tmp_path / "d.npz")
    done = tool("edit", "--model", runs[0], "--samples", 70, "--seed", 5, "--output",
                tmp_path / "out", "--direction", tmp_path / "d.npz", "--k", "1")
    assert done.code == 0, done.stderr
    assert (done.json["written"], done.json["mae"]) == (70, None)
    codes = generator.codes(70, 5).numpy()
    for i in (0, 69):  # of two batches
        code = codes[i : i + 1]
        wanted = decoded(generator, np.concatenate([code, code + np.eye(model.latent)[2]]))
        assert near(panels(tmp_path / "out" / f"sample_{i:02}.png"), wanted)


def test_results_stay_unless_said_and_the_same_command_goes_on(tool, runs, faces, tmp_path):
    source, out = tmp_path / "faces", tmp_path / "out"
    shutil.copytree(faces / "with", source)
    (source / "6.png").write_bytes(b"no picture")
    call = ["edit", "--model", runs[1], "--input", source, "--output", out, "--direction",
            "Smiling", "--k"]
    first = tool(*call, "1")
    assert (first.code, first.json["written"], first.json["kept"]) == (1, 6, 0)
    assert first.json["skipped"].keys() == {str(source / "6.png")}
    assert result(out)["skipped"] == first.json["skipped"]
    there, made = panels(out / "1.png"), (out / "1.png").stat().st_mtime_ns
    (out / "0.png").unlink()
    (out / "5.png").unlink()
    (out / "5.png").mkdir()  # in the way of a strip
    shutil.copy(faces / "with" / "6.png", source / "6.png")
    again = tool(*call, "1")
    assert (again.code, again.json["written"], again.json["kept"]) == (1, 2, 4)
    assert "5.png cannot be written" in again.json["skipped"][str(source / "5.png")]
    assert (out / "1.png").stat().st_mtime_ns == made
    strips = [record["strip"] for record in result(out)["pictures"]]
    assert sorted(strips) == [f"{i}.png" for i in range(7)]
    refused = tool(*call, "3")
    assert (refused.code, refused.json) == (1, None)
    assert f"{out / 'edits.json'} is of strips that were made otherwise (k)" in refused.stderr
    assert (panels(out / "1.png") == there).all()
    (out / "5.png").rmdir()
    assert tool(*call, "3", "--overwrite").json["written"] == 7
    assert (panels(out / "1.png")[2] != there[2]).any()
    assert len(result(out)["pictures"]) == 7


def test_no_strip_replaces_a_reference_picture_and_no_direction_its_source(
    tool, runs, model, faces, tmp_path
):
    folders = shutil.copytree(faces, tmp_path / "faces")
    before = (folders / "with" / "0.png").read_bytes()
    sides = ["--without", folders / "without", "--with", folders / "with"]
    call = ["edit", "--model", runs[1], "--input", faces / "without", "--overwrite"]
    refused = tool(*call, *sides, "--output", folders / "with")
    assert refused.code == 2 and "Results would replace the pictures" in refused.stderr
    assert (folders / "with" / "0.png").read_bytes() == before
    model.attributes["Smiling"].save(tmp_path / "s.npz")
    kept = (tmp_path / "s.npz").read_bytes()
    again = tool(*call, "--output", tmp_path / "out", "--direction", tmp_path / "s.npz",
                 "--orthogonal", "Eyeglasses", "--save", tmp_path / "s.npz")
    assert again.code == 2 and (tmp_path / "s.npz").read_bytes() == kept


def test_the_whole_direction_is_the_default_of_encoders_that_were_published_so(
    tool, runs, model, faces, tmp_path
):
    done = tool("edit", "--model", runs[1], "--input", faces / "with" / "0.png", "--output",
                tmp_path, "--direction", "Smiling:-1", "--separate")
    assert done.code == 0, done.stderr
    (record,) = result(tmp_path)["pictures"]
    code, smiling = encoded(model, square(0, 120)), model.attributes["Smiling"]
    assert record["k"] == [[pytest.approx(-smiling.length, abs=1e-6)]]
    assert record["files"] == ["0.k0.png", "0.length.png"]
    wanted = decoded(model, moved(code, [(smiling, -smiling.length)]))
    assert near(np.asarray(Image.open(tmp_path / "0.length.png")), wanted[0])
    assert result(tmp_path)["k"] == "length"
    others = ("crg_encoder", "dcgan", str(runs[0]))
    assert {_far(name) for name in ("transfer_encoder", str(runs[1]))} == {"length"}
    assert {_far(name) for name in others} == {"-4,-2,2,4"}


def test_long_captions_keep_their_last_word():
    black = np.zeros((2, SIZE, SIZE, 3), np.uint8)
    strip = draw_strip(black, [["x" * 40 + " +2"], ["y"]])
    assert strip.size == (2 * SIDE + GAP, LINE + GAP + SIDE)
    between = np.asarray(strip)[:LINE, SIDE : SIDE + GAP]
    assert (between == 255).all()
    large = draw_strip(np.zeros((1, 200, 200, 3), np.uint8), [["input"]])
    assert large.size == (200, 200 + LINE + GAP)


# Directions


def test_pairs_make_a_direction_that_can_be_kept(tool, runs, model, faces, tmp_path):
    kept = tmp_path / "red.npz"
    call = ["edit", "--model", runs[1], "--input", faces / "without" / "3.png", "--k", "2"]
    pairs = [[faces / side / f"{i}.png" for side in ("without", "with")] for i in (0, 1)]
    done = tool(*call, "--output", tmp_path / "out", "--pair", *pairs[0],
                f"--pair={pairs[1][0]},{pairs[1][1]}", "--name", "Red", "--save", kept)
    assert done.code == 0, done.stderr
    direction = Direction.load(kept)
    wanted, length = from_pairs(*(encoded(model, square(0, red), square(1, red))
                                  for red in (0, 120)))
    np.testing.assert_allclose(direction.vector, wanted, atol=1e-4)
    assert direction.length == pytest.approx(length, rel=1e-3)
    assert (direction.name, direction.generator) == ("Red", model.generator_sha256)
    assert math.isnan(direction.mean_with)
    again = tool(*call, "--output", tmp_path / "again", "--direction", kept)
    assert again.json["directions"] == ["Red"]
    assert (panels(tmp_path / "again/3.png") == panels(tmp_path / "out/3.png")).all()


def test_folders_make_a_direction_measured_by_pictures_that_it_is_not_made_of(
    tool, runs, model, faces, tmp_path
):
    kept = tmp_path / "red.npz"
    done = tool("edit", "--model", runs[1], "--input", faces / "without" / "3.png", "--output",
                tmp_path / "out", "--without", faces / "without", "--with", faces / "with",
                "--k", "safe", "--save", kept, "--plot")
    assert done.code == 0, done.stderr
    direction = Direction.load(kept)
    without, with_ = (encoded(model, *(square(i, red) for i in range(7))) for red in (0, 120))
    learnt = [1, 2, 4, 5]
    wanted, _ = from_labels(np.concatenate([without[learnt], with_[learnt]]), [0] * 4 + [1] * 4)
    np.testing.assert_allclose(direction.vector, wanted, atol=1e-4)
    measured = with_[[0, 3, 6]] @ wanted
    assert direction.mean_with == pytest.approx(measured.mean(), abs=1e-5)
    assert direction.std_with == pytest.approx(measured.std(), abs=1e-5)
    (record,) = result(tmp_path / "out")["pictures"]
    safe = safe_range(direction, without[3])
    np.testing.assert_allclose(record["k"][0], safe, atol=2e-5)
    drawing = (tmp_path / "out/projections.svg").read_text()
    assert "3 pictures" in drawing
    assert 'class="picture"' in drawing


LABELLED = "avatars:Smiling,No_Beard?n=80&test=60"


def labelled(model):
    """The held-out pictures of `LABELLED`; the direction of their beards, and who has one."""
    data = open_data(LABELLED, size=SIZE, seed=model.recipe.seed)
    learnt, codes = (model.encode_all(x["a"]) for x in (data.train, data.test))
    beards, held = (data.labels[split][:, 1] == 0 for split in ("train", "test"))
    difference = learnt[beards].mean(0) - learnt[~beards].mean(0)
    return data.test["a"], codes, difference / np.linalg.norm(difference), held


def test_labelled_pictures_make_a_direction_and_say_how_far_is_safe(
    tool, runs, model, faces, tmp_path
):
    assert "Beard" not in model.attributes
    own = model.attributes["Smiling"].vector.copy()
    asked = ["--model", runs[1], "--data", LABELLED, "--input", faces / "with" / "0.png"]
    done = tool("edit", *asked, "--direction", "Beard", "--k", "safe", "--save",
                tmp_path / "beard.npz", "--output", tmp_path / "out")
    assert done.code == 0, done.stderr
    _, codes, vector, held = labelled(model)
    found = Direction.load(tmp_path / "beard.npz")
    np.testing.assert_allclose(found.vector, vector, atol=1e-4)
    assert found.mean_with == pytest.approx((codes[held] @ vector).mean(), abs=1e-3)
    assert found.std_without == pytest.approx((codes[~held] @ vector).std(), abs=1e-3)
    code = encoded(model, square(0, 120))
    wanted = [moved(code, [(found, k)])[0] for k in np.ravel(safe_range(found, code))]
    assert near(panels(tmp_path / "out" / "0.png")[2:], decoded(model, np.stack(wanted)))
    assert result(tmp_path / "out")["data"] == LABELLED
    both = tool("edit", *asked, "--panel", "--k", "2", "--output", tmp_path / "panel")
    assert both.json["directions"] == ["Smiling", "Eyeglasses", "Beard"], both.stderr
    smiles = int(open_data(LABELLED, size=SIZE).labels["train"][:, 0].sum())
    hows = [told["how"] for told in result(tmp_path / "panel")["directions"]]
    assert hows[:2] == [f"mean codes of {smiles} pictures with it and {80 - smiles} without",
                        model.attributes["Eyeglasses"].how] and hows[0] != hows[1]
    np.testing.assert_array_equal(model.attributes["Smiling"].vector, own)


def test_labelled_pictures_make_a_direction_of_a_bare_generator(tool, runs, tmp_path):
    done = tool("edit", "--model", runs[0], "--data", LABELLED, "--samples", "2", "--direction",
                "Beard", "--refine", "2", "--k", "safe", "--output", tmp_path)
    assert done.code == 0 and done.json["written"] == 2, done.stderr
    (told,) = result(tmp_path)["directions"]
    assert told["name"] == "Beard" and told["std_with"] > 0


@pytest.mark.parametrize("arguments, says", [
    (["--direction", "Bear"], "has no direction Bear. Did you mean Beard"),
    ([], "--data does nothing without --direction or --panel"),
    (["--direction", "Smiling", "--data", "folder:{faces}?layout=single"], "no labels of attrib"),
    (["--direction", "Smiling", "--data", "avatars:Smiling?n=20&test=8"], "no labels of attrib"),
])
def test_labelled_pictures_that_do_not_do(tool, runs, faces, tmp_path, arguments, says):
    done = tool("edit", "--model", runs[1], "--samples", "1", "--data", LABELLED, "--output",
                tmp_path, *(text.format(faces=faces) for text in arguments))
    assert done.code and says in done.stderr, done.stderr


def test_folders_measure_a_pair_and_an_orthogonal_direction(tool, runs, model, faces, tmp_path):
    kept = tmp_path / "red.npz"
    call = ["edit", "--model", runs[1], "--samples", 1, "--k", "safe", "--orthogonal", "Smiling",
            "--pair", faces / "without" / "0.png", faces / "with" / "0.png", "--save", kept]
    refused = tool(*call, "--output", tmp_path / "out")
    assert (refused.code, refused.json) == (1, None)
    assert "give --without FOLDER --with FOLDER, or numbers" in refused.stderr
    assert not kept.exists()
    done = tool(*call, "--output", tmp_path / "out", "--without", faces / "without", "--with",
                faces / "with")
    assert done.code == 0, done.stderr
    direction = Direction.load(kept)
    assert abs(direction.vector @ model.attributes["Smiling"].vector) < 1e-5
    measured = encoded(model, *(square(i, 120) for i in range(7))) @ direction.vector
    assert direction.mean_with == pytest.approx(measured.mean(), abs=1e-5)


# Descent


@pytest.fixture(scope="module")
def made(runs, tmp_path_factory):
    """A folder with three pictures that the generator made."""
    folder = tmp_path_factory.mktemp("made")
    for i, x in enumerate(weights.load(str(runs[0]), weights="required").sample(3, seed=8)):
        Image.fromarray(x).save(folder / f"{i}.png")
    return folder


@pytest.mark.parametrize("method, rate", [("adam", 0.1), ("standard", 1.0), ("lbfgs", None)])
def test_a_journal_names_the_rate_of_a_method_that_has_one(model, method, rate):
    flags = edit_flags()
    flags.parse(["--refine", "3", "--method", method])
    said = descent(Coder(model, refine=3, method=method), flags)
    assert said.get("rate") == rate and ("rate" in said) == (rate is not None)
    assert said["refine"] == 3 and said["method"] == method


@pytest.mark.parametrize("method", ["stochastic", "prior"])
def test_refining_lowers_each_error(tool, runs, faces, made, tmp_path, method):
    call = ["edit", "--model", runs[1], "--input", made, "--pair",
            faces / "without" / "0.png", faces / "with" / "0.png", "--k", "1"]
    plain = tool(*call, "--output", tmp_path / "plain", "--save", tmp_path / "plain.npz")
    refined = tool(*call, "--output", tmp_path / "refined", "--save", tmp_path / "refined.npz",
                   "--refine", 50, "--method", method)
    assert refined.code == 0, refined.stderr
    assert refined.json["mae"] < 0.7 * plain.json["mae"]
    for a, b in zip(*(result(tmp_path / n)["pictures"] for n in ("refined", "plain")), strict=True):
        assert a["mae"] < b["mae"]
    assert result(tmp_path / "refined")["rate"] == {"stochastic": 1, "prior": 0.01}[method]
    a, b = (Direction.load(tmp_path / f"{name}.npz") for name in ("plain", "refined"))
    np.testing.assert_array_equal(a.vector, b.vector)  # reference pictures are encoded alone


def test_descent_that_goes_wrong_leaves_the_code_of_the_encoder(model, made):
    pictures = np.stack([np.asarray(Image.open(path)) for path in sorted(made.iterdir())])
    plain, jumped = Coder(model).encode(pictures), Coder(model, refine=1, rate=300)
    np.testing.assert_allclose(jumped.encode(pictures), plain, atol=1e-6)


def test_a_bare_generator_finds_codes_by_descent(tool, runs, made, tmp_path):
    call = ["edit", "--model", runs[0], "--input", made / "0.png", "--k", "1"]
    kept = tmp_path / "d.npz"
    first = tool(*call, "--output", tmp_path / "1", "--refine", 1, "--save", kept,
                 "--pair", made / "1.png", made / "2.png")
    assert first.code == 0, first.stderr
    long = tool(*call, "--output", tmp_path / "2", "--refine", 50, "--direction", kept)
    assert long.json["mae"] < 0.7 * first.json["mae"]
    refused = tool(*call, "--output", tmp_path / "3", "--direction", kept)
    assert refused.code == 2
    assert "has no encoder: look for the codes of pictures by descent" in refused.stderr


# Arguments


def parsed(*arguments):
    """The pairs of a command line, and its flags."""
    flags = edit_flags()
    words = flags.parse([*arguments], positional=None)
    return pairs_of(flags.pair, words), flags


def test_pairs_are_two_words_or_one_with_a_comma(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    (tmp_path / "a,b").touch()
    pairs, flags = parsed("--k", "-2,1", "--pair", "a", "~/b", "--pair=~/c,~/d", "-pair", "e,f",
                          "--name=1=2")
    assert pairs == [("a", "/home/ada/b"), ("/home/ada/c", "/home/ada/d"), ("e", "f")]
    assert (flags.k, flags.name) == ("-2,1", "1=2")
    assert parsed("--pair", "a,b", "c")[0] == [("a,b", "c")]
    assert parsed("--plot")[0] == []


@pytest.mark.parametrize(("arguments", "says"), [
    (["--pair"], "Missing value for --pair"), (["--pair", "a"], "--pair takes two pictures"),
    (["--pair", "--k", "1"], "--pair takes two pictures"),
    (["--pair", "a", "--k", "1"], "--pair takes two pictures"),
    (["--pair=a,b,c"], "--pair takes two pictures"), (["--pair=a,"], "--pair takes two pictures"),
    (["--pair", "a", "b", "c"], "'c' is one argument too many"),
    (["a", "--k", "1"], "'a' is one argument too many"),
])
def test_what_is_no_pair(arguments, says):
    with pytest.raises(UsageError, match=says):
        parsed(*arguments)


def test_factors_and_ks():
    assert factored("Smiling") == ("Smiling", 1.0)
    assert factored("Smiling:-0.5") == ("Smiling", -0.5)
    assert factored("a:b") == ("a:b", 1.0)
    assert ks_of("safe") == SAFE
    assert ks_of("-2,0,2,+2,.5") == (-2, 2, 0.5)


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"input": None}, 2, "Say --output and either --input or --samples"),
        ({"samples": 2}, 2, "Say --output and either --input or --samples"),
        ({"output": None}, 2, "Say --output and either --input or --samples"),
        ({"direction": None}, 2, "Say what to edit"),
        ({"direction": "Smilling"}, 1, "has no direction Smilling. Did you mean Smiling?"),
        ({"direction": "Smiling:0"}, 2, "must be a number other than 0"),
        ({"direction": "no.npz"}, 1, "There is no direction no.npz"),
        ({"direction": "face.npz"}, 1, "face.npz is not a direction or is damaged"),
        ({"direction": "other.npz"}, 1, "belongs to another generator"),
        ({"orthogonal": "Smiling"}, 1, "Nothing is left of Smiling"),
        ({"k": "1,two"}, 2, "--k 1,two is neither safe nor numbers"),
        ({"k": "inf"}, 2, "--k inf is neither safe nor numbers"),
        ({"k": "safe", "direction": "Smiling:2"}, 2, "give directions without a factor"),
        ({"input": "nowhere"}, 1, "There is no file or folder nowhere"),
        ({"input": "empty"}, 1, "empty holds no pictures"),
        ({"input": "broken"}, 1, "None of the 1 pictures could be read"),
        ({"output": "."}, 2, "Results would replace the pictures"),
        ({"output": "face.png"}, 1, "--output face.png is no folder"),
        ({"without": "empty"}, 2, "--without and --with go together"),
        ({"without": "nowhere", "with": "empty"}, 1, "There is no file or folder nowhere"),
        ({"without": "broken", "with": "broken"}, 1, "None of the 1 pictures could be read"),
        ({"without": "face.png", "with": "face.png", "direction": "Smiling,Eyeglasses"}, 2,
         "are about one direction"),
        ({"without": "face.png", "with": "face.png"}, 1, "two pictures with the attribute"),
        ({"without": "face.png", "with": "face.png", "direction": None}, 1, "have the same mean"),
        ({"direction": "Smiling,Eyeglasses", "save": "x.npz"}, 2, "--save keeps one direction"),
        ({"save": "x"}, 2, "must end in .npz"),
        ({"save": "face.npz"}, 1, "face.npz is not a direction or is damaged"),
        ({"plot": "true"}, 2, "--plot needs pictures"),
        ({"name": "", "pair": "face.png,face.png", "direction": None}, 2, "is no name"),
        ({"pair": "face.png,no.png"}, 1, "There is no picture no.png"),
        ({"pair": "face.png,face.png"}, 1, "have the same code"),
        ({"pair": "face.png"}, 2, "--pair takes two pictures"),
        ({"refine": 3, "input": None, "samples": 1}, 2, "--refine is for pictures"),
        ({"model": "runs/nowhere"}, 1, "There is no folder runs/nowhere"),
        ({"model": "crg_encodr"}, 2, "Did you mean crg_encoder"),
        ({"model": "cyclegan"}, 2, "cyclegan makes no pictures from codes: take an encoder"),
        ({"model": "./generator"}, 1, "has no directions of its own, so no Smiling"),
    ],
)
def test_what_edit_refuses(tool, runs, tmp_path, monkeypatch, changes, code, says):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture(0)).save("face.png")
    pathlib.Path("generator").symlink_to(runs[0])
    for folder in ("empty", "broken"):
        (tmp_path / folder).mkdir()
    (tmp_path / "broken" / "face.jpg").write_bytes(b"no picture")
    (tmp_path / "face.npz").write_bytes(b"no direction")
    Direction("other", np.eye(8)[0], 1.0, "0" * 64).save("other.npz")
    call = {"model": runs[1], "input": "face.png", "output": "out", "direction": "Smiling",
            **changes}
    flags = [f"--{name}={value}" for name, value in call.items() if value is not None]
    refused = tool("edit", *flags)
    assert (refused.code, refused.json) == (code, None), refused.stderr
    assert says in refused.stderr.splitlines()[-1]
    assert refused.stderr.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "x.npz").exists()


def test_labels_beside_codes_are_refused(tool, tmp_path, monkeypatch):
    entry = registry.entry("cgan")
    made = weights.build("cgan", entry.recipe.replace(**entry.tiny))
    weights.write(made, tmp_path / "weights")
    refused = tool("edit", "--model", tmp_path, "--samples", 1, "--output", tmp_path / "out",
                   "--direction", "x")
    assert refused.code == 2
    assert "cgan needs labels beside codes" in refused.stderr


def test_a_model_without_codes_is_refused_without_tensorflow(tmp_path):
    Image.fromarray(picture(0)).save(tmp_path / "face.png")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from kgan.cli.edit import main\n"
        "code = main(sys.argv[2:])\n"
        "assert not {'tensorflow', 'keras', 'h5py'} & set(sys.modules)\n"
        "sys.exit(code)"
    )
    call = ["--model", "cyclegan", "--input", "face.png", "--output", "out", "--direction", "x"]
    done = subprocess.run([sys.executable, "-c", script, ROOT, *call], capture_output=True,
                          text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: cyclegan makes no pictures from codes")


# Ways, orders, panels


def test_a_way_between_two_pictures(tool, runs, model, faces, tmp_path):
    ends = faces / "without" / "0.png", faces / "with" / "1.png"
    done = tool("edit", "--model", runs[1], "--between", *ends, "--steps", "4", "--output",
                tmp_path, "--separate")
    assert done.code == 0, done.stderr
    assert (done.json["written"], done.json["path"]) == (1, "line")  # a prior N(0, 1), no norm
    x, y = square(0), square(1, 120)
    a, b = encoded(model, x)[0], encoded(model, y)[0]
    wanted = decoded(model, np.stack([a, (2 * a + b) / 3, (a + 2 * b) / 3, b]))
    shown = panels(tmp_path / "0_to_1.png")
    assert near(shown, np.concatenate([x[None], wanted, y[None]]))
    (record,) = result(tmp_path)["pictures"]
    assert record["between"] == [str(end) for end in ends]
    assert record["files"] == [f"0_to_1.{i}.png" for i in range(4)]
    assert near(np.asarray(Image.open(tmp_path / "0_to_1.3.png")), wanted[3])
    again = tool("edit", "--model", runs[1], "--between", *ends, "--steps", "4", "--output",
                 tmp_path, "--separate")
    assert (again.json["written"], again.json["kept"]) == (0, 1)


def test_a_way_between_drawn_and_kept_codes_of_a_generator(tool, runs, model, tmp_path):
    code = model.codes(1, seed=5).numpy()[0]
    np.save(tmp_path / "kept.npy", 2 * code)
    done = tool("edit", "--model", runs[0], "--between", f"3,{tmp_path / 'kept.npy'}", "--between",
                "3", "5", "--steps", "3", "--path", "sphere", "--output", tmp_path / "out")
    assert done.code == 0, done.stderr
    first = model.codes(1, seed=3).numpy()[0]
    for name, last in (("3_to_kept", 2 * code), ("3_to_5", code)):
        wanted = decoded(model, interpolated(first, last, 3, "sphere"))
        assert near(panels(tmp_path / "out" / f"{name}.png"), wanted)


def test_a_sum_of_three_pictures(tool, runs, model, faces, tmp_path):
    terms = [faces / "with" / "0.png", faces / "without" / "1.png", faces / "without" / "2.png"]
    asked = ["--model", runs[1], "--arithmetic", "{} - {} + {}".format(*terms), "--output",
             tmp_path, "--separate"]
    done = tool("edit", *asked)
    assert done.code == 0 and done.json["written"] == 1, done.stderr
    inputs = np.stack([square(0, 120), square(1), square(2)])
    a, b, c = codes = encoded(model, *inputs)
    wanted = decoded(model, np.stack([*codes, a - b + c]))
    assert not near(wanted[3], wanted[0])
    name = "0_minus_1_plus_2"
    assert near(panels(tmp_path / f"{name}.png"), np.concatenate([inputs, wanted]))
    assert near(np.asarray(Image.open(tmp_path / f"{name}.result.png")), wanted[3])
    (record,) = result(tmp_path)["pictures"]
    assert record["arithmetic"] == "{} - {} + {}".format(*terms)
    assert record["files"] == [f"{name}.result.png"]
    assert tool("edit", *asked).json["kept"] == 1


def test_a_sum_of_a_generator_whose_pictures_are_inverted(tool, runs, made, tmp_path):
    first, second = sorted(made.iterdir())[:2]
    done = tool("edit", "--model", runs[0], "--refine", "3", "--arithmetic",
                f"{first} - {second} + 5", "--output", tmp_path)
    assert done.code == 0, done.stderr
    coder = Coder(weights.load(str(runs[0]), weights="required"), refine=3)
    read = [coder.read(path) for path in (first, second)]
    a, b = (coder.encode(x[None])[0] for x in read)
    c = coder.model.codes(1, seed=5).numpy()[0]
    wanted = [*read, *coder.decode(np.stack([a, b, c, a - b + c]))]
    shown = panels(tmp_path / f"{first.stem}_minus_{second.stem}_plus_5.png")
    assert near(shown, np.stack(wanted))


@pytest.mark.parametrize("arguments, says", [
    *((["--arithmetic", text, *more], "say a sum in quotation marks") for text, *more in (
        ["1"], ["1 -"], ["1-2"], ["- 1 + 2"], ["1 + - 2"], ["1", "+", "2"])),
    (["--arithmetic", "1 - none.png + 2"], "There is no picture none.png"),
    (["--arithmetic", "1 - 2", "--arithmetic", "1 - 2"], "one file"),
    (["--arithmetic", "1 - 2", "--steps", "3"], "--steps does nothing without"),
    (["--arithmetic", "1 - 2", "--direction", "Smiling"], "not --direction"),
    (["--arithmetic", "1 - 2", "--between", "1,2"], "not --arithmetic"),
    (["--between", "1"], "--between takes two ends"),
    (["--between", "1", "none.png"], "There is no picture none.png"),
    (["--between", "1", "2", "--direction", "Smiling"], "not --direction"),
    (["--between", "1", "2", "--n_sigma", "1"], "--n_sigma does nothing without"),
    (["--samples", "2", "--pair", "1,2", "--n_sigma", "1"],
     "--n_sigma does nothing without --direction or --without or --panel"),
    (["--samples", "2", "--without", "a", "--with", "b", "--direction", "Smiling", "--name", "x"],
     "leave it or --direction out"),
    *((["--samples", "2", "--direction", "Smiling", *flag], f"{flag[0]} does nothing without {by}")
      for by, flag in (
          ("--strokes", ["--candidates", "4"]), ("--strokes", ["--stay", "1"]),
          ("--strokes", ["--edit_steps", "9"]), ("--between or --strokes", ["--steps", "4"]),
          ("--between or --strokes", ["--path", "line"]), ("--object", ["--style", "1"]),
          ("--refine", ["--method", "lbfgs"]), ("--pair or --without", ["--name", "x"]),
          ("--reference", ["--feature_weight", "1"]))),
    (["--samples", "2", "--direction", "Smiling", "--notransfer"], "--transfer does nothing"),
    (["--between", "1,2", "--between", "1,2"], "one file"),
    (["--between", "1", "{short}"], "holds 3 numbers, not the 8 of a code"),
    (["--between", "1", "{words}"], "holds no code"),
    (["--samples", "4", "--direction", "Smiling", "--panel", "--sort", "2"], "two things"),
    (["--samples", "4", "--direction", "Smiling", "--sort", "2", "--k", "1"],
     "leave --k and --n_sigma out"),
    (["--samples", "4", "--direction", "Smiling", "--sort", "2", "--n_sigma", "1"],
     "leave --k and --n_sigma out"),
    (["--samples", "4", "--direction", "Smiling,Eyeglasses", "--sort", "2"], "one direction"),
    (["--samples", "2", "--direction", "Smiling", "--sort", "2"], "three pictures or more"),
])
def test_grids_that_cannot_be(tool, runs, tmp_path, arguments, says):
    np.save(tmp_path / "short.npy", np.zeros(3, np.float32))
    np.save(tmp_path / "words.npy", np.array(["a"]))
    places = {"short": tmp_path / "short.npy", "words": tmp_path / "words.npy"}
    done = tool("edit", "--model", runs[1], "--output", tmp_path / "out",
                *(text.format(**places) for text in arguments))
    assert done.code and says in done.stderr, done.stderr


def test_pictures_in_the_order_of_a_direction(tool, runs, model, faces, tmp_path):
    asked = ["--model", runs[1], "--input", faces, "--direction", "Smiling", "--sort", "2",
             "--output", tmp_path]
    done = tool("edit", *asked)
    assert done.code == 0 and done.json["pictures"] == 14, done.stderr
    told = json.loads((tmp_path / "sorted.json").read_text())
    smiling = model.attributes["Smiling"]
    places = [p["projection"] for p in told["pictures"]]
    assert places == sorted(places, reverse=True)
    for record in told["pictures"]:
        path = pathlib.Path(record["input"])
        x = square(int(path.stem), 120 * (path.parent.name == "with"))
        projection = float(encoded(model, x)[0] @ smiling.vector)
        assert record["projection"] == pytest.approx(projection, abs=1e-3)
        deviations = (projection - smiling.mean_with) / smiling.std_with
        assert record["sigmas"] == pytest.approx(deviations, rel=1e-2, abs=0.01)
    sheet = np.asarray(Image.open(tmp_path / "sorted.png"))
    head = 2 * LINE + GAP
    assert sheet.shape == (3 * (head + SIDE) + 2 * GAP, 2 * SIDE + GAP, 3)
    best = pathlib.Path(told["pictures"][0]["input"])
    shown = sheet[head : head + SIDE, :SIDE][:: SIDE // SIZE, :: SIDE // SIZE]
    assert (shown == square(int(best.stem), 120 * (best.parent.name == "with"))).all()
    drawn = tool("edit", "--model", runs[1], "--samples", "5", "--direction", "Smiling", "--sort",
                 "1", "--output", tmp_path / "drawn")
    assert drawn.code == 0 and drawn.json["pictures"] == 5, drawn.stderr


def test_held_out_pictures_in_order_with_the_labels_of_their_tails(tool, runs, model, tmp_path):
    done = tool("edit", "--model", runs[1], "--data", LABELLED, "--direction", "Beard", "--sort",
                "3", "--save", tmp_path / "beard.npz", "--output", tmp_path / "out")
    assert done.code == 0 and done.json["pictures"] == 60, done.stderr
    _, codes, vector, held = labelled(model)
    places = codes @ vector
    ranked = np.argsort(-places)
    told = json.loads((tmp_path / "out" / "sorted.json").read_text())
    assert told["data"] == LABELLED
    assert [p["label"] for p in told["pictures"]] == held[ranked].tolist()
    assert told["tails"] == done.json["tails"] == {
        "share": 0.05, "pictures": 3, "highest": round((~held[ranked[:3]]).mean(), 4),
        "lowest": round(held[ranked[-3:]].mean(), 4), "labelled": round(held.mean(), 4)}
    assert told["pictures"][0]["input"] == f"held out {ranked[0]}"
    assert told["mean"] == pytest.approx(places[held].mean(), abs=1e-3)
    assert Image.open(tmp_path / "out" / "sorted.png").width == 3 * SIDE + 2 * GAP
    # a direction that is kept is of the label of its name
    again = tool("edit", "--model", runs[1], "--data", LABELLED, "--direction",
                 tmp_path / "beard.npz", "--sort", "3", "--output", tmp_path / "again")
    assert again.json["tails"] == done.json["tails"], again.stderr
    kept = json.loads((tmp_path / "again" / "sorted.json").read_text())
    assert kept["pictures"] == told["pictures"]
    given = tool("edit", "--model", runs[1], "--samples", "4", "--data", LABELLED, "--direction",
                 "Beard", "--sort", "1", "--output", tmp_path / "given")
    assert given.json["pictures"] == 4 and "tails" not in given.json, given.stderr


def test_a_panel_of_all_attributes(tool, runs, model, faces, tmp_path):
    done = tool("edit", "--model", runs[1], "--input", faces / "with" / "0.png", "--panel",
                "--output", tmp_path)
    assert done.code == 0, done.stderr
    names = list(model.attributes)
    assert done.json["directions"] == names and len(names) == 2
    code, head = encoded(model, square(0, 120)), 2 * LINE + GAP
    wanted = [square(0, 120), decoded(model, code)[0]] + [
        decoded(model, moved(code, [(d, d.length)]))[0] for d in model.attributes.values()]
    sheet = np.asarray(Image.open(tmp_path / "0.png"))
    assert sheet.shape[0] == head + SIDE
    assert near(panels(tmp_path / "0.png"), np.stack(wanted))
    done = tool("edit", "--model", runs[1], "--samples", "1", "--panel", "--k", "-1,1,2",
                "--output", tmp_path / "drawn")
    sheet = np.asarray(Image.open(tmp_path / "drawn" / "sample_0.png"))
    height = LINE + GAP + SIDE + 2 * (GAP + head + SIDE)
    assert sheet.shape == (height, 3 * SIDE + 2 * GAP, 3)
    (record,) = result(tmp_path / "drawn")["pictures"]
    assert record["k"] == [[-1, 1, 2]] * 2
    bare = tool("edit", "--model", runs[0], "--samples", "1", "--panel", "--output", tmp_path / "b")
    assert "has no directions of its own" in bare.stderr
