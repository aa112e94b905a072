"""What a model says of its training is checked: networks when it is made, then the rest."""

from collections.abc import Mapping

from kgan.core.lazy import tf


def pays(model, phase):
    """What says what the players of a phase pay, a function of (model, batch); None = nothing."""
    terms = phase.loss_terms or "loss_terms"
    return getattr(type(model), terms, None) if isinstance(terms, str) else terms


def check_networks(model):
    """Raises `ValueError` if a player or a direction names a network that is not there."""
    its, known = type(model).__name__, ", ".join(model.nets)
    for player, names in model.players.items():
        if isinstance(names, str) or not set(names) <= set(model.nets):
            raise ValueError(f"{its}: player {player!r} owns {names!r}, which must be a tuple "
                             f"of its networks: {known}.")
    for direction, how in model.directions.items():
        if model.nets and how.network not in model.nets:
            raise ValueError(f"{its}: direction {direction!r} is by {how.network!r}, which is "
                             f"none of its networks: {known}.")


def check_stages(model):
    """Raises `ValueError` if a stage or a phase has what the model or its recipe does not have."""
    its, known = type(model).__name__, ", ".join(model.players)
    for stage in model.stages():
        if (stage.size or 1) > model.recipe.size:
            raise ValueError(f"{its}: stage {stage.name!r} has pictures of {stage.size} px, "
                             f"more than the recipe's {model.recipe.size}.")
        if not stage.phases or not stage.phases[0].fresh:
            raise ValueError(f"{its}: stage {stage.name!r} must begin with a fresh phase.")
        for phase in stage.phases:
            if isinstance(phase.players, str) or not set(phase.players) <= set(model.players):
                raise ValueError(f"{its}: a phase of stage {stage.name!r} moves "
                                 f"{phase.players!r}, which must be a tuple of its players: "
                                 f"{known}.")
            if not callable(pays(model, phase)):
                raise ValueError(f"{its} has no method {phase.loss_terms!r}, which says what "
                                 f"players pay in stage {stage.name!r}.")


def check_terms(model, phase, terms):
    """Raises if terms are not `{player: {term: scalar}}` of the players that move, at least."""
    method, known = pays(model, phase), ", ".join(model.players)
    its = f"{type(model).__name__}.{getattr(method, 'func', method).__name__}"
    if not isinstance(terms, Mapping) or not set(terms) <= set(model.players):
        found = ", ".join(map(str, terms)) if isinstance(terms, Mapping) else terms
        raise ValueError(f"{its} returns {{player: {{term: scalar}}}} of the players {known}, "
                         f"not {found}.")
    for player in phase.players or model.players:
        if not terms.get(player):
            raise ValueError(f"{its} does not say what {player!r} pays, which moves; it gives "
                             f"terms of {', '.join(terms) or 'no player'}.")
    for player, paid in terms.items():
        for term, value in paid.items():
            x = tf.convert_to_tensor(value)
            if x.shape.rank != 0 or not x.dtype.is_floating:
                raise TypeError(f"{its}: term {term!r} of {player!r} must be a float scalar, "
                                f"the mean over the batch, not {x.dtype.name} "
                                f"{list(x.shape)}.")
            if x.dtype != tf.float32:
                raise TypeError(f"{its}: term {term!r} of {player!r} is {x.dtype.name}: cast what "
                                "networks give to float32 before means are taken of it, as the "
                                "functions of kgan.losses do.")
