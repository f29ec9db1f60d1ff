"""Videos as outputs: the frames with the masks drawn over them, or the objects cut out."""

from __future__ import annotations

import contextlib
import os
from abc import abstractmethod
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Unpack

import av.error
import numpy as np
from jaxtyping import UInt16

from masklet.errors import OutputError
from masklet.io.container import ContainerVideo
from masklet.io.encoder import ALPHA_FORMATS, VIDEO_FORMATS, Pixels, VideoEncoder, VideoFormat, check_encoder
from masklet.io.overlay import Style, draw_style
from masklet.io.result_builder import Result, VideoLike
from masklet.io.writer import Writer, WriterOptions
from masklet.masks.soft import Edge, alpha_of
from masklet.types import FrameMasks, RgbImage, Size

DEFAULT_FPS = 25.0
"""Frame rate where neither the caller nor the source gives one."""


class VideoOptions(WriterOptions, total=False):
    """Arguments of every writer of a video; see `VideoWriter`."""

    fps: float | None
    audio: bool


class VideoWriter(Writer):
    """Base of videos with one image for each frame and its masks.

    Every frame keeps its distance in time from the first one written, so a variable frame rate survives; the audio of
    the source is kept, unless ``fps`` changes the times.

    Args:
        path: the file to write; its suffix selects the container and codec.
        fps: a constant frame rate instead of the times of ``like``.
        audio: whether to keep the audio of ``like``.
        options: as in `Writer`.

    Attributes:
        FORMATS: the formats by suffix.

    Raises:
        OutputError: an unknown suffix, a missing folder, no permission, no such encoder, or ``path`` is the source.
    """

    FORMATS: ClassVar[Mapping[str, VideoFormat]]

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fps: float | None = None,
        audio: bool = True,
        **options: Unpack[WriterOptions],
    ) -> None:
        path = Path(path)
        format = self.FORMATS.get(path.suffix.lower())
        if format is None:
            raise OutputError(
                f"cannot write {path}: expected a video named {', '.join(self.FORMATS)}, got {path.suffix!r}"
            )
        if fps is not None and not 0 < fps <= 1000:
            raise OutputError(
                f"cannot write {path}: expected more than 0 and at most 1000 frames per second, got {fps}"
            )
        check_encoder(format, path)
        super().__init__(path, **options)
        self._format = format
        like = options.get("like")
        self._clock = _Clock(like, fps)
        self._audio_source = like.source if audio and fps is None and isinstance(like, ContainerVideo) else None
        self._size: Size | None = None
        self._encoder: VideoEncoder | None = None

    @abstractmethod
    def _draw(self, frame: RgbImage, masks: FrameMasks) -> Pixels:
        """Return the image to encode for a frame."""

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        if frame is None:
            raise OutputError(f"cannot write {self.path}: it needs the image of frame {masks.frame_index}")
        height, width, _ = frame.shape
        size = self._size = self._size or (height, width)
        if (height, width) != size or masks.masks.shape[1:] != size:
            raise OutputError(
                f"cannot write {self.path}: expected frame and masks of {size[1]}x{size[0]} pixels, got "
                f"{width}x{height} and {masks.masks.shape[2]}x{masks.masks.shape[1]} at frame {masks.frame_index}"
            )
        pts = self._clock.pts(masks.frame_index)
        if pts is None:
            raise OutputError(f"cannot write {self.path}: frame {masks.frame_index} is not after the last one")
        if self._encoder is None:
            clock = self._clock
            self._encoder = VideoEncoder(
                self._output.path, self._format, size, time_base=clock.time_base, rate=clock.rate
            )
            if self._audio_source is not None:
                self._encoder.add_audio(self._audio_source, clock.start)
        self._encoder.encode(self._draw(frame, masks), pts)

    def _complete(self) -> None:
        assert self._encoder is not None
        self._encoder.finish()

    def _close_output(self) -> None:
        if self._encoder is not None:
            with contextlib.suppress(av.error.FFmpegError, OSError):  # the file is deleted in any case
                self._encoder.close()


class OverlayWriter(VideoWriter):
    """An H.264 (``.mp4``, ``.mov``, ``.mkv``) or VP9 (``.webm``) video of the frames with their masks drawn over them.

    Args:
        path: the file to write.
        style: how masks are drawn.
        options: ``like``, ``provenance``, ``fps`` and ``audio``, as in `VideoWriter`.
    """

    FORMATS = VIDEO_FORMATS

    def __init__(
        self, path: str | os.PathLike[str], *, style: Style | None = None, **options: Unpack[VideoOptions]
    ) -> None:
        super().__init__(path, **options)
        self._style = style or Style()

    def _draw(self, frame: RgbImage, masks: FrameMasks) -> Pixels:
        return draw_style(frame, masks, self._style)


class CutoutWriter(VideoWriter):
    """A video of the objects with transparency around them: ProRes 4444 (``.mov``) or VP9 (``.webm``).

    Colors are those of the frame, not premultiplied; alpha is that of all objects together.

    Args:
        path: the file to write.
        edge: how masks become alpha.
        options: ``like``, ``provenance``, ``fps`` and ``audio``, as in `VideoWriter`.
    """

    FORMATS = ALPHA_FORMATS

    def __init__(
        self, path: str | os.PathLike[str], *, edge: Edge | None = None, **options: Unpack[VideoOptions]
    ) -> None:
        super().__init__(path, **options)
        self._edge = edge or Edge()

    def _draw(self, frame: RgbImage, masks: FrameMasks) -> Pixels:
        return cutout(frame, masks, self._edge)


def cutout(frame: RgbImage, masks: FrameMasks, edge: Edge) -> UInt16[np.ndarray, "h w 4"]:
    """Add the alpha of all masks together to a frame, 16 bits a channel, not premultiplied."""
    alpha = alpha_of(np.asarray(masks.masks.any(axis=0)), edge, frame)
    pixels = np.empty((*frame.shape[:2], 4), np.uint16)
    pixels[..., :3] = frame.astype(np.uint16) * 257
    pixels[..., 3] = np.rint(alpha * 65535)
    return pixels


class _Clock:
    """Presentation times of the written frames: those of the source where it stores any, else a constant rate."""

    def __init__(self, like: VideoLike | None, fps: float | None) -> None:
        self._like = like if fps is None and not isinstance(like, Result) else None
        nominal = fps or (None if like is None else like.fps) or DEFAULT_FPS
        self.rate = Fraction(nominal).limit_denominator(1001)
        source_time_base = getattr(self._like, "time_base", None)
        self.time_base: Fraction = source_time_base or 1 / self.rate
        self._timed = source_time_base is not None
        self._first = 0
        self._last: int | None = None

    @property
    def start(self) -> float:
        """Time of the first frame written, in seconds on the source's clock."""
        return float(self._first * self.time_base)

    def pts(self, frame_index: int) -> int | None:
        """Return the time of a frame relative to the first one written, or None if it is not after the last one."""
        if self._timed and self._like is not None:
            pts = round(self._like.timestamps[frame_index] / self.time_base)
        else:
            pts = frame_index
        if self._last is None:
            self._first = pts
        elif pts <= self._last:
            return None
        self._last = pts
        return pts - self._first
