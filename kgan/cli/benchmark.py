"""`tools/benchmark`: what a training step costs on this machine, and whether the data keeps up."""

import os
import resource
import statistics
import sys
import time

from kgan.cli.flags import Flags, scan, tool
from kgan.core import registry
from kgan.core.devices import quiet
from kgan.core.errors import UserError
from kgan.core.recipe import Machine

ABOUT = """Time the training step of a model, that of its last stage: median seconds, seconds of
all CPU cores together (which other work on the machine changes little), network calls,
floating-point operations, peak memory; with --data also how many times faster than that the data
comes."""


@tool
def main(arguments):
    """Prints what the step of a model costs."""
    name, recipe, machine, flags, with_data = read(arguments)
    quiet()
    step = Step(name, recipe, machine)
    spent = [step.spend() for _ in range(flags.repeat)]
    result = step.described(*zip(*spent, strict=True))
    if with_data:
        result |= _data(recipe, result["seconds_per_step"], result["batches_per_step"])
    return result


def read(arguments):
    """(name, `Recipe`, `Machine`, flags, whether data are named) of a command line."""
    entry = registry.entry(scan(arguments, "model") or "cyclegan_small")
    flags = Flags("benchmark", ABOUT, "tools/benchmark --model cyclegan_small --batch 8")
    flags.add("model", entry.name, "whose step")
    flags.add("repeat", 15, "steps that are timed, after 3 that are not", low=1)
    flags.add_knobs(entry.recipe)
    flags.add_knobs(Machine())
    if not entry.model.trains:
        raise UserError(f"{entry.name} has no training step to time.")
    with_data = "--data" in arguments or scan(arguments, "data") is not None
    flags.parse(_with_value(arguments, entry.recipe.data))
    return entry.name, flags.read(entry.recipe), flags.read(Machine()), flags, with_data


def _with_value(arguments, value):
    """A bare `--data` stands for the data of the recipe."""
    return [
        f"--data={value}" if a == "--data" and (not after or after[0].startswith("--")) else a
        for a, after in ((a, arguments[i + 1 : i + 2]) for i, a in enumerate(arguments))
    ]


class Step:
    """The training step of a model, that of its last stage, on pictures of noise.

    Args:
        name: of the zoo.
        recipe: its recipe, complete if its networks follow from the data.
        machine: a `kgan.core.recipe.Machine`.

    Attributes:
        devices: what it runs on, in words.
    """

    def __init__(self, name, recipe, machine):
        import tensorflow as tf

        from kgan.core import devices as places
        from kgan.models.weights import build

        self.name, self.recipe = name, recipe
        strategy, xla, self.devices = places.prepare(machine)
        print(f"{name}: {recipe.size} px, batch {recipe.batch}, {self.devices}", file=sys.stderr)
        with places.scope(strategy):
            self.model = model = build(name, recipe, machine.precision)
            calls, begun = _count_calls(model), time.perf_counter()
            model.compile(xla=xla)  # traces the passes of its first stage
        if model.stage.name != (last := model.stages()[-1].name):
            calls.update(dict.fromkeys(calls, 0))
            begun = time.perf_counter()
            model.enter_stage(last, at_its_start=False)
        self.traced = {net: n for net, n in calls.items() if n}
        spec = model.batch_spec(recipe.batch * model.batches_per_step)
        batch = {d: tf.random.stateless_uniform(s.shape, [0, 1], -1, 1) for d, s in spec.items()}
        if strategy:
            data = tf.data.Dataset.from_tensors(batch).unbatch()
            data = data.batch(recipe.batch * model.batches_per_step).repeat()
            shares = iter(strategy.experimental_distribute_dataset(data))
            step = tf.function(lambda share: strategy.run(model.train_step, args=(share,)))
            self._run = lambda: step(next(shares))
        else:
            step = tf.function(model.train_step, autograph=False)
            self._run = lambda: step(batch)
        self.spend()
        self.first = time.perf_counter() - begun
        self.spend()
        self.spend()

    def spend(self):
        """Does one step: (seconds, seconds of all cores together)."""
        begun, spent = time.perf_counter(), time.process_time()
        for value in self._run().values():
            getattr(value, "numpy", lambda: None)()
        return time.perf_counter() - begun, time.process_time() - spent

    def described(self, seconds, cpu):
        """What the tool prints, from the costs of steps."""
        from kgan.models.weights import parameters

        model, median = self.model, statistics.median(seconds)
        pictures = self.recipe.batch * model.batches_per_step
        return {
            "status": "done", "model": self.name, "size": self.recipe.size,
            "batch": self.recipe.batch, "devices": self.devices,
            "batches_per_step": model.batches_per_step, "seconds_per_step": round(median, 4),
            "cpu_seconds_per_step": round(statistics.median(cpu), 4), "cores": cores(),
            "fastest": round(min(seconds), 4), "slowest": round(max(seconds), 4),
            "first_step": round(self.first, 2), "images_per_second": round(pictures / median, 2),
            "calls_per_step": self.traced,
            "gflops_per_step": _gflops(model),
            "peak_memory_mb": _peak(), "parameters": parameters(model),
        }


def cores():
    """How many CPU cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _count_calls(model):
    """A dict that counts the calls of each network from now on, as the step is traced."""
    calls = dict.fromkeys(model.nets, 0)

    def counted(name, call):
        def counting(*arguments, **keywords):
            calls[name] += 1
            return call(*arguments, **keywords)

        return counting

    for name, net in model.nets.items():
        net.call = counted(name, net.call)
    return calls


def _gflops(model):
    """Floating-point operations of the forward and backward pass of all phases, in 1e9."""
    import tensorflow as tf

    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    total = 0
    for phase, trace in zip(model.stage.phases, model.traces(), strict=True):
        counted = tf.compat.v1.profiler.profile(trace.graph, options=options)
        total += phase.repeat * counted.total_float_ops
    return round(total * model.distribute_strategy.num_replicas_in_sync / 1e9, 2)


def _peak():
    """Of this process; on a GPU, of its memory."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return round(tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _data(recipe, seconds_per_step, per_step, count=200):
    """Steps of data a second, alone, and how many times that is what the training step eats."""
    from kgan.data import open_data
    from kgan.data.stream import batches

    data = open_data(recipe.data, size=recipe.size, load_size=recipe.load_size or None,
                     seed=recipe.seed)
    stream = iter(batches(data, recipe, per_step=per_step))
    for _ in range(10):
        next(stream)
    begun = time.perf_counter()
    for _ in range(count):
        next(stream)
    rate = count / (time.perf_counter() - begun)
    return {
        "data": data.spec, "data_steps_per_second": round(rate, 1),
        "data_is_faster_by": round(rate * seconds_per_step, 1),
    }
