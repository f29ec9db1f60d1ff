"""One object's record: how prompts add up, and what a correction makes doubtful."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from masklet.errors import PromptError
from masklet.predict.track import Result, Track
from masklet.tracking.memory import MemoryEntry
from masklet.types import Prompts, Rle

ENTRY = MemoryEntry(None, torch.zeros(1, 3), 1.0, 0.5)
MASK = Prompts.from_mask(np.eye(3, dtype=bool))


def tracked() -> Track:
    """Prompted on frame 5, tracked to 9 and back to 2."""
    track = Track(prompts={5: Prompts.click(1, 1)})
    track.bank.put(5, ENTRY, prompted=True)
    for index in (6, 7, 8, 9, 4, 3, 2):
        track.bank.put(index, ENTRY, prompted=False)
        track.visited[index] = index < 5
    return track


@pytest.mark.parametrize(
    ("frame_index", "left"),
    [(5, set()), (7, {6, 7}), (3, {3, 4}), (9, {6, 7, 8, 9}), (0, {2, 3, 4})],
)
def test_what_came_out_of_a_corrected_frame_is_forgotten(frame_index: int, left: set[int]) -> None:
    """A pass back over frames 4 to 2 recalled what the pass forward had left on 6 to 9."""
    track = tracked()
    track.doubt(frame_index)
    assert set(track.bank.recent) == left
    assert set(track.bank.prompted) == {5}


@pytest.mark.parametrize(
    ("before", "added", "points", "labels", "box", "mask"),
    [
        (None, Prompts.click(2, 3), [[2, 3]], [1], None, False),
        (Prompts.click(1, 1), Prompts.click(2, 3, positive=False), [[1, 1], [2, 3]], [1, 0], None, False),
        (Prompts.click(1, 1), Prompts.from_box(0, 0, 2, 2), [[1, 1]], [1], [0, 0, 2, 2], False),
        (Prompts.from_box(0, 0, 2, 2), Prompts.click(1, 1), [[1, 1]], [1], [0, 0, 2, 2], False),
        (Prompts.from_box(0, 0, 2, 2), Prompts.from_box(1, 1, 3, 3), [], [], [1, 1, 3, 3], False),
        (Prompts.click(1, 1), MASK, [], [], None, True),
        (MASK, Prompts.click(1, 1), [[1, 1]], [1], None, False),
    ],
)
def test_prompts_of_one_frame_add_up(
    before: Prompts | None,
    added: Prompts,
    points: list[list[int]],
    labels: list[int],
    box: list[int] | None,
    mask: bool,
) -> None:
    merged = Track(prompts={} if before is None else {4: before}).merged(4, added)
    assert merged.points.tolist() == points
    assert merged.labels.tolist() == labels
    assert (None if merged.box is None else merged.box.tolist()) == box
    assert (merged.mask is not None) is mask


def test_other_frames_do_not_count() -> None:
    assert Track(prompts={3: MASK}).merged(4, Prompts.click(1, 1)).points.tolist() == [[1, 1]]


def test_unprompt() -> None:
    track = tracked()
    track.results[5] = Result(Rle.from_mask(np.eye(3, dtype=bool)), 1.0, 0.9)
    with pytest.raises(PromptError, match=r"frame 6 has no prompts to clear \(prompted frames: 5\)"):
        track.unprompt(6)
    track.unprompt(5)
    assert (track.prompts, track.results, len(track.bank)) == ({}, {}, 0)
    assert 5 not in track.visited


def test_masklet_is_sorted_and_whole() -> None:
    track = tracked()
    for index in (7, 5, 6):
        track.results[index] = Result(Rle.from_mask(np.eye(3, dtype=bool)), index / 10, index / 20)
    track.name = "cup"
    kept = track.masklet(3, (3, 3), "nano")
    assert list(kept.frames) == [5, 6, 7]
    assert kept.presence == {5: 0.5, 6: 0.6, 7: 0.7}
    assert kept.iou == {5: 0.25, 6: 0.3, 7: 0.35}
    assert (kept.object_id, kept.name, kept.model, kept.prompted, kept.source) == (3, "cup", "nano", (5,), "assisted")
