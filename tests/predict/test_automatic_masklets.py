"""Automatic masklets: new objects on key frames, and one masklet for each object."""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import UInt8

from masklet.io import ArrayVideo
from masklet.model.sam2 import Sam2
from masklet.predict.automatic_masklets import (
    EverythingSettings,
    agreement,
    merge_same,
    overlap,
    track_everything,
    visible,
)
from masklet.predict.automatic_masks import AutomaticSettings, Layer
from masklet.types import Masklet, Rle

ANYTHING = AutomaticSettings(layers=(Layer(points=3),), min_iou=0.0, min_stability=0.0, max_share=1.0)


def block(left: int, width: int = 4) -> Rle:
    mask = np.zeros((8, 20), bool)
    mask[2:6, left : left + width] = True
    return Rle.from_mask(mask)


def masklet(object_id: int, frames: dict[int, Rle]) -> Masklet:
    scores = dict.fromkeys(frames, 0.9 - 0.1 * object_id)
    return Masklet(object_id, (8, 20), frames, presence=dict(scores), iou=dict(scores))


NOTHING = Rle.from_mask(np.zeros((8, 20), bool))


def test_overlap_is_the_iou_of_every_pair() -> None:
    assert overlap([block(0), block(2)], [block(0), block(10)]).tolist() == [[1, 0], [pytest.approx(1 / 3), 0]]
    assert overlap([], [block(0)]).shape == (0, 1)
    assert overlap([block(0)], []).shape == (1, 0)


def test_agreement_counts_frames_on_which_both_are_seen() -> None:
    one = masklet(1, {0: block(0), 1: block(0), 2: NOTHING})
    other = masklet(2, {1: block(2), 2: block(0), 3: block(0)})
    assert visible(one) == {0, 1}
    assert agreement(one, other) == pytest.approx(1 / 3)
    assert agreement(one, masklet(3, {5: block(0)})) == 0


def test_masklets_of_one_object_are_merged() -> None:
    older = masklet(1, {0: block(0), 1: block(1), 2: NOTHING, 3: NOTHING})
    again = masklet(2, {1: block(1), 2: block(2), 3: block(3)})
    stranger = masklet(3, {0: block(12), 1: block(12)})
    merged = merge_same({1: older, 2: again, 3: stranger}, 0.5)
    assert list(merged) == [1, 3]
    assert [merged[1].frames[i] == block(i) for i in range(4)] == [True] * 4
    assert merged[1].iou[0] == older.iou[0]
    assert merged[1].iou[3] == again.iou[3]
    assert merged[3] is stranger


def test_masklets_of_a_video(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    progress: list[tuple[str, int, int]] = []
    settings = EverythingSettings(every=4, max_objects=5, min_area=0.0, min_frames=1)
    found = track_everything(
        tiny, ArrayVideo(clip[:9]), settings, proposals=ANYTHING, progress=lambda *step: progress.append(step)
    )
    assert 1 <= len(found) <= 5
    for object_id, one in found.items():
        assert one.object_id == object_id
        assert one.source == "automatic"
        assert one.size == clip.shape[1:3]
        assert len(visible(one)) >= 1
        assert one.frames.keys() == one.presence.keys() == one.iou.keys()
    assert ("forward", 9, 9) in progress
    pairs = [(a, b) for a in found for b in found if a < b]
    assert all(agreement(found[a], found[b]) <= settings.same for a, b in pairs)


def test_max_objects_and_min_area(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    video = ArrayVideo(clip[:3])
    one = track_everything(tiny, video, EverythingSettings(max_objects=1, min_area=0.0), proposals=ANYTHING)
    assert len(one) <= 1
    assert track_everything(tiny, video, EverythingSettings(min_area=1.1), proposals=ANYTHING) == {}


def test_cancel(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    calls: list[bool] = []

    def cancel() -> bool:
        calls.append(True)
        return len(calls) > 3

    settings = EverythingSettings(min_area=0.0, min_frames=1)
    found = track_everything(tiny, ArrayVideo(clip[:9]), settings, proposals=ANYTHING, cancel=cancel)
    assert max((max(one.frames) for one in found.values()), default=0) < 8


def test_invalid_settings() -> None:
    with pytest.raises(ValueError, match=r"every.*0"):
        EverythingSettings(every=0)
