"""The files that stand beside a SavedModel: what TensorFlow Serving and its users need.

Warm-up requests, `models.config`, a compose file, a client. Warm-up records are encoded by hand,
which spares `tensorflow-serving-api` and with it gRPC: every field in use is length-delimited.
"""

import re

import numpy as np
import tensorflow as tf

from kgan.core import paths


def write_warmup(file, name, requests):
    """Writes `assets.extra/tf_serving_warmup_requests`: TFRecords of `PredictionLog`.

    Args:
        file: path.
        name: the served model's name.
        requests: list of (signature name, {input name: array}).
    """
    with tf.io.TFRecordWriter(str(file)) as records:
        for signature, inputs in requests:
            request = _field(1, _field(1, name.encode()) + _field(3, signature.encode()))
            for key, value in inputs.items():
                tensor = tf.make_tensor_proto(value).SerializeToString()
                request += _field(2, _field(1, key.encode()) + _field(2, tensor))
            records.write(_field(6, _field(1, request)))


def _field(number, content):
    """One length-delimited field of a protocol buffer: tag, length as a varint, content."""
    length, rest = b"", len(content)
    while rest > 127:
        length, rest = length + bytes([rest & 127 | 128]), rest >> 7
    return bytes([number << 3 | 2]) + length + bytes([rest]) + content


def example_picture(height, width):
    """A smooth picture that is the same every time, uint8 [height, width, 3]."""
    y, x = np.mgrid[0:1:height * 1j, 0:1:width * 1j]
    return np.rint(255 * np.stack([x, y, 0.5 + 0.5 * np.sin(9 * (x + y))], -1)).astype(np.uint8)


def example_ids(height, width, classes=0):
    """A map of ids in squares, int32 [height, width, 1], below `classes` if there are any."""
    y, x = np.mgrid[:height, :width] // 8
    return ((3 * y + 5 * x) % (classes or 9)).astype(np.int32)[..., None]


def versions(folder):
    """The version numbers of SavedModels in `folder`, ascending."""
    found = [d for d in folder.glob("*/saved_model.pb") if re.fullmatch(r"[0-9]+", d.parent.name)]
    return sorted(int(d.parent.name) for d in found)


def write_serving_files(out):
    """Writes `models.config` for every model under `out`; adds `compose.yaml` and `client.py`.

    The last two are left alone where they exist: a person may have changed them.
    """
    with paths.locked(out / "models.config"):
        paths.sweep(out)
        names = sorted(d.name for d in out.iterdir() if d.is_dir() and versions(d))
        with paths.replacing(out / "models.config") as new:
            configs = "".join(MODEL_CONFIG % {"name": n} for n in names)
            new.write_text("model_config_list {\n" + configs + "}\n")
        for file, text in (("compose.yaml", COMPOSE), ("client.py", CLIENT)):
            if not (out / file).exists():
                with paths.replacing(out / file) as new:
                    new.write_text(text)


FILES = ("models.config", "compose.yaml", "client.py")

MODEL_CONFIG = """\
  config {
    name: "%(name)s"
    base_path: "/models/%(name)s"
    model_platform: "tensorflow"
  }
"""

COMPOSE = """\
# docker compose up: serves every model of models.config; REST on 8501, gRPC on 8500.
# The server has no passwords, so only this machine reaches it. On a GPU, take the tag latest-gpu.
services:
  serving:
    image: tensorflow/serving:${TF_SERVING_TAG:-latest}
    command:
      - --model_config_file=/models/models.config
      - --model_config_file_poll_wait_seconds=60
    environment:
      TF_FORCE_GPU_ALLOW_GROWTH: "true"
      TF_CUDNN_USE_AUTOTUNE: "0" # pictures of any size: no search for kernels at each new one
    ports:
      - 127.0.0.1:8500:8500
      - 127.0.0.1:8501:8501
    volumes:
      - ./:/models:ro
"""

CLIENT = '''\
"""Sends a picture to a served model and writes the PNG that comes back. Standard library only.

python client.py MODEL photo.jpg result.png
python client.py MODEL photo.jpg result.png --signature serving_b2a --url http://localhost:8501
"""

import argparse
import base64
import json
import pathlib
import sys
import urllib.error
import urllib.request


def translate(picture, model, signature="serving_default", url="http://localhost:8501"):
    """PNG or JPEG bytes -> PNG bytes."""
    body = {
        "signature_name": signature,
        "instances": [{"image_bytes": {"b64": base64.b64encode(picture).decode()}}],
    }
    request = urllib.request.Request(
        f"{url}/v1/models/{model}:predict",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=300) as answer:
        return base64.b64decode(json.load(answer)["predictions"][0]["b64"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("picture", type=pathlib.Path)
    parser.add_argument("result", type=pathlib.Path)
    parser.add_argument("--signature", default="serving_default")
    parser.add_argument("--url", default="http://localhost:8501")
    args = parser.parse_args()
    try:
        png = translate(args.picture.read_bytes(), args.model, args.signature, args.url)
    except urllib.error.HTTPError as error:
        sys.exit(f"the server refused: {error.read().decode(errors='replace')}")
    except OSError as error:
        sys.exit(str(error))
    args.result.write_bytes(png)


if __name__ == "__main__":
    main()
'''
