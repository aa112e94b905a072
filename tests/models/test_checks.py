"""What a model says wrongly of itself is an error of one line that names it, before a step."""

from typing import ClassVar

import keras
import pytest
import tensorflow as tf

from kgan.core.recipe import Recipe
from kgan.models.gan import GAN, Phase, Stage


class Pays(GAN):
    """Pays what it is given."""

    players: ClassVar[dict] = {"generator": ("g",)}
    directions: ClassVar[dict] = {"a2b": "g"}
    paid = staticmethod(lambda found: {"generator": {"l": found}})

    def build_networks(self, recipe):
        picture = keras.Input((None, None, 3))
        return {"g": keras.Model(picture, keras.layers.Conv2D(3, 1)(picture))}

    def loss_terms(self, batch):
        return self.paid(tf.reduce_mean(self.g(batch["a"])))


def made(cls=Pays, precision="float32", **attributes):
    cls = type("Wrong", (cls,), attributes)
    model = cls(Recipe(size=8, batch=2, steps=4), precision)
    model.compile()
    return model


def test_what_is_right():
    assert [*made().trackers] == ["generator/l"]


@pytest.mark.parametrize(("paid", "says"), [
    (lambda x: x, r"Wrong\.loss_terms returns \{player: .* of the players generator"),
    (lambda x: {"critic": {"l": x}}, "of the players generator, not critic"),
    (lambda x: {}, "does not say what 'generator' pays"),
    (lambda x: {"generator": {}}, "does not say what 'generator' pays"),
    (lambda x: {"generator": {"far": x[None]}}, r"term 'far' of 'generator'.* not float32 \[1\]"),
    (lambda x: {"generator": {"far": tf.cast(x, tf.int32)}}, "must be a float scalar"),
    (lambda x: {"generator": {"far": tf.cast(x, tf.bfloat16)}}, "is bfloat16: cast what networks"),
])
def test_terms(paid, says):
    with pytest.raises((TypeError, ValueError), match=says):
        made(paid=staticmethod(paid))


def test_a_mean_in_half_precision_is_refused():
    with pytest.raises(TypeError, match=r"'l' of 'generator' is bfloat16: .* kgan\.losses"):
        made(precision="mixed_bfloat16")


@pytest.mark.parametrize(("attributes", "says"), [
    ({"players": {"generator": ("h",)}}, r"player 'generator' owns \('h',\), .* networks: g\."),
    ({"players": {"generator": "g"}}, "player 'generator' owns 'g', which must be a tuple"),
    ({"directions": {"a2b": "h"}}, "direction 'a2b' is by 'h', which is none of its networks: g"),
    ({"phases": (Phase("generator"),)}, "moves 'generator', which must be a tuple"),
    ({"phases": (Phase(("critic",)),)}, r"moves \('critic',\), .* players: generator\."),
    ({"phases": (Phase(fresh=False),)}, "'training' must begin with a fresh phase"),
    ({"phases": (Phase(loss_terms="none"),)}, "has no method 'none'"),
    ({"stages_of": classmethod(lambda cls, recipe: (Stage("big", 4, cls.phases, size=16),))},
     "stage 'big' has pictures of 16 px, more than the recipe's 8"),
])
def test_players_and_stages(attributes, says):
    with pytest.raises(ValueError, match=says):
        made(**attributes)
