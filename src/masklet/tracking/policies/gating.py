"""Which past can be trusted: what a frame may recall where there is a gate."""

from __future__ import annotations

from typing import NamedTuple

from masklet.tracking.memory_selection import MemoryPolicy, first_and_nearest
from masklet.tracking.policies.state import FrameContext, Hypothesis
from masklet.tracking.rules import Gate


class Past(NamedTuple):
    """What a frame may recall.

    Attributes:
        lasting: prompted and lasting memories in the order of the pass.
        trusted: recent frames that can be trusted, nearest first.
    """

    lasting: list[int]
    trusted: list[int]


def look_back(hypothesis: Hypothesis, at: FrameContext, policy: MemoryPolicy, gate: Gate) -> Past:
    """What one story of an object may recall on a frame."""
    bank, state = hypothesis.bank, hypothesis.state
    visible = [i for i in bank.prompted if policy.look_ahead or at.back(i) > 0]
    prompted = first_and_nearest(visible, at.back, policy.max_prompted)
    anchors = [i for i in state.anchors if i in bank.recent and at.back(i) > 0]
    lasting = sorted([*prompted, *anchors], key=at.back, reverse=True)
    sign = 1 if at.reverse else -1
    reach = gate.reach if at.since is None or not at.forget else min(gate.reach, at.back(at.since))
    walk = range(at.frame_index + sign, at.frame_index + sign * (reach + 1), sign)
    entries = ((i, bank.recent.get(i) or bank.prompted.get(i)) for i in walk if i not in lasting)
    trusted = [
        i
        for i, entry in entries
        if entry is not None
        and entry.object_score > 0
        and entry.iou > gate.min_iou
        and entry.quality > gate.min_quality
        and state.overlaps.get(i, 1.0) > 0
        and i not in state.unlike
    ]
    return Past(lasting, trusted)
