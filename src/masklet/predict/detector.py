"""Prompts from a detector: boxes or masks every few frames start objects, confirm and correct them, and let them go."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from jaxtyping import Float32
from scipy.optimize import linear_sum_assignment

from masklet.errors import FrameRangeError, MediaError
from masklet.masks.boxes import box_iou, boxes_of_masks, nms
from masklet.predict.detections import Detections, Detector, boxes_in
from masklet.predict.preprocessing import check_image
from masklet.predict.prompting import check_prompts
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.types import FrameMasks, ObjectId, Prompts, RgbImage, Size

__all__ = ["DetectingTracker", "DetectionRules", "Detections", "Detector", "detect_and_track"]

Box = Float32[np.ndarray, "4"]

DOUBLE = 0.8
"""Two objects whose boxes overlap by a larger IoU are one: the one that the last look missed goes, or the younger."""


@dataclass(frozen=True, kw_only=True)
class DetectionRules:
    """When a detection starts an object, and what becomes of it. A look is one call of the detector.

    Attributes:
        every: frames from one look to the next.
        min_score: detections below are not looked at.
        match: a detection is of an object when its box overlaps that of its mask, or where the last look found
            it, by at least this IoU, and no label speaks against it.
        agree: where it overlaps the mask's by less than this, the detection corrects the object; by less than
            ``match``, a stream starts the object anew from it.
        confirm: looks in a row that must find an object before it is shown; until then one that misses it ends it.
        lost: looks in a row without it after which an object ends that is not visible.
        doubted: the same for an object that is visible to the tracker.
        max_objects: no more than so many at a time.
    """

    every: int = 10
    min_score: float = 0.5
    match: float = 0.3
    agree: float = 0.6
    confirm: int = 2
    lost: int = 5
    doubted: int = 20
    max_objects: int = 32

    def __post_init__(self) -> None:
        for name in ("every", "confirm", "lost", "doubted", "max_objects"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.match <= self.agree <= 1:
            raise ValueError(f"expected 0 < match <= agree <= 1, got {self.match} and {self.agree}")


@dataclass
class Known:
    """What is known of one object.

    Attributes:
        label: of the detection that started it.
        found: looks that found it.
        missed: looks in a row that did not.
        given: a person prompted it: it is shown at once and never ends by itself.
        place: the box that last found it, or None.
    """

    label: str = ""
    found: int = 0
    missed: int = 0
    given: bool = False
    place: Box | None = None


@dataclass(frozen=True)
class Verdict:
    """What follows from one look.

    Attributes:
        prompts: that start or correct objects on this frame.
        strayed: objects among them that tracking took elsewhere; what they remember is not worth keeping.
        gone: objects that end.
    """

    prompts: dict[ObjectId, Prompts]
    strayed: set[ObjectId]
    gone: dict[ObjectId, Known]


class Roster:
    """Which detection is which object: boxes in, prompts out. It knows no model."""

    def __init__(self, rules: DetectionRules) -> None:
        self.rules = rules
        self.known: dict[ObjectId, Known] = {}
        self._last_id = 0

    def copy(self) -> Roster:
        """One that goes on alone."""
        other = Roster(self.rules)
        other.known, other._last_id = {i: replace(known) for i, known in self.known.items()}, self._last_id
        return other

    def adopt(self, object_id: ObjectId) -> None:
        """Take over an object that a person prompted."""
        self.known.setdefault(object_id, Known()).given = True
        self._last_id = max(self._last_id, object_id)

    def is_shown(self, object_id: ObjectId) -> bool:
        """Whether the object is there and confirmed."""
        known = self.known.get(object_id)
        return known is not None and self.is_confirmed(known)

    def is_confirmed(self, known: Known) -> bool:
        """Whether enough looks found it, or a person prompted it."""
        return known.given or known.found >= self.rules.confirm

    def meet(self, detections: Detections, boxes: Mapping[ObjectId, Box], size: Size) -> Verdict:
        """Match detections to objects, by the IoU of boxes, best sum of all (Hungarian method).

        Args:
            detections: on this frame.
            boxes: of the objects that are visible to the tracker.
            size: (height, width) of the frame.
        """
        found = self._sound(detections)
        gone = self._doubles(boxes)
        ids = [i for i in self.known if i not in gone]
        tracked = self._overlaps(detections, found, [boxes.get(i) for i in ids], ids)
        before = self._overlaps(detections, found, [self.known[i].place for i in ids], ids)
        iou = np.maximum(tracked, before)
        rows, columns = linear_sum_assignment(iou, maximize=True)
        pairs = {int(r): int(c) for r, c in zip(rows, columns, strict=True) if iou[r, c] >= self.rules.match}
        prompts: dict[ObjectId, Prompts | None] = {}
        for r, c in pairs.items():
            known = self.known[ids[c]]
            known.found, known.missed, known.place = known.found + 1, 0, boxes_in(detections)[found[r]]
            if tracked[r, c] < self.rules.agree:
                prompts[ids[c]] = detections.prompts(found[r], size)
        strayed = {ids[c] for r, c in pairs.items() if tracked[r, c] < self.rules.match}
        matched = {ids[c] for c in pairs.values()}
        gone |= {i for i in self.known if i not in matched and self._ends(i, visible=i in boxes)}
        ended = {i: self.known.pop(i) for i in sorted(gone)}
        for r, row in enumerate(found):
            if r not in pairs and (tracked[r] < self.rules.match).all():
                prompts |= self._born(detections, row, size)
        return Verdict({i: asked for i, asked in prompts.items() if asked is not None}, strayed - set(ended), ended)

    def _born(self, detections: Detections, row: int, size: Size) -> dict[ObjectId, Prompts]:
        """A new object, where there is room for one."""
        asked = detections.prompts(row, size)
        if asked is None or len(self.known) >= self.rules.max_objects:
            return {}
        self._last_id += 1
        labels = detections.labels or ()
        self.known[self._last_id] = Known(labels[row], found=1, place=boxes_in(detections)[row])
        return {self._last_id: asked}

    def _sound(self, detections: Detections) -> list[int]:
        """The detections worth looking at, best first, each object once."""
        assert detections.scores is not None
        kept = nms(boxes_in(detections), detections.scores, DOUBLE)
        return [int(row) for row in kept if detections.scores[row] >= self.rules.min_score]

    def _overlaps(
        self, detections: Detections, found: list[int], boxes: list[Box | None], ids: list[ObjectId]
    ) -> Float32[np.ndarray, "n m"]:
        """IoU of detections with a box of each object; 0 where it has none, or both have labels that differ."""
        nowhere = np.zeros(4, np.float32)
        places = np.array([nowhere if box is None else box for box in boxes], np.float32).reshape(-1, 4)
        iou = box_iou(boxes_in(detections)[found], places)
        labels = detections.labels or ()
        for (r, row), (c, i) in itertools.product(enumerate(found), enumerate(ids)):
            if labels[row] and self.known[i].label and labels[row] != self.known[i].label:
                iou[r, c] = 0
        return iou

    def _doubles(self, boxes: Mapping[ObjectId, Box]) -> set[ObjectId]:
        """Objects that have come to show the same as another that was found since, or is older."""
        ids = sorted(
            (i for i in self.known if i in boxes), key=lambda i: (not self.known[i].given, self.known[i].missed, i)
        )
        gone: set[ObjectId] = set()
        for k, kept in enumerate(ids):
            for other in ids[k + 1 :]:
                same = float(box_iou(boxes[kept][None], boxes[other][None])[0, 0]) > DOUBLE
                if same and kept not in gone and not self.known[other].given:
                    gone.add(other)
        return gone

    def _ends(self, object_id: ObjectId, *, visible: bool) -> bool:
        """Count a look that missed an object; whether it was one too many."""
        known = self.known[object_id]
        known.missed += 1
        if known.given:
            return False
        if not self.is_confirmed(known):
            return True
        return known.missed >= (self.rules.doubted if visible else self.rules.lost)


class DetectingTracker:
    """A stream whose objects a detector starts, corrects and lets go.

        tracker = DetectingTracker(masklet.StreamTracker(model), detector)
        for frame in frames:
            out = tracker.step(frame)

    A look is matched to where objects were one frame ago, moved on as they moved before. Masks are given only for
    objects that are confirmed, or that a person prompted.

    Args:
        tracker: a new one; it is this one's from now on.
        detector: called with the frame's index and picture.
        rules: when objects come and go.
    """

    def __init__(self, tracker: StreamTracker, detector: Detector, rules: DetectionRules | None = None) -> None:
        self.tracker = tracker
        self.detector = detector
        self.roster = Roster(rules or DetectionRules())
        self._size: Size | None = None
        self._boxes: list[dict[ObjectId, Box]] = [{}, {}]

    @property
    def labels(self) -> dict[ObjectId, str]:
        """What each object is that is being tracked, as the detector calls it."""
        return {i: known.label for i, known in self.roster.known.items()}

    def step(self, frame: RgbImage, prompts: Mapping[ObjectId, Prompts] | None = None) -> FrameMasks:
        """Take the next frame; as `StreamTracker.step`. A person's prompts go before those of the detector.

        Raises:
            MediaError: not a picture, or of another size than the frames before.
            PromptError: prompts or detections that do not fit the frame. Either way it has not been taken.
        """
        index, size = self.tracker.frame_index, self._checked_size(frame)
        said, asked = check_prompts(prompts or {}, size), dict[ObjectId, Prompts]()
        roster, ended = self.roster.copy(), set[ObjectId]()  # a frame that is refused must change nothing
        for i in said:
            roster.adopt(i)
        if index % roster.rules.every == 0:
            verdict = roster.meet(self.detector(index, frame), self._expected(), size)
            asked, ended = check_prompts(verdict.prompts, size), verdict.strayed | set(verdict.gone)
        for i in ended.intersection(self.tracker.object_ids):
            self.tracker.forget(i)
        out = self.tracker.step(frame, {**asked, **said})
        self.roster, self._size = roster, size
        self._boxes = [self._boxes[1], visible_boxes(out)]
        return shown(out, roster)

    def _checked_size(self, frame: RgbImage) -> Size:
        height, width = check_image(frame).shape[:2]
        if self._size not in (None, (height, width)):
            raise MediaError(f"expected frames of (height, width) {self._size} as before, got {(height, width)}")
        return height, width

    def _expected(self) -> dict[ObjectId, Box]:
        """Where objects are if they go on as from the frame before the last to the last."""
        before, last = self._boxes
        return {i: 2 * box - before[i] if i in before else box for i, box in last.items()}


def detect_and_track(
    session: VideoSession, detector: Detector, rules: DetectionRules | None = None, *, end: int | None = None
) -> Iterator[FrameMasks]:
    """Track what a detector finds in a recorded video, forward, and yield the masks of each frame.

    As `DetectingTracker`, but a look is matched to the masks that tracking gave for the very frame. Objects that were
    never confirmed are forgotten in the end, those that ended keep their results; `VideoSession.masklets` has the
    frames before an object was confirmed too, and the detector's label as its name.

    Args:
        session: objects prompted on its first frame before are taken over as a person's.
        detector: called with the frame's index and picture.
        rules: when objects come and go.
        end: one more than the last frame to track, None for all.

    Raises:
        FrameRangeError: ``end`` outside the video.
    """
    stop = session.num_frames if end is None else end
    if not 0 < stop <= session.num_frames:
        raise FrameRangeError(f"expected end from 1 to {session.num_frames}, got {end}")
    roster = Roster(rules or DetectionRules())
    for i in session.object_ids:
        roster.adopt(i)
    for start in range(0, stop, roster.rules.every):
        boxes = {i: box for i, box in visible_boxes(session.masks(start)).items() if i in roster.known}
        verdict = roster.meet(detector(start, session.video[start]), boxes, session.size)
        for i, prompts in verdict.prompts.items():
            session.prompt(start, object_id=i, prompts=prompts, name=roster.known[i].label or None)
        _forget(session, roster, verdict.gone)
        fresh = set(verdict.prompts) if start else set(roster.known)
        yield from _until(session, roster, range(start, min(start + roster.rules.every, stop)), (fresh, stop))
    _forget(session, roster, roster.known)


def _forget(session: VideoSession, roster: Roster, gone: Mapping[ObjectId, Known]) -> None:
    """Objects that were never confirmed leave no trace."""
    for i, known in gone.items():
        if not roster.is_confirmed(known):
            session.forget(i)


def _until(
    session: VideoSession, roster: Roster, frames: range, asked: tuple[set[ObjectId], int]
) -> Iterator[FrameMasks]:
    """The masks from one look to the next; the frame of the next is tracked already, to be matched there.

    So every frame is tracked once, on a straight way: coming to a frame again would end what is known of motion. Only
    those of ``asked``, prompted on the first frame, start there; its other part is the end of the video.
    """
    live, (fresh, stop) = set(roster.known), asked
    first, end = frames.start, min(frames.stop + 1, stop)
    if fresh:
        for _ in session.propagate(start=first, end=first + 1, objects=fresh):
            pass
    yield shown(session.masks(first), roster)
    if not live or first + 1 == end:
        yield from (shown(session.masks(frame_index), roster) for frame_index in frames[1:])
        return
    for out in session.propagate(start=first + 1, end=end, objects=live):
        if out.frame_index in frames:
            yield shown(out, roster)


def visible_boxes(masks: FrameMasks) -> dict[ObjectId, Box]:
    """The box of each object that is there."""
    boxes = boxes_of_masks(masks.masks)
    return {i: box for i, box in zip(masks.object_ids, boxes, strict=True) if box.any()}


def shown(masks: FrameMasks, roster: Roster) -> FrameMasks:
    """The confirmed objects alone."""
    rows = [row for row, i in enumerate(masks.object_ids) if roster.is_shown(i)]
    kept = {f.name: getattr(masks, f.name) for f in fields(masks)}
    arrays: dict[str, Any] = {name: value[rows] for name, value in kept.items() if isinstance(value, np.ndarray)}
    return replace(masks, object_ids=tuple(masks.object_ids[row] for row in rows), **arrays)
