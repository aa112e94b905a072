"""What the documents promise: names, cards, packaged weights, commands that parse."""

import json
import pathlib
import re
import shlex

import pytest

from kgan.cli import train
from kgan.core import registry
from kgan.editing.directions import Direction
from kgan.models.encoding import Encodes
from kgan.models.latent import LatentGAN
from kgan.models.source import packaged
from kgan.models.weights import verify

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", registry.names())
def test_every_name_stands_in_its_card(name):
    card = registry.card(name)
    front = card.split("---\n")[1]
    assert "library_name: keras" in front
    assert re.search(r"^license: \S+", front, re.M)
    assert f"`{name}`" in card


def test_the_readme_says_where_the_names_are_and_how_one_is_added():
    for command in ("list", "show NAME", "new NAME", "check NAME"):
        assert f"tools/zoo {command}" in README
    cards = re.findall(r"\[card\]\((zoo/.*?)\)", README)
    assert cards
    assert all((ROOT / card).is_file() for card in cards)


@pytest.mark.parametrize(
    "full", [f"{n}.{tag}" for n in registry.names() for tag in registry.entry(n).weights]
)
def test_packaged_weights_are_whole_small_and_described(full):
    folder = packaged(full)
    ours = json.loads((folder / "config.json").read_text())["recipe"]["data"].startswith("avatars:")
    encodes = issubclass(registry.entry(full).model, Encodes)
    assert {p.name for p in folder.iterdir()} == {
        "config.json", "metadata.json", "model.weights.h5", *(["preview.png"] if ours else []),
        *(["directions"] if encodes else []),
    }
    if encodes and ours:
        found = {Direction.load(path).name for path in folder.glob("directions/*")}
        hair = {f"{colour}_Hair" for colour in ("Black", "Brown", "Blond", "Gray")}
        assert found >= {"Smiling", "Eyeglasses", "Beard", "Wearing_Hat", *hair}
    metadata = verify(folder)
    assert metadata["licences"]["weights"]
    card = registry.card(full)
    assert full.partition(".")[2] in card
    figures = metadata["figures"]
    translates = "counterfactual_psnr" in figures
    latent = issubclass(registry.entry(full).model, LatentGAN)
    assert (folder / "model.weights.h5").stat().st_size <= (8e6 if latent else 6e6)
    if "psnr_y" in figures:  # super-resolution
        assert f"{figures['psnr_y']:.2f}" in card and f"{figures['bicubic_psnr_y']:.2f}" in card
        return
    if "psnr_a2b" in figures and not translates:  # what learns from pairs
        assert f"{figures['psnr_a2b']:.1f} dB | {figures['l1_a2b']:.1f}/255" in card
        return
    if "pixel_accuracy_labels2photos" in figures:
        assert f"{100 * figures['pixel_accuracy_labels2photos']:.1f} %" in card
        return
    if "identity_style" in figures:
        assert f"| {figures['content']:.2f} | {figures['style']:.2f} |" in card
        return
    if "psnr_1" in figures:  # predicted frames
        assert f"{figures['psnr_1']:.1f} dB" in card and f"{figures['last_psnr_1']:.1f} dB" in card
        return
    if latent:  # an encoder's reconstructions, a generator's variety
        shown = figures["dhash"] if encodes else figures["dhash_ratio"]
        assert f"{shown:.3f}" in card
        return
    if not translates:  # a classifier
        shown = figures.get("top_1", figures.get("mean_balanced_accuracy"))
        assert f"{100 * shown:.1f} %" in card
        return
    assert f"{figures['counterfactual_psnr']:.1f} dB" in card
    assert f"{figures['identity_counterfactual_psnr']:.1f} dB" in card


def commands():
    """How the README trains, and how the packaged weights were trained."""
    yield from re.findall(r"^    (tools/train .*?)(?:  +#.*)?$", README, re.M)
    for path in sorted((ROOT / "zoo" / "weights").glob("*/metadata.json")):
        yield json.loads(path.read_text())["command"]


def test_weights_folders_are_all_registered():
    known = {f"{n}.{tag}" for n in registry.names() for tag in registry.entry(n).weights}
    assert {p.name for p in (ROOT / "zoo" / "weights").iterdir()} == known


@pytest.mark.parametrize("line", [*commands()])
def test_training_commands_parse(line, capsys):
    assert train.main([*shlex.split(line)[1:], "--dry_run"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "done"


def test_pictures_that_documents_show_exist():
    for path in map("".join, re.findall(r"!\[.*?\]\((.*?)\)|src=\"(.*?)\"", README)):
        assert (ROOT / path).is_file(), path
