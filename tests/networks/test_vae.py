"""VAE/GAN's networks: parameters by hand from the authors' layers, what they take and give."""

import itertools

import numpy as np
import pytest

from kgan.networks import vae


def count(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def conv(kernel, given, made, bias):
    return kernel * kernel * given * made + made * bias


def test_parameters_of_the_published_layers():
    encoder = sum(conv(5, *c, 0) + 2 * c[1] for c in ((3, 64), (64, 128), (128, 256)))
    encoder += 8 * 8 * 256 * 1024 + 2 * 1024 + 2 * (1024 + 1) * 128
    assert count(vae.vae_encoder("e")) == encoder == 18_071_360
    decoder = 128 * 8 * 8 * 256 + 2 * 8 * 8 * 256 + conv(5, 32, 3, 1)
    decoder += sum(conv(5, *c, 0) + 2 * c[1] for c in ((256, 256), (256, 128), (128, 32)))
    assert count(vae.vae_decoder("g")) == decoder == 4_693_155
    similarity = conv(5, 3, 32, 1) + conv(5, 256, 256, 0)
    similarity += sum(conv(5, *c, 0) + 2 * c[1] for c in ((32, 128), (128, 256)))
    assert count(vae.vae_similarity("l")) == similarity == 2_563_200
    rest = 2 * 256 + 8 * 8 * 256 * 512 + 2 * 512 + 512 + 1
    assert count(vae.vae_discriminator("d")) == rest == 8_390_657


def test_parameters_of_the_plain_layers():
    widths = (3, 64, 128, 256, 512)
    trunk = sum(conv(5, *c, 1) + 2 * c[1] for c in itertools.pairwise(widths))
    nets = {name: getattr(vae, f"vae_{name}")(name, variant="plain")
            for name in ("encoder", "decoder", "similarity", "discriminator")}
    assert count(nets["encoder"]) == trunk + 2 * (8 * 8 * 512 + 1) * 128
    assert count(nets["similarity"]) == trunk == 4_308_480
    assert count(nets["discriminator"]) == 8 * 8 * 512 + 1
    backwards = (512, 256, 128, 64)
    decoder = (128 + 1 + 2) * 8 * 8 * 512 + conv(5, 64, 3, 1)
    decoder += sum(conv(5, *c, 1) + 2 * c[1] for c in itertools.pairwise(backwards))
    assert count(nets["decoder"]) == decoder


@pytest.mark.parametrize("variant", vae.VARIANTS)
def test_what_goes_in_and_out(variant):
    shape = {"size": 24, "filters": 4, "variant": variant}
    x = np.random.default_rng(0).uniform(-1, 1, (3, 24, 24, 3)).astype("float32")
    mean, log_variance = vae.vae_encoder("e", latent=5, **shape)(x)
    assert mean.shape == log_variance.shape == (3, 5) and np.ptp(mean) > 0
    made = vae.vae_decoder("g", latent=5, **shape)(mean)
    assert made.shape == x.shape and float(np.abs(made).max()) <= 1
    maps = vae.vae_similarity("l", **shape)(x)
    assert maps.shape[:3] == (3, 3, 3)
    assert (np.min(maps) < 0) == (variant == "published")  # before batch norm, or after ReLU
    assert vae.vae_discriminator("d", **shape)(maps).shape == (3, 1)
    with pytest.raises(ValueError, match="multiple of 8"):
        vae.vae_encoder("e", size=20)


def test_a_deviation_is_the_softplus_of_what_the_plain_encoder_says():
    x = np.float32([[-3.0, 0.0, 2.0]])
    found = vae.LogVarianceOfSoftplus()(x)
    np.testing.assert_allclose(np.exp(found / 2), np.log1p(np.exp(x)), rtol=1e-4)
