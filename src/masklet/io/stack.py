"""Stacks (microscopy, satellite images, renderings): planes of numbers of any type, shown as a video."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image, ImageOps

from masklet.errors import MediaError
from masklet.io.images import check_pixels, open_image, to_rgb
from masklet.io.intensity import Levels, Percentiles, Scale, check_range
from masklet.io.source import Calibration, GeoReference, MediaWarning, RecordedSource, check_fps
from masklet.types import RgbImage, Size

MEASURED_FRAMES = 16
"""Percentiles are computed from up to this many frames, evenly spaced."""

Channels = int | str | Sequence[int | str]
"""One channel, shown gray, or three as red, green and blue; by number from 0 or by name."""


class Stack(ABC):
    """The content of one or more files: planes of numbers, by frame and channel.

    Constructors raise `MediaError` for files that are unreadable or hold no such planes, and `MissingExtraError` for a
    missing library.

    Attributes:
        name: for messages.
        num_frames: at least 1.
        size: (height, width) of every plane.
        channels: names of the channels, "" where they have none.
        is_color: whether the first three channels are red, green and blue.
        frame_names: such as files, or empty.
        scale: default intensity window.
        is_linear: whether values are proportional to light.
        calibration: physical scale, or None.
        georeference: location on a map, or None.
    """

    name: str
    num_frames: int
    size: Size
    channels: tuple[str, ...]
    is_color: bool = False
    frame_names: tuple[str, ...] = ()
    scale: Scale = Percentiles()
    is_linear: bool = False
    calibration: Calibration | None = None
    georeference: GeoReference | None = None

    @abstractmethod
    def read(self, frame: int, channels: Sequence[int]) -> Shaped[np.ndarray, "h w k"]:
        """Read planes of a frame, of any real dtype; NaN marks a pixel without a value."""

    def close(self) -> None:  # noqa: B027  most keep nothing open
        """Close open files; closing twice is harmless."""


class StackVideo(RecordedSource):
    """A stack as a video: one channel as gray or three as color, in 8 bits with one intensity window for all frames.

    By default the colors of a color stack are shown, or the first channel, with a `MediaWarning` where there are more.
    The default scale leaves 8-bit values as they are, and uses the range of the dtype for 16-bit colors, 0 to 1 for
    renderings, and the percentiles 0.1 and 99.9 (maps: 2 and 98) of up to 16 frames for all others.

    Args:
        open_stack: called once for random access and once for each iteration.
        path: of the stack.
        channels: one or three, by number or name.
        scale: the values that become black and white.
        fps: playback rate, or None. It is independent of the interval between frames in ``calibration``: a day under
            the microscope is not played in real time.

    Attributes:
        shown: numbers of the channels that are shown.

    Raises:
        MediaError: no such channel, an invalid scale, or an error of ``open_stack``.
    """

    def __init__(
        self,
        open_stack: Callable[[], Stack],
        *,
        path: Path,
        channels: Channels | None = None,
        scale: Scale | None = None,
        fps: float | None = None,
    ) -> None:
        self._open_stack = open_stack
        self._stack = stack = open_stack()
        try:
            check_fps(fps)
            check_pixels(stack.name, *stack.size)
            self.shown = _select_channels(stack, channels)
            self._scale = stack.scale if scale is None else scale
            if isinstance(self._scale, tuple):
                self._scale = check_range(*self._scale)
        except BaseException:
            stack.close()
            raise
        super().__init__(stack.name, stack.size, fps)
        self.path = path
        self.calibration = stack.calibration
        self.georeference = stack.georeference
        self.frame_names = stack.frame_names
        self._levels: Levels | None = None

    def __len__(self) -> int:
        return self._stack.num_frames

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of all channels, "" where they have none."""
        return self._stack.channels

    def values(self, index: int) -> Shaped[np.ndarray, "h w k"]:
        """Return the values of all channels on a frame, as stored; NaN marks a pixel without a value."""
        with self._lock:
            self._check_open()
            return self._stack.read(self.resolve_index(index), range(len(self._stack.channels)))

    def levels(self) -> Levels:
        """Return the intensity window of each shown channel, measured once when it is first needed."""
        with self._lock:
            if self._levels is None:
                self._check_open()
                stack, scale = self._stack, self._scale
                if isinstance(scale, tuple):
                    self._levels = Levels.fixed(*scale, len(self.shown), linear=stack.is_linear)
                else:
                    frames = np.unique(np.linspace(0, stack.num_frames - 1, MEASURED_FRAMES).astype(int)).tolist()
                    planes = (stack.read(frame, self.shown) for frame in frames)
                    self._levels = Levels.from_percentiles(planes, scale, linear=stack.is_linear)
            return self._levels

    def _read(self, index: int) -> RgbImage:
        return self._rgb(self._stack, index, self.levels())

    def __iter__(self) -> Iterator[RgbImage]:
        self.levels()  # here, not in the read-ahead thread, which must not wait for the lock
        return super().__iter__()

    def _stream(self) -> Generator[RgbImage]:
        levels = self.levels() if self._levels is None else self._levels
        stack = self._open_stack()
        try:
            for index in range(stack.num_frames):
                yield self._rgb(stack, index, levels)
        finally:
            stack.close()

    def _rgb(self, stack: Stack, index: int, levels: Levels) -> RgbImage:
        pixels = levels.apply(stack.read(index, self.shown))
        return np.repeat(pixels, 3, axis=2) if len(self.shown) == 1 else np.ascontiguousarray(pixels)

    def _release(self) -> None:
        self._stack.close()


def _select_channels(stack: Stack, channels: Channels | None) -> tuple[int, ...]:
    """Return the numbers of the channels to show, one or three; `MediaError` where the stack does not have them."""
    count = len(stack.channels)
    if channels is None:
        if not stack.is_color and count > 1:
            warnings.warn(
                f"{stack.name} has the channels {_list_channels(stack)}: using the first; select others by number or "
                "name (--channel)",
                MediaWarning,
                stacklevel=2,
            )
        return (0, 1, 2) if stack.is_color else (0,)
    wanted = [channels] if isinstance(channels, int | str) else list(channels)
    if len(wanted) not in (1, 3):
        raise MediaError(f"expected one channel or three (red, green, blue), got {len(wanted)}")
    return tuple(_channel_number(stack, channel) for channel in wanted)


def _channel_number(stack: Stack, channel: int | str) -> int:
    if isinstance(channel, str) and channel in stack.channels:
        return stack.channels.index(channel)
    number = int(channel) if isinstance(channel, int) or channel.isdecimal() else -1
    if not 0 <= number < len(stack.channels):
        raise MediaError(f"expected one of the channels {_list_channels(stack)}, got {channel!r}: {stack.name}")
    return number


def _list_channels(stack: Stack) -> str:
    names = [f"{number} {name}".strip() for number, name in enumerate(stack.channels)]
    return ", ".join(names if len(names) <= 12 else [*names[:11], f"... {names[-1]}"])


class FileSequence(Stack):
    """Files of one frame each, such as a folder of 16-bit TIFF or OpenEXR; sizes and channels are checked at once.

    Args:
        files: in order.
        open_file: opens one file.
        name: of the sequence, for messages.
    """

    def __init__(self, files: Sequence[Path], open_file: Callable[[Path], Stack], name: str) -> None:
        self.name = name
        self.num_frames = len(files)
        self.frame_names = tuple(file.name for file in files)
        self._files = files
        self._open_file = open_file
        first = open_file(files[0])
        first.close()
        self.size, self.channels, self.is_color = first.size, first.channels, first.is_color
        self.scale, self.is_linear = first.scale, first.is_linear
        self.calibration, self.georeference = first.calibration, first.georeference
        for file in files:
            self._open_matching(file).close()

    def _open_matching(self, file: Path) -> Stack:
        """Open a file; `MediaError` if it differs from the first."""
        stack = self._open_file(file)
        found = (stack.size[1], stack.size[0], len(stack.channels), stack.num_frames)
        expected = (self.size[1], self.size[0], len(self.channels), 1)
        if found != expected or stack.georeference != self.georeference:
            stack.close()
            what = "{}x{} with {} channels and {} frame(s)"
            place = "" if found != expected else " on the same grid of the map"
            raise MediaError(f"expected {what.format(*expected)}{place}, got {what.format(*found)}: {file}")
        return stack

    def read(self, frame: int, channels: Sequence[int]) -> Shaped[np.ndarray, "h w k"]:
        stack = self._open_matching(self._files[frame])
        try:
            return stack.read(0, channels)
        finally:
            stack.close()


class ImageStack(Stack):
    """An image file as a stack of one frame, so that its values can be scaled: 8- or 16-bit gray, or colors."""

    num_frames = 1

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        values = self._values()
        self.size = (values.shape[0], values.shape[1])
        self.is_color = values.shape[2] == 3
        self.channels = ("red", "green", "blue") if self.is_color else ("",)
        self.scale = default_scale(values.dtype, is_color=self.is_color)

    def _values(self) -> Shaped[np.ndarray, "h w k"]:
        with open_image(self._path) as image:
            upright: Image.Image = ImageOps.exif_transpose(image)
            if upright.mode == "L" or upright.mode.startswith(("I", "F")):
                return np.array(upright)[:, :, None]
            return to_rgb(upright, self.name)

    def read(self, frame: int, channels: Sequence[int]) -> Shaped[np.ndarray, "h w k"]:
        return self._values()[:, :, list(channels)]


def default_scale(dtype: np.dtype, *, is_color: bool) -> Scale:
    """Return the range of the dtype for 8-bit values and 16-bit colors, percentiles for all others."""
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind == "u" and (dtype.itemsize == 1 or (is_color and dtype.itemsize == 2)):
        return 0, 2 ** (8 * dtype.itemsize) - 1
    return Percentiles()
