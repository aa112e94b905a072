"""Networks: layers and functional `keras.Model`s of any input size; no losses, recipes or data."""

from kgan.networks.discriminators import patch_discriminator
from kgan.networks.generators import resnet_generator
from kgan.networks.layers import ImagePool, InstanceNormalization, ReflectionPadding2D, together

__all__ = [
    "ImagePool",
    "InstanceNormalization",
    "ReflectionPadding2D",
    "patch_discriminator",
    "resnet_generator",
    "together",
]
