"""Folders of pictures: three layouts, what is broken in them, and the cache."""

import os
import pathlib
import types

import numpy as np
import pytest
from PIL import Image

from kgan.core.errors import UsageError, UserError
from kgan.core.progress import progress
from kgan.data import contents, open_data, place, resolved, scan
from kgan.data.folders import open_folder
from kgan.data.listing import list_pictures
from kgan.data.signals import Signal
from kgan.data.split import hold_out
from kgan.evaluation.pairs import measure_pairs
from kgan.training.run_data import check_signals


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def root(tmp_path):
    return tmp_path / "set"


@pytest.fixture
def decoded(monkeypatch):
    """The files that were decoded."""
    calls, decode = [], scan.decode

    def counted(file, *options):
        calls.append(file)
        return decode(file, *options)

    monkeypatch.setattr(scan, "decode", counted)
    return calls


def fill(folder, count, size=(10, 8), first=0, suffix=".png"):
    """Pictures of one value each: the value is `first` plus their number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        Image.new("RGB", size, (number,) * 3).save(folder / f"{number:03}{suffix}")


def fill_domains(root, test=True):
    fill(root / "trainA", 5)
    fill(root / "trainB", 4, first=100)
    if test:
        fill(root / "testA", 2, first=50)
        fill(root / "testB", 1, first=150)


def values(images):
    return images[np.arange(len(images))][:, 0, 0, 0].tolist()


def test_two_domains_with_test_folders(root):
    fill_domains(root)
    data = open_data(f"folder:{root}", size=4, load_size=6)
    assert data.spec == f"folder:{root}" and not data.paired
    assert data.train["a"].shape == (5, 6, 6, 3) and data.train["a"].dtype == np.uint8
    assert data.test["b"].shape == (1, 4, 4, 3)
    assert values(data.train["a"]) == [0, 1, 2, 3, 4]
    assert values(data.train["b"]) == [100, 101, 102, 103]
    assert values(data.test["a"]) == [50, 51] and values(data.test["b"]) == [150]
    text = "\n".join(data.summary)
    assert "train a: 5 pictures (all 10x8): 000.png, 001.png, 002.png" in text
    assert "folders-v2-" in text and "skipped" not in text


@pytest.mark.parametrize("load_size", [4, 6])
def test_hold_out_is_seeded_and_disjoint(root, load_size):
    fill(root / "trainA", 50)
    fill(root / "trainB", 3, first=100)
    opened = [open_folder(str(root), size=4, load_size=load_size, seed=seed) for seed in (1, 1, 2)]
    for data in opened:
        assert data.train["a"].shape[1] == load_size and data.test["a"].shape[1] == 4
        assert 1 <= len(data.test["a"]) <= 8 and len(data.test["b"]) == 1
        assert sorted(values(data.train["a"]) + values(data.test["a"])) == list(range(50))
        assert sorted(values(data.train["b"]) + values(data.test["b"])) == [100, 101, 102]
        assert "held out of train" in "\n".join(data.summary)
        assert data.held_out["a"] == tuple(f"{n:03}.png" for n in values(data.test["a"]))
    assert values(opened[0].test["a"]) == values(opened[1].test["a"])
    assert values(opened[0].test["a"]) != values(opened[2].test["a"])
    assert opened[0].digest == opened[1].digest != opened[2].digest


def test_hold_out_counts():
    for count, held in {2: 1, 19: 1, 200: 10, 10_000: 500, 50_000: 312}.items():
        train, test = hold_out([f"{n}.jpg" for n in range(count)], 0)
        assert abs(len(test) - held) <= 3 * held**0.5 and 1 <= len(test) < count
        assert sorted([*train, *test]) == list(range(count))


def test_an_added_picture_moves_no_other():
    names = [f"{n}.jpg" for n in range(10_000)]
    held = {names[row] for row in hold_out(names, 3)[1]}
    more = ["0.png", *names[:9000]]  # in front, where every row moves by one
    assert {more[row] for row in hold_out(more, 3)[1]} - {"0.png"} == held & set(more)
    doubled = [*names, "new.jpg"]  # half of the share: pictures move to the training only
    assert {doubled[row] for row in hold_out(doubled, 3)[1]} < held | {"new.jpg"}


def test_a_small_set_keeps_both_parts():
    for seed in range(300):
        train, test = hold_out(["a.png", "b.png"], seed)
        assert len(train) == len(test) == 1


def make_pairs(folder, count, first=0):
    folder.mkdir(parents=True)
    for number in range(first, first + count):
        pair = np.full((8, 16, 3), number, np.uint8)
        pair[:, 8:] = number + 100
        Image.fromarray(pair).save(folder / f"{number:03}.png")


@pytest.mark.parametrize("test", ["test", "val", None])
@pytest.mark.parametrize("load_size", [4, 6])
def test_pairs_side_by_side(root, test, load_size):
    make_pairs(root / "train", 6)
    if test:
        make_pairs(root / test, 2, first=50)
    data = open_folder(str(root), size=4, load_size=load_size)
    assert data.paired
    for part, count, side in ((data.train, 6 if test else 5, load_size), (data.test, 2, 4)):
        assert part["a"].shape == part["b"].shape
        assert part["a"].shape[1:] == (side, side, 3)
        np.testing.assert_array_equal(np.add(values(part["a"]), 100), values(part["b"]))
        assert len(part["a"]) == count or not test
    seen = values(data.train["a"]) + values(data.test["a"])
    assert sorted(seen) == [*range(6), *([50, 51] if test else [])]
    assert (data.train["b"][0] == data.train["b"][0].flat[0]).all()  # halves do not bleed


def test_a_stray_among_pairs_is_broken_unless_pairs_are_asked_for(root):
    make_pairs(root / "train", 20)
    fill(root / "train", 1, first=90, size=(12, 8))
    data = open_folder(str(root), size=4)
    assert len(data.train["a"]) + len(data.test["a"]) == 20
    assert "090.png (12x8 is not twice as wide as high)" in "\n".join(data.summary)
    data = open_folder(f"{root}?layout=paired", size=4)
    assert len(data.train["a"]) + len(data.test["a"]) == 21


def test_layout_can_be_said(root):
    make_pairs(root / "train", 4)
    data = open_folder(f"{root}?layout=single", size=4)
    assert set(data.train) == {"a"} and not data.paired
    with pytest.raises(UserError, match="no trainA"):
        open_folder(f"{root}?layout=domains", size=4)
    with pytest.raises(UsageError, match=r"layout=domains\|paired\|single"):
        open_folder(f"{root}?layout=pairs", size=4)
    with pytest.raises(UsageError, match="Did you mean layout"):
        open_folder(f"{root}?layuot=single", size=4)


@pytest.mark.parametrize("top", [".", "train"])
@pytest.mark.parametrize("size", [(16, 12), (24, 8), (8, 16), (17, 8)])
def test_single_pictures_are_never_cut_in_half_for_a_model_of_pairs(root, top, size):
    fill(root / top, 4, size=size)
    pair = tuple(Signal(name, height=4, width=4, group="pair") for name in "ab")
    data = open_data(f"folder:{root}", size=4, signals=pair)
    assert list(data.train) == ["a"] and not data.paired
    model = types.SimpleNamespace(signals=pair, name_in_zoo="pairs")
    with pytest.raises(UserError, match=r"pairs learns from pairs, a and b of the same, and the "
                                        r"pictures of folder:\S+ are one set: .* twice as wide"):
        check_signals(data, model)
    with pytest.raises(UserError, match="pairs learns from pairs"):
        measure_pairs(model, data)


def test_pairs_side_by_side_are_no_single_pictures_to_a_model_that_enlarges(root):
    make_pairs(root / "train", 4)
    signals = (Signal("high", height=4, width=4, group="x"),
               Signal("low", height=2, width=2, group="x", source="high"))
    model = types.SimpleNamespace(signals=signals, name_in_zoo="enlarge")
    with pytest.raises(UserError, match=r"enlarge takes one set .* has two: .*layout=single"):
        check_signals(open_data(f"folder:{root}", size=4, signals=signals), model)
    data = open_data(f"folder:{root}?layout=single", size=4, signals=signals)
    check_signals(data, model)
    assert data.train["high"].shape[1:] == (4, 4, 3) and data.train["low"].shape[1:] == (2, 2, 3)


def test_one_folder(root):
    fill(root / "some" / "where", 3)
    fill(root, 2, first=10, suffix=".JPG")
    fill(root / ".hidden", 1, first=20)
    (root / ".DS_Store.jpg").write_text("hidden")
    (root / "notes.txt").write_text("no picture")
    data = open_folder(str(root), size=4)
    assert set(data.train) == set(data.test) == {"a"}
    assert len(data.train["a"]) == 4 and len(data.test["a"]) == 1


def test_train_and_test_of_single_pictures(root):
    fill(root / "train", 3)
    fill(root / "test", 2, first=9)
    data = open_folder(str(root), size=4)
    assert not data.paired and values(data.test["a"]) == [9, 10] and len(data.train["a"]) == 3


def test_sorted_recursive_unicode_and_link_loops(root):
    fill(root / "b", 1, first=5)
    fill(root / "a", 1, first=7)
    Image.new("RGB", (4, 4)).save(root / "Ünïcødé 絵 🎨.png")
    os.symlink(root, root / "a" / "loop")
    os.symlink(root / "b", root / "z", target_is_directory=True)
    os.symlink(root / "gone.png", root / "dangling.png")
    Image.new("RGB", (4, 4)).save(os.fsencode(root) + b"/\xff\n.png")
    found = [file.relative_to(root).as_posix() for file in list_pictures(root).files]
    assert found[:3] == ["a/007.png", "b/005.png", "dangling.png"]
    assert "Ünïcødé 絵 🎨.png" in found and len(found) == 5
    data = open_folder(str(root), size=4)
    assert len(data.train["a"]) == 3
    text = "\n".join(data.summary)
    assert "dangling.png (No such file or directory)" in text
    text.encode()


def add_broken(folder):
    whole = (folder / "000.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[:-30])
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("hello")


def test_broken_pictures_are_skipped_named_and_counted(root, decoded):
    fill_domains(root)
    add_broken(root / "trainA")
    for _ in range(2):  # decoded, then from the cache
        data = open_folder(str(root), size=4)
        assert values(data.train["a"]) == [0, 1, 2, 3, 4]
        (line,) = [line for line in data.summary if "skipped" in line]
        assert line.startswith("skipped 3 broken: cut.png (damaged or truncated (")
        assert "empty.jpg (the file is empty), text.jpg (not a JPEG" in line
    assert len(decoded) == 5 + 3 + 4 + 2 + 1


def test_broken_pictures_can_fail(root):
    fill_domains(root)
    open_folder(str(root), size=4, bad_images="fail")
    add_broken(root / "trainA")
    for _ in range(2):
        with pytest.raises(
            UserError, match=r"trainA: 3 broken pictures \(cut.png: damaged"
        ) as caught:
            open_folder(str(root), size=4, bad_images="fail")
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="bad_images"):
        open_folder(str(root), size=4, bad_images="ignore")


def test_at_most_five_broken_are_named(root):
    fill(root, 3)
    for number in range(9):
        (root / f"bad{number}.png").touch()
    (line,) = [x for x in open_folder(str(root), size=4).summary if "skipped" in x]
    assert "skipped 9 broken" in line and line.count("empty") == 5 and line.endswith(", ...")


def test_nothing_left_is_an_error(root):
    fill_domains(root)
    for file in (root / "trainB").iterdir():
        file.write_bytes(b"")
    with pytest.raises(UserError, match="trainB: none of the 4 pictures can be read"):
        open_folder(str(root), size=4)


def test_what_does_not_fit(root, tmp_path):
    with pytest.raises(UserError, match="nowhere: no such folder"):
        open_folder(str(tmp_path / "nowhere"), size=4)
    root.mkdir()
    with pytest.raises(UserError, match="no pictures in it; expected one of\n  trainA/ trainB/"):
        open_folder(str(root), size=4)
    fill(root, 1)
    with pytest.raises(UserError, match="fewer than 2"):
        open_folder(str(root), size=4)
    with pytest.raises(UserError, match="is not a folder"):
        open_folder(str(root / "000.png"), size=4)
    fill(root / "trainA", 2)
    with pytest.raises(UserError, match="there is no trainB/; expected one of"):
        open_folder(str(root), size=4)
    (root / "trainB").mkdir()
    with pytest.raises(UserError, match="trainB: no pictures in it; expected"):
        open_folder(str(root), size=4)
    with pytest.raises(UsageError, match="load_size"):
        open_folder(str(root), size=8, load_size=4)


def test_mixed_sizes_and_modes(root):
    fill(root, 1, size=(1, 1))
    fill(root, 1, size=(1, 500), first=1)
    fill(root, 1, size=(300, 200), first=2, suffix=".jpg")
    Image.new("CMYK", (9, 9)).save(root / "cmyk.jpg")
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(root / "see-through.png")
    data = open_folder(str(root), size=16)
    assert data.train["a"].shape == (4, 16, 16, 3)
    assert "1x1 to 300x200, median 9x9" in "\n".join(data.summary)


def test_cache_is_hit_until_something_changes(root, cache, decoded):
    fill_domains(root)

    def opened(size=4, seed=0):
        decoded.clear()
        open_folder(str(root), size=size, seed=seed)
        return len(decoded)

    assert opened() == 12
    assert opened() == opened(seed=1) == 0
    assert opened(size=8) == 12
    os.utime(root / "testB" / "150.png", (1, 1))
    assert opened() == 0
    fill(root / "testB", 1, first=151)
    os.replace(root / "testB" / "151.png", root / "testB" / "150.png")
    assert opened() == 1
    fill(root / "trainA", 1, first=90)
    assert opened() == 6
    for stored in cache.glob("*/pictures.npy"):
        os.truncate(stored, stored.stat().st_size - 1)
    assert opened() == 13
    assert not list(cache.glob(".*"))  # nothing half written is left


def test_stored_pictures_match_their_files(root):
    root.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    for number, picture in enumerate(noise):
        Image.fromarray(picture).save(root / f"{number}.png")
    found = list_pictures(root, hashed=True).files
    stored = scan.scan_pictures(found, root=root, size=8).images()
    np.testing.assert_array_equal(stored, noise)
    np.testing.assert_array_equal(scan.Rows(stored, [2, 0])[np.array([1, 0])], noise[[0, 2]])
    np.testing.assert_array_equal(scan.Rows(stored, [2, 0])[0], noise[2])


@pytest.mark.parametrize("layout", ["domains", "paired"])
def test_too_large_for_the_cache_is_decoded_at_each_use(root, cache, monkeypatch, decoded, layout):
    fill_domains(root)
    make_pairs(root / "train", 6)
    (root / "train" / "bad.png").write_bytes(b"")
    small = open_folder(f"{root}?layout={layout}", size=4, load_size=6)
    monkeypatch.setenv("KGAN_CACHE", str(cache / "other"))
    monkeypatch.setattr(scan, "CACHE_LIMIT", 40)
    for _ in range(2):  # the scan for broken pictures is not repeated
        decoded.clear()
        large = open_folder(f"{root}?layout={layout}", size=4, load_size=6)
    assert not decoded and not list((cache / "other").glob("*/*.npy"))
    assert "too large for the cache: decoded again at each use" in large.summary
    for part in ("train", "test"):
        for domain in "ab":
            lazy, stored = getattr(large, part)[domain], getattr(small, part)[domain]
            assert lazy.shape == stored.shape and len(lazy) == len(stored)
            rows = np.arange(len(stored))[::-1]
            np.testing.assert_array_equal(lazy[rows], stored[rows])
            np.testing.assert_array_equal(lazy[0], stored[0])
            assert lazy[rows[:0]].shape == (0, *lazy.shape[1:])
    assert decoded


def test_slow_reading_says_how_far_it_is(capsys):
    assert list(progress(iter("abcd"), 4, "reading pictures", delay=-1)) == list("abcd")
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("reading pictures: 4 of 4, ") and line.endswith("/s, 00:00 left")
    list(progress(iter("abcd"), 4, "reading pictures"))
    assert not capsys.readouterr().err


@pytest.mark.real
def test_kaokore():
    data = open_folder(str(pathlib.Path(os.environ["KGAN_TEST_DATA"], "kaokore128")), size=64)
    counts = [len(part[domain]) for part in (data.train, data.test) for domain in "ab"]
    assert counts == [1373, 1550, 150, 150]
    assert data.train["b"].shape == (1550, 64, 64, 3)
    assert not [line for line in data.summary if "skipped" in line]
    assert 20 < data.train["a"][np.arange(0, 1373, 50)].std() < 120


@pytest.mark.parametrize("top, test", [("train", True), ("train", False), ("", False)])
def test_class_folders(root, top, test):
    for number, name in enumerate(("ape", "bee", "cow")):
        fill(root / top / name, 10, first=10 * number)
        if test:
            fill(root / "test" / name, 2, first=100 + 10 * number)
    data = open_folder(f"{root}?layout=classes", size=8)
    assert data.exclusive
    assert data.label_names == ("ape", "bee", "cow")
    assert set(data.train) == {"a"}
    assert len(data.test["a"]) == (6 if test else 1)
    for split, images in (("train", data.train["a"]), ("test", data.test["a"])):
        seen = np.array(values(images)) % 100 // 10
        np.testing.assert_array_equal(data.labels[split], seen)
        rows = np.arange(len(images))
        np.testing.assert_array_equal(data.labels_of(split, rows), np.eye(3)[seen])
    assert "3 classes: ape, bee, cow" in data.summary


@pytest.mark.parametrize("where, says", [
    ("test/new", "no class folder"), ("train", "no class folder"), (None, "at least two class"),
])
def test_class_folders_that_cannot_be(root, where, says):
    fill(root / "train" / "ape", 3)
    if where:
        fill(root / "train" / "bee", 3, first=10)
        fill(root / "test" / "ape", 1, first=20)
        fill(root / where, 1, first=30)
    with pytest.raises(UserError, match=says):
        open_folder(f"{root}?layout=classes", size=8)


def test_same_names_sizes_and_times_are_other_pictures(root):
    for level, name in enumerate(("trainA", "trainB", "testA", "testB"), 1):
        folder = root / name
        folder.mkdir(parents=True)
        for number in (1, 2):
            Image.new("RGB", (8, 8), (50 * level,) * 3).save(folder / f"{number}.bmp")
            os.utime(folder / f"{number}.bmp", (1000, 1000))
    for _ in range(2):
        data = open_folder(str(root), size=4)
        assert [values(part[d]) for part in (data.train, data.test) for d in "ab"] == [
            [50, 50], [100, 100], [150, 150], [200, 200]
        ]


def test_unchanged_files_are_not_read_again(root, monkeypatch):
    fill(root, 4)
    (root / "notes.txt").write_text("no picture")
    monkeypatch.setattr(contents, "SETTLED", -1.0)
    first, read = list_pictures(root, hashed=True), contents.read_content
    opened = []
    monkeypatch.setattr(
        contents, "read_content", lambda path, wanted: opened.append(path) or read(path, wanted)
    )
    assert list_pictures(root, hashed=True) == first and not opened
    state = os.stat(root / "001.png")
    pixels = (root / "001.png").read_bytes()
    (root / "001.png").write_bytes(pixels[:-1] + b"?")  # same size, and the time is set back
    os.utime(root / "001.png", ns=(state.st_atime_ns, state.st_mtime_ns))
    changed = list_pictures(root, hashed=True)
    assert [os.path.basename(path) for path in opened] == ["001.png"]
    assert changed.files[root / "001.png"] != first.files[root / "001.png"]
    (memory,) = scan.cache_dir().glob("contents-v1-*.json")
    for damage in ("", "[1]", '{"001.png": 3}', '{"001.png": [1, "zz", ""]}', "[" * 100_000):
        memory.write_text(damage)
        assert list_pictures(root, hashed=True) == changed


def test_a_file_changed_just_now_is_read_again(root):
    fill(root, 1)
    list_pictures(root, hashed=True)
    assert not list(scan.cache_dir().glob("contents-v1-*.json"))


def test_the_digest_is_of_names_contents_and_labels_wherever_they_lie(root, tmp_path):
    for name in ("ape", "bee"):
        fill(root / name, 4, first=len(name))
    spec = f"{root}?layout=classes"
    first = open_folder(spec, size=4).digest
    assert len(first) == 64 and first == open_folder(spec, size=8, load_size=9).digest
    moved = root.rename(tmp_path / "moved")
    spec = f"{moved}?layout=classes"
    assert open_folder(spec, size=4).digest == first
    (moved / "ape" / "003.png").rename(moved / "bee" / "010.png")
    second = open_folder(spec, size=4).digest
    Image.new("RGB", (10, 8), (9, 9, 9)).save(moved / "bee" / "010.png")
    assert len({first, second, open_folder(spec, size=4).digest}) == 3


def test_what_kgan_and_systems_make_is_no_data(root):
    fill(root, 3)
    marks = {
        "run": ["recipe.json", "run.json"], "other": ["recipe.json", "checkpoints/1"],
        "model": ["models.config"], "saved": ["saved_model.pb"],
        "weights": ["config.json", "metadata.json"], "edits": ["edits.json"],
        "figures": ["evaluation.json"], "@eaDir": [], "__MACOSX": [], ".ipynb_checkpoints": [],
        "$RECYCLE.BIN": [], "lost+found": [], "System Volume Information": [],
    }
    for name, files in marks.items():
        fill(root / name / "sheets", 1, first=90)
        for file in files:
            (root / name / file).parent.mkdir(exist_ok=True)
            (root / name / file).touch()
    fill(root / "own", 1, first=50)  # one of the files alone is no mark
    (root / "own" / "config.json").touch()
    (root / "Thumbs.db").write_bytes(b"thumbnails")
    data = open_folder(str(root), size=4)
    assert sorted(values(data.train["a"]) + values(data.test["a"])) == [0, 1, 2, 50]
    (line,) = [line for line in data.summary if line.startswith("left out")]
    for words in ("2 folders of runs", "2 folders of exports", "1 folder of weights",
                  "2 folders of results", "5 system folders", "1 file that is no picture, "):
        assert words in line


def test_pictures_are_told_by_content(root):
    fill(root, 6)
    for number, name in enumerate(("a.jfif", "b.jpe", "c", "d.HEIC", "e.dat"), 1):
        (root / f"{number:03}.png").rename(root / name)
    for name in ("BMW", "notes.txt", "x.npz"):
        (root / name).write_text("BMW are no bitmaps, nor is this")
    (root / "raw.NEF").write_bytes(b"II*\0" + bytes(60))
    (root / "real.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(60))
    os.mkfifo(root / "pipe")
    data = open_folder(str(root), size=4)
    assert sorted(values(data.train["a"]) + values(data.test["a"])) == list(range(6))
    text = "\n".join(data.summary)
    assert "left out: 5 files that are no pictures, such as BMW" in text
    assert "skipped 1 broken: real.heic (not a JPEG" in text


def test_twelve_bits_in_sixteen_are_said(root):
    fill(root, 3, first=100)
    Image.fromarray(np.full((8, 8), 4095, np.uint16)).save(root / "dark.png")
    for _ in range(2):
        (line,) = [x for x in open_folder(str(root), size=4).summary if "nearly black" in x]
        assert line.startswith("nearly black pictures: 1, such as dark.png; if they hold 12-bit")


def test_places_of_specifications(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    here = os.getcwd()
    for spec, whole, where in (
        ("folder:pics", f"folder:{here}/pics", f"{here}/pics"),
        ("folder:~/a?b?layout=single", "folder:/home/me/a?b?layout=single", "/home/me/a?b"),
        ("celeba:../c?attribute=Male&crop=128",
         f"celeba:{os.path.dirname(here)}/c?attribute=Male&crop=128", f"{os.path.dirname(here)}/c"),
        ("tfds:x/y?label=all&data_dir=d", f"tfds:x/y?label=all&data_dir={here}/d", f"{here}/d"),
        ("tfds:x/y", "tfds:x/y", None),
        ("avatars:Smiling?n=3", "avatars:Smiling?n=3", None),
        ("folder:", "folder:", None),
    ):
        assert resolved(spec) == whole and resolved(whole) == whole
        assert place(spec) == (where and pathlib.Path(where))
