"""What a run told of steps after the one from which it goes on is taken back, or it is told twice.

A run that was killed, or that goes on from an earlier checkpoint, has lines, sheets, events and
weights of steps that come again.
"""

import shutil

from kgan.core.paths import replacing
from kgan.core.reading import json_lines, json_or_empty


def rewind(folder, step):
    """Removes from the folder of a run what is of a step after `step`; 0 removes all."""
    _lines(folder / "metrics.jsonl", step)
    for path in folder.glob("samples/step_*.png"):
        if _number(path.stem[5:]) > step or not step:
            path.unlink()
    for path in folder.glob("tensorboard/events.out.tfevents.*"):
        _events(path, step)
    weights = folder / "weights" / "metadata.json"
    if _step_of(json_or_empty(weights)) > step:
        shutil.rmtree(folder / "weights")


def _number(text):
    return int(text) if text.isdigit() else 0


def _step_of(content):
    """The step that a JSON object says; 0 if it says none."""
    try:
        return int(content["step"])
    except (ValueError, LookupError, TypeError, OverflowError):
        return 0


def _lines(path, step):
    """Keeps whole lines until `step`; a kill may have cut the last."""
    if not path.exists():
        return
    new = b"".join(line + b"\n" for line, found in json_lines(path) if 0 < _step_of(found) <= step)
    if len(new) != path.stat().st_size:  # nothing is added, so lines were left out
        with replacing(path) as file:
            file.write_bytes(new)


def _events(path, step):
    """Keeps TensorBoard's events until `step`."""
    import tensorflow as tf

    kept, dropped = [], not step
    try:
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            if event.step > step:
                dropped = True
            else:
                kept.append(record.numpy())
    except tf.errors.DataLossError:  # a kill cut the last
        dropped = True
    if not dropped:
        return
    if not step or len(kept) < 2:  # the first says the version of the format
        path.unlink()
        return
    with replacing(path) as file, tf.io.TFRecordWriter(str(file)) as writer:
        for record in kept:
            writer.write(record)
