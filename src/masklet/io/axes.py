"""Arrays with named axes as a stack: which axis counts frames, which channels, and where the others stand."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from masklet.errors import MediaError
from masklet.io.intensity import Percentiles, Scale
from masklet.io.source import Calibration
from masklet.io.stack import Stack

FRAME_AXES = "tz"  # these count frames first; then any other

Index = tuple[int | slice, ...]


@dataclass(frozen=True)
class AxisChoice:
    """Which axis counts frames, and what happens to the others.

    Attributes:
        frame: its name, or "" for time, else depth, else whatever there is.
        at: for other axes a position from 0, or "max" for the greatest value along the axis (a projection).
    """

    frame: str = ""
    at: Mapping[str, int | str] | None = None

    @classmethod
    def parse(cls, text: str) -> AxisChoice:
        """From words: ``"t"``, ``"z"``, ``"t,z=3"`` or ``"t,z=max"``.

        Raises:
            MediaError: something else.
        """
        frame, at = "", {}
        for part in filter(None, text.replace(" ", "").lower().split(",")):
            axis, equals, place = part.partition("=")
            if not equals and not frame:
                frame = axis
            elif equals and (place == "max" or place.isdecimal()):
                at[axis] = place if place == "max" else int(place)
            else:
                raise MediaError(f"expected an axis as t, or t,z=3 or t,z=max, got {text!r}")
        return cls(frame, at)


@dataclass(frozen=True, kw_only=True)
class AxisArray:
    """An array read in parts.

    Attributes:
        name: how errors call it.
        axes: one letter for each axis, lower case: t, z, c (channels), s (color samples), y, x, or any other.
        shape: as many lengths.
        dtype: of the values.
        take: gives the part at an index of integers and whole slices.
    """

    name: str
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    take: Callable[[Index], np.ndarray]


class ArrayStack(Stack):
    """A stack in an array with named axes.

    Raises:
        MediaError: no rows and columns, numbers that are not real, or axes that the choice leaves open.
    """

    def __init__(
        self,
        array: AxisArray,
        choice: AxisChoice,
        *,
        channel_names: Sequence[str] = (),
        calibration: Calibration | None = None,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = array.name
        self._array = array
        self._close = close
        if not {"y", "x"} <= set(array.axes) or len(set(array.axes)) < len(array.axes):
            raise MediaError(f"expected an array with rows and columns, got the axes {array.axes!r}: {array.name}")
        if array.dtype.kind not in "uifb":
            raise MediaError(f"expected real numbers, got {array.dtype}: {array.name}")
        if 0 in array.shape:
            raise MediaError(f"expected values, got the empty shape {array.shape}: {array.name}")
        self._length = dict(zip(array.axes, array.shape, strict=True))
        self.size = (self._length["y"], self._length["x"])
        self._channel_axis = next((axis for axis in "sc" if self._length.get(axis, 1) > 1), "")
        self.is_color = self._channel_axis == "s" and self._length["s"] in (3, 4)
        count = self._length.get(self._channel_axis, 1)
        self.channels = tuple(channel_names) if len(channel_names) == count else ("",) * count
        self.scale = default_scale(array.dtype, is_color=self.is_color)
        self._frame_axis, self._at = self._resolved(choice)
        self.num_frames = self._length.get(self._frame_axis, 1)
        self.calibration = calibration

    def _resolved(self, choice: AxisChoice) -> tuple[str, dict[str, int | str]]:
        """The axis of the frames ("" for one frame), and where the others stand."""
        at = dict(choice.at or {})
        for axis in [*at, *filter(None, [choice.frame])]:
            if axis not in self._length or axis in "yx" or axis == self._channel_axis:
                raise MediaError(f"{self.name} has no axis {axis!r} to choose; its axes: {self._listed()}")
        for axis, place in at.items():
            if isinstance(place, int) and not place < self._length[axis]:
                raise MediaError(f"expected {axis} below {self._length[axis]}, got {place}: {self.name}")
        others = [axis for axis in self._others() if self._length[axis] > 1 and axis not in at]
        frame = choice.frame or next((axis for axis in [*FRAME_AXES, *others] if axis in others), "")
        left = [axis for axis in others if axis != frame]
        if left:
            places = ",".join(f"{axis}=0" for axis in left)
            raise MediaError(
                f"{self.name} has the axes {self._listed()}: say which counts frames and where the others stand, "
                f"as in {frame},{places} or {frame},{places.replace('=0', '=max')} (--axis)"
            )
        return frame, {axis: 0 for axis in self._others() if axis != frame} | at

    def _others(self) -> list[str]:
        return [axis for axis in self._array.axes if axis not in {"y", "x", self._channel_axis}]

    def _listed(self) -> str:
        return ", ".join(f"{axis} ({self._length[axis]})" for axis in self._others()) or "rows and columns"

    def read(self, frame: int, channels: Sequence[int]) -> Shaped[np.ndarray, "h w k"]:
        """The planes of a frame; along an axis at "max" the greatest value."""
        greatest = [axis for axis, place in self._at.items() if place == "max"]
        planes = [self._plane({self._channel_axis: c, self._frame_axis: frame}, greatest) for c in channels]
        return np.stack(planes, axis=2)

    def _plane(self, places: Mapping[str, int], greatest: list[str]) -> Shaped[np.ndarray, "h w"]:
        if greatest:
            axis, *rest = greatest
            every = (self._plane({**places, axis: place}, rest) for place in range(self._length[axis]))
            top = next(every)
            for plane in every:
                top = np.fmax(top, plane)
            return top
        index = tuple(
            slice(None) if axis in "yx" else places.get(axis, self._at.get(axis, 0)) for axis in self._array.axes
        )
        plane = self._array.take(tuple(place if isinstance(place, slice) else int(place) for place in index))
        if plane.shape != (self.size if self._rows_first() else self.size[::-1]):
            raise MediaError(f"a plane of {self.name} is not of the size its header says")
        return plane if self._rows_first() else plane.T

    def _rows_first(self) -> bool:
        return self._array.axes.index("y") < self._array.axes.index("x")

    def close(self) -> None:
        self._close()


def default_scale(dtype: np.dtype, *, is_color: bool) -> Scale:
    """8-bit numbers stay as they are, colors of 16 bits use the range of their type, all others percentiles."""
    if dtype.kind == "b":
        return 0, 1
    if dtype.kind == "u" and (dtype.itemsize == 1 or (is_color and dtype.itemsize == 2)):
        return 0, 2 ** (8 * dtype.itemsize) - 1
    return Percentiles()


def guessed_axes(shape: Sequence[int]) -> str:
    """Names for the axes of an array that has none: rows and columns last, colors behind them, time first, then depth.

    Raises:
        MediaError: fewer than two axes, or too many to tell.
    """
    color = len(shape) >= 3 and shape[-1] in (3, 4)
    leading = len(shape) - (3 if color else 2)
    if not 0 <= leading <= 3 or math.prod(shape) == 0:
        raise MediaError(f"expected 2 to 5 axes, rows and columns last, got the shape {tuple(shape)}")
    return ("", "t", "tz", "tcz")[leading] + "yx" + "s" * color
