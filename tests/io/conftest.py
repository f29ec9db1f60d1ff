"""Synthetic clips whose every frame says its own ordinal, and masks to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from masklet.types import FrameMasks, RgbImage

BITS = 8


def numbered(ordinal: int, height: int = 96, width: int = 128) -> RgbImage:
    """An image with its ordinal as eight black or white bars in the upper half and a moving square below."""
    frame = np.full((height, width, 3), 90, np.uint8)
    for bit in range(BITS):
        frame[: height // 2, bit * width // BITS : (bit + 1) * width // BITS] = 255 * (ordinal >> bit & 1)
    left = ordinal * 3 % (width - 20)
    frame[height // 2 + 8 : height // 2 + 28, left : left + 20] = (220, 60, 30)
    return frame


def ordinal_of(frame: RgbImage) -> int:
    """What `numbered` put in, after any lossy coding."""
    height, width, _ = frame.shape
    bars = frame[4 : height // 2 - 4].mean(axis=(0, 2))
    centers = [(2 * bit + 1) * width // (2 * BITS) for bit in range(BITS)]
    return sum(int(bars[center - 2 : center + 3].mean() > 127) << bit for bit, center in enumerate(centers))


class Clips:
    """Makes clips in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    ordinal_of = staticmethod(ordinal_of)
    numbered = staticmethod(numbered)

    def write(  # one argument for each thing that differs between clips
        self,
        name: str = "clip.mp4",
        *,
        pts: Sequence[int] = range(40),
        codec: str = "libx264",
        size: tuple[int, int] = (96, 128),
        pix_fmt: str = "yuv420p",
        gop: int = 12,
        b_frames: int | None = 2,
        time_base: Fraction = Fraction(1, 25),
        rotation: float | None = None,
        mirrored: bool = False,
        form: str | None = None,
        options: Mapping[str, str] | None = None,
        container_options: Mapping[str, str] | None = None,
    ) -> Path:
        """A video of `numbered` frames, one for each of ``pts``."""
        path = self.folder / name
        with av.open(str(path), "w", format=form, options=dict(container_options or {})) as container:
            stream = container.add_stream(codec, rate=Fraction(25), options=dict(options or {}))
            assert isinstance(stream, VideoStream)
            stream.height, stream.width = size
            stream.pix_fmt, stream.gop_size = pix_fmt, gop
            stream.codec_context.time_base = time_base
            if b_frames is not None:
                stream.max_b_frames = b_frames
            if rotation is not None:
                stream.set_display_rotation(rotation, hflip=mirrored)
            for ordinal, time in enumerate(pts):
                frame = av.VideoFrame.from_ndarray(numbered(ordinal, *size))
                frame.pts, frame.time_base = time, time_base
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    def sound(self, name: str = "sound.mp4") -> Path:
        """A file with sound and no video."""
        path = self.folder / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=8000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    return Clips(tmp_path)


@pytest.fixture(scope="session")
def shared_clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    return Clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture
def masks_at() -> Callable[..., FrameMasks]:
    def make(frame_index: int, size: tuple[int, int] = (96, 128), ids: tuple[int, ...] = (1, 2)) -> FrameMasks:
        masks = np.zeros((len(ids), *size), bool)
        for place in range(len(ids)):
            top, left = 5 + 7 * place, 5 + 11 * place + frame_index
            masks[place, top : top + 20, left : left + 30] = True
        scores = np.linspace(0.9, 0.6, len(ids), dtype=np.float32)
        return FrameMasks(frame_index, ids, masks, presence=scores, iou=scores[::-1].copy())

    return make
