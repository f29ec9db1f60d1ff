"""Stacks as videos: channels, levels, iteration and random access."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from masklet.errors import FrameRangeError, MediaError
from masklet.io import MediaWarning, Percentiles, StackVideo
from masklet.io.stack import Stack
from masklet.types import FrameSource


class Ramp(Stack):
    """Frame f of channel c is a ramp that starts at 100 f + 1000 c."""

    name = "the ramp"
    num_frames = 20
    size = (5, 8)

    def __init__(self, channels: tuple[str, ...] = ("",), *, color: bool = False) -> None:
        self.channels = channels
        self.is_color = color
        self.closed = 0
        self.reads: list[int] = []

    def read(self, frame: int, channels: Sequence[int]) -> np.ndarray:
        self.reads.append(frame)
        ramp = np.arange(40, dtype=np.float32).reshape(5, 8)
        return np.stack([ramp + 100 * frame + 1000 * channel for channel in channels], axis=2)

    def close(self) -> None:
        self.closed += 1


def _video(stack: Ramp, **options: object) -> StackVideo:
    return StackVideo(lambda: stack, path=Path("ramp"), **options)  # type: ignore[arg-type]


def test_frames_in_order_and_at_random_are_the_same() -> None:
    with _video(Ramp(), scale=(0, 2000)) as video:
        frames = list(video)

        assert isinstance(video, FrameSource)
        assert (len(frames), len(video), video.size, video.fps, video.timestamps) == (20, 20, (5, 8), None, ())
        assert frames[3].shape == (5, 8, 3)
        assert frames[3][0, 0].tolist() == [38, 38, 38]  # 300 of 2000
        for index in (7, 0, -1, 7):
            assert np.array_equal(video[index], frames[index])
        with pytest.raises(FrameRangeError, match=r"the ramp.*20"):
            video[20]


def test_one_range_serves_all_frames_and_is_measured_once() -> None:
    stack = Ramp()
    with _video(stack) as video:
        frames = list(video)
        assert sorted(set(stack.reads[:16])) == stack.reads[:16]  # up to 16 frames, evenly spread
        reads = len(stack.reads)
        assert np.array_equal(video[3], frames[3])

        assert len(stack.reads) == reads + 1
        brightness = [float(frame.mean()) for frame in frames]
        assert brightness == sorted(brightness)  # by a range of its own every frame would be equally bright
        assert (frames[0].min(), frames[-1].max()) == (0, 255)


def test_a_rate_gives_times() -> None:
    with _video(Ramp(), fps=4.0) as video:
        assert list(video.timestamps[:3]) == [0.0, 0.25, 0.5]


def test_the_first_of_several_channels_is_shown_with_a_warning() -> None:
    with pytest.warns(MediaWarning, match=r"the ramp.*0 DAPI, 1 GFP"):
        video = _video(Ramp(("DAPI", "GFP")))

    assert video.shown == (0,)


@pytest.mark.parametrize(
    ("channels", "shown"),
    [("GFP", (1,)), (1, (1,)), ("1", (1,)), ([1], (1,)), (["2", "GFP", 0], (2, 1, 0))],
)
def test_channels_by_name_and_number(channels: object, shown: tuple[int, ...]) -> None:
    with _video(Ramp(("DAPI", "GFP", "RFP")), channels=channels, scale=(0, 3000)) as video:
        assert video.shown == shown
        expected = [round(channel * 1000 / 3000 * 255) for channel in (shown * 3 if len(shown) == 1 else shown)]
        assert video[0][0, 0].tolist() == expected


@pytest.mark.parametrize("channels", [2, -1, "RFP", [0, 1], [0, 1, 2]])
def test_channels_that_are_not_there(channels: object) -> None:
    stack = Ramp(("DAPI", "GFP"))
    with pytest.raises(MediaError, match=r"0 DAPI, 1 GFP|got [024]"):
        _video(stack, channels=channels)

    assert stack.closed == 1


def test_colors_are_shown_as_colors() -> None:
    with _video(Ramp(("", "", "", ""), color=True)) as video:
        assert video.shown == (0, 1, 2)


def test_a_scale_that_is_no_range() -> None:
    with pytest.raises(MediaError, match="5 and 5"):
        _video(Ramp(), scale=(5, 5))


def test_percentiles_can_be_given() -> None:
    with _video(Ramp(), scale=Percentiles(0, 50)) as video:
        assert float((video[19] == 255).mean()) == 1


def test_closing_closes_what_iteration_opened() -> None:
    before = {thread.ident for thread in threading.enumerate() if thread.name == "masklet-read-ahead"}
    stack = Ramp()
    with _video(stack) as video:
        next(iter(video))

    assert stack.closed == 2
    assert {thread.ident for thread in threading.enumerate() if thread.name == "masklet-read-ahead"} == before
    with pytest.raises(MediaError, match="closed"):
        video[0]
