"""`tools/evaluate` on generators and encoders: figures, pictures, where they are recorded."""

import json

import numpy as np
import pytest
from PIL import Image

from kgan import data, registry, weights
from kgan.metrics import classifier, generation
from kgan.metrics.reconstruction import baselines, similarity
from kgan.pixels import to_uint8

FACES = "avatars:Smiling,Eyeglasses?n=24&test=12"


def flags(name, **changes):
    values = {**registry.entry(name).tiny, "data": FACES, "steps": 2, "export": False, **changes}
    del values["labels" if "labels" in values else "generator_recipe"]
    values = {k: str(v).lower() if isinstance(v, bool) else v for k, v in values.items()}
    return ["--model", name, *(f"--{k}={v}" for k, v in values.items())]


@pytest.fixture(scope="module")
def generator(tool, tmp_path_factory):
    """The run of a tiny generator."""
    folder = tmp_path_factory.mktemp("runs") / "dcgan"
    done = tool("train", *flags("dcgan", out=folder))
    assert done.code == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def encoder(tool, generator):
    """The run of a tiny encoder of that generator."""
    folder = generator.with_name("encoder")
    done = tool("train", *flags("fc_encoder", out=folder, generator=generator))
    assert done.code == 0, done.stderr
    return folder


def test_evaluate_a_generator(tool, generator, tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "_STEPS", 5)
    monkeypatch.setattr(generation, "open_data", lambda spec, size: data.open_data(
        f"{spec}?n=24&test=12", size=size))
    done = tool("evaluate", "--model", generator, "--output", tmp_path, "--n", 10)
    assert done.code == 0, done.stderr
    assert (done.json["n"], done.json["pictures"], done.json["data"]) == (10, 10, FACES)
    name = "vgg_star_small_avatars"
    assert done.json[f"frechet_{name}"] > done.json[f"real_frechet_{name}"] > 0
    assert {f"kid_{name}", "precision", "recall", "l2_ratio", "near_duplicates"} <= set(done.json)
    shares = done.json["shares"]
    assert shares["attributes"] == ["Smiling", "Eyeglasses"]
    assert len(shares["real"]) == len(shares["made"]) == 2 and shares["largest_difference"] <= 1
    recorded(generator, done.json, tmp_path)
    again = tool("evaluate", "--model", generator, "--n", 10)
    assert again.json == done.json  # the same codes


def test_evaluate_an_encoder(tool, encoder, tmp_path):
    done = tool("evaluate", "--model", encoder, "--output", tmp_path, "--n", 10)
    assert done.code == 0, done.stderr
    model, held = weights.load(str(encoder)), data.open_data(FACES, size=16)
    real = held.test["a"][np.arange(10)]
    made = to_uint8(model.decode(model.encode(real))).numpy()
    wanted = {**similarity(real, made), **baselines(real, held.train["a"])}
    assert {k: done.json[k] for k in wanted} == pytest.approx(wanted, rel=1e-2)
    z = model.codes(10, seed=1).numpy()
    again = np.asarray(model.encode(model.decode(z)))
    assert done.json["code_error"] == pytest.approx(np.mean((again - z) ** 2) / np.mean(z**2))
    assert done.json.keys() == {"status", "model", "data", "n", "code_error", *wanted}
    recorded(encoder, done.json, tmp_path)


def recorded(run, result, output):
    """The figures are with the run and in the folder that was asked for, with a picture."""
    assert json.loads((run / "metrics.json").read_text())["evaluation"] == result
    assert json.loads((output / "evaluation.json").read_text()) == result
    assert Image.open(output / "evaluation.png").width >= 32
