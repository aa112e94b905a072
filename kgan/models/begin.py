"""Where the weights of a new run begin, if not at random: fine-tuning."""

from kgan.core.errors import UserError
from kgan.models import weights


def begin_from(model, source):
    """Gives a model's players the weights of networks of the same name and shapes.

    Args:
        model: fresh.
        source: as of `kgan.models.weights.load`: packaged weights, or a folder. Of these the
            networks are there that are deployed.

    Returns:
        `{"from": source, "taken": names of networks, "anew": [...], "shapes": those of "anew" that
        the source has with other shapes}`.

    Raises:
        UserError: it has no weights, or none of its networks fits.
    """
    other = weights.load(source, "required")
    given = {name: other.nets[name] for name in other.deployed()}
    own = {name: model.nets[name] for names in model.players.values() for name in names}
    taken = [n for n in own if n in given and _shapes(own[n]) == _shapes(given[n])]
    found = {
        "from": source, "taken": taken, "anew": [n for n in own if n not in taken],
        "shapes": [n for n in own if n in given and n not in taken],
    }
    if not taken:
        names = ", ".join(given)
        what = f"it has {names}" + (", of other shapes" if found["shapes"] else "")
        raise UserError(f"--init {source} fits no network of {model.name_in_zoo} with this recipe "
                        f"({', '.join(own)}): {what}.")
    for name in taken:
        own[name].set_weights(given[name].get_weights())
    return found


def told(found):
    """A line about what `begin_from` did."""
    anew = [f"{n} (other shapes there)" if n in found["shapes"] else n for n in found["anew"]]
    rest = f"; anew: {', '.join(anew)}" if anew else ""
    return f"{', '.join(found['taken'])} of {found['from']}{rest}"


def _shapes(network):
    return [tuple(w.shape) for w in network.get_weights()]
