"""Tracking one video: the order of prompts and passes, and agreement with the library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import masklet
from masklet import Prompts
from masklet.cli.job import Lazy, Span, Step, plan, post_process, prepare, track
from masklet.cli.options import MaskOptions, ModelOptions
from masklet.cli.progress import Interrupt
from masklet.cli.prompts import parse_all
from masklet.io import RleWriter, read_rle
from masklet.predict.propagation import Direction

ASKED = Prompts.click(1, 1)


@pytest.mark.parametrize(
    ("marks", "direction", "expected"),
    [
        ({2: [1]}, "forward", [Step(2, "forward", 2, 9)]),
        ({0: [1], 4: [1]}, "forward", [Step(0, "forward", 0, 5), Step(4, "forward", 4, 9)]),
        ({2: [1], 4: [1]}, "reverse", [Step(4, "reverse", 2, 5), Step(2, "reverse", 0, 3)]),
        ({0: [1], 4: [1]}, "both", [Step(0, "forward", 0, 5), Step(4, "forward", 4, 9)]),
        ({2: [1]}, "both", [Step(2, "forward", 2, 9), Step(None, "both", 0, 2)]),
        (
            {2: [1], 4: [1, 2], 6: [1]},
            "both",
            [Step(2, "forward", 2, 5), Step(4, "forward", 4, 7), Step(6, "forward", 6, 9), Step(None, "both", 0, 4)],
        ),
    ],
)
def test_plan(marks: dict[int, list[int]], direction: Direction, expected: list[Step]) -> None:
    prompts = {frame: dict.fromkeys(object_ids, ASKED) for frame, object_ids in marks.items()}
    assert plan(prompts, range(9), direction) == expected


@pytest.fixture(scope="module")
def load() -> Lazy:
    return Lazy(ModelOptions(device="cpu", image_size=64))


def results(video_file: Path, load: Lazy, tmp_path: Path, direction: Direction) -> dict[int, np.ndarray]:
    """Masks of object 1 with a correction on frame 4."""
    book = parse_all(["@1:18,24", "@4:20,20", "@4:60,40,-"], [], [], [])
    with masklet.open_video(video_file) as video, RleWriter(tmp_path / f"{direction}.json", like=video) as sink:
        job = prepare("square", video, book, Span(direction=direction))
        report = track(job, load(), [sink], interrupt=Interrupt(), quiet=True)
    assert report.frames == 8
    return {i: rle.to_mask() for i, rle in read_rle(tmp_path / f"{direction}.json")[1].frames.items()}


def test_streamed_equals_revisited(video_file: Path, load: Lazy, tmp_path: Path) -> None:
    forward = results(video_file, load, tmp_path, "forward")
    both = results(video_file, load, tmp_path, "both")
    assert sorted(both) == list(range(8))
    for index in range(1, 8):
        union = (forward[index] | both[index]).sum()
        assert union == 0 or (forward[index] & both[index]).sum() / union > 0.999
    assert any(forward[index].any() for index in range(1, 8))


def test_interrupted_before_the_first_frame(video_file: Path, load: Lazy, tmp_path: Path) -> None:
    book = parse_all(["18,24"], [], [], [])
    with (
        pytest.raises(KeyboardInterrupt),
        masklet.open_video(video_file) as video,
        RleWriter(tmp_path / "out.json", like=video) as sink,
    ):
        track(prepare("square", video, book, Span()), load(), [sink], interrupt=Interrupt(pressed=True), quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_masks_are_refined_only_where_asked() -> None:
    assert post_process(MaskOptions()) == masklet.PostProcess()
    asked = post_process(MaskOptions(refine=True, fill_holes=3))
    assert asked == masklet.PostProcess(refine=masklet.Refinement(), fill_holes=3)
