"""The page of a run: what it shows, what it leaves out, and that nothing in it can break it."""

import html.parser
import itertools
import json
import re

import numpy as np
import pytest
from PIL import Image

from kgan.core.errors import UserError
from kgan.report import chart
from kgan.report import run_page as page


def line(step, **terms):
    return {
        "step": step,
        "seconds": step * 0.5,
        "images_per_second": 16.0,
        "learning_rate": 2e-4,
        "terms": terms or {"generator/cycle": 1.0, "discriminator/real": 0.25},
    }


def make_run(folder, lines=(), sheets=(), recipe=None, **files):
    recipe = recipe or {"data": "avatars:Hat", "steps": 1000, "learning_rate": 2e-4}
    (folder / "samples").mkdir()
    (folder / "recipe.json").write_text(json.dumps({"model": "cyclegan", "recipe": recipe}))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    for step in sheets:
        picture = Image.fromarray(np.full((16, 48, 3), step % 256, np.uint8))
        picture.save(folder / f"samples/step_{step:06}.png")
    for name, value in files.items():
        (folder / f"{name}.json").write_text(json.dumps(value))
    return folder


def text_of(folder):
    """The page, and a check that each of its tags is closed in order."""
    path = page.write_page(folder)
    assert path == folder / "index.html"
    text = path.read_text(encoding="utf-8")
    open_tags = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img"):
                open_tags.append(tag)

        def handle_startendtag(self, tag, attrs):
            pass

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Parser().feed(text)
    assert not open_tags
    return text


def polyline(text, term):
    """The points of a term's curve."""
    points = re.search(rf'points="([^"]*)"><title>{term}</title>', text)[1]
    return [tuple(map(float, point.split(","))) for point in points.split()]


def test_shows_what_the_run_folder_holds(tmp_path):
    text = text_of(
        make_run(
            tmp_path,
            [line(100), line(400)],
            [100, 400],
            run={"status": "running", "plan": ["the plan"], "precision": "float32"},
            metrics={"a2b": {"psnr": {"value": 24.31274, "how": "on 200 pictures"}}},
        )
    )
    for part in ("cyclegan", "avatars:Hat", "running", "of 1,000", "3 min", "about 5 min left"):
        assert part in text, part
    assert '<progress value="400" max="1000"' in text
    assert "the plan" in text and "float32" in text and 'http-equiv="refresh"' in text
    assert "a2b / psnr</th><td>24.31<small>how: on 200 pictures" in text
    assert "learning_rate</th><td>0.0002<" in text
    assert "Generator" in text and "Discriminator" in text
    assert 'src="samples/step_000400.png" width="1008" height="336"' in text
    assert "<script" not in text and "http://" not in text and "https://" not in text


def test_a_new_run_has_a_page_too(tmp_path):
    text = text_of(make_run(tmp_path))
    assert "None yet." in text and "<svg" not in text and "refresh" not in text


def test_the_stage_is_shown_of_runs_that_have_several(tmp_path):
    cell = "<dt>Stage</dt><dd>{}<small>"
    folder = make_run(tmp_path, [{**line(100), "stage": "training"}])
    assert "<dt>Stage</dt>" not in text_of(folder)
    stages = ["pretraining", "training"]
    for i in (1, 2):
        lines = [{**line(100 * n), "stage": s} for n, s in enumerate(stages[:i])]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
        assert cell.format(stages[i - 1]) in text_of(folder)


def test_what_a_stage_has_of_its_own_and_the_time_that_others_take(tmp_path):
    folder = make_run(tmp_path, [{**line(100), "stage": "8 px", "numbers": "batch 4, 8 px",
                                  "seconds_left_at_most": 7200.0}])
    (folder / "run.json").write_text(json.dumps({"status": "running"}))
    assert "<dt>Stage</dt><dd>8 px<small>batch 4, 8 px<" in text_of(folder)
    assert "at most 2 h 00 min left" in text_of(folder)


def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path):
    make_run(tmp_path, [line(10)])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 20, "sec')
    assert "<dd>10<" in text_of(tmp_path)
    with (tmp_path / "metrics.jsonl").open("a") as file:  # the run went on after the cut line
        file.write("\n" + json.dumps(line(30)) + "\n")
    assert "<dd>30<" in text_of(tmp_path)


def test_lines_after_a_resume_replace_those_they_repeat(tmp_path):
    make_run(tmp_path, [line(10), line(20), line(30), line(20), line(40)])
    assert [x["step"] for x in page._read_history(tmp_path / "metrics.jsonl")] == [10, 20, 40]


def test_thumbnails_hold_the_first_and_the_newest_and_are_even(tmp_path):
    text = text_of(make_run(tmp_path, sheets=range(100, 5100, 100)))
    steps = [int(x) for x in re.findall(r'step_(\d+)\.png" loading', text)]
    assert len(steps) == page.MAX_THUMBNAILS and (steps[0], steps[-1]) == (100, 5000)
    assert set(np.diff(steps)) <= {400, 500}


def test_curves_are_medians_and_gaps_are_left_out(tmp_path):
    values = [1.0] * 1000
    values[500], values[501] = 50.0, float("nan")
    make_run(tmp_path, [line(i + 1, **{"generator/cycle": v}) for i, v in enumerate(values)])
    points = polyline(text_of(tmp_path), "cycle")
    assert 50 <= len(points) <= 200
    assert len({y for _, y in points}) == 1  # the outlier is gone
    assert all(a[0] < b[0] for a, b in itertools.pairwise(points))


@pytest.mark.parametrize(("high", "logarithmic"), [(99.0, False), (101.0, True)])
def test_scale_is_logarithmic_for_wide_ranges_only(tmp_path, high, logarithmic):
    terms = [{"generator/cycle": 1.0}, {"generator/cycle": high}]
    text = text_of(make_run(tmp_path, [line(i + 1, **t) for i, t in enumerate(terms)]))
    assert ("logarithmic" in text) == logarithmic
    (_, low_y), (_, high_y) = polyline(text, "cycle")
    assert high_y < low_y  # more is higher up


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-12, 7e9])
def test_a_constant_term_has_a_chart(tmp_path, value):
    text = text_of(make_run(tmp_path, [line(5, **{"generator/cycle": value})]))
    assert all(0 <= y <= 230 for _, y in polyline(text, "cycle"))


def test_text_is_escaped(tmp_path):
    bad = '<script>"&'
    make_run(
        tmp_path,
        [line(1, **{f"{bad}/{bad}": 1.0, f"{bad}/total": 1.0})],
        recipe={"data": bad, bad: bad},
        run={"status": bad, "message": bad, "plan": [bad], "devices": [bad], "precision": bad},
        metrics={bad: bad, "x": {"value": bad, bad: bad}},
    )
    text = text_of(tmp_path)
    assert "<script" not in text.lower() and "&lt;script&gt;" in text


def test_says_what_is_wrong(tmp_path):
    with pytest.raises(UserError, match=r"no recipe\.json"):
        page.write_page(tmp_path)
    make_run(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(UserError, match=r"run\.json cannot be read"):
        page.write_page(tmp_path)
    assert not (tmp_path / "index.html").exists()


@pytest.mark.parametrize(
    ("value", "tick"),
    [(0, "0"), (1e-4, "1e-4"), (1.5e-4, "1.5e-4"), (2000.0, "2,000"), (2e4, "20k")],
)
def test_tick_labels_are_short(value, tick):
    assert chart._tick(value) == tick
