"""What a picture costs in memory, known before it is tried."""

import collections
import pathlib

from kgan.core.lazy import np, tf

SIDES = (128, 256)  # of the pictures that a network is traced with


def bytes_per_pixel(translate):
    """Memory that a function of pictures needs at its fullest, for each pixel of a picture.

    The function is traced, not run: at each operation of the graph, in order, what later ones still
    need is alive. What does not grow with the picture (weights) falls out, for it is the same at
    both of `SIDES`.

    Args:
        translate: uint8 [1, h, w, 3] -> tensor, of TensorFlow operations.

    Returns:
        Bytes, a float. Scratch memory of single kernels is not in it.
    """
    small, large = (_peak(translate, side) for side in SIDES)
    return (large - small) / (SIDES[1] ** 2 - SIDES[0] ** 2)


def _peak(translate, side):
    """Bytes that are alive at most while a picture of that side goes through."""
    spec = tf.TensorSpec([1, side, side, 3], tf.uint8)
    function = tf.function(translate, input_signature=[spec], autograph=False)
    operations = function.get_concrete_function().graph.get_operations()
    uses = collections.Counter(x.ref() for op in operations for x in op.inputs)
    alive = most = 0
    for op in operations:
        alive += sum(map(_bytes, op.outputs))
        most = max(most, alive)
        for x in op.inputs:
            uses[x.ref()] -= 1
            alive -= 0 if uses[x.ref()] else _bytes(x)
        alive -= sum(_bytes(x) for x in op.outputs if not uses[x.ref()])
    return most


def _bytes(tensor):
    known = tensor.shape.is_fully_defined() and tensor.dtype.size
    return int(np.prod(tensor.shape.as_list(), dtype=np.int64)) * tensor.dtype.size if known else 0


def available_memory():
    """Bytes that this process may still take, of the machine and of its control group.

    Returns:
        None where the system does not say (anywhere but on Linux).
    """
    try:
        words = pathlib.Path("/proc/meminfo").read_text().split()
        found = 1024 * int(words[words.index("MemAvailable:") + 1])
    except (OSError, ValueError):
        return None
    group = pathlib.Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        statistics = (group / "memory.stat").read_text().split()
        files = int(statistics[statistics.index("inactive_file") + 1])
        return min(found, limit - int((group / "memory.current").read_text()) + files)
    except (OSError, ValueError):  # no limit, or none that is said there
        return found
