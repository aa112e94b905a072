"""Measuring edits: what a perfect translator, an idle one and a destroying one get."""

import types

import numpy as np
import pytest

from kgan.core import registry
from kgan.core.errors import UserError
from kgan.data import Data
from kgan.evaluation import edits
from kgan.evaluation.edits import also_changed, measure_distribution, measure_edits
from kgan.evaluation.features import reference_features
from kgan.metrics import c2st
from kgan.metrics import pictures as distance
from kgan.metrics.distribution import kid
from kgan.models import weights

MEASURES = (
    "edit_accuracy_a2b", "edit_accuracy_b2a", "log_loss_a2b", "log_loss_b2a",
    "preservation_l1_a2b", "preservation_l1_b2a", "preservation_l1", "region_l1",
    "counterfactual_psnr", "counterfactual_ssim",
)


class Marked:
    """Says B where the upper left corner is white, and is sure of it to 90 %."""

    def is_b(self, pictures):
        return pictures[:, 0, 0, 0] == 255

    def log_loss(self, pictures, domain):
        right = self.is_b(pictures) == (domain == "b")
        return float(np.mean(-np.log(np.where(right, 0.9, 0.1))))


@pytest.fixture
def data():
    """Noise; the attribute is a square of 4 px, white in B and grey in A."""
    random = np.random.default_rng(0)

    def domain(level, count):
        x = random.integers(0, 200, (count, 16, 16, 3), np.uint8)
        x[:, :4, :4] = level
        return x

    def switched(x, level):
        y = x.copy()
        y[:, :4, :4] = level
        return y

    a, b = domain(90, 60), domain(255, 70)
    return Data(
        spec="marks", train={}, test={"a": a, "b": b},
        truth={"a": switched(a, 255), "b": switched(b, 90)}, deterministic="b2a",
    )


def edit(pictures, direction):
    made = pictures.copy()
    made[:, :4, :4] = 255 if direction == "a2b" else 90
    return made


def test_a_perfect_translator(data):
    figures, pictures = measure_edits(edit, data, Marked())
    assert figures.keys() == {p + m for p in ("", "identity_") for m in MEASURES} | {
        f"real_{m}" for m in MEASURES[:4]}
    sure = pytest.approx(-np.log(0.9))
    assert [figures[m] for m in MEASURES] == [
        1, 1, sure, sure, 0, 0, 0, 0, 100, pytest.approx(1)
    ]
    # The same for doing nothing: no edit, nothing changed, and the distance to the truth.
    assert figures["identity_edit_accuracy_a2b"] == figures["identity_edit_accuracy_b2a"] == 0
    assert figures["identity_log_loss_a2b"] == pytest.approx(-np.log(0.1))
    assert figures["identity_preservation_l1"] == 0
    assert figures["identity_region_l1"] == 165
    error = 165**2 * 16 / 256  # of b2a, the direction in which the truth is unique
    assert figures["identity_counterfactual_psnr"] == pytest.approx(10 * np.log10(255**2 / error))
    assert pictures["a2b"].keys() == {"input", "output", "truth"}
    assert (pictures["a2b"]["output"] == data.truth["a"]).all()
    assert len(pictures["b2a"]["input"]) == 70


def test_an_idle_translator_gets_what_doing_nothing_gets(data):
    figures, _ = measure_edits(lambda pictures, _: pictures, data, Marked())
    for measure in MEASURES:
        assert figures[measure] == figures[f"identity_{measure}"], measure
    assert figures["edit_accuracy_a2b"] == 0


def test_a_destroying_translator_edits_and_preserves_nothing(data):
    def white(pictures, direction):
        return np.full_like(pictures, 255 if direction == "a2b" else 90)

    figures, _ = measure_edits(white, data, Marked())
    assert figures["edit_accuracy_a2b"] == figures["edit_accuracy_b2a"] == 1
    outside = []  # the pixels that the true edit leaves alone
    for domain, level in (("a", 255.0), ("b", 90.0)):
        rest = data.test[domain].astype(float)
        rest[:, :4, :4] = np.nan
        outside.append(np.nanmean(np.abs(level - rest)))
    each = [figures["preservation_l1_a2b"], figures["preservation_l1_b2a"]]
    assert each == pytest.approx(outside, rel=1e-5)
    assert abs(outside[0] - outside[1]) > 20
    assert figures["preservation_l1"] == pytest.approx(np.mean(outside), rel=1e-5)
    assert figures["counterfactual_psnr"] < figures["identity_counterfactual_psnr"]
    assert figures["counterfactual_ssim"] < 0.2


def test_a_ghost_of_what_was_removed_shows_in_the_region(data):
    """Half of the square is taken off, of the rest a trace of 20 levels in one channel stays."""

    def ghost(pictures, direction):
        made = edit(pictures, direction)
        made[:, :2, :4, 1] += 20
        made[:, 8:] = 0  # what happens elsewhere is preservation's affair
        return made

    figures, _ = measure_edits(ghost, data, Marked())
    assert figures["region_l1"] == pytest.approx(20 / 3 / 2, rel=1e-6)
    assert figures["preservation_l1"] > 10


def test_a_translator_of_one_direction(data):
    both, _ = measure_edits(edit, data, Marked())
    for direction, other in (("b2a", "a2b"), ("a2b", "b2a")):
        figures, pictures = measure_edits(edit, data, Marked(), directions=(direction,))
        assert pictures.keys() == {direction}
        assert not [name for name in figures if other in name]
        of_truth = {"region_l1", "counterfactual_psnr", "counterfactual_ssim"}
        assert of_truth & figures.keys() == (of_truth if direction == "b2a" else set())
        for name in ("preservation_l1", "identity_preservation_l1"):
            assert figures.pop(name) == figures[f"{name}_{direction}"]
        assert figures == {name: both[name] for name in figures}


def test_one_way_and_the_other_are_told_apart(data):
    def half(pictures, direction):
        return edit(pictures, "a2b") if direction == "a2b" else pictures

    figures, _ = measure_edits(half, data, Marked())
    assert (figures["edit_accuracy_a2b"], figures["edit_accuracy_b2a"]) == (1, 0)
    unique = distance.psnr(data.test["b"], data.truth["b"])
    assert figures["counterfactual_psnr"] == unique
    flipped = Data(**{**data.__dict__, "deterministic": "a2b"})
    assert measure_edits(half, flipped, Marked())[0]["counterfactual_psnr"] == 100


def test_some_pictures_in_batches(data):
    sizes = []

    def counted(pictures, direction):
        sizes.append((direction, len(pictures)))
        return edit(pictures, direction)

    _, pictures = measure_edits(counted, data, Marked(), n=55)
    assert sizes == [("a2b", 50), ("a2b", 5), ("b2a", 50), ("b2a", 5)]
    assert (pictures["b2a"]["truth"] == data.truth["b"][:55]).all()
    _, pictures = measure_edits(edit, data, Marked(), n=1000)
    assert len(pictures["a2b"]["input"]) == 60


def test_data_without_truth_gives_the_accuracies_alone(data):
    photos = Data(spec="photos", train={}, test=data.test)
    figures, pictures = measure_edits(edit, photos, Marked())
    sure, wrong = pytest.approx(-np.log(0.9)), pytest.approx(-np.log(0.1))
    assert figures == {
        "edit_accuracy_a2b": 1.0, "edit_accuracy_b2a": 1.0,
        "log_loss_a2b": sure, "log_loss_b2a": sure,
        "identity_edit_accuracy_a2b": 0.0, "identity_edit_accuracy_b2a": 0.0,
        "identity_log_loss_a2b": wrong, "identity_log_loss_b2a": wrong,
        "real_edit_accuracy_a2b": 1.0, "real_edit_accuracy_b2a": 1.0,
        "real_log_loss_a2b": sure, "real_log_loss_b2a": sure,
    }
    assert "truth" not in pictures["a2b"]


def test_accuracy_counts_what_the_classifier_says(data):
    second = types.SimpleNamespace(
        is_b=lambda pictures: np.arange(len(pictures)) % 4 == 0,
        log_loss=lambda pictures, domain: len(pictures) + {"a": 0.5, "b": 0.25}[domain],
    )
    figures, _ = measure_edits(edit, data, second, n=20)
    assert (figures["edit_accuracy_a2b"], figures["edit_accuracy_b2a"]) == (0.25, 0.75)
    assert (figures["log_loss_a2b"], figures["log_loss_b2a"]) == (20.25, 20.5)


# as sets


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(c2st, "STEPS", 75)


def test_sets_are_told_apart_where_they_differ(data, short):
    """Real B has a white square: a perfect edit has it too, an idle one has not."""
    kept = {
        "a2b": {"input": data.test["a"], "output": data.test["a"]},
        "b2a": {"input": data.test["b"], "output": edit(data.test["b"], "b2a")},
    }
    figures = measure_distribution(kept, data, seeds=1)
    names = {f"c2st_{m}_{d}" for m in ("log_loss", "accuracy") for d in ("a2b", "b2a")}
    assert figures.keys() == names | {f"{name}_std" for name in names}
    assert figures["c2st_log_loss_a2b"] < 20
    assert figures["c2st_accuracy_a2b"] > 0.9
    assert figures["c2st_log_loss_b2a"] > 60
    assert figures["c2st_log_loss_a2b_std"] == 0


def test_kid_carries_the_name_of_its_reference(data, tmp_path, short):
    entry = registry.entry("vgg_star")
    model = weights.build("vgg_star", entry.recipe.replace(**entry.tiny))
    reference = str(weights.write(model, tmp_path / "narrow.vgg"))
    kept = {"a2b": {"output": edit(data.test["a"], "a2b")}}
    figures = measure_distribution(kept, data, seeds=1, reference=reference)
    features = (reference_features(p, reference) for p in (data.test["b"], kept["a2b"]["output"]))
    mean, deviation = kid(*features)
    assert {name: value for name, value in figures.items() if "kid" in name} == pytest.approx(
        {"kid_narrow_vgg_a2b": mean, "kid_narrow_vgg_a2b_std": deviation}
    )
    assert not [name for name in figures if "b2a" in name]


def test_too_few_pictures_of_one_direction_cost_the_other_nothing(data, short):
    few = {"a2b": {"input": data.test["a"]}, "b2a": {"input": data.test["b"][:9]}}
    with pytest.raises(UserError, match="at least 10 pictures of each kind, not 9"):
        measure_distribution(few, data, "input", seeds=1)
    skipped = {}
    found = measure_distribution(few, data, "input", seeds=1, prefix="identity_", skipped=skipped)
    assert skipped == {
        "identity_c2st_b2a": "C2ST needs at least 10 pictures of each kind, not 9."
    }
    names = {f"identity_c2st_{m}_a2b" for m in ("log_loss", "accuracy")}
    assert found.keys() == names | {f"{name}_std" for name in names}


class Corners:
    """Sees three attributes: whether the corners of a picture are white, but for the last."""

    names, accuracy = ("Old", "Smiling", "Tired"), {"Old": 0.8, "Smiling": 0.95, "Tired": 0.99}

    def probabilities(self, pictures):
        corners = [pictures[:, 0, 0, 0], pictures[:, -1, 0, 0], pictures[:, 0, -1, 0]]
        return np.stack([c == 255 for c in corners], axis=1).astype(float)


def test_what_else_an_edit_changes(monkeypatch):
    opened = []
    monkeypatch.setattr(edits, "open_data", lambda spec, **how: opened.append((spec, how)))
    monkeypatch.setattr(edits, "label_judge", lambda data: Corners())
    given = np.zeros((4, 8, 8, 3), np.uint8)
    made = given.copy()
    made[:, -1, 0] = 255  # all smile
    made[:2, 0, 0] = 255  # and half of them grow old
    data = Data("celeba:x?attribute=Smiling&crop=160", {}, {"a": given, "b": made},
                seed=3)
    figures = also_changed({"a2b": {"input": given, "output": made}}, data)
    assert opened == [("celeba:x?crop=160", {"size": 8, "seed": 3})]  # the same are held out
    assert figures["flips_judge"] == pytest.approx((0.8 + 0.95 + 0.99) / 3)
    assert figures["flips_a2b"] == 0.25  # of two others, half of the pictures in one
    assert figures["most_flipped_a2b"] == {"Old": 0.5, "Tired": 0.0}
    assert figures["change_l1_a2b"] == pytest.approx(255 * (4 + 2) / (4 * 64))
    assert figures["rough_flips"].endswith("pictures: Old 80.0 %")
    two = Data("celeba:x?a=Old&b=Smiling", {}, {"a": given, "b": made})
    figures = also_changed({"b2a": {"input": made, "output": given}}, two)
    assert figures["most_flipped_b2a"] == {"Tired": 0.0}  # both of the others were to change
    assert also_changed({}, Data("folder:x", {}, {"a": given})) == {}


def test_real_pictures_beside_results(data):
    figures, _ = measure_edits(edit, data, Marked(), 30)
    assert figures["real_edit_accuracy_a2b"] == figures["real_edit_accuracy_b2a"] == 1
    assert figures["real_log_loss_a2b"] == pytest.approx(-np.log(0.9))
    idle, _ = measure_edits(lambda pictures, direction: pictures, data, Marked(), 30)
    assert idle["edit_accuracy_a2b"] == 0 and idle["real_edit_accuracy_a2b"] == 1
