"""pix2pix's networks (Isola et al. 2017, appendix 6.1): U-Net, encoder-decoder, PixelGAN, PatchGAN.

Biases follow the authors' PyTorch code: none in front of a norm, none in the generator's first and
innermost convolution and in the PixelGAN's last. The innermost maps have no norm: at one pixel and
a batch of one it would make them 0 (the first Torch release has it). Dropout follows the text, the
decoder's first three layers; the PyTorch code leaves the first out and drops in the next three.

The paper tests as it trains: by the statistics of the test batch, which is one picture, and with
dropout. Here statistics and dropout at test are said apart, so that a picture's translation does
not depend on what else is in its batch.
"""

import keras
import tensorflow as tf
from keras import layers, ops

from kgan.core import pixels
from kgan.networks.blocks import conv, leaky, logits, relu, transposed_conv
from kgan.networks.dcgan import BatchNormalization
from kgan.networks.discriminators import patch_discriminator
from kgan.networks.generators import drawn
from kgan.networks.layers import InstanceNormalization, normalised

GAMMA = {"class_name": "RandomNormal", "config": {"mean": 1.0, "stddev": 0.02}}
"""Initial scales of norms: N(1, 0.02)."""

DROPPING = 3  # layers of the decoder, from the innermost on


@keras.saving.register_keras_serializable("kgan")
class PictureBatchNormalization(BatchNormalization):
    """Batch norm in training; at test each picture is normalised by its own statistics.

    For a batch of one picture both are the same function. Moving statistics are kept and not used,
    so that its weights are those of `BatchNormalization`.
    """

    def call(self, x, training=None, mask=None):
        if training:
            return super().call(x, training=training, mask=mask)
        result, _ = normalised(x, self.epsilon)
        return result * ops.cast(self.gamma, x.dtype) + ops.cast(self.beta, x.dtype)


@keras.saving.register_keras_serializable("kgan")
class DropoutAtTest(layers.Dropout):
    """Dropout that goes on at test, where the picture decides what is dropped.

    The same picture is given the same noise alone and in a batch, once and again, in an export and
    out of it, see `kgan.core.pixels.keys_of`.

    Args:
        rate: share that is dropped.
        salt: tells the layers of a network apart.
    """

    def __init__(self, rate, salt, **keywords):
        super().__init__(rate, **keywords)
        self.salt = salt

    def call(self, x, picture, training=None):
        """Drops of maps x [n, ...] what the picture [n, h, w, c] that they are made of decides."""
        if training:
            return super().call(x, training=True)
        shape = tf.shape(x)[1:]

        def kept(key):
            key = tf.random.experimental.stateless_fold_in(key, self.salt, alg="philox")
            return tf.random.stateless_uniform(shape, key, alg="philox") >= self.rate

        keep = tf.map_fn(kept, pixels.keys_of(picture), fn_output_signature=tf.bool)
        return tf.where(keep, x / (1.0 - self.rate), tf.zeros_like(x))

    def compute_output_shape(self, x_shape, picture_shape):
        return x_shape

    def get_config(self):
        return {**super().get_config(), "salt": self.salt}


def _norm(statistics, test_statistics="moving"):
    """A function of maps: a norm with scale and offset, see `unet_generator`."""
    usual = {"epsilon": 1e-5, "gamma_initializer": GAMMA}
    if statistics == "picture":
        return lambda x: InstanceNormalization(affine=True, **usual)(x)
    kind = PictureBatchNormalization if test_statistics == "picture" else BatchNormalization
    return lambda x: kind(momentum=0.9, **usual)(x)


def unet_generator(
    name, *, filters=64, depth=8, channels_in=3, channels_out=3, skips=True, dropout=0.5,
    statistics="batch", test_statistics="picture", test_dropout=False,
):
    """The U-Net of pix2pix, or without skips its encoder-decoder.

    `C64-C128-C256-C512-C512-C512-C512-C512`, then `CD512-CD512-CD512-C512-C256-C128-C64` and a last
    layer with tanh: 4x4 kernels of stride 2, LeakyReLU 0.2 in the encoder, ReLU in the decoder.
    54,413,955 trainable parameters with a depth of 8, 41,828,995 with 7.

    Args:
        name: of the network.
        filters: maps of the first layer; they double up to eight times that.
        depth: times that the encoder halves the sides, 2 at least.
        channels_in, channels_out: of the pictures.
        skips: the maps of the encoder go on beside those of the decoder.
        dropout: share that the decoder's first layers drop in training; 0 = none.
        statistics: by which maps are normalised: of the `"batch"`, or of each `"picture"` (instance
            norm), which is the same for a batch of one.
        test_statistics: by which batch norm normalises at test: of each `"picture"`, or the
            `"moving"` ones of the training.
        test_dropout: drop at test, too, see `DropoutAtTest`.

    Returns:
        A functional `keras.Model`: [n, h, w, channels_in] -> float32 [n, h, w, channels_out] in
        [-1, 1]; sides must be multiples of 2 to the power of the depth.
    """
    normalise = _norm(statistics, test_statistics)
    picture = keras.Input((None, None, channels_in), name="picture")
    widths = [filters * min(2**i, 8) for i in range(depth)]
    x, levels = picture, []
    for i, width in enumerate(widths):
        x = conv(leaky(x) if i else x, width, 4, 2, padding="same", use_bias=False)
        x = normalise(x) if 0 < i < depth - 1 else x
        levels.append(x)
    for i, width in enumerate(reversed(widths[:-1])):
        x = normalise(transposed_conv(relu(x), width, 4, use_bias=False))
        if dropout and i < DROPPING:
            drop = DropoutAtTest(dropout, i) if test_dropout else layers.Dropout(dropout)
            x = drop(x, picture) if test_dropout else drop(x)
        x = layers.Concatenate()([levels[-2 - i], x]) if skips else x
    x = transposed_conv(relu(x), channels_out, 4)
    return keras.Model(picture, drawn(picture, x, blend=False), name=name)


def pix2pix_discriminator(name, *, filters=64, strided=3, channels=6, statistics="batch"):
    """The discriminator of pix2pix: PatchGAN, or PixelGAN, which judges each pixel by itself.

    9,024 trainable parameters with `strided` 0, then 139,585, 666,433, 2,768,705 (70 px), 6,964,033
    and 11,159,361 (286 px).

    Args:
        name: of the network.
        filters: maps of the first layer.
        strided: layers of stride 2, see `kgan.networks.patch_discriminator`; 0 = 1x1 convolutions.
        channels: of input and output together, or of the output alone.
        statistics: `"batch"` or `"picture"`, see `unet_generator`.

    Returns:
        A functional `keras.Model`: [n, h, w, channels] -> float32 logits [n, h', w', 1].
    """
    if strided:
        return patch_discriminator(
            name, filters=filters, strided=strided, channels=channels, normalise=_norm(statistics)
        )
    picture = keras.Input((None, None, channels), name="picture")
    x = leaky(conv(picture, filters, 1))
    x = leaky(_norm(statistics)(conv(x, 2 * filters, 1, use_bias=False)))
    return keras.Model(picture, logits(conv(x, 1, 1, use_bias=False)), name=name)
