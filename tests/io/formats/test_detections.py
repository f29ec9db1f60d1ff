"""Masks as supervision takes and gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from masklet.errors import FormatError
from masklet.io import from_detections, to_detections

supervision = pytest.importorskip("supervision")


@pytest.mark.parametrize("ids", [(), (1,), (3, 9, 4)])
def test_masks_ids_and_scores_come_back(masks_at: Any, ids: tuple[int, ...]) -> None:
    masks = masks_at(5, ids=ids)
    if len(ids) > 1:
        masks.masks[1] = False
    detections = to_detections(masks, names={3: "dog", 4: "dog"})
    back = from_detections(detections)

    assert isinstance(detections, supervision.Detections)
    assert (back.frame_index, back.object_ids) == (5, ids)
    for name in ("masks", "presence", "iou"):
        np.testing.assert_array_equal(getattr(back, name), getattr(masks, name))


def test_what_supervision_sees(masks_at: Any) -> None:
    detections = to_detections(masks_at(0, ids=(3, 9, 4)), names={3: "dog", 4: "dog"})

    assert detections.xyxy[0].tolist() == [5, 5, 35, 25]
    assert detections.class_id is not None
    assert detections.class_id.tolist() == [0, 1, 0]
    assert list(detections.data["class_name"]) == ["dog", "object 9", "dog"]
    assert detections[detections.class_id == 0].tracker_id.tolist() == [3, 4]  # type: ignore[union-attr]


def test_detections_of_others() -> None:
    masks = np.zeros((2, 4, 5), bool)
    masks[1, 2:, :] = True
    back = from_detections(supervision.Detections(xyxy=np.zeros((2, 4)), mask=masks), frame_index=8)

    assert (back.frame_index, back.object_ids) == (8, (1, 2))
    assert np.isnan(back.iou).all()
    with pytest.raises(FormatError):
        from_detections(supervision.Detections(xyxy=np.zeros((2, 4))))
