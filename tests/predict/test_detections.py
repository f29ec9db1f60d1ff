"""What a detector found: what fits together, what is refused, and the prompts it makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from masklet.errors import PromptError
from masklet.predict.detections import Detections

SIZE = (96, 128)


def test_detections() -> None:
    mask = np.zeros((2, *SIZE), bool)
    mask[0, 10:20, 30:50] = True
    made = Detections(masks=mask)
    assert made.boxes is not None
    np.testing.assert_array_equal(made.boxes, [[30, 10, 50, 20], [0, 0, 0, 0]])
    asked = made.prompts(0, SIZE)
    assert asked is not None
    np.testing.assert_array_equal(asked.mask, mask[0])
    assert made.prompts(1, SIZE) is None
    cut = Detections(np.array([(-5, -5, 300, 20)], np.float32)).prompts(0, SIZE)
    assert cut is not None
    np.testing.assert_array_equal(cut.box, [0, 0, 128, 20])
    assert Detections(np.array([(200, 0, 300, 20)], np.float32)).prompts(0, SIZE) is None
    assert len(Detections()) == 0


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize("nothing", [[], np.zeros((0, *SIZE), bool), np.zeros((0, 0, 0), bool)])
def test_a_detector_that_found_nothing(nothing: Any) -> None:
    found = Detections(masks=nothing)
    assert len(found) == 0
    assert found.boxes is not None
    assert found.boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Detections(np.zeros((2, 4)), scores=np.ones(3)),
            "as many boxes as scores, labels and masks, got 2, 3, 2",
        ),
        (lambda: Detections(np.zeros((1, 4)), labels=()), "got 1, 1, 0"),
        (lambda: Detections(np.full((1, 4), np.nan)), "4 finite numbers"),
        (lambda: Detections(np.zeros((2, 3))), "4 finite numbers"),
        (lambda: Detections("left"), "boxes must be numbers, got 'left'"),  # type: ignore[arg-type]
        (lambda: Detections(np.zeros((1, 4)), scores=np.array([np.nan])), "a finite score for each detection"),
        (lambda: Detections(np.zeros((1, 4)), scores=np.float32(1)), "a finite score for each detection, got 1.0"),  # type: ignore[arg-type]
        (lambda: Detections(masks=np.ones((4, 5), bool)), r"masks of shape \(n, height, width\), got \(4, 5\)"),
        (lambda: Detections(masks=[np.ones((4, 5), bool), np.ones((4, 6), bool)]), "masks of one size"),  # type: ignore[arg-type]
    ],
)
@pytest.mark.usefixtures("untyped_caller")
def test_refused_detections(make: Callable[[], Detections], message: str) -> None:
    with pytest.raises(PromptError, match=message):
        make()
