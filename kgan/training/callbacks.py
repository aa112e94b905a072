"""What a run does beside training: report, show, save, and stop when it must."""

import collections
import json
import math
import signal
import sys
import threading
import time

import keras
import numpy as np
import tensorflow as tf

from kgan.core.paths import replacing
from kgan.core.progress import say
from kgan.models.stages import steps_left
from kgan.report.animation import save_clips
from kgan.report.run_page import write_page
from kgan.report.sheet import grid
from kgan.training.divergence import NO_NUMBER, diverged

LAG = 2  # steps after which a worker reads what all have said, so that none waits for its device
SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")  # SIGHUP: the terminal is gone; not on every system


def duration(seconds):
    """`1:02:03` or `2:03`."""
    seconds = round(seconds)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


class Unread(keras.callbacks.CallbackList):
    """Callbacks that are given the means of a step as tensors.

    Keras makes numbers of them at every step, which waits for the device.
    """

    def on_train_batch_end(self, batch, logs=None):
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs)


class Counting(keras.callbacks.Callback):
    """A callback that knows the step of the run, counted from 1 over all its parts.

    `start` is the step at which the present part begins; a run moves it on from part to part.
    """

    def __init__(self, start):
        super().__init__()
        self.start = start

    def on_train_batch_end(self, batch, logs=None):
        self.after_step(self.start + batch + 1, logs)

    def after_step(self, step, logs):
        raise NotImplementedError


class Report(Counting):
    """Means of the terms to `metrics.jsonl` and TensorBoard, a line of progress to stderr."""

    def __init__(self, start, run, watch, *, steps, every, seconds=0.0, stream=None):
        super().__init__(start)
        self.run, self.watch, self.every = run, watch, every
        self.steps = steps
        self.before, self.stream = seconds, stream or sys.stderr
        self.live = self.stream.isatty()
        self.rate, self.work, self.first, self.begun = None, None, None, None
        self.noted = {}

    def on_train_begin(self, logs=None):
        self.writer = tf.summary.create_file_writer(str(self.run / "tensorboard"))
        if self.work != self.model.part.work:
            self.rate, self.work = None, self.model.part.work
        self.begun = self.marked = time.perf_counter()
        self.marked_step = self.start

    @property
    def seconds(self):
        """Training time of the run so far, over all its parts."""
        return self.before + (time.perf_counter() - self.begun if self.begun else 0.0)

    def after_step(self, step, logs):
        now = time.perf_counter()
        if step == self.start + 1:
            self.first = now - self.begun  # tracing and compiling
            self.marked, self.marked_step = now, step
        last = step == self.steps or self.model.stop_training
        if step % self.every and not last and not self.noted:
            return
        self.watch.check(step, logs)  # before the means begin anew
        if step > self.marked_step:
            self.rate = (step - self.marked_step) / (now - self.marked)
            self.marked, self.marked_step = now, step
        terms = {**{name: float(logs[name]) for name in sorted(logs)}, **self.noted}
        self.noted = {}
        self._record(step, terms)
        self._progress(step, terms)
        self.model.reset_metrics()

    def left(self, step):
        """(seconds that the steps after `step` take, whether that is what they take at the most).

        Nobody knows what other stages will take: it is bounded by their pixels.
        """
        parts, part = self.model.parts(), self.model.part
        bounded = any(p.work != part.work for p in parts if p.end > step)
        return steps_left(parts, step, part) / self.rate, bounded

    def flush(self):
        """What was told so far outlives a kill."""
        self.writer.flush()

    def note(self, terms):
        """Figures that the next line carries, too."""
        self.noted |= terms

    def _record(self, step, terms):
        part, rate = self.model.part, self.rate
        left, bounded = self.left(step) if rate else (None, False)
        images = part.batch * self.model.batches_per_step
        line = {
            "step": step,
            "stage": part.stage.name,
            "numbers": part.stage.own,
            "seconds": round(self.seconds, 2),
            "seconds_left_at_most" if bounded else "seconds_left": round(left, 2) if rate else None,
            "images_per_second": round(rate * images, 3) if rate else None,
            "learning_rate": self.model.learning_rate(),
            "terms": terms,
        }
        with open(self.run / "metrics.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")
        with self.writer.as_default(step):
            for name, value in terms.items():
                tf.summary.scalar(name, value)
            tf.summary.scalar("learning_rate", line["learning_rate"])
        self.last = line

    def _progress(self, step, terms):
        seconds, bounded = self.left(step) if self.rate else (None, False)
        left = f"{'at most ' * bounded}{duration(seconds)} left" if self.rate else "…"
        totals = "  ".join(f"{n.split('/')[0]} {v:.3f}" for n, v in terms.items() if "total" in n)
        rate = f"{1 / self.rate:.3f} s/step" if self.rate else ""
        share = f"{100 * step / self.steps:3.0f} %"
        stages = self.model.parts()
        stage = f"  {self.model.stage.name}" if len(stages) > 1 else ""
        text = f"step {step}/{self.steps}  {share}{stage}  {rate}  {left}  {totals}"
        say(f"\r{text:<100}" if self.live else text, "" if self.live else "\n", self.stream)

    def on_train_end(self, logs=None):
        self.before, self.begun = self.seconds, None
        self.writer.close()
        if self.live:
            say("", stream=self.stream)


class Validation(Counting):
    """Measures the model on held-out pictures and does what its `Plateau` says.

    The chief measures, and all workers heed what it found.
    """

    def __init__(self, start, state, report, *, held, every, steps, workers):
        super().__init__(start)
        self.state, self.report, self.held, self.workers = state, report, held, workers
        self.every, self.steps = every, steps

    def after_step(self, step, logs):
        if step % self.every and step != self.steps:
            return
        found = self.workers.from_chief(lambda: self.model.validate(self.held))
        if bad := [f"validation/{name}" for name, x in found.items() if not math.isfinite(x)]:
            raise diverged(bad, NO_NUMBER, step, self.state)
        if self.model.plateau.heed(found["total"]):
            self.model.kept.take()
        self.report.note({f"validation/{name}": value for name, value in found.items()})
        if self.model.plateau.stopped:
            self.model.stop_training = True


class Samples(Counting):
    """Grids of what the model makes of fixed pictures, and the page that shows the run."""

    def __init__(self, start, run, *, batch, every, steps):
        super().__init__(start)
        self.run, self.batch, self.every, self.steps = run, batch, every, steps
        self.warned = False

    def on_train_begin(self, logs=None):
        self.writer = tf.summary.create_file_writer(str(self.run / "tensorboard"))
        if self.start == 0:
            self.draw(0)

    def after_step(self, step, logs):
        if step % self.every == 0 or step == self.steps or self.model.stop_training:
            self.draw(step)

    def draw(self, step):
        """Writes `samples/step_….png`, of frames an animated `.webp` beside it, and the page."""
        with self.model.kept.lent():
            shown, (moving, given) = self.model.show(self.batch), self.model.show_moving(self.batch)
        self._warn_if_idle(step, shown)
        sheet = grid(shown)
        path = self.run / "samples" / f"step_{step:06d}.png"
        with replacing(path) as new:
            sheet.save(new)
        if moving:
            save_clips(path.with_suffix(".webp"), moving, given)
        with self.writer.as_default(step):
            tf.summary.image("samples", keras.utils.img_to_array(sheet)[None] / 255.0)
        self.writer.flush()
        write_page(self.run)

    def _warn_if_idle(self, step, shown):
        """Says once when a translator has come to return its input: no loss curve shows that."""
        for direction, how in self.model.directions.items() if step and not self.warned else ():
            before, after = shown.get(how.sources[0]), shown.get(direction)
            if before is not None and after is not None and before.shape == after.shape:
                change = 127.5 * float(np.mean(np.abs(np.asarray(after) - np.asarray(before))))
                if change < 0.1:
                    self.warned = True
                    say(f"warning: {direction} returns its input (mean change {change:.2f}/255 "
                        f"at step {step}); the model's card says what helps")


class Keeper(Counting):
    """Saves the run every few minutes, at its end, and when it is told to stop.

    SIGTERM, SIGINT (Ctrl-C) and SIGHUP end the run after the step that is under way and its saving;
    one of them to any of several workers ends all of them, `LAG` steps later. The chief saves.

    Attributes:
        signal: the name of the signal that this process was sent.
        ended: what ends the run, in words.
    """

    def __init__(self, start, state, report, watch, *, minutes, steps, workers):
        super().__init__(start)
        self.state, self.report, self.watch, self.workers = state, report, watch, workers
        self.minutes, self.steps = minutes, steps
        self.saved, self.signal, self.handlers = None, None, {}
        self.ended, self.asked = None, collections.deque()

    def on_train_begin(self, logs=None):
        if self.saved is None:  # else another stage begins
            self.saved = time.perf_counter()
            self._listen()

    def _listen(self):
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread may, and whoever started this one has to stop it
        for name in SIGNALS:
            number = getattr(signal, name, None)
            # what nohup makes a process deaf to stays so
            if number and not (name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN):
                self.handlers[number] = signal.signal(number, self._stop)

    def _stop(self, number, frame):
        self.signal = signal.Signals(number).name

    def after_step(self, step, logs):
        self._agree()
        due = time.perf_counter() - self.saved > 60 * self.minutes
        due = due or self.ended or step == self.steps or self.model.stop_training
        if due and self.workers.chief:
            self.watch.check(step, logs)
            self.watch.check_state(step)
            self.report.flush()  # a run that goes on from here does not tell it again
            self.state.save(seconds=self.report.seconds)
            self.saved = time.perf_counter()
        if self.ended:
            self.model.stop_training = True

    def _agree(self):
        """Whether the run ends, which all workers must find at the same step."""
        if self.workers.count == 1:
            self.ended = self.signal
            return
        self.asked.append(self.workers.total(float(bool(self.signal))))
        if len(self.asked) > LAG and float(self.asked.popleft()):
            self.ended = self.signal or "a signal to another worker"

    def release(self):
        """Gives the signals back to whoever had them."""
        for number, handler in self.handlers.items():
            signal.signal(number, handler)
        self.handlers = {}
