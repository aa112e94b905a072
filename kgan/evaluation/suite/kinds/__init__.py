"""Kinds of suites: their data, what figures follow from, how they are measured, their tables.

A file for each family of kinds. Importing them needs no TensorFlow: what `<output>/suite.json`
holds becomes tables by them.
"""

from kgan.evaluation.suite.kinds.codes import CODES, CRG, ENCODERS
from kgan.evaluation.suite.kinds.edits import EDITS
from kgan.evaluation.suite.kinds.features import FEATURES
from kgan.evaluation.suite.kinds.generators import GENERATORS
from kgan.evaluation.suite.kinds.pairs import MAPS, PAIRS
from kgan.evaluation.suite.kinds.readout import READOUT
from kgan.evaluation.suite.kinds.scenes import SCENES
from kgan.evaluation.suite.kinds.style import STYLE
from kgan.evaluation.suite.kinds.super_resolution import SUPER_RESOLUTION

KINDS = {kind.name: kind
         for kind in (EDITS, PAIRS, MAPS, ENCODERS, CRG, GENERATORS, FEATURES, CODES,
                      SCENES, SUPER_RESOLUTION, STYLE, READOUT)}
