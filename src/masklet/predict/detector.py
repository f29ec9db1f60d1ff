"""Tracking by detection: a detector's boxes or masks start, confirm, correct and end tracked objects."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32
from scipy.optimize import linear_sum_assignment

from masklet.errors import FrameRangeError, MediaError, PromptError
from masklet.masks.boxes import box_iou, boxes_of_masks, nms
from masklet.predict.preprocessing import check_image
from masklet.predict.prompting import check_prompts
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.types import FrameMasks, ObjectId, Prompts, RgbImage, Size

Box = Float32[np.ndarray, "4"]

DUPLICATE_IOU = 0.8
"""Detections, or objects, whose boxes overlap by a larger IoU are duplicates."""


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes or masks of the objects that a detector found on one frame, with scores and labels.

    Attributes:
        boxes: (n, 4), (x0, y0, x1, y1) in pixels; computed from the masks if not given.
        masks: (n, h, w) bool at the size of the frame, or None.
        scores: (n,), 0 to 1; 1 if not given.
        labels: class name of each detection; "" if not given.

    Raises:
        PromptError: arrays of different lengths, or numbers that are not finite.
    """

    boxes: Float32[np.ndarray, "n 4"] | None = None
    masks: Bool[np.ndarray, "n h w"] | None = None
    scores: Float32[np.ndarray, " n"] | None = None
    labels: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        masks = np.zeros((0, 1, 1), bool)
        if self.masks is not None:
            masks = _check_masks(self.masks)
            object.__setattr__(self, "masks", masks)
        boxes = boxes_of_masks(masks) if self.boxes is None else _floats(self.boxes, "boxes")
        boxes = boxes if boxes.size else np.zeros((0, 4), np.float32)
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
            raise PromptError(f"expected boxes of 4 finite numbers (x0, y0, x1, y1), got {boxes.tolist()}")
        scores = np.ones(len(boxes), np.float32) if self.scores is None else _floats(self.scores, "scores")
        if scores.ndim != 1 or not np.isfinite(scores).all():
            raise PromptError(f"expected a finite score for each detection, got {scores.tolist()}")
        labels = ("",) * len(boxes) if self.labels is None else tuple(self.labels)
        lengths = {len(boxes), len(scores), len(labels), len(boxes) if self.masks is None else len(masks)}
        if len(lengths) > 1:
            raise PromptError(
                f"expected as many boxes as scores, labels and masks, got {len(boxes)}, {len(scores)}, {len(labels)}"
                + ("" if self.masks is None else f" and {len(masks)}")
            )
        for name, value in (("boxes", boxes), ("scores", scores), ("labels", labels)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.labels or ())

    def prompts(self, row: int, size: Size) -> Prompts | None:
        """Return one detection as a prompt for a frame of ``size``, clipped to the frame; None if nothing remains."""
        if self.masks is not None:
            return Prompts.from_mask(self.masks[row]) if self.masks[row].any() else None
        x0, y0, x1, y1 = np.clip(boxes_of(self)[row], 0, [size[1], size[0]] * 2).tolist()
        return Prompts.from_box(x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def boxes_of(detections: Detections) -> Float32[np.ndarray, "n 4"]:
    """Return the boxes, given or computed from the masks."""
    assert detections.boxes is not None, "set by __post_init__"
    return detections.boxes


def _floats(values: object, name: str) -> Float32[np.ndarray, "..."]:
    try:
        return np.asarray(values, np.float32)
    except (TypeError, ValueError):
        raise PromptError(f"{name} must be numbers, got {values!r}") from None


def _check_masks(values: object) -> Bool[np.ndarray, "n h w"]:
    try:
        masks = np.asarray(values, bool)
    except ValueError:
        raise PromptError("expected masks of one size") from None
    if masks.shape == (0,):  # an empty list
        return np.zeros((0, 1, 1), bool)
    if masks.ndim != 3:
        raise PromptError(f"expected masks of shape (n, height, width), got {masks.shape}")
    return masks


Detector = Callable[[int, RgbImage], Detections]
"""Finds objects on a frame; called with the frame's index and image."""


@dataclass(frozen=True, kw_only=True)
class DetectionRules:
    """When detections start, correct and end objects. Counts are in calls of the detector.

    Attributes:
        every: frames from one call of the detector to the next.
        min_score: detections with a lower score are ignored.
        match_iou: a detection matches an object if its box overlaps the box of the object's mask, or the box that
            matched the object last, by at least this IoU, and their labels do not differ.
        agree_iou: a matching detection corrects the object if it overlaps the box of its mask by less than this IoU;
            by less than ``match_iou``, a stream restarts the object from the detection.
        min_hits: consecutive detections that confirm an object. Only confirmed objects are in the results; an object
            that is missed before ends.
        max_missed: an object that the tracker does not see either ends after this many consecutive misses.
        max_missed_visible: the same for an object that the tracker still sees.
        max_objects: maximum number of objects at a time.
    """

    every: int = 10
    min_score: float = 0.5
    match_iou: float = 0.3
    agree_iou: float = 0.6
    min_hits: int = 2
    max_missed: int = 5
    max_missed_visible: int = 20
    max_objects: int = 32

    def __post_init__(self) -> None:
        for name in ("every", "min_hits", "max_missed", "max_missed_visible", "max_objects"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.match_iou <= self.agree_iou <= 1:
            raise ValueError(
                f"expected 0 < match_iou <= agree_iou <= 1, got match_iou {self.match_iou}, agree_iou {self.agree_iou}"
            )


@dataclass
class DetectedObject:
    """The detections of one object so far.

    Attributes:
        label: label of the detection that started it.
        hits: number of detections that matched it.
        missed: consecutive calls of the detector without a match.
        user_prompted: whether a user prompted it: it is confirmed at once and never ends by itself.
        box: the box that matched it last.
    """

    label: str = ""
    hits: int = 0
    missed: int = 0
    user_prompted: bool = False
    box: Box | None = None


@dataclass(frozen=True)
class MatchResult:
    """The changes that follow from the detections of one frame.

    Attributes:
        prompts: start or correct objects on this frame.
        drifted: corrected objects that tracking had lost to another place; their memory is not worth keeping.
        ended: objects that end.
    """

    prompts: dict[ObjectId, Prompts]
    drifted: set[ObjectId]
    ended: dict[ObjectId, DetectedObject]


class DetectionMatcher:
    """Matches detections to tracked objects and decides which objects start, are corrected, and end."""

    def __init__(self, rules: DetectionRules) -> None:
        self.rules = rules
        self.objects: dict[ObjectId, DetectedObject] = {}
        self._last_id = 0

    def copy(self) -> DetectionMatcher:
        """Return an independent copy."""
        other = DetectionMatcher(self.rules)
        other.objects, other._last_id = {i: replace(state) for i, state in self.objects.items()}, self._last_id
        return other

    def add_user_object(self, object_id: ObjectId) -> None:
        """Register an object that a user prompted."""
        self.objects.setdefault(object_id, DetectedObject()).user_prompted = True
        self._last_id = max(self._last_id, object_id)

    def is_confirmed(self, state: DetectedObject) -> bool:
        """Whether enough detections matched the object, or a user prompted it."""
        return state.user_prompted or state.hits >= self.rules.min_hits

    def update(self, detections: Detections, boxes: Mapping[ObjectId, Box], size: Size) -> MatchResult:
        """Match detections to objects, maximizing the sum of the IoU of their boxes (Hungarian method).

        Args:
            boxes: boxes of the objects that the tracker sees on this frame.
            size: (height, width) of the frame.
        """
        rows = self._valid_rows(detections)
        ended = self._duplicates(boxes)
        ids = [i for i in self.objects if i not in ended]
        tracked = self._overlaps(detections, rows, [boxes.get(i) for i in ids], ids)
        before = self._overlaps(detections, rows, [self.objects[i].box for i in ids], ids)
        iou = np.maximum(tracked, before)
        matches = {
            int(r): int(c)
            for r, c in zip(*linear_sum_assignment(iou, maximize=True), strict=True)
            if iou[r, c] >= self.rules.match_iou
        }
        prompts: dict[ObjectId, Prompts | None] = {}
        for r, c in matches.items():
            state = self.objects[ids[c]]
            state.hits, state.missed, state.box = state.hits + 1, 0, boxes_of(detections)[rows[r]]
            if tracked[r, c] < self.rules.agree_iou:
                prompts[ids[c]] = detections.prompts(rows[r], size)
        drifted = {ids[c] for r, c in matches.items() if tracked[r, c] < self.rules.match_iou}
        matched = {ids[c] for c in matches.values()}
        ended |= {i for i in self.objects if i not in matched and self._count_miss(i, visible=i in boxes)}
        ended_objects = {i: self.objects.pop(i) for i in sorted(ended)}
        for r, row in enumerate(rows):
            if r not in matches and (tracked[r] < self.rules.match_iou).all():
                prompts |= self._start_object(detections, row, size)
        inside = {i: prompt for i, prompt in prompts.items() if prompt is not None}
        return MatchResult(inside, drifted - ended, ended_objects)

    def _start_object(self, detections: Detections, row: int, size: Size) -> dict[ObjectId, Prompts]:
        """Start an object from a detection, unless there are ``max_objects`` already."""
        prompts = detections.prompts(row, size)
        if prompts is None or len(self.objects) >= self.rules.max_objects:
            return {}
        self._last_id += 1
        labels = detections.labels or ()
        self.objects[self._last_id] = DetectedObject(labels[row], hits=1, box=boxes_of(detections)[row])
        return {self._last_id: prompts}

    def _valid_rows(self, detections: Detections) -> list[int]:
        """Return the detections with a sufficient score, best first, without duplicates."""
        assert detections.scores is not None
        rows = nms(boxes_of(detections), detections.scores, DUPLICATE_IOU)
        return [int(row) for row in rows if detections.scores[row] >= self.rules.min_score]

    def _overlaps(
        self, detections: Detections, rows: list[int], boxes: list[Box | None], ids: list[ObjectId]
    ) -> Float32[np.ndarray, "n m"]:
        """Compute the IoU of detections with a box of each object; 0 without a box, or if their labels differ."""
        empty = np.zeros(4, np.float32)
        object_boxes = np.array([empty if box is None else box for box in boxes], np.float32).reshape(-1, 4)
        iou = box_iou(boxes_of(detections)[rows], object_boxes)
        labels = detections.labels or ()
        for (r, row), (c, i) in itertools.product(enumerate(rows), enumerate(ids)):
            if labels[row] and self.objects[i].label and labels[row] != self.objects[i].label:
                iou[r, c] = 0
        return iou

    def _duplicates(self, boxes: Mapping[ObjectId, Box]) -> set[ObjectId]:
        """Find objects that show the same as another one that was matched more recently, or that is older."""
        ids = sorted(
            (i for i in self.objects if i in boxes),
            key=lambda i: (not self.objects[i].user_prompted, self.objects[i].missed, i),
        )
        duplicates: set[ObjectId] = set()
        for first, second in itertools.combinations(ids, 2):
            overlap = float(box_iou(boxes[first][None], boxes[second][None])[0, 0])
            if overlap > DUPLICATE_IOU and first not in duplicates and not self.objects[second].user_prompted:
                duplicates.add(second)
        return duplicates

    def _count_miss(self, object_id: ObjectId, *, visible: bool) -> bool:
        """Count a call of the detector that did not find the object, and return whether the object ends."""
        state = self.objects[object_id]
        state.missed += 1
        if state.user_prompted:
            return False
        if not self.is_confirmed(state):
            return True
        return state.missed >= (self.rules.max_missed_visible if visible else self.rules.max_missed)


class DetectingTracker:
    """A stream whose objects are started, corrected and ended by a detector.

        tracker = DetectingTracker(masklet.StreamTracker(model), detector)
        for frame in frames:
            out = tracker.step(frame)

    Detections are matched to the boxes of the last frame, extrapolated with constant velocity. Results contain only
    objects that are confirmed, or that a user prompted.

    Args:
        tracker: a new tracker, not to be used elsewhere.
        detector: called on every ``rules.every``-th frame.
    """

    def __init__(self, tracker: StreamTracker, detector: Detector, rules: DetectionRules | None = None) -> None:
        self.tracker = tracker
        self.detector = detector
        self.matcher = DetectionMatcher(rules or DetectionRules())
        self._size: Size | None = None
        self._boxes: list[dict[ObjectId, Box]] = [{}, {}]

    @property
    def labels(self) -> dict[ObjectId, str]:
        """The detector's label of each tracked object."""
        return {i: state.label for i, state in self.matcher.objects.items()}

    def step(self, frame: RgbImage, prompts: Mapping[ObjectId, Prompts] | None = None) -> FrameMasks:
        """Track onto the next frame, as `StreamTracker.step`. A user's prompts replace those of the detector.

        Raises:
            MediaError: not an image, or of another size than the frames before.
            PromptError: prompts or detections that do not fit the frame. The frame has not been taken in either case.
        """
        index, size = self.tracker.frame_index, self._check_size(frame)
        user_prompts, detected = check_prompts(prompts or {}, size), dict[ObjectId, Prompts]()
        matcher, removed = self.matcher.copy(), set[ObjectId]()  # copied, so that an invalid frame changes nothing
        for i in user_prompts:
            matcher.add_user_object(i)
        if index % matcher.rules.every == 0:
            result = matcher.update(self.detector(index, frame), self._extrapolated_boxes(), size)
            detected, removed = check_prompts(result.prompts, size), result.drifted | set(result.ended)
        for i in removed.intersection(self.tracker.object_ids):
            self.tracker.forget(i)
        out = self.tracker.step(frame, {**detected, **user_prompts})
        self.matcher, self._size = matcher, size
        self._boxes = [self._boxes[1], visible_boxes(out)]
        return confirmed_objects(out, matcher)

    def _check_size(self, frame: RgbImage) -> Size:
        height, width = check_image(frame).shape[:2]
        if self._size not in (None, (height, width)):
            raise MediaError(f"expected frames of (height, width) {self._size} as before, got {(height, width)}")
        return height, width

    def _extrapolated_boxes(self) -> dict[ObjectId, Box]:
        """Extrapolate the boxes of the last two frames to this one, with constant velocity."""
        before, last = self._boxes
        return {i: 2 * box - before[i] if i in before else box for i, box in last.items()}


def detect_and_track(
    session: VideoSession, detector: Detector, rules: DetectionRules | None = None, *, end: int | None = None
) -> Iterator[FrameMasks]:
    """Track the objects that a detector finds in a recorded video, forward, and yield the masks of each frame.

    Unlike in `DetectingTracker`, detections are matched to the tracked masks of the same frame. Objects that were never
    confirmed are removed; objects that ended keep their results. `VideoSession.masklets` also contains the frames
    before an object was confirmed, and the detector's label as the name of the masklet.

    Args:
        session: a session without results; objects prompted on its first frame count as prompted by a user.
        detector: called on every ``rules.every``-th frame.
        end: one more than the last frame to track, by default the length of the video.

    Raises:
        FrameRangeError: ``end`` outside the video.
    """
    stop = session.num_frames if end is None else end
    if not 0 < stop <= session.num_frames:
        raise FrameRangeError(f"expected end from 1 to {session.num_frames}, got {end}")
    matcher = DetectionMatcher(rules or DetectionRules())
    for i in session.object_ids:
        matcher.add_user_object(i)
    for start in range(0, stop, matcher.rules.every):
        boxes = {i: box for i, box in visible_boxes(session.masks(start)).items() if i in matcher.objects}
        result = matcher.update(detector(start, session.video[start]), boxes, session.size)
        for i, prompts in result.prompts.items():
            session.prompt(start, object_id=i, prompts=prompts, name=matcher.objects[i].label or None)
        _forget_unconfirmed(session, matcher, result.ended)
        prompted = set(result.prompts) if start else set(matcher.objects)
        if prompted:
            for _ in session.propagate(start=start, end=start + 1, objects=prompted):
                pass
        yield confirmed_objects(session.masks(start), matcher)
        # The next frame with detections is tracked too, to be matched there: each frame is tracked only once, because
        # a second visit would reset the motion model.
        upcoming = start + matcher.rules.every
        frames = range(start + 1, min(upcoming, stop))
        if matcher.objects and start + 1 < stop:
            for out in session.propagate(start=start + 1, end=min(upcoming + 1, stop), objects=set(matcher.objects)):
                if out.frame_index in frames:
                    yield confirmed_objects(out, matcher)
        else:
            yield from (confirmed_objects(session.masks(frame_index), matcher) for frame_index in frames)
    _forget_unconfirmed(session, matcher, matcher.objects)


def _forget_unconfirmed(
    session: VideoSession, matcher: DetectionMatcher, objects: Mapping[ObjectId, DetectedObject]
) -> None:
    for i, state in objects.items():
        if not matcher.is_confirmed(state):
            session.forget(i)


def visible_boxes(masks: FrameMasks) -> dict[ObjectId, Box]:
    """Return the boxes of all objects with a non-empty mask."""
    boxes = boxes_of_masks(masks.masks)
    return {i: box for i, box in zip(masks.object_ids, boxes, strict=True) if box.any()}


def confirmed_objects(masks: FrameMasks, matcher: DetectionMatcher) -> FrameMasks:
    """Return the masks of the confirmed objects only."""
    confirmed = {i for i, state in matcher.objects.items() if matcher.is_confirmed(state)}
    rows = [row for row, i in enumerate(masks.object_ids) if i in confirmed]
    values = {f.name: getattr(masks, f.name) for f in fields(masks)}
    arrays: dict[str, Any] = {name: value[rows] for name, value in values.items() if isinstance(value, np.ndarray)}
    return replace(masks, object_ids=tuple(masks.object_ids[row] for row in rows), **arrays)
