"""AppearanceGate: masks that differ from the prompted ones are rejected, with hand-made embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from masklet.tracking.appearance import max_similarity
from masklet.tracking.memory import MemoryBank, MemoryEntry
from masklet.tracking.memory_policy import AppearanceGate, Gate, MemoryPolicy, Motion
from masklet.tracking.memory_selection import FrameContext
from masklet.tracking.policies.appearance_gate import appearance_references, is_visible
from masklet.tracking.policies.candidates import DecoderCandidates
from masklet.tracking.policies.policy import Choice, choose_candidate, prune, select, update_state
from masklet.tracking.policies.state import Hypothesis, PolicyState

MAP, POINTER = torch.zeros(1, 1, 1), torch.ones(1, 2)
GATE = Gate(min_quality=0.0, newest=False)
POLICY = MemoryPolicy(
    gate=GATE, appearance=AppearanceGate(min_similarity=0.7, reliable_similarity=0.85, patience=3, delay=4)
)
NOW = FrameContext(1)


def direction(degrees: float) -> np.ndarray:
    """A look; those of two angles are as alike as the cosine of their difference."""
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)


def entry(degrees: float | None, score: float = 5.0) -> MemoryEntry:
    return MemoryEntry(MAP, POINTER, score, 0.9, None if degrees is None else torch.from_numpy(direction(degrees)))


def prompted(*entries: MemoryEntry) -> MemoryBank:
    bank = MemoryBank()
    for i, memory in enumerate(entries):
        bank.put(i, memory, prompted=True)
    return bank


def seen(story: Hypothesis, *degrees: float, at: FrameContext = NOW, score: float = 5.0) -> DecoderCandidates:
    """Candidates that look so; the first is the best by predicted IoU."""
    embeddings = torch.from_numpy(np.stack([direction(angle) for angle in degrees]))
    likeness = max_similarity(embeddings, appearance_references(story, at, POLICY)).numpy()
    iou = np.array([0.9, 0.5, 0.4][: len(degrees)], np.float32)
    return DecoderCandidates(np.ones((len(degrees), 4, 4), bool), iou, likeness, score)


def references(hypothesis: Hypothesis, context: FrameContext, policy: MemoryPolicy) -> np.ndarray:
    found = appearance_references(hypothesis, context, policy)
    assert found is not None
    return found.numpy()


def followed(*degrees: float, reverse: bool = False) -> tuple[Hypothesis, list[bool]]:
    """A story of frames that look so, from frame 1 (or -1) on, and where the object was there."""
    story, there = Hypothesis(prompted(entry(0))), []
    for t, angle in enumerate(degrees, start=1):
        at = FrameContext(-t if reverse else t, reverse)
        evidence = seen(story, angle, at=at)
        choice = choose_candidate(story, evidence, at, POLICY)
        story.bank.put(at.frame_index, entry(angle, score=5.0 if choice.visible else -5.0), prompted=False)
        update_state(story, evidence, choice, at, POLICY)
        there.append(choice.visible)
    return story, there


@pytest.mark.parametrize(
    ("degrees", "there"),
    [
        ([0, 10, 25, 31], [1, 1, 1, 1]),
        ([0, 50, 90, 180], [1, 0, 0, 0]),  # something else
        ([60, 60, 60, 5], [0, 0, 0, 1]),  # found again at once
        ([0, 40, 40, 40, 5], [1, 1, 1, 1, 1]),  # in doubt, but not for long
        ([0, 40, 40, 40, 40, 5], [1, 1, 1, 1, 0, 1]),  # for too long
        ([0, 60, 40, 40, 5, 40], [1, 0, 0, 0, 1, 1]),  # what was something else must look right to be the object
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
def test_there_while_it_looks_alike(degrees: list[float], there: list[int], *, reverse: bool) -> None:
    assert followed(*degrees, reverse=reverse)[1] == [bool(each) for each in there]


def test_an_object_that_turns_is_followed_and_what_slides_over_it_is_not() -> None:
    """Both come to look otherwise than what was prompted; one in thirty frames, the other in four."""
    turning = [3.0 * t for t in range(31)]
    story, there = followed(*turning)
    assert all(there)
    assert references(story, FrameContext(32), POLICY) @ direction(90) == pytest.approx([0, *LATELY], abs=1e-6)
    story, there = followed(*[0] * 6, 15, 30, 60, *[80] * 30, 30)
    assert there == [True] * 8 + [False] * 31 + [True]
    assert (references(story, FrameContext(41), POLICY) @ direction(0) > np.cos(np.radians(1))).all()


LATELY = [np.sin(np.radians(3.0 * (30 - back))) for back in range(4, 15)]
"""Of the turning object: the accepted embeddings of its last 15 frames without the 4 newest."""


def test_without_a_gate_only_prompted_looks_count() -> None:
    story, _ = followed(*[10] * 20)
    assert len(references(story, FrameContext(21), POLICY)) == 12
    for policy in (MemoryPolicy(appearance=POLICY.appearance), MemoryPolicy(gate=GATE), MemoryPolicy()):
        np.testing.assert_array_equal(references(story, FrameContext(21), policy), direction(0)[None])


def test_a_cut_leaves_the_prompted_looks() -> None:
    story, _ = followed(*[10] * 20)
    np.testing.assert_array_equal(references(story, FrameContext(21, shot_start=20), POLICY), direction(0)[None])


def test_the_candidate_counts_that_is_followed() -> None:
    """The best by predicted IoU is not the object; another that is like it does not make it so."""
    story = Hypothesis(prompted(entry(0)))
    assert choose_candidate(story, seen(story, 90, 0, 0), NOW, POLICY) == Choice(0, visible=False)
    assert choose_candidate(story, seen(story, 0, 90, 90), NOW, POLICY) == Choice(0, visible=True)
    following = MemoryPolicy(appearance=AppearanceGate(), motion=Motion())
    assert choose_candidate(story, seen(story, 0, 90, 90), NOW, following) == Choice(0, visible=True)


def test_the_look_most_like_it_counts() -> None:
    story = Hypothesis(prompted(entry(0), entry(80), entry(None)))
    assert seen(story, 75).similarity == pytest.approx([np.cos(np.radians(5))], abs=1e-6)
    story.bank.put(7, entry(170), prompted=False)  # what was just tracked is no evidence of itself
    assert seen(story, 170, at=FrameContext(8)).similarity[0] < 0.1


@pytest.mark.parametrize("bank", [prompted(entry(None)), prompted(entry(0, score=-10.0)), MemoryBank()])
def test_where_no_look_is_known_all_is_alike(bank: MemoryBank) -> None:
    """Memories of other versions have none; a prompt that says "absent" shows nothing."""
    evidence = seen(Hypothesis(bank), 90)
    assert evidence.similarity == 1.0
    assert is_visible(PolicyState(), evidence, 0, NOW, POLICY)


def test_presence_still_counts_and_without_the_rule_nothing_else() -> None:
    story = Hypothesis(prompted(entry(0)))
    gone = seen(story, 0, score=-1.0)
    assert not is_visible(story.state, gone, 0, NOW, POLICY)
    assert is_visible(story.state, seen(story, 90), 0, NOW, MemoryPolicy(gate=Gate()))
    assert is_visible(story.state, gone, 0, NOW, MemoryPolicy(motion=Motion(presence_logit=-2.0)))


def test_a_gap_and_doubtful_frames_are_passed_over_by_memory() -> None:
    """Seen, behind something for 9 frames, in doubt on one, and back: recalled are the frames that show it."""
    story, _ = followed(3, 5, *[70] * 9, 40, 4)
    recall = select(story, FrameContext(14), POLICY)
    assert recall is not None
    assert recall.frames == {0, 1, 2, 13}
    assert story.state.dissimilar == {i: i + 1 for i in range(3, 13)}  # beyond patience from the first on
    prune(story, FrameContext(3 + 64), POLICY)
    assert min(story.state.dissimilar) == 3
    prune(story, FrameContext(13 + 64), POLICY)
    assert story.state.dissimilar == {}  # no gate reaches so far back


def test_in_reverse_frames_in_a_row_are_later_ones() -> None:
    story = Hypothesis(prompted(entry(0)))
    story.state.dissimilar = {5: 3}
    doubtful = seen(story, 40)
    assert not is_visible(story.state, doubtful, 0, FrameContext(4, reverse=True), POLICY)
    assert is_visible(story.state, doubtful, 0, FrameContext(6), MemoryPolicy(appearance=AppearanceGate(patience=4)))
    assert is_visible(story.state, doubtful, 0, FrameContext(4), POLICY)


@pytest.mark.parametrize("settings", [{"min_similarity": -0.1}, {"min_similarity": 0.9}, {"reliable_similarity": 1.1}])
def test_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        AppearanceGate(**settings)
