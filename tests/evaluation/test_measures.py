"""A model names its measures, and may say more."""

import numpy as np
import pytest
import tensorflow as tf
from conftest import Toy

from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Recipe
from kgan.data import Data
from kgan.data.signals import Signal
from kgan.evaluation.evaluate import _check_asked
from kgan.evaluation.features import reference_features
from kgan.evaluation.measures import EMBEDDED, USUAL, Measure, Options, beside_pairs


class Paired(Toy):
    @classmethod
    def signals_of(cls, recipe):
        return tuple(Signal(name, height=recipe.size, width=recipe.size, group="face")
                     for name in "ab")


class Sampling(Toy):
    measures = ("samples",)


class Segmented(Paired):
    measures = ("segmentation",)


class Brightness(Paired):
    def measure(self, data, options):
        figures, pictures = super().measure(data, options)
        return {**figures, "brightness": float(pictures["a2b"]["output"].mean())}, pictures


def white(kind):
    """A translator that makes all pictures white."""
    model = kind(Recipe(size=16))
    for v, value in zip(model.g.weights, (0.0, 1.0), strict=True):
        v.assign(tf.fill(v.shape, value))
    return model


@pytest.fixture
def data():
    levels = {"a": 245, "b": 250}
    test = {name: np.full((5, 16, 16, 3), level, np.uint8) for name, level in levels.items()}
    return Data("toy", test, test, paired=True)


def test_pairs(data):
    figures, pictures = white(Paired).measure(data, Options(n=4))
    assert (figures["n"], figures["l1_a2b"], figures["identity_l1_a2b"]) == (4, 5, 5)
    assert figures["psnr_a2b"] == pytest.approx(20 * np.log10(255 / 5))
    assert figures["ssim_a2b"] == pytest.approx(1, abs=1e-3)
    assert pictures["a2b"]["input"].shape == pictures["a2b"]["output"].shape == (4, 16, 16, 3)
    # Two sets of one picture each, over and over: their Frechet distance is that of their means.
    means = [reference_features(x[:1], EMBEDDED)[0]
             for x in (data.test["b"], pictures["a2b"]["output"])]
    apart = np.sum((means[0] - means[1]) ** 2)
    assert figures["frechet_vgg_star_small_avatars_a2b"] == pytest.approx(apart, rel=1e-3)
    assert figures["real_frechet_vgg_star_small_avatars_a2b"] == pytest.approx(0, abs=1e-6)


def test_unpaired_translators_are_set_beside_pairs_where_there_are(data):
    black = np.zeros((3, 16, 16, 3), np.uint8)
    kept = {"a2b": {"input": data.test["a"][:3], "output": black},
            "b2a": {"input": data.test["b"][:3], "output": data.test["b"][:3]}}
    found = beside_pairs(kept, data)
    assert {name: found[name] for name in found if "l1" in name} == {
        "pair_l1_a2b": 250, "identity_pair_l1_a2b": 5, "pair_l1_b2a": 5, "identity_pair_l1_b2a": 5}
    assert found["pair_psnr_a2b"] == pytest.approx(20 * np.log10(255 / 250))
    assert len(found) == 12


def test_pairs_are_wanted(data):
    alone = Data("toy", data.train, data.test)
    with pytest.raises(UserError, match="paired learns from pairs, and the pictures of toy"):
        white(Paired).measure(alone, Options())
    assert (white(Paired).measures, white(Toy).measures) == (("pairs",), ("edits",))
    one = Data("toy", {"a": data.train["a"]}, {"a": data.test["a"]})
    with pytest.raises(UserError, match="toy has one domain"):
        white(Toy).measure(one, Options())


def test_a_model_says_more(data):
    figures, _ = white(Brightness).measure(data, Options())
    assert (figures["n"], figures["brightness"]) == (5, 255)


def test_several_measures_are_joined_in_their_order(data):
    class Two(Toy):
        measures = ("first", "second")

    def found(**figures):
        return Measure(lambda model, data, options: (figures, {name: {} for name in figures}))

    usual = {"first": found(a=1, b=1), "second": found(b=2, c=2)}
    figures, pictures = Two(Recipe(size=16)).measure(data, Options(usual=usual))
    assert figures == {"a": 1, "b": 2, "c": 2}
    assert list(pictures) == ["a", "b", "c"]


def test_options_that_no_measure_heeds_are_refused():
    model = Segmented(Recipe(size=16))
    for options, flag in ((Options(inception=True), "--keras_fid"),
                          (Options(recover=(4, 10)), "--recover"),
                          (Options(projections=(4, 10)), "--projections")):
        with pytest.raises(UsageError, match=flag):
            _check_asked("toy", model, options)
    _check_asked("toy", Sampling(Recipe(size=16)), Options(inception=True, recover=(4, 10)))
    assert {name for name in USUAL if USUAL[name].at_size} == {"reconstructions", "readout"}
