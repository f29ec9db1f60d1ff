"""Open videos, images and stacks: choose the reader by the name or the content."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image, ImageOps

from masklet.errors import MediaError
from masklet.io.axes import AxisChoice, default_scale
from masklet.io.container import VideoFile, WebVideo
from masklet.io.exr import MAGIC, ExrStack
from masklet.io.geo import GeoStack
from masklet.io.image_sources import ArrayVideo, FolderVideo, ImageFile
from masklet.io.images import is_image, list_images, open_image, read_picture, to_rgb
from masklet.io.intensity import Scale
from masklet.io.live import LiveVideo
from masklet.io.source import RecordedSource, checked_rate
from masklet.io.source_url import STANDARD_INPUT, FfmpegInput, RawFormat, is_url
from masklet.io.stack import Channels, FileSequence, Stack, StackVideo
from masklet.io.tiff import TiffHeader, open_tiff
from masklet.io.zarr_stack import is_zarr, open_zarr
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
    raw: RawFormat | None = None

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
    raw: RawFormat | None = None,
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
    if isinstance(source, str) and is_url(source):
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
    address = FfmpegInput.from_url(source, options.raw)
    if address.is_http and address.supports_ranges():
        return WebVideo(address)
    return LiveVideo(source, raw=options.raw)


def _opened(path: Path, options: ReadOptions) -> RecordedSource:
    if options.raw is not None:
        options.refuse(str(path), raw=True)
        return VideoFile(path, raw=options.raw)
    opener = stack_opener(path, options.choice, wanted=options.wants_stack)
    if opener is None and path.is_dir():
        opener = None if options.axis else sequence_opener(list_images(path), str(path), wanted=options.wants_stack)
        if opener is None:
            options.refuse(f"the folder {path}", fps=True)
            return FolderVideo(path, fps=options.fps)
    if opener is not None:
        return StackVideo(opener, path=path, channels=options.channels, scale=options.scale, fps=options.fps)
    if is_image(path):
        options.refuse(str(path), fps=True)
        return ImageFile(path, fps=options.fps)
    options.refuse(str(path))
    return VideoFile(path)


Opener = Callable[[], Stack]


def stack_opener(path: Path, choice: AxisChoice | None = None, *, wanted: bool = False) -> Opener | None:
    """What opens a file, or a Zarr folder, as a stack; None where it is a picture or a video.

    Args:
        path: an existing file or folder.
        choice: which axis counts frames; not None says that a stack is wanted.
        wanted: whether pictures of 8 bits should be opened as stacks too (to choose a channel or a scale).

    Raises:
        MediaError: an axis is chosen in a picture that has none.
    """
    if path.is_dir():
        return partial(open_zarr, path, choice) if is_zarr(path) else None
    header = TiffHeader(path)
    if header.is_tiff:
        if header.is_geo:
            return partial(GeoStack, path, choice)
        return partial(open_tiff, path, choice) if header.is_stack or wanted or choice else None
    exr = _begins_with(path, MAGIC)
    if not exr and not (wanted and is_image(path)):
        return None
    if choice:
        raise MediaError(f"a picture has no axis to choose: {path}")
    return partial(ExrStack if exr else PictureStack, path)


def sequence_opener(files: Sequence[Path], name: str, *, wanted: bool = False) -> Opener | None:
    """What opens pictures as one stack, where the first is a stack or one is wanted; else None."""
    if stack_opener(files[0], wanted=wanted) is None:
        return None
    return partial(FileSequence, files, _open_one, name)


def _open_one(file: Path) -> Stack:
    opener = stack_opener(file, wanted=True)
    if opener is None:
        raise MediaError(f"not a picture that masklet can read: {file}")
    return opener()


def _begins_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError as error:
        raise MediaError(f"cannot open {path}: {error.strerror}") from error


class PictureStack(Stack):
    """A picture file whose numbers are to be scaled: gray of 8 or 16 bits, or colors.

    Raises:
        MediaError: not a picture, or a damaged one.
    """

    num_frames = 1

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        values = self._values()
        self.size = (values.shape[0], values.shape[1])
        self.channels = ("red", "green", "blue") if values.shape[2] == 3 else ("",)
        self.is_color = values.shape[2] == 3
        self.scale = default_scale(values.dtype, is_color=self.is_color)

    def _values(self) -> Shaped[np.ndarray, "h w k"]:
        with open_image(self._path) as image:
            upright: Image.Image = ImageOps.exif_transpose(image)
            if upright.mode == "L" or upright.mode.startswith(("I", "F")):
                return np.array(upright)[:, :, None]
            return to_rgb(upright, self.name)

    def read(self, frame: int, channels: Sequence[int]) -> Shaped[np.ndarray, "h w k"]:
        return self._values()[:, :, list(channels)]


def read_image(
    path: str | os.PathLike[str],
    *,
    axis: str | None = None,
    channels: Channels | None = None,
    scale: Scale | None = None,
) -> RgbImage:
    """A picture as (h, w, 3) uint8 RGB, turned upright by its EXIF orientation.

    Gray and palette pictures become RGB, CMYK is converted, alpha is dropped (the color under it stays, with a
    `MediaWarning` where something is transparent). 16-bit gray PNG is scaled so that 65535 becomes 255, whatever range
    the values use. OpenEXR and TIFF of more than 8 bits are read as `masklet.open_video` reads them, ``axis``,
    ``channels`` and ``scale`` too. Of an animation or stack it is the first page.

    Raises:
        MediaError: missing, not a picture, damaged, too large, or options that do not fit.
        MissingExtraError: a form whose library is not installed.
    """
    path = Path(path)
    wanted = not (axis is None and channels is None and scale is None)
    if path.is_file():
        opener = stack_opener(path, None if axis is None else AxisChoice.parse(axis), wanted=wanted)
        if opener is not None:
            with StackVideo(opener, path=path, channels=channels, scale=scale) as stack:
                return stack[0]
    return read_picture(path)
