"""DualGAN: unpaired translation by Wasserstein critics and reconstruction.

Yi, Zhang, Tan, Gong: DualGAN: Unsupervised dual learning for image-to-image translation, ICCV 2017
(arXiv 1704.02510), section 3; where the text leaves something open, the authors' TensorFlow code.

Two U-Nets undo each other, as in CycleGAN, with dropout as the only noise, in training and at test.
Each has a critic of patches whose weights are clipped; both are trained by RMSProp. A step moves
the critics `n_critic` times, on a batch of their own each time, then the generators on the last
one.

Text and code differ: here are the text's patches and clipping and the code's per-picture norm,
rates and one move of the critics. The code's default is a gradient penalty (`--clip 0
--lambda_penalty 10`), its critics look at whole pictures, and it drops nothing. Deviations: the
U-Nets are pix2pix's, which the text names, with 4x4 kernels where the code has 5x5 and 3x3 and no
norm at the innermost maps, where the code's norm leaves nothing but its offset; no norm of the
critics has weights. Dropout at test follows from the picture, see `kgan.networks.pix2pix`.
"""

from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import cycle, keras, losses, networks, ops, tf
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.data.signals import usual
from kgan.models.gan import GAN, Phase, Stage

DEEPEST = 8  # halvings of the authors' generator


@dataclass(frozen=True)
class DualGANRecipe(Recipe):
    channels_a: int = knob(3, "channels of the pictures of A: 3 = RGB, 1 = grey", choices=(1, 3))
    channels_b: int = knob(3, "channels of the pictures of B: 3 = RGB, 1 = grey", choices=(1, 3))
    depth: int = knob(0, "times that a generator halves the sides; 0 = as often as they can be, "
                      f"{DEEPEST} times at most", low=0, high=10)
    filters: int = knob(64, "maps of a generator's first layer", low=1)
    dropout: float = knob(0.5, "share that the decoder's first three layers drop; 0 = none, as in "
                          "the authors' code", low=0, high=0.95)
    test_dropout: bool = knob(True, "drop at test, too, by noise that follows from the picture")
    discriminator_filters: int = knob(64, "maps of a critic's first layer", low=1)
    discriminator_layers: int = knob(3, "strided layers of a critic: patches of 16, 34, 70, 142 px "
                                     "for 1, 2, 3, 4", low=1, high=6)
    clip: float = knob(0.01, "bound on each weight of a critic; 0 = none", low=0, group="loss")
    lambda_penalty: float = knob(0.0, "weight of a gradient penalty (WGAN-GP); 0 skips its passes",
                                 low=0, group="loss")
    lambda_a: float = knob(500.0, "weight of the L1 distance of A to itself after both generators, "
                           "100 to 1000 in the paper; 0 skips its pass", low=0, group="loss")
    lambda_b: float = knob(500.0, "the same of B", low=0, group="loss")
    n_critic: int = knob(1, "moves of the critics in a step; 2 to 4 in the paper, 1 in the authors'"
                         " code", low=1, group="schedule")

    def check(self):
        super().check()
        least = 2 ** max(self.halvings, 2)
        if self.size % least:
            raise UsageError(f"--size {self.size} must be a multiple of {least}"
                             f"{f' with --depth {self.depth}' if self.depth else ''}.")
        if self.size < 3 * 2**self.discriminator_layers:
            raise UsageError(
                f"--size {self.size} leaves no patch to --discriminator_layers "
                f"{self.discriminator_layers}: at least {3 * 2**self.discriminator_layers}.")
        if self.test_dropout and not self.dropout:
            raise UsageError("--dropout 0 leaves nothing to drop at test: say --notest_dropout.")

    @property
    def halvings(self):
        """How often a generator halves the sides."""
        return self.depth or min(DEEPEST, (self.size & -self.size).bit_length() - 1)


class DualGAN(GAN):
    """Two generators and two critics; `translate` runs a generator."""

    players = {"generator": ("g_ab", "g_ba"), "discriminator": ("d_a", "d_b")}
    directions = {"a2b": "g_ab", "b2a": "g_ba"}

    def build_networks(self, r):
        self.multiple = self.smallest = 2**r.halvings

        def generator(name, channels_in, channels_out):
            return networks.pix2pix.unet_generator(
                name, filters=r.filters, depth=r.halvings, channels_in=channels_in,
                channels_out=channels_out, dropout=r.dropout, test_dropout=r.test_dropout,
                statistics="picture",
            )

        def critic(name, channels):
            return networks.patch_discriminator(
                name, filters=r.discriminator_filters, strided=r.discriminator_layers,
                channels=channels, bound=networks.dcgan.Clip(r.clip) if r.clip else None,
                constant=False,
            )

        nets = {"g_ab": generator("g_ab", r.channels_a, r.channels_b),
                "g_ba": generator("g_ba", r.channels_b, r.channels_a)}
        if self.deployed_only:
            return nets
        return {**nets, "d_a": critic("d_a", r.channels_a), "d_b": critic("d_b", r.channels_b)}

    @classmethod
    def signals_of(cls, recipe):
        return usual(recipe.size, {"a": recipe.channels_a, "b": recipe.channels_b})

    @classmethod
    def stages_of(cls, r):
        return (Stage("training", r.steps, (
            Phase(("discriminator",), r.n_critic, cls.discriminator_terms),
            Phase(("generator",), 1, cls.generator_terms, fresh=False),
        )),)

    def build_optimizer(self, player, schedule):
        return keras.optimizers.RMSprop(schedule, rho=0.9, epsilon=1e-10, name=f"rmsprop_{player}")

    def discriminator_terms(self, batch):
        r, a, b = self.recipe, batch["a"], batch["b"]
        terms = {"real": 0.0, "fake": 0.0, **({"penalty": 0.0} if r.lambda_penalty else {})}
        for i, (critic, real, made) in enumerate(((self.d_a, a, self.g_ba(b)),
                                                  (self.d_b, b, self.g_ab(a)))):
            made = ops.stop_gradient(made)
            of_real, of_made = networks.together(critic, real, made)
            terms["real"] += losses.real_loss("wasserstein", of_real)
            terms["fake"] += losses.fake_loss("wasserstein", of_made)
            if r.lambda_penalty:
                key = tf.random.experimental.stateless_fold_in(batch["key"], i, alg="philox")
                terms["penalty"] += r.lambda_penalty * losses.gradient_penalty(
                    lambda x, critic=critic: ops.mean(critic(x), axis=(1, 2, 3)), real, made, key)
        return {"discriminator": terms}

    def generator_terms(self, batch):
        r = self.recipe
        fake_b, fake_a, terms = cycle.two_way(
            self.g_ab, self.g_ba, batch["a"], batch["b"], cycle=1.0, identity=0.0,
            cycle_a=r.lambda_a, cycle_b=r.lambda_b,
        )
        terms["adversarial"] = (losses.real_loss("wasserstein", self.d_a(fake_a))
                                + losses.real_loss("wasserstein", self.d_b(fake_b)))
        return {"generator": terms}


TINY = {
    "size": 16, "batch": 2, "steps": 20, "filters": 4, "discriminator_filters": 4,
    "discriminator_layers": 1, "load_size": 0, "depth": 0,
}

register(
    "dualgan",
    DualGAN,
    DualGANRecipe(size=256, flip=False, batch=1, steps=100_000, learning_rate=5e-5,
                  decay_from=1.0),
    card="dualgan.md",
    phrase="unpaired translation by U-Nets, clipped critics and reconstruction, at 256 px",
    tiny=TINY,
)
register(
    "dualgan_small",
    DualGAN,
    DualGANRecipe(
        size=64, batch=4, steps=4000, learning_rate=2e-4, filters=32, depth=4,
        discriminator_filters=32, discriminator_layers=2, ema=0.99,
    ),
    card="dualgan.md",
    phrase="unpaired translation by U-Nets, clipped critics and reconstruction; half of the width "
           "at 64 px, for a CPU",
    tiny=TINY,
)
