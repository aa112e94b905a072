"""Data: where pictures come from and in which order a training sees them.

A specification names a source: `avatars:Eyeglasses`, `avatars:parts`, `folder:PATH`,
`celeba:PATH?attribute=Smiling`, `tfds:cycle_gan/apple2orange`, `video:PATH`, `bouncing:balls`. A
source answers with `Data`: uint8 pictures by domain, or clips of frames, decoded and resized once,
on disk under the user's cache directory.
`kgan.data.stream` makes batches of them.
"""

from kgan.core.errors import UsageError, UserError
from kgan.data.signals import Signal, pictures_of
from kgan.data.spec import (
    AVATAR_PAIRS,
    FRAMES,
    TURNING,
    attribute,
    labelled,
    place,
    resolved,
    told_apart_by,
)
from kgan.data.types import Data

__all__ = ["Data", "Signal", "attribute", "labelled", "open_data", "place", "resolved",
           "told_apart_by"]


def open_data(spec, *, size, seed=0, load_size=None, bad_images="skip", signals=None):
    """Opens a data set.

    Args:
        spec: `source:rest`, see the module.
        size: side of the test pictures and of what a training crops, pixels.
        seed: of generated pictures and of splits that a source does not give.
        load_size: side of the training pictures; None = `size`.
        bad_images: `"skip"` leaves broken pictures out and counts them, `"fail"` stops at them.
        signals: what a model declares, a tuple of `Signal`; None: square pictures. A folder answers
            any that have files in it, `avatars:edges`, `:parts`, `:x2` and `:x4` those of pairs,
            `video:`, `bouncing:` and `avatars:turning` clips of frames, the other sources square
            pictures of `size`, and all of them what is made of these.

    Returns:
        A `Data`.

    Raises:
        UsageError: the specification names no source.
        UserError: the source cannot be read; the message says what to do.
    """
    kind, colon, rest = spec.partition(":")
    sources = _sources()
    if not colon or kind not in sources:
        from kgan.core.recipe import nearest

        raise UsageError(
            f"--data {spec} names no source (source:what, as in avatars:Eyeglasses). "
            + nearest(kind, sources)
        )
    more, source = {}, sources[kind]
    own = [signal for signal in pictures_of(signals or ()) if not signal.source]
    if kind == "avatars" and rest.partition("?")[0] in AVATAR_PAIRS:
        source = _avatar_pairs
    if kind == "avatars" and rest.partition("?")[0] == TURNING:
        source = _turning
    if kind in ("video", "bouncing") or source is _turning:
        return source()(rest, size=size, load_size=load_size, seed=seed, bad_images=bad_images,
                        signals=signals)
    if clips := [signal for signal in own if signal.kind == "frames"]:
        raise UserError(f"{spec} holds pictures, and the model takes {clips[0].described()}: name "
                        f"videos, as {', '.join(FRAMES)}.")
    if kind == "folder" or source is _avatar_pairs:
        more = {"signals": signals}
    elif other := [s for s in own if s.kind != "picture" or s.sides != (size, size)]:
        raise UserError(
            f"{spec} holds square pictures in sets that are not paired, and the model takes "
            f"{', '.join(signal.described() for signal in other)}: name a folder that has them "
            f"(folder:PATH), or one of {', '.join(f'avatars:{name}' for name in AVATAR_PAIRS)}."
        )
    data = source()(
        rest, size=size, load_size=load_size or size, seed=seed, bad_images=bad_images, **more
    )
    if not signals:
        return data
    from kgan.data.made import with_sources

    return with_sources(data, signals, size, load_size or size)


def _avatar_pairs():
    from kgan.data.avatar_pairs import open_avatar_pairs

    return open_avatar_pairs


def _turning():
    from kgan.data.avatar_turning import open_turning

    return open_turning


def _sources():
    def avatars():
        from kgan.data.avatars import open_avatars

        return open_avatars

    def folder():
        from kgan.data.folders import open_folder

        return open_folder

    def celeba():
        from kgan.data.celeba import open_celeba

        return open_celeba

    def tfds():
        from kgan.data.tfds import open_tfds

        return open_tfds

    def video():
        from kgan.data.video import open_video

        return open_video

    def bouncing():
        from kgan.data.bouncing import open_bouncing

        return open_bouncing

    return {"avatars": avatars, "folder": folder, "celeba": celeba, "tfds": tfds, "video": video,
            "bouncing": bouncing}
