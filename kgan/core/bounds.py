"""How much memory weights may take that come from anywhere: no more than their files can hold."""

import contextlib
import math

import h5py
import tensorflow as tf

from kgan.core.errors import UserError

SPARE = (100_000, 64)  # elements and variables that are in no file: steps, seeds, counters


def of_hdf5(path):
    """(elements, arrays) that a weights file of Keras holds; reads none of them.

    Raises:
        UserError: it is no HDF5 file, or has what Keras does not write: compressed or chunked
            arrays, arrays without their data in the file, types other than numbers, links.
    """
    try:
        with h5py.File(path, "r") as file:
            arrays = list(_arrays(file))
            held = file.id.get_filesize()
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} does not fit a recipe, it is no weights file: {error}") from None
    if sum(size for _, size in arrays) > held:
        raise UserError(f"{path} declares more values than it has bytes for.")
    return sum(count for count, _ in arrays), len(arrays)


def _arrays(file):
    """(elements, bytes) of each array in an HDF5 file that is laid out as Keras does it."""
    rooms, seen = [file], {file["/"]}
    while rooms:
        room = rooms.pop()
        for name in room:
            item = room[name] if type(room.get(name, getlink=True)) is h5py.HardLink else None
            if item is None or item in seen:
                raise ValueError(f"{name} is a link")
            seen.add(item)
            if isinstance(item, h5py.Group):
                rooms.append(item)
                continue
            plain = isinstance(item, h5py.Dataset) and item.dtype.kind in "fiub"
            if not plain or item.shape is None or item.chunks or item.external or item.is_virtual:
                raise ValueError(f"{name} is not a plain array of numbers")
            size = math.prod(item.shape) * item.dtype.itemsize
            if item.id.get_storage_size() != size:
                raise ValueError(f"{name} declares {size:,} bytes that are not in the file")
            yield math.prod(item.shape), size


@contextlib.contextmanager
def variables(elements, count, place):
    """In the block, a model is built that must not be larger than the files of its weights.

    Args:
        elements, count: of the arrays in the files; four times as many may be made (moving
            averages, and the discriminator of the generator that an encoder stands on).
        place: the folder, for the message.

    Raises:
        UserError: it is larger, before the memory is taken, or cannot be built at all.
    """
    left = [4 * elements + SPARE[0], 4 * count + SPARE[1]]

    def create(next_creator, **keywords):
        value = keywords["initial_value"]
        if callable(value):  # its shape is not told: look at it where nothing is computed
            with tf.Graph().as_default():
                value = value()
        left[0] -= math.prod(value.shape)
        left[1] -= 1
        if min(left) < 0:
            raise UserError(f"The recipe in {place} is of a larger model than its weights.")
        return next_creator(**keywords)

    try:
        with tf.variable_creator_scope(create):
            yield
    except UserError:
        raise
    except Exception as error:  # a recipe of others: whatever it breaks, it is to blame
        raise UserError(f"The recipe in {place} is not one that can be built "
                        f"({type(error).__name__}: {str(error)[:200]}).") from error
