"""Which frames a pass visits and in which order, and which memories a correction invalidates: integers in and out."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple

from masklet.errors import FrameRangeError, MediaError, PromptError
from masklet.types import FrameSource, ObjectId

Direction = Literal["forward", "reverse", "both"]


class Pass(NamedTuple):
    """One pass through some frames.

    Attributes:
        frames: in the order of the pass.
        reverse: whether it runs from later frames to earlier ones.
        fill: whether an object is tracked only on frames before its first prompt.
    """

    frames: range
    reverse: bool
    fill: bool = False

    def tracks(self, frame_index: int, starts: Collection[int]) -> bool:
        """Whether an object that starts on these frames is tracked on a frame of the pass."""
        return not (self.fill and frame_index >= min(starts))


def recorded_length(video: FrameSource) -> int:
    """The number of frames of a video.

    Raises:
        MediaError: not a video, a live source, which has no length, or one without frames.
    """
    try:
        _height, _width = video.size
    except (AttributeError, TypeError, ValueError):  # a path, or frames in a list or an array
        raise MediaError(
            f"expected a video, got {type(video).__name__}: open a file with masklet.open_video, "
            "wrap frames in memory in masklet.io.ArrayVideo"
        ) from None
    try:
        count = len(video)
    except TypeError:
        raise MediaError("a live source has no length and no random access: use StreamTracker") from None
    if not count:
        raise MediaError("the video has no frames")
    return count


def plan_passes(
    direction: Direction,
    start: int | None,
    end: int | None,
    *,
    num_frames: int,
    prompted: Mapping[ObjectId, Collection[int]],
    look_ahead: bool,
) -> list[Pass]:
    """Plan the passes of `VideoSession.propagate`, none of them empty.

    Args:
        direction: as there.
        start: the lowest frame, or None to start at the first frame with something to track.
        end: one more than the highest frame, or None.
        num_frames: of the video.
        prompted: the prompted frames of each object.
        look_ahead: prompts of later frames are read too, so that there is something to track on every frame.

    Raises:
        FrameRangeError: the range is empty, outside the video, not of whole numbers, or holds nothing to track.
        PromptError: there are no prompts.
    """
    if direction not in ("forward", "reverse", "both"):
        raise ValueError(f'direction must be "forward", "reverse" or "both", got {direction!r}')
    low, high = _whole(start, 0), _whole(end, num_frames)
    if not 0 <= low < high <= num_frames:
        raise FrameRangeError(f"expected 0 <= start < end <= {num_frames}, got start {low} and end {high}")
    if not prompted:
        raise PromptError("no object to track: prompt an object first")
    first = [min(frames) for frames in prompted.values()]
    last = max(max(frames) for frames in prompted.values())
    forward = range(low if look_ahead or start is not None else max(low, min(first)), high)
    reverse = range((high if look_ahead or end is not None else min(high, last + 1)) - 1, low - 1, -1)
    back = range(min(high, max(first)) - 1, low - 1, -1)
    passes = {
        "forward": [Pass(forward, reverse=False)],
        "reverse": [Pass(reverse, reverse=True)],
        "both": [Pass(forward, reverse=False), Pass(back, reverse=True, fill=True)],
    }[direction]
    if not any(len(p.frames) for p in passes):
        raise FrameRangeError(
            f"nothing to track {direction} in frames {low} to {high - 1}: prompts are on frames {min(first)} to {last}"
        )
    return [p for p in passes if len(p.frames)]


def _whole(frame: int | None, default: int) -> int:
    try:
        return default if frame is None else operator.index(frame)
    except TypeError:
        raise FrameRangeError(f"expected a whole number as a frame, got {frame!r}") from None


def invalidated_frames(frame_index: int, tracked: Iterable[int], visited: Mapping[int, bool]) -> list[int]:
    """The tracked frames whose memory a changed prompt invalidates: those that a pass reached after this frame.

    Args:
        frame_index: the frame whose prompts changed.
        tracked: frames of the object with a memory and without prompts.
        visited: by frame, whether the pass that went through it ran in reverse.
    """
    return [i for i in tracked if i in visited and (i < frame_index if visited[i] else i > frame_index)]
