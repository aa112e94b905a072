"""Devices: which there are, how a model is spread over them, and whether XLA pays."""

import contextlib
import functools
import os
import pathlib
import sys

from kgan.core.errors import UsageError, UserError
from kgan.core.lazy import tf
from kgan.core.workers import Workers, configured, meet

# What a CPU's flags call instructions for products of bfloat16, and what people call them.
PRODUCTS = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}


def quiet():
    """Imports TensorFlow without its start-up chatter, part of which no log level holds back."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    screen, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        tf.get_logger().setLevel("ERROR")
    finally:
        os.dup2(screen, 2)
        os.close(screen)
        os.close(nowhere)


def decided(machine, before=None):
    """A `kgan.core.recipe.Machine` whose precision is one, not "auto".

    Args:
        machine: what is asked for.
        before: the precision that a run was begun with, None for a new one. "auto" stays with it,
            if it is not bfloat16 where that is slow.

    Returns:
        (the machine; why it has that precision, "" if it was asked for).
    """
    if machine.precision != "auto":
        return machine, ""
    fast, why = bfloat16_is_fast()
    if before and (fast or before != "mixed_bfloat16"):
        return machine.replace(precision=before), "as this run was begun"
    return machine.replace(precision="mixed_bfloat16" if fast else "float32"), why


def bfloat16_is_fast():
    """(whether the devices of this machine compute products of bfloat16; why, in words)."""
    if tf.config.list_physical_devices("TPU"):
        return True, "TPUs compute bfloat16 fast"
    if gpus := tf.config.list_physical_devices("GPU"):
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        fast = all(found.get("compute_capability", (0, 0)) >= (8, 0) for found in details)
        return fast, f"GPUs {'from' if fast else 'before'} Ampere: bfloat16 is " + (
            "fast" if fast else "slow")
    try:
        flags = set(pathlib.Path("/proc/cpuinfo").read_text().split())
    except OSError:
        flags = set()
    names = [name for flag, name in PRODUCTS.items() if flag in flags]
    if names:
        return True, f"this CPU has {names[0]}, which makes bfloat16 fast"
    return False, "bfloat16 is fast on CPUs with AMX or AVX512-BF16, which this one is not"


def cores():
    """How many CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def prepare(machine):
    """Sets devices up as a `kgan.core.recipe.Machine` says, before anything runs.

    Returns:
        (`tf.distribute.Strategy` or None for one device, whether to use XLA, a line that says so).

    Raises:
        UserError: more devices are asked for than there are, or another worker does not come.
    """
    gpus = tf.config.list_physical_devices("GPU")
    workers = workers_of(machine)
    for gpu in gpus if workers.count == 1 else ():  # of several, it is done before they meet
        tf.config.experimental.set_memory_growth(gpu, True)
    kind = "GPU" if gpus else "CPU"
    if workers.count > 1:
        xla = machine.xla == "on" or (machine.xla == "auto" and kind != "CPU")
        count = workers.strategy.num_replicas_in_sync
        return workers.strategy, xla, (f"{count} x {kind} of {workers.count} workers, "
                                       f"{machine.precision}, XLA {'on' if xla else 'off'}")
    if gpus and machine.devices > len(gpus):
        raise UserError(f"--devices {machine.devices}: there are {len(gpus)} GPUs.")
    if not gpus and machine.devices > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * machine.devices
        try:
            tf.config.set_logical_device_configuration(cpu, parts)
        except RuntimeError as error:
            raise UserError(f"--devices {machine.devices} must be set before TensorFlow runs: "
                            f"{error}") from None
    devices = [d.name for d in tf.config.list_logical_devices(kind)]
    devices = devices[: machine.devices or (len(devices) if gpus else 1)]
    mirrored = machine.strategy == "mirrored" or (machine.strategy == "auto" and len(devices) > 1)
    strategy = _mirrored(tuple(devices)) if mirrored else None
    xla = machine.xla == "on" or (machine.xla == "auto" and kind != "CPU")
    count = len(devices) if mirrored else 1
    text = f"{count} x {kind}{' mirrored' if mirrored else ''}, {machine.precision}, XLA "
    return strategy, xla, text + ("on" if xla else "off")


@functools.cache
def _mirrored(devices):
    """One strategy for all trainings of a process: TensorFlow numbers its collective operations by
    strategy, and those of a second one meet those of the first."""
    return tf.distribute.MirroredStrategy(list(devices))


def workers_of(machine):
    """The `kgan.core.workers.Workers` that train together as a `Machine` and `TF_CONFIG` say.

    The first call waits for all of them, and must come before anything runs.

    Raises:
        UserError: see `kgan.core.workers.configured` and `meet`; TensorFlow ran already.
    """
    if machine.strategy not in ("auto", "multi"):
        return Workers()
    addresses, index = configured()
    if machine.strategy == "multi" and not addresses:
        raise UsageError("--strategy multi needs TF_CONFIG, which says who the workers are.")
    if len(addresses) < 2:
        return Workers()
    return _workers(tuple(addresses), index, machine.devices, 60 * machine.wait_minutes)


@functools.cache
def _workers(addresses, index, devices, seconds):
    gpus = tf.config.list_physical_devices("GPU")
    if devices > max(len(gpus), 1):
        raise UserError(f"--devices {devices}: this worker has {max(len(gpus), 1)}.")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if gpus and devices:
        tf.config.set_visible_devices(gpus[:devices], "GPU")
    meet(addresses, index, seconds)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (RuntimeError, tf.errors.OpError) as error:
        line = (str(error).splitlines() or [""])[0]
        raise UserError(f"TensorFlow cannot start worker {index}: {line}") from error
    return Workers(addresses, index, strategy)


def scope(strategy):
    """The scope in which a model for this strategy is made."""
    return strategy.scope() if strategy else contextlib.nullcontext()
