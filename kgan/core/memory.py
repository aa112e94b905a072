"""What a picture costs in memory, known before it is tried."""

import collections
import pathlib

from kgan.core.lazy import np, tf

SIDE = 128  # of the picture that a network is traced with, at least, and then of twice that
VIEWS = ("Identity", "IdentityN", "Reshape", "StopGradient")  # take no memory of their own
FORWARDED = (  # may write their result where an input was that nothing else needs
    "Add", "AddN", "AddV2", "BiasAdd", "Cast", "Elu", "Exp", "LeakyRelu", "Maximum", "Minimum",
    "Mul", "Neg", "Relu", "Relu6", "RealDiv", "Sigmoid", "Sub", "Tanh")
ROWS = (64, 128)  # likewise, so many that weights are not what fills the memory most
# A process takes other amounts than what is alive: scratch memory of kernels (a convolution may
# unfold its input), copies and what the allocator keeps come on top. Of a full CycleGAN, with 524
# bytes a pixel alive, a process on two cores grew by 790 a pixel at 768 x 768 with oneDNN, and with
# TensorFlow's own convolutions, measured with a norm that kept more, by 1,040: up to twice as much.
# The rest is for other networks, machines and kernels.
FACTOR = 2.5


def bytes_per_pixel(translate, inputs=(("uint8", 3),), multiple=1):
    """Memory that a function of pictures needs at its fullest, for each pixel of a picture.

    The function is traced, not run: at each operation of the graph, in order, what later ones still
    need is alive. What does not grow with the picture (weights) falls out, for it is the same at
    both sides that are tried. The most that is alive at once, times `FACTOR`, is the estimate.

    Args:
        translate: uint8 [1, h, w, 3] -> tensor, of TensorFlow operations.
        inputs: (type, channels) of what it takes, if that is something else or more.
        multiple: pictures of other sides than multiples of this are extended to such.

    Returns:
        Bytes, a float.
    """
    side = -(-SIDE // multiple) * multiple
    small, large = (_peak(translate, [tf.TensorSpec([1, side, side, channels], dtype)
                                      for dtype, channels in inputs]) for side in (side, 2 * side))
    return FACTOR * (large - small) / (3 * side**2)


def bytes_per_row(function, size):
    """Memory that a `tf.function` with an input signature needs for each row of its inputs.

    Args:
        function: of tensors whose first axis counts rows, as `kgan.models.gan.GAN.served` has them.
        size: what other axes of unknown length are taken as.

    Returns:
        Bytes, a float, estimated as by `bytes_per_pixel`.
    """
    few, most = (_peak(function.python_function, [
        tf.TensorSpec([rows, *(size if n is None else n for n in spec.shape[1:])], spec.dtype)
        for spec in function.input_signature]) for rows in ROWS)
    return FACTOR * (most - few) / (ROWS[1] - ROWS[0])


def _peak(function, specs):
    """Bytes that are alive at most while inputs of these shapes go through."""
    function = tf.function(function, input_signature=specs, autograph=False)
    operations = function.get_concrete_function().graph.get_operations()
    own = {}  # what a tensor shows, for those that show another's memory

    def memory(x):
        return own.get(x.ref(), x)

    for op in operations:
        if op.type in VIEWS:
            own |= {y.ref(): memory(x) for x, y in zip(op.inputs, op.outputs, strict=False)}
    uses = collections.Counter(memory(x).ref() for op in operations for x in op.inputs)
    alive = most = 0
    for op in operations:
        made = [x for x in op.outputs if x.ref() not in own]
        taken = {memory(x).ref(): memory(x) for x in op.inputs}
        uses.subtract(memory(x).ref() for x in op.inputs)
        done = [_bytes(x) for name, x in taken.items() if not uses[name]]
        size = sum(map(_bytes, made))
        into = op.type in FORWARDED and size in done  # the place of one of its inputs
        alive += 0 if into else size
        most = max(most, alive)
        alive -= sum(done) - (size if into else 0)
        alive -= sum(_bytes(x) for x in made if not uses[x.ref()])
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
