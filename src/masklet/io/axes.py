"""Stacks in arrays with named axes: which axis counts frames, which channels, and positions on the others."""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from masklet.errors import MediaError
from masklet.io.source import Calibration
from masklet.io.stack import Stack, default_scale

FRAME_AXES = "tz"  # preferred to count frames, in this order; then any other

Index = tuple[int | slice, ...]


@dataclass(frozen=True)
class AxisChoice:
    """The axis that counts frames, and the positions on the others.

    Attributes:
        frame: name of the axis, or "" for time, else depth, else any other.
        at: position from 0 on other axes, or "max" for a maximum projection along the axis.
    """

    frame: str = ""
    at: Mapping[str, int | str] | None = None

    @classmethod
    def parse(cls, text: str) -> AxisChoice:
        """Parse ``"t"``, ``"z"``, ``"t,z=3"`` or ``"t,z=max"``; `MediaError` for another syntax."""
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


class ArrayStack(Stack):
    """Base of stacks in an array with named axes.

    Args:
        name: for messages.
        axes: one lower-case letter for each axis: t, z, c (channels), s (color samples), y, x, or any other.
        shape: as many lengths.
        dtype: of the values.
        choice: the axis that counts frames, and the positions on the others.
        channel_names: used if there are as many as channels.
        calibration: physical scale, or None.
    """

    def __init__(
        self,
        name: str,
        axes: str,
        shape: tuple[int, ...],
        dtype: np.dtype,
        choice: AxisChoice,
        *,
        channel_names: Sequence[str] = (),
        calibration: Calibration | None = None,
    ) -> None:
        self.name = name
        self._axes = axes
        if not {"y", "x"} <= set(axes) or len(set(axes)) < len(axes):
            raise MediaError(f"expected an array with rows and columns, got the axes {axes!r}: {name}")
        if dtype.kind not in "uifb":
            raise MediaError(f"expected real numbers, got {dtype}: {name}")
        if 0 in shape:
            raise MediaError(f"expected values, got the empty shape {shape}: {name}")
        self._length = dict(zip(axes, shape, strict=True))
        self.size = (self._length["y"], self._length["x"])
        self._channel_axis = next((axis for axis in "sc" if self._length.get(axis, 1) > 1), "")
        self.is_color = self._channel_axis == "s" and self._length["s"] in (3, 4)
        count = self._length.get(self._channel_axis, 1)
        self.channels = tuple(channel_names) if len(channel_names) == count else ("",) * count
        self.scale = default_scale(dtype, is_color=self.is_color)
        self._frame_axis, self._at = self._resolve(choice)
        self.num_frames = self._length.get(self._frame_axis, 1)
        self.calibration = calibration

    def _resolve(self, choice: AxisChoice) -> tuple[str, dict[str, int | str]]:
        """Return the axis that counts frames ("" for one frame), and the positions on the others."""
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
                f"{self.name} has the axes {self._listed()}: give the one that counts frames and positions on the "
                f"others, as in {frame},{places} or {frame},{places.replace('=0', '=max')} (--axis)"
            )
        return frame, {axis: 0 for axis in self._others() if axis != frame} | at

    def _others(self) -> list[str]:
        return [axis for axis in self._axes if axis not in {"y", "x", self._channel_axis}]

    def _listed(self) -> str:
        return ", ".join(f"{axis} ({self._length[axis]})" for axis in self._others()) or "rows and columns"

    def read(self, frame: int, channels: Sequence[int]) -> Shaped[np.ndarray, "h w k"]:
        """Read planes of a frame; along an axis at "max" the maximum."""
        projected = [axis for axis, place in self._at.items() if place == "max"]
        planes = [self._plane({self._channel_axis: c, self._frame_axis: frame}, projected) for c in channels]
        return np.stack(planes, axis=2)

    def _plane(self, places: Mapping[str, int], projected: list[str]) -> Shaped[np.ndarray, "h w"]:
        if projected:
            axis, *rest = projected
            planes = (self._plane({**places, axis: place}, rest) for place in range(self._length[axis]))
            return functools.reduce(np.fmax, planes)
        index = tuple(slice(None) if axis in "yx" else places.get(axis, self._at.get(axis, 0)) for axis in self._axes)
        plane = self._take(tuple(place if isinstance(place, slice) else int(place) for place in index))
        if plane.shape != (self.size if self._rows_first() else self.size[::-1]):
            raise MediaError(f"a plane of {self.name} does not have the size in its header")
        return plane if self._rows_first() else plane.T

    def _rows_first(self) -> bool:
        return self._axes.index("y") < self._axes.index("x")

    @abstractmethod
    def _take(self, index: Index) -> np.ndarray:
        """Read the part at an index of integers and full slices."""


def guess_axes(shape: Sequence[int]) -> str:
    """Guess the axes: time, depth, rows, columns, colors; `MediaError` for fewer than two or more than five."""
    color = len(shape) >= 3 and shape[-1] in (3, 4)
    leading = len(shape) - (3 if color else 2)
    if not 0 <= leading <= 3 or math.prod(shape) == 0:
        raise MediaError(f"expected 2 to 5 axes, rows and columns last, got the shape {tuple(shape)}")
    return ("", "t", "tz", "tcz")[leading] + "yx" + "s" * color
