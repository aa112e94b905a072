"""What a suite of translators of maps measures, by a model that is not trained and by hand."""

import numpy as np
import pytest
from PIL import Image

from kgan.core import registry
from kgan.evaluation.suite.definitions import SUITES
from kgan.evaluation.suite.kinds import KINDS

TINY = {**registry.entry("pix2pixhd_small").tiny, "size": 16, "load_size": 0, "features": 0,
        "lambda_vgg": 0.0}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenes")
    random = np.random.default_rng(0)
    for part, count in (("train", 3), ("test", 12)):
        for name in ("labels", "instances", "photos"):
            (root / part / name).mkdir(parents=True)
        for n in range(count):
            ids = random.integers(0, 5, (4, 4)).repeat(4, 0).repeat(4, 1).astype(np.uint8)
            for name in ("labels", "instances"):
                Image.fromarray(ids).save(root / part / f"{name}/{n}.png")
            Image.fromarray(np.stack([40 * ids] * 3, -1)).save(root / part / f"photos/{n}.png")
    return root


def photos(root, part):
    files = sorted((root / part / "photos").iterdir(), key=lambda p: p.name)
    return np.stack([np.asarray(Image.open(p)) for p in files])


def test_pairs_are_measured_beside_their_truth_and_the_mean_picture(scenes):
    asked = {"spec": f"folder:{scenes}", "bad_images": "skip", "n": 0, "direction": "a2b",
             "reference": "vgg_star_small.avatars"}
    kind, like = KINDS["maps"], ["pix2pixhd_small", TINY]
    guess, shown = kind.measure({**asked, "size": 16, "like": like}, "")
    truth, mean = photos(scenes, "test"), np.rint(photos(scenes, "train").mean(0))
    wanted = np.abs(truth.astype(float) - mean).mean()
    assert guess["figures"]["l1"] == pytest.approx(wanted, abs=1e-3) and guess["n"] == 12
    np.testing.assert_array_equal(np.sort(shown["truth"], 0), np.sort(truth, 0))
    assert shown[""].shape == truth.shape
    found, shown = kind.measure({**asked, "name": "pix2pixhd_small", "changes": TINY}, "")
    columns = {column.figure for column in kind.tables(
        {"rows": [{"mean": found["figures"]}], "sanity": {}})[0].columns}
    assert columns <= set(found["figures"]) and list(shown) == [""]
    assert found["figures"]["l1"] > 0 and all(np.isfinite([*found["figures"].values()]))


def test_the_losses_are_compared_in_one_network():
    rows = SUITES["pix2pixhd_losses"].rows
    paid = [(r.recipe.lambda_matching, r.recipe.lambda_vgg) for r in rows]
    assert paid == [(0, 0), (10, 0), (10, 10)]
    assert {r.recipe.replace(lambda_matching=0.0, lambda_vgg=0.0) for r in rows} == {
        rows[0].recipe}
    assert len({r.key for r in rows}) == 3
