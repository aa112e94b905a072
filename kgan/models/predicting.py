"""Predicts: models that see frames and make the next one.

Further frames are made of those that were made: the oldest is dropped, the newest put behind.
"""

from kgan.core.errors import UsageError
from kgan.core.lazy import np, pixels, tf
from kgan.data.signals import Signal
from kgan.models.translation import Translation

CLIP = "clip"  # the signal that they are trained on


def clip_of(recipe, native):
    """The signal of a model that learns frame `history` + 1 of `history` frames before it."""
    return Signal(CLIP, "frames", frames=recipe.history + 1, height=recipe.size, width=recipe.size,
                  native=native)


def names_of(history):
    """What the frames are called that a direction takes, the oldest first: frame1, frame2, ..."""
    return tuple(f"frame{i + 1}" for i in range(history))


class Predicts:
    """The half of a `kgan.models.gan.GAN` that predicts frames.

    A model has `recipe.history` (frames that it sees) and `recipe.ahead` (frames that are predicted
    one after the other where it is shown, measured and served), takes its signals from `clip_of`,
    its directions from `prediction`, and says `next_frame`. One that is `recurrent` looks at any
    number of frames, and at all that it is given.
    """

    measures = ("prediction",)
    recurrent = False

    @staticmethod
    def prediction(recipe, network):
        """The directions: from frames by their names to the next one."""
        return {"next": Translation(names_of(recipe.history), "next", network)}

    def next_frame(self, frames):
        """float32 [n, history, h, w, 3] in [-1, 1], sides that are multiples of `multiple`, ->
        the next of each, float32 [n, h, w, 3] in [-1, 1]."""
        raise NotImplementedError

    def forward(self, x, direction):
        return self.next_frame(tf.stack([x[name] for name in names_of(self.recipe.history)], 1))

    def predict_frames(self, frames, count=1):
        """Predicts frames, one after the other.

        Args:
            frames: [n, t, h, w, 3], t >= `recipe.history`, the last of which are looked at (of a
                `recurrent` model t >= 1, and all are); uint8, or float in [-1, 1].
            count: how many to make.

        Returns:
            A tensor [n, count, h, w, 3] of the type of `frames`.

        Raises:
            UsageError: fewer frames than it sees.
            ValueError, TypeError: something else, see `kgan.core.pixels.checked`.
        """
        frames = tf.convert_to_tensor(frames)
        history = 1 if self.recurrent else self.recipe.history
        few = frames.shape.rank == 5 and frames.shape[1] is not None and frames.shape[1] < history
        if frames.shape.rank != 5 or few:
            raise UsageError(f"{self.name_in_zoo} sees clips [n, {history} or more, h, w, 3], not "
                             f"{list(frames.shape)}.")
        if not self.recurrent:
            frames = frames[:, -history:]
        n, t, h, w = tf.unstack(tf.shape(frames)[:4])
        flat, dtype = pixels.given(tf.reshape(frames, [-1, h, w, frames.shape[4]]))
        flat = pixels.extend(flat, self.multiple, self.smallest)
        sides = tf.shape(flat)[1:3]
        seen = tf.reshape(flat, [n, frames.shape[1] or t, sides[0], sides[1], 3])
        made = []
        for _ in range(count):
            made.append(tf.clip_by_value(tf.cast(self.next_frame(seen), tf.float32), -1.0, 1.0))
            seen = tf.concat([seen if self.recurrent else seen[:, 1:], made[-1][:, tf.newaxis]], 1)
        return pixels.as_given(tf.stack(made, 1)[:, :, :h, :w], dtype)

    def show(self, batch):
        """The last frame that is seen, what is made of it, and what comes next."""
        clip = np.asarray(batch[CLIP])
        made = self.predict_frames(clip[:, :-1], 1)
        return {"last": clip[:, -2], "next": np.asarray(made)[:, 0], "truth": clip[:, -1]}

    def show_moving(self, batch):
        """`{title: float32 [n, frames, h, w, 3]}`: what is seen, then what is predicted; and how
        many of the frames are seen."""
        clip = np.asarray(batch[CLIP])[:, :-1]
        made = np.asarray(self.predict_frames(clip, self.recipe.ahead))
        return {"predicted": np.concatenate([clip, made], 1)}, clip.shape[1]

    def served(self):
        """`predict`: clips uint8 [n, history, h, w, 3] -> the next `ahead` frames of each; of a
        `recurrent` model clips of any length."""
        history, side = self.recipe.history, self.recipe.size

        def predict(frames):
            return {"frames": self.predict_frames(frames, self.recipe.ahead)}

        seen = None if self.recurrent else history
        spec = tf.TensorSpec([None, seen, None, None, 3], tf.uint8, name="frames")
        example = np.zeros((1, history, side, side, 3), np.uint8)
        example[0, :, side // 4 : side // 2] = np.arange(history)[:, None, None, None] * 50
        function = tf.function(predict, input_signature=[spec], autograph=False)
        return {"predict": (function, {"frames": example})}
