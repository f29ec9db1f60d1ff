"""Sound that comes along with the images: copied or encoded anew, cut, and in time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from masklet.io import CutoutWriter, OverlayWriter, VideoFile
from masklet.types import FrameMasks

RATE = 48000
CLICKS = (0.4, 1.0, 1.3)  # seconds


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of 10 images a second, with three clicks in silence."""
    path = tmp_path_factory.mktemp("sound") / "noisy.mp4"
    samples = np.zeros((1, 2 * RATE), np.float32)
    for time in CLICKS:
        start = round(time * RATE)
        samples[0, start : start + 600] = np.sin(np.arange(600) * 0.3)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=RATE, layout="mono")
        for index in range(20):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * index, np.uint8))))
        for start in range(0, 2 * RATE, 1024):
            part = np.ascontiguousarray(samples[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            container.mux(sound.encode(frame))
        container.mux(video.encode(None))
        container.mux(sound.encode(None))
    return path


def heard(path: Path) -> tuple[str, list[float], float]:
    """The codec, when clicks begin, and when the sound ends, in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        loud: list[float] = []
        end = 0.0
        for frame in container.decode(stream):
            samples = np.abs(frame.to_ndarray().astype(np.float32)).reshape(-1)
            assert frame.time is not None
            for place in np.flatnonzero(samples > 0.3):
                time = frame.time + place / RATE
                if not loud or time - loud[-1] > 0.1:
                    loud.append(time)
            end = frame.time + frame.samples / RATE
        return stream.codec_context.name, loud, end


def nobody(index: int) -> FrameMasks:
    nothing = np.zeros(0, np.float32)
    return FrameMasks(index, (), np.zeros((0, 48, 64), bool), presence=nothing, iou=nothing)


@pytest.mark.parametrize(("name", "codec"), [("o.mp4", "aac"), ("o.mov", "aac"), ("o.mkv", "aac"), ("o.webm", "opus")])
@pytest.mark.parametrize("frames", [range(20), range(6, 12)], ids=["whole", "part"])
def test_clicks_are_heard_where_they_are_seen(
    noisy: Path, tmp_path: Path, name: str, codec: str, frames: range
) -> None:
    with VideoFile(noisy) as video, OverlayWriter(tmp_path / name, like=video) as writer:
        for index in frames:
            writer.write(video[index], nobody(index))
    start, stop = frames.start / 10, frames.stop / 10
    expected = [time - start for time in CLICKS if start <= time < stop]
    found, clicks, end = heard(tmp_path / name)

    assert found == codec
    assert clicks == pytest.approx(expected, abs=0.005)
    assert end == pytest.approx(stop - start, abs=0.06)


def test_transparent_videos_have_sound_too(noisy: Path, tmp_path: Path) -> None:
    with VideoFile(noisy) as video, CutoutWriter(tmp_path / "o.mov", like=video) as writer:
        for index in range(6):
            writer.write(video[index], nobody(index))

    assert heard(tmp_path / "o.mov")[1] == pytest.approx([0.4], abs=0.005)


@pytest.mark.parametrize("words", [{"audio": False}, {"fps": 30.0}])
def test_silence_on_request_and_where_times_change(noisy: Path, tmp_path: Path, words: dict[str, Any]) -> None:
    with VideoFile(noisy) as video, OverlayWriter(tmp_path / "o.mp4", like=video, **words) as writer:
        for index in range(4):
            writer.write(video[index], nobody(index))
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert not container.streams.audio
