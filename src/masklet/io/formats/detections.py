"""`supervision.Detections`, the values that the supervision library draws, counts and filters: one for each frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from masklet.errors import FormatError, needs
from masklet.masks.boxes import boxes_of_masks
from masklet.types import FrameMasks, ObjectId

if TYPE_CHECKING:
    from supervision import Detections

_FACTS = ("presence", "iou")


def to_detections(masks: FrameMasks, *, names: Mapping[ObjectId, str] | None = None) -> Detections:
    """The masks of one frame for supervision: ``tracker_id`` is the object, ``confidence`` the predicted IoU.

    Class names are the objects' names; presence, predicted IoU and the frame's index go along in ``data`` and
    ``metadata``. Objects that are absent stay, with an empty mask and a box of no size.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    with needs("supervision", "supervision.Detections"):
        from supervision import Detections  # noqa: PLC0415
    told = [(names or {}).get(i, "") or f"object {i}" for i in masks.object_ids]
    classes = {name: number for number, name in enumerate(dict.fromkeys(told))}
    return Detections(
        xyxy=boxes_of_masks(masks.masks),
        mask=masks.masks,
        confidence=masks.iou.astype(np.float32),
        class_id=np.array([classes[name] for name in told], int),
        tracker_id=np.array(masks.object_ids, int),
        data={"class_name": np.array(told, dtype=np.str_), "presence": masks.presence, "iou": masks.iou},
        metadata={"frame_index": masks.frame_index},
    )


def from_detections(detections: Detections, *, frame_index: int | None = None) -> FrameMasks:
    """The masks in detections; without trackers, objects are counted from 1.

    Raises:
        FormatError: they have no masks.
    """
    count = len(detections)
    if detections.mask is None:
        raise FormatError("expected detections with masks, got boxes alone")
    shape = np.asarray(detections.mask).shape
    mask = np.asarray(detections.mask, bool).reshape(count, *(shape[1:] if len(shape) == 3 else (1, 1)))
    ids = range(1, count + 1) if detections.tracker_id is None else detections.tracker_id.tolist()
    told: dict[str, Any] = {"iou": detections.confidence, **{k: detections.data.get(k) for k in _FACTS}}
    scores = {
        k: np.full(count, np.nan, np.float32) if v is None else np.asarray(v, np.float32) for k, v in told.items()
    }
    index = detections.metadata.get("frame_index", 0) if frame_index is None else frame_index
    return FrameMasks(index, tuple(ids), mask, presence=scores["presence"], iou=scores["iou"])
