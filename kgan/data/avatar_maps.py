"""Maps of the parts of a drawn face, pixel by pixel beside the face itself.

A map is the face's own drawing with each part in one flat colour and without antialiasing: a pixel
is of the part that is on top at its middle, so that ids are exact and none is mixed. Its classes
are `PARTS`, in the colours of the palette `kgan.data.palettes.AVATARS`:

    0 background, 1 skin, 2 hair, 3 hat, 4 eyebrows, 5 eyes, 6 nose, 7 mouth, 8 beard, 9 glasses

Skin reaches from the forehead to the neck. What looks through glasses is what it is without them:
their class are the frames. Shadows (of the chin, of hair and glasses on what is below them) and the
shine on hair belong to what they fall on. Teeth and tongue are mouth.
"""

import xml.etree.ElementTree as ET

import numpy as np

from kgan.data import avatar_parts as parts
from kgan.data.palettes import AVATARS

VERSION = 1  # of the maps: raise it with any change of what is drawn
PARTS = AVATARS.classes
COUNTED = tuple(map(PARTS.index, ("eyebrows", "eyes")))  # of which a face has a left and a right

_SVG = "{http://www.w3.org/2000/svg}"
_NAMES = {  # of dicebear's parts; a "top" is hair or the hat
    "top": "hair", "eyes": "eyes", "eyebrows": "eyebrows", "nose": "nose", "mouth": "mouth",
    "facialHair": "beard", "accessories": "glasses",
}
_SHADED = ("top", "accessories")  # whose translucent shapes are shadows and shine


def draw_parts(options, size):
    """Draws the map of one look.

    Args:
        options: as `kgan.data.avatar_parts.look` returns them.
        size: side in pixels, any integer >= 1.

    Returns:
        uint8 [size, size, 1], ids of `PARTS`; pixel by pixel that of `avatar_parts.draw`.
    """
    levels = parts.rasterised(_flat(parts.svg_of(options)), size)
    ids, rest = levels[..., :1], levels[..., 1:]
    if ids.max() >= len(PARTS) or rest.any():
        raise RuntimeError("resvg blends colours where it is told not to")
    return ids


def instances(maps):
    """Which thing each pixel is of, as Cityscapes numbers them.

    Args:
        maps: ids of `PARTS` [..., h, w, 1].

    Returns:
        uint16 of that shape: 1000 times the class and 0 for what is left in the picture, 1 for what
        is right, of eyes and eyebrows; the class itself elsewhere.
    """
    width = maps.shape[-2]
    right = (2 * np.arange(width) + 1 > width)[:, None]
    maps = maps.astype(np.uint16)
    return np.where(np.isin(maps, COUNTED), 1000 * maps + right, maps).astype(np.uint16)


def edges(maps):
    """Black lines on white where a part borders another: uint8 [..., h, w, 3], 0 and 255.

    A line is one pixel wide, along the left and the upper side of a border.

    Args:
        maps: ids [..., h, w, 1].
    """
    border = np.zeros(maps.shape, bool)
    border[..., :-1, :, :] |= maps[..., :-1, :, :] != maps[..., 1:, :, :]
    border[..., :, :-1, :] |= maps[..., :, :-1, :] != maps[..., :, 1:, :]
    return np.where(border, 0, 255).astype(np.uint8).repeat(3, axis=-1)


def _flat(svg):
    """The drawing with each part in the colour (id, 0, 0) and without antialiasing."""
    root = ET.fromstring(svg)
    root.set("shape-rendering", "crispEdges")
    for group in root.find(f"{_SVG}defs").findall(f"{_SVG}g"):
        part, variant, _ = group.get("id").split("-")
        name = "hat" if variant == parts.HAT else _NAMES[part]
        _paint(group, name, shaded=part in _SHADED)
    body = root.find(f"{_SVG}g")
    if [shape.tag.removeprefix(_SVG) for shape in body][:4] != ["rect", "path", "path", "use"]:
        raise RuntimeError("dicebear's avataaars no longer begins with background, skin and shadow")
    background, skin, shadow = body[:3]
    _paint(background, "background")
    _paint(skin, "skin")
    body.remove(shadow)
    return ET.tostring(root, "unicode")


def _paint(shapes, name, shaded=False):
    """Gives an element and all in it the colour of a part; shades are taken out."""
    for parent in list(shapes.iter()) if shaded else ():
        for child in list(parent):
            if "fill-opacity" in child.attrib:
                parent.remove(child)
    for shape in shapes.iter():
        if "fill" in shape.attrib:
            shape.set("fill", f"#{PARTS.index(name):02x}0000")
            shape.attrib.pop("fill-opacity", None)
