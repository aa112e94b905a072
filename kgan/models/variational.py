"""Variational: encoders that give a normal distribution of codes for each picture.

Kingma, Welling: Auto-encoding variational Bayes, ICLR 2014 (arXiv 1312.6114): section 2.4, codes
are drawn by mean + deviation * noise, and appendix B, their divergence from the prior. Outside of a
training the code of a picture is the mean.
"""

from kgan.core.lazy import losses, ops, tf
from kgan.models.encoding import Encodes
from kgan.models.latent import draw


class Variational(Encodes):
    """An encoder `e`, picture -> [mean, logarithm of the variance], and a generator `g`."""

    prior = "normal"

    def codes_of(self, x):
        return self.e(x, training=False)[0]

    def posterior(self, batch):
        """A code of each picture of a batch, and the divergence of such codes from the prior.

        Returns:
            (float32 [n, latent], drawn from the batch's key; float32 scalar, nats summed over a
            code, the mean over the batch).
        """
        mean, log_variance = self.e(batch["a"], training=True)
        key = tf.random.experimental.stateless_fold_in(batch["key"], 11, alg="philox")
        noise = draw("normal", mean.shape, key)
        codes = mean + ops.exp(0.5 * log_variance) * noise
        return codes, losses.kl_to_normal(mean, log_variance)
