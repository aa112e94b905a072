"""Models of a latent space: a generator that makes pictures from codes, and its samples.

Codes are float32 [n, latent], drawn from a prior: N(0, 1), U(-1, 1), or uniform on the unit sphere.
Such a model has no directions; it is exported with the signatures `serving_default` (codes -> PNG
bytes) and `decode` (codes -> uint8 pictures).
"""

from kgan.core.batches import parts
from kgan.core.errors import UsageError
from kgan.core.lazy import generators, labelled, np, pixels, tf
from kgan.data.signals import usual
from kgan.models.gan import GAN

PRIORS = ("normal", "uniform", "sphere")


def draw(prior, shape, key):
    """Codes of a prior, float32, from a key of `tf.random.stateless_*` (int32 [2])."""
    if prior == "uniform":
        return tf.random.stateless_uniform(shape, key, -1.0, 1.0, alg="philox")
    z = tf.random.stateless_normal(shape, key, alg="philox")
    return tf.math.l2_normalize(z, axis=-1) if prior == "sphere" else z


class LatentGAN(GAN):
    """A GAN whose network `g` turns codes into pictures.

    Its recipe has `latent`, how many numbers a code has, and `prior`, one of `PRIORS`.

    Attributes:
        normalises: the generator brings codes to one length first, so that it does not see it.
        far: how far `tools/edit` moves codes unless it is told, as its `--k`.
    """

    measures = ("samples",)
    normalises = False
    far = "-4,-2,2,4"

    def deployed(self):
        return ["g"]

    @classmethod
    def signals_of(cls, recipe):
        return usual(recipe.size, {"a": 3})

    @property
    def latent(self):
        """How many numbers a code has."""
        return self.recipe.latent

    @property
    def generator_sha256(self):
        """What directions in this model's codes are bound to."""
        return generators.sha256(self.g)

    @property
    def prior(self):
        """What codes are drawn from, one of `PRIORS`; None = none can be drawn."""
        return self.recipe.prior

    @property
    def path(self):
        """How codes are interpolated: on a `"sphere"`, or on a `"line"` if their length counts."""
        return "sphere" if self.normalises or self.prior == "sphere" else "line"

    def codes(self, count, seed=0):
        """Codes of the prior, float32 [count, latent], the same for a seed.

        Raises:
            ValueError: `count` is below 0.
            UsageError: the model has no prior.
        """
        if count < 0:
            raise ValueError(f"the number of codes or samples is 0 or more, not {count}.")
        if not self.prior:
            raise UsageError(f"{self.name_in_zoo} has no prior that codes are drawn from, so it "
                             "makes no pictures out of nothing: give it pictures to encode.")
        return draw(self.prior, (count, self.latent), tf.constant([seed, 0x51A7]))

    def example_codes(self):
        """Two codes to try an export with, an array; they need not be of the prior."""
        return draw(self.prior or "normal", (2, self.latent), tf.constant([0, 0x51A7])).numpy()

    @classmethod
    def label_names_of(cls, recipe):
        """Names of the labels that pictures of a model with this recipe are made by, () = none."""
        return ()

    @property
    def label_names(self):
        """Names of the labels that its pictures are made by; () = none."""
        return self.label_names_of(self.recipe)

    @property
    def conditions(self):
        """How many labels a picture is made by, beside its code; 0 = none."""
        return 0

    @property
    def exclusive(self):
        """Whether the labels are classes, of which each picture has one."""
        return False

    def decode(self, codes, labels=None):
        """Pictures of codes.

        Args:
            codes: float32 [n, latent].
            labels: of a conditional model, float32 [n, conditions] of -1 and 1; None = none of
                them in the first picture, the first in the second and so on, over and over. Where
                labels are classes, no picture has none of them.

        Returns:
            float32 [n, size, size, 3] in [-1, 1].

        Raises:
            ValueError: codes or labels of another shape, or labels of a model that takes none.
        """
        given = _rows(codes, "codes", self.latent)
        count = given.shape[0]
        if self.conditions:
            labels = self._in_turn(tf.shape(given)[0]) if labels is None else (
                _rows(labels, "labels", self.conditions)
            )
            if not labels.shape[:1].is_compatible_with([count]):
                raise ValueError(f"{count} codes need as many rows of labels, not "
                                 f"{labels.shape[0]}.")
            given = [given, labels]
        elif labels is not None:
            raise ValueError(f"{self.name_in_zoo} takes no labels beside codes.")
        if count == 0:
            return tf.zeros((0, self.recipe.size, self.recipe.size, 3))
        return tf.clip_by_value(tf.cast(self.generate(given), tf.float32), -1.0, 1.0)

    def _in_turn(self, count):
        return labelled.in_turn(count, self.conditions, self.exclusive)

    def generate(self, given):
        """What `decode` does before clipping, with codes or [codes, labels]: `g` as deployed."""
        return self.g(given, training=False)

    def served(self):
        example = {"codes": self.example_codes()}
        if self.conditions:
            example["labels"] = self._in_turn(2).numpy()
        spec = [tf.TensorSpec([None, x.shape[1]], tf.float32, name=name)
                for name, x in example.items()]

        def decode(codes, labels=None):
            return {"images": pixels.to_uint8(self.decode(codes, labels))}

        def to_png(codes, labels=None):
            return {"image_bytes": tf.map_fn(
                tf.io.encode_png, decode(codes, labels)["images"],
                fn_output_signature=tf.TensorSpec([], tf.string),
            )}

        functions = {"decode": decode}
        if not self.directions:
            functions["serving_default"] = to_png
        return {
            name: (tf.function(f, input_signature=spec, autograph=False), example)
            for name, f in functions.items()
        }

    def sample(self, count, seed=0, labels=None, batch=64):
        """Generated pictures.

        Args:
            count: how many.
            seed: of their codes.
            labels: of a conditional model, as `decode` takes them, [m, conditions]: the rows are
                taken over and over; None = see there.
            batch: how many are made together.

        Returns:
            uint8 [count, size, size, 3].

        Raises:
            ValueError: `count` is below 0; labels of another shape, of no row, or of a model that
                takes none.
        """
        codes = self.codes(count, seed)
        if labels is not None and self.conditions:
            rows = _rows(labels, "labels", self.conditions)
            if count and not len(rows):
                raise ValueError("labels of samples need a row at least.")
            labels = tf.gather(rows, tf.range(count) % max(len(rows), 1))
        elif self.conditions:
            labels = self._in_turn(count)  # of all batches: each would begin anew
        made = [np.zeros((0, self.recipe.size, self.recipe.size, 3), np.uint8)]
        for rows in parts(range(count), batch):
            some = slice(rows.start, rows.stop)
            given = None if labels is None else labels[some]
            made.append(pixels.to_uint8(self.decode(codes[some], given)).numpy())
        return np.concatenate(made)

    def show(self, batch):
        count = len(batch["a"])
        shown = {"a": batch["a"]}
        for i in range(4):
            shown[f"generated {i + 1}"] = self.decode(self.codes(count, seed=i))
        return shown

    def veiled(self, pictures, batch, salt):
        """Pictures with the noise of this step, which falls to none at the last one.

        Of models whose recipe has `input_noise`, its deviation in the first step.

        Args:
            pictures: [n, h, w, c].
            batch: what terms are of.
            salt: a number for each kind of pictures, whose noise is then its own.
        """
        r = self.recipe
        if not r.input_noise:
            return pictures
        key = tf.random.experimental.stateless_fold_in(batch["key"], salt, alg="philox")
        left = 1.0 - tf.cast(batch["step"], tf.float32) / r.steps
        noise = tf.random.stateless_normal(pictures.shape, key, alg="philox")
        return pictures + r.input_noise * left * noise

    def noise(self, batch):
        """A code of the prior for each picture of a batch, from its key."""
        key = tf.random.experimental.stateless_fold_in(batch["key"], 7, alg="philox")
        return draw(self.prior, (batch["a"].shape[0], self.latent), key)


def _rows(values, what, width):
    """Given codes or labels as float32 [n, width]; `ValueError` if they are of another shape."""
    try:
        x = tf.convert_to_tensor(values)
    except (TypeError, ValueError):
        raise ValueError(f"{what} are numbers [n, {width}].") from None
    if not (x.dtype.is_floating or x.dtype.is_integer):
        raise ValueError(f"{what} are numbers [n, {width}], not {x.dtype.name}.")
    if not x.shape.is_compatible_with([None, width]):
        raise ValueError(f"{what} are [n, {width}], not {list(x.shape)}.")
    return tf.cast(x, tf.float32)
