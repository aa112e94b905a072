"""SRResNet and SRGAN: losses by hand, stages, fine-tuning, a run that is resumed."""

import json
import os

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan import losses
from kgan.core import pixels, registry
from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Machine
from kgan.data import open_data
from kgan.evaluation.evaluate import measured
from kgan.models import weights
from kgan.models.checkpoint import RunState
from kgan.training.run import RunOptions, train

DATA = "avatars:Smiling,Eyeglasses?n=24&test=8"


@pytest.fixture(scope="module")
def batch():
    random = np.random.default_rng(0)
    high = random.uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)
    low = high.reshape(2, 4, 4, 4, 4, 3).mean((2, 4))
    return {"low": tf.constant(low), "high": tf.constant(high)}


def terms(model, batch, of="loss_terms"):
    """What players pay, as numbers; by networks as they are when nothing is trained."""
    paid = getattr(model, of)(batch)
    return {player: {name: float(x) for name, x in its.items()} for player, its in paid.items()}


def test_total_variation_by_hand():
    x = np.zeros((2, 2, 3, 1), np.float32)
    x[0, :, :, 0] = [[1, 3, 0], [2, 2, 2]]  # right: 2 + 3 + 0 + 0; down: 1 + 1 + 2
    assert float(losses.total_variation(x)) == pytest.approx((9 + 0) / 2)
    smooth = tf.random.stateless_uniform((3, 8, 8, 3), (1, 2))
    expected = tf.reduce_mean(tf.image.total_variation(smooth))
    assert float(losses.total_variation(smooth)) == pytest.approx(float(expected), rel=1e-5)


def test_the_loss_of_pixels(tiny, batch):
    model = tiny("srresnet", lambda_variation=0.5, trains=False)
    made = model.g(batch["low"])
    found = terms(model, batch)["generator"]
    assert found["content"] == pytest.approx(np.square(made - batch["high"]).mean(), rel=1e-5)
    variation = tf.reduce_mean(tf.image.total_variation(made))
    assert found["variation"] == pytest.approx(0.5 * float(variation), rel=1e-4)
    assert "reference" not in model.nets
    assert "variation" not in terms(tiny("srresnet", trains=False), batch)


@pytest.mark.parametrize("content, layer", [("vgg22", "block2_conv2"), ("vgg54", "block5_conv4")])
def test_the_loss_of_features(tiny, batch, content, layer):
    model = tiny("srresnet", content=content, trains=False)
    model.prepare(None)
    whole = weights.load("vgg_star_small.avatars", "required").classifier
    after = whole.layers[whole.layers.index(whole.get_layer(layer)) + 1]
    assert type(after).__name__ == "LeakyReLU"
    features = keras.Model(whole.input, after.output)
    difference = features(model.g(batch["low"])) - features(batch["high"])
    # eq. 5: squares summed over maps, averaged over positions
    expected = np.square(difference / 12.75).sum(3).mean((1, 2)).mean()
    assert terms(model, batch)["generator"]["content"] == pytest.approx(expected, rel=1e-4)
    assert not model.reference.trainable_variables


def test_a_measured_scale_lets_bicubic_pay_what_it_pays_in_pixels(tiny):
    model = tiny("srresnet", content="vgg22", vgg_scale="measured", trains=False)
    data = open_data(DATA, size=16, signals=model.signals)
    model.prepare(data)
    low, high = (pixels.to_float(data.train[x][np.arange(24)]) for x in ("low", "high"))
    guess = tf.clip_by_value(tf.image.resize(low, (16, 16), "bicubic"), -1, 1)
    paid = float(model.content_terms(guess, high)["content"])
    assert paid == pytest.approx(float(np.square(guess - high).mean()), rel=1e-4)


def test_both_players_pay_for_one_pass(tiny, batch):
    model, calls = tiny("srgan", trains=False), []
    model.prepare(None)
    judge = model.d
    model.__dict__["d"] = lambda x: calls.append(x) or judge(x)
    found = terms(model, batch)
    real, fake = (judge(x).numpy() for x in calls)
    np.testing.assert_array_equal(calls[0], batch["high"])
    softplus = lambda x: np.log1p(np.exp(x)).mean()  # noqa: E731
    assert found["generator"]["adversarial"] == pytest.approx(1e-3 * softplus(-fake), rel=1e-4)
    assert found["discriminator"]["real"] == pytest.approx(softplus(-real), rel=1e-4)
    assert found["discriminator"]["fake"] == pytest.approx(softplus(fake), rel=1e-4)
    assert set(found["generator"]) == {"content", "adversarial"}
    made = model.g(batch["low"]).numpy()
    pixels = terms(model, batch, "pretraining_terms")
    assert pixels == {"srresnet": {"pixels": pytest.approx(
        np.square(made - batch["high"]).mean(), rel=1e-5)}}


def test_stages_are_those_of_the_paper():
    parts = weights.build("srgan", registry.recipe("srgan").replace(
        blocks=1, filters=2, discriminator_filters=2, reference="vgg_star_small.avatars")).parts()
    assert [(p.stage.name, p.begin, p.end, p.rate) for p in parts] == [
        ("pretraining", 0, 1_000_000, 1e-4), ("adversarial", 1_000_000, 1_100_000, 1e-4),
        ("adversarial, late", 1_100_000, 1_200_000, 1e-5),
    ]
    assert {p.stage.phases[0].players for p in parts} == {
        ("srresnet",), ("generator", "discriminator")}
    recipe = registry.recipe("srgan").replace(pretrain_steps=0, steps=3)
    names = [s.name for s in registry.entry("srgan").model.stages_of(recipe)]
    assert names == ["adversarial", "adversarial, late"]
    with pytest.raises(UsageError, match="--pretrain_steps are the first of --steps"):
        recipe.replace(pretrain_steps=3)
    with pytest.raises(UsageError, match="--size 94 must be a multiple of --scale 4"):
        recipe.replace(size=94)


def test_batch_norm_at_rest_normalises_as_in_inference_and_keeps_its_averages(tiny, batch):
    model = tiny("srgan", content="mse", pretrain_steps=4, steps=6, rest_from=0.5,
                 trains=False)
    assert [(p.stage.name, p.begin, p.end) for p in model.parts()] == [
        ("pretraining", 0, 2), ("pretraining, norm at rest", 2, 4),
        ("adversarial", 4, 5), ("adversarial, late", 5, 6)]
    model.compile(xla=False)
    norm = model.g.get_layer("block1_norm1")
    model.g.get_layer("trunk_norm").gamma.assign(tf.ones(4))
    for name, moves in (("pretraining", True), ("pretraining, norm at rest", False),
                        ("adversarial", False)):
        model.enter_stage(name)
        before = norm.moving_mean.numpy()
        paid = float(tf.reduce_mean((model.g(batch["low"], training=False) - batch["high"]) ** 2))
        logs = model.train_step(batch)
        assert np.any(norm.moving_mean.numpy() != before) == moves
        first = next(float(x) for name, x in logs.items() if "pixels" in name or "content" in name)
        assert (first == pytest.approx(paid, rel=1e-4)) != moves


def options(folder, **more):
    return RunOptions(out=str(folder), log_every=2, sample_every=100, export=False, **more)


def tiny_srresnet(**changes):
    entry = registry.entry("srresnet")
    return entry.recipe.replace(**{**entry.tiny, **changes})


def small(name, **changes):
    entry = registry.entry(name)
    return entry.recipe.replace(**{
        **entry.tiny, "data": DATA, "content": "mse", "steps": 6, "pretrain_steps": 2, **changes})


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """A run of all stages in one go."""
    folder = tmp_path_factory.mktemp("srgan") / "run"
    train("srgan", small("srgan", ema=0.5), Machine(precision="float32"), options(folder))
    return folder


@pytest.mark.slow  # three trainings; how runs of stages go on is tested by toys
def test_a_run_goes_on_bit_for_bit_within_its_second_stage(whole_run, tmp_path, monkeypatch):
    folder, recipe = tmp_path / "run", small("srgan", ema=0.5)
    from kgan.training import callbacks

    class Stopped(Exception):
        pass

    original = callbacks.Keeper.after_step

    def after(self, step, logs):
        self.minutes = 0
        original(self, step, logs)
        if step == 3:
            raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(callbacks.Keeper, "after_step", after)
        with pytest.raises(Stopped):
            train("srgan", recipe, Machine(precision="float32"), options(folder))
    train("srgan", recipe, Machine(precision="float32"), options(folder))
    found = []
    for run in (whole_run, folder):
        model = weights.build("srgan", recipe)
        model.compile()
        assert RunState(run, model).restore()["step"] == 6
        found.append({name: v.numpy() for name, v in model.run_variables.items()})
    assert set(found[0]) == set(found[1])
    assert any("moving" not in name and np.ptp(x) for name, x in found[0].items())
    for name, value in found[0].items():
        np.testing.assert_array_equal(value, found[1][name], err_msg=name)


def test_a_run_is_told_measured_and_begun_from(whole_run, tmp_path):
    lines = [json.loads(x) for x in (whole_run / "metrics.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines] == ["pretraining", "adversarial", "adversarial, late"]
    assert "low to high" in (whole_run / "index.html").read_text()
    figures, pictures = measured(str(whole_run))
    assert figures["n"] == 8 and figures["psnr_y"] < figures["bicubic_psnr_y"]
    assert "at least 19 px, not of 16" in figures["skipped"]["ssim_y"]
    assert pictures["enlarge"]["output"].shape == pictures["enlarge"]["truth"].shape
    recipe = small("srgan", pretrain_steps=0, steps=2, init=str(whole_run))
    train("srgan", recipe, Machine(precision="float32"), options(tmp_path / "later"))
    state = json.loads((tmp_path / "later/run.json").read_text())
    assert state["init"]["taken"] == ["g"] and state["init"]["anew"] == ["d"]


def test_averages_carry_the_statistics_of_batch_norm(whole_run):
    model = weights.load(str(whole_run), "required")
    plain = weights.build("srgan", model.recipe)
    plain.compile()
    RunState(whole_run, plain).restore()
    kept, own = (m.g.get_layer("trunk_norm").moving_variance.numpy() for m in (model, plain))
    assert (kept != own).all() and (kept != 1).all()


def test_pictures_of_two_sets_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"takes one set of pictures and avatars:Smiling.* has two"):
        train("srresnet", tiny_srresnet(data="avatars:Smiling?n=4&test=2"),
              Machine(precision="float32"), options(tmp_path / "run"))


def test_the_second_half_has_its_own_rate(tiny):
    model = tiny("srgan", content="mse")
    rates = {}
    for stage in model.stages():
        model.enter_stage(stage.name)
        rates[stage.name] = model.learning_rate()
    assert rates == {"pretraining": pytest.approx(1e-4), "adversarial": pytest.approx(1e-4),
                     "adversarial, late": pytest.approx(1e-5)}


def test_what_is_shown_has_bicubic_beside_it(tiny, batch):
    shown = tiny("srresnet", trains=False).show(batch)
    assert list(shown) == ["low", "bicubic", "enlarge", "high"]
    assert shown["bicubic"].shape == shown["enlarge"].shape == (2, 16, 16, 3)
    assert float(tf.reduce_max(tf.abs(shown["bicubic"]))) <= 1


@pytest.mark.slow  # as of every batch norm of the zoo
def test_two_replicas_have_one_set_of_statistics(mirrored, batch):
    entry = registry.entry("srgan")
    with mirrored.scope():
        keras.utils.set_random_seed(0)
        model = entry.model(entry.recipe.replace(**entry.tiny))
        model.prepare(None)
        model.compile()
    model.enter_stage("adversarial")
    double = {name: tf.concat([x, 0.5 * x], 0) for name, x in batch.items()}
    dataset = tf.data.Dataset.from_tensors(double).repeat().unbatch().batch(
        4, drop_remainder=True)
    iterator = iter(mirrored.experimental_distribute_dataset(dataset))
    mirrored.run(model.train_step, args=(next(iterator),))
    moving = [v for v in model.g.weights if "moving" in v.path]
    assert moving
    for v in moving:
        one, two = (x.numpy() for x in mirrored.experimental_local_results(v.value))
        np.testing.assert_array_equal(one, two)


@pytest.mark.real
def test_a_run_on_pieces_of_photographs_is_measured_on_whole_ones(tmp_path, monkeypatch):
    place = os.environ["KGAN_TEST_DATA"]
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path / "cache"))
    data = f"folder:{place}/super_resolution/T91?test=../Set5"
    recipe = tiny_srresnet(data=data, size=32, steps=2)
    train("srresnet", recipe, Machine(precision="float32"), options(tmp_path / "run"))
    figures, pictures = measured(str(tmp_path / "run"))
    assert figures["n"] == 5 and figures["bicubic_psnr_y"] == pytest.approx(28.43, abs=0.01)
    assert figures["psnr_y"] < figures["bicubic_psnr_y"]
    assert pictures["enlarge"]["truth"].shape == (5, 128, 128, 3)
