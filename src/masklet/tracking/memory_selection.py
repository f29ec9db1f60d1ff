"""Which past frames a frame reads from memory: integers in, integers out (paper section 4, "Memory bank")."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from masklet.tracking.memory_policy import MemoryPolicy

PROMPTED_SLOT = -1
"""The temporal position code of prompted frames: the last one of the model, whatever the policy."""


class FrameContext(NamedTuple):
    """Where a frame stands in a pass.

    Attributes:
        frame_index: the frame.
        reverse: whether the pass runs from later frames to earlier ones.
        shot_start: the first frame, in the order of the pass, after the last cut; None where there was none.
        drop_before_cut: whether memories from before the cut are not read.
    """

    frame_index: int
    reverse: bool = False
    shot_start: int | None = None
    drop_before_cut: bool = True

    def age(self, other: int) -> int:
        """How many frames ago, in the order of the pass, another frame was; negative for its future."""
        return (other - self.frame_index) if self.reverse else (self.frame_index - other)

    def same_shot(self, other: int) -> bool:
        """Whether another frame is in the past, with no cut between."""
        return self.age(other) > 0 and (self.shot_start is None or self.age(other) <= self.age(self.shot_start))

    def can_read(self, other: int) -> bool:
        """Whether another frame is in the past and was not dropped at a cut."""
        return self.same_shot(other) if self.drop_before_cut else self.age(other) > 0

    def back(self, frames: int) -> int:
        """The frame so many frames ago, in the order of the pass."""
        return self.frame_index + (frames if self.reverse else -frames)

    @property
    def following(self) -> FrameContext:
        """The next frame of the pass."""
        return self._replace(frame_index=self.back(-1))


@dataclass(frozen=True)
class MemorySelection:
    """The memories that one frame reads.

    Attributes:
        maps: (frame, slot) of each spatial memory; the slot names its learned temporal code, a fraction is
            interpolated between two.
        pointers: (frame, distance) of each pointer; distances are in frames, positive for the past of the pass.
        key_scale: factor of the keys of each map, then of each pointer, in memory attention; None for 1.
    """

    maps: tuple[tuple[int, float], ...]
    pointers: tuple[tuple[int, int], ...]
    key_scale: tuple[float, ...] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of maps and pointers; selections of equal shape run as one batch."""
        return len(self.maps), len(self.pointers)

    @property
    def frames(self) -> frozenset[int]:
        """Every frame whose map or pointer is read."""
        return frozenset(i for i, _ in self.maps) | frozenset(i for i, _ in self.pointers)


def select_memories(
    context: FrameContext, *, prompted: Collection[int], recent: Collection[int], policy: MemoryPolicy
) -> MemorySelection | None:
    """Select what a frame reads of one object's memory, or None where there is no spatial memory to read.

    Maps are those of prompted frames, then those of the ``memory_frames - 1`` frames before this one, oldest first; the
    place of a selected prompted frame among those stays empty, because its temporal code says "prompted". Pointers are
    those of selected prompted frames in the past, then those of recent frames, nearest first.

    Args:
        context: of the frame that reads.
        prompted: prompted frames of the object.
        recent: tracked frames of the object.
        policy: how many to select.
    """
    readable = [i for i in prompted if policy.look_ahead or context.age(i) > 0]
    selected = first_and_nearest(readable, context.age, policy.max_prompted)
    steps = range(1, max(policy.memory_frames, policy.pointer_reach + 1))
    past = [
        (i, distance)
        for distance, i in zip(steps, map(context.back, steps), strict=True)
        if (i in recent and context.can_read(i)) or (i in prompted and i not in selected)
    ]
    maps: list[tuple[int, float]] = [(i, PROMPTED_SLOT) for i in selected]
    maps += [(i, distance - 1) for i, distance in reversed(past) if distance < policy.memory_frames]
    pointers = [(i, age) for i in selected if (age := context.age(i)) >= 0]
    pointers += [(i, distance) for i, distance in past if distance <= policy.pointer_reach]
    return MemorySelection(tuple(maps), tuple(pointers)) if maps else None


def first_and_nearest(frames: list[int], distance: Callable[[int], int], limit: int | None) -> list[int]:
    """At most ``limit`` frames in the order of the pass: the first one, and those nearest to the current frame."""
    ordered = sorted(frames, key=distance, reverse=True)
    if limit is None or len(ordered) <= limit:
        return ordered
    nearest = sorted(ordered[1:], key=lambda i: abs(distance(i)))[: limit - 1]
    return sorted([ordered[0], *nearest], key=distance, reverse=True)
