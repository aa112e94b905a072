"""Translates: pictures or maps of any size through a model's networks, in one of its directions."""

from collections.abc import Mapping

from kgan.core.errors import UserError
from kgan.core.lazy import np, pixels, tf, tiling
from kgan.models.translation import given_sources, sources_of


class Translates:
    """The half of a `kgan.models.gan.GAN` that is given pictures and gives pictures back."""

    def call(self, images, direction=None):
        return self.translate(images, direction)

    def translate(self, images, direction=None, tile=0):
        """Translates pictures, or maps of ids, of any size.

        Sides are padded by reflection to what the network needs and the result is cropped back, so
        it has the size of the input, times the scale of the translation.

        Args:
            images: [n, h, w, 3], float in [-1, 1], or levels of 0..255: uint8, other integers,
                lists of pictures. Where the source is a map of ids, whole numbers [n, h, w] or
                [n, h, w, 1]. Of a direction with several sources `{name of a signal: these}`.
            direction: one of `directions`; None = the first.
            tile: 0 = whole; else they go through in tiles of about so many pixels a side, which
                bounds the memory that this takes. The result is that of whole pictures, to
                rounding. Not inside of a `tf.function`.

        Returns:
            A tensor [n, scale * h, scale * w, channels] of the type of the (first) pictures; of
            integers, uint8.

        Raises:
            TypeError, ValueError: `images` are something else, see `kgan.core.pixels.checked`.
            UserError: with `tile`, the networks look at whole pictures.
        """
        names = list(self.directions)
        direction = direction or next(iter(names), None)
        if direction not in names:
            if not names:
                raise ValueError(f"{self.name_in_zoo} does not translate pictures")
            raise ValueError(f"direction {direction!r} is not one of {', '.join(names)}")
        signals = sources_of(self.directions[direction], self.signals)
        if tile:
            return self._in_tiles(images, signals, direction, tile)
        given, dtype = given_sources(images, signals)
        return pixels.as_given(self.translated(given, direction), dtype)

    def _in_tiles(self, images, signals, direction, tile):
        names = [signal.name for signal in signals]
        given = [images[name] for name in names] if isinstance(images, Mapping) else [images]

        def run(*parts):
            return self.translate(dict(zip(names, parts, strict=True)), direction)

        made = self.tiles(direction, tile).through(run, [np.asarray(x) for x in given])
        return tf.convert_to_tensor(made)

    def bytes_per_pixel(self, direction):
        """Memory that a direction takes for each pixel, where no graph says it; None = unknown."""

    def tiles(self, direction, side):
        """How pictures go through a direction in tiles of about `side` pixels.

        Returns:
            A `kgan.models.tiling.Tiles`.

        Raises:
            UserError: its network looks at whole pictures; the message says which layer does.
        """
        how = self.directions[direction]
        try:
            if type(self).forward is not Translates.forward or how.network not in self.nets:
                raise tiling.Whole("it does more than run a network of layers")
            return tiling.tiles(self.nets[how.network], side, scale=how.scale,
                                multiple=self.multiple, smallest=self.smallest)
        except tiling.Whole as error:
            raise UserError(f"{self.name_in_zoo} makes no tiles, which would differ from the "
                            f"whole: {error}. Translate pictures whole.") from None

    def translated(self, given, direction):
        """What `translate` does between reading its input and giving back the type of it.

        Args:
            given: `{name of a source: float32 pictures in [-1, 1], or int32 ids, [n, h, w, c]}`.
            direction: one of `directions`.

        Returns:
            float [n, scale * h, scale * w, channels] in [-1, 1].
        """
        how = self.directions[direction]
        first = given[how.sources[0]]
        scale, channels = how.scale, how.channels
        n, *sides = first.shape[:3]
        shape = [n, *(side and scale * side for side in sides), channels]
        if n == 0:
            height, width = tf.unstack(scale * tf.shape(first)[1:3])
            return tf.ensure_shape(tf.zeros([0, height, width, channels]), shape)
        x = {name: pixels.extend(x, self.multiple, self.smallest) for name, x in given.items()}
        x = self.forward(x if len(x) > 1 else x[how.sources[0]], direction)
        x = x[:, : scale * tf.shape(first)[1], : scale * tf.shape(first)[2]]
        x = tf.clip_by_value(pixels.to_channels(x, channels), -1.0, 1.0)
        return tf.ensure_shape(x, shape)

    def forward(self, x, direction):
        """What `translate` does between extending and cropping.

        What it makes of a picture follows from that picture alone, whatever else is in the batch.
        Noise at test time is therefore keyed by the picture, never by a seed generator, so that
        batches, repeats and an export agree:

            key = pixels.keys_of(x)
            noise = tf.map_fn(
                lambda k: tf.random.stateless_normal([z], k, alg="philox"), key,
                fn_output_signature=tf.float32,
            )

        Args:
            x: float32 [n, h, w, 3] in [-1, 1], or ids int32 [n, h, w, 1]; sides are multiples of
                `multiple`. Of several sources `{name: these}`.
            direction: one of `directions`.

        Returns:
            float [n, scale * h, scale * w, channels], cut to [-1, 1] afterwards; grey for RGB will
            do.
        """
        how = self.directions[direction]
        network, wanted = self.nets[how.network], {}
        for i, name in enumerate(how.sources):
            given = x[name] if isinstance(x, Mapping) else x
            channels = network.inputs[i].shape[-1]
            wanted[name] = pixels.to_channels(given, channels) if given.dtype.is_floating else given
        one, *others = wanted.values()
        return network([one, *others] if others else one, training=False)
