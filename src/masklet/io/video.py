"""Opening whatever frames come from."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from masklet.errors import MediaError
from masklet.io.animation import PictureFile
from masklet.io.array import ArrayVideo
from masklet.io.container import VideoFile
from masklet.io.folder import FolderVideo
from masklet.io.images import is_picture
from masklet.io.live import LiveVideo, is_live
from masklet.io.source import RecordedSource


def open_video(source: str | os.PathLike[str] | np.ndarray) -> RecordedSource | LiveVideo:
    """Open a video for reading; use it in a ``with`` block, or close it.

    Args:
        source: a video file of any container and codec FFmpeg knows; an animated or still picture file; a folder of
            pictures (natural order of names); ``"camera:0"`` for the first camera; an ``rtsp://``, ``http://`` or
            ``https://`` address; or a (t, h, w, 3) uint8 RGB array.

    Returns:
        A `FrameSource`. Cameras and addresses are live: they can only be iterated over. All others have a length,
        give any frame by index, and can be iterated over as often as wanted.

    Raises:
        MediaError: missing, empty, or nothing that masklet can read.
    """
    if isinstance(source, np.ndarray):
        return ArrayVideo(source)
    if isinstance(source, str) and is_live(source):
        return LiveVideo(source)
    path = Path(source)
    try:
        path.stat()
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise MediaError(f"cannot open {str(path)!r}: {getattr(error, 'strerror', None) or error}") from None
    if path.is_dir():
        return FolderVideo(path)
    return PictureFile(path) if is_picture(path) else VideoFile(path)
