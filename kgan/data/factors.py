"""What drawn clips are known to be made by, as it is in one of their frames.

Labels of clips (`kgan.data.avatar_turning`, `kgan.data.bouncing`) say how a clip begins; what a
model knows after it has seen some frames is measured against how things stand in the last of them.
"""

from kgan.core.errors import UserError
from kgan.core.lazy import np
from kgan.data import avatar_turning, bouncing


def factors_of(data, split, rows, frame):
    """What is known of some clips.

    Args:
        data: a `kgan.data.Data` of `avatars:turning`, `bouncing:balls` or `bouncing:glyphs`.
        split: "train" or "test".
        rows: int [n], which clips.
        frame: which of their frames, 0 = the first.

    Returns:
        (`{name: float64 [n]}`, float64 [n, m]). Of turning faces `angle` in that frame, `speed` and
        `scale`, and the m attributes of the face; of what bounces `x1`, `y1`, `vx1`, `vy1`, `x2`
        and so on in that frame, and nothing further.

    Raises:
        UserError: nothing is known of these clips.
    """
    if data.spec.startswith("avatars:turning"):
        labels, count = np.asarray(data.labels[split][rows], float), len(avatar_turning.FACTORS)
        angle, speed, scale = labels[:, :count].T
        return {"angle": angle + frame * speed, "speed": speed, "scale": scale}, labels[:, count:]
    kind = data.spec.removeprefix("bouncing:").partition("?")[0]
    if data.spec.startswith("bouncing:"):
        found = np.stack([_moved(kind, begin, frame) for begin in data.labels[split][rows]])
        return dict(zip(data.label_names, found.T, strict=True)), found[:, :0]
    raise UserError(f"Of the clips of {data.spec} nobody knows what they are made by: --data "
                    "avatars:turning or bouncing:balls.")


def _moved(kind, begin, frame):
    """The labels of a clip that bounces, as they are in a frame."""
    begin = np.asarray(begin, float).reshape(-1, 4)
    places, ways = begin[:, :2], begin[:, 2:]
    there = bouncing.tracks(kind, places, ways, frame + 1)[-1]
    return np.hstack([there, bouncing.turned_ways(kind, places, ways, frame)]).ravel()
