"""Open videos, images and stacks: choose the reader by the name or the content."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from masklet.errors import MediaError
from masklet.io.axes import AxisChoice
from masklet.io.container import VideoFile, WebVideo
from masklet.io.decoder import RawFormat
from masklet.io.exr import EXR_MAGIC, ExrStack
from masklet.io.geo import GeoStack
from masklet.io.image_sources import ArrayVideo, FolderVideo, ImageFile
from masklet.io.images import is_image, list_images, read_image_file
from masklet.io.intensity import Scale
from masklet.io.live import LiveVideo
from masklet.io.source import RecordedSource, check_fps
from masklet.io.source_url import HTTP, RTSP, STANDARD_INPUT, parse_url, supports_ranges
from masklet.io.stack import Channels, FileSequence, ImageStack, Stack, StackVideo
from masklet.io.tiff import TIFF_MAGIC, TiffHeader, TiffStack
from masklet.io.zarr_stack import ZarrStack, is_zarr
from masklet.types import RgbImage


def open_video(
    source: str | os.PathLike[str] | np.ndarray | Sequence[RgbImage],
    *,
    axis: str | None = None,
    channels: Channels | None = None,
    scale: Scale | None = None,
    fps: float | None = None,
    raw: RawFormat | None = None,
) -> RecordedSource | LiveVideo:
    """Open a video for reading; use it in a ``with`` block, or close it.

    Args:
        source: a video file of any container and codec FFmpeg decodes; an animated or still image file; a TIFF or Zarr
            stack; a folder of images, OpenEXR or TIFF (natural order of names); ``"camera:0"`` for the first camera;
            the ``rtsp://``, ``http://`` or ``https://`` URL of a video; ``"-"`` for standard input; or a
            (t, h, w, 3) uint8 RGB array, or a list of such frames.
        axis: the axis of a stack that counts frames: ``"t"``, ``"z"``, ``"t,z=3"`` (one plane) or ``"t,z=max"`` (the
            maximum along z); for GeoTIFF ``"band"``.
        channels: one channel of a stack, shown gray, or three as red, green and blue; by number from 0 or by name.
        scale: the values that become black and white: (low, high), or `masklet.io.Percentiles`.
        fps: frame rate for image folders and stacks, which do not store one.
        raw: format of frames without a header.

    Returns:
        A `FrameSource`. Cameras, RTSP streams, standard input, and URLs whose server does not support range requests
        (streams, playlists) are live: they can only be iterated over, once. All others have a length, random access and
        repeated iteration; the limit of the frames that a video file caches for it is ``cache_bytes``.

    Raises:
        MediaError: missing, empty, in no supported format, or options that do not apply.
        MissingExtraError: a stack whose library is not installed.
    """
    check_fps(fps)
    choice = None if axis is None else AxisChoice.parse(axis)
    as_stack = axis is not None or channels is not None or scale is not None
    if isinstance(source, np.ndarray | list | tuple):
        _reject("an array", as_stack=as_stack, raw=raw)
        return ArrayVideo(source, fps=fps)
    if isinstance(source, str) and is_url(source):
        _reject("a live video", as_stack=as_stack, fps=fps, raw=None if source == STANDARD_INPUT else raw)
        url = parse_url(source, raw)
        return WebVideo(url) if url.scheme in HTTP and supports_ranges(source) else LiveVideo(source, raw=raw)
    if not isinstance(source, str | os.PathLike):
        raise MediaError(f"expected the name of a video or an array of frames, got {type(source).__name__}")
    path = Path(source)
    try:
        path.stat()
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise MediaError(f"cannot open {str(path)!r}: {getattr(error, 'strerror', None) or error}") from None
    if raw is not None:
        _reject(str(path), as_stack=as_stack, fps=fps)
        return VideoFile(path, raw=raw)
    opener = stack_opener(path, choice, as_stack=as_stack)
    if opener is None and path.is_dir():
        files = list_images(path)
        if axis or stack_opener(files[0], as_stack=as_stack) is None:
            _reject(f"the folder {path}", as_stack=as_stack)
            return FolderVideo(path, fps=fps)
        opener = partial(FileSequence, files, _open_stack_file, str(path))
    if opener is not None:
        return StackVideo(opener, path=path, channels=channels, scale=scale, fps=fps)
    if is_image(path):
        return ImageFile(path, fps=fps)
    _reject(str(path), as_stack=as_stack, fps=fps)
    return VideoFile(path)


def is_url(source: str) -> bool:
    """Return whether a source is a camera, a network URL or standard input rather than a path."""
    scheme, colon, rest = source.partition(":")
    network = scheme.lower() in RTSP | HTTP and rest.startswith("//")
    return source == STANDARD_INPUT or (bool(colon) and (scheme == "camera" or network))


def _reject(source: str, *, as_stack: bool, fps: float | None = None, raw: RawFormat | None = None) -> None:
    """Raise `MediaError` if one of these options is given; they do not apply to the source."""
    if as_stack:
        raise MediaError(f"axis, channels and scale are for stacks (TIFF, OpenEXR, Zarr) and images, not {source}")
    if fps is not None:
        raise MediaError(f"fps is for images and stacks, which store no times, not {source}")
    if raw is not None:
        raise MediaError(f"a raw format is for files and standard input without a header, not {source}")


def read_image(
    path: str | os.PathLike[str],
    *,
    axis: str | None = None,
    channels: Channels | None = None,
    scale: Scale | None = None,
) -> RgbImage:
    """Read an image as (h, w, 3) uint8 RGB, turned upright by its EXIF orientation.

    Gray, palette and CMYK images are converted to RGB; alpha is dropped (the color under it stays, with a
    `MediaWarning` where something is transparent). 16-bit gray PNG is scaled so that 65535 becomes 255, whatever range
    the values use. OpenEXR and TIFF of more than 8 bits are read as by `masklet.open_video`, with the same ``axis``,
    ``channels`` and ``scale``. Of an animation or stack the first page is read.

    Raises:
        MediaError: missing, not an image, damaged, too large, or options that do not apply.
        MissingExtraError: a format whose library is not installed.
    """
    path = Path(path)
    if path.is_file():
        as_stack = axis is not None or channels is not None or scale is not None
        opener = stack_opener(path, None if axis is None else AxisChoice.parse(axis), as_stack=as_stack)
        if opener is not None:
            with StackVideo(opener, path=path, channels=channels, scale=scale) as stack:
                return stack[0]
    return read_image_file(path)


def stack_opener(path: Path, choice: AxisChoice | None = None, *, as_stack: bool = False) -> Callable[[], Stack] | None:
    """Return a function that opens a file or a Zarr folder as a stack; None for images and videos.

    Args:
        path: an existing file or folder.
        choice: the axis that counts frames, or None.
        as_stack: open 8-bit images as stacks too (to select a channel or a scale).
    """
    if path.is_dir():
        return partial(ZarrStack, path, choice) if is_zarr(path) else None
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise MediaError(f"cannot open {path}: {error.strerror}") from error
    if magic in TIFF_MAGIC:
        header = TiffHeader(path)
        if header.is_geo:
            return partial(GeoStack, path, choice)
        return partial(TiffStack, path, choice) if header.is_stack or as_stack or choice else None
    if magic != EXR_MAGIC and not (as_stack and is_image(path)):
        return None
    if choice:
        raise MediaError(f"an image has no axis to choose: {path}")
    return partial(ExrStack if magic == EXR_MAGIC else ImageStack, path)


def _open_stack_file(file: Path) -> Stack:
    opener = stack_opener(file, as_stack=True)
    if opener is None:
        raise MediaError(f"not an image in a supported format: {file}")
    return opener()
