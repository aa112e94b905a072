"""kgan: a Keras model zoo of GANs that translate and edit images.

Importing this package is free: TensorFlow is loaded when a model is built.
"""

import pathlib as _pathlib

__version__ = "0.1.0"

# `kgan.zoo` lives in `zoo/` at the top of the checkout (setup.py installs it as `kgan.zoo`).
_root = _pathlib.Path(__file__).resolve().parents[1]
if (_root / "setup.py").exists() and (_root / "zoo" / "cyclegan.py").exists():
    __path__.append(str(_root))
