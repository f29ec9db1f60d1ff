"""Tone mapping of high dynamic range video to 8-bit BT.709."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float32, UInt16

from masklet.types import RgbImage

PQ, HLG = 16, 18
"""Numbers of the transfer functions in ITU-T H.273, table 3."""

WHITE_NITS = 203.0  # reference white of high dynamic range, ITU-R BT.2408
PEAK_NITS = 1000.0  # assumed peak of the grading, and HLG's nominal peak
BT2020_TO_BT709 = np.array(  # linear light, ITU-R BT.2087
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)


def tone_map(pixels: UInt16[np.ndarray, "h w 3"], transfer: int) -> RgbImage:
    """Convert PQ or HLG pixels with BT.2020 primaries to BT.709 for a screen (8 bits, gamma 2.4).

    The largest of a pixel's three values goes through the curve of ITU-R BT.2390, section 5.4, from 1000 to 203 nits;
    the others keep their ratio to it. Up to some 90 nits only the encoding changes.
    """
    nits = _pq_nits()[pixels] if transfer == PQ else _hlg_nits(pixels)
    peak = nits.max(axis=2)
    gain = _gain()[np.minimum(peak, PEAK_NITS).astype(np.int32)]
    linear = np.clip((nits * (gain / WHITE_NITS)[..., None]) @ BT2020_TO_BT709.T, 0, 1)
    return np.asarray(_gamma()[(linear * 65535 + 0.5).astype(np.uint16)])


@cache
def _pq_nits() -> Float32[np.ndarray, " n"]:
    """Return the nits of each 16-bit value, SMPTE ST 2084."""
    return _from_pq(np.arange(65536) / 65535).astype(np.float32)


def _from_pq(signal: np.ndarray) -> np.ndarray:
    power = signal ** (1 / 78.84375)
    return 10000 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)


def _to_pq(nits: np.ndarray) -> np.ndarray:
    power = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _hlg_nits(pixels: np.ndarray) -> Float32[np.ndarray, "h w 3"]:
    """Return nits on a display of 1000 nits, by ARIB STD-B67 and the system gamma of ITU-R BT.2100."""
    scene = _hlg_scene()[pixels]
    luminance = scene @ np.array([0.2627, 0.6780, 0.0593], np.float32)
    system_gamma = np.maximum(luminance, 1e-6) ** 0.2
    return np.asarray(PEAK_NITS * scene * system_gamma[..., None])


@cache
def _hlg_scene() -> Float32[np.ndarray, " n"]:
    signal = np.arange(65536) / 65535
    high = (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return np.where(signal <= 0.5, signal**2 / 3, high).astype(np.float32)


@cache
def _gain() -> Float32[np.ndarray, " n"]:
    """Return the factor on the light of a pixel whose largest value is 0, 1, ... 1000 nits."""
    nits = np.arange(int(PEAK_NITS) + 1, dtype=np.float64)
    white, peak = _to_pq(np.array([WHITE_NITS, PEAK_NITS]))
    signal, highest = _to_pq(nits) / peak, white / peak
    knee = 1.5 * highest - 0.5
    t = (signal - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * highest
    mapped = _from_pq(np.where(signal > knee, spline, signal) * peak)
    return np.where(nits > 0, mapped / np.maximum(nits, 1), 1).astype(np.float32)


@cache
def _gamma() -> np.ndarray:
    curve: np.ndarray = np.round(255 * np.linspace(0, 1, 65536) ** (1 / 2.4)).astype(np.uint8)
    return curve
