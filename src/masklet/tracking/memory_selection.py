"""Which past frames a frame reads from memory: integers in, integers out (paper section 4, "Memory bank")."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from masklet.tracking.memory_policy import MemoryPolicy

PROMPTED_SLOT = -1
"""The temporal position code of prompted frames: the last one of the model, whatever the policy."""


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
    frame_index: int,
    *,
    prompted: Collection[int],
    recent: Collection[int],
    policy: MemoryPolicy,
    reverse: bool = False,
) -> MemorySelection | None:
    """Select what a frame reads of one object's memory, or None where there is no spatial memory to read.

    Maps are those of prompted frames, then those of the ``memory_frames - 1`` frames before this one, oldest first; the
    place of a selected prompted frame among those stays empty, because its temporal code says "prompted". Pointers are
    those of selected prompted frames in the past, then those of recent frames, nearest first.

    Args:
        frame_index: the frame that reads.
        prompted: prompted frames of the object.
        recent: tracked frames of the object.
        policy: how many to select.
        reverse: whether the pass runs from later frames to earlier ones, so that its past are the later frames.
    """
    sign = -1 if reverse else 1

    def distance(other: int) -> int:
        return (frame_index - other) * sign

    readable = [i for i in prompted if policy.look_ahead or distance(i) > 0]
    selected = first_and_nearest(readable, distance, policy.max_prompted)

    def back_to(reach: int) -> list[tuple[int, int]]:
        """Frames at most ``reach`` back that were tracked, or prompted and not selected as such; nearest first."""
        steps = ((frame_index - sign * back, back) for back in range(1, reach + 1))
        return [(i, back) for i, back in steps if i in recent or (i in prompted and i not in selected)]

    maps = [(i, PROMPTED_SLOT) for i in selected]
    maps += [(i, back - 1) for i, back in reversed(back_to(policy.memory_frames - 1))]
    pointers = [(i, distance(i)) for i in selected if distance(i) >= 0] + back_to(policy.pointer_reach)
    return MemorySelection(tuple(maps), tuple(pointers)) if maps else None


def first_and_nearest(frames: list[int], distance: Callable[[int], int], limit: int | None) -> list[int]:
    """At most ``limit`` frames in the order of the pass: the first one, and those nearest to the current frame."""
    ordered = sorted(frames, key=distance, reverse=True)
    if limit is None or len(ordered) <= limit:
        return ordered
    nearest = sorted(ordered[1:], key=lambda i: abs(distance(i)))[: limit - 1]
    return sorted([ordered[0], *nearest], key=distance, reverse=True)
