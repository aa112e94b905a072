"""Palettes: which colour stands for which class in pictures of labels, and which classes count.

- `avatars`: the parts of drawn faces, see `kgan.data.avatar_maps`; ours.
- `cmp`: the CMP facade database (Tylecek and Sara 2013) in the pictures of pix2pix. Its classes in
  their order, whose colours go from blue to red; the values are the commonest of the flat areas of
  its 506 pictures, which are JPEGs.
- `cityscapes`: ids and colours of the authors' cityscapesScripts (Cordts et al. 2016); id 34 is the
  licence plate, as pix2pixHD numbers it. Void are those that their scores leave out. Some share a
  colour: a picture of labels does not tell a group of poles from a pole, or the kinds of black.
- `camvid`: the 11 classes of SegNet (Badrinarayanan et al. 2017) in their order, 11 is void.

A class may be void: it is shown, and counts in no score.
"""

from dataclasses import dataclass

from kgan.core.lazy import np

NEAR = 8  # levels; what JPEG leaves of the colour of a flat area
LEAST = 0.3  # of the pixels of pictures of labels: less of those at borders, which JPEG mixes
_SEEN = 1e-3  # of the pixels: a class that is there
_SAMPLE = 16  # pictures


@dataclass(frozen=True)
class Palette:
    """Classes, whose ids are their places, and the colours that stand for them.

    Attributes:
        name: of the palette.
        classes: their names.
        colors: of each, (red, green, blue).
        void: ids that count in no score.
    """

    name: str
    classes: tuple
    colors: tuple
    void: tuple = ()

    def paint(self, ids):
        """Maps of ids [..., h, w, 1] -> uint8 pictures [..., h, w, 3]."""
        return np.array(self.colors, np.uint8)[ids[..., 0]]

    def nearest(self, pictures, void=True):
        """uint8 pictures [..., h, w, 3] -> the ids of the nearest colours, uint8 [..., h, w, 1].

        Args:
            pictures: of labels.
            void: whether void classes are among them.
        """
        found = np.zeros(pictures.shape[:-1], np.uint8)
        best = np.full(pictures.shape[:-1], np.iinfo(np.int32).max, np.int32)
        pictures = pictures.astype(np.int32)
        for index, color in enumerate(self.colors):
            if void or index not in self.void:
                distance = np.square(pictures - np.array(color, np.int32)).sum(-1)
                nearer = distance < best
                found[nearer], best[nearer] = index, distance[nearer]
        return found[..., None]

    def share(self, pictures):
        """Share of pixels that have a colour of a class that counts; 0 if fewer than 3 are seen."""
        shares = []
        for index, color in enumerate(self.colors):
            if index not in self.void:
                near = np.abs(pictures.astype(np.int16) - np.array(color, np.int16)).max(-1)
                shares.append(float(np.mean(near <= NEAR)))
        return sum(shares) if sum(share >= _SEEN for share in shares) >= 3 else 0.0


def _palette(name, table, void=()):
    rows = [row.rsplit(maxsplit=3) for row in table.strip().splitlines()]
    colors = tuple(tuple(map(int, row[1:])) for row in rows)
    classes = tuple(row[0].strip() for row in rows)
    return Palette(name, classes, colors, tuple(classes.index(known) for known in void))


AVATARS = _palette("avatars", """
    background 170 190 210
    skin 240 180 140
    hair 120 60 20
    hat 40 80 200
    eyebrows 90 0 130
    eyes 0 160 90
    nose 250 120 60
    mouth 220 20 60
    beard 160 110 0
    glasses 0 200 220
""")
CMP = _palette("cmp", """
    background 0 0 222
    facade 0 48 255
    window 0 128 255
    door 1 207 255
    cornice 32 255 224
    sill 112 254 142
    balcony 192 255 63
    blind 255 240 1
    deco 255 159 0
    molding 255 80 0
    pillar 254 0 0
    shop 174 0 1
""")
CITYSCAPES = _palette("cityscapes", """
    unlabeled 0 0 0
    ego vehicle 0 0 0
    rectification border 0 0 0
    out of roi 0 0 0
    static 0 0 0
    dynamic 111 74 0
    ground 81 0 81
    road 128 64 128
    sidewalk 244 35 232
    parking 250 170 160
    rail track 230 150 140
    building 70 70 70
    wall 102 102 156
    fence 190 153 153
    guard rail 180 165 180
    bridge 150 100 100
    tunnel 150 120 90
    pole 153 153 153
    polegroup 153 153 153
    traffic light 250 170 30
    traffic sign 220 220 0
    vegetation 107 142 35
    terrain 152 251 152
    sky 70 130 180
    person 220 20 60
    rider 255 0 0
    car 0 0 142
    truck 0 0 70
    bus 0 60 100
    caravan 0 0 90
    trailer 0 0 110
    train 0 80 100
    motorcycle 0 0 230
    bicycle 119 11 32
    license plate 0 0 142
""", void=(
    "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic",
    "ground", "parking", "rail track", "guard rail", "bridge", "tunnel", "polegroup", "caravan",
    "trailer", "license plate",
))
CAMVID = _palette("camvid", """
    sky 128 128 128
    building 128 0 0
    pole 192 192 128
    road 128 64 128
    pavement 60 40 222
    tree 128 128 0
    sign 192 128 128
    fence 64 64 128
    car 64 0 128
    pedestrian 64 64 0
    bicyclist 0 128 192
    void 0 0 0
""", void=("void",))

KNOWN = {palette.name: palette for palette in (AVATARS, CMP, CITYSCAPES, CAMVID)}


def found_in(pictures, among=(), least=LEAST):
    """The palette of pictures of labels, and the share of pixels that have its colours.

    Args:
        pictures: those of a set of `kgan.data.Data`, uint8 [n, h, w, 3]; a few of them are looked
            at.
        among: the palettes that it may be; empty = all.
        least: a smaller share is none.

    Returns:
        (`Palette`, share); (None, 0.0) if they are not in the colours of one.
    """
    rows = np.unique(np.linspace(0, len(pictures) - 1, _SAMPLE).astype(int))
    some = pictures[rows]
    share, best = max(((palette.share(some), palette) for palette in among or KNOWN.values()),
                      key=lambda x: x[0])
    return (best, share) if share >= least else (None, 0.0)
