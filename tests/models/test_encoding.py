"""Encoders: the generator below, what is kept, directions of labels, what leaves the model."""

import json
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Machine, write_recipe
from kgan.data import open_data
from kgan.editing.directions import Direction, from_labels
from kgan.models import generators, inverting, weights
from kgan.training.callbacks import Report
from kgan.training.run import RunOptions, train

FACES = "avatars:Smiling,No_Beard?n=240&test=8"


def quiet_run(name, recipe, folder, **options):
    return train(name, recipe, Machine(), RunOptions(
        out=str(folder), log_every=5, sample_every=1000, check_export=False, **options))


@pytest.fixture(scope="module")
def dcgan(tmp_path_factory):
    """The folder of a trained tiny DCGAN."""
    folder = tmp_path_factory.mktemp("runs") / "dcgan"
    entry = registry.entry("dcgan")
    quiet_run("dcgan", entry.recipe.replace(**{**entry.tiny, "data": FACES, "steps": 4}), folder,
              export=False)
    return folder


@pytest.fixture(scope="module")
def recipe(dcgan):
    """`recipe(name, **changes)` of a tiny encoder on that DCGAN."""

    def make(name="transfer_encoder", **changes):
        entry = registry.entry(name)
        return entry.recipe.replace(**{
            **entry.tiny, "data": FACES, "generator_recipe": "", "generator": str(dcgan),
            "steps": 10, "validate_every": 5, **changes,
        })

    return make


@pytest.fixture(scope="module")
def run(recipe, tmp_path_factory):
    """The folder of a trained encoder."""
    folder = tmp_path_factory.mktemp("runs") / "encoder"
    quiet_run("transfer_encoder", recipe(), folder)
    return folder


@pytest.fixture(scope="module")
def model(run):
    return weights.load(str(run))


@pytest.fixture(scope="module")
def faces():
    return open_data(FACES, size=16)


def test_the_generator_and_the_layers_taken_over_are_frozen(dcgan, model):
    source = weights.load(str(dcgan))
    for mine, its in zip(model.g.weights, source.g.weights, strict=True):
        np.testing.assert_array_equal(mine, its)
    for name in ("conv1", "conv2", "norm2"):
        for mine, its in zip(model.e.get_layer(name).weights, source.d.get_layer(name).weights,
                             strict=True):
            np.testing.assert_array_equal(mine, its)
    assert [v.shape for v in model.variables_of("encoder")] == [(128, 8), (8,)]
    codes = model.codes(3)
    np.testing.assert_array_equal(model.decode(codes), source.decode(codes))
    assert (model.prior, model.latent) == ("uniform", 8)
    assert generators.sha256(source.g) == model.generator_sha256


@pytest.mark.slow  # four trainings; of suites and resumed runs such ones are in the default tests
def test_a_missing_generator_is_trained_first_and_once(recipe, tmp_path, capsys, monkeypatch):
    entry, told = registry.entry("dcgan"), Report.after_step
    registry.register("toy_dcgan", entry.model, entry.recipe.replace(
        **{**entry.tiny, "data": "avatars:Smiling", "steps": 2}), card="dcgan.md", phrase="a toy")
    try:
        chosen = recipe("fc_encoder", generator="toy_dcgan", steps=2)
        with monkeypatch.context() as patch:  # a signal in the generator's last step
            patch.setattr(Report, "after_step", lambda self, step, logs: (
                told(self, step, logs), step == 2 and signal.raise_signal(signal.SIGTERM)))
            stopped = quiet_run("fc_encoder", chosen, tmp_path / "run", export=False)
        assert (stopped["status"], stopped["model"]) == ("interrupted", "fc_encoder")
        assert "training it first" in capsys.readouterr().err
        done = quiet_run("fc_encoder", chosen, tmp_path / "run", export=False)
        below = tmp_path / "run" / "toy_dcgan"
        assert done["status"] == "done"
        trained = json.loads((below / "recipe.json").read_text())["recipe"]
        assert trained["data"] == FACES  # the encoder's pictures
        model, source = weights.load(str(tmp_path / "run")), weights.load(str(below))
        np.testing.assert_array_equal(model.g.get_weights()[0], source.g.get_weights()[0])
        quiet_run("fc_encoder", chosen.replace(steps=3), tmp_path / "run", export=False)
        assert "training it first" not in capsys.readouterr().err
        shutil.rmtree(below)  # an encoder's weights carry the generator
        alone = weights.load(str(tmp_path / "run"))
        np.testing.assert_array_equal(alone.sample(2), source.sample(2))
        further = quiet_run("fc_encoder", chosen.replace(steps=4), tmp_path / "run", export=False)
        assert (further["status"], further["step"]) == ("done", 4)  # and so do its checkpoints
        assert not below.exists()
    finally:
        del registry._entries["toy_dcgan"]


def test_drawn_faces_are_the_same_whatever_their_labels(dcgan, tmp_path, monkeypatch):
    entry = registry.entry("dcgan")
    registry.register("toy_dcgan", entry.model, entry.recipe.replace(
        **{**entry.tiny, "data": "avatars:Smiling,Bald?n=99"}), card="dcgan.md", phrase="a toy",
        weights=("one",))
    folder = tmp_path / "weights" / "toy_dcgan.one"
    shutil.copytree(dcgan / "weights", folder)
    monkeypatch.setattr(registry, "folder", lambda: tmp_path)
    try:
        own = generators.find("toy_dcgan", data="folder:x", size=16, seed=3)
        assert (own.recipe.data, own.recipe.seed, own.folder) == ("folder:x", 3, None)
        own = generators.find("toy_dcgan", data="avatars:Smiling", size=16, seed=0)
        assert own.recipe.data == "avatars:Smiling"  # two sets, other faces
        own = generators.find("toy_dcgan", data=FACES, size=32, seed=0)
        assert own.recipe.data == "avatars:Smiling,Bald?n=99"  # as many as it needs
        assert generators.find("toy_dcgan", data=FACES, size=16, seed=0).folder == folder
        assert generators.find("toy_dcgan", data="avatars:Bald", size=16, seed=0).folder is None
    finally:
        del registry._entries["toy_dcgan"]


@pytest.mark.parametrize(("spec", "changes", "words"), [
    ("", {}, "must name"),
    ("dcgam", {}, "dcgan"),
    ("cyclegan", {}, "makes no pictures from codes"),
    ("runs/none", {}, "There is no folder"),
    ("dcgan.none", {}, "no weights none"),
    ("DCGAN", {"size": 32}, "say --size 16"),
])
def test_generators_that_will_not_do(recipe, dcgan, spec, changes, words):
    chosen = recipe(generator=str(dcgan) if spec == "DCGAN" else spec, **changes)
    with pytest.raises((UsageError, UserError), match=words):
        _ = chosen.found


def test_a_conditional_generator_and_one_without_discriminator_are_refused(recipe, tmp_path):
    entry = registry.entry("cgan")
    write_recipe(tmp_path / "recipe.json", entry.name, entry.recipe.replace(**entry.tiny))
    with pytest.raises(UsageError, match="needs labels"):
        generators.find(str(tmp_path), data=FACES, size=16, seed=0)
    pggan = registry.entry("crg_encoder").tiny["generator_recipe"]
    with pytest.raises(UsageError, match="discriminator"):
        weights.build("transfer_encoder", recipe(generator_recipe=pggan))


def test_two_sets_of_pictures_are_refused(recipe, tmp_path):
    with pytest.raises(UserError, match="takes one set of pictures"):
        quiet_run("fc_encoder", recipe("fc_encoder", data="avatars:Smiling?n=24&test=8"),
                  tmp_path / "run")


def test_a_generator_of_other_pictures_in_the_folder_is_not_taken(recipe, tmp_path, dcgan):
    shutil.copytree(dcgan, tmp_path / "run" / "dcgan")
    with pytest.raises(UsageError, match="was begun with"):
        quiet_run("fc_encoder", recipe("fc_encoder", generator="dcgan"), tmp_path / "run")


@pytest.mark.parametrize(("changes", "words"), [
    ({"ema": 0.9}, "--validation 0"), ({"validation": 0.0, "stop_patience": 3}, "need"),
    ({"patience": 3}, "go together"), ({"plateau": 0.5}, "go together"),
    ({"size": 8}, "at least 16"), ({"generator_recipe": "[1]"}, "how its generator is built"),
])
def test_recipes_that_make_no_sense(recipe, changes, words):
    with pytest.raises((UsageError, UserError), match=words):
        weights.build("fc_encoder", recipe("fc_encoder", **changes))


def test_held_out_pictures_are_apart_and_keep_their_labels(model, faces):
    kept, held = model.hold_out(faces)
    assert (len(kept.train["a"]), len(held.train["a"])) == (198, 42)
    both = np.concatenate([kept.train["a"][np.arange(198)], held.train["a"][np.arange(42)]])
    labels = np.concatenate([kept.labels["train"], held.labels["train"]])
    everything = faces.train["a"][np.arange(240)]
    order = [int((everything == picture).all((1, 2, 3)).argmax()) for picture in both]
    assert len(set(order)) >= 230  # two faces may look alike at 16 px
    np.testing.assert_array_equal(both, everything[order])
    np.testing.assert_array_equal(labels, faces.labels["train"][order])
    again = model.hold_out(faces)[1]
    np.testing.assert_array_equal(again.train["a"][np.arange(42)], held.train["a"][np.arange(42)])


def test_validation_takes_the_middle_of_larger_pictures(recipe, tmp_path):
    done = quiet_run("fc_encoder", recipe("fc_encoder", load_size=18, steps=5), tmp_path / "run",
                     export=False)
    assert done["status"] == "done"


def test_the_best_weights_are_kept(recipe, monkeypatch, tmp_path):
    """The third validation is the best of four."""
    cls = registry.entry("fc_encoder").model
    losses, seen = iter([4.0, 3.0, 1.0, 2.0]), []

    def validate(self, held):
        seen.append(self.e.get_layer("latent").kernel.numpy())
        return {"total": next(losses)}

    monkeypatch.setattr(cls, "validate", validate)
    quiet_run("fc_encoder", recipe("fc_encoder", steps=8, validate_every=2), tmp_path / "run",
              export=False)
    kept = weights.load(str(tmp_path / "run")).e.get_layer("latent").kernel.numpy()
    np.testing.assert_array_equal(kept, seen[2])
    assert (kept != seen[3]).any()


def test_it_stops_when_nothing_gets_better_and_stays_stopped(recipe, tmp_path, capsys):
    chosen = recipe("fc_encoder", steps=20, validate_every=2, learning_rate=0.0, stop_patience=2,
                    plateau=0.5, patience=1)
    done = quiet_run("fc_encoder", chosen, tmp_path / "run", export=False)
    assert (done["status"], done["step"]) == ("done", 6)
    lines = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["step"] == 6
    assert {"validation/l2", "validation/total"} <= set(lines[-1]["terms"])
    capsys.readouterr()
    again = quiet_run("fc_encoder", chosen, tmp_path / "run", export=False)
    assert again["step"] == 6
    assert "no longer getting better" in capsys.readouterr().err


def test_a_plateau_slows_the_optimizer_down(recipe):
    model = weights.build("fc_encoder", recipe("fc_encoder", plateau=0.5, patience=1))
    model.compile()
    rate = model.learning_rate()
    for loss in (1.0, 2.0):
        model.plateau.heed(loss)
    assert model.learning_rate() == pytest.approx(0.5 * rate)


def test_validation_looks_at_more_than_a_batch(recipe, faces, monkeypatch):
    """The last batch is smaller; figures are means over all pictures."""
    model = weights.build("fc_encoder", recipe("fc_encoder"))
    _, held = model.hold_out(faces)
    whole = model.validate(held)
    monkeypatch.setattr(inverting, "BATCH", 16)  # of 42
    parts = weights.build("fc_encoder", recipe("fc_encoder"))
    for network, source in ((parts.e, model.e), (parts.g, model.g)):
        network.set_weights(source.get_weights())
    for name, value in parts.validate(held).items():
        assert value == pytest.approx(whole[name], rel=1e-4)
    monkeypatch.setattr(inverting, "WATCHED", 10)
    assert parts.validate(held)["total"] != whole["total"]


def test_before_the_first_validation_the_weights_are_those_of_now(recipe, tmp_path):
    chosen = recipe("fc_encoder", steps=4, validate_every=100)
    model = weights.build("fc_encoder", chosen)
    kernel = model.e.get_layer("latent").kernel
    kernel.assign(kernel + 1.0)
    moved = kernel.numpy()
    with model.kept.lent():
        np.testing.assert_array_equal(kernel, moved)
    model.kept.adopt()
    np.testing.assert_array_equal(kernel, moved)
    model.plateau.heed(1.0)
    model.kept.take()
    kernel.assign(kernel + 1.0)
    with model.kept.lent():
        np.testing.assert_array_equal(kernel, moved)


@pytest.mark.slow  # as in tests of runs, of a larger model
def test_an_interrupted_training_goes_on_bit_for_bit(recipe, tmp_path):
    """Also what the plateau remembers, masks of dropout, and the best weights."""
    changes = {"dropout": 0.5, "steps": 8, "validate_every": 2, "generator_recipe": "",
               "plateau": 0.5, "patience": 1, "learning_rate": 1e-2}
    chosen = recipe("crg_encoder", **changes)
    found = []
    for _ in range(2):
        quiet_run("crg_encoder", chosen, tmp_path, export=False, save_minutes=0.0, keep=20)
        found.append(weights.load(str(tmp_path)).e.get_weights())
        for step in (6, 7, 8):  # as if it had stopped before it validated
            shutil.rmtree(tmp_path / "checkpoints" / f"step_{step:09d}")
        shutil.rmtree(tmp_path / "weights")
    for mine, its in zip(*found, strict=True):
        np.testing.assert_array_equal(mine, its)


def test_names_of_directions_are_no_file_names(model, tmp_path, monkeypatch):
    d = model.attributes["Smiling"]
    monkeypatch.setattr(model, "attributes", {
        "../../out": Direction("../../out", d.vector, 1.0, d.generator)
    })
    model.write_beside(tmp_path / "deep" / "er")
    assert [p.name for p in tmp_path.rglob("*.npz")] == ["000.npz"]


def test_directions_of_labels(model, faces):
    assert set(model.attributes) == {"Smiling", "Beard"}
    kept, held = model.hold_out(faces)
    codes, labels = model.encode_all(kept.train["a"]), kept.labels["train"]
    vector, length = from_labels(codes, labels[:, 0])
    smiling = model.attributes["Smiling"]
    np.testing.assert_allclose(smiling.vector, vector, atol=1e-4)
    assert smiling.length == pytest.approx(length, rel=1e-3)
    beard = model.attributes["Beard"]
    np.testing.assert_allclose(beard.vector, -from_labels(codes, labels[:, 1])[0], atol=1e-4)
    seen = model.encode_all(held.train["a"])[held.labels["train"][:, 0] == 1] @ vector
    assert smiling.mean_with == pytest.approx(seen.mean(), abs=1e-4)
    assert smiling.std_with == pytest.approx(seen.std(), abs=1e-4)


def test_an_edit_is_a_step_in_the_codes(model, faces):
    pictures = faces.test["a"][np.arange(3)]
    d = model.attributes["Smiling"]
    made = model.edit(pictures, [("Smiling", 2.0), ("Beard", -1.0)])
    codes = model.encode(pictures) + 2.0 * d.vector - 1.0 * model.attributes["Beard"].vector
    levels = np.clip(np.rint((model.decode(codes).numpy() + 1) * 127.5), 0, 255)
    np.testing.assert_array_equal(made, levels)
    whole = model.edit(pictures.astype(np.float32) / 127.5 - 1, [(d, [2.0, 0.0, 1.0])])
    assert whole.dtype == tf.float32
    np.testing.assert_allclose(whole[1], model.decode(model.encode(pictures))[1], atol=1e-5)
    with pytest.raises(UserError, match=r"no direction Smile.*Smiling"):
        model.edit(pictures, [("Smile", 1.0)])
    other = Direction("Smiling", d.vector, 1.0, "0" * 64)
    with pytest.raises(UserError, match="another generator"):
        model.edit(pictures, [(other, 1.0)])


def test_codes_of_pictures_of_any_size_and_type(model, faces):
    pictures = faces.test["a"][np.arange(2)]
    codes = model.encode(pictures)
    np.testing.assert_allclose(codes, model.encode(pictures / np.float32(127.5) - 1), atol=1e-5)
    large = pictures.repeat(4, 1).repeat(4, 2)
    np.testing.assert_allclose(model.encode(large), codes, atol=0.3 * np.abs(codes).max())
    assert model.translate(large).shape == large.shape
    np.testing.assert_allclose(
        tf.cast(model.translate(pictures), tf.float32),
        (model.decode(codes) + 1) * 127.5, atol=0.51,
    )


def test_reconstructions_stay_within_the_range_of_pictures(model, monkeypatch):
    edges = np.where(np.indices((16, 16)).sum(0)[..., None] % 8 < 4, -1, 1).repeat(3, -1)
    edges = tf.constant(edges[None], tf.float32)
    monkeypatch.setattr(model, "decode", lambda codes: edges)
    made = model.translate(np.zeros((1, 40, 32, 3), np.float32)).numpy()
    assert np.abs(tf.image.resize(edges, (32, 32), "bicubic")).max() > 1.01
    assert (made.min(), made.max()) == (-1, 1)


def test_the_square_in_the_middle_is_reconstructed_and_what_is_beside_it_stays(model, faces):
    picture = faces.test["a"][np.arange(1)]
    wide = np.pad(picture, ((0, 0), (0, 0), (4, 4), (0, 0)), "reflect")
    np.testing.assert_allclose(model.encode(wide), model.encode(picture), atol=1e-6)
    made = model.translate(wide).numpy()
    np.testing.assert_array_equal(made[:, :, 4:-4], model.translate(picture))
    np.testing.assert_array_equal(made[:, :, :4], wide[:, :, :4])
    np.testing.assert_array_equal(made[:, :, -4:], wide[:, :, -4:])


def test_weights_as_float16_keep_directions_and_hash(model, tmp_path):
    weights.write(model, tmp_path / "half", half=True)
    again = weights.read(tmp_path / "half")
    assert again.generator_sha256 == model.generator_sha256
    beard = again.attributes["Beard"]
    np.testing.assert_array_equal(beard.vector, model.attributes["Beard"].vector)
    path = tmp_path / "half" / "directions" / "001.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"001.npz is damaged"):
        weights.read(tmp_path / "half")


def test_an_export_carries_both_networks(run, model, faces):
    loaded = tf.saved_model.load(str(next((run / "export" / "transfer_encoder").glob("[0-9]*"))))
    serve = loaded.signatures
    assert {"serving_default", "images", "encode", "decode", "edit"} <= set(serve)
    pictures = tf.constant(faces.test["a"][np.arange(2)])
    codes = serve["encode"](images=pictures)["codes"]
    np.testing.assert_allclose(codes, model.encode(pictures), atol=1e-4)
    move = 1.5 * model.attributes["Smiling"].vector[None].repeat(2, 0)
    edited = serve["edit"](images=pictures, move=tf.constant(move))["images"]
    difference = tf.cast(edited, tf.int32) - tf.cast(
        model.edit(pictures, [("Smiling", 1.5)]), tf.int32)
    assert tf.reduce_max(tf.abs(difference)) <= 1
    again = serve["images"](images=pictures)["images"]
    assert again.shape == pictures.shape
