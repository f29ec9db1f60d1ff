"""Arrays with named axes: frames, channels and the rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from masklet.errors import MediaError
from masklet.io.axes import ArrayStack, AxisChoice, Index, guess_axes
from masklet.io.intensity import Percentiles
from masklet.io.stack import default_scale


class _Counted(ArrayStack):
    """A stack of the numbers 0, 1, 2 ..."""

    values: np.ndarray

    def _take(self, index: Index) -> np.ndarray:
        return self.values[index]


def _stack(axes: str, shape: tuple[int, ...], choice: str = "", dtype: Any = np.uint16) -> ArrayStack:
    stack = _Counted("it", axes, shape, np.dtype(dtype), AxisChoice.parse(choice))
    stack.values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    return stack


@pytest.mark.parametrize(
    ("axes", "shape", "choice", "frames", "channels", "third"),
    [
        ("yx", (4, 5), "", 1, 1, None),
        ("tyx", (7, 4, 5), "", 7, 1, np.s_[2]),
        ("zyx", (7, 4, 5), "", 7, 1, np.s_[2]),
        ("qyx", (7, 4, 5), "", 7, 1, np.s_[2]),
        ("tzyx", (7, 1, 4, 5), "", 7, 1, np.s_[2, 0]),
        ("tzyx", (7, 3, 4, 5), "t,z=1", 7, 1, np.s_[2, 1]),
        ("tzyx", (2, 3, 4, 5), "z,t=1", 3, 1, np.s_[1, 2]),
        ("tczyx", (7, 2, 3, 4, 5), "t,z=2", 7, 2, np.s_[2, 0, 2]),
        ("tzyx", (7, 3, 4, 5), "z=1", 7, 1, np.s_[2, 1]),
        ("tyxs", (7, 4, 5, 3), "", 7, 3, np.s_[2, :, :, 0]),
        ("tcyxs", (7, 2, 4, 5, 3), "t,c=1", 7, 3, np.s_[2, 1, :, :, 0]),
    ],
)
def test_axes_are_told_apart(
    axes: str, shape: tuple[int, ...], choice: str, frames: int, channels: int, third: Any
) -> None:
    stack = _stack(axes, shape, choice)
    values = np.arange(np.prod(shape)).reshape(shape)

    assert (stack.num_frames, len(stack.channels), stack.size) == (frames, channels, (4, 5))
    assert stack.is_color == axes.endswith("s")
    if third is not None:
        assert np.array_equal(stack.read(2, [0])[..., 0], values[third])


def test_the_greatest_value_along_an_axis() -> None:
    stack = _stack("tzyx", (2, 3, 4, 5), "t,z=max")

    assert np.array_equal(stack.read(1, [0])[..., 0], np.arange(120).reshape(2, 3, 4, 5)[1].max(axis=0))


def test_columns_before_rows_are_turned() -> None:
    stack = _stack("txy", (2, 5, 4))

    assert stack.size == (4, 5)
    assert np.array_equal(stack.read(1, [0])[..., 0], np.arange(40).reshape(2, 5, 4)[1].T)


@pytest.mark.parametrize(
    ("axes", "shape", "choice", "message"),
    [
        ("tzyx", (7, 3, 4, 5), "", r"t \(7\), z \(3\).*t,z=0.*t,z=max.*--axis"),
        ("tzyx", (7, 3, 4, 5), "t", "t,z=0"),
        ("tyx", (7, 4, 5), "z", "'z'.*t"),
        ("tcyx", (7, 2, 4, 5), "c", "'c'"),
        ("tyx", (7, 4, 5), "y", "'y'"),
        ("tzyx", (7, 3, 4, 5), "t,z=3", "z below 3, got 3"),
        ("ty", (7, 4), "", "'ty'"),
        ("yyx", (7, 4, 5), "", "'yyx'"),
        ("tyx", (0, 4, 5), "", r"\(0, 4, 5\)"),
    ],
)
def test_what_is_left_open_or_wrong_is_one_line(axes: str, shape: tuple[int, ...], choice: str, message: str) -> None:
    with pytest.raises(MediaError, match=message) as caught:
        _stack(axes, shape, choice)

    assert "\n" not in str(caught.value)


def test_numbers_must_be_real() -> None:
    with pytest.raises(MediaError, match="complex64"):
        _stack("yx", (4, 5), dtype=np.complex64)


@pytest.mark.parametrize("text", ["t,z", "z=x", "t,z=-1", "=3,=", "t,z=max,y"])
def test_what_is_no_axis(text: str) -> None:
    with pytest.raises(MediaError):
        AxisChoice.parse(text)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((4, 5), "yx"),
        ((9, 4, 5), "tyx"),
        ((9, 40, 50, 3), "tyxs"),
        ((9, 2, 4, 5), "tzyx"),
        ((9, 2, 3, 4, 5), "tczyx"),
    ],
)
def test_axes_without_names_are_guessed(shape: tuple[int, ...], axes: str) -> None:
    assert guess_axes(shape) == axes


@pytest.mark.parametrize("shape", [(5,), (1, 2, 3, 4, 5, 6), (0, 4, 5)])
def test_shapes_that_tell_nothing(shape: tuple[int, ...]) -> None:
    with pytest.raises(MediaError):
        guess_axes(shape)


@pytest.mark.parametrize(
    ("dtype", "color", "scale"),
    [
        (np.uint8, False, (0, 255)),
        (np.bool_, False, (0, 1)),
        (np.uint16, True, (0, 65535)),
        (np.uint16, False, Percentiles()),
        (np.int8, False, Percentiles()),
        (np.float32, True, Percentiles()),
    ],
)
def test_the_scale_where_nobody_gives_one(dtype: Any, color: bool, scale: Any) -> None:
    assert default_scale(np.dtype(dtype), is_color=color) == scale
