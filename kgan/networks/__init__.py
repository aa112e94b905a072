"""Networks: layers and functional `keras.Model`s of any input size; no losses, recipes or data."""

from kgan.networks import vgg
from kgan.networks.discriminators import patch_discriminator
from kgan.networks.generators import plain_generator, resnet_generator
from kgan.networks.layers import ImagePool, InstanceNormalization, ReflectionPadding2D, together
from kgan.networks.perceptual import PerceptualDiscriminator, pyramid_discriminator
from kgan.networks.stargan import stargan_discriminator, stargan_generator
from kgan.networks.vgg import vgg_classifier, vgg_features

__all__ = [
    "ImagePool",
    "InstanceNormalization",
    "PerceptualDiscriminator",
    "ReflectionPadding2D",
    "patch_discriminator",
    "plain_generator",
    "pyramid_discriminator",
    "resnet_generator",
    "stargan_discriminator",
    "stargan_generator",
    "together",
    "vgg",
    "vgg_classifier",
    "vgg_features",
]
