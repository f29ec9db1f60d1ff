"""Overlay videos, read back: number, size, times, colors."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from masklet.errors import OutputError
from masklet.io import ArrayVideo, OverlayWriter, VideoFile, draw_overlay, open_video

VARIABLE = [0, 1, 2, 5, 6, 10, 11, 12, 20, 21, 22, 23, 40, 41]


def _copy(source: Any, target: Path, masks_at: Any, frames: Any = None, **options: Any) -> None:
    with OverlayWriter(target, like=source, **options) as writer:
        for index in frames or range(len(source)):
            writer.write(source[index], masks_at(index, source.size))


@pytest.mark.parametrize(
    ("name", "codec"), [("o.mp4", "h264"), ("o.MOV", "h264"), ("o.mkv", "h264"), ("o.webm", "vp9")]
)
@pytest.mark.parametrize("pts", [range(14), VARIABLE], ids=["constant", "variable"])
def test_what_is_written_reads_back_in_number_size_and_time(
    clips: Any, masks_at: Any, tmp_path: Path, name: str, codec: str, pts: Any
) -> None:
    tolerance = 6e-4 if name.endswith(("mkv", "webm")) else 0.0  # Matroska counts milliseconds
    with VideoFile(clips.write(pts=pts)) as source:
        _copy(source, tmp_path / name, masks_at)
        with open_video(tmp_path / name) as written, av.open(str(tmp_path / name)) as container:
            assert container.streams.video[0].codec_context.name == codec
            assert [clips.ordinal_of(frame) for frame in written] == list(range(len(pts)))
            assert written.size == source.size
            np.testing.assert_allclose(written.timestamps, source.timestamps, rtol=0, atol=tolerance)  # seconds
            expected = draw_overlay(source[5], masks_at(5)).astype(int)
            assert np.abs(written[5] - expected).mean() < 10

    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(["clip.mp4", name])


def test_a_stretch_starts_at_zero_and_keeps_its_steps(clips: Any, masks_at: Any, tmp_path: Path) -> None:
    with VideoFile(clips.write(pts=[30 + n for n in VARIABLE])) as source:
        _copy(source, tmp_path / "o.mp4", masks_at, frames=[4, 5, 8, 12])
        with open_video(tmp_path / "o.mp4") as written:
            assert [round(time * 25) for time in written.timestamps] == [0, 4, 14, 34]


def test_a_given_rate_replaces_the_times(clips: Any, masks_at: Any, tmp_path: Path) -> None:
    with VideoFile(clips.write(pts=VARIABLE)) as source:
        _copy(source, tmp_path / "o.mp4", masks_at, fps=30000 / 1001)
        with open_video(tmp_path / "o.mp4") as written:
            assert written.fps == pytest.approx(30000 / 1001)
            np.testing.assert_allclose(np.diff(written.timestamps), 1001 / 30000, atol=1e-4)


def test_frames_without_a_clock_get_the_default_rate(masks_at: Any, clips: Any, tmp_path: Path) -> None:
    source = ArrayVideo([clips.numbered(n) for n in range(5)])
    _copy(source, tmp_path / "o.mp4", masks_at)

    with open_video(tmp_path / "o.mp4") as written:
        assert written.fps == 25


@pytest.mark.parametrize("size", [(97, 131), (96, 131), (97, 128)])
def test_odd_sizes_keep_the_whole_image(masks_at: Any, clips: Any, tmp_path: Path, size: tuple[int, int]) -> None:
    frames = [clips.numbered(n, *size) for n in range(4)]
    _copy(ArrayVideo(frames), tmp_path / "o.mp4", masks_at)

    with open_video(tmp_path / "o.mp4") as written:
        height, width = size
        assert written.size == (height + height % 2, width + width % 2)
        expected = draw_overlay(frames[2], masks_at(2, size)).astype(int)
        assert np.abs(written[2][:height, :width] - expected).mean() < 10


def test_colors_are_tagged_and_come_back(masks_at: Any, tmp_path: Path) -> None:
    frame = np.full((96, 128, 3), (30, 200, 90), np.uint8)
    _copy(ArrayVideo([frame] * 3), tmp_path / "o.mp4", lambda index, size: masks_at(index, size, ids=()))

    with open_video(tmp_path / "o.mp4") as written, av.open(str(tmp_path / "o.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_range, context.color_primaries, context.color_trc) == (1, 1, 1, 1)
        assert np.abs(written[1].astype(int) - frame).max() <= 4


@pytest.mark.parametrize(("order", "message"), [([3, 3], "frame 3"), ([3, 2], "frame 2")])
def test_frames_must_come_in_order(clips: Any, masks_at: Any, tmp_path: Path, order: list[int], message: str) -> None:
    with VideoFile(clips.write()) as source, pytest.raises(OutputError, match=message):
        _copy(source, tmp_path / "o.mp4", masks_at, frames=order)

    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_size_that_changes_is_refused(masks_at: Any, clips: Any, tmp_path: Path) -> None:
    with OverlayWriter(tmp_path / "o.mp4") as writer:
        writer.write(clips.numbered(0), masks_at(0))
        with pytest.raises(OutputError, match=r"128x96 .*64x48"):
            writer.write(clips.numbered(1, 48, 64), masks_at(1, (48, 64)))

    assert list(tmp_path.iterdir()) == []


def test_the_source_is_never_overwritten(clips: Any) -> None:
    path = clips.write()
    before = path.read_bytes()
    with VideoFile(path) as source, pytest.raises(OutputError, match=re.escape(str(path))):
        OverlayWriter(path.parent / "." / path.name, like=source)

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_an_overlay_needs_the_image(masks_at: Any, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="7"), OverlayWriter(tmp_path / "o.mp4") as writer:
        writer.write(None, masks_at(7))


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 1001])
def test_a_rate_that_cannot_be_is_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(OutputError):
        OverlayWriter(tmp_path / "o.mp4", fps=float(fps))

    assert list(tmp_path.iterdir()) == []


def test_the_time_base_of_the_source_is_kept(clips: Any, masks_at: Any, tmp_path: Path) -> None:
    path = clips.write(pts=[0, 1001, 2002, 4004], time_base=Fraction(1, 30000))
    with VideoFile(path) as source:
        _copy(source, tmp_path / "o.mp4", masks_at)
        with VideoFile(tmp_path / "o.mp4") as written:
            times = [pts * written.time_base for pts in written.pts]

    assert times == [Fraction(n, 30000) for n in (0, 1001, 2002, 4004)]
