"""Track again after a correction, only as far as results change."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from masklet.errors import PromptError, UnknownObjectError
from masklet.masks.rle import pair_iou
from masklet.predict.propagation import Direction
from masklet.predict.session import VideoSession
from masklet.types import FrameMasks, ObjectId, Rle

DIRECTIONS: tuple[Direction, ...] = ("forward", "reverse")

MIN_AGREEMENT = 0.98
"""A new mask agrees with the earlier mask of the same frame at this IoU and above."""


def retrack(
    session: VideoSession,
    frame_index: int,
    *,
    objects: Collection[ObjectId],
    within: range | None = None,
    patience: int = 10,
    before: Mapping[ObjectId, Mapping[int, Rle]] | None = None,
) -> Iterator[FrameMasks]:
    """Track corrected objects from the corrected frame, forward and then in reverse, until results no longer change.

    In each direction an object stops when its masks agree with the earlier ones on ``patience`` consecutive frames, or
    where its earlier results end. Frames already yielded keep their results if the caller stops early.

    Args:
        session: holds the correction and the earlier results.
        objects: the corrected objects; others are not tracked.
        within: the frames that may be tracked, by default all.
        before: the earlier masks by object and frame, by default the results of the session.

    Raises:
        UnknownObjectError: an object that was never prompted.
        PromptError: ``objects`` is empty, or the frame is outside ``within``.
    """
    span = within if within is not None else range(session.num_frames)
    if not objects:
        raise PromptError("expected at least one object to track again, got none")
    if frame_index not in span:
        raise PromptError(f"expected a frame from {span.start} to {span.stop - 1}, got {frame_index}")
    if missing := sorted(set(objects) - set(session.object_ids)):
        known = ", ".join(map(str, session.object_ids)) or "none"
        raise UnknownObjectError(f"object {missing[0]} was never prompted (objects: {known})")
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
        ranges = {i: _consecutive_frames(frames, frame_index, step, span) for i, frames in before.items()}
        pending = {i for i, frames in ranges.items() if len(frames) > 1 and i in session.object_ids}
        if not pending:
            continue
        start = min(min(ranges[i]) for i in pending)
        end = max(max(ranges[i]) for i in pending) + 1
        agreed = dict.fromkeys(pending, 0)
        for out in session.propagate(direction, start=start, end=end, objects=pending):
            if out.frame_index == frame_index:
                continue
            for i in out.object_ids:
                agrees = pair_iou(before[i][out.frame_index], Rle.from_mask(out[i])) >= MIN_AGREEMENT
                agreed[i] = agreed[i] + 1 if agrees else 0
                if agreed[i] >= patience or out.frame_index == ranges[i][-1]:
                    pending.discard(i)
            yield out
            if not pending:
                break


def _consecutive_frames(frames: Collection[int], start: int, step: int, span: range) -> range:
    """Return the frames from ``start`` on for as long as each next one is in ``frames`` and in ``span``."""
    stop = start + step
    while stop in frames and stop in span:
        stop += step
    return range(start, stop, step)
