"""One avatar: its parts, its attributes, the switching of an attribute, the drawing.

Faces are drawn by dicebear's style `avataaars` (Pablo Stanley, free for personal and commercial
use) from exact parts, so nothing random is left in the drawing, and rasterised by resvg.

A `Face` carries the parts of both states of every attribute: the glasses that it would wear, the
mouth that it has when it does not smile, the colour of its hair when it is not dyed. Switching an
attribute therefore changes what belongs to that attribute and nothing else.

Choices, where CelebA leaves one:

- A label says what is seen. A hat covers the hair, so that hair labels and `Bald` are 0 under one,
  and hair labels are 0 on a bald head. Auburn hair has none of the four colour labels.
- A beard has the colour of the hair and changes with it. Moustaches count as beards.
- One state of each attribute has one look only: one smile, one hat, one pale skin, one arched brow,
  one shade per hair colour, and glasses through which the eyes are seen. The edit towards that
  state has one right answer: `DETERMINISTIC`.
- Jokes (hearts for eyes, vomit, flowers, eyepatch) and sunglasses are left out.
"""

import dataclasses
import difflib
import functools
import importlib.resources
import io
import json

import numpy as np
from PIL import Image

from kgan.core.errors import UsageError

ATTRIBUTES = (
    "Eyeglasses",
    "Smiling",
    "No_Beard",
    "Wearing_Hat",
    "Bald",
    "Black_Hair",
    "Brown_Hair",
    "Blond_Hair",
    "Gray_Hair",
    "Pale_Skin",
    "Arched_Eyebrows",
)
DETERMINISTIC = dict.fromkeys(ATTRIBUTES, "a2b") | {"Eyeglasses": "b2a"}

HAIR_COLORS = {
    "Black_Hair": "#2c1b18",
    "Brown_Hair": "#643a28",
    "Blond_Hair": "#dcb968",
    "Gray_Hair": "#b9b4b0",
    "Auburn": "#b04a24",
}
_HAIR_SHARES = (0.26, 0.30, 0.20, 0.12, 0.12)
_SHARES = {  # of the faces that `sample_face` draws, before hats and bald heads hide hair
    "Eyeglasses": 0.3,
    "Smiling": 0.5,
    "No_Beard": 0.65,
    "Wearing_Hat": 0.1,
    "Bald": 0.07,
    "Pale_Skin": 0.25,
    "Arched_Eyebrows": 0.3,
}
_GLASSES = ("prescription01", "prescription02", "round")
_FRAMES = ("#262e33", "#3c4f5c", "#5b3a29", "#25557c", "#7a2f2f")
_MOUTHS, _SMILE = ("serious", "sad", "disbelief"), "smile"
_EYES = ("default", "squint", "side", "closed")
_BROWS, _ARCHED = ("defaultNatural", "flatNatural", "sadConcernedNatural"), "raisedExcited"
_BEARDS = ("beardLight", "beardMedium", "beardMajestic", "moustacheFancy", "moustacheMagnum")
_SKINS, _PALE = ("#8c5c3e", "#a0683f", "#b87846", "#d08b5b", "#e0a878"), "#ffe4d0"
HAT, _HAT_COLOR = "winterHat02", "#25557c"
_TOPS = (
    *("shortFlat", "shortRound", "shortWaved", "shortCurly", "theCaesar", "theCaesarAndSidePart"),
    *("dreads01", "dreads02", "shaggy", "bun", "bob", "curly", "fro", "longButNotTooLong"),
    *("miaWallace", "straight01", "straight02", "straightAndStrand"),
)


@dataclasses.dataclass(frozen=True)
class Face:
    """The parts of one face, in the words of the style `avataaars`.

    Attributes:
        on: the attributes switched on, hair colours aside.
        hair: the colour of the hair, a key of `HAIR_COLORS`.
        own_hair: the colour that it has when no other is switched on.
        other_hair: the colour that it gets when its own is switched off.
    """

    on: frozenset
    hair: str
    own_hair: str
    other_hair: str
    top: str
    eyes: str
    brows: str
    mouth: str
    skin: str
    beard: str
    glasses: str
    frame: str
    background: str


def check_attribute(name):
    """Raises `UsageError` with the nearest names if `name` is not in `ATTRIBUTES`."""
    if name not in ATTRIBUTES:
        by_lower = {known.lower(): known for known in ATTRIBUTES}
        near = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.4)
        names = [by_lower[word] for word in near] or ATTRIBUTES
        raise UsageError(f"avatars: no attribute {name!r}; nearest: {', '.join(names)}")


def _background(rng, parity):
    """A soft colour, "#rrggbb", whose blue is odd (`parity` 1) or even (0)."""
    hue, saturation, value = rng.uniform(0, 6), rng.uniform(0.1, 0.4), rng.uniform(0.72, 0.96)
    wave = [max(0.0, min(1.0, 2 - abs((hue + shift) % 6 - 3))) for shift in (3, 1, 5)]
    r, g, b = (round(255 * value * (1 - saturation * level)) for level in wave)
    return f"#{r:02x}{g:02x}{b & ~1 | parity:02x}"


def sample_face(seed, split, index):
    """Face number `index` of a split: a pure function of the three.

    Args:
        seed: integer >= 0.
        split: "train" or "test"; no picture can come from both (their backgrounds differ).
        index: integer >= 0.
    """
    parity = ("train", "test").index(split)
    rng = np.random.default_rng([seed, parity, index])

    def pick(kinds, shares=None):
        return str(rng.choice(kinds, p=shares))

    hair, other = rng.choice(list(HAIR_COLORS), size=2, replace=False, p=_HAIR_SHARES)
    return Face(
        on=frozenset(name for name, share in _SHARES.items() if rng.random() < share),
        hair=str(hair),
        own_hair=str(hair),
        other_hair=str(other),
        top=pick(_TOPS),
        eyes=pick(_EYES, (0.5, 0.2, 0.15, 0.15)),
        brows=pick(_BROWS),
        mouth=pick(_MOUTHS),
        skin=pick(_SKINS),
        beard=pick(_BEARDS),
        glasses=pick(_GLASSES),
        frame=pick(_FRAMES),
        background=_background(rng, parity),
    )


def labels(face):
    """What is seen on a face: uint8 [len(ATTRIBUTES)], 1 where the attribute is there."""
    return np.array([has(face, name) for name in ATTRIBUTES], np.uint8)


def has(face, name):
    """Whether the attribute `name` is seen on `face`."""
    return hidden_by(face, name) is None and (face.hair == name or name in face.on)


def hidden_by(face, name):
    """The attribute that hides `name` on this face: "Wearing_Hat", "Bald" or None."""
    hiders = {"Bald": ("Wearing_Hat",)}
    if name in HAIR_COLORS:
        hiders[name] = ("Wearing_Hat", "Bald")
    return next((hider for hider in hiders.get(name, ()) if hider in face.on), None)


def uncover(face, name):
    """`face` without the hat or the baldness that would hide the attribute `name`."""
    while hider := hidden_by(face, name):
        face = with_attribute(face, hider, False)
    return face


def with_attribute(face, name, value):
    """The same face with one attribute switched on or off: the true counterfactual.

    Args:
        face: `Face`.
        name: one of `ATTRIBUTES`.
        value: the state wanted. A hair colour that is switched on replaces the colour there is.

    Returns:
        `Face`; switched forth and back, a face of `sample_face` is itself again.

    Raises:
        UsageError: an unknown attribute, or one that a hat or a bald head hides on this face.
    """
    check_attribute(name)
    if hider := hidden_by(face, name):
        raise UsageError(f"avatars: {hider} hides {name} on this face; switch it off first")
    if name not in HAIR_COLORS:
        on = face.on | {name} if value else face.on - {name}
        return dataclasses.replace(face, on=on)
    if value == (face.hair == name):
        return face
    fallback = face.own_hair if face.own_hair != name else face.other_hair
    return dataclasses.replace(face, hair=name if value else fallback)


def look(face):
    """What is drawn of a face: dicebear options in which every choice is a list of one."""
    hat, hair = "Wearing_Hat" in face.on, HAIR_COLORS[face.hair]
    shown = {  # part: (kind, its colour), or nothing of that part
        "top": (HAT, None) if hat else (face.top, None),
        "eyes": (face.eyes, None),
        "eyebrows": (_ARCHED if "Arched_Eyebrows" in face.on else face.brows, None),
        "mouth": (_SMILE if "Smiling" in face.on else face.mouth, None),
        "accessories": (face.glasses, face.frame) if "Eyeglasses" in face.on else None,
        "facialHair": None if "No_Beard" in face.on else (face.beard, hair),
        "clothes": None,  # below the crop
    }
    colors = {
        "skin": _PALE if "Pale_Skin" in face.on else face.skin,
        "background": face.background,
    }
    if hat:
        colors["hat"] = _HAT_COLOR
    elif "Bald" in face.on:
        shown["top"] = None
    else:
        colors["hair"] = hair
    options = {"seed": ""}
    for part, choice in shown.items():
        options[f"{part}Probability"] = 100 if choice else 0
        if choice:
            options[f"{part}Variant"] = [choice[0]]
            colors |= {part: choice[1]} if choice[1] else {}
    return options | {f"{name}Color": [color] for name, color in colors.items()}


@functools.cache
def _style():
    from dicebear import Style

    text = (
        importlib.resources.files("dicebear_styles").joinpath("avataaars.json").read_text("utf-8")
    )
    return Style(json.loads(text))


def draw(options, size):
    """Draws one look.

    Args:
        options: as `look` returns them.
        size: side of the picture in pixels, any integer >= 1.

    Returns:
        uint8 [size, size, 3], RGB: the face fills the picture, drawn sharp at this very size.
    """
    return rasterised(svg_of(options), size)


def svg_of(options):
    """The drawing of one look as SVG, cut to the face."""
    from dicebear import Avatar

    svg = Avatar(_style(), options).to_string()
    whole, face = 'viewBox="0 0 280 280"', 'viewBox="52.5 17.5 175 175"'  # (24,8)-(104,88) of 128
    if svg.count(whole) != 1:
        raise RuntimeError("dicebear's avataaars no longer has the canvas 280 x 280")
    return svg.replace(whole, face)


def rasterised(svg, size):
    """The pixels of a square drawing: uint8 [size, size, 3], RGB."""
    import resvg_py

    png = resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size, skip_system_fonts=True)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
