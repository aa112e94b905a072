"""pix2pixHD: levels and what moves in them, losses by hand, styles, a run with its tools."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from kgan import losses, networks
from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.core.recipe import Machine
from kgan.data import Data
from kgan.models import styles, weights
from kgan.models.schedules import LinearDecay
from kgan.training.run import RunOptions, train

ENTRY = registry.entry("pix2pixhd")
RECIPE = ENTRY.recipe.replace(**ENTRY.tiny)
PLAIN = {"enhancers": 0, "level_steps": 0, "frozen_steps": 0, "width": 0, "lambda_vgg": 0.0}


def stages(recipe):
    return {stage.name: stage for stage in ENTRY.model.stages_of(recipe)}


@pytest.fixture(scope="module")
def plain():
    """A global generator alone, without a reference network and not compiled."""
    keras.utils.set_random_seed(0)
    return weights.build("pix2pixhd", RECIPE.replace(**PLAIN))


@pytest.fixture(scope="module")
def batch(plain, tiny_batch):
    return tiny_batch(plain)


# Levels


def test_the_names_are_the_papers_networks():
    recipe = ENTRY.recipe
    assert (recipe.size, recipe.width, recipe.classes, recipe.enhancers) == (512, 1024, 35, 0)
    assert (recipe.lambda_matching, recipe.lambda_vgg, recipe.learning_rate) == (10, 10, 2e-4)
    labels, instances, photos = ENTRY.model.signals_of(recipe)
    assert photos.sides == labels.sides == instances.sides == (512, 1024)
    assert labels.classes == 35 and {s.group for s in (labels, instances, photos)} == {"scene"}
    assert recipe.judges(1) == ["d1", "d2"]
    full = recipe.replace(size=1024, width=2048, enhancers=1, discriminators=3, level_steps=100,
                          frozen_steps=10)
    assert [full.judges(level) for level in (1, 2)] == [["d2", "d3"], ["d1", "d2", "d3"]]


def test_levels_are_trained_one_after_the_other():
    recipe = RECIPE.replace(size=64, width=128, enhancers=2, discriminators=3, steps=100,
                            level_steps=30, frozen_steps=10)
    found = [(s.name, s.steps, s.size, s.phases[0].players) for s in stages(recipe).values()]
    assert found == [
        ("16 px", 30, 16, ("discriminator_16", "generator_16")),
        ("32 px, the enhancer alone", 10, 32, ("discriminator_32", "enhancer_32")),
        ("32 px", 20, 32, ("discriminator_32", "generator_32")),
        ("64 px, the enhancer alone", 10, 64, ("discriminator", "enhancer")),
        ("64 px", 30, 64, ("discriminator", "generator")),
    ]
    assert recipe.players(1) == {"generator_16": ["g1", "head1", "encoder"],
                                 "discriminator_16": ["d3"]}
    assert recipe.players(3) == {"enhancer": ["g3", "head3"], "discriminator": ["d1", "d2", "d3"],
                                 "generator": ["g1", "g2", "g3", "head3"]}
    assert list(stages(RECIPE.replace(**PLAIN))) == ["training"]


def test_what_moves_in_a_stage_and_what_does_not(tiny, tiny_batch):
    model = tiny("pix2pixhd")
    moving = [
        {"g1", "head1", "encoder", "d2"},
        {"g2", "head2", "d1", "d2"},
        {"g1", "g2", "head2", "d1", "d2"},
    ]
    for stage, wanted in zip(model.stages(), moving, strict=True):
        model.enter_stage(stage.name)
        given = {name: x for name, x in tiny_batch(model).items() if name in model.batch_spec()}
        before = {name: [v.numpy() for v in net.variables] for name, net in model.nets.items()}
        model.train_step(given)
        for name, net in model.nets.items():
            changed = [bool((v.numpy() != old).any())
                       for v, old in zip(net.variables, before[name], strict=True)]
            assert all(changed) if name in wanted else not any(changed), (stage.name, name)


def test_the_rate_falls_over_the_whole_of_a_level(tiny):
    model = tiny("pix2pixhd", steps=120, level_steps=20, frozen_steps=10, learning_rate=1.0,
                 trains=False)
    rate = {p: [float(o._learning_rate(step)) for step in (0, 9, 45, 89)]
            for p, o in model.optimizers.items()}
    np.testing.assert_allclose(rate["enhancer"], [1, 1, 1, 0.22], atol=1e-6)
    np.testing.assert_allclose(rate["generator"], [1, 1, 0.9, 0.02], atol=1e-6)
    np.testing.assert_allclose(rate["discriminator"], [1, 1, 1, 0.22], atol=1e-6)
    assert [float(model.optimizers["generator_16"]._learning_rate(s)) for s in (10, 15, 20)] == [
        1, 0.5, 0]
    again = LinearDecay(2.0, 3, 0.5).within(10, 4).times(0.5)
    np.testing.assert_allclose([float(again(s)) for s in (0, 1, 2, 6)], [1, 1, 0.8, 0], atol=1e-6)


def test_levels_look_at_a_pyramid_of_conditions():
    keras.utils.set_random_seed(1)
    model = weights.build("pix2pixhd", RECIPE, deployed_only=True)
    x = tf.constant(np.random.default_rng(0).normal(size=(1, 16, 32, 8)), tf.float32)
    below = model.nets["g1"](networks.perceptual.halved(x))
    wanted = model.nets["head2"](model.nets["g2"]([x, below]))
    np.testing.assert_allclose(model.draw(x, 2), wanted, atol=1e-6)
    assert set(model.nets) == {"g1", "g2", "head2", "encoder", "styles"}


@pytest.mark.parametrize("changes, words", [
    ({"size": 34}, "--size 34 and --width 64 must be multiples of 4"),
    ({"width": 66}, "must be multiples of 4"),
    ({"discriminators": 1}, "--discriminators must be more than --enhancers"),
    ({"size": 16, "width": 0}, "looks at 16 px at the least, and the first level has 8"),
    ({"frozen_steps": 8}, "--level_steps more than --frozen_steps"),
    ({"steps": 12}, "--steps 12 must be more than"),
    ({"filters": 5}, "--filters must be a multiple of 2"),
])
def test_recipes_that_cannot_be(changes, words):
    with pytest.raises(UsageError, match=words):
        RECIPE.replace(**changes)


# Losses


def test_conditions_are_classes_and_boundaries(plain):
    labels = np.array([[[[0], [4]], [[1], [1]]]], "int32")
    ids = np.array([[[[7], [9]], [[7], [7]]]], "int32")
    found = plain.conditions({"labels": tf.constant(labels), "instances": tf.constant(ids)})[0]
    np.testing.assert_array_equal(found[..., :5].numpy().argmax(-1), [[0, 4], [1, 1]])
    np.testing.assert_array_equal(tf.reduce_sum(found[..., :5], -1), np.ones((2, 2)))
    np.testing.assert_array_equal(found[..., 5], [[1, 1], [0, 1]])


@pytest.mark.parametrize("joined, share", [("mean", 0.5), ("sum", 1.0)])
def test_what_is_paid_for_the_opinions_of_discriminators(plain, monkeypatch, joined, share):
    """LSGAN and feature matching of two discriminators of four maps, by hand."""
    def judging(number):  # of pictures whose mean is m: maps of m, 2m, 3m, 4m, and the opinion m
        def judge(x):
            seen.append((number, x.shape[1], x.shape[3]))
            mean = tf.reduce_mean(x[..., 2:])
            return [mean * i * tf.ones((1, 2, 2, 1)) for i in (1, 2, 3, 4, 1)]

        return judge

    seen = []
    monkeypatch.setattr(plain, "nets", {"d1": judging(1), "d2": judging(2)})
    monkeypatch.setattr(plain, "recipe", plain.recipe.replace(over_scales=joined))
    given, real, fake = tf.zeros((1, 8, 8, 2)), tf.ones((1, 8, 8, 3)), tf.fill((1, 8, 8, 3), 0.25)
    discriminator, generator = plain.judge(given, real, fake, 1)
    assert seen == [(1, 8, 5), (1, 8, 5), (2, 4, 5), (2, 4, 5)]
    assert float(generator["adversarial"]) == pytest.approx(2 * 0.75**2)
    assert float(generator["matching"]) == pytest.approx(10 * share * 2 * 0.75 * (1 + 2 + 3 + 4))
    assert float(discriminator["real"]) == 0
    assert float(discriminator["fake"]) == pytest.approx(2 * 0.5 * 0.25**2)


def test_weights_of_0_leave_terms_out(plain, batch, tiny_batch):
    paid = plain.level_terms(batch, 1, ("discriminator", "generator"))
    assert {player: set(terms) for player, terms in paid.items()} == {
        "generator": {"adversarial", "matching"}, "discriminator": {"real", "fake"}}
    assert "reference" not in plain.nets
    bare = weights.build("pix2pixhd", RECIPE.replace(**PLAIN, lambda_matching=0.0))
    assert set(bare.level_terms(batch, 1, ("d", "g"))["g"]) == {"adversarial"}


def test_the_perceptual_loss_weighs_later_maps_more():
    keras.utils.set_random_seed(0)
    model = weights.build("pix2pixhd", RECIPE.replace(**{**PLAIN, "lambda_vgg": 2.0}))
    batch = {"labels": tf.zeros((1, 32, 32, 1), tf.int32), "photos": tf.zeros((1, 32, 32, 3)),
             "instances": tf.zeros((1, 32, 32, 1), tf.int32)}
    _, fake = model.made(batch, 1)
    maps = zip(model.reference(batch["photos"]), model.reference(fake), strict=True)
    apart = [float(losses.l1(x, y)) for x, y in maps]
    wanted = 2 * sum(w * x for w, x in zip((1 / 32, 1 / 16, 1 / 8, 1 / 4, 1), apart, strict=True))
    paid = model.level_terms(batch, 1, ("discriminator", "generator"))["generator"]["vgg"]
    assert float(paid) == pytest.approx(wanted, rel=1e-5) and min(apart) > 0


def test_maps_computed_again_give_the_same_step(tiny, tiny_batch):
    told = []
    for remat in (False, True):
        model = tiny("pix2pixhd", **{**PLAIN, "size": 16}, remat=remat)
        given = {name: x for name, x in tiny_batch(model).items() if name in model.batch_spec()}
        first = model.train_step(given)
        told.append({**first, "norm": sum(float(tf.norm(v)) for v in model.optimizers[
            "generator"].variables if v.name.endswith("momentum"))})
    for name, value in told[0].items():
        assert float(told[1][name]) == pytest.approx(float(value), rel=1e-4), name


# Styles


def test_objects_and_their_centres_by_hand():
    maps = np.array([[[1.0], [3.0], [8.0]], [[2.0], [2.0], [9.0]]])
    ids = np.array([[4, 4, 7], [4, 4, 9]])
    labels = np.array([[1, 1, 0], [2, 1, 3]])
    features, classes = styles.objects_of(maps, ids, labels, 0.1)
    np.testing.assert_array_equal(features, [[2], [8], [9]])
    np.testing.assert_array_equal(classes, [1, 0, 3])
    assert len(styles.objects_of(maps, ids, labels, 0.5)[0]) == 1
    features = np.array([[0.0], [0.2], [5.0], [5.2], [5.4], [7.0]])
    found, counts = styles.centres(features, np.array([1, 1, 1, 1, 1, 2]), 3, 2)
    np.testing.assert_allclose(found[..., 0], [[0, 0], [5.2, 0.1], [7, 0]], atol=1e-6)
    np.testing.assert_array_equal(counts, [0, 2, 1])


@pytest.fixture(scope="module")
def knowing(plain, batch):
    """A model that has learnt the styles of a few pictures of noise."""
    photos = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    maps = {name: np.tile(batch[name].numpy()[:1], (6, 1, 1, 1))
            for name in ("labels", "instances")}
    plain.recipe = plain.recipe.replace(style_share=0.0)
    plain.conclude(Data("folder:x", {"photos": photos, **maps}, {}), None)
    return plain


def test_what_is_drawn_follows_the_styles(knowing, batch):
    labels, ids = (batch[name].numpy() for name in ("labels", "instances"))
    there = np.unique(labels[0])
    assert [knowing.styles_known(label) for label in there] == [3] * len(there)
    usual = knowing.synthesise(labels, ids)
    np.testing.assert_array_equal(
        usual, knowing.translate({"labels": labels, "instances": ids}))
    np.testing.assert_array_equal(usual, knowing.synthesise(labels, ids, knowing.usual(labels)))
    drawn = knowing.drawn_styles(labels, ids, seed=1).numpy()
    for row in range(2):
        for one in np.unique(ids[row]):
            for label in there:
                same = (ids[row] == one) & (labels[row] == label)
                assert len(np.unique(drawn[row][same[..., 0]], axis=0)) <= 1
    assert (drawn != knowing.drawn_styles(labels, ids, seed=2).numpy()).any()
    np.testing.assert_array_equal(drawn, knowing.drawn_styles(labels, ids, seed=1))


def test_one_object_gets_another_style(knowing, batch, monkeypatch):
    labels, ids = (batch[name].numpy()[:1, :31, :29] for name in ("labels", "instances"))
    photos = (batch["photos"].numpy()[:1, :31, :29]).astype("float32")
    own = knowing.styles_of(photos, labels, ids).numpy()
    assert own.shape == (1, 31, 29, 2)
    one, given = int(ids[0, 0, 0, 0]), []
    monkeypatch.setattr(type(knowing), "synthesise",
                        lambda self, labels, instances, styles: given.append(styles.numpy()))
    knowing.edit_instance(labels, ids, one, [0.5, -0.5], photos)
    inside = (ids == one)[..., 0]
    np.testing.assert_array_equal(given[0][inside], np.tile([0.5, -0.5], (inside.sum(), 1)))
    np.testing.assert_array_equal(given[0][~inside], own[~inside])
    knowing.edit_instance(labels, ids, one, 1)
    label = np.bincount(labels[ids == one]).argmax()
    centre = knowing.nets["styles"].centres.numpy()[label, 1]
    np.testing.assert_allclose(given[1][inside], np.tile(centre, (inside.sum(), 1)))
    np.testing.assert_array_equal(given[1][~inside], knowing.usual(labels).numpy()[~inside])


def test_edits_that_cannot_be(knowing, batch):
    labels, ids = (batch[name].numpy()[:1] for name in ("labels", "instances"))
    with pytest.raises(UsageError, match="There is no object 777"):
        knowing.edit_instance(labels, ids, 777, 0)
    with pytest.raises(UsageError, match=r"There is no style 3: class . has styles 0 to 2"):
        knowing.edit_instance(labels, ids, int(ids[0, 0, 0, 0]), 3)
    with pytest.raises(UsageError, match="takes a map of instances beside labels"):
        knowing.synthesise(labels)
    bare = weights.build("pix2pixhd", RECIPE.replace(**PLAIN, features=0))
    with pytest.raises(UsageError, match="without --features"):
        bare.edit_instance(labels, ids, 1, 0)


def test_without_instances_classes_are_the_objects():
    model = weights.build("pix2pixhd", RECIPE.replace(**PLAIN, instances=False))
    assert [s.name for s in model.signals] == ["labels", "photos"]
    labels = np.zeros((1, 20, 24), np.uint8)
    labels[:, 10:] = 3
    assert model.translate(labels).shape == (1, 20, 24, 3)
    assert model.nets["g1"].inputs[0].shape[-1] == 5 + 2
    found = model.styles_of(np.zeros((1, 20, 24, 3), np.uint8), labels).numpy()
    assert len(np.unique(found.reshape(-1, 2), axis=0)) == 2
    with pytest.raises(ValueError, match="ids are 0 to 4, and the largest is 5"):
        model.translate(labels + 2)


# A run


@pytest.fixture(scope="module")
def streets(tmp_path_factory):
    """Photographs twice as wide as high with their maps."""
    root = tmp_path_factory.mktemp("streets")
    random = np.random.default_rng(0)
    for part, count in (("train", 5), ("test", 2)):
        for name in ("labels", "instances", "photos"):
            (root / part / name).mkdir(parents=True)
        for n in range(count):
            ids = random.integers(0, 5, (4, 8)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
            photo = random.integers(0, 256, (5, 3))[ids] + random.integers(-9, 9, (32, 64, 1))
            Image.fromarray(ids).save(root / part / f"labels/{n}.png")
            Image.fromarray(np.where(ids == 4, np.uint16(4001), np.uint16(ids))).save(
                root / part / f"instances/{n}.png")
            Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(
                root / part / f"photos/{n}.png")
    return root


@pytest.mark.slow
def test_a_run_of_levels_and_what_is_done_with_it(streets, tmp_path, tool):
    run = tmp_path / "run"
    recipe = RECIPE.replace(data=f"folder:{streets}", steps=6, level_steps=3, frozen_steps=1,
                            lambda_vgg=0.0, style_share=0.0)
    options = RunOptions(out=str(run), log_every=1, sample_every=3, export=False)
    assert train("pix2pixhd", recipe, Machine(), options)["status"] == "done"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines] == [
        *["16 px"] * 3, "32 px, the enhancer alone", *["32 px"] * 2]
    with Image.open(run / "samples/step_000003.png") as sheet:  # made at half of the size
        assert sheet.size == (4 * (256 + 2) + 2, 18 + 2 * 130 + 2)
    model = weights.load(str(run))
    assert model.trained and model.styles_known(4) >= 1
    maps = [np.asarray(Image.open(streets / f"test/{name}/0.png"))[None]
            for name in ("labels", "instances")]
    done = tool("translate", "--model", run, "--input", streets / "test", "--output",
                tmp_path / "out")
    assert done.code == 0, done.stderr
    made = np.asarray(Image.open(tmp_path / "out/0.png"))
    np.testing.assert_allclose(np.int32(made), model.synthesise(*maps)[0], atol=1)
    arguments = ["edit", "--model", run, "--input", streets / "test", "--output", tmp_path / "e"]
    done = tool(*arguments, "--object", "4001", "--style", "0")
    assert done.code == 0, done.stderr
    assert done.json["status"] == "done" and done.json["written"] == 2
    (first, _) = json.loads((tmp_path / "e/edits.json").read_text())["pictures"]
    assert first["panels"] == ["photograph", "as it is", "style 0"] and first["strip"] == "0.png"
    strip = np.asarray(Image.open(tmp_path / "e/0.png"))[20 : 20 + 128 : 4, 2 + 2 * 258 : -2 : 4]
    photo = np.asarray(Image.open(streets / "test/photos/0.png"))[None]
    wanted = model.edit_instance(*maps, 4001, 0, photo)[0]
    np.testing.assert_allclose(np.int32(strip), wanted, atol=1)
    for more, words in (
        (["--object", "9"], "There is no object 9 in these maps"),
        (["--object", "tree"], "--object tree is no whole number"),
        (["--object", "1", "--direction", "x"], "--object takes --input, --output and --style"),
        (["--object", "1", "--model", "cyclegan"], "cyclegan is not drawn from label maps"),
    ):
        done = tool(*arguments[:-1], tmp_path / "e2", *more)
        assert done.code and words in done.stderr
