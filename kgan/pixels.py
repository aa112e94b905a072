"""Pictures as tensors: value ranges, channels, sizes. TensorFlow graph only."""

import tensorflow as tf


def to_float(images):
    """uint8 -> float32 in [-1, 1]."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def to_uint8(images):
    """Float in [-1, 1] -> uint8, rounded to the nearest level and clipped."""
    levels = tf.round((tf.cast(images, tf.float32) + 1.0) * 127.5)
    return tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)


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
        target = (tf.maximum(side, smallest) + multiple - 1) // multiple * multiple
        period = tf.maximum(2 * (side - 1), 1)
        index = tf.range(target) % period
        x = tf.gather(x, tf.where(index < side, index, period - index), axis=axis)
    return x
