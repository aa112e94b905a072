"""What a suite of autoencoders measures: attributes or classes read from codes, reconstructions."""

import numpy as np
import pytest

from kgan.core import registry
from kgan.data import open_data
from kgan.evaluation.suite.definitions import SUITES
from kgan.evaluation.suite.kinds import KINDS
from kgan.evaluation.suite.table import lines, summary
from kgan.metrics.linear_probe import linear_probe, linear_probes, most_frequent
from kgan.models import weights

FACES = "avatars:Smiling,Eyeglasses?n=48&test=20"


def test_codes_are_read_and_reconstructions_measured():
    asked = {"spec": FACES, "bad_images": "skip", "n": 12, "n_svm": 40,
             "reference": "vgg_star_small.avatars"}
    pixels, _ = KINDS["codes"].measure({**asked, "size": 32}, "")
    (row,) = (row for row in SUITES["deepsim"].rows if row.tag == "l1")
    changes = {**registry.entry(row.name).tiny, **row.changes}
    del changes["data"]
    found, strips = KINDS["codes"].measure({**asked, "name": row.name, "changes": changes}, "")
    figures = found["figures"]
    assert (figures["features"], figures["train"], figures["test"]) == (128, 40, 12)
    assert pixels["figures"]["features"] == 32 * 32 * 3
    assert strips[""].shape == (12, 32, 32, 3)
    test = open_data(FACES, size=32).test["a"][np.arange(12)]
    mse = np.square((strips[""].astype(float) - test) / 127.5).mean()
    assert figures["mse"] == pytest.approx(mse, rel=1e-3) and "code_error" not in figures
    kind = KINDS["codes"]
    (table,) = kind.tables({"rows": [{"mean": found["figures"]}], "sanity": {}})
    assert {c.figure for c in table.columns} <= set(figures)
    training = {"run": None, "n": 12, "step": 1, "seconds": 1.0}
    row = {"title": "L1", "key": "l1", "trainings": [training], "failed": [], "joint": False,
           **summary([figures])}
    told = lines(kind, {"rows": [row], "sanity": pixels}, table)[1]
    assert [line.title for line in told] == ["raw pixels", "the most frequent label", "L1"]
    assert told[1].cells[3][0] == f"{100 * pixels['guess']['accuracy']:.2f}"
    assert told[2].cells[4][0] == "128"


def test_attributes_are_probed_one_by_one():
    random = np.random.default_rng(0)
    x = random.normal(size=(80, 5)).astype(np.float32)
    labels = np.stack([x[:, 0] > 0, random.random(80) > 0.5, np.arange(80) < 3], 1)
    labels = labels.astype(np.float32)  # of the third, there are too few
    parts = x[:60], labels[:60], x[60:], labels[60:]
    found = linear_probes(*parts)
    each = [linear_probe(x[:60], labels[:60, i], x[60:], labels[60:, i])["accuracy"]
            for i in (0, 1)]
    assert (found["accuracy_0"], found["accuracy_1"]) == tuple(each) and each[0] > 0.85
    assert "accuracy_2" not in found
    assert found["accuracy"] == pytest.approx(np.mean(each))
    most = [np.mean(labels[60:, i] == (labels[:60, i].mean() > 0.5)) for i in (0, 1)]
    assert most_frequent(labels[:60], labels[60:]) == pytest.approx(np.mean(most))


def test_classes_are_probed_together():
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    classes = x.argmax(1)
    parts = x[:40], classes[:40], x[40:], classes[40:]
    assert linear_probes(*parts) == linear_probe(*parts)
    common = np.bincount(classes[:40]).argmax()
    assert most_frequent(classes[:40], classes[40:]) == np.mean(classes[40:] == common)


def test_pictures_without_labels_are_refused():
    lacks = KINDS["codes"].lacks
    assert lacks(open_data(FACES, size=16)) == ""
    assert "has two domains" in lacks(open_data("avatars:Smiling?n=4&test=2", size=16))


def test_vaes_of_two_losses_are_drawn_from():
    rows = SUITES["vae_losses"].rows
    first, second = (row.recipe.as_dict() for row in rows)
    unlike = {name for name in first.keys() & second.keys() if first[name] != second[name]}
    assert unlike == {"steps", "lambda_kl", "weight_decay"}  # the decay is the discriminator's
    kind = KINDS[SUITES["vae_losses"].kind]
    asked = {"spec": FACES, "bad_images": "skip", "n": 12, "keras_fid": False,
             "reference": "vgg_star_small.avatars"}
    sizes = []
    for row in rows:
        tiny = {**registry.entry(row.name).tiny, "size": 32, "latent": 8, "filters": 4}
        tiny.pop("data", None)
        model = weights.build(row.name, registry.recipe(row.name).replace(**tiny))
        sizes.append({name: model.nets[name].count_params() for name in ("e", "g")})
        found, strips = kind.measure({**asked, "name": row.name, "changes": tiny}, "")
        assert found["figures"]["frechet_vgg_star_small_avatars"] > 0
        assert strips[""].shape == (12, 32, 32, 3)
    assert sizes[0] == sizes[1]


def test_the_rows_differ_in_their_losses_alone():
    rows = SUITES["deepsim"].rows
    losses = {"lambda_features": 0.01, "lambda_adversarial": 8.0, "lambda_picture": 2e-6,
              "picture": "l2"}
    assert len({row.key for row in rows}) == 4
    assert {row.recipe.replace(**losses) for row in rows} == {rows[-1].recipe}
    assert {key for p in SUITES["deepsim"].published for key in p.values} <= {r.key for r in rows}
