"""Tables of suites: means over trainings, which figures are best, cells and notes, the page."""

import html.parser

import pytest

from kgan.evaluation.suite import page as suite_page
from kgan.evaluation.suite import table as suite_table
from kgan.evaluation.suite.definitions import Published, Suite
from kgan.evaluation.suite.kinds import CRG, EDITS, ENCODERS, FEATURES
from kgan.evaluation.suite.table import NONE


def test_figures_of_several_trainings():
    found = suite_table.summary([
        {"x": 1.0, "x_std": 3.0, "y": 2.0, "z": None}, {"x": 9.0, "x_std": 0.0, "y": 4.0, "z": None}
    ])
    assert found["mean"] == {"x": 5.0, "y": 3.0}
    assert found["spread"] == {"x": pytest.approx((16 + 4.5) ** 0.5), "y": 1.0}
    assert suite_table.summary([{"y": 2.0}]) == {"mean": {"y": 2.0}, "spread": {}}
    assert suite_table.summary([]) == {"mean": {}, "spread": {}}


def made(key, n=1000, **figures):
    """A row as `suite.json` has it."""
    figures = {"edit_accuracy_a2b": 0.9, **figures}
    training = {"run": None, "n": n, "step": 5, "seconds": 1.5, "figures": figures,
                "pictures": "none.png", "machine": "m", "trained_on": "d"}
    return {"title": key, "key": key, "joint": False, "trainings": [training], "failed": [],
            **suite_table.summary([figures])}


def bold(rows, figure):
    """The keys of the rows that are bold in the column of a figure."""
    data = {"direction": "a2b", "rows": rows, "sanity": {}}
    table = EDITS.tables(data)[0]
    heads, lines = suite_table.lines(EDITS, data, table)
    place = 3 + [c.figure for c in table.columns].index(figure)
    assert len(heads) == len(lines[0].cells)
    return [line.name for line in lines if line.cells[place][2]]


def test_the_best_is_bold():
    rows = [
        made("a", counterfactual_psnr=30.04, region_l1=3.0, log_loss_a2b=0.2),
        made("b", counterfactual_psnr=30.01, region_l1=2.0, log_loss_a2b=0.3),
        made("c", counterfactual_psnr=29.0, region_l1=2.5, log_loss_a2b=0.1),
        made("idle", edit_accuracy_a2b=0.4, counterfactual_psnr=99.0, region_l1=0.0),
    ]
    assert bold(rows, "counterfactual_psnr") == ["a", "b"]  # high, and alike as they are shown
    assert bold(rows, "region_l1") == ["b"]  # low; nothing for who does not edit
    assert bold(rows, "log_loss_a2b") == ["c"]
    assert bold(rows, "edit_accuracy_a2b") == ["a", "b", "c"]


def test_the_best_of_two_sample_tests():
    rows = [
        made("a", c2st_log_loss_a2b=75.0, c2st_accuracy_a2b=0.48),
        made("b", c2st_log_loss_a2b=69.31, c2st_accuracy_a2b=0.53),
        made("c", c2st_log_loss_a2b=40.0, c2st_accuracy_a2b=0.5),
        made("few", n=100, c2st_log_loss_a2b=80.0, c2st_accuracy_a2b=0.4),
    ]
    assert bold(rows, "c2st_log_loss_a2b") == ["a", "b"]  # nothing is better than chance
    assert bold(rows, "c2st_accuracy_a2b") == ["a", "c"]


def test_cells_and_notes():
    data = {"direction": "a2b", "rows": [made("few", n=10, c2st_log_loss_a2b=12.34,
                                              c2st_log_loss_a2b_std=1.26)],
            "sanity": {"n": 20, "figures": {"edit_accuracy_a2b": 0.0}, "real": {}}}
    first, other = EDITS.tables(data)
    _, (nothing, few) = suite_table.lines(EDITS, data, first)
    assert nothing.sanity and [c[0] for c in nothing.cells[3:]] == [NONE, "0.0"]
    assert [c[0] for c in few.cells[:3]] == ["1", "5", "2"]
    assert few.cells[3] == ("12.3", "± 1.3", True)
    assert few.cells[4] == ("90.0", "", True)
    assert "measured on 10 pictures, the others on 20" in few.notes[0]
    assert suite_table.lines(EDITS, data, other)[1][1:] == []  # it has one direction
    assert (first.heading, other.heading) == ("A to B", "B to A, the other direction")


def test_rows_of_pictures_of_another_size_say_so():
    """At the size of the papers rows differ in it."""
    rows = [{**made("large"), "side": 256}, {**made("usual"), "side": 200}]
    sanity = {"n": 1000, "figures": {}, "real": {}, "asked": {"size": 200}}
    data = {"direction": "a2b", "rows": rows, "sanity": sanity}
    large, usual = suite_table.lines(EDITS, data, EDITS.tables(data)[0])[1]
    assert "of 256 px, those of what is no model of 200 px" in large.notes[0]
    assert usual.notes == []


def test_columns_name_the_network_and_a_judge_that_is_often_wrong():
    rows = [made("a", frechet_vgg_star_small_cifar10_a2b=1.5, flips_a2b=0.1)]
    data = {"direction": "a2b", "rows": rows, "sanity": {"classifier_accuracy": 0.85}}
    heads = [c.head for c in EDITS.tables(data)[0].columns]
    assert heads == ["Frechet, vgg_star_small_cifar10", "edit accuracy, %, judge 85 % right",
                     "other attributes flipped, %"]
    data["sanity"] = {"classifier_accuracy": 0.95, "figures": {"flips_judge": 0.88}}
    assert "other attributes flipped, %, judge 88 % right" in [
        c.head for c in EDITS.tables(data)[0].columns]
    assert "edit accuracy, %" in [c.head for c in EDITS.tables(data)[0].columns]


def test_the_order_of_a_paper_is_looked_for(monkeypatch):
    published = Published("a paper, table 1", "score_{}", {"a": 0.1, "b": 0.3, "c": 0.3, "d": 0.4})
    monkeypatch.setitem(suite_table.SUITES, "s", Suite("edits", (), (published,)))
    rows = [made(key, score_b2a=score) for key, score in (("a", 5), ("b", 4), ("c", 6), ("x", 9))]
    content = {"settings": {"suite": "s"},
               "data": [{"spec": "faces", "direction": "b2a", "rows": [*rows, made("d")]}]}
    assert suite_table.orders(content) == [(
        "Published order: score_b2a", "a paper, table 1: b 0.30, c 0.30, a 0.10. On faces 1 of 2 "
        "pairs stand in that order; here a is before b.")]
    content["data"][0]["rows"] = rows[1:]
    assert suite_table.orders(content) == []  # b and c are alike there
    assert suite_table.orders({**content, "settings": {"suite": "none"}}) == []


def test_maps_and_photographs_have_published_orders_of_their_own():
    rows = [made(f"pix2pix_small-{tag}", pixel_accuracy_b2a=score, real_pixel_accuracy_b2a=0.9)
            for tag, score in (("l1", .8), ("cgan", .7), ("l1_cgan", .6))]

    def told(suite):
        return suite_table.orders({"settings": {"suite": suite}, "data": [
            {"spec": "pairs", "direction": "b2a", "rows": rows}]})

    ((_, photographs),) = told("pix2pix_losses")
    assert "table 1: " in photographs and "0 of 3 pairs" in photographs
    rows = [{**row, "mean": {k: x for k, x in row["mean"].items() if not k.startswith("real_")}}
            for row in rows]  # of maps that were made there is no real_
    ((_, labels),) = told("pix2pix_losses")
    assert "photographs to labels: " in labels and "2 of 3 pairs" in labels
    assert "here " in labels and " 0.86, " in labels and told("pix2pix_patch") == []


def page_text(folder):
    """The page, and a check that each of its tags is closed in order."""
    text = (folder / "index.html").read_text(encoding="utf-8")
    open_tags = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img", "br"):
                open_tags.append(tag)

        def handle_endtag(self, tag):
            assert open_tags.pop() == tag

    Parser().feed(text)
    assert not open_tags
    return text


def test_text_is_escaped(tmp_path):
    evil = '<script>"&|'
    row = {**made(evil), "failed": [evil]}
    lost = {**made("lost"), "title": evil, "trainings": [], "failed": [evil], "mean": {}}
    sanity = {"n": 3, "figures": {"edit_accuracy_a2b": 0.1}, "machine": evil,
              "classifier_accuracy": 1.0, "asked": {"spec": evil}}
    content = {
        "kind": "edits", "settings": {"suite": evil, "minutes": 3.0}, "commands": [evil],
        "asked": {"seeds": 1, "reference": evil},
        "data": [{"spec": evil, "direction": "a2b", "summary": [evil], "folder": "x",
                  "sanity": sanity, "rows": [row, lost]}],
    }
    suite_page.write_page(tmp_path, content)
    text = page_text(tmp_path)
    assert "<script" not in text and "&lt;script&gt;&quot;&amp;" in text
    assert text.count("failed: &lt;script&gt;") == 2
    suite_table.write_table(tmp_path, content)
    table = [x for x in (tmp_path / "table.md").read_text().splitlines() if x.startswith("|")]
    assert len({x.replace("\\|", "").count("|") for x in table[:5]}) == 1


def codes(key, **figures):
    figures = {"mse": 0.1, **figures}
    training = {"run": key, "n": 9, "step": 5, "seconds": 1.5, "figures": figures, "machine": "m",
                "pictures": "none.png", "trained_on": "d", "generator": "pocket"}
    return {"title": key, "key": key, "joint": False, "trainings": [training], "failed": [],
            **suite_table.summary([figures])}


def test_tables_of_encoders(tmp_path):
    rows = [codes("a", l2_sum=1234.56, dhash=0.9, code_error=0.5),
            codes("b", l2_sum=900.0, dhash=0.8, code_error=0.51)]
    data = {"spec": "s", "direction": "", "summary": [], "folder": "x", "rows": rows, "sanity": {
        "n": 9, "figures": {}, "mean": {"l2_sum": 2000.0, "mse": 0.2}, "random": {"mse": 0.3},
        "machine": "m",
    }}
    (table,) = ENCODERS.tables(data)
    heads, (mean, random, a, b) = suite_table.lines(ENCODERS, data, table)
    assert heads[3] == "L2 sum\N{NO-BREAK SPACE}↓" and heads[-2] == "dhash\N{NO-BREAK SPACE}↑"
    assert [line.title for line in (mean, random)] == ["mean training picture", "random pair"]
    assert (mean.cells[3], mean.cells[-1][0]) == (("2,000.0", "", False), NONE)
    assert [c[2] for c in a.cells[3:]] == [False, False, False, False, True, False, True, True]
    assert a.cells[3][0] == "1,234.6" and b.cells[3] == ("900.0", "", True)
    assert [c.head for c in CRG.tables(data)[0].columns[:8]] == [
        "dhash", "phash", "whash", "MAE", "MSE", "SSIM", "sharpness", "code error"]
    content = {"kind": "encoders", "settings": {"suite": "e", "minutes": 3.0, "generator": ""},
               "asked": {"reference": "x"}, "commands": [], "data": [data]}
    suite_page.write_page(tmp_path, content)
    assert "<dd>pocket. One that was nowhere yet" in page_text(tmp_path)


def test_tables_of_features():
    fresh = codes("fresh", accuracy=0.5, features=28672, c=0.01, train=100, test=50)
    fresh["trainings"][0] |= {"step": None, "run": None}
    data = {"rows": [fresh], "sanity": {"figures": {"accuracy": 0.4, "features": 3072}}}
    heads, (raw, line) = suite_table.lines(FEATURES, data, FEATURES.tables(data)[0])
    assert heads[4] == "features" and line.cells[:3] == [(NONE, "", False)] * 3
    assert line.cells[3:5] == [("50.00", "", True), ("28,672", "", False)]
    assert [c[0] for c in raw.cells[3:6]] == ["40.00", "3,072", NONE]
