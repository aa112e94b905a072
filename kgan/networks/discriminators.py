"""Discriminators: pictures in, logits out (no sigmoid)."""

import keras

from kgan.networks.blocks import leaky, logits, norm, padded_conv


def patch_discriminator(
    name, *, filters=64, strided=3, channels=3, padding=1, normalise=None, features=False,
    bound=None, constant=True,
):
    """PatchGAN (Isola et al. 2017, section 6.1.2; CycleGAN section 7.2): a logit for each patch.

    `C64-C128-C256-C512` with 4x4 kernels, the last of stride 1, then a 4x4 convolution to one map;
    instance norm except in the first, LeakyReLU 0.2. 2,764,737 parameters and patches of 70 px with
    three strided layers.

    Args:
        name: of the network.
        filters: maps of the first layer; they double up to eight times that.
        strided: layers of stride 2; patches of 16, 34, 70, 142, 286 px for 1, 2, 3, 4, 5.
        channels: of the pictures.
        padding: zeros around what each layer sees; 1 in CycleGAN, 2 in pix2pixHD.
        normalise: a norm with an offset, a function of maps, instead of instance norm; the
            convolutions in front of it then have no bias, as in pix2pix.
        features: also give the maps of each layer but the last, after its LeakyReLU.
        bound: a constraint on all weights, as `kgan.networks.dcgan.Clip` of a Wasserstein critic.
        constant: the last convolution has a bias; to a Wasserstein critic it is nothing.

    Returns:
        A functional `keras.Model`: [n, h, w, channels] -> float32 [n, h', w', 1]; 256 px give
        30x30 logits with three strided layers, 35x35 with a padding of 2. With
        `features` a list of the maps and, last, the logits.
    """
    picture = keras.Input((None, None, channels), name="picture")
    x, maps = picture, []
    for i in range(strided + 1):
        width, stride = filters * min(2**i, 8), 2 if i < strided else 1
        bias = i == 0 or normalise is None
        x = padded_conv(x, width, 4, stride, zeros=padding, use_bias=bias, bound=bound)
        x = leaky((normalise or norm)(x) if i else x)
        maps.append(x)
    x = logits(padded_conv(x, 1, 4, zeros=padding, use_bias=constant, bound=bound))
    return keras.Model(picture, [*maps, x] if features else x, name=name)
