"""TensorFlow Datasets: small sets prepared on disk by its own writer, read back by its own reader.

`cycle_gan/apple2orange` and `celeb_a` are opened with the catalogue's own code and features, but
hold a few flat pictures; `classified` has no code and is known by its files alone.
"""

import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from kgan.core.errors import UsageError, UserError
from kgan.data import open_data, scan
from kgan.data.tfds import open_tfds

COUNTS = {"trainA": 5, "trainB": 4, "testA": 2, "testB": 1}


def flat(value, height=10, width=8):
    return np.full((height, width, 3), value, np.uint8)


def prepare(name, features, examples, place, config=None, version="1.0.0"):
    """Writes a set: `examples` is split -> list, `name` that of the set."""

    class Small(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version(version)
        BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=config, version=version)] if config else []

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {split: enumerate(found) for split, found in examples.items()}

        def _generate_examples(self):
            raise NotImplementedError

    Small.name = name
    Small(data_dir=str(place)).download_and_prepare()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    place = tmp_path_factory.mktemp("tfds")
    real = tfds.builder("cycle_gan/apple2orange", data_dir=str(place))
    examples = {
        split: [{"image": flat(20 * number + i), "label": split[-1]} for i in range(COUNTS[split])]
        for number, split in enumerate(COUNTS, 1)
    }
    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(encoding_format="png"), "label": real.info.features["label"]}
    )
    prepare("cycle_gan", features, examples, place, "apple2orange", str(real.version))
    real = tfds.builder("celeb_a", data_dir=str(place))
    none = dict.fromkeys(real.info.features["attributes"], False)
    examples = {
        split: [
            {
                "image": flat(20 * (first + i), 218, 178),
                "landmarks": dict.fromkeys(real.info.features["landmarks"], 0),
                "identity": {"Identity_No": 0},
                "attributes": {**none, "Male": i > 1, "Smiling": i % 2 == 0},
            }
            for i in range(count)
        ]
        for split, first, count in (("train", 1, 5), ("validation", 11, 1), ("test", 7, 4))
    }
    prepare("celeb_a", real.info.features, examples, place, version=str(real.version))
    classes = tfds.features.ClassLabel(names=["cat", "dog", "emu"])
    features = tfds.features.FeaturesDict({"image": tfds.features.Image(), "label": classes})
    examples = {"train": [{"image": flat(20 * i), "label": i % 3} for i in range(12)]}
    prepare("classified", features, examples, place)
    return place


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path))
    return tmp_path


def values(images):
    return sorted(images[np.arange(len(images))][:, 0, 0, 0].tolist())


def test_two_domains(data_dir):
    data = open_data(
        f"tfds:cycle_gan/apple2orange?data_dir={data_dir}&download=false", size=4, load_size=6
    )
    assert data.train["a"].shape == (5, 6, 6, 3) and data.test["a"].shape == (2, 4, 4, 3)
    assert data.train["a"][np.arange(5)].dtype == np.uint8
    assert values(data.train["a"]) == [20, 21, 22, 23, 24]
    assert values(data.train["b"]) == [40, 41, 42, 43]
    assert values(data.test["a"]) == [60, 61] and values(data.test["b"]) == [80]
    assert "tensorflow_datasets cycle_gan/apple2orange/3.0.0" in data.summary
    assert "train a: 5 pictures (trainA, 8x10)" in data.summary


def test_attributes(data_dir, monkeypatch):
    spec = f"celeb_a?data_dir={data_dir}&download=false&attribute="
    data = open_tfds(spec + "Smiling", size=4)
    assert values(data.train["a"]) == [40, 80] and values(data.train["b"]) == [20, 60, 100]
    assert values(data.test["a"]) == [160, 200] and values(data.test["b"]) == [140, 180]
    assert "train b (with Smiling): 3 pictures (train, 178x218)" in data.summary
    monkeypatch.setattr(scan, "store", None)  # one cache serves every attribute
    data = open_tfds(spec + "Male", size=4)
    assert values(data.train["b"]) == [60, 80, 100] and values(data.test["a"]) == [140, 160]
    with pytest.raises(UsageError, match=r"no attribute 'Smilin'. Did you mean Smiling"):
        open_tfds(spec + "Smilin", size=4)
    with pytest.raises(UserError, match="no training or no test picture for domain b"):
        open_tfds(spec + "Bald", size=4)


@pytest.mark.parametrize("load_size", [4, 6])
def test_classes_with_some_held_out(data_dir, load_size):
    spec = f"classified?data_dir={data_dir}&label=dog,cat"
    data = open_tfds(spec, size=4, load_size=load_size)
    for domain, expected in (("a", [20, 80, 140, 200]), ("b", [0, 60, 120, 180])):
        assert len(data.test[domain]) == 1 and data.train[domain].shape[1] == load_size
        assert sorted(values(data.train[domain]) + values(data.test[domain])) == expected
    with pytest.raises(UsageError, match=r"no class 'dgo'. Did you mean dog"):
        open_tfds(f"classified?data_dir={data_dir}&label=dgo,cat", size=4)
    with pytest.raises(UsageError, match="two classes"):
        open_tfds(f"classified?data_dir={data_dir}&label=dog", size=4)


def test_one_domain_when_nothing_is_said(data_dir):
    data = open_tfds(f"classified?data_dir={data_dir}", size=4)
    assert set(data.train) == {"a"} and len(data.train["a"]) == 11 and len(data.test["a"]) == 1


def test_broken_pictures_are_skipped(tmp_path):
    features = tfds.features.FeaturesDict({"image": tfds.features.Image()})
    empty = tmp_path / "empty.png"
    empty.write_bytes(b"no picture")
    examples = {"train": [{"image": flat(9)}, {"image": str(empty)}, {"image": flat(9)}]}
    prepare("damaged", features, examples, tmp_path)
    data = open_tfds(f"damaged?data_dir={tmp_path}", size=4)
    assert values(data.train["a"]) == values(data.test["a"]) == [9]
    assert "skipped 1 broken pictures" in data.summary
    with pytest.raises(UserError, match="1 broken pictures"):
        open_tfds(f"damaged?data_dir={tmp_path}", size=4, bad_images="fail")


def test_a_set_prepared_anew_is_read_anew(tmp_path):
    features = tfds.features.FeaturesDict({"image": tfds.features.Image(encoding_format="png")})
    seen = []
    for value, place in ((50, "data"), (90, "data"), (90, "other")):
        prepare("again", features, {"train": [{"image": flat(value)}] * 3}, tmp_path / place)
        data = open_tfds(f"again?data_dir={tmp_path / place}&download=false", size=4)
        assert set(values(data.train["a"]) + values(data.test["a"])) == {value}
        assert len(data.held_out["a"]) == len(data.test["a"])
        seen.append(data.digest)
        if place == "data" and value == 50:
            shutil.rmtree(tmp_path / place)
    assert seen[0] != seen[1] == seen[2]


def test_what_cannot_be_had(data_dir, tmp_path):
    spec = f"?data_dir={data_dir}&download=false"
    with pytest.raises(UserError, match=r"is not prepared in .*, and download=false"):
        open_tfds(f"celeb_a?data_dir={tmp_path}&download=false&attribute=Male", size=4)
    with pytest.raises(UserError, match=r"no such set. Did you mean .*celeb_a"):
        open_tfds(f"celeb_b{spec}", size=4)
    with pytest.raises(UserError, match="apple3orange not found"):
        open_tfds(f"cycle_gan/apple3orange{spec}", size=4)
    with pytest.raises(UserError, match="has no attributes"):
        open_tfds(f"classified{spec}&attribute=Male", size=4)
    with pytest.raises(UsageError, match="not both"):
        open_tfds(f"classified{spec}&attribute=Male&label=cat,dog", size=4)
    with pytest.raises(UsageError, match=r"download=true\|false"):
        open_tfds("classified?download=no", size=4)


def test_a_failed_download_is_one_line(tmp_path, monkeypatch):
    def fail(self, **options):
        raise OSError("the network\nis down")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(UserError, match=r"give data_dir=.*OSError: the network is down") as caught:
        open_tfds(f"celeb_a?attribute=Male&data_dir={tmp_path}", size=4)
    assert "\n" not in str(caught.value)


def test_everything_that_a_download_imports_is_installed():
    assert tfds.builder_cls("celeb_a").code_path.exists()


def test_all_classes_as_labels(data_dir):
    data = open_data(f"tfds:classified?data_dir={data_dir}&label=all", size=4)
    assert (data.exclusive, data.label_names) == (True, ("cat", "dog", "emu"))
    assert len(data.train["a"]) == 11
    for split, images in (("train", data.train["a"]), ("test", data.test["a"])):
        seen = np.array(images[np.arange(len(images))][:, 0, 0, 0]) // 20 % 3
        np.testing.assert_array_equal(data.labels[split], seen)
