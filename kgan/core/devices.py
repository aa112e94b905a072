"""Devices: which there are, how a model is spread over them, and whether XLA pays."""

import contextlib
import functools
import os
import sys

from kgan.core.errors import UsageError, UserError
from kgan.core.lazy import tf
from kgan.core.workers import Workers, configured, meet


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
