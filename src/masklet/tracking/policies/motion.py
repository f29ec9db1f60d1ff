"""Where an object is going: a Kalman filter on its box, and the choice among candidates (SAMURAI, arXiv 2411.11922)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Float64

from masklet.masks.boxes import box_iou
from masklet.masks.regions import components
from masklet.tracking.policies.candidates import Evidence
from masklet.tracking.rules import Motion

POSITION_SPREAD, VELOCITY_SPREAD = 1 / 20, 1 / 160
"""Standard deviations of a place and of a velocity a frame, as shares of the box's height."""
RATIO_SPREAD, RATIO_VELOCITY_SPREAD, RATIO_NOISE = 1e-2, 1e-5, 1e-1
SMALLEST = 1e-4


@dataclass(frozen=True, eq=False)
class Kalman:
    """Center x, center y, width / height, height, and their velocities a frame, with covariance.

    Every method gives a new filter. Units are shares of the frame, times are real frames.
    """

    mean: Float64[np.ndarray, "8"]
    covariance: Float64[np.ndarray, "8 8"]

    @classmethod
    def start(cls, box: Float32[np.ndarray, "4"]) -> Kalman:
        """A box at rest."""
        height = max(float(box[3] - box[1]), SMALLEST)
        place, speed = 2 * POSITION_SPREAD * height, 10 * VELOCITY_SPREAD * height
        spread = [place, place, RATIO_SPREAD, place, speed, speed, RATIO_VELOCITY_SPREAD, speed]
        return cls(np.concatenate([_measured(box), np.zeros(4)]), np.diag(np.square(spread)))

    def predict(self, frames: int) -> Kalman:
        """So many frames later."""
        step = np.eye(8) + np.diag([float(frames)] * 4, k=4)
        height = max(self.mean[3], SMALLEST)
        place, speed = POSITION_SPREAD * height, VELOCITY_SPREAD * height
        spread = [place, place, RATIO_SPREAD, place, speed, speed, RATIO_VELOCITY_SPREAD, speed]
        return Kalman(step @ self.mean, step @ self.covariance @ step.T + frames * np.diag(np.square(spread)))

    def update(self, box: Float32[np.ndarray, "4"]) -> Kalman:
        """The box was seen here."""
        noise = POSITION_SPREAD * max(self.mean[3], SMALLEST)
        seen = self.covariance[:4, :4] + np.diag(np.square([noise, noise, RATIO_NOISE, noise]))
        gain = np.linalg.solve(seen, self.covariance[:4]).T
        mean = self.mean + gain @ (_measured(box) - self.mean[:4])
        return Kalman(mean, self.covariance - gain @ seen @ gain.T)

    @property
    def box(self) -> Float32[np.ndarray, "4"]:
        """(x0, y0, x1, y1) where the object should be."""
        x, y, ratio, height = self.mean[:4]
        height = max(height, SMALLEST)
        width = max(ratio, SMALLEST) * height
        return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2], np.float32)


def _measured(box: Float32[np.ndarray, "4"]) -> Float64[np.ndarray, "4"]:
    x0, y0, x1, y1 = box.astype(np.float64)
    height = max(y1 - y0, SMALLEST)
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, SMALLEST) / height, height])


@dataclass(frozen=True, eq=False)
class MotionState:
    """An object's motion up to a frame.

    Attributes:
        kalman: as of the frame it was last seen.
        seen: that frame.
        stable: how many frames running it was seen well.
    """

    kalman: Kalman
    seen: int
    stable: int


def overlaps(course: MotionState, evidence: Evidence, frame_index: int) -> Float32[np.ndarray, " k"]:
    """IoU of each candidate's box with the predicted one."""
    expected = course.kalman.predict(abs(frame_index - course.seen)).box
    return np.asarray(box_iou(expected[None], evidence.boxes)[0])


def favorite(
    course: MotionState | None, evidence: Evidence, frame_index: int, rule: Motion
) -> tuple[int, float | None]:
    """The candidate to follow, and its overlap with the predicted box (None while the prediction is not trusted)."""
    if course is None or course.stable < rule.steady or abs(frame_index - course.seen) > rule.patience:
        return int(evidence.iou.argmax()), None
    overlap = overlaps(course, evidence, frame_index)
    best = int((rule.weight * overlap + (1 - rule.weight) * evidence.iou).argmax())
    return best, float(overlap[best])


def trimmed(course: MotionState | None, evidence: Evidence, frame_index: int, rule: Motion) -> Evidence:
    """The evidence without separate parts of masks where the object cannot be."""
    if rule.margin is None or course is None or abs(frame_index - course.seen) > rule.patience:
        return evidence
    x0, y0, x1, y1 = course.kalman.predict(abs(frame_index - course.seen)).box.tolist()
    dx, dy, side = rule.margin * (x1 - x0), rule.margin * (y1 - y0), evidence.masks.shape[-1]
    rows = slice(max(math.floor((y0 - dy) * side), 0), max(math.ceil((y1 + dy) * side), 0))
    columns = slice(max(math.floor((x0 - dx) * side), 0), max(math.ceil((x1 + dx) * side), 0))
    return replace(evidence, masks=np.stack([_parts_inside(mask, rows, columns) for mask in evidence.masks]))


def _parts_inside(mask: Bool[np.ndarray, "s s"], rows: slice, columns: slice) -> Bool[np.ndarray, "s s"]:
    """The parts of a mask of which at least half lies inside a window; all where there is none."""
    labels, areas = components(mask)
    if len(areas) < 2:
        return mask
    inside = np.bincount(labels[rows, columns].ravel(), minlength=len(areas) + 1)[1:]
    keep = np.concatenate([[False], 2 * inside >= areas])
    return np.asarray(keep[labels]) if keep.any() else mask


def advance(
    course: MotionState | None, evidence: Evidence, chosen: int, frame_index: int, rule: Motion, *, visible: bool
) -> MotionState | None:
    """The course after a frame. An absent object keeps its course, which only predicts, until patience ends."""
    gap = abs(frame_index - course.seen) if course is not None else 0
    if not visible or not evidence.areas[chosen]:
        return None if course is None or gap > rule.patience else course
    box = evidence.boxes[chosen]
    if course is None or not course.stable or gap > rule.patience:
        return MotionState(Kalman.start(box), frame_index, 1)
    if evidence.iou[chosen] < rule.min_iou:
        return replace(course, stable=0)
    return MotionState(course.kalman.predict(gap).update(box), frame_index, min(course.stable + 1, rule.steady))
