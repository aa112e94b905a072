"""Modules that are imported when they are first used.

A zoo file names its recipe and its model in one place, and the tools read recipes to make their
flags before TensorFlow is loaded (`tools/train --help` answers in a fraction of a second). So a zoo
file takes what it needs of TensorFlow from here:

    from kgan.core.lazy import losses, networks, ops
"""

import importlib


class _Lazy:
    def __init__(self, name):
        self._name = name

    def __getattr__(self, attribute):
        return getattr(importlib.import_module(self._name), attribute)

    def __repr__(self):
        return f"<lazy {self._name}>"


bounds = _Lazy("kgan.core.bounds")
cycle = _Lazy("kgan.models.two_way")
data = _Lazy("kgan.data")
fast_style = _Lazy("kgan.models.fast_style")
filelock = _Lazy("filelock")
dfi = _Lazy("kgan.editing.dfi")
inversion = _Lazy("kgan.editing.inversion")
labelled = _Lazy("kgan.models.labelled")
latent_attributes = _Lazy("kgan.editing.attributes")
latent_directions = _Lazy("kgan.editing.directions")
keras = _Lazy("keras")
kept = _Lazy("kgan.models.kept")
ops = _Lazy("keras.ops")
optimizers = _Lazy("kgan.models.optimizers")
tf = _Lazy("tensorflow")
losses = _Lazy("kgan.losses")
generators = _Lazy("kgan.models.generators")
gatys = _Lazy("kgan.editing.gatys")
np = _Lazy("numpy")
networks = _Lazy("kgan.networks")
pggan = _Lazy("kgan.networks.pggan")
pix2pixhd = _Lazy("kgan.networks.pix2pixhd")
pixels = _Lazy("kgan.core.pixels")
plateau = _Lazy("kgan.models.plateau")
references = _Lazy("kgan.models.reference")
schedules = _Lazy("kgan.models.schedules")
style = _Lazy("kgan.editing.style")
tiling = _Lazy("kgan.models.tiling")
