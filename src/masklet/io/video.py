"""Opening whatever frames come from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from masklet.errors import MediaError
from masklet.io.animation import PictureFile
from masklet.io.array import ArrayVideo
from masklet.io.axes import AxisChoice
from masklet.io.container import VideoFile, WebVideo
from masklet.io.folder import FolderVideo, pictures_in
from masklet.io.image_files import is_picture
from masklet.io.intensity import Scale
from masklet.io.live import LiveVideo
from masklet.io.raw import RawForm
from masklet.io.source import RecordedSource, checked_rate
from masklet.io.source_url import STANDARD_INPUT, Address, is_address
from masklet.io.stack import Channels, StackVideo
from masklet.io.stacks import sequence_opener, stack_opener
from masklet.types import RgbImage


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """What a file leaves open, said by the caller; fields as in `open_video`, None where nothing need be said.

    Raises:
        MediaError: not an axis, or a rate that is none.
    """

    axis: str | None = None
    channels: Channels | None = None
    scale: Scale | None = None
    fps: float | None = None
    raw: RawForm | None = None

    def __post_init__(self) -> None:
        checked_rate(self.fps)
        _ = self.choice

    @property
    def choice(self) -> AxisChoice | None:
        """The axis, read."""
        return None if self.axis is None else AxisChoice.parse(self.axis)

    @property
    def wants_stack(self) -> bool:
        """Whether only a stack can do what is asked."""
        return self.axis is not None or self.channels is not None or self.scale is not None

    def refuse(self, source: str, *, fps: bool = False, raw: bool = False) -> None:
        """`MediaError` where an option is given that the source cannot follow; ``fps`` and ``raw``: those it can."""
        if self.wants_stack:
            raise MediaError(
                f"axis, channels and scale are for stacks (TIFF, OpenEXR, Zarr) and pictures, not {source}"
            )
        if self.fps is not None and not fps:
            raise MediaError(f"frames per second are for pictures and stacks, which have no times, not {source}")
        if self.raw is not None and not raw:
            raise MediaError(f"a raw form is for files and standard input without any header, not {source}")


def open_video(
    source: str | os.PathLike[str] | np.ndarray | Sequence[RgbImage],
    *,
    axis: str | None = None,
    channels: Channels | None = None,
    scale: Scale | None = None,
    fps: float | None = None,
    raw: RawForm | None = None,
) -> RecordedSource | LiveVideo:
    """Open a video for reading; use it in a ``with`` block, or close it.

    Args:
        source: a video file of any container and codec FFmpeg knows; an animated or still picture file; a TIFF or Zarr
            stack; a folder of pictures, OpenEXR or TIFF (natural order of names); ``"camera:0"`` for the first camera;
            the ``rtsp://``, ``http://`` or ``https://`` address of a video; ``"-"`` for standard input; or a
            (t, h, w, 3) uint8 RGB array, or a list of such frames.
        axis: which axis of a stack counts frames: ``"t"``, ``"z"``, ``"t,z=3"`` (one plane) or ``"t,z=max"`` (the
            greatest value along z); for GeoTIFF ``"band"``.
        channels: one channel of a stack, shown gray, or three as red, green and blue; by number from 0 or by name.
        scale: which values become black and white: (low, high), or `masklet.io.Percentiles`.
        fps: frames per second of pictures and stacks, whose files tell none.
        raw: the form of frames without any header.

    Returns:
        A `FrameSource`. Cameras, RTSP streams, standard input, and addresses whose server sends no parts of files
        (streams, playlists) are live: they can only be iterated over. All others have a length, give any frame by
        index, and can be iterated over as often as wanted; what a video file keeps for that is in ``cache_bytes``.

    Raises:
        MediaError: missing, empty, nothing that masklet can read, or options that do not fit.
        MissingExtraError: a stack whose library is not installed.
    """
    options = ReadOptions(axis=axis, channels=channels, scale=scale, fps=fps, raw=raw)
    if isinstance(source, np.ndarray | list | tuple):
        options.refuse("an array", fps=True)
        return ArrayVideo(source, fps=options.fps)
    if isinstance(source, str) and is_address(source):
        return _at_address(source, options)
    if not isinstance(source, str | os.PathLike):
        raise MediaError(f"expected the name of a video or an array of frames, got {type(source).__name__}")
    path = Path(source)
    try:
        path.stat()
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise MediaError(f"cannot open {str(path)!r}: {getattr(error, 'strerror', None) or error}") from None
    return _opened(path, options)


def _at_address(source: str, options: ReadOptions) -> WebVideo | LiveVideo:
    options.refuse("a live video", raw=source == STANDARD_INPUT)
    address = Address.of_source(source, options.raw)
    if address.is_http and address.sends_ranges():
        return WebVideo(address)
    return LiveVideo(source, raw=options.raw)


def _opened(path: Path, options: ReadOptions) -> RecordedSource:
    if options.raw is not None:
        options.refuse(str(path), raw=True)
        return VideoFile(path, raw=options.raw)
    opener = stack_opener(path, options.choice, wanted=options.wants_stack)
    if opener is None and path.is_dir():
        opener = None if options.axis else sequence_opener(pictures_in(path), str(path), wanted=options.wants_stack)
        if opener is None:
            options.refuse(f"the folder {path}", fps=True)
            return FolderVideo(path, fps=options.fps)
    if opener is not None:
        return StackVideo(opener, path=path, channels=options.channels, scale=options.scale, fps=options.fps)
    if is_picture(path):
        options.refuse(str(path), fps=True)
        return PictureFile(path, fps=options.fps)
    options.refuse(str(path))
    return VideoFile(path)
