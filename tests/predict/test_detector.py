"""Prompts from a detector: matched, confirmed, corrected, ended; on streams and on recorded videos."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from masklet.errors import FrameRangeError, MediaError, PromptError
from masklet.io import ArrayVideo
from masklet.model.sam2 import Sam2
from masklet.predict.detector import DetectingTracker, DetectionRules, Detections, Roster, detect_and_track
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.types import Prompts, RgbImage

SIZE = (96, 128)
RULES = DetectionRules(every=1, confirm=2, lost=2, doubted=4)


def box(x: float, y: float = 40, side: float = 20) -> tuple[float, float, float, float]:
    return x, y, x + side, y + side


def look(
    *boxes: tuple[float, ...], scores: list[float] | None = None, labels: tuple[str, ...] | None = None
) -> Detections:
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        scores=None if scores is None else np.array(scores, np.float32),
        labels=labels,
    )


def seen(**boxes: tuple[float, ...]) -> dict[int, np.ndarray]:
    """Boxes of objects by their ids, as ``o1=...``."""
    return {int(name[1:]): np.array(value, np.float32) for name, value in boxes.items()}


def test_birth_and_confirmation() -> None:
    roster = Roster(RULES)
    verdict = roster.meet(look(box(10), box(60)), {}, SIZE)
    assert sorted(verdict.prompts) == [1, 2]
    np.testing.assert_array_equal(verdict.prompts[1].box, box(10))
    assert not roster.is_shown(1)
    verdict = roster.meet(look(box(12)), seen(o1=box(11), o2=box(60)), SIZE)
    assert verdict.prompts == {}
    assert roster.is_shown(1)
    assert list(verdict.gone) == [2]  # not found again before it was confirmed


def test_matching_takes_the_best_sum() -> None:
    roster = Roster(DetectionRules(match=0.1, agree=0.2))
    roster.meet(look(box(10), box(22)), {}, SIZE)
    verdict = roster.meet(look(box(19), box(30)), seen(o1=box(12), o2=box(24)), SIZE)
    assert verdict.prompts == {}  # 1 -> 19 and 2 -> 30, though 2 is nearest to 19
    assert roster.known[1].place is not None
    np.testing.assert_array_equal(roster.known[1].place, box(19))


def test_disagreement_corrects_and_straying_starts_anew() -> None:
    roster = Roster(RULES)
    roster.meet(look(box(10)), {}, SIZE)
    verdict = roster.meet(look(box(12)), seen(o1=(12, 40, 52, 60)), SIZE)  # grown to twice its size
    assert list(verdict.prompts) == [1]
    assert verdict.strayed == set()
    verdict = roster.meet(look(box(14)), seen(o1=(0, 0, 128, 96)), SIZE)  # everything
    assert list(verdict.prompts) == [1]
    assert verdict.strayed == {1}
    verdict = roster.meet(look(box(15)), seen(), SIZE)  # lost, but still where it was
    assert (list(verdict.prompts), verdict.strayed) == ([1], {1})


@pytest.mark.parametrize(("visible", "looks"), [(False, 2), (True, 4)])
def test_death(visible: bool, looks: int) -> None:
    roster = Roster(RULES)
    for _ in range(2):
        roster.meet(look(box(10)), seen(o1=box(10)), SIZE)
    ends = [bool(roster.meet(look(), seen(o1=box(10)) if visible else {}, SIZE).gone) for _ in range(looks)]
    assert ends == [False] * (looks - 1) + [True]


def test_a_persons_object_is_shown_and_never_ends() -> None:
    roster = Roster(RULES)
    roster.adopt(7)
    for _ in range(9):
        assert roster.meet(look(), {}, SIZE).gone == {}
    assert roster.is_shown(7)
    assert list(roster.meet(look(box(50)), {}, SIZE).prompts) == [8]  # ids go on after it


def test_labels_keep_objects_apart() -> None:
    roster = Roster(RULES)
    roster.meet(look(box(10), labels=("dog",)), {}, SIZE)
    verdict = roster.meet(look(box(11), labels=("cat",)), seen(o1=box(11)), SIZE)
    assert (list(verdict.prompts), list(verdict.gone)) == ([2], [1])
    assert roster.known[2].label == "cat"


def test_weak_and_double_detections_are_passed_over() -> None:
    roster = Roster(RULES)
    verdict = roster.meet(look(box(10), box(10.5), box(70), scores=[0.8, 0.9, 0.2]), {}, SIZE)
    assert list(verdict.prompts) == [1]
    np.testing.assert_array_equal(verdict.prompts[1].box, box(10.5))


def test_two_objects_that_become_one() -> None:
    roster = Roster(RULES)
    for _ in range(2):
        roster.meet(look(box(10), box(60)), seen(o1=box(10), o2=box(60)), SIZE)
    verdict = roster.meet(look(box(60)), seen(o1=box(60), o2=box(60)), SIZE)
    assert list(verdict.gone) == [2]


def test_no_more_than_so_many() -> None:
    roster = Roster(DetectionRules(max_objects=2))
    assert sorted(roster.meet(look(box(0), box(30), box(60)), {}, SIZE).prompts) == [1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"every": 0}, "every must be at least 1, got 0"), ({"match": 0.7}, "expected 0 < match <= agree <= 1")],
)
def test_refused_rules(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DetectionRules(**options)  # type: ignore[arg-type]


def frames(count: int = 12) -> np.ndarray:
    """A bright disc that moves right and is gone from frame 8 on."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    made = np.random.default_rng(0).integers(40, 60, (count, *SIZE, 3), dtype=np.uint8)
    for index in range(min(count, 8)):
        made[index][np.hypot(x - 40 - 4 * index, y - 48) < 14] = (230, 200, 60)
    return made


def scripted(index: int, picture: RgbImage) -> Detections:
    """Finds the disc, and now and then a ghost that is nowhere else again."""
    boxes = [box(26 + 4 * index, 34, 28)] if index < 8 else []
    return look(*boxes, *([box(2, 2, 16)] if index == 2 else []), labels=("disc",) * (len(boxes) + (index == 2)))


def test_stream(nano: Sam2) -> None:
    looked: list[int] = []

    def detector(index: int, picture: RgbImage) -> Detections:
        looked.append(index)
        return scripted(index, picture)

    tracker = DetectingTracker(StreamTracker(nano), detector, DetectionRules(every=2, confirm=2, lost=2))
    outs = [tracker.step(frame) for frame in frames()]
    assert looked == [0, 2, 4, 6, 8, 10]
    assert [out.object_ids for out in outs[:8]] == [()] * 2 + [(1,)] * 6  # confirmed by the second look, no ghost
    for index in range(2, 8):
        truth = (frames()[index] > 150).any(axis=2)
        assert np.count_nonzero(outs[index][1] & truth) > 0.8 * np.count_nonzero(truth)
    assert outs[-1].object_ids == ()
    assert tracker.labels == {}
    assert tracker.tracker.object_ids == ()


def test_a_person_joins_in(nano: Sam2) -> None:
    tracker = DetectingTracker(StreamTracker(nano), lambda index, picture: look(), DetectionRules(every=1, lost=1))
    out = tracker.step(frames()[0], {4: Prompts.click(40, 48)})
    assert out.object_ids == (4,)
    assert tracker.step(frames()[1]).object_ids == (4,)


@pytest.mark.parametrize(
    ("picture", "prompts", "found", "error"),
    [
        (frames()[1], {7: Prompts.click(999, 5)}, look(), PromptError),
        (frames()[1], {0: Prompts.click(9, 5)}, look(), PromptError),
        (frames()[1][:50], {}, look(), MediaError),
        ([[1]], {}, look(), MediaError),
        (frames()[1], {}, Detections(masks=np.ones((1, 9, 9), bool)), PromptError),
    ],
)
@pytest.mark.usefixtures("untyped_caller")
def test_a_refused_frame_changes_nothing(
    nano: Sam2, picture: Any, prompts: dict[int, Prompts], found: Detections, error: type[Exception]
) -> None:
    looks = [scripted(0, frames()[0]), found, look(box(30, 34, 28), labels=("disc",))]
    tracker = DetectingTracker(StreamTracker(nano), lambda index, picture: looks.pop(0), DetectionRules(every=1))
    tracker.step(frames()[0])
    with pytest.raises(error):
        tracker.step(picture, prompts)

    if len(looks) == 2:  # it was refused before the detector saw it
        looks.pop(0)
    assert tracker.tracker.object_ids == (1,)
    assert tracker.labels == {1: "disc"}
    assert tracker.roster.known[1].found == 1
    assert tracker.step(frames()[1]).object_ids == (1,)  # the second look that finds it


def test_a_look_that_agrees_keeps_what_is_known_of_motion(nano: Sam2) -> None:
    def detector(index: int, picture: RgbImage) -> Detections:
        return look(box(26 + 4 * index, 34, 28))

    looking, plain = (VideoSession(nano, ArrayVideo(frames(8)), memory="motion") for _ in range(2))
    outs = list(detect_and_track(looking, detector, DetectionRules(every=3, confirm=1)))
    plain.prompt(0, object_id=1, prompts=Prompts.from_box(26, 34, 54, 62))
    for out, expected in zip(outs, plain.propagate(), strict=True):
        np.testing.assert_array_equal(out.masks, expected.masks)
    courses = [session.memory(1).state.motion for session in (looking, plain)]
    assert [course is not None and course.stable_frames for course in courses] == [8, 8]


def test_recorded(nano: Sam2) -> None:
    session = VideoSession(nano, ArrayVideo(frames()))
    outs = list(detect_and_track(session, scripted, DetectionRules(every=2, confirm=2, lost=2)))
    assert [out.frame_index for out in outs] == list(range(12))
    assert [out.object_ids for out in outs[:8]] == [()] * 2 + [(1,)] * 6
    masklets = session.masklets()
    assert list(masklets) == [1]  # the ghost left no trace
    assert masklets[1].name == "disc"
    assert set(range(8)) <= set(masklets[1].frames)  # also the frames before it was confirmed


def test_recorded_refuses_an_end_outside(nano: Sam2) -> None:
    session = VideoSession(nano, ArrayVideo(frames(3)))
    with pytest.raises(FrameRangeError, match="expected end from 1 to 3, got 4"):
        next(detect_and_track(session, scripted, end=4))
