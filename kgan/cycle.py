"""What two generators that undo each other do with a batch (CycleGAN, Zhu et al. 2017, section 3).

Each is called once for the pictures that it translates and those that it must leave alone, and once
for the way back. Valid for generators whose normalisation looks at one picture at a time.

Generators of unequal domains hide in a translation, too faintly for a discriminator, what the way
back needs (Chu et al. 2017, arXiv 1712.02950). Noise on the translations before they go back drowns
what is hidden (Bashkirova, Usman, Saenko 2019, Adversarial self-defense for cycle-consistent GANs,
NeurIPS, arXiv 1908.01517, section 4).
"""

from kgan import losses, networks
from kgan.lazy import tf


def two_way(g_ab, g_ba, a, b, *, cycle, identity, noise=0.0, key=None):
    """Translates both ways and says what cycle and identity cost.

    Args:
        g_ab, g_ba: generators, [n, h, w, c] -> the same.
        a, b: pictures of both domains, float32 [n, h, w, c] in [-1, 1].
        cycle, identity: weights of the terms; 0 skips the passes of a term.
        noise: standard deviation of Gaussian noise on what goes back; 0 = none.
        key: int32 [2], the randomness of this step, for the noise.

    Returns:
        (fake b, fake a, `{"identity", "cycle"}` without those of weight 0).
    """
    terms = {}
    if identity:
        fake_b, same_b = networks.together(g_ab, a, b)
        fake_a, same_a = networks.together(g_ba, b, a)
        terms["identity"] = identity * (losses.l1(same_a, a) + losses.l1(same_b, b))
    else:
        fake_b, fake_a = g_ab(a), g_ba(b)
    if cycle:
        seen_b, seen_a = _noisy(fake_b, noise, key, 2), _noisy(fake_a, noise, key, 3)
        terms["cycle"] = cycle * (losses.l1(g_ba(seen_b), a) + losses.l1(g_ab(seen_a), b))
    return fake_b, fake_a, terms


def _noisy(x, deviation, key, salt):
    if not deviation:
        return x
    key = tf.random.experimental.stateless_fold_in(key, salt, alg="philox")
    return x + deviation * tf.random.stateless_normal(x.shape, key, dtype=x.dtype, alg="philox")
