"""Which past frames a frame reads from memory: integers in, integers out (paper section 4, "Memory bank")."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from masklet.tracking.rules import Anchors, AppearanceGate, Gate, Motion, Rule, ShotCuts, Tree

PROMPTED_SLOT = -1
"""The temporal position code of prompted frames: the last one of the model, whatever the policy."""


@dataclass(frozen=True, kw_only=True)
class MemoryPolicy:
    """How many memories a frame reads, and which rules beyond SAM 2 apply; a rule that is None does nothing.

    Attributes:
        memory_frames: spatial memories with a temporal code: one code for prompted frames, the others for recent ones.
        max_pointers: object pointers of recent frames reach back ``max_pointers - 1`` frames.
        max_prompted: prompted frames read at most, the first and the nearest; None for all.
        look_ahead: prompted frames in the future of the pass are read too, and answers to prompts on frames that no
            pass has reached are final, as in the public predictor.
        clip_length: number of frames of a short clip, which shortens the reach and the time scale of pointers;
            None for a stream or a clip of at least ``max_pointers`` frames.
        keep_memories: a session never drops a memory, not even one that a later correction invalidates. For short
            clips, to reproduce the public predictor.
        gate: selects recent frames by quality (SAM2Long, SAM 3); None for the last ones.
        anchors: keeps some tracked frames as lasting memories (DAM4SAM).
        motion: prefers the candidate mask nearest to the predicted box (SAMURAI).
        tree: number of hypotheses (SAM2Long).
        shot_cuts: detects shot cuts.
        appearance: hides masks that do not look like the prompted object.
        non_overlap: resolves overlaps between objects before memory encoding: each pixel goes to the object with the
            highest logit, and an object that loses most of its mask counts as hidden.
    """

    memory_frames: int = 7
    max_pointers: int = 16
    max_prompted: int | None = 8
    look_ahead: bool = False
    clip_length: int | None = None
    keep_memories: bool = False
    gate: Gate | None = None
    anchors: Anchors | None = None
    motion: Motion | None = None
    tree: Tree | None = None
    shot_cuts: ShotCuts | None = None
    appearance: AppearanceGate | None = None
    non_overlap: bool = False

    def __post_init__(self) -> None:
        for name in ("memory_frames", "max_pointers", "max_prompted", "clip_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.anchors is not None and self.gate is None:
            raise ValueError("anchors need a gate, which selects them: pass gate=Gate()")

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules beyond SAM 2 that are set."""
        found = (self.gate, self.anchors, self.motion, self.tree, self.shot_cuts, self.appearance)
        return tuple(rule for rule in found if rule is not None)

    @property
    def pointer_reach(self) -> int:
        """How many frames back pointers of recent frames are read; also the unit of their temporal code."""
        return max(min(self.clip_length or self.max_pointers, self.max_pointers) - 1, 1)


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
