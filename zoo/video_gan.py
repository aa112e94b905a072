"""Video prediction at four scales: the next frame of four, and by recursion further ones.

Mathieu, Couprie, LeCun: Deep multi-scale video prediction beyond mean square error, ICLR 2016
(arXiv 1511.05440), sections 2 to 4, with kernels, resampling and order of the updates from the
authors' code where the paper leaves them open.

Four generators, from 1/8 of the size to the whole, each with a discriminator that sees a frame
behind those that it follows. The generator pays, summed over the scales, for the distance to the
true frame (L1 or L2), for the difference of the two frames' gradients (GDL), and for not being
taken for real. The paper's variants are fields: weights of 0 leave a term out. A step is an update
of the discriminators and one of the generators, each on pieces of its own; discriminators are also
shown true frames behind another clip's history, as wrong ones.

Deviations: terms are means over a picture's numbers (the paper sums), which keeps their weights at
every size. Of what is wrong, frames that were made and frames of other clips count half each. The
generator's rate falls linearly between the two that the paper names. Adam, He's first weights and
more steps of prediction (`ahead`) are ours; `_small` has them.
"""

from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import keras, losses, networks, ops, optimizers, schedules
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.models.gan import GAN, Phase, Stage
from kgan.models.predicting import CLIP, Predicts, clip_of

LEAST = 32  # of the discriminators


@dataclass(frozen=True)
class VideoGANRecipe(Recipe):
    data: str = knob("avatars:turning", "videos to train on: video:PATH (a folder of frames, of "
                     "folders of frames or of files), avatars:turning, bouncing:balls, "
                     "bouncing:glyphs", group="data")
    history: int = knob(4, "frames that the next one is made of", low=1, high=16)
    ahead: int = knob(2, "frames that are predicted one after the other where they are shown, "
                      "measured and served", low=1, high=16)
    filters: int = knob(128, "maps of the first layer of each scale of the generator; the authors' "
                        "script has 16", low=1)
    discriminator_filters: int = knob(64, "maps of the first layer of the coarsest discriminator",
                                      low=1)
    first: str = knob("torch", "first weights: uniform of variance 1 / (3 fan in) as Torch has "
                      "them, or He's (our addition)", choices=("torch", "he"))
    distance: str = knob("l1", "distance to the true frame: of absolute (l1) or squared (l2) "
                         "differences", choices=("l1", "l2"), group="loss")
    lambda_distance: float = knob(1.0, "weight of the distance to the true frame; 0 leaves it out",
                                  low=0, group="loss")
    lambda_gdl: float = knob(1.0, "weight of the gradient difference; 0 leaves it out", low=0,
                             group="loss")
    alpha: float = knob(1.0, "power of the gradient difference", low=1, high=4, group="loss")
    lambda_adversarial: float = knob(0.05, "weight of the adversarial term; 0 leaves the "
                                     "discriminators out", low=0, group="loss")
    mismatched: bool = knob(True, "discriminators are also shown true frames of another clip, as "
                            "wrong ones", group="loss")
    optimizer: str = knob("sgd", "the paper's SGD without momentum, or Adam (our addition)",
                          choices=("sgd", "adam"), group="schedule")
    last_rate: float = knob(0.005, "learning rate of the generator at the last step, to which it "
                            "falls linearly", low=0, group="schedule")
    discriminator_rate: float = knob(0.02, "learning rate of the discriminators", low=0,
                                     group="schedule")

    def check(self):
        super().check()
        if self.size % 8 or self.size < LEAST:
            raise UsageError(f"--size {self.size} must be a multiple of 8, {LEAST} or more: the "
                             "coarsest of four scales has an eighth of it.")
        if self.lambda_adversarial and self.mismatched and self.batch // self.accumulate < 2:
            raise UsageError("--mismatched shows frames of other clips: a share of a batch must "
                             "have 2 clips at least.")
        if not self.lambda_distance + self.lambda_gdl + self.lambda_adversarial:
            raise UsageError("Nothing to learn from: --lambda_distance, --lambda_gdl or "
                             "--lambda_adversarial must be above 0.")


class VideoGAN(Predicts, GAN):
    """A generator of four scales and a discriminator for each."""

    players = {"generator": ("g",), "discriminator": ("d1", "d2", "d3", "d4")}
    multiple = smallest = 8

    @classmethod
    def signals_of(cls, recipe):
        return (clip_of(recipe, native=True),)

    @classmethod
    def directions_of(cls, recipe):
        return cls.prediction(recipe, "g")

    def build_networks(self, r):
        own = {"history": r.history, "first": r.first}
        nets = {"g": networks.video_gan.video_generator("g", filters=r.filters, **own)}
        if self.deployed_only:
            return nets
        return nets | {
            f"d{k + 1}": networks.video_gan.video_discriminator(
                f"d{k + 1}", k, size=r.size, filters=r.discriminator_filters, **own)
            for k in range(networks.video_gan.SCALES)
        }

    @classmethod
    def stages_of(cls, r):
        phases = (Phase(("generator",), 1, cls.generator_terms),)
        if r.lambda_adversarial:
            phases = (Phase(("discriminator",), 1, cls.discriminator_terms), *phases)
        return (Stage("training", r.steps, phases),)

    def build_optimizer(self, player, schedule):
        r = self.recipe
        if player == "discriminator":
            schedule = schedule.times(r.discriminator_rate / max(r.learning_rate, 1e-12))
        else:
            schedule = schedules.PowerDecay(schedule, self.step, r.steps, 1,
                                            r.last_rate / max(r.learning_rate, 1e-12))
        if r.optimizer == "sgd":
            return keras.optimizers.SGD(schedule, name=f"sgd_{player}")
        return optimizers.Adam(schedule, beta_1=r.beta_1, beta_2=0.999, epsilon=1e-8,
                               name=f"adam_{player}")

    def seen(self, batch):
        """What is seen and what follows: [n, h, w, history * 3] and [n, h, w, 3]."""
        clip = batch[CLIP]
        return joined(clip[:, :-1]), clip[:, -1]

    def opinions(self, pyramid, frames):
        """The logits of the discriminators of each scale, of frames behind what they follow."""
        return [self.nets[f"d{k + 1}"](ops.concatenate(pair, axis=-1))
                for k, pair in enumerate(zip(pyramid, frames, strict=True))]

    def generator_terms(self, batch):
        r, (x, truth) = self.recipe, self.seen(batch)
        made, true = self.g(x), scales(truth)
        distance, paid = (losses.l1 if r.distance == "l1" else losses.l2), {}
        pairs = list(zip(made, true, strict=True))
        if r.lambda_distance:
            paid["distance"] = r.lambda_distance * sum(distance(y, t) for y, t in pairs)
        if r.lambda_gdl:
            paid["gdl"] = r.lambda_gdl * sum(
                losses.gradient_difference(y, t, r.alpha) for y, t in pairs)
        if r.lambda_adversarial:
            fools = [losses.real_loss("bce", logits) for logits in self.opinions(scales(x), made)]
            paid["adversarial"] = r.lambda_adversarial * sum(fools)
        return {"generator": paid}

    def discriminator_terms(self, batch):
        x, truth = self.seen(batch)
        made, true, pyramid = self.g(x), scales(truth), scales(x)

        def paid(loss, frames):
            return sum(loss("bce", logits) for logits in self.opinions(pyramid, frames))

        found = {"real": paid(losses.real_loss, true), "fake": paid(losses.fake_loss, made)}
        if self.recipe.mismatched:
            if truth.shape[0] == 1:  # else its own past would be another clip's
                raise UsageError("--mismatched needs 2 clips at least on each device: a larger "
                                 "--batch, or --nomismatched.")
            others = [ops.roll(t, 1, axis=0) for t in true]
            found["fake"] = 0.5 * found["fake"]
            found["mismatched"] = 0.5 * paid(losses.fake_loss, others)
        return {"discriminator": found}

    def next_frame(self, frames):
        return self.g(joined(frames), training=False)[-1]


def joined(frames):
    """Frames [n, t, h, w, c] one behind the other: [n, h, w, t * c]."""
    return ops.concatenate([frames[:, i] for i in range(frames.shape[1])], axis=-1)


def scales(x):
    """Pictures [n, h, w, c] at 1/8, 1/4, 1/2 and the whole of their size, by means."""
    return [ops.average_pool(x, 2**k, 2**k) if k else x
            for k in reversed(range(networks.video_gan.SCALES))]


PAPER = {"size": 32, "batch": 8, "decay_from": 1.0}
TINY = {"data": "bouncing:balls?n=12&test=6&count=1", "size": 32, "load_size": 0, "batch": 2,
        "steps": 20, "filters": 2, "discriminator_filters": 2, "history": 2}

register(
    "video_gan", VideoGAN, VideoGANRecipe(**PAPER, learning_rate=0.04, steps=500_000),
    card="video_gan.md", tiny=TINY, weights=("avatars_turning",),
    phrase="the next frames of a video, the paper's networks on pieces of 32 px",
)
register(
    "video_gan_small", VideoGAN, VideoGANRecipe(
        **PAPER, filters=24, discriminator_filters=16, first="he", optimizer="adam",
        learning_rate=5e-4, last_rate=5e-5, discriminator_rate=2e-4, lambda_adversarial=0.002,
        steps=4000,
    ), card="video_gan.md", tiny=TINY,
    phrase="the next frames of a video, narrow, for a CPU",
)
