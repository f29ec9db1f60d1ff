"""After a correction, track again only as far as it changes anything."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from masklet.errors import PromptError, UnknownObjectError
from masklet.masks.rle import pair_iou
from masklet.predict.propagation import Direction
from masklet.predict.session import VideoSession
from masklet.types import FrameMasks, ObjectId, Rle

DIRECTIONS: tuple[Direction, ...] = ("forward", "reverse")

MIN_AGREEMENT = 0.98
"""IoU with the earlier mask from which on a new mask agrees with it."""


def retrack(
    session: VideoSession,
    frame_index: int,
    *,
    objects: Collection[ObjectId],
    within: range | None = None,
    patience: int = 10,
    before: Mapping[ObjectId, Mapping[int, Rle]] | None = None,
) -> Iterator[FrameMasks]:
    """Track objects away from a corrected frame, forward and then in reverse, until results are what they were.

    An object is done with a direction when its masks agreed with the earlier ones on ``patience`` consecutive frames,
    or where its earlier results end. Finished frames are kept if the caller stops early.

    Args:
        session: with the correction made and earlier results.
        frame_index: the corrected frame.
        objects: that were corrected; others are left alone.
        within: the frames that may be tracked; None for all.
        patience: consecutive frames that must agree.
        before: the earlier masks, each read before its frame is yielded; None for the results of the session.

    Raises:
        UnknownObjectError: an object that was never prompted.
        PromptError: no objects, or a frame outside the range.
    """
    span = within if within is not None else range(session.num_frames)
    if not objects or frame_index not in span:
        raise PromptError(f"expected objects, and a frame from {span.start} to {span.stop - 1}, got {frame_index}")
    missing = sorted(set(objects) - set(session.object_ids))
    if missing:
        raise UnknownObjectError(f"unknown object {missing[0]}")
    if before is None:
        before = {i: masklet.frames for i, masklet in session.masklets().items() if i in objects}
    return _retrack(session, frame_index, before, span, patience)


def _retrack(
    session: VideoSession,
    frame_index: int,
    before: Mapping[ObjectId, Mapping[int, Rle]],
    span: range,
    patience: int,
) -> Iterator[FrameMasks]:
    for direction in DIRECTIONS:
        step = 1 if direction == "forward" else -1
        known = {i: _run_of_frames(frames, frame_index, step, span) for i, frames in before.items()}
        pending = {i for i, frames in known.items() if len(frames) > 1 and i in session.object_ids}
        if not pending:
            continue
        start = min(min(known[i]) for i in pending)
        end = max(max(known[i]) for i in pending) + 1
        agreed = dict.fromkeys(pending, 0)
        for out in session.propagate(direction, start=start, end=end, objects=pending):
            if out.frame_index == frame_index:
                continue
            for i in out.object_ids:
                same = pair_iou(before[i][out.frame_index], Rle.from_mask(out[i])) >= MIN_AGREEMENT
                agreed[i] = agreed[i] + 1 if same else 0
                if agreed[i] >= patience or out.frame_index == known[i][-1]:
                    pending.discard(i)
            yield out
            if not pending:
                break


def _run_of_frames(frames: Collection[int], start: int, step: int, span: range) -> range:
    """The consecutive frames from one of them onward."""
    stop = start + step
    while stop in frames and stop in span:
        stop += step
    return range(start, stop, step)
