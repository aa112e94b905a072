"""What a picture needs of the memory, by hand."""

import pathlib

import tensorflow as tf

from kgan.core.memory import FACTOR, available_memory, bytes_per_pixel, bytes_per_row
from kgan.core.pixels import extend


def test_what_is_alive_together_is_counted_and_weights_are_not():
    weights = tf.Variable(tf.ones((1, 1, 3, 64)))

    def translate(x):
        x = tf.cast(x, tf.float32)  # 12 bytes a pixel, and 3 of the picture before
        maps = tf.nn.conv2d(x, weights, 1, "SAME")  # 256
        more = tf.exp(maps)  # 256, and the maps are needed once more
        return tf.reduce_sum(more - maps, -1)  # in the place of either

    assert bytes_per_pixel(translate) == FACTOR * 2 * 256


def test_what_is_extended_is_tried_at_sides_that_are_not():
    def translate(x):  # of 128 px it would make as much as of 256
        return tf.exp(tf.cast(extend(x, 256), tf.float32))  # 12 bytes a pixel, and 3 or 12 before

    assert bytes_per_pixel(translate, multiple=256) == FACTOR * (12 + 3)


def test_what_is_needed_later_is_not_written_over():
    def translate(x):
        x = tf.cast(x, tf.float32)  # 12 bytes a pixel
        return tf.tanh(x) * tf.exp(x) + x  # 12 beside it, 12 beside both; the rest in place

    assert bytes_per_pixel(translate) == FACTOR * 3 * 12


def test_what_a_row_takes():
    weights = tf.Variable(tf.ones((5, 48)))
    spec = [tf.TensorSpec([None, 5], tf.float32), tf.TensorSpec([None, None, None, 3], tf.uint8)]

    @tf.function(input_signature=spec, autograph=False)
    def decode(codes, images):  # 20 and 48 bytes a row
        made = tf.reshape(tf.linalg.matmul(codes, weights), (-1, 4, 4, 3))  # 192
        return {"images": made + tf.cast(images, tf.float32)}  # 192, and the sum in its place

    assert 2 * 192 <= bytes_per_row(decode, 4) / FACTOR <= 2 * 192 + 68


def test_what_is_free_is_told_where_the_system_tells_it(tmp_path, monkeypatch):
    real = pathlib.Path.read_text
    files = {
        "/proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 5 kB\n", "/sys/fs/cgroup/memory.max": "max"
    }
    monkeypatch.setattr(pathlib.Path, "read_text", lambda path, *how: (
        files[str(path)] if str(path) in files else real(tmp_path / "none")))
    assert available_memory() == 5 * 1024
    files |= {"/sys/fs/cgroup/memory.max": "4000", "/sys/fs/cgroup/memory.current": "3000",
              "/sys/fs/cgroup/memory.stat": "anon 7\ninactive_file 500\n"}
    assert available_memory() == 1500
    del files["/proc/meminfo"]
    assert available_memory() is None


def test_views_take_no_memory_of_their_own():
    def plain(x):
        return tf.cast(x, tf.float32)  # 12 bytes a pixel, and 3 of the picture before

    def viewed(x):
        return tf.identity(tf.reshape(tf.identity(plain(x)), [-1, 3]))

    assert bytes_per_pixel(plain) == bytes_per_pixel(viewed) == FACTOR * 15
