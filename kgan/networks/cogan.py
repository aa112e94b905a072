"""The networks of coupled GANs (Liu and Tuzel 2016, arXiv 1606.07536), those for faces at 128 px.

The layers of the authors' code: generators of a dense layer to 4x4 maps and 4x4 transposed
convolutions of stride 2, batch norm and PReLU, a 3x3 convolution and tanh; discriminators of 5x5
and 3x3 convolutions of stride 2 to 2x2 maps and two dense layers, batch norm, PReLU and dropout
that grows. N(0, 0.02), one PReLU slope for each map that begins at 0.25.

The two generators share what is near the code, the two discriminators what is near the logit: each
is two networks, one of which both domains have. `own` says how many layers next to the pictures are
not shared; 2 is after the paper's table, as it is remembered. Other sizes than 128 px are ours, and
so is one logit instead of two.
"""

import keras
from keras import layers

from kgan.networks.blocks import conv, logits, transposed_conv
from kgan.networks.dcgan import BatchNormalization
from kgan.networks.layers import NORMAL_002

DROPS = (0.0, 0.0, 0.1, 0.3, 0.3, 0.5)
"""Shares that are dropped after each convolution of the discriminators."""
LARGE = 3  # convolutions with 5x5 kernels, those next to the pictures


def generator_plan(size, filters):
    """Maps of a generator's layers at 4x4, 8x8, ..., size: they halve down to `filters`."""
    steps = size.bit_length() - 3
    if size != 4 * 2**steps or steps < 2:
        raise ValueError(f"size must be a power of two from 16 up, not {size}")
    return [filters * 2**i for i in reversed(range(steps + 1))]


def shared_generator(name, *, size=128, latent=100, filters=32, own=2):
    """The layers next to the code, for both domains.

    Args:
        name: of the network.
        size: side of the pictures, a power of two from 16 up.
        latent: numbers of a code.
        filters: maps at the side of the pictures; they double towards the code.
        own: layers next to the pictures that are not in it, the last convolution among them.

    Returns:
        A functional `keras.Model`: codes [n, latent] -> maps [n, h, w, c].
    """
    first, *others = _kept(generator_plan(size, filters), own - 1)
    code = keras.Input((latent,), name="z")
    x = layers.Dense(16 * first, use_bias=False, kernel_initializer=NORMAL_002,
                     name="project")(code)
    x = _active(layers.Reshape((4, 4, first), name="maps")(x), "project")
    for i, width in enumerate(others, 1):
        x = _doubled(x, width, i)
    return keras.Model(code, x, name=name)


def own_generator(name, *, size=128, filters=32, own=2, channels=3):
    """The layers next to the pictures, for one domain.

    Args:
        channels: of the pictures.
        name, size, filters, own: as `shared_generator`.

    Returns:
        A functional `keras.Model`: maps [n, h, w, c] -> float32 [n, size, size, channels] in
        [-1, 1].
    """
    plan = generator_plan(size, filters)
    shared = _kept(plan, own - 1)
    side = 4 * 2 ** (len(shared) - 1)
    x = maps = keras.Input((side, side, shared[-1]), name="maps")
    for i, width in enumerate(plan[len(shared) :], len(shared)):
        x = _doubled(x, width, i)
    x = conv(x, channels, 3, padding="same", name="colours")
    return keras.Model(maps, layers.Activation("tanh", dtype="float32", name="picture")(x),
                       name=name)


def own_discriminator(name, *, size=128, filters=32, own=2, channels=3):
    """The layers next to the pictures, for one domain.

    Args:
        name: of the network.
        size: side of the pictures, a power of two from 16 up.
        filters: maps of the first layer; they double in each.
        own: how many layers.
        channels: of the pictures.

    Returns:
        A functional `keras.Model`: [n, size, size, channels] -> maps [n, h, w, c].
    """
    x = picture = keras.Input((size, size, channels), name="picture")
    for i, width in enumerate(_discriminator_plan(size, filters)[:own]):
        x = _halved(x, width, i)
    return keras.Model(picture, x, name=name)


def shared_discriminator(name, *, size=128, filters=32, own=2, width=2048):
    """The layers next to the logit, for both domains.

    Args:
        width: of the dense layer.
        name, size, filters, own: as `own_discriminator`.

    Returns:
        A functional `keras.Model`: maps [n, h, w, c] -> float32 logits [n, 1].
    """
    plan, side = _discriminator_plan(size, filters), size // 2**own
    x = maps = keras.Input((side, side, _kept(plan, len(plan) - own)[-1]), name="maps")
    for i, maps_out in enumerate(plan[own:], own):
        x = _halved(x, maps_out, i)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(width, use_bias=False, kernel_initializer=NORMAL_002, name="hidden")(x)
    x = layers.Dropout(DROPS[-1], name="hidden_drop")(_active(x, "hidden"))
    x = layers.Dense(1, kernel_initializer=NORMAL_002, name="logit")(x)
    return keras.Model(maps, logits(x, name="output"), name=name)


def _discriminator_plan(size, filters):
    """Maps of the convolutions, from half the side of the pictures to 2x2."""
    return generator_plan(size, filters)[::-1]


def _kept(plan, cut):
    """A plan without its last layers; at least one is left."""
    if not 0 <= cut < len(plan):
        raise ValueError(f"of {len(plan)} layers, at most {len(plan) - 1} are a domain's own")
    return plan[: len(plan) - cut]


def _doubled(x, width, i):
    return _active(transposed_conv(x, width, 4, use_bias=False, name=f"conv{i}"), f"conv{i}")


def _halved(x, width, i):
    kernel = 5 if i < LARGE else 3
    x = conv(x, width, kernel, 2, padding="same", use_bias=False, name=f"conv{i}")
    x = _active(x, f"conv{i}")
    share = DROPS[min(i, len(DROPS) - 1)]
    return layers.Dropout(share, name=f"drop{i}")(x) if share else x


def _active(x, name):
    """Batch norm and PReLU with a slope for each map."""
    x = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
    places = list(range(1, len(x.shape) - 1)) or None
    return layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=places,
                        name=f"{name}_active")(x)
