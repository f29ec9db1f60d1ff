"""Overlay videos: the frames with the masks drawn over them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av.error

from masklet.errors import OutputError
from masklet.io.draft import writing
from masklet.io.encoder import FORMS, VideoEncoder
from masklet.io.overlay import draw_overlay
from masklet.io.writer import Writer
from masklet.types import FrameMasks, FrameSource, Picture, Size

DEFAULT_FPS = 25.0
"""Where neither the caller nor the source says how fast frames follow each other."""


class OverlayWriter(Writer):
    """An H.264 (``.mp4``, ``.mov``, ``.mkv``) or VP9 (``.webm``) video of the frames with their masks drawn over them.

    Every frame keeps its distance in time from the first one written, so a variable frame rate survives.

    Args:
        path: the file to write.
        like: the source of the frames; gives the times and the frame rate.
        fps: a constant frame rate instead of the times of ``like``.
        alpha: how much of the masks' color is seen, 0 to 1.

    Raises:
        OutputError: an unknown suffix, a missing folder, no permission, or ``path`` is the source itself.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        like: FrameSource | None = None,
        fps: float | None = None,
        alpha: float = 0.5,
    ) -> None:
        path = Path(path)
        if path.suffix.lower() not in FORMS:
            raise OutputError(f"cannot write {path}: expected a video named {', '.join(FORMS)}, got {path.suffix!r}")
        if fps is not None and not 0 < fps <= 1000:
            raise OutputError(
                f"cannot write {path}: expected more than 0 and at most 1000 frames per second, got {fps}"
            )
        source = getattr(like, "path", None)
        with writing(path):
            if source is not None and path.exists() and path.samefile(source):
                raise OutputError(f"cannot write {path}: it is the source of the frames")
        super().__init__(path)
        self._clock = _Clock(like, fps)
        self._alpha = alpha
        self._size: Size | None = None
        self._encoder: VideoEncoder | None = None

    def _write(self, frame: Picture | None, masks: FrameMasks) -> None:
        if frame is None:
            raise OutputError(f"cannot write {self.path}: an overlay needs the picture of frame {masks.frame_index}")
        height, width, _ = frame.shape
        size = self._size = self._size or (height, width)
        if (height, width) != size or masks.masks.shape[1:] != size:
            raise OutputError(
                f"cannot write {self.path}: expected frame and masks of {size[1]}x{size[0]} pixels, got "
                f"{width}x{height} and {masks.masks.shape[2]}x{masks.masks.shape[1]} at frame {masks.frame_index}"
            )
        if self._encoder is None:
            suffix, clock = self.path.suffix.lower(), self._clock
            self._encoder = VideoEncoder(self._draft.path, suffix, size, time_base=clock.time_base, rate=clock.rate)
        pts = self._clock.pts(masks.frame_index)
        if pts is None:
            raise OutputError(f"cannot write {self.path}: frame {masks.frame_index} does not come after the last one")
        self._encoder.encode(draw_overlay(frame, masks, alpha=self._alpha), pts)

    def _complete(self) -> None:
        assert self._encoder is not None
        self._encoder.finish()

    def _abandon(self) -> None:
        if self._encoder is not None:
            with contextlib.suppress(av.error.FFmpegError, OSError):  # the draft is deleted in any case
                self._encoder.close()


class _Clock:
    """When each frame is shown: by the source's times where it has them, else at a constant rate."""

    def __init__(self, like: FrameSource | None, fps: float | None) -> None:
        self._like = like if fps is None else None
        nominal = fps or (like.fps if like is not None else None) or DEFAULT_FPS
        self.rate = Fraction(nominal).limit_denominator(1001)
        own = getattr(self._like, "time_base", None)
        self.time_base: Fraction = own or 1 / self.rate
        self._timed = own is not None
        self._start = 0
        self._last: int | None = None

    def pts(self, frame_index: int) -> int | None:
        """Time of a frame counted from the first one asked for, or None if it is not after the last one."""
        if self._timed and self._like is not None:
            times: Sequence[float] = self._like.timestamps
            pts = round(times[frame_index] / self.time_base)
        else:
            pts = frame_index
        if self._last is None:
            self._start = pts
        elif pts <= self._last:
            return None
        self._last = pts
        return pts - self._start
