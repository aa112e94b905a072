"""CelebA in the forms in which it is distributed, made tiny."""

import numpy as np
import pytest
from PIL import Image

from kgan.core.errors import UsageError, UserError
from kgan.data import open_data, scan
from kgan.data.celeba import open_celeba, read_attributes, read_partition
from kgan.data.spec import labelled

NAMES = ["Eyeglasses", "Male", "Smiling"]
SMILING = {2, 3, 5, 7, 8}  # numbers of the pictures
GLASSES = {1, 2}


def has(number):
    return [number in GLASSES, number % 2 == 0, number in SMILING]


def picture(number):
    return f"{number:06}.jpg"


def write_txt(path, numbers):
    lines = [str(len(numbers)), " ".join(NAMES) + " "]
    for number in numbers:
        lines.append(picture(number) + "".join("  1" if x else " -1" for x in has(number)))
    path.write_text("\n".join(lines) + "\n")


def write_csv(path, numbers):
    lines = [",".join(["image_id", *NAMES])]
    lines += [",".join([picture(n), *("1" if x else "-1" for x in has(n))]) for n in numbers]
    path.write_text("\r\n".join(lines))


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Ten pictures of 20 x 30 whose value is 20 times their number, but white at top and bottom."""
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    for number in range(1, 11):
        pixels = np.full((30, 20, 3), 255, np.uint8)
        pixels[5:25] = 20 * number
        Image.fromarray(pixels).save(folder / picture(number), quality=100, subsampling=0)
    write_txt(folder.parent / "list_attr_celeba.txt", range(1, 11))
    return folder.parent


def partition(root, suffix=".txt"):
    lines = [f"{picture(n)} {0 if n <= 6 else 1 if n == 7 else 2}" for n in range(1, 11)]
    if suffix == ".csv":
        lines = ["image_id,partition", *(line.replace(" ", ",") for line in lines)]
    (root / f"list_eval_partition{suffix}").write_text("\n".join(lines))


def numbers(images):
    values = images[np.arange(len(images))].mean(axis=(1, 2, 3))
    return np.round(values / 20).astype(int).tolist()


@pytest.mark.parametrize("suffix", [".txt", ".csv"])
def test_official_split_and_both_label_forms(root, suffix):
    partition(root, suffix)
    if suffix == ".csv":
        (root / "list_attr_celeba.txt").unlink()
        write_csv(root / "list_attr_celeba.csv", range(1, 11))
    data = open_data(f"celeba:{root}?attribute=Smiling", size=8, load_size=12)
    assert data.train["a"].shape == (3, 12, 12, 3) and data.test["b"].shape == (1, 8, 8, 3)
    assert numbers(data.train["a"]) == [1, 4, 6] and numbers(data.train["b"]) == [2, 3, 5]
    assert numbers(data.test["a"]) == [9, 10] and numbers(data.test["b"]) == [8]
    assert data.train["a"][np.arange(3)].max() < 130  # the white ends are cut off
    text = "\n".join(data.summary)
    assert "train b (Smiling yes): 3 pictures (all 20x30): 000002.jpg" in text


@pytest.mark.parametrize("load_size", [8, 12])
def test_without_partition_some_are_held_out(root, load_size):
    data = open_celeba(f"{root}?attribute=Smiling", size=8, load_size=load_size)
    for domain, all_of_it in (("a", set(range(1, 11)) - SMILING), ("b", SMILING)):
        train, test = numbers(data.train[domain]), numbers(data.test[domain])
        assert len(test) == 1 and data.test[domain].shape[1] == 8
        assert sorted(train + test) == sorted(all_of_it)


@pytest.mark.parametrize("split", [True, False])
@pytest.mark.parametrize("load_size", [8, 12])
def test_without_an_attribute_it_is_one_set_with_all_labels(root, split, load_size):
    if split:
        partition(root)
    data = open_data(f"celeba:{root}", size=8, load_size=load_size)
    assert data.label_names == ("Eyeglasses", "Male", "Smiling")
    assert list(data.train) == list(data.test) == ["a"]
    assert data.train["a"].shape[1:3] == (load_size, load_size)
    seen = {}
    for name, part in (("train", data.train), ("test", data.test)):
        seen |= zip(numbers(part["a"]), data.labels_of(name, slice(None)), strict=True)
    assert len(seen) == (9 if split else 10)
    assert {n for n, labels in seen.items() if labels[2]} == SMILING - ({7} if split else set())
    assert len(data.test["a"]) == (3 if split else 1)


def test_one_cache_serves_every_attribute(root, monkeypatch):
    partition(root)
    open_celeba(f"{root}?attribute=Smiling", size=8)
    monkeypatch.setattr(scan, "decode", None)
    data = open_celeba(f"{root}?attribute=Male", size=8)
    assert numbers(data.train["b"]) == [2, 4, 6]
    with pytest.raises(UserError, match="no training or no test picture with"):
        open_celeba(f"{root}?attribute=Eyeglasses", size=8)


def test_broken_and_unlisted_pictures(root):
    (root / "img_align_celeba" / picture(2)).write_bytes(b"")
    write_txt(root / "list_attr_celeba.txt", range(1, 10))
    data = open_celeba(f"{root}?attribute=Smiling", size=8)
    assert sorted(numbers(data.train["b"]) + numbers(data.test["b"])) == [3, 5, 7, 8]
    text = "\n".join(data.summary)
    assert "skipped 1 broken: 000002.jpg (the file is empty)" in text
    assert "9 of 10 pictures are among the 9 labels" in text
    with pytest.raises(UserError, match="1 broken"):
        open_celeba(f"{root}?attribute=Smiling", size=8, bad_images="fail")


@pytest.mark.parametrize("scale", [1, 2])
def test_crops_of_the_papers(root, scale):
    y, x = np.mgrid[0:218, 0:178]
    faces = Image.fromarray(np.stack([x, y, 0 * x], -1).astype(np.uint8))
    for number in range(1, 11):
        faces.resize((178 // scale, 218 // scale), Image.Resampling.BOX).save(
            root / "img_align_celeba" / picture(number), quality=100, subsampling=0
        )
    for crop, (left, top) in {
        "178": (0, 20), "160": (9, 29), "148": (15, 35), "128": (25, 57), "108": (35, 55)
    }.items():
        data = open_celeba(f"{root}?attribute=Male&crop={crop}", size=16)
        assert f"crop {crop} of 178x218" in data.summary[0]
        red, green = data.train["a"][0][..., :2].mean((0, 1))
        assert abs(red - left - int(crop) / 2) < 2.5 and abs(green - top - int(crop) / 2) < 2.5
    assert "crop 178" in open_celeba(f"{root}?attribute=Male", size=16).summary[0]
    with pytest.raises(UsageError, match=r"crop=178\|160\|148\|128\|108"):
        open_celeba(f"{root}?crop=100", size=8)


def test_crops_need_the_shape_of_celeba(root):
    with pytest.raises(UserError, match="20x30 is not of the shape 178x218"):
        open_celeba(f"{root}?crop=160", size=8)


def test_archive_folders(root):
    (root / "Img").mkdir()
    (root / "Anno").mkdir()
    (root / "img_align_celeba").rename(root / "Img" / "img_align_celeba")
    (root / "list_attr_celeba.txt").rename(root / "Anno" / "list_attr_celeba.txt")
    assert len(open_celeba(f"{root}?attribute=Male", size=8).train["a"]) == 4


def test_what_does_not_fit(root, tmp_path):
    with pytest.raises(UsageError, match=r"no attribute 'Smilling'. Did you mean Smiling"):
        open_celeba(f"{root}?attribute=Smilling", size=8)
    with pytest.raises(UserError, match="no such folder"):
        open_celeba(f"{root}x?attribute=Male", size=8)
    write_txt(root / "list_attr_celeba.txt", range(100, 110))
    with pytest.raises(UserError, match="none of its pictures"):
        open_celeba(f"{root}?attribute=Male", size=8)
    (root / "list_attr_celeba.txt").write_text(f"1\nA B\n{picture(1)} 1\n")
    with pytest.raises(UserError, match=r"picture 1 \(000001.jpg\): expected 2 values"):
        open_celeba(f"{root}?attribute=A", size=8)
    (root / "list_attr_celeba.txt").unlink()
    with pytest.raises(UserError, match=r"no list_attr_celeba.txt or .csv; expected\n"):
        open_celeba(f"{root}?attribute=Male", size=8)


def test_tables(tmp_path):
    write_txt(tmp_path / "a.txt", [1, 2])
    write_csv(tmp_path / "a.csv", [1, 2])
    names, labels = read_attributes(tmp_path / "a.txt")
    assert names == NAMES and labels == {picture(n): tuple(has(n)) for n in (1, 2)}
    assert read_attributes(tmp_path / "a.csv") == (names, labels)
    (tmp_path / "p.txt").write_text("a.jpg 0\nb.jpg 3\n")
    with pytest.raises(UserError, match="line 2"):
        read_partition(tmp_path / "p.txt")
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(UserError, match="is empty"):
        read_attributes(tmp_path / "empty.txt")


def test_one_value_to_another(root):
    """Pictures with both, or with neither, are in no domain."""
    data = open_celeba(f"{root}?a=Smiling&b=Male", size=8)
    assert sorted(numbers(data.train["a"]) + numbers(data.test["a"])) == [3, 5, 7]
    assert sorted(numbers(data.train["b"]) + numbers(data.test["b"])) == [4, 6, 10]
    assert data.labels is None and data.label_names == ()
    partition(root)
    with pytest.raises(UserError, match="with Smiling no, Eyeglasses yes"):
        open_celeba(f"{root}?a=Smiling&b=Eyeglasses", size=8)


def test_only_those_that_have_and_have_not(root):
    data = open_celeba(f"{root}?and=Male:0,Smiling:1", size=8)
    assert sorted(numbers(data.train["a"]) + numbers(data.test["a"])) == [3, 5, 7]
    assert data.label_names == tuple(NAMES)
    assert data.labels["train"].tolist() == [has(n) for n in numbers(data.train["a"])]
    two = open_celeba(f"{root}?attribute=Smiling&and=Male:0", size=8)
    assert sorted(numbers(two.train["a"]) + numbers(two.test["a"])) == [1, 9]
    assert sorted(numbers(two.train["b"]) + numbers(two.test["b"])) == [3, 5, 7]
    assert data.digest != open_celeba(f"{root}", size=8).digest


def test_some_labels_in_their_order(root):
    data = open_celeba(f"{root}?labels=Smiling,Eyeglasses", size=8)
    assert data.label_names == ("Smiling", "Eyeglasses")
    for split in ("train", "test"):
        wanted = [has(n)[::-2] for n in numbers(getattr(data, split)["a"])]
        assert data.labels[split].tolist() == wanted
    assert data.digest != open_celeba(f"{root}", size=8).digest


def test_held_out_pictures_are_held_out_of_all_choices(root, monkeypatch):
    """What one set holds out, none trains on: a judge, a network of several attributes."""
    monkeypatch.setattr("kgan.data.split.HELD_OUT_MOST", 10)
    for number in range(11, 301):
        Image.new("RGB", (20, 30), (number % 256, 0, 0)).save(
            root / "img_align_celeba" / picture(number))
    write_txt(root / "list_attr_celeba.txt", range(1, 301))
    whole, two, some = (
        {name for names in open_celeba(f"{root}{options}", size=8).held_out.values()
         for name in names} for options in ("", "?attribute=Male", "?and=Male:1"))
    assert whole == two > some and len(some) > 3


@pytest.mark.parametrize("options, said", [
    ("labels=Male&attribute=Smiling", "leave attribute, a and b out"),
    ("labels=Male,Smilling", "Did you mean Smiling"),
    ("labels=Male,Smiling,Male", "names one of them twice"),
    ("and=Male:0&and=Smiling:1", "and= is given twice"),
    ("attribute=Smiling&a=Male&b=Smiling", "attribute=NAME, or a=NAME"),
    ("a=Male", "a=NAME and b=ANOTHER"),
    ("a=Male&b=Male", "a=NAME and b=ANOTHER"),
    ("and=Male", "NAME:1 or NAME:0"),
    ("and=Male:0,Male:1", "each once"),
    ("attribute=Male&and=Male:1", "tells the domains apart"),
    ("and=Mail:1", "Did you mean Male"),
])
def test_choices_that_make_no_sense(root, options, said):
    with pytest.raises(UsageError, match=said):
        open_celeba(f"{root}?{options}", size=8)


def test_the_same_pictures_with_all_labels():
    assert labelled("celeba:x?attribute=Smiling&crop=160&and=Male:0") == "celeba:x?crop=160"
    assert labelled("celeba:x?a=Male&b=Young") == "celeba:x"
    assert labelled("folder:x") == labelled("avatars:Smiling") == ""
