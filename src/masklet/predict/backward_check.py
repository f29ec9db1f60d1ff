"""A second opinion on masklets without a person: the same objects tracked the other way, from their end."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from masklet.backends.protocol import Model
from masklet.predict.session import VideoSession
from masklet.types import FrameSource, Masklet, ObjectId, Prompts, Rle

WELL_SEEN = 0.5
"""An object is well seen with at least this share of its median area: the sliver that leaves the picture is not it."""


def track_back(
    model: Model,
    video: FrameSource,
    masklets: Mapping[ObjectId, Masklet],
    *,
    cancel: Callable[[], bool] | None = None,
) -> dict[ObjectId, dict[int, Rle]]:
    """Track objects in reverse, each from the last frame on which it is well seen to the first on which it is seen.

    Where a model follows the right thing the masks agree with those it came from; where it slipped to another on the
    way, they do not. All objects take one pass.

    Args:
        model: from `masklet.load`.
        video: that the masklets are of.
        masklets: by id; those that are seen nowhere are left out.
        cancel: asked before each frame; True ends the work with what is done.

    Returns:
        Masks by frame for each object, the one that it started from left out.
    """
    seen = {i: sorted(frame for frame, rle in one.frames.items() if rle.area) for i, one in masklets.items()}
    first = {i: frames[0] for i, frames in seen.items() if frames}
    last = {i: _anchor(masklets[i], seen[i]) for i in first}
    found: dict[ObjectId, dict[int, Rle]] = {i: {} for i in first}
    if not found:
        return found
    session = VideoSession(model, video)
    for i, frame in last.items():
        session.prompt(frame, object_id=i, prompts=Prompts.from_mask(masklets[i].frames[frame].to_mask()))
    end = max(last.values())
    followed = {i for i in last if last[i] == end}
    for out in session.propagate("reverse", start=min(first.values()), end=end + 1, objects=followed, cancel=cancel):
        for i in followed:
            if out.frame_index < last[i]:
                found[i][out.frame_index] = Rle.from_mask(out[i])
        following = out.frame_index - 1
        followed |= {i for i in last if last[i] == following}
        followed -= {i for i in first if first[i] > following}
    return found


def _anchor(masklet: Masklet, seen: list[int]) -> int:
    enough = WELL_SEEN * float(np.median([masklet.frames[frame].area for frame in seen]))
    return next(frame for frame in reversed(seen) if masklet.frames[frame].area >= enough)
