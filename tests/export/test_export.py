"""What leaves the house: signatures, pictures of every kind, refusals, versions, serving files."""

import base64
import errno
import http.server
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import zlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import Toy, ToyRecipe, each_name
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from PIL import Image, ImageOps
from tensorflow.core.framework import tensor_pb2

from kgan.core import memory as pixels_cost
from kgan.core import registry
from kgan.core.errors import UserError
from kgan.export import check as export_check
from kgan.export import decoding, files
from kgan.export import saved_model as export
from kgan.export import signatures as signing
from kgan.models import weights
from kgan.models.translation import sources_of


def translator():
    """A tiny CycleGAN whose fresh weights are scaled up, so that it changes what it is given."""
    keras.utils.set_random_seed(3)
    entry = registry.entry("cyclegan_small")
    model = weights.build("cyclegan_small", entry.recipe.replace(**entry.tiny))
    for network in ("g_ab", "g_ba"):
        for v in model.nets[network].trainable_variables:
            v.assign(v * 10.0)
    model.name_in_zoo = "tiny"
    model.trained, model.metadata = True, {"licences": {"weights": "CC0-1.0"}, "step": 7}
    return model


def levels(model, picture, direction="a2b"):
    """uint8 [h, w, 3] -> uint8 [h, w, 3], by Keras and NumPy."""
    made = np.asarray(model.translate(np.float32(picture[None]) / 127.5 - 1, direction)[0])
    return np.uint8(np.clip(np.rint((made + 1) * 127.5), 0, 255))


@pytest.fixture(scope="module")
def model():
    return translator()


@pytest.fixture(scope="module")
def small():
    """A model of a few weights and one direction, quick to export."""
    model = Toy(ToyRecipe(data="avatars:Bald", size=8))
    model.name_in_zoo, model.trained = "tiny", True
    return model


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    return export.export_model(model, tmp_path_factory.mktemp("models"), max_pixels=10_000)


@pytest.fixture(scope="module")
def loaded(path):
    return tf.saved_model.load(str(path))


@pytest.fixture(scope="module")
def serve(loaded):
    def run(*pictures, signature="serving_default"):
        made = loaded.signatures[signature](image_bytes=tf.constant(pictures))["image_bytes"]
        return [np.asarray(Image.open(io.BytesIO(png))) for png in made.numpy()]

    return run


@pytest.fixture(scope="module")
def picture():
    return files.example_picture(21, 34)


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(file, form, **options)
    return file.getvalue()


def assert_close(made, wanted):
    assert made.shape == wanted.shape and made.dtype == np.uint8
    assert np.abs(np.int32(made) - wanted).max() <= 1


def test_signatures(loaded):
    assert set(loaded.signatures) == {"serving_default", "images", "serving_b2a", "images_b2a"}
    for name, function in loaded.signatures.items():
        is_bytes = name.startswith("serving")
        key, dtype = ("image_bytes", tf.string) if is_bytes else ("images", tf.uint8)
        shape = [None] if is_bytes else [None, None, None, 3]
        (given,) = function.structured_input_signature[1].values()
        assert (given.name, given.dtype, given.shape.as_list()) == (key, dtype, shape)
        assert {k: v.dtype for k, v in function.structured_outputs.items()} == {key: dtype}


def test_images_of_odd_size_in_both_directions(model, loaded, picture):
    for signature, direction in (("images", "a2b"), ("images_b2a", "b2a")):
        made = loaded.signatures[signature](images=np.stack([picture, picture[::-1]]))["images"]
        assert_close(made[0].numpy(), levels(model, picture, direction))
        assert_close(made[1].numpy(), levels(model, picture[::-1], direction))
    given = np.float32(picture[None]) / 127.5 - 1
    made = loaded.translate["b2a"](tf.constant(given))
    np.testing.assert_allclose(made, model.translate(given, "b2a"), atol=1e-4)


def test_batch_of_mixed_sizes_and_formats(model, loaded, serve, picture):
    jpeg = encoded(picture[:9], "JPEG", quality=95)
    made = serve(encoded(picture), jpeg, encoded(picture[:1, :1]))
    assert_close(made[0], levels(model, picture))
    assert_close(made[1], levels(model, np.asarray(Image.open(io.BytesIO(jpeg)))))
    assert_close(made[2], levels(model, picture[:1, :1]))
    other = serve(encoded(picture), signature="serving_b2a")[0]
    assert_close(other, levels(model, picture, "b2a"))
    empty = loaded.signatures["serving_default"](image_bytes=tf.constant([], tf.string))
    assert empty["image_bytes"].shape == (0,)


def test_output_is_clipped(model, serve):
    white = np.full((8, 8, 3), 255, np.uint8)
    assert_close(serve(encoded(white))[0], levels(model, white))


def test_alpha_is_carried_over(model, serve, picture):
    alpha = np.arange(21 * 34, dtype=np.uint8).reshape(21, 34)
    (made,) = serve(encoded(np.dstack([picture, alpha])))
    assert_close(made[..., :3], levels(model, picture))
    np.testing.assert_array_equal(made[..., 3], alpha)
    palette = Image.fromarray(picture).quantize(8)
    (made,) = serve(encoded(palette, transparency=3))
    np.testing.assert_array_equal(made[..., 3], np.where(np.asarray(palette) == 3, 0, 255))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "I;16"])
def test_every_png_becomes_rgb(model, serve, picture, mode):
    if mode == "I;16":
        grey = np.asarray(Image.fromarray(picture).convert("L"))
        image, wanted = Image.fromarray(np.uint16(grey) * 257), np.dstack([grey] * 3)
    else:
        image = Image.fromarray(picture)
        image = image.quantize(16) if mode == "P" else image.convert(mode)
        wanted = np.asarray(image.convert("RGB"))
    assert_close(serve(encoded(image))[0], levels(model, wanted))


def test_grey_and_cmyk_jpeg(model, serve, picture):
    grey = encoded(Image.fromarray(picture).convert("L"), "JPEG")
    wanted = np.asarray(Image.open(io.BytesIO(grey)).convert("RGB"))
    assert_close(serve(grey)[0], levels(model, wanted))
    assert serve(encoded(Image.fromarray(picture).convert("CMYK"), "JPEG"))[0].shape == (21, 34, 3)


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_jpeg_is_turned_upright(byte_order, picture):
    decode = tf.function(decoding.decode_picture, input_signature=[tf.TensorSpec([], tf.string)])
    for orientation in range(10):  # 0 and 9 are not orientations and are left alone
        exif = Image.Exif()
        exif.endian = byte_order
        exif[0x010F], exif[0x0112], exif[0x0131] = "maker", orientation, "software"
        jpeg = encoded(picture, "JPEG", exif=exif)
        assert (b"II*\0" in jpeg) == (byte_order == "<")
        wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(jpeg)))
        rgb, alpha = decode(jpeg)
        np.testing.assert_array_equal(rgb, np.asarray(wanted))
        assert rgb.shape[:2] == alpha.shape[:2] and np.all(alpha == 255)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_odd_exif_is_harmless(picture):
    decode = tf.function(decoding.decode_picture, input_signature=[tf.TensorSpec([], tf.string)])
    for block in (b"", b"MM", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 99):
        jpeg = encoded(picture, "JPEG", comment=b"hello", exif=b"Exif\0\0" + block)
        np.testing.assert_array_equal(decode(jpeg)[0], np.asarray(Image.open(io.BytesIO(jpeg))))


def test_exif_behind_very_many_segments_is_not_looked_for(picture):
    decode = tf.function(decoding.decode_picture, input_signature=[tf.TensorSpec([], tf.string)])
    exif = Image.Exif()
    exif[0x0112] = 6
    jpeg = encoded(picture, "JPEG", exif=exif)
    for count, upright in ((50, True), (100, False)):
        rgb, _ = decode(jpeg[:2] + b"\xff\xe2\0\2" * count + jpeg[2:])
        assert rgb.shape == ((34, 21, 3) if upright else (21, 34, 3))


def png_of_zeros(width, height):
    """A small valid PNG of zeros, 1 bit grey, of any declared size."""

    def chunk(kind, content):
        crc = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + crc

    sides = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    rows = zlib.compress(bytes(min((width + 7) // 8 + 1, 2000) * min(height, 12000)), 9)
    chunks = chunk(b"IHDR", sides + b"\1\0\0\0\0"), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def peak_kilobytes():
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_bomb_is_refused_before_decoding(serve):
    bomb = png_of_zeros(14000, 12000)
    assert len(bomb) < 30_000
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    before = peak_kilobytes()
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"more than 10000 pixels.*14000"):
        serve(bomb)
    assert peak_kilobytes() - before < 100_000  # decoding it takes more than 500 000


@pytest.mark.parametrize(
    ("sides", "words"),
    [((0, 5), "no pixels"), ((5, 0), "no pixels"), ((2**32 - 1, 5), "no pixels"),
     ((2**31 - 1, 2**31 - 1), "pixels"), ((101, 100), "more than 10000 pixels")],
)
def test_declared_sides_are_checked(serve, sides, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        serve(png_of_zeros(*sides))


def test_largest_allowed_picture_passes(serve):
    assert serve(png_of_zeros(100, 100))[0].shape == (100, 100, 3)


def test_pixels_count_as_the_network_sees_them(serve, loaded):
    assert serve(png_of_zeros(1, 1248))[0].shape == (1248, 1, 3)  # as 8 x 1248
    for strip in (png_of_zeros(1, 1251), png_of_zeros(1251, 1)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="sides count as at least 8, in s"):
            serve(strip)
    images = loaded.signatures["images_b2a"]
    assert images(images=np.zeros((4, 50, 48, 3), np.uint8))["images"].shape == (4, 50, 48, 3)
    for shape in ((5, 50, 48, 3), (1, 1251, 1, 3), (0, 200, 200, 3)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="more than 10000 pixels in all"):
            images(images=np.zeros(shape, np.uint8))


def test_batches_without_pictures(loaded):
    images = loaded.signatures["images"]
    assert images(images=np.zeros((0, 6, 7, 3), np.uint8))["images"].shape == (0, 6, 7, 3)
    for shape in ((2, 0, 7, 3), (2, 6, 0, 3), (0, 0, 0, 3)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="sides of at least 1"):
            images(images=np.zeros(shape, np.uint8))


def test_large_jpeg_is_refused(serve):
    with pytest.raises(tf.errors.InvalidArgumentError, match="more than 10000 pixels"):
        serve(encoded(Image.new("RGB", (2000, 1000)), "JPEG"))


def test_garbage_is_refused(serve, picture):
    png, jpeg = encoded(picture), encoded(picture, "JPEG")
    others = [encoded(picture, form) for form in ("GIF", "BMP", "WEBP", "TIFF")]
    others += [b"\xff\x0a" + b"\0" * 50, b"\0\0\0\x0cJXL \r\n\x87\n"]  # JPEG XL
    for garbage in (b"", b"\x89PNG", b"<html>", png[8:], *others):
        with pytest.raises(tf.errors.InvalidArgumentError, match="neither PNG nor JPEG"):
            serve(garbage)
    for damaged in (png[:16], png[:20], png[:60], jpeg[:3], jpeg[:40], jpeg[:-60]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            serve(damaged)


def test_fresh_process_agrees_with_keras(model, path, monkeypatch):
    run_fresh, made = export_check._run_fresh, []

    def once(*arguments):  # the next checks compare what the first one's process made
        made[:] = made or [run_fresh(*arguments)]
        return dict(made[0])

    monkeypatch.setattr(export_check, "_run_fresh", once)
    result = export_check.check_export(path, model)
    assert "kgan" not in result["modules"] and "tensorflow" in result["modules"]
    assert result["float_difference"] <= 1e-4 and result["level_difference"] <= 1
    assert result["outputs"]["images:images"].shape == (2, 37, 51, 3)
    assert [x.shape for x in result["outputs"]["serving_b2a:image_bytes"]] == [
        (37, 51, 3), (45, 33, 3)]
    assert set(result["outputs"]) == {
        "serving_default:image_bytes", "serving_b2a:image_bytes", "images:images",
        "images_b2a:images", "translate:a2b", "translate:b2a"}
    for network, other in (("g_ab", "g_ba"), ("g_ba", "g_ab")):  # each in its direction alone
        changed = translator()
        changed.nets[network] = changed.nets[other]
        with pytest.raises(UserError, match="differs from the model"):
            export_check.check_export(path, changed)
    made[0]["signatures"] = [*made[0]["signatures"], "another"]
    with pytest.raises(UserError, match="differ in what they serve: another"):
        export_check.check_export(path, model)


def test_a_refused_export_leaves_nothing(model, path, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_write", lambda new, *_: shutil.copytree(path, new))
    monkeypatch.setattr(export_check, "FRESH", "raise ValueError('no such op')")
    with pytest.raises(UserError, match=r"tiny was not exported: .* process: ValueError: no such"):
        export.export_model(model, tmp_path / "models", check=True)
    assert not (tmp_path / "models").exists()
    shutil.copytree(path.parents[1], tmp_path / "there")
    (tmp_path / "there" / "models.config").write_text("before")
    with pytest.raises(UserError, match="tiny was not exported"):
        export.export_model(model, tmp_path / "there", check=True)
    assert {p.name for p in (tmp_path / "there").iterdir()} == {"tiny", *files.FILES}
    assert [p.name for p in (tmp_path / "there" / "tiny").iterdir()] == ["1"]
    assert (tmp_path / "there" / "models.config").read_text() == "before"


@pytest.mark.parametrize("place", ["version", "config"])
def test_a_full_disk_is_told_in_one_line(model, tmp_path, monkeypatch, place):
    full = os.strerror(errno.ENOSPC)

    def write(new, *_):
        new.mkdir()
        (new / "saved_model.pb").touch()
        if place == "version":
            raise tf.errors.UnknownError(None, None, f"variables.data; {full}")

    def config(*_):
        raise OSError(errno.ENOSPC, full, "models.config")

    monkeypatch.setattr(export, "_write", write)
    monkeypatch.setattr(files, "write_serving_files", config)
    with pytest.raises(UserError, match=r"cannot be written.*: No space left on device"):
        export.export_model(model, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == (["tiny"] if place == "config" else [])


def test_exports_at_once_get_versions_of_their_own(model, tmp_path, monkeypatch):
    def write(new, *_):
        begun.wait(2)
        new.mkdir()
        (new / "saved_model.pb").touch()

    begun = threading.Event()
    monkeypatch.setattr(export, "_write", write)
    (tmp_path / "tiny" / ".1.abcdefgh" / "1").mkdir(parents=True)  # of an export that was killed
    made = []
    threads = [threading.Thread(target=lambda: made.append(export.export_model(model, tmp_path)))
               for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.set()
    for thread in threads:
        thread.join()
    assert sorted(p.name for p in made) == ["1", "2", "3"]
    assert sorted(p.name for p in (tmp_path / "tiny").iterdir()) == ["1", "2", "3"]
    assert (tmp_path / "models.config").read_text().count("config {") == 1


def test_the_limit_follows_from_what_the_network_needs(model, path, monkeypatch):
    cost = pixels_cost.bytes_per_pixel(lambda x: model.translate(x, "a2b"))
    assert export_metadata(path)["bytes_per_pixel"] == pytest.approx(cost, abs=0.1)
    monkeypatch.setattr(signing, "bytes_per_pixel", lambda *_: cost)
    monkeypatch.setattr(signing, "REQUEST_BYTES", 1000 * cost)
    assert signing.limits(model).max_pixels == pytest.approx(1000, abs=1)
    assert signing.limits(model, 77).max_pixels == 77
    monkeypatch.setattr(signing, "REQUEST_BYTES", 1)  # what it was trained on it may serve
    assert signing.limits(model).max_pixels == 16 * 16
    monkeypatch.setattr(signing, "REQUEST_BYTES", 10**15)
    assert signing.limits(model).max_pixels == decoding.MAX_PIXELS


def export_metadata(path):
    return json.loads((path / "assets.extra/metadata.json").read_text())


@pytest.mark.slow  # test_signatures has them without another process
def test_saved_model_cli_lists_the_signatures(path):
    command = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "show"]
    command += ["--dir", str(path), "--tag_set", "serve"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for name in ("serving_default", "images", "serving_b2a", "images_b2a"):
        assert f'SignatureDef key: "{name}"' in done.stdout


def test_only_what_translating_needs_is_saved(model, path):
    saved = dict(tf.train.list_variables(str(path / "variables/variables")))
    saved = [shape for name, shape in saved.items() if name.startswith("weights")]
    assert len(saved) == sum(len(n.variables) for n in (model.g_ab, model.g_ba))
    wanted = sum(n.count_params() for n in (model.g_ab, model.g_ba))
    assert sum(int(np.prod(s)) for s in saved) == wanted == export_metadata(path)["params"]


def test_metadata(path):
    metadata = export_metadata(path)
    assert metadata["recipe"]["size"] == 16 and metadata["direction"] == "a2b"
    assert metadata["packages"]["tensorflow"] == tf.__version__
    assert metadata["licences"] == {"weights": "CC0-1.0"} and metadata["metadata"]["step"] == 7
    assert (metadata["value_range"], metadata["colour_order"]) == ([-1, 1], "RGB")
    assert (metadata["multiple"], metadata["smallest"]) == (4, 8)
    assert (metadata["precision"], metadata["max_pixels"]) == ("float32", 10_000)
    assert set(metadata["signatures"]) == {"serving_default", "images", "serving_b2a", "images_b2a"}
    assert set(metadata["sha256"]) >= {"saved_model.pb", "variables/variables.index"}


def test_a_changed_file_is_named(path, tmp_path):
    made = shutil.copytree(path, tmp_path / "1")
    file = made / "variables/variables.data-00000-of-00001"
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match="data-00000-of-00001 is not"):
        export_check.check_export(made)


def prediction_log():
    """The message class `tensorflow.serving.PredictionLog`, of the fields in use."""
    pool = descriptor_pool.DescriptorPool()

    def add(file):
        for needed in file.dependencies:
            add(needed)
        pool.AddSerializedFile(file.serialized_pb)

    add(tensor_pb2.DESCRIPTOR)
    file = descriptor_pb2.FileDescriptorProto(
        name="prediction_log.proto", package="tensorflow.serving", syntax="proto3",
        dependency=[tensor_pb2.DESCRIPTOR.name],
    )

    def message(parent, name, fields):
        made = parent.add(name=name)
        for key, number, kind in fields:
            repeated = kind.endswith("Entry")
            made.field.add(
                name=key, number=number, label=3 if repeated else 1,
                type=9 if kind == "string" else 11, type_name=None if kind == "string" else kind,
            )
        return made

    serve = ".tensorflow.serving."
    spec = [("name", 1, "string"), ("signature_name", 3, "string")]
    message(file.message_type, "ModelSpec", spec)
    inputs = serve + "PredictRequest.InputsEntry"
    request = message(
        file.message_type, "PredictRequest",
        [("model_spec", 1, serve + "ModelSpec"), ("inputs", 2, inputs)],
    )
    entry = [("key", 1, "string"), ("value", 2, ".tensorflow.TensorProto")]
    message(request.nested_type, "InputsEntry", entry).options.map_entry = True
    message(file.message_type, "PredictLog", [("request", 1, serve + "PredictRequest")])
    message(file.message_type, "PredictionLog", [("predict_log", 6, serve + "PredictLog")])
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(serve[1:] + "PredictionLog"))


def test_warmup_requests_run(path, loaded):
    log, seen = prediction_log(), set()
    for record in tf.data.TFRecordDataset(str(path / "assets.extra/tf_serving_warmup_requests")):
        parsed = log.FromString(record.numpy())
        assert parsed.SerializeToString(deterministic=True) == record.numpy()  # nothing unknown
        request = parsed.predict_log.request
        assert request.model_spec.name == "tiny"
        ((key, tensor),) = request.inputs.items()
        tensor = tensor_pb2.TensorProto.FromString(tensor.SerializeToString())
        inputs = {key: tf.constant(tf.make_ndarray(tensor))}
        loaded.signatures[request.model_spec.signature_name](**inputs)
        seen.add(request.model_spec.signature_name)
    assert seen == set(loaded.signatures)


def test_versions_count_up_and_models_are_listed(small, tmp_path):
    assert export.export_model(small, tmp_path, version=9).name == "9"
    (tmp_path / "compose.yaml").write_text("mine")
    made = export.export_model(small, tmp_path, name="other")
    assert made == tmp_path / "other" / "1" and export_metadata(made)["direction"] == "a2b"
    assert export.export_model(small, tmp_path).name == "10"
    config = (tmp_path / "models.config").read_text()
    assert config.count("config {") == 2 and 'base_path: "/models/tiny"' in config
    assert 'name: "other"' in config
    assert (tmp_path / "compose.yaml").read_text() == "mine"
    assert sorted(f.name for f in tmp_path.rglob(".*")) == []


def test_default_compose_file(path):
    text = (path.parents[1] / "compose.yaml").read_text()
    for part in ("image: tensorflow/serving", ":8500:8500", ":8501:8501", "./:/models:ro"):
        assert part in text


def test_what_is_refused(small, tmp_path):
    for wrong, words in (
        ({"direction": "b2c"}, "no direction 'b2c'"),
        ({"name": "../tiny"}, "cannot be a served name"),
        ({"name": "models.config"}, "cannot be a served name"),
        ({"version": 0}, "version 0"),
    ):
        with pytest.raises(UserError, match=words):
            export.export_model(small, tmp_path, **wrong)
    fresh = Toy(small.recipe)
    fresh.name_in_zoo = "tiny"
    with pytest.raises(UserError, match="untrained"):
        export.export_model(fresh, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert export.export_model(fresh, tmp_path, allow_untrained=True).is_dir()
    with pytest.raises(UserError, match="version 1 of"):
        export.export_model(small, tmp_path, version=1)


def test_failure_in_the_middle_leaves_no_version(small, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(files, "write_warmup", fail)
    with pytest.raises(OSError, match="no space left"):
        export.export_model(small, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_client_talks_to_the_server(path, loaded, tmp_path, picture, model):
    class Server(http.server.BaseHTTPRequestHandler):  # the REST interface, as far as it is used
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.path == "/v1/models/tiny:predict"
            data = [base64.b64decode(i["image_bytes"]["b64"]) for i in body["instances"]]
            try:
                made = loaded.signatures[body["signature_name"]](image_bytes=tf.constant(data))
                made = [{"b64": base64.b64encode(p).decode()} for p in made["image_bytes"].numpy()]
                status, answer = 200, {"predictions": made}
            except tf.errors.InvalidArgumentError as error:
                status, answer = 400, {"error": str(error)}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (tmp_path / "in.png").write_bytes(encoded(picture))
        command = [sys.executable, str(path.parents[1] / "client.py"), "tiny", "in.png", "out.png"]
        command += ["--url", f"http://127.0.0.1:{server.server_port}"]
        subprocess.run([*command, "--signature", "serving_b2a"], cwd=tmp_path, check=True)
        (tmp_path / "in.png").write_bytes(b"text")
        refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        server.shutdown()
    assert_close(np.asarray(Image.open(tmp_path / "out.png")), levels(model, picture, "b2a"))
    assert refused.returncode == 1 and "neither PNG nor JPEG" in refused.stderr


def check_served(model, loaded, again):
    for signature, (function, example) in model.served().items():
        given = {key: tf.constant(value) for key, value in example.items()}
        made = loaded.signatures[signature](**given)
        other = again.served()[signature][0](**given)
        none = loaded.signatures[signature](**{key: x[:0] for key, x in given.items()})
        assert {key: x.shape[0] for key, x in none.items()} == dict.fromkeys(made, 0)
        for key, wanted in function(**given).items():
            assert wanted.shape[0] == len(next(iter(example.values())))
            for x in (made[key], other[key]):
                if wanted.dtype == tf.float32:
                    np.testing.assert_allclose(x, wanted, atol=1e-4)
                else:
                    assert_close(_levels(x), _levels(wanted))


def _levels(x):
    if x.dtype == tf.string:
        x = tf.stack([tf.io.decode_png(png) for png in x.numpy()])
    return x.numpy()


ELSEWHERE = ("pgn", "video_gan")  # tests/zoo/test_pgn_family.py and so on ask their exports more


@pytest.mark.parametrize("name", [n for n in each_name(exported=True) if n not in ELSEWHERE])
def test_every_name_exports_and_agrees(name, tmp_path):
    entry = registry.entry(name)
    model = weights.build(name, entry.recipe.replace(**entry.tiny))
    path = export.export_model(model, tmp_path, allow_untrained=True)
    if not model.directions:
        check_served(model, tf.saved_model.load(str(path)), weights.load(str(path)))
        return
    loaded = tf.saved_model.load(str(path))
    if model.served():
        check_served(model, loaded, model)
    run = loaded.signatures["images"]
    how = next(iter(model.directions.values()))
    signals = sources_of(how, model.signals)
    arrays, _ = signing.example_request(signals, (19, 22))
    none = {name: tf.constant(x[:0, :9, :9]) for name, x in arrays.items()}
    assert run(**none)["images"].shape == (0, 9 * how.scale, 9 * how.scale, 3)
    given = arrays.get("images", arrays)
    made = next(iter(run(**{name: tf.constant(x) for name, x in arrays.items()}).values())).numpy()
    assert_close(made, model.translate(given).numpy())
    again = weights.load(str(path))
    np.testing.assert_array_equal(again.translate(given), model.translate(given))
