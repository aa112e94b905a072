"""Ways onto a manifold: of a rotation, whose encoder is known, and of tiny models by the tool."""

import numpy as np
import pytest
import tensorflow as tf

from kgan.core.errors import UsageError
from kgan.evaluation import projections
from kgan.evaluation.measures import EMBEDDED, Options, _projections
from kgan.evaluation.projections import measure_projections, table

TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(12, 12)))[0][:4]


class Rotation:
    """What `Coder` is for a generator that turns codes, and an encoder that is off by 0.3."""

    conditions, prior, latent, feature_weight = 0, "uniform", 4, 0.5
    encoder = True

    def __init__(self, model=None, reference=""):
        self.model, self.reference = self, reference
        self.features = lambda x: tf.reshape(x, [-1, 12])

    def codes(self, count, seed):
        return np.random.default_rng(seed).uniform(-0.6, 0.6, (count, 4)).astype(np.float32)

    def generate(self, z):
        return tf.reshape(z @ tf.constant(TURN, tf.float32), (-1, 2, 2, 3))

    def decode(self, z):
        return np.uint8(np.clip(np.rint((self.generate(z).numpy() + 1) * 127.5), 0, 255))

    def encode(self, pictures):
        x = pictures.reshape(len(pictures), 12).astype(np.float32) / 127.5 - 1
        return np.float32(x @ TURN.T) + 0.3

    def feature_errors(self, pictures, made):
        return np.zeros(len(pictures))


@pytest.fixture(scope="module")
def measured():
    model = Rotation()
    real = model.decode(model.codes(3, 7))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(projections, "Coder", Rotation)
        return measure_projections(model, real, 60, "ours")


def test_each_way_of_a_model_whose_inverse_is_known(measured):
    figures, pictures = measured
    assert (figures["pictures"], figures["steps"], figures["reference"]) == (3, 60, "ours")
    ways = ["network", "lbfgs", "adam", "hybrid_lbfgs", "hybrid_adam"]
    for kind in ("real", "generated"):
        assert list(figures[kind]) == ways
        assert list(pictures[f"project {kind}"]) == ["input", *ways]
        assert figures[kind]["network"]["mse"] == pytest.approx(0.09 * 4 / 12, rel=0.1)
        for way in ("lbfgs", "hybrid_lbfgs"):
            assert figures[kind][way]["mse"] < 1e-4
        assert all(figures[kind][way]["seconds"] >= 0 for way in ways)
    assert figures["generated"]["network"]["code_mse"] == pytest.approx(0.09, rel=0.05)
    assert figures["generated"]["hybrid_lbfgs"]["code_mse"] < 1e-4
    assert "code_mse" not in figures["real"]["network"]


def test_the_table_has_a_line_of_each_way(measured):
    lines = table(measured[0])
    assert len(lines) == 2 + 2 * 5
    assert lines[2].startswith("| real | network | 0.03")


def test_models_without_a_prior_are_refused():
    model = Rotation()
    model.prior, model.name_in_zoo = None, "deepsim"
    with pytest.raises(UsageError, match="deepsim has no prior"):
        measure_projections(model, None, 3, "ours")


def test_a_generator_alone_through_the_default_reference(tiny, capsys):
    model, real = tiny("dcgan", trains=False), np.zeros((3, 16, 16, 3), np.uint8)
    figures, pictures = {}, {}
    _projections(model, real, Options(projections=(2, 2), seed=5), figures, pictures)
    found = figures["projections"]
    assert list(found["real"]) == list(found["generated"]) == ["lbfgs", "adam"]
    assert found["pictures"] == 2 and found["reference"] == EMBEDDED
    assert "| generated | adam | " in capsys.readouterr().err
    assert pictures["project real"]["lbfgs"].shape == (2, 16, 16, 3)
    drawn = model.sample(2, 5)
    np.testing.assert_array_equal(pictures["project generated"]["input"], drawn)
    assert found["seed"] == 5
