"""Passes of two generators that undo each other: terms by hand."""

import pytest
import tensorflow as tf

from kgan import losses
from kgan.core import registry
from kgan.core.errors import UsageError
from kgan.models import two_way as cycle

SHAPE = (8, 32, 32, 3)


def double(x):
    return 2 * x


def shift(x):
    return x + 0.25


def passes(**changes):
    a, b = tf.fill(SHAPE, 0.5), tf.fill(SHAPE, -0.125)
    weights = {"cycle": 10.0, "identity": 3.0, **changes}
    return cycle.two_way(double, shift, a, b, **weights)


def test_terms_by_hand():
    fake_b, fake_a, terms = passes()
    assert (float(fake_b[0, 0, 0, 0]), float(fake_a[0, 0, 0, 0])) == (1.0, 0.125)
    # shift(0.5) - 0.5 and double(-0.125) + 0.125; shift(1.0) - 0.5 and double(0.125) + 0.125
    assert float(terms["identity"]) == pytest.approx(3 * (0.25 + 0.125))
    assert float(terms["cycle"]) == pytest.approx(10 * (0.75 + 0.375))
    assert float(passes(cycle_a=0.0)[2]["cycle"]) == pytest.approx(10 * 0.375)  # backward alone
    assert float(passes(cycle_b=0.0)[2]["cycle"]) == pytest.approx(10 * 0.75)  # forward alone
    assert float(passes(cycle_a=2.0)[2]["cycle"]) == pytest.approx(10 * (1.5 + 0.375))
    assert set(passes(cycle=0)[2]) == {"identity"}
    assert set(passes(cycle_a=0, cycle_b=0)[2]) == {"identity"}
    assert set(passes(identity=0)[2]) == {"cycle"}


@pytest.fixture(scope="module")
def model():
    entry = registry.entry("cyclegan")
    return entry.model(entry.recipe.replace(**{**entry.tiny, "pool": 0}))


# Of the paper's section 5.1.2: terms, and how often each network is called; identity is not of it.
ABLATIONS = {
    "gan alone": ({"lambda_cycle": 0.0}, {"adversarial"}, (1, 1, 1, 1)),
    "cycle alone": ({"lambda_adversarial": 0.0}, {"cycle"}, (2, 2, 0, 0)),
    "gan and forward": ({"lambda_cycle_b": 0.0}, {"adversarial", "cycle"}, (1, 2, 1, 1)),
    "gan and backward": ({"lambda_cycle_a": 0.0}, {"adversarial", "cycle"}, (2, 1, 1, 1)),
}


@pytest.mark.parametrize("which", ABLATIONS)
def test_what_an_ablation_leaves_out_is_not_computed(model, tiny_batch, monkeypatch, which):
    changes, terms, passes = ABLATIONS[which]
    monkeypatch.setattr(
        model, "recipe", model.recipe.replace(lambda_identity=0.0, **changes), raising=False)
    counts = dict.fromkeys(("g_ab", "g_ba", "d_a", "d_b"), 0)
    for name in counts:

        def call(x, *args, name=name, network=model.nets[name], **kwargs):
            counts[name] += 1
            return network(x, *args, **kwargs)

        monkeypatch.setattr(model, name, call, raising=False)
    paid = model.loss_terms(tiny_batch(model))
    assert set(paid["generator"]) == terms
    assert tuple(counts.values()) == passes
    ((phase,),) = (stage.phases for stage in model.stages())
    assert set(phase.players or model.players) == set(paid)


def test_weights_of_one_change_nothing(model, tiny_batch):
    """With all weights said, a pass is that of the plain sum, to the last bit."""
    batch, r = tiny_batch(model), model.recipe
    a, b = batch["a"], batch["b"]
    fake_b, fake_a, terms = cycle.two_way(
        model.g_ab, model.g_ba, a, b, cycle=r.lambda_cycle, identity=r.identity)
    plain = losses.l1(model.g_ba(fake_b), a) + losses.l1(model.g_ab(fake_a), b)
    paid = model.loss_terms(batch)["generator"]
    assert float(paid["cycle"]) == float(terms["cycle"]) == float(r.lambda_cycle * plain)
    fools = sum(losses.real_loss("lsgan", d(x)) for d, x in ((model.d_a, fake_a),
                                                            (model.d_b, fake_b)))
    assert float(paid["adversarial"]) == pytest.approx(float(fools), rel=1e-6)


def test_a_recipe_that_teaches_nothing_is_refused():
    recipe = registry.recipe("cyclegan")
    with pytest.raises(UsageError, match="Nothing to learn from"):
        recipe.replace(lambda_adversarial=0.0, lambda_cycle=0.0)
    with pytest.raises(UsageError, match="Nothing to learn from"):
        recipe.replace(lambda_adversarial=0, lambda_cycle_a=0, lambda_cycle_b=0, lambda_identity=0)


def test_a_recipe_from_before_the_weights_is_the_same_recipe():
    recipe = registry.recipe("cyclegan")
    older = {k: v for k, v in recipe.as_dict().items()
             if k not in ("lambda_adversarial", "lambda_cycle_a", "lambda_cycle_b")}
    assert recipe.replace(**older) == recipe
