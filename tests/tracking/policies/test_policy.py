"""Memories that a policy reads, keeps and drops, for hand-made score sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from masklet.tracking.memory import MemoryBank, MemoryEntry
from masklet.tracking.memory_policy import Anchors, AppearanceGate, Gate, MemoryPolicy, Motion
from masklet.tracking.memory_selection import PROMPTED_SLOT, FrameContext, MemorySelection, select_memories
from masklet.tracking.policies.appearance_gate import appearance_references
from masklet.tracking.policies.candidates import DecoderCandidates
from masklet.tracking.policies.policy import choose_candidate, prune, select, time_slots, update_state
from masklet.tracking.policies.state import Hypothesis, PolicyState

P = PROMPTED_SLOT
MAP, POINTER, LOOK = torch.zeros(1, 1, 1), torch.ones(1, 2), torch.tensor([1.0, 0.0])


def entry(score: float = 5.0, iou: float = 0.9) -> MemoryEntry:
    return MemoryEntry(MAP, POINTER, score, iou, LOOK)


def story(prompted: tuple[int, ...], recent: dict[int, MemoryEntry], **state: Any) -> Hypothesis:
    bank = MemoryBank()
    for i in prompted:
        bank.put(i, entry(10, 1), prompted=True)
    for i, memory in recent.items():
        bank.put(i, memory, prompted=False)
    return Hypothesis(bank, PolicyState(**state))


GOOD, ABSENT, POOR = entry(), entry(score=-2.0), entry(iou=0.2)


def track(text: str, start: int = 1) -> dict[int, MemoryEntry]:
    """Frames in a row: + trusted, - absent, ? poor."""
    return {start + n: {"+": GOOD, "-": ABSENT, "?": POOR}[sign] for n, sign in enumerate(text)}


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], MemorySelection]] = {
    "all trusted: as plain, without the empty place": (
        {"recent": track("+++")},
        {},
        MemorySelection(((0, P), (1, 2), (2, 1), (3, 0)), ((0, 4), (3, 1), (2, 2), (1, 3))),
    ),
    "absent frames are passed over, and time codes go by rank": (
        {"recent": track("++---+")},
        {},
        MemorySelection(((0, P), (1, 2), (2, 1), (6, 0)), ((0, 7), (6, 1), (2, 2), (1, 3))),
    ),
    "the newest is recalled though it is not trusted": (
        {"recent": track("++--")},
        {},
        MemorySelection(((0, P), (1, 2), (2, 1), (4, 0)), ((0, 5), (4, 1), (2, 2), (1, 3))),
    ),
    "or not, where it must be trusted": (
        {"recent": track("++--")},
        {"newest": False},
        MemorySelection(((0, P), (1, 1), (2, 0)), ((0, 5), (2, 1), (1, 2))),
    ),
    "predicted IoU above the threshold": (
        {"recent": track("+?+?")},
        {"min_iou": 0.5, "newest": False},
        MemorySelection(((0, P), (1, 1), (3, 0)), ((0, 5), (3, 1), (1, 2))),
    ),
    "quality: presence a little above one half is none": (
        {"recent": {1: GOOD, 2: entry(score=0.01), 3: entry(score=0.1, iou=0.9)}},
        {"newest": False, "min_quality": 0.01},
        MemorySelection(((0, P), (1, 1), (3, 0)), ((0, 4), (3, 1), (1, 2))),
    ),
    "no further back than the reach": (
        {"recent": track("+" + "-" * 9)},
        {"reach": 9, "newest": False},
        MemorySelection(((0, P),), ((0, 11),)),
    ),
    "every fifth frame, beside the newest": (
        {"recent": track("+" * 22)},
        {"stride": 5, "newest": False},
        MemorySelection(
            ((0, P), (5, 4), (10, 3), (15, 2), (20, 1), (22, 0)),
            ((0, 23), *((23 - back, back) for back in range(1, 16))),
        ),
    ),
    "lasting memories take the place of recent ones": (
        {"prompted": (0, 3), "recent": track("+" * 12, 4), "anchors": (6,)},
        {"shared": True},
        MemorySelection(
            ((0, P), (3, P), (6, P), (12, 3), (13, 2), (14, 1), (15, 0)),
            ((0, 16), (3, 13), (6, 10), *((i, n) for n, i in enumerate((15, 14, 13, 12, 11, 10, 9, 8, 7, 5, 4), 1))),
        ),
    ),
    "more memories than time codes share them": (
        {"recent": track("+" * 11)},
        {"maps": 11},
        MemorySelection(
            ((0, P), *((i, (11 - i) / 2) for i in range(1, 12))),
            ((0, 12), *((12 - back, back) for back in range(1, 12))),
        ),
    ),
    "a mask where motion did not expect any is no memory": (
        {"recent": track("+++"), "overlaps": {2: 0.0, 3: 0.4}},
        {},
        MemorySelection(((0, P), (1, 1), (3, 0)), ((0, 4), (3, 1), (1, 2))),
    ),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_gate(name: str, *, reverse: bool) -> None:
    case, gate, expected = CASES[name]
    sign = -1 if reverse else 1  # reverse is the mirror image
    state: dict[str, Any] = {"anchors": tuple(sign * i for i in case.get("anchors", ()))}
    state |= {"overlaps": {sign * i: value for i, value in case.get("overlaps", {}).items()}}
    recent = {sign * i: memory for i, memory in case["recent"].items()}
    seen = story(tuple(sign * i for i in case.get("prompted", (0,))), recent, **state)
    at = FrameContext(sign * (max(case["recent"]) + 1), reverse)
    found = select(seen, at, MemoryPolicy(gate=Gate(**gate), anchors=Anchors() if "anchors" in case else None))
    mirrored = MemorySelection(
        tuple((sign * i, slot) for i, slot in expected.maps), tuple((sign * i, d) for i, d in expected.pointers)
    )
    assert found == mirrored


@pytest.mark.parametrize("gate", [None, Gate()])
def test_a_cut_drops_recent_memory_alone(gate: Gate | None) -> None:
    seen = story((0,), track("++++"), anchors=(2,))
    policy = MemoryPolicy(gate=gate, anchors=Anchors() if gate else None)
    recall = select(seen, FrameContext(5, shot_start=4), policy)
    assert recall is not None
    assert {i for i, _ in recall.maps} == ({0, 2, 4} if gate else {0, 4})
    kept = select(seen, FrameContext(5, shot_start=4, drop_before_cut=False), policy)
    assert kept is not None
    assert {i for i, _ in kept.maps} == {0, 1, 2, 3, 4}


def test_emphasis_grows_with_presence_in_maps_and_in_pointers() -> None:
    """A prompted memory always counts most; one memory alone is neither more nor less."""
    seen = story((0,), {1: entry(1.0), 2: entry(9.0), 3: entry(4.0)})
    recall = select(seen, FrameContext(4), MemoryPolicy(gate=Gate(emphasis=0.05)))
    assert recall is not None
    assert recall.key_scale is not None
    weights = dict(zip([*recall.maps, *recall.pointers], recall.key_scale, strict=True))
    for group in (recall.maps, recall.pointers):
        by_frame = {i: weights[i, value] for i, value in group}
        assert [by_frame[i] for i in (1, 3, 2, 0)] == pytest.approx([0.95, 0.9833333, 1.0166667, 1.05])
    alone = select(story((0,), {}), FrameContext(1), MemoryPolicy(gate=Gate(emphasis=0.05)))
    assert alone == MemorySelection(((0, P),), ((0, 1),), (1.0, 1.0))


@pytest.mark.parametrize(
    ("count", "codes", "slots"),
    [(0, 6, []), (1, 6, [0]), (6, 6, [0, 1, 2, 3, 4, 5]), (11, 6, [n / 2 for n in range(11)]), (3, 1, [0, 0, 0])],
)
def test_time_slots(count: int, codes: int, slots: list[float]) -> None:
    assert time_slots(count, codes) == slots


def test_without_rules_it_is_the_choice_of_sam_2() -> None:
    seen, policy = story((0, 4), track("++-", 1) | track("+?-+", 5)), MemoryPolicy()
    for at, reverse in ((9, False), (3, True)):
        expected = select_memories(
            FrameContext(at, reverse), prompted=seen.bank.prompted, recent=seen.bank.recent, policy=policy
        )
        assert select(seen, FrameContext(at, reverse), policy) == expected


def seen_mask(x: int, *, iou: float = 0.9, score: float = 5.0, similarity: float = 1.0) -> DecoderCandidates:
    masks = np.zeros((1, 16, 16), bool)
    masks[0, 4:8, x : x + 4] = True
    return DecoderCandidates(masks, np.array([iou], np.float32), np.array([similarity], np.float32), score)


POLICIES = [
    MemoryPolicy(gate=Gate()),
    MemoryPolicy(gate=Gate(maps=10, reach=30)),
    MemoryPolicy(gate=Gate(newest=False, stride=5, shared=True), anchors=Anchors(reveal=None), max_prompted=2),
    MemoryPolicy(
        gate=Gate(min_iou=0.5), anchors=Anchors(reveal=None, limit=2, spacing=1), motion=Motion(min_stable_frames=2)
    ),
    MemoryPolicy(gate=Gate(newest=False), appearance=AppearanceGate(patience=2)),
    MemoryPolicy(gate=Gate(min_quality=0.5, reach=20), appearance=AppearanceGate(delay=1)),
]


@settings(max_examples=25)
@given(
    st.sampled_from(POLICIES),
    st.lists(st.sampled_from("+++-?~p"), min_size=1, max_size=60),
    st.booleans(),
    st.sets(st.integers(1, 59), max_size=2),
)
def test_what_is_forgotten_is_never_recalled_again(
    policy: MemoryPolicy, signs: list[str], reverse: bool, cuts: set[int]
) -> None:
    """A stream that drops what `prune` does not keep recalls what a session recalls that keeps everything."""
    live, whole = story((0,), {}), story((0,), {})
    sign = -1 if reverse else 1
    for t, text in enumerate(signs, start=1):
        since = max((cut for cut in cuts if cut <= t), default=None)
        at = FrameContext(sign * t, reverse, None if since is None else sign * since)
        recall = select(whole, at, policy)
        assert select(live, at, policy) == recall
        assert recall is not None
        assert {i for i, _ in recall.maps} <= live.bank.mapped
        if len(live.bank.prompted) == len(whole.bank.prompted):
            known, expected = (appearance_references(one, at, policy) for one in (live, whole))
            assert (known is None) == (expected is None)
            assert known is None or expected is None or torch.equal(known, expected)
        mask = seen_mask(
            t % 10,
            iou=0.2 if text == "?" else 0.9,
            score=-2.0 if text == "-" else 5.0,
            similarity=0.75 if text == "~" else 1.0,
        )
        choice = choose_candidate(whole, mask, at, policy)
        assert choose_candidate(live, mask, at, policy) == choice
        for each in (live, whole):
            memory = MemoryEntry(MAP, POINTER * t, mask.object_score, float(mask.iou[0]), LOOK * t)
            each.bank.put(sign * t, memory, prompted=text == "p")
            update_state(each, mask, choice, at, policy)
        kept = prune(live, at.following, policy)
        prune(whole, at.following, policy)
        live.bank.drop([i for i in (*live.bank.prompted, *live.bank.recent) if i not in kept.frames])
        live.bank.drop_maps(live.bank.mapped - kept.maps)
        assert len(live.bank) <= 64
        assert len(live.bank.mapped) <= 8 + 12
        assert len(live.state.areas) <= 10
        assert len(live.state.overlaps) <= 64
        assert len(live.state.dissimilar) <= 64


def test_anchors_need_a_gate() -> None:
    with pytest.raises(ValueError, match="gate"):
        MemoryPolicy(anchors=Anchors())


@pytest.mark.parametrize("settings", [{"stride": 0}, {"reach": 0}, {"min_iou": -1.0}])
def test_refused_gates(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Gate(**settings)
