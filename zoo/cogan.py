"""CoGAN: two generators of one code that share layers, and translation by finding the code.

Liu, Tuzel: Coupled generative adversarial networks, NIPS 2016 (arXiv 1606.07536), sections 3 and 6;
networks and numbers of the authors' code for faces. From one code the two generators draw a picture
of each set; they share the layers next to the code, their discriminators those next to the logit,
and so pairs of pictures of one thing come out, though no pair was ever seen.

A picture is translated by finding a code that its own generator makes it from, and giving that code
to the other one: so the paper's section 6 and CycleGAN's baseline (Zhu et al. 2017, section 5.1.1).
Our choice how: an encoder of each set learns the codes of generated pictures (the mean squared
error, beside the game, in which it has no part), and `invert_steps` steps of RMSProp go on from
what it says, within the range of the prior; the paper has L-BFGS from a draw. Both are part of an
export.

Deviations: see `kgan.networks.cogan`; the discriminators' two calls of a step see real and drawn
pictures of a set together, and the shared layers those of both sets, in one batch, as in the code.
Pictures of other sides than the networks' are resized there and back: results are as sharp as
`size`.
"""

from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import inversion, losses, networks, ops, pixels, tf
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.data.signals import usual
from kgan.models.gan import GAN
from kgan.models.latent import draw


@dataclass(frozen=True)
class CoGANRecipe(Recipe):
    channels_a: int = knob(3, "channels of the pictures of A: 3 = RGB, 1 = grey", choices=(1, 3))
    channels_b: int = knob(3, "channels of the pictures of B: 3 = RGB, 1 = grey", choices=(1, 3))
    code: int = knob(100, "numbers of a code, drawn from U(-1, 1)", low=1)
    filters: int = knob(32, "maps next to the pictures in all networks; they double with each "
                        "halving of the sides", low=1)
    dense: int = knob(2048, "width of the discriminators' dense layer", low=1)
    own: int = knob(2, "layers next to the pictures that each set has for itself, in generators "
                    "and discriminators; the others are shared", low=1)
    encoder_filters: int = knob(32, "maps of an encoder's first layer; they double up to eight "
                                "times that (the encoders are ours)", low=1)
    encoder_width: int = knob(2048, "width of an encoder's dense layer", low=1)
    invert_steps: int = knob(100, "steps by which the code of a picture to be translated is "
                             "improved; 0 = what the encoder says", low=0, may_change=True)
    invert_rate: float = knob(0.02, "about how far a number of the code moves in such a step",
                              low=0, may_change=True)
    decay: float = knob(1e-4, "L2 weight decay of the kernels of generators and discriminators",
                        low=0, group="loss")

    def check(self):
        super().check()
        if self.size < 16 or self.size & (self.size - 1):
            raise UsageError(f"--size {self.size} must be a power of two, 16 or more.")
        layers = self.size.bit_length() - 2
        if self.own >= layers:
            raise UsageError(f"--own {self.own} leaves no layer to be shared: at most {layers - 1} "
                             f"with --size {self.size}.")


class CoGAN(GAN):
    """Two coupled generators, their coupled discriminators, and an encoder of each set."""

    players = {
        "generator": ("g", "g_a", "g_b"), "discriminator": ("d", "d_a", "d_b"),
        "encoder": ("e_a", "e_b"),
    }
    averaged = ("generator", "encoder")
    directions = {"a2b": "g_b", "b2a": "g_a"}

    def build_networks(self, r):
        channels = {"a": r.channels_a, "b": r.channels_b}
        shape, make = {"size": r.size, "filters": r.filters, "own": r.own}, networks.cogan
        nets = {"g": make.shared_generator("g", latent=r.code, **shape)}
        for x, count in channels.items():
            nets[f"g_{x}"] = make.own_generator(f"g_{x}", channels=count, **shape)
            nets[f"e_{x}"] = networks.strided_encoder(
                f"e_{x}", size=r.size, outputs=r.code, filters=r.encoder_filters,
                width=r.encoder_width, channels=count)
        if not self.deployed_only:
            nets["d"] = make.shared_discriminator("d", width=r.dense, **shape)
            for x, count in channels.items():
                nets[f"d_{x}"] = make.own_discriminator(f"d_{x}", channels=count, **shape)
        return nets

    def deployed(self):
        return ["e_a", "e_b", "g", "g_a", "g_b"]

    @classmethod
    def signals_of(cls, recipe):
        return usual(recipe.size, {"a": recipe.channels_a, "b": recipe.channels_b})

    def loss_terms(self, batch):
        key = tf.random.experimental.stateless_fold_in(batch["key"], 7, alg="philox")
        z = draw("uniform", (batch["a"].shape[0], self.recipe.code), key)
        maps = self.g(z)
        made = {"a": self.g_a(maps), "b": self.g_b(maps)}
        real, fake = self.judge(batch, made)
        found = {x: self.nets[f"e_{x}"](ops.stop_gradient(made[x])) for x in "ab"}
        return {
            "generator": {"adversarial": losses.real_loss("bce", fake),
                          **self.decay("generator", self.recipe.decay)},
            "discriminator": {"real": losses.real_loss("bce", real),
                              "fake": losses.fake_loss("bce", fake),
                              **self.decay("discriminator", self.recipe.decay)},
            "encoder": {f"code_{x}": losses.l2(z, found[x]) for x in "ab"},
        }

    def judge(self, real, made):
        """Logits of what is real and of what was made, each of both sets, [2 n, 1]."""
        maps = [self.nets[f"d_{x}"](ops.concatenate([real[x], made[x]])) for x in "ab"]
        of_a, fake_a, of_b, fake_b = ops.split(self.d(ops.concatenate(maps)), 4)
        return ops.concatenate([of_a, of_b]), ops.concatenate([fake_a, fake_b])

    # Deployment

    def decode(self, codes, domain):
        """The pictures of one set that codes [n, code] make, float32 [n, size, size, c]."""
        return self.nets[f"g_{domain}"](self.g(codes, training=False), training=False)

    def encode(self, x, domain):
        """Codes of pictures [n, size, size, c] of one set, float32 [n, code] in [-1, 1]."""
        r = self.recipe
        codes = self.nets[f"e_{domain}"](x, training=False)
        codes = tf.clip_by_value(tf.cast(codes, tf.float32), -1.0, 1.0)
        if not r.invert_steps:
            return codes
        return inversion.refined(lambda z: self.decode(z, domain), x, codes, prior="uniform",
                                 steps=r.invert_steps, rate=r.invert_rate)

    def forward(self, x, direction):
        (source,), target = self.directions[direction].sources, self.directions[direction].target
        sides, size = tf.shape(x)[1:3], (self.recipe.size, self.recipe.size)
        count = {"a": self.recipe.channels_a, "b": self.recipe.channels_b}[source]
        x = tf.cast(pixels.to_channels(x, count), tf.float32)
        x = tf.clip_by_value(tf.image.resize(x, size, "bicubic", antialias=True), -1.0, 1.0)
        made = self.decode(self.encode(x, source), target)
        return tf.image.resize(made, sides, "bicubic", antialias=True)

    def show(self, batch):
        z = draw("uniform", (len(batch["a"]), self.recipe.code), tf.constant([0, 0x51A7]))
        drawn = {f"drawn {x}": self.decode(z, x) for x in "ab"}
        return {**super().show(batch), **drawn}


TINY = {
    "size": 16, "batch": 2, "steps": 20, "code": 4, "filters": 4, "dense": 8, "own": 1,
    "encoder_filters": 4, "encoder_width": 8, "invert_steps": 2, "load_size": 0,
}

register(
    "cogan",
    CoGAN,
    CoGANRecipe(size=128, load_size=132, batch=128, steps=100_000, decay_from=1.0),
    card="cogan.md",
    phrase="two generators that share layers; translation by finding a picture's code",
    tiny=TINY,
)
register(
    "cogan_small",
    CoGAN,
    CoGANRecipe(
        size=64, batch=16, steps=4000, code=64, filters=16, dense=512, encoder_filters=16,
        encoder_width=512, invert_steps=50, ema=0.99,
    ),
    card="cogan.md",
    phrase="two generators that share layers; translation by finding a picture's code; half of the "
           "width at 64 px, for a CPU",
    tiny=TINY,
)
