"""Prompt once, track to the end: what is prompted when, and that both ways of tracking agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from masklet import MemoryPolicy
from masklet.evaluate import semi_supervised
from masklet.evaluate.protocols import SemiSupervised, protocol_named
from masklet.evaluate.semi_supervised import first_masks, track
from masklet.io.datasets import VideoDataset
from masklet.model.sam2 import Sam2


@pytest.mark.parametrize("name", ["mask", "box", "1-click", "3-click"])
def test_objects_begin_on_their_first_frames(davis: VideoDataset, small: Sam2, name: str) -> None:
    protocol = protocol_named(name)
    assert isinstance(protocol, SemiSupervised)
    frames = list(track(small, davis["two"], protocol, non_overlap=False))
    assert {masks.frame_index: masks.object_ids for masks in frames} == {
        0: (1,), 1: (1,), 2: (1, 2), 3: (1, 2), 4: (1, 2), 5: (1, 2)
    }  # fmt: skip


def test_a_true_mask_is_kept_on_its_frame(davis: VideoDataset, small: Sam2) -> None:
    frames = list(track(small, davis["two"], SemiSupervised(), non_overlap=False))
    for index, object_id in ((0, 1), (2, 2)):
        assert np.array_equal(frames[index][object_id], davis["two"].truth(index)[object_id])


def test_one_click_in_a_stream_is_one_click_in_a_session(davis: VideoDataset, small: Sam2) -> None:
    starts = first_masks(davis["two"])
    protocol = SemiSupervised(prompt="click")
    with davis["two"].open() as video:
        streamed = list(semi_supervised._streamed(small, video, starts, protocol))
        clicked = list(semi_supervised._clicked(small, video, starts, protocol))
    for one, other in zip(streamed, clicked, strict=True):
        assert one.object_ids == other.object_ids
        assert np.array_equal(one.masks, other.masks)


def test_several_clicks_each_correct_the_answer_before(davis: VideoDataset, small: Sam2) -> None:
    results = {
        clicks: list(track(small, davis["one"], SemiSupervised(prompt="click", clicks=clicks), non_overlap=False))
        for clicks in (1, 2, 3)
    }
    again = list(track(small, davis["one"], SemiSupervised(prompt="click", clicks=3), non_overlap=False))
    assert not np.array_equal(results[1][0].masks, results[3][0].masks)
    assert all(np.array_equal(a.masks, b.masks) for a, b in zip(results[3], again, strict=True))


def test_overlap_is_resolved_where_the_truth_cannot_overlap(davis: VideoDataset, small: Sam2) -> None:
    free = list(track(small, davis["two"], SemiSupervised(prompt="click"), non_overlap=False))
    resolved = list(track(small, davis["two"], SemiSupervised(prompt="click"), non_overlap=True))
    assert any((masks.masks.sum(axis=0) > 1).any() for masks in free)
    assert not any((masks.masks.sum(axis=0) > 1).any() for masks in resolved)


def test_first_masks_are_by_frame(davis: VideoDataset) -> None:
    starts = first_masks(davis["two"])
    assert {frame: sorted(masks) for frame, masks in starts.items()} == {0: [1], 2: [2]}
    assert starts[2][2].sum() == 100


def test_the_memory_policy_is_used(davis: VideoDataset, small: Sam2) -> None:
    protocol = SemiSupervised(prompt="click")
    short = replace(protocol, memory=MemoryPolicy(memory_frames=1, max_pointers=1))
    believed: Mapping[str, np.ndarray] = {
        name: np.stack([m.iou for m in track(small, davis["three"], p, non_overlap=False)])
        for name, p in (("long", protocol), ("short", short))
    }
    assert not np.allclose(believed["long"], believed["short"])
