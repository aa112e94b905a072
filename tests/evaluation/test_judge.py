"""The classifier of domains: it learns, is kept, and is trained again when its file is damaged."""

import io

import numpy as np
import pytest

from kgan.core import cache
from kgan.data import Data
from kgan.evaluation import judge as classifier
from kgan.evaluation.judge import domain_classifier, label_judge
from kgan.metrics.figures import rough


def pictures(count, level, seed, side=16):
    random = np.random.default_rng(seed)
    return np.uint8(random.integers(0, 100, (count, side, side, 3)) + level)


def bright_and_dark(side=16, spec="fake:brightness"):
    return Data(
        spec=spec,
        train={"a": pictures(40, 0, 1, side), "b": pictures(40, 150, 2, side)},
        test={"a": pictures(20, 0, 3, side), "b": pictures(30, 150, 4, side)},
    )


@pytest.fixture(autouse=True)
def short(monkeypatch, tmp_path):
    monkeypatch.setattr(classifier, "_STEPS", 30)
    monkeypatch.setattr(classifier, "_LABEL_STEPS", 40)
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path))


@pytest.fixture
def trained(monkeypatch):
    """A list that gets an entry for every training, which is then left out."""
    found = []
    monkeypatch.setattr(classifier, "_train", lambda network, data: found.append(data.spec))
    return found


def test_it_learns_what_tells_the_domains_apart(capsys):
    found = domain_classifier(bright_and_dark())
    assert found.accuracy == 1
    assert found.is_b(pictures(5, 150, 9)).tolist() == [True] * 5
    assert found.is_b(pictures(200, 0, 9)).tolist() == [False] * 200  # more than one batch
    err = capsys.readouterr().err
    assert "training the classifier of fake:brightness" in err
    assert "100.00 % on 50 held-out pictures" in err


def test_it_cannot_learn_what_is_not_there():
    same = bright_and_dark()
    same.train["b"][:] = same.train["a"]
    same.test["b"][:] = np.resize(same.test["a"], same.test["b"].shape)
    assert abs(domain_classifier(same, io.StringIO()).accuracy - 0.5) < 0.15


def test_balanced_accuracy():
    class Network:
        def __call__(self, x, training):
            return np.full((len(x), 1), 1.0)  # always B

    always = classifier.DomainClassifier(Network(), None)
    assert always.accuracy_on(pictures(90, 0, 1), pictures(10, 150, 2)) == 0.5


def test_log_loss_by_hand():
    class Network:
        def __call__(self, x, training):
            return np.array([[np.log(3.0)], [0.0], [-800.0]])[: len(x)]  # p(B) = 3/4, 1/2, 0

    found, x = classifier.DomainClassifier(Network(), None), pictures(3, 0, 1)
    assert found.log_loss(x[:2], "b") == pytest.approx((np.log(4 / 3) + np.log(2)) / 2)
    assert found.log_loss(x[:2], "a") == pytest.approx((np.log(4) + np.log(2)) / 2)
    assert found.log_loss(x, "b") == pytest.approx((np.log(4 / 3) + np.log(2) + 800) / 3)
    with pytest.raises(KeyError):
        found.log_loss(x, "c")


def test_it_is_trained_once(trained, tmp_path):
    stream, x = io.StringIO(), pictures(9, 75, 5)
    first = domain_classifier(bright_and_dark(), stream)
    second = domain_classifier(bright_and_dark(), stream)
    assert trained == ["fake:brightness"]
    assert second.accuracy == first.accuracy
    logits = [c.network(classifier._prepared(x)).numpy() for c in (first, second)]
    assert np.array_equal(*logits)
    assert stream.getvalue().count("training the classifier") == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_the_same_data_gives_the_same_classifier(tmp_path, monkeypatch):
    monkeypatch.setattr(classifier, "_STEPS", 3)
    x, logits = pictures(9, 75, 5), []
    for place in ("one", "two"):
        monkeypatch.setenv("KGAN_CACHE", str(tmp_path / place))
        np.random.seed(len(place))
        found = domain_classifier(bright_and_dark(), io.StringIO())
        logits.append(found.network(classifier._prepared(x)).numpy())
    assert np.allclose(*logits, atol=1e-4)


def test_other_pictures_have_another_classifier(trained):
    other = bright_and_dark()
    other.test["a"][0, 0, 0, 0] ^= 1
    for data in (bright_and_dark(), other, bright_and_dark(spec="fake:other")):
        domain_classifier(data, io.StringIO())
    assert len(trained) == 3


DAMAGES = {
    "a flipped byte": lambda f: flip(f / "model.weights.h5"),
    "no weights": lambda f: (f / "model.weights.h5").unlink(),
    "no metadata": lambda f: (f / "metadata.json").unlink(),
    "half the metadata": lambda f: (f / "metadata.json").write_text('{"accuracy": 1'),
    "other metadata": lambda f: (f / "metadata.json").write_text("[]"),
}


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_trained_anew(trained, tmp_path, damage):
    domain_classifier(bright_and_dark(), io.StringIO())
    (folder,) = tmp_path.iterdir()
    DAMAGES[damage](folder)
    domain_classifier(bright_and_dark(), io.StringIO())
    domain_classifier(bright_and_dark(), io.StringIO())
    assert len(trained) == 2


def test_large_pictures_are_reduced():
    x = pictures(2, 50, 0, side=96)
    assert classifier._prepared(x).shape == (2, 64, 64, 3)
    assert classifier._prepared(x[:, :64, :64]).shape == (2, 64, 64, 3)
    small = pictures(2, 50, 0, side=20)
    assert np.allclose(classifier._prepared(small), small / 127.5 - 1, atol=1e-6)
    assert domain_classifier(bright_and_dark(side=80), io.StringIO()).accuracy == 1


def test_a_deep_metadata_is_none_and_what_is_said_of_data_is_printable(trained, tmp_path):
    data, said = bright_and_dark(spec="folder:\x1b[2Jx"), io.StringIO()
    domain_classifier(data, stream=said)
    assert "\x1b" not in said.getvalue() and said.getvalue().count("folder:?[2Jx") == 2
    (path,) = tmp_path.glob("classifier-*/metadata.json")
    path.write_text('{"accuracy": ' + "[" * 100_000)
    domain_classifier(data, stream=said)
    assert len(trained) == 2


def labelled(side=16):
    """Pictures that are bright or dark and, apart from that, red or not; red is rare."""
    random = np.random.default_rng(0)

    def drawn(count):
        labels = np.stack([random.random(count) < 0.5, random.random(count) < 0.2], 1)
        x = random.integers(0, 60, (count, side, side, 3)) + 120 * labels[:, 0, None, None, None]
        x[..., 0] += 70 * labels[:, 1, None, None]
        return {"a": np.uint8(x)}, np.float32(labels)

    (train, known), (test, held) = drawn(80), drawn(60)
    return Data("fake:two", train, test, labels={"train": known, "test": held},
                label_names=("bright", "red"))


def test_a_judge_of_labels_learns_each_and_is_kept(capsys, monkeypatch):
    found, data = label_judge(labelled()), labelled()
    assert found.names == ("bright", "red") and min(found.accuracy.values()) > 0.9
    seen = found.probabilities(data.test["a"]) > 0.5
    assert np.mean(seen == (data.labels["test"] > 0.5)) > 0.9
    assert found.probabilities(data.test["a"][:0]).shape == (0, 2)
    assert "60 held-out pictures, mean over attributes" in capsys.readouterr().err
    monkeypatch.setattr(classifier, "_train_labels", lambda network, data: 1 / 0)
    again = label_judge(labelled())
    assert np.allclose(again.probabilities(data.test["a"]), found.probabilities(data.test["a"]))


def test_other_labels_of_the_same_pictures_have_another_judge(monkeypatch):
    trained, other = [], labelled()
    monkeypatch.setattr(classifier, "_train_labels", lambda *given: trained.append(given))
    other.labels["train"][:, 0] = 1 - other.labels["train"][:, 0]
    for data in (labelled(), other, labelled()):
        label_judge(data, io.StringIO())
    assert len(trained) == 2


def test_judges_are_entries_of_the_cache(trained):
    domain_classifier(bright_and_dark())
    label_judge(labelled())
    assert {entry.path.name.partition("-")[0] for entry in cache.entries()} == {
        "classifier", "judge"}


def test_a_judge_that_is_often_wrong_says_so():
    assert rough({"a": 0.95, "b": 0.9}) == ""
    assert rough({"a": 0.95, "b": 0.871}).endswith("pictures: b 87.1 %")
    assert classifier.DomainClassifier(None, 0.8).rough.endswith("the classifier 80.0 %")
    assert classifier.DomainClassifier(None, 0.97).rough == ""
