"""kgan: a Keras model zoo of GANs that translate and edit images.

Importing this package is free: TensorFlow is loaded when a model is built.
"""

import importlib.util as _util
import pathlib as _pathlib
import sys as _sys

__version__ = "0.1.0"

_zoo = _pathlib.Path(__file__).resolve().parents[1] / "zoo"


class _Checkout:
    """Finds `kgan.zoo` in `zoo/` at the top of the checkout; setup.py installs it as such."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "kgan.zoo":
            return None
        return _util.spec_from_file_location(
            name, _zoo / "__init__.py", submodule_search_locations=[str(_zoo)]
        )


if (_zoo / "cyclegan.py").exists() and (_zoo.parent / "setup.py").exists():
    _sys.meta_path.insert(0, _Checkout)
