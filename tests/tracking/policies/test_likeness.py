"""Likeness: what does not look like the prompted masks is not the object, from hand-made looks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from masklet.tracking.memory import MemoryBank, MemoryEntry
from masklet.tracking.policies.evidence import Evidence
from masklet.tracking.policies.likeness import is_there, likeness
from masklet.tracking.policies.policy import Choice, decide, on_result, prune, select
from masklet.tracking.policies.state import Hypothesis, Moment
from masklet.tracking.recall import MemoryPolicy
from masklet.tracking.rules import Gate, Likeness, Motion

MAP, POINTER = torch.zeros(1, 1, 1, 1), torch.ones(1, 2)
POLICY = MemoryPolicy(gate=Gate(min_quality=0.0, newest=False), likeness=Likeness(least=0.7, trusted=0.85, patience=3))


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


def seen(*degrees: float, score: float = 5.0, iou: tuple[float, ...] = (0.9, 0.5, 0.4)) -> Evidence:
    count = len(degrees)
    looks = np.stack([direction(angle) for angle in degrees])
    return Evidence(np.ones((count, 4, 4), bool), np.array(iou[:count], np.float32), looks, score)


def followed(*degrees: float) -> tuple[Hypothesis, list[bool]]:
    """A story of frames that look so, from frame 1 on, and where the object was there."""
    story, there = Hypothesis(prompted(entry(0))), []
    for t, angle in enumerate(degrees, start=1):
        evidence = seen(angle)
        choice = decide(story, evidence, Moment(t), POLICY)
        story.bank.put(t, entry(angle, score=5.0 if choice.visible else -5.0), prompted=False)
        on_result(story, evidence, choice, Moment(t), POLICY)
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
        ([0, 60, 60, 60, 40, 5], [1, 0, 0, 0, 0, 1]),  # what was something else must look right to be the object
    ],
)
def test_there_while_it_looks_alike(degrees: list[float], there: list[int]) -> None:
    assert followed(*degrees)[1] == [bool(each) for each in there]


def test_the_candidate_counts_that_is_followed() -> None:
    """The best by predicted IoU is not the object; another that is like it does not make it so."""
    story = Hypothesis(prompted(entry(0)))
    assert decide(story, seen(90, 0, 0), Moment(1), POLICY) == Choice(0, visible=False)
    assert decide(story, seen(0, 90, 90), Moment(1), POLICY) == Choice(0, visible=True)
    following = MemoryPolicy(likeness=Likeness(), motion=Motion())
    assert decide(story, seen(0, 90, 90), Moment(1), following) == Choice(0, visible=True)


def test_the_prompt_most_like_it_counts() -> None:
    bank = prompted(entry(0), entry(80), entry(None))
    assert likeness(bank, direction(75)) == pytest.approx(np.cos(np.radians(5)), abs=1e-6)
    bank.put(7, entry(170), prompted=False)  # what was tracked is no evidence of itself
    assert likeness(bank, direction(170)) < 0.1


@pytest.mark.parametrize("bank", [prompted(entry(None)), prompted(entry(0, score=-10.0)), MemoryBank()])
def test_where_no_look_is_known_all_is_alike(bank: MemoryBank) -> None:
    """Memories of other versions have none; a prompt that says "absent" shows nothing."""
    assert likeness(bank, direction(90)) == 1.0
    assert is_there(Hypothesis(bank), seen(90), 0, Moment(1), POLICY)


def test_presence_still_counts_and_without_the_rule_nothing_else() -> None:
    story, at = Hypothesis(prompted(entry(0))), Moment(1)
    assert not is_there(story, seen(0, score=-1.0), 0, at, POLICY)
    assert is_there(story, seen(90), 0, at, MemoryPolicy(gate=Gate()))
    assert is_there(story, seen(0, score=-1.0), 0, at, MemoryPolicy(motion=Motion(presence_logit=-2.0)))


def test_a_gap_and_doubtful_frames_are_passed_over_by_memory() -> None:
    """Seen, behind something for 9 frames, in doubt on one, and back: recalled are the frames that show it."""
    story, _ = followed(3, 5, *[70] * 9, 40, 4)
    recall = select(story, Moment(14), POLICY)
    assert recall is not None
    assert recall.frames == {0, 1, 2, 13}
    assert story.state.unlike == {i: i - 2 for i in range(3, 13)}
    prune(story, Moment(3 + 64), POLICY)
    assert min(story.state.unlike) == 3
    prune(story, Moment(13 + 64), POLICY)
    assert story.state.unlike == {}  # no gate reaches so far back


def test_in_reverse_frames_in_a_row_are_later_ones() -> None:
    story = Hypothesis(prompted(entry(0)))
    story.state.unlike = {5: 3}
    assert not is_there(story, seen(40), 0, Moment(4, reverse=True), POLICY)
    assert is_there(story, seen(40), 0, Moment(6), MemoryPolicy(likeness=Likeness(patience=4)))
    assert is_there(story, seen(40), 0, Moment(4), POLICY)


@pytest.mark.parametrize("settings", [{"least": -0.1}, {"least": 0.9}, {"trusted": 1.1}])
def test_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Likeness(**settings)
