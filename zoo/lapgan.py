"""LAPGAN: a generator for each level of a Laplacian pyramid.

Denton, Chintala, Szlam, Fergus: Deep generative image models using a Laplacian pyramid of
adversarial networks, NIPS 2015 (arXiv 1506.05751), sections 2 and 4; kernels and rates of the
authors' code for CIFAR-10.

The coarsest generator makes a small picture of a code. Each other one is given the picture of the
level below, enlarged, and a plane of noise, and says what is to be added. In training it is given
real pictures, shrunk and enlarged again, so no level sees what another one makes: they may be
trained one after the other, as in the paper, or all in each step (`together`), which is the same
game. A discriminator of each level sees the sum of the enlarged picture and what was added.

A code is all noise side by side: the numbers of the coarsest level, then the planes. Deviations:
momentum stays at `beta_1` and the rate follows `decay_from`, where the code raises the one from 0.5
to 0.7 and lowers the other by 4e-6 an epoch; pictures are in [-1, 1], not standardised, and the
coarsest generator ends in tanh; shrinking and enlarging are antialiased bilinear. The models of
classes (CC-LAPGAN) are not here.
"""

import functools
import itertools
import re
from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import generators, keras, losses, networks, ops, optimizers, tf
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.data.spec import FACES
from kgan.models.gan import Phase, Stage
from kgan.models.latent import LatentGAN, draw


@dataclass(frozen=True)
class LAPGANRecipe(Recipe):
    data: str = knob(FACES, "pictures to train on; one set, labelled or not", group="data")
    levels: str = knob("8,14,28", "sides of the levels from the coarsest on, the last of them "
                       "--size: 8,14,28 for CIFAR, 8,16,32,64,96 for STL, 4,8,16,32,64 for LSUN")
    together: bool = knob(False, "every step trains all levels; else each level has its share of "
                          "the steps, one after the other", group="schedule")
    code: int = knob(100, "numbers of the coarsest level's code, drawn from U(-1, 1)", low=1)
    width: int = knob(1200, "width of the coarsest generator's dense layers", low=1)
    discriminator_width: int = knob(600, "width of the coarsest discriminator's", low=1)
    filters: str = knob("64,64", "maps of the other generators' hidden convolutions; "
                        "64,368,128,224 for LSUN")
    kernel: int = knob(7, "sides of their kernels, an odd number", low=1)
    last_kernel: int = knob(5, "that of their last convolution; 7 for LSUN", low=1)
    batch_norm: bool = knob(False, "batch norm of their hidden maps; on for LSUN")
    generator_dropout: float = knob(0.0, "share of their hidden maps that is dropped; the paper's "
                                    "text has it for LSUN and no number", low=0, high=0.95)
    discriminator_filters: str = knob("64,64", "maps of the other discriminators' convolutions; "
                                      "48,448,416 for LSUN")
    dropout: float = knob(0.5, "share that discriminators drop", low=0, high=0.95)
    optimizer: str = knob("sgd", "optimizer of all, with beta_1 as the momentum of sgd",
                          choices=("sgd", "adam"), group="schedule")

    def check(self):
        super().check()
        sides = self.sides
        if len(sides) < 2 or sides[0] < 2 or any(x >= y for x, y in itertools.pairwise(sides)):
            raise UsageError(f"--levels {self.levels}: name two sides or more, each larger than "
                             "the one before, as 8,14,28.")
        if sides[-1] != self.size:
            raise UsageError(f"--levels {self.levels} must end in --size {self.size}.")
        for name in ("filters", "discriminator_filters"):
            if not _numbers(getattr(self, name)):
                raise UsageError(f"--{name} must name the maps of a layer at least, as 64,64.")
        if not self.together and self.steps < len(sides):
            raise UsageError(f"--steps {self.steps} leaves a level without one: at least "
                             f"{len(sides)}.")

    @property
    def sides(self):
        """The sides of the levels, from the coarsest on."""
        return _numbers(self.levels)


def _numbers(text):
    """`"8,14"` as (8, 14); () for what is no list of numbers above 0."""
    return tuple(map(int, text.split(","))) if re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", text) else ()


class LAPGAN(LatentGAN):
    """A generator `g<k>` and a discriminator `d<k>` of each level, 0 is the coarsest."""

    players = {"generator_0": ("g0",), "discriminator_0": ("d0",)}  # and so on by the recipe
    prior = "uniform"

    def build_networks(self, r):
        levels = range(len(r.sides))
        self.players = {f"{what}_{k}": (f"{what[0]}{k}",)
                        for k in levels for what in ("generator", "discriminator")}
        self.averaged = tuple(f"generator_{k}" for k in levels)
        make, nets = networks.lapgan, {}
        for k, side in enumerate(r.sides):
            nets[f"g{k}"] = make.residual_generator(
                f"g{k}", size=side, filters=_numbers(r.filters), kernel=r.kernel,
                last_kernel=r.last_kernel, batch_norm=r.batch_norm, dropout=r.generator_dropout,
            ) if k else make.coarsest_generator("g0", size=side, noise=r.code, width=r.width)
            if self.deployed_only:
                continue
            nets[f"d{k}"] = make.residual_discriminator(
                f"d{k}", size=side, filters=_numbers(r.discriminator_filters), dropout=r.dropout,
            ) if k else make.coarsest_discriminator(
                "d0", size=side, width=r.discriminator_width, dropout=r.dropout)
        return nets

    def build_optimizer(self, player, schedule):
        if self.recipe.optimizer == "sgd":
            return keras.optimizers.SGD(schedule, momentum=self.recipe.beta_1,
                                        name=f"sgd_{player}")
        return optimizers.Adam(schedule, beta_1=self.recipe.beta_1, beta_2=0.999, epsilon=1e-8,
                               name=f"adam_{player}")

    def deployed(self):
        return [f"g{k}" for k in range(len(self.recipe.sides))]

    @property
    def generator_sha256(self):
        return generators.sha256(*(self.nets[name] for name in self.deployed()))

    @property
    def latent(self):
        """Numbers of a code: those of the coarsest level, and a plane for each other one."""
        return sum(map(self.wide, range(len(self.recipe.sides))))

    # Training

    @classmethod
    def stages_of(cls, r):
        if r.together:
            return (Stage("training", r.steps, (Phase(),)),)
        found, count = [], len(r.sides)
        for k, side in enumerate(r.sides):
            steps = r.steps * (k + 1) // count - r.steps * k // count
            terms = functools.partial(cls.level_terms, levels=(k,))
            players = (f"generator_{k}", f"discriminator_{k}")
            found.append(Stage(f"level {k}, {side} px", steps, (Phase(players, 1, terms),)))
        return tuple(found)

    def loss_terms(self, batch):
        return self.level_terms(batch, range(len(self.recipe.sides)))

    def level_terms(self, batch, levels):
        """What the players of some levels pay."""
        found = {}
        for k in levels:
            coarse, real = self.pictures(batch["a"], k)
            key = tf.random.experimental.stateless_fold_in(batch["key"], 20 + k, alg="philox")
            made = self.made(coarse, draw("uniform", (real.shape[0], self.wide(k)), key), k, True)
            of_real, of_made = networks.together(self.nets[f"d{k}"], real, made)
            found[f"generator_{k}"] = {"adversarial": losses.real_loss("bce", of_made)}
            found[f"discriminator_{k}"] = {"real": 0.5 * losses.real_loss("bce", of_real),
                                           "fake": 0.5 * losses.fake_loss("bce", of_made)}
        return found

    def pictures(self, x, k):
        """Pictures at level k: (those of the level below, enlarged, or None; themselves)."""
        sides, resampled = self.recipe.sides, networks.lapgan.resampled
        real = resampled(x, sides[k])
        return (resampled(resampled(x, sides[k - 1]), sides[k]) if k else None), real

    def wide(self, k):
        """How many numbers of a code are level k's."""
        return self.recipe.sides[k] ** 2 if k else self.recipe.code

    def made(self, coarse, noise, k, training):
        """The pictures of level k, of noise [n, wide(k)] and enlarged ones of the level below."""
        generator = self.nets[f"g{k}"]
        if not k:
            return generator(noise, training=training)
        side = self.recipe.sides[k]
        plane = ops.reshape(noise, (-1, side, side, 1))
        return coarse + generator([coarse, plane], training=training)

    def generate(self, given):
        sides, x = self.recipe.sides, None
        noise = tf.split(given, [self.wide(k) for k in range(len(sides))], axis=1)
        for k, side in enumerate(sides):
            coarse = networks.lapgan.resampled(x, side) if k else None
            x = self.made(coarse, noise[k], k, False)
        return x


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 16, "levels": "4,8,16",
    "load_size": 0, "batch": 4, "steps": 20, "code": 4, "width": 8, "discriminator_width": 8,
    "filters": "4,4", "kernel": 3, "last_kernel": 3, "discriminator_filters": "4,4",
}

register("lapgan", LAPGAN, LAPGANRecipe(
    size=28, load_size=32, batch=64, steps=300_000, learning_rate=0.02, beta_1=0.5, decay_from=1.0,
), card="lapgan.md", tiny=TINY,
   phrase="pictures from noise level by level of a pyramid, the paper's networks at 28 px")

register("lapgan_small", LAPGAN, LAPGANRecipe(
    data=f"{FACES}?n=20000", size=64, flip=False, levels="8,16,32,64", together=True, batch=16,
    steps=4_000, width=600, discriminator_width=300, filters="32,32", kernel=5,
    discriminator_filters="32,32", optimizer="adam", learning_rate=2e-4, ema=0.99,
), card="lapgan.md", tiny={**TINY, "together": True},
   phrase="pictures from noise level by level of a pyramid, narrow at 64 px, for a CPU")
