"""Videos: the frames with the masks drawn over them, or the objects cut out."""

from __future__ import annotations

import contextlib
import os
from abc import abstractmethod
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import av.error
import numpy as np
from jaxtyping import UInt16

from masklet.errors import OutputError
from masklet.io.container import ContainerVideo
from masklet.io.encoder import ALPHA_FORMATS, VIDEO_FORMATS, Pixels, VideoEncoder, VideoFormat, check_encoder
from masklet.io.overlay import Style, draw_style
from masklet.io.result_builder import Provenance, Result, VideoLike
from masklet.io.writer import Writer
from masklet.masks.soft import Edge, alpha_of
from masklet.types import FrameMasks, RgbImage, Size

DEFAULT_FPS = 25.0
"""Where neither the caller nor the source says how fast frames follow each other."""


class VideoWriter(Writer):
    """A video with a picture made of each frame and its masks.

    Every frame keeps its distance in time from the first one written, so a variable frame rate survives; the sound of
    the source comes along, unless ``fps`` changes the times.

    Args:
        path: the file to write; its suffix chooses the form.
        like: the source of the frames; gives the times, the frame rate and the sound.
        provenance: as in `Writer`.
        fps: a constant frame rate instead of the times of ``like``.
        audio: whether to keep the audio of ``like``.

    Attributes:
        FORMATS: what a suffix stands for.

    Raises:
        OutputError: an unknown suffix, a missing folder, no permission, no such encoder, or ``path`` is the source.
    """

    FORMATS: ClassVar[Mapping[str, VideoFormat]]

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        like: VideoLike | None = None,
        provenance: Provenance | None = None,
        fps: float | None = None,
        audio: bool = True,
    ) -> None:
        path = Path(path)
        form = self.FORMATS.get(path.suffix.lower())
        if form is None:
            raise OutputError(
                f"cannot write {path}: expected a video named {', '.join(self.FORMATS)}, got {path.suffix!r}"
            )
        if fps is not None and not 0 < fps <= 1000:
            raise OutputError(
                f"cannot write {path}: expected more than 0 and at most 1000 frames per second, got {fps}"
            )
        check_encoder(form, path)
        super().__init__(path, like=like, provenance=provenance)
        self._form = form
        self._clock = _Clock(like, fps)
        self._sound = like.address if audio and fps is None and isinstance(like, ContainerVideo) else None
        self._size: Size | None = None
        self._encoder: VideoEncoder | None = None

    @abstractmethod
    def _picture(self, frame: RgbImage, masks: FrameMasks) -> Pixels:
        """What is encoded for a frame."""

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        if frame is None:
            raise OutputError(f"cannot write {self.path}: it needs the picture of frame {masks.frame_index}")
        height, width, _ = frame.shape
        size = self._size = self._size or (height, width)
        if (height, width) != size or masks.masks.shape[1:] != size:
            raise OutputError(
                f"cannot write {self.path}: expected frame and masks of {size[1]}x{size[0]} pixels, got "
                f"{width}x{height} and {masks.masks.shape[2]}x{masks.masks.shape[1]} at frame {masks.frame_index}"
            )
        pts = self._clock.pts(masks.frame_index)
        if pts is None:
            raise OutputError(f"cannot write {self.path}: frame {masks.frame_index} does not come after the last one")
        if self._encoder is None:
            clock = self._clock
            self._encoder = VideoEncoder(
                self._output.path, self._form, size, time_base=clock.time_base, rate=clock.rate
            )
            if self._sound is not None:
                self._encoder.add_sound(self._sound, clock.start)
        self._encoder.encode(self._picture(frame, masks), pts)

    def _complete(self) -> None:
        assert self._encoder is not None
        self._encoder.finish()

    def _close_output(self) -> None:
        if self._encoder is not None:
            with contextlib.suppress(av.error.FFmpegError, OSError):  # the draft is deleted in any case
                self._encoder.close()


class OverlayWriter(VideoWriter):
    """An H.264 (``.mp4``, ``.mov``, ``.mkv``) or VP9 (``.webm``) video of the frames with their masks drawn over them.

    Args:
        style: what it looks like.

    The other arguments are those of `VideoWriter`.
    """

    FORMATS = VIDEO_FORMATS

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        like: VideoLike | None = None,
        provenance: Provenance | None = None,
        fps: float | None = None,
        audio: bool = True,
        style: Style | None = None,
    ) -> None:
        super().__init__(path, like=like, provenance=provenance, fps=fps, audio=audio)
        self._style = style or Style()

    def _picture(self, frame: RgbImage, masks: FrameMasks) -> Pixels:
        return draw_style(frame, masks, self._style)


class CutoutWriter(VideoWriter):
    """A video of the objects with transparency around them: ProRes 4444 (``.mov``) or VP9 (``.webm``).

    Colors are those of the frame, not multiplied by alpha; alpha is that of all objects together.

    Args:
        edge: how masks become alpha.

    The other arguments are those of `VideoWriter`.
    """

    FORMATS = ALPHA_FORMATS

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        like: VideoLike | None = None,
        provenance: Provenance | None = None,
        fps: float | None = None,
        audio: bool = True,
        edge: Edge | None = None,
    ) -> None:
        super().__init__(path, like=like, provenance=provenance, fps=fps, audio=audio)
        self._edge = edge or Edge()

    def _picture(self, frame: RgbImage, masks: FrameMasks) -> Pixels:
        return cutout(frame, masks, self._edge)


def cutout(frame: RgbImage, masks: FrameMasks, edge: Edge) -> UInt16[np.ndarray, "h w 4"]:
    """The frame with the alpha of all its masks together, 16 bits a channel, not multiplied."""
    alpha = alpha_of(np.asarray(masks.masks.any(axis=0)), edge, frame)
    pixels = np.empty((*frame.shape[:2], 4), np.uint16)
    pixels[..., :3] = frame.astype(np.uint16) * 257
    pixels[..., 3] = np.rint(alpha * 65535)
    return pixels


class _Clock:
    """When each frame is shown: by the source's times where it has them, else at a constant rate."""

    def __init__(self, like: VideoLike | None, fps: float | None) -> None:
        self._like = like if fps is None and not isinstance(like, Result) else None
        nominal = fps or (None if like is None else like.fps) or DEFAULT_FPS
        self.rate = Fraction(nominal).limit_denominator(1001)
        own = getattr(self._like, "time_base", None)
        self.time_base: Fraction = own or 1 / self.rate
        self._timed = own is not None
        self._first = 0
        self._last: int | None = None

    @property
    def start(self) -> float:
        """Time of the first frame asked for, in seconds on the source's clock."""
        return float(self._first * self.time_base)

    def pts(self, frame_index: int) -> int | None:
        """Time of a frame counted from the first one asked for, or None if it is not after the last one."""
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
