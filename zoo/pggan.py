"""Progressive GAN: a generator that grows from 4x4 to its full size while it is trained.

Karras, Aila, Laine, Lehtinen: Progressive growing of GANs, ICLR 2018 (arXiv 1710.10196). Default
is the variant on which the cyclic reverse generator (Dogan, Keles 2020) stands: spectral norm on
every kernel of both networks, two updates of the discriminator for each of the generator, and
twice its learning rate. Growing is counted in pictures that the discriminator has seen.

Deviations: one batch size at all levels (as in the original's Theano code; its TensorFlow code and
the variant take 128 up to 16 px); real pictures are halved by means of 2x2 from the full size, and
while a level fades in they are blended with their own halves doubled, as in the original.
"""

import functools
from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import keras, losses, networks, ops, pggan, tf
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.data.spec import FACES
from kgan.models.gan import Phase, Stage
from kgan.models.latent import LatentGAN


@dataclass(frozen=True)
class PGGANRecipe(Recipe):
    data: str = knob(FACES, "pictures to train on; generators take one set, labelled or not",
                     group="data")
    latent: int = knob(128, "numbers of a code, drawn from N(0, 1) and brought to one length",
                       low=1)
    cap: int = knob(128, "most maps of a layer of the generator", low=1)
    discriminator_cap: int = knob(512, "most maps of a layer of the discriminator", low=1)
    base: int = knob(8192, "maps of a layer times half its side, where the cap allows", low=1)
    spectral: bool = knob(True, "spectral norm on every kernel (not in the original)")
    fade_images: int = knob(800_000, "pictures while a level fades in; 0 = at once", low=0,
                            group="schedule")
    stable_images: int = knob(800_000, "pictures after it, before the next level; the last level "
                              "has what is left of --steps", low=1, group="schedule")
    discriminator_steps: int = knob(2, "updates of the discriminator in a step", low=1,
                                    group="schedule")
    discriminator_rate: float = knob(2.0, "the discriminator's learning rate, in multiples of "
                                     "--learning_rate", low=0, group="schedule")
    beta_2: float = knob(0.99, "Adam's beta 2", low=0, high=0.9999, group="schedule")
    restart: bool = knob(True, "optimizers begin anew whenever a level begins to fade in or is "
                         "there", group="schedule")
    lambda_penalty: float = knob(10.0, "weight of the gradient penalty", low=0, group="loss")
    drift: float = knob(0.001, "weight of the square of what the discriminator says of real "
                        "pictures", low=0, group="loss")

    def check(self):
        super().check()
        if self.size & (self.size - 1):
            raise UsageError(f"--size {self.size} must be a power of two.")
        if self.restart and self.decay_from < 1:
            raise UsageError("--decay_from below 1 needs --norestart: optimizers that begin anew "
                             "count their steps anew.")
        if self.growing >= self.steps:
            raise UsageError(f"--steps must be more than {self.growing:,}: growing to --size "
                             f"{self.size} takes so many with these --fade_images, "
                             "--stable_images and --batch.")

    @property
    def levels(self):
        """How many sizes there are, the first of 4x4."""
        return self.size.bit_length() - 2

    def in_steps(self, images):
        """Steps in which the discriminator sees so many pictures; none only of none."""
        return -(-images // (self.batch * self.discriminator_steps))

    @property
    def growing(self):
        """Steps until the last level is there."""
        fading, stable = map(self.in_steps, (self.fade_images, self.stable_images))
        return (self.levels - 1) * (fading + stable)


class PGGAN(LatentGAN):
    """A generator and a discriminator that grow together."""

    players = {"generator": ("g",), "discriminator": ("d",)}
    prior = "normal"
    normalises = True

    def build_networks(self, r):
        def shape(cap):
            return {"size": r.size, "cap": cap, "base": r.base, "spectral": r.spectral}

        nets = {"g": networks.ProgressiveGenerator(r.latent, **shape(r.cap), name="g")}
        if not self.deployed_only:
            nets["d"] = networks.ProgressiveDiscriminator(**shape(r.discriminator_cap), name="d")
        return nets

    def build_optimizer(self, player, schedule):
        if player == "discriminator":
            schedule = schedule.times(self.recipe.discriminator_rate)
        return keras.optimizers.Adam(schedule, beta_1=self.recipe.beta_1,
                                     beta_2=self.recipe.beta_2, epsilon=1e-8,
                                     name=f"adam_{player}")

    def stages(self):
        """A stage for each level while it fades in, and one when it is there."""
        return tuple(stage for stage, *_ in self.growth())

    def growth(self):
        """[(stage, level, first step of its fading or None, steps of it)]."""
        r, found, begin = self.recipe, [], 0
        for level in range(r.levels):
            last = level == r.levels - 1
            for fading in (True, False) if level and r.fade_images else (False,):
                steps = r.in_steps(r.fade_images if fading else r.stable_images)
                if last and not fading:
                    steps = r.steps - begin
                place = (level, begin if fading else None, steps)
                side = 4 * 2**level
                phases = (
                    Phase(("discriminator",), r.discriminator_steps,
                          functools.partial(type(self).discriminator_terms, place=place)),
                    Phase(("generator",), 1,
                          functools.partial(type(self).generator_terms, place=place), fresh=False),
                )
                name = f"{side} px, fading in" if fading else f"{side} px"
                found.append((Stage(name, steps, phases), *place))
                begin += steps
        return found

    def begin_stage(self, name):
        if not self.recipe.restart:
            return
        for optimizer in self.optimizers.values():
            if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                optimizer = optimizer.inner_optimizer
            for v in optimizer.variables:
                v.assign(ops.zeros_like(v))

    def alpha(self, place, step):
        """How much of a level is there: from 0 to 1 while it fades in, else None."""
        _, begin, steps = place
        if begin is None:
            return None
        return tf.clip_by_value(tf.cast(step - begin, tf.float32) / steps, 0.0, 1.0)

    def discriminator_terms(self, batch, place):
        r, alpha = self.recipe, self.alpha(place, batch["step"])

        def judge(pictures):
            return self.d(pictures, level=place[0], alpha=alpha, training=True)

        real = self.shrunk(batch["a"], place[0], alpha)
        fake = ops.stop_gradient(self.make(batch, place, alpha))
        key = tf.random.experimental.stateless_fold_in(batch["key"], 8, alg="philox")
        of_real = judge(real)
        return {"discriminator": {
            "real": losses.real_loss("wasserstein", of_real),
            "fake": losses.fake_loss("wasserstein", judge(fake)),
            "penalty": r.lambda_penalty * losses.gradient_penalty(judge, real, fake, key),
            "drift": r.drift * ops.mean(ops.square(of_real)),
        }}

    def generator_terms(self, batch, place):
        alpha = self.alpha(place, batch["step"])
        fake = self.make(batch, place, alpha)
        opinion = self.d(fake, level=place[0], alpha=alpha, training=True)
        return {"generator": {"adversarial": losses.real_loss("wasserstein", opinion)}}

    def make(self, batch, place, alpha):
        return self.g(self.noise(batch), level=place[0], alpha=alpha, training=True)

    def shrunk(self, pictures, level, alpha):
        """Real pictures as a level sees them."""
        for _ in range(self.recipe.levels - 1 - level):
            pictures = pggan.halved(pictures)
        if alpha is None:
            return pictures
        blurred = pggan.doubled(pggan.halved(pictures))
        return alpha * pictures + (1.0 - alpha) * blurred

    def show(self, batch):
        """Samples of the level that is being trained, enlarged to the full size."""
        stage = self.stage.name if self.optimizers else None
        place = next((p for s, *p in self.growth() if s.name == stage), None)
        if place is None or (place[0] == self.recipe.levels - 1 and place[1] is None):
            return super().show(batch)
        alpha = self.alpha(place, tf.cast(tf.convert_to_tensor(self.step), tf.int32))
        shown = {"a": batch["a"]}
        for i in range(4):
            made = self.g(self.codes(len(batch["a"]), seed=i), level=place[0], alpha=alpha)
            for _ in range(self.recipe.levels - 1 - place[0]):
                made = pggan.doubled(made)
            shown[f"generated {i + 1}"] = tf.clip_by_value(tf.cast(made, tf.float32), -1.0, 1.0)
        return shown


TINY = {
    "data": "avatars:Smiling,Eyeglasses?n=24&test=8", "size": 8, "load_size": 0, "batch": 4,
    "steps": 12, "fade_images": 0, "stable_images": 16, "latent": 4, "cap": 4,
    "discriminator_cap": 4, "base": 16, "restart": False,
}
PAPER = {
    "size": 128, "batch": 16, "steps": 375_000, "learning_rate": 1e-3, "beta_1": 0.0,
    "decay_from": 1.0, "ema": 0.999,
}
SMALL = {
    **PAPER, "data": f"{FACES}?n=20000", "size": 64, "steps": 8_500, "cap": 64,
    "discriminator_cap": 64, "base": 1024, "spectral": False, "learning_rate": 3e-3,
    "fade_images": 16_000, "stable_images": 32_000, "latent": 64, "ema": 0.995,
}

register("pggan", PGGAN, PGGANRecipe(**PAPER), card="pggan.md", tiny=TINY, weights=("avatars_64",),
         phrase="a generator that grows from 4x4 to 128 px, with spectral norm")
register("pggan_small", PGGAN, PGGANRecipe(**SMALL), card="pggan.md", tiny=TINY,
         phrase="a generator that grows from 4x4 to 64 px, for a CPU")
