"""PGN: the next frame of a clip, from the state of an LSTM, and what that state knows.

Lotter, Kreiman, Cox: Unsupervised learning of visual structure using predictive generative
networks, 2015 (arXiv 1511.06380). There is no code of theirs, and the numbers of the paper that are
fields here are those that we know of it, not all of them for certain (see the card).

An encoder sees each frame, an LSTM remembers, a decoder makes the next frame of its state. The
generator pays the mean squared error (of values in [0, 1]) and, if the weight is above 0, for not
being taken for real by a discriminator that sees the frame with the past that it follows. It begins
by the squared error alone (`pretrain_steps`). `--target last` is the autoencoder that the paper
compares with: the same networks, which give the last frame back.

Deviations: both players learn from one shared forward pass; frames are RGB; the discriminator looks
at the past by the same encoder as at the frame; kernels, maps, levels, the size of the networks and
the lengths of trainings are ours.
"""

from dataclasses import dataclass

from kgan.core.errors import UsageError
from kgan.core.lazy import keras, losses, networks, np, ops, tf
from kgan.core.recipe import Recipe, knob
from kgan.core.registry import register
from kgan.models.gan import GAN, Phase, Stage
from kgan.models.predicting import CLIP, Predicts, clip_of


@dataclass(frozen=True)
class PGNRecipe(Recipe):
    data: str = knob("avatars:turning", "clips to train on: avatars:turning, bouncing:balls, "
                     "bouncing:glyphs, video:PATH", group="data")
    flip: bool = knob(False, "mirror training clips at random (our addition)", group="data")
    history: int = knob(5, "frames that a training shows before the one that is to come", low=1,
                        high=32)
    ahead: int = knob(3, "frames that are predicted one after the other where they are shown, "
                      "measured and served", low=1, high=32)
    least: int = knob(0, "frames after which predictions count; fewer than --history make one "
                      "after each frame from there on; 0 = --history, the last alone", low=0)
    target: str = knob("next", "what is made: the next frame, or the last one that was seen, by "
                       "an autoencoder", choices=("next", "last"))
    filters: int = knob(32, "maps of the layers of encoder and decoder", low=1)
    kernel: int = knob(5, "side of the kernels", low=1)
    levels: int = knob(4, "times that the encoder halves a frame", low=1, high=8)
    units: int = knob(1568, "numbers of the LSTM's state", low=1)
    discriminator_filters: int = knob(32, "maps of the layers of the discriminator", low=1)
    discriminator_units: int = knob(512, "numbers of the state of the discriminator's LSTM and of "
                                    "its dense layers", low=1)
    lambda_mse: float = knob(1.0, "weight of the mean squared error of values in [0, 1]", low=0,
                             group="loss")
    lambda_adversarial: float = knob(2e-4, "weight of the adversarial term; 0 leaves the "
                                     "discriminator out", low=0, group="loss")
    pretrain_steps: int = knob(0, "first of the steps, without the discriminator", low=0,
                               group="schedule")
    discriminator_rate: float = knob(0.01, "learning rate of the discriminator, by SGD with a "
                                     "momentum of 0.5", low=0, group="schedule")

    def check(self):
        super().check()
        if self.size % 2**self.levels:
            raise UsageError(f"--size {self.size} must be a multiple of {2**self.levels}: "
                             f"--levels {self.levels} halve a frame so often.")
        if self.least > self.history:
            raise UsageError(f"--least {self.least} must be at most --history {self.history}.")
        if self.target == "last" and self.lambda_adversarial:
            raise UsageError("--target last is an autoencoder, whose discriminator would see the "
                             "frame itself: say --lambda_adversarial 0.")
        if not self.lambda_mse + self.lambda_adversarial:
            raise UsageError("Nothing to learn from: --lambda_mse or --lambda_adversarial must be "
                             "above 0.")
        if self.lambda_adversarial and self.pretrain_steps >= self.steps:
            raise UsageError("--pretrain_steps are the first of --steps and must be fewer.")
        if self.pretrain_steps and not self.lambda_mse:
            raise UsageError("--pretrain_steps learn from --lambda_mse alone, which must be above "
                             "0.")


class PGN(Predicts, GAN):
    """Encoder, LSTM and decoder against a discriminator of frames with their past."""

    players = {"generator": ("e", "r", "g"), "discriminator": ("de", "dr", "d")}
    recurrent = True

    @classmethod
    def signals_of(cls, recipe):
        return (clip_of(recipe, native=False),)

    @classmethod
    def directions_of(cls, recipe):
        (how,) = cls.prediction(recipe, "g").values()
        return {recipe.target: how}

    @property
    def measures(self):
        return ("prediction", "readout") if self.recipe.target == "next" else ("readout",)

    def deployed(self):
        return ["e", "g", "r"]

    def build_networks(self, r):
        pgn, shape = networks.pgn, {"size": r.size, "kernel": r.kernel, "levels": r.levels}
        places = (r.size // 2**r.levels) ** 2
        nets = {
            "e": pgn.frame_encoder("e", filters=r.filters, **shape),
            "r": pgn.recurrent("r", r.filters * places, r.units),
            "g": pgn.frame_decoder("g", units=r.units, filters=r.filters, **shape),
        }
        if self.deployed_only:
            return nets
        features = r.discriminator_filters * places
        return nets | {
            "de": pgn.frame_encoder("de", filters=r.discriminator_filters, **shape),
            "dr": pgn.recurrent("dr", features, r.discriminator_units),
            "d": pgn.judge("d", features, r.discriminator_units),
        }

    @classmethod
    def stages_of(cls, r):
        alone, both = Phase(("generator",)), Phase(("generator", "discriminator"))
        if not r.lambda_adversarial:
            return (Stage("training", r.steps, (alone,)),)
        alone = Phase(("generator",), loss_terms="pretraining_terms")
        stages = (Stage("pretraining", r.pretrain_steps, (alone,)),
                  Stage("adversarial", r.steps - r.pretrain_steps, (both,)))
        return tuple(stage for stage in stages if stage.steps)

    def build_optimizer(self, player, schedule):
        r = self.recipe
        if player == "discriminator":
            schedule = schedule.times(r.discriminator_rate / max(r.learning_rate, 1e-12))
            return keras.optimizers.SGD(schedule, momentum=0.5, name=f"sgd_{player}")
        return keras.optimizers.RMSprop(schedule, rho=0.9, epsilon=1e-6, name=f"rmsprop_{player}")

    def states(self, frames):
        """What the LSTM gives out after each frame: float32 [n, t, size, size, 3] in [-1, 1] ->
        float32 [n, t, units]."""
        return self.r(by_clip(self.e(by_frame(frames)), frames))

    def made(self, batch):
        """(the frames that are seen, those that are made, what they should be), from the first on
        that counts: [n, history, h, w, 3], twice [n, history - least + 1, h, w, 3]."""
        r, clip = self.recipe, batch[CLIP]
        seen, first = clip[:, :-1], (r.least or r.history) - 1
        truth = (clip[:, 1:] if r.target == "next" else seen)[:, first:]
        states = self.states(seen)[:, first:]
        return seen, by_clip(self.g(by_frame(states)), truth), truth

    def pretraining_terms(self, batch):
        _, made, truth = self.made(batch)
        return {"generator": {"mse": self.recipe.lambda_mse * 0.25 * losses.l2(made, truth)}}

    def loss_terms(self, batch):
        r = self.recipe
        seen, made, truth = self.made(batch)
        paid = {"mse": r.lambda_mse * 0.25 * losses.l2(made, truth)} if r.lambda_mse else {}
        if not r.lambda_adversarial:
            return {"generator": paid}
        real, fake = self.opinions(seen, truth, made)
        paid["adversarial"] = r.lambda_adversarial * losses.real_loss("bce", fake)
        return {"generator": paid, "discriminator": {
            "real": losses.real_loss("bce", real), "fake": losses.fake_loss("bce", fake)}}

    def opinions(self, seen, *proposed):
        """Logits of the discriminator, of frames [n, m, h, w, 3] behind the last m of those that
        are seen: of each a [n m, 1]."""
        past, *frames = networks.together(self.de, *map(by_frame, (seen, *proposed)))
        past = by_frame(self.dr(by_clip(past, seen))[:, -proposed[0].shape[1] :])
        found = self.d([ops.concatenate([past] * len(frames), axis=0),
                        ops.concatenate(frames, axis=0)])
        return ops.split(found, len(frames), axis=0)

    def next_frame(self, frames):
        made = self.g(self.represent(frames), training=False)
        return resized(made, networks.layers.sides_of(frames)[2:4])

    def represent(self, frames):
        """The LSTM's state after the last of some frames.

        Args:
            frames: float32 [n, t, h, w, 3] in [-1, 1], any t and sides; they are brought to those
                of the networks.

        Returns:
            float32 [n, units].
        """
        small = resized(by_frame(frames), [self.recipe.size] * 2)
        return self.r(by_clip(self.e(small, training=False), frames), training=False)[:, -1]

    def show(self, batch):
        shown = super().show(batch)
        if self.recipe.target == "last":
            clip = np.asarray(batch[CLIP])
            shown = {"last": clip[:, -2], "given back": shown["next"]}
        return shown

    def show_moving(self, batch):
        return super().show_moving(batch) if self.recipe.target == "next" else ({}, 0)


def resized(pictures, sides):
    """Pictures [n, h, w, 3] at other sides [height, width], with antialiasing."""
    known = all(isinstance(side, int) for side in sides)
    if known and pictures.shape[1:3].as_list() == list(sides):
        return pictures
    return tf.image.resize(pictures, sides, antialias=True)


def by_frame(x):
    """[n, t, ...] -> [n t, ...]."""
    n, t, *rest = networks.layers.sides_of(x)
    return tf.reshape(x, [n * t, *rest])


def by_clip(x, like):
    """[n t, ...] -> [n, t, ...], the n and t of `like`."""
    return tf.reshape(x, [*networks.layers.sides_of(like)[:2], *networks.layers.sides_of(x)[1:]])


PAPER = {"decay_from": 1.0, "learning_rate": 1e-3, "batch": 4}
TINY = {"data": "avatars:turning?n=12&test=8", "size": 16, "load_size": 0, "batch": 2, "steps": 20,
        "history": 3, "ahead": 2, "filters": 4, "kernel": 3, "levels": 2, "units": 8,
        "discriminator_filters": 4, "discriminator_units": 8, "pretrain_steps": 4}

register(
    "pgn", PGN, PGNRecipe(**PAPER, size=144, steps=200_000, pretrain_steps=150_000),
    card="pgn.md", tiny=TINY,
    phrase="the next frame of a clip by an encoder, an LSTM and a decoder",
)
register(
    "pgn_small", PGN, PGNRecipe(
        **PAPER | {"batch": 8}, size=64, steps=10_000, pretrain_steps=7500, filters=16, levels=3,
        units=512, discriminator_filters=16, discriminator_units=128,
    ), card="pgn.md", tiny=TINY,
    phrase="the next frame of a clip by an encoder, an LSTM and a decoder, narrow, for a CPU",
)
