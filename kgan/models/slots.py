"""What optimizers remember, by what it is and not by where it stands.

A loss scale is around an optimizer in float16 and not in float32, and its variables come first.
"""


def of(optimizer):
    """`{"iteration/0", "momentum/0", ...}`: the number is that of the weight among the player's.

    Args:
        optimizer: a Keras optimizer that is built, with or without a loss scale around it.

    Returns:
        `{name: variable}`, in the order of the optimizer.
    """
    found, counts = {}, {}
    for v in getattr(optimizer, "inner_optimizer", optimizer).variables:
        slot = v.name.rpartition("_")[2]  # of conv_kernel_momentum
        found[f"{slot}/{counts.setdefault(slot, 0)}"] = v
        counts[slot] += 1
    return found


def scale_of(optimizer):
    """`{name: variable}` of the loss scale around an optimizer; `{}` if there is none."""
    if not hasattr(optimizer, "inner_optimizer"):
        return {}
    return {"step_counter": optimizer.step_counter, "dynamic_scale": optimizer.dynamic_scale}


def called(names, saved):
    """What a checkpoint calls the variables of a run; older ones number those of optimizers.

    Args:
        names: of the variables that shall be read, in their order.
        saved: all names in the checkpoint.

    Returns:
        `{name: name in the checkpoint}`. Scales that one of the two has not are left out.

    Raises:
        ValueError: the two do not belong together.
    """
    found, passed = {name: name for name in names}, set()
    for player in _numbered(saved):
        room = f"optimizers/{player}/"
        own = [name for name in names if name.startswith(room)]
        first = sum(name.startswith(room) for name in saved) - len(own)
        found |= {name: f"{room}{first + i}" for i, name in enumerate(own)}
        if first == 4:  # iteration, learning rate, step counter, scale of the loss
            found |= {f"scales/{player}/step_counter": f"{room}2",
                      f"scales/{player}/dynamic_scale": f"{room}3"}
            passed |= {f"{room}{i}" for i in range(4)}
    passed |= {name for name in saved if name.startswith("scales/")}
    wanted = {name for name in names if not name.startswith("scales/")}
    missing = sorted(name for name in wanted if found[name] not in saved)
    unknown = sorted(set(saved) - {found[name] for name in wanted} - passed)
    if missing or unknown:
        raise ValueError(f"it has no {missing[0]}" if missing else f"it has {unknown[0]}, too")
    return {name: found[name] for name in names if found[name] in saved}


def _numbered(saved):
    """The players whose optimizer a checkpoint has by numbers."""
    parts = [name.split("/") for name in saved if name.startswith("optimizers/")]
    return sorted({p[1] for p in parts if len(p) == 3 and p[2].isdigit()})
