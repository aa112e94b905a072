"""Codes of many pictures and pictures of many codes: an encoder, descent, or one after the other.

Descent (`kgan.editing.inversion`) starts from the encoder's codes, or from random ones where the
model is a generator alone. Its error is that of pictures that are not clipped to [-1, 1] yet: what
a generator without tanh makes too bright or too dark has no gradient any more once it is clipped.
"""

import functools

from kgan.core.batches import in_parts, parts
from kgan.core.errors import UsageError, UserError
from kgan.core.lazy import latent_attributes, np, pixels, references, tf
from kgan.core.progress import progress
from kgan.core.recipe import nearest
from kgan.data.pictures import BrokenPicture, read_reduced, resize_cover
from kgan.editing.inversion import FEATURE_WEIGHT, feature_error, invert
from kgan.models.encoding import BATCH, Encodes
from kgan.models.latent import LatentGAN

RATES = {"prior": 0.01, "adam": 0.1, "lbfgs": None}  # the authors'; 1 of the other methods


class Coder:
    """Pictures to codes and back, at most `BATCH` at a time.

    Args:
        model: a `kgan.models.latent.LatentGAN`, with an encoder or without.
        refine: steps of descent; 0 = none.
        method: see `kgan.editing.inversion`.
        rate: of descent; 0 = the authors' of that method.
        seed: of descent.
        reference: a network of `kgan.models.reference` whose features descent heeds beside pixels;
            "" = pixels alone.
        feature_weight: of them.

    Attributes:
        attributes: `{name: Direction}`: the model's own, and what `learn` found.

    Raises:
        UsageError: the model has no codes, or it needs labels beside them; there is no such
            reference.
    """

    def __init__(self, model, *, refine=0, method="none", rate=0.0, seed=0, reference="",
                 feature_weight=FEATURE_WEIGHT):
        refuse_without_codes(type(model), model.name_in_zoo)
        if model.conditions:
            raise UsageError(f"{model.name_in_zoo} needs labels beside codes: edit its samples by "
                             "--label NAME=1, or take a generator without.")
        self.model, self.refine, self.method, self.seed = model, refine, method, seed
        self.rate = rate or RATES.get(method, 1.0)
        self.size = model.recipe.size
        self.features = references.features(reference, self.size) if reference else None
        self.feature_weight = feature_weight
        self.encoder = None
        if isinstance(model, Encodes):
            spec = tf.TensorSpec([None, self.size, self.size, 3], tf.uint8)
            self.encoder = tf.function(model.encode, input_signature=[spec], autograph=False)
        self.attributes = dict(model.attributes) if self.encoder else {}
        self.decoder = tf.function(lambda codes: model.decode(codes), autograph=False,
                                   input_signature=[tf.TensorSpec([None, model.latent])])

    @functools.cached_property
    def generator(self):
        """What `Direction.generator` must equal."""
        return self.model.generator_sha256

    def attribute(self, direction):
        """A direction by its name, or the `Direction` itself if it is one of this generator."""
        if isinstance(direction, str) and self.attributes:
            if direction not in self.attributes:
                raise UserError(f"{self.model.name_in_zoo} has no direction {direction}. "
                                + nearest(direction, self.attributes))
            return self.attributes[direction]
        if self.encoder:
            return self.model.attribute(direction)
        if isinstance(direction, str):
            raise UserError(f"{self.model.name_in_zoo} has no directions of its own, so no "
                            f"{direction}: give a file, FILE.npz, or pictures.")
        direction.check(self.generator)
        return direction

    def learn(self, data):
        """Adds the directions of the labels of a `kgan.data.Data` to `attributes`.

        They take the place of the model's own of the same names; held-out pictures measure them,
        see `kgan.editing.attributes.from_data`. Codes are the encoder's, without descent, if there
        is one.
        """
        def encode(pictures, rows):
            some = list(parts(rows, BATCH))
            return np.concatenate([self.encode(pictures[part], refine=False) for part in progress(
                some, len(some), f"encoding labelled pictures, {BATCH} at a time")])

        self.attributes |= latent_attributes.from_data(encode, data, self.generator, (data, "test"))

    def encode(self, pictures, refine=True):
        """Codes of pictures.

        Args:
            pictures: [n, size, size, 3], uint8 or else as `kgan.core.pixels.checked` takes them;
                floats are rounded to levels.
            refine: whether descent follows an encoder; where it makes a picture (and its features)
                worse, the encoder's code stays. Without an encoder it always runs.

        Returns:
            float32 [n, latent].

        Raises:
            TypeError, ValueError: `pictures` are something else, or of another size.
            UsageError: there is neither an encoder nor descent.
        """
        pictures = self._levels(pictures)
        if not (self.encoder or self.refine):
            raise UsageError(f"{self.model.name_in_zoo} has no encoder: look for the codes of "
                             "pictures by descent, as --refine 500, or edit --samples 8.")
        if not len(pictures):
            return np.zeros((0, self.model.latent), np.float32)
        codes = in_parts(self.encoder, pictures, BATCH) if self.encoder else None
        if self.encoder and not (refine and self.refine):
            return codes
        found = invert(
            lambda z: self.model.generate(z), pixels.array_to_float(pictures), seed=self.seed,
            latent=self.model.latent, prior=self.model.prior, method=self.method, start=codes,
            steps=self.refine, rate=self.rate, batch=BATCH, features=self.features,
            feature_weight=self.feature_weight,
        ).codes
        if codes is None:
            return found
        before, after = (self.losses(pictures, z) for z in (codes, found))
        return np.where((after < before)[:, None], found, codes)

    def _levels(self, pictures):
        """Given pictures as uint8 [n, size, size, 3]."""
        x = pixels.checked(pictures)
        x = (x if x.dtype == tf.uint8 else pixels.to_uint8(x)).numpy()
        if x.shape[1:3] != (self.size, self.size):
            raise ValueError(f"pictures are [n, {self.size}, {self.size}, 3], not {list(x.shape)}: "
                             "`read` brings files to that size.")
        return x

    def losses(self, pictures, codes):
        """What descent lessens: errors of pixels, values in [-1, 1], and of features, [n].

        Args:
            pictures: uint8 [n, size, size, 3].
            codes: float32 [n, latent].
        """
        made = self.decode(codes)
        pixel = ((made.astype(np.float32) - pictures) ** 2).mean(axis=(1, 2, 3)) / 127.5**2
        if self.features is None:
            return pixel
        return pixel + self.feature_weight * self.feature_errors(pictures, made)

    def feature_errors(self, pictures, made):
        """Squared errors of features of uint8 pictures, see `inversion.feature_error`: [n]."""
        found, wanted = (in_parts(self.features, pixels.array_to_float(x), BATCH)
                         for x in (made, pictures))
        return feature_error(found, wanted).numpy()

    def decode(self, codes):
        """Pictures of codes, uint8 [n, size, size, 3]; see `draw`."""
        return pixels.array_to_uint8(self.draw(codes))

    def draw(self, codes):
        """Pictures of codes, float32 [n, size, size, 3] in [-1, 1].

        Args:
            codes: float32 [n, latent].

        Raises:
            ValueError: codes of another shape.
        """
        codes = np.asarray(codes, np.float32)
        if codes.ndim != 2 or codes.shape[1] != self.model.latent:
            raise ValueError(f"codes are [n, {self.model.latent}], not {list(codes.shape)}.")
        if not len(codes):
            return np.zeros((0, self.size, self.size, 3), np.float32)
        return in_parts(self.decoder, codes, BATCH)

    def read(self, path):
        """The central square of a file's picture, of the model's size: uint8 [size, size, 3].

        Raises:
            BrokenPicture: as `kgan.data.pictures.read_picture`.
        """
        return resize_cover(read_reduced(path, self.size)[0], self.size)

    def read_all(self, paths, skip, refine=True):
        """Reads and encodes files, a batch at a time.

        Args:
            paths: of pictures.
            skip: `skip(path, reason)` is called for the broken ones.
            refine: see `encode`.

        Yields:
            (paths, uint8 pictures [n, size, size, 3], float32 codes [n, latent]).
        """
        kept, pictures = [], []
        for i, path in enumerate(progress(paths, len(paths), "reading and encoding pictures"), 1):
            try:
                pictures.append(self.read(path))
                kept.append(path)
            except BrokenPicture as error:
                skip(path, error.reason)
            if kept and (len(kept) == BATCH or i == len(paths)):
                batch = np.stack(pictures)
                yield kept, batch, self.encode(batch, refine)
                kept, pictures = [], []


def refuse_without_codes(kind, name):
    """Raises `UsageError` if models of a class make no pictures from codes."""
    if not issubclass(kind, LatentGAN):
        raise UsageError(f"{name} makes no pictures from codes: take an encoder, as crg_encoder, or"
                         " a generator, as pggan.")
