"""Published networks of fast-neural-style, read from ONNX files as `johnson` has them.

PyTorch's examples have trained and exported such networks: `c9s1-32, d64, d128, R128 x5, u64, u32,
c9s1-3` with instance norm, every convolution padded by reflection, nearest neighbours before the
convolutions of `u`, levels of 0..255 in and out; some are in the ONNX model zoo. Others have
16 or 8 filters, zeros as padding or transposed convolutions. What a file is follows from its
operations, which must be these and no others.
"""

from kgan.core.errors import UserError
from kgan.core.lazy import np
from kgan.models.onnx import Operation

LIKE = "it is no fast-neural-style network as johnson has them"
EPSILON = 1e-5


def fields(operations):
    """The fields of a `johnson` recipe that the operations of a file stand for.

    Args:
        operations: of `kgan.models.onnx.read`.

    Returns:
        `{"filters", "blocks", "padding", "upsample", "levels", "batch_norm"}`.

    Raises:
        UserError: it is another network.
    """
    kinds = [one.kind for one in operations]
    convolutions = [one for one in operations if one.kind in ("Conv", "ConvTranspose")]
    if not convolutions or not convolutions[0].arrays or convolutions[0].arrays[0].ndim != 4:
        raise UserError(f"{LIKE}: it begins with no convolution that has its weights.")
    found = {
        "filters": convolutions[0].arrays[0].shape[0], "blocks": kinds.count("Add"),
        "padding": "reflect" if "Pad" in kinds else "zero",
        "upsample": "transpose" if "ConvTranspose" in kinds else "nearest", "levels": "plain",
        "batch_norm": False,
    }
    expected = _expected(found)
    for i, (kind, wanted) in enumerate(zip(kinds, expected, strict=False), 1):
        if kind != wanted:
            raise UserError(f"{LIKE}: its operation {i} is {kind}, where {wanted} is expected.")
    if len(kinds) != len(expected):
        raise UserError(f"{LIKE}: it has {len(kinds)} operations, not {len(expected)}.")
    for one in operations:
        _check(one)
    least = 72 * found["filters"] ** 2 * (1 + 4 * found["blocks"])  # of d128 and the R128s
    if sum(array.size for one in operations for array in one.arrays) < least:
        raise UserError(f"{LIKE}: its layers are not as wide as its first one says.")
    return found


def _expected(found):
    """The kinds of the operations of such a network, in their order."""
    pad = ["Pad"] * (found["padding"] == "reflect")
    one = [*pad, "Conv", "InstanceNormalization"]
    twice = (["ConvTranspose", "InstanceNormalization", "Relu"]
             if found["upsample"] == "transpose" else ["Resize", *one, "Relu"])
    return [*3 * [*one, "Relu"], *found["blocks"] * [*one, "Relu", *one, "Add"], *2 * twice, *pad,
            "Conv"]


def _check(one):
    """Refuses what an operation may say and ours do not do."""
    said = {name: x.decode() if isinstance(x, bytes) else x for name, x in one.attributes.items()}
    if one.kind == "Pad" and said.get("mode") != "reflect":
        raise UserError(f"{LIKE}: it pads by {said.get('mode', 'constant')}, not by reflection.")
    if one.kind == "Resize" and said.get("mode", "nearest") != "nearest":
        raise UserError(f"{LIKE}: it resizes by {said['mode']}, not by nearest neighbours.")
    if one.kind == "InstanceNormalization" and not np.isclose(said.get("epsilon", EPSILON),
                                                              EPSILON):
        raise UserError(f"{LIKE}: its norm adds {said['epsilon']} to the variance, not {EPSILON}.")
    if said.get("group", 1) != 1 or set(said.get("dilations", [1])) != {1}:
        raise UserError(f"{LIKE}: a convolution of it has groups or holes.")


def set_weights(network, operations):
    """Gives a transformer the weights of a file of the same `fields`.

    Args:
        network: of `kgan.networks.johnson.transformer`.
        operations: of `kgan.models.onnx.read`.

    Raises:
        UserError: arrays are missing or of other shapes.
    """
    layers = [layer for layer in network.layers if layer.weights]
    holders = [one for one in operations
               if one.kind in ("Conv", "ConvTranspose", "InstanceNormalization")]
    for layer, one in zip(layers, holders, strict=True):
        wanted, arrays = [tuple(w.shape) for w in layer.weights], list(one.arrays)
        if one.kind == "Conv" and arrays[:1] and arrays[0].ndim == 4:  # [out, in, h, w]
            arrays[0] = arrays[0].transpose(2, 3, 1, 0)
        if one.kind == "ConvTranspose" and arrays[:1] and arrays[0].ndim == 4:  # [in, out, h, w]
            arrays[0] = arrays[0].transpose(2, 3, 1, 0)
        if one.kind != "InstanceNormalization" and len(arrays) == 1:  # no bias
            arrays.append(np.zeros(wanted[1], np.float32))
        if [a.shape for a in arrays] != wanted:
            shapes = ", ".join(str(list(a.shape)) for a in arrays)
            raise UserError(f"{LIKE}: {one.kind} has arrays {shapes}, not "
                            f"{', '.join(str(list(w)) for w in wanted)}.")
        if not all(a.dtype.kind == "f" and np.isfinite(a).all() for a in arrays):
            raise UserError(f"{LIKE}: {one.kind} has values that are no finite numbers.")
        layer.set_weights([a.astype(np.float32) for a in arrays])


def today(operations):
    """Operations by the names that ONNX gives them today: `Upsample` is `Resize`."""
    return [Operation("Resize" if one.kind == "Upsample" else one.kind, one.arrays,
                      one.attributes) for one in operations]
