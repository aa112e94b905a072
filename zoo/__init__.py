"""The zoo: one module a family, with its card beside it.

    import kgan.zoo

    kgan.zoo.names()                       # what there is
    model = kgan.zoo.load("cyclegan")      # trained, ready to translate
    model.translate(images)                # [n, h, w, 3], uint8 or float in [-1, 1]
"""

from kgan.core.registry import card, names, recipe
from kgan.models.weights import build, load

__all__ = ["build", "card", "load", "names", "recipe"]
