"""Networks that judge pictures: each is trained once on real ones and kept in the cache."""

import json

import numpy as np

from kgan.core.cache import made_once
from kgan.core.hashing import sha256, sha256_of_file
from kgan.core.paths import replacing
from kgan.core.reading import read_json


def trained_once(folder, network, train):
    """Takes the weights of a network from the cache, or trains them and keeps them there.

    Args:
        folder: the entry of the cache, see `kgan.core.cache.made_once`.
        network: a built `keras.Model`; it has the weights afterwards.
        train: trains it, and returns what is to be known of it, a dict that JSON takes.

    Returns:
        What `train` returned, now or then, and the sha256 of the weights.
    """
    weights = folder / "model.weights.h5"

    def load():
        try:
            known = read_json(folder / "metadata.json")
            if sha256_of_file(weights) != known["sha256"]:
                return None
            network.load_weights(weights)
            return known
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def make():
        known = train()
        with replacing(folder) as new:
            new.mkdir()
            network.save_weights(new / weights.name)
            known["sha256"] = sha256_of_file(new / weights.name)
            (new / "metadata.json").write_text(json.dumps(known))
        return known

    return made_once(folder, load, make)


def begin(network):
    """Draws the weights that a training begins from, the same whatever seeds the caller has set."""
    for i, v in enumerate(network.trainable_variables):
        if len(v.shape) > 1:
            scale = np.sqrt(2.0 / np.prod(v.shape[:-1]))
            v.assign(np.random.default_rng(i).normal(0, scale, v.shape))


def fingerprint(data, *more):
    """Of a `kgan.data.Data`: its specification and a sample of the pictures themselves.

    Args:
        more: texts and arrays that the judge depends on, too.
    """
    parts = [data.spec, *more]
    for pictures in (*data.train.values(), *data.test.values()):
        some = pictures[np.linspace(0, len(pictures) - 1, 16).astype(int)]
        parts += [str(pictures.shape), some.tobytes()]
    return sha256(*parts)[:16]
