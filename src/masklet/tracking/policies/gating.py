"""Gating: which past frames are reliable enough to be read from memory."""

from __future__ import annotations

from typing import NamedTuple

from masklet.tracking.memory_policy import Gate, MemoryPolicy
from masklet.tracking.memory_selection import FrameContext, first_and_nearest
from masklet.tracking.policies.state import Hypothesis


class ReadableMemories(NamedTuple):
    """What a frame may read.

    Attributes:
        lasting: prompted and lasting memories in the order of the pass.
        reliable: reliable recent frames, nearest first.
    """

    lasting: list[int]
    reliable: list[int]


def readable_memories(
    hypothesis: Hypothesis, context: FrameContext, policy: MemoryPolicy, gate: Gate
) -> ReadableMemories:
    """Find what a frame may read of one hypothesis of an object."""
    bank, state = hypothesis.bank, hypothesis.state
    visible = [i for i in bank.prompted if policy.look_ahead or context.age(i) > 0]
    prompted = first_and_nearest(visible, context.age, policy.max_prompted)
    anchors = [i for i in state.anchors if i in bank.recent and context.age(i) > 0]
    lasting = sorted([*prompted, *anchors], key=context.age, reverse=True)
    reach = gate.reach
    if context.shot_start is not None and context.drop_before_cut:
        reach = min(reach, context.age(context.shot_start))
    past = map(context.back, range(1, reach + 1))
    entries = ((i, bank.recent.get(i) or bank.prompted.get(i)) for i in past if i not in lasting)
    reliable = [
        i
        for i, entry in entries
        if entry is not None
        and entry.object_score > 0
        and entry.iou > gate.min_iou
        and entry.quality > gate.min_quality
        and state.overlaps.get(i, 1.0) > 0
        and i not in state.dissimilar
    ]
    return ReadableMemories(lasting, reliable)
