"""translate, evaluate, export and zoo on a tiny trained run: results, refusals, exit codes."""

import json
import os
import pathlib
import shutil
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kgan import data
from kgan.cli import zoo as cli_zoo
from kgan.core import registry
from kgan.core.errors import UserError
from kgan.core.memory import bytes_per_pixel
from kgan.evaluation import features
from kgan.evaluation import judge as classifier
from kgan.models.weights import load, read, verify, write


@pytest.fixture(scope="module")
def model(finished):
    return load(str(finished))


def picture(height, width, channels=3, seed=0):
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (height // 4 + 1, width // 4 + 1, channels), np.uint8)
    return coarse.repeat(4, 0).repeat(4, 1)[:height, :width]


def translated(model, rgb, direction="a2b"):
    return model.translate(tf.constant(rgb[None]), direction)[0].numpy()


def near(a, b):
    """Equal but for the rounding of kernels that depend on the shape of the call."""
    return np.abs(a.astype(int) - b.astype(int)).max() <= 1


# translate


@pytest.fixture
def pictures(tmp_path):
    """A folder with pictures of every kind, one of them broken."""
    folder = tmp_path / "pictures"
    (folder / "deep" / "deeper").mkdir(parents=True)
    Image.fromarray(picture(37, 51)).save(folder / "odd.png")
    Image.fromarray(picture(20, 9, 4, 1), "RGBA").save(folder / "deep" / "clear.png")
    Image.fromarray(picture(16, 24, 1, 2)[..., 0]).save(folder / "deep" / "deeper" / "grey.PNG")
    Image.fromarray(picture(1, 1, 3, 3)).save(folder / "dot.bmp")
    Image.fromarray(picture(16, 16, 3, 4)).save(folder / "same.bmp")
    Image.fromarray(picture(16, 16, 3, 5)).save(folder / "same.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def test_translate_a_folder(tool, finished, model, pictures, tmp_path):
    out = tmp_path / "out"
    done = tool("translate", "--model", finished, "--input", pictures, "--output", out)
    assert done.code == 1, done.stderr
    assert (done.json["written"], done.json["kept"]) == (6, 0)
    assert done.json["skipped"].keys() == {str(pictures / "broken.jpg")}
    assert (done.json["direction"], done.json["status"]) == ("a2b", "incomplete")
    assert f"skipped: {pictures / 'broken.jpg'}: " in done.stderr
    assert done.stderr.splitlines()[-1] == "written 6 of 7, 0 kept, 1 skipped"
    found = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    assert found == [
        "deep/clear.png", "deep/deeper/grey.png", "dot.png", "odd.png", "same.bmp.png",
        "same.png.png",
    ]
    results = {name: np.asarray(Image.open(out / name)) for name in found}
    odd = picture(37, 51)
    assert near(results["odd.png"], translated(model, odd))
    assert np.abs(results["odd.png"].astype(int) - odd).mean() > 1  # it does something
    clear = picture(20, 9, 4, 1)
    assert results["deep/clear.png"].shape == (20, 9, 4)
    assert (results["deep/clear.png"][..., 3] == clear[..., 3]).all()
    grey = picture(16, 24, 1, 2).repeat(3, -1)
    assert near(results["deep/deeper/grey.png"], translated(model, grey))
    assert results["dot.png"].shape == (1, 1, 3)
    assert near(results["same.bmp.png"], translated(model, picture(16, 16, 3, 4)))
    assert near(results["same.png.png"], translated(model, picture(16, 16, 3, 5)))


def test_translate_a_file_the_other_way_and_never_over_a_result(
    tool, finished, model, tmp_path
):
    source, out = tmp_path / "face.png", tmp_path / "out"
    Image.fromarray(picture(16, 16)).save(source)
    call = ["translate", "--model", finished, "--input", source, "--output", out]
    done = tool(*call, "--direction", "b2a")
    assert (done.code, done.json["direction"], done.json["written"]) == (0, "b2a", 1)
    there = np.asarray(Image.open(out / "face.png"))
    assert near(there, translated(model, picture(16, 16), "b2a"))
    assert not near(there, translated(model, picture(16, 16), "a2b"))
    again = tool(*call)
    assert (again.code, again.json["written"], again.json["kept"]) == (0, 0, 1)
    assert "1 of 1 results exist already and stay" in again.stderr
    assert "--overwrite" in again.stderr
    assert (np.asarray(Image.open(out / "face.png")) == there).all()
    assert tool(*call, "--overwrite").json["written"] == 1
    assert near(np.asarray(Image.open(out / "face.png")), translated(model, picture(16, 16)))


def test_one_picture_that_fails_ends_no_batch_and_the_same_command_goes_on(
    tool, finished, model, tmp_path, monkeypatch
):
    source, out = tmp_path / "faces", tmp_path / "out"
    source.mkdir()
    for i, side in enumerate((16, 40, 24)):
        Image.fromarray(picture(side, side, 3, i)).save(source / f"{i}.png")
    (out / "2.png").mkdir(parents=True)  # in the way of a result
    needed = bytes_per_pixel(model.translate)
    assert 20 < needed < 200
    monkeypatch.setattr("kgan.cli.translate.available_memory", lambda: 1000 * needed)
    call = ["translate", "--model", finished, "--input", source, "--output", out]
    done = tool(*call)
    assert (done.code, done.json["status"]) == (1, "incomplete")
    assert (done.json["written"], done.json["kept"]) == (1, 0)
    large, blocked = done.json["skipped"].values()
    assert large.startswith("40x40 pixels need 0.0 GB") and large.endswith("--max_side 28")
    assert "2.png cannot be written: Is a directory" in blocked
    (out / "2.png").rmdir()
    there = (out / "0.png").stat().st_mtime_ns
    again = tool(*call, "--max_side", 28)
    assert (again.code, again.json["written"], again.json["kept"]) == (0, 2, 1)
    assert (out / "0.png").stat().st_mtime_ns == there
    shrunk = np.asarray(Image.fromarray(picture(40, 40, 3, 1)).resize((28, 28), 3))
    assert near(np.asarray(Image.open(out / "1.png")), translated(model, shrunk))
    assert near(np.asarray(Image.open(out / "2.png")), translated(model, picture(24, 24, 3, 2)))


def test_what_a_network_runs_out_of_memory_on_is_skipped(
    tool, finished, model, tmp_path, monkeypatch
):
    for i in range(2):
        Image.fromarray(picture(16 + i, 16, 3, i)).save(tmp_path / f"{i}.png")
    real = type(model).translate

    def translate(self, images, direction=None):
        if images.shape[1] == 16:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return real(self, images, direction)

    monkeypatch.setattr("kgan.cli.translate._function", lambda model, direction: (
        lambda x: translate(model, tf.constant(x), direction), None))
    done = tool("translate", "--model", finished, "--input", tmp_path, "--output", tmp_path / "o")
    assert (done.code, done.json["written"]) == (1, 1)
    assert done.json["skipped"] == {
        str(tmp_path / "0.png"): "the memory does not suffice for it"
    }


def test_a_full_disk_ends_a_batch_in_one_line(tool, finished, tmp_path, monkeypatch):
    Image.fromarray(picture(16, 16)).save(tmp_path / "face.png")
    monkeypatch.setattr("kgan.cli.translate.write_png", lambda path, array: os.write(
        os.open("/dev/full", os.O_WRONLY), b"x"))
    full = tool("translate", "--model", finished, "--input", tmp_path / "face.png", "--output",
                tmp_path / "out")
    assert (full.code, full.json) == (1, None)
    assert full.stderr.splitlines()[-1].endswith(
        "No space left on device. 0 of 1 are written; the same command goes on from there."
    )


@pytest.mark.parametrize("how", ["itself", "link", "case", "hard link"])
def test_no_result_replaces_an_input(tool, tmp_path, monkeypatch, how):
    faces = tmp_path / "faces"
    faces.mkdir()
    Image.fromarray(picture(16, 16)).save(faces / "face.png")
    before, out = (faces / "face.png").read_bytes(), tmp_path / "out"
    if how == "itself":
        out = tmp_path / "faces" / ".." / "faces"
    elif how == "link":
        out.symlink_to(faces)
    elif how == "hard link":
        out.mkdir()
        os.link(faces / "face.png", out / "face.png")
    else:  # as on a disk to which FACE.png is face.png
        out.mkdir()
        real = pathlib.Path.stat
        monkeypatch.setattr(pathlib.Path, "stat", lambda path, **how: real(
            faces / "face.png" if path == out / "face.png" else path, **how))
    for call in (["translate", "--model", "cyclegan"], ["edit", "--direction", "Smiling"]):
        refused = tool(*call, "--input", faces, "--output", out, "--overwrite")
        assert (refused.code, refused.json) == (2, None)
        assert "Results would replace the pictures" in refused.stderr
    assert (faces / "face.png").read_bytes() == before


def test_results_inside_the_input_folder_are_not_translated_again(tool, finished, tmp_path):
    Image.fromarray(picture(16, 16)).save(tmp_path / "face.bmp")
    call = ["translate", "--model", finished, "--input", tmp_path, "--output", tmp_path / "out"]
    assert tool(*call).json["written"] == 1
    again = tool(*call, "--overwrite")
    assert again.json["written"] == 1
    assert [p.name for p in (tmp_path / "out").rglob("*")] == ["face.png"]


def test_no_two_pictures_share_a_result(tmp_path):
    from kgan.cli.translate import jobs_of

    for name in ("a.jpg", "a.png", "a.jpg.png", "b.jpg"):
        (tmp_path / name).touch()
    jobs = {p.name: t.name for p, t in jobs_of(tmp_path, tmp_path / "out")}
    assert len(set(jobs.values())) == 4
    assert jobs["b.jpg"] == "b.png"


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"input": None}, 2, "--input and --output are needed"),
        ({"input": "nowhere"}, 1, "There is no file or folder nowhere"),
        ({"input": "empty"}, 1, "empty holds no pictures"),
        ({"input": "broken"}, 1, "None of the 1 pictures could be read"),
        ({"model": "cyclegam"}, 2, "Did you mean cyclegan"),
        ({"model": "runs/nowhere"}, 1, "There is no folder runs/nowhere"),
        ({"model": "empty"}, 2, "The zoo has no model empty; a folder is ./empty"),
        ({"model": "./empty"}, 1, "empty holds neither weights nor a run"),
        ({"model": "cyclegan", "direction": "b2c"}, 2, "b2c is not one of a2b, b2a"),
        ({"direction": "a2c"}, 2, "a2c is not one of a2b, b2a"),
        ({"model": "vgg_star_small"}, 2, "vgg_star_small does not translate pictures"),
        ({"output": "face.png"}, 1, "face.png/face.png cannot be written"),
    ],
)
def test_what_translate_refuses(tool, finished, tmp_path, monkeypatch, changes, code, says):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture(16, 16)).save("face.png")
    for folder in ("empty", "broken"):
        (tmp_path / folder).mkdir()
    (tmp_path / "broken" / "face.jpg").write_bytes(b"no picture")
    call = {"model": finished, "input": "face.png", "output": "out", **changes}
    flags = [f"--{name}={value}" for name, value in call.items() if value is not None]
    refused = tool("translate", *flags)
    assert (refused.code, refused.json) == (code, None)
    assert says in refused.stderr.splitlines()[-1]
    assert refused.stderr.splitlines()[-1].startswith("error: ")
    assert not (tmp_path / "out").exists()


# evaluate

FIGURES = {
    "edit_accuracy_a2b", "edit_accuracy_b2a", "log_loss_a2b", "log_loss_b2a", "preservation_l1",
    "preservation_l1_a2b", "preservation_l1_b2a", "counterfactual_psnr", "counterfactual_ssim",
    "region_l1",
}


@pytest.fixture
def quick_classifier(monkeypatch):
    monkeypatch.setattr(classifier, "_STEPS", 5)


def test_evaluate_a_run(tool, run_folder, tmp_path, quick_classifier):
    done = tool("evaluate", "--model", run_folder, "--output", tmp_path / "out", "--seeds", 0)
    assert done.code == 0, done.stderr
    figures = FIGURES | {f"identity_{name}" for name in FIGURES}
    figures |= {f"real_{name}" for name in FIGURES if name.startswith(("edit_", "log_"))}
    assert done.json.keys() - {"rough"} == {
        "status", "model", "data", "n", "classifier_accuracy", *figures}
    assert ("rough" in done.json) is (done.json["classifier_accuracy"] < 0.9)
    assert (done.json["status"], done.json["model"]) == ("done", str(run_folder))
    assert (done.json["data"], done.json["n"]) == ("avatars:Eyeglasses?n=24&test=8", 16)
    assert done.json["identity_preservation_l1"] == 0
    assert done.json["preservation_l1"] > 0
    assert 0 <= done.json["edit_accuracy_a2b"] <= 1
    # Doing nothing is as good as the classifier is bad.
    wrong = (done.json["identity_edit_accuracy_a2b"] + done.json["identity_edit_accuracy_b2a"]) / 2
    assert wrong == pytest.approx(1 - done.json["classifier_accuracy"])
    assert done.json["identity_counterfactual_psnr"] != done.json["counterfactual_psnr"]
    # The figures go to the run's page too, beside what its training said.
    known = json.loads((run_folder / "metrics.json").read_text())
    assert known["evaluation"] == done.json
    assert known["training"]["step"] == 40
    assert "edit_accuracy_a2b" in (run_folder / "index.html").read_text()
    assert json.loads((tmp_path / "out/evaluation.json").read_text()) == done.json
    assert Image.open(tmp_path / "out/evaluation.png").width > 128


def test_evaluate_with_the_inception_of_keras(tool, run_folder, quick_classifier, monkeypatch):
    """Each direction against the held-out pictures of its target; an identity would not be 0."""
    seen = []

    def distance(real, fake):
        seen.append((real, fake))
        return float(len(seen))

    monkeypatch.setattr(features, "keras_fid", distance)
    done = tool("evaluate", "--model", run_folder, "--seeds", 0, "--keras_fid")
    assert (done.json["keras_fid_a2b"], done.json["keras_fid_b2a"]) == (1.0, 2.0)
    test = data.open_data(done.json["data"], size=16).test
    for (real, fake), source, target in zip(seen, "ab", "ba", strict=True):
        np.testing.assert_array_equal(real, test[target][np.arange(8)])
        assert fake.shape == real.shape
        assert (fake != test[source][np.arange(8)]).any()


def test_evaluate_some_pictures_of_other_data(tool, run_folder, quick_classifier):
    done = tool(
        "evaluate", "--model", run_folder, "--n", 3, "--data", "avatars:Smiling?n=24&test=8",
        "--seed", 1,
    )
    assert (done.json["n"], done.json["data"]) == (6, "avatars:Smiling?n=24&test=8")


def test_what_evaluate_refuses(tool, finished, tmp_path):
    (tmp_path / "one").mkdir()
    for i in range(6):
        Image.fromarray(picture(20, 20, 3, i)).save(tmp_path / "one" / f"{i}.png")
    one = tool("evaluate", "--model", finished, "--data", f"folder:{tmp_path / 'one'}")
    assert one.code == 1
    assert "has one domain; measuring edits needs two" in one.stderr
    assert tool("evaluate", "--model", "cyclegam").code == 2
    assert tool("evaluate", "--model", tmp_path / "nowhere").code == 1
    assert tool("evaluate", "--model", finished, "--n", "-1").code == 2


# export


def test_export_a_run(tool, finished, tmp_path):
    done = tool("export", "--model", finished, "--out", tmp_path, "--name", "glasses",
                "--direction", "b2a", "--max_pixels", 5000)
    assert done.code == 0, done.stderr
    assert done.json["path"] == str(tmp_path / "glasses" / "1")
    assert done.json["megabytes"] > 0
    assert done.json["float_difference"] <= 1e-4
    assert done.json["level_difference"] <= 1
    assert {"serving_default", "images", "images_a2b"} <= set(done.json["signatures"])
    metadata = json.loads((tmp_path / "glasses/1/assets.extra/metadata.json").read_text())
    assert (metadata["name"], metadata["direction"]) == ("glasses", "b2a")
    assert metadata["max_pixels"] == done.json["max_pixels"] == 5000
    again = tool("export", "--model", tmp_path / "glasses", "--out", tmp_path, "--name", "glasses",
                 "--nocheck")
    assert again.json["path"] == str(tmp_path / "glasses" / "2")
    assert "float_difference" not in again.json and again.json["max_pixels"] > 5000


@pytest.mark.parametrize(
    ("flags", "code", "says"),
    [
        (["--model", "cyclegam"], 2, "Did you mean cyclegan"),
        (["--model", "cyclegan.nothing_of_the_kind"], 2, "has no weights nothing_of_the_kind"),
        (["--direction", "a2c"], 1, "no direction 'a2c'"),
        (["--name", "a/b"], 1, "cannot be a served name"),
        (["--model", "vgg_star_small"], 1, "cannot be a SavedModel: it does not translate"),
        (["--model", "dfi_small"], 1, "cannot be a SavedModel: it solves for each picture anew"),
    ],
)
def test_what_export_refuses(tool, finished, tmp_path, flags, code, says):
    refused = tool("export", "--model", finished, "--out", tmp_path / "out", *flags)
    assert (refused.code, refused.json) == (code, None)
    assert says in refused.stderr
    assert not (tmp_path / "out").exists()


# zoo


@pytest.fixture
def zoo(tmp_path, monkeypatch, model):
    """The zoo with one name that has two weights, `one` and `two`, in a folder to change."""
    folder = tmp_path / "zoo"
    shutil.copytree(registry.folder(), folder, ignore=shutil.ignore_patterns("weights", "__py*"))
    names = registry.names()
    entry = registry.entry("cyclegan")
    registry.register(
        "pair", entry.model, entry.recipe, card=entry.card, phrase="two weights",
        weights=("one", "two"),
    )
    name = model.name_in_zoo
    model.name_in_zoo = "pair"
    for tag in ("one", "two"):
        write(model, folder / "weights" / f"pair.{tag}", facts={"tag": tag})
    model.name_in_zoo = name
    monkeypatch.setattr(registry, "folder", lambda: folder)
    monkeypatch.setattr(registry, "_all", lambda: registry._entries)
    yield folder
    del registry._entries["pair"]
    assert registry.names() == names


def test_zoo_list(tool, zoo):
    done = tool("zoo", "list")
    assert done.code == 0
    assert done.json["models"].keys() == {*registry.names(), "pair"}
    assert done.json["models"]["pair"] == {"about": "two weights", "weights": ["one", "two"]}
    assert "two weights" in done.stderr
    assert ".two" in done.stderr


def test_a_person_is_shown_no_json(zoo, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    for words, shown in ((["list"], ".two"), (["show", "pair"], registry.card("pair"))):
        assert cli_zoo.main(words) == 0
        told = capsys.readouterr()
        assert told.out == ""
        assert shown in told.err


def test_zoo_show(tool, zoo):
    done = tool("zoo", "show", "pair.two")
    assert (done.code, done.json["model"], done.json["weights"]) == (0, "pair", "pair.two")
    assert done.json["recipe"] == registry.recipe("pair").as_dict()
    assert done.json["trained_with"]["ema"] == 0.9
    assert done.json["metadata"]["tag"] == "two"
    assert registry.card("pair") in done.stderr
    assert tool("zoo", "show", "pair").json["weights"] == "pair.one"  # the first is the default
    assert "weights" not in tool("zoo", "show", "cyclegan_small").json
    unknown = tool("zoo", "show", "pair.tow")
    assert unknown.code == 2
    assert "pair has no weights tow. Did you mean two?" in unknown.stderr


def test_zoo_verify(tool, zoo):
    done = tool("zoo", "verify", "pair.one")
    assert done.json["sha256"].keys() == {"pair.one"}
    assert "whole  pair.one" in done.stderr
    path = zoo / "weights/pair.one/model.weights.h5"
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)
    damaged = tool("zoo", "verify", "pair.one")
    assert (damaged.code, damaged.json) == (1, None)
    assert "model.weights.h5 is damaged" in damaged.stderr
    assert tool("zoo", "verify", "pair.two").code == 0
    assert tool("zoo", "verify", "cyclegan_small").code == 2


def test_zoo_pack(tool, zoo, run_folder, model, quick_classifier):
    shutil.rmtree(zoo / "weights/pair.two")
    done = tool("zoo", "pack", run_folder, "pair.two", "--licence", "CC0-1.0")
    assert done.code == 0, done.stderr
    folder = zoo / "weights/pair.two"
    assert done.json["weights"] == str(folder)
    assert done.json["megabytes"] == round(os.path.getsize(folder / "model.weights.h5") / 1e6, 2)
    assert {p.name for p in folder.iterdir()} == {
        "config.json", "metadata.json", "model.weights.h5", "preview.png"
    }
    metadata = verify(folder)
    assert (metadata["name"], metadata["tag"], metadata["step"]) == ("pair", "two", 40)
    assert metadata["licences"] == {"weights": "CC0-1.0"}
    assert metadata["figures"].keys() >= FIGURES
    packed = read(folder)
    assert packed.name_in_zoo == "pair"
    assert packed.recipe == model.recipe
    same = translated(packed, picture(16, 16)).astype(int)
    assert np.abs(same - translated(model, picture(16, 16))).max() <= 2  # float16


def test_packed_recipes_have_names_instead_of_paths():
    recipe = registry.recipe("vgg_star_ms_cyclegan").replace(
        data="folder:/home/me/faces?layout=domains", reference="/home/me/runs/star",
        init="/home/me/runs/first", vgg_weights="/home/me/vgg.h5")
    told = cli_zoo._without_paths(types.SimpleNamespace(recipe=recipe))
    assert "/home" not in json.dumps(told.as_dict())
    assert (told.data, told.init) == ("folder:faces?layout=domains", "first")
    assert (told.reference, told.vgg_weights) == ("star", "vgg.h5")


def test_zoo_pack_writes_nothing_that_it_cannot_measure(tool, zoo, run_folder, monkeypatch):
    before = (zoo / "weights/pair.two/metadata.json").read_text()

    def fail(*_, **__):
        raise UserError("these pictures cannot be measured")

    monkeypatch.setattr("kgan.evaluation.evaluate.evaluate", fail)
    failed = tool("zoo", "pack", run_folder, "pair.two")
    assert (failed.code, failed.json) == (1, None)
    assert "cannot be measured" in failed.stderr
    shutil.rmtree(run_folder / "weights")
    early = tool("zoo", "pack", run_folder, "pair.two")
    assert early.code == 1 and "done its last step but not written its weights" in early.stderr
    path = run_folder / "recipe.json"
    path.write_text(path.read_text().replace('"steps": 40', '"steps": 50'))
    unfinished = tool("zoo", "pack", run_folder, "pair.two")
    assert unfinished.code == 1
    last = unfinished.stderr.splitlines()[-1]
    assert last.endswith("is not trained to its end (step 40 of 50): train it further first.")
    assert (zoo / "weights/pair.two/metadata.json").read_text() == before
    assert sorted(p.name for p in (zoo / "weights").iterdir()) == ["pair.one", "pair.two"]


def test_zoo_pack_measures_a_model_of_many_labels_label_by_label(tmp_path, monkeypatch):
    asked = []

    def evaluate(folder, spec):
        asked.append(spec)
        return {"status": "done", "model": folder, "data": spec, "n": len(spec)}

    monkeypatch.setattr("kgan.evaluation.evaluate.evaluate", evaluate)
    model = registry.entry("stargan").model
    labels = types.SimpleNamespace(labels_edited=("Smiling", "Eyeglasses"),
                                   direction_for=model.direction_for, recipe=registry.recipe(
        "stargan").replace(labels="Smiling,Eyeglasses"))
    found = cli_zoo._figures(tmp_path, labels, "avatars:Smiling,Eyeglasses?n=24")
    assert asked == ["avatars:Smiling?n=24", "avatars:Eyeglasses?n=24"]
    assert found == {"Smiling": {"n": 20}, "Eyeglasses": {"n": 23}}
    cli_zoo._figures(tmp_path, labels, "celeba:faces")
    assert asked[2:] == ["celeba:faces?attribute=Smiling", "celeba:faces?attribute=Eyeglasses"]
    with pytest.raises(UserError, match="cannot be measured on folder:faces"):
        cli_zoo._figures(tmp_path, labels, "folder:faces")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "Say what: list, show NAME"),
        (["lits"], 2, "Did you mean list"),
        (["show"], 2, "tools/zoo show takes 1"),
        (["show", "a", "b"], 2, "takes 1"),
        (["show", "cyclegam"], 2, "Did you mean cyclegan"),
        (["pack", "x"], 2, "tools/zoo pack takes 2"),
        (["pack", "x", "cyclegan.unheard_of"], 2, "is not registered"),
        (["pack", "x/y", "cyclegan.avatars_smiling_64"], 1, "There is no folder x/y"),
        (["pack", "x", "y", "z"], 2, "'z' is one argument too many"),
    ],
)
def test_what_zoo_refuses(tool, words, code, says):
    refused = tool("zoo", *words)
    assert (refused.code, refused.json) == (code, None)
    assert says in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_benchmark_refuses_what_has_no_step(tool):
    refused = tool("benchmark", "--model", "dfi_small")
    assert (refused.code, refused.json) == (1, None)
    assert refused.stderr.strip() == "error: dfi_small has no training step to time."


def test_benchmark(tool):
    flags = "--model cyclegan --size 16 --load_size 0 --batch 2 --filters 4 --blocks 1 --pool 0 "
    flags += "--discriminator_filters 4 --discriminator_layers 1 --repeat 2"
    done = tool("benchmark", *flags.split(), "--data", "avatars:Eyeglasses?n=24&test=8")
    assert done.code == 0, done.stderr
    assert done.json["calls_per_step"] == {"g_ab": 2, "g_ba": 2, "d_a": 1, "d_b": 1}
    assert done.json["fastest"] <= done.json["seconds_per_step"] <= done.json["slowest"]
    assert done.json["gflops_per_step"] > 0
    assert done.json["data_is_faster_by"] > 0
