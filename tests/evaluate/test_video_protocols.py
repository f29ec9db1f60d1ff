"""Semi-supervised and interactive protocols, with an oracle that returns prepared masks, and with a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.evaluate.conftest import SIZE

from masklet import MemoryPolicy
from masklet.evaluate import video_protocols
from masklet.evaluate.protocols import Interactive, SemiSupervised, protocol_named
from masklet.evaluate.scoring import SequenceScorer, no_masks
from masklet.evaluate.video_protocols import correct_video, first_masks, open_session, track
from masklet.io.datasets import VideoDataset
from masklet.model.sam2 import Sam2
from masklet.predict.propagation import Direction
from masklet.predict.session import VideoSession
from masklet.types import FrameMasks, ObjectId, Prompts


@pytest.mark.parametrize("name", ["mask", "box", "1-click", "3-click"])
def test_objects_start_on_their_first_frames(davis: VideoDataset, small: Sam2, name: str) -> None:
    protocol = protocol_named(name)
    assert isinstance(protocol, SemiSupervised)
    frames = list(track(small, davis["two"], protocol, non_overlap=False))
    assert {masks.frame_index: masks.object_ids for masks in frames} == {
        0: (1,), 1: (1,), 2: (1, 2), 3: (1, 2), 4: (1, 2), 5: (1, 2)
    }  # fmt: skip


def test_a_mask_prompt_is_the_mask_of_its_frame(davis: VideoDataset, small: Sam2) -> None:
    frames = list(track(small, davis["two"], SemiSupervised(), non_overlap=False))
    for index, object_id in ((0, 1), (2, 2)):
        assert np.array_equal(frames[index][object_id], davis["two"].truth(index)[object_id])


def test_one_click_in_a_stream_is_one_click_in_a_session(davis: VideoDataset, small: Sam2) -> None:
    starts = first_masks(davis["two"])
    protocol = SemiSupervised(prompt="click")
    with davis["two"].open() as video:
        streamed = list(video_protocols._track_stream(small, video, starts, protocol))
        clicked = list(video_protocols._track_session(small, video, starts, protocol))
    for one, other in zip(streamed, clicked, strict=True):
        assert one.object_ids == other.object_ids
        assert np.array_equal(one.masks, other.masks)


def test_several_clicks_each_correct_the_mask_before(davis: VideoDataset, small: Sam2) -> None:
    results = {
        clicks: list(track(small, davis["one"], SemiSupervised(prompt="click", clicks=clicks), non_overlap=False))
        for clicks in (1, 2, 3)
    }
    again = list(track(small, davis["one"], SemiSupervised(prompt="click", clicks=3), non_overlap=False))
    assert not np.array_equal(results[1][0].masks, results[3][0].masks)
    assert all(np.array_equal(a.masks, b.masks) for a, b in zip(results[3], again, strict=True))


def test_overlap_is_resolved_if_the_truth_cannot_overlap(davis: VideoDataset, small: Sam2) -> None:
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
    predicted_iou: Mapping[str, np.ndarray] = {
        name: np.stack([m.iou for m in track(small, davis["three"], p, non_overlap=False)])
        for name, p in (("long", protocol), ("short", short))
    }
    assert not np.allclose(predicted_iou["long"], predicted_iou["short"])


class Oracle(VideoSession):
    """A session whose masks are the truth on corrected frames, and the truth shifted by prepared offsets on others."""

    def __init__(self, dataset: VideoDataset, name: str, offsets: Mapping[int, int]) -> None:
        self.sequence = dataset[name]
        self.offsets = dict(offsets)
        self.prompted: dict[int, list[tuple[int, int, int]]] = {}
        self.runs: list[tuple[int | None, list[int]]] = []

    def masks(self, frame_index: int) -> FrameMasks:
        if not self.runs and frame_index not in self.prompted:
            return no_masks(frame_index, SIZE)
        truth = self.sequence.truth(frame_index)[1]
        offset = 0 if frame_index in self.prompted else self.offsets.get(frame_index, 0)
        one = np.ones(1, np.float32)
        return FrameMasks(frame_index, (1,), np.roll(truth, offset, axis=1)[None], presence=one, iou=one)

    def prompt_objects(self, frame_index: int, prompts: Mapping[ObjectId, Prompts], **_: Any) -> FrameMasks:
        x, y = prompts[1].points[0].astype(int).tolist()
        self.prompted.setdefault(frame_index, []).append((x, y, int(prompts[1].labels[0])))
        return self.masks(frame_index)

    def propagate(
        self, direction: Direction = "forward", *, start: int | None = None, **_: Any
    ) -> Iterator[FrameMasks]:
        assert direction == "forward"
        frames = list(range(start or 0, self.sequence.num_frames))
        self.runs.append((start, frames))
        return (self.masks(i) for i in frames)


OFFSETS = {1: 1, 2: 4, 3: 2, 4: 5, 5: 1}
"""IoU of a square of 10 that is off by k pixels: (10 - k) / (10 + k); below 0.75 from 2 pixels on."""


def test_offline_takes_the_worst_frame_next(davis: VideoDataset) -> None:
    oracle = Oracle(davis, "one", OFFSETS)
    protocol = Interactive(max_frames=4)
    rounds = list(correct_video(oracle, SequenceScorer(davis["one"], "sav"), 1, protocol))
    assert [r.frame_index for r in rounds] == [0, 4, 2, 3]
    assert [start for start, _ in oracle.runs] == [None] * 4
    assert [len(frames) for _, frames in oracle.runs] == [6] * 4
    # the square of frame 0 spans columns 8 to 17, rows 16 to 25: on ties the first pixel
    assert oracle.prompted[0] == [(12, 20, 1)]
    # frame 4: off by 5 to the right; missing and surplus are 5 wide and equally deep, the missing part comes first
    assert oracle.prompted[4] == [(14, 18, 1)]
    # a round of frame and one click: 6 frames to examine (0.6 s), 1 s to find it, 1.5 s for the click
    assert [r.seconds for r in rounds] == pytest.approx([3.1, 6.2, 9.3, 12.4])
    assert [len(r.clicks) for r in rounds] == [1, 1, 1, 1]
    # frames 1 to 4 count; off by k, J is (10 - k) / (10 + k)
    expected = np.mean([9 / 11, 6 / 14, 8 / 12, 5 / 15]), np.mean([9 / 11, 6 / 14, 8 / 12, 1])
    assert [r.j for r in rounds[:2]] == pytest.approx(expected)


def test_offline_ends_when_all_frames_are_perfect(davis: VideoDataset) -> None:
    oracle = Oracle(davis, "one", {3: 2})
    rounds = list(correct_video(oracle, SequenceScorer(davis["one"], "sav"), 1, Interactive()))
    assert [(r.frame_index, r.j) for r in rounds] == [(0, pytest.approx((3 + 8 / 12) / 4)), (3, 1)]


def test_online_pauses_in_order_and_only_runs_on(davis: VideoDataset) -> None:
    oracle = Oracle(davis, "one", OFFSETS)
    protocol = Interactive(mode="online")
    rounds = list(correct_video(oracle, SequenceScorer(davis["one"], "sav"), 1, protocol))
    assert [r.frame_index for r in rounds] == [0, 2, 3, 4]  # frames 1 and 5 have an IoU of 9/11
    assert [start for start, _ in oracle.runs] == [0, 2, 3, 4]
    assert [r.tracked for r in rounds] == [6, 4, 3, 2]
    assert [r.seconds for r in rounds] == pytest.approx([3.1, 5.6, 8.1, 10.6])  # the video is examined once
    assert rounds[-1].j == pytest.approx((9 / 11 + 3) / 4)


def test_online_never_goes_back_and_stops_at_the_limit(davis: VideoDataset) -> None:
    oracle = Oracle(davis, "one", OFFSETS)
    rounds = list(
        correct_video(oracle, SequenceScorer(davis["one"], "sav"), 1, Interactive(mode="online", max_frames=2))
    )
    assert [r.frame_index for r in rounds] == [0, 2]


@pytest.mark.parametrize("mode", ["offline", "online"])
def test_corrections_of_a_model_are_deterministic(davis: VideoDataset, small: Sam2, mode: str) -> None:
    protocol = Interactive(
        mode="offline" if mode == "offline" else "online", max_frames=3, clicks=2, pause_below=1.0
    )  # no mask is good enough
    runs = []
    for _ in range(2):
        sequence = davis["three"]
        with sequence.open() as video:
            session = open_session(small, video, protocol)
            assert session.policy.look_ahead == (mode == "offline")
            runs.append(list(correct_video(session, SequenceScorer(sequence, "sav"), 1, protocol)))
    assert runs[0] == runs[1]
    assert len(runs[0]) == 3
    frames = [r.frame_index for r in runs[0]]
    assert frames[0] == 0
    assert len(set(frames)) == 3
    if mode == "online":
        assert frames == sorted(frames)


def test_online_equals_a_run_that_pauses(davis: VideoDataset, small: Sam2) -> None:
    """The masks after the second pause are those of an annotator who stops there in a single run."""
    protocol = Interactive(mode="online", max_frames=2, clicks=1)
    sequence = davis["three"]
    with sequence.open() as video:
        session = open_session(small, video, protocol)
        rounds = list(correct_video(session, SequenceScorer(sequence, "sav"), 1, protocol))
        single = open_session(small, video, protocol)
        ends = [*(r.frame_index + 1 for r in rounds[1:]), len(video)]
        for done, end in zip(rounds, ends, strict=True):
            for x, y, positive in done.clicks:
                single.prompt(done.frame_index, object_id=1, prompts=Prompts.click(x, y, positive=positive))
            list(single.propagate(start=done.frame_index, end=end))
        for index in range(len(video)):
            given, expected = session.masks(index)[1], single.masks(index)[1]
            union = (given | expected).sum()
            assert not union or (given & expected).sum() / union >= 0.999
