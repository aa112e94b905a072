"""What all tests share: a quiet TensorFlow with two CPU devices, a cache of their own, tiny models
and runs, the tools called in this process.

The two logical devices are there so that replicas are tested in the same process. All tests share
one `MirroredStrategy`: TensorFlow numbers collective operations by strategy, and a second one in
the process meets the numbers of the first.
"""

import contextlib
import dataclasses
import fcntl
import gc
import importlib
import io
import json
import os
import shlex
import shutil
import tempfile
import types

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["KGAN_CACHE"] = tempfile.mkdtemp(prefix="kgan-tests-")

import keras
import numpy as np
import pytest
import tensorflow as tf

from kgan.core import devices, registry
from kgan.core.hashing import sha256_of_file
from kgan.core.recipe import Machine, Recipe, knob
from kgan.models.encoding import Encodes
from kgan.models.gan import GAN
from kgan.models.inverting import Inverts
from kgan.models.latent import LatentGAN
from kgan.training.run import RunOptions, train

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
# Models live in cycles by the thousand, and looking for dead ones takes longer than the tests.
gc.set_threshold(50_000, 20, 100)


def pytest_addoption(parser):
    parser.addoption("--model", help="only the tests that are made for this name of the zoo")


def pytest_collection_modifyitems(config, items):
    if not os.environ.get("KGAN_TEST_DATA"):
        for item in items:
            if item.get_closest_marker("real"):
                item.add_marker(pytest.mark.skip(reason="KGAN_TEST_DATA names no folder"))
    name = config.getoption("--model")
    if name:
        chosen = [i for i in items if any(
            isinstance(value, str) and value == name
            for value in getattr(getattr(i, "callspec", None), "params", {}).values()
        )]
        config.hook.pytest_deselected(items=[i for i in items if i not in chosen])
        items[:] = chosen


def pytest_unconfigure():
    shutil.rmtree(os.environ["KGAN_CACHE"], ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def alike():
    """Here `--precision auto` is float32 on every machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "bfloat16_is_fast", lambda: (False, "a test"))
        yield


@pytest.fixture(scope="session")
def mirrored():
    """The strategy of two CPU devices."""
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def each_name(trained=False, exported=False):
    """Parameters of a test that runs for every name.

    A name of the same class and tiny recipe as a shorter name's is slow, and so is a `_small` one
    beside the name without it; of encoders of a generator, one of the same class, or of one made
    from it; of exports, which hold no discriminator, one with the same signatures.

    Args:
        trained: leave out those that are not trained.
        exported: leave out those that cannot be exported.
    """
    seen, marked = set(), []
    for name in sorted(registry.names(), key=lambda name: (len(name), name)):
        entry = registry.entry(name)
        if (trained and not entry.model.players) or (exported and not entry.model.exports):
            continue
        look = (entry.model, repr(sorted(entry.tiny.items())))
        if exported:
            kind, recipe = entry.model, entry.recipe.replace(**entry.tiny)
            served = (kind.forward, tuple(kind.directions_of(recipe)), kind.signals_of(recipe))
            look = (kind if issubclass(kind, LatentGAN) else served, entry.tiny.get("condition"))
            if issubclass(kind, Encodes):
                look = (Encodes, kind.label_names_of(recipe))
        derived = False
        if issubclass(entry.model, Inverts) and not exported:
            line = entry.model.mro()
            look = line[line.index(Inverts) - 1]
            derived = look is not entry.model
        again = derived or look in seen or name.removesuffix("_small") in seen
        marked.append(pytest.param(name, marks=pytest.mark.slow) if again else name)
        seen |= {name} if again else {name, look}
    return marked


@pytest.fixture(scope="session")
def tiny():
    """`tiny(name, precision=, xla=, trains=, **changes to its recipe)`: a fresh compiled 16 px
    model. One that is not to train takes no step: what players pay is not traced, which takes most
    of the time."""

    def make(name="cyclegan", precision="float32", xla=False, trains=True, **changes):
        entry = registry.entry(name)
        keras.utils.set_random_seed(0)
        model = entry.model(entry.recipe.replace(**{**entry.tiny, **changes}), precision)
        with pytest.MonkeyPatch.context() as patch:
            if not trains:
                patch.setattr(GAN, "_term_names", lambda model: [])
            model.compile(xla=xla)
        return model

    return make


@pytest.fixture(scope="session")
def tiny_batch():
    """`tiny_batch(model, seed=0)`: a batch as `loss_terms` takes it, of smooth random pictures.

    Maps of ids are of squares.
    """

    def make(model, seed=0):
        random = np.random.default_rng(seed)
        batch, signals = {}, {signal.name: signal for signal in model.signals}
        for domain, spec in model.batch_spec(model.recipe.batch).items():
            if signals[domain].kind == "vector":
                labels = random.integers(0, 2, spec.shape)
                labels[0], labels[-1] = 0, 1  # shuffled labels differ from each other
                batch[domain] = tf.constant(labels, tf.float32)
                continue
            *n, h, w, c = spec.shape
            shape, most = (*n, h // 4, w // 4, c), signals[domain].classes or 9
            coarse = (random.integers(0, most, shape) if signals[domain].ids
                      else random.uniform(-1, 1, shape))
            batch[domain] = tf.constant(coarse.repeat(4, -3).repeat(4, -2), spec.dtype)
        return {**batch, "key": tf.constant([seed, 0]), "step": tf.constant(0)}

    return make


@pytest.fixture(scope="session")
def network_calls():
    """`network_calls(model, terms, batch)`: how often `terms(model, batch)` calls each network."""

    def count(model, terms, batch):
        found, counted = {}, object.__new__(type(model))
        counted.__dict__.update(model.__dict__, nets=dict(model.nets))
        for name, network in model.nets.items():
            counted.__dict__[name] = counted.nets[name] = Counted(name, network, found)
        terms(counted, batch)
        return found

    return count


class Counted:
    """A network that counts its calls in `found[name]`."""

    def __init__(self, name, network, found):
        self._name, self._network, self._found = name, network, found

    def __call__(self, *inputs, **keywords):
        self._found[self._name] = self._found.get(self._name, 0) + 1
        return self._network(*inputs, **keywords)

    def __getattr__(self, name):
        return getattr(self._network, name)


@pytest.fixture(scope="session")
def rehash():
    """`rehash(folder)`: gives a weights folder that was changed hashes that are right again."""

    def write(folder):
        path = folder / "metadata.json"
        metadata = json.loads(path.read_text())
        metadata["sha256"] = {name: sha256_of_file(folder / name) for name in metadata["sha256"]}
        path.write_text(json.dumps(metadata))

    return write


# Runs and tools

TINY_RUN = shlex.split(
    "--model cyclegan --data avatars:Eyeglasses?n=24&test=8 --size 16 --load_size 18 --flip "
    "--batch 2 --steps 40 --decay_from 0.5 --ema 0.9 --pool 4 --filters 4 --blocks 1 "
    "--discriminator_filters 4 --discriminator_layers 1 --log_every 10 --sample_every 20 "
    "--precision float32"
)


@pytest.fixture(scope="session")
def tool():
    """Runs a tool's main in this process: code, its JSON (None if it printed nothing), stderr.

    Trainings do not check what they export, which takes a process, unless they are asked to.
    """

    def run(name, *arguments):
        if name == "train" and "--check_export" not in arguments:
            arguments = ["--nocheck_export", *arguments]
        out, err = io.StringIO(), io.StringIO()
        main = importlib.import_module(f"kgan.cli.{name}").main
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(a) for a in arguments])
        lines = out.getvalue().splitlines()
        assert len(lines) <= 1, "results are one line of JSON on stdout"
        result = json.loads(lines[0]) if lines else None
        return types.SimpleNamespace(code=code, json=result, stderr=err.getvalue())

    return run


@pytest.fixture(scope="session")
def finished(tool, tmp_path_factory):
    """The folder of a run of `TINY_RUN` that went through in one go. Not to be changed.

    Processes that share the tests share it, too: the first one trains, the others wait.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    with open(root / "finished.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = tool("train", *TINY_RUN, "--out", root / "finished")  # once; else it says "done"
    assert done.code == 0, done.stderr
    return root / "finished"


@pytest.fixture
def run_folder(finished, tmp_path):
    """A copy of `finished` to change."""
    return shutil.copytree(finished, tmp_path / "run")


@pytest.fixture(scope="session")
def tiny_flags():
    """The flags of `finished`, without `--out`."""
    return TINY_RUN


@pytest.fixture(scope="module")
def toy():
    """A registered model of a few dozen weights, trained in a second: `train(folder, ...)`.

    Its recipe's `bad_term_at` and `bad_gradient_at` name the step at which a term, or only its
    gradient, is not a number.
    """
    recipe = ToyRecipe(data="avatars:Eyeglasses?n=24&test=8", size=8, batch=2, steps=6)
    registry.register("toy", Toy, recipe, card="cyclegan.md", phrase="a toy")

    def run(folder, *, save_minutes=5.0, keep=3, export=False, sample_every=100,
            precision="float32", check_export=False, **changes):
        options = RunOptions(
            out=str(folder), save_minutes=save_minutes, keep=keep, export=export,
            sample_every=sample_every, log_every=2, check_export=check_export,
        )
        return train("toy", recipe.replace(**changes), Machine(precision=precision), options)

    yield run
    del registry._entries["toy"]


@dataclasses.dataclass(frozen=True)
class ToyRecipe(Recipe):
    bad_term_at: int = knob(0, "step at which a term is not a number; 0 = none")
    bad_gradient_at: int = knob(0, "step at which a gradient is not a number; 0 = none")


class Toy(GAN):
    players = {"generator": ("g",), "discriminator": ("d",)}
    directions = {"a2b": "g"}

    def build_networks(self, recipe):
        def network(name, channels):
            picture = keras.Input((None, None, 3))
            output = keras.layers.Conv2D(channels, 1, name=f"{name}_conv")(picture)
            return keras.Model(picture, output, name=name)

        return {"g": network("g", 3), "d": network("d", 1)}

    def loss_terms(self, batch):
        step, fake = batch["key"][1] + 1, self.nets["g"](batch["a"])
        nan = tf.constant(float("nan"))
        spoil = tf.where(step == self.recipe.bad_term_at, nan, 0.0)

        @tf.custom_gradient
        def spoil_gradient(x):
            factor = tf.where(step == self.recipe.bad_gradient_at, nan, 1.0)
            return tf.identity(x), lambda upstream: upstream * factor

        real, fake = (tf.cast(self.nets["d"](x), tf.float32) for x in (batch["b"], fake))
        return {
            "generator": {"adversarial": spoil_gradient(tf.reduce_mean((fake - 1.0) ** 2))},
            "discriminator": {
                "real": tf.reduce_mean((real - 1.0) ** 2) + spoil, "fake": tf.reduce_mean(fake**2)
            },
        }
