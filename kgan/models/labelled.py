"""Labels of generated pictures: -1 or 1 for each name, by which a conditional generator makes them.

Who sets them says 1, the picture has it, or 0, it has it not, by name. Attributes that the data
know by their absence, as `No_Beard`, also answer to the name of what is absent.
"""

from kgan.core.errors import UserError
from kgan.core.lazy import np, tf
from kgan.core.recipe import nearest


def in_turn(count, labels, exclusive):
    """Labels of drawn pictures: none in the first, the first in the second and so on, all over.

    Args:
        count: pictures, a number or a tensor.
        labels: how many labels there are.
        exclusive: they are classes: no picture has none of them.

    Returns:
        float32 [count, labels] of -1 and 1.
    """
    rows = 2.0 * tf.eye(labels) - 1.0
    if not exclusive:
        rows = tf.concat([-tf.ones((1, labels)), rows], 0)
    return tf.gather(rows, tf.range(count) % rows.shape[0])


def refuse_without_labels(name, names):
    """Raises `UserError` if a model of that name has no labels to set."""
    if not names:
        raise UserError(f"{name} has no labels to set: edit along directions, or take a model that "
                        "is made by labels, as icgan for pictures and cgan for samples.")


def with_labels(rows, names, wanted, exclusive=False):
    """Labels of which some are set.

    Args:
        rows: float32 [n, k] of -1 and 1.
        names: of the k labels.
        wanted: `{name: 1 or 0}`, for all pictures or [n].
        exclusive: the labels are classes: the one that is set takes the place of the others.

    Returns:
        float32 [n, k].

    Raises:
        UserError: an unknown name, another value, or a class that is to be taken away or two.
    """
    rows = np.array(rows, np.float32)
    if exclusive and len(wanted) > 1:
        raise UserError(f"Labels are classes here, of which a picture has one: set one of "
                        f"{', '.join(wanted)}.")
    for name, value in wanted.items():
        value = np.asarray(value, np.float32)
        if not np.isin(value, (0.0, 1.0)).all():
            raise UserError(f"The label {name} is set to 1 or to 0, which is without it.")
        column, value = _column(name, names, value)
        if exclusive:
            if not value.all():
                raise UserError(f"{name} is a class: set another one, it cannot be taken away.")
            rows[:] = -1.0
        rows[:, column] = 2.0 * value - 1.0
    return rows


def _column(name, names, value):
    """(the place of a label, its value), also of one that is known by its absence."""
    if name in names:
        return names.index(name), value
    if f"No_{name}" in names:
        return names.index(f"No_{name}"), 1.0 - value
    raise UserError(f"There is no label {name}. {nearest(name, names)}")
