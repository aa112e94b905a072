"""Pictures as tensors and arrays: value ranges, channels, sizes, what people give."""

import numpy as np

from kgan.core.lazy import tf

FAR = 1.5  # no picture of [-1, 1] has such values, whatever a resampling adds


def checked(images):
    """Pictures that a person gives, as a uint8 or float tensor that is sure to hold pictures.

    Integers are levels of 0..255 as uint8 is; floats are of [-1, 1]. Values are looked at where
    there are any, which is not inside of a `tf.function`.

    Args:
        images: [n, h, w, 3], an array, a tensor or a list of pictures of one size.

    Returns:
        A tensor [n, h, w, 3], uint8 if `images` holds integers.

    Raises:
        TypeError: neither numbers nor a type that says their range.
        ValueError: another shape, or values out of range.
    """
    x = _tensor(images)
    _check_shape(x.shape)
    if x.dtype == tf.uint8:
        return x
    known = tf.executing_eagerly()
    if x.dtype.is_floating:
        if known and not bool(tf.reduce_all(tf.abs(x) <= FAR)):
            raise ValueError("float pictures are of [-1, 1] and these have other values or NaN: "
                             "divide levels of 0..255 by 127.5 and subtract 1, or give uint8.")
        return x
    if not x.dtype.is_integer or not known:
        raise TypeError(f"pictures are uint8, or float in [-1, 1], not {x.dtype.name}: cast levels "
                        "of 0..255 to uint8.")
    if not bool(tf.reduce_all((x >= 0) & (x <= 255))):
        raise ValueError(f"pictures of {x.dtype.name} are levels of 0..255 and these have other "
                         "values: give uint8, or float in [-1, 1].")
    return tf.cast(x, tf.uint8)


def given(images):
    """Pictures that a person gives, and the type that results for them are to have.

    Args:
        images: see `checked`.

    Returns:
        (float32 [n, h, w, 3] in [-1, 1], their `tf.DType`); integers are uint8.
    """
    x = checked(images)
    return (to_float(x) if x.dtype == tf.uint8 else tf.cast(x, tf.float32)), x.dtype


def as_given(x, dtype):
    """Float in [-1, 1] -> the type that `given` found."""
    return to_uint8(x) if dtype == tf.uint8 else tf.cast(x, dtype)


def _tensor(images):
    if tf.is_tensor(images):
        return images
    if isinstance(images, (list, tuple)) and any(tf.is_tensor(x) for x in images):
        return tf.stack(images)
    if isinstance(images, (list, tuple)):  # TensorFlow makes int32 of a list of uint8
        try:
            images = np.stack([np.asarray(x) for x in images]) if images else np.empty(0)
        except ValueError:
            raise ValueError("the pictures of a batch are of one size: give others one by one, "
                             "[1, h, w, 3].") from None
    if np.asarray(images).dtype.kind not in "biufV":  # ml_dtypes are V
        raise TypeError(f"pictures are uint8, or float in [-1, 1], not {type(images).__name__}.")
    return tf.convert_to_tensor(images)


def _check_shape(shape):
    if shape.rank is None:
        return
    if shape.rank == 3 and shape[-1] == 3:
        raise ValueError(f"a picture {tuple(shape)} needs a batch axis: images[None], "
                         "[1, h, w, 3].")
    if shape.rank != 4 or shape[-1] not in (3, None):
        raise ValueError(f"pictures are [n, h, w, 3], not {list(shape)}.")
    if 0 in (shape[1], shape[2]):
        raise ValueError(f"pictures have sides of at least 1, not {list(shape)}.")


def keys_of(images):
    """A key of `tf.random.stateless_*` for each picture, made of its pixels alone.

    What is drawn by it is the same for a picture alone or in a batch, once and again, in a graph,
    in an export and out of it.

    Args:
        images: float [n, h, w, c] in [-1, 1].

    Returns:
        int32 [n, 2].
    """
    levels = tf.cast(to_uint8(images), tf.int64)  # rounded: the last bits of floats differ
    flat = tf.reshape(levels, [tf.shape(levels)[0], tf.reduce_prod(tf.shape(levels)[1:])]) + 1
    place, prime = tf.range(1, tf.shape(flat, tf.int64)[1] + 1), 2**31 - 1
    # Sums of integers have no order: every device and every batch finds the same.
    sums = [tf.reduce_sum(flat * (place * place % prime * odd % prime), axis=1)
            for odd in (40503, 60493)]
    return tf.cast(tf.stack(sums, axis=1) % prime, tf.int32)


def ids(x, classes=0):
    """Maps of ids [n, h, w] or [n, h, w, 1] of whole numbers -> int32 [n, h, w, 1].

    Args:
        x: the maps.
        classes: ids are below it, which is looked at where there are values; 0 = any.

    Raises:
        TypeError: they are no whole numbers.
        ValueError: another shape, an id beyond the classes or below 0.
    """
    x = tf.convert_to_tensor(x)
    if not x.dtype.is_integer:
        raise TypeError(f"ids are whole numbers, not {x.dtype.name}.")
    if x.shape.rank not in (3, 4) or (x.shape.rank == 4 and x.shape[-1] not in (1, None)):
        raise ValueError(f"maps of ids are [n, h, w] or [n, h, w, 1], not {list(x.shape)}.")
    if 0 in x.shape[1:3]:
        raise ValueError(f"maps of ids have sides of at least 1, not {list(x.shape)}.")
    x = tf.cast(x if x.shape.rank == 4 else x[..., tf.newaxis], tf.int32)
    if classes and tf.executing_eagerly() and tf.reduce_any((x < 0) | (x >= classes)):
        raise ValueError(f"ids are 0 to {classes - 1}, and the largest is {int(tf.reduce_max(x))}, "
                         f"the smallest {int(tf.reduce_min(x))}.")
    return x


def enlarge(alpha, scale):
    """Transparency, uint8 [h, w, 1], at `scale` times its sides (bicubic)."""
    if scale == 1:
        return alpha
    sides = scale * tf.shape(alpha)[:2]
    made = tf.image.resize(tf.cast(alpha, tf.float32), sides, "bicubic")
    return tf.cast(tf.clip_by_value(tf.round(made), 0.0, 255.0), tf.uint8)


def to_float(images):
    """uint8 -> float32 in [-1, 1]."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def to_uint8(images):
    """Float in [-1, 1] -> uint8, rounded to the nearest level and clipped."""
    levels = tf.round((tf.cast(images, tf.float32) + 1.0) * 127.5)
    return tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)


def array_to_float(pictures, dtype=np.float32):
    """`to_float` for NumPy: a uint8 array -> `dtype` in [-1, 1]."""
    return pictures.astype(dtype) / 127.5 - 1.0


def array_to_uint8(pictures):
    """`to_uint8` for NumPy: a float array in [-1, 1] -> uint8."""
    return np.clip(np.rint((pictures + 1.0) * 127.5), 0.0, 255.0).astype(np.uint8)


def to_channels(x, channels):
    """Grey from RGB (BT.601 luma) or RGB from grey; other tensors unchanged."""
    if x.shape[-1] == 3 and channels == 1:
        return tf.reduce_sum(x * tf.constant([0.299, 0.587, 0.114]), axis=-1, keepdims=True)
    if x.shape[-1] == 1 and channels == 3:
        return tf.repeat(x, 3, axis=-1)
    return x


def extend(x, multiple, smallest=1):
    """Extends height and width by reflection at the right and the bottom.

    Args:
        x: [n, h, w, c], sides of at least 1; reflected as often as it takes.
        multiple: the new sides are multiples of this,
        smallest: and at least this.
    """
    for axis in (1, 2):
        side = tf.shape(x)[axis]
        target = extended(side, multiple, smallest)
        period = tf.maximum(2 * (side - 1), 1)
        index = tf.range(target) % period
        x = tf.gather(x, tf.where(index < side, index, period - index), axis=axis)
    return x


def extended(sides, multiple, smallest=1):
    """The sides that `extend` makes of `sides`, an integer tensor."""
    return (tf.maximum(sides, smallest) + multiple - 1) // multiple * multiple
