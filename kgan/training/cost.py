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
        stages: also those of the other stages, of each size and batch one.

    Attributes:
        devices: what it runs on, in words.
        shares: of all steps, those that cost as much as each one of `spend_each` does.
    """

    def __init__(self, name, recipe, machine, stages=False):

        from kgan.core import devices as places
        from kgan.core import registry
        from kgan.models.stages import laid_out
        from kgan.models.weights import build

        self.name, self.recipe = name, recipe
        machine, _ = places.decided(machine)
        strategy, xla, self.devices = places.prepare(machine)
        parts = laid_out(registry.entry(name).model.stages_of(recipe), recipe)
        part, alike = parts[-1], {}
        for one in parts if stages else [part]:
            alike.setdefault((one.size, one.batch), []).append(one)
        counts = [sum(one.end - one.begin for one in some) for some in alike.values()]
        self.shares = [count / sum(counts) for count in counts]
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
        self._strategy, self._held = strategy, []
        self._runs = [self._stage(some[-1].stage.name) for some in alike.values()]
        self.pictures = model.part.batch * model.batches_per_step
        self.spend()
        self.first = time.perf_counter() - begun
        for _ in range(2):
            self.spend_each()

    def _stage(self, name):
        """What does a step of a stage."""
        import tensorflow as tf

        model = self.model
        model.enter_stage(name, at_its_start=False)
        self._held.append(model.trackers)  # which the next stage replaces
        pictures = model.part.batch * model.batches_per_step
        spec = model.batch_spec(pictures)
        batch = {name: tf.random.stateless_uniform(s.shape, [0, 1], -1, 1)
                 if s.dtype.is_floating else tf.zeros(s.shape, s.dtype) for name, s in spec.items()}
        if self._strategy:
            data = tf.data.Dataset.from_tensors(batch).unbatch()
            data = data.batch(pictures).repeat()
            shares = iter(self._strategy.experimental_distribute_dataset(data))
            step = tf.function(lambda share: self._strategy.run(model.train_step, args=(share,)))
            run = lambda: step(next(shares))  # noqa: E731
        else:
            step = tf.function(model.train_step, autograph=False)
            run = lambda: step(batch)  # noqa: E731
        if len(self.shares) > 1:
            run()  # traced as long as the model is in this stage
        return run

    def spend(self):
        """Does one step of the last stage: (seconds, seconds of all cores together)."""
        return _spent(self._runs[-1])

    def spend_each(self):
        """Does a step of each of the stages: [(seconds, seconds of all cores together)]."""
        return [_spent(run) for run in self._runs]

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


def _spent(run):
    begun, spent = time.perf_counter(), time.process_time()
    for value in run().values():
        getattr(value, "numpy", lambda: None)()
    return time.perf_counter() - begun, time.process_time() - spent


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
