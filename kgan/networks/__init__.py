"""Networks: layers and functional `keras.Model`s of any input size; no losses, recipes or data.

Each file of this folder is `networks.FILE`, imported when it is first used; a new one needs no line
here.
"""

import importlib

from kgan.networks import vgg
from kgan.networks.dcgan import (
    cifar_discriminator,
    dcgan_discriminator,
    dcgan_generator,
    discriminator_features,
    pooled,
)
from kgan.networks.discriminators import patch_discriminator
from kgan.networks.encoders import (
    crg_encoder,
    deep_conv_encoder,
    extended_transfer_encoder,
    fc_encoder,
    strided_encoder,
    transfer,
    transfer_encoder,
)
from kgan.networks.generators import plain_generator, resnet_generator
from kgan.networks.layers import ImagePool, InstanceNormalization, ReflectionPadding2D, together
from kgan.networks.perceptual import PerceptualDiscriminator, pyramid_discriminator
from kgan.networks.pggan import (
    ProgressiveDiscriminator,
    ProgressiveEncoder,
    ProgressiveGenerator,
)
from kgan.networks.stargan import stargan_discriminator, stargan_generator
from kgan.networks.vgg import vgg_classifier, vgg_features

__all__ = [
    "ImagePool",
    "InstanceNormalization",
    "PerceptualDiscriminator",
    "ProgressiveDiscriminator",
    "ProgressiveEncoder",
    "ProgressiveGenerator",
    "ReflectionPadding2D",
    "cifar_discriminator",
    "crg_encoder",
    "dcgan_discriminator",
    "dcgan_generator",
    "deep_conv_encoder",
    "discriminator_features",
    "extended_transfer_encoder",
    "fc_encoder",
    "patch_discriminator",
    "plain_generator",
    "pooled",
    "pyramid_discriminator",
    "resnet_generator",
    "stargan_discriminator",
    "stargan_generator",
    "strided_encoder",
    "together",
    "transfer",
    "transfer_encoder",
    "vgg",
    "vgg_classifier",
    "vgg_features",
]


def __getattr__(name):
    module = f"{__name__}.{name}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:  # something that it imports
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
