"""Networks of Predictive Generative Networks (Lotter, Kreiman, Cox 2015, arXiv 1511.06380).

A convolutional encoder of a frame, an LSTM over what it makes of the frames, a decoder of the
LSTM's state; of the discriminator a further encoder and LSTM, and a perceptron of three layers that
sees the past and a proposed frame. The kinds of layers are the paper's, as far as we know them:
convolution, ReLU and max-pooling in the encoder; a dense layer, then enlarging by the nearest
neighbour, convolution and ReLU in the decoder, whose last layer is cut at the largest value of a
pixel. Kernels, maps and the number of levels are ours, and so are colour, a ReLU after the
decoder's dense layer and the 1/2 with which the biases of its last layer begin, so that no pixel
begins where it has no gradient.
"""

import keras
from keras import layers

from kgan.networks.blocks import conv, logits, relu

FIRST = "glorot_uniform"  # first weights


def frame_encoder(name, *, size=64, filters=32, kernel=5, levels=3, channels=3):
    """The encoder of a frame.

    Args:
        name: of the network.
        size: side of a frame, a multiple of 2^levels.
        filters: maps of each layer.
        kernel: side of the kernels.
        levels: how many times a convolution, ReLU and max-pooling follow each other.
        channels: of a frame.

    Returns:
        A functional `keras.Model`: [n, size, size, channels] -> float32
        [n, filters (size / 2^levels)^2].
    """
    x = frame = keras.Input((size, size, channels), name="frame")
    for i in range(levels):
        x = relu(conv(x, filters, kernel, padding="same", first=FIRST, name=f"{name}_conv{i + 1}"))
        x = layers.MaxPooling2D(2)(x)
    return keras.Model(frame, logits(layers.Flatten()(x)), name=name)


def recurrent(name, features, units):
    """An LSTM over the frames of a clip, its state 0 before the first.

    Args:
        name: of the network.
        features: numbers of a frame.
        units: of its state.

    Returns:
        A functional `keras.Model`: [n, t, features], any t -> float32 [n, t, units], what it gives
        out after each frame.
    """
    x = seen = keras.Input((None, features), name="features")
    # cuDNN's is none that XLA compiles.
    x = layers.LSTM(units, return_sequences=True, use_cudnn=False, name=f"{name}_lstm")(x)
    return keras.Model(seen, logits(x), name=name)


def frame_decoder(name, *, units=512, size=64, filters=32, kernel=5, levels=3, channels=3):
    """The decoder of a state.

    Args:
        name: of the network.
        units: numbers of a state.
        size, filters, kernel, levels, channels: see `frame_encoder`.

    Returns:
        A functional `keras.Model`: [n, units] -> float32 [n, size, size, channels] in [-1, 1].
    """
    side = size // 2**levels
    state = keras.Input((units,), name="state")
    x = layers.Dense(side * side * filters, name=f"{name}_dense")(state)
    x = layers.Reshape((side, side, filters))(relu(x))
    for i in range(levels - 1):
        x = conv(layers.UpSampling2D(2)(x), filters, kernel, padding="same", first=FIRST,
                 name=f"{name}_conv{i + 1}")
        x = relu(x)
    x = layers.Conv2D(
        channels, kernel, padding="same", kernel_initializer=FIRST, name=f"{name}_frame",
        bias_initializer={"class_name": "Constant", "config": {"value": 0.5}},
    )(layers.UpSampling2D(2)(x))
    x = layers.ReLU(max_value=1.0, dtype="float32")(x)
    return keras.Model(state, layers.Rescaling(2.0, -1.0, dtype="float32")(x), name=name)


def judge(name, features, units):
    """What the discriminator says of a proposed frame behind a past.

    Args:
        name: of the network.
        features: numbers of the frame.
        units: numbers of the past, and of each of two layers before the last.

    Returns:
        A functional `keras.Model`: [n, units], [n, features] -> float32 logits [n, 1].
    """
    past, frame = keras.Input((units,), name="past"), keras.Input((features,), name="frame")
    x = layers.Concatenate()([past, frame])
    for i in (1, 2):
        x = relu(layers.Dense(units, name=f"{name}_dense{i}")(x))
    return keras.Model([past, frame], logits(layers.Dense(1, name=f"{name}_logit")(x)), name=name)
