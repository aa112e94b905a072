"""How near predicted frames come to the true ones, beside the last frame that was seen.

By the number of the frame, 1 = the next. Whole test clips at their own sizes.
"""

import numpy as np
import tensorflow as tf

from kgan.core.errors import UserError
from kgan.metrics import video

SHOWN = 8  # clips, of each the middle
SIDE = 256  # of what is shown of them, at most


def measure_prediction(model, data, n=None):
    """Measures a model on the first n test clips.

    Args:
        model: a `kgan.models.predicting.Predicts`.
        data: a `kgan.data.Data` of its signals.
        n: at most so many; None = all.

    Returns:
        (figures, pictures): the number of clips `n`; of each predicted frame k `psnr_k`, `ssim_k`,
        `sharpness_k` of whole frames, `psnr_moving_k` and so on of what moves, `moving_k` (the
        share of the pixels that do), see `kgan.metrics.video`, and the same with `last_` in front
        of the last frame that was seen. Pictures: `{"next": {"last", "predicted +1", "truth +1",
        ...}}`, the middle of each.

    Raises:
        UserError: no test clip has as many frames as are seen and predicted.
    """
    history, ahead = model.recipe.history, model.recipe.ahead
    clips = data.test[model.signals[0].name].lasting(history + ahead)
    if not len(clips):
        raise UserError(f"{data.spec} has no test clip of {history + ahead} frames, which "
                        f"{history} that are seen and {ahead} that are predicted need: longer "
                        "videos, or a smaller --ahead.")
    run = tf.function(lambda frames: model.predict_frames(frames, ahead), reduce_retracing=True,
                      autograph=False)
    seen = {"made": [], "truth": [], "last": [], "masks": []}
    for row in range(min(n or len(clips), len(clips))):
        clip = clips.whole(row)
        past, future = clip[:history], clip[history:]
        seen["made"].append(run(tf.constant(past[None])).numpy()[0])
        seen["truth"].append(future)
        seen["last"].append(np.repeat(past[-1:], ahead, 0))
        seen["masks"].append([video.moving(x, y)
                              for x, y in zip(clip[history - 1 : -1], future, strict=True)])
    figures = {"n": len(seen["made"])}
    for k in range(ahead):
        figures |= _figures(*([one[k] for one in seen[what]] for what in seen), k + 1)
    return figures, {"next": _shown(seen, ahead)}


def _figures(made, truth, last, masks, k):
    """Those of predicted frame k, lists over the clips."""
    found = {f"moving_{k}": float(np.mean([mask.mean() for mask in masks]))}
    for prefix, frames in (("", made), ("last_", last)):
        for middle, where in (("", None), ("moving_", masks)):
            its = video.compared(frames, truth, where)
            found |= {f"{prefix}{name}_{middle}{k}": value for name, value in its.items()}
    return found


def _shown(seen, ahead):
    """The middle of the first clips, as large as the smallest allows."""
    some = seen["truth"][:SHOWN]
    side = min([SIDE, *(n for x in some for n in x.shape[1:3])])

    def middles(what, k):
        cut = []
        for clip in seen[what][:SHOWN]:
            top, left = ((n - side) // 2 for n in clip.shape[1:3])
            cut.append(clip[k, top : top + side, left : left + side])
        return np.stack(cut)

    found = {"last": middles("last", 0)}
    for k in range(ahead):
        found |= {f"predicted +{k + 1}": middles("made", k), f"truth +{k + 1}": middles("truth", k)}
    return found
