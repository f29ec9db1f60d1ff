"""Numbers of any type to 8 bits: by a range that is given, or by percentiles of what is there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Shaped, UInt8

from masklet.errors import MediaError

SAMPLED_VALUES = 2**20
"""About how many values percentiles are taken of."""


@dataclass(frozen=True)
class Percentiles:
    """The range between two percentiles of the values, 0 to 100."""

    low: float = 0.1
    high: float = 99.9

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            raise MediaError(f"expected percentiles with 0 <= low < high <= 100, got {self.low} and {self.high}")


Scale = tuple[float, float] | Percentiles
"""Which values become black and white: (low, high) as they stand in the file, or percentiles."""


def parse_scale(text: str) -> Scale:
    """A scale from words: ``"0,4095"`` for values, ``"1%,99%"`` for percentiles.

    Raises:
        MediaError: neither.
    """
    parts = text.replace(" ", "").split(",")
    percent = all(part.endswith("%") for part in parts)
    try:
        low, high = (float(part.removesuffix("%") if percent else part) for part in parts)
    except ValueError:
        raise MediaError(f"expected a range of values as 0,4095 or percentiles as 1%,99%, got {text!r}") from None
    return Percentiles(low, high) if percent else checked_range(low, high)


def checked_range(low: float, high: float) -> tuple[float, float]:
    """A range of values; `MediaError` unless both are finite and low is below high."""
    if not (np.isfinite([low, high]).all() and low < high):
        raise MediaError(f"expected a range of values from low to high, got {low:g} and {high:g}")
    return float(low), float(high)


@dataclass(frozen=True, eq=False)
class Levels:
    """The range of each channel; below it is black, above it white, NaN is black.

    Attributes:
        low: (k,) values that become 0.
        high: (k,) values that become 255.
        linear: whether values are proportional to light and need the curve of a screen (sRGB).
    """

    low: Float64[np.ndarray, " k"]
    high: Float64[np.ndarray, " k"]
    linear: bool = False

    @classmethod
    def fixed(cls, low: float, high: float, channels: int, *, linear: bool = False) -> Levels:
        """One range for all channels."""
        return cls(np.full(channels, low, np.float64), np.full(channels, high, np.float64), linear)

    @classmethod
    def measured(
        cls, planes: Iterable[Shaped[np.ndarray, "h w k"]], percentiles: Percentiles, *, linear: bool = False
    ) -> Levels:
        """The range between percentiles of each channel; of planes without a finite value 0 to 1."""
        sampled = np.concatenate([_sampled(plane) for plane in planes]).astype(np.float64)
        low, high = np.zeros(sampled.shape[1]), np.ones(sampled.shape[1])
        for channel, values in enumerate(sampled.T):
            finite = values[np.isfinite(values)]
            if len(finite):
                low[channel], high[channel] = np.percentile(finite, (percentiles.low, percentiles.high))
        return cls(low, np.where(high > low, high, low + 1), linear)

    def apply(self, values: Shaped[np.ndarray, "h w k"]) -> UInt8[np.ndarray, "h w k"]:
        """Values of any real type as 8 bits."""
        if values.dtype.kind in "ub" and values.dtype.itemsize <= 2:
            every = np.arange(2 ** (8 * values.dtype.itemsize))[:, None]
            table = self._mapped(np.broadcast_to(every, (len(every), len(self.low))))
            return np.stack([table[values[..., k].astype(np.uint16), k] for k in range(values.shape[2])], axis=2)
        return self._mapped(values)

    def _mapped(self, values: Shaped[np.ndarray, "*shape k"]) -> UInt8[np.ndarray, "*shape k"]:
        with np.errstate(over="ignore", invalid="ignore"):
            share = (values.astype(np.float64) - self.low) / (self.high - self.low)
        share = np.clip(np.nan_to_num(share, nan=0.0, posinf=1.0, neginf=0.0), 0, 1)
        if self.linear:
            share = np.where(share <= 0.0031308, 12.92 * share, 1.055 * share ** (1 / 2.4) - 0.055)
        return np.asarray(share * 255 + 0.5).astype(np.uint8)


def _sampled(plane: Shaped[np.ndarray, "h w k"]) -> Shaped[np.ndarray, "n k"]:
    """Values on a regular grid: a sixteenth of what percentiles are taken of, since up to 16 planes are sampled."""
    height, width, channels = plane.shape
    step = max(1, int(np.ceil(np.sqrt(16 * height * width / SAMPLED_VALUES))))
    return plane[::step, ::step].reshape(-1, channels)
