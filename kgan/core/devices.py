"""Devices: which there are, how a model is spread over them, and whether XLA pays."""

import contextlib
import functools
import os
import sys

from kgan.core.errors import UserError
from kgan.core.lazy import tf


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


def prepare(machine):
    """Sets devices up as a `kgan.core.recipe.Machine` says, before anything runs.

    Returns:
        (`tf.distribute.Strategy` or None for one device, whether to use XLA, a line that says so).

    Raises:
        UserError: more devices are asked for than there are.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    kind = "GPU" if gpus else "CPU"
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


def scope(strategy):
    """The scope in which a model for this strategy is made."""
    return strategy.scope() if strategy else contextlib.nullcontext()
