"""`tools/evaluate` on generators and encoders: figures, pictures, where they are recorded."""

import dataclasses
import errno
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from kgan import data
from kgan.core import registry
from kgan.core.errors import UserError
from kgan.core.pixels import to_uint8
from kgan.evaluation import avatar_edits, features, generation
from kgan.evaluation import judge as classifier
from kgan.evaluation.measures import Options
from kgan.metrics import c2st
from kgan.metrics.reconstruction import baselines, similarity
from kgan.models import weights
from kgan.report import run_page as page
from kgan.training import run_data

FACES = "avatars:Smiling,Eyeglasses?n=24&test=12"


def flags(name, **changes):
    values = {**registry.entry(name).tiny, "data": FACES, "steps": 2, "export": False, **changes}
    for field in ("labels", "generator_recipe"):
        values.pop(field, None)
    values = {k: str(v).lower() if isinstance(v, bool) else v for k, v in values.items()}
    return ["--model", name, *(f"--{k}={v}" for k, v in values.items())]


@pytest.fixture(scope="module")
def generator(tool, tmp_path_factory):
    """The run of a tiny generator."""
    folder = tmp_path_factory.mktemp("runs") / "dcgan"
    done = tool("train", *flags("dcgan", out=folder))
    assert done.code == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def encoder(tool, generator):
    """The run of a tiny encoder of that generator."""
    folder = generator.with_name("encoder")
    done = tool("train", *flags("fc_encoder", out=folder, generator=generator))
    assert done.code == 0, done.stderr
    return folder


def test_evaluate_a_generator(tool, generator, tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "_STEPS", 5)
    monkeypatch.setattr(generation, "open_data", lambda spec, size: data.open_data(
        f"{spec}?n=24&test=12", size=size))
    done = tool("evaluate", "--model", generator, "--output", tmp_path, "--n", 10)
    assert done.code == 0, done.stderr
    assert (done.json["n"], done.json["pictures"], done.json["data"]) == (10, 10, FACES)
    name = "vgg_star_small_avatars"
    assert done.json[f"frechet_{name}"] > done.json[f"real_frechet_{name}"] > 0
    assert {f"kid_{name}", "precision", "recall", "l2_ratio", "near_duplicates"} <= set(done.json)
    shares = done.json["shares"]
    assert shares["attributes"] == ["Smiling", "Eyeglasses"]
    assert len(shares["real"]) == len(shares["made"]) == 2 and shares["largest_difference"] <= 1
    recorded(generator, done.json, tmp_path)
    again = tool("evaluate", "--model", generator, "--n", 10)
    assert again.json == done.json  # the same codes
    assert done.json["reference"] == "vgg_star_small.avatars"


def test_a_generator_by_other_features(tool, generator, monkeypatch):
    monkeypatch.setattr(generation, "avatar_shares", lambda *given: {})
    seen = []
    monkeypatch.setattr(features, "keras_fid", lambda real, made: float(
        seen.append((len(real), len(made))) or 7))
    done = tool("evaluate", "--model", generator, "--n", 10, "--keras_fid", "--reference",
                "vgg_small.avatars")
    assert done.code == 0, done.stderr
    assert (done.json["keras_fid"], seen) == (7, [(10, 10)])
    assert done.json["reference"] == "vgg_small.avatars"
    assert {"frechet_vgg_small_avatars", "precision"} <= done.json.keys()
    unknown = tool("evaluate", "--model", generator, "--reference", "vgg_smal.avatars")
    assert unknown.code == 2 and "Did you mean vgg_small.avatars" in unknown.stderr


def test_a_conditional_generator_is_measured_by_the_labels_of_the_data(tiny, monkeypatch):
    monkeypatch.setattr(generation, "avatar_shares", lambda *given: {})
    monkeypatch.setattr(generation, "measure_samples", lambda real, made, **how: {"made": made})
    model, held = tiny("cgan"), data.open_data(FACES, size=16)
    options = Options(n=9, reference="vgg_small.avatars")
    figures, _ = model.measure(held, options)
    labels = held.labels_of("test", np.arange(9))
    np.testing.assert_array_equal(figures["made"], model.sample(9, 1, 2 * labels - 1))
    assert (figures["made"] != model.sample(9, 1)).any()
    again = generation.samples(model, held, 15)  # more than are held out
    np.testing.assert_array_equal(
        again, model.sample(15, 1, 2 * held.labels_of("test", np.arange(12)) - 1))
    other = dataclasses.replace(held, label_names=("Bald", "Smiling"))
    with pytest.raises(UserError, match=r"has not the labels that .* knows: Smiling,Eye"):
        model.measure(other, options)


def test_figures_that_cannot_be_had_cost_no_others(tool, generator, encoder, monkeypatch):
    monkeypatch.setattr(generation, "avatar_shares", lambda *given: {})

    def offline(real, made):
        raise UserError("keras_fid needs weights")

    monkeypatch.setattr(features, "keras_fid", offline)
    few = tool("evaluate", "--model", generator, "--n", 3, "--keras_fid")
    assert few.code == 0, few.stderr
    name = "vgg_star_small_avatars"
    assert few.json["skipped"].keys() == {
        f"kid_{name}", f"real_frechet_{name}", "precision_recall", "keras_fid"
    }
    assert few.json[f"frechet_{name}"] > 0 and few.json["l2_ratio"] > 0
    assert f"left out kid_{name}: KID needs at least 4 pictures" in few.stderr
    one = tool("evaluate", "--model", encoder, "--n", 1)
    assert one.code == 0, one.stderr
    assert one.json["skipped"].keys() == {"random"}
    assert one.json["mean_mae"] > 0 and one.json["code_error"] > 0
    refused = tool("evaluate", "--model", encoder, "--keras_fid")
    assert (refused.code, refused.json) == (2, None)
    assert "--keras_fid is for translators and generators" in refused.stderr


def test_what_cannot_be_written_costs_no_figure(tool, encoder, tmp_path, monkeypatch):
    (tmp_path / "file").touch()

    def read_only(run):
        raise OSError(errno.EROFS, "Read-only file system", str(run / "index.html"))

    monkeypatch.setattr(page, "write_page", read_only)
    done = tool("evaluate", "--model", encoder, "--n", 4, "--output", tmp_path / "file" / "out")
    assert done.code == 1
    assert done.json["ssim"] <= 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"error: {tmp_path}/file/out cannot be written: Not a directory; ")
    assert "index.html cannot be written: Read-only file system" in said


def test_a_run_whose_data_have_changed_is_marked(tool, encoder, monkeypatch):
    known = {"spec": FACES, "digest": "1", "held_out": {"a": ["x", "y"]}}
    real = data.open_data

    @dataclasses.dataclass(frozen=True)
    class Known(data.Data):
        digest: str = "1"
        held_out: dict = dataclasses.field(default_factory=lambda: {"a": ("y", "z")})

    def opened(spec, digest, **how):
        found = real(spec, **how)
        return Known(**{f.name: getattr(found, f.name) for f in dataclasses.fields(data.Data)
                        if f.name not in ("digest", "held_out")}, digest=digest)

    monkeypatch.setattr(run_data, "known_data", lambda folder: known)
    for digest, changed in (("1", None), ("2", True)):
        monkeypatch.setattr(data, "open_data", lambda spec, digest=digest, **how: opened(
            spec, digest, **how))
        done = tool("evaluate", "--model", encoder, "--n", 4)
        assert done.code == 0, done.stderr
        assert done.json.get("data_changed") is changed
        assert done.json.get("not_held_out") == (1 if changed else None)
        assert ("has changed since" in done.stderr) is bool(changed)
    seeded = tool("evaluate", "--model", encoder, "--n", 4, "--seed", 7)
    assert (seeded.json["data_changed"], seeded.json["not_held_out"]) == (False, 1)
    assert "by this --seed" in seeded.stderr and "has changed" not in seeded.stderr


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--suite", "crg", "--keras_fid"], "crg has no figures that heed --keras_fid"),
        (["--suite", "crg", "--recover", "3"], "--recover is for one model"),
        (["--suite", "crg", "--model", "cyclegan"], "--model is for one model"),
        (["--suite", "pgn", "--reference", "vgg19"], "pgn has no figures that heed --reference"),
        (["--dry_run"], "--dry_run goes with --suite"),
        (["--suite", "crg", "--palette", "cmp"], "--palette is for one model"),
        (["--minutes", "3"], "--minutes goes with --suite"),
        (["--projection_steps", "3"], "--projection_steps does nothing without --projections"),
        (["--recover_steps", "3"], "--recover_steps does nothing without --recover"),
    ],
)
def test_flags_that_would_be_ignored_are_refused(tool, flags, says):
    refused = tool("evaluate", *flags)
    assert (refused.code, refused.json) == (2, None)
    assert says in refused.stderr


def test_evaluate_an_encoder(tool, encoder, tmp_path):
    done = tool("evaluate", "--model", encoder, "--output", tmp_path, "--n", 10)
    assert done.code == 0, done.stderr
    model, held = weights.load(str(encoder)), data.open_data(FACES, size=16)
    real = held.test["a"][np.arange(10)]
    made = to_uint8(model.decode(model.encode(real))).numpy()
    wanted = {**similarity(real, made), **baselines(real, held.train["a"])}
    assert {k: done.json[k] for k in wanted} == pytest.approx(wanted, rel=1e-2)
    z = model.codes(10, seed=1).numpy()
    again = np.asarray(model.encode(model.decode(z)))
    assert done.json["code_error"] == pytest.approx(np.mean((again - z) ** 2) / np.mean(z**2))
    assert done.json.keys() == {"status", "model", "data", "n", "code_error", *wanted}
    recorded(encoder, done.json, tmp_path)


def recorded(run, result, output):
    """The figures are with the run and in the folder that was asked for, with a picture."""
    assert json.loads((run / "metrics.json").read_text())["evaluation"] == result
    assert json.loads((output / "evaluation.json").read_text()) == result
    assert Image.open(output / "evaluation.png").width >= 32


# Translators without two networks of their own


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(classifier, "_STEPS", 5)


@pytest.mark.slow  # as test_evaluate_a_run, of another model
def test_evaluate_one_attribute_of_a_stargan(tool, tmp_path, quick, monkeypatch):
    monkeypatch.setattr(c2st, "STEPS", 5)
    run = tmp_path / "stargan"
    done = tool("train", *flags("stargan", out=run))
    assert done.code == 0, done.stderr
    pair = "avatars:Eyeglasses?n=24&test=12"
    measured = tool("evaluate", "--model", run, "--data", pair, "--seeds", 1)
    assert measured.code == 0, measured.stderr
    assert measured.json["n"] == 24
    model, held = weights.load(str(run)), data.open_data(pair, size=16)
    x = np.asarray(model.translate(held.test["b"][np.arange(12)], "remove_Eyeglasses"))
    truth = held.truth["b"][np.arange(12)]
    edited = (held.test["b"][np.arange(12)] != truth).any(-1)
    region = np.abs(x.astype(float) - truth)[edited].mean()
    assert measured.json["region_l1"] == pytest.approx(region, abs=0.3)
    assert measured.json["identity_c2st_log_loss_a2b"] > 0  # what doing nothing gives
    assert measured.json["identity_c2st_accuracy_b2a_std"] == 0
    unknown = tool("evaluate", "--model", run, "--data", "avatars:Bald?n=24&test=12")
    assert unknown.code == 2 and "has no label Bald" in unknown.stderr
    for side in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / "sets" / side).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (16, 16), (i, 9, 99)).save(tmp_path / "sets" / side / f"{i}.png")
    mute = tool("evaluate", "--model", run, "--data", f"folder:{tmp_path / 'sets'}")
    assert mute.code == 2 and "measure one with --data avatars:NAME" in mute.stderr
    own = tool("evaluate", "--model", run)
    assert own.code == 1 and "--data avatars:Smiling" in own.stderr


def test_dfi_takes_its_neighbours_from_the_data(tool, tmp_path, quick, monkeypatch):
    random = np.random.default_rng(0)
    for side, low in (("A", 40), ("B", 150)):
        for part, count in (("train", 4), ("test", 2)):
            (tmp_path / f"{part}{side}").mkdir()
            for i in range(count):
                picture = random.integers(low, low + 60, (64, 64, 3), np.uint8)
                Image.fromarray(picture).save(tmp_path / f"{part}{side}" / f"{i}.png")
    entry, seen, knobs = registry.entry("dfi_small"), [], []
    quicker = entry.recipe.replace(iterations=2)
    monkeypatch.setitem(registry._entries, "dfi_small", dataclasses.replace(entry, recipe=quicker))
    real = entry.model.prepare
    monkeypatch.setattr(entry.model, "prepare", lambda self, data: (
        seen.append(data.spec), knobs.append(self.recipe), real(self, data)))
    asked = f"folder:{tmp_path}"
    done = tool("evaluate", "--model", "dfi_small", "--data", asked, "--seeds", 0)
    assert done.code == 0, done.stderr
    made = tool("translate", "--model", "dfi_small", "--input", tmp_path / "testA",
                "--output", tmp_path / "out", "--data", asked, "--beta", 0.7, "--neighbours", 3)
    assert made.code == 0, made.stderr
    assert seen == [asked, asked]
    assert knobs == [quicker, quicker.replace(data=asked, beta=0.7, neighbours=3)]
    assert len([*(tmp_path / "out").glob("*.png")]) == 2


@pytest.mark.slow  # its parts are in tests of evaluation, edits and packing
def test_evaluate_and_pack_an_encoder_with_directions(tool, tmp_path, quick, monkeypatch):
    """From a run to the zoo: edits beside true ones, no path of this machine in what is packed."""
    monkeypatch.setattr(avatar_edits, "open_data", lambda spec, size: data.open_data(
        f"{spec}?n=24&test=12", size=size))
    faces = "avatars:Smiling,No_Beard?n=240&test=12"
    below, run, zoo = tmp_path / "below", tmp_path / "run", tmp_path / "zoo"
    assert tool("train", *flags("dcgan", out=below, data=faces)).code == 0
    assert tool("train", *flags("fc_encoder", out=run, data=faces, generator=below)).code == 0
    done = tool("evaluate", "--model", run, "--n", 4, "--output", tmp_path / "seen")
    assert done.code == 0, done.stderr
    assert done.json["edits"].keys() == {"Smiling", "Beard"}
    for found in done.json["edits"].values():
        assert 0 <= found["add"]["accuracy_before"] <= 1
        assert found["pairs"]["pairs"] == 6

    for entry in (registry.entry("dcgan"), registry.entry("fc_encoder")):
        monkeypatch.setitem(registry._entries, entry.name,
                            dataclasses.replace(entry, weights=("toy",)))
    monkeypatch.setattr(registry, "_all", lambda: registry._entries)
    shutil.copytree(registry.folder(), zoo, ignore=shutil.ignore_patterns("weights", "__py*"))
    shutil.copytree(registry.folder() / "weights" / "vgg_star_small.avatars",
                    zoo / "weights" / "vgg_star_small.avatars")
    monkeypatch.setattr(registry, "folder", lambda: zoo)
    monkeypatch.setattr(generation, "open_data", lambda spec, size: data.open_data(
        f"{spec}?n=24&test=12", size=size))
    packed = tool("zoo", "pack", run, "fc_encoder.toy")
    assert packed.code == 0, packed.stderr
    text = (zoo / "weights/fc_encoder.toy/config.json").read_text()
    assert str(tmp_path) not in text and json.loads(text)["recipe"]["generator"] == "below"
    assert tool("zoo", "pack", below, "dcgan.toy").code == 0
    again = tool("zoo", "pack", run, "fc_encoder.toy")
    assert again.code == 0, again.stderr
    folder = zoo / "weights/fc_encoder.toy"
    assert json.loads((folder / "config.json").read_text())["recipe"]["generator"] == "dcgan.toy"
    metadata = weights.verify(folder)
    assert " --generator dcgan.toy" in metadata["command"]
    assert metadata["figures"]["edits"].keys() == {"Smiling", "Beard"}
    assert len([*(folder / "directions").iterdir()]) == 2
    monkeypatch.setattr("kgan.cli.zoo.LARGEST", 1000)
    large = tool("zoo", "pack", below, "dcgan.toy")
    assert large.code == 1 and "MB of weights; the zoo takes" in large.stderr
    assert (zoo / "weights/dcgan.toy").exists()  # that of before stays
