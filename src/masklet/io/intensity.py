"""Convert values of any type to 8 bits: by a given range, or by percentiles of the values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Shaped, UInt8

from masklet.errors import MediaError

SAMPLED_VALUES = 2**20
"""Approximate number of values from which percentiles are computed."""


@dataclass(frozen=True)
class Percentiles:
    """The range between two percentiles of the values, 0 to 100."""

    low: float = 0.1
    high: float = 99.9

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            raise MediaError(f"expected percentiles with 0 <= low < high <= 100, got {self.low} and {self.high}")


Scale = tuple[float, float] | Percentiles
"""The values that become black and white: (low, high) as stored in the file, or percentiles."""


def parse_scale(text: str) -> Scale:
    """Parse ``"0,4095"`` (values) or ``"1%,99%"`` (percentiles); `MediaError` for others, or low not below high."""
    parts = text.replace(" ", "").split(",")
    percent = all(part.endswith("%") for part in parts)
    try:
        low, high = (float(part.removesuffix("%") if percent else part) for part in parts)
    except ValueError:
        raise MediaError(f"expected a range of values as 0,4095 or percentiles as 1%,99%, got {text!r}") from None
    return Percentiles(low, high) if percent else check_range(low, high)


def check_range(low: float, high: float) -> tuple[float, float]:
    """Return a range of values as floats; `MediaError` unless both are finite and low is below high."""
    if not (np.isfinite([low, high]).all() and low < high):
        raise MediaError(f"expected a range of values from low to high, got {low:g} and {high:g}")
    return float(low), float(high)


@dataclass(frozen=True, eq=False)
class Levels:
    """The intensity window of each channel: values below it become black, above it white, NaN black.

    Attributes:
        low: (k,) values that become 0.
        high: (k,) values that become 255.
        linear: whether values are proportional to light, so that the sRGB curve is applied.
    """

    low: Float64[np.ndarray, " k"]
    high: Float64[np.ndarray, " k"]
    linear: bool = False

    @classmethod
    def fixed(cls, low: float, high: float, channels: int, *, linear: bool = False) -> Levels:
        """Use one range for all channels."""
        return cls(np.full(channels, low, np.float64), np.full(channels, high, np.float64), linear)

    @classmethod
    def from_percentiles(
        cls, planes: Iterable[Shaped[np.ndarray, "h w k"]], percentiles: Percentiles, *, linear: bool = False
    ) -> Levels:
        """Compute the range between two percentiles for each channel; 0 to 1 where no value is finite."""
        sampled = np.concatenate([_sampled(plane) for plane in planes]).astype(np.float64)
        low, high = np.zeros(sampled.shape[1]), np.ones(sampled.shape[1])
        for channel, values in enumerate(sampled.T):
            finite = values[np.isfinite(values)]
            if len(finite):
                low[channel], high[channel] = np.percentile(finite, (percentiles.low, percentiles.high))
        return cls(low, np.where(high > low, high, low + 1), linear)

    def apply(self, values: Shaped[np.ndarray, "h w k"]) -> UInt8[np.ndarray, "h w k"]:
        """Convert values of any real type to 8 bits."""
        if values.dtype.kind in "ub" and values.dtype.itemsize <= 2:
            every = np.arange(2 ** (8 * values.dtype.itemsize))[:, None]
            table = self._map(np.broadcast_to(every, (len(every), len(self.low))))
            return np.stack([table[values[..., k].astype(np.uint16), k] for k in range(values.shape[2])], axis=2)
        return self._map(values)

    def _map(self, values: Shaped[np.ndarray, "*shape k"]) -> UInt8[np.ndarray, "*shape k"]:
        with np.errstate(over="ignore", invalid="ignore"):
            share = (values.astype(np.float64) - self.low) / (self.high - self.low)
        share = np.clip(np.nan_to_num(share, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
        if self.linear:
            share = np.where(share <= 0.0031308, 12.92 * share, 1.055 * share ** (1 / 2.4) - 0.055)
        return np.asarray(share * 255 + 0.5).astype(np.uint8)


def _sampled(plane: Shaped[np.ndarray, "h w k"]) -> Shaped[np.ndarray, "n k"]:
    """Sample a regular grid of a sixteenth of `SAMPLED_VALUES`, because up to 16 planes are sampled."""
    height, width, channels = plane.shape
    step = max(1, int(np.ceil(np.sqrt(16 * height * width / SAMPLED_VALUES))))
    return plane[::step, ::step].reshape(-1, channels)
