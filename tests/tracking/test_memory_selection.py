"""Memories that a frame reads: literal cases, and properties for any history."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masklet.tracking.memory_policy import MemoryPolicy
from masklet.tracking.memory_selection import PROMPTED_SLOT, FrameContext, MemorySelection, select_memories

T = TypeVar("T", int, float)

P = PROMPTED_SLOT

CASES: dict[str, tuple[dict[str, Any], MemorySelection | None]] = {
    "nothing yet": ({"at": 0}, None),
    "right after the first prompt": ({"at": 1, "prompted": [0]}, MemorySelection(((0, P),), ((0, 1),))),
    "the place of the prompted frame stays empty": (
        {"at": 4, "prompted": [0], "recent": [1, 2, 3]},
        MemorySelection(((0, P), (1, 2), (2, 1), (3, 0)), ((0, 4), (3, 1), (2, 2), (1, 3))),
    ),
    "a prompted frame among the recent ones": (
        {"at": 5, "prompted": [0, 3], "recent": [1, 2, 4]},
        MemorySelection(((0, P), (3, P), (1, 3), (2, 2), (4, 0)), ((0, 5), (3, 2), (4, 1), (2, 3), (1, 4))),
    ),
    "maps reach back 6 frames, pointers 15": (
        {"at": 30, "prompted": [2], "recent": range(3, 30)},
        MemorySelection(
            ((2, P), (24, 5), (25, 4), (26, 3), (27, 2), (28, 1), (29, 0)),
            ((2, 28), *((30 - back, back) for back in range(1, 16))),
        ),
    ),
    "gaps stay gaps": (
        {"at": 9, "prompted": [0], "recent": [1, 4, 8]},
        MemorySelection(((0, P), (4, 4), (8, 0)), ((0, 9), (8, 1), (4, 5), (1, 8))),
    ),
    "reverse": (
        {"at": 5, "prompted": [9], "recent": [6, 7, 8], "reverse": True},
        MemorySelection(((9, P), (8, 2), (7, 1), (6, 0)), ((9, 4), (6, 1), (7, 2), (8, 3))),
    ),
    "the frame itself is no memory": ({"at": 3, "prompted": [3], "recent": [3]}, None),
    "a later prompt is not known yet": (
        {"at": 3, "prompted": [0, 6], "recent": [1, 2]},
        MemorySelection(((0, P), (1, 1), (2, 0)), ((0, 3), (2, 1), (1, 2))),
    ),
    "only later prompts": ({"at": 3, "prompted": [6]}, None),
    "only earlier prompts, in reverse": ({"at": 6, "prompted": [3], "reverse": True}, None),
    "look ahead: a later prompt lends its map, not its pointer": (
        {"at": 3, "prompted": [0, 6], "recent": [1, 2], "policy": {"look_ahead": True}},
        MemorySelection(((0, P), (6, P), (1, 1), (2, 0)), ((0, 3), (2, 1), (1, 2))),
    ),
    "look ahead from before the first prompt": (
        {"at": 3, "prompted": [6], "policy": {"look_ahead": True}},
        MemorySelection(((6, P),), ()),
    ),
    "look ahead at the prompted frame itself": (
        {"at": 3, "prompted": [3], "policy": {"look_ahead": True}},
        MemorySelection(((3, P),), ((3, 0),)),
    ),
    "too many prompts: the first and the nearest": (
        {"at": 50, "prompted": [0, 10, 20, 30, 40], "policy": {"max_prompted": 3}},
        MemorySelection(((0, P), (30, P), (40, P)), ((0, 50), (30, 20), (40, 10))),
    ),
    "a prompted frame too many serves as a recent one": (
        {"at": 6, "prompted": [0, 3, 5], "recent": [1, 2, 4], "policy": {"max_prompted": 2}},
        MemorySelection(
            ((0, P), (5, P), (1, 4), (2, 3), (3, 2), (4, 1)), ((0, 6), (5, 1), (4, 2), (3, 3), (2, 4), (1, 5))
        ),
    ),
    "one prompt: the first": (
        {"at": 4, "prompted": [0, 2], "policy": {"max_prompted": 1}},
        MemorySelection(((0, P), (2, 1)), ((0, 4), (2, 2))),
    ),
    "every prompt": (
        {"at": 30, "prompted": range(0, 20, 2), "policy": {"max_prompted": None}},
        MemorySelection(
            tuple((i, P) for i in range(0, 20, 2)),
            tuple((i, 30 - i) for i in range(0, 20, 2)),
        ),
    ),
    "a short clip shortens the reach of pointers": (
        {"at": 8, "prompted": [0], "recent": range(1, 8), "policy": {"clip_length": 4}},
        MemorySelection(
            ((0, P), (2, 5), (3, 4), (4, 3), (5, 2), (6, 1), (7, 0)),
            ((0, 8), (7, 1), (6, 2), (5, 3)),
        ),
    ),
    "fewer recent maps": (
        {"at": 5, "prompted": [0], "recent": [1, 2, 3, 4], "policy": {"memory_frames": 3, "max_pointers": 2}},
        MemorySelection(((0, P), (3, 1), (4, 0)), ((0, 5), (4, 1))),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_choose(name: str) -> None:
    case, expected = CASES[name]
    found = select_memories(
        FrameContext(case["at"], case.get("reverse", False)),
        prompted=set(case.get("prompted", [])),
        recent=set(case.get("recent", [])),
        policy=MemoryPolicy(**case.get("policy", {})),
    )
    assert found == expected


@pytest.mark.parametrize(
    ("clip_length", "reach"), [(None, 15), (1, 1), (2, 1), (10, 9), (16, 15), (17, 15), (1000, 15)]
)
def test_pointer_reach(clip_length: int | None, reach: int) -> None:
    assert MemoryPolicy(clip_length=clip_length).pointer_reach == reach


@pytest.mark.parametrize("field", ["memory_frames", "max_pointers", "max_prompted", "clip_length"])
def test_policy_refuses(field: str) -> None:
    with pytest.raises(ValueError, match=rf"{field}.* 0"):
        MemoryPolicy(**{field: 0})  # type: ignore[arg-type]


def test_recall_says_what_it_needs() -> None:
    recall = MemorySelection(((0, P), (4, 0)), ((0, 5), (4, 1), (3, 2)))
    assert recall.shape == (2, 3)
    assert recall.frames == {0, 3, 4}


frames = st.sets(st.integers(0, 60), max_size=40)
policies = st.builds(
    MemoryPolicy,
    memory_frames=st.integers(1, 7),
    max_pointers=st.integers(1, 16),
    max_prompted=st.none() | st.integers(1, 9),
    look_ahead=st.booleans(),
    clip_length=st.none() | st.integers(1, 40),
)


@given(st.integers(0, 60), frames, frames, policies, st.booleans())
def test_any_history(at: int, prompted: set[int], recent: set[int], policy: MemoryPolicy, reverse: bool) -> None:
    recent -= prompted
    recall = select_memories(FrameContext(at, reverse), prompted=prompted, recent=recent, policy=policy)
    sign = -1 if reverse else 1
    if recall is None:
        assert not any((at - i) * sign > 0 for i in prompted)
        return
    as_prompted = [i for i, slot in recall.maps if slot == P]
    as_recent = [(i, slot) for i, slot in recall.maps if slot != P]
    assert recall.frames <= prompted | recent
    assert len(as_prompted) <= (policy.max_prompted or len(prompted))
    assert set(as_prompted) <= prompted
    assert len(as_recent) <= policy.memory_frames - 1
    assert all(0 <= slot == (at - i) * sign - 1 < policy.memory_frames - 1 for i, slot in as_recent)
    assert all(distance == (at - i) * sign >= 0 for i, distance in recall.pointers)
    assert len({i for i, _ in recall.maps}) == len(recall.maps)
    assert len({i for i, _ in recall.pointers}) == len(recall.pointers) <= len(as_prompted) + policy.pointer_reach
    if not policy.look_ahead:
        assert all((at - i) * sign > 0 for i in recall.frames)


@given(st.integers(0, 60), frames, frames, policies)
def test_reverse_is_the_mirror_image(at: int, prompted: set[int], recent: set[int], policy: MemoryPolicy) -> None:
    def mirrored(pairs: tuple[tuple[int, T], ...]) -> tuple[tuple[int, T], ...]:
        return tuple((60 - i, value) for i, value in pairs)

    forward = select_memories(FrameContext(at), prompted=prompted, recent=recent, policy=policy)
    backward = select_memories(
        FrameContext(60 - at, reverse=True),
        prompted={60 - i for i in prompted},
        recent={60 - i for i in recent},
        policy=policy,
    )
    assert backward == (forward and MemorySelection(mirrored(forward.maps), mirrored(forward.pointers)))


@settings(max_examples=15)
@given(st.sets(st.integers(0, 30), min_size=1), st.integers(1, 9), st.integers(1, 7), st.integers(1, 16))
def test_what_a_stream_forgets_is_never_recalled_again(
    prompts: set[int], max_prompted: int, memory_frames: int, max_pointers: int
) -> None:
    policy = MemoryPolicy(memory_frames=memory_frames, max_pointers=max_pointers, max_prompted=max_prompted)
    prompted: set[int] = set()
    recent: set[int] = set()
    kept: set[int] = set()
    mapped: set[int] = set()
    for at in range(min(prompts), 40):
        everything = select_memories(
            FrameContext(at), prompted={i for i in prompts if i < at}, recent=set(range(at)) - prompts, policy=policy
        )
        assert everything is None or {i for i in everything.frames if i >= min(prompts)} <= kept
        assert everything is None or {i for i, _ in everything.maps if i >= min(prompts)} <= mapped
        (prompted if at in prompts else recent).add(at)
        following = select_memories(FrameContext(at + 1), prompted=prompted, recent=recent, policy=policy)
        assert following is not None
        prompted, recent = prompted & following.frames, recent & following.frames
        kept, mapped = set(following.frames), {i for i, _ in following.maps}
