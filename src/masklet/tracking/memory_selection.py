"""Which past frames a frame looks at: integers in, integers out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from masklet.tracking.rules import Anchors, AppearanceGate, Cuts, Gate, Motion, Rule, Tree

PROMPTED_SLOT = -1
"""The time code of prompted frames: the last one of the model, whatever the policy."""


@dataclass(frozen=True, kw_only=True)
class MemoryPolicy:
    """How much is recalled.

    Attributes:
        memory_frames: spatial memories with a time code: one code for prompted frames, the others for recent ones.
        max_pointers: object pointers of recent frames reach back ``max_pointers - 1`` frames.
        max_prompted: prompted frames recalled at most, the first and the nearest; None for all.
        look_ahead: prompted frames of the pass's future are recalled too, as in the public predictor.
        clip_length: number of frames of a short clip, which shortens the reach and the time scale of pointers;
            None for a stream or a clip of at least ``max_pointers`` frames.
        keep_memories: a recorded video's session never drops a memory, also not one that a later correction made
            doubtful. For short clips, to repeat what the public predictor does.
        gate: which recent frames are recalled; None for the last ones.
        anchors: which tracked frames become lasting memories; None for none.
        motion: where the object is expected; None for no matter.
        tree: how many stories are followed; None for one.
        cuts: what a cut is; None for no matter.
        likeness: how much a mask must look like the prompted ones; None for no matter.
        compete: objects tracked together share no place: it goes to the larger logit, in masks and memories alike, and
            one that loses nearly all of its mask to a look-alike counts as hidden.
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
    cuts: Cuts | None = None
    likeness: AppearanceGate | None = None
    compete: bool = False

    def __post_init__(self) -> None:
        for name in ("memory_frames", "max_pointers", "max_prompted", "clip_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.anchors is not None and self.gate is None:
            raise ValueError("anchors need a gate, which recalls them: pass gate=Gate()")

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What goes beyond the memory of SAM 2."""
        found = (self.gate, self.anchors, self.motion, self.tree, self.cuts, self.likeness)
        return tuple(rule for rule in found if rule is not None)

    @property
    def pointer_reach(self) -> int:
        """How far back pointers of recent frames are recalled; also the unit of their time code."""
        return max(min(self.clip_length or self.max_pointers, self.max_pointers) - 1, 1)


@dataclass(frozen=True)
class MemorySelection:
    """The memories one frame looks at.

    Attributes:
        maps: (frame, slot) of each spatial memory; the slot names its learned time code, a fraction lies between two.
        pointers: (frame, distance) of each pointer; distances are in frames, positive for the past of the pass.
        key_scale: how strongly each map, then each pointer, answers; None for 1.
    """

    maps: tuple[tuple[int, float], ...]
    pointers: tuple[tuple[int, int], ...]
    key_scale: tuple[float, ...] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of maps and pointers; recalls of equal shape run as one batch."""
        return len(self.maps), len(self.pointers)

    @property
    def frames(self) -> frozenset[int]:
        """Every frame recalled in one way or the other."""
        return frozenset(i for i, _ in self.maps) | frozenset(i for i, _ in self.pointers)


def choose(
    frame_index: int,
    *,
    prompted: Collection[int],
    recent: Collection[int],
    policy: MemoryPolicy,
    reverse: bool = False,
) -> MemorySelection | None:
    """What frame ``frame_index`` recalls of one object, or None where there is no spatial memory to look at.

    Args:
        frame_index: the frame that looks.
        prompted: frames of the object that a person prompted.
        recent: frames of the object that were tracked.
        policy: how much to recall.
        reverse: the pass runs from later frames to earlier ones, so that its past are the later ones.

    Maps are those of prompted frames, then the ``memory_frames - 1`` frames before this one, oldest first; the place of
    a recalled prompted frame among those stays empty (paper section 4; its time code says "prompted", not "recent").
    Pointers are those of recalled prompted frames in the past, then of the recent ones, nearest first.
    """
    sign = -1 if reverse else 1

    def distance(other: int) -> int:
        return (frame_index - other) * sign

    visible = [i for i in prompted if policy.look_ahead or distance(i) > 0]
    recalled = first_and_nearest(visible, distance, policy.max_prompted)

    def back_to(reach: int) -> list[tuple[int, int]]:
        """Frames at most ``reach`` back that were tracked, or prompted and not recalled as such; nearest first."""
        steps = ((frame_index - sign * back, back) for back in range(1, reach + 1))
        return [(i, back) for i, back in steps if i in recent or (i in prompted and i not in recalled)]

    maps = [(i, PROMPTED_SLOT) for i in recalled]
    maps += [(i, back - 1) for i, back in reversed(back_to(policy.memory_frames - 1))]
    pointers = [(i, distance(i)) for i in recalled if distance(i) >= 0] + back_to(policy.pointer_reach)
    return MemorySelection(tuple(maps), tuple(pointers)) if maps else None


def first_and_nearest(frames: list[int], distance: Callable[[int], int], limit: int | None) -> list[int]:
    """At most ``limit`` frames in the order of the pass: its first one, and those nearest to the present."""
    ordered = sorted(frames, key=distance, reverse=True)
    if limit is None or len(ordered) <= limit:
        return ordered
    nearest = sorted(ordered[1:], key=lambda i: abs(distance(i)))[: limit - 1]
    return sorted([ordered[0], *nearest], key=distance, reverse=True)
