"""What suites of CycleGAN's tables measure and train: figures by hand, rows that differ as said."""

import types

import numpy as np
import pytest

from kgan.core import registry
from kgan.data import Data, open_data
from kgan.data.palettes import AVATARS, CAMVID
from kgan.data.signals import usual
from kgan.data.stream import Sampler
from kgan.evaluation import segmentation
from kgan.evaluation.suite.definitions import SUITES
from kgan.evaluation.suite.jobs import Training
from kgan.evaluation.suite.kinds import KINDS
from kgan.evaluation.suite.table import lines, orders, summary
from kgan.metrics.segmentation import confusion, scores

PARTS = "avatars:parts?n=24&test=12"
KIND = KINDS["scenes"]


@pytest.fixture
def judge(monkeypatch):
    """A segmenter that takes photographs for pictures of labels."""
    seer = types.SimpleNamespace(ids=lambda pictures: AVATARS.nearest(pictures))
    monkeypatch.setattr(segmentation, "segmenter", lambda *given: seer)


def by_hand(wanted, seen):
    return scores(confusion(wanted, seen, len(AVATARS.classes), ()))


def test_figures_are_named_after_what_is_made(judge):
    asked = {"spec": PARTS, "bad_images": "skip", "n": 8, "direction": "a2b"}
    sanity, shown = KIND.measure({**asked, "size": 16}, "")
    data = open_data(PARTS, size=16)
    wanted, photos = AVATARS.nearest(data.test["a"][np.arange(8)]), data.test["b"][np.arange(8)]
    real = by_hand(wanted, AVATARS.nearest(photos))
    for name, value in real.items():
        assert sanity["real"][f"{name}_photographs"] == pytest.approx(value)
        assert sanity["real"][f"{name}_labels"] == 1.0
    other = by_hand(wanted, np.roll(wanted, 1, axis=0))
    assert sanity["figures"]["class_iou_labels"] == pytest.approx(other["class_iou"])
    np.testing.assert_array_equal(shown["truth"], photos)
    rows = []
    chosen = ("bigan_translator_small", "pix2pix_small")
    for row in [row for row in SUITES["cyclegan_baselines"].rows if row.name in chosen]:
        changes = {**registry.entry(row.name).tiny, **row.changes, "size": 16}
        found, strips = KIND.measure({**asked, "name": row.name, "changes": changes}, "")
        assert strips[""].shape[1:] == (16, 16, 3) and found["n"] == 8
        ways = {name.rpartition("_")[2] for name in found["figures"]}
        single = {"pairs": {"photographs"}, "pairs_back": {"labels"}}
        assert ways == single.get(row.tag, {"photographs", "labels"})
        training = {"run": None, "n": 8, "step": 1, "seconds": 1.0}
        rows.append({"title": row.title, "key": row.key, "trainings": [training], "failed": [],
                     "joint": False, **summary([found["figures"]])})
    seen = {"rows": rows, "sanity": sanity, "spec": PARTS, "direction": "a2b"}
    there, back = (lines(KIND, seen, table)[1] for table in KIND.tables(seen))
    known = ["real pictures", "others' pictures", "BiGAN/ALI"]
    assert [line.title for line in there] == [*known, "pix2pix, pairs"]
    assert [line.title for line in back] == [*known, "pix2pix, pairs, the other way"]
    told = orders({"settings": {"suite": "cyclegan_baselines"}, "data": [seen]})
    assert len(told) == 6 and "of 1 pairs stand in that order" in told[0][1]


def test_ablations_differ_in_what_they_pay_alone():
    rows = {row.tag: row.recipe for row in SUITES["cyclegan_ablation"].rows}
    paid = {tag: (bool(r.lambda_adversarial), bool(r.lambda_cycle * r.lambda_cycle_a),
                  bool(r.lambda_cycle * r.lambda_cycle_b)) for tag, r in rows.items()}
    assert paid == {
        "cycle": (False, True, True), "gan": (True, False, False), "forward": (True, True, False),
        "backward": (True, False, True), "all": (True, True, True)}
    assert all(r.identity == 0 and not r.blend for r in rows.values())
    plain = {"lambda_adversarial": 1.0, "lambda_cycle": 10.0, "lambda_cycle_a": 1.0,
             "lambda_cycle_b": 1.0}
    assert len({r.replace(**plain) for r in rows.values()}) == 1


def test_only_pix2pix_sees_pairs_and_learns_the_way_of_its_row():
    for row in SUITES["cyclegan_baselines"].rows:
        groups = {signal.group for signal in row.model.signals_of(row.recipe)}
        assert (len(groups) == 1) == (row.name == "pix2pix_small")
        flags = Training(row, PARTS, 0, 1.0).flags(50, "a2b")
        wanted = {"pairs": "a2b", "pairs_back": "b2a"}.get(row.tag)
        assert flags.get("direction") == wanted


def test_unpaired_models_draw_the_sets_of_pairs_apart():
    n = 64
    same = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    a, b = Sampler({"a": same, "b": same}, usual(8), batch=n, seed=3)(0)
    numbers = a[:, 0, 0, 0], b[:, 0, 0, 0]
    assert (np.sort(numbers[0]) == np.sort(numbers[1])).all()
    assert (numbers[0] == numbers[1]).mean() < 0.2


def test_what_data_lack():
    noise = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 3)).astype(np.uint8)
    ids = np.random.default_rng(1).integers(0, 11, (16, 8, 8, 1))
    known = {"a": CAMVID.paint(ids), "b": noise}
    assert KIND.lacks(Data("streets", known, known, paired=True)) == ""
    assert "no pairs" in KIND.lacks(Data("streets", known, known))
    other = {"a": noise, "b": noise}
    assert "known colours" in KIND.lacks(Data("noise", other, other, paired=True))
