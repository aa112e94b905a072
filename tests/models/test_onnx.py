"""Networks of others from ONNX files: what they make is what onnxruntime makes of them."""

import json

import numpy as np
import pytest

from kgan.core.errors import UsageError, UserError
from kgan.models import fast_style, weights
from kgan.models import onnx as files

onnx = pytest.importorskip("onnx", reason="the extra [onnx] is not installed")
runtime = pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")


class Builder:
    """An ONNX graph of a fast-neural-style network, an operation behind the other."""

    def __init__(self, opset, padding, upsample):
        self.opset, self.padding, self.upsample = opset, padding, upsample
        self.nodes, self.arrays, self.last = [], [], "picture"
        self.random = np.random.default_rng(0)

    def array(self, value, kind=np.float32):
        name = f"array{len(self.arrays)}"
        self.arrays.append(onnx.numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def add(self, kind, *inputs, **attributes):
        name = f"out{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, [self.last, *inputs], [name], **attributes))
        self.last = name

    def conv(self, given, made, kernel, stride=1):
        side, zeros = kernel // 2, [0, 0, 0, 0]
        if self.padding == "reflect":
            pads = [0, 0, side, side, 0, 0, side, side]
            if self.opset < 11:
                self.add("Pad", mode="reflect", pads=pads)
            else:
                self.add("Pad", self.array(pads, np.int64), mode="reflect")
        else:
            zeros = [side] * 4
        w = self.random.normal(0, (kernel * kernel * given) ** -0.5, (made, given, kernel, kernel))
        bias = self.array(self.random.normal(0, 0.1, made))
        self.add("Conv", self.array(w), bias, kernel_shape=[kernel] * 2, strides=[stride] * 2,
                 pads=zeros)

    def norm(self, width, active=True):
        scale, offset = self.random.normal(1, 0.2, width), self.random.normal(0, 0.2, width)
        self.add("InstanceNormalization", self.array(scale), self.array(offset), epsilon=1e-5)
        if active:
            self.add("Relu")

    def up(self, given, made):
        if self.upsample == "transpose":
            w = self.random.normal(0, 0.1, (given, made, 3, 3))
            self.add("ConvTranspose", self.array(w), self.array(np.zeros(made)),
                     kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, output_padding=[1, 1])
            return
        scales = self.array([1, 1, 2, 2])
        if self.opset < 10:
            self.add("Upsample", scales, mode="nearest")
        else:
            self.add("Resize", "", scales, mode="nearest", nearest_mode="floor",
                     coordinate_transformation_mode="asymmetric")
        self.conv(given, made, 3)

    def residual(self, width):
        before = self.last
        for active in (True, False):
            self.conv(width, width, 3)
            self.norm(width, active)
        self.add("Add", before)

    def write(self, path, sides=("h", "w"), scale=40.0):
        self.conv_last(scale)
        value = onnx.helper.make_tensor_value_info
        floats = onnx.TensorProto.FLOAT
        graph = onnx.helper.make_graph(
            self.nodes, "style", [value("picture", floats, [1, 3, *sides])],
            [value(self.last, floats, [1, 3, None, None])], self.arrays)
        opsets = [onnx.helper.make_opsetid("", self.opset)]
        onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=6), str(path))
        return path

    def conv_last(self, scale):
        self.conv(self.filters, 3, 9)
        for x in self.arrays[-2:]:  # levels, not numbers about 0
            value = onnx.numpy_helper.to_array(x)
            x.CopyFrom(onnx.numpy_helper.from_array(
                (scale * value + (120 if value.ndim == 1 else 0)).astype(np.float32), x.name))

    def network(self, filters, blocks):
        self.filters = filters
        self.conv(3, filters, 9)
        self.norm(filters)
        for i in (2, 4):
            self.conv(i * filters // 2, i * filters, 3, 2)
            self.norm(i * filters)
        for _ in range(blocks):
            self.residual(4 * filters)
        for i in (2, 1):
            self.up(2 * i * filters, i * filters)
            self.norm(i * filters)
        return self


@pytest.mark.parametrize(("opset", "padding", "upsample", "filters", "blocks", "sides"), [
    (9, "reflect", "nearest", 8, 2, (224, 224)),  # as the ONNX model zoo's, which fix the sides
    (13, "reflect", "nearest", 4, 1, ("h", "w")),
    (13, "zero", "nearest", 4, 1, ("h", "w")),
    (13, "zero", "transpose", 4, 2, ("h", "w")),
])
def test_imported_weights_make_what_onnxruntime_makes(tool, tmp_path, opset, padding, upsample,
                                                      filters, blocks, sides):
    built = Builder(opset, padding, upsample).network(filters, blocks)
    path = built.write(tmp_path / "style.onnx", sides)
    done = tool("zoo", "import", path, "--model", "johnson", "--out", tmp_path / "style")
    assert done.code == 0, done.stderr
    assert done.json["difference"] < 1e-4
    model = weights.load(tmp_path / "style", "required")
    r = model.recipe
    assert (r.filters, r.blocks, r.padding, r.upsample, r.levels) == (
        filters, blocks, padding, upsample, "plain")
    size = sides if isinstance(sides[0], int) else (40, 56)
    picture = np.random.default_rng(1).integers(0, 256, (1, *size, 3), np.uint8)
    given, theirs = files.run(path, picture.transpose(0, 3, 1, 2).astype(np.float32))
    assert given.shape[2:] == size
    ours = model.translate(picture.astype(np.float32) / 127.5 - 1).numpy()
    theirs = np.clip(theirs.transpose(0, 2, 3, 1) / 127.5 - 1, -1, 1)
    assert theirs.std() > 0.1 and np.abs(theirs).mean() < 0.95
    np.testing.assert_allclose(ours, theirs, atol=1e-3)
    known = json.loads((tmp_path / "style/metadata.json").read_text())["imported"]
    assert known["file"] == "style.onnx" and len(known["sha256"]) == 64
    again = tool("zoo", "import", path, "--out", tmp_path / "style")
    assert again.code == 2 and "exists already" in again.stderr


def changed(graph, what):
    """A file that is none that can be read, by one change."""
    if what == "Pad":
        graph.node[0].attribute[0].s = b"edge"
    if what == "type":  # which only running it finds
        wide = np.zeros((8,), np.float32)
        graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(wide, graph.initializer[0].name))
    if what == "order":
        graph.node[2].op_type = "Sigmoid"
    if what == "more":
        graph.node.add(op_type="Relu", input=[graph.output[0].name], output=["end"])
    if what == "width":
        wide = np.zeros((6, 4, 3, 3), np.float32)
        graph.initializer[7].CopyFrom(onnx.numpy_helper.from_array(wide, graph.initializer[7].name))
    if what == "elsewhere":
        graph.initializer[1].data_location = onnx.TensorProto.EXTERNAL
    if what == "words":
        graph.initializer[1].CopyFrom(onnx.helper.make_tensor(
            graph.initializer[1].name, onnx.TensorProto.STRING, [2], [b"a", b"b" * 1000]))
    if what == "many":
        graph.initializer[1].dims[:] = [files.NUMBERS, 1]
    if what == "plumbing":
        graph.node.insert(0, onnx.helper.make_node(
            "Constant", [], ["sizes"], value=onnx.numpy_helper.from_array(np.arange(65))))
        graph.node.insert(1, onnx.helper.make_node("ConstantOfShape", ["sizes"], ["made"]))
    if what == "values":
        value = np.full((4,), np.nan, np.float32)
        graph.initializer[3].CopyFrom(
            onnx.numpy_helper.from_array(value, graph.initializer[3].name))


@pytest.mark.parametrize(("what", "says"), [
    ("Pad", "it pads by edge, not by reflection"), ("order", "its operation 3 is Sigmoid, where"),
    ("more", "operations, not"), ("width", "has arrays"), ("elsewhere", "lie in other files"),
    ("words", "none of numbers"), ("many", "numbers, more than 32,000,000"),
    ("plumbing", "ConstantOfShape takes more than 64 numbers"),
    ("values", "no finite numbers"), ("type", "onnxruntime cannot run"),
])
def test_other_files_are_refused_in_words(tool, tmp_path, what, says):
    path = Builder(13, "reflect", "nearest").network(4, 1).write(tmp_path / "style.onnx")
    proto = onnx.load(path)
    changed(proto.graph, what)
    path.write_bytes(proto.SerializeToString())
    done = tool("zoo", "import", path, "--out", tmp_path / "out")
    assert done.code == 1 and says in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_is_no_onnx_file_is_said(tool, tmp_path):
    (tmp_path / "no.onnx").write_bytes(b"no")
    for path, says in ((tmp_path / "no.onnx", "cannot be read as an ONNX file"),
                       (tmp_path / "none.onnx", "No such file"), (tmp_path, "ordinary file")):
        done = tool("zoo", "import", path, "--out", tmp_path / "out")
        assert done.code == 1 and says in done.stderr
    path = Builder(13, "zero", "nearest").network(4, 1).write(tmp_path / "style.onnx")
    done = tool("zoo", "import", path, "--model", "cyclegan", "--out", tmp_path / "out")
    assert done.code == 2 and "CycleGAN reads no ONNX files; johnson does." in done.stderr
    assert "--out is needed" in tool("zoo", "import", path).stderr


def test_a_result_that_differs_is_refused(tool, tmp_path, monkeypatch):
    path = Builder(13, "zero", "nearest").network(4, 1).write(tmp_path / "style.onnx")
    original = files.run
    monkeypatch.setattr(files, "run", lambda path, x: (x, original(path, x)[1] + 2.0))
    done = tool("zoo", "import", path, "--out", tmp_path / "out")
    assert done.code == 1 and "it is another network" in done.stderr


def test_what_would_take_too_much_memory_is_refused(tool, tmp_path):
    built = Builder(13, "zero", "nearest").network(4, 1)
    with pytest.raises(UserError, match="takes pictures of 8x5000 pixels, not sides of 1 to 2048"):
        files.run(built.write(tmp_path / "style.onnx", (5000, 8)), np.zeros((1, 3, 8, 8), "f"))
    built = Builder(13, "zero", "nearest").network(4, 1)
    built.arrays[1].CopyFrom(onnx.numpy_helper.from_array(
        np.zeros((4000, 3, 9, 9), np.float32), built.arrays[1].name))
    done = tool("zoo", "import", built.write(tmp_path / "wide.onnx"), "--out", tmp_path / "out")
    assert done.code == 1 and "not as wide as its first one says" in done.stderr


def test_a_missing_package_is_one_line():
    with pytest.raises(UsageError, match=r"needs the package no_such_package: pip install"):
        files.package("no_such_package")


def test_a_file_of_no_convolution_is_none(tmp_path):
    with pytest.raises(UserError, match="begins with no convolution"):
        fast_style.fields([])
