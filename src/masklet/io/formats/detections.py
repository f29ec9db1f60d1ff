"""Conversion to and from `supervision.Detections`, one for each frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from masklet.errors import FormatError, needs
from masklet.masks.boxes import boxes_of_masks
from masklet.types import FrameMasks, ObjectId

if TYPE_CHECKING:
    from supervision import Detections

_SCORES = ("presence", "iou")


def to_detections(masks: FrameMasks, *, names: Mapping[ObjectId, str] | None = None) -> Detections:
    """Convert the masks of one frame; ``tracker_id`` is the object id, ``confidence`` the predicted IoU.

    Class names are object names. Presence, predicted IoU and frame index are stored in ``data`` and ``metadata``.
    Absent objects are included, with an empty mask and box.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    with needs("supervision", "supervision.Detections"):
        from supervision import Detections  # noqa: PLC0415
    labels = [(names or {}).get(i, "") or f"object {i}" for i in masks.object_ids]
    classes = {name: number for number, name in enumerate(dict.fromkeys(labels))}
    return Detections(
        xyxy=boxes_of_masks(masks.masks),
        mask=masks.masks,
        confidence=masks.iou.astype(np.float32),
        class_id=np.array([classes[name] for name in labels], int),
        tracker_id=np.array(masks.object_ids, int),
        data={"class_name": np.array(labels, dtype=np.str_), "presence": masks.presence, "iou": masks.iou},
        metadata={"frame_index": masks.frame_index},
    )


def from_detections(detections: Detections, *, frame_index: int | None = None) -> FrameMasks:
    """Convert detections to masks; without tracker ids, objects are numbered from 1.

    Raises:
        FormatError: the detections have no masks.
    """
    count = len(detections)
    if detections.mask is None:
        raise FormatError("expected detections with masks, got boxes alone")
    shape = np.asarray(detections.mask).shape
    mask = np.asarray(detections.mask, bool).reshape(count, *(shape[1:] if len(shape) == 3 else (1, 1)))
    ids = range(1, count + 1) if detections.tracker_id is None else detections.tracker_id.tolist()
    given: dict[str, Any] = {"iou": detections.confidence, **{k: detections.data.get(k) for k in _SCORES}}
    scores = {
        k: np.full(count, np.nan, np.float32) if v is None else np.asarray(v, np.float32) for k, v in given.items()
    }
    index = detections.metadata.get("frame_index", 0) if frame_index is None else frame_index
    return FrameMasks(index, tuple(ids), mask, presence=scores["presence"], iou=scores["iou"])
