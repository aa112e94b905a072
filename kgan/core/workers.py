"""Workers: processes on several machines that train one model together.

All are started by the same command; `TF_CONFIG` says who they are and which of them this one is.
The first of them, the chief, decides whatever could differ and writes the run, the others follow.
They meet before TensorFlow starts, which would wait for an hour for one that never comes.
"""

import contextlib
import json
import os
import socket
import time

from kgan.core.errors import UserError, printable
from kgan.core.lazy import np, tf
from kgan.core.progress import say

PATIENCE = 5.0  # seconds of waiting for others before it is said
_HELLO, _BEGIN = "kgan worker ", "kgan begins"


def configured():
    """What `TF_CONFIG` says: (addresses of all workers, the chief's first; which is this one).

    Returns:
        (list of "host:port", int); ([], 0) if it is not set.

    Raises:
        UserError: it is set to something else.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        return [], 0
    try:
        found = json.loads(text)
        cluster, task = found.get("cluster") or {}, found.get("task") or {}
        if not cluster:
            return [], 0
        if unknown := set(cluster) - {"chief", "worker"}:
            raise ValueError(f"the cluster has a {min(unknown)}, and only worker and chief train")
        jobs = [(job, i) for job in ("chief", "worker") for i in range(len(cluster.get(job, ())))]
        addresses = [cluster[job][i] for job, i in jobs]
        for address in addresses:
            _parts(address)
        return addresses, jobs.index((task["type"], int(task["index"])))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UserError(
            'TF_CONFIG should be {"cluster": {"worker": ["HOST:PORT", ...]}, "task": {"type": '
            f'"worker", "index": which of them this is}}}} ({printable(error, 200)}).'
        ) from None


class Workers:
    """The workers of a training, of which this process is one; alone if nothing is said.

    Args:
        addresses: "host:port" of each.
        index: which of them this is.
        strategy: their `MultiWorkerMirroredStrategy`.
    """

    def __init__(self, addresses=("",), index=0, strategy=None):
        self.addresses, self.index, self.strategy = addresses, index, strategy

    @property
    def count(self):
        return len(self.addresses)

    @property
    def chief(self):
        """Whether this one writes the run."""
        return self.index == 0

    def __str__(self):
        role = "the chief, which writes the run" if self.chief else (
            f"the chief, worker 0 at {self.addresses[0]}, writes the run")
        return f"worker {self.index} of {self.count} at {self.addresses[self.index]}; {role}"

    def exchange(self, value):
        """What every worker gives, a list in their order; each gives something JSON can say."""
        if self.count == 1:
            return [value]
        sent = np.frombuffer(json.dumps(value).encode(), np.uint8)
        lengths = self._gather([len(sent)]).astype(int)
        ends = np.cumsum(lengths)
        text = self._gather(sent).astype(np.uint8)
        parts = [text[end - n : end].tobytes() for end, n in zip(ends, lengths, strict=True)]
        return [json.loads(part) for part in parts[:: len(parts) // self.count]]

    def all(self, make):
        """`exchange` of what `make()` returns; a `UserError` of any of them is one of all.

        Returns:
            (what it returned here, what it returned everywhere); `make` returns (anything,
            something JSON can say).
        """
        own, mine, error = None, {}, None
        try:
            own, mine["found"] = make()
        except Exception as raised:
            if self.count == 1:
                raise
            error, mine["error"] = raised, (str(raised).splitlines() or [type(raised).__name__])[0]
        found = self.exchange(mine)
        if error:
            raise error
        for number, its in enumerate(found):
            if "error" in its:
                raise UserError(f"Worker {number} at {self.addresses[number]} stopped: "
                                f"{its['error']}")
        return own, [its["found"] for its in found]

    def from_chief(self, make):
        """What `make()` returns on the chief, which alone calls it; something JSON can say."""
        if self.count == 1:
            return make()
        own, found = self.all(lambda: (make(),) * 2 if self.chief else (None, None))
        return own if self.chief else found[0]

    def give(self, variables):
        """Gives all workers the chief's values of Keras variables."""
        if self.count == 1:
            return

        def share(values):
            replica = tf.distribute.get_replica_context()
            first = replica.replica_id_in_sync_group == 0
            kept = [tf.where(first, x, tf.zeros_like(x)) for x in values]
            return replica.all_reduce(tf.distribute.ReduceOp.SUM, kept)

        # Other types travel as doubles, in which steps, counts and seeds are exact.
        for kind in ("float32", "float64"):
            some = [v for v in variables if (v.dtype == "float32") == (kind == "float32")]
            sent = [tf.cast(v.value, kind) for v in some]
            shared = self.strategy.run(tf.function(share, autograph=False), args=(sent,))
            if not self.chief:
                for v, x in zip(some, shared, strict=True):
                    v.assign(tf.cast(self.strategy.experimental_local_results(x)[0], v.dtype))

    def total(self, number):
        """The sum of all replicas' numbers, a tensor that may still be on its way."""
        if not hasattr(self, "_total"):
            sums = self.strategy.reduce
            self._total = tf.function(lambda x: sums(
                "SUM", self.strategy.run(tf.identity, args=(x,)), axis=None), autograph=False)
        return self._total(tf.constant(number, tf.float32))

    def _gather(self, values):
        x = tf.constant(np.asarray(values, np.float32))
        own = self.strategy.run(tf.function(lambda: tf.identity(x), autograph=False))
        return self.strategy.gather(own, axis=0).numpy()

    @contextlib.contextmanager
    def together(self):
        """What TensorFlow says in the block when another worker is gone becomes one line."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            if self.count == 1 or not _of_another(error):
                raise
            gone = [f"{i} at {a}" for i, a in enumerate(self.addresses)
                    if i != self.index and not _answers(a)]
            which = f"Worker {' and '.join(gone)} is gone" if gone else "A worker is gone"
            raise UserError(
                f"{which}, and TensorFlow cannot go on without it; its own output says why. What "
                "was saved is whole: the same command on every worker goes on from there."
            ) from error


def _of_another(error):
    kinds = ("UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError",
             "InternalError", "FailedPreconditionError", "UnknownError")
    return isinstance(error, tuple(getattr(tf.errors, kind) for kind in kinds))


def meet(addresses, index, seconds):
    """Waits until every worker is there: all call at the chief's port, which answers once.

    A TensorFlow that is left there from before gives no such answer.

    Raises:
        UserError: the chief's port is taken, or one did not come in time.
    """
    (_gather_round if index == 0 else _call)(addresses, index, time.monotonic() + seconds, seconds)


def _gather_round(addresses, index, until, seconds):
    port, lines = _parts(addresses[0])[1], {}
    try:
        dual = socket.has_dualstack_ipv6()
        listener = socket.create_server(
            ("", port), family=socket.AF_INET6 if dual else socket.AF_INET, dualstack_ipv6=dual)
    except OSError as error:
        raise UserError(f"The chief cannot listen on port {port} of TF_CONFIG: {error.strerror}."
                        ) from None
    with contextlib.ExitStack() as held:
        held.enter_context(listener).settimeout(0.2)
        tell = time.monotonic() + PATIENCE
        while missing := [i for i in range(1, len(addresses)) if i not in lines]:
            with contextlib.suppress(OSError, ValueError):
                line = held.enter_context(listener.accept()[0])
                line.settimeout(1.0)
                lines[int(line.recv(64).decode("ascii").removeprefix(_HELLO))] = line
            names = ", ".join(f"{i} at {addresses[i]}" for i in missing)
            if time.monotonic() > until:
                late = f"Worker {names} did not come within {seconds:g} s"
                _answer(lines.values(), late)
                raise UserError(f"{late}: start the same command there, or set --wait_minutes.")
            if time.monotonic() > tell:
                tell = until
                say(f"the chief waits for worker {names} (for {seconds:g} s at the most)")
        _answer(lines.values(), _BEGIN)


def _answer(lines, text):
    for line in lines:
        with contextlib.suppress(OSError):
            line.sendall(f"{text}\n".encode())


def _call(addresses, index, until, seconds):
    tell, met = time.monotonic() + PATIENCE, False
    while (left := until - time.monotonic()) > 0:
        answer = ""
        with contextlib.suppress(OSError, UnicodeDecodeError), socket.create_connection(
                _parts(addresses[0]), timeout=min(left, 1.0)) as line:
            line.sendall(f"{_HELLO}{index}".encode())
            line.settimeout(left + 1.0)  # the chief's time may be up a little later
            answer = line.makefile(encoding="ascii").readline().strip()
            met = True
        if answer == _BEGIN:
            return
        if answer.startswith("Worker "):
            raise UserError(f"{printable(answer)}.")
        if time.monotonic() > tell:
            tell = until
            say(f"worker {index} waits for the chief at {addresses[0]} (for {seconds:g} s at the "
                "most)")
        time.sleep(0.2)
    who = "Not all workers" if met else f"The chief, worker 0 at {addresses[0]}, did not"
    raise UserError(f"{who} {'came' if met else 'come'} within {seconds:g} s: start the same "
                    "command on every worker, or set --wait_minutes.")


def _parts(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _answers(address):
    try:
        socket.create_connection(_parts(address), timeout=2.0).close()
    except OSError:
        return False
    return True
