"""Forward-backward consistency: track the objects of masklets in reverse, to be compared with the masklets."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from masklet.backends.protocol import Model
from masklet.predict.session import VideoSession
from masklet.types import FrameSource, Masklet, ObjectId, Prompts, Rle

MIN_AREA_RATIO = 0.5
"""Reverse tracking starts from a mask of at least this share of the object's median area, not from a last sliver."""


def track_back(
    model: Model,
    video: FrameSource,
    masklets: Mapping[ObjectId, Masklet],
    *,
    cancel: Callable[[], bool] | None = None,
) -> dict[ObjectId, dict[int, Rle]]:
    """Track objects in reverse, each from the last frame that shows most of it to the first on which it is visible.

    The masks agree with the masklet if the same object was tracked throughout, and differ if tracking switched to
    another object. All objects share one pass.

    Args:
        video: the video of the masklets.
        masklets: by object; objects without any visible mask are skipped.
        cancel: called before each frame; True ends the pass.

    Returns:
        Masks by object and frame, without the frame that reverse tracking started from.
    """
    visible = {i: sorted(frame for frame, rle in one.frames.items() if rle.area) for i, one in masklets.items()}
    first = {i: frames[0] for i, frames in visible.items() if frames}
    last = {i: _start_frame(masklets[i], visible[i]) for i in first}
    found: dict[ObjectId, dict[int, Rle]] = {i: {} for i in first}
    if not found:
        return found
    session = VideoSession(model, video)
    for i, frame in last.items():
        session.prompt(frame, object_id=i, prompts=Prompts.from_mask(masklets[i].frames[frame].to_mask()))
    end = max(last.values())
    active = {i for i in last if last[i] == end}
    for out in session.propagate("reverse", start=min(first.values()), end=end + 1, objects=active, cancel=cancel):
        for i in active:
            if out.frame_index < last[i]:
                found[i][out.frame_index] = Rle.from_mask(out[i])
        upcoming = out.frame_index - 1
        active |= {i for i in last if last[i] == upcoming}
        active -= {i for i in first if first[i] > upcoming}
    return found


def _start_frame(masklet: Masklet, visible: list[int]) -> int:
    """Return the last of the visible frames on which the mask is large enough."""
    min_area = MIN_AREA_RATIO * float(np.median([masklet.frames[frame].area for frame in visible]))
    return next(frame for frame in reversed(visible) if masklet.frames[frame].area >= min_area)
