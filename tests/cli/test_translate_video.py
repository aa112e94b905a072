"""Videos through `tools/translate`: frame by frame, at their rate, by models of pictures and of
frames."""

import sys
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from kgan.cli.translate_video import translate_video, video_job
from kgan.core import registry
from kgan.core.errors import UsageError, UserError
from kgan.data.pictures import BrokenPicture
from kgan.models.weights import build, load, write


def frame(number, height=16, width=24):
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return np.roll(coarse, number, 1).repeat(4, 0).repeat(4, 1)


@pytest.fixture
def folder(tmp_path):
    """Nine frames whose names are numbers of different lengths."""
    (tmp_path / "frames").mkdir()
    for i in range(9):
        Image.fromarray(frame(i)).save(tmp_path / f"frames/{i + 5}.png")
    return tmp_path / "frames"


def near(a, b, most):
    """In luma: colour is coarser in many formats."""
    luma = np.array([0.299, 0.587, 0.114])
    return np.abs(np.asarray(a) @ luma - np.asarray(b) @ luma).mean() <= most


def test_what_is_translated_into_what(tmp_path, folder):
    (clip := tmp_path / "clip.mov").touch()
    (tmp_path / "moving.gif").touch()
    out = tmp_path / "out"
    assert video_job(folder, out) is None
    assert video_job(folder, out / "new.webp") == (folder, out / "new.webp")
    assert video_job(clip, out) == (clip, out / "clip.mp4")
    assert video_job(clip, tmp_path / "b.gif") == (clip, tmp_path / "b.gif")
    assert video_job(tmp_path / "moving.gif", out) is None  # a picture, as ever
    assert video_job(tmp_path / "moving.gif", out / "b.mp4") is not None
    assert video_job(tmp_path / "nowhere.mp4", out) is None
    with pytest.raises(UsageError, match=r"5.png is not a file of a video"):
        video_job(folder / "5.png", tmp_path / "b.mp4")


def test_a_folder_becomes_a_video_and_a_video_another(tool, finished, folder, tmp_path):
    pytest.importorskip("av")
    from kgan.data import films

    out = tmp_path / "made/one.mp4"
    call = ["translate", "--model", finished, "--input", folder, "--output", out]
    done = tool(*call, "--rate", 12.5)
    assert done.code == 0, done.stderr
    assert (done.json["written"], done.json["frames"], done.json["direction"]) == (1, 9, "a2b")
    assert "each frame is translated by itself, so that what the model makes up may flicker" in (
        done.stderr)
    made, model = [*films.frames(out)], load(str(finished))
    assert films.facts(out).rate == 12.5 and len(made) == 9
    for i, one in enumerate(made):
        assert near(one, model.translate(frame(i)[None])[0], 8), i
    again = tool(*call)
    assert (again.json["kept"], again.json["written"]) == (1, 0)
    done = tool("translate", "--model", finished, "--input", out, "--output", tmp_path / "more",
                "--direction", "b2a", "--max_side", 12)
    assert done.code == 0, done.stderr
    facts = films.facts(tmp_path / "more/one.mp4")
    assert (facts.width, facts.height, facts.rate) == (12, 8, 12.5)
    moving = tmp_path / "moving.webp"
    assert tool("translate", "--model", finished, "--input", folder, "--output", moving).code == 0
    with Image.open(moving) as image:
        assert image.n_frames == 9 and image.size == (24, 16)


def test_what_is_no_video_is_said_in_a_line(tool, finished, folder, tmp_path, monkeypatch):
    pytest.importorskip("av")
    (tmp_path / "bad.mp4").write_bytes(b"nothing of a video")
    done = tool("translate", "--model", finished, "--input", tmp_path / "bad.mp4", "--output",
                tmp_path / "out")
    assert done.code == 1 and "cannot be read as a video" in done.stderr
    Image.fromarray(frame(0, 20, 24)).save(folder / "7.png")
    with pytest.raises(BrokenPicture, match="frame 3 is 24x20, and the first 24x16"):
        translate_video(folder, tmp_path / "new.mp4", lambda x: x)
    assert not (tmp_path / "new.mp4").exists()
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match="needs PyAV: pip install av"):
        translate_video(folder, tmp_path / "new.mp4", lambda x: x)


def test_odd_sides_gain_a_row_where_colour_is_of_every_second_pixel(tmp_path):
    pytest.importorskip("av")
    from kgan.data import films

    (tmp_path / "odd").mkdir()
    Image.fromarray(frame(0)[:15, :23]).save(tmp_path / "odd/1.png")
    for ending, size in ((".mp4", (24, 16)), (".gif", (23, 15))):
        path = tmp_path / f"made{ending}"
        assert translate_video(tmp_path / "odd", path, lambda x: x[..., :1]) == 1
        assert (films.facts(path).width, films.facts(path).height) == size
        made = next(films.frames(path))[:15, :23]
        assert near(made, frame(0)[:15, :23, :1].repeat(3, -1), 8)


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path, monkeypatch):
    pytest.importorskip("av")
    from kgan.cli import translate_video as module

    most = []
    for count in (4, 40):
        frames = (np.full((64, 64, 3), i, np.uint8) for i in range(count))
        monkeypatch.setattr(module, "_frames", lambda source, frames=frames: (frames, None, 25))
        tracemalloc.start()
        translate_video(tmp_path, tmp_path / f"{count}.gif", lambda x: x)
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert most[1] < most[0] + 10 * 64 * 64 * 3


def test_a_model_of_frames_predicts_each_of_those_before(tool, folder, tmp_path):
    pytest.importorskip("av")
    from kgan.data import films

    entry = registry.entry("video_gan")
    model = build("video_gan", entry.recipe.replace(**entry.tiny))
    write(model, tmp_path / "weights", facts={"step": entry.recipe.steps}, finished=True)
    out = tmp_path / "next.gif"
    done = tool("translate", "--model", tmp_path / "weights", "--input", folder, "--output", out)
    assert done.code == 0, done.stderr
    assert "each other is predicted of those before it" in done.stderr
    made = [*films.frames(out)]
    assert len(made) == 9 and near(made[1], frame(1), 8)
    seen = np.stack([frame(3), frame(4)])[None]
    assert near(made[5], model.predict_frames(seen)[0, 0], 8)
    small = tmp_path / "small.gif"  # those that are only seen are shrunk, too
    done = tool("translate", "--model", tmp_path / "weights", "--input", folder, "--output", small,
                "--max_side", 12)
    assert done.code == 0 and {one.shape for one in films.frames(small)} == {(8, 12, 3)}
    done = tool("translate", "--model", tmp_path / "weights", "--input", folder, "--output",
                tmp_path / "out")
    assert done.code == 2 and "give a video, or a folder of frames and an --output" in done.stderr
