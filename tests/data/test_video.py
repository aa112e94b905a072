"""Clips of frames: videos on disk, pieces that move, what drawn clips show, what goes wrong."""

import os
import sys

import numpy as np
import pytest
from PIL import Image

from kgan.core.errors import UsageError, UserError
from kgan.core.recipe import Recipe
from kgan.data import Signal, attribute, avatar_turning, bouncing, open_data, resolved
from kgan.data.clips import Clips, motion
from kgan.data.pictures import BrokenPicture
from kgan.data.signals import held_out
from kgan.data.stream import Sampler, batches

SIZE, FRAMES = 8, 3
NATIVE = (Signal("clip", "frames", frames=FRAMES, height=SIZE, width=SIZE, native=True),)
PLAIN = (Signal("clip", "frames", frames=FRAMES, height=SIZE, width=SIZE),)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KGAN_CACHE", str(tmp_path / "cache"))


def frame(number, video=0, height=12, width=20):
    """Rows in red, columns in green, the number of the frame and of the video in blue."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, 0 * rows + number + 100 * video], -1).astype(np.uint8)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def root(tmp_path):
    """A video of 30 frames whose names have numbers of different lengths."""
    for number in range(30):
        save(tmp_path / f"one/frame{number}.png", frame(number))
    return tmp_path / "one"


def opened(root, query="", signals=NATIVE, size=SIZE, **options):
    return open_data(f"video:{root}{query}", size=size, signals=signals, **options)


def numbers(clips):
    """The numbers of the frames of clips [n, frames, h, w, 3], which each are of one number."""
    assert (np.ptp(clips[..., 2], axis=(-2, -1)) == 0).all()
    return clips[..., 0, 0, 2].tolist()


def test_a_folder_of_frames_is_one_video_whose_end_is_held_out(root):
    data = opened(root)
    train, test = data.train["clip"], data.test["clip"]
    assert train.shape == (25, FRAMES, SIZE, SIZE, 3) and len(test) == 1
    assert numbers(train[np.arange(25)]) == [[i, i + 1, i + 2] for i in range(25)]
    assert numbers(test[np.arange(1)]) == [[27, 28, 29]]  # in the order of numbers, not of letters
    np.testing.assert_array_equal(test.whole(0), [frame(i) for i in (27, 28, 29)])
    np.testing.assert_array_equal(test[0], test.whole(0)[:, 2:10, 6:14])
    assert "train: 25 clips of 3 frames out of 27 in 1 videos (20x12)" in data.summary
    assert data.digest == opened(root).digest != opened(root, "?stride=2").digest
    save(root / "frame7.png", frame(8))
    assert opened(root).digest != data.digest


def test_strides_and_numbers_of_clips(root):
    data = opened(root, "?stride=3&n=4&test=2")
    assert numbers(data.train["clip"][np.arange(4)]) == [
        [0, 3, 6], [5, 8, 11], [11, 14, 17], [16, 19, 22]]
    assert numbers(data.test["clip"][np.arange(1)]) == [[23, 26, 29]]
    assert "stride 3: of so many frames one is taken" in data.summary
    longer = opened(root, "?test=9").train["clip"].lasting(10)
    assert longer.shape == (18, 10, SIZE, SIZE, 3)
    assert numbers(longer[np.arange(18)])[-1] == list(range(17, 27))


def test_folders_of_frames_are_videos_and_no_clip_passes_from_one_to_the_next(tmp_path):
    for video in range(2):
        for number in range(12):
            save(tmp_path / f"set/v{video}/{number}.png", frame(number, video))
    (tmp_path / "set/v0/4.png").write_bytes(b"nothing")
    save(tmp_path / "set/v1/5.png", frame(5, 1, 16, 20))  # of another size
    data = opened(tmp_path / "set")
    firsts = [clip[0] for clip in numbers(data.train["clip"][np.arange(len(data.train["clip"]))])]
    assert firsts == [0, 1, 5, 6, 100, 101, 102, 106]
    assert [c[0] for c in numbers(data.test["clip"][np.arange(2)])] == [9, 109]
    assert any("skipped 1 broken frames, such as v0 frame 4" in line for line in data.summary)
    with pytest.raises(UserError, match="1 broken pictures"):
        opened(tmp_path / "set", bad_images="fail")


def test_videos_for_testing_lie_apart_or_whole_ones_are_held_out(tmp_path):
    for video in range(24):
        for number in range(4):
            save(tmp_path / f"many/v{video}/{number}.png", frame(number, video / 100))
            save(tmp_path / f"apart/{'test' if video > 20 else 'train'}/v{video}/{number}.png",
                 frame(number + 10 * (video > 20)))
    data = opened(tmp_path / "many")
    counts = len(data.train["clip"]), len(data.test["clip"])
    assert sum(counts) == 48 and counts[1] >= 2 and counts[1] % 2 == 0
    apart = opened(tmp_path / "apart")
    assert len(apart.train["clip"]) == 42
    assert {x for clip in numbers(apart.test["clip"][np.arange(6)]) for x in clip} == {
        10, 11, 12, 13}


def test_a_step_cuts_all_frames_of_a_clip_at_one_place_and_mirrors_them_together(root):
    sampler, places = Sampler(opened(root).train, NATIVE, batch=5, flip_vertical=True), set()
    for step in range(40):
        (clips,) = sampler(step)
        for clip in clips:
            (first, second, third), corner = numbers(clip[None])[0], clip[0, :, :, :2].astype(int)
            assert (second, third) == (first + 1, first + 2)
            assert (clip[:, :, :, :2] == corner).all()
            down = corner[-1, 0, 0] > corner[0, 0, 0]
            right = corner[0, -1, 1] > corner[0, 0, 1]
            assert np.ptp(corner[..., 0]) == np.ptp(corner[..., 1]) == SIZE - 1
            places.add((int(corner[..., 0].min()), int(corner[..., 1].min()), down, right))
    assert {p[0] for p in places} == set(range(5)) and {p[1] for p in places} == set(range(13))
    assert len({p[2:] for p in places}) == 4


def test_steps_and_shares_are_a_pure_function_of_the_seed(root):
    data = opened(root, "?moving=1")
    recipe = Recipe(size=SIZE, batch=4, rotate=20.0, turn=True)
    first = [*batches(data, recipe, NATIVE).take(4).as_numpy_iterator()]
    later = [*batches(data, recipe, NATIVE, start=2).take(2).as_numpy_iterator()]
    shares = [next(batches(data, recipe, NATIVE, start=2, part=(i, 2)).as_numpy_iterator())
              for i in range(2)]
    for x, y in zip(first[2:], later, strict=True):
        np.testing.assert_array_equal(x["clip"], y["clip"])
    np.testing.assert_array_equal(np.concatenate([s["clip"] for s in shares]), first[2]["clip"])
    assert first[0]["clip"].shape == (4, FRAMES, SIZE, SIZE, 3)
    assert first[0]["clip"].dtype == np.float32 and np.abs(first[0]["clip"]).max() <= 1
    small = next(batches(data, recipe, NATIVE, size=4).as_numpy_iterator())["clip"]
    halves = first[0]["clip"].reshape(4, FRAMES, 4, 2, 4, 2, 3).mean((3, 5))
    np.testing.assert_allclose(small, halves, atol=1e-6)
    held = held_out(data, NATIVE, 3)["clip"]
    np.testing.assert_allclose(held, data.test["clip"][np.arange(1)] / 127.5 - 1, atol=1e-6)


def test_pieces_that_rest_are_passed_over():
    still = np.zeros((1, 2, 8, 40, 3), np.uint8)
    still[0, 1, :, 30:] = 100  # only the right quarter moves

    def read(row, frames, box):
        top, left, height, width = box
        return still[row, :frames, top : top + height, left : left + width]

    assert motion(still[0, :, :, 30:]) == 100 and motion(still[0, :, :, :30]) == 0
    draws = np.zeros((1, 20, 2))
    draws[0, :, 1] = np.linspace(0, 0.8, 20)
    clips = [Clips(read, [(8, 40)], 2, (8, 8), moving=moving).drawn([0], draws)
             for moving in (0, 20, 255)]
    # of 25, 26, ... 27 columns, which is as far as the draws reach, 3 to 5 move
    assert [int((x[0, 1, 0, :, 0] > 0).sum()) for x in clips] == [0, 1, 4]
    assert [round(motion(x[0])) for x in clips] == [0, 35, 71]


def test_frames_that_are_resized(root):
    data = opened(root, signals=PLAIN, load_size=10)
    assert data.train["clip"].sides[0].tolist() == [10, 10]
    assert data.test["clip"].sides[0].tolist() == [SIZE, SIZE]
    (clips,) = Sampler(data.train, PLAIN, batch=2)(0)
    assert clips.shape == (2, FRAMES, SIZE, SIZE, 3)
    smaller = opened(root, "?side=9")
    assert smaller.train["clip"].sides[0].tolist() == [9, 15]
    with pytest.raises(UsageError, match=r"--load_size resizes pictures.*side=PIXELS"):
        opened(root, load_size=10)


@pytest.mark.parametrize("query, error", [
    ("?strid=2", "unknown option 'strid'. Did you mean stride"),
    ("?stride=0", "stride is a whole number from 1 to 1000, not '0'"),
    ("?moving=x", "moving is a number from 0.0 to 255.0, not 'x'"),
    ("?stride=14", "no stretch of frames to test with has the 3 frames of a clip at stride 14"),
])
def test_what_is_wrong_with_options_is_one_line(root, query, error):
    with pytest.raises(UserError, match=error) as caught:
        opened(root, query)
    assert "\n" not in str(caught.value)


def test_what_is_wrong_with_sources_and_models_is_one_line(root, tmp_path):
    (tmp_path / "empty").mkdir()
    picture = (Signal("a", height=8, width=8), Signal("b", height=8, width=8))
    oblong = (Signal("clip", "frames", frames=2, height=8, width=16),)
    large = (Signal("clip", "frames", frames=2, height=64, width=64, native=True),)
    for spec, signals, error in (
        (f"video:{tmp_path}/nowhere", NATIVE, "there is no such folder or file"),
        (f"video:{tmp_path}/empty", NATIVE, "there are no videos in it"),
        (f"video:{root}", picture, r"holds clips of frames, and the model takes a \(pictures"),
        (f"video:{root}", large, "all frames are smaller than the 64x64"),
        (f"folder:{root}", NATIVE, r"takes clip \(clips of 3 frames, 8x8\): name videos, as video"),
        ("avatars:Smiling", NATIVE, "holds pictures, and the model takes clip"),
        ("bouncing:balls", oblong, "is of square frames, and the model takes clip"),
        ("bouncing:", NATIVE, "not one of bouncing:balls, bouncing:glyphs"),
        ("bouncing:balls?count=0", NATIVE, "count is a whole number from 1 to 20"),
    ):
        with pytest.raises(UserError, match=error) as caught:
            open_data(spec, size=8, signals=signals)
        assert "\n" not in str(caught.value)
    assert resolved("video:x?n=3") == f"video:{os.path.abspath('x')}?n=3"
    assert attribute("avatars:turning?n=3") == ""


def test_a_film_needs_pyav_and_says_so(tmp_path, monkeypatch):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"clip.mp4 is a video, which needs PyAV: pip install av"):
        opened(tmp_path / "clip.mp4")


@pytest.mark.parametrize("ending", [".mp4", ".webm", ".gif"])
def test_films_are_written_and_read_again(tmp_path, ending):
    pytest.importorskip("av")
    from kgan.data import films

    path = tmp_path / f"set/clip{ending}"
    path.parent.mkdir()
    shown = np.zeros((12, 24, 40, 3), np.uint8)
    for i in range(12):
        shown[i, :, 3 * i : 3 * i + 8] = (240, 120, 30)
    with films.Writer(path, 10) as writer:
        for one in shown:
            writer.add(one)
    read = np.stack([*films.frames(path)])
    assert read.shape == shown.shape and np.abs(read.astype(int) - shown).mean() < 6
    facts = films.facts(path)
    assert (facts.width, facts.height, facts.rate) == (40, 24, 10)
    data = opened(path.parent)
    assert len(data.train["clip"]) == 7
    np.testing.assert_array_equal(data.train["clip"].whole(2), read[2:5])
    np.testing.assert_array_equal(opened(path).test["clip"].whole(0), read[9:])


def test_a_film_that_is_cut_off_or_none(tmp_path):
    pytest.importorskip("av")
    from kgan.data import films

    (tmp_path / "bad.mp4").write_bytes(b"nothing of a video")
    with pytest.raises(BrokenPicture, match="cannot be read as a video"):
        films.facts(tmp_path / "bad.mp4")
    with pytest.raises(UserError, match="none of the 1 pictures can be read"):
        opened(tmp_path)
    with pytest.raises(ZeroDivisionError), films.Writer(tmp_path / "new.mp4", 5) as writer:
        writer.add(np.zeros((16, 16, 3), np.uint8))
        1 / 0  # noqa: B018
    assert [p.name for p in tmp_path.glob("*.mp4")] == ["bad.mp4"]


# Drawn clips


def test_a_film_of_too_many_pixels_is_not_decoded(tmp_path, monkeypatch):
    pytest.importorskip("av")
    from kgan.data import films

    path = tmp_path / "large.mp4"
    with films.Writer(path, 5) as writer:
        for level in (0, 99):
            writer.add(np.full((32, 48, 3), level, np.uint8))
    monkeypatch.setattr(films, "MAX_PIXELS", 32 * 48 - 1)
    with pytest.raises(BrokenPicture, match="declares frames of 48x32 pixels"):
        films.facts(path)
    monkeypatch.setattr(films, "_check", lambda *_: None)  # as where a header says less
    with pytest.raises(BrokenPicture, match="cannot be read as a video"):
        next(films.frames(path))


def test_a_list_of_other_files_is_no_film(tmp_path):
    pytest.importorskip("av")
    from kgan.data import films

    with films.Writer(tmp_path / "own.mp4", 5) as writer:
        writer.add(np.zeros((16, 16, 3), np.uint8))
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile own.mp4\n")
    with pytest.raises(BrokenPicture, match=r"list.mp4: cannot be read as a video"):
        films.facts(tmp_path / "list.mp4")


def test_bouncing_objects_move_evenly_and_turn_at_the_walls():
    places, ways = np.array([[0.5, 0.3]]), np.array([[0.2, -0.1]])
    found = bouncing.tracks("balls", places, ways, 6)[:, 0]
    # walls at 0.12 and 0.88: x 0.5 0.7 0.86 (0.9), ...; y 0.3 0.2 0.14 (0.1), ...
    np.testing.assert_allclose(found[:, 0], [0.5, 0.7, 0.86, 0.66, 0.46, 0.26], atol=1e-12)
    np.testing.assert_allclose(found[:, 1], [0.3, 0.2, 0.14, 0.24, 0.34, 0.44], atol=1e-12)


def test_a_ball_is_where_it_is_said_to_be():
    middles = np.array([[[0.31, 0.62]]])
    drawn = bouncing.draw("balls", middles, 64)[0].astype(float)
    weight = drawn[..., 0] / 255
    assert weight.sum() == pytest.approx(np.pi * (bouncing.RADIUS * 64) ** 2, rel=0.01)
    y, x = np.mgrid[:64, :64] + 0.5
    assert ((weight * x).sum() / weight.sum() / 64, (weight * y).sum() / weight.sum() / 64) == (
        pytest.approx((0.31, 0.62), abs=1e-3))


def test_a_digit_has_the_area_of_its_dots():
    drawn = bouncing.draw("glyphs", np.array([[[0.4, 0.55]]]), 50, [1])[0]
    dots = sum(bin(row).count("1") for row in bouncing._DIGITS[1])
    height, width = bouncing.GLYPH
    area = dots / 35 * height * width * 50**2
    assert (drawn[..., 0] / 255).sum() == pytest.approx(area, rel=0.01)
    assert drawn.any(-1).any(0).sum() == pytest.approx(3 / 5 * width * 50, abs=2)  # a narrow one


@pytest.mark.parametrize("kind", ["balls", "glyphs"])
def test_bouncing_clips_follow_from_their_labels(kind):
    data = open_data(f"bouncing:{kind}?n=6&test=3&count=2&speed=0.1", size=32, signals=PLAIN)
    more = open_data(f"bouncing:{kind}?n=9&test=3&count=2&speed=0.1", size=32, signals=PLAIN)
    assert data.label_names == ("x1", "y1", "vx1", "vy1", "x2", "y2", "vx2", "vy2")
    assert data.labels["train"].shape == (6, 8) and data.labels["train"].dtype == np.float32
    np.testing.assert_array_equal(data.labels["train"], more.labels["train"][:6])
    clips = data.train["clip"]
    assert clips.shape == (6, FRAMES, SIZE, SIZE, 3)
    np.testing.assert_array_equal(clips[np.arange(6)], more.train["clip"][np.arange(6)])
    assert (clips[0] != data.test["clip"][0]).any()
    known = data.labels["train"][4].reshape(2, 4)
    speeds = np.hypot(known[:, 2], known[:, 3])
    assert (speeds >= 0.05 - 1e-6).all() and (speeds <= 0.1 + 1e-6).all()
    options = {"count": 2, "speed": 0.1}
    shown = bouncing.digits(options, 0, "train", 4) if kind == "glyphs" else ()
    longer = bouncing.draw(kind, bouncing.tracks(kind, known[:, :2], known[:, 2:], 20), SIZE, shown)
    made = clips.lasting(20)[4]
    assert made.shape[0] == 20 and np.abs(made.astype(int) - longer).max() <= 1
    np.testing.assert_array_equal(made[:FRAMES], clips[4])
    larger = open_data(f"bouncing:{kind}?n=2&test=2", size=SIZE, load_size=12, signals=NATIVE)
    assert larger.train["clip"].sides.tolist() == [[12, 12]] * 2


def test_labels_come_with_clips_in_batches():
    signals = (*PLAIN, Signal("labels", "vector", 4, group="clip"))
    data = open_data("bouncing:balls?n=5&test=2&count=1", size=SIZE, signals=signals)
    batch = next(batches(data, Recipe(size=SIZE, batch=3, flip=False), signals).as_numpy_iterator())
    for clip, known in zip(batch["clip"], batch["labels"], strict=True):
        tracks = bouncing.tracks("balls", known[None, :2], known[None, 2:], FRAMES)
        drawn = bouncing.draw("balls", tracks, SIZE) / 127.5 - 1
        np.testing.assert_allclose(clip, drawn, atol=0.02)
    assert held_out(data, signals, 2)["labels"].shape == (2, 4)


def test_a_face_that_does_not_turn_is_itself_and_one_that_does_is_in_perspective():
    side, random = 64, np.random.default_rng(0)
    face = random.integers(0, 255, (side, side, 3), dtype=np.uint8)
    np.testing.assert_array_equal(avatar_turning.turned(face, 0.0), face)
    for x, y, angle, scale in ((0.5, -0.4, 0.7, 0.9), (-0.6, 0.5, 0.7, 0.8), (0.3, 0.6, -1.0, 1)):
        dot = np.zeros((side, side, 3), np.uint8)
        column, row = (round((1 + v) * side / 2) for v in (x, y))
        dot[row - 2 : row + 2, column - 2 : column + 2] = 255
        seen = avatar_turning.turned(dot, angle, scale)[..., 0].astype(float)
        far = scale * 3.0 / (3.0 + x * np.sin(angle))
        places = np.mgrid[:side, :side] + 0.5
        down, right = ((seen * p).sum() / seen.sum() / side * 2 - 1 for p in places)
        assert (right, down) == pytest.approx((x * np.cos(angle) * far, y * far), abs=0.03)


def test_turning_faces_have_their_factors_and_labels():
    data = open_data("avatars:turning?n=5&test=2", size=SIZE, signals=PLAIN)
    assert data.label_names[:3] == ("angle", "speed", "scale") and len(data.label_names) == 14
    known, clips = data.labels["train"], data.train["clip"]
    assert known.shape == (5, 14) and clips.shape == (5, FRAMES, SIZE, SIZE, 3)
    last = known[:, 0] + (FRAMES - 1) * known[:, 1]
    assert (known[:, 1] >= 0).all() and (np.abs([known[:, 0], last]) <= np.pi / 3 + 1e-6).all()
    faces, labels = avatar_turning.avatars.sample(5, size=SIZE)
    np.testing.assert_array_equal(known[:, 3:], labels)
    angle, speed, scale = known[2, :3]
    np.testing.assert_allclose(
        clips[2][1].astype(int), avatar_turning.turned(faces[2], angle + speed, scale), atol=1)


@pytest.mark.real
def test_the_frames_of_a_real_video(tmp_path):
    place = os.environ["KGAN_TEST_DATA"]
    data = opened(f"{place}/video/bikes", "?moving=4&side=128")
    assert len(data.train["clip"]) == 223 and len(data.test["clip"]) == 23
    assert data.test["clip"].whole(0).shape == (FRAMES, 128, 301, 3)
    (clips,) = Sampler(data.train, NATIVE, batch=16)(0)
    assert np.mean([motion(clip) >= 4 for clip in clips]) > 0.8
