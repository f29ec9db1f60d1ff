"""Numbers to 8 bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from masklet.errors import MediaError
from masklet.io.intensity import Levels, Percentiles, parse_scale


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("0,4095", (0.0, 4095.0)),
        ("-1.5, 2e3", (-1.5, 2000.0)),
        ("1%,99%", Percentiles(1, 99)),
        ("0.1%, 99.9%", Percentiles()),
    ],
)
def test_a_scale_in_words(text: str, scale: Any) -> None:
    assert parse_scale(text) == scale


@pytest.mark.parametrize(
    "text", ["", "5", "1,2,3", "1%,2", "a,b", "2,1", "3,3", "nan,1", "0,inf", "-1%,50%", "9%,101%"]
)
def test_what_is_no_scale(text: str) -> None:
    with pytest.raises(MediaError):
        parse_scale(text)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.uint64, np.float16, np.float64])
def test_a_range_becomes_black_to_white(dtype: Any) -> None:
    values = np.array([[[0], [10], [15], [20], [100]]], dtype)

    assert Levels.fixed(10, 20, 1).apply(values).ravel().tolist() == [0, 0, 128, 255, 255]


def test_eight_bits_stay_as_they_are() -> None:
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)

    assert np.array_equal(Levels.fixed(0, 255, 1).apply(every), every)
    assert np.array_equal(Levels.fixed(0, 1, 1).apply(every > 99), (every > 99) * np.uint8(255))


def test_values_that_are_none_are_black_and_infinite_ones_at_the_ends() -> None:
    values = np.array([[[np.nan], [-np.inf], [np.inf], [0.5]]])

    assert Levels.fixed(0, 1, 1).apply(values).ravel().tolist() == [0, 0, 255, 128]


def test_linear_light_gets_the_curve_of_a_screen() -> None:
    values = np.array([[[0.0], [0.0031308], [0.2158605], [1.0]]])  # 0.216 is half as bright to the eye

    assert Levels.fixed(0, 1, 1, linear=True).apply(values).ravel().tolist() == [0, 10, 128, 255]


def test_percentiles_are_of_each_channel_and_of_all_frames() -> None:
    first = np.stack([np.linspace(0, 50, 10_000), np.full(10_000, 7.0)], axis=1).reshape(100, 100, 2)
    second = first + 50
    levels = Levels.from_percentiles([first, np.where(second > 99, np.nan, second)], Percentiles(1, 99))

    np.testing.assert_allclose(levels.low, [1, 7], atol=0.1)
    np.testing.assert_allclose(levels.high, [98, 57], atol=0.2)


def test_without_a_spread_or_a_value_there_still_is_a_range() -> None:
    flat = Levels.from_percentiles([np.full((4, 4, 1), 9.0)], Percentiles())
    none = Levels.from_percentiles([np.full((4, 4, 1), np.nan)], Percentiles())

    assert (flat.low.tolist(), flat.high.tolist()) == ([9.0], [10.0])
    assert (none.low.tolist(), none.high.tolist()) == ([0.0], [1.0])


@given(
    values=hnp.arrays(st.sampled_from([np.uint8, np.uint16, np.int32, np.float32]), (3, 4, 2)),
    low=st.floats(-1e6, 1e6),
    spread=st.floats(1e-3, 1e6),
)
def test_brighter_values_are_never_darker(values: np.ndarray, low: float, spread: float) -> None:
    pixels = Levels.fixed(low, low + spread, 2).apply(values)
    order = np.argsort(values, axis=None, kind="stable")
    known = order[~np.isnan(values.astype(float).ravel()[order])]

    assert pixels.dtype == np.uint8
    assert (np.diff(pixels.ravel()[known].astype(int)) >= 0).all()
