"""The three verbs of a memory policy, composed of its rules: `select`, `on_result`, `prune`.

All take a `MemoryPolicy`, in which a rule that is None does nothing, and the state of one object as data. Both
directions are alike: the past is what the pass has been through.
"""

from __future__ import annotations

from typing import NamedTuple

from masklet.tracking.memory import MemoryBank
from masklet.tracking.memory_selection import PROMPTED_SLOT, MemoryPolicy, MemorySelection, choose
from masklet.tracking.policies.anchors import AREA_REACH, AREAS, qualifies, with_limit
from masklet.tracking.policies.appearance_gate import is_there, mark
from masklet.tracking.policies.candidates import Evidence
from masklet.tracking.policies.gating import Past, look_back
from masklet.tracking.policies.motion import advance, favorite
from masklet.tracking.policies.state import FrameContext, Hypothesis, State
from masklet.tracking.rules import Gate

CERTAIN = 10.0
"""The presence logit that a prompted or lasting memory counts with when memories are emphasized."""


class Choice(NamedTuple):
    """Which candidate is followed.

    Attributes:
        candidate: its place among the evidence.
        visible: whether the object is there at all.
        overlap: of its box with the predicted one, where motion had a say.
    """

    candidate: int
    visible: bool
    overlap: float | None = None


class Kept(NamedTuple):
    """What may still be recalled: frames, and those of them whose map may."""

    frames: set[int]
    maps: set[int]


def select(hypothesis: Hypothesis, at: FrameContext, policy: MemoryPolicy) -> MemorySelection | None:
    """What a frame recalls of one story of an object, or None where there is no spatial memory to look at."""
    bank = hypothesis.bank
    if policy.gate is not None:
        return _selected(hypothesis, at, policy, policy.gate, look_back(hypothesis, at, policy, policy.gate))
    recent = bank.recent if at.since is None or not at.forget else {i for i in bank.recent if at.reaches(i)}
    return choose(at.frame_index, prompted=bank.prompted, recent=recent, policy=policy, reverse=at.reverse)


def _selected(
    hypothesis: Hypothesis, at: FrameContext, policy: MemoryPolicy, gate: Gate, past: Past
) -> MemorySelection | None:
    (lasting, frames), newest = past, at.frame_index - (-1 if at.reverse else 1)
    is_recent = newest in hypothesis.bank and newest not in lasting
    if gate.newest and is_recent and at.reaches(newest) and frames[:1] != [newest]:
        frames = [newest, *frames]
    codes = policy.memory_frames - 1
    count = (gate.maps or codes) - (max(len(lasting) - 1, 0) if gate.shared else 0)
    recent = _on_stride(frames, hypothesis.state, gate)[: max(count, 1) if codes else 0]
    maps: list[tuple[int, float]] = [(i, PROMPTED_SLOT) for i in lasting]
    maps += [(i, slot) for i, slot in reversed(list(zip(recent, time_slots(len(recent), codes), strict=True)))]
    pointers = [(i, back) for i in lasting if (back := at.back(i)) >= 0]
    pointers += [(i, rank) for rank, i in enumerate(frames[: policy.pointer_reach], start=1)]
    if not maps:
        return None
    scale = None
    if gate.emphasis:
        groups = ([i for i, _ in maps], [i for i, _ in pointers])
        scale = tuple(w for group in groups for w in _emphasis(hypothesis.bank, group, set(lasting), gate.emphasis))
    return MemorySelection(tuple(maps), tuple(pointers), scale)


def time_slots(count: int, codes: int) -> list[float]:
    """A time code for each of ``count`` memories, nearest first: by rank, or spread over the codes there are."""
    if count <= codes:
        return list(range(count))
    return [rank * (codes - 1) / (count - 1) for rank in range(count)]


def _on_stride(frames: list[int], state: State, gate: Gate) -> list[int]:
    """The nearest frame, and of the others those on the stride."""
    return frames[:1] + [i for i in frames[1:] if (i - state.origin) % gate.stride == 0]


def _emphasis(bank: MemoryBank, frames: list[int], lasting: set[int], spread: float) -> list[float]:
    """A key scale for each frame, growing with its presence."""
    if len(frames) < 2:
        return [1.0] * len(frames)
    scores = [CERTAIN if i in lasting else bank[i].object_score for i in frames]
    scale = [0.0] * len(frames)
    for rank, place in enumerate(sorted(range(len(frames)), key=scores.__getitem__)):
        scale[place] = 1 - spread + 2 * spread * rank / (len(frames) - 1)
    return scale


def decide(hypothesis: Hypothesis, evidence: Evidence, at: FrameContext, policy: MemoryPolicy) -> Choice:
    """Which candidate one story goes on with; the best by predicted IoU where no rule says otherwise."""
    best, overlap = int(evidence.iou.argmax()), None
    if policy.motion is not None:
        best, overlap = favorite(hypothesis.state.course, evidence, at.frame_index, policy.motion)
    return Choice(best, is_there(hypothesis.state, evidence, best, at, policy), overlap)


def on_result(
    hypothesis: Hypothesis, evidence: Evidence, choice: Choice, at: FrameContext, policy: MemoryPolicy
) -> None:
    """Learn from a frame whose memory has just been made, tracked or prompted."""
    state, bank, i = hypothesis.state, hypothesis.bank, at.frame_index
    prompted = i in bank.prompted
    visible = choice.visible and bool(evidence.areas[choice.candidate])
    rule = policy.anchors
    if rule is not None and visible and not prompted and qualifies(state, evidence, choice.candidate, at, rule):
        state.anchors = with_limit((*(a for a in state.anchors if a in bank.recent), i), bank, rule)
    if policy.motion is not None:
        state.course = advance(state.course, evidence, choice.candidate, i, policy.motion, visible=visible)
        if choice.overlap is not None and visible:
            state.overlaps[i] = choice.overlap
        else:
            state.overlaps.pop(i, None)
    if policy.likeness is not None:
        mark(state, float(evidence.alike[choice.candidate]), at, policy.likeness)
    if rule is not None and visible:
        state.areas[i] = float(evidence.areas[choice.candidate])


def prune(hypothesis: Hypothesis, at: FrameContext, policy: MemoryPolicy) -> Kept:
    """Forget what no later frame of the pass needs; gives what of the memories may still be recalled.

    ``at`` is the next frame. What is kept holds all that any later frame recalls, and its number is bounded.
    """
    state = hypothesis.state
    past = sorted((i for i in state.areas if 0 < at.back(i) <= AREA_REACH), key=at.back)[:AREAS]
    state.areas = {i: state.areas[i] for i in past}
    gate = policy.gate
    ahead = look_back(hypothesis, at, policy, gate) if gate else None
    recall = _selected(hypothesis, at, policy, gate, ahead) if gate and ahead else select(hypothesis, at, policy)
    frames, maps = (set(recall.frames), {i for i, _ in recall.maps}) if recall else (set[int](), set[int]())
    if gate and ahead:
        maps |= set(_on_stride(ahead.trusted, state, gate)[: (gate.maps or policy.memory_frames - 1) + 1])
        frames |= maps | set(ahead.trusted[: policy.pointer_reach])
    reach = gate.reach if gate else 1
    state.overlaps = {i: value for i, value in state.overlaps.items() if at.back(i) <= reach}
    state.unlike = {i: count for i, count in state.unlike.items() if at.back(i) <= reach}
    return Kept(frames, maps)
