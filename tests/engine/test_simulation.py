"""Simulated phases: what is edited, what is clicked, when the brush is taken; the truth is what comes out."""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import UInt8

from masklet.engine.simulation import PhaseNumber, SimulationSettings, annotate
from masklet.errors import FormatError
from masklet.io import ArrayVideo
from masklet.masks.rle import pair_iou
from masklet.model.sam2 import Sam2
from masklet.types import Rle

FRAMES = 9


def square(index: int) -> Rle:
    """The red square of the clip."""
    mask = np.zeros((48, 72), bool)
    left, top = 8 + index, 8 + index // 2
    mask[top : top + 14, left : left + 14] = True
    return Rle.from_mask(mask)


NOTHING = Rle.from_mask(np.zeros((48, 72), bool))


@pytest.mark.parametrize("phase", ["1", "2", "3"])
def test_every_frame_that_is_looked_at_is_good_in_the_end(
    tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"], phase: PhaseNumber
) -> None:
    truth = {index: square(index) for index in range(FRAMES)}
    settings = SimulationSettings(target_iou=0.9, max_clicks=2, every=4)
    effort = annotate(phase, tiny, ArrayVideo(clip[:FRAMES]), truth, settings)
    assert list(effort.masks) == [0, 4, 8]
    assert all(pair_iou(effort.masks[index], truth[index]) >= 0.9 for index in effort.masks)
    assert set(effort.clicks) | effort.brushed <= effort.edited <= set(effort.masks)
    assert all(1 <= clicks <= 2 for clicks in effort.clicks.values())
    assert 0 in effort.edited
    assert all(effort.masks[index] == truth[index] for index in effort.brushed)  # the random model needs the brush
    assert effort.brushed


def test_phase_1_edits_every_frame(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    truth = {index: square(index) for index in range(5)}
    effort = annotate("1", tiny, ArrayVideo(clip[:5]), truth, SimulationSettings(every=2, max_clicks=1))
    assert effort.edited == {0, 2, 4}


@pytest.mark.parametrize("phase", ["2", "3"])
def test_tracking_that_is_good_enough_is_left_alone(
    tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"], phase: PhaseNumber
) -> None:
    truth = {index: square(index) for index in range(5)}
    effort = annotate(
        phase, tiny, ArrayVideo(clip[:5]), truth, SimulationSettings(target_iou=1e-9, every=1, max_clicks=3)
    )
    assert effort.edited == {0} | {index for index in effort.edited if index in effort.brushed or effort.clicks[index]}
    assert len(effort.masks) == 5


@pytest.mark.parametrize("phase", ["1", "2", "3"])
def test_an_object_that_comes_late_and_leaves(
    tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"], phase: PhaseNumber
) -> None:
    truth = {index: square(index) if 1 <= index < 4 else NOTHING for index in range(6)}
    effort = annotate(phase, tiny, ArrayVideo(clip[:6]), truth, SimulationSettings(every=1, max_clicks=1))
    assert list(effort.masks) == [1, 2, 3, 4, 5]
    assert not effort.masks[4].area
    assert not effort.masks[5].area
    assert 4 not in effort.clicks  # there is nothing to click on


def test_what_cannot_be_annotated_is_refused(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    with pytest.raises(FormatError):
        annotate("1", tiny, ArrayVideo(clip[:2]), {0: NOTHING})
    with pytest.raises(FormatError, match=r"0\.0"):
        SimulationSettings(target_iou=0.0)
