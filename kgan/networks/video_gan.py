"""Networks of multi-scale video prediction (Mathieu, Couprie, LeCun, ICLR 2016, section 3).

The generator makes the next frame at 1/8, 1/4, 1/2 and the whole of the size, each from the input
at that size and from what was made at the one before, enlarged, to which it adds: `y = tanh(G(x,
up(y')) + up(y'))`. Widths and kernels are those of the paper's tables; where the row of 1/2 prints
one kernel too few, the authors' code is followed. So it is in shrinking by means and in enlarging
by repeating pixels. First weights are those of Torch's layers (uniform, of variance 1 / (3 fan in))
or He's; neither the paper nor its code says more.
"""

import keras
from keras import layers

from kgan.networks.blocks import conv, logits, relu

SCALES = 4
KERNELS = ((3, 3, 3, 3), (5, 3, 3, 5), (5, 3, 3, 3, 3, 5), (7, 5, 5, 5, 5, 7))
WIDTHS = ((1, 2, 1), (1, 2, 1), (1, 2, 4, 2, 1), (1, 2, 4, 2, 1))  # times `filters`
JUDGES = (  # of the discriminators, the coarsest first: kernels, widths, dense widths
    ((3,), (1,), (8, 4)),
    ((3, 3, 3), (1, 2, 2), (16, 8)),
    ((5, 5, 5), (2, 4, 4), (16, 8)),
    ((7, 7, 5, 5), (2, 4, 8, 2), (16, 8)),
)
TORCH = {"class_name": "VarianceScaling",
         "config": {"scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"}}


def first_weights(name):
    """The initializer that `"torch"` or `"he"` means."""
    return TORCH if name == "torch" else "he_normal"


def video_generator(name, *, filters=128, history=4, channels=3, first="torch"):
    """The four generators, as one network.

    12,569,740 trainable parameters with the paper's 128 filters, 223,644 with the 16 of the
    authors' script.

    Args:
        name: of the network.
        filters: maps of the first layer of each scale.
        history: frames that it sees.
        channels: of a frame.
        first: first weights, `"torch"` or `"he"`.

    Returns:
        A functional `keras.Model`: [n, h, w, history * channels], frames one after the other, the
        oldest first -> a list of float32 [n, h', w', channels] in [-1, 1], at 1/8, 1/4, 1/2 and the
        whole of the size; sides are multiples of 8.
    """
    frames = keras.Input((None, None, history * channels), name="frames")
    made = []
    for k, (kernels, widths) in enumerate(zip(KERNELS, WIDTHS, strict=True)):
        factor = 2 ** (SCALES - 1 - k)
        x = layers.AveragePooling2D(factor)(frames) if factor > 1 else frames
        before = layers.UpSampling2D(2, dtype="float32")(made[-1]) if made else None
        if made:
            x = layers.Concatenate()([x, before])
        own = {"padding": "same", "first": first_weights(first)}
        for i, width in enumerate(widths):
            x = relu(conv(x, width * filters, kernels[i], name=f"{name}{k + 1}_conv{i + 1}", **own))
        x = conv(x, channels, kernels[-1], name=f"{name}{k + 1}_frame", **own)
        x = layers.Add(dtype="float32")([x, before]) if made else x
        made.append(layers.Activation("tanh", dtype="float32")(x))
    return keras.Model(frames, made, name=name)


def video_discriminator(name, scale, *, size=32, filters=64, history=4, channels=3, first="torch"):
    """The discriminator of a scale, which sees a frame behind those that it follows.

    Trainable parameters with the paper's 64 filters at 32 px: 271,873, 1,280,769, 7,226,881 and
    11,860,865.

    Args:
        name: of the network.
        scale: 0 = 1/8 of the size, 1 = 1/4, 2 = 1/2, 3 = the whole.
        size: side of the pictures of the whole size; the dense layers are tied to it.
        filters: 64 are the paper's widths.
        history, channels, first: see `video_generator`.

    Returns:
        A functional `keras.Model`: [n, side, side, (history + 1) * channels] -> float32 logits
        [n, 1].
    """
    side = size // 2 ** (SCALES - 1 - scale)
    kernels, widths, dense = JUDGES[scale]
    x = seen = keras.Input((side, side, (history + 1) * channels), name="frames")
    for kernel, width in zip(kernels, widths, strict=True):
        x = relu(conv(x, width * filters, kernel, first=first_weights(first)))
    if scale == SCALES - 1:
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    for width in dense:
        x = relu(layers.Dense(width * filters, kernel_initializer=first_weights(first))(x))
    x = layers.Dense(1, kernel_initializer=first_weights(first))(x)
    return keras.Model(seen, logits(x), name=name)
