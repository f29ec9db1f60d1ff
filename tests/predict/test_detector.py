"""Tracking by detection: detections are checked and matched to objects, on streams and on recorded videos."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from masklet.errors import FrameRangeError, MediaError, PromptError
from masklet.io import ArrayVideo
from masklet.model.sam2 import Sam2
from masklet.predict.detector import DetectingTracker, DetectionMatcher, DetectionRules, Detections, detect_and_track
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.types import Prompts, RgbImage

SIZE = (96, 128)
RULES = DetectionRules(every=1, min_hits=2, max_missed=2, max_missed_visible=4)


def box(x: float, y: float = 40, side: float = 20) -> tuple[float, float, float, float]:
    return x, y, x + side, y + side


def detections(
    *boxes: tuple[float, ...], scores: list[float] | None = None, labels: tuple[str, ...] | None = None
) -> Detections:
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        scores=None if scores is None else np.array(scores, np.float32),
        labels=labels,
    )


def tracked(**boxes: tuple[float, ...]) -> dict[int, np.ndarray]:
    """Boxes of objects by their ids, as ``o1=...``."""
    return {int(name[1:]): np.array(value, np.float32) for name, value in boxes.items()}


def test_boxes_and_prompts_of_detections() -> None:
    mask = np.zeros((2, *SIZE), bool)
    mask[0, 10:20, 30:50] = True
    made = Detections(masks=mask)
    assert made.boxes is not None
    np.testing.assert_array_equal(made.boxes, [[30, 10, 50, 20], [0, 0, 0, 0]])
    prompts = made.prompts(0, SIZE)
    assert prompts is not None
    np.testing.assert_array_equal(prompts.mask, mask[0])
    assert made.prompts(1, SIZE) is None
    cut = Detections(np.array([(-5, -5, 300, 20)], np.float32)).prompts(0, SIZE)
    assert cut is not None
    np.testing.assert_array_equal(cut.box, [0, 0, 128, 20])
    assert Detections(np.array([(200, 0, 300, 20)], np.float32)).prompts(0, SIZE) is None
    assert len(Detections()) == 0


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize("empty", [[], np.zeros((0, *SIZE), bool), np.zeros((0, 0, 0), bool)])
def test_no_detections(empty: Any) -> None:
    found = Detections(masks=empty)
    assert len(found) == 0
    assert found.boxes is not None
    assert found.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Detections(np.zeros((2, 4)), scores=np.ones(3)),
            "2, 3, 2",
        ),
        (lambda: Detections(np.zeros((1, 4)), labels=()), "1, 1, 0"),
        (lambda: Detections(np.full((1, 4), np.nan)), "nan"),
        (lambda: Detections(np.zeros((2, 3))), "0.0, 0.0, 0.0"),
        (lambda: Detections("left"), "left"),  # type: ignore[arg-type]
        (lambda: Detections(np.zeros((1, 4)), scores=np.array([np.nan])), "nan"),
        (lambda: Detections(np.zeros((1, 4)), scores=np.float32(1)), "1.0"),  # type: ignore[arg-type]
        (lambda: Detections(masks=np.ones((4, 5), bool)), r"\(4, 5\)"),
        (lambda: Detections(masks=[np.ones((4, 5), bool), np.ones((4, 6), bool)]), "size"),  # type: ignore[arg-type]
    ],
)
@pytest.mark.usefixtures("untyped_caller")
def test_invalid_detections(make: Callable[[], Detections], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        make()


def test_objects_start_and_are_confirmed() -> None:
    matcher = DetectionMatcher(RULES)
    result = matcher.update(detections(box(10), box(60)), {}, SIZE)
    assert sorted(result.prompts) == [1, 2]
    np.testing.assert_array_equal(result.prompts[1].box, box(10))
    assert not matcher.is_confirmed(matcher.objects[1])
    result = matcher.update(detections(box(12)), tracked(o1=box(11), o2=box(60)), SIZE)
    assert result.prompts == {}
    assert matcher.is_confirmed(matcher.objects[1])
    assert list(result.ended) == [2]  # not found again before it was confirmed


def test_matching_takes_the_best_sum() -> None:
    matcher = DetectionMatcher(DetectionRules(match_iou=0.1, agree_iou=0.2))
    matcher.update(detections(box(10), box(22)), {}, SIZE)
    result = matcher.update(detections(box(19), box(30)), tracked(o1=box(12), o2=box(24)), SIZE)
    assert result.prompts == {}  # 1 -> 19 and 2 -> 30, though 2 is nearest to 19
    assert matcher.objects[1].box is not None
    np.testing.assert_array_equal(matcher.objects[1].box, box(19))


def test_objects_are_corrected_or_restarted() -> None:
    matcher = DetectionMatcher(RULES)
    matcher.update(detections(box(10)), {}, SIZE)
    result = matcher.update(detections(box(12)), tracked(o1=(12, 40, 52, 60)), SIZE)  # grown to twice its size
    assert list(result.prompts) == [1]
    assert result.drifted == set()
    result = matcher.update(detections(box(14)), tracked(o1=(0, 0, 128, 96)), SIZE)  # everything
    assert list(result.prompts) == [1]
    assert result.drifted == {1}
    result = matcher.update(detections(box(15)), tracked(), SIZE)  # lost, but still where it was
    assert (list(result.prompts), result.drifted) == ([1], {1})


@pytest.mark.parametrize(("visible", "calls"), [(False, 2), (True, 4)])
def test_missed_objects_end(visible: bool, calls: int) -> None:
    matcher = DetectionMatcher(RULES)
    for _ in range(2):
        matcher.update(detections(box(10)), tracked(o1=box(10)), SIZE)
    ends = [
        bool(matcher.update(detections(), tracked(o1=box(10)) if visible else {}, SIZE).ended) for _ in range(calls)
    ]
    assert ends == [False] * (calls - 1) + [True]


def test_an_object_of_a_user_is_confirmed_and_never_ends() -> None:
    matcher = DetectionMatcher(RULES)
    matcher.add_user_object(7)
    for _ in range(9):
        assert matcher.update(detections(), {}, SIZE).ended == {}
    assert matcher.is_confirmed(matcher.objects[7])
    assert list(matcher.update(detections(box(50)), {}, SIZE).prompts) == [8]  # ids go on after it


def test_labels_keep_objects_apart() -> None:
    matcher = DetectionMatcher(RULES)
    matcher.update(detections(box(10), labels=("dog",)), {}, SIZE)
    result = matcher.update(detections(box(11), labels=("cat",)), tracked(o1=box(11)), SIZE)
    assert (list(result.prompts), list(result.ended)) == ([2], [1])
    assert matcher.objects[2].label == "cat"


def test_weak_and_duplicate_detections_are_ignored() -> None:
    matcher = DetectionMatcher(RULES)
    result = matcher.update(detections(box(10), box(10.5), box(70), scores=[0.8, 0.9, 0.2]), {}, SIZE)
    assert list(result.prompts) == [1]
    np.testing.assert_array_equal(result.prompts[1].box, box(10.5))


def test_of_two_duplicate_objects_one_ends() -> None:
    matcher = DetectionMatcher(RULES)
    for _ in range(2):
        matcher.update(detections(box(10), box(60)), tracked(o1=box(10), o2=box(60)), SIZE)
    result = matcher.update(detections(box(60)), tracked(o1=box(60), o2=box(60)), SIZE)
    assert list(result.ended) == [2]


def test_max_objects() -> None:
    matcher = DetectionMatcher(DetectionRules(max_objects=2))
    assert sorted(matcher.update(detections(box(0), box(30), box(60)), {}, SIZE).prompts) == [1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"every": 0}, "every.*0"), ({"match_iou": 0.7}, "0.7.*0.6")],
)
def test_invalid_rules(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DetectionRules(**options)  # type: ignore[arg-type]


def frames(count: int = 12) -> np.ndarray:
    """A bright disc that moves right and is gone from frame 8 on."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    made = np.random.default_rng(0).integers(40, 60, (count, *SIZE, 3), dtype=np.uint8)
    for index in range(min(count, 8)):
        made[index][np.hypot(x - 40 - 4 * index, y - 48) < 14] = (230, 200, 60)
    return made


def scripted(index: int, image: RgbImage) -> Detections:
    """Detect the disc, and on frame 2 a false positive."""
    boxes = [box(26 + 4 * index, 34, 28)] if index < 8 else []
    return detections(*boxes, *([box(2, 2, 16)] if index == 2 else []), labels=("disc",) * (len(boxes) + (index == 2)))


def test_stream(nano: Sam2) -> None:
    calls: list[int] = []

    def detector(index: int, image: RgbImage) -> Detections:
        calls.append(index)
        return scripted(index, image)

    tracker = DetectingTracker(StreamTracker(nano), detector, DetectionRules(every=2, min_hits=2, max_missed=2))
    outs = [tracker.step(frame) for frame in frames()]
    assert calls == [0, 2, 4, 6, 8, 10]
    assert [out.object_ids for out in outs[:8]] == [()] * 2 + [(1,)] * 6  # confirmed on frame 2
    for index in range(2, 8):
        truth = (frames()[index] > 150).any(axis=2)
        assert np.count_nonzero(outs[index][1] & truth) > 0.8 * np.count_nonzero(truth)
    assert outs[-1].object_ids == ()
    assert tracker.labels == {}
    assert tracker.tracker.object_ids == ()


def test_a_user_prompts_an_object(nano: Sam2) -> None:
    tracker = DetectingTracker(
        StreamTracker(nano), lambda index, image: detections(), DetectionRules(every=1, max_missed=1)
    )
    out = tracker.step(frames()[0], {4: Prompts.click(40, 48)})
    assert out.object_ids == (4,)
    assert tracker.step(frames()[1]).object_ids == (4,)


@pytest.mark.parametrize(
    ("frame", "prompts", "found", "error"),
    [
        (frames()[1], {7: Prompts.click(999, 5)}, detections(), PromptError),
        (frames()[1], {0: Prompts.click(9, 5)}, detections(), PromptError),
        (frames()[1][:50], {}, detections(), MediaError),
        ([[1]], {}, detections(), MediaError),
        (frames()[1], {}, Detections(masks=np.ones((1, 9, 9), bool)), PromptError),
    ],
)
@pytest.mark.usefixtures("untyped_caller")
def test_an_invalid_frame_changes_nothing(
    nano: Sam2, frame: Any, prompts: dict[int, Prompts], found: Detections, error: type[Exception]
) -> None:
    script = [scripted(0, frames()[0]), found, detections(box(30, 34, 28), labels=("disc",))]
    tracker = DetectingTracker(StreamTracker(nano), lambda index, image: script.pop(0), DetectionRules(every=1))
    tracker.step(frames()[0])
    with pytest.raises(error):
        tracker.step(frame, prompts)

    if len(script) == 2:  # refused before the detector was called
        script.pop(0)
    assert tracker.tracker.object_ids == (1,)
    assert tracker.labels == {1: "disc"}
    assert tracker.matcher.objects[1].hits == 1
    assert tracker.step(frames()[1]).object_ids == (1,)  # confirmed by its second detection


def test_an_agreeing_detection_keeps_the_motion_model(nano: Sam2) -> None:
    def detector(index: int, image: RgbImage) -> Detections:
        return detections(box(26 + 4 * index, 34, 28))

    detected, plain = (VideoSession(nano, ArrayVideo(frames(8)), memory="motion") for _ in range(2))
    outs = list(detect_and_track(detected, detector, DetectionRules(every=3, min_hits=1)))
    plain.prompt(0, object_id=1, prompts=Prompts.from_box(26, 34, 54, 62))
    for out, expected in zip(outs, plain.propagate(), strict=True):
        np.testing.assert_array_equal(out.masks, expected.masks)
    states = [session.memory(1).state.motion for session in (detected, plain)]
    assert [state is not None and state.stable_frames for state in states] == [8, 8]


def test_recorded(nano: Sam2) -> None:
    session = VideoSession(nano, ArrayVideo(frames()))
    outs = list(detect_and_track(session, scripted, DetectionRules(every=2, min_hits=2, max_missed=2)))
    assert [out.frame_index for out in outs] == list(range(12))
    assert [out.object_ids for out in outs[:8]] == [()] * 2 + [(1,)] * 6
    masklets = session.masklets()
    assert list(masklets) == [1]  # the false positive is removed
    assert masklets[1].name == "disc"
    assert set(range(8)) <= set(masklets[1].frames)  # also the frames before it was confirmed


def test_an_end_outside_the_video(nano: Sam2) -> None:
    session = VideoSession(nano, ArrayVideo(frames(3)))
    with pytest.raises(FrameRangeError, match=r"3.*4"):
        next(detect_and_track(session, scripted, end=4))
