"""Motion: a Kalman filter on an object's box, and the choice among candidates (SAMURAI, arXiv 2411.11922)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float32, Float64

from masklet.masks.boxes import box_iou
from masklet.masks.regions import components
from masklet.tracking.memory_policy import Motion
from masklet.tracking.policies.candidates import DecoderCandidates

POSITION_SPREAD, VELOCITY_SPREAD = 1 / 20, 1 / 160
"""Standard deviations of a position and of a velocity per frame, as shares of the box's height."""
RATIO_SPREAD, RATIO_VELOCITY_SPREAD, RATIO_NOISE = 1e-2, 1e-5, 1e-1
SMALLEST = 1e-4


@dataclass(frozen=True, eq=False)
class Kalman:
    """Center x, center y, width / height, height, and their velocities per frame, with covariance.

    Every method returns a new filter. Units are shares of the frame; time is in frames.
    """

    mean: Float64[np.ndarray, "8"]
    covariance: Float64[np.ndarray, "8 8"]

    @classmethod
    def start(cls, box: Float32[np.ndarray, "4"]) -> Kalman:
        """A filter for a box without velocity."""
        height = max(float(box[3] - box[1]), SMALLEST)
        position, velocity = 2 * POSITION_SPREAD * height, 10 * VELOCITY_SPREAD * height
        spread = [position, position, RATIO_SPREAD, position, velocity, velocity, RATIO_VELOCITY_SPREAD, velocity]
        return cls(np.concatenate([_measurement(box), np.zeros(4)]), np.diag(np.square(spread)))

    def predict(self, frames: int) -> Kalman:
        """Predict the state some frames later."""
        step = np.eye(8) + np.diag([float(frames)] * 4, k=4)
        height = max(self.mean[3], SMALLEST)
        position, velocity = POSITION_SPREAD * height, VELOCITY_SPREAD * height
        spread = [position, position, RATIO_SPREAD, position, velocity, velocity, RATIO_VELOCITY_SPREAD, velocity]
        return Kalman(step @ self.mean, step @ self.covariance @ step.T + frames * np.diag(np.square(spread)))

    def update(self, box: Float32[np.ndarray, "4"]) -> Kalman:
        """Update the state with an observed box."""
        noise = POSITION_SPREAD * max(self.mean[3], SMALLEST)
        observed = self.covariance[:4, :4] + np.diag(np.square([noise, noise, RATIO_NOISE, noise]))
        gain = np.linalg.solve(observed, self.covariance[:4]).T
        mean = self.mean + gain @ (_measurement(box) - self.mean[:4])
        return Kalman(mean, self.covariance - gain @ observed @ gain.T)

    @property
    def box(self) -> Float32[np.ndarray, "4"]:
        """The predicted box (x0, y0, x1, y1)."""
        x, y, ratio, height = self.mean[:4]
        height = max(height, SMALLEST)
        width = max(ratio, SMALLEST) * height
        return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2], np.float32)


def _measurement(box: Float32[np.ndarray, "4"]) -> Float64[np.ndarray, "4"]:
    x0, y0, x1, y1 = box.astype(np.float64)
    height = max(y1 - y0, SMALLEST)
    return np.array([(x0 + x1) / 2, (y0 + y1) / 2, max(x1 - x0, SMALLEST) / height, height])


@dataclass(frozen=True, eq=False)
class MotionState:
    """An object's motion up to a frame.

    Attributes:
        kalman: filter as of the frame where the object was last seen.
        last_seen: that frame.
        stable_frames: number of consecutive frames where it was segmented well.
    """

    kalman: Kalman
    last_seen: int
    stable_frames: int

    def predicted_box(self, frame_index: int) -> Float32[np.ndarray, "4"]:
        """The box expected on a frame."""
        return self.kalman.predict(abs(frame_index - self.last_seen)).box


def box_overlaps(motion: MotionState, candidates: DecoderCandidates, frame_index: int) -> Float32[np.ndarray, " k"]:
    """IoU of each candidate's box with the predicted one."""
    return np.asarray(box_iou(motion.predicted_box(frame_index)[None], candidates.boxes)[0])


def choose_by_motion(
    motion: MotionState | None, candidates: DecoderCandidates, frame_index: int, rule: Motion
) -> tuple[int, float | None]:
    """Choose the candidate to follow; also its overlap with the predicted box, None while that is not used."""
    if (
        motion is None
        or motion.stable_frames < rule.min_stable_frames
        or abs(frame_index - motion.last_seen) > rule.patience
    ):
        return int(candidates.iou.argmax()), None
    overlap = box_overlaps(motion, candidates, frame_index)
    best = int((rule.weight * overlap + (1 - rule.weight) * candidates.iou).argmax())
    return best, float(overlap[best])


def without_distant_components(
    motion: MotionState | None, candidates: DecoderCandidates, frame_index: int, rule: Motion
) -> DecoderCandidates:
    """Remove components of masks far from the predicted box."""
    if rule.margin is None or motion is None or abs(frame_index - motion.last_seen) > rule.patience:
        return candidates
    x0, y0, x1, y1 = motion.predicted_box(frame_index).tolist()
    dx, dy, side = rule.margin * (x1 - x0), rule.margin * (y1 - y0), candidates.masks.shape[-1]
    rows = slice(max(math.floor((y0 - dy) * side), 0), max(math.ceil((y1 + dy) * side), 0))
    columns = slice(max(math.floor((x0 - dx) * side), 0), max(math.ceil((x1 + dx) * side), 0))
    return replace(candidates, masks=np.stack([_components_inside(mask, rows, columns) for mask in candidates.masks]))


def _components_inside(mask: Bool[np.ndarray, "s s"], rows: slice, columns: slice) -> Bool[np.ndarray, "s s"]:
    """The components of a mask of which at least half lies inside a window; all where there is none."""
    labels, areas = components(mask)
    if len(areas) < 2:
        return mask
    inside = np.bincount(labels[rows, columns].ravel(), minlength=len(areas) + 1)[1:]
    keep = np.concatenate([[False], 2 * inside >= areas])
    return np.asarray(keep[labels]) if keep.any() else mask


def update_motion(
    motion: MotionState | None,
    candidates: DecoderCandidates,
    chosen: int,
    frame_index: int,
    rule: Motion,
    *,
    visible: bool,
) -> MotionState | None:
    """The motion state after a frame. Without the object the state only predicts, until the patience ends."""
    gap = abs(frame_index - motion.last_seen) if motion is not None else 0
    if not visible or not candidates.areas[chosen]:
        return None if motion is None or gap > rule.patience else motion
    box = candidates.boxes[chosen]
    if motion is None or not motion.stable_frames or gap > rule.patience:
        return MotionState(Kalman.start(box), frame_index, 1)
    if candidates.iou[chosen] < rule.min_iou:
        return replace(motion, stable_frames=0)
    stable_frames = min(motion.stable_frames + 1, rule.min_stable_frames)
    return MotionState(motion.kalman.predict(gap).update(box), frame_index, stable_frames)
