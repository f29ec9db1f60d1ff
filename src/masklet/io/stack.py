"""Stacks, numbers that are no pictures yet (microscopy, satellites, renderings), as a frame source."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from masklet.errors import MediaError
from masklet.io.images import check_pixels
from masklet.io.intensity import Levels, Percentiles, Scale, checked_range
from masklet.io.source import Calibration, GeoReference, MediaWarning, RecordedSource, checked_rate
from masklet.types import RgbImage, Size

MEASURED_FRAMES = 16
"""Percentiles are taken of up to so many frames, evenly spread."""

Channels = int | str | Sequence[int | str]
"""One channel, shown gray, or three as red, green and blue; by number from 0 or by name."""


class Stack(ABC):
    """What is in a file (or several): planes of numbers, by frame and channel.

    Attributes:
        name: how errors call it.
        num_frames: at least 1.
        size: (height, width) of every plane.
        channels: their names, "" where they have none.
        is_color: whether the first three channels are red, green and blue.
        frame_names: such as files, or empty.
        scale: the range where nobody gives one.
        is_linear: whether values are proportional to light.
        calibration: physical scale, or None.
        georeference: place on a map, or None.
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
        """The planes of a frame, numbers of any real type; NaN marks a pixel without a value."""

    def close(self) -> None:  # noqa: B027  most keep nothing open
        """Give back what is open; closing twice is harmless."""


class StackVideo(RecordedSource):
    """A stack as a video: one channel as gray or three as color, brought to 8 bits by one range for all frames.

    Where no channel is chosen, it is the colors of a color stack, or the first channel, with a `MediaWarning` when
    there are more. Where no scale is given, 8-bit numbers stay as they are, colors of 16 bits use the whole range of
    their type, renderings the range 0 to 1, all others the percentiles 0.1 and 99.9 (maps: 2 and 98) of up to 16
    frames.

    Args:
        opened: opens the stack; called once for random access and once for each iteration.
        channels: one or three, by number or name.
        scale: which values become black and white.
        fps: frames per second to play it at, or None: a day under the microscope is not to be seen in real time. The
            time between frames in the world is in ``calibration``.

    Attributes:
        shown: numbers of the channels that are shown.

    Raises:
        MediaError: no such channel, or a scale that is no range; and whatever ``opened`` raises.
    """

    def __init__(
        self,
        opened: Callable[[], Stack],
        *,
        path: Path,
        channels: Channels | None = None,
        scale: Scale | None = None,
        fps: float | None = None,
    ) -> None:
        self._opened = opened
        self._stack = stack = opened()
        try:
            checked_rate(fps)
            check_pixels(stack.name, *stack.size)
            self.shown = chosen_channels(stack, channels)
            self._scale = stack.scale if scale is None else scale
            if isinstance(self._scale, tuple):
                self._scale = checked_range(*self._scale)
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

    def levels(self) -> Levels:
        """The range of each shown channel, measured once when it is first needed."""
        with self._lock:
            if self._levels is None:
                self._check_open()
                self._levels = self._found_levels()
            return self._levels

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of all channels, "" where they have none."""
        return self._stack.channels

    def values(self, index: int) -> Shaped[np.ndarray, "h w k"]:
        """The numbers of all channels on a frame, as the file has them; NaN marks a pixel without a value."""
        with self._lock:
            self._check_open()
            return self._stack.read(self.checked(index), range(len(self._stack.channels)))

    def _found_levels(self) -> Levels:
        stack, linear = self._stack, self._stack.is_linear
        if isinstance(self._scale, tuple):
            return Levels.fixed(*self._scale, len(self.shown), linear=linear)
        frames = np.unique(np.linspace(0, stack.num_frames - 1, MEASURED_FRAMES).astype(int)).tolist()
        return Levels.measured((stack.read(frame, self.shown) for frame in frames), self._scale, linear=linear)

    def _read(self, index: int) -> RgbImage:
        return self._picture(self._stack, index, self.levels())

    def __iter__(self) -> Iterator[RgbImage]:
        self.levels()  # here, not in the read-ahead thread: it must not wait for the lock
        return super().__iter__()

    def _stream(self) -> Generator[RgbImage]:
        levels = self.levels() if self._levels is None else self._levels
        stack = self._opened()
        try:
            for index in range(stack.num_frames):
                yield self._picture(stack, index, levels)
        finally:
            stack.close()

    def _picture(self, stack: Stack, index: int, levels: Levels) -> RgbImage:
        pixels = levels.apply(stack.read(index, self.shown))
        return np.repeat(pixels, 3, axis=2) if len(self.shown) == 1 else np.ascontiguousarray(pixels)

    def _release(self) -> None:
        self._stack.close()


def chosen_channels(stack: Stack, channels: Channels | None) -> tuple[int, ...]:
    """Numbers of the channels to show: one or three.

    Raises:
        MediaError: another number of channels, or one that the stack does not have.
    """
    count = len(stack.channels)
    if channels is None:
        if stack.is_color or count == 1:
            return (0, 1, 2) if stack.is_color else (0,)
        warnings.warn(
            f"{stack.name} has the channels {_listed(stack)}: going on with the first; others by number or name "
            "(--channel)",
            MediaWarning,
            stacklevel=2,
        )
        return (0,)
    wanted = [channels] if isinstance(channels, int | str) else list(channels)
    if len(wanted) not in (1, 3):
        raise MediaError(f"expected one channel or three (red, green, blue), got {len(wanted)}")
    return tuple(_channel(stack, channel) for channel in wanted)


def _channel(stack: Stack, channel: int | str) -> int:
    if isinstance(channel, str) and channel in stack.channels:
        return stack.channels.index(channel)
    number = int(channel) if isinstance(channel, int) or channel.isdecimal() else -1
    if not 0 <= number < len(stack.channels):
        raise MediaError(f"expected one of the channels {_listed(stack)}, got {channel!r}: {stack.name}")
    return number


def _listed(stack: Stack) -> str:
    names = [f"{number} {name}".strip() for number, name in enumerate(stack.channels)]
    return ", ".join(names if len(names) <= 12 else [*names[:11], f"... {names[-1]}"])


class FileSequence(Stack):
    """Files of one frame each, such as a folder of 16-bit TIFF or OpenEXR; sizes and channels are compared at once.

    Args:
        files: in order.
        opened: opens one file.
        name: how errors call the sequence.

    Raises:
        MediaError: a file cannot be read, holds several frames, or differs from the first.
    """

    def __init__(self, files: Sequence[Path], opened: Callable[[Path], Stack], name: str) -> None:
        self.name = name
        self.num_frames = len(files)
        self.frame_names = tuple(file.name for file in files)
        self._files = files
        self._open = opened
        first = opened(files[0])
        first.close()
        self.size, self.channels, self.is_color = first.size, first.channels, first.is_color
        self.scale, self.is_linear = first.scale, first.is_linear
        self.calibration, self.georeference = first.calibration, first.georeference
        for file in files:
            self._same(file).close()

    def _same(self, file: Path) -> Stack:
        """One file, opened, after it has proved to be like the first."""
        stack = self._open(file)
        found = (stack.size[1], stack.size[0], len(stack.channels), stack.num_frames)
        expected = (self.size[1], self.size[0], len(self.channels), 1)
        if found != expected or stack.georeference != self.georeference:
            stack.close()
            what = "{}x{} with {} channels and {} frame(s)"
            place = "" if found != expected else " on the same grid of the map"
            raise MediaError(f"expected {what.format(*expected)}{place}, got {what.format(*found)}: {file}")
        return stack

    def read(self, frame: int, channels: Sequence[int]) -> Shaped[np.ndarray, "h w k"]:
        stack = self._same(self._files[frame])
        try:
            return stack.read(0, channels)
        finally:
            stack.close()
