"""Wrong types and shapes fail in tests, also after right ones were checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from masklet.masks.boxes import box_iou
from masklet.types import FrameMasks

BOXES = np.zeros((2, 4), np.float32)


@pytest.mark.parametrize("wrong", [BOXES.astype(np.float64), BOXES[:, :3], BOXES[0], BOXES.tolist(), None])
def test_arguments(wrong: Any) -> None:
    for _ in range(3):
        box_iou(BOXES, BOXES)
        with pytest.raises(TypeCheckError):
            box_iou(BOXES, wrong)


@pytest.mark.parametrize(("presence", "iou"), [(1, 2), (2, 1), (0, 0)])
def test_fields_of_dataclasses(presence: int, iou: int) -> None:
    masks, ones = np.ones((2, 4, 5), bool), np.ones(2, np.float32)
    for _ in range(3):
        assert len(FrameMasks(0, (1, 2), masks, ones, ones)) == 2
        with pytest.raises(TypeCheckError):
            FrameMasks(0, (1, 2), masks, ones[:presence], ones[:iou])
