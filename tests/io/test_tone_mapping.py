"""Tone mapping of high dynamic range."""

from __future__ import annotations

import numpy as np

from masklet.io.tone_mapping import HLG, PQ, tone_map


def _code(nits: float) -> int:
    """The 16-bit PQ value (SMPTE ST 2084)."""
    power = float(nits / 10000) ** (2610 / 16384)
    signal: float = ((3424 / 4096 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    return round(65535 * signal)


def _gray(value: int, transfer: int) -> int:
    pixel = tone_map(np.full((1, 1, 3), value, np.uint16), transfer)[0, 0]
    assert int(np.ptp(pixel)) <= 1
    return int(pixel[0])


def test_pq_below_the_knee_keeps_its_light() -> None:
    for nits in (0, 5, 20, 50, 85):
        assert abs(203 * (_gray(_code(nits), PQ) / 255) ** 2.4 - nits) < 1.5


def test_pq_highlights_are_rolled_off_and_not_clipped_early() -> None:
    shown = [_gray(_code(nits), PQ) for nits in (100, 203, 300, 450, 1000, 4000)]

    assert shown == sorted(shown)
    assert len(set(shown[:4])) == 4
    assert shown[-2:] == [255, 255]
    assert 220 < shown[1] < 240


def test_hlg_is_as_bright_as_pq_of_the_same_light() -> None:
    """Half the signal is a twelfth of the peak's scene light; with the gamma of 1.2 that is 50.7 nits."""
    assert _gray(0, HLG) == 0
    assert abs(_gray(32768, HLG) - _gray(_code(1000 * (1 / 12) ** 1.2), PQ)) <= 1
    assert _gray(65535, HLG) == 255


def test_colors_of_bt2020_keep_their_hue_inside_bt709() -> None:
    """BT.709's red, written in BT.2020 (ITU-R BT.2087), comes back as it was."""
    light = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]) @ [50, 10, 5]
    pixel = tone_map(np.array([[[_code(nits) for nits in light]]], np.uint16), PQ)[0, 0]

    np.testing.assert_allclose(203 * (pixel / 255) ** 2.4, [50, 10, 5], atol=0.8)
