"""A memory policy at work: select what to read, choose a candidate, update the state, prune.

All functions take a `MemoryPolicy`, in which a rule that is None does nothing, and the state of one hypothesis as data.
The past is what the pass has been through, in either direction.
"""

from __future__ import annotations

from typing import NamedTuple

from masklet.tracking.memory import MemoryBank
from masklet.tracking.memory_policy import Gate, MemoryPolicy
from masklet.tracking.memory_selection import PROMPTED_SLOT, FrameContext, MemorySelection, select_memories
from masklet.tracking.policies.anchors import past_areas, qualifies, with_limit
from masklet.tracking.policies.appearance_gate import is_visible, record_similarity
from masklet.tracking.policies.candidates import DecoderCandidates
from masklet.tracking.policies.gating import ReadableMemories, readable_memories
from masklet.tracking.policies.motion import choose_by_motion, update_motion
from masklet.tracking.policies.state import Hypothesis, PolicyState

CERTAIN = 10.0
"""The presence logit of prompted and lasting memories where keys are scaled by presence."""


class Choice(NamedTuple):
    """Which candidate a hypothesis continues with.

    Attributes:
        candidate: its index.
        visible: whether the object is visible at all.
        overlap: IoU of its box with the predicted one, where motion decided.
    """

    candidate: int
    visible: bool
    overlap: float | None = None


class Readable(NamedTuple):
    """What later frames may read: frames, and those of them whose spatial map may be read."""

    frames: set[int]
    maps: set[int]


def select(hypothesis: Hypothesis, context: FrameContext, policy: MemoryPolicy) -> MemorySelection | None:
    """Select what a frame reads of one hypothesis, or None where there is no spatial memory to read."""
    if policy.gate is not None:
        readable = readable_memories(hypothesis, context, policy, policy.gate)
        return _select_gated(hypothesis, context, policy, policy.gate, readable)
    bank = hypothesis.bank
    return select_memories(context, prompted=bank.prompted, recent=bank.recent, policy=policy)


def _select_gated(
    hypothesis: Hypothesis, context: FrameContext, policy: MemoryPolicy, gate: Gate, readable: ReadableMemories
) -> MemorySelection | None:
    (lasting, frames), newest = readable, context.back(1)
    is_recent = newest in hypothesis.bank and newest not in lasting
    if gate.newest and is_recent and context.can_read(newest) and frames[:1] != [newest]:
        frames = [newest, *frames]
    codes = policy.memory_frames - 1
    count = (gate.maps or codes) - (max(len(lasting) - 1, 0) if gate.shared else 0)
    recent = _on_stride(frames, hypothesis.state, gate)[: max(count, 1) if codes else 0]
    maps: list[tuple[int, float]] = [(i, PROMPTED_SLOT) for i in lasting]
    maps += [(i, slot) for i, slot in reversed(list(zip(recent, time_slots(len(recent), codes), strict=True)))]
    pointers = [(i, age) for i in lasting if (age := context.age(i)) >= 0]
    pointers += [(i, rank) for rank, i in enumerate(frames[: policy.pointer_reach], start=1)]
    if not maps:
        return None
    scale = None
    if gate.emphasis:
        groups = ([i for i, _ in maps], [i for i, _ in pointers])
        scale = tuple(w for group in groups for w in _key_scales(hypothesis.bank, group, set(lasting), gate.emphasis))
    return MemorySelection(tuple(maps), tuple(pointers), scale)


def time_slots(count: int, codes: int) -> list[float]:
    """A temporal code for each of ``count`` memories, nearest first: by rank, or spread over the codes there are."""
    if count <= codes:
        return list(range(count))
    return [rank * (codes - 1) / (count - 1) for rank in range(count)]


def _on_stride(frames: list[int], state: PolicyState, gate: Gate) -> list[int]:
    """The nearest frame, and of the others those on the stride."""
    return frames[:1] + [i for i in frames[1:] if (i - state.stride_origin) % gate.stride == 0]


def _key_scales(bank: MemoryBank, frames: list[int], lasting: set[int], spread: float) -> list[float]:
    """A key scale for each frame, 1 - spread to 1 + spread by the rank of its presence."""
    if len(frames) < 2:
        return [1.0] * len(frames)
    scores = [CERTAIN if i in lasting else bank[i].object_score for i in frames]
    scale = [0.0] * len(frames)
    for rank, position in enumerate(sorted(range(len(frames)), key=scores.__getitem__)):
        scale[position] = 1 - spread + 2 * spread * rank / (len(frames) - 1)
    return scale


def choose_candidate(
    hypothesis: Hypothesis, candidates: DecoderCandidates, context: FrameContext, policy: MemoryPolicy
) -> Choice:
    """Choose the candidate that one hypothesis continues with; the best by predicted IoU unless motion decides."""
    best, overlap = int(candidates.iou.argmax()), None
    if policy.motion is not None:
        best, overlap = choose_by_motion(hypothesis.state.motion, candidates, context.frame_index, policy.motion)
    return Choice(best, is_visible(hypothesis.state, candidates, best, context, policy), overlap)


def update_state(
    hypothesis: Hypothesis, candidates: DecoderCandidates, choice: Choice, context: FrameContext, policy: MemoryPolicy
) -> None:
    """Update the rules' state with a frame whose memory has just been encoded, tracked or prompted."""
    state, bank, i = hypothesis.state, hypothesis.bank, context.frame_index
    prompted = i in bank.prompted
    visible = choice.visible and bool(candidates.areas[choice.candidate])
    rule = policy.anchors
    if rule is not None and visible and not prompted and qualifies(state, candidates, choice.candidate, context, rule):
        state.anchors = with_limit((*(a for a in state.anchors if a in bank.recent), i), bank, rule)
    if policy.motion is not None:
        state.motion = update_motion(state.motion, candidates, choice.candidate, i, policy.motion, visible=visible)
        if choice.overlap is not None and visible:
            state.overlaps[i] = choice.overlap
        else:
            state.overlaps.pop(i, None)
    if policy.appearance is not None:
        record_similarity(state, float(candidates.similarity[choice.candidate]), context, policy.appearance)
    if rule is not None and visible:
        state.areas[i] = float(candidates.areas[choice.candidate])


def prune(hypothesis: Hypothesis, following: FrameContext, policy: MemoryPolicy) -> Readable:
    """Drop state that no later frame of the pass needs, and return which memories later frames may read.

    The number of these is bounded.

    Args:
        following: the next frame of the pass.
    """
    state = hypothesis.state
    if policy.anchors is not None:
        state.areas = past_areas(state, following)
    gate = policy.gate
    readable = readable_memories(hypothesis, following, policy, gate) if gate else None
    if gate and readable:
        selection = _select_gated(hypothesis, following, policy, gate, readable)
    else:
        selection = select(hypothesis, following, policy)
    frames, maps = (set(selection.frames), {i for i, _ in selection.maps}) if selection else (set[int](), set[int]())
    if gate and readable:
        maps |= set(_on_stride(readable.reliable, state, gate)[: (gate.maps or policy.memory_frames - 1) + 1])
        frames |= maps | set(readable.reliable[: policy.pointer_reach])
    reach = gate.reach if gate else 1
    state.overlaps = {i: value for i, value in state.overlaps.items() if following.age(i) <= reach}
    state.dissimilar = {i: count for i, count in state.dissimilar.items() if following.age(i) <= reach}
    return Readable(frames, maps)
