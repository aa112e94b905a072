"""What the networks are built of: a layer or two, applied to maps."""

from keras import layers

from kgan.networks.layers import NORMAL_002, InstanceNormalization, LeakyReLU

HE = "he_normal"  # first weights by He et al. 2015


def conv(
    x, filters, kernel, stride=1, *, padding="valid", first=NORMAL_002, use_bias=True, bound=None,
    name=None
):
    """A convolution; `first` are its first weights, `bound` a constraint on all of them."""
    return layers.Conv2D(
        filters, kernel, stride, padding=padding, use_bias=use_bias, kernel_initializer=first,
        kernel_constraint=bound, bias_constraint=bound, name=name,
    )(x)


def padded_conv(
    x, filters, kernel, stride=1, *, zeros=1, first=NORMAL_002, use_bias=True, bound=None
):
    """A convolution of maps with `zeros` zeros around them, as PyTorch pads."""
    x = layers.ZeroPadding2D(zeros)(x)
    return conv(x, filters, kernel, stride, first=first, use_bias=use_bias, bound=bound)


def transposed_conv(
    x, filters, kernel, stride=2, *, padding="same", first=NORMAL_002, use_bias=True, name=None
):
    """A transposed convolution; `first` are its first weights."""
    return layers.Conv2DTranspose(
        filters, kernel, stride, padding=padding, use_bias=use_bias, kernel_initializer=first,
        name=name,
    )(x)


def relu(x, slope=0.0, name=None):
    """ReLU, or a leaky one with a slope for what is below 0."""
    if slope:
        return LeakyReLU(negative_slope=slope, name=name)(x)
    return layers.ReLU(name=name)(x)


def leaky(x, name=None):
    """Leaky ReLU of slope 0.2, the discriminators' usual one."""
    return relu(x, 0.2, name)


def norm(x, affine=False):
    """Instance norm."""
    return InstanceNormalization(affine=affine)(x)


def norm_relu(x, affine=False):
    """Instance norm and ReLU."""
    return relu(norm(x, affine))


def logits(x, name=None):
    """What a network says, as float32 whatever it computes in."""
    return layers.Activation("linear", dtype="float32", name=name)(x)
