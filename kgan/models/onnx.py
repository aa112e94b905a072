"""ONNX files of others: the operations of a graph and the arrays that they take, as data.

`read` runs nothing of a file: its size, its operations and its arrays are bounded, and arrays that
lie in other files are refused. `run` has onnxruntime run one that was read. Needs the packages
`onnx` and `onnxruntime`: `pip install kgan[onnx]`.
"""

import math
from dataclasses import dataclass

from kgan.core.errors import UsageError, UserError, printable
from kgan.core.hashing import sha256_of_file
from kgan.core.lazy import np
from kgan.core.reading import size_of

LARGEST = 64_000_000  # bytes of a file
MOST = 2000  # operations, and arrays
NUMBERS = LARGEST // 2  # in all arrays of a file
SMALL = 64  # numbers of an array that `PLUMBING` takes, out of which it could make any size
KINDS = ("FLOAT", "FLOAT16", "DOUBLE", "INT32", "INT64", "INT8", "UINT8", "BOOL")
LONGEST = 2048  # pixels of a side that a file fixes
PLUMBING = {  # what exporters compute sizes with; no network is told by it
    "Cast", "Concat", "Constant", "ConstantOfShape", "Div", "Floor", "Gather", "Identity", "Mul",
    "Reshape", "Shape", "Slice", "Transpose", "Unsqueeze",
}


@dataclass(frozen=True)
class Operation:
    """An operation of a graph.

    Attributes:
        kind: its name in ONNX, as `Conv`.
        arrays: the arrays that it takes beside what other operations make, in their order.
        attributes: `{name: number, list of numbers or text}`.
    """

    kind: str
    arrays: tuple
    attributes: dict


def read(path):
    """(operations but for `PLUMBING`, in their order; the sha256 of the file).

    Raises:
        UserError: the file cannot be read, is too large or no ONNX file, or has what is not read
            here; the package is missing.
    """
    onnx = package("onnx")
    try:
        size_of(path, LARGEST)
        sha256 = sha256_of_file(path)
        graph = onnx.load(str(path), load_external_data=False).graph
        if max(len(graph.node), len(graph.initializer)) > MOST:
            raise ValueError(f"it has more than {MOST:,} operations or arrays")
        constants = [a.t for node in graph.node if node.op_type == "Constant"
                     for a in node.attribute if a.type == onnx.AttributeProto.TENSOR]
        _check_arrays(onnx, [*graph.initializer, *constants])
        arrays = {x.name: _array(onnx, x) for x in graph.initializer}
        found = []
        for node in graph.node:
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute
                          if a.type != onnx.AttributeProto.TENSOR}
            if node.op_type == "Constant":
                for a in node.attribute:
                    if a.type == onnx.AttributeProto.TENSOR:
                        arrays[node.output[0]] = _array(onnx, a.t)
                continue
            own = tuple(arrays[name] for name in node.input if name in arrays)
            if node.op_type not in PLUMBING:
                found.append(Operation(node.op_type, own, attributes))
            elif any(array.size > SMALL for array in own):
                raise ValueError(f"its {node.op_type} takes more than {SMALL} numbers")
    except UserError:
        raise
    except Exception as error:  # a file of others, of which the parser throws what it likes
        reason = getattr(error, "strerror", None) or f"{error}".split("\n")[0]
        raise UserError(f"{path} cannot be read as an ONNX file: {printable(reason, 200)}."
                        ) from None
    return found, sha256


def _check_arrays(onnx, tensors):
    """Refuses what takes more memory than a file can hold, before any array is made."""
    kinds = {onnx.TensorProto.DataType.Value(name) for name in KINDS}
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
        raise ValueError("its arrays lie in other files; export it as one")
    if any(tensor.data_type not in kinds or min(tensor.dims, default=1) < 0 for tensor in tensors):
        raise ValueError("an array of it is none of numbers")
    count = sum(math.prod(tensor.dims) for tensor in tensors)
    if count > NUMBERS:
        raise ValueError(f"its arrays have {count:,} numbers, more than {NUMBERS:,}")


def _array(onnx, tensor):
    return np.asarray(onnx.numpy_helper.to_array(tensor))


def run(path, pictures):
    """What a file makes of its one input, by `onnxruntime`.

    Args:
        path: of the file, which `read` has found to be what was looked for.
        pictures: float32 [1, c, h, w]; repeated and cut to sides that the file fixes.

    Returns:
        (the pictures that were given, the result), float32 arrays.

    Raises:
        UserError: it cannot be run.
    """
    runtime = package("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        one, *others = session.get_inputs()
        if others or len(one.shape) != 4:
            raise UserError(f"{path} takes other things than one batch of pictures.")
        sides = [side if isinstance(side, int) else own
                 for side, own in zip(one.shape[2:], pictures.shape[2:], strict=True)]
        if not 0 < min(sides) <= max(sides) <= LONGEST:
            raise UserError(f"{path} takes pictures of {sides[1]}x{sides[0]} pixels, not sides of "
                            f"1 to {LONGEST}.")
        given = np.pad(pictures, [(0, 0), (0, 0), *((0, max(0, side - own)) for side, own in zip(
            sides, pictures.shape[2:], strict=True))], "wrap")[:, :, : sides[0], : sides[1]]
        return given, session.run(None, {one.name: given})[0]
    except UserError:
        raise
    except Exception as error:  # of its own kinds
        raise UserError(f"onnxruntime cannot run {path}: {printable(error, 200)}.") from None


def package(name):
    """The package of this name, or a `UsageError` that says how to get it."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise UsageError(f"Reading ONNX files needs the package {name}: pip install 'kgan[onnx]'."
                         ) from None
