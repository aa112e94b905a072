"""What a training step costs: seconds, seconds of all cores, network calls, operations, memory."""

import resource
import statistics
import sys
import time

from kgan.core.devices import cores


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
        from kgan.core import registry
        from kgan.models.stages import laid_out
        from kgan.models.weights import build

        self.name, self.recipe = name, recipe
        machine, _ = places.decided(machine)
        strategy, xla, self.devices = places.prepare(machine)
        part = laid_out(registry.entry(name).model.stages_of(recipe), recipe)[-1]
        print(f"{name}: {part.size} px, batch {part.batch}, {self.devices}", file=sys.stderr)
        with places.scope(strategy):
            self.model = model = build(name, recipe, machine.precision)
            calls, begun = _count_calls(model), time.perf_counter()
            model.compile(xla=xla)  # traces the passes of its first stage
        if model.stage.name != (last := model.stages()[-1].name):
            calls.update(dict.fromkeys(calls, 0))
            begun = time.perf_counter()
            model.enter_stage(last, at_its_start=False)
        self.traced = {net: n for net, n in calls.items() if n}
        self.pictures = model.part.batch * model.batches_per_step
        spec = model.batch_spec(self.pictures)
        batch = {name: tf.random.stateless_uniform(s.shape, [0, 1], -1, 1)
                 if s.dtype.is_floating else tf.zeros(s.shape, s.dtype) for name, s in spec.items()}
        if strategy:
            data = tf.data.Dataset.from_tensors(batch).unbatch()
            data = data.batch(self.pictures).repeat()
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
        return {
            "status": "done", "model": self.name, "size": model.part.size,
            "batch": model.part.batch, "devices": self.devices,
            "batches_per_step": model.batches_per_step, "seconds_per_step": round(median, 4),
            "cpu_seconds_per_step": round(statistics.median(cpu), 4), "cores": cores(),
            "fastest": round(min(seconds), 4), "slowest": round(max(seconds), 4),
            "first_step": round(self.first, 2),
            "images_per_second": round(self.pictures / median, 2),
            "calls_per_step": self.traced,
            "gflops_per_step": _gflops(model),
            "peak_memory_mb": _peak(), "parameters": parameters(model),
        }


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
        total += phase.repeat * model.recipe.accumulate * counted.total_float_ops
    return round(total * model.distribute_strategy.num_replicas_in_sync / 1e9, 2)


def _peak():
    """Of this process; on a GPU, of its memory."""
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return round(tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
